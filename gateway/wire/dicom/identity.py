"""Which instance a file is, told from its first bytes: for the many files of one study.

pydicom takes more than half a millisecond for what names an image, and while it does nothing
else of this process moves. The elements in question stand at the beginning of a file, and those of
the patient are the same bytes in every image of a study. So the UIDs are read here, from files
written in explicit little endian whose elements stand in order (DICOM PS3.5 7.1, 10), and the
patient is taken from what pydicom made of the same bytes before. Whatever is different in any way
is left to pydicom (`dataset.read_identity`); the answers are the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from gateway.domain import InvalidIdentifier, ManifestPatient, Uid
from gateway.wire.dicom.dataset import InstanceHeader, read_identity

HEAD_BYTES = 32 * 1024
# Images of several patients may come in turns; more than this and pydicom reads them again.
MAX_PATIENTS = 64
MAX_UID_BYTES = 64  # padded to an even length (PS3.5 9.1)

_PREAMBLE, _MAGIC = 128, b"DICM"
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED = 0xFFFFFFFF
# Implicit, deflated and big endian: everything else is explicit little endian (PS3.5 10, A).
_OTHERWISE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"})
_SYNTAX, _CHARSET = 0x00020010, 0x00080005
_CLASS, _INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_PATIENT_GROUP = 0x0010
_WANTED = frozenset({_SYNTAX, _CHARSET, _CLASS, _INSTANCE, _STUDY, _SERIES})
_ELEMENT, _LONG_LENGTH = struct.Struct("<HH2sH"), struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class _Named:
    """The UIDs of a file, and the bytes its patient is made of."""

    study: Uid
    series: Uid
    instance: Uid
    sop_class: Uid
    transfer_syntax: Uid
    patient: bytes

    def agrees_with(self, header: InstanceHeader) -> bool:
        """Whether pydicom found the same: else it read other bytes as the patient, too."""
        ours = (self.study, self.series, self.instance, self.sop_class, self.transfer_syntax)
        return ours == (
            header.study,
            header.series,
            header.instance,
            header.sop_class,
            header.transfer_syntax,
        )


class IdentityReader:
    """Reads what names an instance; remembers patients by the bytes that name them."""

    def __init__(self) -> None:
        self._patients: dict[bytes, ManifestPatient] = {}

    def read(self, file: BinaryIO) -> InstanceHeader:
        """As `read_identity`: six facts of a file, or `DecodeError` for what is no instance."""
        file.seek(0)
        named = _named(file.read(HEAD_BYTES))
        if named is not None and (header := self._of_known_patient(named)) is not None:
            return header
        header = read_identity(file)
        if named is not None and named.agrees_with(header):
            if len(self._patients) >= MAX_PATIENTS:
                self._patients.clear()
            self._patients[named.patient] = header.patient
        return header

    def glance(self, head: bytes) -> InstanceHeader | None:
        """The same from the first `HEAD_BYTES` alone; None where the file has to be read."""
        named = _named(head)
        return None if named is None else self._of_known_patient(named)

    def _of_known_patient(self, named: _Named) -> InstanceHeader | None:
        patient = self._patients.get(named.patient)
        if patient is None:
            return None
        return InstanceHeader(
            study=named.study,
            series=named.series,
            instance=named.instance,
            sop_class=named.sop_class,
            transfer_syntax=named.transfer_syntax,
            patient=patient,
        )


def _named(head: bytes) -> _Named | None:
    """What the first bytes of a file say; None where pydicom has to be asked."""
    try:
        values, patient = _walk(head)
        return _Named(
            study=_uid(values[_STUDY]),
            series=_uid(values[_SERIES]),
            instance=_uid(values[_INSTANCE]),
            sop_class=_uid(values[_CLASS]),
            transfer_syntax=_uid(values[_SYNTAX]),
            patient=values.get(_CHARSET, b"") + b"\0" + patient,
        )
    except (KeyError, ValueError, struct.error, InvalidIdentifier):
        return None


@lru_cache(maxsize=1024)
def _uid(value: bytes) -> Uid:
    if len(value) > MAX_UID_BYTES:
        raise ValueError("a UID of another length")
    return Uid.parse(value.decode("ascii"))


def _walk(head: bytes) -> tuple[dict[int, bytes], bytes]:
    """The wanted values, and all bytes of the patient group; ValueError for anything odd."""
    if head[_PREAMBLE : _PREAMBLE + 4] != _MAGIC:
        raise ValueError("no preamble")
    values: dict[int, bytes] = {}
    patient_from = patient_to = 0
    at, last = _PREAMBLE + 4, 0
    while last < _SERIES:
        group, element, form, length = _ELEMENT.unpack_from(head, at)
        tag = group << 16 | element
        begin = at + 8
        if form in _LONG:
            (length,) = _LONG_LENGTH.unpack_from(head, begin)
            begin += 4
        elif form not in _SHORT:
            raise ValueError("an element without a representation")
        if tag <= last or length == _UNDEFINED or begin + length > len(head):
            raise ValueError("elements out of order, or one without an end")
        if group > 2 and last >> 16 <= 2 and _uid(values[_SYNTAX]) in _OTHERWISE:
            raise ValueError("another encoding")
        if tag in _WANTED:
            values[tag] = head[begin : begin + length]
        if group == _PATIENT_GROUP:
            patient_from = patient_from or at
            patient_to = begin + length
        last, at = tag, begin + length
    return values, head[patient_from:patient_to]
