"""An instance of one patient rewritten as an instance of a made-up one.

The patient, the order and the institution are written anew; whatever else names people, places
or devices is removed, private attributes and what pydicom does not know included; and text that
repeats a removed name or number elsewhere loses it. UIDs, dates and pixel data stay as they are,
so names burned into pixels and names in a document inside stay too
(`dataset.InstanceHeader.burned_in` warns of them).
The guide is the basic profile of DICOM PS3.15 annex E; it is not claimed, as UIDs stay.
"""

from __future__ import annotations

import copy
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from gateway.domain.manifests import ManifestPatient
from gateway.domain.people import Gender, HumanName, Organisation
from gateway.wire.dicom import identity_tables as tables
from gateway.wire.dicom import part10
from gateway.wire.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    read_to_pixels,
    transfer_syntax,
)
from gateway.wire.dicom.elements import PYDICOM_ERRORS, day, reading, text, texts
from gateway.wire.dicom.pixel_element import (
    UNDEFINED,
    copy_mended,
    mend_length,
    read_pixel_element,
    write_pixel_element,
)
from gateway.wire.dicom.rewrite import encode_header, file_head

# Shorter strings stand in too many words to be removed everywhere: as words of their own they
# are, down to the second limit.
MIN_TRACE = 4
MIN_WORD = 2
MIN_NUMBER = 3  # and names of several words fall apart into no shorter ones
REPLACEMENT = "X"
_PERSON_NAME = Tag(0x0040, 0xA123)
_VERIFICATION = Tag(0x0040, 0xA493)
_PIXEL_GROUP = 0x7FE0
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
# Short parts of the names of phantoms that are words of every description.
_NO_NAMES = frozenset({"CT", "MR", "PT", "US", "CR", "DX", "MG", "NM", "XA", "RF", "RT", "SR"})
# Patient ID, Accession Number, Institution Name, Station Name: also short ones are looked for.
_SHORT = (Tag(0x0010, 0x0020), Tag(0x0008, 0x0050), Tag(0x0008, 0x0080), Tag(0x0008, 0x1010))
_BIRTH_DATE = Tag(0x0010, 0x0030)
_DATES_IN_TEXT = ("%Y%m%d", "%Y-%m-%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y")
_SEX = {Gender.MALE: "M", Gender.FEMALE: "F", Gender.UNDIFFERENTIATED: "O", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassignment:
    """To whom an instance is given, under which order, and where it is said to be made.

    An empty value writes nothing; `study_description` "" keeps the source's. Authorities are
    OIDs.
    """

    patient: ManifestPatient
    accession: str = ""
    accession_authority: str = ""
    placer_order: str = ""
    placer_authority: str = ""
    institution: Organisation | None = None
    referring: HumanName | None = None
    study_description: str = ""


def reassign(ds: FileDataset, to: Reassignment) -> FileDataset:
    """A copy of the data set that belongs to somebody else; `ds` stays as it is.

    A document inside stays as it is. Raises `DecodeError` for what cannot be read.
    """
    with reading("instance"):
        changed = copy.deepcopy(ds)
        _reassign(changed, to)
        return changed


def reassign_file(
    source: BinaryIO,
    destination: BinaryIO,
    to: Reassignment,
    *,
    given: Mapping[str, str] | None = None,
) -> str:
    """Write the instance in `source` to `destination` as somebody else's.

    Both are binary files, `source` seekable. The transfer syntax and the bytes of the pixel data
    stay; pixels are neither decoded nor held. Nothing behind the pixel data is carried over.
    `given` holds values to write whatever the source has, by DICOM keyword, such as the UIDs it
    lacks. Pixel data that ends early is carried as far as it goes: what is returned says so, ""
    where it is whole.
    Raises `DecodeError` for what cannot be read or rewritten; then `destination` is worthless.
    """
    ds, pixels = read_to_pixels(source)
    with reading("instance"):
        syntax = transfer_syntax(ds)
        implicit, little = (bool(flag) for flag in ds.original_encoding)
        element = read_pixel_element(pixels, implicit=implicit, little=little)
        if element is not None and element.length != UNDEFINED and syntax not in _NATIVE:
            syntax = EXPLICIT_LITTLE  # native pixels are not what a compressed syntax promises
        for keyword, value in (given or {}).items():
            setattr(ds, keyword, value)
        _reassign(ds, to)
        head = file_head(ds, syntax)
        mended = ""
        plain = io.BytesIO() if syntax == DEFLATED else destination
        if syntax != DEFLATED:
            destination.write(head)
        plain.write(encode_header(ds, syntax))
        if element is not None:
            element, mended = mend_length(pixels, element)
            write_pixel_element(
                plain,
                element,
                implicit=syntax == IMPLICIT_LITTLE,
                little=syntax != EXPLICIT_BIG,
            )
            mended = copy_mended(pixels, plain, element) or mended
        if isinstance(plain, io.BytesIO) and syntax == DEFLATED:
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            packed = packer.compress(plain.getvalue()) + packer.flush()
            destination.write(head + packed + b"\0" * (len(packed) % 2))
        return mended


def _reassign(ds: FileDataset, to: Reassignment) -> None:
    study = text(ds, Tag(0x0020, 0x000D))
    _scrub(ds, _pattern(_traces(ds), _words(ds)), inside=False)
    _write_owner(ds, to)
    _write_order(ds, to, study)
    if _VERIFICATION in ds:
        ds.VerificationFlag = "UNVERIFIED"  # whoever verified it is gone
    if to.institution is not None:
        ds.InstitutionName = _held("LO", to.institution.name)
    if to.study_description:
        ds.StudyDescription = _held("LO", to.study_description)
    ds.ReferringPhysicianName = _person(to.referring)
    ds.StudyID = ""


def _held(vr: str, value: str) -> str:
    return value.replace("\\", " ")[: part10.LIMITS[vr]]


def _person(name: HumanName | None) -> str:
    return "" if name is None else part10.person_text(name)


@lru_cache(maxsize=8192)
def _is_removed(tag: int) -> bool:
    """Whether the tables or its being private or unknown remove an element.

    Takes and compares plain numbers: comparing pydicom's tags is twenty times slower.
    """
    group = tag >> 16
    if group & 1 or not tag & 0xFFFF or group in tables.REMOVED_GROUPS:
        return True
    if any(first <= group <= first + 0xFF for first in tables.REPEATING_GROUPS):
        return True
    if tag in tables.KEPT_OF_PATIENT:
        return False
    return not dictionary_has_tag(tag) or any(
        low <= tag <= high for low, high in tables.REMOVED_RANGES
    )


def _is_code(tag: int) -> bool:
    return tables.CODE_GROUP[0] <= tag <= tables.CODE_GROUP[1]


def _vr(ds: Dataset, tag: BaseTag) -> str:
    element = ds.get_item(tag)
    vr = element.VR if element is not None else None
    if vr in (None, "UN") and dictionary_has_tag(tag):
        return str(dictionary_VR(tag))
    return str(vr)


def _traces(ds: Dataset) -> set[str]:
    """The names, numbers and places that are about to be removed, as they may stand elsewhere."""
    found: set[str] = set()
    for owner, tag, vr in _all_elements(ds):
        if _is_code(int(tag)):
            continue
        if vr == "PN" or (vr in ("LO", "SH") and not tag.is_private and _is_removed(int(tag))):
            for value in texts(owner, tag):
                found.add(value)
                if vr == "PN":
                    found.update(re.split(r"[\^= ]+", value))
        elif tag == _BIRTH_DATE and (born := day(owner, tag)):
            found.update(born.strftime(form) for form in _DATES_IN_TEXT)
    return {trace for trace in found if len(trace) >= MIN_TRACE}


def _words(ds: Dataset) -> set[str]:
    """Names and numbers too short for `_traces`: family, given and middle names, identifiers."""
    found: set[str] = set()
    for owner, tag, vr in _all_elements(ds):
        if tag in _SHORT:
            found.update(one for one in texts(owner, tag) if len(one) >= MIN_NUMBER)
        elif vr == "PN":
            for part in (p for group in text(owner, tag).split("=") for p in group.split("^")[:3]):
                found.add(part.strip())
                found.update(one for one in part.split() if len(one) >= MIN_NUMBER)  # not "de"
    return {
        word
        for word in found
        if MIN_WORD <= len(word) < MIN_TRACE and word.upper() not in _NO_NAMES
    }


def _all_elements(ds: Dataset) -> Iterator[tuple[Dataset, BaseTag, str]]:
    """Every element with its data set, those of all sequences included; unreadable ones not."""
    for tag in list(ds.keys()):
        vr = _vr(ds, tag)
        yield ds, tag, vr
        for item in _readable_items(ds, tag) if vr == "SQ" else ():
            yield from _all_elements(item)


def _readable_items(ds: Dataset, tag: BaseTag) -> tuple[Dataset, ...]:
    """The items of a sequence; one that cannot be read is removed, for nobody knows its content."""
    try:
        value = ds[tag].value
    except PYDICOM_ERRORS:
        del ds[tag]
        return ()
    return tuple(value) if isinstance(value, Sequence) else ()


def _pattern(traces: set[str], words: set[str]) -> re.Pattern[str] | None:
    if not traces and not words:
        return None
    ordered = sorted(traces, key=lambda trace: (-len(trace), trace))
    alternatives = [
        *map(re.escape, ordered),
        *(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words)),
    ]
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _scrub(ds: Dataset, pattern: re.Pattern[str] | None, *, inside: bool) -> None:
    """Remove what the tables name and search what stays, in the data set and its sequences."""
    for tag in list(ds.keys()):
        vr = _vr(ds, tag)
        if tag.group == _PIXEL_GROUP:
            continue
        is_prose = vr in tables.REMOVED_VRS and tag not in tables.KEPT_PROSE
        if _is_removed(int(tag)) or is_prose or (inside and tag == Tag(0x0008, 0x0005)):
            del ds[tag]
        elif vr == "SQ":
            for item in _readable_items(ds, tag):
                _scrub(item, pattern, inside=True)
        elif tag == _PERSON_NAME:
            ds[tag].value = REPLACEMENT
        elif vr in tables.SEARCHED_VRS and pattern is not None:
            _search(ds, tag, pattern)


