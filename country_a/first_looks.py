"""First looks on their way: of each instance the beginning that holds it at a part of its size.

An instance is written, or stored, in lossless HTJ2K, whose code stream begins with its smallest
resolution. What is sent is the beginning of that very file, under the tag of the whole: who has
looked asks for the rest and gets no byte twice. An instance of which no such file can be had is
named with the reason. Nothing of this is certified, as nothing has come whole.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from country_a.image_files import beside, piece
from country_a.image_forms import ImageForm, possible_form
from country_a.images import Held, Item
from country_a.national.ports import StoredInstance
from country_a.rendering import Renderer, RenderFailed
from country_a.rendering_ahead import Ahead
from gateway.compression.first_look import LOOKED_AT, beginning_bytes
from gateway.domain import (
    AnnouncedInstance,
    DeliveryWish,
    ImageChunk,
    Issue,
    NotFound,
    NotNow,
    Refusal,
    Uid,
)
from gateway.wire.problems import DecodeError


class FirstLooks:
    """The beginnings of instances; see `gateway.domain.ImageDelivery`."""

    def __init__(
        self, items: Sequence[Item], issues: Sequence[Issue], reduction: int, renderer: Renderer
    ) -> None:
        self.id = ""
        self.announced = tuple(
            AnnouncedInstance(
                ref=item.stored.ref, repository=item.repository, transfer_syntax=item.form.syntax
            )
            for item in items
        )
        self._items = tuple(items)
        self._issues = list(issues)
        self._reduction = reduction
        self._renderer = renderer

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Of what there is no first look, and why; whole when `chunks` has ended."""
        return tuple(self._issues)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing: what is lent is given back image by image."""

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Nothing: no instance goes whole."""

    async def settle(self) -> None:
        """Nothing: how much comes of each is told with it."""

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The beginnings, in the order asked for."""
        coming = deque(item for item in self._items if not item.as_stored)
        async with Ahead(self._renderer) as ahead:
            for item in self._items:
                while coming and ahead.has_room:
                    following = coming.popleft()
                    ahead.ask(following.stored, following.form)
                async with aclosing(self._beginning(item, ahead)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def _beginning(self, item: Item, ahead: Ahead) -> AsyncGenerator[ImageChunk, None]:
        """The chunks of an instance; none where it has no first look, which becomes an issue."""
        uid = item.stored.ref.instance
        async with AsyncExitStack() as stack:
            try:
                if item.as_stored:
                    path, whole = item.stored.path, item.announced()
                else:
                    form, rendition = await stack.enter_async_context(ahead.next())
                    path, whole = rendition.path, replace(item, form=form).announced(rendition)
                end = await beside(partial(_end, path, self._reduction))
                descriptor = await beside(partial(os.open, path, os.O_RDONLY | os.O_CLOEXEC))
            except (RenderFailed, DecodeError, NotFound, OSError) as error:
                why = "its file cannot be read" if isinstance(error, OSError) else str(error)
                self._issues.append(_no_look(item.stored, why))
                return
            stack.callback(os.close, descriptor)
            told: AnnouncedInstance | None = replace(whole, begin_bytes=end)
            at = 0
            while data := await piece(descriptor, at, end):
                at += len(data)
                yield ImageChunk(uid, data, at == end, told)
                told = None
            if at < end:
                issue = _no_look(item.stored, "its file is shorter than it was")
                raise NotNow(Refusal.BACK_END_DOWN, issue.text, subject=issue.subject)


def _end(path: Path, reduction: int) -> int:
    with path.open("rb") as file:
        return beginning_bytes(file, reduction)


def look_first(held: Held, wish: DeliveryWish, renderer: Renderer) -> FirstLooks:
    """First looks at what is held of a request, in the order asked for."""
    items: list[Item] = []
    issues = list(held.issues)
    for stored, repository in held.instances:
        form = _form(stored, wish)
        if form is None:
            why = "it cannot be had in lossless HTJ2K, or that was not asked for"
            issues.append(_no_look(stored, why))
        else:
            items.append(Item(stored, repository, form))
    return FirstLooks(items, issues, wish.first_look, renderer)


def _form(stored: StoredInstance, wish: DeliveryWish) -> ImageForm | None:
    asked = [syntax for syntax in LOOKED_AT if syntax in wish.syntaxes]
    if stored.transfer_syntax in asked:
        return ImageForm(syntax=stored.transfer_syntax)
    if stored.pixels is None:
        return None
    forms = (possible_form(stored, syntax) for syntax in asked)
    return next((form for form in forms if form is not None), None)


def _no_look(stored: StoredInstance, why: str) -> Issue:
    subject = str(stored.ref.instance)
    text = f"there is no first look at instance {subject}: {why}"
    return Issue(refusal=Refusal.UNSUPPORTED_SYNTAX, text=text, subject=subject)
