"""SOAP 1.2 envelopes, WS-Addressing 1.0 headers and faults.

Not a transaction: the body is one child element, given and taken as it is. Not security: the
wsse:Security header is found here and judged elsewhere. Reading is tolerant of what live peers
leave out (MessageID, ReplyTo, To) and strict where two readers could see different messages
(repeated headers, several bodies). What is refused here is refused with a SOAP fault, which the
problem carries. Clauses: SOAP 1.2 part 1 chapter 5, WS-Addressing 1.0 SOAP Binding chapters 3
and 6, IHE ITI TF-2 appendix V.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import (
    MAX_XML_BYTES,
    PREFIXES,
    SOAP,
    WSA,
    WSSE,
    XCPD,
    XML,
    Element,
    escape_attr,
    escape_text,
    legal_text,
    parse_xml,
    path_of,
    prefixed,
    quoted,
    tag_of,
    text_of,
)

ANONYMOUS: Final = "http://www.w3.org/2005/08/addressing/anonymous"
NONE: Final = "http://www.w3.org/2005/08/addressing/none"
FAULT_ACTION: Final = "http://www.w3.org/2005/08/addressing/soap/fault"
WSA_FAULT_ACTION: Final = "http://www.w3.org/2005/08/addressing/fault"
REPLY: Final = "http://www.w3.org/2005/08/addressing/reply"
SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"

SECURITY_HEADER: Final = f"{{{WSSE}}}Security"
# At most one of each may be aimed at a node (WS-Addressing SOAP Binding 3.2); RelatesTo may repeat.
_SINGLE: Final = ("Action", "MessageID", "To", "ReplyTo", "FaultTo", "From")
UNDERSTOOD: Final[frozenset[str]] = frozenset(
    {SECURITY_HEADER, f"{{{WSA}}}RelatesTo", f"{{{XCPD}}}CorrelationTimeToLive"}
    | {f"{{{WSA}}}{name}" for name in _SINGLE}
)
# Addressing and security are eight; some stacks add a few of their own.
MAX_HEADERS: Final = 256
# Headers for another role are not ours to understand (SOAP 1.2 part 1, 2.2).
_OUR_ROLES: Final = frozenset({"", f"{SOAP}/role/next", f"{SOAP}/role/ultimateReceiver"})
_TRUE: Final = frozenset({"1", "true"})
_NAMESPACE_OF: Final[dict[str, str]] = {prefix: uri for uri, prefix in PREFIXES.items()}


class FaultCode(StrEnum):
    """Who is to blame, by the local names of SOAP 1.2 part 1, 5.4.6."""

    SENDER = "Sender"
    RECEIVER = "Receiver"
    MUST_UNDERSTAND = "MustUnderstand"
    VERSION_MISMATCH = "VersionMismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A SOAP fault.

    `subcode` is a prefixed name, `wsa:ActionNotSupported` or `wsse:FailedCheck`. `headers` are
    the header blocks it is about, as `{uri}local`: those not understood, or the addressing
    header at fault.
    """

    code: FaultCode
    reason: str
    subcode: str = ""
    headers: tuple[str, ...] = ()

    @property
    def http_status(self) -> int:
        """The HTTP status that goes with it (SOAP 1.2 part 2, table 20)."""
        return 400 if self.code is FaultCode.SENDER else 500


