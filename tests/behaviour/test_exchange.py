"""What the border promises of patients, lists and documents, whichever way in."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from gateway.domain import (
    Association,
    AssociationKind,
    Code,
    CommunityId,
    DocumentClass,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentRef,
    EntryStatus,
    ExchangeError,
    HumanName,
    Oid,
    PatientId,
    PatientTraits,
    PurposeOfUse,
    ReferenceId,
    ReferenceKind,
    Refusal,
    TimeRange,
    Uid,
    read_content,
)
from gateway.domain.codes import DCM
from gateway.domain.selection import document_class, select
from tests.behaviour.conftest import DOCUMENTS, Way
from tests.builders import COUNTRY_A, make_query

pytestmark = DOCUMENTS


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
    if way.profile == "ehdsi":
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


async def test_every_article_10_filter_means_what_the_portal_means(way: Way) -> None:
    """The same rows in the same order as filtering the whole list at home."""
    everything = await way.entries("main")
    patient = way.seeded.patient("main")
    filters = _filters(everything)
    assert {"region", "procedure"} <= filters.keys()
    for case in filters.values():
        expected = select(make_query(patient=patient, **case), everything)
        assert await way.entries("main", **case) == expected, case
    assert any(
        0 < len(select(make_query(patient=patient, **case), everything)) < len(everything)
        for case in filters.values()
    )


async def test_a_filter_nothing_fits_gives_nothing(way: Way) -> None:
    """An empty list, and no error."""
    assert await way.entries("main", event_codes=((Code("NM", DCM),),)) == ()


async def test_a_corrected_report_is_offered_and_its_first_version_found_when_asked_for(
    way: Way,
) -> None:
    """Deprecated entries are there for who asks; an association tells which replaced which."""
    offered = await way.entries("corrected-report")
    if not way.lists_old:
        patient = way.seeded.patient("corrected-report")
        everything = make_query(patient=patient, statuses=tuple(EntryStatus))
        outcome = await way.exchange.find_documents(everything, way.context(patient))
        assert outcome.items == offered
        assert {issue.subject for issue in outcome.issues} == {"status", "type"}
        return
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
    assert {document_class(entry) for entry in entries} == {DocumentClass.MANIFEST}
    assert len({study for entry in entries for study in entry.studies}) == 1
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
    [refusal] = [issue.refusal for issue in outcome.errors]
    # A SOAP fault, behind the bridge, has one code for both.
    told = {Refusal.NO_TREATMENT_RELATION} if way.bridged else set()
    assert refusal in {Refusal.TREATMENT_RELATION_MISMATCH} | told
