"""Images from Country A's own store: put into their form and streamed one after the other.

An instance leaves as its file lies there, decoded to explicit little endian, or as a rendition in
another transfer syntax. Renditions are made a few ahead of the one being sent, so that making,
checking and sending overlap; what cannot be made in time holds up the rest no longer than making
it takes, and one that cannot be made at all is told at the end, behind everything that can.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from country_a.image_files import CHUNK_BYTES, beside, opened, piece
from country_a.image_forms import ImageForm, form_by_order, form_by_plan, not_planned, not_possible
from country_a.national.ports import Pacs, StoredInstance
from country_a.rendering import Renderer, RenderFailed
from country_a.rendering_ahead import Ahead
from country_a.renditions import Rendition
from gateway.domain import (
    AnnouncedInstance,
    DeliveryPlan,
    DeliveryWish,
    ImageChunk,
    ImageDelivery,
    ImageRequest,
    InstanceFidelity,
    Issue,
    NotNow,
    Oid,
    Refusal,
    Uid,
)
from gateway.wire.dicom.instances import to_explicit_little_endian
from gateway.wire.problems import DecodeError

Ended: TypeAlias = Callable[[Sequence[InstanceFidelity]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Item:
    """An instance of a delivery: what it is, where it was asked for, and how it goes out."""

    stored: StoredInstance
    repository: Oid
    form: ImageForm

    @property
    def as_stored(self) -> bool:
        """Whether its file goes as it lies there."""
        return self.form.coding is None and self.form.syntax == self.stored.transfer_syntax

    def announced(self, rendition: Rendition | None = None) -> AnnouncedInstance:
        """What is said of it: the size and digest of the file, where there is one."""
        if self.as_stored:
            size: int | None = self.stored.size_bytes
            digest = self.stored.sha256
        else:
            size = None if rendition is None else rendition.size_bytes
            digest = "" if rendition is None else rendition.facts.sha256
        return AnnouncedInstance(
            ref=self.stored.ref,
            repository=self.repository,
            transfer_syntax=self.form.syntax,
            size_bytes=size,
            sha256=digest,
            derived=self.form.derived,
        )


class StoreDelivery:
    """Instances of the image store on their way; see `gateway.domain.ImageDelivery`.

    `fidelity` is what was done to those that have been sent to their last piece. `id` names it,
    once it was told.
    """

    def __init__(
        self,
        items: Sequence[Item],
        issues: Sequence[Issue],
        *,
        renderer: Renderer,
    ) -> None:
        self.id = ""
        self._items = list(items)
        self._ended: Ended | None = None
        self._issues = list(issues)
        self._renderer = renderer
        self._settled = AsyncExitStack()
        self._ready: dict[Uid, Rendition] = {}
        self.announced = tuple(item.announced() for item in items)
        self.fidelity: list[InstanceFidelity] = []

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What does not come, and why; whole when `chunks` has ended."""
        return tuple(self._issues)

    def tell(self, id: str, ended: Ended) -> None:
        """Name it; `ended` is awaited with `fidelity` when it is left, however far it came."""
        self.id, self._ended = id, ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back what was lent for the whole delivery, and tell what went out."""
        await self._settled.aclose()
        if self._ended is not None:
            ended, self._ended = self._ended, None
            await ended(self.fidelity)

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Nothing: the store knows the digests of what it holds."""

    async def settle(self) -> None:
        """Make what is announced under another UID, or by itself, before it is announced.

        A lossy form that breaks a guard is made otherwise, and comes under another UID then; one
        instance alone is announced with its size, so that it can be asked for in part.
        """
        alone = len(self._items) == 1
        wanted = [
            number
            for number, item in enumerate(self._items)
            if item.form.coding is not None and (alone or item.form.derived is not None)
        ]
        made = await asyncio.gather(*(self._made(self._items[number]) for number in wanted))
        failed: set[int] = set()
        for number, result in zip(wanted, made, strict=True):
            if isinstance(result, Issue):
                self._issues.append(result)
                failed.add(number)
            else:
                self._items[number], self._ready[self._items[number].stored.ref.instance] = result
        self._items = [item for at, item in enumerate(self._items) if at not in failed]
        self.announced = tuple(
            item.announced(self._ready.get(item.stored.ref.instance)) for item in self._items
        )

    async def _made(self, item: Item) -> tuple[Item, Rendition] | Issue:
        try:
            form, rendition = await self._settled.enter_async_context(
                self._renderer.rendered(item.stored, item.form)
            )
        except RenderFailed as error:
            return _issue(item, str(error))
        return replace(item, form=form), rendition

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The instances' DICOM files, one after the other.

        Those that cannot be made are left out, each with an issue of its own.
        """
        stored = [item.stored.file for item in self._items if item.as_stored]
        async with aclosing(opened(stored)) as files, Ahead(self._renderer) as ahead:
            coming = deque(item for item in self._items if self._is_to_make(item))
            for item in self._items:
                while coming and ahead.has_room:
                    item_ahead = coming.popleft()
                    ahead.ask(item_ahead.stored, item_ahead.form)
                if item.as_stored:
                    source = self._as_stored(item, files)
                elif item.form.coding is None:
                    source = self._decoded(item)
                else:
                    source = self._rendered(item, ahead)
                async with aclosing(source):
                    async for chunk in source:
                        yield chunk

    def _is_to_make(self, item: Item) -> bool:
        return item.form.coding is not None and item.stored.ref.instance not in self._ready

    async def _as_stored(
        self, item: Item, files: AsyncGenerator[int, None]
    ) -> AsyncGenerator[ImageChunk, None]:
        uid, size = item.stored.ref.instance, item.stored.size_bytes
        sent = 0
        try:
            descriptor = await anext(files)
            while data := await piece(descriptor, sent, size):
                sent += len(data)
                if sent == size:
                    self.fidelity.append(_plain_fidelity(item, item.stored.sha256, size))
                yield ImageChunk(uid, data, sent == size)
        except OSError as error:
            raise _broken(item, "its file cannot be read") from error
        if sent < size:
            raise _broken(item, "its file is shorter than it was")

    async def _decoded(self, item: Item) -> AsyncGenerator[ImageChunk, None]:
        uid = item.stored.ref.instance
        try:
            data, digest = await asyncio.to_thread(_plain, item.stored.path)
        except (OSError, DecodeError):
            self._issues.append(_issue(item, "its pixels cannot be decoded"))
            return
        view = memoryview(data)
        for start in range(0, len(data), CHUNK_BYTES):
            end = start + CHUNK_BYTES
            if end >= len(data):
                self.fidelity.append(_plain_fidelity(item, digest, len(data)))
            yield ImageChunk(uid, bytes(view[start:end]), end >= len(data))

    async def _rendered(self, item: Item, ahead: Ahead) -> AsyncGenerator[ImageChunk, None]:
        uid = item.stored.ref.instance
        async with AsyncExitStack() as stack:
            if (ready := self._ready.get(uid)) is not None:
                form, rendition = item.form, ready
            else:
                try:
                    form, rendition = await stack.enter_async_context(ahead.next())
                except RenderFailed as error:
                    self._issues.append(_issue(item, str(error)))
                    return
            path = rendition.path
            descriptor = await beside(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            stack.callback(os.close, descriptor)
            at, size = 0, rendition.size_bytes
            told: AnnouncedInstance | None = replace(item, form=form).announced(rendition)
            while data := await piece(descriptor, at, size):
                at += len(data)
                if at == size:
                    # Before its last piece leaves: whoever has it whole may ask for a certificate.
                    self.fidelity.append(_fidelity(item, form, rendition))
                yield ImageChunk(uid, data, at == size, told)
                told = None
            if at < size:
                raise _broken(item, "its rendition is shorter than it was")


def _issue(item: Item, why: str) -> Issue:
    subject = str(item.stored.ref.instance)
    return Issue(
        refusal=Refusal.BACK_END_DOWN,
        text=f"instance {subject} cannot be delivered: {why}",
        subject=subject,
    )


def _broken(item: Item, why: str) -> NotNow:
    issue = _issue(item, why)
    return NotNow(issue.refusal, issue.text, subject=issue.subject)


def _plain(path: Path) -> tuple[bytes, str]:
    """An instance in explicit little endian, and the SHA-256 of that."""
    data = to_explicit_little_endian(path)
    return data, hashlib.sha256(data).hexdigest()


def _plain_fidelity(item: Item, sha256: str, size: int) -> InstanceFidelity:
    """What is said of an instance whose pixels nobody coded: its file stands for them."""
    pixels = item.stored.pixels
    return InstanceFidelity(
        ref=item.stored.ref,
        syntax=item.form.syntax,
        sha256=sha256,
        raw_bytes=size if pixels is None else pixels.raw_bytes,
        sent_bytes=size,
    )


def _fidelity(item: Item, form: ImageForm, rendition: Rendition) -> InstanceFidelity:
    facts = rendition.facts
    return InstanceFidelity(
        ref=item.stored.ref,
        syntax=form.syntax,
        sha256=facts.sha256,
        raw_bytes=facts.raw_bytes,
        sent_bytes=facts.coded_bytes,
        coding=form.coding,
        pixels_sha256=facts.pixels_sha256,
        error=facts.error,
        derived=form.derived,
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What the store has of a request: instances with the place they were asked at, in order.

    `issues` are about those it does not have.
    """

    instances: tuple[tuple[StoredInstance, Oid], ...]
    issues: tuple[Issue, ...]


