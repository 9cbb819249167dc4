"""ITI-39: golden messages, the request's rules, statuses, and the tolerances of the reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain import (
    DocumentId,
    DocumentRef,
    ExchangeError,
    Issue,
    Oid,
    Refusal,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import xca_retrieve
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.xca_retrieve import MAX_DOCUMENTS, RetrievedPart
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, make_entry
from tests.golden import check_golden, readable
from tests.xds_schemas import assert_schema_valid

GOLDEN = Path(__file__).parents[1] / "iti39"
FIRST = make_entry().ref
SECOND = DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId("2.999.1.4.2^PS.XML"))
PARTS = (
    RetrievedPart(ref=FIRST, mime_type="application/dicom", cid="doc-1@a.example"),
    RetrievedPart(ref=SECOND, mime_type="text/xml", data=b"<a/>", new_document="2.999.1.4.9"),
)
GONE = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="not found", subject=SECOND.document)
ANSWERER = {"responder": COUNTRY_A, "style": ErrorStyle.IHE}

MESSAGES = {
    "request": xca_retrieve.encode_request((FIRST, SECOND)),
    "response": xca_retrieve.encode_response(PARTS, **ANSWERER),
    "response-partial": xca_retrieve.encode_response(PARTS[:1], (GONE,), **ANSWERER),
    "response-failure": xca_retrieve.encode_response((), (GONE,), **ANSWERER),
    "response-refused-ehdsi": xca_retrieve.encode_refusal(
        refuse(Refusal.NO_CONSENT, "consent was withdrawn"),
        responder=COUNTRY_A,
        style=ErrorStyle.EHDSI,
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_golden_ones(name: str) -> None:
    """Each message is byte for byte the reviewed one, and valid."""
    check_golden(GOLDEN / f"{name}.xml", readable(MESSAGES[name]))
    assert_schema_valid(MESSAGES[name])


def test_the_golden_messages_mean_what_they_were_made_of() -> None:
    """Read from the files, line ends and all."""
    request, response = (
        parse_xml((GOLDEN / f"{name}.xml").read_bytes()) for name in ("request", "response")
    )

    assert xca_retrieve.decode_request(request) == (FIRST, SECOND)
    assert xca_retrieve.decode_response(response).items == PARTS


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_is_a_valid_answer(style: ErrorStyle) -> None:
    """Whatever is refused, the answer fits the schema and carries a code."""
    for refusal in Refusal:
        data = xca_retrieve.encode_refusal(refuse(refusal, "no"), responder=COUNTRY_A, style=style)

        assert_schema_valid(data, refusal)
        (error,) = parse_xml(data).iter("{*}RegistryError")
        assert error.get("errorCode"), refusal
        assert error.get("location") == COUNTRY_A.urn, refusal


def request(*documents: str) -> bytes:
    """A request with raw DocumentRequests."""
    rows = "".join(f"<DocumentRequest>{each}</DocumentRequest>" for each in documents)
    return (
        f'<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007">{rows}'
        "</RetrieveDocumentSetRequest>"
    ).encode()


HOME = "<HomeCommunityId>urn:oid:2.999.1.1</HomeCommunityId>"
REPOSITORY = "<RepositoryUniqueId> 2.999.1.3 </RepositoryUniqueId>"
DOCUMENT = "<DocumentUniqueId>2.999.1.4.1</DocumentUniqueId>"


@pytest.mark.parametrize(
    "document",
    [
        HOME + REPOSITORY + DOCUMENT,
        DOCUMENT + REPOSITORY + HOME,
        HOME.replace("urn:oid:", "") + DOCUMENT + REPOSITORY,
    ],
)
def test_children_are_read_in_any_order(document: str) -> None:
    """The schema has one order; peers have several, and some write the community bare."""
    assert xca_retrieve.decode_request(parse_xml(request(document))) == (FIRST,)


def test_a_document_named_twice_is_asked_for_twice() -> None:
    """Nothing forbids it; who answers decides."""
    data = request(*[HOME + REPOSITORY + DOCUMENT] * 2)

    assert xca_retrieve.decode_request(parse_xml(data)) == (FIRST, FIRST)


def test_a_missing_community_is_refused_or_the_one_that_was_asked() -> None:
    """IHE requires it; some MyHealth@EU clients leave it out."""
    data = parse_xml(request(REPOSITORY + DOCUMENT))

    asked = xca_retrieve.decode_request(data, home_required=False, default_home=COUNTRY_A)
    assert asked == (FIRST,)
    for required in (True, False):
        with pytest.raises(ExchangeError) as refused:
            xca_retrieve.decode_request(data, home_required=required)
        assert refused.value.refusal is Refusal.MISSING_COMMUNITY
        assert refused.value.subject == FIRST.document


@pytest.mark.parametrize(
    ("documents", "refusal", "words"),
    [
        ((), Refusal.MALFORMED_REQUEST, "names no document"),
        ((HOME + REPOSITORY,), Refusal.MALFORMED_REQUEST, "no DocumentUniqueId"),
        ((HOME + DOCUMENT,), Refusal.MALFORMED_REQUEST, "no RepositoryUniqueId"),
        (
            (HOME + DOCUMENT + "<RepositoryUniqueId/>",),
            Refusal.MALFORMED_REQUEST,
            "an empty RepositoryUniqueId",
        ),
        (
            (HOME + REPOSITORY + DOCUMENT * 2,),
            Refusal.MALFORMED_REQUEST,
            "two DocumentUniqueId",
        ),
        (
            (HOME + REPOSITORY + f"<DocumentUniqueId>{'1' * 300}</DocumentUniqueId>",),
            Refusal.MALFORMED_REQUEST,
            "DocumentUniqueId",
        ),
        (
            (HOME + DOCUMENT + "<RepositoryUniqueId>here</RepositoryUniqueId>",),
            Refusal.UNKNOWN_REPOSITORY,
            "here",
        ),
        (
            ("<HomeCommunityId>x</HomeCommunityId>" + REPOSITORY + DOCUMENT,),
            Refusal.UNKNOWN_COMMUNITY,
            "x",
        ),
        (
            (HOME + REPOSITORY + DOCUMENT,) * (MAX_DOCUMENTS + 1),
            Refusal.MALFORMED_REQUEST,
            "at most",
        ),
    ],
)
def test_requests_that_name_nothing_are_refused(
    documents: tuple[str, ...], refusal: Refusal, words: str
) -> None:
    """Missing, empty, doubled and impossible ids, each with its reason."""
    with pytest.raises(ExchangeError) as refused:
        xca_retrieve.decode_request(parse_xml(request(*documents)))

    assert refused.value.refusal is refusal
    assert words in refused.value.text


def test_a_retrieve_of_nothing_is_not_written() -> None:
    """The schema has no such request."""
    with pytest.raises(EncodeError):
        xca_retrieve.encode_request(())


def test_another_message_is_no_retrieve() -> None:
    """The error names what was expected."""
    with pytest.raises(DecodeError, match="xdsb:RetrieveDocumentSetRequest"):
        xca_retrieve.decode_request(parse_xml(b"<hello/>"))
    with pytest.raises(DecodeError, match="xdsb:RetrieveDocumentSetResponse"):
        xca_retrieve.decode_response(parse_xml(b"<hello/>"))
