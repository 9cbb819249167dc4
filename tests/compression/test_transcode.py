"""Renditions: the same pixels in another file, and what changes in the header."""

from __future__ import annotations

import hashlib
import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.pixels import pixel_array

from gateway.compression import transcode as module
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_XL_LOSSLESS,
    LOSSLESS_WRITTEN,
)
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.wire.dicom.stored_frames import StoredFrames
from tests.compression.pixels import FORMS, facts_of, frame_of
from tests.compression.renditions import (
    changed,
    coding_of,
    derivation_of,
    file_of,
    lossy,
    read,
    rendered,
)
from tests.dicom_images import BIG, IMPLICIT, bundled, encapsulated

CODED = sorted(LOSSLESS_WRITTEN - {EXPLICIT_LITTLE_ENDIAN})
BY_PYDICOM = (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS, JPEG_LS_LOSSLESS)


def cases() -> list[Any]:
    """Every form in every syntax that holds it."""
    return [
        pytest.param(name, syntax, id=f"{name}-{syntax.rpartition('.')[2]}")
        for name in FORMS
        for syntax in CODED
        if (name, syntax) != ("ybr", JPEG_XL_LOSSLESS)
    ]


@pytest.mark.parametrize(("name", "syntax"), cases())
def test_every_form_keeps_its_pixels_in_every_syntax(name: str, syntax: Uid) -> None:
    """Three frames, in the frames that pydicom finds and in the pixels that others decode."""
    facts = facts_of(name, frames=3)
    frames = [frame_of(facts, seed) for seed in range(3)]

    data, done = rendered(file_of(facts, frames), coding_of(syntax))

    ds = read(data)
    assert ds.file_meta.TransferSyntaxUID == syntax
    assert len(list(generate_frames(ds.PixelData, number_of_frames=3))) == 3
    ours = StoredFrames(data)
    plain = [ours.plain(number)[0] for number in (1, 2, 3)]
    assert plain == [frame.tobytes() for frame in frames]
    if syntax in BY_PYDICOM:
        others = pixel_array(ds, raw=True, decoding_plugin="pylibjpeg")
        assert np.array_equal(others, np.stack(frames))
    assert done.frames == 3
    assert done.raw_bytes == facts.raw_bytes == sum(map(len, plain))
    assert done.size_bytes == len(data)
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    assert done.pixels_sha256 == hashlib.sha256(b"".join(plain)).hexdigest()
    assert done.error is None


@pytest.mark.parametrize("syntax", CODED)
def test_only_what_must_changes_in_a_header(syntax: Uid) -> None:
    """Nothing of a grey image; of a colour one the photometric interpretation at the most."""
    grey = file_of(
        facts_of("i13"), PatientName="Αγγελική^Παπαδάκη", SpecificCharacterSet="ISO_IR 192"
    )
    data, _ = rendered(grey, coding_of(syntax))
    assert changed(grey, data) == set()

    colour = file_of(facts_of("rgb"))
    data, _ = rendered(colour, coding_of(syntax))
    is_wavelet = syntax in (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS)
    assert changed(colour, data) == ({"PhotometricInterpretation"} if is_wavelet else set())
    assert read(data).PhotometricInterpretation == ("YBR_RCT" if is_wavelet else "RGB")


# Small files of many makers: colour and grey, signed and not, odd sizes, palettes, all syntaxes.
SMALL = (
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "JPEGLSNearLossless_08.dcm",
    "JPEGLSNearLossless_16.dcm",
    "JPEG2000.dcm",
)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("syntax", CODED)
def test_files_of_many_makers_keep_their_headers_and_pixels(name: str, syntax: Uid) -> None:
    """Apart from what is permitted: group lengths that are retired, a lossy past on record."""
    source = bundled(name)
    data, done = rendered(source, coding_of(syntax))

    permitted = {"PhotometricInterpretation", "PlanarConfiguration", "DataSetTrailingPadding"}
    permitted |= {"LossyImageCompression", "LossyImageCompressionMethod"}
    differs = {one for one in changed(source, data) if not one.endswith(",0000)")}
    assert differs <= permitted
    ours, theirs = StoredFrames(data), StoredFrames(source)
    assert [ours.plain(n + 1)[0] for n in range(done.frames)] == [
        theirs.plain(n + 1)[0] for n in range(theirs.count)
    ]


