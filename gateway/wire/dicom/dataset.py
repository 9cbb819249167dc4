"""A DICOM file read as far as its pixel data, and what its header says as a noun.

Not a decoder of pixels (`instances`) and not a judge of conformance: anything that can be
understood is, whatever is missing. Clauses: DICOM PS3.10 7 (file format), PS3.5 7 and annex A
(encodings), PS3.3 C.7 (the modules named in `InstanceHeader`).
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from datetime import date, time
from typing import BinaryIO, cast

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from gateway.domain.codes import Code
from gateway.domain.ids import Uid
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS, ImagingRequest, ManifestPatient
from gateway.domain.people import Organisation
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom import elements
from gateway.wire.dicom.elements import PYDICOM_ERRORS, integer, items, reading, text, uid
from gateway.wire.dicom.pixel_facts import VIDEO, pixel_facts
from gateway.wire.dicom.quick_header import read_quick_header
from gateway.wire.problems import DecodeError

# Headers are some KiB; enhanced multi-frame objects of thousands of frames reach some MiB.
MAX_HEADER_BYTES = 64 * 1024 * 1024
IDENTITY_BYTES = 32 * 1024  # what stands before the UIDs is seldom more than 4 KiB
# A deflated object is inflated in memory; text deflates about a thousandfold at the most.
MAX_INFLATED_BYTES = 256 * 1024 * 1024
MAX_TEXT = 1024  # no descriptive attribute that we keep is longer by DICOM's own rules

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT_LITTLE = Uid("1.2.840.10008.1.2")
EXPLICIT_LITTLE = Uid("1.2.840.10008.1.2.1")
EXPLICIT_BIG = Uid("1.2.840.10008.1.2.2")
PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)

_SOP_CLASS = Tag(0x0008, 0x0016)
_SOP_INSTANCE = Tag(0x0008, 0x0018)
_SERIES_INSTANCE = Tag(0x0020, 0x000E)
_CONCEPT_NAME = Tag(0x0040, 0xA043)
_CONTENT = Tag(0x0040, 0xA730)
_TEXT_VALUE = Tag(0x0040, 0xA160)
_KEY_OBJECT_DESCRIPTION = "113012"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"

# Modalities and SOP classes whose pixels often show names and dates, and what to say of them.
_RISKY_MODALITIES = {
    "US": "ultrasound images usually show the patient's name",
    "IVUS": "ultrasound images usually show the patient's name",
    "XA": "angiography frames may show text",
    "RF": "fluoroscopy frames may show text",
    "ES": "endoscopy frames may show text",
    "OT": "images of an unnamed kind may show text",
    "SC": "screen captures usually show text",
    "DOC": "scanned documents show text",
    "ECG": "printed curves usually show the patient's name",
    "BMD": "bone density sheets usually show the patient's name",
    "OP": "ophthalmic prints may show text",
    "XC": "photographs may show a face or text",
    "GM": "microscope images may show the label of the slide",
    "SM": "slide images may show the label of the slide",
}
_RISKY_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": "screen captures usually show text",
    "1.2.840.10008.5.1.4.1.1.6.": "ultrasound images usually show the patient's name",
    "1.2.840.10008.5.1.4.1.1.3.": "ultrasound images usually show the patient's name",
    "1.2.840.10008.5.1.4.1.1.12.": "angiography frames may show text",
}
# Documents inside an instance, which nobody can rewrite.
_DOCUMENTS = {
    "1.2.840.10008.5.1.4.1.1.104.1": "the PDF inside is passed on as it is and may name anybody",
    "1.2.840.10008.5.1.4.1.1.104.2": "the CDA inside is passed on as it is and may name anybody",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeader:
    """What an instance says of itself, for registry entries and manifests.

    Whatever the header lacks is "", () or None. Dates and times are local to `offset_minutes`.
    `frames` is None for an object that is not multi-frame; `laterality` is R, L or as written,
    the image's before the series'. `note_title` and `note_description` are those of a key
    object selection. `burned_in` says in words why the
    pixels, or a document inside, may show a person's data; "" where nothing points to it.
    """

    study: Uid | None = None
    series: Uid | None = None
    instance: Uid | None = None
    sop_class: Uid | None = None
    transfer_syntax: Uid | None = None
    modality: str = ""
    image_type: tuple[str, ...] = ()
    patient: ManifestPatient = ManifestPatient()
    accession: str = ""
    accession_authority: str = ""
    placer_order: str = ""
    placer_authority: str = ""
    requests: tuple[ImagingRequest, ...] = ()
    study_id: str = ""
    study_date: date | None = None
    study_time: time | None = None
    study_description: str = ""
    procedures: tuple[Code, ...] = ()
    series_number: int | None = None
    series_date: date | None = None
    series_time: time | None = None
    series_description: str = ""
    protocol: str = ""
    body_part: str = ""
    region: Code | None = None
    laterality: str = ""
    instance_number: int | None = None
    content_date: date | None = None
    content_time: time | None = None
    acquisition_date: date | None = None
    acquisition_time: time | None = None
    offset_minutes: int | None = None
    institution: Organisation | None = None
    manufacturer: str = ""
    model: str = ""
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    samples_per_pixel: int | None = None
    photometric: str = ""
    bits_allocated: int | None = None
    bits_stored: int | None = None
    signed: bool = False
    lossy: bool = False
    has_pixels: bool = False
    note_title: Code | None = None
    note_description: str = ""
    burned_in: str = ""
    pixels: PixelFacts | None = None


class _Limited(io.RawIOBase):
    """A binary file of which only so many bytes may be read: no header may go on for ever."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._left = MAX_HEADER_BYTES

    def read(self, size: int = -1) -> bytes:
        """Read, unless the limit is passed."""
        if size < 0 or size > self._left:
            raise DecodeError(
                "header", "more than the limit", f"at most {MAX_HEADER_BYTES} bytes of header"
            )
        data = self._file.read(size)
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as the file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the file is."""
        return self._file.tell()


def read_header(file: BinaryIO) -> FileDataset:
    """Everything before the pixel data, which is never loaded; the file must be seekable.

    A missing preamble or file meta information and wrong values are borne. Raises `DecodeError`
    for what is not a DICOM instance or has a header beyond the limits.
    """
    return _read(file, whole=False, inflated=MAX_HEADER_BYTES)[0]


def read_to_pixels(file: BinaryIO) -> tuple[FileDataset, BinaryIO]:
    """The header as `read_header` reads it, and a stream that stands at the pixel data after it.

    The stream is the file, but for a deflated instance one in memory. It stands at the end of
    the data set where there is no pixel data.
    """
    return _read(file, whole=False, inflated=MAX_INFLATED_BYTES)


def read_whole(data: bytes) -> FileDataset:
    """A whole data set from memory, for objects without pixels. Raises `DecodeError`."""
    return _read(io.BytesIO(data), whole=True, inflated=MAX_INFLATED_BYTES)[0]


def read_identity(file: BinaryIO) -> InstanceHeader:
    """The same as `identify(read_header(file))`, but no more is read than is needed for it.

    Elements stand in ascending order (PS3.5 7.1); a file that does not keep to that, has much
    before its identity, or does not say how it is encoded, is read as far as its pixels.
    """
    with reading("file"):
        file.seek(0)
        # From memory: pydicom asks a file where it stands at every element, which lets other
        # threads in each time.
        head = io.BytesIO(file.read(IDENTITY_BYTES))
        meta = _file_meta(head)
        syntax = uid(meta, Tag(0x0002, 0x0010))
        if syntax not in (None, DEFLATED):
            implicit, little = syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG
            ds = read_dataset(head, implicit, little, stop_when=_behind_identity)
            ds.file_meta = meta
            found = identify(ds)
            stopped = head.tell() < head.getbuffer().nbytes
            if stopped and found.sop_class and found.study and found.series and found.instance:
                return found
    return identify(read_header(file))


def _behind_identity(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) > int(_SERIES_INSTANCE)


def _read(file: BinaryIO, *, whole: bool, inflated: int) -> tuple[FileDataset, BinaryIO]:
    with reading("file"):
        quick = None if whole else read_quick_header(file)
        if quick is not None:
            return quick.dataset, file
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        meta = _file_meta(file)
        stream = file
        if text(meta, Tag(0x0002, 0x0010)) == DEFLATED:
            stream = io.BytesIO(inflate(file.read(MAX_INFLATED_BYTES), inflated))
            ds = _read_deflated(stream, meta, whole=whole)
            if stream.tell() >= inflated:
                raise DecodeError("data set", "more than the limit", f"{inflated} bytes inflated")
        else:
            file.seek(0)
            bounded = file if whole or size <= MAX_HEADER_BYTES else _Limited(file)
            ds = dcmread(cast(BinaryIO, bounded), stop_before_pixels=not whole, force=True)
        if _SOP_CLASS not in ds and _SOP_INSTANCE not in ds:
            _demand_instance(meta)
    return ds, stream


def _demand_instance(meta: FileMetaDataset) -> None:
    """Refuse what no UID calls an instance: neither its data set nor its file meta information."""
    sop_class, instance = uid(meta, Tag(0x0002, 0x0002)), uid(meta, Tag(0x0002, 0x0003))
    if sop_class == _MEDIA_DIRECTORY:
        raise DecodeError("file", "a media directory", "a DICOM instance", "PS3.3 C.12.1")
    if sop_class is None or instance is None:
        raise DecodeError(
            "file", "no SOP Class and no SOP Instance UID", "a DICOM instance", "PS3.3 C.12.1"
        )


def _file_meta(file: BinaryIO) -> FileMetaDataset:
    """The file meta information; empty where the file begins with the data set."""
    if file.read(132)[128:] != b"DICM":
        return FileMetaDataset()
    found = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 0x0002)
    return FileMetaDataset(found)


def inflate(data: bytes, limit: int) -> bytes:
    """The inflated data set, cut at `limit`. Raises `DecodeError` when it cannot be inflated."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)
    except zlib.error as error:
        raise DecodeError("data set", str(error), "a deflated data set", "PS3.5 A.5") from error


