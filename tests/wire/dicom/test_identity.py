"""The quick way to name an instance gives what pydicom gives, or leaves it to pydicom."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file, get_testdata_files

from gateway.wire.dicom import identity
from gateway.wire.dicom.dataset import InstanceHeader, read_identity
from gateway.wire.dicom.identity import IdentityReader
from gateway.wire.problems import DecodeError

FILES = sorted({Path(name) for name in get_testdata_files() if Path(name).is_file()})


def _plain(data: bytes) -> InstanceHeader | str:
    try:
        return read_identity(BytesIO(data))
    except DecodeError as error:
        return str(error)


def _quick(reader: IdentityReader, data: bytes) -> InstanceHeader | str:
    try:
        return reader.read(BytesIO(data))
    except DecodeError as error:
        return str(error)


def _data(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def test_every_bundled_file_is_named_as_pydicom_names_it() -> None:
    """The first time and the second, when the patient is known by its bytes."""
    reader = IdentityReader()
    wrong = []
    for path in FILES:
        data = path.read_bytes()
        expected = _plain(data)
        wrong += [path.name for _ in range(2) if _quick(reader, data) != expected]
    assert len(FILES) > 50
    assert wrong == []


def test_a_second_image_of_a_patient_does_not_trouble_pydicom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That is the point of it."""
    reader, data = IdentityReader(), _data("CT_small.dcm")
    first = reader.read(BytesIO(data))

    def never(_: object) -> InstanceHeader:
        raise AssertionError

    monkeypatch.setattr(identity, "read_identity", never)
    assert reader.read(BytesIO(data)) == first
    with pytest.raises(AssertionError):
        reader.read(BytesIO(data.replace(b"CompressedSamples^CT1", b"CompressedSamples^CT2")))


def test_a_file_cut_short_is_judged_by_pydicom() -> None:
    """No length of it makes another instance of it."""
    data = _data("CT_small.dcm")
    wrong = [
        cut
        for cut in range(0, 1200, 7)
        if _quick(IdentityReader(), data[:cut]) != _plain(data[:cut])
    ]
    assert wrong == []


def test_damaged_bytes_name_nothing_that_pydicom_does_not_name() -> None:
    """Every byte of the beginning, one at a time, changed."""
    reader, data = IdentityReader(), bytearray(_data("CT_small.dcm"))
    reader.read(BytesIO(data))
    for at in range(128, 700, 3):
        changed = bytearray(data)
        changed[at] ^= 0x5A
        quick, plain = _quick(reader, bytes(changed)), _plain(bytes(changed))
        if isinstance(quick, InstanceHeader) and isinstance(plain, InstanceHeader):
            assert quick == plain, at


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_a_name_of_an_encoding_with_a_line_break_teaches_nothing(name: str) -> None:
    """pydicom reads it as big endian, or not at all: neither says who the others are of."""
    data, syntax = _data(name), b"1.2.840.10008.1.2.1\0"
    assert data.count(syntax) == 1
    reader = IdentityReader()
    for crafted in (b"1.2.840.10008.1.2.2\n", b"1.2.840.10008.1.2.1\n", b" 1.2.840.10008.1.2.2"):
        changed = data.replace(syntax, crafted)
        assert _quick(reader, changed) == _plain(changed)
        assert _quick(reader, data) == _plain(data)


def test_what_pydicom_reads_differently_teaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the bytes taken for the patient may be others, too."""
    reader, data = IdentityReader(), _data("CT_small.dcm")
    other = read_identity(BytesIO(_data("MR_small.dcm")))
    with monkeypatch.context() as patched:
        patched.setattr(identity, "read_identity", lambda _: other)
        reader.read(BytesIO(data))
    assert reader.read(BytesIO(data)) == _plain(data)


def test_an_overlong_uid_is_left_to_pydicom() -> None:
    """Nothing longer than a UID is remembered as one, were it only padded."""
    for value in (b"1." + b"1" * 1000, b"1.2" + b"\0" * 1000):
        with pytest.raises(ValueError, match="length"):
            identity._uid(value)


def test_patients_are_forgotten_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with those who pass."""
    monkeypatch.setattr(identity, "MAX_PATIENTS", 2)
    reader, data = IdentityReader(), _data("CT_small.dcm")
    for number in range(5):
        name = b"CompressedSamples^CT%d" % number
        header = reader.read(BytesIO(data.replace(b"CompressedSamples^CT1", name)))
        assert header.patient.name is not None
    assert len(reader._patients) <= 2