def test_planes_become_pixels() -> None:
    """As every code stream has them."""
    facts = facts_of("rgb")
    frame = frame_of(facts)
    planes = np.ascontiguousarray(np.moveaxis(frame, -1, 0))
    source = file_of(facts, [planes], PlanarConfiguration=1)

    data, done = rendered(source, coding_of(JPEG_LS_LOSSLESS))
    copy, copied = rendered(source, coding_of(EXPLICIT_LITTLE_ENDIAN))

    assert changed(source, data) == {"PlanarConfiguration"}
    assert StoredFrames(data).plain(1)[0] == frame.tobytes()
    assert changed(source, copy) == set()
    assert read(copy).PixelData == read(source).PixelData
    assert copied.pixels_sha256 == done.pixels_sha256


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG])
@pytest.mark.parametrize("coding", [EXPLICIT_LITTLE_ENDIAN, HTJ2K_LOSSLESS_RPCL])
def test_byte_order_and_implicit_elements_do_not_matter(syntax: str, coding: Uid) -> None:
    """The rendition is little endian and explicit."""
    facts = facts_of("i13", frames=2)
    data, _ = rendered(file_of(facts, syntax=syntax), coding_of(coding))

    assert read(data).file_meta.TransferSyntaxUID == coding
    expected = [frame_of(facts, seed).tobytes() for seed in range(2)]
    assert [StoredFrames(data).plain(n)[0] for n in (1, 2)] == expected


@pytest.mark.parametrize("syntax", sorted(LOSSLESS_WRITTEN))
def test_what_is_compressed_is_compressed_otherwise(syntax: Uid) -> None:
    """From JPEG 2000 to anything, through the decoder of the source."""
    facts = facts_of("u12", frames=2)
    source, _ = rendered(file_of(facts), coding_of(JPEG_2000_LOSSLESS))

    data, done = rendered(source, coding_of(syntax))

    assert changed(source, data) == set()
    assert [StoredFrames(data).plain(n)[0] for n in (1, 2)] == [
        StoredFrames(source).plain(n)[0] for n in (1, 2)
    ]
    assert done.raw_bytes == facts.raw_bytes


def test_lossy_colour_without_loss_says_what_it_was() -> None:
    """The pixels are those of the JPEG; that they lost something stays on record."""
    source = bundled("SC_rgb_jpeg_dcmtk.dcm")
    data, _ = rendered(source, coding_of(HTJ2K_LOSSLESS_RPCL))

    ds = read(data)
    assert ds.PhotometricInterpretation == "YBR_RCT"
    assert ds.LossyImageCompression == "01"
    assert ds.SOPInstanceUID == read(source).SOPInstanceUID
    assert StoredFrames(data).plain(1)[0] == StoredFrames(source).plain(1)[0]


@pytest.mark.parametrize(
    "name", ["liver_1frame.dcm", "rtdose.dcm", "rtdose_1frame.dcm", "SC_rgb_small_odd.dcm"]
)
def test_whatever_samples_there_are_go_as_plain_pixels(name: str) -> None:
    """Single bits, 32 bits, odd sizes: the pixel data of the source."""
    source = bundled(name)
    data, done = rendered(source, coding_of(EXPLICIT_LITTLE_ENDIAN))

    assert changed(source, data) == set()
    assert read(data).PixelData.rstrip(b"\0") == read(source).PixelData.rstrip(b"\0")
    assert done.ratio == pytest.approx(1.0, abs=0.01)


def test_the_basic_offset_table_leads_to_every_frame() -> None:
    """And a receiver that believes it needs no walk."""
    facts = facts_of("u8", frames=4)
    data, done = rendered(file_of(facts), coding_of(JPEG_LS_LOSSLESS))
    pixels = read(data).PixelData

    offsets = parse_basic_offsets(pixels)
    start = 8 + 4 * 4
    assert len(offsets) == 4
    assert all(pixels[start + at : start + at + 4] == b"\xfe\xff\x00\xe0" for at in offsets)
    lengths = [struct.unpack_from("<I", pixels, start + at + 4)[0] for at in offsets]
    assert done.coded_bytes <= sum(lengths) <= done.coded_bytes + 4


