"""Renditions made a few ahead of the one being sent, in the order in which they are sent.

Making, checking and sending overlap so; what nobody will take any more is not made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from country_a.image_forms import ImageForm
from country_a.national.ports import StoredInstance
from country_a.rendering import Renderer
from country_a.renditions import Rendition

# Asked for ahead of the one being sent, for each core that makes them.
AHEAD_PER_CORE = 3


class Ahead:
    """Renditions asked for ahead, in the order in which they are sent; released one by one."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._limit = AHEAD_PER_CORE * renderer.cores
        self._asked: deque[Lent] = deque()
        self._number = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may be asked for."""
        return len(self._asked) < self._limit

    def ask(self, stored: StoredInstance, form: ImageForm) -> None:
        """Begin to make the rendition of an instance."""
        self._asked.append(Lent(self._renderer.rendered(stored, form, urgency=self._number)))
        self._number += 1

    def next(self) -> Lent:
        """The one that was asked for first, as a context that gives its form and rendition."""
        return self._asked.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What nobody will take any more is not made."""
        for lent in self._asked:
            lent.give_up()
        for lent in self._asked:
            await lent.given_up()


class Lent:
    """A rendition being made, and lent from then on until the context is left."""

    def __init__(self, lending: AbstractAsyncContextManager[tuple[ImageForm, Rendition]]) -> None:
        self._lending = lending
        self._task = asyncio.get_running_loop().create_task(self._lending.__aenter__())

    async def __aenter__(self) -> tuple[ImageForm, Rendition]:
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.give_up()
            await self.given_up()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._lending.__aexit__(None, None, None)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        self._task.cancel()

    async def given_up(self) -> None:
        """Wait until what it used is given back."""
        await asyncio.wait([self._task])
        if not self._task.cancelled() and self._task.exception() is None:
            await self._lending.__aexit__(None, None, None)
