"""Frames come out as pydicom finds them, and the others are not read."""

from __future__ import annotations

import io
import struct

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames, get_frame

from gateway.domain import Refusal
from gateway.wire.dicom import stored_frames
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.problems import DecodeError
from tests.dicom_images import (
    BIG,
    EXPLICIT,
    JPEG,
    RLE,
    bundled,
    encapsulated,
    image_of,
    item,
    watched,
)

JPEGLS = JPEG + "80"
ENDED = [b"\xff\xd8\xff\xf7" + bytes([n]) * (20 + n) + b"\xff\xd9\0\0" for n in range(1, 5)]
ENDED = [stream[: len(stream) - len(stream) % 2] for stream in ENDED]


def compressed(
    count: int, fragments: list[bytes], offsets: list[int] | None = None, **more: object
) -> StoredFrames:
    """Frames whose fragments are these."""
    pixels = np.zeros((4, 4), np.uint8)
    value = encapsulated(fragments, offsets)
    data = image_of(pixels, JPEGLS, NumberOfFrames=count, PixelData=value, **more)
    return StoredFrames(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        *("MR_small_RLE.dcm", "SC_rgb_rle_2frame.dcm", "rtdose_rle.dcm", "examples_ybr_color.dcm"),
        *("JPEG2000.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_jpeg_dcmtk.dcm", "693_J2KI.dcm"),
    ],
)
def test_code_streams_are_those_that_pydicom_finds(name: str) -> None:
    """Every frame, in any order; nothing is cut off or put before it."""
    ds = pydicom.dcmread(io.BytesIO(bundled(name)))
    frames = StoredFrames(bundled(name))
    numbers = range(frames.count, 0, -1)

    expected = list(generate_frames(ds.PixelData, number_of_frames=frames.count))
    assert [frames.stored(number) for number in numbers] == expected[::-1]
    assert frames.is_compressed


@pytest.mark.parametrize(
    ("count", "fragments", "offsets"),
    [
        (4, ENDED, None),
        (4, ENDED, [0, 32, 64, 98]),
        (2, ENDED, [0, 64]),
        (2, [b"\xff\xd8ab", ENDED[0], b"\xff\xd8cd", b"efgh", ENDED[1]], None),
        (1, ENDED, None),
        (1, ENDED, [0]),
    ],
)
def test_fragments_are_joined_as_pydicom_joins_them(
    count: int, fragments: list[bytes], offsets: list[int] | None
) -> None:
    """With an offset table, without one, and where only the end of a code stream tells."""
    if offsets is not None:
        starts = np.cumsum([0, *(len(one) + 8 for one in fragments)])
        step = len(fragments) // count
        offsets = [int(starts[index * step]) for index in range(count)]
    value = encapsulated(fragments, offsets)
    frames = compressed(count, fragments, offsets)

    expected = [get_frame(value, index, number_of_frames=count) for index in range(count)]
    assert [frames.stored(number + 1) for number in range(count)] == expected


def test_the_extended_offset_table_leads_to_a_frame() -> None:
    """And the length it tells leaves the padding out."""
    starts = np.cumsum([0, *(len(one) + 8 for one in ENDED)])[:4]
    lengths = [len(ENDED[0]) - 1, *(len(one) for one in ENDED[1:])]
    frames = compressed(
        4,
        ENDED,
        ExtendedOffsetTable=struct.pack("<4Q", *map(int, starts)),
        ExtendedOffsetTableLengths=struct.pack("<4Q", *lengths),
    )

    assert [frames.stored(number) for number in (1, 2, 3, 4)] == [ENDED[0][:-1], *ENDED[1:]]


@pytest.mark.parametrize("offsets", [[0, 5, 9, 200], [0], [64, 32, 0, 0], [0, 32, 64, 2**31]])
def test_a_wrong_offset_table_is_not_followed(offsets: list[int]) -> None:
    """The fragments themselves tell where frames are."""
    frames = compressed(4, ENDED, offsets)

    assert [frames.stored(number) for number in (1, 2, 3, 4)] == ENDED


