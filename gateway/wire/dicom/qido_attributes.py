"""The attributes of a study, a series and an instance that a search finds by and answers with.

A manifest is told here as DICOM JSON objects of all that it holds at each level; what a search
matches is what it is answered, because both read these objects. Which of it goes out is for
`qido_answer`, what is asked for `qido_query`. What a manifest does not hold (the study's own
number, the referring physician, rows and columns) is not here and never invented; that an instance
can be had at once (0008,0056) is what a manifest is for. A manifest knows requests per study: each
series is told all of them. Clauses: PS3.18 10.6.3 (attributes of results), annex F (the model).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time
from enum import IntEnum
from typing import Any, Final, TypeAlias

from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.domain import (
    Code,
    Gender,
    HumanName,
    ImagingManifest,
    ImagingRequest,
    ManifestInstance,
    ManifestSeries,
    PatientId,
    study_codes,
)
from gateway.domain.codes import DCM, same_scheme, true_scheme
from gateway.wire.dicom.elements import DESIGNATOR_OF_SCHEME, oid_text
from gateway.wire.dicom.part10 import person_text

Json: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[int, ...]

ONLINE: Final = "ONLINE"
UTF_8: Final = "ISO_IR 192"
_SEXES: Final = {Gender.MALE: "M", Gender.FEMALE: "F", Gender.UNDIFFERENTIATED: "O"}


class Level(IntEnum):
    """What a search answers; a lower level is a part of the one before."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


