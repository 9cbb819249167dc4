"""The few HL7 v3 data types that ITI-55 needs: II, TS, CE, PN, AD, TEL, both ways.

Reading goes by qualified name and takes what peers really send (families before given names,
text without parts, dates with hyphens); what has no meaning in our nouns is left out. Where a
value cannot be read at all the caller chooses: a date or a gender asked for must not silently
widen a search, so `demand` raises; one that was answered is merely unknown.

Writing is by building text, in the order of the schema. Not a general HL7 v3 library, and no
message: `xcpd` knows the order of elements. Data types: HL7 v3 Normative Edition 2008,
datatypes-base.xsd; use in ITI-55: ITI TF-2 3.55.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final, TypeVar

from gateway.domain import Address, Gender, HumanName, InvalidIdentifier, Oid, PatientId
from gateway.wire.problems import DecodeError
from gateway.wire.xml import (
    HL7,
    XSI,
    Element,
    escape_attr,
    escape_text,
    path_of,
    quoted,
    text_of,
)

AnyOid = TypeVar("AnyOid", bound=Oid)

GENDER_SYSTEM: Final = "2.16.840.1.113883.5.1"
MAX_REPEATS: Final = 200  # of one data type in one place; people have few names and few identifiers
MAX_TEXT: Final = 1000  # characters of one part of a name or an address

# What peers write for a gender, in upper case; None is "known to be unknown".
_GENDERS: Final[dict[str, Gender | None]] = {
    "M": Gender.MALE,
    "MALE": Gender.MALE,
    "F": Gender.FEMALE,
    "FEMALE": Gender.FEMALE,
    "UN": Gender.UNDIFFERENTIATED,
    "U": None,
    "UNK": None,
}
_DATE = re.compile(
    r"(?P<year>[0-9]{4})-?(?:(?P<month>[0-9]{2})(?:-?(?P<day>[0-9]{2})"
    r"(?:T?[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.][0-9]{1,9})?)?)?)?)?)?"
    r"(?:Z|[+-][0-9]{1,2}(?::?[0-9]{2})?)?"
)
_PERCENT = re.compile(r"[0-9]{1,3}")


# --- reading --------------------------------------------------------------------------------------


def tag(name: str) -> str:
    """The qualified name of an HL7 v3 element."""
    return f"{{{HL7}}}{name}"


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The children of that name; none of None."""
    return iter(()) if element is None else element.iterchildren(tag(name))


def child(element: Element | None, *path: str) -> Element | None:
    """The first element along a path of child names, None where the path ends early."""
    for name in path:
        element = next(children(element, name), None)
    return element


def need(element: Element, *path: str) -> Element:
    """The first element along a path that must exist."""
    at = element
    for name in path:
        found = child(at, name)
        if found is None:
            raise DecodeError(path_of(at), f"no {name}", f"an element {name}")
        at = found
    return at


def attribute(element: Element | None, name: str) -> str:
    """An attribute without surrounding white space; "" when it or the element is missing."""
    return "" if element is None else (element.get(name) or "").strip()


def is_null(element: Element) -> bool:
    """Whether a value says that it has none."""
    return bool(attribute(element, "nullFlavor")) or element.get(f"{{{XSI}}}nil") in ("true", "1")


def limited(elements: Iterator[Element], at: Element, most: int = MAX_REPEATS) -> list[Element]:
    """The elements, refused when a peer sends absurdly many of them."""
    found: list[Element] = []
    for element in elements:
        if len(found) == most:
            raise DecodeError(path_of(at), f"more than {most} repetitions", f"at most {most}")
        found.append(element)
    return found


def read_patient_id(element: Element) -> PatientId:
    """An II as a patient identifier: an OID as root, and an extension."""
    root, extension = attribute(element, "root"), attribute(element, "extension")
    if not root or not extension:
        raise DecodeError(
            path_of(element), "an identifier without root or extension", "both", "HL7 v3 II"
        )
    try:
        return PatientId(extension, Oid.parse(root))
    except InvalidIdentifier as error:
        # What was found is not quoted: it may identify a patient, and errors are logged.
        raise DecodeError(path_of(element), "no identifier", error.expected) from None


def read_oid(element: Element | None, kind: type[AnyOid]) -> AnyOid | None:
    """The root of an II as an OID of that kind; None where it is missing or not an OID."""
    try:
        return kind.parse(attribute(element, "root")) if element is not None else None
    except InvalidIdentifier:
        return None


def read_date(element: Element | None, *, demand: bool) -> date | None:
    """The day of a TS or IVL_TS, as written, whatever its zone.

    A date of which only the year or the month is known is None: nothing is invented. So is an
    interval of more than a day. With `demand`, a text that is no date raises `DecodeError`.
    """
    if element is None or is_null(element):
        return None
    value = attribute(element, "value") or attribute(child(element, "center"), "value")
    if not value:
        low, high = (attribute(child(element, name), "value") for name in ("low", "high"))
        if not (low and high and low[:10] == high[:10]):
            return None
        value = low
    match = _DATE.fullmatch(value)
    if match is not None and match["day"] is None:
        return None
    try:
        if match is not None:
            return date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        pass  # the thirtieth of February is no date either
    if demand:
        raise DecodeError(path_of(element), "no date", "YYYYMMDD", "HL7 v3 TS")
    return None


