"""The links between the countries, as stories use them: slower, faster, cut, reset, counted."""

from __future__ import annotations

import argparse
from typing import Any

import aiohttp

Json = dict[str, Any]


class LinkRefused(Exception):
    """The link did not take a wish: HTTP status and its words."""


class Link:
    """The control port of one link."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def switch(self, profile: str, **changes: Any) -> Json:
        """Be another line from now on: profile, shape and counters as they then are.

        `changes` are values of the shape that are not the profile's, such as
        `down={"cut_after_bytes": 100_000}` or a `schedule`.
        """
        return await self._call("PUT", "/link", {"profile": profile, **changes})

    async def cut(self) -> int:
        """Close every connection orderly; how many there were."""
        return int((await self._call("POST", "/link/cut"))["cut"])

    async def reset(self) -> int:
        """Break every connection; how many there were."""
        return int((await self._call("POST", "/link/reset"))["reset"])

    async def counters(self) -> Json:
        """Bytes each way, connections, cuts so far."""
        counters: Json = (await self._call("GET", "/link"))["counters"]
        return counters

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self._session.request(method, self._url + path, json=body) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise LinkRefused(f"the link answered {response.status}: {answer.get('error')}")
            return answer


def named_url(text: str) -> tuple[str, str]:
    """A link as the command line names it: `NAME=URL`."""
    name, equals, url = text.partition("=")
    if not (name and equals and url.startswith("http")):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=URL")
    return name, url
