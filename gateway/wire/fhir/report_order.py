"""Why a report was asked for and of what: orders, problems, insurances, studies, specimens.

Guideline A.1.3, A.2, A.3, A.4 and the study part of A.5.1. The guide maps reason and clinical
question to the same element; a question is told from a reason by the id of its element, which
means nothing to others. Clauses: HL7 Europe imaging report, ServiceRequestOrder and ImagingStudy;
FHIR R4 Coverage, Condition, Specimen.
"""

from __future__ import annotations

from typing import Final

from gateway.domain import (
    Concept,
    ImagedSpecimen,
    ImagingOrder,
    ImagingReport,
    Insurance,
    ReferenceId,
    ReferenceKind,
    ReportedStudy,
    Uid,
)
from gateway.domain.codes import as_region
from gateway.wire.fhir.concepts import read_coding, read_concept, write_coding, write_concept
from gateway.wire.fhir.identifiers import (
    as_reference,
    as_uid,
    of_reference,
    of_uid,
    read_identifier,
    write_identifier,
)
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_people import (
    organisation_at,
    participant_at,
    refer_organisation,
    refer_participant,
)
from gateway.wire.fhir.report_terms import (
    ACTIVE,
    IMAGING_PROCEDURE,
    PROFILES,
    REGION,
    REQUEST_REASON,
)
from gateway.wire.fhir.report_values import (
    UNKNOWN,
    concept_at,
    concept_json,
    concept_of,
    each,
    extension,
    extensions_of,
    filled,
    local_id_json,
    local_ids_at,
    moment_at,
    moment_json,
    site_json,
    site_of,
    when_at,
    when_json,
)
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at

# How the id of a reason begins that is a clinical question.
QUESTION: Final = "question"


# --- orders and insurances ------------------------------------------------------------------------


