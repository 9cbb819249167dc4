"""Image files read for delivery: without waiting where the system has them in memory already.

Handing a piece over from a thread costs as much as encrypting it twice, because every hand-over
wakes both. So files are opened a few ahead in a thread, which also asks the system to fetch them,
and a piece that is in memory by then is read where it is needed; one that is not is read in a
thread, so that a slow disk makes nobody else wait.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import TypeVar

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024  # a slice of a CT is one chunk
FILES_AHEAD = 16
# How much of each file the system is asked to fetch before it is wanted.
FETCHED_BYTES = 4 * CHUNK_BYTES


async def beside(work: Callable[[], T]) -> T:
    """Do something in a thread and wait for its end, even when told to stop: it uses our files."""
    job = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait([job])
        job.exception()
        raise


async def opened(paths: Sequence[str]) -> AsyncGenerator[int, None]:
    """A descriptor for each file, in order, closed when the next is asked for.

    Raises OSError where a file cannot be opened, after those before it were given.
    """
    for start in range(0, len(paths), FILES_AHEAD):
        lot = deque(await beside(partial(_open, paths[start : start + FILES_AHEAD])))
        try:
            while lot:
                found = lot[0]
                if isinstance(found, OSError):
                    raise found
                yield found
                os.close(found)
                lot.popleft()
        finally:
            for found in lot:
                if not isinstance(found, OSError):
                    os.close(found)


def _open(paths: Sequence[str]) -> list[int | OSError]:
    lot: list[int | OSError] = []
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            lot.append(error)
            break
        _fetch(descriptor, 0, FETCHED_BYTES)
        lot.append(descriptor)
    return lot


def _fetch(descriptor: int, offset: int, size: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)


async def piece(descriptor: int, offset: int, size: int) -> bytes:
    """At most `CHUNK_BYTES` from an offset on, of the first `size` of a file; b"" at the end."""
    wanted = min(CHUNK_BYTES, size - offset)
    if wanted <= 0:
        return b""
    if _is_in_memory(descriptor, offset + wanted - 1):
        data = os.pread(descriptor, wanted, offset)
    else:
        data = await beside(partial(os.pread, descriptor, wanted, offset))
    if offset + wanted < size:
        _fetch(descriptor, offset + wanted, FETCHED_BYTES)
    return data


def _is_in_memory(descriptor: int, offset: int) -> bool:
    """Whether a byte can be read without waiting; False where the system cannot tell."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError:  # not there yet, or a file system that cannot tell
        return False
