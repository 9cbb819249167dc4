"""Images on their way out: in a syntax asked for, whole, or not at all and with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing
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
from country_a.images import StoreDelivery, deliver_by_order, held_of
from country_a.national.pacs_folder import read_facts
from country_a.national.ports import StoredInstance
from country_a.rendering import Renderer
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    DeliveryWish,
    ImageDelivery,
    ImageRequest,
    InstanceRef,
    NotNow,
    Oid,
    Refusal,
    SyntaxChoice,
    Uid,
)
from tests.builders import COUNTRY_A
from tests.desks import renderer_in

SOURCE = Oid("2.999.1.3")
JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
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


@dataclass
class Store:
    """An image store that has what it is given."""

    held: tuple[StoredInstance, ...]

    async def find_all(self, refs: Sequence[InstanceRef]) -> tuple[StoredInstance | None, ...]:
        known = {each.ref: each for each in self.held}
        return tuple(known.get(ref) for ref in refs)


async def delivery_of(
    *held: StoredInstance,
    wished: tuple[Uid, ...] = (EXPLICIT_LITTLE_ENDIAN,),
    renderer: Renderer | None = None,
) -> StoreDelivery:
    store: Any = Store(held)
    request = ImageRequest(
        community=COUNTRY_A, instances=tuple((each.ref, SOURCE) for each in held)
    )
    found = await held_of(store, SOURCE, request)
    assert [one for one, _ in found.instances] == list(held)
    wish = DeliveryWish(syntaxes=wished, choice=SyntaxChoice.ORDER)
    return deliver_by_order(found, wish, renderer or renderer_in(Path("nowhere")))


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


def image(path: Path, *, compressed: bool, number: int = 1) -> StoredInstance:
    """A small image on disk, plain or run-length encoded."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{number}"
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
    return read_facts(path)[2]


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


async def test_a_file_that_vanished_breaks_the_delivery(tmp_path: Path) -> None:
    """The store is at fault, not the asker; no path of ours is told."""
    held = image(tmp_path / "a", compressed=False)
    delivery = await delivery_of(held)
    held.path.unlink()

    assert str(tmp_path) not in (await _broken(delivery)).text


async def test_a_file_that_became_shorter_is_never_sent_as_whole(tmp_path: Path) -> None:
    """What was announced is not there any more."""
    held = image(tmp_path / "a", compressed=False)
    delivery = await delivery_of(held)
    held.path.write_bytes(held.path.read_bytes()[:-5])

    assert "shorter" in (await _broken(delivery)).text


async def test_what_cannot_be_decoded_is_told_behind_everything_that_can(tmp_path: Path) -> None:
    """Its index said it could be; the rest of the study arrives all the same."""
    broken = image(tmp_path / "a", compressed=True)
    broken.path.write_bytes(broken.path.read_bytes()[:-200])
    whole = image(tmp_path / "b", number=2, compressed=True)

    delivery = await delivery_of(broken, whole)

    assert list(await received(delivery)) == ["1.2.3.2"]
    (issue,) = delivery.issues
    assert (issue.subject, issue.refusal) == ("1.2.3.1", Refusal.BACK_END_DOWN)
    assert "decoded" in issue.text


@pytest.mark.parametrize("compressed", [False, True])
async def test_images_are_written_in_the_syntax_that_is_asked_for(
    compressed: bool, tmp_path: Path
) -> None:
    """The same instances and pixels in JPEG-LS; what was made is told with the first bytes."""
    held = [image(tmp_path / f"{n}", number=n, compressed=compressed) for n in range(1, 9)]

    delivery = await delivery_of(*held, wished=(JPEG_LS,), renderer=renderer_in(tmp_path))

    assert {(one.transfer_syntax, one.size_bytes) for one in delivery.announced} == {
        (JPEG_LS, None)
    }
    told: dict[str, AnnouncedInstance] = {}
    got: dict[str, bytes] = {}
    async with delivery:
        async for chunk in delivery.chunks():
            if chunk.sent is not None:
                told[chunk.instance] = chunk.sent
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
    assert list(got) == [one.ref.instance for one in held]
    for uid, data in got.items():
        sent = dcmread(BytesIO(data))
        assert (sent.SOPInstanceUID, sent.file_meta.TransferSyntaxUID) == (uid, JPEG_LS)
        assert sent.pixel_array.ravel().tolist() == list(range(256))
        assert (told[uid].size_bytes, told[uid].sha256) == (
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
    assert [one.ref for one in delivery.fidelity] == [one.ref for one in held]


async def test_one_image_alone_is_announced_with_its_size_once_it_is_settled(
    tmp_path: Path,
) -> None:
    """It can then be asked for in part."""
    held = image(tmp_path / "a", compressed=False)
    delivery = await delivery_of(held, wished=(JPEG_LS,), renderer=renderer_in(tmp_path))

    await delivery.settle()

    (told,) = delivery.announced
    data = (await received(delivery))["1.2.3.1"]
    assert (told.size_bytes, told.sha256) == (len(data), hashlib.sha256(data).hexdigest())


async def test_one_image_alone_that_cannot_be_made_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    """Before a byte of it is sent."""
    held = image(tmp_path / "a", compressed=True)
    held.path.write_bytes(held.path.read_bytes()[:-200])
    delivery = await delivery_of(held, wished=(JPEG_LS,), renderer=renderer_in(tmp_path))

    await delivery.settle()

    assert delivery.announced == ()
    assert [issue.subject for issue in delivery.issues] == ["1.2.3.1"]


async def test_a_delivery_that_is_left_makes_nothing_more(tmp_path: Path) -> None:
    """Who goes away frees the work at once, and nothing half made stays behind."""
    held = [image(tmp_path / f"{n}", number=n, compressed=False) for n in range(1, 30)]
    delivery = await delivery_of(*held, wished=(JPEG_LS,), renderer=renderer_in(tmp_path))

    async with delivery, aclosing(delivery.chunks()) as chunks:
        await anext(chunks)

    made = list((tmp_path / "renditions").glob("*/*.dcm"))
    assert 0 < len(made) < len(held)
    assert not list((tmp_path / "renditions").glob("*/*.part"))


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

    found = await held_of(store, SOURCE, request)
    delivery = deliver_by_order(found, DeliveryWish(), renderer_in(Path("nowhere")))

    assert [(issue.subject, issue.refusal) for issue in delivery.issues] == [
        ("1.2.3.3", Refusal.UNKNOWN_REPOSITORY),
        ("1.2.3.4", Refusal.UNKNOWN_INSTANCE),
        ("1.2.3.2", Refusal.UNSUPPORTED_SYNTAX),
    ]
    assert [told.ref for told in delivery.announced] == [good.ref]
    held = [one for one, _ in found.instances]
    assert held == [video, good], "what is told of an instance depends on whose it is"
    assert VIDEO in delivery.issues[2].text