def tag_of(keyword: str) -> int:
    """The tag of a keyword of the dictionary; `KeyError` for another word."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return int(tag)


def key_of(tag: int) -> str:
    """A tag as a key of DICOM JSON."""
    return f"{tag:08X}"


STUDY_DATE: Final = tag_of("StudyDate")
STUDY_TIME: Final = tag_of("StudyTime")
ACCESSION_NUMBER: Final = tag_of("AccessionNumber")
ACCESSION_ISSUER: Final = tag_of("IssuerOfAccessionNumberSequence")
MODALITIES_IN_STUDY: Final = tag_of("ModalitiesInStudy")
MODALITY: Final = tag_of("Modality")
SOP_CLASSES_IN_STUDY: Final = tag_of("SOPClassesInStudy")
OFFSET: Final = tag_of("TimezoneOffsetFromUTC")
PATIENT_ID: Final = tag_of("PatientID")
PATIENT_ID_ISSUER: Final = tag_of("IssuerOfPatientID")
OTHER_PATIENT_IDS: Final = tag_of("OtherPatientIDsSequence")
PATIENT_ID_QUALIFIERS: Final = tag_of("IssuerOfPatientIDQualifiersSequence")
STUDY_UID: Final = tag_of("StudyInstanceUID")
SERIES_UID: Final = tag_of("SeriesInstanceUID")
SOP_UID: Final = tag_of("SOPInstanceUID")
RETRIEVE_URL: Final = tag_of("RetrieveURL")
CHARACTER_SET: Final = tag_of("SpecificCharacterSet")
REGION: Final = tag_of("AnatomicRegionSequence")
REQUESTS: Final = tag_of("ReferencedRequestSequence")
UNIVERSAL_ID: Final = tag_of("UniversalEntityID")
LOCAL_ID: Final = tag_of("LocalNamespaceEntityID")
CODE_VALUE: Final = tag_of("CodeValue")
SCHEME: Final = tag_of("CodingSchemeDesignator")

_KEYWORDS: Final = {
    Level.STUDY: (
        *("SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber"),
        *("InstanceAvailability", "ModalitiesInStudy", "ReferringPhysicianName"),
        *("TimezoneOffsetFromUTC", "RetrieveURL", "PatientName", "PatientID", "PatientBirthDate"),
        *("PatientSex", "StudyInstanceUID", "StudyID", "NumberOfStudyRelatedSeries"),
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        *("SpecificCharacterSet", "Modality", "TimezoneOffsetFromUTC", "SeriesDescription"),
        *("RetrieveURL", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances"),
        *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
        "RequestAttributesSequence",
    ),
    Level.INSTANCE: (
        *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "InstanceAvailability"),
        *("TimezoneOffsetFromUTC", "RetrieveURL", "InstanceNumber", "NumberOfFrames", "Rows"),
        *("Columns", "BitsAllocated", "AvailableTransferSyntaxUID"),
    ),
}
# What every object of a level is answered with, unknown values as empty ones (PS3.18 10.6.3.3).
RETURNED: Final = {
    level: tuple(sorted(tag_of(word) for word in words)) for level, words in _KEYWORDS.items()
}
# What else is held, and answered where it is asked for.
_FURTHER: Final = {
    Level.STUDY: (
        *("IssuerOfAccessionNumberSequence", "SOPClassesInStudy", "StudyDescription"),
        *("ProcedureCodeSequence", "AnatomicRegionSequence", "IssuerOfPatientID"),
        *("IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence"),
        "ReferencedRequestSequence",
    ),
    Level.SERIES: ("BodyPartExamined", "Laterality"),
    Level.INSTANCE: (),
}
# The level an attribute describes: the highest that has it.
LEVEL_OF: Final = {
    tag_of(word): level
    for level in reversed(Level)
    for word in (*_KEYWORDS[level], *_FURTHER[level])
} | {tag_of("InstanceAvailability"): Level.STUDY}
# Answered, empty but for the address, and not searched by: any value matches nothing.
NOT_HELD: Final = frozenset(
    tag_of(word)
    for word in (
        *("ReferringPhysicianName", "StudyID", "Rows", "Columns", "BitsAllocated"),
        *("AvailableTransferSyntaxUID", "RetrieveURL"),
    )
)
# What the items of the sequences have.
IN_ITEMS: Final = frozenset(
    tag_of(word)
    for word in (
        *("UniversalEntityID", "UniversalEntityIDType", "LocalNamespaceEntityID", "CodeValue"),
        *("LongCodeValue", "CodingSchemeDesignator", "CodeMeaning", "AccessionNumber"),
        *("IssuerOfAccessionNumberSequence", "OrderPlacerIdentifierSequence"),
        *("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest"),
        *("RequestedProcedureDescription", "RequestedProcedureCodeSequence"),
        *("RequestedProcedureID", "PatientID", "IssuerOfPatientID"),
        "IssuerOfPatientIDQualifiersSequence",
    )
)
_MAX_SHORT: Final = 16  # characters of an SH (PS3.5 6.2)


def vr_of(tag: int) -> str:
    """The representation of a tag, the first where the dictionary has several; "" if unknown."""
    try:
        return str(dictionary_VR(tag)).partition(" or ")[0]
    except KeyError:
        return ""


# --- objects --------------------------------------------------------------------------------------


def object_of(values: Iterable[tuple[str, Sequence[Any]]]) -> Json:
    """A DICOM JSON object of what has values, by keyword; empty values are left out."""
    found: Json = {}
    for keyword, given in values:
        kept = [value for value in given if value not in (None, "", {})]
        if kept:
            tag = tag_of(keyword)
            found[key_of(tag)] = {"vr": vr_of(tag), "Value": kept}
    return dict(sorted(found.items()))


def study_object(manifest: ImagingManifest, patient: PatientId | None = None) -> Json:
    """All that a manifest says of its study; of several identifiers the patient's `patient`.

    Where a study has several accession numbers, they are in the sequence of its requests.
    """
    identifier = _identifier(manifest, patient)
    described = [manifest.declared_series] if not manifest.series else [len(manifest.series)]
    return object_of(
        [
            ("SpecificCharacterSet", [UTF_8]),
            ("StudyDate", [_day(manifest.study_date)]),
            ("StudyTime", [_clock(manifest.study_time)]),
            ("AccessionNumber", [manifest.accession]),
            ("IssuerOfAccessionNumberSequence", [_issuer(manifest.accession_authority)]),
            ("InstanceAvailability", [ONLINE]),
            ("ModalitiesInStudy", _modalities(study_codes(manifest))),
            ("SOPClassesInStudy", _classes(manifest)),
            ("TimezoneOffsetFromUTC", [_offset(manifest.offset_minutes)]),
            ("StudyDescription", [manifest.study_description]),
            ("ProcedureCodeSequence", [_code(one) for one in manifest.procedures]),
            ("AnatomicRegionSequence", [_code(one) for one in _regions(manifest)]),
            ("PatientName", [_name(manifest.patient.name)]),
            ("PatientID", [identifier.value if identifier else manifest.patient.bare_id]),
            ("IssuerOfPatientID", [str(identifier.authority) if identifier else ""]),
            (
                "IssuerOfPatientIDQualifiersSequence",
                [_issuer(str(identifier.authority))] if identifier else [],
            ),
            ("OtherPatientIDsSequence", [_patient_id(one) for one in manifest.patient.ids]),
            ("PatientBirthDate", [_day(manifest.patient.birth_date)]),
            ("PatientSex", [_SEXES[manifest.patient.gender] if manifest.patient.gender else ""]),
            ("StudyInstanceUID", [str(manifest.study)]),
            ("NumberOfStudyRelatedSeries", described),
            ("NumberOfStudyRelatedInstances", [_instances(manifest)]),
            ("ReferencedRequestSequence", [_request(one) for one in manifest.requests]),
        ]
    )


def series_object(manifest: ImagingManifest, series: ManifestSeries) -> Json:
    """All that a manifest says of one of its series."""
    held = len(series.instances) or series.declared_instances
    return object_of(
        [
            ("SpecificCharacterSet", [UTF_8]),
            ("Modality", _modalities((series.modality,) if series.modality else ())),
            ("TimezoneOffsetFromUTC", [_offset(manifest.offset_minutes)]),
            ("SeriesDescription", [series.description]),
            ("BodyPartExamined", [series.region_text]),
            ("AnatomicRegionSequence", [_code(series.region)] if series.region else []),
            ("SeriesInstanceUID", [str(series.uid)]),
            ("SeriesNumber", [series.number]),
            ("NumberOfSeriesRelatedInstances", [held]),
            ("PerformedProcedureStepStartDate", [_day(series.started)]),
            ("PerformedProcedureStepStartTime", [_clock(series.started_time)]),
            ("RequestAttributesSequence", [_request(one) for one in manifest.requests]),
        ]
    )


def instance_object(manifest: ImagingManifest, instance: ManifestInstance) -> Json:
    """All that a manifest says of one of its instances."""
    return object_of(
        [
            ("SpecificCharacterSet", [UTF_8]),
            ("SOPClassUID", [str(instance.sop_class)]),
            ("SOPInstanceUID", [str(instance.uid)]),
            ("InstanceAvailability", [ONLINE]),
            ("TimezoneOffsetFromUTC", [_offset(manifest.offset_minutes)]),
            ("InstanceNumber", [instance.number]),
            ("NumberOfFrames", [instance.frames]),
        ]
    )


def values_at(found: Json, path: Path) -> tuple[Any, ...]:
    """The values an object has at a path, of every item of the sequences on it."""
    *sequences, last = path
    objects = [found]
    for tag in sequences:
        objects = [item for each in objects for item in each.get(key_of(tag), {}).get("Value", ())]
    return tuple(value for each in objects for value in each.get(key_of(last), {}).get("Value", ()))


# --- values ---------------------------------------------------------------------------------------


def _identifier(manifest: ImagingManifest, patient: PatientId | None) -> PatientId | None:
    ids = manifest.patient.ids
    return patient if patient in ids else next(iter(ids), None)


def _patient_id(patient: PatientId) -> Json:
    issuer = str(patient.authority)
    return object_of(
        [
            ("PatientID", [patient.value]),
            ("IssuerOfPatientID", [issuer]),
            ("IssuerOfPatientIDQualifiersSequence", [_issuer(issuer)]),
        ]
    )


def _day(day: date | None) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}" if day else ""


def _clock(clock: time | None) -> str:
    if clock is None:
        return ""
    whole = clock.strftime("%H%M%S")
    return f"{whole}.{clock.microsecond:06}" if clock.microsecond else whole


def _offset(minutes: int | None) -> str:
    if minutes is None:
        return ""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _name(name: HumanName | None) -> Json:
    text = person_text(name) if name else ""
    return {"Alphabetic": text} if text else {}


def _modalities(codes: Sequence[Code]) -> list[str]:
    """The modalities as DICOM has them, which has but one scheme of them."""
    return list(dict.fromkeys(code.value for code in codes if same_scheme(code.scheme) == DCM))


def _classes(manifest: ImagingManifest) -> list[str]:
    held = (instance.sop_class for series in manifest.series for instance in series.instances)
    return [str(uid) for uid in dict.fromkeys(held)]


def _regions(manifest: ImagingManifest) -> tuple[Code, ...]:
    of_series = (series.region for series in manifest.series if series.region)
    return tuple(dict.fromkeys((*manifest.regions, *of_series)))


def _instances(manifest: ImagingManifest) -> int | None:
    """How many instances there are, where every series says or lists its own."""
    counts = [len(one.instances) or one.declared_instances for one in manifest.series]
    known = [count for count in counts if count is not None]
    return sum(known) if counts and len(known) == len(counts) else None


def _issuer(authority: str) -> Json:
    """An assigning authority as an item of an issuer sequence (PS3.3 10.14)."""
    if oid_text(authority):
        return object_of(
            [("UniversalEntityID", [oid_text(authority)]), ("UniversalEntityIDType", ["ISO"])]
        )
    return object_of([("LocalNamespaceEntityID", [authority])])


def _code(code: Code) -> Json:
    scheme = same_scheme(true_scheme(code))
    return object_of(
        [
            ("CodeValue" if len(code.value) <= _MAX_SHORT else "LongCodeValue", [code.value]),
            ("CodingSchemeDesignator", [DESIGNATOR_OF_SCHEME.get(scheme, code.scheme)]),
            ("CodeMeaning", [code.display]),
        ]
    )


def _request(request: ImagingRequest) -> Json:
    code = [_code(request.code)] if request.code else []
    return object_of(
        [
            ("AccessionNumber", [request.accession]),
            ("IssuerOfAccessionNumberSequence", [_issuer(request.accession_authority)]),
            ("OrderPlacerIdentifierSequence", [_issuer(request.placer_authority)]),
            ("PlacerOrderNumberImagingServiceRequest", [request.placer_order]),
            ("FillerOrderNumberImagingServiceRequest", [request.filler_order]),
            ("RequestedProcedureDescription", [request.description]),
            ("RequestedProcedureCodeSequence", code),
            ("RequestedProcedureID", [request.procedure_id]),
        ]
    )
