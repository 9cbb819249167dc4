"""Renditions on their shelf: made once, kept while lent, found again, and ended for nobody."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from country_a.national.ports import StoredInstance
from country_a.renditions import Render, RenditionShelf
from gateway.compression.transcode import Rendered
from gateway.compression.worker import Stopping, Workers
from gateway.domain import Coding, InstanceRef, PixelError, Uid

CODING = Coding(syntax=Uid("1.2.840.10008.1.2.4.80"))
OTHER = Coding(syntax=Uid("1.2.840.10008.1.2.4.202"))


def stored(folder: Path, number: int = 1) -> StoredInstance:
    path = folder / f"original-{number}"
    path.write_bytes(bytes([number]) * 100)
    return StoredInstance(
        ref=InstanceRef(study=Uid("1.2"), series=Uid("1.3"), instance=Uid(f"1.4.{number}")),
        sop_class=Uid("1.2.840.10008.5.1.4.1.1.2"),
        transfer_syntax=Uid("1.2.840.10008.1.2.1"),
        file=str(path),
        size_bytes=100,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def facts(size: int) -> Rendered:
    return Rendered(
        size_bytes=size,
        frames=1,
        raw_bytes=200,
        coded_bytes=size,
        sha256="ab" * 32,
        pixels_sha256="cd" * 32,
        error=PixelError(max_error=1, rmse=0.5, ssim=0.99),
    )


def writing(size: int = 10, counted: list[int] | None = None) -> Render:
    """Writes so many bytes of the original, and counts how often it is asked to."""

    def render(original: BinaryIO, out: BinaryIO, _: Stopping) -> Rendered:
        if counted is not None:
            counted.append(1)
        out.write(original.read(1) * size)
        return facts(size)

    return render


def files(folder: Path, suffix: str = "dcm") -> list[Path]:
    return sorted((folder / "shelf").glob(f"*/*.{suffix}"))


async def test_what_is_asked_for_twice_at_once_is_made_once(tmp_path: Path) -> None:
    """Both wait for the same work; a third finds it there."""
    counted: list[int] = []
    held = stored(tmp_path)

    async with Workers(2) as workers:
        shelf = RenditionShelf(tmp_path / "shelf", workers)

        async def ask() -> bytes:
            async with shelf.lent(held, CODING, writing(counted=counted)) as rendition:
                return rendition.path.read_bytes()

        got = await asyncio.gather(ask(), ask())
        got.append(await ask())

    assert got == [b"\x01" * 10] * 3
    assert counted == [1]
    assert shelf.made(held) == {CODING: 10}


async def test_what_nobody_waits_for_any_more_is_not_made(tmp_path: Path) -> None:
    """The work ends when the last who waits goes, and leaves nothing half made."""
    begun, ended = threading.Event(), threading.Event()
    held = stored(tmp_path)

    def endless(_: BinaryIO, out: BinaryIO, stopping: Stopping) -> Rendered:
        begun.set()
        try:
            while True:
                stopping.check()
                out.write(b"x")
        finally:
            ended.set()

    async with Workers(1) as workers:
        shelf = RenditionShelf(tmp_path / "shelf", workers)

        async def ask() -> None:
            async with shelf.lent(held, CODING, endless):
                pass

        first, second = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.to_thread(begun.wait, 5)
        first.cancel()
        await asyncio.wait([first])
        assert not ended.is_set(), "the other one still waits"
        second.cancel()
        await asyncio.wait([second])

    assert ended.is_set()
    assert files(tmp_path) == files(tmp_path, "part") == files(tmp_path, "json") == []


async def test_a_failure_is_told_to_all_who_wait_and_tried_anew_by_the_next(
    tmp_path: Path,
) -> None:
    """Nothing of it is kept."""
    held = stored(tmp_path)

    def broken(*_: Any) -> Rendered:
        raise ValueError("no such frame")

    async with Workers(1) as workers:
        shelf = RenditionShelf(tmp_path / "shelf", workers)
        with pytest.raises(ValueError, match="no such frame"):
            async with shelf.lent(held, CODING, broken):
                pass
        async with shelf.lent(held, CODING, writing()) as rendition:
            assert rendition.size_bytes == 10
    assert files(tmp_path, "part") == []


async def test_the_longest_unused_makes_room_and_what_is_lent_stays(tmp_path: Path) -> None:
    """A quota holds but for what is being sent."""
    first, second, third = (stored(tmp_path, number) for number in (1, 2, 3))

    async with Workers(1) as workers:
        shelf = RenditionShelf(tmp_path / "shelf", workers, quota_bytes=25)
        async with shelf.lent(first, CODING, writing()):
            pass
        async with shelf.lent(second, CODING, writing()) as kept:
            async with shelf.lent(first, CODING, writing()):
                pass  # used again: now the second is the oldest
            async with shelf.lent(third, CODING, writing()):
                pass
            assert kept.path.exists()
            assert shelf.made(first) == {}
        assert shelf.made(second) == {CODING: 10}
        assert shelf.made(third) == {CODING: 10}
    assert len(files(tmp_path)) == 2


async def test_another_process_finds_what_is_whole_and_removes_the_rest(tmp_path: Path) -> None:
    """Facts and all; a file cut short, one without facts and one half made are gone."""
    held = [stored(tmp_path, number) for number in (1, 2, 3)]

    async with Workers(1) as workers:
        shelf = RenditionShelf(tmp_path / "shelf", workers)
        for one in held:
            async with shelf.lent(one, CODING, writing()):
                pass
        async with shelf.lent(held[0], OTHER, writing(20)) as rendition:
            expected = rendition
    remaining = [path for path in files(tmp_path) if path != expected.path]
    remaining[0].write_bytes(b"short")
    remaining[1].with_suffix(".json").unlink()
    (tmp_path / "shelf" / "00").mkdir(exist_ok=True)
    (tmp_path / "shelf" / "00" / "half.part").write_bytes(b"half")

    async with Workers(1) as workers:
        again = RenditionShelf(tmp_path / "shelf", workers)
        await again.open()
        counted: list[int] = []
        async with again.lent(held[0], OTHER, writing(counted=counted)) as found:
            assert found == expected
        assert counted == []
        assert sum(len(again.made(one)) for one in held) == 2
    assert len(files(tmp_path)) == 2
    assert files(tmp_path, "part") == []
