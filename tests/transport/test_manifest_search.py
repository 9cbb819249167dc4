"""Studies found by the manifests a source of documents lists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import (
    BadRequest,
    Code,
    Document,
    ExchangeError,
    Outcome,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    TimeRange,
    Uid,
)
from gateway.domain.codes import FORMAT_KOS
from gateway.transport.manifest_search import MAX_MANIFESTS, find_by_manifest
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import COUNTRY_A, PATIENT, make_context, make_entry, make_manifest
from tests.exchanges import ScriptedExchange

ENTRY = replace(make_entry(), mime_type="application/dicom", format_code=FORMAT_KOS)
MANIFEST = make_manifest()
ALL = StudyQuery(community=COUNTRY_A, patient=PATIENT)


def holding(*contents: bytes) -> ScriptedExchange:
    """A source that lists the same entry for every document, and hands them over."""
    entries = tuple(
        replace(ENTRY, ref=replace(ENTRY.ref, document=type(ENTRY.ref.document)(f"2.999.{n}")))
        for n, _ in enumerate(contents, 1)
    )
    documents = tuple(
        Document.of_bytes(entry.ref, entry.mime_type, content)
        for entry, content in zip(entries, contents, strict=True)
    )
    # What comes back need not be in the order asked for.
    return ScriptedExchange(entries=Outcome(entries), documents=Outcome(documents[::-1]))


async def test_the_list_is_narrowed_by_what_it_knows() -> None:
    """Manifests only; study, modality, region, date and accession number are asked for."""
    source = holding()
    accession = ReferenceId(value="ACC-1", kind=ReferenceKind.ACCESSION)
    query = replace(
        ALL,
        studies=(MANIFEST.study,),
        accessions=(accession,),
        modalities=MANIFEST.modalities,
        performed=TimeRange(),
    )

    await find_by_manifest(source, query, make_context())

    [(_, asked, _)] = source.asked
    assert asked.format_codes == (FORMAT_KOS,)
    assert asked.event_codes == (MANIFEST.modalities,)
    assert asked.references == (
        (ReferenceId.of_study(MANIFEST.study),),
        (replace(accession, authority="%"),),
    )


async def test_the_filters_decide_again_on_what_the_manifest_says() -> None:
    """In the order of the list, whatever order documents come in."""
    other = replace(MANIFEST, study=Uid("2.999.77"), uid=Uid("2.999.78"))
    source = holding(*(encode_manifest(each) for each in (MANIFEST, other)))

    found = await find_by_manifest(source, ALL, make_context())
    one = await find_by_manifest(source, replace(ALL, studies=(other.study,)), make_context())
    first = await find_by_manifest(source, replace(ALL, limit=1), make_context())

    assert [each.study for each in found.items] == [MANIFEST.study, other.study]
    assert [each.study for each in one.items] == [other.study]
    assert [each.study for each in first.items] == [MANIFEST.study]


async def test_a_manifest_that_cannot_be_read_is_an_issue() -> None:
    """The others are told."""
    source = holding(b"no DICOM at all", encode_manifest(MANIFEST))

    outcome = await find_by_manifest(source, ALL, make_context())

    assert [each.study for each in outcome.items] == [MANIFEST.study]
    [issue] = outcome.issues
    assert (issue.refusal, issue.subject) == (Refusal.PEER_MISBEHAVED, "2.999.1")


async def test_rows_of_another_format_are_not_manifests_to_be_read() -> None:
    """A peer that ignores the filter lists twins too; they neither count nor are fetched."""
    twin = replace(ENTRY, format_code=Code("fhir", "2.999"))
    document = Document.of_bytes(ENTRY.ref, ENTRY.mime_type, encode_manifest(MANIFEST))
    source = ScriptedExchange(
        entries=Outcome((*(twin,) * MAX_MANIFESTS, ENTRY)), documents=Outcome((document,))
    )

    outcome = await find_by_manifest(source, ALL, make_context())

    assert ([each.study for each in outcome.items], outcome.issues) == ([MANIFEST.study], ())
    assert list(source.asked[-1][1]) == [ENTRY.ref]


async def test_a_search_that_nobody_narrowed_is_refused() -> None:
    """Every study is a document to be fetched."""
    source = ScriptedExchange(entries=Outcome((ENTRY,) * (MAX_MANIFESTS + 1)))

    with pytest.raises(ExchangeError) as caught:
        await find_by_manifest(source, ALL, make_context())
    assert caught.value.refusal is Refusal.TOO_MANY_RESULTS


async def test_without_a_patient_there_is_nothing_to_search_by() -> None:
    """Documents are listed by patient."""
    with pytest.raises(BadRequest) as caught:
        await find_by_manifest(
            holding(), replace(ALL, patient=None), replace(make_context(), patient=None)
        )
    assert caught.value.refusal is Refusal.MISSING_PARAMETER
