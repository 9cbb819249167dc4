"""Which bytes a request asks for: RFC 9110, section 14, and its own examples."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.ranges import (
    ByteRange,
    RangeNotSatisfiable,
    content_range,
    no_such_range,
    range_still_holds,
    read_beginning,
    read_range,
)

MODIFIED = datetime(2026, 11, 20, 10, 30, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-499", 0, 499),  # the examples of 14.1.2, of 10000 bytes
        ("bytes=500-999", 500, 999),
        ("bytes=-500", 9500, 9999),
        ("bytes=9500-", 9500, 9999),
        ("bytes=9999-", 9999, 9999),
        ("bytes=0-0", 0, 0),
        ("bytes=-1", 9999, 9999),
        ("bytes=-20000", 0, 9999),
        ("bytes=9000-20000", 9000, 9999),
        (" Bytes = 0-499 ", 0, 499),
        ("bytes=0-999999999999999999", 0, 9999),
    ],
)
def test_one_range_is_understood(header: str, first: int, last: int) -> None:
    """From a place, to a place, or so many at the end."""
    assert read_range(header, 10_000) == ByteRange(first, last)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=0-0,-1",
        "bytes=500-600,601-999",
        "items=0-5",
        "bytes=--5",
        "bytes=-5-9",
        "bytes=" + "1" * 19 + "-",
        "bytes=٣-٤",
    ],
)
def test_what_is_no_single_range_asks_for_the_whole(header: str) -> None:
    """Several ranges, another unit and nonsense alike (14.2)."""
    assert read_range(header, 10_000) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)],
)
def test_a_range_without_a_byte_cannot_be_satisfied(header: str, size: int) -> None:
    """The refusal knows how many there are."""
    with pytest.raises(RangeNotSatisfiable) as caught:
        read_range(header, size)

    assert caught.value.size_bytes == size
    assert no_such_range(size) == f"bytes */{size}"


@given(st.text(max_size=40), st.integers(0, 1000))
def test_no_header_gives_bytes_that_are_not_there(text: str, size: int) -> None:
    """Whatever is asked, what is sent lies inside."""
    for header in (text, f"bytes={text}"):
        try:
            part = read_range(header, size)
        except RangeNotSatisfiable:
            continue
        if part is not None:
            assert 0 <= part.first <= part.last < size
            assert content_range(part, size).startswith(f"bytes {part.first}-")


@given(st.integers(1, 500), st.data())
def test_a_range_is_the_same_slice_in_either_form(size: int, data: st.DataObject) -> None:
    """Counted from the front or from the end."""
    body = bytes(index % 251 for index in range(size))
    first = data.draw(st.integers(0, size - 1))

    for header in (f"bytes={first}-", f"bytes=-{size - first}", f"bytes={first}-{size - 1}"):
        part = read_range(header, size)
        assert part is not None
        assert body[part.first : part.last + 1] == body[first:]
        assert part.size_bytes == size - first


@pytest.mark.parametrize(
    ("if_range", "holds"),
    [
        ("", True),
        ('"abc"', True),
        ('"abd"', False),
        ('W/"abc"', False),
        ("abc", False),
        ("Fri, 20 Nov 2026 10:30:00 GMT", True),
        ("Fri, 20 Nov 2026 10:30:01 GMT", False),
        ("Fri, 20 Nov 2026 10:29:59 GMT", False),
        ("soon", False),
    ],
)
def test_a_part_is_sent_only_of_the_state_the_asker_has(if_range: str, holds: bool) -> None:
    """A strong tag or the very date; a weak tag never (13.1.5)."""
    assert range_still_holds(if_range, '"abc"', MODIFIED) is holds


def test_a_weak_tag_of_ours_never_holds_a_range_together() -> None:
    """Not even for who names exactly it."""
    assert not range_still_holds('W/"1"', 'W/"1"', None)
    assert not range_still_holds("Fri, 20 Nov 2026 10:30:00 GMT", '"abc"', None)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes 0-499/1234", 500),
        ("bytes 0-499/*", 500),
        ("bytes 0-1233/1234", None),  # all of it
        ("bytes 1-499/1234", None),
        ("bytes */1234", None),
        ("", None),
    ],
)
def test_a_beginning_is_known_by_its_content_range(header: str, size: int | None) -> None:
    """From the first byte on, and not to the last."""
    assert read_beginning(header) == size
