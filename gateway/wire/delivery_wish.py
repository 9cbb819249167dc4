"""A stated need in the headers of a request, of DICOMweb and of RAD-75 alike.

Standard headers carry what they can: `Downlink` (Mbit/s) and `RTT` (ms), the network client hints
(WICG Network Information, 7), and `Prefer: wait` (s, RFC 7240, 4.3) for the deadline. What has no
header is in one of our own, which other gateways ignore:

    NCPeH-Delivery: purpose=review, lossy=?1, first-image=5, max-bytes=50000000, decode=gateway

It is a dictionary (RFC 9651, 3.2) of `purpose`, `lossy`, `deadline` and `first-image` (s),
`max-bytes`, `decode`, `choice`, `plan`, the id of a plan that was accepted, `have`, the positions
in it that need not be sent, as ascending ranges: `have="0-3,17"`, `delivery`, the name a
requester gives to all it asks for together, and `first-look`, how often an image may be halved:
of each comes the beginning alone, in a part with a Content-Range of its own, over WADO-RS. The
syntaxes a requester reads stand where each wire has them: in Accept, or in the
TransferSyntaxUIDList. An answer tells in `NCPeH-Delivery-Id` by which id its certificate is had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from gateway.domain import (
    Decoding,
    DeliveryWish,
    InvalidWish,
    LinkProfile,
    LinkSource,
    PurposeOfUse,
    ReadingPurpose,
    SyntaxChoice,
    Uid,
)
from gateway.wire.problems import DecodeError

HEADER: Final = "NCPeH-Delivery"
DELIVERY_ID: Final = "NCPeH-Delivery-Id"
DOWNLINK: Final = "Downlink"
RTT: Final = "RTT"
PREFER: Final = "Prefer"

# What a study of thousands needs to say which hundred came; servers read fields of some 8190 bytes.
MAX_HEADER: Final = 8000
# Of that, for `have`: the rest is for everything else that is wished.
MAX_HAVE: Final = 7000
# Twice what is asked for in one request (`IMAGES_PER_STUDY`): a longer list fills memory only.
MAX_POSITION: Final = 99_999
MAX_MEMBERS: Final = 16
_RULE: Final = "RFC 9651, 3.2"
_KEY: Final = r"[a-z*][a-z0-9_.*-]{0,63}"
_NUMBER: Final = r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?"
_MEMBER: Final = re.compile(
    rf'(?P<key>{_KEY})(?:=(?:(?P<number>{_NUMBER})|\?(?P<flag>[01])|"(?P<text>[ !#-\[\]-~]*)"'
    r"|(?P<token>[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)))?(?P<rest>;[^,]*)?"
)
_WAIT: Final = re.compile(r"\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:;.*)?", re.IGNORECASE)
# Ids of plans and deliveries alike.
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_BETWEEN_COMMAS: Final = re.compile(r'(?:[^,"]++|"[^"]*+"?)++')
_POSITIONS: Final = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")

_Value = str | float | bool
E = TypeVar("E", Decoding, ReadingPurpose, SyntaxChoice)


def write_wish(wish: DeliveryWish, *, implied: SyntaxChoice | None = None) -> dict[str, str]:
    """The headers that carry a wish, but for its syntaxes; nothing of what is as usual.

    `implied` is the choice that the request makes already, by where its syntaxes stand.
    """
    members = []
    if wish.purpose is not ReadingPurpose.DIAGNOSTIC:
        members.append(f"purpose={wish.purpose}")
    if wish.lossy_consent:
        members.append("lossy=?1")
    deadline = wish.deadline_seconds
    if deadline is not None and not deadline.is_integer():
        members.append(f"deadline={deadline:.3f}")
    if wish.first_image_seconds is not None:
        members.append(f"first-image={wish.first_image_seconds:.3f}")
    if wish.max_bytes is not None:
        members.append(f"max-bytes={wish.max_bytes}")
    if wish.decoding is not Decoding.NATIVE:
        members.append(f"decode={wish.decoding}")
    if wish.choice is not implied:
        members.append(f"choice={wish.choice}")
    if wish.plan:
        members.append(f'plan="{wish.plan}"')
    if wish.delivery:
        members.append(f'delivery="{wish.delivery}"')
    if wish.first_look:
        members.append(f"first-look={wish.first_look}")
    if wish.have:
        members.append(f'have="{write_positions(wish.have)}"')
    headers = {HEADER: ", ".join(members)} if members else {}
    if deadline is not None and deadline.is_integer():
        headers[PREFER] = f"wait={int(deadline)}"
    if wish.link is not None:
        headers[DOWNLINK] = f"{wish.link.bits_per_second / 1e6:.6g}"
        headers[RTT] = f"{wish.link.round_trip_seconds * 1000:.6g}"
    return headers


def delivery_id(id: str) -> dict[str, str]:
    """The header that tells a delivery's id; none where it has none."""
    return {DELIVERY_ID: id} if id else {}