async def held_of(pacs: Pacs, source: Oid, request: ImageRequest) -> Held:
    """What the store has of a request.

    `source` is the OID by which the store is known: an instance asked of another one, or that is
    not at the place named, becomes an issue.
    """
    refs = tuple(ref for ref, _ in request.instances)
    found = await pacs.find_all(refs)
    held: list[tuple[StoredInstance, Oid]] = []
    issues: list[Issue] = []
    for (ref, repository), stored in zip(request.instances, found, strict=True):
        subject = str(ref.instance)
        if repository != source:
            text = f"repository {repository} is not here; images are at {source}"
            issues.append(Issue(refusal=Refusal.UNKNOWN_REPOSITORY, text=text, subject=subject))
        elif stored is None:
            text = f"no instance {ref.instance} in series {ref.series} of study {ref.study}"
            issues.append(Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=subject))
        else:
            held.append((stored, repository))
    return Held(tuple(held), tuple(issues))


def deliver_by_order(held: Held, wish: DeliveryWish, renderer: Renderer) -> StoreDelivery:
    """A delivery in the order asked for, each instance in the form the wish's order decides."""
    items: list[Item] = []
    issues = list(held.issues)
    for stored, repository in held.instances:
        form = form_by_order(stored, wish)
        if form is None:
            issues.append(not_possible(stored))
        else:
            items.append(Item(stored, repository, form))
    return StoreDelivery(items, issues, renderer=renderer)


