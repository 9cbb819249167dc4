"""Single DICOM values read from a pydicom data set as plain values and nouns.

Not a reader of files (`dataset`) and not a judge: what is missing or unreadable comes back as
"" or None. Texts are taken from the raw bytes where they are plain ASCII, so that a wrong value
representation or a huge content tree costs nothing. Clauses: DICOM PS3.5 6.2 (value
representations), PS3.3 10.14 (HL7 v2 hierarchic designator), PS3.3 table 8.8-1 (codes).
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, time
from typing import Protocol

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from gateway.domain.codes import DCM, LOINC, SCT, SRT, Code, same_scheme
from gateway.domain.ids import InvalidIdentifier, Oid, PatientId, Uid
from gateway.domain.manifests import ImagingRequest, ManifestPatient
from gateway.domain.people import Gender, HumanName, Organisation
from gateway.wire.dicom import snomed
from gateway.wire.problems import DecodeError

# Everything pydicom is known to raise on damaged bytes; `reading` is where they end.
PYDICOM_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    struct.error,
    TypeError,
    ValueError,
    zlib.error,
)

# Coding scheme designators and the schemes they stand for (PS3.16 table 8-1).
SCHEME_OF_DESIGNATOR = {"DCM": DCM, "SCT": SCT, "LN": LOINC}
DESIGNATOR_OF_SCHEME = {scheme: name for name, scheme in SCHEME_OF_DESIGNATOR.items()}

_INTEGER = re.compile(r"\s*([+-]?\d{1,12})")
_PLAIN_INTEGER = re.compile(rb"[+-]?\d{1,10} ?")
_SHORT_BYTES = 2
_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(?:(\d{2}):?(?:(\d{2})(?:\.(\d{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_PADDING = " \0\t\r\n"
# Where pydicom names the file it reads, and what else looks like a place on this machine.
_PLACE = re.compile(r"\s*\b(?:in|from) (?:the )?file\b.*|(?<!\S)['\"(<]*(?:[A-Za-z]:\\|/)\S*")
_MAX_COMPLAINT = 200
MAX_OLD_CODES = 50  # kept to be told; a study has a dozen

_GENDERS = {"M": Gender.MALE, "F": Gender.FEMALE, "O": Gender.UNDIFFERENTIATED}

PATIENT_NAME = Tag(0x0010, 0x0010)
PATIENT_ID = Tag(0x0010, 0x0020)
ISSUER_OF_PATIENT_ID = Tag(0x0010, 0x0021)
ISSUER_OF_PATIENT_ID_QUALIFIERS = Tag(0x0010, 0x0024)
PATIENT_BIRTH_DATE = Tag(0x0010, 0x0030)
PATIENT_SEX = Tag(0x0010, 0x0040)
OTHER_PATIENT_IDS = Tag(0x0010, 0x1002)
ACCESSION_NUMBER = Tag(0x0008, 0x0050)
ISSUER_OF_ACCESSION_NUMBER = Tag(0x0008, 0x0051)
PLACER_ORDER_NUMBER = Tag(0x0040, 0x2016)
FILLER_ORDER_NUMBER = Tag(0x0040, 0x2017)
ORDER_PLACER_IDENTIFIER = Tag(0x0040, 0x0026)
REQUESTED_PROCEDURE_ID = Tag(0x0040, 0x1001)
REQUESTED_PROCEDURE_DESCRIPTION = Tag(0x0032, 0x1060)
REQUESTED_PROCEDURE_CODE = Tag(0x0032, 0x1064)
CODING_SCHEME_IDENTIFICATION = Tag(0x0008, 0x0110)
CODE_VALUE = Tag(0x0008, 0x0100)
LONG_CODE_VALUE = Tag(0x0008, 0x0119)
URN_CODE_VALUE = Tag(0x0008, 0x0120)
CODING_SCHEME_DESIGNATOR = Tag(0x0008, 0x0102)
CODING_SCHEME_UID = Tag(0x0008, 0x010C)
CODE_MEANING = Tag(0x0008, 0x0104)
_ENTITY_ID = Tag(0x0040, 0x0032)
_ENTITY_TYPE = Tag(0x0040, 0x0033)


class Elements(Protocol):
    """What single values can be read from: a pydicom data set, or less."""

    def get_item(
        self, key: BaseTag, /, *, keep_deferred: bool = ...
    ) -> DataElement | RawDataElement | None:
        """An element as it was read, None where there is none."""
        ...

    def __getitem__(self, key: BaseTag, /) -> DataElement:
        """An element with its value converted. Raises `KeyError`, and what pydicom raises."""
        ...


@contextmanager
def reading(where: str, expected: str = "a readable DICOM data set") -> Iterator[None]:
    """Turn whatever pydicom raises inside into a `DecodeError`, and silence its warnings.

    The warnings speak of departures that we tolerate or report ourselves.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PYDICOM_ERRORS as error:
        raise DecodeError(where, complaint(error), expected, "DICOM PS3.10 7, PS3.5 7") from error


