"""Entity tags and dates: whether an asker has already what there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.validators import (
    is_strong,
    read_http_date,
    strong_tag,
    unchanged,
    write_http_date,
)

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('W/"b",W/"a"', True),
        ("*", True),
        ('"b"', False),
        ('"ab"', False),
        ("a", False),
        ('"b", *', False),
        ('"a', False),
    ],
)
def test_tags_are_compared_weakly(tags: str, known: bool) -> None:
    """Any of a list; a star is any state there is (RFC 9110 13.1.2)."""
    assert unchanged(tags, "", etag='"a"') is known
    assert unchanged(tags, "", etag='W/"a"') is known


def test_a_tag_goes_before_a_date() -> None:
    """Who names tags is not answered by the date (13.1.3)."""
    now = write_http_date(MOMENT)

    assert unchanged("", now, etag='"a"', modified=MOMENT)
    assert not unchanged('"b"', now, etag='"a"', modified=MOMENT)
    assert not unchanged('"a"', now, modified=MOMENT)


@pytest.mark.parametrize(
    ("seconds", "same"), [(-1, False), (0, True), (0.9, True), (1, True), (86_400, True)]
)
def test_a_date_counts_in_whole_seconds(seconds: float, same: bool) -> None:
    """What changed within the second the asker names has not changed for it."""
    since = write_http_date(MOMENT + timedelta(seconds=seconds))

    assert unchanged("", since, modified=MOMENT + timedelta(milliseconds=400)) is same


def test_what_tells_nothing_is_never_unchanged() -> None:
    """No tag, no date, nonsense for a date."""
    assert not unchanged("", "")
    assert not unchanged("", write_http_date(MOMENT))
    assert not unchanged("", "yesterday", modified=MOMENT)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",  # the examples of RFC 9110 5.6.7
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_dates_of_three_forms_are_read(text: str) -> None:
    """The one that is written, and two that are obsolete."""
    assert read_http_date(text) == MOMENT


def test_a_date_is_written_in_gmt() -> None:
    """Whatever zone it comes in."""
    assert write_http_date(MOMENT.astimezone(timezone(timedelta(hours=2)))) == (
        "Sun, 06 Nov 1994 08:49:37 GMT"
    )


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    """A header is whatever somebody sends."""
    read_http_date(text)
    unchanged(text, text, etag='"a"', modified=MOMENT)


def test_strong_and_weak_are_told_apart() -> None:
    """Ours of a digest is strong."""
    assert is_strong(strong_tag("abc"))
    assert not is_strong('W/"abc"')
    assert not is_strong("abc")
