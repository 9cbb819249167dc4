"""RAD-75 and RAD-69: golden messages, and the catalogue of wrong requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain import (
    CommunityId,
    DocumentId,
    DocumentRef,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    Issue,
    Oid,
    Refusal,
    Transaction,
    Uid,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import xca_images
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.xca_images import DecodedImages, RetrievedPart
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A
from tests.golden import check_golden, readable
from tests.xds_schemas import assert_schema_valid

GOLDEN = Path(__file__).parents[1] / "rad75"
SYNTAXES = (Uid("1.2.840.10008.1.2.4.90"), Uid("1.2.840.10008.1.2.1"))
SOURCE = Oid("2.999.1.30")


def instance(series: str, number: int) -> tuple[InstanceRef, Oid]:
    """An instance of the study 2.999.9 at the source of Country A."""
    ref = InstanceRef(study=Uid("2.999.9"), series=Uid(series), instance=Uid(f"{series}.{number}"))
    return ref, SOURCE


# A key image first, then the rest of its series after another one.
REQUEST = ImageRequest(
    community=COUNTRY_A,
    instances=(instance("2.999.9.1", 2), instance("2.999.9.2", 1), instance("2.999.9.1", 1)),
)
PART = RetrievedPart(
    ref=DocumentRef(COUNTRY_A, SOURCE, DocumentId("2.999.9.1.2")),
    mime_type="application/dicom",
    cid="1@a.example",
)
GONE = Issue(refusal=Refusal.UNKNOWN_INSTANCE, text="not found", subject="2.999.9.2.1")
HOMELESS = RetrievedPart(ref=PART.ref, mime_type=PART.mime_type, cid=PART.cid, without_home=True)
ANSWERER = {"responder": COUNTRY_A, "style": ErrorStyle.IHE}
FROM_SOURCE = Transaction.IMAGES_FROM_SOURCE

MESSAGES = {
    "request": xca_images.encode_request(REQUEST, SYNTAXES),
    "request-to-source": xca_images.encode_request(REQUEST, SYNTAXES, with_home=False),
    "response": xca_images.encode_response((PART,), **ANSWERER),
    "response-partial": xca_images.encode_response((PART,), (GONE,), **ANSWERER),
    "response-from-source": xca_images.encode_response(
        (HOMELESS,), (GONE,), transaction=FROM_SOURCE, **ANSWERER
    ),
    "response-refused": xca_images.encode_refusal(
        refuse(Refusal.UNSUPPORTED_SYNTAX, "no syntax we can send"), **ANSWERER
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_golden_ones(name: str) -> None:
    """Each message is byte for byte the reviewed one, and valid."""
    check_golden(GOLDEN / f"{name}.xml", readable(MESSAGES[name]))
    assert_schema_valid(MESSAGES[name])


def test_the_golden_messages_mean_what_they_were_made_of() -> None:
    """Read from the files; a request that named no community is answered without one."""
    roots = {name: parse_xml((GOLDEN / f"{name}.xml").read_bytes()) for name in MESSAGES}
    everything = frozenset(ref.instance for ref, _ in REQUEST.instances)

    assert xca_images.decode_request(roots["request"]) == DecodedImages(
        requests=(REQUEST,), syntaxes=SYNTAXES
    )
    assert xca_images.decode_request(
        roots["request-to-source"], home_required=False, default_home=COUNTRY_A
    ) == DecodedImages(requests=(REQUEST,), syntaxes=SYNTAXES, without_home=everything)
    partial = xca_images.decode_response(roots["response-partial"])
    assert partial.items == (PART,)
    assert partial.issues[0].refusal is Refusal.UNKNOWN_INSTANCE
    assert partial.issues[0].subject == "2.999.9.2.1"
    source = xca_images.decode_response(
        roots["response-from-source"], default_home=COUNTRY_A, transaction=FROM_SOURCE
    )
    assert source.items == (HOMELESS,)
    assert source.issues[0].subject == "2.999.9.2.1"


HOME = "<b:HomeCommunityId>urn:oid:2.999.1.1</b:HomeCommunityId>"
REPOSITORY = "<b:RepositoryUniqueId>2.999.1.30</b:RepositoryUniqueId>"
DOCUMENT = "<b:DocumentUniqueId>2.999.9.1.1</b:DocumentUniqueId>"
GOOD = f"<b:DocumentRequest>{HOME}{REPOSITORY}{DOCUMENT}</b:DocumentRequest>"
LIST = (
    "<TransferSyntaxUIDList><TransferSyntaxUID>\n 1.2.840.10008.1.2.1 \n</TransferSyntaxUID>"
    "</TransferSyntaxUIDList>"
)


def series(documents: str, uid: str = "2.999.9.1") -> str:
    """A SeriesRequest with raw content."""
    return f'<SeriesRequest seriesInstanceUID="{uid}">{documents}</SeriesRequest>'


def study(content: str, uid: str = "2.999.9") -> str:
    """A StudyRequest with raw content."""
    return f'<StudyRequest studyInstanceUID="{uid}">{content}</StudyRequest>'


def request(content: str) -> bytes:
    """A request with raw content."""
    return (
        '<RetrieveImagingDocumentSetRequest xmlns="urn:ihe:rad:xdsi-b:2009"'
        f' xmlns:b="urn:ihe:iti:xds-b:2007">{content}</RetrieveImagingDocumentSetRequest>'
    ).encode()


@pytest.mark.parametrize("namespace", ["urn:ihe:iti:xds-b:2007", "urn:ihe:rad:xdsi-b:2009"])
def test_document_requests_are_read_in_both_namespaces(namespace: str) -> None:
    """The schema of IHE says XDS.b, that of a widespread implementation XDS-I.b."""
    data = request(study(series(GOOD)) + LIST)
    data = data.replace(b'xmlns:b="urn:ihe:iti:xds-b:2007"', f'xmlns:b="{namespace}"'.encode())

    decoded = xca_images.decode_request(parse_xml(data))

    assert decoded.requests[0].instances == (instance("2.999.9.1", 1),)
    assert decoded.syntaxes == (Uid("1.2.840.10008.1.2.1"),)


def test_several_communities_make_several_requests() -> None:
    """Each with its own instances, in order of first mention."""
    other = GOOD.replace("2.999.1.1<", "2.999.2.1<").replace("2.999.9.1.1", "2.999.9.1.7")
    decoded = xca_images.decode_request(parse_xml(request(study(series(GOOD + other)) + LIST)))

    assert [each.community for each in decoded.requests] == [COUNTRY_A, CommunityId("2.999.2.1")]
    assert decoded.without_home == frozenset()


BROKEN = {
    "no study": (LIST, Refusal.MALFORMED_REQUEST, "without a StudyRequest"),
    "no series": (study("") + LIST, Refusal.MALFORMED_REQUEST, "without a SeriesRequest"),
    "no document": (
        study(series("")) + LIST,
        Refusal.MALFORMED_REQUEST,
        "without a DocumentRequest",
    ),
    "empty study": (
        study(series(GOOD), "") + LIST,
        Refusal.MALFORMED_REQUEST,
        "empty studyInstanceUID",
    ),
    "empty series": (
        study(series(GOOD, " ")) + LIST,
        Refusal.MALFORMED_REQUEST,
        "empty seriesInstanceUID",
    ),
    "study that is none": (
        study(series(GOOD), "abc") + LIST,
        Refusal.MALFORMED_REQUEST,
        "studyInstanceUID: found 'abc'",
    ),
    "empty repository": (
        study(series(GOOD.replace(">2.999.1.30<", "><"))) + LIST,
        Refusal.MALFORMED_REQUEST,
        "an empty RepositoryUniqueId",
    ),
    "empty instance": (
        study(series(GOOD.replace(">2.999.9.1.1<", "> <"))) + LIST,
        Refusal.MALFORMED_REQUEST,
        "an empty DocumentUniqueId",
    ),
    "instance that is none": (
        study(series(GOOD.replace(">2.999.9.1.1<", ">a^b<"))) + LIST,
        Refusal.MALFORMED_REQUEST,
        "DocumentUniqueId",
    ),
    "two repositories": (
        study(series(GOOD.replace(REPOSITORY, REPOSITORY * 2))) + LIST,
        Refusal.MALFORMED_REQUEST,
        "two RepositoryUniqueId",
    ),
    "two instances": (
        study(series(GOOD.replace(DOCUMENT, DOCUMENT * 2))) + LIST,
        Refusal.MALFORMED_REQUEST,
        "two DocumentUniqueId",
    ),
    "the same instance twice": (
        study(series(GOOD) + series(GOOD, "2.999.9.2")) + LIST,
        Refusal.MALFORMED_REQUEST,
        "the same DocumentUniqueId twice",
    ),
    "no list of syntaxes": (
        study(series(GOOD)),
        Refusal.MALFORMED_REQUEST,
        "lists no TransferSyntaxUID",
    ),
    "empty list of syntaxes": (
        study(series(GOOD)) + "<TransferSyntaxUIDList/>",
        Refusal.MALFORMED_REQUEST,
        "lists no TransferSyntaxUID",
    ),
    "empty syntax": (
        study(series(GOOD)) + "<TransferSyntaxUIDList><TransferSyntaxUID/></TransferSyntaxUIDList>",
        Refusal.UNSUPPORTED_SYNTAX,
        "no TransferSyntaxUID",
    ),
    "no home": (
        study(series(GOOD.replace(HOME, ""))) + LIST,
        Refusal.MISSING_COMMUNITY,
        "without HomeCommunityId",
    ),
    "repository that is none": (
        study(series(GOOD.replace(">2.999.1.30<", ">pacs<"))) + LIST,
        Refusal.UNKNOWN_REPOSITORY,
        "pacs",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_wrong_requests_are_refused_with_the_exact_reason(name: str) -> None:
    """The catalogue of what a request may lack or repeat."""
    content, refusal, words = BROKEN[name]

    with pytest.raises(ExchangeError) as refused:
        xca_images.decode_request(parse_xml(request(content)), home_required=True)

    assert refused.value.refusal is refusal
    assert words in refused.value.text


def test_a_syntax_that_is_none_does_not_spoil_the_others() -> None:
    """The list is in order of preference; doubles are said once."""
    listed = LIST.replace(
        "<TransferSyntaxUID>", "<TransferSyntaxUID>JPEG</TransferSyntaxUID><TransferSyntaxUID>"
    ).replace("</TransferSyntaxUIDList>", "") + LIST.replace("<TransferSyntaxUIDList>", "")
    decoded = xca_images.decode_request(parse_xml(request(study(series(GOOD)) + listed)))

    assert decoded.syntaxes == (Uid("1.2.840.10008.1.2.1"),)


def test_limits_of_a_request_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer decides neither how many instances nor how many syntaxes we look at."""
    monkeypatch.setattr(xca_images, "MAX_INSTANCES", 2)
    with pytest.raises(ExchangeError, match="more than 2 instances"):
        xca_images.decode_request(parse_xml(MESSAGES["request"]))
    monkeypatch.undo()
    monkeypatch.setattr(xca_images, "MAX_SYNTAXES", 1)
    with pytest.raises(ExchangeError, match="at most 1"):
        xca_images.decode_request(parse_xml(MESSAGES["request"]))


def test_a_request_for_nothing_is_not_written() -> None:
    """Neither without instances nor without a syntax."""
    with pytest.raises(EncodeError):
        xca_images.encode_request(ImageRequest(community=COUNTRY_A, instances=()), SYNTAXES)
    with pytest.raises(EncodeError):
        xca_images.encode_request(REQUEST, ())


def test_another_message_is_no_request_for_images() -> None:
    """The error names what was expected."""
    with pytest.raises(DecodeError, match="xdsi:RetrieveImagingDocumentSetRequest"):
        xca_images.decode_request(parse_xml(b"<hello/>"))
