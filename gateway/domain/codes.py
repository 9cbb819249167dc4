"""Coded concepts, and the short vocabularies of the guideline's Article 10.

A code is a value and the scheme it comes from, written as the metadata publish it: an OID, a URN
or a plain text. Schemes that have both a name and an OID are treated as one (`same_scheme`). A code
of old SNOMED (T-D3000) is none of SNOMED CT, whose numbers may stand under the old name
(`true_scheme`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

DCM = "1.2.840.10008.2.16.4"
SCT = "2.16.840.1.113883.6.96"
LOINC = "2.16.840.1.113883.6.1"
DICOM_UID = "1.2.840.10008.2.6.1"
IHE_FORMAT = "1.3.6.1.4.1.19376.1.2.3"
IHE_CLASS = "1.3.6.1.4.1.19376.1.2.6.1"
CONFIDENTIALITY = "2.16.840.1.113883.5.25"
ISCO = "2.16.840.1.113883.2.9.6.2.7"
ISO_COUNTRY = "1.0.3166.1"
ICD10 = "2.16.840.1.113883.6.3"
ATC = "2.16.840.1.113883.6.73"
EDQM = "0.4.0.127.0.16.1.1.2.1"
SRT = "SRT"  # old SNOMED: DICOM gives it the OID of SNOMED CT, which its codes are not of
EHDSI_FORMAT = "eHDSI formatCodes"

# Names by which DICOM and older peers call the same schemes (DICOM PS3.16 table 8-1).
_SCHEME_NAMES = {
    "DCM": DCM,
    "SCT": SCT,
    "SNOMED-CT": SCT,
    "LN": LOINC,
    "LOINC": LOINC,
    "DCMUID": DICOM_UID,
    "SRT": SRT,
    "SNM3": SRT,
    "99SDM": SRT,
    # The value set of format codes, which MADO prints as the scheme of its FHIR manifest.
    "1.3.6.1.4.1.19376.1.2.7.1": IHE_FORMAT,
}
_SCHEME_OIDS = frozenset(_SCHEME_NAMES.values())


def same_scheme(scheme: str) -> str:
    """The one name we compare a scheme by: its OID where we know one, without `urn:oid:`."""
    if scheme in _SCHEME_OIDS:
        return scheme
    bare = scheme.strip().removeprefix("urn:oid:")
    return _SCHEME_NAMES.get(bare.upper(), bare)


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept. Equality is by value and scheme; the display text is for people."""

    value: str
    scheme: str
    display: str = field(default="", compare=False)

    def means(self, other: Code) -> bool:
        """Whether both name the same concept, however their schemes are spelt."""
        return self.value == other.value and (
            self.scheme == other.scheme
            or same_scheme(true_scheme(self)) == same_scheme(true_scheme(other))
        )

    def asks_for(self, held: Code) -> bool:
        """Whether a search for this finds a code: as `means`, and without a scheme in any scheme.

        Only for filters (FHIR R4 search.html, token without system); what a peer must not widen by
        leaving out a scheme, a role or a purpose of use, is compared by `means`.
        """
        return self.means(held) or (not self.scheme and self.value == held.value)


def true_scheme(code: Code) -> str:
    """The scheme of a code as written, but SNOMED CT's for its numbers under a name of the old one.

    DICOM once had SRT for both kinds of value (PS3.16 8.1); `same_scheme` knows no value.
    """
    if code.value.isascii() and code.value.isdigit() and same_scheme(code.scheme) == SRT:
        return SCT
    return code.scheme


class DocumentClass(StrEnum):
    """The guideline's document classes: what a row of the list is."""

    REPORT = "report"
    MANIFEST = "manifest"
    OTHER = "other"


FORMAT_KOS = Code("1.2.840.10008.5.1.4.1.1.88.59", DICOM_UID, "Key Object Selection Document")
FORMAT_FHIR_MANIFEST = Code(
    "urn:ihe:rad:MADO:fhir-manifest:2026",
    "1.3.6.1.4.1.19376.1.2.7.1",
    "MADO FHIR imaging manifest",
)
FORMAT_PDF = Code("urn:ihe:iti:xds:2017:mimeTypeSufficient", IHE_FORMAT, "mimeType sufficient")
FORMAT_PDF_IN_CDA = Code("urn:ihe:iti:xds-sd:pdf:2008", IHE_FORMAT, "Scanned document, PDF in CDA")
FORMAT_XDSI_PDF = Code("urn:ihe:rad:PDF", IHE_FORMAT, "XDS-I PDF report")
FORMAT_XDSI_TEXT = Code("urn:ihe:rad:TEXT", IHE_FORMAT, "XDS-I text report")
FORMAT_CDA_STRUCTURED = Code(
    "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013", IHE_FORMAT, "CDA imaging report"
)

