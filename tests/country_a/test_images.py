"""Images on their way out: in a syntax asked for, whole, or not at all and with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from country_a import images
from country_a.images import deliver_from, syntax_for
from country_a.national.ports import StoredInstance
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    DeliveryWish,
    ImageDelivery,
    ImageRequest,
    InstanceRef,
    NotNow,
    Oid,
    Refusal,
    Uid,
)
from tests.builders import COUNTRY_A

SOURCE = Oid("2.999.1.3")
JPEG_2000 = Uid("1.2.840.10008.1.2.4.90")
RLE = Uid("1.2.840.10008.1.2.5")
VIDEO = Uid("1.2.840.10008.1.2.4.102")


def stored(number: int = 1, **changes: Any) -> StoredInstance:
    facts: dict[str, Any] = {
        "ref": InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid(f"1.2.3.{number}")),
        "sop_class": Uid("1.2.840.10008.5.1.4.1.1.2"),
        "transfer_syntax": EXPLICIT_LITTLE_ENDIAN,
        "file": "nowhere",
        "size_bytes": 10,
        "sha256": "ab" * 32,
        "has_pixels": True,
    }
    return StoredInstance(**{**facts, **changes})


@pytest.mark.parametrize(
    ("held", "wished", "sent"),
    [
        (EXPLICIT_LITTLE_ENDIAN, [EXPLICIT_LITTLE_ENDIAN], EXPLICIT_LITTLE_ENDIAN),
        (JPEG_2000, [JPEG_2000, EXPLICIT_LITTLE_ENDIAN], JPEG_2000),
        (JPEG_2000, [EXPLICIT_LITTLE_ENDIAN, JPEG_2000], EXPLICIT_LITTLE_ENDIAN),
        (JPEG_2000, [RLE, JPEG_2000], JPEG_2000),
        (JPEG_2000, [RLE, IMPLICIT_LITTLE_ENDIAN], None),
        (IMPLICIT_LITTLE_ENDIAN, [EXPLICIT_LITTLE_ENDIAN], EXPLICIT_LITTLE_ENDIAN),
        (EXPLICIT_LITTLE_ENDIAN, [IMPLICIT_LITTLE_ENDIAN], None),
        (VIDEO, [EXPLICIT_LITTLE_ENDIAN, VIDEO], VIDEO),
        (VIDEO, [EXPLICIT_LITTLE_ENDIAN], None),
        (JPEG_2000, [], None),
    ],
)
def test_the_first_syntax_that_can_be_sent_is_sent(
    held: Uid, wished: list[Uid], sent: Uid | None
) -> None:
    """As stored, or decoded; never one nobody asked for."""
    assert syntax_for(stored(transfer_syntax=held), wished) == sent


@pytest.mark.parametrize("held", [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN])
def test_what_has_no_pixels_may_always_go_as_explicit_little_endian(held: Uid) -> None:
    """A compressed syntax means nothing to it."""
    note = stored(transfer_syntax=held, has_pixels=False)

    assert syntax_for(note, [JPEG_2000]) == EXPLICIT_LITTLE_ENDIAN
    assert syntax_for(note, [JPEG_2000, held]) == held


# --- delivering -----------------------------------------------------------------------------------


@dataclass
class Store:
    """An image store that has what it is given."""

    held: tuple[StoredInstance, ...]

    async def find_all(self, refs: Sequence[InstanceRef]) -> tuple[StoredInstance | None, ...]:
        known = {each.ref: each for each in self.held}
        return tuple(known.get(ref) for ref in refs)


async def delivery_of(
    *held: StoredInstance, wished: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,)
) -> ImageDelivery:
    store: Any = Store(held)
    request = ImageRequest(
        community=COUNTRY_A, instances=tuple((each.ref, SOURCE) for each in held)
    )
    delivery, found = await deliver_from(store, SOURCE, request, DeliveryWish(syntaxes=wished))
    assert all(each in held for each in found)
    return delivery


async def received(delivery: ImageDelivery) -> dict[str, bytes]:
    got: dict[str, bytes] = {}
    ended: list[str] = []
    async with delivery:
        async for chunk in delivery.chunks():
            assert chunk.instance not in ended
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
            ended += [chunk.instance] if chunk.last else []
    assert ended == list(got)
    return got


def image(path: Path, *, compressed: bool) -> StoredInstance:
    """A small image on disk, plain or run-length encoded."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2", "1.2.3", "CT"
    ds.Rows = ds.Columns = 16
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PixelData = np.arange(256, dtype="<u2").tobytes()
    if compressed:
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)
    return stored(
        transfer_syntax=RLE if compressed else EXPLICIT_LITTLE_ENDIAN,
        file=str(path),
        size_bytes=path.stat().st_size,
    )


