"""Bundles of type searchset: the answer to every search, whatever was searched for.

A Bundle is written with what MHD and NCPeH demand of it: a total, a link to itself, an absolute
URL for every entry. It is read with more patience: an OperationOutcome in place of a Bundle, and
entries that do not say their mode, are answers that live gateways give. What the resources mean is
for their own codecs. Clauses: FHIR R4 bundle.html and http.html#search; ITI MHD 2:3.67.4.2.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.domain import Issue
from gateway.wire.fhir.json_format import written_ahead
from gateway.wire.fhir.refusals import outcome_of_issues
from gateway.wire.fhir.resources import (
    MAX_ENTRIES,
    Json,
    expect_type,
    integer_at,
    object_at,
    objects_at,
    text_at,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

MAX_LINKS: Final = 50
_MATCH: Final = ("match", "")
_OUTCOME: Final = "OperationOutcome"


@dataclass(frozen=True, slots=True)
class Searchset:
    """One page of an answer.

    `matches` are what was searched for, as (fullUrl, resource); `searches` are the `search`
    elements beside them, in the same order, for those who look for scores. `included` are what the
    matches refer to, as far as the answer has it. `next_url` is "" on the last page, `total` is
    None when the peer does not say it.
    """

    matches: tuple[tuple[str, Json], ...] = ()
    outcomes: tuple[Json, ...] = ()
    next_url: str = ""
    total: int | None = None
    searches: tuple[Json, ...] = ()
    included: tuple[tuple[str, Json], ...] = ()


def searchset(
    resources: Iterable[tuple[str, Json]],
    *,
    bundle_id: str,
    at: datetime,
    self_url: str,
    issues: Sequence[Issue] = (),
    total: int | None = None,
    next_url: str = "",
    included: Sequence[tuple[str, Json]] = (),
    ahead: bool = False,
) -> Json:
    """A Bundle of the resources, each with its absolute URL, and of the issues as one outcome.

    `included` are resources that those refer to, with the URLs they are referred to by. `total`
    counts matches on all pages, those of this page when None. `at` is aware. `ahead` is
    for a Bundle that goes out as JSON: each match is written as soon as it is made.
    """
    entries: list[object] = []
    for url, resource in resources:
        entry = {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}
        entries.append(written_ahead(entry) if ahead else entry)
    here = len(entries)
    entries += [
        {"fullUrl": url, "resource": resource, "search": {"mode": "include"}}
        for url, resource in included
    ]
    if issues:
        # An entry needs a URL of its own, and this one is nowhere to be fetched.
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{bundle_id}#outcome")
        outcome = outcome_of_issues(issues)
        entries.append({"fullUrl": name.urn, "resource": outcome, "search": {"mode": "outcome"}})
    links = [{"relation": "self", "url": self_url}]
    if next_url:
        links.append({"relation": "next", "url": next_url})
    bundle: Json = {
        "resourceType": "Bundle",
        "id": bundle_id,
        "meta": {"lastUpdated": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)},
        "type": "searchset",
        "total": here if total is None else total,
        "link": links,
    }
    if entries:
        bundle["entry"] = entries
    return bundle


def read_searchset(resource: Json, where: str) -> Searchset:
    """A page of an answer; a bare OperationOutcome is one without matches.

    An entry without mode is a match, unless it is an OperationOutcome, which is an outcome
    whatever it says. Raises `DecodeError` for another resource, another type of Bundle, and
    entries without a resource.
    """
    expect_type(resource, "Bundle", _OUTCOME, where=where)
    if resource["resourceType"] == _OUTCOME:
        return Searchset(outcomes=(resource,))
    kind = text_at(resource, "type", where)
    if kind != "searchset":
        raise DecodeError(f"{where}.type", quoted(kind) or "nothing", "searchset", "FHIR R4 Bundle")
    entries = objects_at(resource, "entry", where)
    if len(entries) > MAX_ENTRIES:
        raise DecodeError(f"{where}.entry", f"{len(entries)} entries", f"at most {MAX_ENTRIES}")
    matches, searches, outcomes, included = [], [], [], []
    for i, entry in enumerate(entries):
        place = f"{where}.entry[{i}]"
        held = object_at(entry, "resource", place)
        name = text_at(held, "resourceType", f"{place}.resource")
        if not name:
            raise DecodeError(f"{place}.resource", "no resource", "a resource", "FHIR R4 Bundle")
        search = object_at(entry, "search", place)
        if name == _OUTCOME:
            outcomes.append(held)
        elif text_at(search, "mode", f"{place}.search") in _MATCH:
            matches.append((text_at(entry, "fullUrl", place), held))
            searches.append(search)
        else:
            included.append((text_at(entry, "fullUrl", place), held))
    return Searchset(
        matches=tuple(matches),
        outcomes=tuple(outcomes),
        next_url=_next_url(resource, where),
        total=_total(resource, where),
        searches=tuple(searches),
        included=tuple(included),
    )


def _next_url(bundle: Json, where: str) -> str:
    links = objects_at(bundle, "link", where)
    if len(links) > MAX_LINKS:
        raise DecodeError(f"{where}.link", f"{len(links)} links", f"at most {MAX_LINKS}")
    for i, link in enumerate(links):
        if text_at(link, "relation", f"{where}.link[{i}]") == "next":
            return text_at(link, "url", f"{where}.link[{i}]")
    return ""


def _total(bundle: Json, where: str) -> int | None:
    total = integer_at(bundle, "total", where)
    if total is not None and total < 0:
        raise DecodeError(f"{where}.total", str(total), "a count", "FHIR R4 unsignedInt")
    return total
