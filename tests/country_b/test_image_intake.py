"""Images coming in: order, checks, counters, and what is said of a transfer that broke off."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from country_b import image_intake, image_shelf
from country_b.blobs import BlobStore
from country_b.database import create_tables, database_url, make_engine
from country_b.image_intake import ImageIntake, ImageSelection
from country_b.image_progress import JobState
from country_b.image_resuming import Patience
from country_b.initiator import Community, Initiator
from country_b.kept import KeptInstance, KeptStore
from country_b.session import Session, State
from gateway.domain import (
    Authentication,
    Code,
    CommunityId,
    DeliveryWish,
    HealthProfessional,
    HumanName,
    ImageRequest,
    ImagingManifest,
    NotAllowed,
    NotNow,
    Organisation,
    PurposeOfUse,
    Refusal,
    Uid,
)
from tests.fakes import (
    COUNTRY_A,
    REPOSITORY,
    FakeExchange,
    FakeReading,
    files_of,
    instance_bytes,
    make_identity,
    make_study,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STUDY = "2.999.7.1"
BEST = "113010"  # Quality Issue is not a rejection; see REJECTING_TITLES for those
REJECTED = "113001"


def make_session() -> Session:
    """A visit that may ask for images."""
    return Session(
        id="visit",
        state=State.RETRIEVED,
        opened_at=NOON,
        professional=HealthProfessional(
            id="hp",
            name=HumanName(family="Ozola"),
            role=Code("221", "2.16.840.1.113883.2.9.6.2.7"),
            organisation=Organisation(name="Clinic"),
            facility_type="Hospital",
            locality="Port",
            permissions=("PRD-006",),
        ),
        authentication=Authentication(at=NOON, method="urn:x509"),
        purpose=PurposeOfUse.TREATMENT,
        community=COUNTRY_A,
        patient=make_identity(),
    )


@dataclass
class Bench:
    """A store, and intakes over it."""

    store: KeptStore
    exchange: FakeExchange
    manifest: ImagingManifest
    waited: list[float] = field(default_factory=list)

    def intake(self, selection: ImageSelection | None = None, *, attempts: int = 0) -> ImageIntake:
        reading = FakeReading()
        return ImageIntake(
            initiator=Initiator(
                own=CommunityId("2.999.1.2"),
                exchanges={COUNTRY_A: self.exchange},
                communities={COUNTRY_A: Community(id=COUNTRY_A)},
                kept=self.store,
                reading=reading,
                now=lambda: NOON,
            ),
            kept=self.store,
            reading=reading,
            session=make_session(),
            manifest=self.manifest,
            default_location=REPOSITORY,
            selection=selection or ImageSelection(),
            wish=DeliveryWish(),
            correlation_id="c-1",
            now=lambda: NOON,
            patience=Patience(attempts=attempts, wait=self.waits),
        )

    async def waits(self, seconds: float) -> None:
        """Nobody waits in a test."""
        self.waited.append(seconds)

    def asked(self) -> list[list[str]]:
        """The instances of each image request, in order."""
        return [
            [str(ref.instance).removeprefix(STUDY + ".") for ref, _ in request.instances]
            for verb, request, _ in self.exchange.calls
            if verb == "images" and isinstance(request, ImageRequest)
        ]


@pytest.fixture
async def bench(tmp_path: Path, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """A study of 2 series of 3 images of 1000 bytes; notes by indirect parameter."""
    notes: Mapping[str, Sequence[int]] | None = getattr(request, "param", None)
    engine = make_engine(database_url(tmp_path))
    await create_tables(engine)
    store = KeptStore(engine, BlobStore(tmp_path))
    await store.open()
    manifest = make_study(notes=notes)
    yield Bench(store, FakeExchange(instances=files_of(manifest, notes)), manifest)
    await engine.dispose()


async def test_everything_that_comes_is_counted_and_kept(bench: Bench) -> None:
    """A whole transfer is complete: instances, bytes, time and digests are there."""
    intake = bench.intake()

    await intake.run()

    view = intake.progress.view()
    kept = await bench.store.instances("visit")
    assert view["state"] == "complete"
    assert (view["asked"], view["received"], view["bytes"]) == (6, 6, 6000)
    assert view["first_image_seconds"] is not None
    assert {str(item.ref.instance) for item in kept} == {
        str(ref.instance) for ref in bench.manifest.instances()
    }
    assert all(
        bench.store.blobs.path_of(item.sha256).read_bytes()
        == bench.exchange.instances[item.ref.instance]
        for item in kept
    )


@pytest.mark.parametrize("bench", [{BEST: (4, 2), REJECTED: (5, 2)}], indirect=True)
async def test_notes_come_first_then_the_images_they_name(bench: Bench) -> None:
    """Notes are fetched first; an image that another note rejects has no priority."""
    intake = bench.intake()

    await intake.run()

    notes, images = bench.asked()
    assert notes == ["99.1", "99.2"]
    assert images == ["2.2", "1.1", "1.2", "1.3", "2.1", "2.3"]
    assert intake.progress.state is JobState.COMPLETE


@pytest.mark.parametrize("bench", [{BEST: (4,)}], indirect=True)
async def test_key_images_alone_are_a_whole_answer(bench: Bench) -> None:
    """Asked for key images only, nothing else is fetched and nothing is called missing."""
    intake = bench.intake(ImageSelection(key_images_only=True))

    await intake.run()

    assert bench.asked() == [["99.1"], ["2.2"]]
    assert intake.progress.state is JobState.COMPLETE
    assert intake.progress.asked == 2


@pytest.mark.parametrize("bench", [{BEST: (0,)}], indirect=True)
async def test_a_note_that_cannot_be_read_costs_only_its_order(bench: Bench) -> None:
    """A broken note is a warning; the images come in manifest order."""
    note = bench.manifest.notes()[0]
    bench.exchange.instances[note.instance] = instance_bytes(note)
    intake = bench.intake()

    await intake.run()

    assert intake.progress.state is JobState.COMPLETE
    assert [issue.subject for issue in intake.progress.issues] == [str(note.instance)]


async def test_selection_of_a_series_fetches_that_series(bench: Bench) -> None:
    """Only the series asked for is fetched, and it is all that is counted."""
    intake = bench.intake(ImageSelection(series=(Uid(f"{STUDY}.2"),)))

    await intake.run()

    assert bench.asked() == [["2.1", "2.2", "2.3"]]
    assert (intake.progress.asked, intake.progress.state) == (3, JobState.COMPLETE)


async def test_selection_of_nothing_in_the_study_fails(bench: Bench) -> None:
    """A series that the manifest does not list is refused without asking."""
    intake = bench.intake(ImageSelection(series=(Uid("2.999.7.9"),)))

    await intake.run()

    assert intake.progress.state is JobState.FAILED
    assert bench.asked() == []


async def test_image_the_peer_does_not_have_is_missing_with_its_reason(bench: Bench) -> None:
    """A partial answer is incomplete and says which image is missing and why."""
    gone = Uid(f"{STUDY}.1.2")
    del bench.exchange.instances[gone]
    intake = bench.intake()

    await intake.run()

    view = intake.progress.view()
    assert (view["state"], view["received"]) == ("incomplete", 5)
    assert [item["instance"] for item in view["missing"]] == [str(gone)]
    assert view["missing"][0]["code"] == "XDSDocumentUniqueIdError"


async def test_image_left_out_in_silence_is_missing(bench: Bench) -> None:
    """An image announced and not sent, without a word, is still called missing."""
    bench.exchange.silent_about = frozenset({Uid(f"{STUDY}.2.3")})
    intake = bench.intake()

    await intake.run()

    assert intake.progress.state is JobState.INCOMPLETE
    [missing] = intake.progress.view()["missing"]
    assert missing["instance"] == missing["subject"] == f"{STUDY}.2.3"
    assert "no reason was given" in missing["text"]


async def test_transfer_that_breaks_off_keeps_what_is_whole(bench: Bench) -> None:
    """Whole images stay, the half one is gone, the missing are named with the reason."""
    bench.exchange.cut_after_bytes = 2500
    bench.exchange.chunk_bytes = 300
    intake = bench.intake()

    await intake.run()

    view = intake.progress.view()
    assert view["state"] == "incomplete"
    assert view["received"] == 2
    assert len(view["missing"]) == 4
    assert {item["refusal"] for item in view["missing"]} == {"peer-misbehaved"}
    assert view["stopped_by"]["text"] == "the answer broke off"
    assert len(await bench.store.instances("visit")) == 2
    assert bench.store.blobs.used_bytes == 2000


async def test_asking_again_fetches_only_what_is_missing(bench: Bench) -> None:
    """A second job continues where the first was cut."""
    bench.exchange.cut_after_bytes = 2500
    await bench.intake().run()
    bench.exchange.cut_after_bytes = None
    again = bench.intake()

    await again.run()

    assert bench.asked()[1] == ["1.3", "2.1", "2.2", "2.3"]
    assert (again.progress.already_kept, again.progress.received) == (2, 4)
    assert again.progress.state is JobState.COMPLETE


@pytest.mark.parametrize("what", ["study", "series", "instance"])
async def test_image_that_is_another_one_is_set_aside(bench: Bench, what: str) -> None:
    """A header that names another study, series or instance is not the image asked for."""
    ref = bench.manifest.instances()[0]
    bench.exchange.instances[ref.instance] = instance_bytes(replace(ref, **{what: Uid("2.999.9")}))
    intake = bench.intake()

    await intake.run()

    held = await bench.store.instance("visit", ref.instance)
    assert intake.progress.state is JobState.INCOMPLETE
    assert intake.progress.missing[str(ref.instance)].refusal is Refusal.INTEGRITY_FAILED
    assert held is not None
    assert held.problem
    assert bench.store.blobs.path_of(held.sha256, good=False).exists()


async def test_image_that_is_no_dicom_is_set_aside(bench: Bench) -> None:
    """Bytes that cannot be read as an image are no image."""
    bench.exchange.instances[Uid(f"{STUDY}.1.1")] = b"<html>"
    intake = bench.intake()

    await intake.run()

    assert intake.progress.missing[f"{STUDY}.1.1"].refusal is Refusal.INTEGRITY_FAILED


async def test_image_nobody_asked_for_is_not_kept(bench: Bench) -> None:
    """A surplus image is reported; the transfer is complete all the same."""
    stranger = Uid("2.999.66")
    bench.exchange.instances[stranger] = b"anything"
    bench.exchange.unasked = (stranger,)
    intake = bench.intake()

    await intake.run()

    assert intake.progress.state is JobState.COMPLETE
    assert [issue.subject for issue in intake.progress.issues] == [str(stranger)]
    assert len(await bench.store.instances("visit")) == 6


async def test_refusal_of_everything_fails(bench: Bench) -> None:
    """A peer that refuses leaves a failed job with its reason on every image."""
    bench.exchange.refusals["images"] = NotAllowed(Refusal.NO_CONSENT, "no consent", code="4701")
    intake = bench.intake()

    await intake.run()

    view = intake.progress.view()
    assert view["state"] == "failed"
    assert {item["code"] for item in view["missing"]} == {"4701"}


async def test_full_store_stops_the_transfer(tmp_path: Path) -> None:
    """A quota that is used up ends the job in words; what is whole stays."""
    engine = make_engine(database_url(tmp_path))
    await create_tables(engine)
    store = KeptStore(engine, BlobStore(tmp_path, quota_bytes=3500))
    await store.open()
    manifest = make_study()
    bench = Bench(store, FakeExchange(instances=files_of(manifest)), manifest)
    intake = bench.intake()

    await intake.run()

    assert intake.progress.state is JobState.INCOMPLETE
    assert intake.progress.received == 3
    assert intake.progress.stopped_by is not None
    assert intake.progress.stopped_by.refusal is Refusal.STORE_FULL
    await engine.dispose()


async def test_cancelled_job_keeps_what_is_whole(bench: Bench) -> None:
    """Cancelling is not failing: the state says so and whole images stay."""
    gate = asyncio.Event()
    bench.exchange.gate = gate
    intake = bench.intake()
    task = asyncio.get_running_loop().create_task(intake.run())
    await bench.exchange.asked_for_images.wait()

    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert intake.progress.state is JobState.CANCELLED
    assert len(intake.progress.missing) == 6


async def test_images_are_listed_though_the_index_failed_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lot that could not be entered is entered with the next one."""
    lots: list[int] = []
    add = bench.store.add_instances

    async def fails_once(session: str, lot: Sequence[KeptInstance]) -> None:
        lots.append(len(lot))
        if len(lots) == 1:
            raise OSError("database is locked")
        await add(session, lot)

    monkeypatch.setattr(bench.store, "add_instances", fails_once)
    monkeypatch.setattr(image_intake, "INDEX_LOT", 2)
    monkeypatch.setattr(image_shelf, "LOT_BYTES", 1)

    with suppress(OSError):
        await bench.intake().run()

    listed = {str(item.ref.instance) for item in await bench.store.instances("visit")}
    shelved = bench.store.blobs.used_bytes // 1000
    assert lots[0] >= 2
    assert len(listed) == shelved >= 2


