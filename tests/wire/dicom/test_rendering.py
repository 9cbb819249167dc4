"""Rendering parameters in both directions, and what is wrong with them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.dicom.rendering import (
    MAX_VIEWPORT,
    Annotation,
    Profile,
    Rendering,
    Viewport,
    Window,
    WindowFunction,
    parse_rendering,
    write_rendering,
)
from gateway.wire.problems import DecodeError


@pytest.mark.parametrize(
    ("query", "rendering"),
    [
        ("", Rendering()),
        ("quality=80", Rendering(quality=80)),
        ("viewport=512,256", Rendering(viewport=Viewport(width=512, height=256))),
        (
            "viewport=512,256.5,10,20,-100,200",
            Rendering(
                viewport=Viewport(
                    width=512, height=256.5, left=10, top=20, region_width=-100, region_height=200
                )
            ),
        ),
        (
            "viewport=512,256,,,-100,",
            Rendering(viewport=Viewport(width=512, height=256, region_width=-100)),
        ),
        (
            "window=-40.5,400,linear-exact",
            Rendering(window=Window(centre=-40.5, width=400, function=WindowFunction.LINEAR_EXACT)),
        ),
        (
            "annotation=patient,technique",
            Rendering(annotations=(Annotation.PATIENT, Annotation.TECHNIQUE)),
        ),
        ("quality=1&iccprofile=srgb", Rendering(quality=1, profile=Profile.SRGB)),
    ],
)
def test_parameters_are_read_and_written(query: str, rendering: Rendering) -> None:
    """Each as the standard prints it."""
    assert parse_rendering(query) == rendering
    assert write_rendering(rendering) == query


def test_an_empty_region_means_the_whole() -> None:
    """Commas without numbers between them."""
    whole = Viewport(width=512, height=256)

    assert parse_rendering("viewport=512,256,,,,").viewport == whole


def test_case_blanks_and_escapes_do_not_matter() -> None:
    """As browsers and people write them."""
    found = parse_rendering("?Window=40%2C%20400%2CSIGMOID&accept=image/png&annotation=Patient,")

    assert found == Rendering(
        window=Window(centre=40, width=400, function=WindowFunction.SIGMOID),
        annotations=(Annotation.PATIENT,),
    )


@pytest.mark.parametrize(
    "query",
    [
        *(
            "quality=0",
            "quality=101",
            "quality=x",
            "quality=",
            "quality=1.5",
            "quality=1&quality=1",
        ),
        *("viewport=", "viewport=1", "viewport=1,2,3", "viewport=0,1", "viewport=-1,1"),
        *("viewport=1,2,3,4,5", "viewport=1,2,3,4,5,6,7", "viewport=,", "viewport=1e3,1"),
        *(
            f"viewport={MAX_VIEWPORT + 1},1",
            "viewport=1,2,3,4,0,5",
            "viewport=nan,1",
            "viewport=1,x",
        ),
        *("window=1,2", "window=1,0,linear", "window=1,2,cubic", "window=x,2,linear"),
        *("annotation=all", "iccprofile=cmyk", "iccprofile="),
    ],
)
def test_what_is_no_value_is_an_error(query: str) -> None:
    """With the parameter as its place."""
    with pytest.raises(DecodeError, match="query, " + query.partition("=")[0]):
        parse_rendering(query)


def test_a_thumbnail_has_a_size_and_nothing_else() -> None:
    """In whole numbers."""
    size = Viewport(width=64, height=48)

    assert parse_rendering("viewport=64,48&accept=x", thumbnail=True).viewport == size
    for query in ("viewport=64.5,48", "viewport=64,48,,,,", "quality=5", "window=1,2,linear"):
        with pytest.raises(DecodeError, match="query"):
            parse_rendering(query, thumbnail=True)


@settings(deadline=None)
@given(st.sampled_from(["quality", "viewport", "window", "annotation"]), st.text(max_size=30))
def test_any_value_is_read_or_refused(name: str, text: str) -> None:
    """What is read is what would be written."""
    with suppress(DecodeError):
        found = parse_rendering(f"{name}={text}")

        assert parse_rendering(write_rendering(found)).quality == found.quality
