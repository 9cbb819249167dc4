"""The links as stories use them, against a real control port."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from gateway.link.proxy import LOOPBACK
from gateway.link.service import LinkSettings, running
from scenarios.links import Link, LinkRefused, as_wanted, declared, named_url
from tests.link.ends import profile
from tests.scenarios.planned import Line


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A client of a link that leads nowhere."""
    settings = LinkSettings(listen=0, host=LOOPBACK, port=1, profile=profile("unshaped"))
    async with running(settings) as ports, aiohttp.ClientSession() as session:
        yield Link(session, f"http://127.0.0.1:{ports['control']}/")


async def test_a_story_switches_cuts_resets_and_counts(link: Link) -> None:
    """Each as the link itself says it did."""
    shown = await link.switch("8mbit/80ms", down={"cut_after_bytes": 1000})

    assert shown["shape"]["down"]["cut_after_bytes"] == 1000
    assert (await link.cut(), await link.reset()) == (0, 0)
    counters = await link.counters()
    assert (counters["cuts"], counters["resets"]) == (1, 1)


async def test_a_wish_the_link_does_not_take_is_told_in_its_words(link: Link) -> None:
    """A story that makes one fails with the reason."""
    with pytest.raises(LinkRefused, match=r"400: found 'fast', expected a name"):
        await link.switch("fast")


def test_a_link_is_named_on_the_command_line() -> None:
    """By what goes through it, and its control port."""
    assert named_url("images=http://127.0.0.1:1") == ("images", "http://127.0.0.1:1")
    for text in ("images", "=http://x", "images=8080"):
        with pytest.raises(argparse.ArgumentTypeError, match="NAME=URL"):
            named_url(text)


async def test_what_a_story_wants_is_what_the_link_then_is(link: Link) -> None:
    """As it calls itself, and as a requester tells it; without a rate there is nothing to tell."""
    assert declared(await link.show()) is None

    async with as_wanted({"metadata": link}, "4mbit/80ms") as told:
        assert told == "4mbit/80ms"
        assert declared(await link.show()) == {"mbit": 4.0, "round_trip_ms": 80.0}

    assert (await link.show())["profile"] == "unshaped"


@pytest.mark.parametrize(
    ("wanted", "told", "switched"),
    [
        (("", ""), "", ([], [])),
        (("4mbit", ""), "4mbit", (["4mbit", "unshaped"], ["4mbit", "unshaped"])),
        (
            ("1mbit", "8mbit"),
            "metadata 1mbit, images 8mbit",
            (["1mbit", "unshaped"], ["8mbit", "unshaped"]),
        ),
    ],
)
async def test_lines_without_shape_are_switched_and_back(
    wanted: tuple[str, str], told: str, switched: tuple[list[str], list[str]]
) -> None:
    """Images go by a line like the other unless the story wants one of their own."""
    metadata, images = Line(), Line()
    links = cast(dict[str, Link], {"metadata": metadata, "images": images})

    async with as_wanted(links, *wanted) as words:
        assert words == told

    assert (metadata.switched, images.switched) == switched


async def test_a_line_somebody_chose_stays() -> None:
    """Whoever gives --link sees the stories over that line."""
    chosen = Line("8mbit/80ms")
    links = cast(dict[str, Link], {"metadata": chosen})

    async with as_wanted(links, "4mbit/80ms") as words:
        assert words == "8mbit/80ms"

    assert chosen.switched == []
