"""What searches of every dialect mean, and which are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    EntryStatus,
    ExchangeError,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    Severity,
    TimeRange,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    CONFIDENTIALITY,
    DCM,
    FORMAT_KOS,
    IHE_CLASS,
    LOINC,
    SCT,
)
from gateway.domain.selection import matches
from gateway.wire.fhir.mhd_find import decode_request
from gateway.wire.fhir.mhd_parameters_read import DecodedSearch
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT, make_entry
from tests.wire.fhir.rows import REPOSITORY

WHO = "patient.identifier=urn:oid:2.999.1.2|A-0001"
STUDY = ReferenceId.of_study(Uid("1.2.3"))


def read(query: str, **options: Any) -> DecodedSearch:
    """The search of a query string, patient included."""
    return decode_request(parse_query(query), **{"answering": COUNTRY_A, **options})


def asked(query: str, **options: Any) -> DocumentQuery:
    """The query of a search for the patient of Country A with further parameters."""
    return read(f"{WHO}&{query}", **options).query


def accession(value: str, authority: str) -> tuple[ReferenceId, ...]:
    """The group of one accession number."""
    return (ReferenceId(value, ReferenceKind.ACCESSION, authority),)


def test_a_patient_is_named_in_many_ways() -> None:
    """Chains, identifiers of references, and HAPI's habit of a bare token."""
    names = [
        "patient.identifier",
        "patient:Patient.identifier",
        "subject.identifier",
        "subject:Patient.identifier",
        "patient:identifier",
        "subject:identifier",
        "patient",
        "subject",
    ]

    for name, system in product(names, ("urn:oid:2.999.1.2", "2.999.1.2")):
        found = read(f"{name}={system}|A-0001").query.patient
        assert found == PATIENT, (name, system)


def test_a_patient_may_be_a_reference_where_the_server_has_patients() -> None:
    """The EU API asks by it after a patient search."""
    patients = {"Patient/p1": PATIENT, "p1": PATIENT}.get

    assert read("patient=Patient/p1", patients=patients).query.patient == PATIENT
    assert read("patient:Patient=p1", patients=patients).query.patient == PATIENT
    assert read(f"patient=p1&{WHO}", patients=patients).query.patient == PATIENT
    with pytest.raises(ExchangeError) as caught:
        read("patient=p2", patients=patients)
    assert caught.value.refusal is Refusal.UNKNOWN_PATIENT


UNANSWERABLE = [
    ("status=current", Refusal.MISSING_PARAMETER),
    (f"{WHO}&patient.identifier=urn:oid:2.999.1.2|B", Refusal.MISSING_PARAMETER),
    (f"{WHO},urn:oid:2.999.1.2|B", Refusal.MISSING_PARAMETER),
    ("patient.identifier=A-0001", Refusal.MALFORMED_REQUEST),
    ("patient.identifier=urn:oid:2.999.1.2|", Refusal.MALFORMED_REQUEST),
    ("patient.identifier=https://ncez.example/sid/rid|1", Refusal.UNKNOWN_PATIENT),
    (f"{WHO}&targetCommunityIdList=urn:oid:2.999.77", Refusal.UNKNOWN_COMMUNITY),
    (f"{WHO}&status=invented", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&study-instance-uid=x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&related:identifier=urn:dicom:uid|x", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&_count=many", Refusal.MALFORMED_REQUEST),
    (f"{WHO}&type:not=x", Refusal.UNSUPPORTED),
    (f"{WHO}&type=http://loinc.org|", Refusal.UNSUPPORTED),
    (f"{WHO}&type=|18748-4", Refusal.UNSUPPORTED),
    (f"{WHO}&identifier:of-type=a|b|c", Refusal.UNSUPPORTED),
    (f"{WHO}&patient.family=A", Refusal.UNSUPPORTED),
    (f"{WHO}&patient:missing=true", Refusal.UNSUPPORTED),
    (f"{WHO}&author.identifier=x", Refusal.UNSUPPORTED),
    (f"{WHO}&author.family:exact=x", Refusal.UNSUPPORTED),
    (f"{WHO}&author.family=x&author.family=y", Refusal.UNSUPPORTED),
    (f"{WHO}&custodian.identifier=x", Refusal.UNSUPPORTED),
    (f"{WHO}&related.status=x", Refusal.UNSUPPORTED),
    (f"{WHO}&accession-number=%25", Refusal.UNSUPPORTED),
    (f"{WHO}&accession-number=urn:oid:2.999|", Refusal.UNSUPPORTED),
    (f"{WHO}&period=ne2024", Refusal.UNSUPPORTED),
    (f"{WHO}&_include=DocumentReference:patient", Refusal.UNSUPPORTED),
    (f"{WHO}&_revinclude=Provenance:target", Refusal.UNSUPPORTED),
    (f"{WHO}&_has:Observation:patient:code=x", Refusal.UNSUPPORTED),
]


