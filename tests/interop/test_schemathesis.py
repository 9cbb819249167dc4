"""Schemathesis, which asks REST servers what they do not expect, finds nothing, and finds what is.

For long, it runs as a target of `make fuzz` (`tests/fuzz/web.py`).
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

import pytest
from aiohttp import web as http

from gateway.transport.app import Listener, serving
from tests.fuzz import web

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(find_spec("schemathesis") is None, reason="Schemathesis is not installed"),
]
SECONDS = 20


def test_country_a_has_no_fault_that_is_found_soon(tmp_path: Path) -> None:
    """No status from 500 on, and every request is answered."""
    requests, faults = web.run(SECONDS, seed=1, out=tmp_path)

    found = "".join(path.read_text(encoding="utf-8") for path in sorted(tmp_path.iterdir()))
    assert faults == 0, found
    assert requests > 50


async def test_faults_are_found_and_how_to_see_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server error and an answer that does not come, with the request as a command."""
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.5)

    async def fails(request: http.Request) -> http.Response:
        return http.Response(status=500 if request.query.get("q") else 200)

    async def hangs(request: http.Request) -> http.Response:
        if request.query.get("q"):
            await asyncio.Event().wait()
        return http.Response()

    async def refuses(request: http.Request) -> http.Response:
        return http.Response(status=400 if request.query.get("q") else 200)

    app = http.Application()
    answers = {"/fails": fails, "/hangs": hangs, "/refuses": refuses}
    for path, answer in answers.items():
        app.router.add_get(path, answer)
    asked = {
        "parameters": [{"name": "q", "in": "query", "schema": {"enum": ["one"]}}],
        "responses": {"default": {"description": "any"}},
    }
    described = {
        "openapi": "3.1.0",
        "info": {"title": "three routes", "version": "1"},
        "paths": {path: {"get": asked} for path in answers},
    }
    async with serving(Listener(name="it", app=app, host="127.0.0.1", port=0)) as ports:
        origin = f"http://127.0.0.1:{ports['it']}"
        done = await web.schemathesis(
            described, origin, tmp_path / "run", seconds=20, seed=1, phases="coverage"
        )

    commands = [line for line in done.said.splitlines() if "curl" in line]
    assert done.requests > 3
    assert done.faults == 2
    assert any(f"{origin}/fails?q=" in line for line in commands)
    assert any(f"{origin}/hangs?q=" in line for line in commands)
    assert not any(f"{origin}/refuses" in line for line in commands)
