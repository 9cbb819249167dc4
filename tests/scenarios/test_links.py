"""The links as stories use them, against a real control port."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.link.proxy import LOOPBACK
from gateway.link.service import LinkSettings, running
from scenarios.links import Link, LinkRefused, named_url
from tests.link.ends import profile


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