def test_what_cannot_be_answered_rightly_is_refused() -> None:
    """Each refusal names the parameter, and never a value that may identify a patient."""
    for query, refusal in UNANSWERABLE:
        refused = _refused(query)

        assert refused is not None, query
        assert refused.refusal is refusal, query
        assert refused.subject, query
        assert "A-0001" not in refused.text, query


def _refused(query: str) -> ExchangeError | None:
    try:
        read(query)
    except ExchangeError as error:
        return error
    return None


@pytest.mark.parametrize("query", ["period=soon", "type=a|b|c", "creation=2024-13", "status=%7C"])
def test_a_value_that_cannot_be_read_is_no_search(query: str) -> None:
    """The place is the parameter."""
    with pytest.raises(DecodeError) as caught:
        asked(query)

    assert caught.value.where == f"query.{query.partition('=')[0]}"


PARAMETERS: list[tuple[str, str, object]] = [
    ("type=http://loinc.org|18748-4", "type_codes", (Code("18748-4", LOINC),)),
    ("type=18748-4", "type_codes", (Code("18748-4", ""),)),
    ("type=a,b", "type_codes", (Code("a", ""), Code("b", ""))),
    ("category=urn:oid:1.3.6.1.4.1.19376.1.2.6.1|IMAGES", "class_codes", (CLASS_IMAGES,)),
    ("class=urn:oid:1.3.6.1.4.1.19376.1.2.6.1|IMAGES", "class_codes", (CLASS_IMAGES,)),
    ("setting=http://snomed.info/sct|1", "practice_settings", (Code("1", SCT),)),
    ("facility=http://snomed.info/sct|1", "facility_types", (Code("1", SCT),)),
    (
        "format=http://dicom.nema.org/resources/ontology/DCMUID|1.2.840.10008.5.1.4.1.1.88.59",
        "format_codes",
        (FORMAT_KOS,),
    ),
    ("security-label=N", "confidentiality", ((Code("N", ""),),)),
    (
        "securitylabel=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
        "confidentiality",
        ((Code("N", CONFIDENTIALITY),),),
    ),
    ("modality=CT&modality=MR", "event_codes", ((Code("CT", ""),), (Code("MR", ""),))),
    ("event=urn:oid:1.2.840.10008.6.1.19|CT", "event_codes", ((Code("CT", DCM),),)),
    ("bodysite=http://snomed.info/sct|774007", "event_codes", ((Code("774007", SCT),),)),
    ("body-site=http://snomed.info/sct|774007", "event_codes", ((Code("774007", SCT),),)),
    (
        "anatomical-region=http://snomed.info/sct|774007,http://snomed.info/sct|1",
        "event_codes",
        ((Code("774007", SCT), Code("1", SCT)),),
    ),
    ("study-instance-uid=1.2.3", "references", ((STUDY,),)),
    ("study-instance-uid=urn:oid:1.2.3", "references", ((STUDY,),)),
    ("study-instance-uid=urn:dicom:uid|1.2.3", "references", ((STUDY,),)),
    ("study-instance-uid=urn:dicom:uid|urn:oid:1.2.3", "references", ((STUDY,),)),
    ("study-instance-uid=urn:ietf:rfc:3986|urn:oid:1.2.3", "references", ((STUDY,),)),
    ("related:identifier=urn:dicom:uid|urn:oid:1.2.3", "references", ((STUDY,),)),
    ("accession-number=urn:oid:2.999|A1", "references", (accession("A1", "2.999"),)),
    ("accession-number=A1", "references", (accession("A1", "%"),)),
    ('accession-number="A1"', "references", (accession("A1", "%"),)),
    ("accession-number=|A1", "references", (accession("A1", ""),)),
    (
        "encounter.identifier=urn:oid:2.999|E1",
        "references",
        ((ReferenceId("E1", ReferenceKind.ENCOUNTER, "2.999"),),),
    ),
    ("status=current,superseded", "statuses", tuple(EntryStatus)),
    ("status=superseded", "statuses", (EntryStatus.DEPRECATED,)),
    (
        "status=http://hl7.org/fhir/document-reference-status|superseded",
        "statuses",
        (EntryStatus.DEPRECATED,),
    ),
    ("type=a", "statuses", (EntryStatus.APPROVED,)),
    ("author.family=Papa", "author_patterns", ("%^Papa%",)),
    ("author:Practitioner.given=El,Ma", "author_patterns", ("%^%^El%", "%^%^Ma%")),
    ("author.given=El&author.family=Papa", "author_patterns", ("%^Papa%^El%",)),
    (
        "period=ge2024-01-01&period=le2024-12-31",
        "service_start",
        TimeRange(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 1, tzinfo=UTC)),
    ),
    (
        "date=ge2024-01-01&creation=lt2025&indexed=ge2024-02-01",
        "created",
        TimeRange(start=datetime(2024, 2, 1, tzinfo=UTC), end=datetime(2025, 1, 1, tzinfo=UTC)),
    ),
    ("targetCommunityIdList=urn:oid:2.999.77,urn:oid:2.999.1.1", "community", COUNTRY_A),
]


