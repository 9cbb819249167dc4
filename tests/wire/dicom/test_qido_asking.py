"""A query of studies as a search over DICOMweb."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import pytest

from gateway.domain import Code, ReferenceId, ReferenceKind, StudyQuery, TimeRange, Uid
from gateway.domain.codes import DCM, SCT
from gateway.wire.dicom.qido_asking import EncodedSearch, encode_request
from gateway.wire.dicom.qido_attributes import Level
from gateway.wire.dicom.qido_query import decode_request
from gateway.wire.problems import EncodeError
from tests.builders import COUNTRY_A, PATIENT

STUDY, SERIES = Uid("1.2.3"), Uid("1.2.3.4")
CT, MR = Code("CT", DCM), Code("MR", DCM)
HEAD, CHEST = Code("774007", SCT), Code("67734004", SCT)
YEAR = TimeRange(
    start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 12, 31, 12, 30, tzinfo=UTC)
)


def accession(value: str, authority: str = "") -> ReferenceId:
    """An accession number as it is searched for."""
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


def asked(fields: dict[str, Any], **options: Any) -> EncodedSearch:
    """The search for studies of the patient."""
    query = StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})
    return encode_request(query, **{"includes": (), **options})


def pairs(search: EncodedSearch) -> dict[str, str]:
    """The parameters as any server reads them, but those of the patient."""
    found = dict(parse_qsl(search.query, keep_blank_values=True))
    return {name: value for name, value in found.items() if "PatientID" not in name}


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({}, {}),
        ({"studies": (STUDY, SERIES)}, {"StudyInstanceUID": "1.2.3,1.2.3.4"}),
        ({"accessions": (accession("A 1"),)}, {"AccessionNumber": "A 1"}),
        (
            {"accessions": (accession("A", "2.999.5"),)},
            {
                "AccessionNumber": "A",
                "IssuerOfAccessionNumberSequence.UniversalEntityID": "2.999.5",
            },
        ),
        (
            {"accessions": (accession("A", "HOSP"),)},
            {
                "AccessionNumber": "A",
                "IssuerOfAccessionNumberSequence.LocalNamespaceEntityID": "HOSP",
            },
        ),
        ({"modalities": (CT,)}, {"ModalitiesInStudy": "CT"}),
        (
            {"modalities": (CT, MR)},
            {"ModalitiesInStudy": "CT\\MR", "multiplevaluematching": "true"},
        ),
        (
            {"regions": (HEAD, CHEST)},
            {
                "AnatomicRegionSequence.CodeValue": "774007\\67734004",
                "AnatomicRegionSequence.CodingSchemeDesignator": "SCT",
                "multiplevaluematching": "true",
            },
        ),
        ({"sop_classes": (STUDY,)}, {"SOPClassesInStudy": "1.2.3"}),
        (
            {"performed": YEAR},
            {
                "StudyDate": "20260101-20261231",
                "StudyTime": "000000.000000-122959.999999",
                "TimezoneOffsetFromUTC": "+0000",
            },
        ),
        (
            {
                "performed": TimeRange(
                    start=datetime(26, 1, 1, 2, 0, 0, 7, timezone(timedelta(0, 3600)))
                )
            },
            {
                "StudyDate": "00260101-",
                "StudyTime": "010000.000007-",
                "TimezoneOffsetFromUTC": "+0000",
            },
        ),
        (
            {"performed": TimeRange(end=datetime(2026, 1, 1, 0, 0, 0, 1, UTC))},
            {
                "StudyDate": "-20260101",
                "StudyTime": "-000000.000000",
                "TimezoneOffsetFromUTC": "+0000",
            },
        ),
        ({"limit": 5}, {"limit": "5"}),
    ],
)
def test_the_whole_query_is_asked_and_understood(
    fields: dict[str, Any], parameters: dict[str, str]
) -> None:
    """In the words of DICOM; and our own reading of them is the query again."""
    search = asked(fields)

    read = decode_request(search.path, search.query, community=COUNTRY_A)

    assert pairs(search) == parameters
    assert (search.path, search.unasked) == ("/studies", ())
    limited = replace(read.query, limit=fields.get("limit"))
    assert limited == StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})
    assert (read.conditions, read.warnings) == ((), ())


@pytest.mark.parametrize(
    ("fields", "parameters", "unasked"),
    [
        ({}, {}, ()),
        ({"studies": (STUDY,)}, {"StudyInstanceUID": "1.2.3"}, ()),
        ({"accessions": (accession("A"),)}, {"AccessionNumber": "A"}, ()),
        (
            {"accessions": (accession("A", "2.999.5"),)},
            {"AccessionNumber": "A"},
            ("accessions",),
        ),
        ({"accessions": (accession("A"), accession("B"))}, {}, ("accessions",)),
        ({"modalities": (CT,)}, {"ModalitiesInStudy": "CT"}, ()),
        ({"modalities": (CT, MR)}, {}, ("modalities",)),
        ({"regions": (HEAD,)}, {}, ("regions",)),
        ({"sop_classes": (STUDY,)}, {}, ("sop_classes",)),
        ({"performed": YEAR}, {"StudyDate": "20251231-20270101"}, ("performed",)),
    ],
)
def test_a_plain_search_asks_what_every_server_matches(
    fields: dict[str, Any], parameters: dict[str, str], unasked: tuple[str, ...]
) -> None:
    """And names what the asker has to filter by."""
    search = asked(fields, plain=True)

    assert pairs(search) == parameters
    assert search.unasked == unasked


@pytest.mark.parametrize(
    ("fields", "unasked"),
    [
        ({"accessions": (accession("A*"),)}, "accessions"),
        ({"accessions": (accession(" A"),)}, "accessions"),
        ({"accessions": (accession('""'),)}, "accessions"),
        ({"accessions": (accession("A", "2.999.5"), accession("B"))}, "accessions"),
        ({"accessions": (ReferenceId("A", ReferenceKind.ORDER),)}, "accessions"),
        ({"accessions": (accession("A", "%"), accession("B\\C", "%"))}, "accessions"),
        ({"modalities": (Code("C?", DCM),)}, "modalities"),
        ({"modalities": (Code("C,T", DCM),)}, "modalities"),
        ({"modalities": (Code("CT", "2.999.4"),)}, "modalities"),
        ({"modalities": (Code("CT", ""),)}, "modalities"),
        ({"regions": (HEAD, Code("1", DCM))}, "regions"),
        ({"regions": (Code("1", "2.999.4"),)}, "regions"),
        ({"regions": (Code("1" * 17, SCT),)}, "regions"),
        ({"regions": (Code("T-D3000", "SRT"),)}, "regions"),
        ({"performed": TimeRange(end=datetime.min.replace(tzinfo=UTC))}, "performed"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_what_dicom_would_read_otherwise_is_not_asked(
    fields: dict[str, Any], unasked: str, plain: bool
) -> None:
    """Patterns, codes of other schemes, and what belongs to several authorities."""
    assert asked(fields, plain=plain).unasked == (unasked,)


def test_a_patient_is_named_with_the_authority() -> None:
    """A number alone is nobody's, and a pattern would be everybody's."""
    assert asked({}).query == "PatientID=A-0001&IssuerOfPatientID=2.999.1.2"
    assert asked({"patient": None}).query == ""
    with pytest.raises(EncodeError):
        asked({"patient": replace(PATIENT, value="A*")})


def test_series_and_instances_are_asked_for_within_their_study() -> None:
    """Which is then in the path, and not in the query again."""
    series = asked({"studies": (STUDY,)}, level=Level.SERIES, study=STUDY)
    instances = asked({}, level=Level.INSTANCE, study=STUDY, series=SERIES, offset=50)
    others = asked({"studies": (SERIES,)}, level=Level.INSTANCE, study=STUDY)

    assert (series.path, pairs(series)) == ("/studies/1.2.3/series", {})
    assert instances.path == "/studies/1.2.3/series/1.2.3.4/instances"
    assert pairs(instances) == {"offset": "50"}
    assert others.path == "/studies/1.2.3/instances"
    assert pairs(others) == {"StudyInstanceUID": "1.2.3.4"}
    assert asked({}, level=Level.SERIES).path == "/series"


@pytest.mark.parametrize(
    "options",
    [
        {"level": Level.INSTANCE, "series": SERIES},
        {"level": Level.SERIES, "study": STUDY, "series": SERIES},
        {"level": Level.STUDY, "study": STUDY},
        {"includes": ("Invented",)},
    ],
)
def test_what_no_path_can_say_is_refused(options: dict[str, Any]) -> None:
    """A series without its study, a study within itself, a word of no dictionary."""
    with pytest.raises(EncodeError):
        asked({}, **options)


def test_more_than_a_query_string_holds_is_refused() -> None:
    """We would not read it ourselves; the studies have to be asked for in parts."""
    with pytest.raises(EncodeError):
        asked({"studies": tuple(Uid(f"2.25.{10**30 + number}") for number in range(300))})


def test_a_description_is_wanted_beside_the_usual() -> None:
    """No server answers it unasked, and no list of studies does without it."""
    search = encode_request(StudyQuery(community=COUNTRY_A))

    assert search.query == "includefield=StudyDescription"
