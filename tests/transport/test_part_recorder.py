"""Attachments on their way through: counted, digested, kept where that is due."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gateway.transport import tap as taps
from gateway.transport.part_recorder import MAX_SMALL_BYTES
from gateway.transport.tap import RESERVED_BYTES, Keep, Role, Tap
from gateway.wire.message import Message

PART = (("Content-Type", "application/dicom"), ("Content-ID", "<1@a>"))
ROOMY = 64 * MAX_SMALL_BYTES


def tap_in(path: Path, *, quota: int = ROOMY, keep: Keep = Keep.SMALL) -> Tap:
    """A tap in a folder."""
    return Tap(path / "transcripts", quota_bytes=quota, keep=keep)


def test_small_attachments_are_kept_and_large_ones_described(tmp_path: Path) -> None:
    """Above the limit only size, digest and reference stay; what was left out says so."""
    tap = tap_in(tmp_path)
    large = b"x" * (MAX_SMALL_BYTES // 2)

    with tap.open(direction="out") as transcript:
        small = transcript.part("answer", PART)
        small.update(b"abc")
        small.done()
        big = transcript.part(Role.ANSWER, PART)
        for _ in range(3):
            big.update(large)
        big_record = big.done(stored="images/2.999.9")
        transcript.answer(Message(start_line="HTTP/1.1 200 OK", headers=(), body=b"root"))

    kept = tap.transcript(transcript.id)
    assert kept is not None
    first, second = kept["answer"]["parts"]
    assert (first["kept"], first["size_bytes"]) == (True, 3)
    assert (tap.directory / first["stored"]).read_bytes() == b"abc"
    assert (second["kept"], second["stored"]) == (False, "images/2.999.9")
    assert second["why"] == "larger than what is kept"
    assert second["sha256"] == hashlib.sha256(large * 3).hexdigest() == big_record.sha256
    assert kept["answer_bytes"] == 4 + 3 + 3 * len(large)


def test_an_attachment_that_lies_elsewhere_is_not_kept_twice(tmp_path: Path) -> None:
    """A reference given beforehand, and a digest known beforehand, spare bytes and time."""
    tap = tap_in(tmp_path)
    with tap.open(direction="in") as transcript:
        part = transcript.part("answer", PART, stored="pacs/1.dcm", sha256="ab" * 32)
        part.update(b"abc")
        record = part.done()

    assert record.sha256 == "ab" * 32
    assert sorted(path.name for path in (tap.directory / transcript.id).iterdir()) == [
        "journal.jsonl"
    ]
    kept = tap.transcript(transcript.id)
    assert kept is not None
    assert [part["size_bytes"] for part in kept["answer"]["parts"]] == [3]


def test_an_attachment_without_room_is_described_and_told(tmp_path: Path) -> None:
    """A store that fills up half-way keeps the description, drops the bytes, and says why."""
    for keep in Keep:
        folder = tmp_path / keep
        tap = tap_in(folder, quota=RESERVED_BYTES + 20_000, keep=keep)
        with tap.open(direction="in") as transcript:
            part = transcript.part("answer", PART)
            part.update(b"z" * 15_000)
            part.update(b"z" * 15_000)
            record = part.done()

        kept = tap.transcript(transcript.id)
        assert kept is not None
        (shown,) = kept["answer"]["parts"]
        assert (shown["kept"], shown["size_bytes"]) == (False, 30_000)
        assert shown["why"] == "the store of transcripts is full"
        assert record.sha256 == hashlib.sha256(b"z" * 30_000).hexdigest()
        lying = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
        assert tap.used_bytes == sum(lying)


def test_a_part_cut_off_is_told_as_incomplete(tmp_path: Path) -> None:
    """Closing in the middle of an attachment keeps what was seen and does not call it whole."""
    tap = tap_in(tmp_path)
    with tap.open(direction="out") as transcript:
        transcript.part("answer", PART, sha256="ab" * 32).update(b"half")

    kept = tap.transcript(transcript.id)

    assert kept is not None
    (part,) = kept["answer"]["parts"]
    assert (part["complete"], part["size_bytes"], part["sha256"]) == (False, 4, "")


def test_a_digest_told_at_the_end_is_the_one_that_is_kept(tmp_path: Path) -> None:
    """Whoever stores the bytes takes it anyway; one that is never told is not made up."""
    tap = tap_in(tmp_path)
    with tap.open(direction="out") as transcript:
        for told in ("ab" * 32, ""):
            part = transcript.part("answer", PART, stored="2.999.1", digest=False)
            part.update(b"abc")
            part.done(sha256=told)

    kept = tap.transcript(transcript.id)
    assert kept is not None
    assert [part["sha256"] for part in kept["answer"]["parts"]] == ["ab" * 32, ""]


def test_ends_that_follow_quickly_are_written_together_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the last moment are in the journal with whatever is told next."""
    moments = iter([0.0] * 1000)
    monkeypatch.setattr(taps, "monotonic", lambda: next(moments))
    tap = tap_in(tmp_path)
    transcript = tap.open(direction="out")
    journal = tap.directory / transcript.id / "journal.jsonl"
    before = journal.stat().st_size
    for number in range(3):
        transcript.part("answer", PART, stored=f"2.999.{number}", digest=False).done()
    gathered = journal.stat().st_size
    transcript.note("one", "more word")
    events = [json.loads(line)["event"] for line in journal.read_bytes().splitlines()]
    transcript.close()

    assert gathered == before
    assert events[-4:] == ["part-end", "part-end", "part-end", "note"]
    assert tap.used_bytes == journal.stat().st_size


def test_ends_that_come_slowly_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches a slow transfer sees what has come."""
    moments = iter(range(1000))
    monkeypatch.setattr(taps, "monotonic", lambda: float(next(moments)))
    tap = tap_in(tmp_path)
    with tap.open(direction="out") as transcript:
        transcript.part("answer", PART, stored="2.999.1", digest=False).done()
        live = tap.transcript(transcript.id)

    assert live is not None
    assert [part["complete"] for part in live["answer"]["parts"]] == [True]
