"""Chromium without a window, driven by its own protocol: what a person would see of a page.

A page is judged by what the browser made of it: what was drawn, what was fetched from where, and
what it complained about. Nothing is installed but the browser.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

WITHIN = 30.0  # seconds for a browser to start, and for a page to become what is waited for
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-port=0",
    # The trust domain is made up for the run and not in the browser's store.
    "--ignore-certificate-errors",
)


class Page:
    """One page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._session = ""
        self._loaded = False
        self.complaints: list[str] = []
        self.fetched: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """One command of the protocol, and its answer; what happens meanwhile is noted."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        async with asyncio.timeout(WITHIN):
            while True:
                got = await self._socket.receive_json()
                if got.get("id") == number:
                    if "error" in got:
                        raise AssertionError(f"{method}: {got['error']}")
                    result: Mapping[str, Any] = got["result"]
                    return result
                self._note(got.get("method", ""), got.get("params", {}))

    def _note(self, event: str, told: Mapping[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.fetched.append(told["request"]["url"])
        elif event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"]["text"])

    async def attach(self, width: int, height: int) -> None:
        """Open a page of some size."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def go(self, url: str) -> None:
        """Go to an address, until what stands there is loaded."""
        self._loaded = False
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(WITHIN):
            while not self._loaded:
                got = await self._socket.receive_json()
                self._note(got.get("method", ""), got.get("params", {}))

    async def ask(self, expression: str) -> Any:
        """What an expression is in the page."""
        got = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true in the page, looked at each time it is drawn."""
        drawn = f"""new Promise((done) => {{
            const look = () => ({expression}) ? done(true) : requestAnimationFrame(look);
            look();
        }})"""
        try:
            async with asyncio.timeout(WITHIN):
                await self.ask(drawn)
        except TimeoutError:
            raise AssertionError(f"did not become true: {expression}") from None

    async def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    async def screenshot(self, path: Path) -> bytes:
        """What is to be seen, as PNG."""
        got = await self.call("Page.captureScreenshot", format="png")
        data = base64.b64decode(got["data"])
        path.write_bytes(data)
        return data


@asynccontextmanager
async def chromium(width: int = 1400, height: int = 900) -> AsyncIterator[Page]:
    """A page of a fresh browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            f"--user-data-dir={profile}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = await _listening(process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                page = Page(socket)
                await page.attach(width, height)
                yield page
                with suppress(AssertionError, TypeError, TimeoutError):
                    page._session = ""
                    await page.call("Browser.close")
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


async def _listening(process: asyncio.subprocess.Process) -> str:
    """Where the browser listens, as it says when it does."""
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN):
        async for line in process.stderr:
            words = line.decode("utf-8", "replace").strip()
            if words.startswith("DevTools listening on "):
                return words.removeprefix("DevTools listening on ")
    raise AssertionError("chromium ended before it listened")
