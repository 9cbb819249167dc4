"""Image files are read ahead, in memory or from a thread, and always closed."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from country_a import image_files
from country_a.image_files import FILES_AHEAD, beside, opened, piece


def _files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.dcm" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number % 251]) * (number + 1))
    return paths


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def _read(descriptor: int, size: int) -> bytes:
    read = b""
    while data := await piece(descriptor, len(read), size):
        read += data
    return read


async def test_files_come_in_order_and_none_stays_open(tmp_path: Path) -> None:
    """More than are opened at a time."""
    paths = _files(tmp_path, 2 * FILES_AHEAD + 3)
    before = _open_descriptors()
    async with aclosing(opened([str(path) for path in paths])) as files:
        read = [await _read(await anext(files), number + 1) for number in range(len(paths))]
    assert read == [path.read_bytes() for path in paths]
    assert _open_descriptors() == before


async def test_leaving_early_closes_what_was_opened_ahead(tmp_path: Path) -> None:
    """A caller that goes away holds no files."""
    before = _open_descriptors()
    async with aclosing(opened(list(map(str, _files(tmp_path, FILES_AHEAD))))) as files:
        await anext(files)
    assert _open_descriptors() == before


async def test_a_file_that_is_gone_is_told_after_those_before_it(tmp_path: Path) -> None:
    """What was opened before it is whole."""
    paths = _files(tmp_path, 3)
    paths[1].unlink()
    before = _open_descriptors()
    async with aclosing(opened([str(path) for path in paths])) as files:
        assert await _read(await anext(files), 1) == b"\0"
        with pytest.raises(FileNotFoundError):
            await anext(files)
    assert _open_descriptors() == before


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_file_is_the_same_in_pieces_wherever_they_are_read(
    in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory, or from a thread where the system would have to fetch them."""
    monkeypatch.setattr(image_files, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(image_files, "_is_in_memory", lambda *_: in_memory)
    path = tmp_path / "one.dcm"
    path.write_bytes(os.urandom(12_345))
    async with aclosing(opened([str(path)])) as files:
        assert await _read(await anext(files), 12_345) == path.read_bytes()


async def test_a_file_shorter_than_it_was_gives_what_there_is(tmp_path: Path) -> None:
    """Who asked sees the difference."""
    (path,) = _files(tmp_path, 1)
    async with aclosing(opened([str(path)])) as files:
        assert await _read(await anext(files), 100) == b"\0"


async def test_work_beside_ends_before_we_do() -> None:
    """A thread must not use a descriptor that was closed and given to somebody else."""
    go_on, ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(10)
        ended.set()

    job = asyncio.ensure_future(beside(work))
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    job.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await job
    assert ended.is_set()
