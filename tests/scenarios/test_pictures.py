"""Pictures of bytes over time: what is drawn, said and readable."""

from __future__ import annotations

import pytest
from lxml import etree

from scenarios.pictures import Kind, Line, Moment, Picture, Sign, bytes_over_time

SVG = "{http://www.w3.org/2000/svg}"
CAME = Line(name="what came", kind=Kind.CAME, points=((1.0, 1e6), (5.0, 2.5e6)))
STORED = Line(name="as stored", kind=Kind.STORED, points=((0.0, 0.0), (13.0, 6.4e6)))


def drawn(picture: Picture) -> etree._Element:
    return etree.fromstring(picture.svg)


def texts(picture: Picture) -> list[str]:
    return ["".join(text.itertext()) for text in drawn(picture).iter("text")]


def test_every_line_has_a_number_and_its_total_in_words() -> None:
    """Who sees no colours reads numbers; who sees nothing is told in the description."""
    picture = bytes_over_time("Two ways", [CAME, STORED], caption="over 4 Mbit/s")

    assert "what came: 2.50 MB in 5.00 s" in texts(picture)
    assert "as stored: 6.40 MB in 13.00 s" in texts(picture)
    assert [texts(picture).count(number) for number in ("1", "2")] == [2, 3]  # 2 MB is a tick
    assert drawn(picture).findtext("title") == "Two ways"
    assert "as stored: 6.40 MB in 13.00 s." in (drawn(picture).findtext("desc") or "")
    assert picture.caption == "over 4 Mbit/s"


@pytest.mark.parametrize(
    ("seconds", "size", "names"),
    [
        (0.4, 900.0, ("time since the request, ms", "received, B")),
        (20.0, 45e3, ("time since the request, s", "received, kB")),
        (400.0, 3e9, ("time since the request, min", "received, GB")),
    ],
)
def test_units_are_those_people_would_say(
    seconds: float, size: float, names: tuple[str, str]
) -> None:
    """From milliseconds to minutes, from bytes to gigabytes."""
    line = Line(name="x", kind=Kind.CAME, points=((seconds, size),))

    assert set(names) <= set(texts(bytes_over_time("t", [line])))


def test_moments_have_shapes_of_their_own_and_words() -> None:
    """A first image, a cut and a deadline are told apart without colour."""
    moments = [
        Moment(words="first image", sign=Sign.FIRST, seconds=0.5, line=CAME),
        Moment(words="cut 1", sign=Sign.CUT, seconds=2.0, line=CAME),
        Moment(words="deadline", sign=Sign.DEADLINE, seconds=9.0),
    ]
    picture = bytes_over_time("t", [CAME], moments)

    shapes = {path.get("d") for path in drawn(picture).iter("path") if "sign" in path.get("class")}
    assert len(shapes) == 3
    assert {"first image, 500 ms", "cut 1, 2.00 s", "deadline, 9.00 s"} <= set(texts(picture))


def test_words_of_moments_lie_neither_on_words_nor_on_lines() -> None:
    """However close moments are, each has its place within the picture."""
    moments = [
        Moment(words=f"moment number {n}", sign=Sign.KEY, seconds=at, line=CAME)
        for n, at in enumerate((0.1, 0.2, 0.3, 4.7, 4.8, 4.9))
    ]
    picture = bytes_over_time("t", [CAME], moments)

    boxes = []
    for text in drawn(picture).iter("text"):
        if text.get("class") == "moment":
            x, width = float(text.get("x") or 0), 7.0 * len(text.text or "")
            left = x if text.get("text-anchor") == "start" else x - width
            boxes.append((left, left + width, float(text.get("y") or 0)))
    leads = [
        (float(line.get("x1") or 0), float(line.get("y1") or 0))
        for line in drawn(picture).iter("line")
        if "lead" in (line.get("class") or "")
    ]
    assert len(boxes) == 6
    for left, right, y in boxes:
        assert left >= 0
        assert right <= 766
        assert sum(left < r and lo < right and y == other for lo, r, other in boxes) == 1
        assert not [x for x, top in leads if left + 1 < x < right - 1 and top < y - 12]


def test_what_time_is_counted_from_is_said() -> None:
    """The request, or what a story counts from."""
    picture = bytes_over_time("t", [CAME], since="the visit began")

    assert "time since the visit began, s" in texts(picture)


def test_names_are_escaped() -> None:
    """A name is text, whatever is in it."""
    line = Line(name="<script>", kind=Kind.CAME, points=((1.0, 5.0),))
    picture = bytes_over_time("a & b", [line])

    assert "<script>" not in picture.svg
    assert drawn(picture).findtext("title") == "a & b"


def test_long_lines_are_thinned_and_keep_their_end() -> None:
    """A point a chunk would make a report nobody can open."""
    points = tuple((n / 100, float(n)) for n in range(10_000))
    picture = bytes_over_time("t", [Line(name="x", kind=Kind.CAME, points=points)])

    assert len(picture.svg) < 20_000
    assert "x: 10.0 kB in 1 min 40 s" in texts(picture)


def test_without_a_line_there_is_nothing_to_draw() -> None:
    """A line without points is none."""
    with pytest.raises(ValueError, match="nothing to draw"):
        bytes_over_time("t", [Line(name="x", kind=Kind.CAME, points=())])


def test_bytes_between_points_are_on_the_line() -> None:
    """Marks stand where the line is drawn."""
    assert CAME.at(0.5) == 0.5e6
    assert CAME.at(3.0) == 1.75e6
    assert CAME.at(99.0) == 2.5e6
