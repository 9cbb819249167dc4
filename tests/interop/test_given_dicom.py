"""Real studies from elsewhere cross the border as made-up patients', with the pixels they had.

Country A is seeded with files of scanners and of other projects, and asked over SOAP for all of
it. Pixels are compared with the source files through another decoder; whatever names the sources
hold must be in nothing that is served or kept.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pypdf import PdfReader

from country_a.national.sql import open_systems
from country_a.seed.load import seed_all
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Authentication,
    CallContext,
    DeliveryWish,
    DocumentClass,
    DocumentEntry,
    ImageRequest,
    ImagingManifest,
    ManifestEncoding,
    Oid,
    PatientId,
    PatientTraits,
    ReferenceKind,
    Uid,
    read_content,
)
from gateway.domain.manifest_losses import losses
from gateway.domain.selection import document_class, manifest_encoding
from gateway.pki import TrustDomain
from gateway.transport.soap_client import SoapClient
from gateway.wire.dicom.instances import can_decode
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.fhir.manifest_read import decode_bytes
from tests.builders import COUNTRY_A, make_context, make_query
from tests.interop import sources
from tests.interop.country import OIDS, country
from tests.manifests import changes
from tests.requests import RELATION, SMARTCARD
from tests.shared import shared

KOS, FHIR = ManifestEncoding.KOS, ManifestEncoding.FHIR
SAMPLES = "samples/dicom"
STUDY_B = "samples/mado/Study_B.zip"
LOSSY = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.(?:50|51|81|91|203)$")
# Two decoders of lossy JPEG may round differently; a colour transform doubles it.
LOSSY_TOLERANCE = 3
# A scan header that the other decoder takes for misplaced: compared byte for byte as stored only.
BEYOND_THE_OTHER_DECODER = frozenset({"JPEG-lossy.dcm"})


@dataclass
class Given:
    """What was given: the files by SOP Instance UID, and every name they hold."""

    folders: list[Path]
    files: dict[str, Path] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and (uid := sources.uid_of(path)):
                    self.files.setdefault(uid, path)
                    self.names |= sources.names_in(sources.header_of(path))
        self.names -= sources.GENERIC.keys()


@dataclass
class Got:
    """What came of one study."""

    entries: list[DocumentEntry]
    manifest: ImagingManifest
    manifest_file: bytes
    report: bytes
    stored: dict[str, bytes]
    decoded: dict[str, bytes]


def study_b(folder: Path) -> Path:
    """IHE's study B, unzipped."""
    with zipfile.ZipFile(shared(STUDY_B)) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.interop
async def test_every_sample_crosses_with_its_pixels_and_without_its_names(
    tmp_path: Path, trust_domain: TrustDomain
) -> None:
    """All the files there are."""
    await _cross([study_b(tmp_path / "b"), shared(SAMPLES)], tmp_path, trust_domain)


async def _cross(folders: list[Path], tmp_path: Path, domain: TrustDomain) -> None:
    before = [sources.digests(folder) for folder in folders]
    given = Given(folders)
    assert len(given.names) > 20
    state, out = tmp_path / "country", tmp_path / "exchange"
    told = await _seed(state, folders)
    left_out = {one["file"]: one["reason"] for folder in told for one in folder["left_out"]}
    assert all(why.startswith("not a DICOM instance: ") for why in left_out.values()), left_out

    crossed: set[str] = set()
    async with country(state, domain, out, profile="ihe") as pair:
        for record in (patient for folder in told for patient in folder["patients"]):
            patient = PatientId(record["id"], Oid(record["authority"]))
            await _confirm(pair.client, patient, record)
            for got in await _everything(pair.client, patient, len(record["studies"])):
                assert not crossed & got.stored.keys()
                crossed |= got.stored.keys()
                _agree(got, patient, record)
                _same_pixels(given, got)
                _nameless(given, got)
    assert crossed == given.files.keys()
    kept = list(_kept(state, out))
    assert not sources.found_in(kept, given.names, noisy=True)
    _finds_what_is_there(kept, told)
    assert [sources.digests(folder) for folder in folders] == before


