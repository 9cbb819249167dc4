"""Request after request as one delivery: asked ahead, closed whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import pytest

from gateway.domain import (
    ExchangeError,
    ImageRequest,
    InstanceRef,
    NotAllowed,
    NotFound,
    NotNow,
    Oid,
    Refusal,
    Uid,
)
from gateway.transport.dicomweb_delivery import MAX_WAITING, DicomwebDelivery, Opened
from gateway.wire.dicom.web import ImageScope, write_path
from gateway.wire.dicom.web_plan import Fetch, plan_fetches
from tests.builders import COUNTRY_A
from tests.dicom_files import file_of

PLACE = Oid("2.999.20")
REFS = [
    InstanceRef(study=Uid("2.999.1"), series=Uid("2.999.1.1"), instance=Uid(f"2.999.1.1.{n}"))
    for n in range(3)
]
REQUEST = ImageRequest(community=COUNTRY_A, instances=tuple((ref, PLACE) for ref in REFS))


class Part:
    """Notes what a record of a part is told."""

    def __init__(self, notes: list[str], name: str) -> None:
        self.notes = notes
        self.name = name

    def update(self, data: bytes) -> None:
        """The next piece."""

    def passed(self) -> None:
        """Whole."""

    def done(self, *, sha256: str = "") -> None:
        """Its digest is known, and its record still open: else there is nowhere to note it."""
        assert f"close {self.name}" not in self.notes
        self.notes.append(f"digest {sha256}")


@dataclass
class Calls:
    """Opens fetches as told, and notes when."""

    replies: dict[InstanceRef, bytes | ExchangeError]
    notes: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, fetch: Fetch) -> AsyncIterator[Opened]:
        """One request."""
        ref = fetch.wanted[0]
        name = str(ref.instance).rpartition(".")[2]
        self.notes.append(f"ask {name}")
        reply = self.replies[ref]
        if isinstance(reply, ExchangeError):
            raise reply

        async def pieces() -> AsyncIterator[bytes]:
            location = write_path(ImageScope.of(ref))
            head = f"--b\r\nContent-Type: application/dicom\r\nContent-Location: {location}"
            yield head.encode() + b"\r\n\r\n"
            await asyncio.sleep(0)  # as a network does, it lets others have their turn
            yield reply[:100]
            yield reply[100:]

        try:
            yield Opened(fetch, cast("Any", self), cast("Any", self), pieces)
            self.notes.append(f"close {name}")
        except ExchangeError as error:
            self.notes.append(f"broke {name}: {error.refusal}")
            raise

    headers: ClassVar = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}

    def part(self, headers: object, *, stored: str, **told: object) -> Part:
        """As a record's."""
        return Part(self.notes, stored.rpartition(".")[2])

    def answered(self, **told: object) -> None:
        """As a record's."""

    def delivery(self) -> DicomwebDelivery:
        """The delivery of all three."""
        return DicomwebDelivery(REQUEST, plan_fetches(REQUEST), self.open, peer="A")


def whole(ref: InstanceRef) -> bytes:
    """The rest of an answer from the bytes of the file on."""
    return file_of(ref) + b"\r\n--b--\r\n"


async def test_the_next_is_asked_for_while_one_comes_in() -> None:
    """And no more than one ahead; each is closed when it is read."""
    calls = Calls({ref: whole(ref) for ref in REFS})
    delivery = calls.delivery()
    await delivery.begin()

    async with delivery:
        order = [chunk.instance async for chunk in delivery.chunks() if chunk.last]

    assert order == [ref.instance for ref in REFS]
    assert calls.notes[:3] == ["ask 0", "ask 1", "ask 2"]
    assert calls.notes.count("digest ") == 3
    assert delivery.issues == ()