def _read_deflated(plain: BinaryIO, meta: FileMetaDataset, *, whole: bool) -> FileDataset:
    stop = None if whole else (lambda tag, _vr, _length: tag in PIXEL_TAGS)
    found = read_dataset(plain, False, True, stop_when=stop)
    ds = FileDataset(plain, found, b"\0" * 128, meta, False, True)
    ds.set_original_encoding(False, True, found.original_character_set)
    return ds


def transfer_syntax(ds: Dataset) -> Uid:
    """The transfer syntax the file names, else the one it was read by."""
    named = uid(getattr(ds, "file_meta", None) or Dataset(), Tag(0x0002, 0x0010))
    if named is not None:
        return named
    implicit, little = ds.original_encoding
    if implicit:
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if little is False else EXPLICIT_LITTLE


def describe(ds: Dataset) -> InstanceHeader:
    """What the header says; a value that is missing or cannot be read is left out."""
    with reading("header"):
        return _describe(ds)


def identify(ds: Dataset) -> InstanceHeader:
    """Which instance it is, of whom, and how it is encoded: the same as `describe`, and no more."""
    with reading("header"):
        meta = getattr(ds, "file_meta", None) or Dataset()
        return InstanceHeader(
            study=uid(ds, Tag(0x0020, 0x000D)),
            series=uid(ds, Tag(0x0020, 0x000E)),
            instance=uid(ds, _SOP_INSTANCE) or uid(meta, Tag(0x0002, 0x0003)),
            sop_class=uid(ds, _SOP_CLASS) or uid(meta, Tag(0x0002, 0x0002)),
            transfer_syntax=transfer_syntax(ds),
            patient=_patient(ds),
        )


