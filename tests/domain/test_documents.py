"""The query a person's filters become, and what a row tells of itself."""

from __future__ import annotations

import pytest

from gateway.domain import (
    Article10,
    BytesContent,
    Code,
    Document,
    DocumentClass,
    ReferenceKind,
    TimeRange,
    Uid,
    read_content,
)
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS, DCM, SCT
from gateway.domain.selection import matches
from tests.builders import COUNTRY_A, PATIENT, make_entry

CODES = {DocumentClass.REPORT: (CLASS_REPORTS,), DocumentClass.MANIFEST: (CLASS_IMAGES,)}


def test_no_filter_asks_for_everything_in_force() -> None:
    """The simplest list request."""
    query = Article10().query(PATIENT, COUNTRY_A, CODES)
    assert query.class_codes == ()
    assert query.event_codes == ()
    assert query.references == ()


def test_modality_region_and_procedure_must_all_be_met() -> None:
    """Three event code groups, combined with AND."""
    codes = Code("CT", DCM), Code("774007", SCT), Code("303653007", SCT)
    query = Article10(modality=codes[0], region=codes[1], procedure=codes[2]).query(
        PATIENT, COUNTRY_A, CODES
    )
    assert query.event_codes == tuple((code,) for code in codes)


@pytest.mark.parametrize("asked", ["1141981001", "737561001", "421060004"])
def test_a_region_is_asked_for_by_every_code_that_names_it(asked: str) -> None:
    """A row that shows the vertebral column is found by it, whichever code its entry holds."""
    entry = make_entry(event_codes=(Code("737561001", "SNOMED-CT"),))

    query = Article10(region=Code(asked, SCT)).query(PATIENT, COUNTRY_A, CODES)

    [group] = query.event_codes
    assert [code.value for code in group] == ["1141981001", "737561001", "421060004"]
    assert matches(query, entry)


def test_class_and_identifiers_and_dates_find_their_parameters() -> None:
    """Class codes are the peer's; each identifier is a group of its own."""
    entry = make_entry()
    accession = entry.referenced(ReferenceKind.ACCESSION)[0]
    query = Article10(
        document_class=DocumentClass.REPORT,
        study=Uid("2.999.1.7.1"),
        accession=accession,
        performed=TimeRange(),
    ).query(PATIENT, COUNTRY_A, CODES)
    assert query.class_codes == (CLASS_REPORTS,)
    assert [group[0].kind for group in query.references] == [
        ReferenceKind.STUDY,
        ReferenceKind.ACCESSION,
    ]


def test_a_row_tells_its_modality_region_procedure_and_study() -> None:
    """What Article 10 wants returned, from the event codes and references."""
    entry = make_entry(event_codes=(Code("CT", DCM), Code("737561001", SCT), Code("77477000", SCT)))
    assert [code.value for code in entry.modalities] == ["CT"]
    assert [code.value for code in entry.regions] == ["1141981001"]
    assert [code.value for code in entry.procedures] == ["77477000"]
    assert entry.studies == ("2.999.1.7.1",)


async def test_content_is_read_whole_only_under_a_limit() -> None:
    """Nobody reads more than they said they would."""
    document = Document.of_bytes(make_entry().ref, "text/plain", b"abc")
    assert document.sha1 == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert await read_content(document.content, 3) == b"abc"
    with pytest.raises(ValueError, match="at most 2"):
        await read_content(BytesContent(b"abc"), 2)
