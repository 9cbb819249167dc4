"""Searches as strings of a dialect, and what is said not to have been asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain import (
    Code,
    EntryKind,
    EntryStatus,
    PatientId,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
    Uid,
)
from gateway.domain.codes import CLASS_IMAGES, DCM, FORMAT_KOS, FORMAT_PDF, SCT, TYPE_STUDY
from gateway.wire.fhir.mhd_find import encode_request
from gateway.wire.fhir.mhd_parameters_write import NCP_TYPES
from gateway.wire.fhir.search import parse_query, unescape
from tests.builders import PATIENT, make_query
from tests.wire.fhir.rows import CHEST, CT, HEAD, SCAN

STUDY = ReferenceId.of_study(Uid("1.2.3"))
ACCESSION = ReferenceId("A,1", ReferenceKind.ACCESSION, "2.999.1.8")
ORDER = ReferenceId("O1", ReferenceKind.ORDER, "2.999.1.9")
DCM_URL = "http://dicom.nema.org/resources/ontology/DCM"


def asked(dialect: str, **changes: Any) -> list[tuple[str, ...]]:
    """The parameters after the patient, each as its name and values."""
    text = encode_request(make_query(**changes), dialect).text
    first, *rest = parse_query(text)
    assert (first.name, first.values) == ("patient.identifier", ("urn:oid:2.999.1.2|A-0001",))
    return [
        (":".join(filter(None, (each.name, each.modifier))), *each.values)
        for each in rest
        if each.name != "status" or dialect != "mhd" or each.values != ("current",)
    ]


def unasked(dialect: str, **changes: Any) -> tuple[str, ...]:
    """The filters that a peer of a dialect is not asked to apply."""
    return encode_request(make_query(**changes), dialect).unasked


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"statuses": ()}, [("status", "current", "superseded")]),
        ({"statuses": (EntryStatus.DEPRECATED,)}, [("status", "superseded")]),
        (
            {"class_codes": (CLASS_IMAGES,)},
            [("category", "urn:oid:1.3.6.1.4.1.19376.1.2.6.1|IMAGES")],
        ),
        ({"type_codes": (TYPE_STUDY,)}, [("type", "http://loinc.org|18748-4")]),
        ({"event_codes": ((CT,),)}, [("modality", f"{DCM_URL}|CT")]),
        ({"event_codes": ((Code("CT", ""),),)}, [("event", "CT")]),
        (
            {"event_codes": ((HEAD, CHEST),)},
            [
                (
                    "anatomical-region",
                    "http://snomed.info/sct|774007",
                    "http://snomed.info/sct|67734004",
                )
            ],
        ),
        ({"event_codes": ((SCAN,),)}, [("event", "http://snomed.info/sct|303653007")]),
        (
            {"event_codes": ((CT, HEAD),)},
            [("event", f"{DCM_URL}|CT", "http://snomed.info/sct|774007")],
        ),
        ({"references": ((STUDY,),)}, [("study-instance-uid", "urn:oid:1.2.3")]),
        ({"references": ((ACCESSION,),)}, [("accession-number", "urn:oid:2.999.1.8|A\\,1")]),
        ({"references": ((ORDER,),)}, [("related:identifier", "urn:oid:2.999.1.9|O1")]),
        (
            {"references": ((ReferenceId("A1", ReferenceKind.ACCESSION, "%"),),)},
            [("accession-number", "A1")],
        ),
        (
            {"references": ((ReferenceId("A1", ReferenceKind.ACCESSION),),)},
            [("accession-number", "|A1")],
        ),
        (
            {"references": ((STUDY, ORDER), (ACCESSION,))},
            [
                ("related:identifier", "urn:oid:1.2.3", "urn:oid:2.999.1.9|O1"),
                ("accession-number", "urn:oid:2.999.1.8|A\\,1"),
            ],
        ),
        ({"confidentiality": ((Code("N", "x"),),)}, [("security-label", "x|N")]),
        ({"author_patterns": ("%^Papa%",)}, [("author.family", "Papa")]),
        ({"author_patterns": ("%^%^Eleni%",)}, [("author.given", "Eleni")]),
        (
            {"service_start": TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC))},
            [("period", "ge2024-01-01T00:00:00Z")],
        ),
        (
            {"created": TimeRange(end=datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC))},
            [("creation", "lt2024-01-01T00:00:01Z")],
        ),
    ],
)
def test_mhd_has_a_parameter_for_each_filter(
    changes: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    """With MADO's four; groups repeat a parameter, alternatives are separated by commas."""
    assert asked("mhd", **changes) == expected
    assert unasked("mhd", **changes) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"service_stop": TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC))},
        {"kinds": (EntryKind.ON_DEMAND,)},
        {"max_size_bytes": 5},
        {"created_after": Timestamp.parse("2024")},
        {"created_before": Timestamp.parse("2024")},
        {"author_patterns": ("rad-9^%",)},
        {"author_patterns": ("%^Papa%", "%^%^Eleni%")},
        {"references": ((ReferenceId("A%", ReferenceKind.ACCESSION),),)},
        {"references": ((),)},
        {"event_codes": ((Code("", SCT),),)},
        {"confidentiality": ((),)},
        {"type_codes": (Code("", ""),)},
    ],
)
def test_what_mhd_cannot_say_is_named_and_not_sent(changes: dict[str, Any]) -> None:
    """The asker filters the answer by it."""
    assert asked("mhd", **changes) == []
    assert unasked("mhd", **changes) == tuple(changes)


