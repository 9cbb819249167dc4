"""Which forms of an instance a client accepts, and in which order.

Accept headers are read as clients send them, not as the grammar has them, and answered as PS3.18
rules: explicit VR little endian unless another transfer syntax is named, the stored one for `*`,
never a syntax that was not asked for, and implicit or big endian to nobody. Which of the forms an
instance can be had in, its source decides. Clauses: PS3.18 8.3.3, 8.7.3 and 8.7.5
(media types and their choice), RFC 9110 12.5.1 (Accept).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    BadRequest,
    InvalidIdentifier,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.wire.dicom.dataset import EXPLICIT_BIG, IMPLICIT_LITTLE
from gateway.wire.dicom.pixel_facts import is_maybe_lossy
from gateway.wire.problems import DecodeError

# A list of every transfer syntax there is, each in a range of its own, is 4 kB.
MAX_ACCEPT: Final = 16 * 1024
MAX_RANGES: Final = 128
ANY_SYNTAX: Final = "*"

DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
_RULE: Final = "RFC 9110, 12.5.1"
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_MEDIA: Final = re.compile(rf"\s*+(?:({_TOKEN})/({_TOKEN})|(\*))\s*+")
# The value may hold a slash without quotes, as viewers write the type of a multipart.
_PARAMETER: Final = re.compile(
    rf';\s*+(?:({_TOKEN})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+))\s*+)?', re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_QUALITY: Final = re.compile(r"(?:0?\.[0-9]{1,6}|0\.?|1(?:\.0{0,6})?)")
# Parameters of which a second value would leave open what is meant.
_SINGLE: Final = frozenset({"q", "type", "transfer-syntax"})

# Never sent, whoever asks (PS3.18 8.7.3).
_NEVER_SENT: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_BIG})


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header: a media type or a pattern of one, and how much it is wanted.

    Names are in lower case; `type` is the parameter of a multipart, "" without one;
    `transfer_syntax` is a UID, `ANY_SYNTAX` or "" where none is named.
    """

    media_type: str
    type: str = ""
    transfer_syntax: str = ""
    q: float = 1.0


class Packaging(StrEnum):
    """How instances are sent: as parts, or one as the body itself."""

    MULTIPART = "multipart/related"
    SINGLE = "application/dicom"


@dataclass(frozen=True, slots=True)
class Acceptable:
    """In which forms an instance may be sent, most wanted first; never empty.

    `choice` is who chooses among the syntaxes: the sender where several are named and wanted
    alike, and nobody where any will do (`*`), for then an instance goes as it is stored.
    """

    options: tuple[tuple[Packaging, Uid], ...]
    choice: SyntaxChoice = SyntaxChoice.ORDER

    @property
    def syntaxes(self) -> tuple[Uid, ...]:
        """The transfer syntaxes, most wanted first."""
        return tuple(dict.fromkeys(syntax for _, syntax in self.options))

    def packaging(self, syntax: Uid | None) -> Packaging:
        """How an instance in a syntax is sent; None for one whose syntax nobody knows."""
        return next((how for how, one in self.options if one == syntax), self.options[0][0])


class NotAcceptable(BadRequest):
    """Nothing that was asked for can be sent (406); the text says what can."""

    def __init__(self, text: str, *, subject: str = "") -> None:
        super().__init__(Refusal.UNSUPPORTED_SYNTAX, text, subject=subject)


def parse_accept(header: str, parameter: str | None = None) -> tuple[MediaRange, ...]:
    """The media ranges of an Accept header in order; () when it says nothing.

    `parameter` is the value of the query parameter `accept`, percent-decoded, which outranks the
    header unless it is blank (PS3.18 8.3.3.1). Raises `DecodeError` for what cannot be read.
    """
    if parameter is not None and parameter.strip():
        return _ranges(parameter, "query, accept")
    return _ranges(header, "Accept")


def _ranges(value: str, where: str) -> tuple[MediaRange, ...]:
    if len(value) > MAX_ACCEPT:
        raise DecodeError(where, f"{len(value)} characters", f"at most {MAX_ACCEPT}")
    text = _unquoted(value.strip())
    found: list[MediaRange] = []
    at = 0
    while True:
        while at < len(text) and text[at] in ", \t":
            at += 1
        if at == len(text):
            return tuple(found)
        if len(found) == MAX_RANGES:
            raise DecodeError(where, "more media ranges", f"at most {MAX_RANGES}")
        at, one = _range(text, at, where)
        found.append(one)