def read_gender(element: Element | None, *, demand: bool) -> Gender | None:
    """An administrative gender code; None for unknown. With `demand`, an unknown code raises."""
    if element is None or is_null(element):
        return None
    code = attribute(element, "code").upper()
    if demand and code and code not in _GENDERS:
        raise DecodeError(
            path_of(element), quoted(code), "M, F or UN", "HL7 v3 AdministrativeGender"
        )
    return _GENDERS.get(code)


def read_percent(element: Element | None, *, demand: bool) -> int | None:
    """An INT from 0 to 100; None where there is none. With `demand`, anything else raises."""
    value = attribute(element, "value")
    if _PERCENT.fullmatch(value) and int(value) <= 100:
        return int(value)
    if demand and element is not None and not is_null(element):
        raise DecodeError(path_of(element), quoted(value) or "nothing", "a whole number, 0 to 100")
    return None


def _parts(element: Element, name: str) -> tuple[str, ...]:
    """The texts of the parts of that name, in order, empty ones left out."""
    texts = (text_of(part) for part in limited(children(element, name), element))
    return tuple(_short(text, element) for text in texts if text)


def _short(text: str, element: Element) -> str:
    if len(text) > MAX_TEXT:
        raise DecodeError(path_of(element), f"{len(text)} characters", f"at most {MAX_TEXT}")
    return " ".join(text.split())


def read_name(element: Element | None) -> HumanName | None:
    """A PN or EN, its parts in any order; text without parts is taken as the family name."""
    if element is None or is_null(element):
        return None
    family, given = _parts(element, "family"), _parts(element, "given")
    if not family and not given:
        text = _short(text_of(element), element)
        return HumanName(family=text) if text else None
    return HumanName(
        family=" ".join(family),
        given=given,
        prefix=" ".join(_parts(element, "prefix")),
        suffix=" ".join(_parts(element, "suffix")),
    )


def read_address(element: Element | None) -> Address | None:
    """An AD; the lines of a street are joined with commas, a house number follows its street."""
    if element is None or is_null(element):
        return None
    named = " ".join((*_parts(element, "streetName"), *_parts(element, "houseNumber")))
    lines = _parts(element, "streetAddressLine")
    address = Address(
        street=", ".join(line for line in (*lines, named) if line),
        city=", ".join(_parts(element, "city")),
        postal_code=" ".join(_parts(element, "postalCode")),
        country=" ".join(_parts(element, "country")),
    )
    return None if address == Address() else address


def read_telecom(elements: Iterator[Element], at: Element) -> tuple[str, ...]:
    """The values of several TEL, as written: `tel:…`, `mailto:…`, or a bare number."""
    found = (_short(attribute(element, "value"), element) for element in limited(elements, at))
    return tuple(value for value in found if value)


# --- writing --------------------------------------------------------------------------------------


def node(name: str, *content: str, **attributes: str) -> str:
    """An element as text: `content` is XML already, attributes are escaped, empty ones left out.

    `xsi_type` is written as `xsi:type`, a name of a data type in the default namespace.
    """
    written = "".join(
        f' {key.replace("xsi_", "xsi:")}="{escape_attr(value)}"'
        for key, value in attributes.items()
        if value
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def text_node(name: str, text: str, **attributes: str) -> str:
    """An element that holds text, which is escaped; "" when there is no text."""
    return node(name, escape_text(text), **attributes) if text else ""


def write_ii(name: str, root: str = "", extension: str = "") -> str:
    """An II; one without a root says that there is no information."""
    if not root:
        return node(name, nullFlavor="NI")
    return node(name, root=root, extension=extension)


def write_time(moment: datetime) -> str:
    """A moment as TS in UTC, to the second, its zone said: `20261122101112+0000`."""
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%S}".zfill(14) + "+0000"


def write_date(day: date) -> str:
    """A day as TS: `19800102`."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


def write_name(name: str, person: HumanName, **attributes: str) -> str:
    """A PN: prefix, given names, family name, suffix, as people read it."""
    return node(
        name,
        text_node("prefix", person.prefix),
        *(text_node("given", given) for given in person.given),
        text_node("family", person.family),
        text_node("suffix", person.suffix),
        **attributes,
    )


def write_address(name: str, address: Address) -> str:
    """An AD."""
    return node(
        name,
        text_node("streetAddressLine", address.street),
        text_node("city", address.city),
        text_node("postalCode", address.postal_code),
        text_node("country", address.country),
    )


def write_gender(name: str, gender: Gender) -> str:
    """A CE from the HL7 code system of administrative gender."""
    return node(name, code=gender.value, codeSystem=GENDER_SYSTEM)