def complaint(error: BaseException) -> str:
    """What an exception says, in a line: no stack trace, and no place on this machine.

    pydicom puts a whole trace into the text of what it raises about an element, and the path
    into what it raises about a file.
    """
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = said.strip().partition("\n")[0]
    line = " ".join(_PLACE.sub("", line).split())
    return f"{type(error).__name__}: {line}".removesuffix(": ")[:_MAX_COMPLAINT]


def text(ds: Elements, tag: BaseTag) -> str:
    """The value as text without padding; "" when missing, a sequence, or beyond reading."""
    element = ds.get_item(tag)
    if element is None:
        return ""
    raw = value = element.value
    if isinstance(raw, bytes):
        if raw.isascii() and b"\x1b" not in raw:
            return str(raw, "ascii").strip(_PADDING)
        try:
            value = ds[tag].value
        except PYDICOM_ERRORS:
            return str(raw, "latin-1").strip(_PADDING)
    if value is None or (isinstance(value, Sequence) and value and isinstance(value[0], Dataset)):
        return ""
    if isinstance(value, MultiValue | list | tuple):
        return "\\".join(str(part) for part in value).strip(_PADDING)
    if isinstance(value, bytes):
        return str(value, "latin-1").strip(_PADDING)
    return str(value).strip(_PADDING)


def texts(ds: Elements, tag: BaseTag) -> tuple[str, ...]:
    """The values of a multi-valued text, each without padding; () when missing."""
    whole = text(ds, tag)
    return tuple(part.strip(_PADDING) for part in whole.split("\\")) if whole else ()


def integer(ds: Elements, tag: BaseTag) -> int | None:
    """The (first) value as an integer, whatever its value representation; None when it is not."""
    element = ds.get_item(tag, keep_deferred=True)
    if element is None:
        return None
    if isinstance(element, RawDataElement) and element.value is not None:
        # What nearly all are, without what pydicom makes of a value once it is looked at.
        if element.VR == "US" and len(element.value) == _SHORT_BYTES:
            return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
        if element.VR == "IS" and _PLAIN_INTEGER.fullmatch(element.value):
            return int(element.value)
    try:
        value = ds[tag].value
    except PYDICOM_ERRORS:
        value = text(ds, tag)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if value else None
    if isinstance(value, int):
        return int(value)
    return leading_integer(str(value)) if value is not None else None


def leading_integer(value: str) -> int | None:
    """The integer a text begins with, "12" or "12.0" or "12 of 20"; None when there is none."""
    match = _INTEGER.match(value)
    return int(match[1]) if match else None


def items(ds: Dataset, tag: BaseTag) -> Sequence[Dataset]:
    """The items of a sequence; () when it is missing or no sequence.

    Raises what pydicom raises on a damaged sequence: call it inside `reading`.
    """
    if tag not in ds:
        return ()
    value = ds[tag].value
    if isinstance(value, Sequence) and value and isinstance(value[0], Dataset):
        return value
    return ()


