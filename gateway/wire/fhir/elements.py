"""The data types of people and of time: names, addresses, telecom, gender, dates, periods.

Each is a pair of pure functions between a noun and the element as JSON. What FHIR has and the
nouns do not (use, period of validity, state) is left out on reading; on writing nothing is
invented. A partial date stays partial: a year is a year in both worlds.

Clauses: FHIR R4 datatypes.html; HL7 v2 XTN and DTM for what the nouns hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from gateway.domain import Address, Gender, HumanName, Precision, Timestamp
from gateway.wire.fhir.resources import Json, text_at, texts_at
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

MAX_TEXT: Final = 1000  # characters of one part of a name or an address
MAX_PARTS: Final = 50  # given names, lines of a street

_GENDERS: Final[dict[str, Gender | None]] = {
    "male": Gender.MALE,
    "female": Gender.FEMALE,
    "other": Gender.UNDIFFERENTIATED,
    "unknown": None,
}
_GENDER_CODES: Final = {gender: code for code, gender in _GENDERS.items() if gender}
# The codes of HL7 v3, which peers put there too.
_GENDERS_READ: Final = _GENDERS | {str(g).lower(): g for g in Gender} | {"u": None, "unk": None}

# ContactPoint.system and the URI scheme that means the same.
_SCHEMES: Final = {
    "phone": "tel:",
    "email": "mailto:",
    "fax": "fax:",
    "sms": "sms:",
}
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.*", re.DOTALL)
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ()/.-]*")

_DATETIME: Final = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.[0-9]{1,20})?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
# How much of YYYY-MM-DD a dateTime has that is known no better than to the day.
_DIGITS: Final = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.DAY: 10}
_EXPECTED: Final = "YYYY[-MM[-DD[Thh:mm[:ss[.f]][Z|±hh:mm]]]]"


# --- people ---------------------------------------------------------------------------------------


def write_name(name: HumanName) -> Json:
    """A HumanName; {} of a name with no parts."""
    written: Json = {}
    if name.family:
        written["family"] = name.family
    if given := [each for each in name.given if each]:
        written["given"] = given
    if name.prefix:
        written["prefix"] = [name.prefix]
    if name.suffix:
        written["suffix"] = [name.suffix]
    return written


def read_name(json: Json, where: str) -> HumanName | None:
    """A HumanName; text without parts is taken as the family name, and of nothing there is None."""
    name = HumanName(
        family=_text(json, "family", where),
        given=_texts(json, "given", where),
        prefix=" ".join(_texts(json, "prefix", where)),
        suffix=" ".join(_texts(json, "suffix", where)),
    )
    if name.family or name.given:
        return name
    text = _text(json, "text", where)
    return HumanName(family=text) if text else None


def write_address(address: Address) -> Json:
    """An Address; {} of an empty one."""
    written: Json = {
        "line": [address.street] if address.street else [],
        "city": address.city,
        "postalCode": address.postal_code,
        "country": address.country,
    }
    return {key: value for key, value in written.items() if value}


def read_address(json: Json, where: str) -> Address | None:
    """An Address; its lines are joined with commas, bare text is taken as the street."""
    address = Address(
        street=", ".join(_texts(json, "line", where)),
        city=_text(json, "city", where),
        postal_code=_text(json, "postalCode", where),
        country=_text(json, "country", where),
    )
    if address != Address():
        return address
    text = _text(json, "text", where)
    return Address(street=text) if text else None


def write_telecom(telecom: Iterable[str]) -> list[Json]:
    """The ContactPoints of addresses such as `tel:…` and `mailto:…`, in their order."""
    return [_contact_point(address) for address in telecom if address]


def _contact_point(address: str) -> Json:
    for system, scheme in _SCHEMES.items():
        if address[: len(scheme)].lower() == scheme and len(address) > len(scheme):
            return {"system": system, "value": address[len(scheme) :]}
    if _NUMBER.fullmatch(address):
        return {"system": "phone", "value": address}
    web = address.lower().startswith(("http://", "https://"))
    return {"system": "url" if web else "other", "value": address}


def read_telecom(contacts: Iterable[Json], where: str) -> tuple[str, ...]:
    """The addresses of ContactPoints, each with the URI scheme of its system; empty ones left out.

    `where` is the place of the array.
    """
    found = []
    for i, contact in enumerate(contacts):
        place = f"{where}[{i}]"
        value = _text(contact, "value", place)
        if value:
            found.append(telecom_of(text_at(contact, "system", place), value))
    return tuple(found)


def telecom_of(system: str, value: str) -> str:
    """The address of a ContactPoint's value; a value that is a URI already stays one.

    Without a system, what looks like a telephone number or a mailbox is taken as one.
    """
    if _URI.fullmatch(value):
        return value
    if not system and _NUMBER.fullmatch(value):
        system = "phone"
    elif not system and "@" in value:
        system = "email"
    return _SCHEMES.get(system, "") + value


def write_gender(gender: Gender) -> str:
    """A code of AdministrativeGender."""
    return _GENDER_CODES[gender]


def read_gender(text: str, where: str) -> Gender | None:
    """The gender; None for "unknown" and for nothing. The codes of HL7 v3 are understood too.

    Raises `DecodeError` for any other text.
    """
    code = text.strip().lower()
    if code and code not in _GENDERS_READ:
        raise DecodeError(where, quoted(text), "male, female, other or unknown", "FHIR R4 Patient")
    return _GENDERS_READ.get(code)


def _text(json: Json, key: str, where: str) -> str:
    """A string with its white space made plain, of a length people need."""
    return _short(text_at(json, key, where), f"{where}.{key}")


def _texts(json: Json, key: str, where: str) -> tuple[str, ...]:
    """The strings of an array; the nulls that only carry extensions are passed over."""
    values = json.get(key)
    if isinstance(values, list):
        json = {key: [value for value in values if value is not None]}
    texts = texts_at(json, key, where)
    if len(texts) > MAX_PARTS:
        raise DecodeError(f"{where}.{key}", f"{len(texts)} parts", f"at most {MAX_PARTS}")
    shortened = (_short(text, f"{where}.{key}[{i}]") for i, text in enumerate(texts))
    return tuple(text for text in shortened if text)


def _short(text: str, where: str) -> str:
    if len(text) > MAX_TEXT:
        raise DecodeError(where, f"{len(text)} characters", f"at most {MAX_TEXT}")
    return " ".join(text.split())


# --- time -----------------------------------------------------------------------------------------


def write_datetime(moment: Timestamp) -> str:
    """A dateTime in UTC: year, month and day at their precision, everything finer to the second.

    FHIR has no precision of hours or minutes, but lets seconds be zeros (datatypes.html#dateTime).
    """
    digits = _DIGITS.get(moment.precision)
    return moment.at.date().isoformat()[:digits] if digits else write_instant(moment)


def write_instant(moment: Timestamp) -> str:
    """An instant in UTC to the second; of a time less well known, the start."""
    # Day and time apart take half the time of the whole with its zone, and lists are full of them.
    at = moment.at
    return f"{at.date().isoformat()}T{at.time().isoformat('seconds')}Z"


def read_datetime(text: str, where: str) -> Timestamp:
    """A date, dateTime or instant at its precision; without a zone it is UTC, fractions are cut.

    Raises `DecodeError` for anything else, the empty text too.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise _no_time(text, where)
    fields = [match[name] for name in ("year", "month", "day", "hour", "minute", "second")]
    known = [int(field) for field in fields if field is not None]
    year, month, day, hour, minute, second = known + [1, 1, 1, 0, 0, 0][len(known) :]
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match["zone"]))
        return Timestamp(at.astimezone(UTC), Precision(4 + 2 * (len(known) - 1)))
    except (ValueError, OverflowError):
        raise _no_time(text, where) from None


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[4:]))
    return timezone(-offset if text[0] == "-" else offset)