def _search(ds: Dataset, tag: BaseTag, pattern: re.Pattern[str]) -> None:
    value = text(ds, tag)
    if _is_code(int(tag)) or not pattern.search(value):
        return
    ds[tag].value = pattern.sub(REPLACEMENT, value)


def _write_owner(ds: Dataset, to: Reassignment) -> None:
    who = to.patient
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = _person(who.name)
    ds.PatientBirthDate = f"{who.birth_date:%Y%m%d}" if who.birth_date else ""
    ds.PatientSex = _SEX[who.gender]
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Reassigned to a made-up patient"
    ds.PatientID = who.ids[0].value if who.ids else who.bare_id
    if who.ids:
        ds.IssuerOfPatientID = str(who.ids[0].authority)
        ds.IssuerOfPatientIDQualifiersSequence = _issuer(who.ids[0].authority)
    if len(who.ids) > 1:
        others = []
        for one in who.ids[1:]:
            item = Dataset()
            item.PatientID = one.value
            item.IssuerOfPatientID = str(one.authority)
            item.TypeOfPatientID = "TEXT"
            item.IssuerOfPatientIDQualifiersSequence = _issuer(one.authority)
            others.append(item)
        ds.OtherPatientIDsSequence = Sequence(others)


def _issuer(oid: str) -> Sequence:
    item = Dataset()
    item.UniversalEntityID = str(oid)
    item.UniversalEntityIDType = "ISO"
    return Sequence([item])


def _write_order(ds: Dataset, to: Reassignment, study: str) -> None:
    """The accession number at the top, and with the placer's order where requests stand."""
    ds.AccessionNumber = _held("SH", to.accession)
    if to.accession and to.accession_authority:
        ds.IssuerOfAccessionNumberSequence = _issuer(to.accession_authority)
    if not to.accession and not to.placer_order:
        return
    item = Dataset()
    item.AccessionNumber = ds.AccessionNumber
    if to.accession_authority:
        item.IssuerOfAccessionNumberSequence = _issuer(to.accession_authority)
    if study:
        item.StudyInstanceUID = study
    if to.placer_order:
        item.PlacerOrderNumberImagingServiceRequest = _held("LO", to.placer_order)
        if to.placer_authority:
            item.OrderPlacerIdentifierSequence = _issuer(to.placer_authority)
    is_document = Tag(0x0040, 0xA040) in ds
    if is_document:
        ds.ReferencedRequestSequence = Sequence([item])
    else:
        ds.RequestAttributesSequence = Sequence([item])
