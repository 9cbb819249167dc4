"""An imaging report read from a FHIR document, in R4 or R5: the Bundle of the HL7 Europe report.

Read is any document Bundle whose Composition is of a report, ours or another's, with as much as its
author put in; what refers to resources that are not in it is passed over. Single resources and
other Bundles are refused, with the reason. A report without its DiagnosticReport is a report.
Clauses: HL7 Europe imaging report 1.0.0-ballot; FHIR R4 documents.html.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.domain import (
    Code,
    Concept,
    ImagingProcedure,
    ImagingReport,
    PresentedForm,
    ReferenceId,
    ReferenceKind,
    ReportedStudy,
)
from gateway.domain.codes import TYPE_REPORT
from gateway.domain.reports import (
    COMPARISON_SECTION,
    FINDINGS_SECTION,
    HISTORY_SECTION,
    IMPRESSION_SECTION,
    ORDER_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    STUDY_SECTION,
)
from gateway.wire.fhir.concepts import read_concept
from gateway.wire.fhir.identifiers import as_reference, read_identifier
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_bundle import Found
from gateway.wire.fhir.report_header_read import (
    read_authors,
    read_confidentiality,
    read_ids,
    read_patient,
    read_recipients,
    read_replaced,
    read_status,
    read_times,
    read_version,
)
from gateway.wire.fhir.report_images import read_content, read_key_images
from gateway.wire.fhir.report_order import (
    read_insurances,
    read_order,
    read_problems,
    read_references,
    read_specimen,
    read_study,
)
from gateway.wire.fhir.report_people import (
    organisation_at,
    read_attesters,
)
from gateway.wire.fhir.report_procedure import (
    read_from_studies,
    read_medications,
    read_procedures,
    read_reactions,
)
from gateway.wire.fhir.report_releases import release_of, to_r4
from gateway.wire.fhir.report_results import (
    read_care_plans,
    read_comparisons,
    read_conclusions,
    read_observations,
)
from gateway.wire.fhir.report_sections import entries_of, read_texts
from gateway.wire.fhir.report_terms import (
    BASED_ON,
    NOTE,
    REPORT_NOTE,
)
from gateway.wire.fhir.report_values import (
    concept_at,
    each,
    extensions_of,
    when_at,
)
from gateway.wire.fhir.resources import (
    Format,
    Json,
    expect_type,
    object_at,
    objects_at,
    read_resource,
    text_at,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

PDF = "application/pdf"
_RULE: Final = "HL7 Europe imaging report"

Entries = dict[Code, tuple[Json, ...]]


def decode_report(data: bytes, format: Format = Format.JSON) -> ImagingReport:
    """The report in a FHIR document of R4 or R5.

    Raises `DecodeError` for what is no document of a report, and for values that cannot be what
    they stand for. XML says nowhere which release it is: what R4 does not have may be R5.
    """
    return read_report(read_document(data, format))


def read_document(data: bytes, format: Format) -> Json:
    """The resource in the bytes of a document; XML that is none of R4 is read as R5."""
    try:
        return read_resource(data, format, "document")
    except DecodeError:
        if format is Format.JSON:
            raise
        try:
            return read_resource(data, format, "document", Release.R5)
        except DecodeError:
            pass
        raise  # what is wrong by the tables of R4, which most documents are of


def read_report(bundle: Json, where: str = "Bundle") -> ImagingReport:
    """The report that a Bundle of type document holds."""
    expect_type(bundle, "Bundle", where=where)
    kind = text_at(bundle, "type", where)
    if kind != "document":
        raise DecodeError(f"{where}.type", quoted(kind) or "nothing", "document", _RULE)
    if release_of(bundle) is Release.R5:
        bundle = to_r4(bundle)
    found = Found(bundle, where)
    composition = _composition(found, where)
    place = found.place(composition)
    diagnostic = _diagnostic_report(found, composition, place)
    return _report(bundle, composition, diagnostic, found, where)


def _composition(found: Found, where: str) -> Json:
    first = found.resources[0] if found.resources else {}
    if first.get("resourceType") != "Composition":
        name = quoted(str(first.get("resourceType", ""))) or "nothing"
        raise DecodeError(f"{where}.entry[0]", name, "a Composition", "FHIR R4 documents")
    place = found.place(first)
    codes = list(read_concept(object_at(first, "type", place), f"{place}.type"))
    for i, one in enumerate(objects_at(first, "category", place)):
        codes += read_concept(one, f"{place}.category[{i}]")
    if not any(_is(code, TYPE_REPORT) for code in codes):
        raise DecodeError(
            f"{place}.category", ", ".join(c.value for c in codes) or "nothing", "85430-7", _RULE
        )
    return first


def _is(code: Code, other: Code) -> bool:
    return code.means(other)


def _diagnostic_report(found: Found, composition: Json, where: str) -> Json:
    """The report's own; of several the one that shares the Composition's identifier, else none."""
    reports = found.of_type("DiagnosticReport")
    if len(reports) < 2:
        return reports[0] if reports else {}
    identifier = object_at(composition, "identifier", where)
    wanted = (identifier.get("system"), identifier.get("value"))
    for report in reports:
        for one in objects_at(report, "identifier", found.place(report)):
            if (one.get("system"), one.get("value")) == wanted:
                return report
    raise DecodeError(where, f"{len(reports)} DiagnosticReports", "one of its identifier", _RULE)


def _report(
    bundle: Json, composition: Json, diagnostic: Json, found: Found, where: str
) -> ImagingReport:
    place = found.place(composition)
    at = found.place(diagnostic) if diagnostic else "DiagnosticReport"
    entries = entries_of(composition, place)
    document, set_id = read_ids(bundle, composition, where, place)
    created, authored = read_times(composition, diagnostic, place, at)
    first, others = read_authors(composition, found, place)
    presented, forms = _forms(diagnostic, found, at)
    kind = concept_at(composition, "type", place)
    studies, references = _studies(diagnostic, entries, found, place, at)
    orders = tuple(
        read_order(one, found, spot)
        for one, spot in each(
            _section(entries, ORDER_SECTION), found, f"{place}.section", "ServiceRequest"
        )
    )
    seen = (
        *_section(entries, FINDINGS_SECTION),
        *_section(entries, IMPRESSION_SECTION),
        *objects_at(diagnostic, "result", at),
    )
    history = _section(entries, HISTORY_SECTION)
    done = _section(entries, PROCEDURE_SECTION)
    procedures = read_procedures(done, found, place)
    return ImagingReport(
        id=document,
        set_id=set_id,
        status=read_status(composition, diagnostic, place, at),
        title=text_at(composition, "title", place),
        language=text_at(composition, "language", place) or text_at(diagnostic, "language", at),
        created=created,
        authored=authored,
        **read_patient(composition, found, place),
        insurances=read_insurances(found),
        recipients=read_recipients(composition, diagnostic, found, place, at),
        author=first.name,
        author_id=first.id,
        author_authority=first.authority,
        organisation=first.organisation,
        other_authors=others,
        legal_authenticators=read_attesters(composition, ("legal", "official"), found, place),
        validators=read_attesters(composition, ("professional",), found, place),
        kind=None if kind is None or _says_nothing_more(kind) else kind,
        procedure=_procedure(composition, procedures, place),
        custodian=organisation_at(composition, "custodian", found, place),
        confidentiality=read_confidentiality(composition, place),
        references=_all_references(composition, diagnostic, references, orders, place, at),
        replaces=read_replaced(composition, place),
        version=read_version(composition, diagnostic, place, at),
        orders=orders,
        problems=read_problems(history, found, place),
        specimens=tuple(
            read_specimen(one, found, spot)
            for one, spot in each(
                objects_at(diagnostic, "specimen", at), found, f"{at}.specimen", "Specimen"
            )
        ),
        studies=studies,
        procedures=procedures
        or read_from_studies(
            (*_section(entries, STUDY_SECTION), *objects_at(diagnostic, "imagingStudy", at)),
            found,
            place,
            performed=when_at(diagnostic, "effective", at),
        ),
        medications=read_medications(history, found, place),
        reactions=read_reactions(done, found, place),
        observations=read_observations(seen, found, place),
        conclusions=read_conclusions(_section(entries, IMPRESSION_SECTION), found, place),
        care_plans=read_care_plans(_section(entries, RECOMMENDATION_SECTION), found, place),
        key_images=read_key_images(seen, found, place),
        comparisons=read_comparisons(_section(entries, COMPARISON_SECTION), found, place),
        sections=read_texts(
            composition,
            place,
            notes=_notes(diagnostic, at),
            conclusion=text_at(diagnostic, "conclusion", at),
        ),
        presented=presented,
        other_forms=forms,
    )


def _section(entries: Entries, wanted: Code) -> tuple[Json, ...]:
    return next((held for code, held in entries.items() if _is(code, wanted)), ())


# --- what it is about -----------------------------------------------------------------------------


def _studies(
    diagnostic: Json, entries: Entries, found: Found, place: str, at: str
) -> tuple[tuple[ReportedStudy, ...], list[ReferenceId]]:
    """The studies of which more is told than their UID, and references to all that have one."""
    named = (*_section(entries, STUDY_SECTION), *objects_at(diagnostic, "imagingStudy", at))
    references = []
    for i, one in enumerate(named):
        identifier = object_at(one, "identifier", f"{place}.section")
        if identifier:
            spot = f"{place}.section.entry[{i}].identifier"
            read = as_reference(read_identifier(identifier, spot), spot)
            if read is not None and read.kind == ReferenceKind.STUDY:
                references.append(read)
    studies = [read_study(one, spot) for one, spot in each(named, found, place, "ImagingStudy")]
    references += [ReferenceId.of_study(one.uid) for one in studies if one.uid is not None]
    told = tuple(one for one in studies if one != ReportedStudy(uid=one.uid))
    return told, references


def _all_references(
    composition: Json,
    diagnostic: Json,
    studies: list[ReferenceId],
    orders: tuple[Any, ...],
    place: str,
    at: str,
) -> tuple[ReferenceId, ...]:
    """Studies, then what the report is based on, then the numbers of its orders, each once."""
    identifiers = [
        (object_at(one, "identifier", f"{at}.basedOn[{i}]"), f"{at}.basedOn[{i}]")
        for i, one in enumerate(objects_at(diagnostic, "basedOn", at))
    ]
    identifiers += [
        (object_at(object_at(one, "valueReference", spot), "identifier", spot), spot)
        for one, spot in extensions_of(composition, BASED_ON, place)
    ]
    based = [
        reference
        for identifier, spot in identifiers
        if identifier
        for reference in read_references((identifier,), spot)
    ]
    of_orders = [reference for order in orders for reference in order.references]
    return tuple(dict.fromkeys((*studies, *based, *of_orders)))


def _notes(diagnostic: Json, at: str) -> str:
    """The notes of the DiagnosticReport, where sections are anchors and the words stand here."""
    texts = [
        text_at(object_at(one, "valueAnnotation", spot), "text", spot)
        for url in (REPORT_NOTE, NOTE)
        for one, spot in extensions_of(diagnostic, url, at)
    ]
    return "\n".join(text for text in texts if text)


def _forms(diagnostic: Json, found: Found, at: str) -> tuple[bytes, tuple[PresentedForm, ...]]:
    """The first PDF, and the other forms; a form whose content is not here is none."""
    presented, forms = b"", []
    for i, one in enumerate(objects_at(diagnostic, "presentedForm", at)):
        spot = f"{at}.presentedForm[{i}]"
        content = read_content(one, found, spot)
        media_type = text_at(one, "contentType", spot)
        if not content:
            continue
        if media_type == PDF and not presented:
            presented = content
        else:
            forms.append(
                PresentedForm(
                    media_type=media_type,
                    content=content,
                    language=text_at(one, "language", spot),
                    title=text_at(one, "title", spot),
                )
            )
    return presented, tuple(forms)


def _says_nothing_more(kind: Concept) -> bool:
    return not kind.text and all(_is(code, TYPE_REPORT) for code in kind.codes)


def _procedure(
    composition: Json, procedures: tuple[ImagingProcedure, ...], place: str
) -> Code | None:
    for i, event in enumerate(objects_at(composition, "event", place)):
        for j, one in enumerate(objects_at(event, "code", f"{place}.event[{i}]")):
            for code in read_concept(one, f"{place}.event[{i}].code[{j}]"):
                return code
    return next((code for one in procedures for code in one.what.codes), None)