async def _seed(state: Path, folders: list[Path]) -> list[dict[str, Any]]:
    opened = await open_systems(state)
    try:
        await seed_all(opened, oids=OIDS, seed_number=1, size="tiny", dicom_folders=folders)
    finally:
        await opened.close()
    told: list[dict[str, Any]] = json.loads((state / "seed.json").read_text("utf-8"))["folders"]
    return told


def _context(patient: PatientId | None) -> CallContext:
    authentication = Authentication(at=datetime.now(UTC), method=SMARTCARD)
    return make_context(patient=patient, relation=RELATION["ihe"], authentication=authentication)


async def _confirm(client: SoapClient, patient: PatientId, record: dict[str, Any]) -> None:
    """The registry knows the made-up person the seed told of."""
    outcome = await client.identify_patient(PatientTraits(ids=(patient,)), _context(None))
    (identity,) = outcome.items
    assert identity.names[0].family == record["names"][0]["family"]
    assert f"{identity.birth_date}" == record["birth_date"]


async def _everything(client: SoapClient, patient: PatientId, studies: int) -> list[Got]:
    """Every study listed for a patient: entries, documents, images in both forms."""
    context = _context(patient)
    listed = (await client.find_documents(make_query(patient=patient), context)).items
    manifests = [one for one in listed if manifest_encoding(one) is KOS]
    assert len(manifests) == studies
    found = []
    for entry in manifests:
        related = [one for one in listed if one.studies == entry.studies]
        (report,) = [one for one in related if document_class(one) is DocumentClass.REPORT]
        (twin,) = [one for one in related if one not in (entry, report)]
        manifest_file = await _document(client, entry, context)
        manifest = decode_manifest(manifest_file).items[0]
        as_fhir = decode_bytes(await _document(client, twin, context)).items[0]
        assert manifest_encoding(twin) is FHIR
        assert changes(manifest, as_fhir) <= {one.element for one in losses(manifest, FHIR)}
        request = ImageRequest.of_manifest(
            manifest, COUNTRY_A, default_location=OIDS.imaging_source
        )
        stored = await _images(client, request, _any_syntax(), context)
        plain = {
            uid
            for uid, data in stored.items()
            if can_decode(sources.header_of(data).file_meta.TransferSyntaxUID)
        }
        some = ImageRequest(
            community=COUNTRY_A,
            instances=tuple(one for one in request.instances if one[0].instance in plain),
        )
        wish = DeliveryWish(syntaxes=(EXPLICIT_LITTLE_ENDIAN,))
        decoded = await _images(client, some, wish, context)
        found.append(
            Got(
                entries=related,
                manifest=manifest,
                manifest_file=manifest_file,
                report=await _document(client, report, context),
                stored=stored,
                decoded=decoded,
            )
        )
    return found


def _any_syntax() -> DeliveryWish:
    tails = (
        *("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.202"),
        *("4.203", "5", "1.99", "2"),
    )
    compressed = tuple(Uid(f"1.2.840.10008.1.2.{tail}") for tail in tails)
    return DeliveryWish(syntaxes=(*compressed, Uid("1.2.840.10008.1.2"), EXPLICIT_LITTLE_ENDIAN))


async def _document(client: SoapClient, entry: DocumentEntry, context: CallContext) -> bytes:
    outcome = await client.retrieve_documents((entry.ref,), context)
    assert outcome.issues == ()
    return await read_content(outcome.items[0].content, 10**8)


async def _images(
    client: SoapClient, request: ImageRequest, wish: DeliveryWish, context: CallContext
) -> dict[str, bytes]:
    data: dict[str, bytearray] = {}
    async with await client.retrieve_images(request, wish, context) as delivery:
        async for chunk in delivery.chunks():
            data.setdefault(str(chunk.instance), bytearray()).extend(chunk.data)
        assert delivery.issues == ()
    return {uid: bytes(content) for uid, content in data.items()}