def read_delivery_id(headers: Mapping[str, str]) -> str:
    """The id that an answer tells of its delivery; "" where it tells none that can be one."""
    found = headers.get(DELIVERY_ID, "")
    return found if is_delivery_id(found) else ""


def states_wish(headers: Mapping[str, str]) -> bool:
    """Whether a request says anything of our own about what it needs."""
    return HEADER in headers


def read_wish(
    headers: Mapping[str, str],
    *,
    syntaxes: Sequence[Uid],
    choice: SyntaxChoice,
    purpose_of_use: PurposeOfUse | None = None,
) -> DeliveryWish:
    """The wish of a request with these headers (looked up without regard to case).

    `syntaxes` and `choice` are what the request says where its wire has it. In an emergency, by
    the purpose of use, images are wanted for one unless something else is said. Raises
    `DecodeError` naming the header.
    """
    stated = _dictionary(headers.get(HEADER, ""))
    usual = (
        ReadingPurpose.EMERGENCY
        if purpose_of_use is PurposeOfUse.EMERGENCY
        else ReadingPurpose.DIAGNOSTIC
    )
    deadline = _number(stated, "deadline")
    max_bytes = _number(stated, "max-bytes")
    try:
        return DeliveryWish(
            purpose=_one_of(stated, "purpose", ReadingPurpose, usual),
            syntaxes=tuple(syntaxes),
            choice=_one_of(stated, "choice", SyntaxChoice, choice),
            deadline_seconds=deadline if deadline is not None else _waits(headers.get(PREFER, "")),
            first_image_seconds=_number(stated, "first-image"),
            lossy_consent=_flag(stated, "lossy"),
            max_bytes=None if max_bytes is None else int(max_bytes),
            decoding=_one_of(stated, "decode", Decoding, Decoding.NATIVE),
            link=_link(headers),
            plan=_id(stated, "plan"),
            delivery=_id(stated, "delivery"),
            have=_have(stated),
            first_look=_count(stated, "first-look"),
        )
    except InvalidWish as error:
        raise DecodeError(f"{HEADER}, {error.name}", error.found, error.expected) from None


def _dictionary(header: str) -> dict[str, _Value]:
    if len(header) > MAX_HEADER:
        raise DecodeError(HEADER, f"{len(header)} characters", f"at most {MAX_HEADER}")
    found: dict[str, _Value] = {}
    for part in _members(header):
        match = _MEMBER.fullmatch(part)
        if match is None:
            raise DecodeError(HEADER, repr(part[:80]), "a key and a value", _RULE)
        key, number, flag = match["key"], match["number"], match["flag"]
        if number is not None:
            found[key] = float(number)
        elif flag is not None:
            found[key] = flag == "1"
        else:
            text = match["text"] if match["text"] is not None else match["token"]
            found[key] = True if text is None else text
    if len(found) > MAX_MEMBERS:
        raise DecodeError(HEADER, f"{len(found)} members", f"at most {MAX_MEMBERS}")
    return found


