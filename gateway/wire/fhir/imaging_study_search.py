"""The search for ImagingStudy over FHIR: asked and answered, an alternative to the manifest.

What parameters mean is in `imaging_study_parameters_read` and `_write`, parts of a resource are in
`imaging_study_parts`. How a manifest is an ImagingStudy is not known here: whoever makes or reads
an answer brings the function that does so, and this codec puts the resources into the Bundle and
takes them out. Clauses: NCPeH API 9.1, ImagingStudy; FHIR R4 http.html#search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from gateway.domain import (
    CommunityId,
    ImagingManifest,
    Issue,
    Outcome,
    PatientId,
    Refusal,
    Severity,
    StudyQuery,
    Uid,
    study_start,
)
from gateway.wire.fhir.bundles import read_searchset, searchset
from gateway.wire.fhir.foreign_outcomes import read_issues
from gateway.wire.fhir.imaging_study_parameters_read import DecodedSearch, read_parameters
from gateway.wire.fhir.imaging_study_parameters_write import EncodedSearch, write_parameters
from gateway.wire.fhir.imaging_study_parts import trimmed, with_endpoints_apart
from gateway.wire.fhir.resources import Json, text_at
from gateway.wire.fhir.search import Parameter
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

# A resource by the reference that names it, out of those an answer includes.
Resolve: TypeAlias = Callable[[str], Json | None]
# An ImagingStudy, with its id and its endpoints contained.
WriteStudy: TypeAlias = Callable[[ImagingManifest], Json]
# The manifest of an ImagingStudy, given its place and what it may refer to.
ReadStudy: TypeAlias = Callable[[Json, str, Resolve], Outcome[ImagingManifest]]

_KIND: Final = "ImagingStudy"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedResponse:
    """One page of an answer: the studies and issues, and the next page.

    `next_url` is "" on the last page; `total` is None when it is not said.
    """

    outcome: Outcome[ImagingManifest]
    next_url: str = ""
    total: int | None = None


def encode_request(query: StudyQuery, *, endpoints: bool = False) -> EncodedSearch:
    """The search as a query string, and what it does not ask; see `write_parameters`."""
    return write_parameters(query, endpoints=endpoints)


def decode_request(
    parameters: Iterable[Parameter],
    *,
    answering: CommunityId,
    patients: Callable[[str], PatientId | None] | None = None,
) -> DecodedSearch:
    """What a search asks; errors and tolerances as `read_parameters`."""
    return read_parameters(parameters, answering=answering, patients=patients)


def found(
    search: DecodedSearch,
    manifests: Iterable[ImagingManifest],
    study_id: Callable[[Uid], str],
    endpoint_ids: Callable[[ImagingManifest], Sequence[str]] | None = None,
) -> tuple[ImagingManifest, ...]:
    """The studies that a search asks for, newest first unless it wants the oldest.

    `manifests` are what a store found for `search.query`; `study_id` is the FHIR id of a study,
    `endpoint_ids` those of the endpoints of one. A study without date is the oldest.
    """
    kept = [
        one
        for one in manifests
        if search.keeps(one, study_id(one.study), endpoint_ids(one) if endpoint_ids else ())
    ]
    # Of one moment by UID, whichever way round: pages have to agree.
    kept.sort(key=lambda one: one.study)
    kept.sort(key=_started, reverse=not search.oldest_first)
    return tuple(kept)


def _started(manifest: ImagingManifest) -> datetime:
    start = study_start(manifest)
    return start.at if start else _LONG_AGO


def encode_response(
    search: DecodedSearch,
    manifests: Sequence[ImagingManifest],
    *,
    write: WriteStudy,
    base: str,
    bundle_id: str,
    at: datetime,
    self_url: str,
    issues: Sequence[Issue] = (),
    total: int | None = None,
    next_url: str = "",
) -> Json:
    """One page of an answer as a searchset, in the order of the manifests.

    Each study has the elements that the search wants, and its endpoints as entries of their own
    where it wants those included. `base` is this gateway's FHIR base; the rest is as for
    `searchset`. Raises `EncodeError` for a resource without id.
    """
    root = base.rstrip("/")
    rows: list[tuple[str, Json]] = []
    included: dict[str, Json] = {}
    for manifest in manifests:
        resource = write(manifest)
        if not resource.get("id"):
            raise EncodeError("an ImagingStudy without id cannot be the answer to a search")
        url = f"{root}/{_KIND}/{resource['id']}"
        resource = trimmed(resource, search.elements)
        if search.endpoints_included:
            resource, apart = with_endpoints_apart(resource, url)
            included.update(apart)
        rows.append((url, resource))
    return searchset(
        rows,
        bundle_id=bundle_id,
        at=at,
        self_url=self_url,
        issues=issues,
        total=total,
        next_url=next_url,
        included=tuple(included.items()),
    )


def _issue(text: str, subject: str, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(refusal=Refusal.PEER_MISBEHAVED, severity=severity, text=text, subject=subject)


def decode_response(resource: Json, *, read: ReadStudy, where: str = "Bundle") -> DecodedResponse:
    """The studies of a page, and what is to be said about them and about the whole.

    A study that cannot be used is an error issue and costs no other; one that comes twice counts
    once. An OperationOutcome in place of a Bundle is an answer without studies. `DecodeError` for
    another resource and for a Bundle that is none.
    """
    page = read_searchset(resource, where)
    issues = [issue for each in page.outcomes for issue in read_issues(each, f"{where}.outcome")]
    resolve = _resolver(page.included, where)
    studies: dict[Uid, ImagingManifest] = {}
    for i, (full_url, match) in enumerate(page.matches):
        kind = match.get("resourceType")
        if kind != _KIND:
            text = f"a {quoted(str(kind))} among the studies is passed over"
            issues.append(_issue(text, "", Severity.WARNING))
            continue
        try:
            outcome = read(match, f"{_KIND}[{i}]", resolve)
        except DecodeError as error:
            issues.append(_issue(f"a study cannot be used: {error}", full_url[:256]))
            continue
        issues += outcome.issues
        for manifest in outcome.items:
            if manifest.study in studies:
                text = "a study comes twice and is left out the second time"
                issues.append(_issue(text, str(manifest.study), Severity.WARNING))
            else:
                studies[manifest.study] = manifest
    return DecodedResponse(
        outcome=Outcome(tuple(studies.values()), tuple(issues)),
        next_url=page.next_url,
        total=page.total,
    )


def _resolver(included: Iterable[tuple[str, Json]], where: str) -> Resolve:
    """Who is meant by a reference: by the whole URL of an entry, or by type and id."""
    known: dict[str, Json] = {}
    for url, resource in included:
        kind = text_at(resource, "resourceType", where)
        name = resource.get("id")
        for key in (url, f"{kind}/{name}" if isinstance(name, str) else ""):
            if key:
                known.setdefault(key, resource)
    return known.get
