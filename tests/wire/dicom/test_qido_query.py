"""What searches over DICOMweb mean, which of them are refused, and of what the asker is warned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    ExchangeError,
    ImagingRequest,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    TimeRange,
    Uid,
)
from gateway.domain.codes import DCM, SCT
from gateway.wire.dicom.qido_attributes import Level
from gateway.wire.dicom.qido_parameters import MAX_RESULTS
from gateway.wire.dicom.qido_query import NOT_FUZZY, decode_request
from gateway.wire.dicom.qido_search import DecodedSearch, find
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT, make_manifest

STUDY = make_manifest()
CT_CLASS = STUDY.series[0].instances[0].sop_class


def read(query: str, path: str = "/studies", **options: Any) -> DecodedSearch:
    """A search by a client who treats the patient of Country A."""
    return decode_request(path, query, **{"community": COUNTRY_A, "patient": PATIENT, **options})


def finds(query: str, path: str = "/studies", **changes: Any) -> int:
    """How many results a search has in one study of two series of three images, and notes."""
    return len(list(find(read(query, path), [replace(STUDY, **changes)])))


def query_of(**fields: Any) -> StudyQuery:
    """What a store is asked for the patient."""
    return StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("StudyInstanceUID=1.2.3", {"studies": (Uid("1.2.3"),)}),
        ("0020000D=1.2.3,1.2.4", {"studies": (Uid("1.2.3"), Uid("1.2.4"))}),
        ("StudyInstanceUID=1.2.3%5C1.2.4", {"studies": (Uid("1.2.3"), Uid("1.2.4"))}),
        ("ModalitiesInStudy=CT", {"modalities": (Code("CT", DCM),)}),
        ("ModalitiesInStudy=CT,MR", {"modalities": (Code("CT", DCM), Code("MR", DCM))}),
        ("Modality=CT", {"modalities": (Code("CT", DCM),)}),
        ("SOPClassesInStudy=1.2.3", {"sop_classes": (Uid("1.2.3"),)}),
        ("AccessionNumber=A+1", {"accessions": (("A 1", ""),)}),
        (
            "AccessionNumber=A&IssuerOfAccessionNumberSequence.UniversalEntityID=urn:oid:2.999.5",
            {"accessions": (("A", "2.999.5"),)},
        ),
        (
            "AccessionNumber=A&00080051.00400031=HOSP",
            {"accessions": (("A", "HOSP"),)},
        ),
        (
            "AccessionNumber=A%5CB&multiplevaluematching=true",
            {"accessions": (("A", ""), ("B", ""))},
        ),
        ("AnatomicRegionSequence.CodeValue=774007", {"regions": (Code("774007", ""),)}),
        (
            "00082218.00080100=774007&00082218.00080102=SCT",
            {"regions": (Code("774007", SCT),)},
        ),
        (
            "StudyDate=20260301-20260302&StudyTime=0900-1000&TimezoneOffsetFromUTC=%2B0100",
            {
                "performed": TimeRange(
                    start=datetime(2026, 3, 1, 8, tzinfo=UTC),
                    end=datetime(2026, 3, 2, 9, 1, tzinfo=UTC),
                )
            },
        ),
        (
            "StudyDate=20260301&00080201=-0530",
            {
                "performed": TimeRange(
                    start=datetime(2026, 3, 1, 5, 30, tzinfo=UTC),
                    end=datetime(2026, 3, 2, 5, 30, tzinfo=UTC),
                )
            },
        ),
        (
            "AnatomicRegionSequence.CodeValue=T-D1000"
            "&AnatomicRegionSequence.CodingSchemeDesignator=SRT",
            {"regions": (Code("774007", SCT),)},
        ),
        (
            "StudyDate=20260301-&00080201=+0000",
            {"performed": TimeRange(start=datetime(2026, 3, 1, tzinfo=UTC))},
        ),
    ],
)
def test_what_a_store_can_look_for_is_in_the_query(query: str, fields: dict[str, Any]) -> None:
    """Alone: no condition is left, and nobody is warned."""
    if "accessions" in fields:
        fields["accessions"] = tuple(
            ReferenceId(value, ReferenceKind.ACCESSION, authority)
            for value, authority in fields["accessions"]
        )

    search = read(query)

    assert search.query == query_of(**fields)
    assert (search.conditions, search.warnings) == ((), ())


KEYS = [
    ("", True),
    ("PatientName=ZAK*", True),
    ("PatientName=Low*", False),
    ("PatientBirthDate=19800229", True),
    ("PatientBirthDate=1980-02-01-1980-02-28", False),
    ("PatientSex=F", True),
    ("PatientSex=M", False),
    ("PatientID=A-*", True),
    ("PatientID=B-*", False),
    ("PatientID=NAT*&IssuerOfPatientID=2.999.1.3", True),
    ("PatientID=NAT*&IssuerOfPatientID=2.999.1.2", False),
    ("PatientID=A-0001&IssuerOfPatientID=HOSPITAL", False),
    ("StudyDescription=CT+of+*", True),
    ("StudyDescription=CT", False),
    ("StudyDescription=", True),
    ("StudyDescription=*", True),
    ("StudyInstanceUID=2.999.10.1", True),
    ("StudyInstanceUID=2.999.10.2", False),
    ("AccessionNumber=ACC-?", True),
    ("AccessionNumber=ACC-2*", False),
    ("AccessionNumber=ACC*&00080051.00400032=2.999.1.4", True),
    ("AccessionNumber=ACC*&00080051.00400032=2.999.1.5", False),
    ("ModalitiesInStudy=CT", True),
    ("ModalitiesInStudy=KO", True),
    ("ModalitiesInStudy=C*", True),
    ("ModalitiesInStudy=US", False),
    ("ModalitiesInStudy=US,CT", True),
    ("ModalitiesInStudy=ct", False),
    ("Modality=CT&ModalitiesInStudy=KO", True),
    ("Modality=CT&ModalitiesInStudy=US", False),
    ("Modality=US&ModalitiesInStudy=CT", False),
    ("NumberOfStudyRelatedSeries=3", True),
    ("NumberOfStudyRelatedInstances=6", False),
    ("InstanceAvailability=ONLINE", True),
    ("InstanceAvailability=NEARLINE", False),
    ("ProcedureCodeSequence.CodeValue=303653007", True),
    ("ProcedureCodeSequence.CodeMeaning=MR*", False),
    ("RequestAttributesSequence.RequestedProcedureID=PROC-1", True),
    ("RequestAttributesSequence.RequestedProcedureID=PROC-2", False),
    ("AnatomicRegionSequence.CodeValue=7740*", True),
    ("SeriesInstanceUID=2.999.10.1.2", True),
    ("SeriesInstanceUID=2.999.10.1.3", False),
    ("SeriesInstanceUID=2.999.10.1.3,2.999.10.1.1", True),
    ("SeriesNumber=2&SeriesDescription=Series+2*", True),
    ("SeriesNumber=1&SeriesDescription=Series+2*", False),
    ("SOPInstanceUID=2.999.10.1.1.1", True),
    ("SOPInstanceUID=2.999.10.1.1.1&SeriesNumber=2", False),
    (f"SOPClassUID={CT_CLASS}&SeriesNumber=9", False),
    (f"SOPClassUID={CT_CLASS}", True),
    ("SOPClassesInStudy=1.2.3", False),
    ("StudyDate=20260301", True),
    ("StudyDate=20260302", False),
    ("StudyDate=20260201-20260301", True),
    ("StudyDate=-20260228", False),
    ("StudyTime=09", True),
    ("StudyTime=0901-", False),
    ("StudyDate=20260228-20260301&StudyTime=1000-0900", True),
    ("StudyDate=20260228-20260301&StudyTime=1000-0859", False),
    ("StudyDate=20260228-20260301&StudyTime=08-10", True),
    ("StudyDate=20260228-&StudyTime=1000-", True),
    ("StudyDate=20260228-&StudyTime=-0859", False),
    ("StudyDate=20260228-20260305&StudyTime=0900", True),
    ("StudyDate=20260228-20260305&StudyTime=0901", False),
    ("StudyDate=20260301&StudyTime=0830-0930", True),
    ("StudyDate=20260301&StudyTime=1030-", False),
    ("StudyDate=20260301&StudyTime=08&00080201=+0000", True),
    ("StudyDate=20260301&StudyTime=09&00080201=+0000", False),
    ("StudyDate=20260301&StudyTime=0900&00080201=+0100", True),
]


def test_a_study_is_found_by_what_is_held_of_it() -> None:
    """Every kind of key, for and against it."""
    assert [(query, found) for query, found in KEYS if bool(finds(query)) is not found] == []


WITHIN = [
    ("/series", "", 3),
    ("/series", "Modality=CT", 2),
    ("/series", "Modality=CT&SeriesNumber=2", 1),
    ("/series", "Modality=US", 0),
    ("/series", "PatientName=Zak*", 3),
    ("/series", "PatientName=Low*", 0),
    ("/series", f"SOPClassUID={CT_CLASS}", 2),
    ("/series", "SOPInstanceUID=2.999.10.1.2.3", 1),
    ("/series", "NumberOfSeriesRelatedInstances=1", 1),
    ("/series", "AnatomicRegionSequence.CodeValue=774007", 2),
    ("/series", "AnatomicRegionSequence.CodeValue=1", 0),
    ("/series", "PerformedProcedureStepStartDate=20260301-", 2),
    ("/series", "PerformedProcedureStepStartTime=093001", 1),
    ("/studies/2.999.10.1/series", "", 3),
    ("/studies/2.999.10.2/series", "", 0),
    ("/studies/2.999.10.1/series", "StudyInstanceUID=2.999.10.2", 0),
    ("/instances", "", 7),
    ("/instances", "InstanceNumber=1", 3),
    ("/instances", "InstanceNumber=1&Modality=CT", 2),
    ("/studies/2.999.10.1/instances", "SeriesInstanceUID=2.999.10.1.1", 3),
    ("/studies/2.999.10.1/series/2.999.10.1.2/instances", "", 3),
    ("/studies/2.999.10.1/series/2.999.10.1.2/instances", "InstanceNumber=2", 1),
    ("/studies/2.999.10.1/series/2.999.10.1.7/instances", "", 0),
]


def test_series_and_instances_are_found_within_studies() -> None:
    """By their own keys, by those of their study, and by those of what is in them."""
    wrong = [
        (path, query, count, found)
        for path, query, count in WITHIN
        if (found := finds(query, path)) != count
    ]

    assert wrong == []


def test_each_of_several_accession_numbers_finds_the_study() -> None:
    """Where the header has none, because the requests have more than one."""
    several = {
        "accession": "",
        "requests": tuple(
            ImagingRequest(accession=number, accession_authority="2.999.1.4")
            for number in ("ACC-7", "ACC-8")
        ),
    }

    assert finds("AccessionNumber=ACC-8", **several) == finds("AccessionNumber=A*8", **several) == 1
    assert finds("AccessionNumber=ACC-9", **several) == finds("AccessionNumber=A*9", **several) == 0


def test_a_number_no_reference_can_have_finds_what_a_header_has() -> None:
    """A circumflex separates the parts of a reference, and is a character of an SH."""
    assert finds("AccessionNumber=A%5EB", accession="A^B") == 1
    assert finds("AccessionNumber=A%5EB", accession="A^C") == 0


def test_no_value_is_found_where_it_is_asked_for() -> None:
    """PS3.4 C.2.2.2.3.1: two quotation marks stand for no value at all."""
    asked = 'StudyDescription=""&emptyvaluematching=true'

    assert finds(asked, study_description="") == 1
    assert finds(asked) == 0
    assert finds('StudyDescription=""', study_description="") == 0
    assert finds('ModalitiesInStudy=""&emptyvaluematching=true') == 0
    assert finds('StudyID=""&emptyvaluematching=true') == 1


def test_a_study_without_date_is_in_no_range_of_its_own_clock() -> None:
    """A range in a named zone means what it means for a store, which excludes nothing unknown."""
    assert finds("StudyDate=20260301", study_date=None) == 0
    assert finds("StudyDate=", study_date=None) == 1
    assert finds("StudyDate=20260301&TimezoneOffsetFromUTC=%2B0000", study_date=None) == 1


@pytest.mark.parametrize("offset", [None, -720, 0, 90, 840])
@pytest.mark.parametrize("clock", [time(0), time(23, 59, 59, 999999), None])
def test_a_store_is_asked_for_no_less_than_is_meant(offset: int | None, clock: time | None) -> None:
    """A day of a study's own clock lies elsewhere in UTC; the query leaves room for it."""
    dated = {"study_date": date(2026, 3, 1), "study_time": clock, "offset_minutes": offset}

    assert finds("StudyDate=20260301", **dated) == 1
    assert finds("StudyDate=20260302-", **dated) == finds("StudyDate=-20260228", **dated) == 0


