"""What was seen, concluded and recommended, and what it was compared with.

Guideline A.5.4.3, A.5.5.2, A.5.6.2 and A.7: observations, conclusions as conditions with their
stages, plans with proposed requests, prior studies and reports. What is said in words alone stands
in the sections. Clauses: HL7 Europe imaging report, ObservationFinding; FHIR R4
Condition and CarePlan.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from gateway.domain import (
    CarePlan,
    Comparison,
    Concept,
    Conclusion,
    DocumentId,
    ImagingReport,
    PlannedAction,
    Quantity,
    ReferenceKind,
    ReportedObservation,
    Staging,
    Uid,
)
from gateway.domain.codes import TYPE_REPORT
from gateway.wire.fhir.concepts import write_concept
from gateway.wire.fhir.document_identifiers import as_document_id, of_document_id
from gateway.wire.fhir.identifiers import (
    DICOM_UIDS,
    STUDY_UID,
    as_uid,
    of_uid,
    read_identifier,
    write_identifier,
)
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_order import condition, reference_json, study_uid
from gateway.wire.fhir.report_procedure import notes_of
from gateway.wire.fhir.report_terms import OBSERVATION_PROFILE, PROFILES
from gateway.wire.fhir.report_values import (
    concept_at,
    concept_json,
    concepts_at,
    each,
    filled,
    moment_at,
    moment_json,
    quantity_at,
    quantity_json,
    when_at,
    when_json,
)
from gateway.wire.fhir.resources import Json, boolean_at, integer_at, object_at, objects_at, text_at

# What a prior report is, to those who look at its type.
_PRIOR: Final = write_concept(TYPE_REPORT)


# --- observations ---------------------------------------------------------------------------------


def write_observations(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to an Observation of each finding."""
    basis = [
        reference_json(one) for one in report.references if one.kind == ReferenceKind.ACCESSION
    ]
    return [made.refer(_observation(one, subject, basis)) for one in report.observations]


def _observation(seen: ReportedObservation, subject: Json, basis: list[Json]) -> Json:
    value: Json = {}
    if isinstance(seen.value, Quantity):
        value = {"valueQuantity": quantity_json(seen.value)}
    elif seen.value is not None and seen.value.codes:
        value = {"valueCodeableConcept": concept_json(seen.value)}
    elif seen.value is not None:
        value = {"valueString": seen.value.text}
    return filled(
        {
            "resourceType": "Observation",
            "meta": {"profile": [OBSERVATION_PROFILE]},
            "basedOn": basis,
            "status": "final",
            "code": concept_json(seen.what),
            "subject": subject,
            **when_json("effective", seen.observed),
            **value,
            "interpretation": [concept_json(seen.interpretation)],
            "note": [{"text": seen.note}] if seen.note else [],
            "bodySite": concept_json(seen.site),
            "method": concept_json(seen.method),
        }
    )


