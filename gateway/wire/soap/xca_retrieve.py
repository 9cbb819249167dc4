"""ITI-39 Cross Gateway Retrieve: documents by their ids. Body child only; `envelope` wraps.

The answer is shared with the imaging transactions, in `document_set`; this module adds the
request. Clauses: ITI TF-2 3.39.4 and 3.43.4; schema XDS.b_DocumentRepository.xsd.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain import (
    CommunityId,
    DocumentRef,
    ExchangeError,
    Issue,
    Outcome,
    Refusal,
    Transaction,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import document_set
from gateway.wire.soap.document_set import RetrievedPart, read_request, write_ids
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import XDSB, Element, name_of, path_of

__all__ = [
    "REQUEST_ACTION",
    "RESPONSE_ACTION",
    "RetrievedPart",
    "decode_request",
    "decode_response",
    "encode_refusal",
    "encode_request",
    "encode_response",
]

REQUEST_ACTION = "urn:ihe:iti:2007:CrossGatewayRetrieve"
RESPONSE_ACTION = "urn:ihe:iti:2007:CrossGatewayRetrieveResponse"

MAX_DOCUMENTS = 1_000  # in one request; an answer of a thousand documents is a hand-over

_REQUEST = f"{{{XDSB}}}RetrieveDocumentSetRequest"
_DOCUMENT_REQUEST = f"{{{XDSB}}}DocumentRequest"


def encode_request(refs: Sequence[DocumentRef]) -> bytes:
    """A request for documents, in the order given."""
    if not refs:
        raise EncodeError("a retrieve of no document")
    rows = "".join(
        [
            "<xdsb:DocumentRequest>"
            f"{write_ids(ref.community, ref.repository, ref.document)}"
            "</xdsb:DocumentRequest>"
            for ref in refs
        ]
    )
    return (
        f'<xdsb:RetrieveDocumentSetRequest xmlns:xdsb="{XDSB}">{rows}'
        "</xdsb:RetrieveDocumentSetRequest>"
    ).encode()


def decode_request(
    body: Element, *, home_required: bool = True, default_home: CommunityId | None = None
) -> tuple[DocumentRef, ...]:
    """The documents asked for, in order; one named twice is asked for twice.

    A missing HomeCommunityId is refused when required, else it is `default_home` (the community
    that was asked). Raises `DecodeError` for another message, `ExchangeError` for ids that are
    none and for a request that asks for nothing.
    """
    if body.tag != _REQUEST:
        raise DecodeError(path_of(body), name_of(body), "xdsb:RetrieveDocumentSetRequest")
    refs = tuple(
        read_request(element, home_required=home_required, default_home=default_home)[0]
        for element in body.iterchildren(_DOCUMENT_REQUEST)
    )
    if not refs:
        raise refuse(Refusal.MALFORMED_REQUEST, "the request names no document")
    if len(refs) > MAX_DOCUMENTS:
        raise refuse(
            Refusal.MALFORMED_REQUEST, f"{len(refs)} documents, at most {MAX_DOCUMENTS} at once"
        )
    return refs


def encode_response(
    parts: Sequence[RetrievedPart],
    issues: Sequence[Issue] = (),
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction = Transaction.RETRIEVE,
) -> bytes:
    """The answer; Success, PartialSuccess or Failure as documents and issues make it."""
    return document_set.encode_response(
        parts, issues, responder=responder, style=style, transaction=transaction
    )


def encode_refusal(
    error: ExchangeError,
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction = Transaction.RETRIEVE,
) -> bytes:
    """The answer that refuses everything."""
    return document_set.encode_refusal(
        error, transaction=transaction, responder=responder, style=style
    )


def decode_response(
    body: Element, *, default_home: CommunityId | None = None
) -> Outcome[RetrievedPart]:
    """The documents and issues of an answer; see `document_set.decode_response`."""
    return document_set.decode_response(
        body, transaction=Transaction.RETRIEVE, default_home=default_home
    )
