"""One hardened XML parser, the namespaces, canonical form, and text that is safe to write.

Not a schema validator and not an XML signature: it only guards what every XML of a peer has in
common. The parser never fetches anything, never expands an entity, and refuses a DOCTYPE as SOAP
demands (SOAP 1.2 part 1, 5). Comments and processing instructions are dropped, so that text is
never cut in two by one.

Limits are enforced in time linear in the size of the message. What is cheap to count in the bytes
is counted before the parser runs; depth is the parser's own limit; attributes are counted in the
tree, which libxml2 2.14 builds in linear time. So that the count sees what the parser sees, every
message is brought to UTF-8 first, from a short list of encodings.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from lxml import etree

from gateway.wire.problems import DecodeError, EncodeError

Element: TypeAlias = etree._Element

SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
WSA: Final = "http://www.w3.org/2005/08/addressing"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EC: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
XOP: Final = "http://www.w3.org/2004/08/xop/include"
HL7: Final = "urn:hl7-org:v3"
QUERY: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
RIM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
RS: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
LCM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
XDSB: Final = "urn:ihe:iti:xds-b:2007"
XDSI: Final = "urn:ihe:rad:xdsi-b:2009"
XCPD: Final = "urn:ihe:iti:xcpd:2009"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
XML: Final = "http://www.w3.org/XML/1998/namespace"

PREFIXES: Final[dict[str, str]] = {
    SOAP: "soap",
    WSA: "wsa",
    WSSE: "wsse",
    WSU: "wsu",
    SAML: "saml2",
    DS: "ds",
    EC: "ec",
    XOP: "xop",
    HL7: "hl7",
    QUERY: "query",
    RIM: "rim",
    RS: "rs",
    LCM: "lcm",
    XDSB: "xdsb",
    XDSI: "xdsi",
    XCPD: "xcpd",
    XSI: "xsi",
    XML: "xml",
}

# An answer of 500 documents is 3 MB; 64 MiB leaves room for inline base64 and bounds the tree.
MAX_XML_BYTES: Final = 64 * 1024 * 1024
# libxml2's own limit; SAML inside SOAP and HL7 v3 stay below 40.
MAX_DEPTH: Final = 256
# Exclusive C14N is worse than linear in attributes of one element; no schema here has over 20.
MAX_ATTRIBUTES: Final = 256
# Peers that paste fragments repeat declarations on each of thousands of documents.
MAX_NAMESPACES: Final = 20_000
# All that any element of a real message declares is below 20; looking one up costs their number.
MAX_NAMESPACES_ON_ELEMENT: Final = 64
# Some 120 bytes of memory each; 5,000 documents in one answer need 600,000.
MAX_ELEMENTS: Final = 1_000_000
# Comments and processing instructions together: dropped, so they only cost.
MAX_COMMENTS: Final = 10_000
# Found text quoted in an error: enough to recognise, too little to carry a record.
MAX_QUOTED: Final = 160

# Names of encodings a message may use, and the codec that reads each. All of them write "<" so
# that nothing can hide from the scans below once the text is UTF-8.
_CODECS: Final[dict[str, str]] = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
_BYTE_ORDER_MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", ""),  # UTF-32 is not offered
    (b"\x00\x00\xfe\xff", ""),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\x00", "utf-16-le"),  # without a mark; the first character can only be "<"
    (b"\x00<", "utf-16-be"),
)
_DECLARED: Final = re.compile(
    rb"""^<\?xml[ \t\r\n][^<>]{0,200}?"""
    rb"""encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._:-]{1,40})["']"""
)
_WHITE: Final = b" \t\r\n"
_BLANKS: Final = re.compile(rb"[ \t\r\n]*+")
# The rest of a tag behind its "<"; a ">" may stand inside a value.
_TAG: Final = re.compile(rb"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+""")