def uid(ds: Elements, tag: BaseTag) -> Uid | None:
    """A UID, or None where it is missing or cannot be one."""
    value = text(ds, tag)
    if not value:
        return None
    try:
        return Uid.parse(value)
    except InvalidIdentifier:
        return None


def oid_text(value: str) -> str:
    """The OID in a text that may carry `urn:oid:` or `oid:` before it; "" when it is none."""
    bare = value.strip(_PADDING).removeprefix("urn:").removeprefix("oid:")
    try:
        return Oid(bare)
    except InvalidIdentifier:
        return ""


def day(ds: Dataset, tag: BaseTag) -> date | None:
    """A DA value; None when missing or no date."""
    match = _DATE.match(text(ds, tag))
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def clock(ds: Dataset, tag: BaseTag) -> time | None:
    """A TM value, missing parts taken as zero; None when missing or no time."""
    match = _TIME.match(text(ds, tag))
    if match is None:
        return None
    fraction = (match[4] or "").ljust(6, "0")
    try:
        # A leap second is written as 60 (PS3.5 6.2); Python has no such time.
        second = min(int(match[3] or 0), 59)
        return time(int(match[1]), int(match[2] or 0), second, int(fraction))
    except ValueError:
        return None


def offset_minutes(ds: Dataset) -> int | None:
    """Timezone Offset From UTC (0008,0201) in minutes; None when missing or absurd."""
    match = _OFFSET.fullmatch(text(ds, Tag(0x0008, 0x0201)))
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    minutes = -minutes if match[1] == "-" else minutes
    return minutes if -12 * 60 <= minutes <= 14 * 60 else None


def person_name(value: str) -> HumanName | None:
    """A PN value as a name: the alphabetic group, else the first that is filled.

    Components are family, given, middle, prefix and suffix; middle names follow the given name.
    """
    group = next((part for part in value.split("=") if part.strip(" ^")), "")
    if not group:
        return None
    family, given, middle, prefix, suffix = (
        component.strip() for component in (group.split("^") + [""] * 5)[:5]
    )
    names = tuple(name for name in (given, *middle.split()) if name)
    return HumanName(family=family, given=names, prefix=prefix, suffix=suffix)


@dataclass(slots=True)
class CodingSchemes:
    """What a data set tells of coding schemes: designators with their OIDs, and old codes met.

    `old` grows as codes are read: a SNOMED code of the old style as written, and as read.
    """

    identified: dict[str, str] = field(default_factory=dict)
    old: dict[Code, Code] = field(default_factory=dict)

    def met(self, written: Code, read: Code) -> None:
        """Remember a code of the old style, if there are not too many."""
        if len(self.old) < MAX_OLD_CODES:
            self.old.setdefault(written, read)


_NO_SCHEMES: Mapping[str, str] = {}


def code(item: Dataset, schemes: CodingSchemes | None = None) -> Code | None:
    """The code of one item of a code sequence, of SNOMED CT in its own; None without a value.

    `schemes` adds designators that the data set itself identifies (`coding_schemes`).
    """
    value = text(item, CODE_VALUE) or text(item, LONG_CODE_VALUE) or text(item, URN_CODE_VALUE)
    if not value:
        return None
    designator = text(item, CODING_SCHEME_DESIGNATOR)
    meaning = text(item, CODE_MEANING)
    if same_scheme(designator) == SRT:  # which a data set may identify as SNOMED CT (PS3.16 8)
        written = Code(value, designator, meaning)
        read = snomed.current(written)
        if schemes is not None and snomed.is_old(written):
            schemes.met(written, read)
        return read
    identified = schemes.identified if schemes else _NO_SCHEMES
    scheme = SCHEME_OF_DESIGNATOR.get(designator) or identified.get(designator) or designator
    return Code(value, scheme, meaning)


