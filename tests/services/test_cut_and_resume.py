"""A transfer that is cut, again and again, ends whole: over a real link, whatever was killed.

Country A is served over mutual TLS, Country B's intake asks it through a link that breaks at
bytes drawn from a seed. Nobody waits: the link is another one when it is tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_b.blobs import BlobStore
from country_b.database import create_tables, database_url, make_engine
from country_b.image_intake import ImageIntake, ImageSelection
from country_b.image_progress import JobState
from country_b.image_resuming import Patience
from country_b.initiator import Community, Initiator
from country_b.kept import KeptStore
from country_b.reading import DicomReading, Reading
from country_b.session import Session, State
from gateway.domain import (
    Authentication,
    CallContext,
    DeliveryWish,
    Exchange,
    ImagingManifest,
    Outcome,
    PatientIdentity,
    StudyQuery,
    SyntaxChoice,
    TreatmentRelation,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.link.proxy import LOOPBACK, LinkProxy
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport.compose import exchange_of, session_of
from tests.builders import COUNTRY_B
from tests.conftest import Seeded
from tests.fakes import (
    COUNTRY_A,
    IMAGING_SOURCE,
    FakeExchange,
    FakeReading,
    instance_bytes,
    make_identity,
    make_study,
)
from tests.gateways import Pair, pair_of
from tests.link.ends import profile
from tests.requests import context_for
from tests.served import serving_patient

IMAGES, IMAGE_BYTES = 40, 64 * 1024
CUTS = 20
# 20 cuts of these sizes take half of the study; the last bytes come over a link that holds.
CUT_BYTES = (10_000, 110_000)


class Archive(FakeExchange):
    """Country A with one study, whose files and digests it knows."""

    manifest: ImagingManifest

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """The study."""
        return Outcome((self.manifest,))


def archive() -> Archive:
    """A study of images that are each of other bytes."""
    manifest = make_study(series=2, images=IMAGES // 2)
    noise = random.Random(7)
    held = {
        ref.instance: instance_bytes(ref, 1000) + noise.randbytes(IMAGE_BYTES - 1000)
        for ref in manifest.instances()
    }
    exchange = Archive(instances=held, tells_digests=True, chunk_bytes=16 * 1024)
    exchange.manifest = manifest
    return exchange


@dataclass
class Intakes:
    """Country B: a store in a folder, and intakes into it."""

    exchange: Exchange
    manifest: ImagingManifest
    store: KeptStore
    reading: Reading = field(default_factory=FakeReading)
    patient: PatientIdentity = field(default_factory=make_identity)
    wish: DeliveryWish = field(default_factory=DeliveryWish)

    def intake(self, wait: Callable[[float], Awaitable[None]], attempts: int = 12) -> ImageIntake:
        """A job for the whole study."""
        context = context_for("ihe")
        now = datetime.now(UTC)
        return ImageIntake(
            initiator=Initiator(
                own=COUNTRY_B,
                exchanges={COUNTRY_A: self.exchange},
                communities={
                    COUNTRY_A: Community(id=COUNTRY_A, relation=TreatmentRelation.RESOURCE_ID)
                },
                kept=self.store,
                reading=self.reading,
                now=lambda: datetime.now(UTC),
            ),
            kept=self.store,
            reading=self.reading,
            session=Session(
                id="visit",
                state=State.RETRIEVED,
                opened_at=now,
                professional=context.professional,
                authentication=Authentication(at=now, method=context.authentication.method),
                purpose=context.purpose,
                community=COUNTRY_A,
                patient=self.patient,
            ),
            manifest=self.manifest,
            default_location=IMAGING_SOURCE,
            selection=ImageSelection(),
            wish=self.wish,
            correlation_id="c-1",
            now=lambda: datetime.now(UTC),
            patience=Patience(attempts=attempts, wait=wait),
        )

    async def whole(self, files: dict[Any, bytes]) -> bool:
        """Whether every image is kept, and is what Country A holds to the byte."""
        kept = {item.ref.instance: item for item in await self.store.instances("visit")}
        blobs = self.store.blobs
        return kept.keys() == files.keys() and all(
            not kept[uid].problem
            and kept[uid].sha256 == hashlib.sha256(data).hexdigest()
            and blobs.path_of(kept[uid].sha256).read_bytes() == data
            for uid, data in files.items()
        )


@asynccontextmanager
async def country_b(
    pair: Pair, manifest: ImagingManifest, folder: Path, *, port: int, images_by: str
) -> AsyncIterator[Intakes]:
    """Country B from what lies in a folder, asking Country A at a port of this machine."""
    own = pair.asking_settings
    base = f"https://localhost:{port}"
    addresses = {"url": f"{base}/RespondingGateway", "dicomweb_url": f"{base}/dicom-web"}
    section = own.peers[0].model_copy(update=addresses | {"images_by": images_by})
    settings = own.model_copy(update={"peers": (section,)})
    [peer] = PeerBook.of_sections(settings.peers, "ihe").peers
    folder.mkdir(exist_ok=True)
    engine = make_engine(database_url(folder))
    await create_tables(engine)
    store = KeptStore(engine, BlobStore(folder))
    await store.open()
    try:
        async with session_of(settings) as session:
            exchange = exchange_of(peer, settings, session, pair.asking, pair.clockwork)
            yield Intakes(exchange, manifest, store)
    finally:
        await engine.dispose()


class Breaking:
    """A link that breaks at bytes of a seed, as often as it is told to; then it holds."""

    def __init__(self, link: LinkProxy, *, cuts: int = CUTS, seed: int = 1) -> None:
        self._link = link
        self._left = cuts
        self._random = random.Random(seed)
        self._next()

    async def wait(self, seconds: float) -> None:
        """Instead of waiting: the link is up again, until its next break."""
        assert seconds > 0
        self._next()

    def _next(self) -> None:
        if self._left:
            after = self._random.randint(*CUT_BYTES)
            self._link.switch(profile("unshaped", down={"cut_after_bytes": after}))
        else:
            self._link.switch(profile("unshaped"))
        self._left -= 1 if self._left else 0


def port_of(pair: Pair) -> int:
    """Where Country A listens."""
    return int(pair.url.split(":")[2].partition("/")[0])


@pytest.mark.parametrize("images_by", ["wado-rs", "soap"])
async def test_twenty_cuts_lose_nothing(
    images_by: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Over WADO-RS hardly a byte comes twice; over RAD-75 the image that was under way does."""
    exchange = archive()
    async with (
        pair_of(exchange, trust_domain, tmp_path) as pair,
        LinkProxy(LOOPBACK, port_of(pair), profile("unshaped")) as link,
        country_b(
            pair, exchange.manifest, tmp_path / "store", port=link.port, images_by=images_by
        ) as receiving,
    ):
        breaking = Breaking(link)
        intake = receiving.intake(breaking.wait)

        await intake.run()

        progress, counters = intake.progress, link.counters()
        assert progress.state is JobState.COMPLETE, progress.view()
        assert counters.cuts == CUTS
        assert progress.resumed >= CUTS // 2
        assert progress.received == IMAGES
        assert await receiving.whole(exchange.instances)
        total = IMAGES * IMAGE_BYTES
        assert progress.bytes == total + progress.again_bytes
        print(
            images_by, progress.resumed, progress.again_bytes / total, counters.bytes_down / total
        )
        if images_by == "wado-rs":
            assert progress.again_bytes < 0.02 * total
        assert receiving.store.blobs.used_bytes == total


