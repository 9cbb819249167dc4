"""Secrets in an address or a form are not written down."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.redaction import (
    SECRET_PARAMETERS,
    has_token,
    redacted_form,
    without_secrets,
)
from gateway.transport.tap import Tap
from gateway.wire.message import Message

LINE = "GET /fhir/Patient?family=A&access_token=eyJh.b.c&given=B HTTP/1.1"
FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (LINE, "GET /fhir/Patient?family=A&access_token=(redacted)&given=B HTTP/1.1"),
        ("access_token=abc", "access_token=(redacted)"),
        ("?ACCESS_token=abc&b=c", "?ACCESS_token=(redacted)&b=c"),
        ("a=b&access%5Ftoken=abc", "a=b&access%5Ftoken=(redacted)"),
        ("a=b;access_token=abc", "a=b;access_token=(redacted)"),
        ("access_token=a=b==&x=1", "access_token=(redacted)&x=1"),
        ("+access_token=abc", "+access_token=(redacted)"),
        (
            "client_assertion=x&client_secret=y",
            "client_assertion=(redacted)&client_secret=(redacted)",
        ),
        ("code=abc&my_access_token=1", "code=abc&my_access_token=1"),
        ("access_token", "access_token"),
        ("GET /fhir/metadata HTTP/1.1", "GET /fhir/metadata HTTP/1.1"),
    ],
)
def test_the_value_of_a_secret_parameter_is_taken_out(text: str, left: str) -> None:
    """However its name is written; everything else stays as it is."""
    assert without_secrets(text) == left
    assert redacted_form(text.encode()) == left.encode()


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("access_token=x", True),
        ("a=b&access%5ftoken=x", True),
        ("access_token=", True),
        ("id_token=x", False),
        ("a=access_token", False),
        ("", False),
    ],
)
def test_a_token_in_a_query_is_found(query: str, there: bool) -> None:
    """By the decoded name of the parameter."""
    assert has_token(query) is there


@given(st.binary(max_size=200))
def test_bytes_without_a_secret_stay_as_they_are(body: bytes) -> None:
    """A form may hold any byte."""
    if b"=" not in body:
        assert redacted_form(body) == body


def test_a_long_text_is_read_in_one_go() -> None:
    """A megabyte of anything takes no longer than reading it does."""
    started = time.monotonic()
    for filler in ("a", "?", "=", "%", "?a", "&access_token"):
        without_secrets(filler * (300_000 // len(filler)))

    assert time.monotonic() - started < 5


@pytest.mark.parametrize("name", sorted(SECRET_PARAMETERS))
def test_a_transcript_holds_no_secret_of_an_address_or_form(name: str, tmp_path: Path) -> None:
    """Neither in the start line nor in the body."""
    tap = Tap(tmp_path / "taps", quota_bytes=10**8)
    with tap.open(direction="in") as transcript:
        body = f"a=b&{name}=hush".encode()
        line = f"POST /x?{name}=hush HTTP/1.1"
        transcript.request(Message(start_line=line, headers=FORM, body=body))

    written = b"".join(path.read_bytes() for path in (tmp_path / "taps").rglob("*.*"))
    assert b"hush" not in written
    assert written.count(b"(redacted)") >= 2
