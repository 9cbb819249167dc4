"""Lines by name and in plain letters: read, written, refused with what is expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.model import LaneShape, LinkShape, ShapeError
from gateway.link.profiles import PROFILES, in_words, parse_profile, plain_form


def alike(**values: float | None) -> LinkShape:
    """The same in both directions."""
    lane = LaneShape(**values)  # type: ignore[arg-type]
    return LinkShape(up=lane, down=lane)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("512kbit", alike(bits_per_second=512e3)),
        (
            "8mbit/80ms",
            alike(bits_per_second=8e6, latency_seconds=0.04),
        ),
        (
            " 10MBIT/80ms/20ms ",
            alike(bits_per_second=10e6, latency_seconds=0.04, jitter_seconds=0.01),
        ),
        ("1.5gbit/0.6s", alike(bits_per_second=1.5e9, latency_seconds=0.3)),
        ("unlimited/80ms", alike(latency_seconds=0.04)),
        ("2000bit", alike(bits_per_second=2e3)),
    ],
)
def test_the_plain_form_is_read(text: str, shape: LinkShape) -> None:
    """The round trip and the jitter are split evenly over both directions."""
    found = parse_profile(text)

    assert found.shape == shape
    assert found.shape.round_trip_seconds == 2 * shape.up.latency_seconds


@pytest.mark.parametrize("name", PROFILES)
def test_every_name_is_read_and_described(name: str) -> None:
    """Whatever the case of its letters."""
    assert parse_profile(name.upper()) is PROFILES[name]
    assert PROFILES[name].about
    assert in_words(PROFILES[name].shape.down)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "8mbit/",
        "8mbit/80",
        "8/80ms",
        "8mbit/80ms/1ms/1ms",
        "-8mbit",
        "1e6bit",
        "9" * 99,
    ],
)
def test_what_is_no_profile_is_told_with_what_is(text: str) -> None:
    """What was found, the names there are, and the form."""
    with pytest.raises(
        ShapeError, match=r"found '.*testa, hospital-uplink, 4g, satellite.*8mbit/80ms"
    ):
        parse_profile(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("0kbit", "bits_per_second"), ("8mbit/999s", "latency"), ("8mbit/10ms/20ms", "jitter")],
)
def test_a_value_no_line_has_is_refused_by_its_name(text: str, name: str) -> None:
    """The form is right, the line cannot be."""
    with pytest.raises(ShapeError, match=name):
        parse_profile(text)


@given(
    st.none() | st.integers(1, 10**6),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_what_is_written_is_read_again(kbit: int | None, trip_ms: int, jitter_ms: int) -> None:
    """For every rate and time that people write."""
    latency, jitter = trip_ms / 2000, min(jitter_ms, trip_ms) / 2000
    shape = alike(
        bits_per_second=None if kbit is None else kbit * 1e3,
        latency_seconds=latency,
        jitter_seconds=jitter,
    )

    found = parse_profile(plain_form(shape)).shape

    assert found.up.bits_per_second == pytest.approx(shape.up.bits_per_second)
    assert found.up.latency_seconds == pytest.approx(latency)
    assert found.up.jitter_seconds == pytest.approx(jitter)


def test_a_shape_that_is_more_than_plain_has_no_plain_form() -> None:
    """Directions that differ, and cuts."""
    assert plain_form(PROFILES["4g"].shape) == ""
    assert plain_form(alike(cut_after_bytes=5)) == ""
    assert plain_form(LinkShape()) == "unlimited"
