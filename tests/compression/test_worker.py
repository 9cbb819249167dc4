"""Work on pixels: in order of urgency, within its budget, and ended when nobody waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.compression.worker import Stopped, Stopping, Workers


async def test_the_most_urgent_work_goes_first() -> None:
    """Of what waits for a thread, the smallest urgency is next; equal ones keep their order."""
    done: list[str] = []
    gate = threading.Event()

    def first(_: Stopping) -> None:
        gate.wait(5)

    async with Workers(1) as workers:
        begun = asyncio.create_task(workers.run(first))
        await asyncio.sleep(0)
        rest = [
            asyncio.create_task(
                workers.run(lambda _, name=name: done.append(name), urgency=urgency)
            )
            for name, urgency in (("late", 9), ("soon", 1), ("now", 0), ("soon too", 1))
        ]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(begun, *rest)

    assert done == ["now", "soon", "soon too", "late"]


async def test_work_beyond_the_budget_waits_for_memory() -> None:
    """Threads stand idle rather than that more is held than the budget; a giant runs alone."""
    most, held = 0, 0
    lock = threading.Lock()

    def work(size: int) -> None:
        nonlocal most, held
        with lock:
            held += size
            most = max(most, held)
        with lock:
            held -= size

    async with Workers(4, memory_bytes=100) as workers:
        await asyncio.gather(
            *(
                workers.run(lambda _, size=size: work(size), memory_bytes=size)
                for size in [60, 60, 500, 30, 30] * 5
            )
        )

    assert most == 500


async def test_cancelled_work_is_not_begun_or_told_to_stop() -> None:
    """Who no longer waits leaves the queue, and what it had under way ends before it returns."""
    begun, ended = threading.Event(), threading.Event()

    def endless(stopping: Stopping) -> None:
        begun.set()
        try:
            while True:
                stopping.check()
        finally:
            ended.set()

    async with Workers(1) as workers:
        running = asyncio.create_task(workers.run(endless))
        never = asyncio.create_task(workers.run(lambda _: pytest.fail("begun all the same")))
        await asyncio.to_thread(begun.wait, 5)
        never.cancel()
        running.cancel()
        results = await asyncio.gather(running, never, return_exceptions=True)
        after = await workers.run(lambda _: "free again")

    assert [type(one) for one in results] == [asyncio.CancelledError] * 2
    assert ended.is_set()
    assert after == "free again"


async def test_leaving_ends_what_runs() -> None:
    """No thread outlives its workers."""
    begun = threading.Event()

    def endless(stopping: Stopping) -> None:
        begun.set()
        while True:
            stopping.check()

    workers = Workers(1)
    async with workers:
        running = asyncio.create_task(workers.run(endless))
        await asyncio.to_thread(begun.wait, 5)

    with pytest.raises(Stopped):
        await running


async def test_what_fails_fails_for_who_waits_and_nobody_else() -> None:
    """An error of the work is its caller's, and the thread goes on."""

    def broken(_: Stopping) -> None:
        raise ValueError("no such frame")

    async with Workers(1) as workers:
        with pytest.raises(ValueError, match="no such frame"):
            await workers.run(broken)
        assert await workers.run(lambda _: 7) == 7