def first_code(ds: Dataset, tag: BaseTag, schemes: CodingSchemes | None = None) -> Code | None:
    """The first readable code of a code sequence."""
    return next(iter(codes(ds, tag, schemes)), None)


def codes(ds: Dataset, tag: BaseTag, schemes: CodingSchemes | None = None) -> tuple[Code, ...]:
    """Every readable code of a code sequence, in order."""
    found = (code(item, schemes) for item in items(ds, tag))
    return tuple(one for one in found if one is not None)


def coding_schemes(ds: Dataset) -> CodingSchemes:
    """The schemes a data set identifies in (0008,0110)."""
    return CodingSchemes(
        {
            text(item, CODING_SCHEME_DESIGNATOR): oid_text(text(item, CODING_SCHEME_UID))
            for item in items(ds, CODING_SCHEME_IDENTIFICATION)
            if oid_text(text(item, CODING_SCHEME_UID))
        }
    )


def authority(ds: Dataset, tag: BaseTag) -> str:
    """The OID in the first item of an issuer or identifier sequence; "" where there is none."""
    for item in items(ds, tag):
        kind = text(item, _ENTITY_TYPE).upper()
        if kind in ("", "ISO"):
            return oid_text(text(item, _ENTITY_ID))
    return ""


def patient(ds: Dataset) -> ManifestPatient:
    """The patient module as a noun: identifiers with an authority first, the primary one leading.

    A Patient ID without an authority takes the one under which Other Patient IDs repeats it.
    """
    bare, primary = _patient_id(ds)
    others = [found for item in items(ds, OTHER_PATIENT_IDS) if (found := _patient_id(item)[1])]
    if primary is None and bare:
        primary = next((other for other in others if other.value == bare), None)
    ids = tuple(dict.fromkeys([primary, *others] if primary else others))
    return ManifestPatient(
        ids=ids,
        bare_id="" if primary else bare,
        name=person_name(text(ds, PATIENT_NAME)),
        birth_date=day(ds, PATIENT_BIRTH_DATE),
        gender=_GENDERS.get(text(ds, PATIENT_SEX).upper()),
    )


def _patient_id(ds: Dataset) -> tuple[str, PatientId | None]:
    value = text(ds, PATIENT_ID)
    issuer = authority(ds, ISSUER_OF_PATIENT_ID_QUALIFIERS) or oid_text(
        text(ds, ISSUER_OF_PATIENT_ID)
    )
    try:
        if "^" in value:
            return value, PatientId.parse_cx(value)
        return value, PatientId(value, Oid(issuer)) if value and issuer else None
    except InvalidIdentifier:
        return value, None


def request(item: Dataset, schemes: CodingSchemes | None = None) -> ImagingRequest:
    """One item of Referenced Request or Request Attributes Sequence."""
    return ImagingRequest(
        accession=text(item, ACCESSION_NUMBER),
        accession_authority=authority(item, ISSUER_OF_ACCESSION_NUMBER),
        placer_order=text(item, PLACER_ORDER_NUMBER),
        placer_authority=authority(item, ORDER_PLACER_IDENTIFIER),
        filler_order=text(item, FILLER_ORDER_NUMBER),
        procedure_id=text(item, REQUESTED_PROCEDURE_ID),
        description=text(item, REQUESTED_PROCEDURE_DESCRIPTION),
        code=first_code(item, REQUESTED_PROCEDURE_CODE, schemes),
    )


def organisation(value: str) -> Organisation | None:
    """An institution name that may be an HL7 v2 XON: name, id and its authority."""
    if not value:
        return None
    parts = value.split("^") + [""] * 10
    authority_part = parts[5].split("&")
    oid = oid_text(authority_part[1]) if len(authority_part) > 1 else ""
    identifier = parts[9].strip() or parts[2].strip()
    if not oid and oid_text(identifier):
        return Organisation(name=parts[0].strip(), authority=oid_text(identifier))
    return Organisation(name=parts[0].strip(), id=identifier, authority=oid)
