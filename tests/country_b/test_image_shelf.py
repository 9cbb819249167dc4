"""Images on their way to the shelf: in lots, whole or not at all, whatever ends the transfer."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from country_b import image_shelf
from country_b.blobs import BlobStore
from country_b.image_shelf import ImageShelf, Shelved
from country_b.reading import ReceivedInstance
from gateway.domain import ExchangeError, InstanceRef, ManifestPatient, Refusal, Uid, refuse
from tests.fakes import FakeReading, instance_bytes, make_identity


def ref(number: int) -> InstanceRef:
    """An image of a study."""
    return InstanceRef(
        study=Uid("2.999.7"), series=Uid("2.999.7.1"), instance=Uid(f"2.999.{number}")
    )


@pytest.fixture
async def blobs(tmp_path: Path) -> BlobStore:
    """An empty store of 10 MiB."""
    made = BlobStore(tmp_path, quota_bytes=10 * 1024 * 1024)
    await made.open()
    return made


def ignored(_ref: InstanceRef, _problem: str) -> None:
    """Nobody asks for beginnings."""


@asynccontextmanager
async def shelf_of(
    blobs: BlobStore,
    shelved: list[Shelved],
    reading: FakeReading | None = None,
    began: Callable[[InstanceRef, str], None] | None = None,
) -> AsyncIterator[ImageShelf]:
    """A shelf that tells a list."""
    async with ImageShelf(
        blobs, reading or FakeReading(), make_identity(), shelved.append, began or ignored
    ) as made:
        yield made


async def put(shelf: ImageShelf, number: int, size: int = 1000, piece: int = 300) -> bytes:
    """An image put on the shelf, whole."""
    data = instance_bytes(ref(number), size)
    shelf.begin(ref(number), size)
    for at in range(0, size, piece):
        await shelf.write(data[at : at + piece])
    shelf.end()
    return data


def left(folder: Path) -> list[Path]:
    """What lies where things come in."""
    return list((folder / "incoming").iterdir())


@pytest.mark.parametrize("lot_bytes", [1, 700, 2500, 1_000_000])
async def test_every_image_lies_in_its_place_however_lots_are_cut(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, lot_bytes: int
) -> None:
    """Lots of a piece, of less than an image, of some images, and one that takes all."""
    monkeypatch.setattr(image_shelf, "LOT_BYTES", lot_bytes)
    shelved: list[Shelved] = []
    async with shelf_of(blobs, shelved) as shelf:
        images = [await put(shelf, number) for number in range(1, 8)]
        await shelf.settle()

    assert [item.ref for item in shelved] == [ref(number) for number in range(1, 8)]
    assert [item.blob.path.read_bytes() for item in shelved] == images
    assert blobs.used_bytes == 7000


async def test_an_image_is_there_soon_though_no_other_follows(blobs: BlobStore) -> None:
    """Over a slow link nobody waits for a lot to fill."""
    done = asyncio.Event()
    async with ImageShelf(
        blobs, FakeReading(), make_identity(), lambda _: done.set(), ignored
    ) as shelf:
        await put(shelf, 1)
        await done.wait()


async def test_what_is_not_as_announced_is_set_aside(blobs: BlobStore) -> None:
    """Another size, another image, or none at all: kept apart, with the reason."""
    shelved: list[Shelved] = []
    async with shelf_of(blobs, shelved) as shelf:
        for number, announced, data in (
            (1, 999, instance_bytes(ref(1))),
            (2, None, instance_bytes(ref(3))),
            (4, None, b"<html>"),
            (5, None, b""),
        ):
            shelf.begin(ref(number), announced)
            await shelf.write(data)
            shelf.end()
        await shelf.settle()

    problems = [item.blob.problem for item in shelved]
    assert problems[0] == "1000 bytes came, 999 were announced"
    assert problems[1] == "the image is not the one that was asked for"
    assert problems[2] == problems[3] == "the image is not one"
    assert all("quarantine" in item.blob.path.parts for item in shelved)


async def test_nothing_is_left_of_an_image_that_does_not_go_on(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Abandoned for the next one, or because the transfer broke off; bytes already written too."""
    monkeypatch.setattr(image_shelf, "LOT_BYTES", 500)
    shelved: list[Shelved] = []
    with pytest.raises(ConnectionError):
        async with shelf_of(blobs, shelved) as shelf:
            shelf.begin(ref(1), None)
            await shelf.write(bytes(600))
            shelf.abandon()
            await put(shelf, 2)
            shelf.begin(ref(3), None)
            await shelf.write(bytes(600))
            raise ConnectionError

    assert [item.ref for item in shelved] == [ref(2)]
    assert left(tmp_path) == []
    assert blobs.used_bytes == 1000


