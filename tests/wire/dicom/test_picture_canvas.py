"""Pictures are cut, scaled, written on and encoded, and other decoders read them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from gateway.domain import ExchangeError, Refusal
from gateway.wire.dicom import picture_canvas
from gateway.wire.dicom.picture_canvas import ENCODERS, annotated, encoded, fitted
from gateway.wire.dicom.rendering import Viewport

GREY = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


def view(width: float, height: float, *region: float | None) -> Viewport:
    """A viewport, perhaps with a region."""
    left, top, region_width, region_height = region or (None,) * 4
    return Viewport(
        width=width,
        height=height,
        left=left,
        top=top,
        region_width=region_width,
        region_height=region_height,
    )


@pytest.mark.parametrize("picture", [GREY, COLOUR])
@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        *((60, 40, (40, 60)), (30, 40, (20, 30)), (600, 20, (20, 30)), (120, 300, (80, 120))),
        *((1, 1, (1, 1)), (7.5, 100, (5, 8)), (0.4, 0.4, (1, 1))),
    ],
)
def test_a_picture_is_as_large_as_it_fits(
    picture: np.ndarray, width: float, height: float, expected: tuple[int, int]
) -> None:
    """Its proportions are kept; smaller ones grow."""
    assert fitted(picture, view(width, height)).shape == expected + picture.shape[2:]


@pytest.mark.parametrize("picture", [GREY, COLOUR])
def test_a_smaller_picture_shows_the_mean_of_each_area(picture: np.ndarray) -> None:
    """Of four by four pixels here, so that nothing thin is lost."""
    found = fitted(picture, view(15, 10))

    means = picture.reshape(10, 4, 15, 4, -1).mean(axis=(1, 3)).reshape(found.shape)
    assert np.abs(found - means).max() <= 1


def test_a_larger_picture_lies_between_its_pixels() -> None:
    """Linear, with no value that was not there."""
    found = fitted(np.array([[0, 100]], np.uint8), view(8, 4))

    assert found[0].tolist() == sorted(found[0].tolist())
    assert (found.min(), found.max()) == (0, 100)
    assert found[0, 3] == pytest.approx(37.5, abs=0.5)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ((10, 5, 20, 30), GREY[5:35, 10:30]),
        ((10, 5, -20, 30), GREY[5:35, 10:30][:, ::-1]),
        ((10, 5, 20, -30), GREY[5:35, 10:30][::-1]),
        ((10, 5, -20, -30), GREY[5:35, 10:30][::-1, ::-1]),
        ((10, 5, None, None), GREY[5:, 10:]),
        ((None, None, 20, 30), GREY[:30, :20]),
        ((None, None, -60, None), GREY[:, ::-1]),
        ((50, 30, 100, 100), GREY[30:, 50:]),
        ((-5, -5, 15, 15), GREY[:10, :10]),
    ],
)
def test_a_region_is_cut_out_and_turned(
    region: tuple[float | None, ...], expected: np.ndarray
) -> None:
    """What lies beyond the picture is left away."""
    rows, columns = expected.shape

    assert np.array_equal(fitted(GREY, view(columns, rows, *region)), expected)


@pytest.mark.parametrize("region", [(60, 0, 5, 5), (0, 40, 5, 5), (-9, 0, 5, 5)])
def test_a_region_outside_of_the_picture_is_refused(region: tuple[float, ...]) -> None:
    """There is nothing to show."""
    with pytest.raises(ExchangeError, match="outside of the image of 60 by 40") as caught:
        fitted(GREY, view(10, 10, *region))

    assert caught.value.refusal is Refusal.MALFORMED_REQUEST


def test_a_picture_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is made."""
    with pytest.raises(ExchangeError, match="smaller viewport") as caught:
        fitted(GREY, view(16_384, 16_384))
    assert caught.value.refusal is Refusal.TOO_MANY_RESULTS

    monkeypatch.setattr(picture_canvas, "MAX_SIDE", 100)
    with pytest.raises(ExchangeError, match="side beyond 100"):
        fitted(GREY, view(150, 100))


@pytest.mark.parametrize("picture", [GREY, COLOUR])
@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif"])
def test_what_is_encoded_is_read_by_another_decoder(picture: np.ndarray, media_type: str) -> None:
    """PNG exactly, GIF with grey exactly, the others closely."""
    data = encoded(picture, media_type, 95)

    image = Image.open(io.BytesIO(data))
    found = np.asarray(image.convert("L" if picture.ndim == 2 else "RGB"))
    assert image.get_format_mimetype() == media_type
    exact = media_type == "image/png" or (media_type == "image/gif" and picture.ndim == 2)
    assert np.abs(found.astype(int) - picture).mean() <= (0 if exact else 8)
    assert media_type in ENCODERS


def test_quality_decides_the_size_of_a_jpeg_alone() -> None:
    """From 1 to 100; of a PNG it changes nothing."""
    noise = np.random.default_rng(1).integers(0, 256, (64, 64)).astype(np.uint8)

    sizes = [len(encoded(noise, "image/jpeg", quality)) for quality in (1, 50, 90, 100)]

    assert sizes == sorted(set(sizes))
    assert encoded(noise, "image/jpeg") == encoded(noise, "image/jpeg", 90)
    assert encoded(noise, "image/png", 1) == encoded(noise, "image/png", 100)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_lines_are_burned_in_above_and_below(channels: tuple[int, ...]) -> None:
    """White with a dark edge; the middle of the picture stays as it was."""
    picture = np.full((200, 300, *channels), 128, np.uint8)

    found = annotated(picture, ["Ελένη Παπαδοπούλου", "12345"], ["CT 2024-05-06"])

    changed = np.argwhere(found != picture)[:, 0]
    assert changed.min() < 12
    assert changed.max() > 190
    assert not ((changed > 40) & (changed < 170)).any()
    assert (found.min(), found.max() > 220) == (0, True)
    assert found.shape == picture.shape


@pytest.mark.parametrize("name", ["Ελένη", "Олена", "Łucja", "Šárka"])
def test_letters_of_the_continent_are_drawn(name: str) -> None:
    """Each as itself: not as the box that stands for a letter the font does not have."""
    blank = np.full((60, 300), 128, np.uint8)
    boxes = "\u0378" * len(name)

    drawn = [annotated(blank, [text], ()) for text in (name, name[::-1], boxes)]

    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_a_long_line_shrinks_to_the_width_of_the_picture() -> None:
    """As far as letters can be read; what still does not fit is cut."""
    wide = np.full((1000, 300), 128, np.uint8)
    tiny = np.full((8, 8), 128, np.uint8)

    found = annotated(wide, ["m" * 24], ())

    columns = np.argwhere(found != wide)[:, 1]
    assert columns.max() < 299
    assert annotated(tiny, ["m" * 500], ["x"]).shape == (8, 8)


def test_without_lines_a_picture_stays_as_it_is() -> None:
    """The very same."""
    assert annotated(GREY, (), ()) is GREY
