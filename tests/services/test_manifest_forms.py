"""Manifests at the portal: fetched in the form that is preferred, bad ones named in its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from country_b.app import build_app, community_of
from country_b.initiator import Community
from country_b.reading import DicomReading
from gateway.domain import (
    CommunityId,
    Document,
    Exchange,
    Gender,
    ImagingManifest,
    ManifestEncoding,
    ManifestPatient,
    Uid,
)
from gateway.domain.codes import FORMAT_FHIR_MANIFEST, FORMAT_KOS
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.wire.dicom import kos_write
from gateway.wire.fhir import manifest_write
from gateway.wire.fhir.mhd_retrieve import wrap_binary
from gateway.wire.fhir.resources import Format, write_resource
from tests.builders import make_manifest
from tests.conftest import Seeded
from tests.country_b.portal import SIGN_IN, Visit
from tests.desks import desk_of
from tests.fakes import COUNTRY_A, FakeExchange, make_entry, make_identity
from tests.gateways import pair_of

KOS, FHIR = ManifestEncoding.KOS, ManifestEncoding.FHIR
MIME = {KOS: "application/dicom", FHIR: "application/fhir+json"}
PERMISSIONS = ["PRD-003", "PRD-004", "PRD-005", "PRD-006", "PRD-010", "PRD-016"]
FORMAT = {KOS: FORMAT_KOS, FHIR: FORMAT_FHIR_MANIFEST}


@asynccontextmanager
async def portal(
    exchange: Exchange, community: Community, state: Path, form: ManifestEncoding
) -> AsyncIterator[TestClient[Any, Any]]:
    """The portal as it is in service: manifests are read, and not made believe."""
    app = build_app(
        exchanges={community.id: exchange},
        communities={community.id: community},
        state=state,
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid4()),
        reading=DicomReading(),
        syntaxes=STORED_SYNTAXES,
        manifest_form=form,
    )
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize("form", [KOS, FHIR])
async def test_a_visit_over_fhir_fetches_the_preferred_form_and_then_the_images(
    form: ManifestEncoding, seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """One row a study, one document of it over ITI-68, and the images by WADO-RS."""
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
        desk=desk_of(national.systems.pacs, tmp_path),
    )
    role = seeded.role("greek")
    (made,) = role["studies"]
    fhir_way = {"identify_by": "fhir", "documents_by": "fhir", "images_by": "wado-rs"}
    try:
        async with pair_of(responder, trust_domain, tmp_path, **fhir_way) as pair:  # type: ignore[arg-type]
            peer = PeerBook.of_sections(pair.asking_settings.peers, "ihe").peers[0]
            community = community_of(peer, STORED_SYNTAXES)
            async with portal(pair.exchange, community, tmp_path / "kept", form) as client:
                visit = await Visit(client).open()
                await visit.post("sign-in", {**SIGN_IN, "permissions": PERMISSIONS})
                await visit.post("inform", {"text_version": "2026-1"})
                await visit.post("purpose", {"purpose": "TREATMENT"})
                ids = [{"value": role["id"], "authority": role["authority"]}]
                await visit.post("identify", {"community": str(COUNTRY_A), "ids": ids})
                await visit.post("confirm")

                rows = (await visit.post("list"))["rows"]
                answer = await visit.post("retrieve", {"studies": [made["uid"]]})
                job = await visit.images({"study": made["uid"]})

        (row,) = [row for row in rows if row["document_class"] == "manifest"]
        other = FHIR if form is KOS else KOS
        assert [item["form"] for item in row["documents"]] == [form.value, other.value]
        (document,) = answer["documents"]
        assert (document["status"], document["mime_type"]) == ("good", MIME[form])
        assert document["id"] == row["id"]
        assert document["id"] == made["manifest" if form is KOS else "fhir_manifest"]
        assert document["manifest"]["instances"] == made["instances"]
        assert document["warnings"] == []
        assert (job["state"], job["received"]) == ("complete", made["instances"])
        asked = [each["transaction"] for each in pair.asking.tap.summaries()]
        assert asked.count("ITI-68") == 1
        assert asked.count("RAD-107") >= 1
    finally:
        await national.close()


# --- what a peer may send -------------------------------------------------------------------------

STUDY = replace(
    make_manifest(),
    patient=ManifestPatient(
        ids=(make_identity().id,), birth_date=date(1980, 1, 2), gender=Gender.MALE
    ),
    series=tuple(
        replace(series, retrieve_url="https://images.example/rs")
        for series in make_manifest().series
    ),
)


def encoded(manifest: ImagingManifest, form: ManifestEncoding) -> bytes:
    if form is KOS:
        return kos_write.encode_manifest(manifest)
    return write_resource(manifest_write.encode_manifest(manifest), Format.JSON)


def wrapped(data: bytes, form: ManifestEncoding) -> bytes:
    return write_resource(wrap_binary(data, MIME[form]), Format.JSON)


def pointing_at(address: str) -> ImagingManifest:
    return replace(
        STUDY, series=tuple(replace(series, retrieve_url=address) for series in STUDY.series)
    )


def doubled() -> ImagingManifest:
    first = STUDY.series[0]
    return replace(
        STUDY,
        series=(replace(first, instances=(*first.instances, *first.instances)), *STUDY.series[1:]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A document that a peer sends for a manifest, what it is called, and from where it is."""

    data: bytes
    form: ManifestEncoding
    home: CommunityId = COUNTRY_A