async def test_a_full_disk_stops_the_rest_and_leaves_what_came_before(
    blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is told at the next word with the shelf, and again at the end."""
    monkeypatch.setattr(image_shelf, "LOT_BYTES", 1000)
    real, calls = os.writev, list[int]()

    def full(descriptor: int, pieces: list[bytes]) -> int:
        calls.append(descriptor)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "no space")
        return real(descriptor, pieces)

    monkeypatch.setattr(os, "writev", full)
    shelved: list[Shelved] = []
    with pytest.raises(ExchangeError) as caught:
        async with shelf_of(blobs, shelved) as shelf:
            for number in range(1, 9):
                await put(shelf, number, piece=1000)
            await shelf.settle()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert [item.ref for item in shelved] == [ref(1), ref(2)]
    assert left(tmp_path) == []
    assert blobs.used_bytes == 2000


class Waiting(FakeReading):
    """Reads when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def instance(self, file: str, head: bytes) -> ReceivedInstance:
        """Waits, then reads."""
        self.go_on.wait(30)
        return super().instance(file, head)


async def test_no_more_than_two_lots_wait_for_a_slow_disk(
    blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory must not grow with what comes in."""
    monkeypatch.setattr(image_shelf, "LOT_BYTES", 1000)
    reading, shelved = Waiting(), list[Shelved]()
    async with shelf_of(blobs, shelved, reading) as shelf:
        await put(shelf, 1, piece=1000)
        await put(shelf, 2, piece=1000)
        held = asyncio.ensure_future(put(shelf, 3, piece=1000))
        done, _ = await asyncio.wait([held], timeout=0.05)
        assert not done
        reading.go_on.set()
        await held
        await shelf.settle()
    assert len(shelved) == 3


async def test_an_image_of_another_patient_is_set_aside(blobs: BlobStore) -> None:
    """Whoever its header names, when it names one of an authority we know the patient by."""
    patient = make_identity()

    class OfAnother(FakeReading):
        def instance(self, file: str, head: bytes) -> ReceivedInstance:
            other = replace(patient.id, value="somebody else")
            return replace(super().instance(file, head), patient=ManifestPatient(ids=(other,)))

    shelved: list[Shelved] = []
    async with shelf_of(blobs, shelved, OfAnother()) as shelf:
        await put(shelf, 1)
        await shelf.settle()
    assert shelved[0].blob.problem == "the image is of another patient"


async def test_a_listener_that_fails_stops_the_rest_and_loses_nothing(blobs: BlobStore) -> None:
    """A full store of transcripts is no reason to forget images that lie in their place."""
    shelved: list[Shelved] = []

    def listen(image: Shelved) -> None:
        shelved.append(image)
        if len(shelved) == 1:
            raise refuse(Refusal.STORE_FULL, "the store of transcripts is full")

    with pytest.raises(ExchangeError) as caught:
        async with ImageShelf(blobs, FakeReading(), make_identity(), listen, ignored) as shelf:
            for number in (1, 2, 3):
                await put(shelf, number)
            await shelf.settle()

    assert caught.value.refusal is Refusal.STORE_FULL
    assert [item.ref for item in shelved] == [ref(1), ref(2), ref(3)]


@pytest.mark.parametrize(
    ("tag", "other", "problem"),
    [
        ('"t"', False, ""),
        ("", False, "without a tag"),
        ('"t"', True, "not the one that was asked for"),
    ],
)
async def test_what_is_put_aside_stays_if_it_can_be_continued(
    blobs: BlobStore, tag: str, other: bool, problem: str
) -> None:
    """Its header is checked as that of a whole image is; its file is closed at once."""
    blobs.partials.prepare("visit")
    told: list[tuple[InstanceRef, str]] = []
    file = blobs.file(at=blobs.partials.place("visit", ref(1).instance, tag))
    async with shelf_of(blobs, [], began=lambda one, why: told.append((one, why))) as shelf:
        shelf.begin(ref(1), None, file=file)
        await shelf.write(instance_bytes(ref(2 if other else 1), 500)[:300])
        shelf.put_aside()
        assert not shelf.is_open
        await shelf.settle()

    ((one, why),) = told
    assert one == ref(1)
    assert problem in why
    assert bool(problem) == bool(why)
    held = blobs.partials.held("visit")
    assert [part.begun.size_bytes for part in held.values()] == ([] if problem else [300])
    assert blobs.used_bytes == (0 if problem else 300)
    assert left(blobs.path_of("00" * 32).parents[2]) == []