def test_each_parameter_is_a_filter() -> None:
    """Of every dialect, the older names included."""
    wrong = [
        (query, found)
        for query, field, expected in PARAMETERS
        if (found := getattr(asked(query), field)) != expected
    ]

    assert wrong == []


@pytest.mark.parametrize(
    "name", ["related:identifier", "related.identifier", "related-id", "related"]
)
def test_a_related_identifier_is_of_any_kind(name: str) -> None:
    """FHIR does not say which: an order is found by it, and so would be a referral."""
    order = ReferenceId("O1", ReferenceKind.ORDER, "2.999.1.9")
    uid = ReferenceId.of_study(Uid("1.2.3"))

    search = asked(f"{name}=urn:oid:2.999.1.9|O1")

    assert matches(search, make_entry(references=(order,)))
    assert not matches(search, make_entry(references=(uid,)))
    assert not matches(search, make_entry())


def test_a_related_identifier_without_system_may_be_a_study() -> None:
    """Peers send the bare UID, and the bare number."""
    uid = ReferenceId.of_study(Uid("1.2.3"))

    for value in ("1.2.3", "urn:oid:1.2.3", "urn:ietf:rfc:3986|urn:oid:1.2.3"):
        assert matches(asked(f"related:identifier={value}"), make_entry(references=(uid,)))
    assert matches(asked("related:identifier=ACC-1"), make_entry())


@pytest.mark.parametrize(
    "category",
    [
        "Medical-Imaging",
        "http://hl7.eu/fhir/health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
        "|Medical-Imaging",
        "http://hl7.eu/fhir/eu-health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
        "|Medical-Imaging",
        "http://loinc.org|18748-4",
    ],
)
def test_the_categories_of_the_eu_find_images_and_reports(category: str) -> None:
    """They stand in the category of every such entry that we send."""
    search = asked(f"category={category}")

    assert matches(search, make_entry(class_code=CLASS_IMAGES))
    assert matches(search, make_entry(class_code=CLASS_REPORTS))
    assert not matches(search, make_entry(class_code=Code("x", IHE_CLASS)))


def test_a_token_without_system_finds_the_code_in_any_scheme() -> None:
    """FHIR R4, search on tokens."""
    assert matches(asked("modality=CT&type=18748-4&security-label=N"), make_entry())
    assert not matches(asked("modality=MR"), make_entry())


def test_repetitions_narrow_each_other() -> None:
    """An entry has one type; what two repetitions both name is left."""
    narrowed = asked("type=a,http://loinc.org|b&type=b,c")

    assert narrowed.type_codes == (Code("b", LOINC),)


@pytest.mark.parametrize(
    "query", ["type=a&type=b", "status=current&status=superseded", "status=entered-in-error"]
)
def test_conditions_that_exclude_each_other_find_nothing(query: str) -> None:
    """And not everything, as an empty filter would."""
    search = read(f"{WHO}&{query}")

    assert search.asks_nothing
    assert not search.keeps(make_entry(), "ref-1")


def test_a_missing_status_is_current_and_told() -> None:
    """MHD requires it, the NCPeH API does not know it."""
    assert read(WHO).assumed == ("status",)
    assert read(f"{WHO}&status=current").assumed == ()


def test_what_nobody_applies_is_ignored_and_warned_of() -> None:
    """Unknown parameters never cost an answer; they are missing in the link to itself."""
    search = read(
        f"{WHO}&foo=1&_sort=-date&_elements=id&_lastupdated=ge2024&custodian=x&_format=json"
    )

    assert search.ignored == ("foo", "_sort", "_elements", "_lastUpdated", "custodian")
    assert [each.name for each in search.self_parameters] == ["patient.identifier", "_format"]
    assert {issue.subject for issue in search.warnings} == set(search.ignored)
    assert all(issue.severity is Severity.WARNING for issue in search.warnings)
    assert read(WHO).warnings == ()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", None),
        ("_count=20", 20),
        ("_count=0", 0),
        ("_summary=count", 0),
        ("_count=999999", 1000),
    ],
)
def test_the_number_of_rows_of_a_page(query: str, count: int | None) -> None:
    """None is the server's own choice."""
    assert read(f"{WHO}&{query}").count == count


