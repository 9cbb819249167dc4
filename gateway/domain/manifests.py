"""The imaging study manifest (guideline data set B.1) and the key-image notes it leads to.

One manifest describes one study. What a legacy manifest cannot say is None or empty; nothing is
invented. Vocabulary: IHE RAD MADO, DICOM PS3.16 TID 2010 and CID 7010.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

from gateway.domain.codes import Code
from gateway.domain.ids import Oid, PatientId, Uid
from gateway.domain.people import Gender, HumanName, Organisation

# CID 7010 titles that withdraw images instead of recommending them.
REJECTING_TITLES = frozenset({"113001", "113037"})


class ManifestForm(StrEnum):
    """Which generation of the rules a manifest follows."""

    MADO = "mado"
    MADO_TRIAL = "mado-trial"
    MADO_BALLOT = "mado-ballot"
    XDSI = "xds-i"


class ManifestEncoding(StrEnum):
    """In which form a manifest travels: as a key object selection, or as a FHIR document."""

    KOS = "kos"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPatient:
    """The patient as a manifest or an image header names it; `ids` begins with the primary one.

    `bare_id` is the identifier where no assigning authority was given.
    """

    ids: tuple[PatientId, ...] = ()
    bare_id: str = ""
    name: HumanName | None = None
    birth_date: date | None = None
    gender: Gender | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingRequest:
    """One (accession, placer order) pair under which a study was made.

    Authorities are OIDs, "" where not given; a FHIR manifest may have named one by its URL.
    """

    accession: str = ""
    accession_authority: str = ""
    placer_order: str = ""
    placer_authority: str = ""
    filler_order: str = ""
    procedure_id: str = ""
    description: str = ""
    code: Code | None = None
    filler_authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRef:
    """A DICOM instance in its place: study, series, instance."""

    study: Uid
    series: Uid
    instance: Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyImageNote:
    """A key object selection read from its own instance: which images, and why."""

    instance: Uid
    title: Code
    description: str = ""
    images: tuple[InstanceRef, ...] = ()

    @property
    def rejects(self) -> bool:
        """Whether the note withdraws its images (rejected for quality or safety)."""
        return self.title.value in REJECTING_TITLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """What a series was made of in place of the patient: its id, who gave it, and words."""

    id: str = ""
    authority: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestInstance:
    """One instance. `note_title` and `note_description` are there for key-image notes alone."""

    uid: Uid
    sop_class: Uid
    number: int | None = None
    frames: int | None = None
    note_title: Code | None = None
    note_description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSeries:
    """One series, where it can be had, and its instances.

    `location` is the Retrieve Location UID, `retrieve_url` the WADO-RS base, "" where absent;
    `declared_instances` is the count the manifest states, which may differ from what it lists.
    Dates are local to `ImagingManifest.offset_minutes`.
    """

    uid: Uid
    modality: Code | None = None
    number: int | None = None
    description: str = ""
    started: date | None = None
    started_time: time | None = None
    region: Code | None = None
    region_text: str = ""
    laterality: Code | None = None
    location: Oid | None = None
    retrieve_url: str = ""
    retrieve_ae_title: str = ""
    declared_instances: int | None = None
    instances: tuple[ManifestInstance, ...] = ()
    specimens: tuple[Specimen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagingManifest:
    """What a study is made of and where it lies.

    `uid` is the manifest's own SOP Instance UID and the document's unique id. `accession` is
    the study's single accession number, "" where there are several (they are in `requests`).
    `offset_minutes` is the offset from UTC of every date and time in it, None where not stated.
    `institution` made the manifest, `custodian` answers for the study (guideline B.1.3);
    `procedure_texts` are procedures that no code names.
    """

    uid: Uid
    form: ManifestForm
    study: Uid
    patient: ManifestPatient
    title: Code
    study_date: date | None = None
    study_time: time | None = None
    offset_minutes: int | None = None
    study_description: str = ""
    accession: str = ""
    accession_authority: str = ""
    requests: tuple[ImagingRequest, ...] = ()
    modalities: tuple[Code, ...] = ()
    regions: tuple[Code, ...] = ()
    procedures: tuple[Code, ...] = ()
    declared_series: int | None = None
    viewer_url: str = ""
    manufacturer: str = ""
    institution: Organisation | None = None
    created: datetime | None = None
    series: tuple[ManifestSeries, ...] = ()
    custodian: Organisation | None = None
    procedure_texts: tuple[str, ...] = ()

    @property
    def instance_count(self) -> int:
        """How many instances the manifest lists."""
        return sum(len(series.instances) for series in self.series)

    def instances(self) -> tuple[InstanceRef, ...]:
        """Every instance in its place, in the manifest's order."""
        return tuple(
            InstanceRef(study=self.study, series=series.uid, instance=instance.uid)
            for series in self.series
            for instance in series.instances
        )

    def notes(self) -> tuple[InstanceRef, ...]:
        """The instances that are key-image notes."""
        return tuple(
            InstanceRef(study=self.study, series=series.uid, instance=instance.uid)
            for series in self.series
            for instance in series.instances
            if instance.sop_class == KEY_OBJECT_SOP_CLASS
        )


KEY_OBJECT_SOP_CLASS = Uid("1.2.840.10008.5.1.4.1.1.88.59")