def deliver_by_plan(
    held: Held,
    plan: DeliveryPlan,
    renderer: Renderer,
    *,
    have: frozenset[int] = frozenset(),
    order_of_plan: bool = True,
) -> StoreDelivery:
    """A delivery of what a plan has for the instances asked for.

    They come in the order of the plan, or in that in which they were asked for, by who has not
    seen the plan. One that the plan does not know, or sends nothing of, is an issue; one at a
    position of the plan that the requester has is left out without a word.
    """
    asked = {stored.ref.instance: (stored, repository) for stored, repository in held.instances}
    planned = {one.ref.instance: one for one in plan.instances}
    items: list[Item] = []
    issues = list(held.issues)
    here = {one.ref.instance for at, one in enumerate(plan.instances) if at in have}
    for uid in planned if order_of_plan else asked:
        if uid not in asked or uid not in planned or uid in here:
            continue
        stored, repository = asked[uid]
        form = form_by_plan(stored, planned[uid], plan)
        if form is None:
            issues.append(not_planned(stored, planned[uid]))
        else:
            items.append(Item(stored, repository, form))
    for uid in asked.keys() - planned.keys():
        text = f"plan {plan.id} says nothing of instance {uid}"
        issues.append(Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=str(uid)))
    return StoreDelivery(items, issues, renderer=renderer)


class WithIssues:
    """Another delivery, and issues about instances it was never asked for."""

    def __init__(self, inner: ImageDelivery, issues: Sequence[Issue]) -> None:
        self._inner = inner
        self._more = tuple(issues)

    @property
    def id(self) -> str:
        """As the inner delivery is named."""
        return self._inner.id

    @property
    def announced(self) -> tuple[AnnouncedInstance, ...]:
        """What will arrive."""
        return self._inner.announced

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What will not arrive."""
        return (*self._inner.issues, *self._more)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the inner delivery."""
        await self._inner.__aexit__(kind, error, trace)

    async def settle(self) -> None:
        """Passed on to the inner delivery."""
        await self._inner.settle()

    def chunks(self) -> AsyncIterator[ImageChunk]:
        """The chunks of the inner delivery."""
        return self._inner.chunks()

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Passed on to the inner delivery."""
        self._inner.hashed(instance, sha256)
