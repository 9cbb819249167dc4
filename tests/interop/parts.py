"""MTOM taken apart by the standard library's mail parser, which shares nothing with our reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from urllib.parse import unquote

from lxml import etree

from tests.interop.judges import NS, Element


@dataclass(frozen=True)
class TakenApart:
    """An answer: the envelope, and the parts beside it by the href that stands for them."""

    envelope: Element
    parts: Mapping[str, bytes]

    def content(self, holder: Element) -> bytes:
        """The bytes an element stands for by XOP."""
        include = holder.find("xop:Include", NS)
        assert include is not None
        return self.parts[str(include.get("href"))]


def take_apart(content_type: str, body: bytes) -> TakenApart:
    """An answer of either encoding; asserts that an MTOM one keeps to RFC 2387 and XOP 1.0."""
    if not content_type.startswith("multipart/"):
        return TakenApart(etree.fromstring(body), {})
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(_class=EmailMessage, policy=policy.HTTP).parsebytes(head + body)
    assert message.defects == []
    assert message.get_param("type") == "application/xop+xml"
    assert message.get_param("start-info") == "application/soap+xml"
    found = list(message.iter_parts())
    assert all(part.defects == [] for part in found)
    root = found[0]
    assert root["Content-ID"] == message.get_param("start")
    assert root.get_content_type() == "application/xop+xml"
    assert root.get_param("type") == "application/soap+xml"
    envelope = etree.fromstring(_content(root))
    named = {str(part["Content-ID"]): _content(part) for part in found[1:]}
    includes = [str(each.get("href")) for each in envelope.iterfind(".//xop:Include", NS)]
    parts = {href: named[f"<{unquote(href.removeprefix('cid:'))}>"] for href in includes}
    assert len(parts) == len(named), "a part nothing stands for"
    return TakenApart(envelope, parts)


def _content(part: object) -> bytes:
    assert isinstance(part, EmailMessage)
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data
