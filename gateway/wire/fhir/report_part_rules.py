"""The constraints of the European report on what is beside its Composition and DiagnosticReport.

Studies, orders, procedures, devices, reactions, doses and key images, as a table that
`report_rules` ends with. A profile is for the resources that the report has in its place: a request
of the order section, a device that makes images, a key image. Source: HL7 Europe imaging report
1.0.0-ballot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.domain import Code, Severity
from gateway.domain.codes import LOINC
from gateway.domain.reports import ORDER_SECTION
from gateway.wire.fhir.concepts import OID_URN, read_concept
from gateway.wire.fhir.document_reference_terms import MODALITY_EXTENSION
from gateway.wire.fhir.identifiers import (
    ACCESSION,
    ACCESSION_ISSUER,
    DICOM_UIDS,
    STUDY_UID,
    Identifier,
    read_identifier,
)
from gateway.wire.fhir.report_checks import (
    Place,
    ReportDocument,
    ReportRule,
    codes_at,
    counted,
    has_code,
    is_code,
)
from gateway.wire.fhir.report_terms import (
    DEVICE_CATEGORY,
    IMAGING_DEVICE,
    IMAGING_PROCEDURE,
    INSTANCE_UID,
    KEY_IMAGES,
    PERFORMER,
    SERIES_UID,
    THUMBNAIL,
)
from gateway.wire.fhir.report_values import extensions_of
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at

_DOSE: Final = Code("73569-6", LOINC)
_FUNCTIONS: Final = ("PRF", "CST", "DEV", "LOC")
_KEY_IMAGE_IDS: Final = (INSTANCE_UID, SERIES_UID, STUDY_UID)


def _identifiers(resource: Json, where: str) -> Iterator[tuple[Identifier, str]]:
    for i, one in enumerate(objects_at(resource, "identifier", where)):
        yield read_identifier(one, f"{where}.identifier[{i}]"), f"{where}.identifier[{i}]"


# --- studies --------------------------------------------------------------------------------------


def _studies(document: ReportDocument) -> Iterator[tuple[Json, str]]:
    for study in document.of_type("ImagingStudy"):
        yield study, document.place(study)


def _study_uids(study: Json, where: str) -> list[tuple[Identifier, str]]:
    return [(one, at) for one, at in _identifiers(study, where) if STUDY_UID in one.types]


def _one_uid(document: ReportDocument) -> Iterator[Place]:
    for study, where in _studies(document):
        uids = [one for one, _ in _study_uids(study, where) if one.system == DICOM_UIDS]
        if len(uids) != 1:
            yield f"{where}.identifier", counted(len(uids), "study instance UID")


def _uid_urn(document: ReportDocument) -> Iterator[Place]:
    for study, where in _studies(document):
        for one, at in _study_uids(study, where):
            if not one.value.startswith(OID_URN):
                yield f"{at}.value", "a bare UID"


def _study_subject(document: ReportDocument) -> Iterator[Place]:
    for study, where in _studies(document):
        if not study.get("subject"):
            yield f"{where}.subject", "nothing"


def _study_accession(document: ReportDocument) -> Iterator[Place]:
    for study, where in _studies(document):
        number = 0
        for i, one in enumerate(objects_at(study, "basedOn", where)):
            identifier = object_at(one, "identifier", f"{where}.basedOn[{i}]")
            number += ACCESSION in read_identifier(identifier, f"{where}.basedOn[{i}]").types
        if number > 1:
            yield f"{where}.basedOn", counted(number, "accession numbers")


def _series_functions(document: ReportDocument) -> Iterator[Place]:
    for study, where in _studies(document):
        for i, series in enumerate(objects_at(study, "series", where)):
            at = f"{where}.series[{i}]"
            for j, performer in enumerate(objects_at(series, "performer", at)):
                place = f"{at}.performer[{j}]"
                codes = codes_at(performer, "function", place)
                if not any(code.value in _FUNCTIONS for code in codes):
                    yield f"{place}.function", ", ".join(c.value for c in codes) or "nothing"


# --- orders ---------------------------------------------------------------------------------------


def _orders(document: ReportDocument) -> Iterator[tuple[Json, str]]:
    """The requests the report answers: those of the order section."""
    for section, where in document.sections():
        if any(is_code(code, ORDER_SECTION) for code in codes_at(section, "code", where)):
            for i, entry in enumerate(objects_at(section, "entry", where)):
                resource = document.found.resolve(entry, f"{where}.entry[{i}]")
                if resource is not None and resource.get("resourceType") == "ServiceRequest":
                    yield resource, document.place(resource)


def _order_category(document: ReportDocument) -> Iterator[Place]:
    for order, where in _orders(document):
        concepts = objects_at(order, "category", where)
        number = has_code(concepts, IMAGING_PROCEDURE, f"{where}.category")
        if number != 1:
            yield f"{where}.category", counted(number, IMAGING_PROCEDURE.value)


def _order_accession(document: ReportDocument) -> Iterator[Place]:
    for order, where in _orders(document):
        typed = [one.types for one, _ in _identifiers(order, where)]
        number = sum(ACCESSION in types for types in typed)
        if number > 1:
            yield f"{where}.identifier", counted(number, "accession numbers")
        if any(ACCESSION_ISSUER in types and ACCESSION not in types for types in typed):
            yield f"{where}.identifier", "an accession number without type ACSN"


# --- procedures, devices, reactions, doses --------------------------------------------------------


def _procedure_code(document: ReportDocument) -> Iterator[Place]:
    for procedure in document.of_type("Procedure"):
        if not procedure.get("code"):
            yield f"{document.place(procedure)}.code", "nothing"


def _procedure_performers(document: ReportDocument) -> Iterator[Place]:
    for procedure in document.of_type("Procedure"):
        where = document.place(procedure)
        for i, performer in enumerate(objects_at(procedure, "performer", where)):
            place = f"{where}.performer[{i}]"
            kind = document.type_of(object_at(performer, "actor", place))
            wanted = IMAGING_DEVICE if kind == "Device" else PERFORMER
            codes = codes_at(performer, "function", place)
            if not any(is_code(code, wanted) for code in codes):
                yield f"{place}.function", f"{_named(codes)} of a {kind or 'stranger'}"


def _named(codes: tuple[Code, ...]) -> str:
    return ", ".join(code.value for code in codes) or "nothing"


def _device_status(document: ReportDocument) -> Iterator[Place]:
    for device in document.of_type("Device"):
        where = document.place(device)
        makes_images = any(
            any(is_code(code, IMAGING_DEVICE) for code in codes_at(one, "valueCodeableConcept", at))
            for one, at in extensions_of(device, DEVICE_CATEGORY, where)
        )
        if makes_images and not device.get("status"):
            yield f"{where}.status", "nothing"


def _suspects(document: ReportDocument) -> Iterator[Place]:
    for event in document.of_type("AdverseEvent"):
        where = document.place(event)
        for i, suspect in enumerate(objects_at(event, "suspectEntity", where)):
            place = f"{where}.suspectEntity[{i}]"
            kind = document.type_of(object_at(suspect, "instance", place))
            if kind != "Procedure":
                yield f"{place}.instance", f"a {kind}" if kind else "nothing"


def _doses(document: ReportDocument) -> Iterator[Place]:
    for observation in document.of_type("Observation"):
        where = document.place(observation)
        codes = codes_at(observation, "code", where)
        if not any(is_code(code, _DOSE) for code in codes):
            continue
        if not text_at(observation, "valueString", where):
            yield f"{where}.valueString", "nothing"
        number = len(objects_at(observation, "derivedFrom", where))
        if number != 1:
            yield f"{where}.derivedFrom", counted(number, "study")


# --- key images -----------------------------------------------------------------------------------


def _key_images(document: ReportDocument) -> Iterator[tuple[Json, str]]:
    for resource in document.of_type("DocumentReference"):
        where = document.place(resource)
        categories = objects_at(resource, "category", where)
        if has_code(categories, KEY_IMAGES, f"{where}.category"):
            yield resource, where


def _key_image_modality(document: ReportDocument) -> Iterator[Place]:
    for image, where in _key_images(document):
        found = [
            code
            for one, at in extensions_of(image, MODALITY_EXTENSION, where)
            for code in read_concept(object_at(one, "valueCodeableConcept", at), at)
        ]
        if len(found) != 1:
            yield f"{where}.extension", counted(len(found), "modality")


def _key_image_content(document: ReportDocument) -> Iterator[Place]:
    for image, where in _key_images(document):
        main, thumbnails = [], 0
        for i, content in enumerate(objects_at(image, "content", where)):
            at = f"{where}.content[{i}]"
            marks = [one.get("valueBoolean") for one, _ in extensions_of(content, THUMBNAIL, at)]
            if True in marks:
                thumbnails += 1
            else:
                main.append(text_at(object_at(content, "attachment", at), "url", at))
        if len(main) != 1 or not main[0]:
            yield f"{where}.content", counted(len([url for url in main if url]), "image with a URL")
        if thumbnails > 1:
            yield f"{where}.content", counted(thumbnails, "thumbnails")


def _key_image_identifiers(document: ReportDocument) -> Iterator[Place]:
    for image, where in _key_images(document):
        for one, at in _identifiers(image, where):
            if any(code in one.types for code in _KEY_IMAGE_IDS) and not one.value.startswith(
                OID_URN
            ):
                yield f"{at}.value", "a bare UID"


PART_RULES: Final[tuple[ReportRule, ...]] = (
    ReportRule(id="study-uid", expected="one study instance UID", broken=_one_uid),
    ReportRule(
        id="study-uid-urn",
        expected="a UID as urn:oid:",
        broken=_uid_urn,
        severity=Severity.WARNING,
    ),
    ReportRule(id="study-subject", expected="the Patient", broken=_study_subject),
    ReportRule(
        id="study-accession", expected="one accession number at most", broken=_study_accession
    ),
    ReportRule(
        id="study-series-performer", expected="PRF, CST, DEV or LOC", broken=_series_functions
    ),
    ReportRule(id="order-category", expected="363679005 once", broken=_order_category),
    ReportRule(
        id="order-accession",
        expected="one accession number at most, typed ACSN",
        broken=_order_accession,
    ),
    ReportRule(id="procedure-code", expected="a code", broken=_procedure_code),
    ReportRule(
        id="procedure-performer",
        expected="223366009 of people, 314789007 of devices",
        broken=_procedure_performers,
    ),
    ReportRule(id="device-status", expected="a status", broken=_device_status),
    ReportRule(id="adverse-event-suspect", expected="a Procedure", broken=_suspects),
    ReportRule(id="dose-text", expected="a text, and one study", broken=_doses),
    ReportRule(id="key-image-modality", expected="one modality", broken=_key_image_modality),
    ReportRule(
        id="key-image-content",
        expected="one image with a URL, one thumbnail at most",
        broken=_key_image_content,
    ),
    ReportRule(
        id="key-image-identifiers",
        expected="UIDs as urn:oid:",
        broken=_key_image_identifiers,
        severity=Severity.WARNING,
    ),
)
