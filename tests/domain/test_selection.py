"""One meaning of every filter, for the registry that answers and the portal that asks."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain import (
    Code,
    DocumentClass,
    DocumentQuery,
    EntryId,
    EntryKind,
    EntryStatus,
    HumanName,
    ManifestEncoding,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
)
from gateway.domain.codes import (
    CLASS_REPORTS,
    DCM,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    FORMAT_PDF,
    SCT,
    TYPE_REPORT,
)
from gateway.domain.selection import (
    SortKey,
    document_class,
    failing,
    group,
    manifest_encoding,
    matches,
    order,
    search,
    select,
    why_not,
)
from tests.builders import make_entry, make_query

CT, MR = Code("CT", DCM), Code("MR", DCM)
CHEST, HEAD = Code("67734004", SCT), Code("774007", SCT)


def _accession(value: str, authority: str = "2.999.1.8") -> ReferenceId:
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


PASSES: list[dict[str, Any]] = [
    {},
    {"class_codes": (CLASS_REPORTS, make_entry().class_code)},
    {"event_codes": ((CT, MR),)},
    {"event_codes": ((CT,), (CHEST,))},
    {"event_codes": ((Code("CT", "DCM"),),)},
    {"references": ((_accession("ACC-1"),),)},
    {"references": ((_accession("ACC-%", "%"),),)},
    {"references": ((_accession("nope"), _accession("ACC-1")),)},
    {"author_patterns": ("%Papadaki%",)},
    {"author_patterns": ("rad-_^Papadaki%",)},
    {"created": TimeRange(start=datetime(2026, 11, 20, 10, 30, tzinfo=UTC))},
    {"service_start": TimeRange(end=datetime(2026, 11, 19, 10, 16, tzinfo=UTC))},
    {"max_size_bytes": 35_612},
    {"created_after": Timestamp.parse("20261119")},
    {"statuses": ()},
    {"kinds": ()},
]
FAILS: list[tuple[str, dict[str, Any]]] = [
    ("patient", {"patient": PatientId("A-0002", Oid("2.999.1.2"))}),
    ("statuses", {"statuses": (EntryStatus.DEPRECATED,)}),
    ("kinds", {"kinds": (EntryKind.ON_DEMAND,)}),
    ("class_codes", {"class_codes": (CLASS_REPORTS,)}),
    ("type_codes", {"type_codes": (TYPE_REPORT,)}),
    ("format_codes", {"format_codes": (FORMAT_PDF,)}),
    ("practice_settings", {"practice_settings": (Code("394579002", SCT),)}),
    ("facility_types", {"facility_types": (Code("XB", "1.0.3166.1"),)}),
    ("confidentiality", {"confidentiality": ((Code("R", "2.16.840.1.113883.5.25"),),)}),
    ("event_codes", {"event_codes": ((CT,), (HEAD,))}),
    ("references", {"references": ((_accession("ACC-1"),), (_accession("ACC-2"),))}),
    ("references", {"references": ((_accession("ACC-1", "2.999.7"),),)}),
    ("author_patterns", {"author_patterns": ("Papadaki",)}),
    ("created", {"created": TimeRange(end=datetime(2026, 11, 20, 10, 30, tzinfo=UTC))}),
    ("service_start", {"service_start": TimeRange(start=datetime(2026, 11, 20, tzinfo=UTC))}),
    ("service_stop", {"service_stop": TimeRange(end=datetime(2026, 11, 19, tzinfo=UTC))}),
    ("max_size_bytes", {"max_size_bytes": 35_611}),
    ("created_after", {"created_after": Timestamp.parse("20261121")}),
    ("created_before", {"created_before": Timestamp.parse("20261120")}),
]


@pytest.mark.parametrize("changes", PASSES)
def test_an_entry_that_satisfies_every_filter_is_in(changes: dict[str, Any]) -> None:
    """Alternatives within a parameter, AND between groups and parameters."""
    assert matches(make_query(**changes), make_entry())


@pytest.mark.parametrize(("field", "changes"), FAILS)
def test_the_first_filter_an_entry_fails_is_named(field: str, changes: dict[str, Any]) -> None:
    """A row that is out can be explained."""
    assert why_not(make_query(**changes), make_entry()) == field


def test_every_filter_an_entry_fails_is_named() -> None:
    """In the order of the query's fields; the first of them is the one that stands for all."""
    query = make_query(
        max_size_bytes=1,
        event_codes=((MR,),),
        class_codes=(CLASS_REPORTS,),
        type_codes=(TYPE_REPORT,),
    )

    assert failing(query, make_entry()) == (
        "class_codes", "type_codes", "event_codes", "max_size_bytes",
    )  # fmt: skip
    assert why_not(query, make_entry()) == "class_codes"
    assert failing(make_query(), make_entry()) == ()


def test_every_filter_of_a_query_has_its_meaning() -> None:
    """One that was forgotten would let every row through."""
    said = {field.name for field in fields(DocumentQuery)} - {"community", "return_type"}

    assert {name for name, _ in FAILS} == said


def test_unknown_service_times_and_sizes_do_not_exclude() -> None:
    """What an entry does not say cannot be held against it."""
    entry = make_entry(service_start=None, service_stop=None, size_bytes=None)
    later = TimeRange(start=datetime(2030, 1, 1, tzinfo=UTC))
    assert matches(make_query(service_start=later, service_stop=later, max_size_bytes=1), entry)


