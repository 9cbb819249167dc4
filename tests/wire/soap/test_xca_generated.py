"""Generated nouns and damaged bytes: what is written is read back, and nothing strange escapes."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from string import ascii_letters, digits

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    Association,
    AssociationKind,
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryId,
    EntryKind,
    EntryRef,
    EntryStatus,
    ExchangeError,
    HumanName,
    ImageRequest,
    InstanceRef,
    Issue,
    Oid,
    Organisation,
    Outcome,
    PatientId,
    Precision,
    ReferenceId,
    ReferenceKind,
    Refusal,
    ReturnType,
    Severity,
    TimeRange,
    Timestamp,
    Uid,
)
from gateway.wire.problems import DecodeError
from gateway.wire.soap import xca_images, xca_query, xca_retrieve
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, make_association, make_entry, make_query
from tests.xds_schemas import assert_schema_valid

EXAMPLES = settings(max_examples=20, deadline=None)

# Letters of the countries that take part, markup, quotes, and the separators of HL7 v2 and SQL.
_LETTERS = ascii_letters + digits + "äéñøßčłőțğĳΑθήναБългария'\"<>&;%_,.()|~\\-/€ "
_CLEAN = st.text(_LETTERS, min_size=1, max_size=30).map(str.strip).filter(bool)
_TEXT = _CLEAN.filter(lambda text: "&amp;" not in text)
_WITH_CARETS = st.text(_LETTERS + "^", min_size=1, max_size=20).map(str.strip).filter(bool)
_WORD = st.text(ascii_letters + digits + "äθБ'&^\\", min_size=1, max_size=12)

oids = st.lists(st.integers(0, 99_999), min_size=1, max_size=8).map(
    lambda arcs: Oid("2.999." + ".".join(map(str, arcs)))
)
communities = oids.map(CommunityId)
uids = oids.map(Uid)
uuids = st.uuids().map(lambda value: EntryId(f"urn:uuid:{value}"))
documents = oids.map(DocumentId) | st.builds(lambda oid: DocumentId(f"{oid}^PS.XML"), oids)
patients = st.builds(
    PatientId, _TEXT.map(lambda text: text.replace("&", "")).map(str.strip).filter(bool), oids
)
codes = st.builds(
    Code,
    _TEXT.map(lambda text: text.replace(",", ";")),
    oids | st.sampled_from(["eHDSI formatCodes", "Παράδειγμα"]),
    st.just("") | _TEXT,
)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
seconds = instants.map(Timestamp)


def _cut(stamp: Timestamp, precision: Precision) -> Timestamp:
    return Timestamp.parse(stamp.dtm[:precision])


stamps = st.builds(_cut, seconds, st.sampled_from(Precision))
ranges = st.builds(TimeRange, start=st.none() | instants, end=st.none() | instants)
references = st.builds(
    ReferenceId,
    value=_TEXT,
    kind=st.sampled_from([kind.value for kind in ReferenceKind]),
    authority=st.just("") | oids,
    home=st.just("") | oids,
)
names = st.builds(
    HumanName,
    family=_WORD,
    given=st.lists(_WORD, max_size=3).map(tuple),
    prefix=st.just("") | _WORD,
    suffix=st.just("") | _WORD,
)
organisations = st.builds(
    Organisation, name=_WITH_CARETS, id=st.just("") | _WORD.map(lambda w: f"x{w}")
) | st.builds(
    Organisation,
    name=_WITH_CARETS,
    id=st.just("") | _WORD.map(lambda w: f"x{w}"),
    authority=oids.map(str),
)
authors = st.builds(
    Author,
    name=names,
    id=st.just("") | _WORD,
    institutions=st.lists(organisations, max_size=2).map(tuple),
    roles=st.lists(_TEXT, max_size=2).map(tuple),
    specialities=st.lists(_TEXT, max_size=2).map(tuple),
    telecom=st.lists(
        _WORD.map(lambda w: f"mailto:{w}@a.example") | _WORD.map(lambda w: f"tel:{w}"), max_size=2
    ).map(tuple),
)
refs = st.builds(DocumentRef, communities, oids, documents)
entries = st.builds(
    DocumentEntry,
    id=uuids,
    ref=refs,
    patient=patients,
    status=st.sampled_from(EntryStatus),
    kind=st.sampled_from(EntryKind),
    logical_id=st.just("") | uuids.map(str),
    version=st.just("") | st.text(digits, min_size=1, max_size=16),
    mime_type=st.sampled_from(["application/dicom", "application/pdf", "text/xml"]),
    title=st.just("") | _CLEAN,
    comments=st.just("") | _CLEAN,
    class_code=codes,
    type_code=codes,
    format_code=codes,
    facility_type=codes,
    practice_setting=codes,
    confidentiality=st.lists(codes, min_size=1, max_size=2).map(tuple),
    event_codes=st.lists(codes, max_size=3).map(tuple),
    authors=st.lists(authors, max_size=2).map(tuple),
    legal_authenticator=st.just("") | _TEXT,
    created=st.none() | stamps,
    service_start=st.none() | stamps,
    service_stop=st.none() | stamps,
    language=st.sampled_from(["", "en", "de-AT", "el"]),
    sha1=st.just("") | st.text("0123456789abcdef", min_size=40, max_size=40),
    size_bytes=st.none() | st.integers(0, 10**12),
    references=st.lists(references, max_size=3).map(tuple),
    source_patient=st.none() | patients,
    source_patient_info=st.lists(_TEXT, max_size=3).map(tuple),
    uri=st.just("") | st.text(ascii_letters + digits + ":/.?=&%", min_size=1, max_size=700),
    availability=st.sampled_from(["", "urn:ihe:iti:2010:DocumentAvailability:Online"]),
)
associations = st.builds(
    Association,
    id=uuids,
    kind=st.sampled_from(AssociationKind),
    source=uuids,
    target=uuids,
    community=communities,
    status=st.sampled_from(EntryStatus),
)
_code_lists = st.lists(codes, max_size=6).map(tuple)
_groups = st.lists(st.lists(codes, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)
queries = st.builds(
    DocumentQuery,
    patient=patients,
    community=st.none() | communities,
    return_type=st.sampled_from(ReturnType),
    statuses=st.permutations(list(EntryStatus)).flatmap(
        lambda order: st.integers(1, 2).map(lambda count: tuple(order[:count]))
    ),
    kinds=st.sampled_from(
        [(EntryKind.STABLE,), (EntryKind.ON_DEMAND,), (EntryKind.STABLE, EntryKind.ON_DEMAND)]
    ),
    class_codes=_code_lists,
    type_codes=_code_lists,
    format_codes=_code_lists,
    practice_settings=_code_lists,
    facility_types=_code_lists,
    confidentiality=_groups,
    event_codes=_groups,
    references=st.lists(st.lists(references, min_size=1, max_size=2).map(tuple), max_size=3).map(
        tuple
    ),
    author_patterns=st.lists(_WITH_CARETS, max_size=3).map(tuple),
    created=ranges,
    service_start=ranges,
    service_stop=ranges,
    max_size_bytes=st.none() | st.integers(0, 10**15),
    created_after=st.none() | seconds,
    created_before=st.none() | seconds,
)
lookups = st.one_of(
    st.builds(
        DocumentLookup,
        community=communities,
        entry_ids=st.lists(uuids, min_size=1, max_size=20).map(tuple),
        associations=st.booleans(),
        return_type=st.sampled_from(ReturnType),
    ),
    st.builds(
        DocumentLookup,
        community=communities,
        document_ids=st.lists(documents, min_size=1, max_size=20).map(tuple),
        associations=st.booleans(),
    ),
    st.builds(
        DocumentLookup,
        community=communities,
        entry_ids=st.lists(uuids, min_size=1, max_size=3).map(tuple),
        entries=st.just(False),
        associations=st.just(True),
    ),
)
image_requests = st.builds(
    ImageRequest,
    community=communities,
    instances=st.lists(
        st.tuples(
            st.builds(
                InstanceRef,
                study=st.sampled_from([Uid("2.999.1"), Uid("2.999.2")]),
                series=st.sampled_from([Uid("2.999.3"), Uid("2.999.4")]),
                instance=uids,
            ),
            oids,
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda pair: pair[0].instance,
    ).map(tuple),
)
parts = st.builds(
    RetrievedPart,
    ref=refs,
    mime_type=st.sampled_from(["text/xml", "application/dicom"]),
    data=st.binary(max_size=100),
    new_document=st.just("") | oids.map(str),
) | st.builds(
    RetrievedPart,
    ref=refs,
    mime_type=st.just("application/dicom"),
    cid=st.text(ascii_letters + digits + "@.-+", min_size=1, max_size=30),
)


def displays(entry: DocumentEntry) -> list[str]:
    """The display texts, which equality of codes leaves out."""
    singles = (entry.class_code, entry.type_code, entry.format_code, entry.facility_type)
    listed = (*singles, entry.practice_setting, *entry.confidentiality, *entry.event_codes)
    return [code.display for code in listed]


@EXAMPLES
@given(entries | associations | st.builds(EntryRef, uuids, communities))
def test_rows_come_back_as_they_were(item: DocumentEntry | Association | EntryRef) -> None:
    """Every field of every row survives writing and reading, and what is written is valid."""
    data = xca_query.encode_response(Outcome((item,)), responder=COUNTRY_A, style=ErrorStyle.IHE)

    outcome = xca_query.decode_response(parse_xml(data))

    assert outcome == Outcome((item,))
    assert_schema_valid(data)
    if isinstance(item, DocumentEntry):
        (read,) = outcome.items
        assert isinstance(read, DocumentEntry)
        assert displays(read) == displays(item)


@EXAMPLES
@given(queries | lookups)
def test_questions_come_back_as_they_were(query: DocumentQuery | DocumentLookup) -> None:
    """Every filter survives writing and reading; nothing is ignored, and it is valid."""
    data = xca_query.encode_request(query)

    decoded = xca_query.decode_request(parse_xml(data))

    assert decoded.query == query
    assert decoded.ignored == ()
    assert not decoded.asks_nothing
    assert_schema_valid(data)


@EXAMPLES
@given(st.lists(refs, min_size=1, max_size=5).map(tuple))
def test_named_documents_come_back_as_they_were(named: tuple[DocumentRef, ...]) -> None:
    """Names of documents survive writing and reading, in order, doubles included."""
    data = xca_retrieve.encode_request(named)

    assert xca_retrieve.decode_request(parse_xml(data), home_required=True) == named
    assert_schema_valid(data)


@EXAMPLES
@given(image_requests, st.lists(uids, min_size=1, max_size=4, unique=True).map(tuple))
def test_image_requests_come_back_as_they_were(
    request: ImageRequest, syntaxes: tuple[Uid, ...]
) -> None:
    """Instances survive in the order asked for, even when it jumps between series."""
    data = xca_images.encode_request(request, syntaxes)

    decoded = xca_images.decode_request(parse_xml(data), home_required=True)

    assert decoded == xca_images.DecodedImages(requests=(request,), syntaxes=syntaxes)
    assert_schema_valid(data)


@EXAMPLES
@given(st.lists(parts, max_size=4).map(tuple))
def test_documents_come_back_as_they_were(listed: tuple[RetrievedPart, ...]) -> None:
    """Parts and inline documents survive writing and reading."""
    data = xca_retrieve.encode_response(listed, responder=COUNTRY_A, style=ErrorStyle.IHE)

    assert xca_retrieve.decode_response(parse_xml(data)) == Outcome(listed)
    assert_schema_valid(data)


# --- damage ---------------------------------------------------------------------------------------

_QUERY = make_query(
    event_codes=((Code("CT", "DCM"),),),
    author_patterns=("%Papadaki%",),
    references=((ReferenceId.of_study(Uid("2.999.1")),),),
    max_size_bytes=5,
    created=TimeRange(start=datetime(2026, 1, 1, tzinfo=UTC)),
    created_after=Timestamp(datetime(2026, 1, 1, tzinfo=UTC)),
)
_ISSUE = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="gone", subject="2.999.1.4.2")
_PART = RetrievedPart(ref=make_entry().ref, mime_type="text/xml", data=b"<a/>")
_IMAGES = ImageRequest(
    community=COUNTRY_A,
    instances=(
        (
            InstanceRef(study=Uid("2.999.1"), series=Uid("2.999.2"), instance=Uid("2.999.3")),
            Oid("2.999.4"),
        ),
    ),
)
_ANSWERER = {"responder": COUNTRY_A, "style": ErrorStyle.EHDSI}
MESSAGES = {
    "query": (xca_query.encode_request(_QUERY), xca_query.decode_request),
    "lookup": (
        xca_query.encode_request(DocumentLookup(community=COUNTRY_A, entry_ids=(make_entry().id,))),
        xca_query.decode_request,
    ),
    "rows": (
        xca_query.encode_response(
            Outcome((make_entry(), make_association()), (_ISSUE,)), **_ANSWERER
        ),
        xca_query.decode_response,
    ),
    "retrieve": (xca_retrieve.encode_request((make_entry().ref,)), xca_retrieve.decode_request),
    "documents": (
        xca_retrieve.encode_response((_PART,), (_ISSUE,), **_ANSWERER),
        xca_retrieve.decode_response,
    ),
    "images": (
        xca_images.encode_request(_IMAGES, (Uid("1.2.840.10008.1.2.1"),)),
        xca_images.decode_request,
    ),
}
_FRAGMENTS = (b"", b"'", b"(", b"''", b"^", b"&amp;", b"^^^", b"urn:oid:", b"\xc3\xa9", b"%", b",")


def damaged(data: bytes, dice: random.Random) -> bytes:
    """The bytes with a few cuts, repeats and insertions."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data))
        end = min(len(data), start + dice.randint(0, 40))
        piece = dice.choice((*_FRAGMENTS, data[start:end] * 2, bytes([dice.randrange(32, 127)])))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", MESSAGES)
