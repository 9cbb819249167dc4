"""What searches for ImagingStudy mean, and which are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    ExchangeError,
    ReferenceId,
    ReferenceKind,
    Refusal,
    Severity,
    StudyQuery,
    TimeRange,
    Uid,
)
from gateway.domain.codes import DCM, SCT
from gateway.wire.fhir.imaging_study_parameters_read import (
    MAX_COUNT,
    DecodedSearch,
    read_parameters,
)
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT, make_manifest

WHO = "patient.identifier=urn:oid:2.999.1.2|A-0001"
STUDY = make_manifest()
CT_CLASS = STUDY.series[0].instances[0].sop_class
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


def read(query: str, **options: Any) -> DecodedSearch:
    """The search of a query string, patient included."""
    return read_parameters(parse_query(query), **{"answering": COUNTRY_A, **options})


def finds(query: str, **changes: Any) -> bool:
    """Whether a search finds a study, of which some is changed."""
    study = replace(STUDY, **changes)
    return read(f"{WHO}&{query}").keeps(study, "study-1", ("endpoint-1",))


def accession(value: str, authority: str = "") -> ReferenceId:
    """An accession number as it is searched for."""
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


SAID: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("identifier=urn:dicom:uid|urn:oid:1.2.3", {"studies": (Uid("1.2.3"),)}),
    ("identifier=urn:dicom:uid|1.2.3", {"studies": (Uid("1.2.3"),)}),
    ("identifier=urn:ietf:rfc:3986|urn:oid:1.2.3", {"studies": (Uid("1.2.3"),)}),
    ("identifier=urn:oid:1.2.3", {"studies": (Uid("1.2.3"),)}),
    (
        "identifier=urn:oid:1.2.3,urn:dicom:uid|1.2.4",
        {"studies": (Uid("1.2.3"), Uid("1.2.4"))},
    ),
    (
        "identifier:of-type=http://dicom.nema.org/resources/ontology/DCM|110180|urn:oid:1.2.3",
        {"studies": (Uid("1.2.3"),)},
    ),
    ("identifier=urn:oid:2.999.5|ACC-1", {"accessions": (accession("ACC-1", "2.999.5"),)}),
    ("identifier=ACC-1", {"accessions": (accession("ACC-1"),)}),
    ('identifier="ACC-1"', {"accessions": (accession("ACC-1"),)}),
    ("identifier=|ACC-1", {"accessions": (accession("ACC-1"),)}),
    ("identifier=12345", {"accessions": (accession("12345"),)}),
    ("identifier=1.2.x", {"accessions": (accession("1.2.x"),)}),
    (f"identifier:of-type={TYPES}|ACSN|1.2.3", {"accessions": (accession("1.2.3"),)}),
    (f"identifier:of-type={DICOM}|121022|A", {"accessions": (accession("A"),)}),
    ("basedon:identifier=2.999.5|A", {"accessions": (accession("A", "2.999.5"),)}),
    ("basedon.identifier=1.2.3", {"accessions": (accession("1.2.3"),)}),
    (f"modality={DICOM}|CT", {"modalities": (Code("CT", DCM),)}),
    ("modality=CT,MR", {"modalities": (Code("CT", ""), Code("MR", ""))}),
    (f"bodysite={SNOMED}|774007", {"regions": (Code("774007", SCT),)}),
    ("anatomical-region=774007", {"regions": (Code("774007", ""),)}),
    ("dicom-class=urn:oid:1.2.3", {"sop_classes": (Uid("1.2.3"),)}),
    (
        "dicom-class=1.2.3,urn:ietf:rfc:3986|urn:oid:1.2.4",
        {"sop_classes": (Uid("1.2.3"), Uid("1.2.4"))},
    ),
    (
        "started=ge2026-01-01&started=le2026-12-31",
        {
            "performed": TimeRange(
                start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC)
            )
        },
    ),
    (
        "started=2026-03",
        {
            "performed": TimeRange(
                start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC)
            )
        },
    ),
    ("status=available", {}),
    ("status=registered,available", {}),
]


def test_what_a_store_can_look_for_is_in_the_query() -> None:
    """Alone, in every form that guides and peers use."""
    for query, fields in SAID:
        search = read(f"{WHO}&{query}")

        meant = StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})
        assert search.query == meant, query
        assert (search.further, search.ignored, search.asks_nothing) == ((), (), False), query
        assert search.self_parameters == parse_query(f"{WHO}&{query}"), query


HELD = [
    ("", True),
    ("identifier=urn:oid:2.999.10.1", True),
    ("identifier=2.999.10.1", True),
    ("identifier=2.999.10.2", False),
    ("identifier=ACC-1", True),
    ("identifier=ACC-2", False),
    ("identifier=urn:oid:2.999.1.4|ACC-1", True),
    ("identifier=urn:oid:2.999.1.5|ACC-1", False),
    ("identifier=ACC-1,2.999.10.7", True),
    ("identifier=ACC-1&identifier=urn:oid:2.999.10.1", True),
    ("identifier=ACC-1&identifier=urn:oid:2.999.10.2", False),
    ("identifier=ACC-1&identifier=ACC-2", False),
    ("identifier=urn:oid:2.999.10.1&identifier=urn:oid:2.999.10.2", False),
    ("identifier=urn:ietf:rfc:3986|urn:uuid:6f1d6b1e-0000-4000-8000-000000000000", False),
    (f"identifier:of-type={TYPES}|PLAC|ORD-1", False),
    ("basedon:identifier=urn:oid:2.999.10.1", False),
    ("modality=CT", True),
    ("modality=US,CT", True),
    ("modality=US", False),
    (f"modality={DICOM}|CT&modality=KO", True),
    (f"modality={DICOM}|CT&modality=US", False),
    (f"bodysite={SNOMED}|774007", True),
    (f"bodysite={SNOMED}|76752008", False),
    (f"bodysite={SNOMED}|774007&bodysite={SNOMED}|76752008", False),
    (f"dicom-class=urn:oid:{CT_CLASS}", True),
    ("dicom-class=1.2.3", False),
    (f"dicom-class={CT_CLASS}&dicom-class=1.2.3", False),
    ("started=2026-03-01", True),
    ("started=2026-03-02", False),
    ("started=ge2026-03-01T08:00:00Z", True),
    ("started=gt2026-03-01T08:00:00Z", False),
    ("started=sa2026-02-28", True),
    ("started=lt2026-03-01T09:00:00%2B01:00", False),
    ("started=le2026-03-01T09:00:00+01:00", True),
    ("started=eb2026-03-02", True),
    ("status=cancelled", False),
    ("_id=study-1", True),
    ("_id=study-2,study-1", True),
    ("_id=study-2", False),
    ("series=urn:oid:2.999.10.1.2", True),
    ("series=urn:dicom:uid|2.999.10.1.2,1.2", True),
    ("series=1.2", False),
    ("series=2.999.10.1.2&series=1.2", False),
    ("instance=2.999.10.1.1.3", True),
    ("instance=2.999.10.1.1.4", False),
    ("endpoint=Endpoint/endpoint-1", True),
    ("endpoint:Endpoint=endpoint-1", True),
    ("endpoint=https://a.example/fhir/Endpoint/endpoint-1", True),
    ("endpoint=endpoint-2", False),
    ("reason=http://snomed.info/sct|1", True),
]


def test_a_study_is_found_by_what_is_held_of_it() -> None:
    """Alternatives, and repetitions that all apply."""
    assert [(query, found) for query, found in HELD if finds(query) is not found] == []


@pytest.mark.parametrize(
    "name",
    [
        *("patient.identifier", "patient:Patient.identifier", "subject.identifier"),
        *("patient:identifier", "patient", "subject"),
    ],
)
def test_a_patient_is_named_in_many_ways(name: str) -> None:
    """As in a search for documents."""
    assert read(f"{name}=urn:oid:2.999.1.2|A-0001").query.patient == PATIENT


def test_a_study_may_be_asked_for_without_a_patient() -> None:
    """By its UID or its id; whose it is, its holder knows."""
    assert read("identifier=urn:oid:1.2.3").query.patient is None
    assert read("identifier=1.2.3").query.patient is None
    assert read("_id=study-1").query.patient is None
    assert read("patient=p1", patients={"p1": PATIENT}.get).query.patient == PATIENT


NOT_OFFERED = [
    ("", Refusal.MISSING_PARAMETER),
    ("modality=CT", Refusal.MISSING_PARAMETER),
    ("identifier=ACC-1", Refusal.MISSING_PARAMETER),
    (f"{WHO}&patient.identifier=urn:oid:2.999.1.2|B", Refusal.MISSING_PARAMETER),
    ("patient.identifier=A-0001", Refusal.MALFORMED_REQUEST),
    ("patient.identifier=https://ncez.example/sid|1", Refusal.UNKNOWN_PATIENT),
    ("patient=p1", Refusal.UNKNOWN_PATIENT),
    (f"{WHO}&patient.family=Doe", Refusal.UNSUPPORTED),
    (f"{WHO}&identifier=urn:dicom:uid|x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&identifier=urn:oid:x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&identifier=urn:oid:2.999.5|", Refusal.UNSUPPORTED),
    (f"{WHO}&identifier:not=x", Refusal.UNSUPPORTED),
    (f"{WHO}&identifier:of-type=ACSN|A", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&modality:not=CT", Refusal.UNSUPPORTED),
    (f"{WHO}&modality={DICOM}|", Refusal.UNSUPPORTED),
    (f"{WHO}&modality=|CT", Refusal.UNSUPPORTED),
    (f"{WHO}&dicom-class=CT", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&series=x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&instance=x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&started=ne2026", Refusal.UNSUPPORTED),
    (f"{WHO}&started=2026,2027", Refusal.UNSUPPORTED),
    (f"{WHO}&started:missing=true", Refusal.UNSUPPORTED),
    (f"{WHO}&status=invented", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&endpoint.status=active", Refusal.UNSUPPORTED),
    (f"{WHO}&reason:text=pain", Refusal.UNSUPPORTED),
    (f"{WHO}&_count=many", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&_elements=series[0]", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&_elements={'.'.join('a' * 12)}", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&_include=ImagingStudy:patient", Refusal.UNSUPPORTED),
    (f"{WHO}&_include=*", Refusal.UNSUPPORTED),
    (f"{WHO}&_include:iterate=ImagingStudy:endpoint", Refusal.UNSUPPORTED),
    (f"{WHO}&_revinclude=Provenance:target", Refusal.UNSUPPORTED),
    (f"{WHO}&_has:Observation:patient:code=1", Refusal.UNSUPPORTED),
]


def test_what_is_not_offered_is_refused() -> None:
    """Known parameters with what would narrow them, and values that are none."""
    wrong = [
        (query, refused)
        for query, refusal in NOT_OFFERED
        if (refused := _refused(query)) is not refusal
    ]

    assert wrong == []


def _refused(query: str) -> Refusal | None:
    try:
        read(query)
    except ExchangeError as error:
        return error.refusal
    return None


@pytest.mark.parametrize(
    "query", ["started=yesterday", "started=2026-13", "identifier=a|b|c", "identifier=A^B"]
)
def test_what_cannot_be_read_is_an_error(query: str) -> None:
    """With its place."""
    with pytest.raises(DecodeError, match=r"query\."):
        read(f"{WHO}&{query}")


def test_what_is_not_applied_is_named() -> None:
    """For a warning, or for a refusal to who wants to be told; and left out of the self link."""
    search = read(f"{WHO}&reason=1&reasonCode=2&performer=Practitioner/1&invented=3&_sort=id")

    assert search.ignored == ("reason", "reasonCode", "performer", "invented", "_sort")
    assert search.self_parameters == parse_query(WHO)
    assert {issue.severity for issue in search.warnings} == {Severity.WARNING}
    assert "no reason is held" in search.warnings[0].text
    assert [issue.subject for issue in search.warnings] == list(search.ignored)


def test_an_answer_is_shaped() -> None:
    """Its size, its order, its elements, what it includes."""
    search = read(
        f"{WHO}&_count=20&_sort=started&_elements=identifier,ImagingStudy.series.uid"
        "&_elements=started&_include=ImagingStudy:endpoint&_format=json&_total=accurate"
    )

    assert (search.count, search.oldest_first, search.endpoints_included) == (20, True, True)
    assert search.elements == ("identifier", "series.uid", "started")
    assert search.ignored == ()
    assert read(f"{WHO}&_count=99999").count == MAX_COUNT
    assert read(f"{WHO}&_summary=count").count == 0
    assert read(WHO).count is None
    assert not read(f"{WHO}&_sort=-started").oldest_first


names = st.sampled_from(
    [
        *("identifier", "identifier:of-type", "modality", "bodysite", "started", "dicom-class"),
        *("series", "status", "_id", "_elements", "_count", "_include", "endpoint", "reason"),
        "patient",
    ]
)
texts = st.text('0129.-|,\\"^urn:oid: A=&%$', max_size=14)


@given(st.lists(st.tuples(names, texts), max_size=4))
def test_any_search_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    """And what is understood can be applied."""
    text = "&".join(f"{name}={value}" for name, value in pairs)
    try:
        search = read(f"{WHO}&{text}")
    except (DecodeError, ExchangeError):
        return
    assert search.keeps(STUDY, "study-1") in (True, False)
