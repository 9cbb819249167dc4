"""The rows of a report's page: values of four kinds under a label, in the reader's language.

A value is a `Term` (coded: what the reader's language calls it, with the original and the code
beside it), `Free` (what somebody wrote, left as it is and marked so), `Plain` (names, numbers and
dates, the same in every language) or a `Picture`. `RowMaker` knows both languages and makes rows;
a row of no value is none. Not HTML, and not what a report has: `report_page`, `report_view`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeAlias

from gateway.designations import Designations, subtag
from gateway.domain import Code, Precision, Timestamp
from gateway.domain.codes import (
    ATC,
    CONFIDENTIALITY,
    DCM,
    EDQM,
    ICD10,
    LOINC,
    SCT,
    same_scheme,
    true_scheme,
)
from gateway.domain.people import Address, Organisation
from gateway.domain.report_parts import BodySite, Concept, Participant, Period, Quantity

# What people call the schemes; any other is shown by its identifier.
SCHEMES: Final = {
    SCT: "SNOMED CT",
    LOINC: "LOINC",
    DCM: "DICOM",
    ICD10: "ICD-10",
    ATC: "ATC",
    EDQM: "EDQM",
    CONFIDENTIALITY: "HL7",
    "2.16.840.1.113883.5.1": "HL7",
    "2.16.840.1.113883.5.83": "HL7",
    "2.16.840.1.113883.6.8": "UCUM",
}
# What a browser shows by itself and cannot run.
PICTURE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif"})
GENDERS: Final = "2.16.840.1.113883.5.1"

_DATE_LENGTH = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.DAY: 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A coded value; `own` is "" where no designation is known or the original says the same.

    `original` is what the report says in its language, "" where it gives codes alone.
    """

    own: str
    original: str
    codes: tuple[str, ...] = ()
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Free:
    """What somebody wrote, in the language of the report."""

    text: str


