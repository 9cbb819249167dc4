"""The links between the countries, as stories use them: slower, faster, cut, reset, counted."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

Json = dict[str, Any]

# What goes through a link, by the names the house gives them, and a line that shapes nothing.
METADATA, IMAGES, UNSHAPED = "metadata", "images", "unshaped"


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

    async def show(self) -> Json:
        """What line it is: profile, shape, counters."""
        return await self._call("GET", "/link")

    async def counters(self) -> Json:
        """Bytes each way, connections, cuts so far."""
        counters: Json = (await self.show())["counters"]
        return counters

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self._session.request(method, self._url + path, json=body) as response:
            answer: Json = await response.json()
            if response.status >= 400:
                raise LinkRefused(f"the link answered {response.status}: {answer.get('error')}")
            return answer


@asynccontextmanager
async def as_wanted(
    links: Mapping[str, Link], profile: str, image_profile: str = ""
) -> AsyncIterator[str]:
    """Make links that shape nothing what a story wants, for as long as it is told.

    A link that somebody chose stays what it is. `profile` is wanted of every link, `image_profile`
    of that for images, "" nothing. Gives the profiles the story is told over, "" where none shapes.
    """
    wanted = {IMAGES: image_profile or profile}
    switched, told = [], {}
    for name, link in links.items():
        found = str((await link.show())["profile"])
        wish = wanted.get(name, profile)
        if wish and found == UNSHAPED:
            found = str((await link.switch(wish))["profile"])
            switched.append(link)
        told[name] = found
    try:
        yield _in_words(told)
    finally:
        for link in switched:
            await link.switch(UNSHAPED)


def _in_words(told: Mapping[str, str]) -> str:
    """`4mbit/80ms` where all lines are alike, else each by what goes through it."""
    if all(profile == UNSHAPED for profile in told.values()):
        return ""
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return ", ".join(f"{name} {profile}" for name, profile in told.items())


def declared(shown: Json) -> Json | None:
    """A line as a requester tells it of its own (`link` of the portal); None without a rate."""
    shape = shown["shape"]
    rate = shape["down"]["bits_per_second"]
    if rate is None:
        return None
    trip = shape["up"]["latency_seconds"] + shape["down"]["latency_seconds"]
    return {"mbit": rate / 1e6, "round_trip_ms": trip * 1000}


def named_url(text: str) -> tuple[str, str]:
    """A link as the command line names it: `NAME=URL`."""
    name, equals, url = text.partition("=")
    if not (name and equals and url.startswith("http")):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=URL")
    return name, url
