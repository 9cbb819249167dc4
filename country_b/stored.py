"""Nouns of the domain as JSON values, and back: how the country's own tables hold them.

Not a wire format: nothing here crosses a border, and both directions are made from the types
themselves, so that a field added to a noun is stored without a word here. Fields that have their
default value are left out.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
_TIMES = (datetime, date, time)


def pack(value: Any) -> Any:
    """A noun, or a tuple of them, as values that JSON can hold; `TypeError` on anything else."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, _TIMES):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {str(key): pack(item) for key, item in value.items()}
    if is_dataclass(value):
        return {
            item.name: pack(held)
            for item in fields(value)
            if (held := getattr(value, item.name)) is not _default(item) and held != _default(item)
        }
    raise TypeError(f"found {type(value).__name__}, expected a noun of the domain")


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def unpack(kind: type[T], data: Any) -> T:
    """The noun of a kind from what `pack` made of it."""
    reader = _reader(cast(Hashable, kind))
    return cast(T, reader(data))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"found {kind}, expected a type or None")
        read = _reader(inner[0])
        return lambda data: None if data is None else read(data)
    if origin is tuple:
        parts = get_args(kind)
        if len(parts) == 2 and parts[1] is Ellipsis:
            each = _reader(parts[0])
            return lambda data: tuple(each(item) for item in data)
        readers = tuple(_reader(part) for part in parts)
        return lambda data: tuple(read(item) for read, item in zip(readers, data, strict=True))
    if origin is dict:
        value = _reader(get_args(kind)[1])
        return lambda data: {key: value(item) for key, item in data.items()}
    if kind in (str, int, float, bool, Any):
        return lambda data: data
    if kind in _TIMES:
        return cast(Callable[[Any], Any], kind.fromisoformat)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        by_name = {item.name: _reader(hints[item.name]) for item in fields(kind) if item.init}
        make = cast(Callable[..., Any], kind)
        return lambda data: make(**{name: by_name[name](held) for name, held in data.items()})
    if isinstance(kind, type) and issubclass(kind, str | Enum):
        return kind
    raise TypeError(f"found {kind}, expected a noun of the domain")
