"""Runs every fuzz target for its share of the time and keeps the inputs that broke one.

    python -m tests.fuzz --seconds 60 [--seed 1] [--target envelope]
    python -m tests.fuzz --target envelope --replay out/fuzz/envelope-1-4711

The same seed gives the same inputs in the same order. The target `web` is Country A's REST routes,
served and asked from outside (`tests/fuzz/web.py`); what it keeps says how to ask again. Exit
status 1 when an input crashed a reader, or took it longer than the limit.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.fuzz import web
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import EXPECTED, TARGETS, Target

HANG_SECONDS = 2.0
"""CPU seconds after which one input counts as a hang; honest ones take milliseconds."""

KEPT_PER_TARGET = 20
"""A reader broken this often is broken enough; more inputs would only fill the disk."""

OUT = Path("out/fuzz")


class Hang(BaseException):
    """One input took too long. Not an Exception, so that no reader can catch it."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `Hang` when what runs inside uses more CPU time; C code is interrupted on return."""

    def raise_hang(signum: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, raise_hang)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(target: Target, data: bytes) -> str:
    """What is wrong with how the target read this: "" for nothing, else a report."""
    try:
        with cpu_limit(HANG_SECONDS):
            target.run(data)
    except EXPECTED:
        return ""
    except Hang:
        return f"hang: over {HANG_SECONDS} s of CPU\n{traceback.format_exc()}"
    except Exception:
        return f"crash\n{traceback.format_exc()}"
    return ""


def run_target(target: Target, *, seconds: float, seed: int, out: Path) -> tuple[int, int]:
    """Fuzz one target; how many inputs it read and how many of them broke it."""
    corpus = target.corpus()
    for number, data in enumerate(corpus):
        report = judge(target, data)
        if report:
            keep(out, f"{target.name}-corpus-{number}", data, report)
            return number + 1, 1
    broken = 0
    ends = time.monotonic() + seconds
    for number in itertools.count(1):
        if time.monotonic() >= ends or broken >= KEPT_PER_TARGET:
            break
        data = Mutator(f"{seed}:{target.name}:{number}").mutate(corpus)
        report = judge(target, data)
        if report:
            broken += 1
            keep(out, f"{target.name}-{seed}-{number}", data, report)
    return number - 1, broken


def keep(out: Path, name: str, data: bytes, report: str) -> None:
    """Write an input and what it did, and say so."""
    out.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(data)
    (out / f"{name}.txt").write_text(report, encoding="utf-8")
    print(f"{out / name}: {len(data)} bytes, {report.strip().splitlines()[-1]}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and fuzz; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    names = [*(target.name for target in TARGETS), web.NAME]
    parser.add_argument("--target", choices=names)
    parser.add_argument("--replay", type=Path, help="read this file with --target, once")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    targets = [target for target in TARGETS if options.target in (None, target.name)]
    if options.replay:
        if options.target in (None, web.NAME):
            parser.error("--replay needs --target, one that reads files")
        report = judge(targets[0], options.replay.read_bytes())
        print(report or "read, or refused as it should be")
        return 1 if report else 0
    total = 0
    with_web = options.target in (None, web.NAME)
    share = options.seconds / (len(targets) + with_web)
    for target in targets:
        read, broken = run_target(target, seconds=share, seed=options.seed, out=options.out)
        print(f"{target.name}: {read} inputs, {broken} broken", flush=True)
        total += broken
    if with_web:
        asked, faults = web.run(share, seed=options.seed, out=options.out)
        print(f"{web.NAME}: {asked} requests, {faults} faults", flush=True)
        total += faults
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