def test_damage_is_refused_and_nothing_else_escapes(name: str) -> None:
    """Whatever the damage, a reader gives nouns, a DecodeError or an ExchangeError."""
    data, decode = MESSAGES[name]
    dice = random.Random(f"damage {name}")

    for _ in range(150):
        with suppress(DecodeError, ExchangeError):
            decode(parse_xml(damaged(data, dice)))


_VALUES = (
    "", " ", "'", "''", "'''", "(", ")", "()", "('", "^", "^^^", "&", "&&&", "a^^b", "-1", "1e9",
    "9" * 500, "\u0660\u0661", "urn:oid:", "urn:uuid:", "20261399", "0000", "\ufffd", "a" * 70_000,
    "1.2.3", "x^^^&1.2.3&ISO", "\u2019a\u2018", "0001-01-01T00:00:00+23:59", "99991231235959-2359",
)  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_odd_values_are_refused_and_nothing_else_escapes(name: str) -> None:
    """Every text and attribute of a message may hold anything.

    Of a message with many elements each has its share of the values, and each value its share
    of the elements.
    """
    data, decode = MESSAGES[name]
    elements = sum(1 for _ in parse_xml(data).iter())

    share = 1 + elements // 20
    for at, value in enumerate(_VALUES):
        for number in range(at % share, elements, share):
            root = parse_xml(data)
            element = list(root.iter())[number]
            if not len(element):
                element.text = value.replace("\ufffd", "?")
            for attribute in element.attrib:
                element.set(attribute, value)
            with suppress(DecodeError, ExchangeError):
                decode(root)


def test_warnings_and_errors_are_told_apart_on_the_way() -> None:
    """Severity, reason and subject of an issue survive the RegistryErrorList."""
    issues = (
        _ISSUE,
        Issue(refusal=Refusal.NO_DOCUMENTS, text="none", severity=Severity.WARNING),
    )
    data = xca_retrieve.encode_response((_PART,), issues, responder=COUNTRY_A, style=ErrorStyle.IHE)

    read = xca_retrieve.decode_response(parse_xml(data)).issues

    assert [(each.severity, each.subject, each.text) for each in read] == [
        (Severity.ERROR, "2.999.1.4.2", "gone"),
        (Severity.WARNING, "", "none"),
    ]
    assert read[0].refusal is Refusal.UNKNOWN_DOCUMENT
