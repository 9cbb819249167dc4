"""The tap: everything that passed is readable afterwards, within a quota, after any crash."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.domain import InternalFault, NotFound, NotNow, Refusal
from gateway.transport.tap import (
    MAX_SMALL_BYTES,
    RESERVED_BYTES,
    Direction,
    Keep,
    Tap,
    Transcript,
)
from gateway.wire.message import Message
from tests.builders import NOON, make_context

REQUEST = Message(
    start_line="POST /services HTTP/1.1",
    headers=(("Content-Type", "application/soap+xml"), ("Authorization", "Bearer secret")),
    body=b"<request/>",
)
ANSWER = Message(
    start_line="HTTP/1.1 200 OK",
    headers=(("Content-Type", "application/soap+xml"), ("Set-Cookie", "id=secret")),
    body=b"<answer/>",
)
PART = (("Content-Type", "application/dicom"), ("Content-ID", "<1@a>"))
ROOMY = 64 * MAX_SMALL_BYTES


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a quarter of a second at every look."""
    moments = iter(NOON + timedelta(seconds=tick / 4) for tick in range(1_000_000))
    return lambda: next(moments)


def tap_in(path: Path, *, quota: int = ROOMY, keep: Keep = Keep.SMALL) -> Tap:
    return Tap(path / "transcripts", quota_bytes=quota, now=ticking(), keep=keep)


