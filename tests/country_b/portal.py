"""A visit at the portal API, driven as a health professional's system would."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from country_b.app import build_app
from tests.fakes import COUNTRY_A, FakeExchange, FakeReading

STUDY = "2.999.7.1"
MANIFEST = "2.999.7.1.1000"
REPORT = "2.999.8.1"

SIGN_IN = {
    "id": "hp-1",
    "family": "Ozola",
    "given": ["Ilze"],
    "role": {"value": "221", "scheme": "2.16.840.1.113883.2.9.6.2.7", "display": "Doctor"},
    "organisation": {"name": "Clinic by the Sea", "authority": "2.999.2.5"},
    "facility_type": "Hospital",
    "locality": "Clinic by the Sea, Port",
    "permissions": ["PRD-006", "PRD-004"],
}
IDENTIFY = {
    "community": str(COUNTRY_A),
    "ids": [{"value": "P-1", "authority": "2.999.1.1.1"}],
}


class Visit:
    """One visit, driven through the API."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client
        self.path = ""

    async def call(
        self, method: str, path: str, body: Any = None, *, status: int = 200
    ) -> dict[str, Any]:
        response = await self.client.request(method, path, json=body)
        assert response.status == status, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def post(self, action: str, body: Any = None, *, status: int = 200) -> dict[str, Any]:
        return await self.call("POST", f"{self.path}/{action}", body or {}, status=status)

    async def get(self, what: str = "", *, status: int = 200) -> dict[str, Any]:
        return await self.call("GET", f"{self.path}{what}", status=status)

    async def open(self) -> Visit:
        opened = await self.call("POST", "/api/sessions", status=201)
        self.path = f"/api/sessions/{opened['id']}"
        return self

    async def prepared(self, purpose: str = "TREATMENT") -> Visit:
        await self.open()
        await self.post("sign-in", SIGN_IN)
        await self.post("inform", {"text_version": "2026-1"})
        await self.post("purpose", {"purpose": purpose})
        return self

    async def confirmed(self) -> Visit:
        await self.prepared()
        await self.post("identify", IDENTIFY)
        await self.post("confirm")
        return self

    async def listed(self) -> Visit:
        await self.confirmed()
        await self.post("list")
        return self

    async def retrieved(self) -> Visit:
        await self.listed()
        await self.post("retrieve", {"documents": [MANIFEST, REPORT]})
        return self

    async def images(self, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a job and wait for its end."""
        started = await self.post("images", {"study": STUDY} | (body or {}), status=202)
        return await self.ended(started["job"])

    async def ended(self, job: str) -> dict[str, Any]:
        for _ in range(2000):
            view = await self.get(f"/images/{job}")
            if view["state"] != "running":
                return view
        raise AssertionError("the job did not end")


def clock() -> Callable[[], datetime]:
    """A clock that moves a second each time it is looked at."""
    ticks = itertools.count()
    start = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    return lambda: start + timedelta(seconds=next(ticks))


@asynccontextmanager
async def portal(
    exchange: FakeExchange, state: Path, **settings: Any
) -> AsyncIterator[TestClient[Any, Any]]:
    """The API, served on a free port."""
    numbers = itertools.count(1)
    app = build_app(
        exchanges={COUNTRY_A: exchange},
        state=state,
        now=clock(),
        new_id=lambda: f"id-{next(numbers)}",
        reading=FakeReading(),
        **settings,
    )
    async with TestClient(TestServer(app)) as client:
        yield client
