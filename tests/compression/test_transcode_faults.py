"""Sources that cannot be what they say, and codecs that do not bring back what they took."""

from __future__ import annotations

import dataclasses
import io
import struct

import imagecodecs
import numpy as np
import pytest

from gateway.compression import transcode as module
from gateway.compression.guards import NotFaithful
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS_RPCL,
    JPEG_LS_LOSSLESS,
    JPEG_XL_LOSSLESS,
    LOSSLESS_WRITTEN,
)
from gateway.compression.transcode import transcode
from gateway.domain.delivery_plan import Coding
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.frames import Samples
from gateway.wire.problems import DecodeError, EncodeError
from tests.compression.pixels import facts_of, frame_of
from tests.compression.renditions import coding_of, file_of, rendered
from tests.dicom_images import JPEG, bundled, encapsulated, even, make_file

RPCL = coding_of(HTJ2K_LOSSLESS_RPCL)
FACTS = facts_of("u12")
STREAM = even(bytes(imagecodecs.jpegls_encode(frame_of(FACTS))))


@pytest.mark.parametrize("syntax", sorted(LOSSLESS_WRITTEN - {EXPLICIT_LITTLE_ENDIAN}))
def test_a_codec_that_brings_back_other_pixels_is_found_out(
    syntax: Uid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sample of one frame is enough."""
    true = module.encode_frame

    def wrong(samples: Samples, coding: Coding, facts: PixelFacts) -> bytes:
        other = samples.copy()
        other[3, 4] ^= 1
        return true(other, coding, facts)

    monkeypatch.setattr(module, "encode_frame", wrong)
    with pytest.raises(NotFaithful, match="frame 1: found 1 samples changed"):
        rendered(file_of(FACTS), coding_of(syntax))


def test_a_code_stream_that_cannot_be_decoded_is_not_faithful(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As libjxl once wrote them."""
    true = module.encode_frame
    monkeypatch.setattr(module, "encode_frame", lambda *given: true(*given)[:60])
    with pytest.raises(NotFaithful, match="expected its pixels"):
        rendered(file_of(FACTS), coding_of(JPEG_XL_LOSSLESS))


def test_an_encoder_that_fails_says_which_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it said."""

    def fails(*_given: object, **_options: object) -> bytes:
        raise RuntimeError("no more room")

    monkeypatch.setattr(imagecodecs, "jpegls_encode", fails)
    with pytest.raises(EncodeError, match=r"frame 1: the encoder .* no more room"):
        rendered(file_of(FACTS), coding_of(JPEG_LS_LOSSLESS))


def compressed(pixels: bytes, **values: object) -> bytes:
    """A JPEG-LS file with these fragments."""
    return file_of(FACTS, syntax=JPEG + "80", PixelData=pixels, **values)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (compressed(encapsulated([STREAM[:60] + bytes(200)])), "frame"),
        (compressed(encapsulated([STREAM[: len(STREAM) // 2]])), "frame"),
        (compressed(encapsulated([STREAM]), NumberOfFrames=2), "1 fragments"),
        (compressed(encapsulated([STREAM, STREAM, STREAM]), NumberOfFrames=2), "fragments"),
        (compressed(encapsulated([STREAM]), NumberOfFrames=2_000_000_000), "room for"),
        (compressed(encapsulated([STREAM]), Rows=40), "instead of"),
        (compressed(encapsulated([])), "0 fragments"),
        (compressed(encapsulated([STREAM], [0]), Rows=60000, Columns=60000), "at most"),
        (file_of(FACTS, Rows=0), "Rows"),
        (file_of(FACTS, Rows=32000, Columns=32000), "pixel data"),
        (file_of(FACTS, NumberOfFrames=10_000), "pixel data"),
        (file_of(FACTS, BitsAllocated=12), "Bits Allocated"),
        (file_of(FACTS, PixelData=b"\0\0"), "found 2 bytes"),
        (file_of(FACTS)[:-500], "frame 1: found 3422 bytes"),
        (b"nothing of the kind", "file"),
    ],
)
def test_a_source_that_is_not_what_it_says_is_named(source: bytes, complaint: str) -> None:
    """Where, found and expected."""
    with pytest.raises(DecodeError, match=complaint) as raised:
        rendered(source, RPCL)
    assert raised.value.where
    assert raised.value.expected


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (file_of(FACTS, [frame_of(FACTS) + np.uint16(4096)]), "as 12 bits are stored"),
        (file_of(dataclasses.replace(FACTS, bits_stored=10), [frame_of(FACTS)]), "as 10 bits"),
        (file_of(FACTS, BitsStored=20), "20 bits stored of 16"),
        (file_of(FACTS, PhotometricInterpretation="CIELAB"), "CIELAB"),
        (bundled("liver_1frame.dcm"), "8 or 16 bits"),
        (bundled("rtdose_1frame.dcm"), "8 or 16 bits"),
        (make_file(), "no pixel data"),
    ],
)
def test_pixels_that_no_code_stream_holds_are_refused(source: bytes, complaint: str) -> None:
    """In words."""
    with pytest.raises((EncodeError, DecodeError), match=complaint):
        rendered(source, RPCL)


def test_an_unknown_syntax_is_refused_either_way() -> None:
    """Of the source, and of the coding."""
    video = file_of(FACTS, syntax=JPEG + "102", PixelData=encapsulated([STREAM]))
    with pytest.raises(DecodeError, match="video"):
        rendered(video, RPCL)
    with pytest.raises(EncodeError, match="is not written here"):
        rendered(file_of(FACTS), Coding(syntax=Uid(JPEG + "70")))


def test_a_file_that_claims_much_costs_little() -> None:
    """Two gibibytes of pixels in two kibibytes are refused unread, and nothing is written."""
    source = bytearray(file_of(FACTS, PixelData=bytes(64), Rows=32000, Columns=32000))
    at = source.rindex(struct.pack("<HH", 0x7FE0, 0x0010)) + 8
    source[at : at + 4] = struct.pack("<I", 32000 * 32000 * 2)
    out = io.BytesIO()

    with pytest.raises(DecodeError, match="frame 1"):
        transcode(io.BytesIO(bytes(source)), out, RPCL)
    assert out.tell() < 4096
