"""Which format an answer is written in and a body is read in: Accept, `_format`, Content-Type.

Not HTTP: the headers are arguments, and which status an error becomes is the transport's affair
(`NotAcceptable` 406, `UnsupportedMediaType` 415). Answers are always UTF-8, so `Accept-Charset` is
nobody's business here. Clauses: FHIR R4 http.html#mime-type, RFC 9110 12.5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.domain import BadRequest, Refusal
from gateway.wire.fhir.resources import Format
from gateway.wire.xml import quoted

__all__ = ["NotAcceptable", "UnsupportedMediaType", "answer_format", "request_format"]


class NotAcceptable(BadRequest):
    """No format the asker takes is one we write; HTTP 406."""


class UnsupportedMediaType(BadRequest):
    """A body in a format we do not read, or in none that is named; HTTP 415."""


_TYPES: Final[dict[str, Format]] = {
    "application/fhir+json": Format.JSON,
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "application/json+fhir": Format.JSON,  # DSTU2, still sent
    "application/fhir+xml": Format.XML,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
    "application/xml+fhir": Format.XML,
}
_PARTIAL: Final = ("application/*", "text/*")
_EVERYTHING: Final = ("*/*", "*")  # java.net.HttpURLConnection writes a lone star
_BROWSER: Final = "text/html"  # gets JSON: no HTML is ever made of a patient's data
_SHORT: Final[dict[str, Format]] = {"json": Format.JSON, "xml": Format.XML}
_VERSIONS: Final = ("4.0", "4.3")
_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")
# Characters of a quoted string never separate.
_ITEM: Final = re.compile(r'(?:[^,"]++|"(?:[^"\\]++|\\.)*+"?)++')
_PARAMETER: Final = re.compile(r';\s*([^\s;=,"]++)\s*=\s*("(?:[^"\\]++|\\.)*+"|[^\s;,"]*+)')
_QUALITY: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _MediaRange:
    """One item of an Accept header, or a Content-Type: the type, its version, its weight."""

    type: str
    quality: float
    version: str
    charset: str

    @property
    def is_offered(self) -> bool:
        """Whether the version asked for is the one we have, or none is asked for."""
        return not self.version or ".".join(self.version.split(".")[:2]) in _VERSIONS


def answer_format(accept: str, format_parameter: str = "") -> Format:
    """The format to answer in; `NotAcceptable` when there is none that fits.

    `accept` is the header, several joined by commas, "" for none; `format_parameter` the value of
    `_format`, decoded, which wins over the header. Its "+" may have become a space on the way. An
    item of the header whose weight cannot be read counts as not there. Equal weights give JSON.
    """
    wanted = format_parameter.strip()
    if wanted:
        return _named_format(wanted)
    items = [_read(item) for item in _ITEM.findall(accept) if item.strip()]
    if not items:
        return Format.JSON
    weights = {format: _weight(items, format) for format in Format}
    best = max(Format, key=lambda format: weights[format])  # the first of equals: JSON
    if not weights[best]:
        raise NotAcceptable(
            Refusal.UNSUPPORTED,
            f"Accept: {quoted(accept)}; offered are FHIR R4 as JSON and XML",
            subject="Accept",
        )
    return best


def document_form(accept: str, native: str) -> Format | None:
    """How a document goes out: None for its own bytes, a format for a Binary resource around them.

    Its own bytes unless FHIR is asked for by name and liked better (FHIR R4 binary.html); of a
    document that is FHIR itself there is nothing but the bytes. `NotAcceptable` when neither fits.
    """
    items = [_read(item) for item in _ITEM.findall(accept) if item.strip()]
    if not items:
        return None
    whole, _, _ = native.partition("/")
    ranges = (native, f"{whole}/*", "*/*")
    own = next(
        (
            max(item.quality for item in items if item.type == wanted)
            for wanted in ranges
            if any(item.type == wanted for item in items)
        ),
        0.0,
    )
    wrapped = {
        format: max(
            (item.quality for item in items if _TYPES.get(item.type) is format and item.is_offered),
            default=0.0,
        )
        for format in Format
    }
    best = max(Format, key=lambda format: wrapped[format])
    if own and own >= wrapped[best]:
        return None
    if wrapped[best] and native not in _TYPES:
        return best
    if own or (native in _TYPES and wrapped[_TYPES[native]]):
        return None
    raise NotAcceptable(
        Refusal.UNSUPPORTED,
        f"Accept: {quoted(accept)}; offered is {native}"
        + ("" if native in _TYPES else ", or a FHIR Binary around it"),
        subject="Accept",
    )


def request_format(content_type: str) -> Format:
    """The format of a request's body by its Content-Type; `UnsupportedMediaType` for others.

    So for no Content-Type at all, another version than R4, and another charset than UTF-8.
    """
    found = _read(content_type)
    format = _TYPES.get(found.type)
    if format is None or not found.is_offered or found.charset not in _CHARSETS:
        raise UnsupportedMediaType(
            Refusal.UNSUPPORTED,
            f"Content-Type: {quoted(content_type) or 'none'}; read are FHIR R4 as JSON and XML"
            " in UTF-8",
            subject="Content-Type",
        )
    return format


def _named_format(wanted: str) -> Format:
    found = _read(wanted)
    name = found.type.replace(" ", "+")
    format = _SHORT.get(name) or _TYPES.get(name)
    if format is None or not found.is_offered:
        raise NotAcceptable(
            Refusal.UNSUPPORTED,
            f"_format={quoted(wanted)}; offered are json and xml in FHIR R4",
            subject="_format",
        )
    return format


def _weight(items: list[_MediaRange], format: Format) -> float:
    """What a format is worth to the asker: its own name counts before any range over it."""
    exact = [item for item in items if _TYPES.get(item.type) is format]
    if format is Format.JSON:
        exact += [item for item in items if item.type == _BROWSER]
    partial = [item for item in items if item.type in _PARTIAL]
    everything = [item for item in items if item.type in _EVERYTHING]
    for group in (exact, partial, everything):
        if group:
            return max(item.quality if item.is_offered else 0.0 for item in group)
    return 0.0


def _read(text: str) -> _MediaRange:
    type_, _, _ = text.partition(";")
    parameters = {
        name.lower(): value.strip('"').strip().lower()
        for name, value in _PARAMETER.findall(text, len(type_))
    }
    quality = parameters.get("q", "1")
    return _MediaRange(
        type=type_.strip().lower(),
        quality=float(quality) if _QUALITY.fullmatch(quality) else 0.0,
        version=parameters.get("fhirversion", ""),
        charset=parameters.get("charset", ""),
    )
