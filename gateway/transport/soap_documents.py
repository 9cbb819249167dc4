"""Documents on their way from another gateway: the attachments of an ITI-39 answer.

The root part has said which documents there are; here their bytes are taken in, each told to the
record of the call, wait on disk beyond a small size, and are put together with what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain import Document, DocumentRef, Issue, Outcome, Refusal, Severity
from gateway.transport.bodies import IncomingBody, cut_short
from gateway.transport.part_recorder import PartRecorder
from gateway.transport.record import Record
from gateway.transport.spool import SpooledContent, TooLarge
from gateway.wire.soap.document_set import RetrievedPart

# Documents of one answer together, while they wait on disk: a thousand reports of 2 MB.
MAX_SPOOLED_BYTES = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """Attachments by their content id; `unclosed` are those that no boundary closed."""

    contents: dict[str, SpooledContent] = field(default_factory=dict)
    unclosed: set[str] = field(default_factory=set)


async def receive(
    incoming: IncomingBody, record: Record, named: set[str], *, document_bytes: int
) -> Received:
    """The attachments that are `named`; others are told to the record and not kept here.

    `TooLarge` when one has more than `document_bytes`, or all more than `MAX_SPOOLED_BYTES`.
    """
    received = Received()
    recorders: dict[str, PartRecorder] = {}
    total = 0
    async for chunk in incoming.attachments():
        if chunk.cid not in recorders:
            recorders[chunk.cid] = record.part(chunk.headers)
        recorders[chunk.cid].update(chunk.data)
        if chunk.last:
            recorders[chunk.cid].done()
        if chunk.cid not in named:
            continue
        total += len(chunk.data)
        if total > MAX_SPOOLED_BYTES:
            raise TooLarge(f"over {MAX_SPOOLED_BYTES} bytes in one answer")
        if chunk.cid not in received.contents:
            received.contents[chunk.cid] = SpooledContent(document_bytes)
        received.contents[chunk.cid].write(chunk.data)
        if chunk.last and not chunk.whole:
            received.unclosed.add(chunk.cid)
    return received


def documents_of(
    refs: Sequence[DocumentRef], outcome: Outcome[RetrievedPart], received: Received
) -> tuple[tuple[Document, ...], tuple[Issue, ...]]:
    """Documents and issues of an answer; one neither sent nor refused becomes an issue."""
    documents: list[Document] = []
    issues = list(outcome.issues)
    for part in outcome.items:
        subject = str(part.ref.document)
        if not part.cid:
            documents.append(Document.of_bytes(part.ref, part.mime_type, part.data))
            continue
        content = received.contents.get(part.cid)
        if content is None:
            text = f"the answer names part {part.cid}, which it does not have"
            issues.append(Issue(refusal=Refusal.PEER_MISBEHAVED, text=text, subject=subject))
            continue
        if part.cid in received.unclosed:
            # Live peers leave it out; whether anything is missing, hash and size tell.
            issues.append(
                Issue(
                    refusal=Refusal.PEER_MISBEHAVED,
                    text=cut_short(part.cid).text,
                    severity=Severity.WARNING,
                    subject=subject,
                )
            )
        documents.append(
            Document(ref=part.ref, mime_type=part.mime_type, content=content, sha1=content.sha1)
        )
    answered = {document.ref.document for document in documents} | {
        issue.subject for issue in issues
    }
    issues.extend(
        Issue(
            refusal=Refusal.UNKNOWN_DOCUMENT,
            text="the peer neither sent the document nor said why",
            subject=str(ref.document),
        )
        for ref in refs
        if ref.document not in answered and not outcome.errors
    )
    return tuple(documents), tuple(issues)
