"""The streamed half of an answer with images: everything announced comes, or it is an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from gateway.domain import (
    DocumentId,
    DocumentRef,
    ImageRequest,
    InstanceRef,
    Issue,
    NotNow,
    Oid,
    Outcome,
    PeerMisbehaved,
    Refusal,
    Severity,
    Uid,
)
from gateway.transport.bodies import AttachmentChunk
from gateway.transport.soap_delivery import SoapDelivery
from gateway.wire.problems import DecodeError
from gateway.wire.soap.document_set import RetrievedPart
from tests.builders import COUNTRY_A

SOURCE = Oid("2.999.1.3")


def uid(number: int) -> Uid:
    return Uid(f"1.2.3.{number}")


def announced(number: int, **changes: Any) -> RetrievedPart:
    reference = DocumentRef(COUNTRY_A, SOURCE, DocumentId(uid(number)))
    facts = {"cid": f"{number}@x", **changes}
    return RetrievedPart(ref=reference, mime_type="application/dicom", **facts)


def piece(number: int, data: bytes, *, last: bool = True, whole: bool = True) -> AttachmentChunk:
    return AttachmentChunk(f"{number}@x", (), data, last, whole)


class Conversation:
    """What a delivery is made of: the parts that come, and who is told of the end."""

    def __init__(self, pieces: Iterable[AttachmentChunk | Exception] = ()) -> None:
        self.pieces = list(pieces)
        self.record = Mock()
        self.connection = AsyncMock()

    async def attachments(self) -> AsyncIterator[AttachmentChunk]:
        for each in self.pieces:
            if isinstance(each, Exception):
                raise each
            yield each

    def delivery(self, asked: int, *parts: RetrievedPart, issues: Any = ()) -> SoapDelivery:
        incoming: Any = self
        return SoapDelivery(
            request=ImageRequest(
                community=COUNTRY_A,
                instances=tuple(
                    (InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=uid(n)), SOURCE)
                    for n in range(1, asked + 1)
                ),
            ),
            outcome=Outcome(parts, issues),
            incoming=incoming,
            peer="Country A",
            conversation=self.connection,
            record=self.record,
        )


async def received(delivery: SoapDelivery) -> dict[str, bytes]:
    got: dict[str, bytes] = {}
    async with delivery:
        async for chunk in delivery.chunks():
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
    return got


async def test_instances_come_in_the_order_the_peer_sends_them() -> None:
    """Those inside the root first, then the parts; a stray part is passed over."""
    talk = Conversation(
        [piece(3, b"c"), piece(9, b"stray"), piece(1, b"a", last=False), piece(1, b"a")]
    )
    delivery = talk.delivery(3, announced(1), announced(2, cid="", data=b"bb"), announced(3))

    assert await received(delivery) == {uid(2): b"bb", uid(3): b"c", uid(1): b"aa"}
    assert [item.size_bytes for item in delivery.announced] == [None, 2, None]
    assert delivery.issues == ()
    talk.record.finish.assert_called_once_with(None)
    talk.connection.__aexit__.assert_awaited_once()


@pytest.mark.parametrize(
    ("issues", "silent"),
    [
        ((), [2, 3]),
        ((Issue(refusal=Refusal.UNKNOWN_INSTANCE, text="no", subject=uid(2)),), [3]),
        ((Issue(refusal=Refusal.BUSY, text="all too much"),), []),
        ((Issue(refusal=Refusal.BUSY, text="slow", severity=Severity.WARNING),), [2, 3]),
    ],
)
def test_what_nobody_said_a_word_about_is_an_issue(
    issues: tuple[Issue, ...], silent: list[int]
) -> None:
    """Unless an error without a subject speaks for all that is missing; a warning does not."""
    delivery = Conversation().delivery(3, announced(1), issues=issues)

    added = delivery.issues[len(issues) :]
    assert [issue.subject for issue in added] == [uid(number) for number in silent]
    assert {issue.refusal for issue in added} <= {Refusal.UNKNOWN_INSTANCE}


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([piece(1, b"a")], "did not send: 1.2.3.2"),
        ([piece(1, b"a"), piece(2, b"b", whole=False)], "closing boundary"),
        ([piece(1, b"a"), DecodeError("part", "x", "y")], "cannot be read"),
    ],
)
async def test_what_was_announced_and_does_not_come_whole_is_the_peers_misbehaviour(
    pieces: list[Any], words: str
) -> None:
    """The record ends with it, and the connection is let go."""
    talk = Conversation(pieces)

    with pytest.raises(PeerMisbehaved, match=words) as caught:
        await received(talk.delivery(2, announced(1), announced(2)))

    talk.record.finish.assert_called_once_with(caught.value)
    talk.connection.__aexit__.assert_awaited_once()


async def test_a_network_that_breaks_is_told_as_it_is() -> None:
    """A refusal made below passes."""
    error = NotNow(Refusal.PEER_TIMEOUT, "silent")

    with pytest.raises(NotNow) as caught:
        await received(Conversation([error]).delivery(1, announced(1)))

    assert caught.value is error


async def test_a_delivery_left_half_way_is_ended() -> None:
    """Whoever stops reading must not hold the connection."""
    talk = Conversation([piece(1, b"a"), piece(2, b"b")])
    delivery = talk.delivery(2, announced(1), announced(2))

    async with delivery:
        chunks = delivery.chunks()
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]

    talk.record.finish.assert_called_once_with(None)
    talk.connection.__aexit__.assert_awaited_once()
