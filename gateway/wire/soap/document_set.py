"""What ITI-39, RAD-75 and RAD-69 share: the DocumentRequest and the RetrieveDocumentSetResponse.

A document of an answer is either named (a part of the message, by its content id) or held
(inline base64); parts are described here and moved elsewhere. Clauses: ITI TF-2 3.43.4.2,
RAD TF-3 4.69 and 4.75; schema XDS.b_DocumentRepository.xsd.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from gateway.domain import (
    CommunityId,
    DocumentId,
    DocumentRef,
    ExchangeError,
    InvalidIdentifier,
    Issue,
    Oid,
    Outcome,
    Refusal,
    Severity,
    Transaction,
    refuse,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap.ebxml import checked
from gateway.wire.soap.mtom import included_cid, xop_include
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.soap.registry_errors import (
    REGISTRY_RESPONSE,
    ResponseStatus,
    issue_of,
    judge,
    read_issues,
    status_of,
    write_registry_response,
)
from gateway.wire.xml import (
    RS,
    XDSB,
    XDSI,
    Element,
    escape_text,
    name_of,
    path_of,
    quoted,
    text_of,
)

# One inline document; the envelope's own limit bounds their sum. Larger ones come as parts.
MAX_SUBJECT = 256  # as much of an id as an issue repeats
MAX_INLINE_BYTES = 48 * 1024 * 1024

RESPONSE = f"{{{XDSB}}}RetrieveDocumentSetResponse"
_DOCUMENT_RESPONSE = f"{{{XDSB}}}DocumentResponse"
_DOCUMENT = f"{{{XDSB}}}Document"
_UNTYPED = "application/octet-stream"
_WHITE = {ord(character): None for character in " \t\r\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedPart:
    """One document of an answer, as the message names it.

    `cid` is the content id of the part that holds it, without brackets; where it is "", the
    document was inline and `data` is its bytes. `new_repository` and `new_document` name the
    stored copy of an on-demand document, "" where there is none. `without_home` asks the writer
    to leave HomeCommunityId out, for a request that named none (RAD-69).
    """

    ref: DocumentRef
    mime_type: str
    cid: str = ""
    data: bytes = b""
    new_repository: str = ""
    new_document: str = ""
    without_home: bool = False


def _element(name: str, text: str) -> str:
    return f"<xdsb:{name}>{escape_text(checked(text, name))}</xdsb:{name}>"


def write_ids(community: CommunityId | None, repository: Oid, document: str) -> str:
    """The three ids of a request or an answer, in the order of the schema."""
    home = _element("HomeCommunityId", community.urn) if community else ""
    return (
        f"{home}{_element('RepositoryUniqueId', repository)}"
        f"{_element('DocumentUniqueId', document)}"
    )


def read_request(
    element: Element, *, home_required: bool, default_home: CommunityId | None
) -> tuple[DocumentRef, bool]:
    """What a DocumentRequest names, and whether it named its community; raises `ExchangeError`.

    Children are taken in any order and from the namespaces of XDS.b and XDS-I.b alike, because
    the schemas of IHE and those of a widespread implementation disagree (RAD TF-3 4.69). Without
    a community it is `default_home`, unless one is required.
    """
    texts: dict[str, str] = {}
    for child in element.iterchildren(f"{{{XDSB}}}*", f"{{{XDSI}}}*"):
        name = etree.QName(child).localname
        if name in texts:
            raise refuse(Refusal.MALFORMED_REQUEST, f"DocumentRequest with two {name}")
        texts[name] = text_of(child)
    document = texts.get("DocumentUniqueId", "")
    for name in ("RepositoryUniqueId", "DocumentUniqueId"):
        if not texts.get(name):
            state = "an empty" if name in texts else "no"
            raise refuse(
                Refusal.MALFORMED_REQUEST,
                f"DocumentRequest with {state} {name}",
                subject=document[:MAX_SUBJECT],
            )
    try:
        unique_id = DocumentId(document)
    except InvalidIdentifier as error:
        raise refuse(Refusal.MALFORMED_REQUEST, f"DocumentUniqueId: {error}") from None
    home = texts.get("HomeCommunityId", "")
    community = _requested_home(home, unique_id, home_required, default_home)
    try:
        repository = Oid.parse(texts["RepositoryUniqueId"])
    except InvalidIdentifier as error:
        # Nobody can have a repository of that name, which is all there is to say about it.
        raise refuse(
            Refusal.UNKNOWN_REPOSITORY, f"RepositoryUniqueId: {error}", subject=unique_id
        ) from None
    return DocumentRef(community, repository, unique_id), bool(home)


def _requested_home(
    text: str, document: DocumentId, required: bool, default: CommunityId | None
) -> CommunityId:
    if text:
        try:
            return CommunityId.parse(text)
        except InvalidIdentifier as error:
            raise refuse(
                Refusal.UNKNOWN_COMMUNITY, f"HomeCommunityId: {error}", subject=document
            ) from None
    if required or default is None:
        raise refuse(
            Refusal.MISSING_COMMUNITY, "DocumentRequest without HomeCommunityId", subject=document
        )
    return default


def _write_part(part: RetrievedPart) -> str:
    if part.cid and part.data:
        raise EncodeError(f"{part.ref.document}: a part and inline bytes at once")
    content = xop_include(part.cid) if part.cid else b64encode(part.data)
    renewed = ""
    if part.new_repository:
        renewed += _element("NewRepositoryUniqueId", part.new_repository)
    if part.new_document:
        renewed += _element("NewDocumentUniqueId", part.new_document)
    home = None if part.without_home else part.ref.community
    return (
        f"<xdsb:DocumentResponse>{write_ids(home, part.ref.repository, part.ref.document)}{renewed}"
        f"{_element('mimeType', part.mime_type)}"
        f"<xdsb:Document>{content.decode('ascii')}</xdsb:Document></xdsb:DocumentResponse>"
    )


def _write(
    status: ResponseStatus,
    parts: Sequence[RetrievedPart],
    issues: Sequence[Issue],
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction,
) -> bytes:
    response = write_registry_response(
        status, issues, transaction=transaction, responder=responder, style=style
    )
    documents = "".join([_write_part(part) for part in parts])
    return (
        f'<xdsb:RetrieveDocumentSetResponse xmlns:xdsb="{XDSB}" xmlns:rs="{RS}">'
        f"{response}{documents}</xdsb:RetrieveDocumentSetResponse>"
    ).encode()


def encode_response(
    parts: Sequence[RetrievedPart],
    issues: Sequence[Issue] = (),
    *,
    responder: CommunityId,
    style: ErrorStyle,
    transaction: Transaction,
) -> bytes:
    """The answer: its status follows from what is there and what went wrong."""
    status = status_of(bool(parts), issues)
    return _write(status, parts, issues, responder=responder, style=style, transaction=transaction)


def encode_refusal(
    error: ExchangeError, *, transaction: Transaction, responder: CommunityId, style: ErrorStyle
) -> bytes:
    """The answer that refuses everything: Failure, one RegistryError, no document."""
    issue = issue_of(error)
    status = status_of(False, (issue,))
    return _write(status, (), (issue,), responder=responder, style=style, transaction=transaction)


def _content(document: Element | None) -> tuple[str, bytes]:
    """(content id, inline bytes) of a Document element; `ValueError` when it is neither."""
    if document is None:
        raise ValueError("Document is missing")
    try:
        cid = included_cid(document)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if cid is not None:
        return cid, b""
    text = text_of(document).translate(_WHITE)
    if len(text) > MAX_INLINE_BYTES // 3 * 4:
        raise ValueError(f"more than {MAX_INLINE_BYTES} bytes of inline base64")
    try:
        return "", binascii.a2b_base64(text.encode("ascii"), strict_mode=True) if text else b""
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f"no base64: {error}") from error


# The thousands of documents of one answer come from one or two places.
@lru_cache(maxsize=64)
def _community(text: str) -> CommunityId:
    return CommunityId.parse(text)


@lru_cache(maxsize=64)
def _repository(text: str) -> Oid:
    return Oid.parse(text)


def _read_part(element: Element, default_home: CommunityId | None) -> RetrievedPart:
    """One DocumentResponse, children in any order; `ValueError` says why it cannot be used."""
    texts = {
        child.tag: text_of(child)
        for child in element.iterchildren(f"{{{XDSB}}}*")
        if child.tag != _DOCUMENT
    }

    def text(name: str) -> str:
        return texts.get(f"{{{XDSB}}}{name}", "")

    home = text("HomeCommunityId")
    if not home and default_home is None:
        raise ValueError("HomeCommunityId is missing")
    community = _community(home) if home or default_home is None else default_home
    cid, data = _content(element.find(_DOCUMENT))
    return RetrievedPart(
        ref=DocumentRef(
            community, _repository(text("RepositoryUniqueId")), DocumentId(text("DocumentUniqueId"))
        ),
        mime_type=text("mimeType") or _UNTYPED,
        cid=cid,
        data=data,
        new_repository=text("NewRepositoryUniqueId"),
        new_document=text("NewDocumentUniqueId"),
        without_home=not home,
    )


def decode_response(
    body: Element, *, transaction: Transaction, default_home: CommunityId | None = None
) -> Outcome[RetrievedPart]:
    """The documents of an answer and what went wrong, in the order they came.

    A document that cannot be used (bad ids, bad base64) is an error beside the others. A missing
    HomeCommunityId is `default_home`, the community that was asked, with a warning. Raises the
    peer's refusal as an `ExchangeError` when it failed and sent no document; a bare
    RegistryResponse in place of the whole is read too.
    """
    if body.tag == REGISTRY_RESPONSE:
        return judge(body.get("status", ""), (), read_issues(body, transaction))
    if body.tag != RESPONSE:
        raise DecodeError(path_of(body), name_of(body), "xdsb:RetrieveDocumentSetResponse")
    response = body.find(REGISTRY_RESPONSE)
    if response is None:
        raise DecodeError(path_of(body), "no rs:RegistryResponse", "one", "ITI TF-2 3.43.4.2.2")
    issues = list(read_issues(response, transaction))
    parts: list[RetrievedPart] = []
    for element in body.iterchildren(_DOCUMENT_RESPONSE):
        subject = text_of(element.find(f"{{{XDSB}}}DocumentUniqueId"))[:MAX_SUBJECT]
        try:
            part = _read_part(element, default_home)
        except InvalidIdentifier as error:
            issues.append(_unusable(f"a document cannot be used: {error}", subject))
            continue
        except ValueError as error:
            issues.append(_unusable(f"a document cannot be used: {quoted(str(error))}", subject))
            continue
        parts.append(part)
        # An imaging source has no community to name.
        if part.without_home and transaction is not Transaction.IMAGES_FROM_SOURCE:
            issues.append(
                Issue(
                    refusal=Refusal.MISSING_COMMUNITY,
                    severity=Severity.WARNING,
                    text=f"HomeCommunityId is missing, taken to be {part.ref.community}",
                    subject=subject,
                )
            )
    return judge(response.get("status", ""), tuple(parts), tuple(issues))


def _unusable(text: str, subject: str) -> Issue:
    return Issue(refusal=Refusal.PEER_MISBEHAVED, text=text, subject=subject)