async def test_a_job_ended_while_it_is_put_in_order_lists_its_images(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that lie in the store are of a visit, whoever loses patience."""
    entering, go_on = asyncio.Event(), asyncio.Event()
    add = bench.store.add_instances

    async def slow(session: str, lot: Sequence[KeptInstance]) -> None:
        entering.set()
        await go_on.wait()
        await add(session, lot)

    monkeypatch.setattr(bench.store, "add_instances", slow)
    intake = bench.intake()
    task = asyncio.get_running_loop().create_task(intake.run())
    await entering.wait()

    task.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    await asyncio.wait([task])

    assert task.cancelled()
    assert intake.progress.state is JobState.CANCELLED
    assert len(await bench.store.instances("visit")) == 6


async def test_over_a_slow_link_images_are_listed_as_they_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks after an hour of a long transfer sees what has come."""
    lots: list[int] = []
    add = bench.store.add_instances

    async def counting(session: str, lot: Sequence[KeptInstance]) -> None:
        lots.append(len(lot))
        await add(session, lot)

    monkeypatch.setattr(bench.store, "add_instances", counting)
    monkeypatch.setattr(image_shelf, "LOT_BYTES", 1)
    intake = bench.intake()
    minutes = iter(NOON + timedelta(minutes=number) for number in range(1000))
    intake._now = lambda: next(minutes)

    await intake.run()

    assert len(lots) > 2
    assert sum(lots) == 6


async def test_a_transfer_that_breaks_is_gone_on_with_as_long_as_something_comes(
    bench: Bench,
) -> None:
    """Only what is missing is asked for again; what was under way without a tag comes anew."""
    bench.exchange.cut_after_bytes = 2500
    bench.exchange.chunk_bytes = 300
    intake = bench.intake(attempts=1)

    await intake.run()

    view = intake.progress.view()
    assert (view["state"], view["received"], view["resumed"]) == ("complete", 6, 2)
    assert bench.asked() == [
        ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3"],
        ["1.3", "2.1", "2.2", "2.3"],
        ["2.2", "2.3"],
    ]
    assert view["bytes"] == 6000 + view["again_bytes"]
    assert view["again_bytes"] == 2 * 300
    assert bench.store.blobs.used_bytes == 6000


async def test_a_peer_that_brings_nothing_is_given_up(bench: Bench) -> None:
    """After so many tries, each after a longer wait, with its own words."""
    bench.exchange.refusals["images"] = NotNow(Refusal.PEER_UNREACHABLE, "gone")
    intake = bench.intake(attempts=3)

    await intake.run()

    assert intake.progress.state is JobState.FAILED
    assert intake.progress.stopped_by is not None
    assert intake.progress.stopped_by.text == "gone"
    assert bench.waited == [0.5, 1.0, 2.0]


async def test_what_was_refused_is_not_asked_for_again(bench: Bench) -> None:
    """Nor is what this gateway itself has no room for."""
    bench.exchange.refusals["images"] = NotAllowed(Refusal.NO_CONSENT, "no consent")
    intake = bench.intake(attempts=3)

    await intake.run()

    assert len(bench.asked()) == 1
    assert bench.waited == []


async def test_an_image_with_another_digest_than_announced_is_set_aside(bench: Bench) -> None:
    """Its header may be right all the same."""
    bench.exchange.tells_digests = True
    uid = Uid(f"{STUDY}.1.1")
    whole = bench.exchange.instances[uid]
    bench.exchange.sends_instead = {uid: whole[:-1] + b"!"}
    intake = bench.intake()

    await intake.run()

    assert intake.progress.missing[str(uid)].refusal is Refusal.INTEGRITY_FAILED
    assert intake.progress.received == 5
