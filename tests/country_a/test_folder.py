"""Any folder of files becomes studies of made-up patients, and the sources stay untouched."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from country_a.national.ports import NationalSystems
from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.seed.folder import seed_folder
from country_a.seed.folder_files import Found
from country_a.seed.records import FolderRecord
from gateway.domain import (
    CommunityId,
    DocumentQuery,
    ManifestEncoding,
    ReferenceKind,
    Uid,
    read_content,
)
from gateway.domain.codes import DocumentClass
from gateway.domain.selection import document_class, manifest_encoding
from gateway.wire.dicom.dataset import describe, read_header

OIDS = NationalOids.under(CommunityId("2.999.1.1"))
EXPLICIT, JPEG_2000, MPEG4 = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.102",
)
CT, US_FRAMES = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.3.1"
# What is no image, by modality: SOP class, and all that is needed to look like it.
OTHERS = {
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
    "PR": "1.2.840.10008.5.1.4.1.1.11.1",
    "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
}


def put(path: Path, *, syntax: str = EXPLICIT, pixels: bytes = b"", **values: Any) -> Path:
    """A DICOM file of a real-looking patient; values by DICOM keyword, None leaves one out."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    given = {
        "SOPClassUID": CT,
        "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3.1.1",
        "PatientName": "Secret^Person",
        "PatientID": "REAL-77",
        "PatientBirthDate": "19500505",
        "AccessionNumber": "OLD-ACC",
        "StudyDate": "20230405",
        "StudyTime": "0607",
        "Modality": "CT",
        "BodyPartExamined": "ABDOMEN",
        "InstitutionName": "Real Hospital",
        **values,
    }
    if pixels:
        given = {
            "Rows": 4,
            "Columns": 4,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "SamplesPerPixel": 1,
            "PixelRepresentation": 0,
            "PhotometricInterpretation": "MONOCHROME2",
            **given,
        }
    for name, value in given.items():
        if value is not None:
            setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    if given.get("SOPInstanceUID") is None:
        ds.file_meta.MediaStorageSOPInstanceUID = UID("")
    if pixels:
        ds.add_new(0x7FE00010, "OB", pixels)
        ds["PixelData"].is_undefined_length = syntax != EXPLICIT
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=given.get("SOPInstanceUID") is not None)
    return path