async def test_an_answer_is_closed_when_its_digests_are_known() -> None:
    """Whoever takes images in tells them a little later than the last byte."""
    calls = Calls({ref: whole(ref) for ref in REFS})
    delivery = calls.delivery()
    await delivery.begin()

    async with delivery:
        before = None
        async for chunk in delivery.chunks():
            if chunk.last:
                if before is not None:
                    delivery.hashed(before, "ab")
                before = chunk.instance

    assert calls.notes.index("digest ab") < calls.notes.index("close 0")
    assert calls.notes[-2:] == ["digest ", "close 2"]


async def test_no_more_than_a_few_answers_wait_for_their_digests() -> None:
    """Each holds a transcript open; the oldest is closed without."""
    refs = [
        InstanceRef(study=Uid("2.999.1"), series=Uid("2.999.1.1"), instance=Uid(f"2.999.1.1.{n}"))
        for n in range(MAX_WAITING + 3)
    ]
    calls = Calls({ref: whole(ref) for ref in refs})
    request = ImageRequest(community=COUNTRY_A, instances=tuple((ref, PLACE) for ref in refs))
    delivery = DicomwebDelivery(request, plan_fetches(request), calls.open, peer="A")
    await delivery.begin()

    async with delivery:
        async for _ in delivery.chunks():
            pass
        closed = [note for note in calls.notes if note.startswith("close")]

    assert len(closed) == 3


async def test_the_digest_is_told_to_the_record_of_the_part() -> None:
    """By whoever took the instance in."""
    calls = Calls({ref: whole(ref) for ref in REFS})
    delivery = calls.delivery()
    await delivery.begin()

    async with delivery:
        async for chunk in delivery.chunks():
            if chunk.last:
                delivery.hashed(chunk.instance, "ab")
                delivery.hashed(chunk.instance, "cd")

    assert calls.notes.count("digest ab") == 3
    assert "digest cd" not in calls.notes


async def test_what_is_left_early_is_closed() -> None:
    """The answer being read and the one asked for ahead."""
    calls = Calls({ref: whole(ref) for ref in REFS})
    delivery = calls.delivery()
    await delivery.begin()

    async with delivery:
        async for _ in delivery.chunks():
            break

    assert "ask 2" not in calls.notes
    assert {note for note in calls.notes if note.startswith("close")} <= {"close 0", "close 1"}
    assert "close 0" in calls.notes


async def test_an_answer_that_breaks_off_is_the_end() -> None:
    """But for what was asked for ahead and is there; its record is told why."""
    calls = Calls({ref: whole(ref) for ref in REFS} | {REFS[1]: file_of(REFS[1])})
    delivery = calls.delivery()
    await delivery.begin()

    came = []
    with pytest.raises(ExchangeError, match="closing boundary"):
        async with delivery:
            async for chunk in delivery.chunks():
                if chunk.last:
                    came.append(chunk.instance)

    assert came == [REFS[0].instance, REFS[2].instance]
    assert "broke 1: peer-misbehaved" in calls.notes


@pytest.mark.parametrize(
    "error",
    [
        NotAllowed(Refusal.NO_CONSENT, "denied"),
        NotNow(Refusal.PEER_UNREACHABLE, "gone"),
    ],
)
async def test_a_first_refusal_of_the_caller_is_told_at_once(error: ExchangeError) -> None:
    """Before anybody waits for images."""
    calls = Calls(dict.fromkeys(REFS, error))

    with pytest.raises(type(error)):
        await calls.delivery().begin()
    assert calls.notes == ["ask 0"]


async def test_a_first_image_that_is_not_there_is_an_issue() -> None:
    """The others come."""
    gone = NotFound(Refusal.UNKNOWN_INSTANCE, "no such image")
    calls = Calls({ref: whole(ref) for ref in REFS} | {REFS[0]: gone})
    delivery = calls.delivery()
    await delivery.begin()

    async with delivery:
        order = [chunk.instance async for chunk in delivery.chunks() if chunk.last]

    assert order == [ref.instance for ref in REFS[1:]]
    [issue] = delivery.issues
    assert (issue.subject, issue.text) == (str(REFS[0].instance), "no such image")