@dataclass(frozen=True, slots=True)
class Plain:
    """The same in every language; `moment` is the ISO form of a date or time."""

    text: str
    moment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that the report holds, as a data URL."""

    url: str
    alternative: str


Value: TypeAlias = Term | Free | Plain | Picture


@dataclass(frozen=True, slots=True)
class Row:
    """What is said under a label."""

    label: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows about one thing: an order, an observation, a person."""

    caption: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Makes rows of what a report in one language says, for a reader of another."""

    words: Designations
    language: str

    # Values

    def term(self, concept: Concept | Code | None) -> tuple[Value, ...]:
        """A concept; of words alone it is free text."""
        if concept is None:
            return ()
        if isinstance(concept, Code):
            concept = Concept(codes=(concept,))
        if not concept.codes:
            return (Free(concept.text),) if concept.text else ()
        named = (self.words.of(code) for code in concept.codes)
        own = next(filter(None, named), "")
        is_known = bool(own) or subtag(self.language) == self.words.language
        if not concept.text:
            own = own or concept.words
        return (
            Term(
                own="" if own.casefold() == concept.text.casefold() else own,
                original=concept.text,
                codes=tuple(shown_code(code, unless=(own, concept.text)) for code in concept.codes),
                is_known=is_known,
            ),
        )

    def free(self, text: str) -> tuple[Value, ...]:
        """What somebody wrote."""
        return (Free(text),) if text.strip() else ()

    def plain(self, text: object) -> tuple[Plain, ...]:
        """A name or a number; nothing of "" and None."""
        return () if text is None or text == "" else (Plain(str(text)),)

    def label(self, key: str) -> tuple[Value, ...]:
        """A word of the page's own."""
        return (Plain(self.words.labels[key]),)

    def at(self, moment: Timestamp | datetime | date | None) -> tuple[Plain, ...]:
        """A moment with the digits that are known, its zone said."""
        if moment is None:
            return ()
        if isinstance(moment, Timestamp):
            length = _DATE_LENGTH.get(moment.precision)
            if length is not None:
                day = moment.at.date().isoformat()[:length]
                return (Plain(day, day),)
            moment = moment.at
        if not isinstance(moment, datetime):
            return (Plain(moment.isoformat(), moment.isoformat()),)
        zone = moment.strftime("%z")
        said = "UTC" if zone in ("", "+0000") else f"UTC{zone[:3]}:{zone[3:5]}"
        return (Plain(f"{moment:%Y-%m-%d %H:%M} {said}", moment.isoformat()),)

    def period(self, period: Period | None) -> tuple[Value, ...]:
        """A moment, or from when to when."""
        if period is None:
            return ()
        start, end = self.at(period.start), self.at(period.end)
        if not start or not end or start == end:
            return start or end
        first, last = start[0].text, end[0].text
        # On one day the day is said once.
        day, _, rest = last.partition(" ")
        if rest and first.startswith(day) and first.endswith(" UTC") and last.endswith(" UTC"):
            return self.plain(f"{first.removesuffix(' UTC')} – {rest}")
        return self.plain(f"{first} – {last}")

    def quantity(self, quantity: Quantity | None, per: Quantity | None = None) -> tuple[Plain, ...]:
        """A measured value with its unit and how sure it is; in `per` where that is said."""
        if quantity is None:
            return ()
        shown = [shown_quantity(quantity), *([shown_quantity(per)] if per else [])]
        return self.plain(" / ".join(shown))

    def local_id(self, value: str, authority: str) -> tuple[Value, ...]:
        """An identifier and who assigned it."""
        return self.plain(f"{value} ({authority})" if value and authority else value or authority)

    def organisation(self, of: Organisation | None) -> tuple[Value, ...]:
        """An organisation's name and identifier."""
        if of is None:
            return ()
        return (*self.plain(of.name), *self.local_id(of.id, of.authority))

    def picture(self, content: bytes, media_type: str, alternative: str) -> tuple[Value, ...]:
        """A picture, if it is of a kind that a browser shows and nothing more."""
        kind = media_type.partition(";")[0].strip().lower()
        if not content or kind not in PICTURE_TYPES:
            return ()
        data = base64.b64encode(content).decode("ascii")
        return (Picture(url=f"data:{kind};base64,{data}", alternative=alternative),)

    # Rows

    def row(self, key: str, *values: Iterable[Value]) -> tuple[Row, ...]:
        """A row under a label of the table; none where there is no value."""
        held = tuple(one for several in values for one in several)
        return (Row(self.words.labels[key], held),) if held else ()

    def group(self, key: str, *rows: Iterable[Row]) -> tuple[Group, ...]:
        """Rows about one thing; none where there is no row."""
        held = tuple(one for several in rows for one in several)
        return (Group(self.words.labels[key], held),) if held else ()

    def site(self, site: BodySite | None) -> tuple[Row, ...]:
        """A place of the body and its side."""
        if site is None:
            return ()
        return (
            *self.row("site", self.term(site.location)),
            *self.row("laterality", self.term(site.laterality)),
        )

    def address(self, address: Address | None) -> tuple[Row, ...]:
        """An address, its country apart."""
        if address is None:
            return ()
        town = f"{address.postal_code} {address.city}".strip()
        lines = ", ".join(filter(None, (address.street, town)))
        return (
            *self.row("address", self.plain(lines)),
            *self.row("country", self.plain(address.country)),
        )

    def telecom(self, telecom: tuple[str, ...]) -> tuple[Row, ...]:
        """Telephone numbers and mail addresses, as people write them."""
        said = (one.removeprefix("tel:").removeprefix("mailto:") for one in telecom)
        return self.row("telecom", *map(self.plain, said))

    def person(self, by: Participant | None) -> tuple[Row, ...]:
        """Somebody or something with a part in the report."""
        if by is None:
            return ()
        return (
            *self.row("name", self.plain(by.name.full if by.name else "")),
            *self.row("identifier", self.local_id(by.id, by.authority)),
            *self.row("speciality", self.term(by.speciality)),
            *self.row("organisation", self.organisation(by.organisation)),
            *self.address(by.address),
            *self.telecom(by.telecom),
        )


def shown_quantity(quantity: Quantity) -> str:
    """A measured value, its standard deviation and its unit."""
    sure = "" if quantity.uncertainty is None else f" ± {quantity.uncertainty:f}"
    unit = quantity.unit or (quantity.code.value if quantity.code else "")
    return f"{quantity.value:f}{sure} {unit}".strip()


def shown_code(code: Code, *, unless: tuple[str, ...] = ()) -> str:
    """A code with its scheme and what the sender calls it, unless that is said already."""
    scheme = SCHEMES.get(same_scheme(true_scheme(code)), code.scheme)
    said = {text.casefold() for text in unless}
    named = f" {code.display}" if code.display and code.display.casefold() not in said else ""
    return f"{scheme} {code.value}{named}".strip()