def picture(ds: Dataset) -> InstanceHeader:
    """What its pixels are, of which kind and modality: the same as `describe`, and no more."""
    with reading("header"):
        meta = getattr(ds, "file_meta", None) or Dataset()
        sop_class, modality = uid(ds, _SOP_CLASS), _text(ds, 0x0008, 0x0060).upper()
        syntax = transfer_syntax(ds)
        sides = (integer(ds, Tag(0x0028, at)) for at in (0x0010, 0x0011, 0x0100))
        has_pixels = all(sides)
        burned_in = _burned_in(ds, modality, sop_class or "", has_pixels=has_pixels)
        return InstanceHeader(
            sop_class=sop_class or uid(meta, Tag(0x0002, 0x0002)),
            transfer_syntax=syntax,
            modality=modality,
            has_pixels=has_pixels,
            burned_in=burned_in,
            pixels=pixel_facts(ds, syntax, shows_text=bool(burned_in)),
        )


def _text(ds: Dataset, group: int, element: int) -> str:
    return text(ds, Tag(group, element))[:MAX_TEXT]


def _items(ds: Dataset, group: int, element: int) -> tuple[Dataset, ...]:
    """The items of a sequence; () also when the sequence is damaged, which costs only its facts."""
    try:
        return tuple(items(ds, Tag(group, element)))
    except PYDICOM_ERRORS:
        return ()


