"""RAD-75 and RAD-69: DICOM instances by study, series and SOP Instance UID. Body child only.

RAD-75 goes between gateways and names a community for every instance; RAD-69 goes from a gateway
to an imaging source, where naming one is optional and the answer names one only if the request
did. The answer is that of `document_set`, with a SOP Instance UID as the document id. Clauses:
RAD TF-3 4.75.4 and 4.69.4; schema XDSI.b_ImagingDocumentSource.xsd, whose DocumentRequest is in
the XDS.b namespace: that is written, the XDS-I.b namespace is read as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway.domain import (
    CommunityId,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    InvalidIdentifier,
    Issue,
    Oid,
    Outcome,
    Refusal,
    Transaction,
    Uid,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import document_set
from gateway.wire.soap.document_set import RetrievedPart, read_request, write_ids
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import XDSB, XDSI, Element, name_of, path_of, text_of

__all__ = [
    "REQUEST_ACTION",
    "RESPONSE_ACTION",
    "SOURCE_REQUEST_ACTION",
    "SOURCE_RESPONSE_ACTION",
    "DecodedImages",
    "RetrievedPart",
    "decode_request",
    "decode_response",
    "encode_refusal",
    "encode_request",
    "encode_response",
]

REQUEST_ACTION = "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSet"
RESPONSE_ACTION = "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSetResponse"
SOURCE_REQUEST_ACTION = "urn:ihe:rad:2009:RetrieveImagingDocumentSet"
SOURCE_RESPONSE_ACTION = "urn:ihe:iti:2007:RetrieveDocumentSetResponse"  # of ITI-43, as RAD-69 says

MAX_INSTANCES = 50_000  # in one request; the largest CT studies have some 10 000
MAX_SYNTAXES = 100  # DICOM defines about 60

_REQUEST = f"{{{XDSI}}}RetrieveImagingDocumentSetRequest"
_STUDY = f"{{{XDSI}}}StudyRequest"
_SERIES = f"{{{XDSI}}}SeriesRequest"
_DOCUMENT = (f"{{{XDSB}}}DocumentRequest", f"{{{XDSI}}}DocumentRequest")
_SYNTAX_LIST = f"{{{XDSI}}}TransferSyntaxUIDList"
_SYNTAX = f"{{{XDSI}}}TransferSyntaxUID"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedImages:
    """A request as it came: the instances, by community, and how they may be encoded.

    `requests` has one request for each community, in order of first mention; usually one.
    `syntaxes` are in the order of preference and never empty. `without_home` are the instances
    for which no community was named: the answer must name none either.
    """

    requests: tuple[ImageRequest, ...]
    syntaxes: tuple[Uid, ...]
    without_home: frozenset[Uid] = frozenset()


def encode_request(
    request: ImageRequest, syntaxes: Sequence[Uid], *, with_home: bool = True
) -> bytes:
    """A request for instances, in the order asked for, with the readable syntaxes.

    The order is kept by opening a study or series again when the list returns to it.
    `with_home` False leaves HomeCommunityId out, as an imaging source may expect (RAD-69).
    """
    if not request.instances:
        raise EncodeError("a request for no image")
    if not syntaxes:
        raise EncodeError("a request for images without a transfer syntax")
    home = request.community if with_home else None
    rows = []
    for study, of_study in groupby(request.instances, key=lambda each: each[0].study):
        rows.append(f'<xdsi:StudyRequest studyInstanceUID="{study}">')
        for series, of_series in groupby(of_study, key=lambda each: each[0].series):
            rows.append(f'<xdsi:SeriesRequest seriesInstanceUID="{series}">')
            rows += [
                f"<xdsb:DocumentRequest>{write_ids(home, location, ref.instance)}"
                "</xdsb:DocumentRequest>"
                for ref, location in of_series
            ]
            rows.append("</xdsi:SeriesRequest>")
        rows.append("</xdsi:StudyRequest>")
    listed = "".join(
        [f"<xdsi:TransferSyntaxUID>{uid}</xdsi:TransferSyntaxUID>" for uid in syntaxes]
    )
    return (
        f'<xdsi:RetrieveImagingDocumentSetRequest xmlns:xdsi="{XDSI}" xmlns:xdsb="{XDSB}">'
        f"{''.join(rows)}<xdsi:TransferSyntaxUIDList>{listed}</xdsi:TransferSyntaxUIDList>"
        "</xdsi:RetrieveImagingDocumentSetRequest>"
    ).encode()


def _refused(reason: str, subject: str = "") -> ExchangeError:
    return refuse(Refusal.MALFORMED_REQUEST, reason, subject=subject)


def _uid(element: Element, attribute: str) -> Uid:
    text = (element.get(attribute) or "").strip()
    if not text:
        raise _refused(f"{name_of(element)} with an empty {attribute}")
    try:
        return Uid.parse(text)
    except InvalidIdentifier as error:
        raise _refused(f"{attribute}: {error}") from None


def _children(parent: Element, *tags: str) -> list[Element]:
    found = list(parent.iterchildren(*tags))
    if not found:
        wanted = tags[0].rpartition("}")[2]
        raise _refused(f"{name_of(parent)} without a {wanted}")
    return found


def _syntaxes(body: Element) -> tuple[Uid, ...]:
    listed = [
        text_of(uid) for each in body.iterchildren(_SYNTAX_LIST) for uid in each.iter(_SYNTAX)
    ]
    if not listed:
        raise _refused("the request lists no TransferSyntaxUID")
    if len(listed) > MAX_SYNTAXES:
        raise _refused(f"{len(listed)} transfer syntaxes, at most {MAX_SYNTAXES}")
    syntaxes: dict[Uid, None] = {}
    for text in listed:
        try:
            syntaxes[Uid.parse(text)] = None
        except InvalidIdentifier:
            continue  # one that is none cannot be sent; the others may be
    if not syntaxes:
        raise refuse(Refusal.UNSUPPORTED_SYNTAX, "no TransferSyntaxUID of the request is a UID")
    return tuple(syntaxes)


def decode_request(
    body: Element, *, home_required: bool = True, default_home: CommunityId | None = None
) -> DecodedImages:
    """The instances asked for. `home_required` is True for RAD-75; without, an instance whose
    community is not named is asked of `default_home`.

    Raises `DecodeError` for another message and `ExchangeError` with the exact reason for empty
    or repeated ids, for a missing level, and for a syntax list that lists nothing.
    """
    if body.tag != _REQUEST:
        raise DecodeError(path_of(body), name_of(body), "xdsi:RetrieveImagingDocumentSetRequest")
    by_community: dict[CommunityId, list[tuple[InstanceRef, Oid]]] = {}
    seen: set[Uid] = set()
    without_home: set[Uid] = set()
    for study in _children(body, _STUDY):
        study_uid = _uid(study, "studyInstanceUID")
        for series in _children(study, _SERIES):
            series_uid = _uid(series, "seriesInstanceUID")
            for element in _children(series, *_DOCUMENT):
                ref, named = read_request(
                    element, home_required=home_required, default_home=default_home
                )
                instance = _instance(ref.document, seen)
                if not named:
                    without_home.add(instance)
                by_community.setdefault(ref.community, []).append(
                    (
                        InstanceRef(study=study_uid, series=series_uid, instance=instance),
                        ref.repository,
                    )
                )
    return DecodedImages(
        requests=tuple(
            ImageRequest(community=community, instances=tuple(instances))
            for community, instances in by_community.items()
        ),
        syntaxes=_syntaxes(body),
        without_home=frozenset(without_home),
    )


def _instance(document: str, seen: set[Uid]) -> Uid:
    try:
        instance = Uid.parse(document)
    except InvalidIdentifier as error:
        raise _refused(f"DocumentUniqueId: {error}") from None
    if instance in seen:
        raise _refused("the same DocumentUniqueId twice", instance)
    seen.add(instance)
    if len(seen) > MAX_INSTANCES:
        raise _refused(f"more than {MAX_INSTANCES} instances in one request")
    return instance


def encode_response(
    parts: Sequence[RetrievedPart],
    issues: Sequence[Issue] = (),
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction = Transaction.IMAGES,
) -> bytes:
    """The answer. RegistryError/@location is the community, for RAD-69 the instance."""
    return document_set.encode_response(
        parts, issues, responder=responder, style=style, transaction=transaction
    )


def encode_refusal(
    error: ExchangeError,
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction = Transaction.IMAGES,
) -> bytes:
    """The answer that refuses everything."""
    return document_set.encode_refusal(
        error, transaction=transaction, responder=responder, style=style
    )


def decode_response(
    body: Element,
    *,
    default_home: CommunityId | None = None,
    transaction: Transaction = Transaction.IMAGES,
) -> Outcome[RetrievedPart]:
    """The instances and issues of an answer; see `document_set.decode_response`."""
    return document_set.decode_response(body, transaction=transaction, default_home=default_home)
