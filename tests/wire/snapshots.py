"""A resource held to a profile's snapshot: cardinalities, patterns, slices by value.

Of a StructureDefinition only what the profiles of BALP, MHD, PDQm and the EU Health Data API use is
understood. Value sets are not looked into but for those named here, and a slice that another
profile tells apart is not judged: those profiles are not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

# A slice that is known by its value set alone, and the codes in that set (BALP AllSearchVS, …).
VALUE_SETS: Mapping[str, frozenset[str]] = {
    "https://profiles.ihe.net/ITI/BALP/ValueSet/AllSearchVS": frozenset(
        {"search", "search-type", "search-system"}
    ),
    "https://profiles.ihe.net/ITI/BALP/ValueSet/AllReadVS": frozenset({"read", "vread"}),
}


def problems(resource: Json, profile: Json) -> set[str]:
    """The ids of the elements the resource breaks; none where it meets the profile."""
    elements = {element["id"]: element for element in profile["snapshot"]["element"]}
    found: dict[str, list[Any]] = {profile["type"]: [resource]}
    broken = set()
    for name, element in elements.items():
        parent, _, last = name.rpartition(".")
        if not parent:
            continue
        found[name] = []
        for holder in found.get(parent, ()):
            if not isinstance(holder, Mapping):
                continue
            values = _values(holder, last.partition(":")[0])
            if "sliceName" in element:
                told = _discriminators(name, elements)
                if told is None:
                    continue
                values = [each for each in values if _within(each, told)]
            if not element["min"] <= len(values) <= _most(element["max"]):
                broken.add(name)
            if any(not _fits(each, _pattern(element)) for each in values):
                broken.add(name)
            found[name] += values
    return broken


def _values(holder: Json, name: str) -> list[Any]:
    if name.endswith("[x]"):
        return [value for key, value in holder.items() if key.startswith(name[:-3])]
    value = holder.get(name, [])
    return value if isinstance(value, list) else [value]


def _discriminators(name: str, elements: Mapping[str, Json]) -> dict[str, Json] | None:
    """What tells a slice's values from others, by path; None where only another profile says."""
    told: dict[str, Json] = {}
    for discriminator in elements[name.rpartition(":")[0]]["slicing"]["discriminator"]:
        path = discriminator["path"]
        assert discriminator["type"] in ("value", "pattern"), discriminator
        if path == "$this":
            told[path] = elements[name]
        elif f"{name}.{path}" in elements:
            told[path] = elements[f"{name}.{path}"]
        elif path == "url":  # an extension is told by the profile that defines it
            told[path] = {"fixedUri": elements[name]["type"][0]["profile"][0]}
        else:
            return None
    return told


def _within(value: Any, told: Mapping[str, Json]) -> bool:
    for path, element in told.items():
        inner = value if path == "$this" else value.get(path, {})
        if _pattern(element) is None:
            if inner.get("code") not in VALUE_SETS[element["binding"]["valueSet"]]:
                return False
        elif not _fits(inner, _pattern(element)):
            return False
    return True


def _pattern(element: Json) -> Any:
    return next((v for k, v in element.items() if k.startswith(("pattern", "fixed"))), None)


def _fits(value: Any, pattern: Any) -> bool:
    """Whether a value holds everything a pattern holds (FHIR, ElementDefinition.pattern)."""
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and _fits(value[key], inner) for key, inner in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(_fits(each, inner) for each in value) for inner in pattern
        )
    return pattern is None or value == pattern


def _most(text: str) -> float:
    return float("inf") if text == "*" else int(text)
