"""How the API answers when something is wrong, the unforeseen included."""

from __future__ import annotations

import json

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from country_b.answers import exchange_answer, make_refusals
from gateway.domain import Refusal, refuse


def test_every_refusal_becomes_an_answer() -> None:
    """Whatever the reason, the answer has the same shape and an error status."""
    for refusal in Refusal:
        answer = exchange_answer(refuse(refusal, "words", code="X1", subject="s"), "c-1")
        body = json.loads(answer.text or "")

        assert answer.status >= 400
        assert body == {
            "refusal": refusal.value,
            "text": "words",
            "who_can_fix": body["who_can_fix"],
            "code": "X1",
            "subject": "s",
            "correlation_id": "c-1",
        }


async def test_what_nobody_expected_tells_nothing_of_the_inside() -> None:
    """A fault of ours is logged under the correlation id, and only that id goes out."""

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("the secret of the inside")

    app = web.Application(middlewares=[make_refusals(lambda: "c-9")])
    app.router.add_get("/", broken)
    with structlog.testing.capture_logs() as logs:
        async with TestClient(TestServer(app)) as client:
            response = await client.get("/")
            text = await response.text()

    assert response.status == 500
    assert "secret" not in text
    assert json.loads(text)["refusal"] == "internal"
    assert [line["correlation_id"] for line in logs] == ["c-9"]


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("DELETE", 405)])
async def test_wrong_addresses_answer_in_the_same_shape(method: str, status: int) -> None:
    """No page of the framework is shown."""

    async def fine(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[make_refusals(lambda: "c-1")])
    app.router.add_get("/here", fine)
    async with TestClient(TestServer(app)) as client:
        response = await client.request(method, "/here" if status == 405 else "/there")

        assert response.status == status
        assert (await response.json())["correlation_id"] == "c-1"
