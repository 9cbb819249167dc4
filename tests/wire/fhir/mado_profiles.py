"""What a resource breaks of a MADO profile, by the profile's own JSON.

Cardinalities and fixed values of the snapshot, and the slices of the differential, each slice known
by what its type's profile names. Value sets and the profiles of other packages are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tests.shared import shared

Json = dict[str, Any]
_BASE = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/"


@cache
def definition(name: str) -> Json:
    """A StructureDefinition kept beside the project."""
    found: Json = json.loads(
        shared(f"samples/fhir/profiles/StructureDefinition-{name}.json").read_text()
    )
    return found


def _held(parent: Json, name: str) -> list[Any]:
    """The values under a name; one that only has extensions is a value too."""
    value = parent.get(name, parent.get(f"_{name}"))
    return [] if value is None else value if isinstance(value, list) else [value]


def _parents(resource: Json, steps: list[str]) -> list[Json]:
    found = [resource]
    for step in steps:
        found = [one for parent in found for one in _held(parent, step) if isinstance(one, dict)]
    return found


def problems(resource: Json, name: str) -> Iterator[str]:
    """Cardinalities, fixed values and slices of the profile that the resource does not keep."""
    for element in definition(name)["snapshot"]["element"]:
        if ":" in element["id"] or "." not in element["path"] or "[x]" in element["path"]:
            continue
        *steps, last = element["path"].split(".")[1:]
        for parent in _parents(resource, steps):
            count = len(_held(parent, last))
            most = element["max"]
            if count < element["min"] or (most != "*" and count > int(most)):
                yield f"{element['id']}: {count}, expected {element['min']}..{most}"
            for key in ("patternCode", "fixedCode", "fixedUri"):
                if key in element and any(one != element[key] for one in _held(parent, last)):
                    yield f"{element['id']}: {_held(parent, last)}, expected {element[key]}"


def slice_counts(
    resource: Json, name: str, conforms: Callable[[Any, str], bool]
) -> Iterator[tuple[str, bool]]:
    """Each slice of the profile in each of its places, and whether its count is allowed.

    `conforms` says whether a value is of a profile, given the end of the profile's URL.
    """
    elements = definition(name)["differential"]["element"]
    for element in elements:
        if "sliceName" not in element:
            continue
        typed = [element, *(one for one in elements if one["id"] == element["id"] + ".resource")]
        profiles = [
            profile.removeprefix(_BASE)
            for one in typed
            for kind in one.get("type", [])
            for profile in kind.get("profile", kind.get("targetProfile", []))
        ]
        *steps, last = element["path"].split(".")[1:]
        for parent in _parents(resource, steps):
            count = sum(
                any(conforms(one, profile) for profile in profiles) for one in _held(parent, last)
            )
            most = element["max"]
            allowed = count >= element["min"] and (most == "*" or count <= int(most))
            yield element["id"], allowed
