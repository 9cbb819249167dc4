"""What one value of a search matches: literals, lists, wildcards, ranges, names, numbers, nothing.

Attributes and studies are not known here, only value representations: a text from a query becomes
a `Match`, which is asked about single values as DICOM JSON holds them. Which representations take
wildcards, and that ranges are inclusive at the precision they are written in, is the standard's.
Texts are compared as they are, names without case, accents and empty components at their end.
Clauses: DICOM PS3.4 C.2.2.2 (matching), PS3.18 8.3.4.1 (encoding), PS3.5 6.2 (representations).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final, Protocol

from gateway.domain import InvalidIdentifier, Uid
from gateway.wire.problems import DecodeError

MAX_ALTERNATIVES: Final = 200  # of one attribute; a query of 8 kB has no room for many more
MAX_INTEGER: Final = 12  # digits with a sign, as an IS may have

# PS3.4 C.2.2.2.4
WILDCARDS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_INTEGERS: Final = frozenset({"IS", "SS", "US", "SL", "UL", "SV", "UV"})
_NO_VALUE: Final = '""'
_RULE: Final = "PS3.4 C.2.2.2"

_DAY: Final = r"[0-9]{4}(?:[0-9]{4}|-[0-9]{2}-[0-9]{2})"
_CLOCK: Final = r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
_PERIODS: Final = {
    vr: re.compile(rf"(?P<low>{one})?(?P<dash>-)?(?P<high>{one})?")
    for vr, one in (("DA", _DAY), ("TM", _CLOCK))
}
_EXPECTED: Final = {
    "DA": "YYYYMMDD, or two of them with - between, before or after",
    "TM": "HH[MM[SS[.F]]], or two of them with - between, before or after",
}
_NUMBER: Final = re.compile(rf"[+-]?[0-9]{{1,{MAX_INTEGER}}}")


class Match(Protocol):
    """A condition on the values an attribute has, each as DICOM JSON holds it."""

    def fits(self, values: Sequence[Any]) -> bool:
        """Whether the values meet the condition; an attribute without any has ()."""
        ...


@dataclass(frozen=True, slots=True)
class Literal:
    """One of the texts."""

    texts: tuple[str, ...]

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        return any(str(value).strip(" ") in self.texts for value in values)


@dataclass(frozen=True, slots=True)
class Like:
    """One of the patterns, in which * is any text and ? any character."""

    patterns: tuple[str, ...]

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        return any(
            is_like(str(value).strip(" "), pattern) for value in values for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Named:
    """One of the names, each folded by `plain_name`; wildcards count."""

    patterns: tuple[str, ...]

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        names = [plain_name(str(value.get("Alphabetic", ""))) for value in values]
        return any(
            # What follows a component may be missing together with its separator.
            is_like(name, pattern) or (pattern.endswith("^*") and is_like(name, pattern[:-2]))
            for name in names
            for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Numbered:
    """One of the numbers."""

    numbers: tuple[int, ...]

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        return any(value in self.numbers for value in values)


@dataclass(frozen=True, slots=True)
class Period:
    """Days as YYYYMMDD or times of day as HHMMSS.FFFFFF, both ends included; "" does not limit.

    `single` tells a value from a range that is as long.
    """

    low: str
    high: str
    single: bool

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        return any(
            (not self.low or whole >= self.low) and (not self.high or whole <= self.high)
            for whole in (padded(str(value), "0") for value in values)
        )


@dataclass(frozen=True, slots=True)
class Absent:
    """No value at all (Empty Value Matching)."""

    def fits(self, values: Sequence[Any]) -> bool:
        """See `Match`."""
        return not values


@dataclass(frozen=True, slots=True)
class Never:
    """Nothing: a value of an attribute that is not held."""

    def fits(self, values: Sequence[Any]) -> bool:  # noqa: ARG002
        """See `Match`."""
        return False


def read_match(vr: str, text: str, where: str, *, empty: bool, lists: bool) -> Match | None:
    """What a value asks of an attribute of a representation; None when it asks nothing.

    `empty` and `lists` say whether Empty and Multiple Value Matching are asked for. Raises
    `DecodeError` for a value that the representation cannot have.
    """
    text = text.strip(" ")
    if not text:
        return None
    if empty and text == _NO_VALUE:
        return Absent()
    if vr == "SQ":
        raise DecodeError(where, "a value for a sequence", "a path to an attribute in it", _RULE)
    if vr == "UI":
        return Literal(tuple(uid_of(one, where) for one in _alternatives(text, r"[,\\]", where)))
    if vr in _PERIODS:
        return period_of(vr, text, where)
    parts = _alternatives(text, r"\\", where) if lists else (text,)
    if vr in _INTEGERS:
        return Numbered(tuple(_number(one, where) for one in parts))
    if vr == "PN":
        return None if _is_any(parts) else Named(tuple(map(plain_name, parts)))
    if vr not in WILDCARDS or not any("*" in one or "?" in one for one in parts):
        return Literal(parts)
    return None if _is_any(parts) else Like(parts)


def _is_any(parts: Sequence[str]) -> bool:
    return any(not part.strip("*") for part in parts)


def _alternatives(text: str, separator: str, where: str) -> tuple[str, ...]:
    found = tuple(part for piece in re.split(separator, text) if (part := piece.strip(" ")))
    if not found or len(found) > MAX_ALTERNATIVES:
        raise DecodeError(where, f"{len(found)} values", f"1 to {MAX_ALTERNATIVES}", _RULE)
    return found


def uid_of(text: str, where: str) -> Uid:
    """A UID of a query; `DecodeError` for another text, wildcards too."""
    try:
        return Uid.parse(text)
    except InvalidIdentifier as error:
        raise DecodeError(where, repr(error.found), error.expected, "PS3.5 9.1") from None


def _number(text: str, where: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise DecodeError(where, repr(text[:40]), "an integer", _RULE)
    return int(text)


def period_of(vr: str, text: str, where: str) -> Period:
    """A day or a range of days (DA), a time of day or a range of them (TM).

    A single time at the precision of minutes is that minute. Raises `DecodeError`.
    """
    match = _PERIODS[vr].fullmatch(text)
    if match is None or not (match["low"] or match["high"]):
        raise _no_period(vr, where)
    if match["high"] and not match["dash"]:
        raise _no_period(vr, where)
    single = not match["dash"]
    low, high = match["low"], match["low"] if single else match["high"]
    return Period(
        low=_bound(vr, low, "0", where) if low else "",
        high=_bound(vr, high, "9", where) if high else "",
        single=single,
    )


def _bound(vr: str, text: str, filler: str, where: str) -> str:
    digits = text.replace("-", "").replace(":", "")
    try:
        if vr == "DA":
            date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
            return digits
        if digits[4:6] == "60":  # a leap second (PS3.5 6.2), which is held as the one before
            digits = f"{digits[:4]}59{digits[6:]}"
        time(int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0))
    except ValueError:
        raise _no_period(vr, where) from None
    return padded(digits, filler)


def _no_period(vr: str, where: str) -> DecodeError:
    # What was found is not quoted: it may be a date of birth, and errors are logged.
    found = "no day" if vr == "DA" else "no time of day"
    return DecodeError(where, found, _EXPECTED[vr], "PS3.4 C.2.2.2.5")


def padded(digits: str, filler: str) -> str:
    """A time of day with all its digits, those that are missing filled; a day stays as it is."""
    if len(digits) == 8 and "." not in digits:
        return digits
    whole, _, fraction = digits.partition(".")
    for unit in ("23", "59", "59")[len(whole) // 2 :]:
        whole += unit if filler == "9" else "00"
    return f"{whole}.{fraction.ljust(6, filler)}"


def is_like(text: str, pattern: str) -> bool:
    """Whether a text is of a pattern with * and ?; takes time by the product of their lengths."""
    at = start = 0
    star, resume = -1, 0
    while at < len(text):
        if start < len(pattern) and pattern[start] == "*":
            star, resume = start, at
            start += 1
        elif start < len(pattern) and pattern[start] in ("?", text[at]):
            at += 1
            start += 1
        elif star >= 0:
            # The last star takes one character more; those before it need not be tried again.
            resume += 1
            at, start = resume, star + 1
        else:
            return False
    return not pattern[start:].strip("*")


def plain_name(name: str) -> str:
    """A person name for comparison: its first group without case, accents and trailing ^."""
    group = name.partition("=")[0]
    bare = unicodedata.normalize("NFKD", group.casefold())
    plain = "".join(c for c in bare if not unicodedata.combining(c))
    return "^".join(part.strip(" ") for part in plain.split("^")).rstrip("^")
