"""The text of a section: from plain text to XHTML and back, and what entries read as.

Plain text is written so that it comes back character by character; beside it stands what is made
of the entries, marked as such and passed over on reading, for the entries say it themselves. The
XHTML of others is read as a browser shows it, roughly: blocks and rows as lines, white space as one
blank. Not a sanitiser. Clauses: FHIR R4 narrative.html; composition.html, section.text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.wire.fhir.resources import Json
from gateway.wire.fhir.xhtml import XHTML
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, escape_attr, escape_text, parse_xml, tag_of

GENERATED: Final = "generated"  # the class of what is made of entries
_KEPT: Final = "white-space: pre-wrap"
_PREFIX: Final = f"{{{XHTML}}}"
_BLOCKS: Final = ("p", "div", "li", "tr", "table", "ul", "ol", "dl", "dt", "dd", "br", "hr")
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote")
_LINES: Final = frozenset(f"{_PREFIX}{name}" for name in (*_BLOCKS, *_HEADINGS))
_CELLS: Final = frozenset(f"{_PREFIX}{name}" for name in ("td", "th"))
# What of a resource a person reads, in this order; the rest is for machines.
_TOLD: Final = (
    "identifier",
    "code",
    "type",
    "description",
    "medicationReference",
    "reasonCode",
    "bodySite",
    "modality",
    "started",
    "authoredOn",
    "performedDateTime",
    "performedPeriod",
    "effectiveDateTime",
    "effectivePeriod",
    "onsetDateTime",
    "method",
    "valueString",
    "valueQuantity",
    "valueCodeableConcept",
    "interpretation",
    "stage",
    "event",
    "reaction",
    "note",
)
_MAX_TOLD: Final = 2000  # characters of one entry's line


def narrative(text: str, *, told: tuple[str, ...] = (), language: str = "") -> Json:
    """A Narrative of plain text, and of lines that were made of entries."""
    kept = f'<p style="{_KEPT}">{escape_text(text)}</p>' if text else ""
    items = "".join(f"<li>{escape_text(line)}</li>" for line in told)
    made = f'<ul class="{GENERATED}">{items}</ul>' if items else ""
    marked = f' lang="{escape_attr(language)}" xml:lang="{escape_attr(language)}"'
    return {
        "status": "additional" if text else "generated",
        "div": f'<div xmlns="{XHTML}"{marked if language else ""}>{kept}{made}</div>',
    }


def made_narrative(line: str) -> Json:
    """A Narrative of a line that nobody wrote, and that is not read back."""
    return narrative("", told=(line,))


def read_narrative(json: Json, where: str) -> str:
    """The plain text of a Narrative, "" where all of it was made of entries.

    Raises `DecodeError` for a div that is no XHTML.
    """
    div = json.get("div", "")
    if not isinstance(div, str) or not div:
        return ""
    place = f"{where}.div"
    try:
        root = parse_xml(div.encode(), where=place)
    except UnicodeEncodeError:
        raise DecodeError(place, "a lone surrogate", "XHTML", "FHIR R4 narrative") from None
    kept = [one for one in root.iter() if _KEPT in (one.get("style") or "")]
    if kept:
        return "\n".join("".join(map(str, one.itertext())) for one in kept)
    lines = "".join(_shown(root)).split("\n")
    return "\n".join(line for one in lines if (line := " ".join(one.split())))


def _shown(element: Element) -> Iterator[str]:
    """The text below an element, a line break around blocks, a blank between cells."""
    if element.get("class") == GENERATED:
        return
    tag = tag_of(element)
    if tag in _LINES:
        yield "\n"
    yield " ".join((element.text or "").split("\n"))
    for child in element:
        yield from _shown(child)
        yield " ".join((child.tail or "").split("\n"))
    if tag in _CELLS:
        yield " "
    elif tag in _LINES:
        yield "\n"


def told_of(resource: Json) -> str:
    """A line that tells a resource to people: its type, and what its main elements say."""
    parts = [word for key in _TOLD for word in _words(resource.get(key))]
    told = "; ".join(dict.fromkeys(parts))[:_MAX_TOLD]
    kind = str(resource.get("resourceType", ""))
    return f"{kind}: {told}" if told else kind


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _words(one)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _object_words(value)


def _object_words(value: Json) -> Iterator[str]:
    if "text" in value and isinstance(value["text"], str):
        yield value["text"]
    elif isinstance(value.get("coding"), list):
        for coding in value["coding"][:1]:
            yield from _words(coding.get("display") or coding.get("code"))
    elif "unit" in value or ("value" in value and not isinstance(value["value"], str)):
        yield f"{value.get('value', '')} {value.get('unit', value.get('code', ''))}".strip()
    elif "value" in value:
        yield str(value["value"])
    elif "start" in value or "end" in value:
        yield f"{value.get('start', '')} – {value.get('end', '')}".strip()
    elif "display" in value:
        yield from _words(value["display"])
    else:
        # A backbone element, such as a reaction or a stage.
        for inner in value.values():
            if isinstance(inner, dict | list):
                yield from _words(inner)
