"""The constraints of the HL7 Europe imaging report as a table: a document, and what it breaks.

Rules of the Composition and the DiagnosticReport are here, those of the document around them in
`report_document_rules`, those of the other resources in `report_part_rules`. Not a validator of
FHIR: types, value sets of the base and narrative are others' business. Source: HL7 Europe imaging
report 1.0.0-ballot, profiles and invariants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gateway.domain import Code
from gateway.domain.codes import TYPE_REPORT, as_region
from gateway.domain.reports import STUDY_SECTION
from gateway.wire.fhir.concepts import DIAGNOSTIC_SERVICE, read_concept
from gateway.wire.fhir.document_reference_terms import EU_CATEGORIES_DRAFT, MEDICAL_IMAGING
from gateway.wire.fhir.report_checks import (
    Finding,
    Place,
    ReportDocument,
    ReportRule,
    codes_at,
    counted,
    has_code,
    is_code,
)
from gateway.wire.fhir.report_document_rules import DOCUMENT_RULES
from gateway.wire.fhir.report_part_rules import PART_RULES
from gateway.wire.fhir.report_terms import (
    ARTIFACT_VERSION,
    COMPOSITION_VERSION,
    NOTE,
    REGION,
    REPORT_COMPOSITION,
    SECTIONS,
)
from gateway.wire.fhir.report_values import extensions_of
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at

_ALIGNED: Final = {
    "preliminary": ("preliminary", "registered", "partial"),
    "final": ("final",),
    "amended": ("amended", "corrected", "appended"),
}


def check_report(bundle: Json) -> list[Finding]:
    """What of a report's document breaks a rule, in the order of the rules.

    Raises `DecodeError` where a value is of a kind that FHIR does not have there.
    """
    document = ReportDocument(bundle)
    return [finding for rule in REPORT_RULES for finding in rule.findings(document)]


# --- what Composition and DiagnosticReport have alike ---------------------------------------------

_Holder = Callable[[ReportDocument], Json]


def _composition(document: ReportDocument) -> Json:
    return document.composition


def _diagnostic(document: ReportDocument) -> Json:
    return document.diagnostic


def _has(holder: _Holder, *names: str) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        resource = holder(document)
        for name in names:
            if resource and not resource.get(name):
                yield f"{document.place(resource)}.{name}", "nothing"

    return broken


def _category(holder: _Holder, *wanted: Code) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        resource = holder(document)
        where = f"{document.place(resource)}.category"
        concepts = objects_at(resource, "category", document.place(resource))
        number = sum(has_code(concepts, code, where) for code in wanted)
        if number != 1:
            yield where, counted(number, wanted[0].value)

    return broken


def _service(holder: _Holder) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        resource = holder(document)
        where = f"{document.place(resource)}.category"
        services = [
            code
            for i, one in enumerate(objects_at(resource, "category", document.place(resource)))
            for code in read_concept(one, f"{where}[{i}]")
            if code.scheme == DIAGNOSTIC_SERVICE
        ]
        if len(services) > 1:
            yield where, counted(len(services), "diagnostic services")

    return broken


def _at_most_one_version(holder: _Holder, url: str) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        resource = holder(document)
        number = len(extensions_of(resource, url, document.place(resource)))
        if number > 1:
            yield f"{document.place(resource)}.extension", counted(number, "versions")

    return broken


def _subject(holder: _Holder) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        resource = holder(document)
        subject = object_at(resource, "subject", document.place(resource))
        kind = document.type_of(subject)
        if subject and kind not in ("", "Patient"):
            yield f"{document.place(resource)}.subject", f"a {kind}"

    return broken


# --- the Composition ------------------------------------------------------------------------------


def _shared_identifier(document: ReportDocument) -> Iterator[Place]:
    where = document.place(document.composition)
    own = object_at(document.composition, "identifier", where)
    others = objects_at(document.diagnostic, "identifier", document.place(document.diagnostic))
    same = ((one.get("system"), one.get("value")) for one in others)
    if own and others and (own.get("system"), own.get("value")) not in same:
        yield f"{where}.identifier", "one the DiagnosticReport does not have"


def _status_aligned(document: ReportDocument) -> Iterator[Place]:
    status = text_at(document.composition, "status", document.place(document.composition))
    told = text_at(document.diagnostic, "status", document.place(document.diagnostic))
    if status and told and told not in _ALIGNED.get(status, (status,)):
        yield (
            f"{document.place(document.composition)}.status",
            f"{status} of a report that is {told}",
        )


def _attested(mode: str) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        where = document.place(document.composition)
        for i, attester in enumerate(objects_at(document.composition, "attester", where)):
            place = f"{where}.attester[{i}]"
            if text_at(attester, "mode", place) != mode:
                continue
            if not attester.get("time"):
                yield f"{place}.time", "nothing"
            kind = document.type_of(object_at(attester, "party", place))
            allowed = ("Practitioner", "PractitionerRole")
            if mode == "legal" and kind not in allowed:
                yield f"{place}.party", f"a {kind}" if kind else "nobody"

    return broken


def _custodian(document: ReportDocument) -> Iterator[Place]:
    where = document.place(document.composition)
    custodian = object_at(document.composition, "custodian", where)
    kind = document.type_of(custodian)
    if custodian and kind != "Organization":
        yield f"{where}.custodian", f"a {kind}" if kind else "nobody"


def _section_codes(document: ReportDocument) -> Iterator[Place]:
    for section, where in document.sections():
        if not codes_at(section, "code", where):
            yield f"{where}.code", "nothing"


def _sections_once(*, required: bool) -> Callable[[ReportDocument], Iterator[Place]]:
    def broken(document: ReportDocument) -> Iterator[Place]:
        where = document.place(document.composition)
        tops = objects_at(document.composition, "section", where)
        for rule in SECTIONS:
            number = sum(
                any(is_code(code, rule.code) for code in codes_at(one, "code", where))
                for one in tops
            )
            if rule.required is required and (number > 1 or (required and not number)):
                yield f"{where}.section", counted(number, f"section {rule.code.value}")

    return broken


def _section_entries(document: ReportDocument) -> Iterator[Place]:
    for section, where in document.sections():
        codes = codes_at(section, "code", where)
        for rule in SECTIONS:
            if not rule.types or not any(is_code(code, rule.code) for code in codes):
                continue
            for i, entry in enumerate(objects_at(section, "entry", where)):
                kind = document.type_of(entry)
                if kind and kind not in rule.types:
                    yield f"{where}.entry[{i}]", f"a {kind}"


def _studies_listed(document: ReportDocument) -> Iterator[Place]:
    for section, where in document.sections():
        codes = codes_at(section, "code", where)
        empty = not section.get("entry") and not section.get("section")
        if empty and any(is_code(code, STUDY_SECTION) for code in codes):
            yield f"{where}.entry", "nothing"


def _section_content(document: ReportDocument) -> Iterator[Place]:
    """eu-imaging-composition-1: something beside the text."""
    for section, where in document.sections():
        notes = [
            one
            for one, at in extensions_of(section, NOTE, where)
            if text_at(object_at(one, "valueAnnotation", at), "text", at)
        ]
        if not (notes or any(section.get(name) for name in ("entry", "emptyReason", "section"))):
            yield where, "neither entry nor emptyReason, section or note"


def _section_said(document: ReportDocument) -> Iterator[Place]:
    """eu-imaging-composition-2: something at all, a reason for nothing aside."""
    for section, where in document.sections():
        if not any(section.get(name) for name in ("text", "entry", "section")):
            yield where, "neither text nor entry nor section"


# --- the DiagnosticReport -------------------------------------------------------------------------


def _points_to_composition(document: ReportDocument) -> Iterator[Place]:
    where = document.place(document.diagnostic)
    pointers = extensions_of(document.diagnostic, REPORT_COMPOSITION, where)
    led = [document.found.resolve(object_at(one, "valueReference", at), at) for one, at in pointers]
    if document.diagnostic and (len(led) != 1 or led[0] is not document.composition):
        yield f"{where}.extension", counted(len(led), "references to the Composition")


def _regions(document: ReportDocument) -> Iterator[Place]:
    for resource in document.of_type("DiagnosticReport", "ImagingStudy"):
        for one, at in extensions_of(resource, REGION, document.place(resource)):
            codes = codes_at(one, "valueCodeableConcept", at)
            if not any(as_region(code) for code in codes):
                yield at, ", ".join(code.value for code in codes) or "no code"


def _based_on(document: ReportDocument) -> Iterator[Place]:
    where = document.place(document.diagnostic)
    for i, one in enumerate(objects_at(document.diagnostic, "basedOn", where)):
        if not text_at(object_at(one, "identifier", where), "value", where):
            yield f"{where}.basedOn[{i}].identifier", "nothing"


_DRAFT_IMAGING: Final = Code(MEDICAL_IMAGING.value, EU_CATEGORIES_DRAFT)

REPORT_RULES: Final[tuple[ReportRule, ...]] = (
    *DOCUMENT_RULES,
    ReportRule(
        id="composition-required",
        expected="a value",
        broken=_has(
            _composition, "identifier", "status", "type", "subject", "date", "author", "title"
        ),
    ),
    ReportRule(
        id="composition-identifier",
        expected="an identifier of the DiagnosticReport",
        broken=_shared_identifier,
    ),
    ReportRule(
        id="composition-status",
        expected="the status of the DiagnosticReport",
        broken=_status_aligned,
    ),
    ReportRule(id="composition-subject", expected="the Patient", broken=_subject(_composition)),
    ReportRule(
        id="composition-category-report",
        expected="85430-7 once",
        broken=_category(_composition, TYPE_REPORT),
    ),
    ReportRule(
        id="composition-category-imaging",
        expected="Medical-Imaging once",
        broken=_category(_composition, MEDICAL_IMAGING, _DRAFT_IMAGING),
    ),
    ReportRule(
        id="composition-category-service",
        expected="one diagnostic service at most",
        broken=_service(_composition),
    ),
    ReportRule(
        id="composition-version",
        expected="one version at most",
        broken=_at_most_one_version(_composition, COMPOSITION_VERSION),
    ),
    ReportRule(
        id="composition-legal-authenticator",
        expected="a practitioner and a time",
        broken=_attested("legal"),
    ),
    ReportRule(
        id="composition-result-validator", expected="a time", broken=_attested("professional")
    ),
    ReportRule(id="composition-custodian", expected="an Organization", broken=_custodian),
    ReportRule(id="section-code", expected="a code", broken=_section_codes),
    ReportRule(
        id="section-required", expected="the section once", broken=_sections_once(required=True)
    ),
    ReportRule(
        id="section-once",
        expected="the section once at most",
        broken=_sections_once(required=False),
    ),
    ReportRule(
        id="section-entries", expected="a resource the section is for", broken=_section_entries
    ),
    ReportRule(id="section-studies", expected="an ImagingStudy or more", broken=_studies_listed),
    ReportRule(
        id="eu-imaging-composition-1",
        expected="entry, emptyReason, section or note",
        broken=_section_content,
    ),
    ReportRule(
        id="eu-imaging-composition-2", expected="text, entry or section", broken=_section_said
    ),
    ReportRule(
        id="diagnostic-report-composition",
        expected="one reference to the Composition",
        broken=_points_to_composition,
    ),
    ReportRule(
        id="diagnostic-report-required",
        expected="a value",
        broken=_has(_diagnostic, "identifier", "status", "code", "subject"),
    ),
    ReportRule(
        id="diagnostic-report-subject", expected="the Patient", broken=_subject(_diagnostic)
    ),
    ReportRule(
        id="diagnostic-report-category-report",
        expected="85430-7 once",
        broken=_category(_diagnostic, TYPE_REPORT),
    ),
    ReportRule(
        id="diagnostic-report-category-imaging",
        expected="Medical-Imaging once",
        broken=_category(_diagnostic, MEDICAL_IMAGING, _DRAFT_IMAGING),
    ),
    ReportRule(
        id="diagnostic-report-category-service",
        expected="one diagnostic service at most",
        broken=_service(_diagnostic),
    ),
    ReportRule(
        id="diagnostic-report-version",
        expected="one version at most",
        broken=_at_most_one_version(_diagnostic, ARTIFACT_VERSION),
    ),
    ReportRule(
        id="diagnostic-report-based-on",
        expected="the identifier of an order",
        broken=_based_on,
    ),
    ReportRule(
        id="anatomical-region", expected="a code of the value set of regions", broken=_regions
    ),
    *PART_RULES,
)
