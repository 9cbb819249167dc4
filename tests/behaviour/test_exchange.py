"""What the border promises, whichever way in: asked directly, or over SOAP in either dialect."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Association,
    AssociationKind,
    Authentication,
    CallContext,
    Code,
    CommunityId,
    DeliveryWish,
    Document,
    DocumentClass,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentRef,
    EntryStatus,
    Exchange,
    ExchangeError,
    HumanName,
    ImageRequest,
    ImagingManifest,
    InstanceRef,
    Oid,
    PatientId,
    PatientTraits,
    PurposeOfUse,
    ReferenceId,
    ReferenceKind,
    Refusal,
    TimeRange,
    TreatmentRelation,
    Uid,
    read_content,
)
from gateway.domain.codes import DCM
from gateway.domain.selection import document_class, select
from gateway.middleware.authorised import Authorised, Rights
from gateway.pki import TrustDomain
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.dicom.kos_read import decode_manifest
from tests.builders import COUNTRY_A, make_context, make_query
from tests.conftest import Seeded
from tests.gateways import pair_of
from tests.requests import RELATION, SMARTCARD

ANY_SYNTAX = DeliveryWish(
    syntaxes=tuple(
        Uid(f"1.2.840.10008.1.2{tail}") for tail in ("", ".1", ".4.50", ".4.70", ".4.90", ".5")
    )
)


@dataclass(frozen=True, slots=True)
class Way:
    """An Exchange, and the relation it wants to be shown."""

    exchange: Exchange
    relation: TreatmentRelation
    seeded: Seeded

    def context(self, patient: PatientId | None, **changes: Any) -> CallContext:
        """A physician of Country B about one patient."""
        authentication = Authentication(at=datetime.now(UTC), method=SMARTCARD)
        return make_context(
            patient=patient, relation=self.relation, authentication=authentication, **changes
        )

    async def entries(self, role: str, **filters: Any) -> tuple[DocumentEntry, ...]:
        """What is listed for a patient."""
        patient = self.seeded.patient(role)
        query = make_query(patient=patient, **filters)
        return (await self.exchange.find_documents(query, self.context(patient))).items

    async def document(self, entry: DocumentEntry) -> Document:
        """One document of a patient."""
        outcome = await self.exchange.retrieve_documents((entry.ref,), self.context(entry.patient))
        assert outcome.issues == ()
        return outcome.items[0]

    async def manifest(self, role: str, index: int = 0) -> tuple[ImagingManifest, PatientId]:
        """A manifest of a patient, read."""
        found = [
            entry
            for entry in await self.entries(role)
            if document_class(entry) is DocumentClass.MANIFEST
        ]
        document = await self.document(found[index])
        outcome = decode_manifest(await read_content(document.content, 10**7))
        return outcome.items[0], found[index].patient


@pytest.fixture(params=["direct", "soap-ihe", "soap-ehdsi"])
async def way(
    request: pytest.FixtureRequest, seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> AsyncIterator[Way]:
    """Country A's answers, asked directly and over the network."""
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
    )
    try:
        if request.param == "direct":
            yield Way(Authorised(responder, Rights()), TreatmentRelation.TRC, seeded)
        else:
            profile = request.param.removeprefix("soap-")
            async with pair_of(responder, trust_domain, tmp_path, profile=profile) as pair:
                yield Way(pair.client, RELATION[profile], seeded)
    finally:
        await national.close()


async def _refused(awaitable: Any) -> Refusal:
    with pytest.raises(ExchangeError) as caught:
        await awaitable
    return caught.value.refusal


# --- identification -------------------------------------------------------------------------------


async def test_a_patient_is_found_by_identifier(way: Way) -> None:
    """With name, birth date and the identifier to use from now on."""
    role, patient = way.seeded.role("main"), way.seeded.patient("main")
    outcome = await way.exchange.identify_patient(PatientTraits(ids=(patient,)), way.context(None))
    (identity,) = outcome.items
    assert identity.id == patient
    assert identity.community == COUNTRY_A
    assert identity.names[0].family == role["names"][0]["family"]
    assert f"{identity.birth_date}" == role["birth_date"]


