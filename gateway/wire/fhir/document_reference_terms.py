"""The fixed names of a DocumentReference: canonicals, extensions, identifier types, categories.

Data only, no reading and no writing. Sources: IHE MHD 4.2.4, IHE MADO, EU Health Data API
1.0.0-ballot, HL7 EU imaging R4, MyHealth@EU NCPeH API 9.1.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.domain import AssociationKind, Code, DocumentClass
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    LOINC,
)

_MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
_MADO = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/"
MINIMAL_PROFILE = _MHD + "IHE.MHD.Minimal.DocumentReference"
COMPREHENSIVE_PROFILE = _MHD + "IHE.MHD.Comprehensive.DocumentReference"
MADO_KOS_PROFILE = _MADO + "MadoDicomKosDocumentReference"
MADO_FHIR_PROFILE = _MADO + "MadoFhirDocumentReference"
EU_PROFILE = "http://hl7.eu/fhir/health-data-api/StructureDefinition/EehrxfMhdDocumentReference"
NCP_PROFILE = (
    "http://myhealth.eu/fhir/ncp-api/StructureDefinition/DocumentReference-minimal-myhealtheu"
)
MADO_BUNDLE = _MADO + "MadoFhirBundle"

HOME_EXTENSION = _MHD + "ihe-HomeCommunityId"
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DocumentReference."
MODALITY_EXTENSION = _R5 + "modality"
BODY_SITE_EXTENSION = _R5 + "bodySite"
BODY_SITE_CONCEPT = "concept"
VERSION_EXTENSION = _R5 + "version"
CONTENT_PROFILE_EXTENSION = _R5 + "content.profile"

IDENTIFIER_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType"
UNIQUE_ID = Code("uniqueId", IDENTIFIER_TYPES)
ENTRY_UUID = Code("entryUUID", IDENTIFIER_TYPES)

EU_CATEGORIES = "http://hl7.eu/fhir/health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
MEDICAL_IMAGING = Code("Medical-Imaging", EU_CATEGORIES, "Medical imaging")
# The class the EU Health Data API moves to, in the place of its priority category.
LOINC_IMAGING = Code("18748-4", LOINC, "Diagnostic imaging study")

# What an entry's category says beside its own class code, by what the document is.
CATEGORIES: Mapping[DocumentClass, tuple[Code, ...]] = {
    DocumentClass.MANIFEST: (MEDICAL_IMAGING, LOINC_IMAGING),
    DocumentClass.REPORT: (MEDICAL_IMAGING, LOINC_IMAGING),
    DocumentClass.OTHER: (),
}
# The name of the draft, which peers still send.
EU_CATEGORIES_DRAFT = (
    "http://hl7.eu/fhir/eu-health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
)
# A category that is searched for, and the class codes of the entries that show it.
CATEGORY_CLASSES: tuple[tuple[Code, tuple[Code, ...]], ...] = (
    (MEDICAL_IMAGING, (CLASS_IMAGES, CLASS_REPORTS)),
    (Code(MEDICAL_IMAGING.value, EU_CATEGORIES_DRAFT), (CLASS_IMAGES, CLASS_REPORTS)),
    (LOINC_IMAGING, (CLASS_IMAGES, CLASS_REPORTS)),
)

RELATIONS: Mapping[AssociationKind, str] = {
    AssociationKind.REPLACES: "replaces",
    AssociationKind.TRANSFORMS: "transforms",
    AssociationKind.APPENDS: "appends",
    AssociationKind.TRANSFORMS_AND_REPLACES: "replaces",
    AssociationKind.SIGNS: "signs",
}
RELATION_KINDS: Mapping[str, AssociationKind] = {
    "replaces": AssociationKind.REPLACES,
    "transforms": AssociationKind.TRANSFORMS,
    "appends": AssociationKind.APPENDS,
    "signs": AssociationKind.SIGNS,
}

# Formats that exist in one MIME type only: a search for the one may ask for the other.
MIME_OF_FORMAT: tuple[tuple[Code, str], ...] = (
    (FORMAT_KOS, "application/dicom"),
    (FORMAT_FHIR_MANIFEST, "application/fhir+json"),
)