@pytest.mark.parametrize(
    "asked",
    [
        *("StudyID=1", "ReferringPhysicianName=Doe*", "RetrieveURL=https://x", "Rows=512"),
        *("StationName=CT1", "00091001=x", "PerformingPhysicianName=A", "ContentDate=20260301"),
        "RequestAttributesSequence.ScheduledProcedureStepID=S1",
    ],
)
def test_a_value_for_what_is_not_held_finds_nothing_and_says_so(asked: str) -> None:
    """To ignore it would find what was not asked for."""
    search = read(asked)

    assert list(find(search, [STUDY])) == []
    assert len(search.warnings) == 1
    assert "not held" in search.warnings[0]


@pytest.mark.parametrize("asked", ["StudyID=", "StudyID=*", "StationName", "00091001="])
def test_no_value_for_what_is_not_held_is_as_good_as_any(asked: str) -> None:
    """Clients name what they want answered so."""
    assert finds(asked) == 1
    assert read(asked).warnings == ()


def test_fuzzy_matching_is_literal_and_told() -> None:
    """PS3.18 8.3.4.2."""
    assert read("fuzzymatching=true&PatientName=Zack").warnings == (NOT_FUZZY,)
    assert finds("fuzzymatching=true&PatientName=Zack*") == 0
    assert read("fuzzymatching=false").warnings == ()


