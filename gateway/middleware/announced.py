"""Adds one duty: of images no more is announced than is held.

Over DICOMweb only the parts of an answer tell which instances come, and what was asked for counts
as announced. RAD-75 names what comes before the first byte, and what is named has to come. So the
studies asked for are looked up first, and an instance that is not in them is an issue at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from gateway.domain import (
    AnnouncedInstance,
    CallContext,
    DeliveryWish,
    ImageChunk,
    ImageDelivery,
    ImageRequest,
    ImageSource,
    InstanceRef,
    Issue,
    NotFound,
    Refusal,
    StudyQuery,
    StudySource,
    Uid,
)


class HeldImages:
    """An `ImageSource` that asks another for what the studies have, and tells what they lack."""

    def __init__(self, studies: StudySource, images: ImageSource) -> None:
        self._studies = studies
        self._images = images

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`; refuses where nothing asked for is held."""
        held = await self._held(request, context)
        here = tuple(pair for pair in request.instances if pair[0] in held)
        absent = tuple(ref for ref, _ in request.instances if ref not in held)
        if absent and not here:
            text = "no instance that is asked for is held"
            raise NotFound(Refusal.UNKNOWN_INSTANCE, text, subject=str(absent[0].instance))
        delivery = await self._images.retrieve_images(
            replace(request, instances=here), wish, context
        )
        return _Partial(delivery, tuple(map(_absent, absent))) if absent else delivery

    async def _held(self, request: ImageRequest, context: CallContext) -> set[InstanceRef]:
        wanted = tuple(dict.fromkeys(ref.study for ref, _ in request.instances))
        query = StudyQuery(community=request.community, studies=wanted)
        found = await self._studies.find_studies(query, context)
        return {ref for study in found.items for ref in study.instances()}


def _absent(ref: InstanceRef) -> Issue:
    text = "the instance is not held"
    return Issue(refusal=Refusal.UNKNOWN_INSTANCE, text=text, subject=str(ref.instance))


class _Partial:
    """A delivery, and the issues of what was never asked for."""

    def __init__(self, inner: ImageDelivery, absent: tuple[Issue, ...]) -> None:
        self._inner = inner
        self._absent = absent

    @property
    def id(self) -> str:
        """See `ImageDelivery`."""
        return self._inner.id

    @property
    def announced(self) -> tuple[AnnouncedInstance, ...]:
        """What will arrive."""
        return self._inner.announced

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What will not arrive: what the sender says, and what is not held."""
        return (*self._inner.issues, *self._absent)

    async def settle(self) -> None:
        """See `ImageDelivery`."""
        await self._inner.settle()

    def chunks(self) -> AsyncIterator[ImageChunk]:
        """The bytes."""
        return self._inner.chunks()

    def hashed(self, instance: Uid, sha256: str) -> None:
        """See `ImageDelivery`."""
        self._inner.hashed(instance, sha256)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
