"""The constraints of the European report on its document: the Bundle, what is in it, who is named.

`report_rules` begins with this table. Source: HL7 Europe imaging report 1.0.0-ballot,
BundleReportEuImaging with its invariant, and its rule that a report does not tell where images lie;
FHIR R4 documents.html and the invariants of Bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.wire.fhir.report_checks import Place, ReportDocument, ReportRule, counted, every
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at


def _kind(document: ReportDocument) -> Iterator[Place]:
    kind = text_at(document.bundle, "type", "Bundle")
    if kind != "document":
        yield "Bundle.type", kind or "nothing"


def _identifier(document: ReportDocument) -> Iterator[Place]:
    if not text_at(object_at(document.bundle, "identifier", "Bundle"), "value", "Bundle"):
        yield "Bundle.identifier", "nothing"


def _timestamp(document: ReportDocument) -> Iterator[Place]:
    if not text_at(document.bundle, "timestamp", "Bundle"):
        yield "Bundle.timestamp", "nothing"


def _search_traces(document: ReportDocument) -> Iterator[Place]:
    yield from ((f"Bundle.{name}", name) for name in ("total", "link") if name in document.bundle)
    for i, entry in enumerate(objects_at(document.bundle, "entry", "Bundle")):
        for name in ("search", "request", "response"):
            if name in entry:
                yield f"Bundle.entry[{i}].{name}", name


def _urls(document: ReportDocument) -> Iterator[Place]:
    seen = set()
    for i, entry in enumerate(objects_at(document.bundle, "entry", "Bundle")):
        url = text_at(entry, "fullUrl", f"Bundle.entry[{i}]")
        if not url:
            yield f"Bundle.entry[{i}].fullUrl", "nothing"
        elif url in seen:
            yield f"Bundle.entry[{i}].fullUrl", "one that another entry has"
        seen.add(url)


def _composition_first(document: ReportDocument) -> Iterator[Place]:
    first = document.found.resources[0].get("resourceType") if document.found.resources else ""
    if first != "Composition":
        yield "Bundle.entry[0]", str(first or "nothing")


def _exactly_one(kind: str) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        number = len(document.of_type(kind))
        if number != 1:
            yield "Bundle.entry", counted(number, kind)

    return broken


def _a_study(document: ReportDocument) -> Iterator[Place]:
    if not document.of_type("ImagingStudy"):
        yield "Bundle.entry", "no ImagingStudy"


def _resolved(document: ReportDocument) -> Iterator[Place]:
    for resource in document.found.resources:
        for holder, where in every(resource, document.place(resource)):
            reference = holder.get("reference")
            if not isinstance(reference, str) or reference.startswith("#"):
                continue
            if document.found.resolve(holder, where) is None:
                yield f"{where}.reference", "a reference to a resource that is not in the document"


def _no_locations(document: ReportDocument) -> Iterator[Place]:
    for resource in document.of_type("Endpoint"):
        yield document.place(resource), "an Endpoint"
    for resource in document.of_type("ImagingStudy"):
        for holder, where in every(resource, document.place(resource)):
            if "endpoint" in holder:
                yield f"{where}.endpoint", "an endpoint"


def _same_organisations(document: ReportDocument) -> Iterator[Place]:
    where = document.place(document.composition)
    authors = objects_at(document.composition, "author", where)
    performers = objects_at(document.diagnostic, "performer", document.place(document.diagnostic))
    written = {_target(document, one) for one in authors if _is_organisation(document, one)}
    performed = {_target(document, one) for one in performers if _is_organisation(document, one)}
    if written != performed:
        only = len(written ^ performed)
        yield f"{where}.author", counted(only, "organisation") + " that is but one of both"


def _is_organisation(document: ReportDocument, reference: Json) -> bool:
    return document.type_of(reference) == "Organization"


def _target(document: ReportDocument, reference: Json) -> object:
    resource = document.found.resolve(reference, "reference")
    return id(resource) if resource is not None else str(reference)


DOCUMENT_RULES: Final[tuple[ReportRule, ...]] = (
    ReportRule(id="bundle-type", expected="document", broken=_kind),
    ReportRule(id="bundle-identifier", expected="an identifier", broken=_identifier),
    ReportRule(id="bundle-timestamp", expected="when it was assembled", broken=_timestamp),
    ReportRule(
        id="bundle-no-search", expected="no traces of search or history", broken=_search_traces
    ),
    ReportRule(id="bundle-full-url", expected="a fullUrl of its own", broken=_urls),
    ReportRule(
        id="bundle-composition-first", expected="the Composition", broken=_composition_first
    ),
    ReportRule(
        id="bundle-composition", expected="one Composition", broken=_exactly_one("Composition")
    ),
    ReportRule(
        id="bundle-diagnostic-report",
        expected="one DiagnosticReport",
        broken=_exactly_one("DiagnosticReport"),
    ),
    ReportRule(id="bundle-patient", expected="one Patient", broken=_exactly_one("Patient")),
    ReportRule(id="bundle-imaging-study", expected="an ImagingStudy or more", broken=_a_study),
    ReportRule(id="bundle-references", expected="a resource of the document", broken=_resolved),
    ReportRule(
        id="report-no-locations", expected="UIDs, no place to fetch from", broken=_no_locations
    ),
    ReportRule(
        id="dr-comp-author-org",
        expected="the organisations that perform the DiagnosticReport",
        broken=_same_organisations,
    ),
)
