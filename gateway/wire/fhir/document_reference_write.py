"""A row of the list as a DocumentReference that serves every dialect at once.

Strict: what a profile needs and the entry does not know is not made up, and then `meta.profile`
does not claim that profile. Not written, because FHIR R4 has no place for it: repository, kind,
logical id, uri, availability, the home of a reference. The reader is `document_reference_read`.
Clauses: IHE MHD 4.2.4, IHE MADO, EU Health Data API, MyHealth@EU NCPeH API 9.1.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.domain import (
    AssociationKind,
    Code,
    DocumentClass,
    DocumentEntry,
    EntryStatus,
    Organisation,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Timestamp,
)
from gateway.domain.codes import FORMAT_FHIR_MANIFEST, FORMAT_KOS, as_region
from gateway.domain.selection import document_class
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir.concepts import concept_of, write_coding, write_concept
from gateway.wire.fhir.contained_people import (
    Contained,
    write_authenticator,
    write_authors,
    write_organisation,
)
from gateway.wire.fhir.document_identifiers import of_document_id
from gateway.wire.fhir.elements import write_datetime, write_instant, write_period
from gateway.wire.fhir.identifiers import (
    URIS,
    write_patient_id,
    write_reference,
)
from gateway.wire.fhir.mhd_retrieve import bare_type
from gateway.wire.fhir.resources import Json
from gateway.wire.fhir.source_patient import write_source_patient

MAX_UNSIGNED = 2**31 - 1  # FHIR R4 datatypes, unsignedInt
_SHA1_DIGITS = 40
_STATUS = {EntryStatus.APPROVED: "current", EntryStatus.DEPRECATED: "superseded"}
_REFERENCE_TYPES: dict[str, str] = {
    ReferenceKind.STUDY: "ImagingStudy",
    ReferenceKind.ACCESSION: "ServiceRequest",
    ReferenceKind.ORDER: "ServiceRequest",
    ReferenceKind.ENCOUNTER: "Encounter",
}
_ENCOUNTER = str(ReferenceKind.ENCOUNTER)
_STUDY_TYPE = _REFERENCE_TYPES[ReferenceKind.STUDY]
# Each format of a manifest with the one MIME type it has, and its profile.
# The same in every row, and changed in none.
_UNIQUE_ID, _ENTRY_UUID = concept_of(terms.UNIQUE_ID), concept_of(terms.ENTRY_UUID)
_MANIFESTS = {
    FORMAT_KOS.value: ("application/dicom", terms.MADO_KOS_PROFILE),
    FORMAT_FHIR_MANIFEST.value: ("application/fhir+json", terms.MADO_FHIR_PROFILE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How a document relates to another, which is named by the id of its DocumentReference."""

    kind: AssociationKind
    reference_id: str


def _filled(elements: Json) -> Json:
    # FHIR has no empty values; few are, so they are taken out and not the rest into another.
    for name in [name for name, value in elements.items() if not value]:
        del elements[name]
    return elements


def _concepts(codes: Iterable[Code]) -> list[Json]:
    # The empty code stands for what a foreign entry did not say; it is not passed on as a code.
    return [concept_of(code) for code in codes if code.value]


def _concept(code: Code) -> Json:
    return concept_of(code) if code.value else {}


def _master(entry: DocumentEntry) -> Json:
    named = of_document_id(entry.ref.document)
    master: Json = {"use": "usual", "type": _UNIQUE_ID}
    if named.system:
        master["system"] = named.system
    master["value"] = named.value
    return master


def _own_id(entry: DocumentEntry) -> Json:
    named: Json = {"use": "official", "type": _ENTRY_UUID}
    if entry.id.startswith("urn:"):
        named["system"] = URIS
    named["value"] = str(entry.id)
    return named


def _extensions(entry: DocumentEntry) -> list[Json]:
    found: list[Json] = [{"url": terms.HOME_EXTENSION, "valueOid": entry.ref.community.urn}]
    for code in entry.modalities:
        concept = concept_of(code)
        found.append({"url": terms.MODALITY_EXTENSION, "valueCodeableConcept": concept})
    for code in entry.event_codes:
        if as_region(code):
            site = {"url": terms.BODY_SITE_CONCEPT, "valueCodeableConcept": concept_of(code)}
            found.append({"url": terms.BODY_SITE_EXTENSION, "extension": [site]})
    if entry.version:
        found.append({"url": terms.VERSION_EXTENSION, "valueString": entry.version})
    return found


def _category(
    entry: DocumentEntry, categories: Mapping[DocumentClass, tuple[Code, ...]]
) -> list[Json]:
    # MHD allows one category: what the dialects want to see there are codings of one concept.
    codes = [entry.class_code] if entry.class_code.value else []
    for code in categories.get(document_class(entry), ()):
        if not any(map(code.means, codes)):
            codes.append(code)
    return [write_concept(*codes)] if codes else []


def _subject(patient: PatientId, reference: str) -> Json:
    said = {"type": "Patient", "identifier": write_patient_id(patient)}
    return {"reference": reference, **said} if reference else said


def description_of(entry: DocumentEntry) -> str:
    """What the description says, which NCPeH API requires: comments, else title, else type."""
    return entry.comments or default_description(entry.title, entry.type_code)


def default_description(title: str, type_code: Code) -> str:
    """What the description says of a document that has no comments."""
    return title or type_code.display or type_code.value


def _date(created: Timestamp | None) -> str:
    # An instant has seconds: of a time less well known, the start.
    return write_instant(created) if created else ""


