"""A manifest as the attributes that a search finds by and answers with."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import time

import pydicom
import pytest
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.dataset import Dataset

from gateway.domain import Code, ImagingManifest, ManifestPatient, PatientId
from gateway.domain.codes import DCM
from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.dicom.qido_attributes import (
    LEVEL_OF,
    NOT_HELD,
    RETURNED,
    Json,
    Level,
    instance_object,
    series_object,
    study_object,
    values_at,
)
from tests.builders import PATIENT, make_manifest

MANIFEST = make_manifest()
# What a search answers at each level, as the specification of the exchange lists it.
LISTED = {
    Level.STUDY: "00080005 00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190"
    " 00100010 00100020 00100030 00100040 0020000D 00200010 00201206 00201208",
    Level.SERIES: "00080005 00080060 00080201 0008103E 00081190 0020000E 00200011 00201209"
    " 00400244 00400245 00400275",
    Level.INSTANCE: "00080005 00080016 00080018 00080056 00080201 00081190 00200013 00280008"
    " 00280010 00280011 00280100 00083002",
}


def objects(manifest: ImagingManifest) -> list[Json]:
    """Everything that is told of a manifest."""
    found = [study_object(manifest)]
    for series in manifest.series:
        found.append(series_object(manifest, series))
        found += [instance_object(manifest, one) for one in series.instances]
    return found


@pytest.mark.parametrize("level", Level)
def test_what_is_answered_is_what_is_listed(level: Level) -> None:
    """PS3.18 10.6.3, tables of result attributes."""
    assert {f"{tag:08X}" for tag in RETURNED[level]} == set(LISTED[level].split())


def test_every_object_is_read_by_pydicom() -> None:
    """With the representation the dictionary has, values it takes, and tags in order."""
    for found in objects(MANIFEST):
        ds = Dataset.from_json(found)

        assert list(found) == sorted(found)
        for element in ds.iterall():
            assert element.VR in dictionary_VR(element.tag)
            assert not element.is_empty


def test_an_object_has_nothing_that_has_no_level() -> None:
    """Or a key for it would be refused though it is held; and nothing that is said not to be."""
    for found in objects(MANIFEST):
        for key in found:
            assert int(key, 16) in LEVEL_OF, dictionary_keyword(key)
            assert int(key, 16) not in NOT_HELD
    inner = {
        int(key, 16)
        for found in objects(MANIFEST)
        for element in found.values()
        if element["vr"] == "SQ"
        for item in element["Value"]
        for key in item
    }
    assert inner <= held.IN_ITEMS


def test_a_study_is_told_as_its_manifest_has_it() -> None:
    """Compared with the header of the same manifest as a KOS document, read by pydicom."""
    found = Dataset.from_json(study_object(MANIFEST))

    kos = pydicom.dcmread(io.BytesIO(encode_manifest(MANIFEST)))

    for word in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"),
        *("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription"),
        *("TimezoneOffsetFromUTC", "IssuerOfAccessionNumberSequence"),
    ):
        assert found[word].value == kos[word].value, word


def test_counts_are_of_what_is_listed_or_else_declared() -> None:
    """And unknown where a series says neither."""
    listed = values_at(study_object(MANIFEST), (0x00201206,))
    instances = values_at(study_object(MANIFEST), (0x00201208,))
    partial = replace(MANIFEST, series=())
    unknown = replace(
        MANIFEST,
        series=(replace(MANIFEST.series[0], instances=(), declared_instances=None),),
    )

    assert (listed, instances) == ((3,), (7,))
    assert values_at(study_object(partial), (0x00201206,)) == (3,)
    assert values_at(study_object(partial), (0x00201208,)) == ()
    assert values_at(study_object(unknown), (0x00201208,)) == ()


def test_of_several_identifiers_the_asked_one_is_told() -> None:
    """A client looks for the one it asked by; all of them stand in their sequence."""
    other = MANIFEST.patient.ids[1]

    assert values_at(study_object(MANIFEST), (held.PATIENT_ID,)) == (PATIENT.value,)
    assert values_at(study_object(MANIFEST, other), (held.PATIENT_ID,)) == (other.value,)
    stranger = PatientId("X", PATIENT.authority)
    assert values_at(study_object(MANIFEST, stranger), (held.PATIENT_ID,)) == (PATIENT.value,)
    assert values_at(study_object(MANIFEST), (held.OTHER_PATIENT_IDS, held.PATIENT_ID)) == tuple(
        one.value for one in MANIFEST.patient.ids
    )


def test_nothing_is_invented() -> None:
    """A study without headers has but its UID, its character set, and that it can be had."""
    bare = ImagingManifest(
        uid=MANIFEST.uid,
        form=MANIFEST.form,
        study=MANIFEST.study,
        patient=ManifestPatient(),
        title=MANIFEST.title,
    )

    assert list(study_object(bare)) == ["00080005", "00080056", "0020000D"]


def test_modalities_of_other_schemes_are_none_of_dicoms() -> None:
    """A modality is a code of DCM, however its scheme is written."""
    mixed = replace(
        MANIFEST, modalities=(Code("XX", "2.999.4"), Code("MR", "DCM"), Code("CT", DCM)), series=()
    )

    assert values_at(study_object(mixed), (held.MODALITIES_IN_STUDY,)) == ("MR", "CT")


def test_a_time_keeps_its_fraction_and_a_long_code_its_length() -> None:
    """As far as DICOM can write them."""
    code = Code("1234567890123456789", "2.16.840.1.113883.6.96", "A long concept")
    changed = replace(MANIFEST, study_time=time(9, 0, 0, 120), procedures=(code,))

    found = study_object(changed)

    assert values_at(found, (held.STUDY_TIME,)) == ("090000.000120",)
    assert values_at(found, (0x00081032, 0x00080119)) == (code.value,)