def _members(header: str) -> Iterable[str]:
    parts = (match[0].strip() for match in _BETWEEN_COMMAS.finditer(header))
    return (part for part in parts if part)


def _number(stated: Mapping[str, _Value], key: str) -> float | None:
    value = stated.get(key)
    if value is None or (isinstance(value, float) and not isinstance(value, bool)):
        return value
    raise DecodeError(f"{HEADER}, {key}", repr(value)[:80], "a number", _RULE)


def _count(stated: Mapping[str, _Value], key: str) -> int:
    value = _number(stated, key)
    if value is None:
        return 0
    if not value.is_integer():
        raise DecodeError(f"{HEADER}, {key}", f"{value:g}", "a whole number", _RULE)
    return int(value)


def _flag(stated: Mapping[str, _Value], key: str) -> bool:
    value = stated.get(key, False)
    if isinstance(value, bool):
        return value
    raise DecodeError(f"{HEADER}, {key}", repr(value)[:80], "?1 or ?0", _RULE)


def _one_of(stated: Mapping[str, _Value], key: str, kind: type[E], usual: E) -> E:
    value = stated.get(key)
    if value is None:
        return usual
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(one.value for one in kind)
        raise DecodeError(f"{HEADER}, {key}", repr(value)[:80], f"one of {known}") from None


def _id(stated: Mapping[str, _Value], key: str) -> str:
    value = stated.get(key, "")
    if isinstance(value, str) and (value == "" or is_delivery_id(value)):
        return value
    expected = f"the id of a {key}: letters, digits and hyphens, at most 64"
    raise DecodeError(f"{HEADER}, {key}", repr(value)[:80], expected)


def is_delivery_id(text: str) -> bool:
    """Whether a text can be the id of a plan or a delivery."""
    return _ID.fullmatch(text) is not None


def _have(stated: Mapping[str, _Value]) -> frozenset[int]:
    value = stated.get("have", "")
    if isinstance(value, str):
        return read_positions(value)
    raise DecodeError(f"{HEADER}, have", repr(value)[:80], "positions in quotes")


def write_positions(positions: Iterable[int]) -> str:
    """Positions as ascending ranges, "0-3,17"; "" for none."""
    runs: list[list[int]] = []
    for at in sorted(positions):
        if runs and at == runs[-1][1] + 1:
            runs[-1][1] = at
        else:
            runs.append([at, at])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def read_positions(text: str) -> frozenset[int]:
    """Positions of ascending ranges; `DecodeError` for what is none, and for what is no list."""
    where, found, past = f"{HEADER}, have", set[int](), -1
    for part in text.split(",") if text.strip() else ():
        match = _POSITIONS.fullmatch(part.strip())
        first = int(match[1]) if match else -1
        last = int(match[2] or match[1]) if match else -1
        if not past < first <= last <= MAX_POSITION:
            expected = f"ascending positions from 0 to {MAX_POSITION}, such as 0-3,17"
            raise DecodeError(where, repr(part[:40]), expected)
        found.update(range(first, last + 1))
        past = last
    return frozenset(found)


def _waits(prefer: str) -> float | None:
    """The first `wait` among the preferences; what cannot be read is none (RFC 7240, 2)."""
    for part in prefer[:MAX_HEADER].split(","):
        match = _WAIT.fullmatch(part)
        if match and int(match[1]):
            return float(match[1])
    return None


def _link(headers: Mapping[str, str]) -> LinkProfile | None:
    """The link by its client hints; a hint that is none is passed over, as hints are."""
    usual = LinkProfile()
    rate, trip = _hint(headers.get(DOWNLINK, "")), _hint(headers.get(RTT, ""))
    if rate is None:
        return None
    try:
        return LinkProfile(
            bits_per_second=rate * 1e6,
            round_trip_seconds=usual.round_trip_seconds if trip is None else trip / 1000,
            source=LinkSource.DECLARED,
        )
    except InvalidWish:
        return None


def _hint(value: str) -> float | None:
    text = value.strip()
    return float(text) if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", text) else None
