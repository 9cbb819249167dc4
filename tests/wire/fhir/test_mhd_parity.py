"""Article 10 over FHIR: a search that crosses the border as a string selects the same rows."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    Article10,
    Code,
    DocumentClass,
    DocumentEntry,
    DocumentQuery,
    EntryStatus,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Uid,
)
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS, DCM, FORMAT_KOS, FORMAT_PDF
from gateway.domain.selection import select
from gateway.wire.fhir.mhd_find import decode_request, encode_request
from gateway.wire.fhir.mhd_parameters_read import DecodedSearch
from gateway.wire.fhir.search import parse_query
from tests.builders import COUNTRY_A, PATIENT
from tests.wire.fhir.rows import CT, HEAD, SCAN, many_rows

ROWS = many_rows()
CLASSES = {DocumentClass.REPORT: (CLASS_REPORTS,), DocumentClass.MANIFEST: (CLASS_IMAGES,)}
FILTERS: dict[str, Any] = {
    "document_class": DocumentClass.MANIFEST,
    "modality": CT,
    "region": HEAD,
    "procedure": SCAN,
    "performed": TimeRange(
        start=datetime(2021, 6, 1, tzinfo=UTC), end=datetime(2023, 3, 10, 12, 30, 1, 1, tzinfo=UTC)
    ),
    "study": Uid("2.999.1.7.2"),
    "accession": ReferenceId("ACC-1", ReferenceKind.ACCESSION, "2.999.1.8"),
    "order": ReferenceId("ORD-1", ReferenceKind.ORDER, "2.999.1.9"),
}
ANY_ISSUER = ReferenceId("ACC-1", ReferenceKind.ACCESSION, "%")
CHOICES = [names for count in (0, 1, 2) for names in combinations(FILTERS, count)]


def asked(query: DocumentQuery, dialect: str) -> DecodedSearch:
    """The search as the other side understands it."""
    return decode_request(parse_query(encode_request(query, dialect).text), answering=COUNTRY_A)


def found(search: DecodedSearch) -> tuple[DocumentEntry, ...]:
    """What a registry answers to it."""
    return tuple(row for row in select(search.query, ROWS) if search.keeps(row, "any"))


def test_mhd_selects_the_same_rows() -> None:
    """Every filter alone and in pairs can be asked, and means the same on the other side."""
    for names in CHOICES:
        filters = Article10(**{name: FILTERS[name] for name in names})
        query = filters.query(PATIENT, COUNTRY_A, CLASSES)

        search = asked(query, "mhd")

        assert found(search) == select(query, ROWS), names
        assert encode_request(query, "mhd").unasked == (), names
        assert search.ignored == search.assumed == (), names


def test_ncp_selects_no_row_less() -> None:
    """What the dialect cannot ask is named, and the asker's own filter does the rest."""
    for names in CHOICES:
        filters = Article10(**{name: FILTERS[name] for name in names})
        query = filters.query(PATIENT, COUNTRY_A, CLASSES)

        answered = found(asked(query, "ncp"))

        assert select(query, answered) == select(query, ROWS), names
        unasked = encode_request(query, "ncp").unasked
        assert (answered == select(query, ROWS)) or unasked, names


def test_the_rows_tell_the_filters_apart() -> None:
    """Each filter leaves some rows and takes some away, or the tests above say nothing."""
    for name, value in FILTERS.items():
        query = Article10(**{name: value}).query(PATIENT, COUNTRY_A, CLASSES)

        assert 0 < len(select(query, ROWS)) < len(ROWS)


@pytest.mark.parametrize("dialect", ["mhd", "ncp"])
def test_an_accession_number_of_any_issuer(dialect: str) -> None:
    """A person seldom knows who assigned it."""
    query = Article10(accession=ANY_ISSUER).query(PATIENT, COUNTRY_A, CLASSES)

    answered = found(asked(query, dialect))

    assert select(query, answered) == select(query, ROWS)
    assert len(select(query, ROWS)) > len(
        select(Article10(accession=FILTERS["accession"]).query(PATIENT, COUNTRY_A, CLASSES), ROWS)
    )


codes = st.sampled_from([CT, Code("MR", DCM), HEAD, SCAN, Code("CT", "DCM"), Code("CT", "")])
references = st.sampled_from(
    [
        ReferenceId.of_study(Uid("2.999.1.7.1")),
        ANY_ISSUER,
        ReferenceId("ACC-2", ReferenceKind.ACCESSION, "2.999.1.88"),
        ReferenceId("ORD-2", ReferenceKind.ORDER, "2.999.1.9"),
    ]
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2025, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
ranges = st.builds(TimeRange, start=moments | st.none(), end=moments | st.none())
queries = st.builds(
    DocumentQuery,
    patient=st.just(PATIENT),
    statuses=st.lists(st.sampled_from(EntryStatus), max_size=2, unique=True).map(tuple),
    class_codes=st.lists(st.sampled_from([CLASS_IMAGES, CLASS_REPORTS]), max_size=2).map(tuple),
    format_codes=st.lists(st.sampled_from([FORMAT_KOS, FORMAT_PDF]), max_size=2).map(tuple),
    event_codes=st.lists(st.lists(codes, max_size=3).map(tuple), max_size=2).map(tuple),
    references=st.lists(st.lists(references, max_size=3).map(tuple), max_size=2).map(tuple),
    created=ranges,
    service_start=ranges,
    service_stop=ranges,
    max_size_bytes=st.none() | st.just(10),
)


@settings(deadline=None)
@given(queries, st.sampled_from(["mhd", "ncp"]))
def test_no_query_loses_a_row(query: DocumentQuery, dialect: str) -> None:
    """Whatever is asked, the answer holds all rows; all of them alone where all was asked."""
    answered = found(asked(query, dialect))

    assert select(query, answered) == select(query, ROWS)
    if not encode_request(query, dialect).unasked and dialect == "mhd":
        assert answered == select(query, ROWS)