TYPE_STUDY = Code("18748-4", LOINC, "Diagnostic imaging study")
TYPE_REPORT = Code("85430-7", LOINC, "Diagnostic imaging report")

CLASS_IMAGES = Code("IMAGES", IHE_CLASS, "Images")
CLASS_REPORTS = Code("REPORTS", IHE_CLASS, "Reports")
# The classes of the eHDSI services for original clinical documents: 18748-4 means *reports* there.
EHDSI_REPORTS = Code("18748-4", LOINC, "Medical Imaging Reports")
EHDSI_IMAGES = Code("x-clinical-image", LOINC, "Medical Images")

# The coarse anatomical regions of IHE MADO, CID IHE-MADO1 (version 20260227).
REGIONS: tuple[Code, ...] = (
    Code("774007", SCT, "Head and neck"),
    Code("67734004", SCT, "Upper trunk"),
    Code("63337009", SCT, "Lower trunk"),
    Code("38266002", SCT, "Entire body"),
    Code("53120007", SCT, "Upper limb"),
    Code("61685007", SCT, "Lower limb"),
    Code("113257007", SCT, "Cardiovascular system"),
    Code("80891009", SCT, "Heart"),
    Code("76752008", SCT, "Breast"),
    Code("1141981001", SCT, "Vertebral column"),
)
# Two more codes for the spine are in use in the guides; they mean the one above (MADO, HL7 Europe).
_REGION_SYNONYMS = {"737561001": "1141981001", "421060004": "1141981001"}
_REGION_BY_VALUE = {code.value: code for code in REGIONS}

# DICOM Body Part Examined to region; our own grouping of PS3.16 annex L terms.
_BODY_PARTS = {
    "774007": "HEAD NECK BRAIN SKULL FACE HEADNECK ORBIT SINUS JAW MANDIBLE EAR EYE TEETH THYROID",
    "67734004": "CHEST THORAX LUNG UPPERTRUNK RIB STERNUM CLAVICLE ESOPHAGUS",
    "63337009": "ABDOMEN PELVIS LIVER KIDNEY LOWERTRUNK BLADDER SPLEEN PANCREAS UTERUS PROSTATE",
    "61685007": "HIP KNEE FOOT ANKLE LEG THIGH FEMUR LOWERLIMB CALF TOE",
    "53120007": "SHOULDER ARM HAND ELBOW WRIST UPPERLIMB FOREARM HUMERUS FINGER",
    "1141981001": "SPINE CSPINE TSPINE LSPINE SSPINE COCCYX",
    "80891009": "HEART",
    "76752008": "BREAST",
    "38266002": "WHOLEBODY",
    "113257007": "AORTA CARDIOVASCSYS CORONARYARTERY CAROTID VESSEL",
}
_REGION_BY_BODY_PART = {
    part: _REGION_BY_VALUE[value] for value, parts in _BODY_PARTS.items() for part in parts.split()
}


def region_of_body_part(body_part: str) -> Code | None:
    """The coarse region of a DICOM Body Part Examined, or None where we do not know it."""
    return _REGION_BY_BODY_PART.get(body_part.strip().upper().replace(" ", "").replace("_", ""))


def as_region(code: Code) -> Code | None:
    """The region of the value set that a code names, its synonyms included; else None."""
    if same_scheme(true_scheme(code)) != SCT:
        return None
    return _REGION_BY_VALUE.get(_REGION_SYNONYMS.get(code.value, code.value))


def same_region(code: Code) -> tuple[Code, ...]:
    """Every code that names the region this one names, the value set's own first; else it alone.

    Entries hold any of them, and who asks for a region is shown the rows that name it.
    """
    region = as_region(code)
    if region is None:
        return (code,)
    synonyms = (value for value, own in _REGION_SYNONYMS.items() if own == region.value)
    return (region, *(Code(value, SCT, region.display) for value in synonyms))


def is_modality(code: Code) -> bool:
    """Whether an event code is a modality: a short upper-case value from DICOM's own scheme."""
    return same_scheme(code.scheme) == DCM and code.value.isalnum() and not code.value.isdigit()
