"""Messages made readable: indented XML, sizes, rates, durations, and who signed what.

What is shown is for people; the bytes as they were lie in the files beside the report. Messages
come from peers and are hostile: whatever cannot be parsed is shown as it is.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from lxml import etree

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
# Beyond this a message is cut for showing, and says so: a report must open on a phone.
MAX_SHOWN_CHARACTERS = 120_000
MAX_PARSED_CHARACTERS = 4_000_000
# A text this long within an element is base64 of something; its beginning is enough to see that.
MAX_TEXT_CHARACTERS = 1_200
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Shown:
    """A text to show; `cut` says in words what was left out, "" when nothing was."""

    text: str
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """An assertion as its message shows it: who issued it, about whom, signed with what."""

    issuer: str
    subject: str
    signer: str
    until: str


def readable_xml(text: str) -> Shown:
    """XML indented, long texts shortened; anything else as it is."""
    root = _parse(text)
    if root is None:
        return _cut(text)
    shortened = 0
    for element in root.iter(etree.Element):
        if element.text and len(element.text) > MAX_TEXT_CHARACTERS:
            left = len(element.text) - 80
            element.text = f"{element.text[:80]} … {left} more characters"
            shortened += 1
    etree.indent(root, "  ")
    shown = _cut(etree.tostring(root, encoding="unicode"))
    words = [f"{shortened} long text(s) shortened"] if shortened else []
    return Shown(shown.text, "; ".join([*words, *([shown.cut] if shown.cut else [])]))


def readable_json(value: Any) -> Shown:
    """JSON indented."""
    return _cut(json.dumps(value, indent=2, ensure_ascii=False))


def signatures(text: str) -> tuple[Signature, ...]:
    """The assertions in a message, as the message tells them; nothing is verified here."""
    root = _parse(text)
    if root is None:
        return ()
    found = []
    for assertion in root.iter(SAML + "Assertion"):
        conditions = assertion.find(SAML + "Conditions")
        certificate = assertion.findtext(f"{DS}Signature//{DS}X509Certificate") or ""
        signed = assertion.find(DS + "Signature") is not None
        found.append(
            Signature(
                issuer=(assertion.findtext(SAML + "Issuer") or "").strip(),
                subject=(assertion.findtext(f"{SAML}Subject/{SAML}NameID") or "").strip(),
                signer=_subject(certificate) if signed else "not signed",
                until=str(conditions.get("NotOnOrAfter", "")) if conditions is not None else "",
            )
        )
    return tuple(found)


def readable_bytes(size: int) -> str:
    """A size with three significant digits: 999 B, 1.23 kB, 45.6 MB."""
    value, unit = float(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{size} B" if unit == 0 else f"{value:#.3g}".rstrip(".") + f" {_UNITS[unit]}"


def readable_seconds(seconds: float) -> str:
    """A duration: 12 ms, 1.35 s, 4 min 05 s."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def readable_rate(size: int, seconds: float) -> str:
    """Bytes over time in Mbit/s; "" where either is nothing."""
    if size <= 0 or seconds <= 0:
        return ""
    megabits = size * 8 / seconds / 1e6
    return f"{megabits:.2f} Mbit/s" if megabits < 10 else f"{megabits:.0f} Mbit/s"


def _parse(text: str) -> etree._Element | None:
    if not text.lstrip().startswith("<") or len(text) > MAX_PARSED_CHARACTERS:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    # A document type has no place in these messages; as text it does no harm.
    return None if root.getroottree().docinfo.doctype else root


def _subject(certificate: str) -> str:
    try:
        der = base64.b64decode("".join(certificate.split()), validate=True)
        return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except (binascii.Error, ValueError):
        return "a certificate that cannot be read"


def _cut(text: str) -> Shown:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return Shown(text)
    return Shown(
        text[:MAX_SHOWN_CHARACTERS],
        f"the first {MAX_SHOWN_CHARACTERS} of {len(text)} characters",
    )
