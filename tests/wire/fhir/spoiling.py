"""Ways to spoil a resource: every value in turn becomes one of another kind."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from gateway.wire.fhir.resources import Json

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    "",
    "^&\\|\x00",
    "x" * 5000,
    [],
    [None],
    [[]],
    ["x"],
    {},
    {"x": {}},
    [{}] * 300,
)


def spoilt(resource: Json) -> Iterator[Json]:
    """The resource with one value replaced or removed, for every value and every replacement."""
    for path in list(_paths(resource)):
        for wrong in WRONG:
            changed = deepcopy(resource)
            _holder(changed, path)[path[-1]] = wrong
            yield changed
        removed = deepcopy(resource)
        del _holder(removed, path)[path[-1]]
        yield removed


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, below in pairs:
        yield (*path, key)
        yield from _paths(below, (*path, key))


def _holder(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value