def write_insurances(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to a Coverage of each insurance."""
    return [made.refer(_coverage(one, made, subject)) for one in report.insurances]


def _coverage(insurance: Insurance, made: Made, subject: Json) -> Json:
    provider = refer_organisation(insurance.provider, made)
    return filled(
        {
            "resourceType": "Coverage",
            "status": "active",
            "subscriberId": insurance.policy,
            "beneficiary": subject,
            # It must be there, whether anybody knows it or not.
            "payor": [provider or UNKNOWN],
        }
    )


def read_insurances(found: Found) -> tuple[Insurance, ...]:
    """Every insurance in the document."""
    read = []
    for resource in found.of_type("Coverage"):
        where = found.place(resource)
        payors = objects_at(resource, "payor", where)
        provider = (
            organisation_at({"payor": one}, "payor", found, f"{where}.payor[{i}]")
            for i, one in enumerate(payors)
        )
        policy = text_at(resource, "subscriberId", where)
        if not policy:
            policy = next((one.value for one, _ in local_ids_at(resource, where)), "")
        insurance = Insurance(provider=next(filter(None, provider), None), policy=policy)
        if insurance != Insurance():
            read.append(insurance)
    return tuple(read)


def write_orders(
    report: ImagingReport, made: Made, subject: Json, insurances: list[Json]
) -> list[Json]:
    """References to a ServiceRequest of each order."""
    return [made.refer(_order(one, made, subject, insurances)) for one in report.orders]


def _order(order: ImagingOrder, made: Made, subject: Json, insurances: list[Json]) -> Json:
    questions = [
        {"id": f"{QUESTION}-{i}", **concept_json(one)}
        for i, one in enumerate(order.questions, start=1)
    ]
    return filled(
        {
            "resourceType": "ServiceRequest",
            "meta": {"profile": [PROFILES["ServiceRequest"]]},
            "identifier": [write_identifier(of_reference(one)) for one in order.references],
            "status": "completed",
            "intent": "order",
            "category": [write_concept(IMAGING_PROCEDURE)],
            "subject": subject,
            "authoredOn": moment_json(order.placed),
            "requester": refer_participant(order.placer, made, subject=subject),
            "reasonCode": [*(concept_json(one) for one in order.reasons), *questions],
            "insurance": insurances,
        }
    )


def read_order(resource: Json, found: Found, where: str) -> ImagingOrder:
    """The order of a ServiceRequest."""
    reasons: list[Concept] = []
    questions: list[Concept] = []
    for json, place in _reasons(resource, where):
        concept = concept_of(json, place)
        if concept is not None:
            asked = text_at(json, "id", place).startswith(QUESTION)
            (questions if asked else reasons).append(concept)
    return ImagingOrder(
        references=read_references(objects_at(resource, "identifier", where), where),
        placed=moment_at(resource, "authoredOn", where),
        placer=participant_at(resource, "requester", found, where),
        reasons=tuple(reasons),
        questions=tuple(questions),
    )


def _reasons(resource: Json, where: str) -> list[tuple[Json, str]]:
    """The reasons as R4 has them, and as the guide's extension does."""
    found = [
        (one, f"{where}.reasonCode[{i}]")
        for i, one in enumerate(objects_at(resource, "reasonCode", where))
    ]
    for one, place in extensions_of(resource, REQUEST_REASON, where):
        for inner, at in extensions_of(one, "concept", place):
            found.append((object_at(inner, "valueCodeableConcept", at), at))
    return found


def read_references(identifiers: tuple[Json, ...], where: str) -> tuple[ReferenceId, ...]:
    """What identifiers refer to; those of no known kind are left out."""
    read = (
        as_reference(read_identifier(one, f"{where}.identifier[{i}]"), f"{where}.identifier[{i}]")
        for i, one in enumerate(identifiers)
    )
    return tuple(dict.fromkeys(one for one in read if one is not None))


# --- problems -------------------------------------------------------------------------------------


def write_problems(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to a Condition of each problem of the history."""
    return [made.refer(condition(one, subject)) for one in report.problems]


def condition(concept: Concept, subject: Json) -> Json:
    """A Condition that is there; of which history or conclusion is told by its section."""
    return filled(
        {
            "resourceType": "Condition",
            "clinicalStatus": write_concept(ACTIVE),
            "code": concept_json(concept),
            "subject": subject,
        }
    )


def read_problems(references: tuple[Json, ...], found: Found, where: str) -> tuple[Concept, ...]:
    """What the Conditions among the entries of the history say."""
    read = (
        concept_at(one, "code", place) for one, place in each(references, found, where, "Condition")
    )
    return tuple(one for one in read if one is not None)


# --- studies --------------------------------------------------------------------------------------


def write_studies(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to an ImagingStudy of each study the report is about; never where it lies."""
    uids = [Uid.parse(one.value) for one in report.references if one.kind == ReferenceKind.STUDY]
    known = {one.uid: one for one in report.studies if one.uid is not None}
    named = [known.get(uid, ReportedStudy(uid=uid)) for uid in dict.fromkeys(uids)]
    rest = [one for one in report.studies if one not in named]
    orders = [one for one in report.references if one.kind == ReferenceKind.ACCESSION]
    # With several studies nobody says which accession number is whose.
    basis = [reference_json(one) for one in orders] if len(named) + len(rest) == 1 else []
    return [made.refer(_study(one, subject, basis)) for one in (*named, *rest)]


def reference_json(reference: ReferenceId) -> Json:
    """A Reference to an order by its number alone."""
    return {
        "type": "ServiceRequest",
        "identifier": write_identifier(of_reference(reference)),
    }


def _study(study: ReportedStudy, subject: Json, basis: list[Json]) -> Json:
    return filled(
        {
            "resourceType": "ImagingStudy",
            "meta": {"profile": [PROFILES["ImagingStudy"]]},
            "extension": [
                extension(REGION, "CodeableConcept", write_concept(one)) for one in study.regions
            ],
            "identifier": [write_identifier(of_uid(study.uid))] if study.uid else [],
            "status": "available",
            "modality": [write_coding(one) for one in study.modalities],
            "subject": subject,
            "started": moment_json(study.started),
            "basedOn": basis,
            "description": study.description,
        }
    )


def read_study(resource: Json, where: str) -> ReportedStudy:
    """The study of an ImagingStudy. Regions that a synonym names are the set's own."""
    regions = [
        as_region(code) or code
        for one, place in extensions_of(resource, REGION, where)
        for code in read_concept(object_at(one, "valueCodeableConcept", place), place)
    ]
    modalities = [
        read_coding(one, f"{where}.modality[{i}]")
        for i, one in enumerate(objects_at(resource, "modality", where))
        if one.get("code")
    ]
    for i, one in enumerate(objects_at(resource, "series", where)):
        place = f"{where}.series[{i}]"
        coding = object_at(one, "modality", place)
        if not modalities and coding.get("code"):
            modalities.append(read_coding(coding, f"{place}.modality"))
    return ReportedStudy(
        uid=study_uid(resource, where),
        modalities=tuple(dict.fromkeys(modalities)),
        regions=tuple(dict.fromkeys(regions)),
        started=moment_at(resource, "started", where),
        description=text_at(resource, "description", where),
    )


def study_uid(holder: Json, where: str) -> Uid | None:
    """The study instance UID among the identifiers of a resource."""
    for i, one in enumerate(objects_at(holder, "identifier", where)):
        place = f"{where}.identifier[{i}]"
        uid = as_uid(read_identifier(one, place), place)
        if uid is not None:
            return uid
    return None


# --- specimens ------------------------------------------------------------------------------------


def write_specimens(report: ImagingReport, made: Made, subject: Json) -> list[Json]:
    """References to the specimens that were imaged."""
    return [made.refer(_specimen(one, made, subject)) for one in report.specimens]


def _specimen(specimen: ImagedSpecimen, made: Made, subject: Json) -> Json:
    source = concept_json(specimen.source)
    device = {"resourceType": "Device", "status": "active", "type": source}
    collection = filled(
        {
            **when_json("collected", specimen.collected),
            "method": concept_json(specimen.method),
            "bodySite": site_json(
                specimen.site, made, subject=subject, morphology=specimen.morphology
            ),
        }
    )
    return filled(
        {
            "resourceType": "Specimen",
            "identifier": [local_id_json(one) for one in specimen.ids],
            "type": concept_json(specimen.material),
            # Where it was taken from an object of the patient's, that is its subject.
            "subject": made.refer(device) if source else subject,
            "receivedTime": moment_json(specimen.received),
            "collection": collection,
        }
    )


def read_specimen(resource: Json, found: Found, where: str) -> ImagedSpecimen:
    """The specimen of a Specimen."""
    collection, place = object_at(resource, "collection", where), f"{where}.collection"
    site, morphology = site_of(object_at(collection, "bodySite", place), found, f"{place}.bodySite")
    subject = found.resolve(object_at(resource, "subject", where), f"{where}.subject")
    source = None
    if subject is not None and subject.get("resourceType") == "Device":
        source = concept_at(subject, "type", found.place(subject))
    return ImagedSpecimen(
        ids=tuple(one for one, _ in local_ids_at(resource, where)),
        material=concept_at(resource, "type", where),
        collected=when_at(collection, "collected", place),
        site=site,
        morphology=morphology,
        source=source,
        method=concept_at(collection, "method", place),
        received=moment_at(resource, "receivedTime", where),
    )