async def retrieved(state: Path, came: Sequence[Came]) -> list[dict[str, Any]]:
    """How the portal answers when these come, one after the other, in one visit."""
    entries = [
        make_entry(
            f"2.999.9.{number}",
            one.data,
            study=str(STUDY.study),
            mime_type=MIME[one.form],
            format_code=FORMAT[one.form],
        )
        for number, one in enumerate(came)
    ]
    exchange = FakeExchange(
        patients=(make_identity(),),
        entries=tuple(entries),
        extra_documents=tuple(
            Document.of_bytes(replace(entry.ref, community=one.home), entry.mime_type, one.data)
            for entry, one in zip(entries, came, strict=True)
        ),
    )
    community = Community(
        id=COUNTRY_A,
        fhir_base="https://images.example/fhir",
        image_hosts={"": ("images.example",)},
    )
    async with portal(exchange, community, state, KOS) as client:
        visit = await Visit(client).listed()
        asked = {"documents": [str(entry.ref.document) for entry in entries]}
        documents: list[dict[str, Any]] = (await visit.post("retrieve", asked))["documents"]
    return documents


def _texts(document: dict[str, Any]) -> str:
    assert {each["severity"] for each in document["warnings"]} <= {"warning"}
    return "\n".join(each["text"] for each in document["warnings"])


async def test_a_manifest_as_it_should_be_has_no_warning(tmp_path: Path) -> None:
    """So that those below are about what is wrong there."""
    good = [Came(data=encoded(STUDY, form), form=form) for form in ManifestEncoding]

    for document in await retrieved(tmp_path, good):
        assert (document["status"], document["warnings"]) == ("good", [])
        assert document["manifest"]["instances"] == STUDY.instance_count


async def test_a_manifest_of_somebody_or_something_else_is_set_aside(tmp_path: Path) -> None:
    """In either encoding; why is said, and there is nothing to ask images by."""
    stranger = replace(STUDY.patient, ids=(make_identity("P-2").id,))
    unlike = ManifestPatient(bare_id="7", birth_date=date(1999, 1, 1))
    cases = (
        (replace(STUDY, patient=stranger), COUNTRY_A, "another patient"),
        (replace(STUDY, patient=unlike), COUNTRY_A, "born otherwise"),
        (replace(STUDY, study=Uid("2.999.77")), COUNTRY_A, "another study"),
        (STUDY, CommunityId("2.999.66"), "community 2.999.66"),
    )
    table = [
        (Came(data=encoded(manifest, form), form=form, home=home), problem)
        for manifest, home, problem in cases
        for form in ManifestEncoding
    ]

    documents = await retrieved(tmp_path, [came for came, _ in table])

    for (_, problem), document in zip(table, documents, strict=True):
        assert document["status"] == "set-aside", problem
        assert problem in document["problem"]["text"]
        assert document["manifest"] is None


