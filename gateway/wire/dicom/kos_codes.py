"""The codes of the imaging manifest, final, trial and ballot, and the class of an instance.

Tables only. Codes: IHE RAD MADO (final codes of version 1.0.0, codes of the trial text, ballot
codes of DICOM CP-2595), DICOM PS3.16 TID 2010, 1600 to 1602 and CID 7010.
"""

from __future__ import annotations

from enum import StrEnum

from pydicom.uid import UID

from gateway.domain.codes import DCM, Code
from gateway.domain.ids import Uid
from gateway.domain.manifests import ManifestForm

TRIAL_SCHEME = "99IHE"
UCUM = "UCUM"


class Concept(StrEnum):
    """What the manifest's own codes say; the value is the meaning written beside the code."""

    TITLE = "Manifest with Description"
    SERIES_DATE = "Series Date"
    SERIES_TIME = "Series Time"
    SERIES_DESCRIPTION = "Series Description"
    INSTANCE_COUNT = "Number of Series Related Instances"
    SERIES_COUNT = "Number of Study Related Series"


FINAL = {
    Concept.TITLE: "131560",
    Concept.SERIES_DATE: "131561",
    Concept.SERIES_TIME: "131562",
    Concept.SERIES_DESCRIPTION: "131563",
    Concept.INSTANCE_COUNT: "131564",
    Concept.SERIES_COUNT: "131565",
}
TRIAL = {
    Concept.TITLE: "MADOTEMP001",
    Concept.SERIES_DATE: "MADOTEMP003",
    Concept.SERIES_TIME: "MADOTEMP004",
    Concept.SERIES_DESCRIPTION: "MADOTEMP002",
    Concept.INSTANCE_COUNT: "MADOTEMP007",
    Concept.SERIES_COUNT: "MADOTEMP009",
}
BALLOT = {
    Concept.TITLE: "ddd001",
    Concept.SERIES_DATE: "ddd003",
    Concept.SERIES_TIME: "ddd004",
    Concept.SERIES_DESCRIPTION: "ddd002",
    Concept.INSTANCE_COUNT: "ddd007",
    Concept.SERIES_COUNT: "ddd009",
}
# No two of these values mean different things, so a reader goes by the value alone and bears a
# missing or wrong scheme designator.
CONCEPT_OF_VALUE: dict[str, Concept] = {
    value: concept for table in (FINAL, TRIAL, BALLOT) for concept, value in table.items()
}

FORM_OF_TITLE = {
    FINAL[Concept.TITLE]: ManifestForm.MADO,
    TRIAL[Concept.TITLE]: ManifestForm.MADO_TRIAL,
    BALLOT[Concept.TITLE]: ManifestForm.MADO_BALLOT,
    "113030": ManifestForm.XDSI,
}

PROCEDURE_CODE = Code("121023", DCM, "Procedure Code")
IMAGE_LIBRARY = Code("111028", DCM, "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", DCM, "Image Library Group")
MODALITY = Code("121139", DCM, "Modality")
TARGET_REGION = Code("123014", DCM, "Target Region")
SERIES_NUMBER = Code("113607", DCM, "Series Number")
SERIES_UID = Code("112002", DCM, "Series Instance UID")
INSTANCE_NUMBER = Code("113609", DCM, "Instance Number")
NUMBER_OF_FRAMES = Code("121140", DCM, "Number of Frames")
DOCUMENT_TITLE = Code("121144", DCM, "Document Title")
KEY_OBJECT_DESCRIPTION = Code("113012", DCM, "Key Object Description")
IMAGE_LATERALITY = Code("111027", DCM, "Image Laterality")

UNITS_SERIES = Code("{series}", UCUM, "series")
UNITS_INSTANCES = Code("{instances}", UCUM, "instances")
UNITS_FRAMES = Code("{frames}", UCUM, "frames")

# Image classes whose registered name does not say "Image Storage".
_OTHER_IMAGES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.6.2",  # enhanced ultrasound volume
        "1.2.840.10008.5.1.4.1.1.30",  # parametric map
        "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
        "1.2.840.10008.5.1.4.1.1.66.7",  # label map segmentation
        "1.2.840.10008.5.1.4.1.1.77.1.5.8",  # optical coherence tomography volume analysis
        "1.2.840.10008.5.1.4.1.1.81.1",  # ophthalmic thickness map
        "1.2.840.10008.5.1.4.1.1.82.1",  # corneal topography map
        "1.2.840.10008.5.1.4.1.1.481.2",  # dose distribution
    }
)


def value_type(sop_class: Uid) -> str:
    """The value type that refers to an instance of a class: IMAGE, WAVEFORM or COMPOSITE."""
    name = UID(sop_class).name
    if sop_class in _OTHER_IMAGES or "Image Storage" in name:
        return "IMAGE"
    return "WAVEFORM" if "Waveform Storage" in name else "COMPOSITE"
