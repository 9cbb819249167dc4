"""Beginnings of code streams as smaller images, and streams that lie about themselves."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import generate_frames

from gateway.compression.codecs import encode_frame
from gateway.compression.first_look import (
    ResolutionEnd,
    beginning_bytes,
    decode_prefix,
    look_at,
    prefix_of,
    resolution_offsets,
)
from gateway.compression.permitted import HTJ2K_LOSSLESS_RPCL
from gateway.compression.transcode import transcode
from gateway.domain import Uid
from gateway.domain.delivery_plan import Coding
from gateway.wire.problems import DecodeError
from tests.compression.pixels import facts_of, frame_of
from tests.compression.renditions import file_of

RPCL = Coding(syntax=HTJ2K_LOSSLESS_RPCL)
FACTS = facts_of("u12", rows=150, columns=201)
STREAM = encode_frame(frame_of(FACTS), RPCL, FACTS)
HEADER = STREAM.index(b"\xff\x90")


def test_every_resolution_has_its_end() -> None:
    """Smallest first, each longer than the one before, the last the whole stream but its end."""
    found = resolution_offsets(STREAM)

    assert [one.reduction for one in found] == [5, 4, 3, 2, 1, 0]
    assert all(one.end < after.end for one, after in pairwise(found))
    assert found[-1] == ResolutionEnd(0, len(STREAM) - 2)


@pytest.mark.parametrize("name", ["u8", "u12", "i13", "i16", "rgb"])
@pytest.mark.parametrize("reduction", [0, 1, 2, 5])
def test_a_beginning_is_the_image_at_its_size(name: str, reduction: int) -> None:
    """The same as the whole stream decoded at that size; with nothing left out, the image."""
    facts = facts_of(name, rows=150, columns=201)
    stream = encode_frame(frame_of(facts), RPCL, facts)
    whole = imagecodecs.htj2k_decode(stream, skipres=reduction, planar=False)

    prefix = prefix_of(stream, reduction)
    found = decode_prefix(prefix, reduction, rows=150, columns=201)

    assert np.array_equal(found, whole)
    assert found.shape[:2] == tuple(-(-side // 2**reduction) for side in (150, 201))
    if reduction == 0:
        assert np.array_equal(found, frame_of(facts))
    else:
        assert len(prefix) < len(stream)


def test_the_ends_are_known_from_the_header_alone() -> None:
    """So that a client can ask for as many bytes as it wants."""
    assert resolution_offsets(STREAM[: HEADER + 12]) == resolution_offsets(STREAM)


def test_without_lengths_in_the_header_tile_parts_tell_them() -> None:
    """TLM is a convenience; the tile-parts are there."""
    facts = facts_of("u12")
    frame = frame_of(facts)
    bare = bytes(imagecodecs.htj2k_encode(frame, tlm=False, tilepart=1, resolutions=5))
    told = bytes(imagecodecs.htj2k_encode(frame, tlm=True, tilepart=1, resolutions=5))
    shift = len(told) - len(bare)
    assert [one.end + shift for one in resolution_offsets(bare)] == [
        one.end for one in resolution_offsets(told)
    ]


def changed(at: int, form: str, value: int) -> bytes:
    """The stream with one value changed."""
    return STREAM[:at] + struct.pack(form, value) + STREAM[at + struct.calcsize(form) :]


COD = STREAM.index(b"\xff\x52")
TLM = STREAM.index(b"\xff\x55")


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\xff\xd8\xff\xe0",
        STREAM[:2],
        STREAM[:40],
        STREAM[:HEADER],
        changed(COD + 5, "B", 0),  # another progression
        changed(COD + 9, "B", 200),  # more levels than there can be
        changed(COD + 9, "B", 4),  # more tile-parts than resolutions
        changed(TLM + 2, ">H", 3),  # TLM of no length
        changed(TLM + 5, "B", 0x70),  # TLM of no known form
        changed(TLM + 8, ">I", 0xFFFFFFFF),  # a tile-part of four gibibytes
        changed(TLM + 8, ">I", 3),
        changed(HEADER + 10, "B", 4),  # the parts in another order
        changed(8, ">I", 0),  # an image without columns
        changed(24, ">I", 10),  # many tiles
        changed(36, ">I", 52),  # a tile behind the image, which OpenJPH never comes back from
        changed(40, ">H", 16384),  # a stack of planes
        changed(43, "B", 0),  # samples of no width
        changed(4, ">H", 65535),  # SIZ beyond the end
    ],
)
def test_streams_that_lie_about_themselves_are_refused(stream: bytes) -> None:
    """With the place of the lie."""
    with pytest.raises(DecodeError):
        resolution_offsets(stream)


def test_there_is_no_resolution_beyond_the_smallest() -> None:
    """Nor behind the end of a stream that was cut."""
    with pytest.raises(DecodeError, match="0 to 5"):
        prefix_of(STREAM, 6)
    with pytest.raises(DecodeError, match="0 to 5"):
        decode_prefix(STREAM, 6, rows=150, columns=201)
    with pytest.raises(DecodeError, match="bytes"):
        prefix_of(STREAM[: HEADER + 12], 0)


def test_an_image_of_another_size_is_refused_before_it_is_decoded() -> None:
    """Whatever the stream claims."""
    with pytest.raises(DecodeError, match="201x150"):
        decode_prefix(STREAM, 1, rows=150, columns=200)
    huge = STREAM[:8] + struct.pack(">II", 60000, 60000)
    huge += STREAM[16:24] + struct.pack(">II", 60000, 60000) + STREAM[32:]
    with pytest.raises(DecodeError, match="at most"):
        decode_prefix(huge, 5, rows=60000, columns=60000)


# The binding of OpenJPH lets errors pass that it should hand on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_does_more_than_be_refused(data: st.DataObject) -> None:
    """Any byte changed, any end cut."""
    at = data.draw(st.integers(0, HEADER + 40))
    stream = bytearray(STREAM)
    stream[at] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    try:
        ends = resolution_offsets(cut)
        found = decode_prefix(cut, ends[0].reduction, rows=150, columns=201)
    except DecodeError:
        return
    assert found.shape[:2] == (5, 7)


def _file(name: str = "u12", coding: Coding = RPCL, frames: int = 1) -> bytes:
    facts = facts_of(name, rows=150, columns=201, frames=frames)
    bodies = [frame_of(facts, number) for number in range(frames)]
    out = BytesIO()
    transcode(BytesIO(file_of(facts, bodies)), out, coding)
    return out.getvalue()


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("reduction", [1, 2, 5])
def test_the_beginning_of_a_file_is_its_first_frame_at_a_size(frames: int, reduction: int) -> None:
    """As another decoder has that frame, and with one byte less not any more."""
    data = _file(frames=frames)
    size = beginning_bytes(BytesIO(data), reduction)
    stream = next(generate_frames(dcmread(BytesIO(data)).PixelData, number_of_frames=frames))

    samples, found = look_at(BytesIO(data[:size]))

    assert np.array_equal(samples, imagecodecs.htj2k_decode(stream, skipres=reduction))
    assert found.count == frames
    if reduction == 5:
        with pytest.raises(DecodeError):
            look_at(BytesIO(data[: size - 1]))
    else:
        assert look_at(BytesIO(data[: size - 1]))[0].shape < samples.shape


def test_an_image_too_small_to_be_halved_so_often_comes_at_its_smallest() -> None:
    """A beginning is asked for of a whole study, whatever is in it."""
    data = _file()
    assert beginning_bytes(BytesIO(data), 9) == beginning_bytes(BytesIO(data), 5)


def test_other_codings_have_no_first_look() -> None:
    """Neither has a file that is damaged."""
    jpeg_ls = Coding(syntax=Uid("1.2.840.10008.1.2.4.80"))
    for data in (_file(coding=jpeg_ls), _file()[:600]):
        with pytest.raises(DecodeError):
            beginning_bytes(BytesIO(data), 1)
        with pytest.raises(DecodeError):
            look_at(BytesIO(data))