@pytest.mark.parametrize("role", ["greek", "cyrillic"])
async def test_names_in_other_scripts_arrive_as_they_are(way: Way, role: str) -> None:
    """Greek and Cyrillic are letters like others."""
    patient = way.seeded.patient(role)
    outcome = await way.exchange.identify_patient(PatientTraits(ids=(patient,)), way.context(None))
    assert outcome.items[0].names[0].family == way.seeded.role(role)["names"][0]["family"]


async def test_two_who_share_name_and_birth_date_are_both_shown(way: Way) -> None:
    """To choose from explicitly, never by chance. (eHDSI wants an identifier: refused there.)"""
    role = way.seeded.role("namesake-one")
    name = role["names"][0]
    traits = PatientTraits(
        name=HumanName(family=name["family"], given=tuple(name["given"])),
        birth_date=date.fromisoformat(role["birth_date"]),
    )
    asked = way.exchange.identify_patient(traits, way.context(None))
    if getattr(getattr(way.exchange, "_peer", None), "profile", None) and (
        way.exchange._peer.profile.name == "ehdsi"  # type: ignore[attr-defined]
    ):
        assert await _refused(asked) is Refusal.IDENTIFIER_REQUIRED
        return
    found = {identity.id for identity in (await asked).items}
    assert found == {way.seeded.patient("namesake-one"), way.seeded.patient("namesake-two")}


async def test_nobody_is_an_empty_answer(way: Way) -> None:
    """Not an error."""
    nobody = way.seeded.story["nobody"]
    traits = PatientTraits(ids=(PatientId(nobody["id"], Oid(nobody["authority"])),))
    outcome = await way.exchange.identify_patient(traits, way.context(None))
    assert outcome.items == ()
    assert outcome.errors == ()


async def test_who_denied_is_not_confirmed_even_in_an_emergency(way: Way) -> None:
    """EMERGENCY never overrides a plain denial."""
    traits = PatientTraits(ids=(way.seeded.patient("denied"),))
    for purpose in PurposeOfUse:
        asked = way.exchange.identify_patient(traits, way.context(None, purpose=purpose))
        assert await _refused(asked) is Refusal.NO_CONSENT


async def test_who_denied_but_for_emergencies_is_confirmed_in_one(way: Way) -> None:
    """And in nothing else."""
    patient = way.seeded.patient("emergency-only")
    traits = PatientTraits(ids=(patient,))
    asked = way.exchange.identify_patient(traits, way.context(None))
    assert await _refused(asked) is Refusal.NO_CONSENT
    context = way.context(None, purpose=PurposeOfUse.EMERGENCY)
    outcome = await way.exchange.identify_patient(traits, context)
    assert outcome.items[0].id == patient


# --- lists ----------------------------------------------------------------------------------------


async def test_a_list_holds_manifests_and_reports_in_force_newest_first(way: Way) -> None:
    """With hash and size for each."""
    entries = await way.entries("main")
    expect = way.seeded.role("main")["expect"]
    assert len(entries) == expect["documents"]
    kinds = [document_class(entry) for entry in entries]
    assert kinds.count(DocumentClass.MANIFEST) == expect["manifests"]
    assert kinds.count(DocumentClass.REPORT) == expect["reports"]
    starts = [entry.service_start.dtm for entry in entries if entry.service_start]
    assert starts == sorted(starts, reverse=True)
    assert all(len(entry.sha1) == 40 and entry.size_bytes for entry in entries)


async def test_a_patient_without_documents_has_an_empty_list(way: Way) -> None:
    """Zero documents is success."""
    assert await way.entries("no-documents") == ()