async def test_a_killed_country_b_goes_on_from_what_lies_on_its_disk(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Asked for the same images by a new process, it fetches the rest of the one it was at."""
    exchange = archive()
    there, left = tmp_path / "store", tmp_path / "left"

    async def wait(seconds: float) -> None:
        raise AssertionError(f"the link holds: {seconds}")

    async with (
        pair_of(exchange, trust_domain, tmp_path) as pair,
        LinkProxy(LOOPBACK, port_of(pair), profile("80mbit/1ms")) as link,
    ):
        place: dict[str, Any] = {"port": link.port, "images_by": "wado-rs"}
        async with country_b(pair, exchange.manifest, there, **place) as receiving:
            intake = receiving.intake(wait)
            task = asyncio.get_running_loop().create_task(intake.run())
            while not await asyncio.to_thread(_half_a_file, there):
                pass
            # What a killed process leaves: its files as they are, and no farewell.
            shutil.copytree(there, left)
            task.cancel()
            await asyncio.wait([task])
        begun = sum(path.stat().st_size for path in (left / "partial").rglob("*~*"))
        async with country_b(pair, exchange.manifest, left, **place) as receiving:
            again = receiving.intake(wait)
            await again.run()
            whole = await receiving.whole(exchange.instances)

    progress = again.progress
    assert whole
    assert progress.state is JobState.COMPLETE
    assert progress.again_bytes == 0
    assert progress.bytes == (IMAGES - progress.already_kept) * IMAGE_BYTES - begun
    assert begun


def _half_a_file(folder: Path) -> bool:
    """Whether a part of an image lies on the disk, and not all of it."""
    return any(0 < path.stat().st_size < IMAGE_BYTES for path in folder.glob("partial/*/*~*"))


async def test_a_killed_country_a_comes_back_and_the_transfer_ends(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """What it sends is the same to the byte, and so has the same tag."""
    first, second = archive(), archive()
    async with (
        AsyncExitStack() as running,
        pair_of(first, trust_domain, tmp_path) as pair,
        LinkProxy(LOOPBACK, port_of(pair), profile("unshaped")) as link,
        country_b(
            pair, first.manifest, tmp_path / "store", port=link.port, images_by="wado-rs"
        ) as receiving,
    ):
        breaking = Breaking(link, cuts=1)
        downtime = iter((3, 2, 1, 0))

        async def wait(seconds: float) -> None:
            # Nobody listens at first; then another process does, which remembers nothing.
            left = next(downtime)
            link.target = (LOOPBACK, 1)
            if left == 0:
                other = await running.enter_async_context(
                    pair_of(second, trust_domain, tmp_path / "again")
                )
                link.target = (LOOPBACK, port_of(other))
                await breaking.wait(seconds)

        intake = receiving.intake(wait)

        await intake.run()

        assert intake.progress.state is JobState.COMPLETE, intake.progress.view()
        assert intake.progress.resumed == 4
        assert intake.progress.again_bytes == 0
        assert await receiving.whole(first.instances)


async def test_a_file_that_has_changed_meanwhile_comes_anew(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Its tag is another one: what came of it before is thrown away, and counted."""
    exchange = archive()
    async with (
        pair_of(exchange, trust_domain, tmp_path) as pair,
        LinkProxy(LOOPBACK, port_of(pair), profile("unshaped")) as link,
        country_b(
            pair, exchange.manifest, tmp_path / "store", port=link.port, images_by="wado-rs"
        ) as receiving,
    ):
        breaking = Breaking(link, cuts=1)

        async def wait(seconds: float) -> None:
            for uid, data in exchange.instances.items():
                exchange.instances[uid] = data[:-1] + bytes([data[-1] ^ 1])
            await breaking.wait(seconds)

        intake = receiving.intake(wait)

        await intake.run()

        assert intake.progress.state is JobState.COMPLETE, intake.progress.view()
        assert 0 < intake.progress.again_bytes < 2 * IMAGE_BYTES
        assert intake.progress.bytes == IMAGES * IMAGE_BYTES + intake.progress.again_bytes


async def test_a_cancelled_job_ends_at_once_while_it_waits(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """What is whole stays, and so does what can be continued."""
    exchange = archive()
    waiting = asyncio.Event()

    async def wait(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with (
        pair_of(exchange, trust_domain, tmp_path) as pair,
        LinkProxy(LOOPBACK, port_of(pair), profile("unshaped")) as link,
        country_b(
            pair, exchange.manifest, tmp_path / "store", port=link.port, images_by="wado-rs"
        ) as receiving,
    ):
        Breaking(link, cuts=1)
        intake = receiving.intake(wait)
        task = asyncio.get_running_loop().create_task(intake.run())
        await waiting.wait()

        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

        assert intake.progress.state is JobState.CANCELLED
        assert receiving.store.blobs.used_bytes == intake.progress.bytes > 0


async def test_renditions_made_anew_go_on_where_the_first_broke_off(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A plan is accepted and held to; a Country A that lost its renditions makes the same bytes."""
    async with (
        AsyncExitStack() as restarted,
        serving_patient("main", seeded, trust_domain, tmp_path / "one") as served,
        AsyncExitStack() as running,
    ):
        study = max(served.studies, key=lambda one: len(one.instances()))
        link = await running.enter_async_context(
            LinkProxy(LOOPBACK, port_of(served.pair), profile("unshaped"))
        )
        receiving = await running.enter_async_context(
            country_b(served.pair, study, tmp_path / "store", port=link.port, images_by="wado-rs")
        )
        receiving.reading = DicomReading()
        receiving.patient = replace(make_identity(), id=served.patient)
        receiving.wish = DeliveryWish(syntaxes=STORED_SYNTAXES, choice=SyntaxChoice.SENDER)
        breaking = Breaking(link, cuts=5)

        async def wait(seconds: float) -> None:
            if link.target[1] == port_of(served.pair) and (tmp_path / "one" / "plans").exists():
                # Another process, which has the plans of the first and none of its renditions.
                shutil.copytree(tmp_path / "one" / "plans", tmp_path / "two" / "plans")
                other = await restarted.enter_async_context(
                    serving_patient("main", seeded, trust_domain, tmp_path / "two")
                )
                link.target = (LOOPBACK, port_of(other.pair))
            await breaking.wait(seconds)

        intake = receiving.intake(wait)

        await intake.run()

        progress = intake.progress
        kept = await receiving.store.instances("visit")
    assert progress.state is JobState.COMPLETE, progress.view()
    assert progress.plan is not None
    assert progress.resumed >= 1
    assert (tmp_path / "two").exists()
    assert progress.again_bytes == 0
    assert sum(item.size_bytes for item in kept) == progress.bytes
    assert progress.received == len(study.instances())
