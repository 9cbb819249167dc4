"""Making the form of an instance that is wanted, or the next best where that fails.

A lossless form that does not decode to its original is not sent: the next of the syntaxes asked
for is tried. A lossy form that breaks a guard is made once more with half the error, and without
loss if that breaks one too. What can be made in no way at all says why.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO, cast

import structlog

from country_a.image_forms import ImageForm, possible_form
from country_a.national.ports import StoredInstance
from country_a.renditions import Rendition, RenditionShelf
from gateway.compression.derivation import derive, derived_uid
from gateway.compression.guards import GuardBroken, NotFaithful
from gateway.compression.transcode import Rendered, transcode
from gateway.compression.worker import Stopping
from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Coding, Uid
from gateway.wire.problems import DecodeError, EncodeError

_LOG = structlog.get_logger(__name__)


class RenderFailed(Exception):
    """An instance can be had in none of the forms asked for; the text says why."""


class Renderer:
    """Makes forms of instances on a shelf, with so many `cores`."""

    def __init__(self, shelf: RenditionShelf, *, cores: int) -> None:
        self._shelf = shelf
        self.cores = cores

    def made(self, stored: StoredInstance) -> Mapping[Coding, int]:
        """The forms of an instance that are there already, with the sizes of their files."""
        return self._shelf.made(stored)

    @asynccontextmanager
    async def rendered(
        self, stored: StoredInstance, form: ImageForm, *, urgency: float = 0.0
    ) -> AsyncIterator[tuple[ImageForm, Rendition]]:
        """The form an instance really has, and its rendition, lent until the context is left.

        Raises `RenderFailed` where neither the form nor any after it can be made.
        """
        async with AsyncExitStack() as lent:
            why: list[str] = []
            for one in _to_try(stored, form):
                if one.coding is None:
                    continue
                render = partial(_render, stored, one)
                try:
                    rendition = await lent.enter_async_context(
                        self._shelf.lent(stored, one.coding, render, urgency=urgency)
                    )
                except (NotFaithful, GuardBroken) as error:
                    _LOG.warning(
                        "a form was not sent", instance=stored.ref.instance, why=str(error)
                    )
                    why.append(str(error))
                except (DecodeError, EncodeError, OSError) as error:
                    why.append(str(error))
                    break
                else:
                    yield one, rendition
                    return
            raise RenderFailed("; ".join(why) or "none of the forms asked for can be made")


def _to_try(stored: StoredInstance, form: ImageForm) -> Iterator[ImageForm]:
    """The form, and those to try after it, each once."""
    yield form
    coding = form.coding
    if coding is not None and coding.is_lossy:
        milder = replace(coding, step=coding.step / 2, near=coding.near // 2)
        if milder.is_lossy:
            yield replace(form, coding=milder, derived=derived_uid(stored.ref.instance, milder))
    tried = {coding.syntax} if coding is not None else set()
    for syntax in form.otherwise:
        if syntax in tried:
            continue
        tried.add(syntax)
        if syntax == EXPLICIT_LITTLE_ENDIAN:
            yield ImageForm(syntax=syntax, coding=Coding(syntax=Uid(syntax)))
        elif (lossless := possible_form(stored, syntax)) is not None:
            yield lossless


def _render(
    stored: StoredInstance,
    form: ImageForm,
    original: BinaryIO,
    out: BinaryIO,
    stopping: Stopping,
) -> Rendered:
    """One form of an instance, written to a file."""
    coding = form.coding
    if coding is None:
        raise EncodeError("a form that is not coded is not made")
    derivation = None
    if form.derived is not None:
        ref = stored.ref
        derivation = derive(ref.instance, ref.series, coding, purpose=form.purpose, cap=form.cap)
    return transcode(
        original,
        cast(BinaryIO, _Watched(out, stopping)),
        coding,
        derivation=derivation,
        native_sha256=stored.native_sha256,
    )


class _Watched:
    """A file that refuses to be written when the work is to stop: once a frame, that is."""

    def __init__(self, file: BinaryIO, stopping: Stopping) -> None:
        self._file = file
        self._stopping = stopping

    def write(self, data: bytes) -> int:
        """Write, or raise `Stopped`."""
        self._stopping.check()
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        """Read as the file does."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as the file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the file is."""
        return self._file.tell()

    def flush(self) -> None:
        """Flush as the file does."""
        self._file.flush()
