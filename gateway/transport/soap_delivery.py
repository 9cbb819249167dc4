"""Images on their way from another gateway: the streamed half of a RAD-75 answer.

The root part has said which instances follow and which do not; here their bytes pass through,
part by part, and the record of the call is closed when the last one has.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

from gateway.domain import (
    AnnouncedInstance,
    ImageChunk,
    ImageRequest,
    InvalidIdentifier,
    Issue,
    Outcome,
    PeerMisbehaved,
    Refusal,
    Uid,
)
from gateway.transport.bodies import IncomingBody, cut_short
from gateway.transport.part_recorder import PartRecorder
from gateway.transport.record import Record
from gateway.wire.problems import DecodeError
from gateway.wire.soap.document_set import RetrievedPart


class SoapDelivery:
    """A RAD-75 (or RAD-69) answer as an `ImageDelivery`.

    An instance nobody asked for, or announced twice, makes the peer's answer unusable; one asked
    for and neither announced nor refused becomes an issue.
    """

    def __init__(
        self,
        *,
        request: ImageRequest,
        outcome: Outcome[RetrievedPart],
        incoming: IncomingBody,
        peer: str,
        conversation: AbstractAsyncContextManager[Any],
        record: Record,
        id: str = "",
    ) -> None:
        self.id = id
        self._incoming = incoming
        self._peer = peer
        self._conversation = conversation
        self._record = record
        asked = {str(ref.instance): (ref, repository) for ref, repository in request.instances}
        self._by_cid: dict[str, Uid] = {}
        self._inline: list[tuple[Uid, bytes]] = []
        announced: list[AnnouncedInstance] = []
        issues = list(outcome.issues)
        seen: set[str] = set()
        for part in outcome.items:
            uid = str(part.ref.document)
            if uid not in asked or uid in seen:
                why = "twice" if uid in seen else "without being asked"
                text = f"{peer} announced instance {uid} {why}"
                raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text, subject=uid)
            seen.add(uid)
            ref, repository = asked[uid]
            size = None if part.cid else len(part.data)
            announced.append(
                AnnouncedInstance(
                    ref=ref, repository=repository, size_bytes=size, derived=_derived(part, peer)
                )
            )
            if part.cid:
                self._by_cid[part.cid] = ref.instance
            else:
                self._inline.append((ref.instance, part.data))
        told = seen | {issue.subject for issue in issues}
        general = any(issue.subject not in asked for issue in outcome.errors)
        issues.extend(
            Issue(
                refusal=Refusal.UNKNOWN_INSTANCE,
                text=f"{peer} neither sent the instance nor said why",
                subject=uid,
            )
            for uid in asked
            if uid not in told and not general
        )
        # Parts that have come whole, and whose digest has not been told yet.
        self._passed: dict[Uid, PartRecorder] = {}
        self.announced = tuple(announced)
        self.issues = tuple(issues)
        self._record.answered(noun=self.announced, issues=self.issues)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the conversation and the record of the call, whatever happened."""
        try:
            await self._conversation.__aexit__(None, None, None)
        finally:
            try:
                for instance in tuple(self._passed):
                    self.hashed(instance, "")
            finally:
                self._record.finish(error)

    def hashed(self, instance: Uid, sha256: str) -> None:
        """See `ImageDelivery`: the record's part of the instance ends with it."""
        recorder = self._passed.pop(instance, None)
        if recorder is not None:
            recorder.done(sha256=sha256)

    async def settle(self) -> None:
        """Nothing: what comes is the peer's to say."""

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The instances' DICOM files, in the order the peer sends them."""
        for instance, data in self._inline:
            yield ImageChunk(instance, data, True)
        pending = set(self._by_cid)
        recorder: PartRecorder | None = None
        try:
            async for part in self._incoming.attachments():
                named = self._by_cid.get(part.cid)
                if named is None or part.cid not in pending:
                    continue  # an attachment no DocumentResponse names
                if part.last and not part.whole:
                    raise cut_short(part.cid)
                if recorder is None:
                    recorder = self._record.part(part.headers, stored=str(named), digest=False)
                recorder.update(part.data)
                if part.last:
                    pending.discard(part.cid)
                    recorder.passed()
                    self._passed[named] = recorder
                    recorder = None
                yield ImageChunk(named, part.data, part.last)
        except DecodeError as error:
            text = f"the answer of {self._peer} cannot be read: {error}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from error
        if pending:
            missing = ", ".join(sorted(str(self._by_cid[cid]) for cid in pending)[:5])
            text = f"{self._peer} announced {len(pending)} instances it did not send: {missing}"
            raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text)


def _derived(part: RetrievedPart, peer: str) -> Uid | None:
    """The UID of a lossy form, where an instance does not come as itself (RAD TF-3 4.75)."""
    if part.new_document in ("", str(part.ref.document)):
        return None
    try:
        return Uid.parse(part.new_document)
    except InvalidIdentifier as error:
        text = f"{peer} sends an instance under a UID that is none: {error}"
        raise PeerMisbehaved(
            Refusal.PEER_MISBEHAVED, text, subject=str(part.ref.document)
        ) from None
