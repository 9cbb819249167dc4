"""The clocks of the bench are put around functions that are there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bench.timings import COROUTINES, FUNCTIONS, SUBJECTS, Timings


def test_every_clock_has_its_function(tmp_path: Path) -> None:
    """And is taken off again."""
    before = [getattr(holder, name) for _, holder, name in (*FUNCTIONS, *COROUTINES)]

    with Timings(tmp_path / "timings.json"):
        wrapped = [getattr(holder, name) for _, holder, name in (*FUNCTIONS, *COROUTINES)]

    after = [getattr(holder, name) for _, holder, name in (*FUNCTIONS, *COROUTINES)]
    assert all(one is not other for one, other in zip(before, wrapped, strict=True))
    assert after == before
    assert all(asyncio.iscoroutinefunction(one) for one in wrapped[len(FUNCTIONS) :])
    assert json.loads((tmp_path / "timings.json").read_bytes()) == {}


def test_every_subject_has_a_clock() -> None:
    """A subject without one would always take no time."""
    assert {subject for subject, _, _ in (*FUNCTIONS, *COROUTINES)} == set(SUBJECTS)
