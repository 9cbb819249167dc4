"""Work on pixels beside the event loop: most urgent first, on few threads, within a memory budget.

Codecs free the interpreter lock, so threads use every core and the loop stays free. A piece of
work begins when a thread is free and what it needs in memory fits the budget; one that alone is
larger than the budget runs by itself. Work that nobody waits for any more is not begun, and work
under way is told to stop: it asks its `Stopping` between frames.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heappop, heappush
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

# Frames of the largest images (mammography, 40 MB) with their code stream and what is compared.
MEMORY_BYTES = 160 * 1024 * 1024
MAX_CORES = 4  # more would starve whoever else the machine serves


class Stopped(Exception):
    """The work was given up: nobody waits for it any more."""


class Stopping:
    """Whether a piece of work should go on; asked by the work, set by who waited for it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        """Ask the work to end."""
        self._event.set()

    def check(self) -> None:
        """Raise `Stopped` when asked to end."""
        if self._event.is_set():
            raise Stopped


def usable_cores() -> int:
    """How many threads work on pixels: the cores this process may use, at most `MAX_CORES`."""
    return min(len(os.sched_getaffinity(0)), MAX_CORES)


class _Waiting:
    """A piece of work in the queue: how urgent, how large, and who is told to begin."""

    def __init__(self, urgency: float, number: int, memory: int) -> None:
        self.key = (urgency, number)
        self.memory = memory
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: _Waiting) -> bool:
        return self.key < other.key


class Workers:
    """Threads for work on pixels. An async context manager: leaving it waits for what runs."""

    def __init__(self, cores: int | None = None, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self.cores = cores or usable_cores()
        self._budget = memory_bytes
        self._threads = ThreadPoolExecutor(self.cores, thread_name_prefix="pixels")
        self._queue: list[_Waiting] = []
        self._numbers = count()
        self._running = 0
        self._memory = 0
        self._under_way: set[asyncio.Future[Any]] = set()
        self._stoppings: set[Stopping] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Begin nothing more, ask what runs to stop, and wait for its end."""
        for waiting in self._queue:
            waiting.turn.cancel()
        self._queue.clear()
        for stopping in self._stoppings:
            stopping.stop()
        if self._under_way:
            await asyncio.wait(set(self._under_way))
        self._threads.shutdown(wait=True)

    async def run(
        self, work: Callable[[Stopping], T], *, urgency: float = 0.0, memory_bytes: int = 0
    ) -> T:
        """What the work returns; smaller urgencies go first, equal ones in the order they came.

        Cancelled, it takes the work out of the queue or tells it to stop, and waits for its end:
        what it uses is its caller's.
        """
        waiting = _Waiting(urgency, next(self._numbers), memory_bytes)
        heappush(self._queue, waiting)
        self._begin()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self._ended(waiting)  # its turn had come
            elif waiting in self._queue:
                self._queue.remove(waiting)
                heapify(self._queue)
            raise
        return await self._worked(work, waiting)

    async def _worked(self, work: Callable[[Stopping], T], waiting: _Waiting) -> T:
        stopping = Stopping()
        job = asyncio.get_running_loop().run_in_executor(self._threads, work, stopping)
        self._under_way.add(job)
        self._stoppings.add(stopping)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            stopping.stop()
            await asyncio.wait([job])
            job.exception()
            raise
        finally:
            self._under_way.discard(job)
            self._stoppings.discard(stopping)
            self._ended(waiting)

    def _begin(self) -> None:
        """Give their turn to those that fit, most urgent first; nobody overtakes one that waits."""
        while self._queue and self._running < self.cores:
            first = self._queue[0]
            if self._running and self._memory + first.memory > self._budget:
                return
            heappop(self._queue)
            if first.turn.cancelled():
                continue
            self._running += 1
            self._memory += first.memory
            first.turn.set_result(None)

    def _ended(self, waiting: _Waiting) -> None:
        self._running -= 1
        self._memory -= waiting.memory
        self._begin()
