"""The fixed names of the HL7 Europe imaging report: canonicals, extensions, sections, codes.

Data only. Names are those of R4; where R5 has others is told by `report_releases`. Sources: HL7
Europe Imaging Report 1.0.0-ballot, FHIR R4 and the R5 cross-version extensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.domain import Code
from gateway.domain.codes import DCM, LOINC, SCT
from gateway.domain.reports import (
    COMMUNICATION_SECTION,
    COMPARISON_SECTION,
    FINDINGS_SECTION,
    HISTORY_SECTION,
    IMPRESSION_SECTION,
    ORDER_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    STUDY_SECTION,
)
from gateway.wire.fhir.concepts import IDENTIFIER_TYPE

EU: Final = "http://hl7.eu/fhir/imaging/StructureDefinition/"
EU_R5: Final = "http://hl7.eu/fhir/imaging-r5/StructureDefinition/"
_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
XVER: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"

# Profiles, by the name each has below the canonical.
BUNDLE_PROFILE: Final = f"{EU}BundleReportEuImaging"
PROFILES: Final[dict[str, str]] = {
    "Composition": f"{EU}CompositionEuImaging",
    "DiagnosticReport": f"{EU}DiagnosticReportEuImaging",
    "ImagingStudy": f"{EU}ImagingStudyEuImaging",
    "ServiceRequest": f"{EU}ServiceRequestOrderEuImaging",
    "Procedure": f"{EU}ProcedureEuImaging",
    "AdverseEvent": f"{EU}AdverseEventEuImaging",
}
OBSERVATION_PROFILE: Final = f"{EU}ObservationFindingEuImaging"
DEVICE_PROFILE: Final = f"{EU}DeviceEuImaging"
KEY_IMAGE_PROFILE: Final = f"{EU}DocumentReferenceKeyImageEuImaging"

# Extensions.
BASED_ON: Final = f"{_CORE}event-basedOn"
NOTE: Final = f"{_CORE}note"
UNCERTAINTY: Final = f"{_CORE}iso21090-uncertainty"
BODY_STRUCTURE: Final = f"{_CORE}bodySite"
THUMBNAIL: Final = f"{_CORE}documentreference-thumbnail"
ABSENT: Final = f"{_CORE}data-absent-reason"
ARTIFACT_VERSION: Final = f"{_CORE}artifact-version"
RECIPIENT: Final = "http://hl7.eu/fhir/StructureDefinition/information-recipient"
REGION: Final = f"{EU}AnatomicalRegionExtension"
COMPOSITION_VERSION: Final = f"{XVER}Composition.version"
REPORT_COMPOSITION: Final = f"{XVER}DiagnosticReport.composition"
REPORT_NOTE: Final = f"{XVER}DiagnosticReport.note"
REQUEST_REASON: Final = f"{XVER}ServiceRequest.reason"
DEVICE_CATEGORY: Final = f"{XVER}Device.category"
PROPENSITY: Final = f"{XVER}AllergyIntolerance.type"
CONTENT_PROFILE: Final = f"{EU}im-documentreference-content-profile"
ATTACHMENT: Final = f"{XVER}Attachment."
# What the DiagnosticReport points to beside the sections, by section.
POINTERS: Final[dict[Code, str]] = {
    COMPARISON_SECTION: f"{EU}HL7IDRComparisonStudy",
    HISTORY_SECTION: f"{EU}HL7IDRPatientHistory",
    PROCEDURE_SECTION: f"{EU}HL7IDRImagingProcedure",
    FINDINGS_SECTION: f"{EU}HL7IDRFinding",
    IMPRESSION_SECTION: f"{EU}HL7IDRImpression",
    RECOMMENDATION_SECTION: f"{EU}HL7IDRRecommendation",
}

# Codes that say what a resource is for.
IMAGING_PROCEDURE: Final = Code("363679005", SCT, "Imaging")
IMAGING_DEVICE: Final = Code("314789007", SCT, "Diagnostic imaging equipment")
PERFORMER: Final = Code("223366009", SCT, "Healthcare professional")
KEY_IMAGES: Final = Code("55113-5", LOINC, "Key images Document Radiology")
SERIES_UID: Final = Code("112002", DCM, "Series Instance UID")
# The tag of a SOP instance as a code: DICOM has none for it.
INSTANCE_UID: Final = Code(
    "00080018", "http://hl7.eu/fhir/imaging/CodeSystem/codesystem-missing-dicom-terminology"
)
UDI: Final = Code("UDI", IDENTIFIER_TYPE, "Universal Device Identifier")
MEDIA_TYPES: Final = f"{TERMINOLOGY}media-type"
EMPTY_REASONS: Final = f"{TERMINOLOGY}list-empty-reason"
ACTIVE: Final = Code("active", f"{TERMINOLOGY}condition-clinical", "Active")
CERTAINTIES: Final = f"{TERMINOLOGY}allergyintolerance-verification"
EVENT_SEVERITIES: Final = f"{TERMINOLOGY}adverse-event-severity"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRule:
    """A section of the profile: its code, the title ours has, and whether it must be there."""

    code: Code
    title: str
    required: bool = False
    types: tuple[str, ...] = ()


SECTIONS: Final[tuple[SectionRule, ...]] = (
    SectionRule(code=STUDY_SECTION, title="Imaging study", required=True, types=("ImagingStudy",)),
    SectionRule(code=ORDER_SECTION, title="Order", required=True, types=("ServiceRequest",)),
    SectionRule(
        code=HISTORY_SECTION,
        title="History",
        required=True,
        types=(
            "Observation",
            "Condition",
            "Device",
            "MedicationAdministration",
            "MedicationRequest",
        ),
    ),
    SectionRule(
        code=PROCEDURE_SECTION,
        title="Procedure",
        required=True,
        types=("Procedure", "AdverseEvent", "Observation"),
    ),
    SectionRule(
        code=COMPARISON_SECTION,
        title="Comparison",
        types=("ImagingStudy", "Basic", "ImagingSelection", "DocumentReference"),
    ),
    SectionRule(
        code=FINDINGS_SECTION,
        title="Findings",
        types=("Observation", "Basic", "ImagingSelection", "DocumentReference", "Media"),
    ),
    SectionRule(
        code=IMPRESSION_SECTION,
        title="Impression",
        types=("Observation", "Condition", "Basic", "ImagingSelection", "DocumentReference"),
    ),
    SectionRule(
        code=RECOMMENDATION_SECTION,
        title="Recommendation",
        types=("CarePlan", "ServiceRequest"),
    ),
    SectionRule(code=COMMUNICATION_SECTION, title="Communication"),
    SectionRule(code=Code("LP173421-1", LOINC, "Report"), title="Report"),
)
