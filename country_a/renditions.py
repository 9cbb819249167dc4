"""Renditions: stored instances written in another form, each made once and kept while it is used.

A rendition is a file, named by the digest of its original and how it is written, with its facts
beside it: it can be sent again, in part, or by another process, and what is sent has a strong tag.
Whoever asks for one that is being made waits for the same work; when nobody waits any more, the
work ends. What is not lent makes room for what is needed, the longest unused first.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import orjson
import structlog

from country_a.national.ports import StoredInstance
from gateway.compression.transcode import Rendered
from gateway.compression.worker import Stopping, Workers
from gateway.domain import Coding, PixelError, Uid

# Of an instance under work are held: a frame, its code stream, what it decodes to, and slack.
FRAMES_IN_MEMORY = 4
QUOTA_BYTES = 8 * 1024**3
# Changed whenever the same coding writes other bytes: what was kept before is not found any more.
FORM = 1

_LOG = structlog.get_logger(__name__)

Render: TypeAlias = Callable[[BinaryIO, BinaryIO, Stopping], Rendered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A file of an instance in another form, and what is known of it.

    `original` names the bytes it was made from.
    """

    path: Path
    original: str
    coding: Coding
    facts: Rendered

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.facts.size_bytes


class _Making:
    """A rendition under way: the work, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Rendition]) -> None:
        self.task = task
        self.waiting = 0


class RenditionShelf:
    """The renditions of one country, in a folder of its own."""

    def __init__(self, folder: Path, workers: Workers, *, quota_bytes: int = QUOTA_BYTES) -> None:
        self._folder = folder
        self._workers = workers
        self._quota = quota_bytes
        self._kept: OrderedDict[str, Rendition] = OrderedDict()
        self._of: dict[str, dict[Coding, Rendition]] = {}
        self._bytes = 0
        self._making: dict[str, _Making] = {}
        self._lent: dict[str, int] = {}

    async def open(self) -> None:
        """Find what an earlier process left; what it did not finish is removed."""
        found = await asyncio.to_thread(_scan, self._folder)
        for key, rendition in found:
            self._keep(key, rendition)
        await self._make_room()

    def made(self, stored: StoredInstance) -> Mapping[Coding, int]:
        """The renditions of an instance that are there already, with the sizes of their files."""
        found = self._of.get(_original(stored))
        return {} if found is None else {coding: one.size_bytes for coding, one in found.items()}

    @asynccontextmanager
    async def lent(
        self, stored: StoredInstance, coding: Coding, render: Render, *, urgency: float = 0.0
    ) -> AsyncIterator[Rendition]:
        """The rendition, made if need be by `render`, which stays where it is until given back.

        Raises what `render` raises, and `OSError` where a file cannot be read or written.
        """
        key = key_of(stored, coding)
        self._lent[key] = self._lent.get(key, 0) + 1
        try:
            yield await self._get(key, stored, coding, render, urgency)
        finally:
            self._lent[key] -= 1
            if not self._lent[key]:
                del self._lent[key]
                if self._bytes > self._quota:
                    await self._make_room()

    async def _get(
        self, key: str, stored: StoredInstance, coding: Coding, render: Render, urgency: float
    ) -> Rendition:
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        making = self._making.get(key)
        if making is None:
            work = self._make(key, stored, coding, render, urgency)
            making = _Making(asyncio.get_running_loop().create_task(work))
            self._making[key] = making
        making.waiting += 1
        try:
            return await asyncio.shield(making.task)
        except asyncio.CancelledError:
            if making.waiting == 1:
                making.task.cancel()
                await asyncio.wait([making.task])
            raise
        finally:
            making.waiting -= 1

    async def _make(
        self, key: str, stored: StoredInstance, coding: Coding, render: Render, urgency: float
    ) -> Rendition:
        pixels = stored.pixels
        frame = pixels.frame_bytes if pixels is not None else stored.size_bytes
        try:
            rendition = await self._workers.run(
                partial(_write, self._folder, key, stored, coding, render),
                urgency=urgency,
                memory_bytes=frame * FRAMES_IN_MEMORY,
            )
        finally:
            del self._making[key]
        self._keep(key, rendition)
        await self._make_room()
        return rendition

    def _keep(self, key: str, rendition: Rendition) -> None:
        self._kept[key] = rendition
        self._of.setdefault(rendition.original, {})[rendition.coding] = rendition
        self._bytes += rendition.size_bytes

    async def _make_room(self) -> None:
        """Let go of the longest unused until the rest fits; what is lent stays."""
        gone: list[Path] = []
        for key in list(self._kept):
            if self._bytes <= self._quota:
                break
            if key in self._lent:
                continue
            rendition = self._kept.pop(key)
            siblings = self._of[rendition.original]
            del siblings[rendition.coding]
            if not siblings:
                del self._of[rendition.original]
            self._bytes -= rendition.size_bytes
            gone.append(rendition.path)
        if gone:
            await asyncio.to_thread(_remove, gone)


def key_of(stored: StoredInstance, coding: Coding) -> str:
    """The name of a rendition: of which bytes, written how."""
    how = f"{FORM}|{coding.syntax}|{coding.effort}|{coding.near}|{coding.step!r}"
    return hashlib.sha256(f"{_original(stored)}|{how}".encode()).hexdigest()


def _original(stored: StoredInstance) -> str:
    """The name of the bytes an instance is stored as."""
    return stored.sha256 or f"{stored.file}|{stored.size_bytes}"


def _write(
    folder: Path,
    key: str,
    stored: StoredInstance,
    coding: Coding,
    render: Render,
    stopping: Stopping,
) -> Rendition:
    """Make one, aside first: a file under its name is whole."""
    path = _path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    try:
        with stored.path.open("rb") as original, aside.open("w+b") as out:
            facts = render(original, cast(BinaryIO, out), stopping)
        rendition = Rendition(path=path, original=_original(stored), coding=coding, facts=facts)
        path.with_suffix(".json").write_bytes(_body(rendition))
        os.replace(aside, path)
    except BaseException:
        _remove([path])
        raise
    return rendition


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.dcm"


def _remove(paths: list[Path]) -> None:
    for path in paths:
        for suffix in (".dcm", ".json", ".part"):
            with suppress(FileNotFoundError):
                path.with_suffix(suffix).unlink()


def _scan(folder: Path) -> list[tuple[str, Rendition]]:
    """What is whole, oldest first; the rest is removed."""
    found: list[tuple[float, str, Rendition]] = []
    for facts in folder.glob("*/*.json"):
        path = facts.with_suffix(".dcm")
        try:
            rendition = _read(path, facts.read_bytes())
            status = path.stat()
            if status.st_size != rendition.size_bytes:
                raise ValueError(f"{status.st_size} bytes instead of {rendition.size_bytes}")
        except (OSError, ValueError, TypeError, KeyError) as error:
            _LOG.warning("a rendition was not whole and is removed", why=str(error))
            _remove([path])
            continue
        found.append((status.st_mtime, path.stem, rendition))
    for orphan in (*folder.glob("*/*.part"), *folder.glob("*/*.dcm")):
        if not orphan.with_suffix(".json").exists():
            orphan.unlink(missing_ok=True)
    return [(key, rendition) for _, key, rendition in sorted(found, key=lambda one: one[:2])]


def _body(rendition: Rendition) -> bytes:
    facts, coding = rendition.facts, rendition.coding
    error = facts.error
    return orjson.dumps(
        {
            "original": rendition.original,
            "coding": [coding.syntax, coding.effort, coding.near, coding.step],
            "size_bytes": facts.size_bytes,
            "frames": facts.frames,
            "raw_bytes": facts.raw_bytes,
            "coded_bytes": facts.coded_bytes,
            "sha256": facts.sha256,
            "pixels_sha256": facts.pixels_sha256,
            "error": error and [error.max_error, error.rmse, error.ssim],
        }
    )


def _read(path: Path, body: bytes) -> Rendition:
    json: dict[str, Any] = orjson.loads(body)
    original, error = json.pop("original"), json.pop("error")
    syntax, effort, near, step = json.pop("coding")
    return Rendition(
        path=path,
        original=original,
        coding=Coding(syntax=Uid(syntax), effort=effort, near=near, step=step),
        facts=Rendered(
            **json,
            error=error and PixelError(max_error=error[0], rmse=error[1], ssim=error[2]),
        ),
    )