def test_a_wrong_extended_offset_table_is_not_followed() -> None:
    """Whether it leads elsewhere or tells lengths that cannot be."""
    wrong = struct.pack("<4Q", 2**63, 3, 7, 2**40)

    frames = compressed(4, ENDED, ExtendedOffsetTable=wrong, ExtendedOffsetTableLengths=wrong)

    assert frames.stored(3) == ENDED[2]


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_expb.dcm", "SC_rgb_small_odd.dcm"])
def test_native_frames_are_little_endian_without_padding(name: str) -> None:
    """Whatever the file has, an odd number of bytes too."""
    ds = pydicom.dcmread(io.BytesIO(bundled(name)))
    frames = StoredFrames(bundled(name))
    pixels = ds.pixel_array.reshape(frames.count, -1)

    for number in (1, frames.count):
        expected = pixels[number - 1].astype(pixels.dtype.newbyteorder("<")).tobytes()
        assert frames.plain(number) == (expected, frames.form.photometric)
        assert frames.stored(number) == expected


@pytest.mark.parametrize("compress", [False, True])
def test_the_other_frames_of_a_large_file_are_not_read(compress: bool) -> None:
    """Of some megabytes little more than the one frame that is asked for."""
    frame = np.arange(64 * 64, dtype=np.uint16).tobytes()
    pixels = np.zeros((64, 64), np.uint16)
    if compress:
        offsets = [index * (len(frame) + 8) for index in range(400)]
        value, syntax = encapsulated([frame] * 400, offsets), RLE
    else:
        value, syntax = frame * 400, EXPLICIT
    data = image_of(pixels, syntax, NumberOfFrames=400, PixelData=value)
    file, watch = watched(data)

    found = StoredFrames(file).stored(400)

    assert found == frame
    assert watch.read_bytes < len(frame) + 16 * 1024 < len(data) // 100


def test_fragments_are_walked_over_without_being_read() -> None:
    """Where no table tells, their headers are enough."""
    value = encapsulated([b"x" * 20_000] * 100)
    data = image_of(np.zeros((4, 4), np.uint8), RLE, NumberOfFrames=100, PixelData=value)
    file, watch = watched(data)

    assert StoredFrames(file).stored(99) == b"x" * 20_000
    assert watch.read_bytes < 40_000


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_single_bits_begin_at_a_byte_in_each_frame(syntax: str) -> None:
    """Though frames of 15 bits stand in the file without gaps; what is left over is zero."""
    bits = np.random.default_rng(5).integers(0, 2, (7, 15), np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    packed = np.append(packed, np.zeros(len(packed) % 2, np.uint8))
    value = packed.view("<u2").astype(">u2").tobytes() if syntax == BIG else packed.tobytes()
    data = image_of(
        np.zeros((3, 5), np.uint8),
        syntax,
        BitsAllocated=1,
        BitsStored=1,
        NumberOfFrames=7,
        PixelData=value,
    )
    frames = StoredFrames(data)

    for number, expected in enumerate(bits, 1):
        found = np.frombuffer(frames.stored(number), np.uint8)
        assert np.array_equal(np.unpackbits(found, bitorder="little"), [*expected, 0])
    assert frames.whole() == packed.tobytes()[:14]


def test_a_deflated_instance_has_its_frames_too() -> None:
    """They are in memory once it is inflated."""
    ds = pydicom.dcmread(io.BytesIO(bundled("image_dfl.dcm")))

    assert StoredFrames(bundled("image_dfl.dcm")).stored(1) == ds.PixelData


def test_a_native_value_in_a_file_that_says_compressed_is_native() -> None:
    """It is what it looks like."""
    data = image_of(np.arange(16, dtype=np.uint8).reshape(4, 4))
    said = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1)
    assert said != data

    frames = StoredFrames(said)

    assert (frames.syntax, frames.stored(1)) == (EXPLICIT, bytes(range(16)))


