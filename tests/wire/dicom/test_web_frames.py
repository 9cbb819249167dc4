"""Frames go in the media type that is accepted: uncompressed, or as they are stored."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, ExchangeError, Refusal, Uid
from gateway.wire.dicom.accept import NotAcceptable, parse_accept
from gateway.wire.dicom.stored_frames import NoPixels
from gateway.wire.dicom.web_frames import FrameForm, choose_frames, frames_of
from gateway.wire.problems import DecodeError
from tests.dicom_images import BIG, JPEG, RLE, bundled, encapsulated, image_of

OCTETS = "application/octet-stream"
PARTS = 'multipart/related; type="application/octet-stream"'
EXPLICIT = EXPLICIT_LITTLE_ENDIAN
JLS, NEAR, J2K = Uid(JPEG + "80"), Uid(JPEG + "81"), Uid(JPEG + "90")


def chosen(header: str, stored: str, *, can_decode: bool = True, alone: bool = False) -> FrameForm:
    """The form that an Accept header gets."""
    return choose_frames(parse_accept(header), Uid(stored), can_decode=can_decode, alone=alone)


@pytest.mark.parametrize(
    ("header", "stored", "expected"),
    [
        ("", JLS, (OCTETS, EXPLICIT)),
        ("*/*", JLS, (OCTETS, EXPLICIT)),
        ("multipart/related", JLS, (OCTETS, EXPLICIT)),
        (PARTS, JLS, (OCTETS, EXPLICIT)),
        (PARTS, BIG, (OCTETS, EXPLICIT)),
        (PARTS + "; transfer-syntax=1.2.840.10008.1.2.1", JLS, (OCTETS, EXPLICIT)),
        (PARTS + "; transfer-syntax=*", JLS, (OCTETS, JLS)),
        (PARTS + "; transfer-syntax=*", BIG, (OCTETS, EXPLICIT)),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", J2K, (OCTETS, J2K)),
        ('multipart/related; type="image/jls"', JLS, ("image/jls", JLS)),
        (f'multipart/related; type="image/jls"; transfer-syntax={NEAR}', NEAR, ("image/jls", NEAR)),
        ('multipart/related; type="image/jls"; transfer-syntax=*', NEAR, ("image/jls", NEAR)),
        ('multipart/related; type="image/*"', J2K, ("image/jp2", J2K)),
        ("multipart/related; transfer-syntax=*", J2K, ("image/jp2", J2K)),
        (f"multipart/related; transfer-syntax={NEAR}", NEAR, ("image/jls", NEAR)),
        (f'multipart/related; type="image/jls", {PARTS}; q=0.5', JLS, ("image/jls", JLS)),
        (f'multipart/related; type="image/jls", {PARTS}; q=0.5', J2K, (OCTETS, EXPLICIT)),
        (f'multipart/related; type="image/jls"; q=0.2, {PARTS}', JLS, (OCTETS, EXPLICIT)),
        (f"multipart/related; q=0.5, {PARTS}; q=0", JLS, None),
        ('multipart/related; type="image/jls"', NEAR, None),
        ('multipart/related; type="image/jls"', J2K, None),
        ('multipart/related; type="image/jls"', EXPLICIT, None),
        (f"{PARTS}; transfer-syntax={JLS}", J2K, None),
        ('multipart/related; type="application/dicom"', JLS, None),
        ("application/octet-stream", JLS, None),
        ("image/jls", JLS, None),
        (PARTS + "; q=0", JLS, None),
    ],
)
def test_the_accepted_form_is_chosen(
    header: str, stored: str, expected: tuple[str, Uid] | None
) -> None:
    """A media type without a transfer syntax means its default one, not any of its own."""
    if expected is None:
        with pytest.raises(NotAcceptable, match="offered"):
            chosen(header, stored)
    else:
        form = chosen(header, stored)
        assert (form.media_type, form.transfer_syntax, form.multipart) == (*expected, True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/octet-stream", (OCTETS, EXPLICIT, False)),
        ("application/octet-stream; transfer-syntax=*", (OCTETS, JLS, False)),
        ("image/jls", ("image/jls", JLS, False)),
        ("image/*", ("image/jls", JLS, False)),
        ("image/jls, application/octet-stream", ("image/jls", JLS, False)),
        ("*/*", (OCTETS, EXPLICIT, True)),
        (f"{PARTS}; q=0.9, application/octet-stream; q=0.8", (OCTETS, EXPLICIT, True)),
        (f"{PARTS}; q=0.8, application/octet-stream; q=0.9", (OCTETS, EXPLICIT, False)),
    ],
)
def test_a_single_frame_may_go_without_a_multipart(
    header: str, expected: tuple[str, Uid, bool]
) -> None:
    """For exactly one frame, and where it is asked for."""
    form = chosen(header, JLS, alone=True)

    assert (form.media_type, form.transfer_syntax, form.multipart) == expected


def test_what_cannot_be_decoded_goes_as_it_is_stored() -> None:
    """To clients that take anything; to others it is not acceptable."""
    part_2 = JPEG + "92"

    assert chosen("*/*", part_2, can_decode=False).media_type == "image/jpx"
    assert chosen("", part_2, can_decode=False).transfer_syntax == part_2
    with pytest.raises(NotAcceptable):
        chosen(PARTS, part_2, can_decode=False)


@pytest.mark.parametrize("number", ["100", "102.1", "107"])
def test_video_has_no_frames_to_send(number: str) -> None:
    """It is a stream of its own, whatever is accepted."""
    with pytest.raises(NotAcceptable, match="video"):
        chosen("*/*", JPEG + number)


@pytest.mark.parametrize(
    ("number", "media"),
    [
        *(("70", "image/jpeg"), ("80", "image/jls"), ("90", "image/jp2"), ("92", "image/jpx")),
        *(("201", "image/jphc"), ("110", "image/jxl")),
    ],
)
def test_every_media_type_has_its_default_syntax(number: str, media: str) -> None:
    """PS3.18 table 8.7.3-2."""
    form = chosen(f'multipart/related; type="{media}"', JPEG + number)

    assert form.media_type == media
    assert chosen('multipart/related; type="image/dicom-rle"', RLE).media_type == "image/dicom-rle"


def test_frames_come_in_the_order_asked_for() -> None:
    """One may be asked for twice; each is what pydicom decodes."""
    expected = pydicom.dcmread(io.BytesIO(bundled("rtdose_rle.dcm"))).pixel_array

    answer = frames_of(bundled("rtdose_rle.dcm"), (3, 1, 3), ())

    assert [bytes(frame) for frame in answer.frames] == [
        expected[index].tobytes() for index in (2, 0, 2)
    ]
    assert answer.content_type == f"{OCTETS}; transfer-syntax={EXPLICIT}"
    assert (len(answer.frames), len(answer.frames[1:]), answer.multipart) == (3, 2, True)


def test_all_frames_can_be_asked_for() -> None:
    """As pixel data of an instance are."""
    ds = pydicom.dcmread(io.BytesIO(bundled("examples_ybr_color.dcm")))
    accept = parse_accept(PARTS + "; transfer-syntax=*")

    answer = frames_of(io.BytesIO(bundled("examples_ybr_color.dcm")), None, accept)

    assert list(answer.frames) == list(generate_frames(ds.PixelData, number_of_frames=30))
    assert answer.content_type == f"{OCTETS}; transfer-syntax={JPEG}50"


def test_a_single_frame_of_odd_length_is_not_padded() -> None:
    """27 bytes of an image of 3 by 3."""
    answer = frames_of(bundled("SC_rgb_small_odd.dcm"), (1,), parse_accept(OCTETS))

    assert [len(frame) for frame in answer.frames] == [27]
    assert not answer.multipart


def test_decoded_colours_are_arranged_as_the_header_says() -> None:
    """Planes where the metadata of the instance speak of planes."""
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    planes = np.moveaxis(pixels, -1, 0)
    segments = [bytes([15]) + bytes(plane.reshape(-1)) + b"\0" for plane in planes]
    starts = (64, 64 + 18, 64 + 36)
    segments = [segment + b"\x80"[: len(segment) % 2] for segment in segments]
    head = np.array([3, *starts, *[0] * 12], "<u4").tobytes()
    value = encapsulated([head + b"".join(segments)])

    for planar, expected in ((0, pixels), (1, planes)):
        data = image_of(pixels, RLE, PlanarConfiguration=planar, PixelData=value)
        assert list(frames_of(data, (1,), ()).frames) == [expected.tobytes()]


@pytest.mark.parametrize("numbers", [(2,), (1, 2), (0,), ()])
def test_a_frame_that_is_not_there_is_unknown(numbers: tuple[int, ...]) -> None:
    """Also one among others that are."""
    with pytest.raises(ExchangeError, match="has 1 frame, no") as caught:
        frames_of(bundled("CT_small.dcm"), numbers, ())

    assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


def test_an_instance_without_pixel_data_has_no_frames() -> None:
    """Whatever is accepted."""
    with pytest.raises(NoPixels, match="no pixel data"):
        frames_of(bundled("rtplan.dcm"), (1,), parse_accept("image/jls"))


def test_a_damaged_frame_is_an_error_when_it_is_looked_at() -> None:
    """The others can be had."""
    frames = [b"\xff\xd8\xff\xd9", b"abcd"]
    data = image_of(
        np.zeros((4, 4), np.uint8), JLS, NumberOfFrames=2, PixelData=encapsulated(frames)
    )
    accept = parse_accept(PARTS + "; transfer-syntax=*")

    assert list(frames_of(data, None, accept).frames) == frames
    answer = frames_of(data, None, ())
    with pytest.raises(DecodeError, match="frame"):
        answer.frames[0]
