"""Any noun as plain JSON values, for people to read in a transcript.

One direction only: what is written here is shown and never read back. Every dataclass becomes
an object with its class name as `kind`; enums give their value, times ISO 8601, durations
seconds; bytes become base64 when short, else size and SHA-256. A value this module does not know
is told by its type, so that showing a message can never fail for lack of a rule.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from functools import cache
from math import isfinite
from pathlib import PurePath
from typing import Any, TypeAlias, cast

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
Rule: TypeAlias = "Callable[[Any, int], Plain]"

# Longer byte strings are documents and images, which lie elsewhere and would drown the noun.
MAX_INLINE_BYTES = 4096
# Nouns nest about ten deep; a value built of itself must not recurse for ever.
MAX_DEPTH = 32
# JSON readers keep integers exactly up to 2^53 (RFC 8259 section 6).
MAX_EXACT_INTEGER = 2**53


def to_plain(value: object, *, depth: int = 0) -> Plain:
    """The value as None, bool, int, float, str, list or dict, whatever it is."""
    if depth > MAX_DEPTH:
        return f"({type(value).__name__}, nested too deep to show)"
    return _rule(cast(Hashable, type(value)))(value, depth + 1)


@cache
def _rule(kind: type) -> Rule:
    """How values of a type are shown: a noun has thousands of values and a dozen types."""
    for ruled, rule in _RULES:
        if issubclass(kind, ruled):
            return rule
    if is_dataclass(kind):
        return _of_dataclass(kind)
    return lambda _value, _depth: {"kind": kind.__name__}


def _of_dataclass(kind: type) -> Rule:
    names = tuple(field.name for field in fields(kind) if not field.name.startswith("_"))

    def rule(value: Any, depth: int) -> Plain:
        shown = {name: to_plain(getattr(value, name), depth=depth) for name in names}
        return {"kind": kind.__name__, **shown}

    return rule


def _enum(value: Any, _depth: int) -> Plain:
    return value.value if isinstance(value.value, str) else str(value.name).lower()


def _integer(value: Any, _depth: int) -> Plain:
    return int(value) if abs(value) <= MAX_EXACT_INTEGER else str(value)


def _float(value: Any, _depth: int) -> Plain:
    return float(value) if isfinite(value) else str(value)


def _text(value: Any, _depth: int) -> Plain:
    # Lone surrogates cannot be written as UTF-8.
    return str(value) if value.isascii() else str(value).encode("utf-8", "replace").decode()


def _error(value: Any, depth: int) -> Plain:
    public = {key: item for key, item in vars(value).items() if not key.startswith("_")}
    return {"kind": type(value).__name__, **_object(public, depth)}


def _object(value: Any, depth: int) -> dict[str, Plain]:
    return {_key(key): to_plain(item, depth=depth) for key, item in value.items()}


def _set(value: Any, depth: int) -> Plain:
    return [to_plain(item, depth=depth) for item in sorted(value, key=str)]


def _list(value: Any, depth: int) -> Plain:
    return [to_plain(item, depth=depth) for item in value]


def _bytes(value: Any, _depth: int) -> Plain:
    if len(value) <= MAX_INLINE_BYTES:
        return {"kind": "bytes", "size_bytes": len(value), "base64": b64encode(value).decode()}
    digest = hashlib.sha256(value).hexdigest()
    return {"kind": "bytes", "size_bytes": len(value), "sha256": digest}


def _key(key: object) -> str:
    plain = to_plain(key)
    return plain if isinstance(plain, str) else str(plain)


# The first that fits counts: an enum may be a string, and a boolean is an integer.
_RULES: tuple[tuple[type | tuple[type, ...], Rule], ...] = (
    ((type(None), bool), lambda value, _depth: cast(Plain, value)),
    (Enum, _enum),
    (int, _integer),
    (float, _float),
    (str, _text),
    ((bytes, bytearray), _bytes),
    (memoryview, lambda value, depth: _bytes(bytes(cast(memoryview, value)), depth)),
    ((date, time), lambda value, _depth: cast(date | time, value).isoformat()),
    (timedelta, lambda value, _depth: cast(timedelta, value).total_seconds()),
    (PurePath, lambda value, _depth: str(value)),
    (BaseException, _error),
    (Mapping, _object),
    (AbstractSet, _set),
    (Sequence, _list),
)