def _attachment(entry: DocumentEntry, url: str) -> Json:
    size = entry.size_bytes
    attachment: Json = {}
    if mime_type := bare_type(entry.mime_type) or entry.mime_type:
        attachment["contentType"] = mime_type
    if entry.language:
        attachment["language"] = entry.language
    if url:
        attachment["url"] = url
    if size is not None and 0 <= size <= MAX_UNSIGNED:
        attachment["size"] = size
    if len(entry.sha1) == _SHA1_DIGITS:
        attachment["hash"] = base64.b64encode(bytes.fromhex(entry.sha1)).decode("ascii")
    if entry.title:
        attachment["title"] = entry.title
    if entry.created:
        attachment["creation"] = write_datetime(entry.created)
    return attachment


def _content(entry: DocumentEntry, url: str) -> Json:
    format_code = entry.format_code
    if format_code.means(FORMAT_KOS):
        # MADO compares the display of this one, letter by letter.
        format_code = Code(format_code.value, format_code.scheme, FORMAT_KOS.display)
    content: Json = {"attachment": _attachment(entry, url)}
    if format_code.value:
        content["format"] = write_coding(format_code)
    if entry.format_code.value == FORMAT_FHIR_MANIFEST.value:
        profile = {"url": "value[x]", "valueCanonical": terms.MADO_BUNDLE}
        content["extension"] = [{"url": terms.CONTENT_PROFILE_EXTENSION, "extension": [profile]}]
    return content


def _related(reference: ReferenceId) -> Json:
    identifier = write_reference(reference)
    kind = _REFERENCE_TYPES.get(reference.kind)
    return {"type": kind, "identifier": identifier} if kind else {"identifier": identifier}


def _context(entry: DocumentEntry, contained: Contained) -> Json:
    source = write_source_patient(entry.source_patient, entry.source_patient_info)
    encounters: list[Json] = []
    others: list[Json] = []
    for each in entry.references:
        (encounters if each.kind == _ENCOUNTER else others).append(_related(each))
    return _filled(
        {
            "encounter": encounters,
            "event": _concepts(entry.event_codes),
            # A period without an end is open, and would fit every later search.
            "period": write_period(entry.service_start, entry.service_stop or entry.service_start),
            "facilityType": _concept(entry.facility_type),
            "practiceSetting": _concept(entry.practice_setting),
            "sourcePatientInfo": contained.refer("source-patient", source) if source else {},
            "related": others,
        }
    )


def _profiles(resource: Json) -> list[str]:
    # Each profile that the resource meets by what it has; `content` and `context` are ours.
    context, content = resource.get("context", {}), resource["content"][0]
    attachment, format_code = content["attachment"], content.get("format", {}).get("code", "")
    identified = bool(resource["masterIdentifier"].get("system") and attachment.get("url"))
    described = bool(resource.get("type") and resource.get("category"))
    placed = bool(context.get("facilityType") and context.get("practiceSetting"))
    dated = bool(attachment.get("language") and attachment.get("creation"))
    comprehensive = bool(
        identified
        and described
        and placed
        and dated
        and resource.get("securityLabel")
        and format_code
        and context.get("sourcePatientInfo")
    )
    studies = [each for each in context.get("related", ()) if each.get("type") == _STUDY_TYPE]
    modalities = [each for each in resource["extension"] if each["url"] == terms.MODALITY_EXTENSION]
    mado = bool(
        identified
        and described
        and placed
        and dated
        and modalities
        and len(studies) == 1
        and context.get("period", {}).get("start")
    )
    registered = bool(identified and resource.get("date"))
    manifest = _MANIFESTS.get(format_code)
    claims = (
        (comprehensive, terms.COMPREHENSIVE_PROFILE),
        (identified and not comprehensive, terms.MINIMAL_PROFILE),
        (
            mado and manifest is not None and manifest[0] == attachment["contentType"],
            manifest[1] if manifest else "",
        ),
        (registered and bool(resource.get("custodian")), terms.EU_PROFILE),
        (
            registered and described and resource["status"] == "current",
            terms.NCP_PROFILE,
        ),
    )
    return [profile for met, profile in claims if met]


def write_document_reference(
    entry: DocumentEntry,
    *,
    reference_id: str,
    attachment_url: str,
    base: str,
    twin: tuple[Relation, ...] = (),
    patient_reference: str = "",
    custodian: Organisation | None = None,
    categories: Mapping[DocumentClass, tuple[Code, ...]] = terms.CATEGORIES,
) -> Json:
    """An entry as a DocumentReference of this gateway, whose FHIR base is `base`.

    `twin` are its relations to other documents listed here, `patient_reference` the address of
    the Patient where there is one, `custodian` who answers for the document. `categories` are
    written beside the class code, by what the document is.
    """
    contained = Contained()
    unique = _master(entry)
    root = base.rstrip("/")
    resource: Json = {
        "resourceType": "DocumentReference",
        "id": reference_id,
        "meta": {},
        "contained": contained.resources,
        "extension": _extensions(entry),
        "masterIdentifier": unique,
        "identifier": [unique, _own_id(entry)],
        "status": _STATUS[entry.status],
        "type": _concept(entry.type_code),
        "category": _category(entry, categories),
        "subject": _subject(entry.patient, patient_reference),
        "date": _date(entry.created),
        "author": write_authors(entry.authors, contained),
        "authenticator": write_authenticator(entry.legal_authenticator, contained),
        "custodian": write_organisation(custodian, contained) if custodian else {},
        "relatesTo": [
            {
                "code": terms.RELATIONS[relation.kind],
                "target": {"reference": f"{root}/DocumentReference/{relation.reference_id}"},
            }
            for relation in twin
        ],
        "description": description_of(entry),
        "securityLabel": _concepts(entry.confidentiality),
        "content": [_content(entry, attachment_url)],
        "context": _context(entry, contained),
    }
    if profiles := _profiles(resource):
        resource["meta"]["profile"] = profiles
    return _filled(resource)
