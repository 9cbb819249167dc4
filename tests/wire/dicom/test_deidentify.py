"""An instance given to somebody else keeps nothing of the person it was made of."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from gateway.domain import HumanName, Oid, Organisation, PatientId
from gateway.domain.manifests import ManifestPatient
from gateway.domain.people import Gender
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.dicom.deidentify import Reassignment, reassign, reassign_file
from gateway.wire.problems import DecodeError
from tests.shared import SHARED

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
NEW_OWNER = Reassignment(
    patient=ManifestPatient(
        ids=(PatientId("P-1", Oid("2.999.1")), PatientId("Q-2", Oid("2.999.2"))),
        name=HumanName(family="Żółć", given=("Jan", "Maria")),
        birth_date=date(1970, 1, 2),
        gender=Gender.MALE,
    ),
    accession="ACC1",
    accession_authority="2.999.3",
    placer_order="PL1",
    placer_authority="2.999.4",
    institution=Organisation(name="Klinik"),
    referring=HumanName(family="Gp", given=("A",)),
)
_NAMES = """
    PatientName PatientID OtherPatientIDs OtherPatientNames InstitutionName InstitutionAddress
    ReferringPhysicianName PerformingPhysicianName OperatorsName StationName AccessionNumber
    DeviceSerialNumber StudyID RequestingPhysician PhysiciansOfRecord PatientAddress PersonName
    NameOfPhysiciansReadingStudy InstitutionalDepartmentName VerifyingObserverName DetectorID
    PlateID GantryID PlacerOrderNumberImagingServiceRequest MilitaryRank
"""
IDENTIFYING = frozenset(_NAMES.split())
NUMERIC = frozenset({"UI", "DS", "IS", "DA", "TM", "DT", "CS", "SQ", "US", "SS", "FD", "FL", "UL"})
# What the sources' "names" (such as TEXT or Name) also are: words of code meanings.
WORDS = frozenset({"text", "name", "test"})


def strings_of(ds: Dataset) -> set[str]:
    """The strings by which a data set names its patient, people, places and devices."""
    found: set[str] = set()
    for element in ds.iterall():
        if element.keyword not in IDENTIFYING or element.value in (None, ""):
            continue
        many = isinstance(element.value, MultiValue)
        for value in element.value if many else [element.value]:
            found.add(str(value).strip())
            if element.VR == "PN":
                found.update(str(value).replace("^", " ").replace("=", " ").split())
    return {one.lower() for one in found if len(one) >= 4} - WORDS


def samples() -> Iterator[tuple[str, bytes]]:
    """One file of each kind that lies beside the project, and what pydicom brings."""
    for path in sorted(BUNDLED.glob("*.dcm")):
        yield path.name, path.read_bytes()
    for pattern in ("ct/*/*1*.dcm", "mr/*/00[049]*.dcm", "us/*/*.dcm", "edge/*/*.dcm"):
        for path in sorted((SHARED / "samples/dicom").glob(pattern))[:3]:
            yield path.name, path.read_bytes()
    archive = SHARED / "samples/mado/Study_B.zip"
    if archive.exists():
        with zipfile.ZipFile(archive) as zipped:
            for name in sorted(zipped.namelist())[-3:]:
                if name.endswith(".dcm"):
                    yield name, zipped.read(name)


def given_away(data: bytes) -> bytes:
    """The file rewritten for the new owner."""
    out = io.BytesIO()
    reassign_file(io.BytesIO(data), out, NEW_OWNER)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_identifying_is_left_in_any_sample() -> None:
    """Names, numbers, places and serials of the source are nowhere; pixels and UIDs as before."""
    count = 0
    for name, data in samples():
        try:
            before = describe(read_header(io.BytesIO(data)))
            result = given_away(data)
        except DecodeError:
            continue
        count += 1
        after = describe(read_header(io.BytesIO(result)))
        source = pydicom.dcmread(io.BytesIO(data), force=True)
        new = pydicom.dcmread(io.BytesIO(result))
        assert after.patient == NEW_OWNER.patient, name
        assert (after.accession, after.placer_order) == ("ACC1", "PL1"), name
        assert (after.study, after.series, after.instance) == (
            before.study,
            before.series,
            before.instance,
        ), name
        assert after.transfer_syntax == before.transfer_syntax, name
        assert source.get("PixelData") == new.get("PixelData"), name
        if "PixelData" in new:
            del new.PixelData
        traces = strings_of(source)
        left = [
            (trace, element.keyword)
            for element in new.iterall()
            if element.VR not in NUMERIC
            for trace in traces
            if trace in str(element.value).lower()
        ]
        assert not left, name
        assert not [element.tag for element in new.iterall() if element.tag.is_private], name
    assert count > 60


def test_traces_in_other_texts_go_with_their_origin() -> None:
    """A name repeated in a description, in a sequence and in a report's text is taken out."""
    ds = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    ds.PatientName = "Kowalska^Barbara"
    ds.DeviceSerialNumber = "SN-998877"
    ds.SeriesDescription = "Head of KOWALSKA, second"
    ds.ProtocolName = "Head on SN-998877"
    item = Dataset()
    item.ValueType = "TEXT"
    item.TextValue = "Mrs Barbara Kowalska has a cough."
    name = Dataset()
    name.ValueType = "PNAME"
    name.PersonName = "Nowak^Adam"
    ds.ContentSequence = Sequence([item, name])
    ds.OriginalAttributesSequence = Sequence([item])
    ds.add_new(0x50000010, "US", 1)
    ds.private_block(0x0011, "KOWALSKA", create=True).add_new(1, "LO", "Kowalska")
    out = io.BytesIO()
    ds.save_as(out)

    result = given_away(out.getvalue())

    for trace in (b"kowalska", b"barbara", b"sn-998877", b"nowak"):
        assert trace not in result.lower()
    new = pydicom.dcmread(io.BytesIO(result))
    assert new.SeriesDescription == "Head of X, second"
    assert new.ContentSequence[0].TextValue == "Mrs X X has a cough."
    assert new.ContentSequence[1].PersonName == "X"
    assert "OriginalAttributesSequence" not in new
    assert 0x50000010 not in new