def _agree(got: Got, patient: PatientId, record: dict[str, Any]) -> None:
    """Header, manifest and registry name the same person, order, day and instances."""
    manifest = sources.header_of(got.manifest_file)
    headers = {uid: sources.header_of(data) for uid, data in got.stored.items()}
    assert _evidence(manifest) == {
        (str(one.StudyInstanceUID), str(one.SeriesInstanceUID), uid) for uid, one in headers.items()
    }
    (number,) = {one.AccessionNumber for one in headers.values()}
    (study,) = [one for one in record["studies"] if one["uid"] == manifest.StudyInstanceUID]
    assert study["accessions"] == [number]
    assert {item.AccessionNumber for item in manifest.ReferencedRequestSequence} == {number}
    person = record["names"][0]
    for one in (manifest, *headers.values()):
        assert one.PatientID == patient.value
        assert one.PatientName.family_name == person["family"]
        assert one.PatientName.given_name == person["given"][0]
        assert one.PatientBirthDate == record["birth_date"].replace("-", "")
        assert one.get("StudyDate", "") == manifest.get("StudyDate", "")
    for entry in got.entries:
        assert entry.patient == patient
        assert [ref.value for ref in entry.referenced(ReferenceKind.ACCESSION)] == [number]
        started = entry.service_start.dtm if entry.service_start else ""
        assert started[:8] == manifest.get("StudyDate", "")


def _evidence(manifest: Dataset) -> set[tuple[str, str, str]]:
    return {
        (
            str(study.StudyInstanceUID),
            str(series.SeriesInstanceUID),
            str(one.ReferencedSOPInstanceUID),
        )
        for study in manifest.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def _same_pixels(given: Given, got: Got) -> None:
    """As stored, byte for byte; decoded by us, as another decoder finds them in the source."""
    for uid, data in got.stored.items():
        source, served = sources.whole_of(given.files[uid]), sources.whole_of(data)
        syntax = source.file_meta.TransferSyntaxUID
        assert served.file_meta.TransferSyntaxUID == syntax
        assert served.get("PixelData") == source.get("PixelData"), uid
        if "PixelData" not in source:
            continue
        for keyword in sources.SHAPING:
            assert served.get(keyword) == source.get(keyword), (uid, keyword)
        expected = sources.pixels_of(source)
        if expected is None:
            assert given.files[uid].name in BEYOND_THE_OTHER_DECODER
            continue
        plain = sources.whole_of(got.decoded[uid])
        assert str(plain.file_meta.TransferSyntaxUID) == EXPLICIT_LITTLE_ENDIAN
        found = sources.pixels_of(plain)
        assert found is not None
        if LOSSY.search(syntax):
            furthest = np.abs(found.astype(np.int64) - expected.astype(np.int64)).max()
            assert furthest <= LOSSY_TOLERANCE, (uid, furthest)
        else:
            assert np.array_equal(found, expected), (uid, given.files[uid])


def _nameless(given: Given, got: Got) -> None:
    """No name of the sources is in any header, manifest, entry or report."""
    headers = [
        sources.header_of(data)
        for data in (*got.stored.values(), *got.decoded.values(), got.manifest_file)
    ]
    for header in headers:
        assert not sources.found_in(sources.text_of(header), given.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pages = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(got.report)).pages)
    texts = [pages, *(repr(entry) for entry in got.entries)]
    assert not sources.found_in(texts, given.names, noisy=True)


def _finds_what_is_there(kept: list[str], told: list[dict[str, Any]]) -> None:
    """The search for names would have found them: it finds the made-up ones."""
    people = [patient for folder in told for patient in folder["patients"]]
    made_up = {one["names"][0]["family"].lower() for one in people}
    made_up |= {study["accessions"][0].lower() for one in people for study in one["studies"]}
    assert sources.found_in(kept, made_up) == made_up


def _kept(*folders: Path) -> Iterator[str]:
    """All that both sides keep but the images, whose headers were looked at one by one."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            is_image = path.suffix == ".part" or "images" in path.relative_to(folder).parts
            if path.is_file() and not is_image and path.suffix not in (".pem", ".key"):
                yield path.read_bytes().decode("utf-8", "replace")
