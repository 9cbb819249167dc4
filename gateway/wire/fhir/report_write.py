"""An imaging report as a FHIR document: the Bundle of the HL7 Europe imaging report, in R4 or R5.

Written is the section-structured report, with as many coded entries as the noun has; it never
tells where images lie. The document is made in the shape of R4 (`report_releases` makes R5 of it)
and holds its own narrative. The same report gives the same bytes. Clauses: HL7 Europe imaging
report 1.0.0-ballot, BundleReportEuImaging, CompositionEuImaging, DiagnosticReportEuImaging; FHIR
documents.html.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.domain import (
    Code,
    DocumentId,
    ImagingReport,
    PatientTraits,
    PresentedForm,
    ReferenceKind,
    ReportStatus,
    Timestamp,
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
from gateway.wire.fhir.concepts import write_coding, write_concept
from gateway.wire.fhir.document_identifiers import of_document_id
from gateway.wire.fhir.document_reference_terms import MEDICAL_IMAGING
from gateway.wire.fhir.elements import write_datetime, write_period
from gateway.wire.fhir.identifiers import write_identifier
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.patients import write_traits
from gateway.wire.fhir.report_bundle import Made
from gateway.wire.fhir.report_images import binary_url, write_key_image
from gateway.wire.fhir.report_narrative import made_narrative
from gateway.wire.fhir.report_order import (
    reference_json,
    write_insurances,
    write_orders,
    write_problems,
    write_specimens,
    write_studies,
)
from gateway.wire.fhir.report_people import (
    attester_json,
    organisations_of,
    refer_organisation,
    refer_participant,
)
from gateway.wire.fhir.report_procedure import (
    write_medication,
    write_procedure,
    write_reaction,
)
from gateway.wire.fhir.report_releases import to_r5
from gateway.wire.fhir.report_results import (
    write_care_plans,
    write_comparisons,
    write_conclusions,
    write_observations,
)
from gateway.wire.fhir.report_sections import write_sections
from gateway.wire.fhir.report_terms import (
    ARTIFACT_VERSION,
    BASED_ON,
    BUNDLE_PROFILE,
    COMPOSITION_VERSION,
    POINTERS,
    PROFILES,
    RECIPIENT,
    REGION,
    REPORT_COMPOSITION,
)
from gateway.wire.fhir.report_values import UNKNOWN, concept_json, extension, filled, when_json
from gateway.wire.fhir.resources import Format, Json, write_resource
from gateway.wire.problems import EncodeError

PDF = "application/pdf"
_COMPOSITION = "Composition"
# Corrected is a kind of amended that in R4 only a DiagnosticReport tells.
_COMPOSED = {
    ReportStatus.PRELIMINARY: "preliminary",
    ReportStatus.FINAL: "final",
    ReportStatus.AMENDED: "amended",
    ReportStatus.CORRECTED: "amended",
}


def encode_report(
    report: ImagingReport, *, release: Release = Release.R4, format: Format = Format.JSON
) -> bytes:
    """The report as a FHIR document in bytes.

    Raises `EncodeError` for what FHIR cannot carry, such as a moment without a zone.
    """
    return write_resource(write_report(report, release=release), format, release)


def write_report(report: ImagingReport, *, release: Release = Release.R4) -> Json:
    """The report as a Bundle of type document."""
    made = Made(str(report.id))
    patient = write_traits(
        PatientTraits(
            ids=report.patient_ids,
            name=report.patient_name,
            birth_date=report.birth_date,
            gender=report.gender,
            address=report.patient_address,
            telecom=report.patient_telecom,
        )
    )
    subject = made.refer(patient)
    entries = _entries(report, made, subject)
    specimens = write_specimens(report, made, subject)
    versions = [write_identifier(of_document_id(one)) for one in _ids(report)]
    shared = _shared(report, made, subject)
    composition = _composition(report, made, subject, entries, versions[0], shared)
    diagnostic = _diagnostic_report(report, made, subject, entries, versions, shared)
    if specimens:
        diagnostic["specimen"] = specimens
    made.put(diagnostic, "DiagnosticReport")
    made.put(composition, _COMPOSITION)
    bundle: Json = {
        "resourceType": "Bundle",
        "meta": {"profile": [BUNDLE_PROFILE]},
        "identifier": versions[-1],
        "type": "document",
        "timestamp": _instant(report.authored or report.created),
        # The Composition goes first; it was made last, for it knows all the others.
        "entry": [*made.entries[-1:], *made.entries[-2:-1], *made.entries[:-2]],
    }
    return bundle if release is Release.R4 else to_r5(bundle)


def _ids(report: ImagingReport) -> list[DocumentId]:
    """What all versions share, then the id of this one; one of both where they are the same."""
    return list(dict.fromkeys([report.set_id or report.id, report.id]))


def _instant(at: datetime) -> str:
    if at.utcoffset() is None:
        raise EncodeError("a moment without an offset from UTC")
    return write_datetime(Timestamp(at))


def _entries(report: ImagingReport, made: Made, subject: Json) -> dict[Code, list[Json]]:
    """What stands in each section, as references."""
    insurances = write_insurances(report, made, subject)
    procedures = [one for each in report.procedures for one in write_procedure(each, made, subject)]
    whole = procedures[0] if procedures else {}
    return {
        STUDY_SECTION: write_studies(report, made, subject),
        ORDER_SECTION: write_orders(report, made, subject, insurances),
        HISTORY_SECTION: [
            *write_problems(report, made, subject),
            *(write_medication(one, made, subject, whole) for one in report.medications),
        ],
        PROCEDURE_SECTION: [
            *procedures,
            *(write_reaction(one, made, subject, whole) for one in report.reactions),
        ],
        COMPARISON_SECTION: write_comparisons(report, made, subject),
        FINDINGS_SECTION: [
            *write_observations(report, made, subject),
            *(write_key_image(one, made, subject) for one in report.key_images),
        ],
        IMPRESSION_SECTION: write_conclusions(report, made, subject),
        RECOMMENDATION_SECTION: write_care_plans(report, made, subject),
    }


def _shared(report: ImagingReport, made: Made, subject: Json) -> dict[str, Any]:
    """What Composition and DiagnosticReport both say."""
    kind = concept_json(report.kind) or write_concept(TYPE_REPORT)
    recipients = [
        {
            "url": RECIPIENT,
            "valueReference": refer_participant(one, made, subject=subject),
        }
        for one in report.recipients
    ]
    return {
        "kind": kind,
        "categories": [write_concept(TYPE_REPORT), write_concept(MEDICAL_IMAGING)],
        "recipients": [one for one in recipients if one["valueReference"]],
        "people": [
            one
            for each in report.authors
            if (one := refer_participant(each, made, subject=subject))
        ],
        "organisations": [
            one
            for each in organisations_of(report.authors)
            if (one := refer_organisation(each, made))
        ],
        "basis": [
            reference_json(one) for one in report.references if one.kind != ReferenceKind.STUDY
        ],
    }


def _composition(
    report: ImagingReport,
    made: Made,
    subject: Json,
    entries: dict[Code, list[Json]],
    identifier: Json,
    shared: dict[str, Any],
) -> Json:
    written = _instant(report.authored or report.created)
    authors = [*shared["people"], *shared["organisations"]]
    confidentiality = report.confidentiality
    replaced = report.replaces
    performed = report.procedures[0].performed if report.procedures else None
    period = write_period(performed.start, performed.end) if performed else {}
    attesters = [
        *(
            attester_json("legal", one, made, subject=subject)
            for one in report.legal_authenticators
        ),
        *(attester_json("professional", one, made, subject=subject) for one in report.validators),
    ]
    return filled(
        {
            "resourceType": _COMPOSITION,
            "meta": filled(
                {
                    "lastUpdated": _instant(report.authored) if report.authored else "",
                    "profile": [PROFILES["Composition"]],
                    "security": [write_coding(confidentiality)] if confidentiality else [],
                }
            ),
            "language": report.language,
            "text": made_narrative(report.title or TYPE_REPORT.display),
            "extension": [
                *({"url": BASED_ON, "valueReference": one} for one in shared["basis"]),
                *shared["recipients"],
                extension(COMPOSITION_VERSION, "String", str(report.version)),
            ],
            "identifier": identifier,
            "status": _COMPOSED[report.status],
            "type": shared["kind"],
            "category": shared["categories"],
            "subject": subject,
            "date": written,
            "author": list({one["reference"]: one for one in authors}.values()) or [UNKNOWN],
            "title": report.title or TYPE_REPORT.display,
            "confidentiality": confidentiality.value if confidentiality else "",
            "attester": attesters,
            "custodian": refer_organisation(report.custodian, made),
            "relatesTo": [
                {
                    "code": "replaces",
                    "targetIdentifier": write_identifier(of_document_id(replaced)),
                }
            ]
            if replaced
            else [],
            "event": [
                filled(
                    {
                        "code": [write_concept(report.procedure)] if report.procedure else [],
                        "period": period,
                    }
                )
            ],
            "section": write_sections(report.sections, entries, made, report.language),
        }
    )


def _diagnostic_report(
    report: ImagingReport,
    made: Made,
    subject: Json,
    entries: dict[Code, list[Json]],
    identifiers: list[Json],
    shared: dict[str, Any],
) -> Json:
    regions = dict.fromkeys(region for study in report.studies for region in study.regions)
    pointers = [
        {"url": url, "valueReference": one}
        for code, url in POINTERS.items()
        for one in entries.get(code, [])
    ]
    orders = {
        _key(identifier): one
        for one in entries[ORDER_SECTION]
        for identifier in made.resource(one).get("identifier", [])
    }
    findings = [
        one
        for one in entries[FINDINGS_SECTION]
        if made.resource(one).get("resourceType") == "Observation"
    ]
    return filled(
        {
            "resourceType": "DiagnosticReport",
            "meta": {"profile": [PROFILES["DiagnosticReport"]]},
            "language": report.language,
            "extension": [
                {
                    "url": REPORT_COMPOSITION,
                    "valueReference": {"reference": made.url_of(_COMPOSITION)},
                },
                extension(ARTIFACT_VERSION, "String", str(report.version)),
                *(extension(REGION, "CodeableConcept", write_concept(one)) for one in regions),
                *shared["recipients"],
                *pointers,
            ],
            "identifier": identifiers,
            "basedOn": [
                {**orders.get(_key(one["identifier"]), {}), **one} for one in shared["basis"]
            ],
            "status": report.status.value,
            "category": shared["categories"],
            "code": shared["kind"],
            "subject": subject,
            **when_json("effective", report.procedures[0].performed if report.procedures else None),
            "issued": _instant(report.created),
            "performer": shared["organisations"],
            "resultsInterpreter": [
                one
                for one in shared["people"]
                if made.resource(one).get("resourceType") in ("Practitioner", "PractitionerRole")
            ],
            "result": findings,
            "imagingStudy": entries[STUDY_SECTION],
            "conclusion": report.text_of(IMPRESSION_SECTION),
            "conclusionCode": [
                json for one in report.conclusions if (json := concept_json(one.finding))
            ],
            "presentedForm": [_form(one, made) for one in _forms(report)],
        }
    )


def _key(identifier: Json) -> str:
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}"


def _forms(report: ImagingReport) -> list[PresentedForm]:
    pdf = PresentedForm(
        media_type=PDF, content=report.presented, language=report.language, title=report.title
    )
    return [*([pdf] if report.presented else []), *report.other_forms]


def _form(form: PresentedForm, made: Made) -> Json:
    return filled(
        {
            "contentType": form.media_type,
            "language": form.language,
            "url": binary_url(form.content, form.media_type, made),
            "title": form.title,
        }
    )