@pytest.mark.parametrize(
    ("query", "patient"),
    [
        ("", PATIENT),
        ("PatientID=A-0001", PATIENT),
        ("PatientID=A-0001&IssuerOfPatientID=2.999.1.2", PATIENT),
        ("PatientID=B&IssuerOfPatientID=urn:oid:2.999.9", PatientId("B", Oid("2.999.9"))),
        ("00100020=B&00100021=2.999.9", PatientId("B", Oid("2.999.9"))),
        ("PatientID=B&00100024.00400032=2.999.9", PatientId("B", Oid("2.999.9"))),
        ("PatientID=B%5E%5E%5E%262.999.9%26ISO", PatientId("B", Oid("2.999.9"))),
    ],
)
def test_a_patient_is_who_is_named_with_an_issuer(query: str, patient: PatientId) -> None:
    """Or whom the token is about; whether another may be asked about is not decided here."""
    search = read(query)

    assert search.query.patient == patient
    assert search.conditions == ()


@pytest.mark.parametrize(
    "query",
    ["PatientID=B%5EC", "PatientID=B%5E%5E%5EX%262.999.9%26ISO", "PatientID=B%26&00100021=2.999.9"],
)
def test_a_broken_identifier_is_an_error_that_does_not_repeat_it(query: str) -> None:
    """It identifies a person, and errors are logged."""
    with pytest.raises(DecodeError) as caught:
        read(query)

    assert "'B" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "patient"), [("PatientID=B", PATIENT), ("PatientID=A-0001", None)]
)
def test_a_number_without_issuer_is_nobodys(query: str, patient: PatientId | None) -> None:
    """Unless it is that of the patient the token is about."""
    with pytest.raises(ExchangeError) as caught:
        read(query, patient=patient)

    assert caught.value.refusal is Refusal.MISSING_PARAMETER