def _filters(entries: tuple[DocumentEntry, ...]) -> dict[str, dict[str, Any]]:
    """Each Article 10 filter set to a value some of the entries have."""
    sample = next(entry for entry in entries if entry.modalities)
    start = sample.service_start
    assert start is not None
    filters: dict[str, dict[str, Any]] = {
        "class": {"class_codes": (sample.class_code,)},
        "modality": {"event_codes": ((sample.modalities[0],),)},
        "date": {
            "service_start": TimeRange(
                start=start.at - timedelta(days=1), end=start.at + timedelta(days=1)
            )
        },
        "study": {"references": ((ReferenceId.of_study(Uid(sample.studies[0])),),)},
        "accession": {"references": (sample.referenced(ReferenceKind.ACCESSION)[:1],)},
        "order": {"references": (sample.referenced(ReferenceKind.ORDER)[:1],)},
        "format": {"format_codes": (sample.format_code,)},
        "type": {"type_codes": (sample.type_code,)},
    }
    if sample.regions:
        filters["region"] = {"event_codes": ((sample.regions[0],),)}
    if sample.procedures:
        filters["procedure"] = {"event_codes": ((sample.procedures[0],),)}
    return filters


def _joined(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    groups = ("event_codes", "references")
    joined = {**one, **two}
    for name in groups:
        if name in one and name in two:
            joined[name] = one[name] + two[name]
    return joined


async def test_every_article_10_filter_alone_and_in_pairs_means_what_the_portal_means(
    way: Way,
) -> None:
    """The same rows in the same order as filtering the whole list at home."""
    everything = await way.entries("main")
    patient = way.seeded.patient("main")
    filters = _filters(everything)
    assert {"region", "procedure"} <= filters.keys()
    cases = list(filters.values())
    cases += [_joined(one, two) for one, two in combinations(filters.values(), 2)]
    for case in cases:
        expected = select(make_query(patient=patient, **case), everything)
        assert await way.entries("main", **case) == expected, case
    assert any(0 < len(select(make_query(patient=patient, **c), everything)) < len(everything)
               for c in cases)  # fmt: skip


async def test_a_filter_nothing_fits_gives_nothing(way: Way) -> None:
    """An empty list, and no error."""
    assert await way.entries("main", event_codes=((Code("NM", DCM),),)) == ()


async def test_a_corrected_report_is_offered_and_its_first_version_found_when_asked_for(
    way: Way,
) -> None:
    """Deprecated entries are there for who asks; an association tells which replaced which."""
    offered = await way.entries("corrected-report")
    both = await way.entries(
        "corrected-report", statuses=(EntryStatus.APPROVED, EntryStatus.DEPRECATED)
    )
    old = [entry for entry in both if entry.status is EntryStatus.DEPRECATED]
    assert old
    assert not set(old) & set(offered)
    lookup = DocumentLookup(
        community=COUNTRY_A, entry_ids=(old[0].id,), associations=True, entries=False
    )
    outcome = await way.exchange.look_up_documents(lookup, way.context(old[0].patient))
    replacing = [
        item
        for item in outcome.items
        if isinstance(item, Association) and item.kind is AssociationKind.REPLACES
    ]
    assert [item.target for item in replacing] == [old[0].id]
    assert replacing[0].source in {entry.id for entry in offered}


async def test_a_preliminary_report_is_never_listed(way: Way) -> None:
    """Its images are."""
    entries = await way.entries("preliminary-only")
    assert [document_class(entry) for entry in entries] == [DocumentClass.MANIFEST]
    everything = await way.entries("preliminary-only", statuses=tuple(EntryStatus))
    assert all(document_class(entry) is DocumentClass.MANIFEST for entry in everything)


async def test_entries_are_looked_up_by_either_id(way: Way) -> None:
    """GetDocuments, by entry id and by unique id."""
    entry = (await way.entries("greek"))[0]
    for lookup in (
        DocumentLookup(community=COUNTRY_A, entry_ids=(entry.id,)),
        DocumentLookup(community=COUNTRY_A, document_ids=(entry.ref.document,)),
    ):
        outcome = await way.exchange.look_up_documents(lookup, way.context(entry.patient))
        assert outcome.items == (entry,)


async def test_a_list_of_another_community_is_not_here(way: Way) -> None:
    """The home community is checked."""
    patient = way.seeded.patient("main")
    query = make_query(patient=patient, community=CommunityId("2.999.77"))
    asked = way.exchange.find_documents(query, way.context(patient))
    assert await _refused(asked) is Refusal.UNKNOWN_COMMUNITY


async def test_a_list_of_who_denied_is_refused(way: Way) -> None:
    """Knowing the identifier opens nothing."""
    patient = way.seeded.patient("denied")
    asked = way.exchange.find_documents(make_query(patient=patient), way.context(patient))
    assert await _refused(asked) is Refusal.NO_CONSENT


async def test_a_list_of_nobody_is_refused(way: Way) -> None:
    """An identifier this country never gave."""
    nobody = way.seeded.story["nobody"]
    patient = PatientId(nobody["id"], Oid(nobody["authority"]))
    asked = way.exchange.find_documents(make_query(patient=patient), way.context(patient))
    assert await _refused(asked) is Refusal.UNKNOWN_PATIENT


# --- documents ------------------------------------------------------------------------------------


async def test_every_document_has_the_size_and_hash_its_entry_states(way: Way) -> None:
    """Reports and manifests alike."""
    for entry in await way.entries("main"):
        document = await way.document(entry)
        data = await read_content(document.content, 10**8)
        assert len(data) == entry.size_bytes
        assert hashlib.sha1(data).hexdigest() == entry.sha1
        assert document.mime_type == entry.mime_type


async def test_a_document_that_is_missing_does_not_take_the_others_along(way: Way) -> None:
    """Partial success: what is there, and an issue that names what is not."""
    entry = (await way.entries("greek"))[0]
    missing = replace(entry.ref, document=DocumentId("2.999.1.404"))
    elsewhere = DocumentRef(entry.ref.community, Oid("2.999.405"), DocumentId("2.999.1.406"))
    outcome = await way.exchange.retrieve_documents(
        (missing, entry.ref, elsewhere), way.context(entry.patient)
    )
    assert [document.ref for document in outcome.items] == [entry.ref]
    told = {issue.subject: issue.refusal for issue in outcome.issues}
    assert told == {
        "2.999.1.404": Refusal.UNKNOWN_DOCUMENT,
        "2.999.1.406": Refusal.UNKNOWN_REPOSITORY,
    }


async def test_a_document_of_another_patient_is_not_handed_over(way: Way) -> None:
    """The treatment relation is about somebody else."""
    entry = (await way.entries("greek"))[0]
    context = way.context(way.seeded.patient("main"))
    try:
        outcome = await way.exchange.retrieve_documents((entry.ref,), context)
    except ExchangeError:
        return  # over SOAP a failure of all there was is a refusal
    assert outcome.items == ()
    assert [issue.refusal for issue in outcome.errors] == [Refusal.TREATMENT_RELATION_MISMATCH]


# --- images ---------------------------------------------------------------------------------------


async def _received(way: Way, request: ImageRequest, wish: DeliveryWish, patient: PatientId) -> Any:
    data: dict[str, bytearray] = {}
    async with await way.exchange.retrieve_images(request, wish, way.context(patient)) as delivery:
        async for chunk in delivery.chunks():
            data.setdefault(chunk.instance, bytearray()).extend(chunk.data)
        return {uid: bytes(content) for uid, content in data.items()}, delivery.issues


async def _nothing(
    way: Way, request: ImageRequest, wish: DeliveryWish, patient: PatientId
) -> list[Refusal]:
    """Why nothing came: issues when asked directly, a refusal of all when it was over SOAP."""
    try:
        got, issues = await _received(way, request, wish, patient)
    except ExchangeError as error:
        return [error.refusal]
    assert got == {}
    return [issue.refusal for issue in issues]


async def test_a_whole_study_arrives_as_its_manifest_lists_it(way: Way) -> None:
    """Every instance is the one its UID says, of the patient the manifest names."""
    manifest, patient = await way.manifest("main")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    got, issues = await _received(way, request, ANY_SYNTAX, patient)
    assert issues == ()
    assert set(got) == {str(ref.instance) for ref in manifest.instances()}
    for ref in manifest.instances():
        header = describe(read_header(BytesIO(got[ref.instance])))
        assert (header.study, header.series, header.instance) == (
            ref.study,
            ref.series,
            ref.instance,
        )
        assert patient in header.patient.ids or header.patient.bare_id == patient.value


async def test_a_compressed_study_is_decoded_where_only_plain_pixels_are_read(way: Way) -> None:
    """JPEG 2000 in the store, explicit little endian on the way."""
    manifest, patient = await way.manifest("cyrillic")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    got, issues = await _received(
        way, request, DeliveryWish(syntaxes=(EXPLICIT_LITTLE_ENDIAN,)), patient
    )
    assert issues == ()
    headers = [describe(read_header(BytesIO(data))) for data in got.values()]
    assert {header.transfer_syntax for header in headers} == {EXPLICIT_LITTLE_ENDIAN}


async def test_an_instance_that_is_not_there_and_one_in_the_wrong_series_are_issues(
    way: Way,
) -> None:
    """The others arrive."""
    manifest, patient = await way.manifest("main")
    source = NationalOids.under(COUNTRY_A).imaging_source
    good = manifest.instances()[0]
    gone = InstanceRef(study=good.study, series=good.series, instance=Uid("1.2.3.404"))
    moved = InstanceRef(study=good.study, series=Uid("1.2.405"), instance=good.instance)
    request = ImageRequest(community=COUNTRY_A, instances=((good, source), (gone, source)))
    got, issues = await _received(way, request, ANY_SYNTAX, patient)
    assert set(got) == {str(good.instance)}
    assert [(issue.subject, issue.refusal) for issue in issues] == [
        ("1.2.3.404", Refusal.UNKNOWN_INSTANCE)
    ]
    elsewhere = ImageRequest(community=COUNTRY_A, instances=((moved, source),))
    assert await _nothing(way, elsewhere, ANY_SYNTAX, patient) == [Refusal.UNKNOWN_INSTANCE]


async def test_a_transfer_syntax_that_cannot_be_sent_is_refused_and_never_replaced(
    way: Way,
) -> None:
    """No silent fallback."""
    manifest, patient = await way.manifest("main")
    source = NationalOids.under(COUNTRY_A).imaging_source
    pixels = next(
        ref
        for series in manifest.series
        for ref in manifest.instances()
        if ref.series == series.uid and series.modality and series.modality.value != "KO"
    )
    request = ImageRequest(community=COUNTRY_A, instances=((pixels, source),))
    wish = DeliveryWish(syntaxes=(Uid("1.2.840.10008.1.2.4.201"),))
    assert await _nothing(way, request, wish, patient) == [Refusal.UNSUPPORTED_SYNTAX]


async def test_images_of_another_patient_are_not_handed_over(way: Way) -> None:
    """Whose they are is asked of the store, not of the caller."""
    manifest, _ = await way.manifest("greek")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    asked = way.exchange.retrieve_images(
        request, ANY_SYNTAX, way.context(way.seeded.patient("main"))
    )
    with pytest.raises(ExchangeError):
        await asked


async def test_a_grown_study_has_a_manifest_that_lists_all_of_it(way: Way) -> None:
    """The first manifest is replaced, and still leads to what it listed."""
    role = way.seeded.role("grown-study")
    manifest, _ = await way.manifest("grown-study")
    assert manifest.uid == role["studies"][0]["manifest"]
    assert manifest.instance_count == role["studies"][0]["instances"]
