"""A folder of DICOM files indexed: found in their place, listed in manifest order."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from country_a.national.pacs_folder import FolderPacs
from country_a.national.schema import create_tables, open_engine
from gateway.domain import InstanceRef, Oid, PatientId, Uid

PATIENT = PatientId("XA-1", Oid("2.999.1.1"))
STUDY = Uid("2.999.5.1")


def write(path: Path, uid: str, **changes: Any) -> Path:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, "2.999.5.1.1"
    ds.PatientID, ds.PatientName = "XA-1", "X"
    ds.IssuerOfPatientID = "2.999.1.1"
    ds.Modality = "CT"
    ds.Rows = ds.Columns = 2
    ds.BitsAllocated = ds.BitsStored = 16
    for name, value in changes.items():
        setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.add_new(0x7FE00010, "OW", b"\1\2" * 4)
    ds.save_as(path, enforce_file_format=True)
    return path


def ref(instance: str, series: str = "2.999.5.1.1", study: str = STUDY) -> InstanceRef:
    return InstanceRef(study=Uid(study), series=Uid(series), instance=Uid(instance))


@pytest.fixture
async def pacs() -> AsyncIterator[FolderPacs]:
    engine = open_engine("sqlite+aiosqlite://")
    await create_tables(engine)
    yield FolderPacs(engine)
    await engine.dispose()


async def test_instances_are_listed_in_manifest_order(pacs: FolderPacs, tmp_path: Path) -> None:
    """By series number, instance number and UID; what has no number comes last."""
    files = [
        write(tmp_path / "a", "2.999.9", SeriesNumber=2, SeriesInstanceUID="2.999.5.1.2"),
        write(tmp_path / "b", "2.999.3", SeriesNumber=1, InstanceNumber=10),
        write(tmp_path / "c", "2.999.1", SeriesNumber=1),
        write(tmp_path / "d", "2.999.2", SeriesNumber=1, InstanceNumber=9),
        write(tmp_path / "e", "2.999.4", SeriesNumber=1, InstanceNumber=10),
    ]

    await pacs.add(files)

    listed = [one.ref.instance for one in await pacs.instances(STUDY)]
    assert listed == ["2.999.2", "2.999.3", "2.999.4", "2.999.1", "2.999.9"]
    series = await pacs.series(STUDY)
    assert [(one.number, one.instance_count) for one in series] == [(1, 4), (2, 1)]


async def test_pixels_are_digested_when_they_come_in(pacs: FolderPacs, tmp_path: Path) -> None:
    """Where they stand in the file as they decode, and all of them are there."""
    whole = write(tmp_path / "a", "2.999.3")
    short = write(tmp_path / "b", "2.999.4", NumberOfFrames=2)
    await pacs.add([whole, short])

    digests = [one.native_sha256 for one in await pacs.instances(STUDY)]

    assert digests == [hashlib.sha256(b"\1\2" * 4).hexdigest(), ""]


async def test_an_instance_is_found_only_in_its_own_place(pacs: FolderPacs, tmp_path: Path) -> None:
    """The right UID under another series or study is not found."""
    path = write(tmp_path / "a", "2.999.3", NumberOfFrames=2, InstanceNumber=4)
    await pacs.add([path])

    found = await pacs.find(ref("2.999.3"))

    assert found is not None
    assert found.path == path
    assert found.size_bytes == path.stat().st_size
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.frames, found.number, found.patient) == (2, 4, PATIENT)
    assert (found.rows, found.columns, found.bits_stored, found.has_pixels) == (2, 2, 16, True)
    places = (ref("2.999.3", "2.999.8"), ref("2.999.3", study="2.999.8"), ref("2.999.3"))
    assert await pacs.find_all(places) == (None, None, found)


async def test_a_study_is_told_by_all_its_instances(pacs: FolderPacs, tmp_path: Path) -> None:
    """What the first header lacks another one completes, also one that is added later."""
    when = {"StudyDate": "20240102", "StudyTime": "0304", "TimezoneOffsetFromUTC": "+0200"}
    await pacs.add([write(tmp_path / "a", "2.999.3")])

    await pacs.add([write(tmp_path / "b", "2.999.4", StudyDescription="Ü", **when)])

    study = await pacs.study(STUDY)
    assert study is not None
    assert (study.study_date, study.study_time) == (date(2024, 1, 2), time(3, 4))
    assert (study.offset_minutes, study.description, study.patient) == (120, "Ü", PATIENT)
    assert await pacs.studies(PATIENT) == (study,)
    assert await pacs.studies(replace(PATIENT, value="XA-2")) == ()
    assert await pacs.study(Uid("2.999.77")) is None


async def test_what_is_not_dicom_is_left_out_with_the_reason(
    pacs: FolderPacs, tmp_path: Path
) -> None:
    """A text file and an instance without study do not hinder the others."""
    text, orphan = tmp_path / "t.txt", write(tmp_path / "o", "2.999.4", StudyInstanceUID="")
    text.write_text("hello")
    good = write(tmp_path / "a", "2.999.3")

    report = await pacs.add([text, orphan, good, tmp_path / "absent"])

    assert [one.ref.instance for one in report.stored] == ["2.999.3"]
    assert [one.path for one in report.left_out] == [text, orphan, tmp_path / "absent"]
    assert "study" in report.left_out[1].reason


async def test_an_instance_added_again_is_replaced(pacs: FolderPacs, tmp_path: Path) -> None:
    """The later file of the same SOP Instance UID stands, in its own series."""
    await pacs.add([write(tmp_path / "a", "2.999.3")])

    await pacs.add([write(tmp_path / "b", "2.999.3", SeriesInstanceUID="2.999.5.1.2")])

    assert [one.path for one in await pacs.instances(STUDY)] == [tmp_path / "b"]
    assert [one.uid for one in await pacs.series(STUDY)] == ["2.999.5.1.2"]