def test_ncp_sends_what_it_defines() -> None:
    """Type, category, MIME type and creation; a type is required."""
    changes = {
        "class_codes": (CLASS_IMAGES,),
        "type_codes": (TYPE_STUDY,),
        "format_codes": (FORMAT_KOS,),
        "created": TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC)),
    }

    assert asked("ncp", **changes) == [
        ("type", "http://loinc.org|18748-4"),
        ("category", "urn:oid:1.3.6.1.4.1.19376.1.2.6.1|IMAGES"),
        ("contenttype", "application/dicom"),
        ("creation", "ge2024-01-01T00:00:00Z"),
    ]
    assert unasked("ncp", **changes) == ("format_codes",)


def test_ncp_asks_for_the_types_of_imaging_when_none_is_named() -> None:
    """And says which it took."""
    encoded = encode_request(make_query(), "ncp")

    assert encoded.assumed_types == NCP_TYPES
    assert "type=http://loinc.org%7C18748-4,http://loinc.org%7C85430-7" in encoded.text
    assert encode_request(make_query(type_codes=(TYPE_STUDY,)), "ncp").assumed_types == ()


def test_ncp_names_everything_else() -> None:
    """Most of Article 10 is left to the asker."""
    assert unasked(
        "ncp",
        event_codes=((CT,),),
        references=((STUDY,),),
        service_start=TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC)),
        statuses=(),
        format_codes=(FORMAT_PDF,),
    ) == ("statuses", "format_codes", "event_codes", "references", "service_start")


def test_awkward_identifiers_come_through() -> None:
    """Separators of the grammar, of the query string, and letters of every country."""
    value = "a,b|c$d\\e&f=g h+i%j;é"
    query = make_query(patient=PatientId(value.replace("&", ""), PATIENT.authority))

    (parameter, _) = parse_query(encode_request(query, "mhd").text)

    assert parameter.values[0].count("|") == 2
    assert unescape(parameter.values[0].partition("|")[2]) == query.patient.value


def test_an_unknown_dialect_is_a_mistake_of_ours() -> None:
    """It comes from a setting that was checked."""
    with pytest.raises(ValueError, match="fhirpath"):
        encode_request(make_query(), "fhirpath")


def test_the_scheme_of_dicom_is_sent_as_a_url() -> None:
    """However the query spells it."""
    assert asked("mhd", event_codes=((Code("CT", "DCM"),),)) == [("modality", f"{DCM_URL}|CT")]
    assert asked("mhd", event_codes=((Code("CT", DCM),),)) == [("modality", f"{DCM_URL}|CT")]