def _codes(ds: Dataset, group: int, element: int) -> tuple[Code, ...]:
    found = (elements.code(item) for item in _items(ds, group, element))
    return tuple(code for code in found if code is not None)


def _authority(ds: Dataset, tag: BaseTag) -> str:
    try:
        return elements.authority(ds, tag)
    except PYDICOM_ERRORS:
        return ""


def _patient(ds: Dataset) -> ManifestPatient:
    try:
        return elements.patient(ds)
    except PYDICOM_ERRORS:
        return ManifestPatient(
            bare_id=text(ds, elements.PATIENT_ID),
            name=elements.person_name(text(ds, elements.PATIENT_NAME)),
        )


def _requests(ds: Dataset) -> tuple[ImagingRequest, ...]:
    found = []
    for item in (*_items(ds, 0x0040, 0x0275), *_items(ds, 0x0040, 0xA370)):
        try:
            found.append(elements.request(item))
        except PYDICOM_ERRORS:
            continue  # one damaged request does not hide the others
    return tuple(found)


def _note(ds: Dataset) -> tuple[Code | None, str]:
    titles = _codes(ds, *divmod(_CONCEPT_NAME, 0x10000))
    description = next(
        (
            text(item, _TEXT_VALUE)
            for item in _items(ds, *divmod(_CONTENT, 0x10000))
            if any(
                code.value == _KEY_OBJECT_DESCRIPTION
                for code in _codes(item, *divmod(_CONCEPT_NAME, 0x10000))
            )
        ),
        "",
    )
    return (titles[0] if titles else None), description


def _burned_in(ds: Dataset, modality: str, sop_class: str, *, has_pixels: bool) -> str:
    if sop_class in _DOCUMENTS:
        return _DOCUMENTS[sop_class]
    if not has_pixels:
        return ""
    declared = _text(ds, 0x0028, 0x0301).upper()
    if declared == "YES":
        return "the header says that annotation is burned into the image"
    if declared == "NO":
        return ""
    for prefix, reason in _RISKY_CLASSES.items():
        if sop_class == prefix or sop_class.startswith(prefix.rstrip(".") + "."):
            return reason
    if modality in _RISKY_MODALITIES:
        return _RISKY_MODALITIES[modality]
    if _text(ds, 0x0008, 0x0064):
        return "the image was converted from a film, a paper or a screen"
    if "SCREEN SAVE" in _text(ds, 0x0008, 0x0008).upper():
        return "screen captures usually show text"
    if transfer_syntax(ds).startswith(VIDEO):
        return "video may show a face or text"
    return ""