def _no_time(text: str, where: str) -> DecodeError:
    return DecodeError(where, quoted(text[:40]) or "nothing", _EXPECTED, "FHIR R4 dateTime")


def write_date(day: date) -> str:
    """A date, to the day."""
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def read_date(text: str, where: str) -> date | None:
    """The day of a date or dateTime as written, whatever its zone; None of a partial one.

    The empty text is None too. Raises `DecodeError` for what is no date.
    """
    if not text.strip():
        return None
    try:
        moment = read_datetime(text.strip()[:10], where)
        read_datetime(text, where)
    except DecodeError as error:
        # What was found is not quoted: it is mostly a date of birth, and errors are logged.
        raise DecodeError(where, "no date", error.expected, "FHIR R4 date") from None
    return moment.at.date() if moment.precision >= Precision.DAY else None


def write_period(start: Timestamp | None, stop: Timestamp | None) -> Json:
    """A Period; {} when neither end is known: the caller leaves it out."""
    period: Json = {}
    if start is not None:
        period["start"] = write_datetime(start)
    if stop is not None:
        period["end"] = write_datetime(stop)
    return period


def read_period(json: Json, where: str) -> tuple[Timestamp | None, Timestamp | None]:
    """The ends of a Period, each None when it is not given."""
    start, stop = (
        read_datetime(text, f"{where}.{name}") if (text := text_at(json, name, where)) else None
        for name in ("start", "end")
    )
    return start, stop
