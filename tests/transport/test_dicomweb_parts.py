"""A delivery as parts: what each head says is what really comes."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import AnnouncedInstance, ImageChunk, ImageDelivery, InstanceRef, Oid, Uid
from gateway.transport.dicomweb_parts import outgoing, parts_of
from gateway.wire.dicom.web_parts import WebParts, content_type
from tests.exchanges import ScriptedDelivery

BASE = "https://a.test/dicom-web"
REF = InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid("1.2.3.4"))
TOLD = AnnouncedInstance(ref=REF, repository=Oid("2.999.1"), size_bytes=200)
BOUNDARY = "b-0123456789abcdef0123"
FILE = b"\0" * 128 + b"DICM" + b"x" * 68


async def _read(delivery: ImageDelivery, chunks: list[ImageChunk]) -> dict[str, str]:
    async def passing():  # type: ignore[no-untyped-def]
        for chunk in chunks:
            yield chunk

    sent = tuple(outgoing(BASE, item) for item in delivery.announced)
    reader = WebParts(content_type(BOUNDARY))
    pieces = []
    async for data in parts_of(BOUNDARY, delivery, sent, passing(), BASE):
        pieces += reader.feed(data)
    return dict(pieces[0].headers)


async def test_a_head_says_where_the_instance_is() -> None:
    """By its own address, and by that of its original where it lost something."""
    headers = await _read(
        ScriptedDelivery(announced=(TOLD,)), [ImageChunk(REF.instance, FILE, True)]
    )
    assert headers["Content-Location"].endswith("/instances/1.2.3.4")
    lossy = outgoing(BASE, replace(TOLD, derived=Uid("1.2.3.5")))
    assert lossy.location.endswith("/1.2.3.5")
    assert lossy.derived_from.endswith("/1.2.3.4")


async def test_a_beginning_says_of_how_much_it_is() -> None:
    """Its head is that of the chunk, which came otherwise than announced."""
    sent = replace(TOLD, size_bytes=1000, sha256="ab" * 32, begin_bytes=len(FILE))
    headers = await _read(
        ScriptedDelivery(announced=(replace(TOLD, size_bytes=None),)),
        [ImageChunk(REF.instance, FILE, True, sent)],
    )
    assert headers["Content-Range"] == f"bytes 0-{len(FILE) - 1}/1000"
    assert headers["Content-Length"] == str(len(FILE))
    assert headers["ETag"] == f'"{"ab" * 32}"'