def test_what_may_be_too_long_for_it_has_the_extended_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets of 64 bits and true lengths, and an empty basic table."""
    monkeypatch.setattr(module, "MAX_OFFSET", 5000)
    facts = facts_of("u12", frames=3)
    source = file_of(facts)
    data, done = rendered(source, coding_of(HTJ2K_LOSSLESS_RPCL))

    ds = read(data)
    lengths = struct.unpack("<3Q", ds.ExtendedOffsetTableLengths)
    tables = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths)
    found = list(generate_frames(ds.PixelData, number_of_frames=3, extended_offsets=tables))
    assert tuple(map(len, found)) == lengths
    assert sum(lengths) == done.coded_bytes
    assert [StoredFrames(data).plain(n)[0] for n in (1, 2, 3)] == [
        frame_of(facts, seed).tobytes() for seed in range(3)
    ]
    # And away again where it is not needed.
    monkeypatch.undo()
    again, _ = rendered(data, coding_of(JPEG_LS_LOSSLESS))
    assert changed(source, again) == set()


def test_memory_is_bounded_by_frames_and_not_by_the_file() -> None:
    """No more is read at a time than a header or a frame."""

    class Watching(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            Watching.most = max(Watching.most, len(data))
            return data

        def getvalue(self) -> bytes:
            raise AssertionError("the whole file was asked for")

    facts = facts_of("u16", rows=128, columns=128, frames=20)
    source = file_of(facts)
    transcode = module.transcode
    transcode(Watching(source), io.BytesIO(), coding_of(JPEG_LS_LOSSLESS))

    assert Watching.most < len(source) / 8


def test_a_rendition_has_the_same_bytes_each_time() -> None:
    """So that it can be kept by its hash."""
    source = file_of(facts_of("i13", frames=2))
    assert rendered(source, coding_of(JPEG_LS_LOSSLESS)) == rendered(
        source, coding_of(JPEG_LS_LOSSLESS)
    )


def test_fragments_and_lying_tables_are_borne_where_frames_can_be_found() -> None:
    """Two fragments of one frame, and offsets that lead nowhere."""
    facts = facts_of("u12")
    frame = frame_of(facts)
    stream = imagecodecs.jpegls_encode(frame)
    stream += b"\0" * (len(stream) % 2)
    pieces = [stream[:100], stream[100:]]
    for offsets in ([0], None, [0, 12345]):
        values = {"PixelData": encapsulated(pieces, offsets)}
        source = file_of(facts, syntax="1.2.840.10008.1.2.4.80", **values)
        data, _ = rendered(source, coding_of(HTJ2K_LOSSLESS_RPCL))
        assert StoredFrames(data).plain(1)[0] == frame.tobytes()


def test_lossy_htj2k_is_named_by_its_own_transform() -> None:
    """RGB becomes YBR_ICT."""
    source = file_of(facts_of("rgb", rows=64, columns=64), Modality="US")
    data, _ = lossy(source, Coding(syntax=HTJ2K_LOSSY, step=2.0))
    assert read(data).PhotometricInterpretation == "YBR_ICT"


@pytest.mark.parametrize("syntax", [JPEG_LS_LOSSLESS, EXPLICIT_LITTLE_ENDIAN])
def test_digest_that_is_known_is_not_made_again(syntax: Uid) -> None:
    """The pixels that come back are those that were compared with the source."""
    source = file_of(facts_of("i13", frames=2))

    plain, measured = rendered(source, coding_of(syntax))
    data, done = rendered(source, coding_of(syntax), native_sha256="ab" * 32)

    assert data == plain
    assert measured.pixels_sha256 == hashlib.sha256(read(source).PixelData).hexdigest()
    assert done.pixels_sha256 == "ab" * 32


def test_digest_of_native_pixels_is_not_that_of_others() -> None:
    """Of what is lossy, and of what was not native by pixel: whoever tells it then is wrong."""
    native = file_of(facts_of("i13"))
    sources = {
        "coded": rendered(native, coding_of(JPEG_LS_LOSSLESS))[0],
        "big endian": file_of(facts_of("i13"), syntax=BIG),
        "by plane": file_of(facts_of("rgb"), PlanarConfiguration=1),
    }
    for what, source in sources.items():
        for syntax in (HTJ2K_LOSSLESS, EXPLICIT_LITTLE_ENDIAN):
            _, done = rendered(source, coding_of(syntax), native_sha256="ab" * 32)
            assert done.pixels_sha256 != "ab" * 32, what
    coding = Coding(syntax=HTJ2K_LOSSY, step=8.0)
    _, lost = rendered(native, coding, derivation_of(native, coding), native_sha256="ab" * 32)
    assert lost.pixels_sha256 != "ab" * 32