def stored_text(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_an_exchange_is_kept_whole(tmp_path: Path) -> None:
    """Request, answer, nouns, ids, times, status and byte counts come back as JSON values."""
    tap = tap_in(tmp_path)

    with tap.open(direction="out", transaction="ITI-38", peer="2.999.1.1") as transcript:
        transcript.identify(correlation_id="c-1", message_id="urn:uuid:1")
        transcript.request(REQUEST)
        transcript.answer(ANSWER)
        transcript.decoded(request_noun=make_context(), answer_noun=("a", "b"))
        transcript.note("signed_by", ["CN=seal-b"])

    kept = tap.transcript(transcript.id)
    assert kept is not None
    json.dumps(kept)
    assert {key: kept[key] for key in ("state", "transaction", "direction", "peer", "status")} == {
        "state": "closed",
        "transaction": "ITI-38",
        "direction": "out",
        "peer": "2.999.1.1",
        "status": 200,
    }
    assert (kept["correlation_id"], kept["message_id"]) == ("c-1", "urn:uuid:1")
    assert (kept["outcome"], kept["refusal"]) == ("success", "")
    assert (kept["request_bytes"], kept["answer_bytes"]) == (10, 9)
    assert kept["request"]["text"] == "<request/>"
    assert kept["answer"]["start_line"] == "HTTP/1.1 200 OK"
    assert kept["decoded"]["request"]["kind"] == "CallContext"
    assert kept["decoded"]["answer"] == ["a", "b"]
    assert kept["notes"] == {"signed_by": ["CN=seal-b"]}
    assert kept["opened_at"] < kept["requested_at"] < kept["answered_at"] < kept["closed_at"]
    assert kept["seconds"] > 0


def test_raw_messages_come_back_as_they_were(tmp_path: Path) -> None:
    """Head and body of each message, byte for byte but for credentials."""
    tap = tap_in(tmp_path)
    with tap.open(direction="in") as transcript:
        transcript.request(REQUEST)

    raw = tap.raw(transcript.id, "request")

    assert raw is not None
    assert raw.head.startswith(b"POST /services HTTP/1.1\r\nContent-Type: application/soap+xml\r\n")
    assert raw.head.endswith(b"Authorization: (redacted)\r\n\r\n")
    assert raw.body.read_bytes() == b"<request/>"
    assert raw.media_type == "application/soap+xml"
    assert tap.raw(transcript.id, "answer") is None
    assert tap.raw("../../etc", "request") is None


def test_credentials_are_not_kept(tmp_path: Path) -> None:
    """Tokens and cookies in headers never reach the disk."""
    tap = tap_in(tmp_path)
    with tap.open(direction="in") as transcript:
        transcript.request(REQUEST)
        transcript.answer(ANSWER)

    assert b"secret" not in stored_text(tmp_path)
    assert tap.directory.stat().st_mode & 0o777 == 0o700


def test_a_refusal_closes_the_exchange_with_its_reason(tmp_path: Path) -> None:
    """Leaving by a refusal tells which; leaving by a fault tells its kind and no more."""
    tap = tap_in(tmp_path)

    with pytest.raises(NotFound), tap.open(direction="in") as refused:
        raise NotFound(Refusal.UNKNOWN_PATIENT, "no such patient")
    with pytest.raises(RuntimeError), tap.open(direction="in") as failed:
        raise RuntimeError("inside")

    first, second = tap.summaries()
    assert (first["outcome"], first["refusal"]) == ("refused", "unknown-patient")
    assert (second["outcome"], second["text"]) == ("failed", "RuntimeError")
    assert (first["id"], second["id"]) == (refused.id, failed.id)


def test_everything_is_kept_when_asked(tmp_path: Path) -> None:
    """`all` keeps large bodies and attachments byte for byte."""
    tap = tap_in(tmp_path, keep=Keep.ALL)
    body = b"y" * (MAX_SMALL_BYTES + 1)

    with tap.open(direction="out") as transcript:
        transcript.request(Message(start_line="POST / HTTP/1.1", headers=(), body=body))
        part = transcript.part("answer", PART)
        part.update(body)
        part.update(b"!")
        record = part.done()

    assert (tap.directory / record.stored).read_bytes() == body + b"!"
    raw = tap.raw(transcript.id, "request")
    assert raw is not None
    assert raw.body.read_bytes() == body


def test_a_part_waiting_for_its_digest_holds_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of small images may wait to be digested elsewhere."""
    tap = tap_in(tmp_path, keep=Keep.ALL)
    opened: list[BinaryIO] = []
    stream = Transcript.stream

    def watched(self: Transcript, name: str) -> BinaryIO:
        opened.append(stream(self, name))
        return opened[-1]

    monkeypatch.setattr(Transcript, "stream", watched)
    with tap.open(direction="out") as transcript:
        part = transcript.part("answer", PART, digest=False)
        part.update(b"image")
        part.passed()
        closed = [file.closed for file in opened]
        record = part.done(sha256="ab")

    assert closed == [True]
    assert record.sha256 == "ab"
    assert (tap.directory / record.stored).read_bytes() == b"image"


def test_a_long_root_part_is_cut_and_says_so(tmp_path: Path) -> None:
    """What is shown of a long body is its beginning, with the true size and digest beside it."""
    tap = tap_in(tmp_path)
    body = b"<a>" + b"\xc3\xa9" * MAX_SMALL_BYTES
    with tap.open(direction="out") as transcript:
        transcript.request(Message(start_line="POST / HTTP/1.1", headers=(), body=body))

    kept = tap.transcript(transcript.id)

    assert kept is not None
    assert kept["request"]["size_bytes"] == len(body)
    assert kept["request"]["kept_bytes"] == MAX_SMALL_BYTES
    assert kept["request"]["sha256"] == hashlib.sha256(body).hexdigest()
    assert kept["request"]["text"].startswith("<a>é")
    assert "only the first" in kept["request"]["text_missing"]


def test_a_body_that_is_no_text_is_described(tmp_path: Path) -> None:
    """Binary bodies have no text, and the reason is given."""
    tap = tap_in(tmp_path)
    with tap.open(direction="out") as transcript:
        transcript.request(Message(start_line="POST / HTTP/1.1", headers=(), body=b"\xff\x00"))
        transcript.answer(Message(start_line="nonsense", headers=(), body=b"a\0b"))

    kept = tap.transcript(transcript.id)

    assert kept is not None
    assert (kept["request"]["text"], kept["answer"]["text"]) == (None, None)
    assert kept["request"]["text_missing"] == "it is not UTF-8 text"
    assert kept["status"] is None


def test_a_full_store_refuses_before_the_exchange(tmp_path: Path) -> None:
    """Room is set aside when an exchange begins; without room it does not begin."""
    tap = tap_in(tmp_path, quota=RESERVED_BYTES + 4096)

    running = tap.open(direction="in")
    with pytest.raises(NotNow) as caught:
        tap.open(direction="in")
    running.close()
    tap.open(direction="in").close()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert len(tap.summaries()) == 2


def test_what_is_used_counts_after_a_restart(tmp_path: Path) -> None:
    """A tap opened again counts what is there, and its ids go on."""
    first = tap_in(tmp_path)
    with first.open(direction="in") as transcript:
        transcript.request(REQUEST)

    again = tap_in(tmp_path)
    with again.open(direction="in") as later:
        pass

    assert first.used_bytes == len(stored_text(tmp_path / "transcripts" / transcript.id))
    assert later.id > transcript.id
    assert [summary["id"] for summary in again.summaries()] == [transcript.id, later.id]


def test_an_exchange_that_died_is_readable(tmp_path: Path) -> None:
    """What was seen until the crash is there, down to a part and a line cut short."""
    tap = tap_in(tmp_path)
    transcript = tap.open(direction="out", transaction="RAD-75")
    transcript.request(REQUEST)
    transcript.answer(ANSWER)
    transcript.part("answer", PART).update(b"half")
    journal = tap.directory / transcript.id / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"event":"cl')

    again = tap_in(tmp_path)
    kept = again.transcript(transcript.id)

    assert kept is not None
    assert kept["state"] == "interrupted"
    assert kept["request"]["text"] == "<request/>"
    assert kept["answer"]["parts"][0]["complete"] is False
    running = tap.transcript(transcript.id)
    assert running is not None
    assert running["state"] == "open"
    transcript.close()


def test_listing_goes_on_and_filters(tmp_path: Path) -> None:
    """`since` continues, `limit` bounds, a correlation id picks one story."""
    tap = tap_in(tmp_path)
    for number in range(6):
        tap.open(direction=Direction.IN, correlation_id=f"c-{number % 2}").close()

    everything = tap.summaries()
    assert [summary["id"] for summary in tap.summaries(limit=2)] == [
        summary["id"] for summary in everything[:2]
    ]
    assert len(tap.summaries(since=everything[3]["id"])) == 2
    odd = tap.summaries(correlation_id="c-1", limit=2)
    assert [summary["id"] for summary in odd] == [everything[1]["id"], everything[3]["id"]]


def test_a_huge_noun_is_left_out_and_told(tmp_path: Path) -> None:
    """A noun too large to show is named with its size."""
    tap = tap_in(tmp_path)
    with tap.open(direction="out") as transcript:
        transcript.decoded(answer_noun=["x" * 1000] * 2000)

    kept = tap.transcript(transcript.id)

    assert kept is not None
    assert kept["decoded"]["answer"]["kind"] == "list"
    assert "bytes" in kept["decoded"]["answer"]["left_out"]


@pytest.mark.parametrize(
    ("number", "kind", "refusal"),
    [(errno.ENOSPC, NotNow, Refusal.STORE_FULL), (errno.EIO, InternalFault, Refusal.INTERNAL)],
)
def test_a_failing_disk_is_a_refusal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[NotNow],
    refusal: Refusal,
) -> None:
    """A full disk is worth trying again, a broken one is our fault; no OSError gets out."""
    tap = tap_in(tmp_path)

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError(number, "disk")

    monkeypatch.setattr(Path, "mkdir", fails)
    with pytest.raises(kind) as caught:
        tap.open(direction="in")
    monkeypatch.undo()

    assert caught.value.refusal is refusal
    tap.open(direction="in").close()


def test_a_journal_that_takes_half_a_line_goes_on_with_the_other_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there is room again every line can be read, and all of them are counted."""
    tap = tap_in(tmp_path)
    transcript = tap.open(direction="in")
    journal = transcript._journal

    class Full:
        def write(self, data: bytes) -> int:
            return journal.write(data[:5]) or 0

    monkeypatch.setattr(transcript, "_journal", Full())
    with pytest.raises(NotNow) as caught:
        transcript.request(REQUEST)
    monkeypatch.setattr(transcript, "_journal", journal)
    transcript.close(outcome="failed")

    assert caught.value.refusal is Refusal.STORE_FULL
    kept = tap.transcript(transcript.id)
    assert kept is not None
    assert kept["outcome"] == "failed"
    assert kept["request"]["start_line"] == REQUEST.start_line
    written = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert tap.used_bytes == written


def test_an_exchange_that_could_not_begin_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails between opening and the first fact leaves nothing reserved."""
    tap = tap_in(tmp_path, quota=RESERVED_BYTES + 8192)

    def fails(*args: object, **known: str) -> None:
        raise NotNow(Refusal.STORE_FULL, "disk")

    monkeypatch.setattr(Transcript, "identify", fails)
    with pytest.raises(NotNow):
        tap.open(direction="in")
    monkeypatch.undo()

    tap.open(direction="in").close()