def test_a_creation_range_needs_a_creation_time() -> None:
    """creationTime is mandatory in a stable entry: one without it is not of that range."""
    query = make_query(created=TimeRange(start=datetime(2000, 1, 1, tzinfo=UTC)))
    assert why_not(query, make_entry(created=None)) == "created"


def _entries() -> tuple[Any, ...]:
    times = ("2024", "20260101", None, "20250630", "20260101")
    return tuple(
        make_entry(
            id=EntryId(f"urn:uuid:{n}"),
            service_start=Timestamp.parse(time) if time else None,
            title=f"Étude {('genou', 'hanche', 'tête', 'thorax', 'main')[n]}",
        )
        for n, time in enumerate(times)
    )


def test_the_newest_study_comes_first_and_ties_are_stable() -> None:
    """Two answers to one query agree to the letter."""
    chosen = select(make_query(), _entries())
    assert [entry.id[-1] for entry in chosen] == ["1", "4", "3", "0", "2"]
    assert chosen == select(make_query(), reversed(_entries()))


def test_how_precisely_a_time_is_known_does_not_move_a_row() -> None:
    """FHIR writes 10:15 as 10:15:00: the row stands where it stood, beside those of that second."""
    texts = ("20261119101500", "202611191015", "2026111910", "20261119")
    entries = tuple(
        make_entry(id=EntryId(f"urn:uuid:{n}"), service_start=Timestamp.parse(text))
        for n, text in enumerate(texts)
    )
    widened = tuple(
        replace(entry, service_start=Timestamp(entry.service_start.at))
        for entry in entries
        if entry.service_start
    )

    for key in (SortKey.DATE, SortKey.CREATED):
        assert [e.id for e in order(reversed(entries), key, descending=True)] == [
            e.id for e in order(widened, key, descending=True)
        ]
    assert [e.id[-1] for e in order(reversed(entries), SortKey.DATE, descending=True)] == [
        "0", "1", "2", "3",
    ]  # fmt: skip


def test_a_list_is_grouped_by_year_and_by_modality() -> None:
    """Groups come in label order and keep their rows' order."""
    years = group(order(_entries(), SortKey.DATE), SortKey.DATE)
    assert [(label, len(rows)) for label, rows in years] == [
        ("", 1),
        ("2024", 1),
        ("2025", 1),
        ("2026", 2),
    ]
    assert [label for label, _ in group(_entries(), SortKey.MODALITY)] == ["CT"]


@pytest.mark.parametrize("key", list(SortKey))
def test_every_sort_key_orders_rows_that_say_little(key: SortKey) -> None:
    """A foreign row may lack nearly everything."""
    bare = replace(
        make_entry(id=EntryId("urn:uuid:bare")),
        event_codes=(),
        authors=(),
        references=(),
        service_start=None,
        created=None,
        size_bytes=None,
        title="",
    )
    assert len(order((bare, make_entry()), key)) == 2


def test_a_search_ignores_case_and_accents_and_wants_every_word() -> None:
    """A person types what a person can type."""
    assert len(search(_entries(), "etude ct")) == 5
    assert len(search(_entries(), "TETE étude")) == 1
    assert search(_entries(), "etude mr") == ()
    greek = make_entry(title="Αξονική θώρακος")
    assert search((greek,), "αξονικη") == (greek,)


def test_the_class_of_a_row_comes_from_format_and_type_together() -> None:
    """LOINC 18748-4 alone means a manifest to some and a report to others."""
    manifest = make_entry()
    legacy = make_entry(format_code=FORMAT_PDF, mime_type="text/xml")
    assert document_class(manifest) is DocumentClass.MANIFEST
    assert document_class(legacy) is DocumentClass.REPORT


@pytest.mark.parametrize(
    ("mime_type", "format_code", "encoding"),
    [
        ("application/dicom", FORMAT_KOS, ManifestEncoding.KOS),
        ("application/fhir+json", FORMAT_FHIR_MANIFEST, ManifestEncoding.FHIR),
        ("application/octet-stream", FORMAT_FHIR_MANIFEST, ManifestEncoding.FHIR),
        # A canonical of a profile in the place of a format, as drafts of the guides have it.
        ("application/fhir+xml", Code("http://a/StructureDefinition/x", ""), ManifestEncoding.FHIR),
        ("application/pdf", FORMAT_PDF, None),
    ],
)
def test_the_encoding_of_a_manifest_comes_from_type_and_format(
    mime_type: str, format_code: Code, encoding: ManifestEncoding | None
) -> None:
    """A row that is no manifest has none."""
    entry = make_entry(mime_type=mime_type, format_code=format_code)

    assert manifest_encoding(entry) is encoding
    is_manifest = document_class(entry) is DocumentClass.MANIFEST
    assert is_manifest is (encoding is not None)


def test_an_author_without_a_person_is_matched_by_no_pattern() -> None:
    """A device is not a person."""
    entry = make_entry(authors=(replace(make_entry().authors[0], name=None, id=""),))
    assert not matches(make_query(author_patterns=("%",)), entry)
    assert matches(
        make_query(author_patterns=("%^Żółć%",)),
        make_entry(authors=(replace(make_entry().authors[0], name=HumanName(family="Żółć")),)),
    )
