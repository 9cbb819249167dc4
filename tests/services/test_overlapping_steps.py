"""Steps of one visit that overlap: no data of another patient, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from gateway.domain import (
    CallContext,
    Document,
    DocumentEntry,
    DocumentQuery,
    DocumentRef,
    Outcome,
)
from tests.country_b.portal import IDENTIFY, REPORT, Visit, portal
from tests.fakes import COUNTRY_A, FakeExchange, make_house, make_identity

OTHER = {**IDENTIFY, "ids": [{"value": "P-2", "authority": "2.999.1.1.1"}]}
Meanwhile = Callable[[], Awaitable[None]]


class Interrupted(FakeExchange):
    """Something else happens in the visit between a question and its answer."""

    meanwhile: Meanwhile | None = None

    async def _pause(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        found = await super().find_documents(query, context)
        await self._pause()
        return found

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        found = await super().retrieve_documents(refs, context)
        await self._pause()
        return found


def house() -> Interrupted:
    made = make_house()
    held = make_identity()
    other = replace(held, id=replace(held.id, value="P-2"), other_ids=())
    assert held.community == COUNTRY_A
    return Interrupted(
        patients=(held, other),
        entries=made.entries,
        documents=made.documents,
        instances=made.instances,
    )


async def test_a_list_of_one_patient_is_not_shown_to_a_visit_of_another(tmp_path: Path) -> None:
    """The visit turned to somebody else while the list was under way."""
    exchange = house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).confirmed()

        async def turn() -> None:
            await visit.post("identify", OTHER)
            await visit.post("confirm")

        exchange.meanwhile = turn
        refused = await visit.post("list", status=503)

        assert refused["refusal"] == "busy"
        assert (await visit.get())["state"] == "confirmed"
        assert (await visit.get("/list", status=409))["needed"] == "list"


async def test_what_arrives_after_a_visit_was_closed_is_removed_as_well(tmp_path: Path) -> None:
    """It was closed with nothing to be kept."""
    exchange = house()
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()

        async def leave() -> None:
            await visit.post("close", {"keep": False})

        exchange.meanwhile = leave
        await visit.post("retrieve", {"documents": [REPORT]}, status=409)

        assert await visit.get("/kept") == {"documents": [], "instances": []}
        assert list((tmp_path / "kept").glob("*/*")) == []


async def test_documents_that_came_before_a_failure_are_in_the_index(tmp_path: Path) -> None:
    """Or their files would lie there for ever, and be nobody's."""
    exchange = house()

    class Cut:
        size_bytes = 4

        async def chunks(self) -> object:
            yield b"ab"
            raise asyncio.CancelledError

    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()
        first, second = exchange.entries[0], exchange.entries[1]

        async def both(refs: Sequence[DocumentRef], context: CallContext) -> Outcome[Document]:
            whole = await FakeExchange.retrieve_documents(exchange, refs, context)
            cut = replace(whole.items[1], content=Cut())
            return Outcome((whole.items[0], cut))

        exchange.retrieve_documents = both  # type: ignore[method-assign]
        wanted = [str(first.ref.document), str(second.ref.document)]
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.post(f"{visit.path}/retrieve", json={"documents": wanted})
        await visit.post("close", {"keep": False})

        assert list((tmp_path / "kept").glob("*/*")) == []
        assert list((tmp_path / "incoming").iterdir()) == []