async def test_what_is_odd_in_a_manifest_is_a_named_warning(tmp_path: Path) -> None:
    """In either encoding; the study is there all the same."""
    first, *others = STUDY.series
    cases = (
        (doubled(), "the instance is listed more than once"),
        (replace(STUDY, series=(*STUDY.series, first)), "the series is listed more than once"),
        (
            replace(STUDY, series=(replace(first, declared_instances=9), *others)),
            "says 9 instances and lists 3",
        ),
        (replace(STUDY, declared_series=7), "says 7 series and lists 3"),
        (pointing_at("https://evil.example/rs"), "not among those that may be called"),
    )
    table = [
        (Came(data=encoded(manifest, form), form=form), warning)
        for manifest, warning in cases
        for form in ManifestEncoding
    ]

    documents = await retrieved(tmp_path, [came for came, _ in table])

    for (_, warning), document in zip(table, documents, strict=True):
        assert document["status"] == "good"
        assert warning in _texts(document)
        assert document["manifest"]["instances"] == STUDY.instance_count


async def test_addresses_that_are_none_are_put_right_and_told(tmp_path: Path) -> None:
    """Relative ones begin where the peer is, doubled slashes are one, in either encoding."""
    address = b"https://images.example/rs"
    table = []
    for written, warning in (
        (b"rs", "the address is relative"),
        (b"https://images.example//r", "doubled slashes"),
    ):
        # A selection states the length of what it holds: the address is padded to what it was.
        kos = encoded(STUDY, KOS).replace(address, written.ljust(len(address)))
        fhir = encoded(STUDY, FHIR).replace(address, written)
        table += [(Came(data=kos, form=KOS), warning), (Came(data=fhir, form=FHIR), warning)]

    documents = await retrieved(tmp_path, [came for came, _ in table])

    for (_, warning), document in zip(table, documents, strict=True):
        assert document["status"] == "good"
        assert warning in _texts(document)
        assert "may be called" not in _texts(document)


async def test_a_manifest_in_the_wrong_clothes_is_read_and_told(tmp_path: Path) -> None:
    """Called the other encoding, wrapped into a Binary, or without the head of its file."""
    kos, fhir = encoded(STUDY, KOS), encoded(STUDY, FHIR)
    table = [
        (Came(data=kos, form=FHIR), MIME[FHIR]),
        (Came(data=fhir, form=KOS), MIME[KOS]),
        (Came(data=write_resource(wrap_binary(kos, MIME[KOS]), Format.JSON), form=KOS), "Binary"),
        (
            Came(data=write_resource(wrap_binary(fhir, MIME[FHIR]), Format.JSON), form=FHIR),
            "Binary",
        ),
        (Came(data=kos[132:], form=KOS), "preamble"),
    ]

    documents = await retrieved(tmp_path, [came for came, _ in table])

    for (_, warning), document in zip(table, documents, strict=True):
        assert document["status"] == "good"
        assert warning in _texts(document)
        assert document["manifest"]["instances"] == STUDY.instance_count


async def test_what_is_no_manifest_is_set_aside(tmp_path: Path) -> None:
    """In words, whatever it was called."""
    nothing = [b"", b"{}", b"<html></html>", b'{"resourceType":"Bundle"}', b"%PDF-1.7"]
    came = [Came(data=data, form=form) for data in nothing for form in ManifestEncoding]

    for document in await retrieved(tmp_path, came):
        assert document["status"] == "set-aside"
        assert "cannot be read" in document["problem"]["text"]
