"""Images put on the shelf: written, checked and moved into place beside the stream, in lots.

A hand-over to a thread costs more than an image's checks, and so would make many small images
slow. So what comes in is gathered: while a thread works on one lot, the next one grows. A lot
goes when it is large enough or when its first byte has waited long enough, so that over a slow
link each image is there as soon as it has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from country_b.blobs import Blob, BlobFile, BlobStore
from country_b.initiator import wrong_patient
from country_b.reading import Reading, ReceivedInstance
from gateway.domain import ExchangeError, InstanceRef, PatientIdentity, Uid

LOT_BYTES = 4 * 1024 * 1024
LOT_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """An image in its place, good or in quarantine; `syntax` is None where no header was read.

    `derived` is the UID of the lossy form that came of it.
    """

    ref: InstanceRef
    blob: Blob
    syntax: Uid | None
    derived: Uid | None = None


@dataclass(slots=True, kw_only=True)
class _Coming:
    """An image coming in."""

    ref: InstanceRef
    announced_bytes: int | None
    derived: Uid | None
    sha256: str
    file: BlobFile


@dataclass(slots=True)
class _Part:
    """What of one image is in a lot."""

    image: _Coming
    pieces: list[bytes] = field(default_factory=list)
    last: bool = False
    aside: bool = False


class ImageShelf:
    """Takes in images one after the other; `shelved` is called in the loop for each in its place.

    `began` is called for each that was put aside, with what is wrong with its header, "" for
    nothing: one with a problem, or without a tag to continue it by, is not kept. An error `shelved`
    raises stops the transfer, but not the telling of images already there.

    Holds two lots at most, and what was given in one go. A context manager: when it is left,
    images that came whole are in their place, and of others only what can be continued is there,
    whatever ended the transfer; only a failure of the shelf itself takes the lot that was waiting
    with it.
    """

    def __init__(
        self,
        blobs: BlobStore,
        reading: Reading,
        patient: PatientIdentity,
        shelved: Callable[[Shelved], None],
        began: Callable[[InstanceRef, str], None],
    ) -> None:
        self._blobs = blobs
        self._reading = reading
        self._patient = patient
        self._shelved = shelved
        self._began = began
        self._image: _Coming | None = None
        self._lot: list[_Part] = []
        self._lot_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Future[None] | None = None
        self._done: list[tuple[_Coming, Shelved]] = []
        self._aside: list[tuple[_Coming, str]] = []
        self._unfinished: set[BlobFile] = set()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put what came whole in its place, and leave of the rest what can be continued."""
        await self._work_off()
        if self._timer is not None:
            self._timer.cancel()
        for file in self._unfinished:
            with suppress(OSError):  # what cannot be removed now is swept when the store opens
                if file.lasting:
                    file.put_aside()
                else:
                    file.drop()

    @property
    def is_open(self) -> bool:
        """Whether an image has begun and not ended."""
        return self._image is not None

    def begin(
        self,
        ref: InstanceRef,
        announced_bytes: int | None,
        derived: Uid | None = None,
        *,
        sha256: str = "",
        file: BlobFile | None = None,
    ) -> None:
        """The next bytes are of this image, or of a lossy form of it with a UID of its own.

        `sha256` is what the whole must have, "" for not known; `file` is where it comes in, with
        what is there of it, None for a new place.
        """
        file = file or self._blobs.file()
        self._unfinished.add(file)
        self._image = _Coming(
            ref=ref, announced_bytes=announced_bytes, derived=derived, sha256=sha256, file=file
        )

    async def write(self, data: bytes) -> None:
        """Bytes of the open image; waits while there are two full lots.

        Raises `ExchangeError` when the store is full, or when an earlier lot failed.
        """
        image = self._opened()
        image.file.take(data)
        self._part_of(image).pieces.append(data)
        self._lot_bytes += len(data)
        if self._lot_bytes < LOT_BYTES:
            self._hand_over_soon()
            return
        await self._idle()
        self._hand_over()

    def end(self) -> None:
        """The open image has come whole."""
        self._part_of(self._opened()).last = True
        self._image = None
        self._hand_over_soon()

    def put_aside(self) -> None:
        """No more of the open image comes now: what is here of it stays, to be continued."""
        self._part_of(self._opened()).aside = True
        self._image = None
        self._hand_over_soon()

    def abandon(self) -> None:
        """The open image, if any, does not go on in this transfer."""
        self._image = None

    async def settle(self) -> None:
        """Wait until every image that came whole is in its place; raises what a lot failed with."""
        await self._work_off()
        if self._failure is not None:
            raise self._failure

    def _opened(self) -> _Coming:
        if self._failure is not None:
            raise self._failure
        if self._image is None:
            raise ValueError("no image has begun")
        return self._image

    def _part_of(self, image: _Coming) -> _Part:
        if not self._lot or self._lot[-1].image is not image:
            self._lot.append(_Part(image))
        return self._lot[-1]

    async def _work_off(self) -> None:
        while self._working is not None or (self._lot and self._failure is None):
            await self._idle()
            self._hand_over()

    async def _idle(self) -> None:
        if self._working is not None:
            await asyncio.wait([self._working])

    def _hand_over_soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LOT_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        """Give the lot to the thread; if that is busy, it comes for it when it is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._working is not None or self._failure is not None or not self._lot:
            return
        lot, self._lot, self._lot_bytes = self._lot, [], 0
        loop = asyncio.get_running_loop()
        self._working = loop.run_in_executor(None, self._work, lot)
        self._working.add_done_callback(self._worked)

    def _worked(self, working: asyncio.Future[None]) -> None:
        self._working = None
        done, self._done = self._done, []
        self._failure = working.exception()
        aside, self._aside = self._aside, []
        for image, problem in aside:
            self._unfinished.discard(image.file)
            (image.file.drop if problem else image.file.put_aside)()
            self._began(image.ref, problem)
        for image, shelved in done:
            image.file.settle(shelved.blob)
            self._unfinished.discard(image.file)
            try:
                self._shelved(shelved)
            except Exception as error:  # noqa: BLE001  told by `settle`, after those that follow
                self._failure = self._failure or error
        if self._timer is None:
            self._hand_over()

    def _work(self, lot: Sequence[_Part]) -> None:
        """Runs in a thread; what is done stays done when a later image fails."""
        for part in lot:
            image = part.image
            image.file.write(part.pieces)
            part.pieces.clear()
            if part.last:
                self._done.append((image, self._complete(image)))
            elif part.aside:
                self._aside.append((image, self._begins_wrong(image)))

    def _begins_wrong(self, image: _Coming) -> str:
        if not image.file.lasting:
            return "the beginning of the image came without a tag to continue it by"
        try:
            header = self._reading.instance(image.file.place, image.file.head)
        except ExchangeError as error:
            return error.text
        return self._wrong(image, header)

    def _wrong(self, image: _Coming, header: ReceivedInstance) -> str:
        if image.derived is None and header.ref != image.ref:
            return "the image is not the one that was asked for"
        if image.derived is not None and (header.ref.study, header.ref.instance) != (
            image.ref.study,
            image.derived,
        ):
            return "the image is not the lossy form that was announced"
        return (
            "the image is of another patient"
            if wrong_patient(self._patient, header.patient)
            else ""
        )

    def _complete(self, image: _Coming) -> Shelved:
        syntax: Uid | None = None

        def inspect(blob: Blob) -> str:
            nonlocal syntax
            announced = image.announced_bytes
            if announced is not None and announced != blob.size_bytes:
                return f"{blob.size_bytes} bytes came, {announced} were announced"
            if image.sha256 not in ("", blob.sha256):
                return "its SHA-256 is not the one that was announced"
            try:
                header = self._reading.instance(blob.file, blob.head)
            except ExchangeError as error:
                return error.text
            syntax = header.transfer_syntax
            return self._wrong(image, header)

        blob = image.file.complete(inspect)
        return Shelved(ref=image.ref, blob=blob, syntax=syntax, derived=image.derived)