def _describe(ds: Dataset) -> InstanceHeader:
    sop_class = uid(ds, _SOP_CLASS)
    meta = getattr(ds, "file_meta", None) or Dataset()
    modality = _text(ds, 0x0008, 0x0060).upper()
    rows, columns = integer(ds, Tag(0x0028, 0x0010)), integer(ds, Tag(0x0028, 0x0011))
    bits_allocated = integer(ds, Tag(0x0028, 0x0100))
    has_pixels = bool(rows and columns and bits_allocated)
    requests = _requests(ds)
    order = requests[0] if requests else ImagingRequest()
    note_title, note_description = _note(ds) if sop_class == KEY_OBJECT_SOP_CLASS else (None, "")
    regions = _codes(ds, 0x0008, 0x2218)
    syntax = transfer_syntax(ds)
    burned_in = _burned_in(ds, modality, sop_class or "", has_pixels=has_pixels)
    return InstanceHeader(
        study=uid(ds, Tag(0x0020, 0x000D)),
        series=uid(ds, Tag(0x0020, 0x000E)),
        instance=uid(ds, _SOP_INSTANCE) or uid(meta, Tag(0x0002, 0x0003)),
        sop_class=sop_class or uid(meta, Tag(0x0002, 0x0002)),
        transfer_syntax=syntax,
        modality=modality,
        image_type=elements.texts(ds, Tag(0x0008, 0x0008)),
        patient=_patient(ds),
        accession=_text(ds, 0x0008, 0x0050) or order.accession,
        accession_authority=_authority(ds, elements.ISSUER_OF_ACCESSION_NUMBER)
        or order.accession_authority,
        placer_order=_text(ds, 0x0040, 0x2016) or order.placer_order,
        placer_authority=_authority(ds, elements.ORDER_PLACER_IDENTIFIER) or order.placer_authority,
        requests=requests,
        study_id=_text(ds, 0x0020, 0x0010),
        study_date=elements.day(ds, Tag(0x0008, 0x0020)),
        study_time=elements.clock(ds, Tag(0x0008, 0x0030)),
        study_description=_text(ds, 0x0008, 0x1030),
        procedures=_codes(ds, 0x0008, 0x1032),
        series_number=integer(ds, Tag(0x0020, 0x0011)),
        series_date=elements.day(ds, Tag(0x0008, 0x0021)),
        series_time=elements.clock(ds, Tag(0x0008, 0x0031)),
        series_description=_text(ds, 0x0008, 0x103E),
        protocol=_text(ds, 0x0018, 0x1030),
        body_part=_text(ds, 0x0018, 0x0015).upper(),
        region=regions[0] if regions else None,
        laterality=(_text(ds, 0x0020, 0x0062) or _text(ds, 0x0020, 0x0060)).upper(),
        instance_number=integer(ds, Tag(0x0020, 0x0013)),
        content_date=elements.day(ds, Tag(0x0008, 0x0023)),
        content_time=elements.clock(ds, Tag(0x0008, 0x0033)),
        acquisition_date=elements.day(ds, Tag(0x0008, 0x0022)),
        acquisition_time=elements.clock(ds, Tag(0x0008, 0x0032)),
        offset_minutes=elements.offset_minutes(ds),
        institution=elements.organisation(_text(ds, 0x0008, 0x0080)),
        manufacturer=_text(ds, 0x0008, 0x0070),
        model=_text(ds, 0x0008, 0x1090),
        rows=rows,
        columns=columns,
        frames=integer(ds, Tag(0x0028, 0x0008)),
        samples_per_pixel=integer(ds, Tag(0x0028, 0x0002)),
        photometric=_text(ds, 0x0028, 0x0004).upper(),
        bits_allocated=bits_allocated,
        bits_stored=integer(ds, Tag(0x0028, 0x0101)),
        signed=integer(ds, Tag(0x0028, 0x0103)) == 1,
        lossy=_text(ds, 0x0028, 0x2110) == "01",
        has_pixels=has_pixels,
        note_title=note_title,
        note_description=note_description,
        burned_in=burned_in,
        pixels=pixel_facts(ds, syntax, shows_text=bool(burned_in)),
    )
