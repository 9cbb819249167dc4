"""Single values: what is understood of odd ones, and what pydicom's errors become."""

from __future__ import annotations

import warnings
from datetime import date, time

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.domain import HumanName, Oid, Organisation, PatientId
from gateway.wire.dicom import elements
from gateway.wire.dicom.elements import complaint, reading
from gateway.wire.problems import DecodeError

TAG = Tag(0x0008, 0x0020)


def holding(value: bytes, vr: str = "LO") -> Dataset:
    """A data set with one raw element."""
    ds = Dataset()
    ds[TAG] = RawDataElement(TAG, vr, len(value), value, 0, False, True)
    return ds


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), RecursionError(), EOFError("end"), NotImplementedError("VR"), MemoryError()],
)
def test_whatever_pydicom_raises_becomes_a_decode_error(error: Exception) -> None:
    """One place turns them all, and names the place read."""
    with pytest.raises(DecodeError, match="the tree"), reading("the tree"):
        raise error


def test_warnings_of_the_reader_are_not_shown() -> None:
    """Tolerated departures make no noise."""
    with reading("here"):
        warnings.warn("odd", UserWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"20260301", date(2026, 3, 1)),
        (b"2026.03.01", date(2026, 3, 1)),
        (b"20261301", None),
        (b"", None),
        (b"yesterday ", None),
    ],
)
def test_dates_are_read_old_and_new(value: bytes, expected: date | None) -> None:
    """The form with dots is of DICOM's predecessor and still met."""
    assert elements.day(holding(value), TAG) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0821", time(8, 21)),
        (b"08", time(8)),
        (b"162310.000 ", time(16, 23, 10)),
        (b"00:57:59.000988", time(0, 57, 59, 988)),
        (b"235960", time(23, 59, 59)),
        (b"2561", None),
    ],
)
def test_times_are_read_as_far_as_they_go(value: bytes, expected: time | None) -> None:
    """Missing parts are zero, a leap second is the last one."""
    assert elements.clock(holding(value), TAG) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DOE^John", HumanName(family="DOE", given=("John",))),
        ("A^B^C D^dr^jr", HumanName(family="A", given=("B", "C", "D"), prefix="dr", suffix="jr")),
        ("=山田^太郎=やまだ", HumanName(family="山田", given=("太郎",))),
        ("^^^^", None),
        ("", None),
    ],
)
def test_person_names_are_taken_apart(value: str, expected: HumanName | None) -> None:
    """Five components, the first group that is filled."""
    assert elements.person_name(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("IHE Demo", Organisation(name="IHE Demo")),
        ("H^^^^^&1.2.3&ISO^^^^id", Organisation(name="H", id="id", authority="1.2.3")),
        ("H^^^^^^^^^1.2.3", Organisation(name="H", authority="1.2.3")),
        ("", None),
    ],
)
def test_institutions_may_be_extended_names(value: str, expected: Organisation | None) -> None:
    """An XON gives the identifier and its authority."""
    assert elements.organisation(value) == expected


def test_texts_are_read_whatever_the_representation_says() -> None:
    """Padding goes, a wrong representation does not matter, undecodable bytes do not stop."""
    assert elements.text(holding(b"abc \0", "UI"), TAG) == "abc"
    assert elements.text(holding(b"M\xfcller", "ZZ"), TAG) == "Müller"
    assert elements.texts(holding(b"A\\B \\C"), TAG) == ("A", "B", "C")
    assert elements.text(Dataset(), TAG) == ""


def test_patient_id_written_as_cx_is_taken_apart() -> None:
    """Some put the authority into the identifier itself."""
    ds = Dataset()
    ds.PatientID = "77^^^&2.999.1&ISO"

    assert elements.patient(ds).ids == (PatientId("77", Oid("2.999.1")),)


@pytest.mark.parametrize(
    ("value", "minutes"), [("+0100", 60), ("-0330", -210), ("+9900", None), ("CET", None)]
)
def test_offsets_from_utc_are_minutes(value: str, minutes: int | None) -> None:
    """An offset no zone has is not believed."""
    ds = Dataset()
    ds.add_new(0x00080201, "SH", value)

    assert elements.offset_minutes(ds) == minutes


@pytest.mark.parametrize("value", ["1.2.3", "urn:oid:1.2.3", "oid:1.2.3", " 1.2.3\0"])
def test_oids_are_read_with_and_without_their_urn(value: str) -> None:
    """Peers write locations in three ways."""
    assert elements.oid_text(value) == "1.2.3"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TypeError('With tag (0008,0008): no\nTraceback\n  File "/a/b.py"'), "(0008,0008): no"),
        (EOFError("End of data in file /home/some one/x.dcm"), "EOFError: End of data"),
        (
            ValueError("cannot use '/a/b/c.dcm' here, but 1/2"),
            "ValueError: cannot use here, but 1/2",
        ),
        (FileNotFoundError(2, "No such file or directory", "/a/b"), "No such file or directory"),
        (KeyError(), "KeyError"),
    ],
)
def test_complaints_are_one_line_and_name_no_place(error: Exception, said: str) -> None:
    """pydicom writes stack traces and paths into the texts of its errors."""
    assert complaint(error).endswith(said)
    assert "\n" not in complaint(error)


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *(("US", value) for value in (b"\1\2", b"\1\2\3\4", b"\1", b"\xff\xff")),
        *(("IS", value) for value in (b"12", b"+7 ", b"-3", b"12.0", b"1\\2", b" 5", b"x", b"9\0")),
        *(("SS", value) for value in (b"\xfe\xff",)),
    ],
)
def test_integers_are_those_that_pydicom_reads(vr: str, value: bytes) -> None:
    """Whether the element is raw still or has been looked at."""
    looked_at = holding(value, vr)
    with reading("here"):
        raw = elements.integer(holding(value, vr), TAG)
        try:
            found = looked_at[TAG].value
        except elements.PYDICOM_ERRORS:
            found = None
        assert found is None or raw == elements.integer(looked_at, TAG)


def test_integers_of_big_endian_files_are_turned_around() -> None:
    """As the element says that it was read."""
    ds = Dataset()
    ds[TAG] = RawDataElement(TAG, "US", 2, b"\1\2", 0, False, False)
    assert elements.integer(ds, TAG) == 0x0102
    assert elements.integer(holding(b"\1\2", "US"), TAG) == 0x0201
