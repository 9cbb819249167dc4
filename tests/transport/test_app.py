"""Serving: free ports, limits, one last resort for errors, a ready file that appears whole."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web

from gateway.domain import NotNow, Refusal
from gateway.transport.app import (
    MAX_HEADER_BYTES,
    Listener,
    names_of,
    new_application,
    serving,
    until_stopped,
    write_ready_file,
)


async def _broken(request: web.Request) -> web.Response:
    raise LookupError(f"secret table at 10.0.0.7 for {request.path}")


async def _refused(_: web.Request) -> web.Response:
    raise NotNow(Refusal.STORE_FULL, "secret disk is full")


async def _missing(_: web.Request) -> web.Response:
    raise web.HTTPNotFound(text="no such thing")


async def _swallow(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


def _listener(name: str = "one", port: int = 0) -> Listener:
    app = new_application(new_id=lambda: "corr-7", max_body_bytes=1000)
    for path, answer in (("/broken", _broken), ("/refused", _refused), ("/missing", _missing)):
        app.router.add_get(path, answer)
    app.router.add_post("/swallow", _swallow)
    return Listener(name=name, app=app, host="127.0.0.1", port=port)


async def test_what_nobody_expected_is_told_by_its_correlation_id_alone() -> None:
    """The inside stays inside; the log has it under the same id."""
    with structlog.testing.capture_logs() as lines:
        async with serving(_listener()) as ports, aiohttp.ClientSession() as session:
            answer = await session.get(f"http://127.0.0.1:{ports['one']}/broken")
            told = await answer.json()

    assert answer.status == 500
    assert told == {"refusal": "internal", "text": "internal error", "correlation_id": "corr-7"}
    assert [line["correlation_id"] for line in lines] == ["corr-7"]


async def test_a_refusal_nobody_rendered_tells_nothing_either() -> None:
    """It is logged by its kind."""
    with structlog.testing.capture_logs() as lines:
        async with serving(_listener()) as ports, aiohttp.ClientSession() as session:
            answer = await session.get(f"http://127.0.0.1:{ports['one']}/refused")
            text = await answer.text()

    assert answer.status == 500
    assert "secret" not in text
    assert [line["refusal"] for line in lines] == ["store-full"]


async def test_answers_of_http_itself_pass() -> None:
    """Not found is not an error of ours; neither is a body over the limit."""
    async with serving(_listener()) as ports, aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{ports['one']}"
        missing = await session.get(f"{base}/missing")
        large = await session.post(f"{base}/swallow", data=b"x" * 1001)
        fitting = await session.post(f"{base}/swallow", data=b"x" * 1000)

        assert (missing.status, await missing.text()) == (404, "no such thing")
        assert large.status == 413
        assert await fitting.text() == "1000"


async def test_headers_of_tokens_and_certificates_are_taken() -> None:
    """Tens of kilobytes, which is more than aiohttp takes by itself."""
    async with serving(_listener()) as ports, aiohttp.ClientSession() as session:
        answer = await session.get(
            f"http://127.0.0.1:{ports['one']}/missing", headers={"X-Token": "t" * 60_000}
        )

        assert answer.status == 404


async def test_ports_are_free_again_after_serving() -> None:
    """Each listener has its own while it lasts."""
    async with serving(_listener("one"), _listener("two")) as ports:
        assert set(ports) == {"one", "two"}
        assert ports["one"] != ports["two"]

    async with serving(_listener("one", ports["one"])) as again:
        assert again == {"one": ports["one"]}


async def test_a_port_that_is_taken_releases_those_before_it() -> None:
    """Half a service is none."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = _listener("one")

        with pytest.raises(OSError, match=r"two port cannot be \d+ of 127\.0\.0\.1: .* in use"):
            async with serving(first, _listener("two", taken.getsockname()[1])):
                raise AssertionError("it serves")

    assert first.app.frozen
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def test_a_port_has_names_of_its_own_on_loopback_alone() -> None:
    """On another address its names are the operator's affair."""
    assert names_of("127.0.0.1") == frozenset({"127.0.0.1", "localhost", "::1"})
    assert names_of("0.0.0.0") is None


def test_the_ready_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks sees all of it or nothing: it is renamed into its place."""
    ready = tmp_path / "ready.json"
    seen: list[tuple[bool, bytes]] = []
    replace = Path.replace

    def watched(source: Path, target: Path) -> Path:
        seen.append((ready.exists(), source.read_bytes()))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_ready_file(ready, {"service": 1, "control": 2})

    assert json.loads(ready.read_bytes()) == {"ports": {"service": 1, "control": 2}}
    assert seen == [(False, ready.read_bytes())]
    assert list(tmp_path.iterdir()) == [ready]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_wait(number: signal.Signals) -> None:
    """Either of the two a service is stopped with."""
    waiting = asyncio.create_task(until_stopped())
    await asyncio.sleep(0)

    os.kill(os.getpid(), number)

    await asyncio.wait_for(waiting, 5)
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_a_header_over_the_limit_is_not_quoted_in_the_log() -> None:
    """It may be a token; the HTTP library would print how it begins."""
    said = io.StringIO()
    listening = logging.StreamHandler(said)
    logging.getLogger().addHandler(listening)
    app = new_application(new_id=lambda: "id", max_body_bytes=1)
    token = "Bearer eyJ" + "x" * MAX_HEADER_BYTES
    async with (
        serving(Listener(name="a", app=app, host="127.0.0.1", port=0)) as ports,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://127.0.0.1:{ports['a']}/"
        got = await session.get(url, headers={"Authorization": token})

    logging.getLogger().removeHandler(listening)
    assert got.status == 400
    assert "refused" in said.getvalue()
    assert "eyJ" not in said.getvalue()