BESIDE = [
    ("contenttype=application/dicom", True),
    ("contenttype=application/pdf,application/dicom", True),
    ("contenttype=urn:ietf:bcp:13|application/dicom", True),
    ("contenttype=application/pdf", False),
    ("contenttype=application/dicom&contenttype=application/pdf", False),
    ("_id=ref-1", True),
    ("_id=ref-2,ref-1", True),
    ("_id=ref-2", False),
    ("identifier=urn:ietf:rfc:3986|urn:oid:2.999.1.4.1", True),
    ("identifier=urn:oid:2.999.1.4.1", True),
    ("identifier=2.999.1.4.1", True),
    ("identifier=urn:dicom:uid|2.999.1.4.1", True),
    ("identifier=urn:ietf:rfc:3986|urn:uuid:6f1d6b1e-0000-4000-8000-000000000001", True),
    ("identifier=urn:uuid:6f1d6b1e-0000-4000-8000-000000000001", True),
    ("identifier=urn:oid:2.999|4", False),
    ("identifier=http://a.example|", False),
    ("identifier=1,2.999.1.4.1", True),
]


def test_what_a_query_cannot_say_is_kept_beside_it() -> None:
    """MIME type, FHIR id and identifier narrow what the registry found."""
    wrong = [
        (query, kept)
        for query, kept in BESIDE
        if read(f"{WHO}&{query}").keeps(make_entry(), "ref-1") is not kept
    ]

    assert wrong == []


def test_an_identifier_in_two_parts_is_found_by_both_and_by_the_second() -> None:
    """`oid^extension` in XDS is system and value in FHIR."""
    entry = make_entry(ref=DocumentRef(COUNTRY_A, REPOSITORY, DocumentId("2.999.5^X1")))

    for value in ("urn:oid:2.999.5|X1", "X1"):
        assert read(f"{WHO}&identifier={value}").keeps(entry, "ref-1")
    assert not read(f"{WHO}&identifier=urn:oid:2.999.6|X1").keeps(entry, "ref-1")


def test_the_mime_type_of_fhir_survives_its_plus() -> None:
    """Peers send it encoded, bare, and as a space."""
    entry = make_entry(mime_type="application/fhir+json")

    for value in ("application/fhir%2Bjson", "application/fhir+json", "application/fhir%20json"):
        assert read(f"{WHO}&contenttype={value}").keeps(entry, "ref-1")


def test_the_searches_of_the_guides_are_read() -> None:
    """OpenNCP's and MADO's, as they are printed, with a patient whose system is an OID."""
    openncp = asked(
        "type=http://loinc.org|18748-4&period=ge2024-01-01&period=le2024-12-31"
        "&event=urn:oid:1.2.840.10008.6.1.19|CT&event=http://snomed.info/sct|774007"
    )
    mado = asked(
        "status=current&modality=http://dicom.nema.org/resources/ontology/DCM|CT"
        "&period=ge2024-01-01&period=lt2025-01-01&study-instance-uid=urn:oid:1.2.3"
    )

    assert openncp.service_start == mado.service_start
    assert openncp.event_codes[0] == mado.event_codes[0]
    assert PatientId("A-0001", Oid("2.999.1.2")) == openncp.patient


TRIED = (
    "type category status patient patient.identifier related:identifier period accession-number"
    " study-instance-uid identifier _id _count contenttype event author.family related x"
    " targetCommunityIdList encounter.identifier"
)
NAMES = st.sampled_from(TRIED.split())
VALUES = st.text(max_size=30) | st.sampled_from(
    [
        "|",
        "a|",
        "|a",
        "a|b|c",
        "%25",
        "^",
        "a^b",
        "urn:oid:",
        "urn:dicom:uid|x",
        '""',
        "ge",
        "\\",
        ",",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.booleans())
@example([("related:identifier", "urn:ietf:rfc:3986|urn:oid:a^b")], True)
@example([("encounter.identifier", "a^b")], True)
def test_whatever_is_sent_only_known_errors_come_out(
    pairs: list[tuple[str, str]], with_patient: bool
) -> None:
    """A refusal or a decode error; nothing of the inside."""
    text = "&".join([WHO] * with_patient + [f"{name}={value}" for name, value in pairs])

    try:
        search = read(text)
    except (ExchangeError, DecodeError):
        return
    assert search.query.community == COUNTRY_A
    assert search.keeps(make_entry(), "ref-1") in (True, False)
