"""What DICOMweb shows of instances besides their files: made from the files as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from gateway.config import LimitSection
from gateway.domain import ImageDelivery, Refusal, Uid, refuse
from gateway.transport.record import Record
from gateway.wire.dicom.web import ImageScope

Deliver = Callable[[Sequence[Uid]], Awaitable[ImageDelivery]]


class DicomwebViews:
    """Answers for everything but whole instances."""

    def __init__(self, limits: LimitSection) -> None:
        self._limits = limits

    async def answer(
        self,
        request: web.Request,
        record: Record,
        scope: ImageScope,
        *,
        deliver: Deliver,
        base: str,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """The answer to a request for a view of the instances `deliver` gives."""
        raise refuse(Refusal.UNSUPPORTED, f"{scope.view} is not offered here", subject="path")
