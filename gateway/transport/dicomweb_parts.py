"""A delivery as the parts of a DICOMweb answer: each head as the instance really comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from gateway.domain import AnnouncedInstance, ImageChunk, ImageDelivery
from gateway.wire.dicom.web import ImageScope, write_path
from gateway.wire.dicom.web_parts import OutgoingInstance, instance_head
from gateway.wire.packing import InstancePacker


def outgoing(base: str, item: AnnouncedInstance) -> OutgoingInstance:
    """How a part says which instance it is: where it is had, and what it was derived from."""
    location = base + write_path(ImageScope.of(item.ref))
    derived_from = ""
    if item.derived is not None:
        derived_from = location
        location = base + write_path(ImageScope.of(replace(item.ref, instance=item.derived)))
    return OutgoingInstance(
        location=location,
        transfer_syntax=item.transfer_syntax,
        size_bytes=item.size_bytes,
        etag=f'"{item.sha256}"' if item.sha256 else "",
        derived_from=derived_from,
        begin_bytes=item.begin_bytes,
    )


async def parts_of(
    boundary: str,
    delivery: ImageDelivery,
    sent: tuple[OutgoingInstance, ...],
    images: AsyncIterator[ImageChunk],
    base: str,
    packer: InstancePacker | None = None,
) -> AsyncIterator[bytes]:
    """The parts of an answer as their chunks come, but for what ends it; packed, if by a packer."""
    heads: Mapping[str, OutgoingInstance] = {
        item.ref.instance: instance for item, instance in zip(delivery.announced, sent, strict=True)
    }
    opened = ""
    first = True
    async for chunk in images:
        if chunk.instance != opened:
            opened = chunk.instance
            head = heads[opened] if chunk.sent is None else outgoing(base, chunk.sent)
            before = instance_head(boundary, head, first=first)
            first = False
            if packer is None:
                yield before
            else:
                packer.begin(before)
        if chunk.data:
            yield chunk.data if packer is None else packer.data(chunk.data)
        if chunk.last:
            opened = ""
