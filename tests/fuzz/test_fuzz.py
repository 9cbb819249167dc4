"""The fuzzer itself: repeatable, notices crashes and hangs, and every target starts from good."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

import tests.fuzz.__main__ as fuzz
from gateway.domain import Refusal, refuse
from gateway.wire.problems import DecodeError
from tests.fuzz.mutation import MAX_INPUT_BYTES, Mutator
from tests.fuzz.targets import TARGETS, Target

CORPUS = [b'<a xmlns="urn:a" b="1"><c>text</c><d e="2">more</d></a>', b"--b\r\n\r\nx\r\n--b--"]


def test_equal_seeds_give_equal_inputs() -> None:
    """An input can be made again from its seed and number, and others differ."""
    one = [Mutator(f"1:x:{number}").mutate(CORPUS) for number in range(50)]
    two = [Mutator(f"1:x:{number}").mutate(CORPUS) for number in range(50)]

    assert one == two
    assert len(set(one)) > 25
    assert all(len(data) <= MAX_INPUT_BYTES for data in one)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_reads_good_messages_and_survives_broken_ones(target: Target) -> None:
    """The corpus is not empty, and neither it nor a few mutations of it break the reader."""
    corpus = target.corpus()

    assert corpus
    for data in corpus[:20]:
        assert fuzz.judge(target, data) == ""
    for number in range(100):
        data = Mutator(f"0:{target.name}:{number}").mutate(corpus)
        assert fuzz.judge(target, data) == ""


def test_refusals_are_no_crashes() -> None:
    """What a reader may raise is not reported."""

    def refuse_it(data: bytes) -> None:
        raise refuse(Refusal.UNKNOWN_QUERY, "no") if data else DecodeError("a", "b", "c")

    target = Target("refusing", lambda: CORPUS, refuse_it)

    assert fuzz.judge(target, b"x") == ""
    assert fuzz.judge(target, b"") == ""


def test_a_crash_is_found_kept_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The input that broke a reader is written down, the run fails, and so does its replay."""

    def crash(data: bytes) -> None:
        if data not in CORPUS:
            raise KeyError("planted")

    monkeypatch.setattr(fuzz, "TARGETS", (Target("planted", lambda: CORPUS, crash),))

    status = fuzz.main(["--target", "planted", "--seconds", "5", "--out", str(tmp_path)])

    kept = sorted(path for path in tmp_path.iterdir() if path.suffix != ".txt")
    assert status == 1
    assert len(kept) == fuzz.KEPT_PER_TARGET
    assert "planted" in kept[0].with_name(kept[0].name + ".txt").read_text()
    assert "KeyError" in capsys.readouterr().out
    assert fuzz.main(["--target", "planted", "--replay", str(kept[0])]) == 1


def test_a_hang_is_interrupted_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not come back is stopped after its share of CPU time."""
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.05)

    def hang(data: bytes) -> None:
        for _ in count():
            pass

    target = Target("hanging", lambda: CORPUS, hang)

    report = fuzz.judge(target, b"")

    assert report.startswith("hang")