def hashes(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
async def systems(tmp_path: Path) -> AsyncIterator[NationalSystems]:
    opened = await open_systems(tmp_path / "state", database_url="sqlite+aiosqlite://")
    yield opened.systems
    await opened.close()


async def seed(systems: NationalSystems, tmp_path: Path) -> FolderRecord:
    return await seed_folder(
        systems,
        tmp_path / "source",
        into=tmp_path / "copies",
        oids=OIDS,
        seed_number=7,
        first_patient=2001,
    )


async def test_every_kind_of_instance_is_listed(systems: NationalSystems, tmp_path: Path) -> None:
    """Compressed and multi-frame images, video, SR, PR, SEG, RT and PDF stand in one manifest."""
    source = tmp_path / "source"
    frame = np.arange(16, dtype=np.uint8).reshape(4, 4)
    j2k = encapsulate([bytes(imagecodecs.jpeg2k_encode(frame, codecformat="j2k"))])
    put(source / "a", SOPInstanceUID="1.2.3.9.1", pixels=frame.tobytes())
    put(source / "b", SOPInstanceUID="1.2.3.9.2", pixels=j2k, syntax=JPEG_2000)
    put(
        source / "c",
        SOPInstanceUID="1.2.3.9.3",
        SOPClassUID=US_FRAMES,
        Modality="US",
        SeriesInstanceUID="1.2.3.1.2",
        NumberOfFrames=2,
        pixels=frame.tobytes() * 2,
    )
    put(
        source / "d",
        SOPInstanceUID="1.2.3.9.4",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.1.1",
        Modality="ES",
        SeriesInstanceUID="1.2.3.1.3",
        NumberOfFrames=2,
        syntax=MPEG4,
        pixels=encapsulate([b"\0\0\0\x18ftypmp42 no video "]),
    )
    put(
        source / "e.pdf.dcm",
        SOPInstanceUID="1.2.3.9.5",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
        Modality="DOC",
        SeriesInstanceUID="1.2.3.1.4",
        EncapsulatedDocument=b"%PDF-1.4 Secret Person ",
        MIMETypeOfEncapsulatedDocument="application/pdf",
    )
    for number, (modality, sop_class) in enumerate(OTHERS.items(), start=10):
        put(
            source / "others" / modality,
            SOPInstanceUID=f"1.2.3.9.{number}",
            SOPClassUID=sop_class,
            Modality=modality,
            SeriesInstanceUID=f"1.2.3.1.{number}",
        )

    record = await seed(systems, tmp_path)

    (patient,) = record.patients
    (study,) = patient.studies
    held = await systems.pacs.instances(Uid("1.2.3.1"))
    assert record.left_out == ()
    assert study.instances == len(held) == 10
    assert {one.modality for one in await systems.pacs.series(Uid("1.2.3.1"))} == {
        *OTHERS,
        *("CT", "US", "ES", "DOC"),
    }
    assert {one.transfer_syntax for one in held} == {EXPLICIT, JPEG_2000, MPEG4}
    assert set(study.modality.split("\\")) == {"CT", "US", "ES"}
    assert any("ultrasound" in what for _, what in record.warnings)
    assert any("PDF inside is passed on as it is" in what for _, what in record.warnings)
    pdf = next(one for one in held if one.ref.instance == "1.2.3.9.5")
    assert b"%PDF-1.4 Secret Person " in pdf.path.read_bytes()


async def test_copies_are_of_a_made_up_patient_and_agree(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """No copy says who the source was; header, manifest entry and report name the new patient."""
    source = tmp_path / "source"
    for number in (1, 2):
        put(
            source / f"{number}",
            SOPInstanceUID=f"1.2.3.9.{number}",
            SeriesDescription="of Secret Person",
            pixels=bytes(16),
        )
    before = hashes(source)

    record = await seed(systems, tmp_path)

    assert hashes(source) == before
    (patient,) = record.patients
    identity = patient.person.identity
    assert identity.id.value == "XA-2001"
    assert await systems.patients.get(identity.id) == identity
    entries = await systems.registry.find(DocumentQuery(patient=identity.id))
    manifests = [one for one in entries if document_class(one) is DocumentClass.MANIFEST]
    assert {manifest_encoding(one) for one in manifests} == set(ManifestEncoding)
    assert len(manifests) == 2
    for entry in manifests:
        content = await systems.repository.get(entry.ref.document)
        assert content is not None
        assert b"REAL-77" not in await read_content(content, 1 << 20)
    assert [document_class(entry) for entry in entries].count(DocumentClass.REPORT) == 1
    for one in await systems.pacs.instances(Uid("1.2.3.1")):
        data = one.path.read_bytes()
        assert tmp_path / "copies" in one.path.parents
        for trace in (b"Secret", b"REAL-77", b"OLD-ACC", b"19500505", b"Real Hospital"):
            assert trace not in data
        with one.path.open("rb") as file:
            header = describe(read_header(file))
        assert header.patient.ids[0] == one.patient == identity.id
        assert header.patient.birth_date == identity.birth_date
        for entry in entries:
            (accession,) = entry.referenced(ReferenceKind.ACCESSION)
            assert (accession.value, accession.authority) == (header.accession, OIDS.accessions)
            assert entry.studies == ("1.2.3.1",)
            assert [code.value for code in entry.modalities] == ["CT"]
            assert entry.service_start is not None
            assert entry.service_start.dtm == "20230405060700"


async def test_what_cannot_be_taken_is_said(systems: NationalSystems, tmp_path: Path) -> None:
    """Text, empty files and damaged zips are left out; duplicates are taken once."""
    source = tmp_path / "source"
    put(source / "a.dcm", SOPInstanceUID="1.2.3.9.1", pixels=bytes(16))
    (source / "b.dcm").write_bytes((source / "a.dcm").read_bytes())
    put(source / "c.dcm", SOPInstanceUID="1.2.3.9.1", pixels=b"\1" * 16)
    (source / "readme.txt").write_text("not an image")
    (source / "empty.dcm").write_bytes(b"")
    (source / "broken.zip").write_bytes(b"PK\3\4 and nothing")

    record = await seed(systems, tmp_path)

    reasons = dict(record.left_out)
    assert set(reasons) == {"b.dcm", "c.dcm", "readme.txt", "empty.dcm", "broken.zip"}
    assert reasons["b.dcm"] == "the same file under the SOP Instance UID of a.dcm"
    assert reasons["c.dcm"] == "another content under the SOP Instance UID of a.dcm"
    assert all("not a DICOM" in reasons[name] for name in ("readme.txt", "empty.dcm"))
    assert record.files == 6
    assert record.patients[0].studies[0].instances == 1


async def test_missing_uids_and_dates_are_made_and_said(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """Instances without UIDs share a study made for them, the same one at the next reading."""
    source = tmp_path / "source"
    bare: dict[str, Any] = {"StudyInstanceUID": None, "SeriesInstanceUID": None, "StudyDate": None}
    put(source / "x" / "1", SOPInstanceUID="1.2.3.9.1", AcquisitionDate="20200202", **bare)
    put(source / "x" / "2", SOPInstanceUID=None, pixels=bytes(16), **bare)

    record = await seed(systems, tmp_path)
    again = await open_systems(tmp_path / "again", database_url="sqlite+aiosqlite://")
    second = await seed(again.systems, tmp_path)
    await again.close()

    (study,) = record.patients[0].studies
    assert study.uid.startswith("2.25.")
    assert study.instances == 2
    assert second == record
    held = await systems.pacs.study(Uid(study.uid))
    assert held is not None
    assert f"{held.study_date}" == "2020-02-02"
    made = [what for _, what in record.warnings if "made here" in what]
    assert len(made) == 2
    assert any("SOP Instance UID" in what for what in made)
    assert any("no study date; 2020-02-02" in what for _, what in record.warnings)


async def test_studies_of_one_person_stay_together(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """Two studies of one source patient go to one made-up patient, another's to another."""
    source = tmp_path / "source"
    put(source / "1", SOPInstanceUID="1.2.3.9.1")
    put(source / "2", SOPInstanceUID="1.2.3.9.2", StudyInstanceUID="1.2.3.2")
    put(source / "3", SOPInstanceUID="1.2.3.9.3", StudyInstanceUID="1.2.3.3", PatientID="Z")

    record = await seed(systems, tmp_path)

    assert [len(patient.studies) for patient in record.patients] == [2, 1]
    accessions = [a for p in record.patients for s in p.studies for a in s.accessions]
    assert len(set(accessions)) == 3


async def test_zip_files_are_looked_into(systems: NationalSystems, tmp_path: Path) -> None:
    """Members are read whatever their names lead to, and named by zip and member."""
    file = put(tmp_path / "elsewhere" / "1", SOPInstanceUID="1.2.3.9.1", pixels=bytes(16))
    (tmp_path / "source").mkdir()
    with zipfile.ZipFile(tmp_path / "source" / "study.zip", "w") as archive:
        archive.write(file, "../../../escape.dcm")
        archive.writestr("notes.txt", "hello")

    record = await seed(systems, tmp_path)

    assert record.patients[0].studies[0].instances == 1
    assert [name for name, _ in record.left_out] == ["study.zip/notes.txt"]
    assert not list(tmp_path.rglob("escape.dcm"))


async def test_a_study_that_is_held_already_is_left_out(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """A second folder with the same study gives it to nobody else."""
    put(tmp_path / "source" / "1", SOPInstanceUID="1.2.3.9.1")
    await seed(systems, tmp_path)

    second = await seed(systems, tmp_path)

    assert [name for name, why in second.left_out if "already held" in why] == ["1"]
    assert [patient.studies for patient in second.patients] == [[]]


async def test_a_folder_that_is_none_is_refused(systems: NationalSystems, tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(NotADirectoryError, match="source"):
        await seed(systems, tmp_path)


async def test_every_instance_among_bundled_files_is_taken(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """Odd as they are; what is left out is no instance or comes twice, said in plain words."""
    (tmp_path / "source").symlink_to(Path(pydicom.data.__file__).parent / "test_files")

    record = await seed(systems, tmp_path)

    reasons = {why.partition(" of ")[0] for _, why in record.left_out}
    assert reasons == {
        "not a DICOM instance: no SOP Class and no SOP Instance UID",
        "not a DICOM instance: a media directory",
        "the same file under the SOP Instance UID",
        "another content under the SOP Instance UID",
    }
    taken = sum(study.instances for one in record.patients for study in one.studies)
    assert taken + len(record.left_out) == record.files
    said = [*(why for _, why in record.left_out), *(what for _, what in record.warnings)]
    assert not [one for one in said if "\n" in one or "/site-packages" in one]


async def test_instances_without_uids_in_two_folders_are_all_taken(
    systems: NationalSystems, tmp_path: Path
) -> None:
    """Their made studies differ; an instance of the first folder is not taken again."""
    bare: dict[str, Any] = {"StudyInstanceUID": None, "SeriesInstanceUID": None}
    put(tmp_path / "one" / "1", SOPInstanceUID="1.2.3.9.1", **bare)
    put(tmp_path / "two" / "2", SOPInstanceUID="1.2.3.9.2", **bare)
    put(tmp_path / "two" / "3", SOPInstanceUID="1.2.3.9.1", StudyInstanceUID="1.2.3.4")
    taken: dict[Uid, Found] = {}
    records = [
        await seed_folder(
            systems,
            tmp_path / name,
            into=tmp_path / "copies" / name,
            oids=OIDS,
            seed_number=7,
            first_patient=first,
            taken=taken,
        )
        for name, first in (("one", 2001), ("two", 3001))
    ]

    studies = [study.uid for one in records for who in one.patients for study in who.studies]
    assert len(set(studies)) == 2
    assert [one.left_out for one in records] == [
        (),
        (("3", "another content under the SOP Instance UID of 1"),),
    ]


async def test_a_study_has_one_date_and_time(systems: NationalSystems, tmp_path: Path) -> None:
    """A note that states another day than the images gets theirs, and it is said."""
    for number in (1, 2):
        put(tmp_path / "source" / f"{number}", SOPInstanceUID=f"1.2.3.9.{number}")
    put(tmp_path / "source" / "0", SOPInstanceUID="1.2.3.9.3", StudyDate="20061026")

    record = await seed(systems, tmp_path)

    for one in await systems.pacs.instances(Uid("1.2.3.1")):
        with one.path.open("rb") as file:
            header = describe(read_header(file))
        assert f"{header.study_date} {header.study_time}" == "2023-04-05 06:07:00"
    assert any("1 instance with another" in what for _, what in record.warnings)