_TOO_MANY_ATTRIBUTES: Final = etree.XPath(f"boolean(//*/@*[{MAX_ATTRIBUTES + 1}])")
# Level by level: linear, where counting the ancestors of each element is not.
_TOO_DEEP: Final = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")
_STRING: Final = etree.XPath("string()", smart_strings=False)

_ILLEGAL = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_ILLEGAL_CHARACTER: Final = re.compile(_ILLEGAL)
_TEXT_SPECIAL: Final = re.compile("[&<>\r]|" + _ILLEGAL)
_ATTR_SPECIAL: Final = re.compile('[&<>"\r\n\t]|' + _ILLEGAL)
_REPLACEMENTS: Final[dict[str, str]] = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\r": "&#13;",
    "\n": "&#10;",
    "\t": "&#9;",
}


def parse_xml(
    data: bytes,
    *,
    max_bytes: int = MAX_XML_BYTES,
    where: str = "message",
    encoding: str = "",
    large_text: bool = False,
) -> Element:
    """The root element of a well-formed, harmless document; everything else is a `DecodeError`.

    `encoding` is the charset parameter of the Content-Type and wins over the XML declaration
    (RFC 7303, 3); a byte order mark wins over both. `large_text` admits text of more than 10 MB,
    for a peer that sends documents as inline base64; every other limit stays.
    """
    if len(data) > max_bytes:
        raise DecodeError(where, f"{len(data)} bytes", f"at most {max_bytes} bytes")
    text = _as_utf8(data, encoding, where)
    _refuse_doctype(text, where)
    _count_markup(text, where)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=large_text,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise DecodeError(where, quoted(str(error)), "well-formed XML", "XML 1.0") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DecodeError(where, "a DOCTYPE", "none", "SOAP 1.2 part 1, 5")
    if _TOO_MANY_ATTRIBUTES(root):
        raise DecodeError(
            where, f"an element with more than {MAX_ATTRIBUTES} attributes", "fewer attributes"
        )
    if large_text and _TOO_DEEP(root):
        raise DecodeError(where, f"elements nested more than {MAX_DEPTH} deep", "a flatter tree")
    return root


def _as_utf8(data: bytes, encoding: str, where: str) -> bytes:
    """The document in UTF-8 without a mark or blanks before it, whatever it came in."""
    for mark, codec in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            name = codec or "utf-32"
            break
    else:
        declared = _DECLARED.match(data[:300])
        named = encoding.strip() or (declared[1].decode("ascii") if declared else "utf-8")
        codec = _CODECS.get(named.lower(), "")
        name = named
    if not codec:
        raise DecodeError(where, f"encoding {quoted(name)}", "UTF-8")
    if codec == "utf-8":
        return data.removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
    try:
        return data.decode(codec).removeprefix("\ufeff").encode("utf-8").lstrip(_WHITE)
    except UnicodeError as error:
        raise DecodeError(where, f"bytes that are not {quoted(name)}", "text") from error


def _refuse_doctype(text: bytes, where: str) -> None:
    """Walk over the prolog, the only place of a DOCTYPE, and refuse one there."""
    at, size = 0, len(text)
    while at < size:
        blanks = _BLANKS.match(text, at)
        at = blanks.end() if blanks else at
        if text.startswith(b"<?", at):
            end = text.find(b"?>", at)
            at = size if end < 0 else end + 2
        elif text.startswith(b"<!--", at):
            end = text.find(b"-->", at + 4)
            at = size if end < 0 else end + 3
        elif text.startswith(b"<!", at):
            raise DecodeError(where, "a DOCTYPE", "none", "SOAP 1.2 part 1, 5")
        else:
            return


