"""Renditions asked for ahead: so many, in order, and given back when nobody takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from country_a.image_forms import ImageForm
from country_a.rendering_ahead import AHEAD_PER_CORE, Ahead
from gateway.domain import EXPLICIT_LITTLE_ENDIAN

FORM = ImageForm(syntax=EXPLICIT_LITTLE_ENDIAN)


class Made:
    """A renderer that tells what is lent and how urgent it was."""

    cores = 1

    def __init__(self) -> None:
        self.lent: list[Any] = []
        self.urgencies: list[float] = []

    @asynccontextmanager
    async def rendered(
        self, stored: Any, form: ImageForm, *, urgency: float = 0.0
    ) -> AsyncIterator[tuple[ImageForm, Any]]:
        self.urgencies.append(urgency)
        self.lent.append(stored)
        try:
            yield form, stored
        finally:
            self.lent.remove(stored)


async def test_they_come_in_the_order_asked_for_and_go_back_one_by_one() -> None:
    """There is room for a few for each core."""
    made: Any = Made()
    one: Any
    async with Ahead(made) as ahead:
        for one in range(AHEAD_PER_CORE):
            assert ahead.has_room
            ahead.ask(one, FORM)
        assert not ahead.has_room
        for one in range(AHEAD_PER_CORE):
            async with ahead.next() as (_, rendition):
                assert rendition == one
                assert one in made.lent
            assert one not in made.lent
    assert made.urgencies == list(range(AHEAD_PER_CORE))


async def test_what_nobody_takes_is_given_back() -> None:
    """Whatever ended the delivery."""
    made: Any = Made()
    one: Any
    async with Ahead(made) as ahead:
        for one in range(2):
            ahead.ask(one, FORM)
        async with ahead.next():
            pass
    assert made.lent == []