@pytest.mark.parametrize(
    "query",
    [
        "StudyTime=0900&TimezoneOffsetFromUTC=%2B0100",
        "StudyDate=20260301-20260302&StudyTime=0900&TimezoneOffsetFromUTC=%2B0100",
        "StudyDate=20260301-&StudyTime=-0900&TimezoneOffsetFromUTC=%2B0100",
        'StudyDate=""&emptyvaluematching=true&TimezoneOffsetFromUTC=%2B0100',
    ],
)
def test_times_of_day_of_another_zone_are_refused(query: str) -> None:
    """They are another time of day on another day."""
    with pytest.raises(ExchangeError) as caught:
        read(query)

    assert caught.value.refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize("offset", ["0100x", "%2B9900", "%2B1401", "-1201", "Z", "1"])
def test_an_offset_is_one_of_a_place_on_earth(offset: str) -> None:
    """PS3.3 C.12.1.1.1.1."""
    with pytest.raises(DecodeError):
        read(f"StudyDate=20260301&TimezoneOffsetFromUTC={offset}")


def test_ends_of_the_calendar_do_no_harm() -> None:
    """What lies beyond them limits nothing."""
    assert finds("StudyDate=00010101-99991231") == 1
    assert read("StudyDate=00010101-99991231&00080201=+1400").query.performed.start is None
    assert read("StudyDate=00010101-99991231&00080201=-1200").query.performed.end is None


def test_an_answer_has_a_limit() -> None:
    """The asker's, where it is below that of the server."""
    assert read("").limit == MAX_RESULTS
    assert read("limit=5&offset=7").limit == 5
    assert read("limit=5&offset=7").offset == 7
    assert read("limit=5").query.limit is None
    assert read("limit=50", most=10).limit == read("", most=10).limit == 10


def test_what_was_asked_and_wanted_is_kept_for_the_answer() -> None:
    """By the first attribute of a path."""
    search = read(
        "AnatomicRegionSequence.CodeValue=1&StudyID=&includefield=00081030,00081032.00080100"
    )

    assert search.asked == (0x00082218, 0x00200010)
    assert search.includes == (0x00081030, 0x00081032)
    assert search.level is Level.STUDY


words = st.sampled_from(
    [
        *("StudyDate", "StudyTime", "PatientID", "IssuerOfPatientID", "AccessionNumber"),
        *("Modality", "ModalitiesInStudy", "SeriesNumber", "00080201"),
        "AnatomicRegionSequence.CodeValue",
    ]
)
texts = st.text('0129-*?,\\"^. A=&%', max_size=12)


@given(st.lists(st.tuples(words, texts), max_size=4))
def test_any_query_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    """And what is understood can be applied."""
    text = "&".join(f"{word}={value}" for word, value in pairs)
    try:
        search = read(f"{text}&emptyvaluematching=true&multiplevaluematching=true")
    except (DecodeError, ExchangeError):
        return
    assert len(list(find(search, [STUDY]))) <= 1