def read_observations(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[ReportedObservation, ...]:
    """What the Observations among some entries say."""
    return tuple(
        _read_observation(one, place)
        for one, place in each(references, found, where, "Observation")
    )


def _read_observation(resource: Json, where: str) -> ReportedObservation:
    return ReportedObservation(
        what=concept_at(resource, "code", where) or Concept(),
        observed=when_at(resource, "effective", where),
        method=concept_at(resource, "method", where),
        value=_value(resource, where),
        interpretation=next(iter(concepts_at(resource, "interpretation", where)), None),
        site=concept_at(resource, "bodySite", where),
        note=notes_of(resource, where),
    )


def _value(resource: Json, where: str) -> Quantity | Concept | None:
    quantity = quantity_at(resource, "valueQuantity", where)
    if quantity is not None:
        return quantity
    concept = concept_at(resource, "valueCodeableConcept", where)
    if concept is not None:
        return concept
    number = integer_at(resource, "valueInteger", where)
    if number is not None:
        return Quantity(value=Decimal(number))
    truth = boolean_at(resource, "valueBoolean", where)
    text = text_at(resource, "valueString", where)
    if truth is not None:
        text = "true" if truth else "false"
    return Concept(text=text) if text else None


# --- conclusions ----------------------------------------------------------------------------------


def write_conclusions(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to a Condition of each conclusion."""
    return [
        made.refer(
            filled(
                {
                    **condition(one.finding, subject),
                    "stage": [
                        filled(
                            {
                                "summary": concept_json(stage.category),
                                "type": concept_json(stage.system),
                            }
                        )
                        for stage in one.stagings
                    ],
                }
            )
        )
        for one in report.conclusions
    ]


def read_conclusions(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[Conclusion, ...]:
    """What the Conditions among the entries of the impression say."""
    read = []
    for resource, place in each(references, found, where, "Condition"):
        stages = (
            Staging(
                system=concept_at(one, "type", f"{place}.stage[{i}]"),
                category=concept_at(one, "summary", f"{place}.stage[{i}]"),
            )
            for i, one in enumerate(objects_at(resource, "stage", place))
        )
        read.append(
            Conclusion(
                finding=concept_at(resource, "code", place) or Concept(),
                stagings=tuple(one for one in stages if one != Staging()),
            )
        )
    return tuple(read)


# --- plans ----------------------------------------------------------------------------------------


def write_care_plans(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to a CarePlan of each plan."""
    return [
        made.refer(
            filled(
                {
                    "resourceType": "CarePlan",
                    "status": "active",
                    "intent": "proposal",
                    "description": plan.text,
                    "subject": subject,
                    "activity": [
                        {"reference": made.refer(_proposal(action, subject))}
                        for action in plan.actions
                    ],
                }
            )
        )
        for plan in report.care_plans
    ]


def _proposal(action: PlannedAction, subject: Json) -> Json:
    return filled(
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "proposal",
            "code": concept_json(action.what),
            "subject": subject,
            **when_json("occurrence", action.when),
        }
    )


def read_care_plans(references: tuple[Json, ...], found: Found, where: str) -> tuple[CarePlan, ...]:
    """The plans of the recommendation; a request that belongs to none is one of its own."""
    read = []
    for resource, place in each(references, found, where, "CarePlan", "ServiceRequest"):
        if resource["resourceType"] == "ServiceRequest":
            read.append(CarePlan(actions=(_action(resource, place),)))
            continue
        actions = []
        for i, one in enumerate(objects_at(resource, "activity", place)):
            at = f"{place}.activity[{i}]"
            detail = concept_at(object_at(one, "detail", at), "code", f"{at}.detail")
            request = found.resolve(object_at(one, "reference", at), f"{at}.reference")
            if request is not None and request.get("resourceType") == "ServiceRequest":
                actions.append(_action(request, found.place(request)))
            elif detail is not None:
                actions.append(PlannedAction(what=detail))
        read.append(CarePlan(text=text_at(resource, "description", place), actions=tuple(actions)))
    return tuple(read)


def _action(resource: Json, where: str) -> PlannedAction:
    return PlannedAction(
        what=concept_at(resource, "code", where) or Concept(),
        when=when_at(resource, "occurrence", where),
    )


# --- comparisons ----------------------------------------------------------------------------------


def write_comparisons(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to what was compared: a DocumentReference of a report, else an ImagingStudy."""
    return [made.refer(_comparison(one, subject)) for one in report.comparisons]


def _comparison(compared: Comparison, subject: Json) -> Json:
    study = [write_identifier(of_uid(compared.study))] if compared.study else []
    if compared.report is None:
        return filled(
            {
                "resourceType": "ImagingStudy",
                "meta": {"profile": [PROFILES["ImagingStudy"]]},
                "identifier": study,
                "status": "available" if study else "unknown",
                "subject": subject,
                "started": moment_json(compared.performed),
                "description": compared.description,
            }
        )
    # A DocumentReference wants content; where it lies is for the list of documents to say. Its own
    # date is an instant, so a day is told where any precision will do.
    attachment = filled(
        {"contentType": "application/octet-stream", "creation": moment_json(compared.performed)}
    )
    return filled(
        {
            "resourceType": "DocumentReference",
            "identifier": [write_identifier(of_document_id(compared.report)), *study],
            "status": "current",
            "type": _PRIOR,
            "subject": subject,
            "description": compared.description,
            "content": [{"attachment": attachment}],
        }
    )


def read_comparisons(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[Comparison, ...]:
    """What the report was compared with."""
    read = []
    for i, reference in enumerate(references):
        # A study that is held elsewhere is named by its identifier alone.
        if "reference" not in reference and "identifier" in reference:
            place = f"{where}[{i}].identifier"
            uid = as_uid(read_identifier(object_at(reference, "identifier", where), place), place)
            if uid is not None:
                read.append(Comparison(study=uid))
    for resource, place in each(references, found, where, "ImagingStudy", "DocumentReference"):
        contents = objects_at(resource, "content", place)
        created = (
            moment_at(
                object_at(one, "attachment", f"{place}.content[{i}]"),
                "creation",
                f"{place}.content[{i}].attachment",
            )
            for i, one in enumerate(contents)
        )
        started = moment_at(resource, "started", place) or next(filter(None, created), None)
        study, report = _compared(resource, place)
        read.append(
            Comparison(
                study=study,
                report=report,
                performed=started or moment_at(resource, "date", place),
                description=text_at(resource, "description", place),
            )
        )
    return tuple(one for one in read if one != Comparison())


def _compared(resource: Json, where: str) -> tuple[Uid | None, DocumentId | None]:
    """Which study and which report: an untyped OID is the id of the document itself."""
    if resource["resourceType"] == "ImagingStudy":
        return study_uid(resource, where), None
    study: Uid | None = None
    report: DocumentId | None = None
    master = object_at(resource, "masterIdentifier", where)
    ids = (*([master] if master else []), *objects_at(resource, "identifier", where))
    for i, one in enumerate(ids):
        place = f"{where}.identifier[{i}]"
        identifier = read_identifier(one, place)
        if STUDY_UID in identifier.types or identifier.system == DICOM_UIDS:
            study = study or as_uid(identifier, place)
        elif identifier.value and report is None:
            report = as_document_id(identifier, place)
    return study, report