def _unquoted(value: str) -> str:
    """The value out of quotes around all of it, in which some clients put it."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"')
    return value


def _range(text: str, at: int, where: str) -> tuple[int, MediaRange]:
    match = _MEDIA.match(text, at)
    if match is None:
        raise _unreadable(text, at, where)
    # Java's own client sends a bare asterisk.
    media_type = "*/*" if match[3] else f"{match[1]}/{match[2]}".lower()
    at = match.end()
    parameters: dict[str, str] = {}
    while at < len(text) and text[at] != ",":
        match = _PARAMETER.match(text, at)
        if match is None:
            raise _unreadable(text, at, where)
        at = match.end()
        if match[1]:
            name = match[1].lower()
            plain = match[3] if match[2] is None else _ESCAPED.sub(r"\1", match[2])
            if name in _SINGLE and parameters.get(name, plain) != plain:
                raise DecodeError(f"{where}, {name}", "two values", "one", _RULE)
            parameters.setdefault(name, plain)
    return at, MediaRange(
        media_type=media_type,
        type=parameters.get("type", "").strip().lower(),
        transfer_syntax=_syntax(parameters.get("transfer-syntax", "").strip(), where),
        q=_quality(parameters.get("q", "1").strip(), where),
    )


def _unreadable(text: str, at: int, where: str) -> DecodeError:
    return DecodeError(where, repr(text[at : at + 80]), "media ranges and parameters", _RULE)


def _syntax(text: str, where: str) -> str:
    if text in ("", ANY_SYNTAX):
        return text
    try:
        return Uid(text)
    except InvalidIdentifier as error:
        raise DecodeError(
            f"{where}, transfer-syntax", repr(error.found), "a UID or *", "PS3.18 8.7.3"
        ) from None


def _quality(text: str, where: str) -> float:
    if not _QUALITY.fullmatch(text):
        raise DecodeError(f"{where}, q", repr(text[:40]), "a number from 0 to 1", _RULE)
    return float(text)


def choose_instances(
    accept: Sequence[MediaRange], *, alone: bool = True, wrap: bool = False
) -> Acceptable:
    """The forms in which instances may be sent to a client that accepts these ranges.

    A range that names no transfer syntax is for explicit little endian, and for syntaxes that may
    hold lossy pixels, which nobody has to decode (PS3.18 8.7.3). `*` is for the syntax an
    instance is stored in, with explicit little endian for what may not be sent as it is stored.
    `alone` is False when the answer has several instances, which a single part cannot hold;
    `wrap` then sends parts all the same, for clients that ask for a single part and take many.
    Raises `NotAcceptable`.
    """
    ranked: list[tuple[float, int, Packaging, Uid]] = []
    named = (Uid(one.transfer_syntax) for one in accept if one.transfer_syntax not in ("", "*"))
    candidates = tuple(dict.fromkeys((*STORED_SYNTAXES, *named)))
    for packaging in _packagings(alone=alone, wrap=wrap):
        sent = packaging if alone else Packaging.MULTIPART
        for syntax in candidates:
            found = None if syntax in _NEVER_SENT else _wanted(accept, packaging, syntax)
            if found is not None:
                ranked.append((*found, sent, syntax))
    if not ranked:
        raise _not_acceptable(alone=alone)
    # Of equals the first stays first: explicit little endian comes last of those stored, or
    # everything that can be decoded would be.
    ranked.sort(key=lambda option: option[:2], reverse=True)
    options = tuple(dict.fromkeys((how, syntax) for _, _, how, syntax in ranked))
    return Acceptable(options, choice_of(accept))


def choice_of(accept: Sequence[MediaRange]) -> SyntaxChoice:
    """Who chooses among the syntaxes that these ranges name.

    The sender does where several are wanted alike (RFC 9110 12.5.1), and where any will do an
    instance goes as it is stored (PS3.18 8.7.3).
    """
    named = [one for one in accept if one.transfer_syntax and one.q > 0]
    if any(one.transfer_syntax == ANY_SYNTAX for one in named):
        return SyntaxChoice.AS_STORED
    if len({one.transfer_syntax for one in named}) > 1 and len({one.q for one in named}) == 1:
        return SyntaxChoice.SENDER
    return SyntaxChoice.ORDER


def _packagings(*, alone: bool, wrap: bool) -> tuple[Packaging, ...]:
    both = (Packaging.MULTIPART, Packaging.SINGLE)
    return both if alone or wrap else both[:1]


def _wanted(
    accept: Sequence[MediaRange], packaging: Packaging, syntax: Uid
) -> tuple[float, int] | None:
    """How much a form is wanted, by quality and place in the header; None when it is not.

    Of the ranges that cover a form the most specific decides (RFC 9110 12.5.1): `*/*` does not
    bring back what a narrower range rules out.
    """
    if not accept:
        wanted = packaging is Packaging.MULTIPART and _is_default(syntax)
        return (1.0, 0) if wanted else None
    decisive: tuple[int, float, int] | None = None
    for place, one in enumerate(accept):
        covers = _specificity(one, packaging)
        if covers is None or not _covers_syntax(one, syntax):
            continue
        # An explicit syntax is narrower than `*`, which is narrower than none.
        depth = covers * 3 + (one.transfer_syntax == syntax) * 2
        depth += one.transfer_syntax == ANY_SYNTAX
        if (
            decisive is None
            or depth > decisive[0]
            or (depth == decisive[0] and one.q > decisive[1])
        ):
            decisive = (depth, one.q, -place)
    if decisive is None or decisive[1] == 0:
        return None
    return decisive[1], decisive[2]


def _specificity(one: MediaRange, packaging: Packaging) -> int | None:
    """How narrowly a range covers a packaging, None if it does not."""
    if packaging is Packaging.SINGLE:
        return {"application/dicom": 3, "application/*": 2}.get(one.media_type)
    if one.type not in ("", DICOM, "application/*", "*/*"):
        return None
    depth = {"multipart/related": 2, "multipart/*": 1, "*/*": 0}.get(one.media_type)
    return None if depth is None else depth + (one.type == DICOM)


def _covers_syntax(one: MediaRange, syntax: Uid) -> bool:
    if not one.transfer_syntax:
        return _is_default(syntax)
    return one.transfer_syntax in (ANY_SYNTAX, syntax)


def _is_default(syntax: Uid) -> bool:
    return is_maybe_lossy(syntax) or syntax == EXPLICIT_LITTLE_ENDIAN


def _not_acceptable(*, alone: bool) -> NotAcceptable:
    media = 'multipart/related; type="application/dicom"' + (f" or {DICOM}" if alone else "")
    text = f"offered are {media}, as stored (transfer-syntax=*) or in {EXPLICIT_LITTLE_ENDIAN}"
    return NotAcceptable(text, subject="Accept")


def choose_metadata(accept: Sequence[MediaRange]) -> str:
    """The media type in which metadata is sent: DICOM JSON, or `NotAcceptable` (PS3.18 10.4.1.1).

    `application/json` gets DICOM JSON too, as viewers ask for it.
    """
    covering = {DICOM_JSON: 3, "application/json": 2, "application/*": 1, "*/*": 0}
    ranked = [(covering[one.media_type], one.q) for one in accept if one.media_type in covering]
    if accept and (not ranked or max(ranked)[1] == 0):
        raise NotAcceptable(f"metadata is offered as {DICOM_JSON}", subject="Accept")
    return DICOM_JSON


def accept_for(syntaxes: Sequence[Uid], choice: SyntaxChoice = SyntaxChoice.AS_STORED) -> str:
    """The Accept header by which we ask for instances, best syntax first and no other.

    Who reads every syntax and takes instances as they are stored says so in few words.
    """
    if choice is SyntaxChoice.AS_STORED and set(STORED_SYNTAXES) <= set(syntaxes):
        return f'multipart/related; type="{DICOM}"; transfer-syntax={ANY_SYNTAX}'
    if choice is SyntaxChoice.SENDER:
        return ", ".join(
            f'multipart/related; type="{DICOM}"; transfer-syntax={syntax}' for syntax in syntaxes
        )
    return ", ".join(_asked(syntaxes))


def _asked(syntaxes: Sequence[Uid]) -> Iterator[str]:
    for index, syntax in enumerate(syntaxes):
        # Beyond the ninth the order alone tells, as it does among equals.
        quality = max(10 - index, 1)
        weight = f"; q=0.{quality}" if quality < 10 else ""
        yield f'multipart/related; type="{DICOM}"; transfer-syntax={syntax}{weight}'
