"""Any noun as plain JSON values, for people to read in a transcript.

One direction only: what is written here is shown and never read back. Every dataclass becomes
an object with its class name as `kind`; enums give their value, times ISO 8601, durations
seconds; bytes become base64 when short, else size and SHA-256. A value this module does not know
is told by its type, so that showing a message can never fail for lack of a rule.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cache
from math import isfinite
from pathlib import PurePath
from typing import TypeAlias, cast

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

# Longer byte strings are documents and images, which lie elsewhere and would drown the noun.
MAX_INLINE_BYTES = 4096
# Nouns nest about ten deep; a value built of itself must not recurse for ever.
MAX_DEPTH = 32
# JSON readers keep integers exactly up to 2^53 (RFC 8259 section 6).
MAX_EXACT_INTEGER = 2**53

_RULED = (
    *(Enum, int, float, str, bytes, bytearray, memoryview, date, time, timedelta),
    *(PurePath, BaseException, Mapping, AbstractSet, Sequence),
)


def to_plain(value: object, *, depth: int = 0) -> Plain:
    """The value as None, bool, int, float, str, list or dict, whatever it is."""
    if depth > MAX_DEPTH:
        return f"({type(value).__name__}, nested too deep to show)"
    if (names := _names_of(cast(Hashable, type(value)))) is not None:
        shown = {name: to_plain(getattr(value, name), depth=depth + 1) for name in names}
        return {"kind": type(value).__name__, **shown}
    match value:
        case None | bool():
            return value
        case Enum():
            return value.value if isinstance(value.value, str) else value.name.lower()
        case int():
            return int(value) if abs(value) <= MAX_EXACT_INTEGER else str(value)
        case float():
            return float(value) if isfinite(value) else str(value)
        case str():
            # Lone surrogates cannot be written as UTF-8.
            return str(value).encode("utf-8", "replace").decode()
        case bytes() | bytearray() | memoryview():
            return _bytes(bytes(value))
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case PurePath():
            return str(value)
        case BaseException():
            return {"kind": type(value).__name__, **_public(vars(value), depth)}
        case Mapping():
            return {_key(key): to_plain(item, depth=depth + 1) for key, item in value.items()}
        case AbstractSet():
            return [to_plain(item, depth=depth + 1) for item in sorted(value, key=str)]
        case Sequence():
            return [to_plain(item, depth=depth + 1) for item in value]
    return {"kind": type(value).__name__}


@cache
def _names_of(kind: type) -> tuple[str, ...] | None:
    """The public fields of a dataclass that is nothing which has a rule of its own."""
    if issubclass(kind, _RULED) or not is_dataclass(kind):
        return None
    return tuple(field.name for field in fields(kind) if not field.name.startswith("_"))


def _bytes(value: bytes) -> Plain:
    if len(value) <= MAX_INLINE_BYTES:
        return {"kind": "bytes", "size_bytes": len(value), "base64": b64encode(value).decode()}
    digest = hashlib.sha256(value).hexdigest()
    return {"kind": "bytes", "size_bytes": len(value), "sha256": digest}


def _public(values: Mapping[str, object], depth: int) -> dict[str, Plain]:
    return {
        key: to_plain(item, depth=depth + 1)
        for key, item in values.items()
        if not key.startswith("_")
    }


def _key(key: object) -> str:
    plain = to_plain(key)
    return plain if isinstance(plain, str) else str(plain)
