"""The manifest of a study, built from what the image store knows of it.

Not bytes: `gateway.wire.dicom.kos` writes them. Guideline data set B.1; which modality and
which region a study counts under follow IHE RAD MADO (acquisition modalities, CID IHE-MADO1).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from country_a.national.ports import StoredInstance, StoredSeries, StoredStudy
from gateway.domain import (
    Code,
    ImagingManifest,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Oid,
    Organisation,
    PatientIdentity,
    Uid,
)
from gateway.domain.codes import DCM, SCT, as_region, region_of_body_part

TITLE = Code("131560", DCM, "Manifest with Description")

# What these modalities hold is about a study and acquires nothing (PS3.16 CID 32).
_NOT_ACQUIRED = frozenset(
    {"KO", "SR", "PR", "SEG", "DOC", "REG", "RTDOSE", "RTPLAN", "RTSTRUCT", "OT", "AU", "PLAN"}
)
_LATERALITY = {
    "L": Code("7771000", SCT, "Left"),
    "R": Code("24028007", SCT, "Right"),
    "B": Code("51440002", SCT, "Right and left"),
}
_MODALITY_NAMES = {
    "CT": "Computed Tomography",
    "MR": "Magnetic Resonance",
    "DX": "Digital Radiography",
    "CR": "Computed Radiography",
    "MG": "Mammography",
    "US": "Ultrasound",
    "PT": "Positron emission tomography",
    "NM": "Nuclear Medicine",
    "XA": "X-Ray Angiography",
    "RF": "Radio Fluoroscopy",
    "ES": "Endoscopy",
    "SM": "Slide Microscopy",
    "KO": "Key Object Selection",
    "SR": "Structured Report Document",
    "PR": "Presentation State",
    "SEG": "Segmentation",
    "DOC": "Document",
    "RTSTRUCT": "Radiotherapy Structure Set",
    "RTPLAN": "Radiotherapy Plan",
    "RTDOSE": "Radiotherapy Dose",
}


def modality_code(modality: str) -> Code:
    """A DICOM modality as a code."""
    return Code(modality, DCM, _MODALITY_NAMES.get(modality, modality))


def study_modalities(series: Sequence[StoredSeries]) -> tuple[Code, ...]:
    """What a study was acquired with; what else it holds only where nothing was acquired."""
    named = dict.fromkeys(one.modality for one in series if one.modality)
    acquired = [modality for modality in named if modality not in _NOT_ACQUIRED]
    return tuple(map(modality_code, acquired or named))


def study_regions(series: Sequence[StoredSeries]) -> tuple[Code, ...]:
    """The coarse regions of a study, from coded regions and body parts of its series."""
    found = (
        (as_region(one.region) if one.region else None) or region_of_body_part(one.body_part)
        for one in series
    )
    return tuple(dict.fromkeys(region for region in found if region))


def study_procedures(study: StoredStudy) -> tuple[Code, ...]:
    """The procedures a study was: its own codes, else those of the requests."""
    asked = (request.code for request in study.requests if request.code)
    return study.procedures or tuple(dict.fromkeys(asked))


def single_accession(study: StoredStudy) -> tuple[str, str]:
    """The accession number and its authority where a study has exactly one, else "" twice."""
    pairs = {(r.accession, r.accession_authority) for r in study.requests if r.accession}
    return pairs.pop() if len(pairs) == 1 else ("", "")


def patient_of(identity: PatientIdentity) -> ManifestPatient:
    """A patient as manifests and headers name one."""
    return ManifestPatient(
        ids=(identity.id, *identity.other_ids),
        name=identity.names[0] if identity.names else None,
        birth_date=identity.birth_date,
        gender=identity.gender,
    )


def _series(
    one: StoredSeries, instances: Sequence[StoredInstance], location: Oid, retrieve_url: str
) -> ManifestSeries:
    return ManifestSeries(
        uid=one.uid,
        modality=modality_code(one.modality) if one.modality else None,
        number=one.number,
        description=one.description,
        started=one.started,
        started_time=one.started_time,
        region=one.region,
        region_text="" if one.region else one.body_part,
        laterality=_LATERALITY.get(one.laterality),
        location=location,
        retrieve_url=retrieve_url,
        declared_instances=one.instance_count,
        instances=tuple(
            ManifestInstance(
                uid=instance.ref.instance,
                sop_class=instance.sop_class,
                number=instance.number,
                frames=instance.frames,
                note_title=instance.note_title,
                note_description=instance.note_description,
            )
            for instance in instances
        ),
    )


def build_manifest(
    study: StoredStudy,
    series: Sequence[StoredSeries],
    instances: Sequence[StoredInstance],
    patient: PatientIdentity,
    *,
    uid: Uid,
    location: Oid,
    created: datetime | None,
    manufacturer: str,
    retrieve_url: str = "",
    institution: Organisation | None = None,
) -> ImagingManifest:
    """The manifest of a study as it is held now.

    `series` and `instances` come in manifest order, as the image store gives them; where these are
    not all, the count of each series still says how many there are. `location`
    is the OID of the imaging source, `institution` who made the study where its headers do not
    say, `uid` the manifest's own.
    """
    inside: dict[Uid, list[StoredInstance]] = {one.uid: [] for one in series}
    for instance in instances:
        inside[instance.ref.series].append(instance)
    accession, authority = single_accession(study)
    return ImagingManifest(
        uid=uid,
        form=ManifestForm.MADO,
        study=study.uid,
        patient=patient_of(patient),
        title=TITLE,
        study_date=study.study_date,
        study_time=study.study_time,
        offset_minutes=study.offset_minutes,
        study_description=study.description,
        accession=accession,
        accession_authority=authority,
        requests=study.requests,
        modalities=study_modalities(series),
        regions=study_regions(series),
        procedures=study_procedures(study),
        declared_series=len(series),
        manufacturer=manufacturer,
        institution=study.institution or institution,
        created=created,
        series=tuple(_series(one, inside[one.uid], location, retrieve_url) for one in series),
    )
