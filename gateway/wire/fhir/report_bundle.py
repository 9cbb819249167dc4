"""The document Bundle of a report: resources put in once, references followed.

Knows references and nothing of what they mean. Ids are names made from the document's own id and
the content, so that the same report is the same bytes wherever it is written. Clauses: FHIR R4
bundle.html#references, documents.html.
"""

from __future__ import annotations

import uuid
from typing import Final

import orjson

from gateway.wire.fhir.resources import MAX_ENTRIES, Json, object_at, objects_at, text_at
from gateway.wire.problems import DecodeError

_NAMES: Final = uuid.UUID("3c1f0a52-5f0e-5d55-9a57-0c2b4e9f6d11")  # our own name space
_URN: Final = "urn:uuid:"


class Made:
    """The entries of a document while it is written."""

    def __init__(self, document: str) -> None:
        self._space = uuid.uuid5(_NAMES, document)
        self.entries: list[Json] = []
        self._urls: dict[str, str] = {}
        self._resources: dict[str, Json] = {}

    def refer(self, resource: Json) -> Json:
        """A Reference to a resource, which is put in where it is new."""
        key = f"{resource['resourceType']}/{_content(resource)}"
        if key not in self._urls:
            self._urls[key] = self.put(resource, key)
        return {"reference": self._urls[key]}

    def put(self, resource: Json, name: str) -> str:
        """Put a resource in under a name of its own; its URL, known beforehand by `url_of`."""
        url = self.url_of(name)
        kind = resource["resourceType"]
        rest = {key: value for key, value in resource.items() if key != "resourceType"}
        made = {"resourceType": kind, "id": url.removeprefix(_URN), **rest}
        self.entries.append({"fullUrl": url, "resource": made})
        self._resources[url] = made
        return url

    def resource(self, reference: Json) -> Json:
        """The resource behind a Reference, {} where it is not in the document."""
        return self._resources.get(str(reference.get("reference")), {})

    def url_of(self, name: str) -> str:
        """The URL that a resource of a name has."""
        return uuid.uuid5(self._space, name).urn


def _content(resource: Json) -> str:
    return orjson.dumps(resource, default=str, option=orjson.OPT_SORT_KEYS).decode()


class Found:
    """The entries of a document that is read."""

    def __init__(self, bundle: Json, where: str) -> None:
        entries = objects_at(bundle, "entry", where)
        if len(entries) > MAX_ENTRIES:
            raise DecodeError(f"{where}.entry", f"{len(entries)} entries", f"at most {MAX_ENTRIES}")
        self.resources: list[Json] = []
        self._places: dict[int, str] = {}
        self._by_name: dict[str, Json] = {}
        for i, entry in enumerate(entries):
            place = f"{where}.entry[{i}]"
            resource = object_at(entry, "resource", place)
            if not resource:
                continue
            kind = text_at(resource, "resourceType", f"{place}.resource")
            self.resources.append(resource)
            self._places[id(resource)] = f"{where}.entry[{i}].{kind or 'resource'}"
            name = text_at(resource, "id", f"{place}.resource")
            for key in (text_at(entry, "fullUrl", place), f"{kind}/{name}" if name else ""):
                if key:
                    self._by_name.setdefault(key, resource)

    def of_type(self, *types: str) -> list[Json]:
        """The resources of some types, in the order of the document."""
        return [one for one in self.resources if one.get("resourceType") in types]

    def place(self, resource: Json) -> str:
        """Where a resource stands, for errors."""
        return self._places.get(id(resource), str(resource.get("resourceType", "resource")))

    def resolve(self, reference: Json, where: str) -> Json | None:
        """The resource a Reference leads to; None where it is not in the document.

        By the URL of its entry, or by type and id, of an absolute URL its last two steps.
        """
        return self.named(text_at(reference, "reference", where))

    def named(self, url: str) -> Json | None:
        """The resource of a URL, absolute or relative, without a version."""
        bare = url.partition("/_history/")[0]
        return self._by_name.get(bare) or self._by_name.get("/".join(bare.split("/")[-2:]))