def test_an_instance_without_pixel_data_has_no_frames() -> None:
    """The refusal names its modality."""
    with pytest.raises(NoPixels, match="modality SR") as caught:
        StoredFrames(bundled("test-SR.dcm"))

    assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


def test_fewer_fragments_than_frames_are_an_error() -> None:
    """As are more, of which nothing tells whose they are."""
    with pytest.raises(DecodeError, match="2 fragments"):
        compressed(3, ENDED[:2]).stored(1)
    with pytest.raises(DecodeError, match="nothing tells"):
        compressed(2, [b"ab"] * 3).stored(1)
    with pytest.raises(DecodeError, match="0 fragments"):
        compressed(1, []).stored(1)


def test_a_frame_that_ends_early_is_an_error() -> None:
    """Native, and compressed with a fragment longer than the file."""
    with pytest.raises(DecodeError, match="8130 bytes"):
        StoredFrames(bundled("MR_truncated.dcm")).plain(1)
    whole = image_of(np.zeros((4, 4), np.uint8), JPEGLS, PixelData=encapsulated([b"abcdefgh"]))
    with pytest.raises(DecodeError, match="frame 1: found 4 bytes"):
        StoredFrames(whole[: whole.index(b"abcdefgh") + 4]).stored(1)


def test_a_frame_beyond_the_pixel_data_is_an_error() -> None:
    """The header promises more frames than there are."""
    data = image_of(np.zeros((4, 4), np.uint8), NumberOfFrames=3)

    with pytest.raises(DecodeError, match="frame 2: found 16 bytes"):
        StoredFrames(data).stored(2)


def test_hostile_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame beyond the largest, a table beyond its limit, fragments without end."""
    vast = image_of(np.zeros((4, 4), np.uint8), Rows=65_535, Columns=65_535, PixelData=b"ab")
    with pytest.raises(DecodeError, match="frame 1: found 4294836225 bytes"):
        StoredFrames(vast).stored(1)
    monkeypatch.setattr(stored_frames, "MAX_FRAGMENTS", 2)
    with pytest.raises(DecodeError, match="more fragments"):
        compressed(4, ENDED).stored(1)
    with pytest.raises(DecodeError, match="more fragments"):
        compressed(1, ENDED, [0]).stored(1)
    monkeypatch.setattr(stored_frames, "MAX_OFFSETS_BYTES", 8)
    with pytest.raises(DecodeError, match="basic offset table"):
        compressed(4, ENDED, [0, 1, 2, 3]).stored(1)


def test_fragments_under_a_native_syntax_are_an_error() -> None:
    """Nothing says how to decode them."""
    data = image_of(np.zeros((4, 4), np.uint8), RLE, PixelData=encapsulated([b"ab"]))

    with pytest.raises(DecodeError, match="fragments"):
        StoredFrames(data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0", 1))


def test_fragments_without_their_table_are_an_error() -> None:
    """The first item is the table, if an empty one (PS3.5 A.4)."""
    data = image_of(np.zeros((4, 4), np.uint8), RLE, PixelData=item(b"") + item(b"ab"))
    start = data.index(item(b"") + item(b"ab"))

    with pytest.raises(DecodeError, match="basic offset table"):
        StoredFrames(data[:start]).stored(1)


def test_a_number_of_frames_that_is_none_is_borne() -> None:
    """As much of it as is a number counts, and nobody is warned of it."""
    data = image_of(np.zeros((4, 4), np.uint8), NumberOfFrames=2, PixelData=bytes(32))
    said = data.replace(b"IS\x02\x002 ", b"IS\x02\x002(")
    assert said != data

    assert StoredFrames(said).count == 2


def test_what_headers_promise_does_not_pile_up() -> None:
    """A peer may promise something else with every file."""
    for rows in range(1, stored_frames._MAX_PROMISED + 20):
        frames = StoredFrames(image_of(np.zeros((rows, 2), np.uint8)))
        assert (frames.form.rows, frames.count) == (rows, 1)
    assert len(stored_frames._PROMISED) <= stored_frames._MAX_PROMISED
