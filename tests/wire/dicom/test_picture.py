"""A picture shows the frame that is asked for, as it is asked for, or says why not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from gateway.domain import ExchangeError, Refusal
from gateway.wire.dicom import picture_canvas
from gateway.wire.dicom.accept import NotAcceptable, parse_accept
from gateway.wire.dicom.picture import (
    PICTURES,
    THUMBNAIL_SIDE,
    Picture,
    choose_picture,
    picture_of,
    shades_of,
    thumbnail_of,
)
from gateway.wire.dicom.rendering import Rendering, parse_rendering
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.problems import DecodeError
from tests.dicom_images import (
    ENCAPSULATED_PDF,
    JPEG,
    bundled,
    encapsulated,
    image_of,
    make_file,
    watched,
)

PNG = parse_accept("image/png")
LEVELS = [10, 60, 110, 160, 210]


def shown(picture: Picture) -> np.ndarray:
    """The samples of a picture, as another decoder reads them."""
    return np.asarray(Image.open(io.BytesIO(picture.data)))


def rendered(data: bytes, query: str = "", frame: int | None = None) -> np.ndarray:
    """A picture by its query, without loss."""
    return shown(picture_of(data, parse_rendering(query), PNG, frame))


def levels(**more: Any) -> bytes:
    """Five frames, each of another grey."""
    pixels = np.stack([np.full((6, 9), level, np.uint8) for level in LEVELS])
    return image_of(pixels[0], NumberOfFrames=5, PixelData=pixels.tobytes(), **more)


def test_a_picture_is_what_pydicom_would_show() -> None:
    """A magnetic resonance image in its window, and colours as they are."""
    ds = pydicom.dcmread(io.BytesIO(bundled("MR_small.dcm")))
    expected = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
    expected = (expected + 32768) / 65535 * 255

    assert np.abs(rendered(bundled("MR_small.dcm")) - expected).max() <= 1
    colours = pydicom.dcmread(io.BytesIO(bundled("SC_rgb_rle.dcm"))).pixel_array
    assert np.array_equal(rendered(bundled("SC_rgb_rle.dcm")), colours)


def test_a_picture_is_a_jpeg_unless_another_type_is_accepted() -> None:
    """With the quality that is asked for."""
    data = bundled("SC_rgb_rle.dcm")

    best = picture_of(data, parse_rendering("quality=100"))
    worst = picture_of(data, parse_rendering("quality=5"))

    assert best.media_type == "image/jpeg"
    assert Image.open(io.BytesIO(best.data)).format == "JPEG"
    assert len(worst.data) < len(best.data)
    expected = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype(int)
    assert np.abs(shown(best) - expected).mean() < 4


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        *(("", "image/jpeg"), ("*/*", "image/jpeg"), ("image/*", "image/jpeg")),
        *(("image/png", "image/png"), ("image/gif", "image/gif")),
        ("image/png; q=0.5, image/gif; q=0.6", "image/gif"),
        ("text/html, image/png;q=0.9, */*;q=0.1", "image/png"),
        ("image/*, image/jpeg; q=0", "image/png"),
        ("image/webp, image/png, image/*;q=0.8", "image/png"),
        ("application/dicom", None),
        ("image/jp2", None),
        ("image/*; q=0", None),
        ('multipart/related; type="image/jpeg"', None),
    ],
)
def test_the_type_of_a_picture_is_chosen_by_what_is_accepted(
    header: str, expected: str | None
) -> None:
    """By quality, then by place, then JPEG first."""
    if expected is None:
        with pytest.raises(NotAcceptable, match="image/jpeg or image/png or image/gif"):
            choose_picture(parse_accept(header))
    else:
        assert choose_picture(parse_accept(header)) == expected
        assert expected in PICTURES


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "image/jpeg"),
        ('multipart/related; type="image/png"', "image/png"),
        ("multipart/related", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/png", None),
    ],
)
def test_pictures_of_several_instances_go_in_parts(header: str, expected: str | None) -> None:
    """There the type of the parts counts."""
    if expected is None:
        with pytest.raises(NotAcceptable):
            choose_picture(parse_accept(header), parts=True)
    else:
        assert choose_picture(parse_accept(header), parts=True) == expected


def test_without_a_number_it_is_the_first_frame() -> None:
    """With one, that frame."""
    assert set(rendered(levels()).flat) == {10}
    for number, level in enumerate(LEVELS, 1):
        assert set(rendered(levels(), frame=number).flat) == {level}


def test_the_thumbnail_shows_the_frame_in_the_middle() -> None:
    """Which shows more than the first; a number outranks it."""
    assert set(shown(thumbnail_of(levels(), Rendering(), PNG)).flat) == {110}
    assert set(shown(thumbnail_of(levels(), Rendering(), PNG, 5)).flat) == {210}


@pytest.mark.parametrize(
    ("shape", "query", "expected"),
    [
        ((1000, 500), "", (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 2)),
        ((20, 30), "", (20, 30)),
        ((20, 30), "viewport=60,60", (40, 60)),
        ((1000, 500), "viewport=50,200", (100, 50)),
    ],
)
def test_a_thumbnail_is_small(
    shape: tuple[int, int], query: str, expected: tuple[int, int]
) -> None:
    """It grows only for a viewport that is asked for."""
    data = image_of(np.zeros(shape, np.uint8))

    found = thumbnail_of(data, parse_rendering(query, thumbnail=True), PNG)

    assert shown(found).shape == expected


def test_the_window_that_is_asked_for_outranks_that_of_the_file() -> None:
    """In units of the modality; colours have none."""
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    data = image_of(
        pixels, RescaleSlope="2", RescaleIntercept="-10", WindowCenter="1", WindowWidth="1"
    )

    found = rendered(data, "window=50,20,linear-exact")

    expected = np.clip((pixels * 2.0 - 10 - 50) / 20 + 0.5, 0, 1) * 255
    assert np.abs(found - expected).max() <= 1
    colour = bundled("SC_rgb_rle.dcm")
    assert np.array_equal(rendered(colour, "window=5,2,linear"), rendered(colour))


def test_a_viewport_shows_a_region_turned_and_scaled() -> None:
    """The left half of the image, mirrored, at twice its size."""
    pixels = np.zeros((10, 20), np.uint8)
    pixels[:, :2], pixels[:, 10:] = 200, 90

    found = rendered(image_of(pixels), "viewport=20,20,0,0,-10,10")

    assert found.shape == (20, 20)
    assert set(found[:, -2:].flat) == {200}
    assert not found[:, :14].any()


def test_who_and_what_is_burned_in_where_it_is_asked_for() -> None:
    """The patient above, the technique below; neither unless it is asked for."""
    data = image_of(
        np.full((300, 300), 128, np.uint8),
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Παπαδοπούλου^Ελένη",
        PatientID="P-77",
        PatientBirthDate="19700102",
        PatientSex="F",
        StudyDate="20240506",
        SeriesDescription="Thorax",
        SeriesNumber="2",
        InstanceNumber="5",
    )
    plain = rendered(data)

    above, below, both = (
        np.argwhere(rendered(data, f"annotation={asked}") != plain)[:, 0]
        for asked in ("patient", "technique", "patient,technique")
    )

    assert set(plain.flat) == {128}
    assert above.max() < 60
    assert below.min() > 240
    assert len(both) == len(above) + len(below)


def test_nothing_is_burned_in_where_nothing_is_known() -> None:
    """An instance that says neither who nor what."""
    data = image_of(np.full((64, 64), 128, np.uint8), Modality="")

    assert np.array_equal(rendered(data, "annotation=patient,technique"), rendered(data))


@pytest.mark.parametrize("profile", ["yes", "srgb", "adobergb", "rommrgb"])
def test_a_colour_profile_is_refused(profile: str) -> None:
    """None is put into a picture; `no` is what everybody gets."""
    with pytest.raises(ExchangeError, match="without a colour profile") as caught:
        rendered(levels(), f"iccprofile={profile}")

    assert caught.value.refusal is Refusal.UNSUPPORTED
    assert rendered(levels(), "iccprofile=no").shape == (6, 9)


@pytest.mark.parametrize("number", [0, 6, -1])
def test_a_frame_that_is_not_there_is_unknown(number: int) -> None:
    """Rendered, and as a thumbnail."""
    for function in (picture_of, thumbnail_of):
        with pytest.raises(ExchangeError, match="5 frames") as caught:
            function(levels(), Rendering(), PNG, number)
        assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "waveform_ecg.dcm"])
def test_what_is_no_image_makes_no_picture(name: str) -> None:
    """A report, a plan, a curve."""
    for function in (picture_of, thumbnail_of):
        with pytest.raises(NoPixels, match="has no pixel data"):
            function(bundled(name), Rendering())


def test_a_pdf_is_rendered_as_itself() -> None:
    """To those who accept it; it has neither frames nor a thumbnail."""
    data = make_file(
        sop_class=ENCAPSULATED_PDF,
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=b"%PDF-1.7",
    )

    for header in ("", "*/*", "application/pdf", "application/*", "image/png, application/pdf"):
        found = picture_of(data, Rendering(), parse_accept(header))
        assert (found.media_type, found.data) == ("application/pdf", b"%PDF-1.7")
    with pytest.raises(NotAcceptable, match="offered as application/pdf"):
        picture_of(data, Rendering(), PNG)
    with pytest.raises(NoPixels):
        picture_of(data, Rendering(), (), 1)
    with pytest.raises(NoPixels):
        thumbnail_of(data, Rendering())


def test_a_document_of_another_kind_makes_no_picture() -> None:
    """A clinical document has a style of its own, which is not known here."""
    data = make_file(MIMETypeOfEncapsulatedDocument="text/xml", EncapsulatedDocument=b"<a/>")

    with pytest.raises(NoPixels):
        picture_of(data, Rendering())


@pytest.mark.parametrize("number", ["102", "92"])
def test_pixels_without_a_decoder_make_no_picture(number: str) -> None:
    """Video, and what has no decoder: not acceptable, with the reason."""
    data = image_of(np.zeros((4, 4), np.uint8), JPEG + number, PixelData=encapsulated([b"abcd"]))

    with pytest.raises(NotAcceptable, match=r"no picture here: (video|JPEG 2000 part 2)"):
        picture_of(data, Rendering())


def test_a_picture_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the size of the image itself, unless a smaller one is asked for."""
    monkeypatch.setattr(picture_canvas, "MAX_PICTURE_PIXELS", 50)

    with pytest.raises(ExchangeError, match="9 by 6 pixels") as caught:
        picture_of(levels(), Rendering())
    assert caught.value.refusal is Refusal.TOO_MANY_RESULTS
    assert rendered(levels(), "viewport=6,6").shape == (4, 6)


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"])
def test_a_damaged_image_is_an_error(name: str) -> None:
    """Cut off, or with a code stream that is none."""
    with pytest.raises(DecodeError):
        picture_of(bundled(name), Rendering())


def test_one_frame_of_many_is_read() -> None:
    """Of an open file; the others are left where they are."""
    pixels = np.zeros((64, 64), np.uint8)
    file, watch = watched(image_of(pixels, NumberOfFrames=900, PixelData=bytes(4096 * 900)))

    picture_of(file, Rendering(), PNG, 900)

    assert watch.read_bytes < 40_000


def test_shades_are_grey_or_in_colour() -> None:
    """Two dimensions or three."""
    assert shades_of(StoredFrames(bundled("CT_small.dcm")), 1).shape == (128, 128)
    assert shades_of(StoredFrames(bundled("examples_palette.dcm")), 1).shape == (350, 800, 3)