@pytest.mark.parametrize("chunk", [7, 100, 10**6])
async def test_a_stored_file_arrives_byte_for_byte(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of any size, announced with its size and digest."""
    monkeypatch.setattr(images, "CHUNK_BYTES", chunk)
    held = image(tmp_path / "a", compressed=True)

    delivery = await delivery_of(held, wished=(RLE,))

    (told,) = delivery.announced
    assert (told.transfer_syntax, told.size_bytes, told.sha256) == (
        RLE,
        held.size_bytes,
        held.sha256,
    )
    assert await received(delivery) == {"1.2.3.1": held.path.read_bytes()}


@pytest.mark.parametrize("chunk", [100, 10**6])
async def test_a_compressed_image_arrives_decoded(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pixels; neither size nor digest is promised before they are known."""
    monkeypatch.setattr(images, "CHUNK_BYTES", chunk)

    delivery = await delivery_of(image(tmp_path / "a", compressed=True))

    (told,) = delivery.announced
    assert (told.transfer_syntax, told.size_bytes, told.sha256) == (
        EXPLICIT_LITTLE_ENDIAN,
        None,
        "",
    )
    sent = dcmread(BytesIO((await received(delivery))["1.2.3.1"]))
    assert sent.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE_ENDIAN
    assert sent.PixelData == np.arange(256, dtype="<u2").tobytes()


async def _broken(delivery: ImageDelivery) -> NotNow:
    with pytest.raises(NotNow) as caught:
        await received(delivery)
    assert caught.value.refusal is Refusal.BACK_END_DOWN
    assert caught.value.subject == "1.2.3.1"
    return caught.value


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_file_that_vanished_breaks_the_delivery(compressed: bool, tmp_path: Path) -> None:
    """The store is at fault, not the asker; no path of ours is told."""
    held = image(tmp_path / "a", compressed=compressed)
    delivery = await delivery_of(held)
    held.path.unlink()

    assert str(tmp_path) not in (await _broken(delivery)).text


async def test_a_file_that_became_shorter_is_never_sent_as_whole(tmp_path: Path) -> None:
    """What was announced is not there any more."""
    held = image(tmp_path / "a", compressed=False)
    delivery = await delivery_of(held)
    held.path.write_bytes(held.path.read_bytes()[:-5])

    assert "shorter" in (await _broken(delivery)).text


async def test_a_file_that_cannot_be_decoded_breaks_the_delivery(tmp_path: Path) -> None:
    """Its index said it could be."""
    held = image(tmp_path / "a", compressed=True)
    held.path.write_bytes(held.path.read_bytes()[:-200])

    assert "decoded" in (await _broken(await delivery_of(held))).text


async def test_what_cannot_be_sent_is_an_issue_each_and_the_rest_is_announced() -> None:
    """Another store, an unknown instance, an impossible syntax: in the order asked for."""
    good, video, elsewhere, gone = (stored(number) for number in (1, 2, 3, 4))
    video = stored(2, transfer_syntax=VIDEO)
    store: Any = Store((good, video, elsewhere))
    request = ImageRequest(
        community=COUNTRY_A,
        instances=(
            (elsewhere.ref, Oid("2.999.9")),
            (gone.ref, SOURCE),
            (video.ref, SOURCE),
            (good.ref, SOURCE),
        ),
    )

    delivery, found = await deliver_from(store, SOURCE, request, DeliveryWish())

    assert [(issue.subject, issue.refusal) for issue in delivery.issues] == [
        ("1.2.3.3", Refusal.UNKNOWN_REPOSITORY),
        ("1.2.3.4", Refusal.UNKNOWN_INSTANCE),
        ("1.2.3.2", Refusal.UNSUPPORTED_SYNTAX),
    ]
    assert [told.ref for told in delivery.announced] == [good.ref]
    assert found == (video, good), "what is told of an instance depends on whose it is"
    assert VIDEO in delivery.issues[2].text
