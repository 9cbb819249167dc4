"""ITI-38: golden messages, statuses, refusals, and the tolerances of the reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain import (
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryRef,
    EntryStatus,
    ExchangeError,
    Issue,
    Outcome,
    ReferenceId,
    ReferenceKind,
    Refusal,
    ReturnType,
    Severity,
    TimeRange,
    Timestamp,
    Uid,
    refuse,
)
from gateway.domain.codes import DCM, LOINC, SCT
from gateway.wire.problems import DecodeError
from gateway.wire.soap import xca_query
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, make_association, make_entry, make_query
from tests.golden import check_golden, readable
from tests.xds_schemas import assert_schema_valid

GOLDEN = Path(__file__).parents[1] / "iti38"
GONE = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="not found", subject="2.999.1.4.2")
WARNED = Issue(refusal=Refusal.NO_DOCUMENTS, text="nothing", severity=Severity.WARNING)
ARTICLE_10 = make_query(
    class_codes=(Code("IMAGES", "1.3.6.1.4.1.19376.1.2.6.1"),),
    event_codes=((Code("CT", DCM), Code("MR", DCM)), (Code("67734004", SCT),)),
    references=(
        (ReferenceId.of_study(Uid("2.999.1.7.1")),),
        (ReferenceId(value="ACC-1", kind=ReferenceKind.ACCESSION, authority="2.999.1.8"),),
    ),
    service_start=TimeRange(
        start=Timestamp.parse("20260101").at, end=Timestamp.parse("20270101").at
    ),
    author_patterns=("%O'Neill%",),
    max_size_bytes=10_000_000,
    created_after=Timestamp.parse("20250101000000"),
)
LOOKUP = DocumentLookup(community=COUNTRY_A, document_ids=(DocumentId("2.999.1.4.1^a"),))

REQUESTS: dict[str, DocumentQuery | DocumentLookup] = {
    "request-find": make_query(),
    "request-article10": ARTICLE_10,
    "request-object-refs": make_query(
        return_type=ReturnType.OBJECT_REF, statuses=tuple(EntryStatus)
    ),
    "request-get-documents": LOOKUP,
    "request-get-documents-and-associations": DocumentLookup(
        community=COUNTRY_A, entry_ids=(make_entry().id,), associations=True
    ),
    "request-get-associations": DocumentLookup(
        community=COUNTRY_A, entry_ids=(make_entry().id,), entries=False, associations=True
    ),
}


def answer(
    *items: xca_query.Row,
    issues: tuple[Issue, ...] = (),
    return_type: ReturnType = ReturnType.LEAF_CLASS,
    style: ErrorStyle = ErrorStyle.IHE,
) -> bytes:
    """An answer of Country A."""
    return xca_query.encode_response(
        Outcome(items, issues), return_type=return_type, responder=COUNTRY_A, style=style
    )


ANSWERS = {
    "response-leafclass": answer(make_entry(), make_association()),
    "response-object-refs": answer(make_entry(), return_type=ReturnType.OBJECT_REF),
    "response-empty": answer(),
    "response-partial": answer(make_entry(), issues=(GONE,)),
    "response-nothing-ehdsi": answer(issues=(WARNED,), style=ErrorStyle.EHDSI),
    "response-refused": xca_query.encode_refusal(
        refuse(Refusal.UNKNOWN_QUERY, "no such query"), responder=COUNTRY_A, style=ErrorStyle.IHE
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_the_golden_ones_and_come_back(name: str) -> None:
    """Each request is byte for byte the reviewed one, valid, and means what it was made of."""
    data = xca_query.encode_request(REQUESTS[name])

    check_golden(GOLDEN / f"{name}.xml", readable(data))
    assert_schema_valid(data)
    golden = (GOLDEN / f"{name}.xml").read_bytes()
    assert xca_query.decode_request(parse_xml(golden)).query == REQUESTS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_the_golden_ones(name: str) -> None:
    """Each answer is byte for byte the reviewed one, and valid even when it refuses."""
    check_golden(GOLDEN / f"{name}.xml", readable(ANSWERS[name]))
    assert_schema_valid(ANSWERS[name])


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_is_a_valid_answer_and_is_understood(style: ErrorStyle) -> None:
    """Whatever is refused, the answer fits the schema and the other side learns of it."""
    for refusal in Refusal:
        error = refuse(refusal, "no \x00 <markup> \ufffe", subject="2.999.1.4.1")

        data = xca_query.encode_refusal(error, responder=COUNTRY_A, style=style)

        assert_schema_valid(data, refusal)
        if refusal is Refusal.NO_DOCUMENTS:
            (issue,) = xca_query.decode_response(parse_xml(data)).issues
            assert issue.severity is Severity.WARNING
        else:
            read = _refused(data)
            assert read is not None, refusal
            assert read.subject == "2.999.1.4.1", refusal
            assert read.code, refusal


def _refused(data: bytes) -> ExchangeError | None:
    try:
        xca_query.decode_response(parse_xml(data))
    except ExchangeError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("items", "issues", "status"),
    [
        ((), (), "ResponseStatusType:Success"),
        ((make_entry(),), (), "ResponseStatusType:Success"),
        ((make_entry(),), (WARNED,), "ResponseStatusType:Success"),
        ((), (WARNED,), "ResponseStatusType:Success"),
        ((make_entry(),), (GONE, WARNED), "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"),
        ((), (GONE,), "ResponseStatusType:Failure"),
    ],
)
def test_the_status_follows_from_items_and_errors(
    items: tuple[DocumentEntry, ...], issues: tuple[Issue, ...], status: str
) -> None:
    """Warnings leave a success; errors make it partial with items and a failure without."""
    root = parse_xml(answer(*items, issues=issues))

    assert (root.get("status") or "").endswith(status)
    assert root.find("{*}RegistryObjectList") is not None


def test_every_object_and_error_names_the_community() -> None:
    """ITI TF-2 3.38.4.1.3: home on every object; the location of an error is the responder."""
    root = parse_xml(
        answer(
            make_entry(), make_association(), EntryRef(make_entry().id, COUNTRY_A), issues=(GONE,)
        )
    )

    homes = [element.get("home") for element in root.iterfind("{*}RegistryObjectList/*")]
    (error,) = root.iter("{*}RegistryError")

    assert homes == [COUNTRY_A.urn] * 3
    assert error.get("location") == COUNTRY_A.urn
    assert error.get("codeContext") == "2.999.1.4.2: not found"


def request(slots: str, query_id: str = "", home: str = ' home="urn:oid:2.999.1.1"') -> bytes:
    """An AdhocQueryRequest with raw slots."""
    name = query_id or "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
    return (
        '<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"'
        ' xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">'
        '<q:ResponseOption returnType="LeafClass" returnComposedObjects="true"/>'
        f'<AdhocQuery id="{name}"{home}>{slots}</AdhocQuery></q:AdhocQueryRequest>'
    ).encode()


def slot(name: str, *values: str) -> str:
    """A raw slot; values are escaped for XML and no more."""
    texts = "".join(
        f"<Value>{value.replace('&', '&amp;').replace('<', '&lt;')}</Value>" for value in values
    )
    return f'<Slot name="{name}"><ValueList>{texts}</ValueList></Slot>'


PATIENT_SLOT = slot("$XDSDocumentEntryPatientId", "'A-0001^^^&2.999.1.2&ISO'")
STATUS_SLOT = slot(
    "$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"
)
BASE = PATIENT_SLOT + STATUS_SLOT
_E = "$XDSDocumentEntry"


@pytest.mark.parametrize(
    ("slots", "refusal", "subject"),
    [
        (STATUS_SLOT, Refusal.MISSING_PARAMETER, _E + "PatientId"),
        (PATIENT_SLOT, Refusal.MISSING_PARAMETER, _E + "Status"),
        (PATIENT_SLOT + slot(_E + "Status"), Refusal.MISSING_PARAMETER, _E + "Status"),
        (PATIENT_SLOT + slot(_E + "Status", "('x')"), Refusal.MISSING_PARAMETER, _E + "Status"),
        (BASE + STATUS_SLOT, Refusal.WRONG_PARAMETER_COUNT, _E + "Status"),
        (BASE + PATIENT_SLOT, Refusal.WRONG_PARAMETER_COUNT, _E + "PatientId"),
        (
            BASE + slot(_E + "ClassCode", "('a^^b')") * 2,
            Refusal.WRONG_PARAMETER_COUNT,
            _E + "ClassCode",
        ),
        (
            BASE + slot(_E + "CreationTimeFrom", "(2025,2026)"),
            Refusal.WRONG_PARAMETER_COUNT,
            _E + "CreationTimeFrom",
        ),
        (BASE + slot(_E + "ClassCode", "('a')"), Refusal.MALFORMED_REQUEST, _E + "ClassCode"),
        (BASE + slot(_E + "TypeCode", "('a^^')"), Refusal.MALFORMED_REQUEST, _E + "TypeCode"),
        (BASE + slot(_E + "Type", "('x')"), Refusal.MALFORMED_REQUEST, _E + "Type"),
        (
            BASE + slot(_E + "ServiceStartTimeTo", "tomorrow"),
            Refusal.MALFORMED_REQUEST,
            _E + "ServiceStartTimeTo",
        ),
        (
            BASE + slot(_E + "FilterMaximumSize", "-1"),
            Refusal.MALFORMED_REQUEST,
            _E + "FilterMaximumSize",
        ),
        (
            STATUS_SLOT + slot(_E + "PatientId", "'A-0001'"),
            Refusal.MALFORMED_REQUEST,
            _E + "PatientId",
        ),
        (
            STATUS_SLOT + slot(_E + "PatientId", "'A-0001^^^NAME&2.999.1.2&ISO'"),
            Refusal.MALFORMED_REQUEST,
            _E + "PatientId",
        ),
    ],
)
def test_wrong_parameters_are_refused_by_name(slots: str, refusal: Refusal, subject: str) -> None:
    """What is missing, counted wrongly or misspelt is refused, and the parameter is named."""
    with pytest.raises(ExchangeError) as refused:
        xca_query.decode_request(parse_xml(request(slots)))

    assert refused.value.refusal is refusal
    assert refused.value.subject == subject


@pytest.mark.parametrize(
    ("slots", "field", "value"),
    [
        # several classes in one quoted text, as some portals write them
        (
            slot(_E + "ClassCode", f"('34105-7^^{LOINC},18748-4^^{LOINC}')"),
            "class_codes",
            (Code("34105-7", LOINC), Code("18748-4", LOINC)),
        ),
        (slot(_E + "ClassCode", "a^^b"), "class_codes", (Code("a", "b"),)),
        (
            slot(_E + "ClassCode", "(‘a^^b’, “c^^d”)"),
            "class_codes",
            (Code("a", "b"), Code("c", "d")),
        ),
        (
            slot(_E + "ClassCode", "('a^^b')", "('c^^d')"),
            "class_codes",
            (Code("a", "b"), Code("c", "d")),
        ),
        (
            slot(_E + "EventCodeList", "('a^^b','c^^d')") + slot(_E + "EventCodeList", "('e^^f')"),
            "event_codes",
            ((Code("a", "b"), Code("c", "d")), (Code("e", "f"),)),
        ),
        (
            slot(_E + "ConfidentialityCode", "('N^^x')") * 2,
            "confidentiality",
            ((Code("N", "x"),), (Code("N", "x"),)),
        ),
        (
            slot(_E + "CreationTimeFrom", "'20260102'"),
            "created",
            TimeRange(start=Timestamp.parse("20260102").at),
        ),
        (
            slot(_E + "FilterCreatedBefore", "2026-01-02T03:04:05Z"),
            "created_before",
            Timestamp.parse("20260102030405"),
        ),
        (slot(_E + "FilterMaximumSize", "5000"), "max_size_bytes", 5000),
        (slot(_E + "AuthorPerson", "('%O''Neill%')"), "author_patterns", ("%O'Neill%",)),
    ],
)
def test_values_are_read_as_they_are_meant(slots: str, field: str, value: object) -> None:
    """Lists, groups, quotes of all kinds, several Values, and the filters of MyHealth@EU."""
    decoded = xca_query.decode_request(parse_xml(request(BASE + slots)))

    assert getattr(decoded.query, field) == value
    assert decoded.ignored == ()


def test_a_patient_id_escaped_twice_is_read_as_it_is_meant() -> None:
    """`&amp;amp;` in the XML, seen in the wild, is one ampersand."""
    slots = STATUS_SLOT + slot(_E + "PatientId", "'A-0001^^^&amp;2.999.1.2&amp;ISO'")

    assert xca_query.decode_request(parse_xml(request(slots))).query == make_query()


def test_a_status_with_a_space_in_its_urn_is_read_as_it_is_meant() -> None:
    """A specification was printed with a line break there, and peers copied it."""
    slots = PATIENT_SLOT + slot(
        _E + "Status", "('urn:oasis:names:tc:ebxml-regrep: StatusType:Approved','x:Deprecated')"
    )
    query = xca_query.decode_request(parse_xml(request(slots))).query

    assert query == make_query(statuses=(EntryStatus.APPROVED, EntryStatus.DEPRECATED))


def test_parameters_a_query_does_not_define_are_ignored_and_named() -> None:
    """ebRS 3.0 6.3.2.1; even when they are repeated, or belong to another query."""
    slots = slot("$Wish", "(((") * 2 + slot(_E + "ReferenceIdList", "('x')") + slot("$uuid", "1")
    decoded = xca_query.decode_request(parse_xml(request(BASE + slots)))

    assert decoded.query == make_query()
    assert decoded.ignored == ("$Wish", _E + "ReferenceIdList", "$uuid")


@pytest.mark.parametrize(
    ("query_id", "slots", "home", "refusal"),
    [
        ("urn:uuid:00000000-0000-0000-0000-000000000000", "", "", Refusal.UNKNOWN_QUERY),
        ("", "", ' home="x"', Refusal.UNKNOWN_COMMUNITY),
        ("5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "", "", Refusal.MISSING_COMMUNITY),
        ("5737b14c-8a1a-4539-b659-e03a34a5e1e4", "", "", Refusal.MISSING_COMMUNITY),
        ("958f3006-baad-4929-a4de-ff1114824431", "", "", Refusal.MISSING_COMMUNITY),
        (
            "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4",
            "",
            ' home="2.999.1.1"',
            Refusal.MISSING_PARAMETER,
        ),
        (
            "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4",
            slot(_E + "EntryUUID", "('a')") + slot(_E + "UniqueId", "('b')"),
            ' home="2.999.1.1"',
            Refusal.WRONG_PARAMETER_COUNT,
        ),
        (
            "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155",
            slot(_E + "EntryUUID", "('a')"),
            ' home="2.999.1.1"',
            Refusal.MISSING_PARAMETER,
        ),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(
    query_id: str, slots: str, home: str, refusal: Refusal
) -> None:
    """Unknown queries, unknown and missing communities, wrong ways to name entries."""
    with pytest.raises(ExchangeError) as refused:
        xca_query.decode_request(parse_xml(request(slots, query_id, home)))

    assert refused.value.refusal is refusal


@pytest.mark.parametrize(
    ("query_id", "home"),
    [
        ("urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4", ' home="urn:oid:2.999.1.1"'),
        ("URN:UUID:958F3006-BAAD-4929-A4DE-FF1114824431", ""),
    ],
)
def test_queries_for_folders_ask_nothing(query_id: str, home: str) -> None:
    """They are known, and the answer is an empty success."""
    decoded = xca_query.decode_request(
        parse_xml(request(BASE, query_id, home)), answering=COUNTRY_A
    )

    assert decoded.asks_nothing
    assert decoded.query == DocumentLookup(community=COUNTRY_A, entries=False)


def test_everything_of_a_patient_is_a_search_without_filters() -> None:
    """GetAll brings the entries; folders and submission sets there are none."""
    slots = slot("$patientId", "'A-0001^^^&2.999.1.2&ISO'") + STATUS_SLOT
    query_id = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"

    assert xca_query.decode_request(parse_xml(request(slots, query_id))).query == make_query()


def test_other_return_types_are_refused_and_a_missing_one_is_leafclass() -> None:
    """ITI TF-2 3.18.4.1.2.6 knows two; a request without ResponseOption is still understood."""
    data = request(BASE)
    other = data.replace(b"LeafClass", b"RegistryObject")
    start, end = data.index(b"<q:ResponseOption"), data.index(b"<AdhocQuery")

    with pytest.raises(ExchangeError) as refused:
        xca_query.decode_request(parse_xml(other))
    assert refused.value.refusal is Refusal.UNSUPPORTED
    assert xca_query.decode_request(parse_xml(data[:start] + data[end:])).query == make_query()


@pytest.mark.parametrize("decode", [xca_query.decode_request, xca_query.decode_response])
def test_another_message_is_no_query(decode: object) -> None:
    """The error names the element found and the one expected."""
    with pytest.raises(DecodeError) as unreadable:
        decode(parse_xml(b"<hello/>"))  # type: ignore[operator]

    assert unreadable.value.found == "hello"
    assert unreadable.value.expected.startswith("query:AdhocQuery")


def test_a_bare_registry_response_and_a_left_out_list_are_read() -> None:
    """Both are invalid, and both are what peers send when they fail."""
    bare = (
        b'<r:RegistryResponse xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="'
        b'urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"><r:RegistryErrorList>'
        b'<r:RegistryError errorCode="XDSUnknownPatientId" codeContext="who?"/>'
        b"</r:RegistryErrorList></r:RegistryResponse>"
    )
    listless = ANSWERS["response-refused"].replace(
        b"<rim:RegistryObjectList></rim:RegistryObjectList>", b""
    )

    with pytest.raises(ExchangeError) as first:
        xca_query.decode_response(parse_xml(bare))
    with pytest.raises(ExchangeError) as second:
        xca_query.decode_response(parse_xml(listless))

    assert first.value.refusal is Refusal.UNKNOWN_PATIENT
    assert first.value.text == "who?"
    assert second.value.refusal is Refusal.UNKNOWN_QUERY


def test_a_row_without_home_is_taken_from_whom_was_asked_with_a_word() -> None:
    """ITI TF-2 3.38.4.1.3: it must be reported; without knowing whom, the row is lost."""
    data = answer(make_entry()).replace(b' home="urn:oid:2.999.1.1"', b"")
    asked = CommunityId("2.999.5")

    outcome = xca_query.decode_response(parse_xml(data), default_home=asked)
    lost = xca_query.decode_response(parse_xml(data))

    (row,) = outcome.items
    assert isinstance(row, DocumentEntry)
    assert row.ref.community == asked
    assert [(i.refusal, i.severity) for i in outcome.issues] == [
        (Refusal.MISSING_COMMUNITY, Severity.WARNING)
    ]
    assert lost.items == ()
    assert lost.issues[0].severity is Severity.ERROR


@pytest.mark.parametrize("status", ["urn:ihe:iti:2007:ResponseStatusType:Success", "", "odd"])
def test_unusual_statuses_are_judged_by_the_content(status: str) -> None:
    """Namespaces of statuses differ; an unknown status deserves a word and costs no row."""
    data = answer(make_entry()).replace(
        b"urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success", status.encode()
    )
    outcome = xca_query.decode_response(parse_xml(data))

    assert outcome.items == (make_entry(),)
    assert len(outcome.issues) == (0 if status.endswith("Success") else 1)
