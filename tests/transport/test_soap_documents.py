"""Attachments of an answer are taken in when they are named, and within limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.domain import (
    DocumentId,
    DocumentRef,
    Oid,
    Outcome,
    Refusal,
    Severity,
    read_content,
)
from gateway.transport import soap_documents
from gateway.transport.bodies import IncomingBody
from gateway.transport.soap_documents import documents_of, receive
from gateway.transport.spool import TooLarge
from gateway.wire.multipart import closing, part_head
from gateway.wire.soap.document_set import RetrievedPart
from tests.builders import COUNTRY_A


class Record:
    """Notes what passed."""

    def __init__(self) -> None:
        self.done_parts = 0

    def part(self, _headers: object) -> Record:
        return self

    def update(self, _data: bytes) -> None:
        """Nothing to do."""

    def done(self) -> None:
        self.done_parts += 1


async def incoming(*parts: tuple[str, bytes], end: bool = True) -> IncomingBody:
    pieces = [part_head("b", (("Content-ID", "<root@x>"),), first=True), b"<root/>"]
    for cid, data in parts:
        pieces += [part_head("b", (("Content-ID", f"<{cid}>"),)), data]
    pieces += [closing("b")] if end else []

    async def source() -> AsyncIterator[bytes]:
        yield b"".join(pieces)

    body = IncomingBody('multipart/related; boundary="b"', source(), limit=1000)
    assert await body.root() == b"<root/>"
    return body


async def test_only_what_is_named_is_taken_in() -> None:
    """The record is told of all."""
    record: Any = Record()
    body = await incoming(("a@x", b"one"), ("b@x", b"two"))

    received = await receive(body, record, {"a@x", "c@x"}, document_bytes=10)

    assert set(received.contents) == {"a@x"}
    assert await read_content(received.contents["a@x"], 10) == b"one"
    assert received.unclosed == set()
    assert record.done_parts == 2


async def test_what_nothing_closed_is_named() -> None:
    """Whether anything of it is missing others must tell."""
    record: Any = Record()
    body = await incoming(("a@x", b"one"), ("b@x", b"two"), end=False)

    received = await receive(body, record, {"a@x", "b@x"}, document_bytes=10)

    assert set(received.contents) == {"a@x", "b@x"}
    assert received.unclosed == {"b@x"}


@pytest.mark.parametrize(("each", "together"), [(2, 100), (10, 5)])
async def test_one_too_large_and_all_too_large_are_cut_off(
    each: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many that fit can be more than all the room there is."""
    monkeypatch.setattr(soap_documents, "MAX_SPOOLED_BYTES", together)
    record: Any = Record()
    body = await incoming(("a@x", b"one"), ("b@x", b"two"))

    with pytest.raises(TooLarge):
        await receive(body, record, {"a@x", "b@x"}, document_bytes=each)


async def test_each_document_asked_for_is_there_or_an_issue_says_why() -> None:
    """Inline, attached, attached and unclosed, named without a part, and not mentioned at all."""
    record: Any = Record()
    refs = [DocumentRef(COUNTRY_A, Oid("2.999"), DocumentId(f"2.999.{n}")) for n in range(5)]
    parts = (
        RetrievedPart(ref=refs[0], mime_type="text/plain", data=b"inline"),
        RetrievedPart(ref=refs[1], mime_type="text/plain", cid="a@x"),
        RetrievedPart(ref=refs[2], mime_type="text/plain", cid="b@x"),
        RetrievedPart(ref=refs[3], mime_type="text/plain", cid="gone@x"),
    )
    body = await incoming(("a@x", b"one"), ("b@x", b"two"), end=False)
    received = await receive(body, record, {part.cid for part in parts}, document_bytes=10)

    documents, issues = documents_of(refs, Outcome(parts), received)

    assert [document.ref for document in documents] == refs[:3]
    assert [(issue.subject, issue.refusal, issue.severity) for issue in issues] == [
        ("2.999.2", Refusal.PEER_MISBEHAVED, Severity.WARNING),
        ("2.999.3", Refusal.PEER_MISBEHAVED, Severity.ERROR),
        ("2.999.4", Refusal.UNKNOWN_DOCUMENT, Severity.ERROR),
    ]