def test_data_set_in_memory_stays_as_it_is() -> None:
    """The copy belongs to the new owner, the original to the old one."""
    ds = pydicom.dcmread(BUNDLED / "MR_small.dcm")

    changed = reassign(ds, NEW_OWNER)

    assert describe(changed).patient == NEW_OWNER.patient
    assert changed.InstitutionName == "Klinik"
    assert ds.PatientID == "4MR1"
    assert changed.PixelData is ds.PixelData or changed.PixelData == ds.PixelData


def test_what_lies_behind_the_pixels_is_not_carried_over() -> None:
    """Padding and signatures after the pixel data may hold anything."""
    data = (BUNDLED / "MR_small_padded.dcm").read_bytes()

    new = pydicom.dcmread(io.BytesIO(given_away(data)))

    assert max(element.tag for element in new) == 0x7FE00010


def test_truncated_pixels_are_carried_as_far_as_they_go() -> None:
    """Every byte that is there is kept, the length says so, and it is told."""
    data = (BUNDLED / "MR_truncated.dcm").read_bytes()
    out = io.BytesIO()

    said = reassign_file(io.BytesIO(data), out, NEW_OWNER)

    assert said == "the pixel data ends after 8130 of 8192 bytes"
    assert data.endswith(pydicom.dcmread(io.BytesIO(out.getvalue())).PixelData)
    assert len(pydicom.dcmread(io.BytesIO(out.getvalue())).PixelData) == 8130


def test_encapsulated_document_is_carried_as_it_is() -> None:
    """Nobody can rewrite it; the header around it says nothing of the person, and it is warned."""
    ds = pydicom.dcmread(BUNDLED / "reportsi.dcm")
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    ds.PatientName = "Kowalska^Barbara"
    ds.DocumentTitle = "Letter about Kowalska"
    ds.EncapsulatedDocument = b"%PDF-1.7 Kowalska "
    out = io.BytesIO()
    ds.save_as(out)

    new = pydicom.dcmread(io.BytesIO(given_away(out.getvalue())))

    assert new.EncapsulatedDocument == b"%PDF-1.7 Kowalska "
    assert new.DocumentTitle == "Letter about X"
    assert "PDF" in describe(new).burned_in


def test_short_names_and_numbers_go_where_they_are_words() -> None:
    """A name of two letters, a part of a name and a number; not inside words, nor modalities."""
    ds = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    ds.PatientName = "Wu^Li^CT"
    ds.PatientID = "123"
    ds.PatientBirthDate = "19500517"
    ds.ReferringPhysicianName = "de la Paz^Eva"
    ds.SeriesDescription = "CT of Wu, Li; 1234, 123 by Paz, de novo; LIVER, 17.05.1950"
    out = io.BytesIO()
    ds.save_as(out)

    new = pydicom.dcmread(io.BytesIO(given_away(out.getvalue())))

    assert new.SeriesDescription == "CT of X, X; 1234, X by X, de novo; LIVER, X"


def test_values_can_be_given_whatever_encoding_the_header_is_in() -> None:
    """Also where a file that names a compressed syntax holds an implicit header."""
    out = io.BytesIO()
    given = {"StudyDate": "20200217", "SOPInstanceUID": "1.2.3"}

    with (BUNDLED / "SC_rgb_jpeg.dcm").open("rb") as source:
        reassign_file(source, out, NEW_OWNER, given=given)

    new = pydicom.dcmread(io.BytesIO(out.getvalue()))
    assert (new.StudyDate, new.SOPInstanceUID) == ("20200217", "1.2.3")
    assert new.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert list(new.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]


def test_same_source_gives_the_same_bytes() -> None:
    """Rewriting is repeatable."""
    data = (BUNDLED / "CT_small.dcm").read_bytes()

    assert hashlib.sha256(given_away(data)).digest() == hashlib.sha256(given_away(data)).digest()