def _count_markup(text: bytes, where: str) -> None:
    """Limits that a count of bytes decides: elements, comments, namespace declarations."""
    comments = text.count(b"<!--") + text.count(b"<?")
    if comments > MAX_COMMENTS:
        raise DecodeError(where, f"{comments} comments", f"at most {MAX_COMMENTS}")
    elements = text.count(b"<") - text.count(b"</")
    if elements > MAX_ELEMENTS:
        raise DecodeError(where, f"{elements} elements", f"at most {MAX_ELEMENTS}")
    namespaces = text.count(b"xmlns")
    if namespaces > MAX_NAMESPACES:
        raise DecodeError(
            where, f"{namespaces} namespace declarations", f"at most {MAX_NAMESPACES}"
        )
    if namespaces > MAX_NAMESPACES_ON_ELEMENT:
        most = max(_declarations(piece) for piece in text.split(b"<"))
        if most > MAX_NAMESPACES_ON_ELEMENT:
            raise DecodeError(
                where,
                f"{most} namespace declarations on one element",
                f"at most {MAX_NAMESPACES_ON_ELEMENT}",
            )


def _declarations(piece: bytes) -> int:
    """Namespace declarations in what lies between two "<": one tag, and text behind it."""
    count = piece.count(b"xmlns")
    if count <= MAX_NAMESPACES_ON_ELEMENT:
        return count
    tag = _TAG.match(piece)
    return tag[0].count(b"xmlns") if tag else count


def quoted(text: str) -> str:
    """Text of a peer made fit for an error message: short, on one line, printable."""
    short = text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(short.split()))


def tag_of(element: Element) -> str:
    """The element's name as `{uri}local`; a plain string in a tree without comments."""
    return str(element.tag)


def name_of(element: Element) -> str:
    """The element's name with the prefix by which we know its namespace: `soap:Body`."""
    return prefixed(tag_of(element))


def prefixed(clark: str) -> str:
    """`{uri}local` with the prefix by which we know the namespace; as it is when unknown."""
    if not clark.startswith("{"):
        return clark
    uri, _, local = clark[1:].partition("}")
    prefix = PREFIXES.get(uri)
    return f"{prefix}:{local}" if prefix else clark


def path_of(element: Element) -> str:
    """Where an element stands, for error texts: `/soap:Envelope/soap:Body/rim:Slot[2]`."""
    steps: list[str] = []
    node: Element | None = element
    while node is not None:
        before = sum(1 for _ in node.itersiblings(tag_of(node), preceding=True))
        steps.append(f"{name_of(node)}[{before + 1}]" if before else name_of(node))
        node = node.getparent()
    return "/" + "/".join(reversed(steps))


def canonical(element: Element) -> bytes:
    """Exclusive canonical XML without comments (W3C xml-exc-c14n), of this element alone.

    `DecodeError` where there is none: a namespace that is not an absolute URI, say.
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except etree.C14NError as error:
        raise DecodeError(
            path_of(element), "a tree without canonical form", "absolute namespaces", "C14N 1.0, 4"
        ) from error


def text_of(element: Element | None) -> str:
    """The whole text of an element and what it contains, stripped; "" for None. Linear time."""
    if element is None:
        return ""
    if len(element) == 0:
        return (element.text or "").strip()
    text: str = _STRING(element)
    return text.strip()


def escape_text(text: str) -> str:
    """Text as the content of an element; `EncodeError` on a character XML 1.0 cannot carry."""
    return _TEXT_SPECIAL.sub(_replace, text) if _TEXT_SPECIAL.search(text) else text


def escape_attr(text: str) -> str:
    """Text as an attribute value between double quotes; `EncodeError` as in `escape_text`."""
    return _ATTR_SPECIAL.sub(_replace, text) if _ATTR_SPECIAL.search(text) else text


def legal_text(text: str) -> str:
    """Text with every character XML 1.0 cannot carry replaced by U+FFFD, for error answers."""
    return _ILLEGAL_CHARACTER.sub("\ufffd", text)


def _replace(found: re.Match[str]) -> str:
    character = found[0]
    try:
        return _REPLACEMENTS[character]
    except KeyError:
        raise EncodeError(f"XML cannot carry the character U+{ord(character):04X}") from None