class EnvelopeProblem(DecodeError):
    """An envelope that cannot be used, and the fault that tells its sender.

    `message_id` is what the fault relates to, "" where the message could not be read that far.
    """

    def __init__(self, fault: Fault, where: str, found: str, expected: str, rule: str = "") -> None:
        super().__init__(where, found, expected, rule)
        self.fault = fault
        self.message_id = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message as read: its parts as elements of one tree, its addressing as text.

    `body` is the one child of soap:Body. A missing ReplyTo reads as `ANONYMOUS`, every other
    missing header as "". `security` is the wsse:Security header, None where there is none.
    """

    root: Element
    body: Element
    action: str
    message_id: str
    relates_to: str
    to: str
    reply_to: str
    security: Element | None


def read_envelope(
    data: bytes,
    *,
    understood: frozenset[str] | None = UNDERSTOOD,
    require_action: bool = True,
    encoding: str = "",
    max_bytes: int = MAX_XML_BYTES,
    large_text: bool = False,
) -> Envelope:
    """Read a message; `EnvelopeProblem` when it cannot be used.

    `understood` names the headers (`{uri}local`) that may be flagged mustUnderstand; None, for
    a client, understands all. `encoding` is the charset of the Content-Type. The other arguments
    are those of `parse_xml`.
    """
    try:
        root = parse_xml(
            data,
            where="envelope",
            encoding=encoding,
            max_bytes=max_bytes,
            large_text=large_text,
        )
    except DecodeError as error:
        fault = Fault(code=FaultCode.SENDER, reason=f"The message cannot be read: {error}")
        raise EnvelopeProblem(
            fault, error.where, error.found, error.expected, error.rule
        ) from error
    return read_envelope_tree(root, understood=understood, require_action=require_action)


def read_envelope_tree(
    root: Element,
    *,
    understood: frozenset[str] | None = UNDERSTOOD,
    require_action: bool = True,
) -> Envelope:
    """As `read_envelope`, of a tree already parsed (with its XOP includes put back, say)."""
    header, body = _header_and_body(root)
    blocks = [block for block in ([] if header is None else header) if _is_ours(block)]
    try:
        return _read_headers(root, body, blocks, understood, require_action)
    except EnvelopeProblem as problem:
        ids = (text_of(block) for block in blocks if block.tag == f"{{{WSA}}}MessageID")
        problem.message_id = next(ids, "")
        raise


def _read_headers(
    root: Element,
    body: Element,
    blocks: list[Element],
    understood: frozenset[str] | None,
    require_action: bool,
) -> Envelope:
    if understood is not None:
        _check_understood(blocks, understood)
    singles = {name: _only(blocks, f"{{{WSA}}}{name}") for name in _SINGLE}
    action = text_of(singles["Action"])
    if not action and require_action:
        raise _problem(
            "wsa:MessageAddressingHeaderRequired",
            where="/soap:Envelope/soap:Header",
            found="no wsa:Action",
            expected="exactly one, not empty",
            rule="ITI TF-2 V.3.2.2",
            headers=(f"{{{WSA}}}Action",),
        )
    reply_to = singles["ReplyTo"]
    address = None if reply_to is None else reply_to.find(f"{{{WSA}}}Address")
    return Envelope(
        root=root,
        body=body,
        action=action,
        message_id=text_of(singles["MessageID"]),
        relates_to=_relates_to(blocks),
        to=text_of(singles["To"]),
        reply_to=text_of(address) or ANONYMOUS,
        security=_only(blocks, SECURITY_HEADER),
    )


def _header_and_body(root: Element) -> tuple[Element | None, Element]:
    """The Header, if any, and the one child of the Body; faults for all that is no envelope."""
    name = tag_of(root)
    if name != f"{{{SOAP}}}Envelope":
        if name.endswith("}Envelope"):
            fault = Fault(
                code=FaultCode.VERSION_MISMATCH, reason="Only SOAP 1.2 envelopes are understood"
            )
            raise EnvelopeProblem(fault, "/", quoted(name), "a SOAP 1.2 envelope", "SOAP 1.2")
        raise _problem("", where="/", found=quoted(name), expected="a SOAP 1.2 envelope")
    names = [tag_of(child) for child in root]
    if names not in ([f"{{{SOAP}}}Body"], [f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"]):
        found = ", ".join(prefixed(child) for child in names[:4]) or "nothing"
        raise _problem(
            "",
            where="/soap:Envelope",
            found=quoted(found),
            expected="one soap:Body, before it at most one soap:Header",
            rule="SOAP 1.2 part 1, 5.1",
        )
    if len(root[0]) > MAX_HEADERS and len(names) == 2:
        raise _problem(
            "",
            where=path_of(root[0]),
            found=f"{len(root[0])} headers",
            expected=f"at most {MAX_HEADERS}",
        )
    body = root[-1]
    if len(body) != 1:
        raise _problem(
            "", where=path_of(body), found=f"{len(body)} elements", expected="exactly one"
        )
    return (root[0] if len(names) == 2 else None), body[0]


def _is_ours(block: Element) -> bool:
    return (block.get(f"{{{SOAP}}}role") or "").strip() in _OUR_ROLES


def _check_understood(blocks: list[Element], understood: frozenset[str]) -> None:
    strange = tuple(
        tag_of(block)
        for block in blocks
        if tag_of(block) not in understood
        and (block.get(f"{{{SOAP}}}mustUnderstand") or "").strip() in _TRUE
    )
    if strange:
        names = quoted(", ".join(prefixed(name) for name in strange[:4]))
        fault = Fault(
            code=FaultCode.MUST_UNDERSTAND,
            reason=f"Header not understood: {names}",
            headers=strange[:16],
        )
        raise EnvelopeProblem(
            fault, "/soap:Envelope/soap:Header", names, "headers we understand", "SOAP 1.2, 5.2.3"
        )


def _only(blocks: list[Element], tag: str) -> Element | None:
    """The one header of that name, None without one; two could be read differently by two."""
    found = [block for block in blocks if block.tag == tag]
    if len(found) > 1:
        security = tag == SECURITY_HEADER
        raise _problem(
            "wsse:InvalidSecurity" if security else "wsa:InvalidAddressingHeader",
            where="/soap:Envelope/soap:Header",
            found=f"{len(found)} headers {prefixed(tag)}",
            expected="at most one",
            rule="WSS 1.1, 5" if security else "WS-Addressing SOAP Binding 3.2",
            headers=() if security else (tag,),
        )
    return found[0] if found else None


def _relates_to(blocks: list[Element]) -> str:
    """The message this one replies to; other relationships are not ours to follow."""
    replies = [
        block
        for block in blocks
        if block.tag == f"{{{WSA}}}RelatesTo"
        and (block.get("RelationshipType") or REPLY).strip() == REPLY
    ]
    if len(replies) > 1:
        raise _problem(
            "wsa:InvalidAddressingHeader",
            where="/soap:Envelope/soap:Header",
            found=f"{len(replies)} headers wsa:RelatesTo",
            expected="at most one reply",
            rule="WS-Addressing SOAP Binding 3.2",
            headers=(f"{{{WSA}}}RelatesTo",),
        )
    return text_of(replies[0]) if replies else ""


def _problem(
    subcode: str,
    *,
    where: str,
    found: str,
    expected: str,
    rule: str = "",
    headers: tuple[str, ...] = (),
) -> EnvelopeProblem:
    reason = f"{where}: found {found}, expected {expected}"
    fault = Fault(code=FaultCode.SENDER, reason=reason, subcode=subcode, headers=headers)
    return EnvelopeProblem(fault, where, found, expected, rule)


def write_envelope(
    body: bytes,
    *,
    action: str,
    message_id: str = "",
    to: str = "",
    relates_to: str = "",
    reply_to: str = "",
    security: bytes = b"",
) -> bytes:
    """A complete message in UTF-8. `body` and `security` are elements that declare their own
    namespaces, without an XML declaration; they go in as they are. A header given as "" is
    left out: a request should give `message_id`, `to` and `reply_to=ANONYMOUS`, an answer
    `relates_to`."""
    headers = [f'<wsa:Action soap:mustUnderstand="1">{escape_text(action)}</wsa:Action>']
    if message_id:
        headers.append(f"<wsa:MessageID>{escape_text(message_id)}</wsa:MessageID>")
    if relates_to:
        headers.append(f"<wsa:RelatesTo>{escape_text(relates_to)}</wsa:RelatesTo>")
    if to:
        headers.append(f"<wsa:To>{escape_text(to)}</wsa:To>")
    if reply_to:
        address = escape_text(reply_to)
        headers.append(f"<wsa:ReplyTo><wsa:Address>{address}</wsa:Address></wsa:ReplyTo>")
    return _assemble("".join(headers).encode() + security, body)


def _assemble(headers: bytes, body: bytes) -> bytes:
    if body.startswith(b"<?xml"):
        raise EncodeError("the body of an envelope must not bring an XML declaration")
    return b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n',
            f'<soap:Envelope xmlns:soap="{SOAP}" xmlns:wsa="{WSA}"><soap:Header>'.encode(),
            headers,
            b"</soap:Header><soap:Body>",
            body,
            b"</soap:Body></soap:Envelope>",
        )
    )


def write_fault(
    fault: Fault, *, message_id: str = "", relates_to: str = "", action: str = ""
) -> bytes:
    """A complete message that carries a fault. Without `action` it is WS-Addressing's own fault
    action for a wsa subcode, and that for all other faults otherwise (SOAP Binding 6)."""
    is_addressing = fault.subcode.startswith("wsa:")
    action = action or (WSA_FAULT_ACTION if is_addressing else FAULT_ACTION)
    headers = [f'<wsa:Action soap:mustUnderstand="1">{escape_text(action)}</wsa:Action>']
    if message_id:
        headers.append(f"<wsa:MessageID>{escape_text(message_id)}</wsa:MessageID>")
    if relates_to:
        headers.append(f"<wsa:RelatesTo>{escape_text(legal_text(relates_to))}</wsa:RelatesTo>")
    if fault.code is FaultCode.MUST_UNDERSTAND:
        for name in fault.headers:
            headers.append(f"<soap:NotUnderstood {_qname_attribute(name)}/>")
    if fault.code is FaultCode.VERSION_MISMATCH:
        headers.append(
            '<soap:Upgrade><soap:SupportedEnvelope qname="soap:Envelope"/></soap:Upgrade>'
        )
    return _assemble("".join(headers).encode(), _fault_body(fault, is_addressing).encode())


def _fault_body(fault: Fault, is_addressing: bool) -> str:
    pieces = [f"<soap:Fault><soap:Code><soap:Value>soap:{fault.code}</soap:Value>"]
    if fault.subcode:
        prefix = fault.subcode.partition(":")[0]
        uri = _NAMESPACE_OF.get(prefix)
        if uri is None:
            raise EncodeError(f"no namespace is known for the fault subcode {fault.subcode!r}")
        pieces.append(
            f'<soap:Subcode><soap:Value xmlns:{prefix}="{uri}">'
            f"{escape_text(fault.subcode)}</soap:Value></soap:Subcode>"
        )
    reason = escape_text(legal_text(fault.reason)) or "no reason given"
    pieces.append(
        f'</soap:Code><soap:Reason><soap:Text xml:lang="en">{reason}</soap:Text></soap:Reason>'
    )
    if is_addressing and fault.headers:
        pieces.append("<soap:Detail>")
        for name in fault.headers:
            pieces.append(f"<wsa:ProblemHeaderQName>{prefixed(name)}</wsa:ProblemHeaderQName>")
        pieces.append("</soap:Detail>")
    pieces.append("</soap:Fault>")
    return "".join(pieces)


def _qname_attribute(clark: str) -> str:
    uri, _, local = clark[1:].partition("}") if clark.startswith("{") else ("", "", clark)
    if not uri:
        return f'qname="{escape_attr(local)}"'
    return f'qname="n:{escape_attr(local)}" xmlns:n="{escape_attr(uri)}"'


def read_fault(envelope: Envelope) -> Fault | None:
    """The fault a message carries, None when its body is something else.

    A code we do not know reads as RECEIVER: blame without a name is the other side's.
    """
    body = envelope.body
    if body.tag != f"{{{SOAP}}}Fault":
        return None
    value = _qualified(body.find(f"{{{SOAP}}}Code/{{{SOAP}}}Value"))
    local = value.removeprefix("soap:")
    code = FaultCode(local) if local in set(FaultCode) else FaultCode.RECEIVER
    subcode = body.find(f"{{{SOAP}}}Code/{{{SOAP}}}Subcode/{{{SOAP}}}Value")
    texts = body.findall(f"{{{SOAP}}}Reason/{{{SOAP}}}Text")
    texts.sort(key=lambda text: not (text.get(f"{{{XML}}}lang") or "").lower().startswith("en"))
    return Fault(
        code=code,
        reason=text_of(texts[0]) if texts else "",
        subcode=_qualified(subcode),
    )


def _qualified(element: Element | None) -> str:
    """A QName in text with our own prefix for its namespace, or as it stands."""
    if element is None:
        return ""
    text = text_of(element)
    prefix, colon, local = text.rpartition(":")
    uri = element.nsmap.get(prefix if colon else None)
    return prefixed(f"{{{uri}}}{local}") if uri in PREFIXES else text


def simple_content_type(action: str) -> str:
    """The Content-Type of a message without attachments (RFC 3902), in both directions."""
    return f"application/soap+xml; charset=UTF-8; action={quote_parameter(action)}"


def quote_parameter(value: str) -> str:
    """A value as a quoted string of a MIME header; `EncodeError` if no header can carry it."""
    if not value.isascii() or not value.isprintable():
        raise EncodeError(f"a header parameter cannot carry {value!r}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_PARAMETER: Final = re.compile(
    r"""
    \s*+ ([^\s=;"]++) \s*+ = \s*+ (?: "((?: [^"\\] | \\. )*+)"? | ([^;]*+) )  # a name and its value
    | [^;]++  # or what is none, passed over whole
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """The media type in lower case and the parameters, names in lower case, values unquoted.

    Never fails: what is no parameter is passed over; of a repeated parameter the first counts.
    """
    media_type, _, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for name, in_quotes, bare in _PARAMETER.findall(rest):
        if name:
            text = _ESCAPED.sub(r"\1", in_quotes) if in_quotes else bare.strip()
            parameters.setdefault(name.lower(), text)
    return media_type.strip().lower(), parameters
