"""Parts of an ImagingStudy in the answer to a search: the elements wanted, its endpoints apart.

Works on the resource as JSON and knows nothing of its meaning beyond which elements no ImagingStudy
may be without. An element may be named by a path (`series.uid`), as large studies need: a study of
thousands of images is asked for without `series.instance`. What is contained stays as far as what
is left refers to it. Clauses: FHIR R4 search.html#elements and #include, references.html#contained,
imagingstudy.html.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from gateway.wire.fhir.resources import Json

_Wanted: TypeAlias = dict[str, "_Wanted"]

SUBSETTED: Final[Json] = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
# What is kept whether or not it was asked for, by the path it stands at.
_MANDATORY: Final[dict[str, frozenset[str]]] = {
    "": frozenset(
        {"resourceType", "id", "meta", "implicitRules", "language", "contained"}
        | {"modifierExtension", "status", "subject"}
    ),
    "series": frozenset({"id", "modifierExtension", "uid", "modality"}),
    "series.instance": frozenset({"id", "modifierExtension", "uid", "sopClass"}),
}
_ENDPOINT: Final = "Endpoint"


def trimmed(resource: Json, elements: Iterable[str]) -> Json:
    """The resource with the elements wanted, marked as a part; whole where none are named.

    An element that is named both by itself and by a path is whole.
    """
    wanted: _Wanted = {}
    # The shorter of two paths comes first, and nothing is wanted below what is wanted whole.
    for path in sorted(elements, key=len):
        place = wanted
        for word in path.split("."):
            if word in place and not place[word]:
                break
            place = place.setdefault(word, {})
    if not wanted:
        return resource
    kept: Json = _part(resource, wanted, "")
    meta = dict(kept.get("meta", {}))
    meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    return _with_contained(_placed(kept, "meta", meta))


def _part(element: Json, wanted: _Wanted, path: str) -> Json:
    mandatory = _MANDATORY.get(path, frozenset())
    kept: Json = {}
    for name, value in element.items():
        word = name.removeprefix("_")  # extensions of a primitive stand beside it
        if wanted.get(word):
            below = f"{path}.{word}".lstrip(".")
            kept[name] = _below(value, wanted[word], below)
        elif word in wanted or word in mandatory:
            kept[name] = value
    return {name: value for name, value in kept.items() if value not in ({}, [])}


def _below(value: Any, wanted: _Wanted, path: str) -> Any:
    if isinstance(value, list):
        return [part for one in value if (part := _below(one, wanted, path)) not in ({}, [])]
    return _part(value, wanted, path) if isinstance(value, dict) else value


def _placed(resource: Json, name: str, value: Any) -> Json:
    """The resource with an element in its place, after the id where it is new."""
    if name in resource:
        return {**resource, name: value}
    head = {key: resource[key] for key in ("resourceType", "id") if key in resource}
    return {**head, name: value, **resource}


def _with_contained(resource: Json) -> Json:
    """Without contained resources that nothing refers to any more, not even another of them."""
    held = {str(one.get("id")): one for one in resource.get("contained", [])}
    rest = {name: value for name, value in resource.items() if name != "contained"}
    used: dict[str, None] = {}
    waiting = list(_references(rest))
    while waiting:
        name = waiting.pop().removeprefix("#")
        if name in held and name not in used:
            used[name] = None
            waiting += _references(held[name])
    kept = [one for name, one in held.items() if name in used]
    return _placed(rest, "contained", kept) if kept else rest


def _references(element: Any) -> Iterator[str]:
    """The references to contained resources in an element."""
    if isinstance(element, list):
        for one in element:
            yield from _references(one)
    elif isinstance(element, dict):
        for name, value in element.items():
            if name == "reference" and isinstance(value, str) and value.startswith("#"):
                yield value
            else:
                yield from _references(value)


def with_endpoints_apart(resource: Json, url: str) -> tuple[Json, tuple[tuple[str, Json], ...]]:
    """The resource without the Endpoints it contains, and those, each with the URL of its entry.

    `url` is that of the resource. The URLs are names and lead nowhere: an endpoint is a part of
    the answer, and not a resource that could be read.
    """
    apart: dict[str, tuple[str, Json]] = {}
    rest: list[Json] = []
    for one in resource.get("contained", []):
        if one.get("resourceType") == _ENDPOINT and one.get("id"):
            name = uuid.uuid5(uuid.NAMESPACE_URL, f"{url}#{one['id']}")
            apart[f"#{one['id']}"] = (name.urn, {**one, "id": str(name)})
        else:
            rest.append(one)
    if not apart:
        return resource, ()
    bare = {name: value for name, value in resource.items() if name != "contained"}
    bare = _redirected(bare, {old: new for old, (new, _) in apart.items()})
    return (_placed(bare, "contained", rest) if rest else bare), tuple(apart.values())


def _redirected(element: Any, names: dict[str, str]) -> Any:
    if isinstance(element, list):
        return [_redirected(one, names) for one in element]
    if isinstance(element, dict):
        return {
            name: names.get(value, value)
            if name == "reference" and isinstance(value, str)
            else _redirected(value, names)
            for name, value in element.items()
        }
    return element
