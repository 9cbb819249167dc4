"""The tables of what is removed make sense."""

from __future__ import annotations

from pydicom.datadict import tag_for_keyword

from gateway.wire.dicom import identity_tables as tables

REMOVED = """
    PatientName PatientID OtherPatientIDsSequence AccessionNumber InstitutionName StationName
    ReferringPhysicianName OperatorsName DeviceSerialNumber StudyID RequestAttributesSequence
    ContributingEquipmentSequence VerifyingObserverSequence PatientComments ImageComments
    PlacerOrderNumberImagingServiceRequest PerformingPhysicianIdentificationSequence
"""
KEPT = """
    StudyInstanceUID SOPInstanceUID StudyDate Modality StudyDescription SeriesDescription
    BodyPartExamined PatientWeight Rows WindowCenter ImageType KVP ContentSequence
    TimezoneOffsetFromUTC
"""


def is_removed(keyword: str) -> bool:
    """Whether the ranges or groups name an attribute."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    if tag in tables.KEPT_OF_PATIENT:
        return False
    in_range = any(low <= tag <= high for low, high in tables.REMOVED_RANGES)
    return in_range or tag >> 16 in tables.REMOVED_GROUPS


def test_ranges_are_ordered_and_do_not_overlap() -> None:
    """Each range begins behind the one before."""
    ends = 0
    for low, high in tables.REMOVED_RANGES:
        assert ends < low <= high
        ends = high


def test_identity_goes_and_the_study_stays() -> None:
    """What names somebody is removed; what describes the image is not."""
    assert all(is_removed(keyword) for keyword in REMOVED.split())
    assert not [keyword for keyword in KEPT.split() if is_removed(keyword)]
