"""The grammar of a FHIR search: query strings, parameters, tokens and dates, both ways.

What a parameter means for a resource is not known here. A query is read from its raw text, before
any framework decoded it, because decoding loses what has to be told apart: an escaped comma from a
separator, and the plus of `application/fhir+json` or of a time zone from a space.

    raw --split at & and the first =--> name, value --percent-decoding--> --split at , --> values

Values stay escaped inside a `Parameter`, for a token has yet to be split at its own separator.
A dates' prefix makes a half-open range of the moments at which something may start; see
`read_moments` for what that leaves out. Clauses: FHIR R4 search.html, sections 3.1.1.3 to 3.1.1.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gateway.domain import Refusal, TimeRange, refuse
from gateway.wire.problems import QUERY_SIZE, DecodeError
from gateway.wire.xml import quoted

# A query of every filter there is has some thirty parameters; a list of documents to look up has
# a hundred values. What is longer is no question a person asked.
MAX_QUERY: Final = 65_536  # characters, as received
MAX_PARAMETERS: Final = 100
MAX_VALUES: Final = 200  # alternatives of one parameter
MAX_VALUE: Final = 4_096  # characters of one alternative, decoded
MAX_NAME: Final = 128

# Spelt so in the CapabilityStatements of IHE and of the EU; names are case-sensitive otherwise.
_NAMES: Final = {"_lastupdated": "_lastUpdated"}

_ESCAPED: Final = re.compile(r"\\([,|$\\])")
_SPECIAL: Final = re.compile(r"([,|$\\])")
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SAFE: Final = "-._~:/@!*()"  # and letters and digits; not `;`, which older servers split at
_PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

# A value of these forms means its plus; in any other a plus is a space, as forms write it.
_MEANS_PLUS: Final = re.compile(
    r"(?:[a-z]{2})?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+\+[0-9]{2}:?[0-9]{2}"  # a date with zone
    r"|[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+(?:;.*)?"  # a MIME type
    r"|(?:[^\\|]|\\.)*\|.*"  # a token with its system
    r"|(?:tel:)?\+[0-9].*",  # a telephone number, which is a token too
    re.DOTALL,
)
_DATE: Final = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    # A plus that was decoded once too often is a space.
    r"(?P<zone>Z|[+ -][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One repetition of a search parameter.

    `name` is as written up to a modifier at its end: a chain stays whole, its type included
    (`patient:Patient.identifier`). `values` are the alternatives, still escaped inside.
    """

    name: str
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A value of type token: `system` is None when not given, "" when said to be none.

    An empty `code` asks for any code of the system.
    """

    system: str | None
    code: str


# --- queries --------------------------------------------------------------------------------------


def parse_query(raw: str) -> tuple[Parameter, ...]:
    """The parameters of a raw query string or of a form body, in order; empty ones left out.

    Raises `DecodeError` for what is no percent-encoded UTF-8, for control characters, for a value
    without a name, and beyond the limits.
    """
    if len(raw) > MAX_QUERY:
        raise DecodeError(QUERY_SIZE, f"{len(raw)} characters", f"at most {MAX_QUERY}")
    # A form sent from a file ends with a line end.
    pieces = [piece for piece in raw.strip().removeprefix("?").split("&") if piece]
    if len(pieces) > MAX_PARAMETERS:
        raise DecodeError("query", f"{len(pieces)} parameters", f"at most {MAX_PARAMETERS}")
    found = (_parameter(piece) for piece in pieces)
    return tuple(parameter for parameter in found if parameter is not None)


def _parameter(piece: str) -> Parameter | None:
    raw_name, _, raw_value = piece.partition("=")
    written = _decoded(raw_name.replace("+", " "), "query").strip()
    if len(written) > MAX_NAME:
        raise DecodeError("query", f"a name of {len(written)} characters", f"at most {MAX_NAME}")
    name, modifier = _split_name(written)
    where = f"query.{name}"
    values = _alternatives(raw_value, where)
    if not values:
        return None
    if not name:
        raise DecodeError("query", "a value without a name", "name=value", "FHIR R4 search")
    return Parameter(_NAMES.get(name, name), modifier, values)


def _split_name(written: str) -> tuple[str, str]:
    name, colon, modifier = written.rpartition(":")
    # What follows the colon of a typed chain is a type and a name, not a modifier.
    return (name, modifier) if colon and "." not in modifier else (written, "")


def _alternatives(raw: str, where: str) -> tuple[str, ...]:
    """The values of a parameter, each with its literal plus signs as they are meant."""
    kept = _split(_decoded(raw, where), ",")
    if len(kept) > MAX_VALUES:
        raise DecodeError(where, f"{len(kept)} values", f"at most {MAX_VALUES}", "FHIR R4 search")
    # The same text with spaces for plus signs has its commas at the same places.
    spaced = _split(_decoded(raw.replace("+", " "), where), ",")
    values = tuple(
        plus if _MEANS_PLUS.fullmatch(plus) else space
        for plus, space in zip(kept, spaced, strict=True)
        if space.strip()
    )
    for value in values:
        if len(value) > MAX_VALUE:
            raise DecodeError(where, f"{len(value)} characters", f"at most {MAX_VALUE}")
    return values


def _decoded(raw: str, where: str) -> str:
    broken = _BROKEN_PERCENT.search(raw)
    if broken is not None:
        raise DecodeError(where, "a bare %", "%25, or % and two hexadecimal digits", "RFC 3986 2.1")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeError:
        raise DecodeError(where, "bytes that are not UTF-8", "UTF-8", "FHIR R4 search") from None
    if _CONTROL.search(text):
        raise DecodeError(where, "a control character", "text of one line")
    return text


def write_query(parameters: Iterable[Parameter]) -> str:
    """The query string of the parameters, which serves as the body of a POST too."""
    return "&".join(
        quote(":".join(filter(None, (parameter.name, parameter.modifier))), safe=_SAFE)
        + "="
        + ",".join(quote(value, safe=_SAFE) for value in parameter.values)
        for parameter in parameters
    )


# --- values ---------------------------------------------------------------------------------------


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators that are not escaped; escapes stay."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescape(value: str) -> str:
    """The text of a value; a backslash before anything but , | $ and itself is one (3.1.1.4.1)."""
    return _ESCAPED.sub(r"\1", value) if "\\" in value else value


def escape(text: str) -> str:
    """A text as a value: separators and backslashes escaped."""
    return _SPECIAL.sub(r"\\\1", text)


def read_token(value: str, where: str) -> Token:
    """A token: `code`, `system|code`, `|code` or `system|`.

    Raises `DecodeError` when there is neither a system nor a code, or a further part. What was
    found is not quoted: it may identify a patient, and errors are logged.
    """
    parts = [unescape(part).strip() for part in _split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise DecodeError(
            where, f"{len(parts)} parts", "code, system|code, |code or system|", "FHIR R4 token"
        )
    return Token(None, parts[0]) if len(parts) == 1 else Token(parts[0], parts[1])


def write_token(token: Token) -> str:
    """A token as a value."""
    code = escape(token.code)
    return code if token.system is None else f"{escape(token.system)}|{code}"


# --- dates ----------------------------------------------------------------------------------------


def read_moments(parameter: Parameter) -> TimeRange:
    """The moments at which something may start to fit a date parameter.

    With [lo, hi) the interval that the value denotes at its precision, UTC when it names no zone:

        none, eq  lo ≤ start < hi      ge  start ≥ lo      gt, sa  start ≥ hi
                                       lt, eb  start < lo      le  start < hi

    This compares starts only: by the letter of the standard a period without end goes on for ever
    and would fit every `ge`, which nobody means who looks for a study. Raises `DecodeError` for
    what is no date, and `ExchangeError` for `ne`, `ap`, modifiers and alternatives, which no one
    range can say.
    """
    where = f"query.{parameter.name}"
    if parameter.modifier:
        raise _unsupported(parameter, f"modifier {quoted(parameter.modifier)}")
    if len(parameter.values) != 1:
        raise _unsupported(parameter, "alternatives")
    value = unescape(parameter.values[0]).strip()
    match = _DATE.fullmatch(value)
    prefix = (match["prefix"] if match else None) or "eq"
    if match is None or prefix not in _PREFIXES:
        raise DecodeError(
            where, "no date", "[prefix]YYYY[-MM[-DD[Thh:mm[:ss[.f]][zone]]]]", "FHIR R4 date"
        )
    low, high = _interval(match, where)
    if prefix in ("ne", "ap"):
        raise _unsupported(parameter, f"prefix {prefix}")
    if prefix == "ge":
        return TimeRange(start=low)
    if prefix in ("gt", "sa"):
        return TimeRange(start=_LAST if high is None else high)
    if prefix in ("lt", "eb"):
        return TimeRange(end=low)
    return TimeRange(start=None if prefix == "le" else low, end=high)


def _interval(match: re.Match[str], where: str) -> tuple[datetime, datetime | None]:
    """The interval of a date, without an end where the calendar has none."""
    names = ("year", "month", "day", "hour", "minute", "second")
    known = [int(match[name]) for name in names if match[name] is not None]
    year, month, day, hour, minute, second = known + [1, 1, 1, 0, 0, 0][len(known) :]
    fraction = match["fraction"]
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    try:
        low = datetime(year, month, day, hour, minute, second, micro, _zone(match["zone"]))
        low = low.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DecodeError(where, "no date", "a date of the calendar") from None
    try:
        if len(known) == 1:
            return low, low.replace(year=year + 1)
        if len(known) == 2:
            return low, low.replace(year=year + month // 12, month=month % 12 + 1)
        if fraction:
            return low, low + timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
        lengths = {3: timedelta(days=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1)}
        return low, low + lengths[len(known)]
    except (ValueError, OverflowError):
        return low, None


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _unsupported(parameter: Parameter, what: str) -> Exception:
    return refuse(
        Refusal.UNSUPPORTED,
        f"The search parameter {quoted(parameter.name)} is not offered with {what}.",
        subject=parameter.name,
    )


def intersected(ranges: Iterable[TimeRange]) -> TimeRange:
    """What lies in all of the ranges: repetitions of one parameter narrow each other.

    Of no ranges it is the open one. A range that holds nothing ends before it starts.
    """
    starts, ends = [], []
    for each in ranges:
        if each.start is not None:
            starts.append(each.start)
        if each.end is not None:
            ends.append(each.end)
    return TimeRange(start=max(starts, default=None), end=min(ends, default=None))
