"""Which form of an instance a client accepts, and which one it gets.

Accept headers are read as clients send them, not as the grammar has them, and answered as PS3.18
rules: explicit VR little endian unless another transfer syntax is named, the stored one for `*`,
never a syntax that was not asked for, and implicit or big endian to nobody. What is not decided
here is how an instance gets into a syntax (`instances`). Clauses: PS3.18 8.3.3, 8.7.3 and 8.7.5
(media types and their choice), RFC 9110 12.5.1 (Accept).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, BadRequest, InvalidIdentifier, Refusal, Uid
from gateway.wire.dicom.dataset import EXPLICIT_BIG, IMPLICIT_LITTLE
from gateway.wire.dicom.instances import can_decode
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
_JPEG: Final = "1.2.840.10008.1.2.4."
# Syntaxes that may hold lossy pixels, where nothing else is known of an instance.
_MAYBE_LOSSY: Final = frozenset(
    _JPEG + number for number in ("50", "51", "81", "91", "93", "111", "112", "203")
)
_VIDEO: Final = _JPEG + "10"  # MPEG-2, MPEG-4 and HEVC, and nothing else begins so


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
class Choice:
    """How an instance is sent; the transfer syntax is None when its file goes as it is stored."""

    media: Packaging
    transfer_syntax: Uid | None


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
    accept: Sequence[MediaRange],
    stored: Uid,
    *,
    is_lossy: bool | None = None,
    fits: bool = True,
    alone: bool = True,
    wrap: bool = False,
) -> Choice:
    """How an instance stored in a transfer syntax is sent to a client that accepts these ranges.

    `is_lossy` is what is known of its pixels, None for what the syntax suggests; `fits` is False
    when they would not fit a native element of 32 bits. `alone` is False when the answer has
    several instances, which a single part cannot hold; `wrap` then sends parts all the same, for
    clients that ask for a single part and take many. Raises `NotAcceptable`.
    """
    plain = can_decode(stored) and fits
    lossy = _may_be_lossy(stored) if is_lossy is None else is_lossy
    default = stored if stored not in _NEVER_SENT and (lossy or not fits) else None
    if plain and default is None:
        default = EXPLICIT_LITTLE_ENDIAN
    offered = _offered(stored, plain=plain)
    best: tuple[float, int] | None = None
    choice: Choice | None = None
    for packaging in _packagings(alone=alone, wrap=wrap):
        for syntax in offered:
            found = _wanted(accept, packaging, syntax, stored, default)
            if found is not None and (best is None or found > best):
                best = found
                media = Packaging.MULTIPART if not alone else packaging
                choice = Choice(media, None if syntax == stored else syntax)
    if choice is None:
        raise _not_acceptable(offered, alone=alone)
    return choice


def _may_be_lossy(syntax: str) -> bool:
    return syntax in _MAYBE_LOSSY or syntax.startswith(_VIDEO)


def _offered(stored: Uid, *, plain: bool) -> tuple[Uid, ...]:
    """The syntaxes in which an instance can be sent, the stored one first."""
    as_stored = () if stored in _NEVER_SENT else (stored,)
    return tuple(dict.fromkeys((*as_stored, EXPLICIT_LITTLE_ENDIAN))) if plain else as_stored


def _packagings(*, alone: bool, wrap: bool) -> tuple[Packaging, ...]:
    both = (Packaging.MULTIPART, Packaging.SINGLE)
    return both if alone or wrap else both[:1]


def _wanted(
    accept: Sequence[MediaRange],
    packaging: Packaging,
    syntax: Uid,
    stored: Uid,
    default: Uid | None,
) -> tuple[float, int] | None:
    """How much a form is wanted, by quality and place in the header; None when it is not.

    Of the ranges that cover a form the most specific decides (RFC 9110 12.5.1): `*/*` does not
    bring back what a narrower range rules out.
    """
    if not accept:
        wanted = packaging is Packaging.MULTIPART and syntax == default
        return (1.0, 0) if wanted else None
    decisive: tuple[int, float, int] | None = None
    for place, one in enumerate(accept):
        covers = _specificity(one, packaging)
        if covers is None or not _covers_syntax(one, syntax, stored, default):
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


def _covers_syntax(one: MediaRange, syntax: Uid, stored: Uid, default: Uid | None) -> bool:
    if not one.transfer_syntax:
        return syntax == default
    if one.transfer_syntax == ANY_SYNTAX:
        # As stored; what may not be sent as it is stored is sent plain.
        return syntax == (EXPLICIT_LITTLE_ENDIAN if stored in _NEVER_SENT else stored)
    return syntax == one.transfer_syntax


def _not_acceptable(offered: Sequence[Uid], *, alone: bool) -> NotAcceptable:
    if not offered:
        return NotAcceptable("this instance can be sent in no transfer syntax", subject="Accept")
    media = 'multipart/related; type="application/dicom"' + (f" or {DICOM}" if alone else "")
    syntaxes = ", ".join(offered)
    return NotAcceptable(f"offered are {media}, in {syntaxes} or *", subject="Accept")


def choose_metadata(accept: Sequence[MediaRange]) -> str:
    """The media type in which metadata is sent: DICOM JSON, or `NotAcceptable` (PS3.18 10.4.1.1).

    `application/json` gets DICOM JSON too, as viewers ask for it.
    """
    covering = {DICOM_JSON: 3, "application/json": 2, "application/*": 1, "*/*": 0}
    ranked = [(covering[one.media_type], one.q) for one in accept if one.media_type in covering]
    if accept and (not ranked or max(ranked)[1] == 0):
        raise NotAcceptable(f"metadata is offered as {DICOM_JSON}", subject="Accept")
    return DICOM_JSON


def accept_for(wish_syntaxes: Sequence[Uid]) -> str:
    """The Accept header by which we ask for instances, best syntax first.

    It ends with "as stored, if need be", so that nothing is decompressed only because we did not
    name its syntax; an empty wish asks for just that.
    """
    return ", ".join(_asked(wish_syntaxes))


def _asked(syntaxes: Sequence[Uid]) -> Iterator[str]:
    media = f'multipart/related; type="{DICOM}"; transfer-syntax='
    for index, syntax in enumerate(syntaxes):
        # Beyond the ninth the order alone tells, as it does among equals.
        quality = max(10 - index, 2)
        yield f"{media}{syntax}" + (f"; q=0.{quality}" if quality < 10 else "")
    yield f"{media}{ANY_SYNTAX}" + ("; q=0.1" if syntaxes else "")
