"""The values of a clinical document, both ways: identifiers, codes, concepts, moments, quantities.

A concept is a CD: its first code, what was said in words as original text, further codes as
translations; one of words alone has a null flavour. A quantity is a PQ whose unit is UCUM, with
what was printed beside it where that differs; one of which the uncertainty is known is a PPD_PQ.
Values that cannot be read are left out: none of them decides whether a report can be read.
Clause: HL7 V3 data types release 1, XML implementation technology.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from gateway.domain.codes import SCT, Code
from gateway.domain.ids import DocumentId, InvalidIdentifier, Oid, Uid
from gateway.domain.report_parts import BodySite, Concept, LocalId, Period, Quantity
from gateway.domain.times import InvalidTime, Precision, Timestamp
from gateway.wire.cda.elements import all_of, attribute, element, one_of, worded, words_at
from gateway.wire.xml import XSI, Element

UCUM: Final = "2.16.840.1.113883.6.8"
ACT_CODES: Final = "2.16.840.1.113883.5.4"
ASSERTION: Final = Code("ASSERTION", ACT_CODES)  # what is so is said by the value
LATERALITY: Final = Code("272741003", SCT, "Laterality")
UNKNOWN: Final = {"nullFlavor": "NI"}
MAX_DIGITS: Final = 40  # of a quantity; no measurement has as many

_TYPE = f"{{{XSI}}}type"


def is_oid(text: str) -> bool:
    """Whether a text can be the root of an identifier."""
    try:
        Oid(text)
    except InvalidIdentifier:
        return False
    return True


# --- identifiers ----------------------------------------------------------------------------------


def write_id(value: str, authority: str = "", *, tag: str = "id") -> str:
    """An II: the OID of who assigned it as root, a name of them as a name."""
    rooted = is_oid(authority)
    attributes = {
        "root": authority if rooted else "",
        "extension": value,
        "assigningAuthorityName": "" if rooted else authority,
    }
    return element(tag, attributes if any(attributes.values()) else UNKNOWN)


def read_id(found: Element | None) -> tuple[str, str]:
    """The value and the authority of an II, "" each where it is not."""
    authority = attribute(found, "root") or attribute(found, "assigningAuthorityName")
    return attribute(found, "extension"), authority


def write_document_id(tag: str, document: DocumentId) -> str:
    """The id of a document: `oid`, `oid^extension`, or whatever else it is as an extension."""
    root, _, extension = document.partition("^")
    if is_oid(root):
        return element(tag, {"root": root, "extension": extension})
    return element(tag, {"nullFlavor": "OTH", "extension": str(document)})


def read_document_id(found: Element | None) -> DocumentId | None:
    """The id of a document, None where there is none that could be used."""
    parts = (attribute(found, "root"), attribute(found, "extension"))
    try:
        return DocumentId("^".join(part for part in parts if part))
    except InvalidIdentifier:
        return None


def write_uid(uid: Uid | None) -> str:
    """A DICOM UID as an II of a root alone."""
    return element("id", {"root": str(uid)} if uid else UNKNOWN)


def read_uid(found: Element | None) -> Uid | None:
    """The DICOM UID of an II of a root alone."""
    try:
        return None if attribute(found, "extension") else Uid(attribute(found, "root") or "-")
    except InvalidIdentifier:
        return None


def read_local_ids(parent: Element | None) -> tuple[LocalId, ...]:
    """Every identifier below that has a value."""
    pairs = (read_id(found) for found in all_of(parent, "id"))
    return tuple(LocalId(value=value, authority=authority) for value, authority in pairs if value)


# --- codes ----------------------------------------------------------------------------------------


def _coded(code: Code) -> dict[str, str]:
    rooted = is_oid(code.scheme)
    return {
        "code": code.value,
        "codeSystem": code.scheme if rooted else "",
        "codeSystemName": "" if rooted else code.scheme,
        "displayName": code.display,
    }


def write_code(tag: str, code: Code, *inside: str) -> str:
    """A coded value."""
    return element(tag, _coded(code), *inside)


def read_code(found: Element | None) -> Code | None:
    """The code of a coded value, None where it has none."""
    value = attribute(found, "code")
    if not value:
        return None
    scheme = attribute(found, "codeSystem") or attribute(found, "codeSystemName")
    return Code(value, scheme, attribute(found, "displayName"))


def write_concept(tag: str, concept: Concept | None, *, kind: str = "", inside: str = "") -> str:
    """A concept; `kind` is the data type where the schema leaves it open, `inside` qualifiers."""
    typed = {"xsi:type": kind}
    if concept is None:
        return element(tag, typed | UNKNOWN)
    first, rest = concept.codes[:1], concept.codes[1:]
    coded = _coded(first[0]) if first else {"nullFlavor": "OTH"}
    return element(
        tag,
        typed | coded,
        worded("originalText", concept.text),
        inside,
        *(write_code("translation", code) for code in rest),
    )


def write_concepts(tag: str, concepts: Iterable[Concept | None]) -> str:
    """Those concepts that are there."""
    return "".join(write_concept(tag, concept) for concept in concepts if concept is not None)


def read_concept(found: Element | None) -> Concept | None:
    """The concept of a coded value, None where nothing is said."""
    if found is None:
        return None
    codes = (read_code(one) for one in (found, *all_of(found, "translation")))
    concept = Concept(
        text=words_at(found, "originalText"), codes=tuple(code for code in codes if code)
    )
    return concept if concept != Concept() else None


def read_concepts(parent: Element | None, path: str) -> tuple[Concept, ...]:
    """Every concept at a path."""
    found = (read_concept(one) for one in all_of(parent, path))
    return tuple(concept for concept in found if concept is not None)


def qualifier(name: Code, value: str) -> str:
    """What makes a concept narrower; `value` is an element of that name."""
    return element("qualifier", {}, write_code("name", name), value)


def qualified(found: Element | None, name: Code) -> list[Element]:
    """The values of the qualifiers of a name."""
    return [
        value
        for one in all_of(found, "qualifier")
        if (code := read_code(one_of(one, "name"))) is not None and code.means(name)
        for value in all_of(one, "value")
    ]


def write_site(site: BodySite | None) -> str:
    """A place of the body, its side as a qualifier."""
    if site is None:
        return ""
    side = ""
    if site.laterality is not None:
        side = qualifier(LATERALITY, write_concept("value", site.laterality))
    return write_concept("targetSiteCode", site.location, inside=side)


def read_site(found: Element) -> BodySite | None:
    """The place an element names, None where it names none."""
    location = read_concept(found)
    sides = (read_concept(value) for value in qualified(found, LATERALITY))
    if location is None:
        return None
    return BodySite(location=location, laterality=next((one for one in sides if one), None))


def read_sites(parent: Element | None) -> tuple[BodySite, ...]:
    """The places an act is about."""
    found = (read_site(one) for one in all_of(parent, "targetSiteCode"))
    return tuple(site for site in found if site is not None)


# --- moments --------------------------------------------------------------------------------------


def stamp(moment: Timestamp) -> str:
    """A moment as TS, in UTC where hours are known, with the digits that are."""
    return moment.dtm + ("+0000" if moment.precision >= Precision.HOUR else "")


def write_moment(tag: str, moment: Timestamp | None) -> str:
    """A moment; none where it is not known."""
    return element(tag, {"value": stamp(moment)}) if moment else ""


def read_moment(found: Element | None) -> Timestamp | None:
    """The moment of an element, None where it cannot be read."""
    try:
        return Timestamp.parse(attribute(found, "value"))
    except InvalidTime:
        return None


def write_period(period: Period | None, *, kind: str = "") -> str:
    """The effective time: a value for a moment, else from when to when."""
    if period is None or (period.start is None and period.end is None):
        return ""
    typed = {"xsi:type": kind}
    if period.start is not None and period.start == period.end:
        return element("effectiveTime", typed | {"value": stamp(period.start)})
    return element(
        "effectiveTime", typed, write_moment("low", period.start), write_moment("high", period.end)
    )


def read_period(parent: Element | None) -> Period | None:
    """The first effective time below that says anything."""
    for found in all_of(parent, "effectiveTime"):
        moment = read_moment(found)
        start = moment or read_moment(one_of(found, "low"))
        end = moment or read_moment(one_of(found, "high"))
        if start or end:
            return Period(start=start, end=end)
    return None


# --- quantities -----------------------------------------------------------------------------------


def write_quantity(tag: str, quantity: Quantity) -> str:
    """A PQ, or a PPD_PQ where its standard deviation is known."""
    unit = quantity.code.value if quantity.code else ""
    printed = ""
    if quantity.unit != unit:
        printed = element(
            "translation",
            {"value": f"{quantity.value:f}"},
            worded("originalText", quantity.unit),
        )
    spread = ""
    if quantity.uncertainty is not None:
        known = {"value": f"{quantity.uncertainty:f}", "unit": unit}
        spread = element("standardDeviation", known)
    return element(
        tag,
        {
            "xsi:type": "PPD_PQ" if spread else "PQ",
            "value": f"{quantity.value:f}",
            "unit": unit,
        },
        printed,
        spread,
    )


def read_value(found: Element | None) -> Quantity | Concept | None:
    """What an observation found: a quantity, a concept, or words as a concept of no code."""
    if found is None:
        return None
    amount = _decimal(attribute(found, "value"))
    if amount is not None:
        unit = attribute(found, "unit")
        return Quantity(
            value=amount,
            unit=words_at(found, "translation/originalText") or unit,
            code=Code(unit, UCUM) if unit else None,
            uncertainty=_decimal(attribute(one_of(found, "standardDeviation"), "value")),
        )
    concept = read_concept(found)
    if concept is None and (found.get(_TYPE) or "").endswith(("ST", "ED")):
        words = " ".join("".join(found.itertext()).split())
        concept = Concept(text=words) if words else None
    return concept


def _decimal(text: str) -> Decimal | None:
    if not text or len(text) > MAX_DIGITS or "e" in text.lower():
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
