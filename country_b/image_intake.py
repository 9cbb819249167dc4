"""Images on their way into Country B: asked for, stored, checked and counted.

Key-image notes come first, then the images they point at, then the rest in manifest order. Each
image is stored as it streams, and its header must name the study, series and instance that were
asked for, and no other patient. A job that ends early keeps the images that are whole and names
the ones that are missing: `complete` is said of nothing less than everything. A transfer that
breaks is gone on with: only what is missing is asked for, and of an image that had begun only the
rest, where the peer has a tag for it. So does asking again, after this process was killed too.

Guideline, table 1: step 8; preconditions on significant images; Article 15 on bandwidth.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from country_b.image_asking import ImageLots, Wanted
from country_b.image_issues import NOT_YET, issue_of, other_syntax, unasked
from country_b.image_plan import AcceptedPlan, accept_plan
from country_b.image_progress import JobState, Progress
from country_b.image_resuming import Beginnings, Patience, TransferBroken, Tries, from_peer
from country_b.image_shelf import ImageShelf, Shelved
from country_b.initiator import IMAGES_PER_REQUEST, Initiator
from country_b.kept import KeptInstance, KeptStore
from country_b.reading import Reading
from country_b.session import Session
from gateway.domain import (
    AnnouncedInstance,
    DeliveryWish,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    InstanceRef,
    Issue,
    KeyImageNote,
    NotFound,
    Oid,
    PeerMisbehaved,
    Refusal,
    Severity,
    Uid,
    refuse,
)
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS

# The index is written in lots: a thousand small images would otherwise be a thousand commits.
INDEX_LOT = 512
# Over a slow link an image is to be seen soon after it has come.
INDEX_SECONDS = 1.0
MAX_NOTE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSelection:
    """What of a study is wanted; empty tuples mean all of it."""

    series: tuple[Uid, ...] = ()
    instances: tuple[Uid, ...] = ()
    key_images_only: bool = False

    def wants(self, ref: InstanceRef) -> bool:
        """Whether an instance of the manifest is among what was asked for."""
        if not self.series and not self.instances:
            return True
        return ref.series in self.series or ref.instance in self.instances


class ImageIntake:
    """One job: asks, stores, checks and counts."""

    def __init__(
        self,
        *,
        initiator: Initiator,
        kept: KeptStore,
        reading: Reading,
        session: Session,
        manifest: ImagingManifest,
        default_location: Oid,
        selection: ImageSelection,
        wish: DeliveryWish,
        correlation_id: str,
        now: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        if session.patient is None:
            raise ValueError("images are of a confirmed patient")
        self._initiator = initiator
        self._kept = kept
        self._reading = reading
        self._session = session
        self._patient = session.patient
        self._manifest = manifest
        self._location = default_location
        self._selection = selection
        self._wish = wish
        self._correlation_id = correlation_id
        self._now = now
        self._patience = patience or Patience()
        self._begun = Beginnings(kept.blobs, session.id)
        self._plan: AcceptedPlan | None = None
        self._here_bytes = 0
        self._looking = 0
        self._whole = ImageRequest.of_manifest(
            manifest, session.patient.community, default_location=default_location
        )
        self._lot: list[KeptInstance] = []
        self._flushing: asyncio.Task[None] | None = None
        self._started = 0.0
        self.progress = Progress()

    async def run(self) -> None:
        """Fetch everything that was asked for; how it went is in `progress`."""
        progress = self.progress
        self._started = time.perf_counter()
        try:
            await self._fetch_all()
        except ExchangeError as error:
            self._stop(issue_of(error))
        except asyncio.CancelledError:
            progress.state = JobState.CANCELLED
            raise
        finally:
            await self._in_order()
            progress.seconds = time.perf_counter() - self._started
        progress.state = self._verdict()

    def _stop(self, reason: Issue) -> None:
        """The reason everything that has none of its own is missing."""
        self.progress.stopped_by = reason
        for name, issue in self.progress.missing.items():
            if issue is NOT_YET:
                self.progress.missing[name] = replace(reason, subject=name)

    def _verdict(self) -> JobState:
        progress = self.progress
        if not progress.missing and progress.stopped_by is None:
            return JobState.COMPLETE
        if progress.received or progress.already_kept or progress.looked:
            return JobState.INCOMPLETE
        return JobState.FAILED

    async def _fetch_all(self) -> None:
        community = self._patient.community
        held = {
            item.ref.instance
            for item in await self._kept.instances(self._session.id, self._manifest.study)
            if not item.problem
        }
        whole = self._whole
        wanted = [pair for pair in whole.instances if self._selection.wants(pair[0])]
        if not wanted:
            raise refuse(Refusal.UNKNOWN_INSTANCE, "the manifest lists none of what was asked for")
        in_notes = {ref.instance for ref in self._manifest.notes()}
        self._expect(wanted, held)

        # Every note of the study is read, whatever part of it is wanted: it sets the order.
        notes_wanted = [
            pair
            for pair in whole.instances
            if pair[0].instance in in_notes and pair[0].instance not in held
        ]
        if notes_wanted:
            try:
                await self._fetch(notes_wanted)
            except (PeerMisbehaved, NotFound) as error:
                self._odd(error, "")
        notes = await self._read_notes(in_notes)

        self._whole = ImageRequest.of_manifest(
            self._manifest, community, default_location=self._location, notes=notes
        )
        ordered = self._whole.instances
        if self._selection.key_images_only:
            ordered = self._only_key_images(ordered, notes)
        rest = [
            pair
            for pair in ordered
            if pair[0].instance in self.progress.missing and pair[0].instance not in in_notes
        ]
        if self._wish.first_look:
            await self._look_first(rest)
            return
        await self._fetch(rest, by_plan=self._wish.may_choose or bool(self._wish.plan))

    async def _look_first(self, wanted: Sequence[Wanted]) -> None:
        """The beginnings of images, but for those of which one is here."""
        self._looking = self._wish.first_look
        await self._begun.look(wanted)
        for ref, _ in wanted:
            if ref.instance in self._begun.held:
                self._looked(ref, "")
        await self._fetch([pair for pair in wanted if pair[0].instance not in self._begun.held])

    def _looked(self, ref: InstanceRef, problem: str) -> None:
        """Count an image whose beginning is here, and say what is wrong with one that is not."""
        name = str(ref.instance)
        if problem or not self._looking:
            text = problem or "only the beginning of the image came"
            refusal = Refusal.INTEGRITY_FAILED if problem else Refusal.PEER_MISBEHAVED
            self._missing([Issue(refusal=refusal, text=text, subject=name)])
        elif self.progress.missing.pop(name, None) is not None:
            self.progress.looked += 1
            if self.progress.first_image_seconds is None:
                self.progress.first_image_seconds = time.perf_counter() - self._started

    def _expect(self, wanted: Sequence[Wanted], held: set[Uid]) -> None:
        """Everything not yet here is missing until it has come in whole."""
        self.progress.asked = len(wanted)
        self.progress.already_kept = sum(ref.instance in held for ref, _ in wanted)
        self.progress.missing = {
            str(ref.instance): NOT_YET for ref, _ in wanted if ref.instance not in held
        }

    def _only_key_images(
        self, ordered: Sequence[Wanted], notes: Sequence[KeyImageNote]
    ) -> tuple[Wanted, ...]:
        """The images that accepting notes point at; the rest is not missing but not wanted."""
        rejected = {image.instance for note in notes if note.rejects for image in note.images}
        chosen = {
            image.instance for note in notes if not note.rejects for image in note.images
        } - rejected
        in_notes = {ref.instance for ref in self._manifest.notes()}
        for ref, _ in ordered:
            if ref.instance not in chosen and ref.instance not in in_notes:
                self.progress.missing.pop(str(ref.instance), None)
        self.progress.asked = sum(
            ref.instance in chosen or ref.instance in in_notes for ref, _ in ordered
        )
        return tuple(pair for pair in ordered if pair[0].instance in chosen)

    async def _read_notes(self, uids: Iterable[Uid]) -> tuple[KeyImageNote, ...]:
        """The notes that came; one that cannot be read only loses its say in the order."""
        await self._flush()
        notes = []
        for uid in uids:
            held = await self._kept.instance(self._session.id, uid)
            if held is None or held.problem:
                continue
            try:
                if held.size_bytes > MAX_NOTE_BYTES:
                    raise refuse(
                        Refusal.PEER_MISBEHAVED,
                        f"a key-image note is larger than {MAX_NOTE_BYTES} bytes",
                    )
                path = self._kept.blobs.path_of(held.sha256)
                notes.append(self._reading.note(await asyncio.to_thread(path.read_bytes)))
            except ExchangeError as error:
                self._odd(error, str(uid))
        return tuple(notes)

    def _odd(self, error: ExchangeError, subject: str) -> None:
        """Something about the notes went wrong: the images are worth having all the same."""
        issue = replace(issue_of(error), severity=Severity.WARNING)
        self.progress.issue(replace(issue, subject=subject or issue.subject))

    async def _fetch(self, wanted: Sequence[Wanted], *, by_plan: bool = False) -> None:
        """Everything wanted, however often the transfer breaks, as long as something comes."""
        tries = Tries(self._patience, self._here_bytes + await self._begun.look(wanted))
        while wanted:
            try:
                await self._fetch_lots(await self._planned(wanted) if by_plan else wanted)
                return
            except TransferBroken as broken:
                wanted = [
                    pair
                    for pair in wanted
                    if self.progress.missing.get(str(pair[0].instance)) is NOT_YET
                ]
                here = self._here_bytes + await self._begun.look(wanted)
                if wanted and not (broken.may_pass and await tries.again(here)):
                    raise broken.error from broken
                self.progress.resumed += 1 if wanted else 0

    async def _planned(self, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        """What a plan sends of what is wanted, in its order; the rest is missing as it says.

        Everything as it is where the peer plans nothing. The plan is asked for once.
        """
        if self._plan is None:
            community = self._patient.community
            request = replace(self._whole, instances=tuple(wanted))
            exchange = self._initiator.exchange(community, self._session.way)
            context = self._initiator.context(self._session, community, self._correlation_id)
            try:
                self._plan = await accept_plan(exchange, request, self._wish, context)
            except ExchangeError as error:
                raise TransferBroken(error) from error
            if self._plan is None:
                return wanted
            self.progress.plan = self._plan.view()
            self._missing(self._plan.not_coming(wanted))
        return self._plan.in_order(wanted)

    async def _fetch_lots(self, wanted: Sequence[Wanted]) -> None:
        community = self._initiator.community(self._patient.community)
        way = self._session.way
        size = community.images_per_request.get(way, IMAGES_PER_REQUEST)
        names = way in community.names_first
        made_first = names and self._plan is not None and self._plan.loses(wanted)
        async with ImageLots(self._ask, wanted, lot_size=size, made_first=made_first) as lots:
            while (taken := await self._next(lots)) is not None:
                lot, delivery = taken
                async with delivery:
                    await self._receive(delivery, {ref.instance: ref for ref, _ in lot}, lots)

    async def _next(self, lots: ImageLots) -> tuple[Sequence[Wanted], ImageDelivery] | None:
        try:
            return await lots.next()
        except ExchangeError as error:
            raise TransferBroken(error) from error

    async def _ask(self, lot: Sequence[Wanted]) -> ImageDelivery:
        community = self._patient.community
        context = self._initiator.context(self._session, community, self._correlation_id)
        progress = self.progress
        request = replace(
            self._whole,
            instances=tuple(lot),
            begun=self._begun.held,
            sparing=bool(progress.resumed or progress.already_kept),
        )
        exchange = self._initiator.exchange(community, self._session.way)
        wish = replace(self._wish, first_look=self._looking)
        wish = self._plan.wish(wish, request) if self._plan else wish
        return await exchange.retrieve_images(request, wish, context)

    async def _receive(
        self, delivery: ImageDelivery, asked: dict[Uid, InstanceRef], lots: ImageLots
    ) -> None:
        told = delivery.issues
        self._missing(told)
        announced = {item.ref.instance: item for item in delivery.announced}
        expected = set(asked)
        current: Uid | None = None
        begins = False
        progress = self.progress

        def shelved(image: Shelved) -> None:
            self._shelved(image)
            delivery.hashed(image.ref.instance, image.blob.sha256)

        async with (
            ImageShelf(
                self._kept.blobs, self._reading, self._patient, shelved, self._looked
            ) as shelf,
            aclosing(from_peer(delivery.chunks())) as chunks,
        ):
            async for chunk in chunks:
                if chunk.instance != current:
                    current = chunk.instance
                    shelf.abandon()
                    if current in expected:
                        lots.begins()
                        expected.discard(current)
                        coming = chunk.sent or announced.get(current)
                        begins = coming is not None and coming.begin_bytes is not None
                        await self._begin(shelf, asked[current], coming, chunk.start)
                    else:
                        progress.issue(unasked(current))
                if shelf.is_open:
                    self._begun.came(chunk.instance, len(chunk.data))
                    await shelf.write(chunk.data)
                    progress.came(len(chunk.data), time.perf_counter() - self._started)
                if chunk.last:
                    current = None
                    if shelf.is_open:
                        (shelf.put_aside if begins else shelf.end)()
                if self._is_due():
                    await self._flush_beside()
            await shelf.settle()
        # Some wires tell what has not come only when everything else has.
        self._missing(delivery.issues[len(told) :])

    async def _begin(
        self, shelf: ImageShelf, ref: InstanceRef, coming: AnnouncedInstance | None, start: int
    ) -> None:
        """An image begins, or goes on; one that lost something needs who agreed to that."""
        derived = coming.derived if coming is not None else None
        if derived is not None and not self._wish.lossy_consent:
            text = f"a lossy form ({derived}) came, which was not agreed to; it was not kept"
            self._missing([Issue(refusal=Refusal.PEER_MISBEHAVED, text=text, subject=ref.instance)])
            return
        etag = coming.etag if coming is not None else ""
        file, again_bytes = await self._begun.file(ref.instance, start, etag)
        self.progress.again_bytes += again_bytes
        shelf.begin(
            ref,
            coming.size_bytes if coming is not None else None,
            derived,
            sha256=coming.sha256 if coming is not None else "",
            file=file,
        )

    def _missing(self, issues: Sequence[Issue]) -> None:
        for issue in issues:
            if issue.subject in self.progress.missing:
                self.progress.missing[issue.subject] = issue
            else:
                self.progress.issue(issue)

    def _shelved(self, shelved: Shelved) -> None:
        """Count an image that is in its place, and remember it for the index."""
        blob, syntax = shelved.blob, shelved.syntax
        self._lot.append(
            KeptInstance(
                ref=shelved.ref,
                transfer_syntax=str(syntax or ""),
                derived=str(shelved.derived or ""),
                sha256=blob.sha256,
                size_bytes=blob.size_bytes,
                at=self._now(),
                problem=blob.problem,
            )
        )
        name = str(shelved.ref.instance)
        if blob.problem:
            issue = Issue(refusal=Refusal.INTEGRITY_FAILED, text=blob.problem, subject=name)
            if name in self.progress.missing:
                self.progress.missing[name] = issue
            else:
                self.progress.issue(issue)
            return
        if self.progress.missing.pop(name, None) is not None:
            self._here_bytes += blob.size_bytes
            self.progress.received += 1
            since = time.perf_counter() - self._started
            if self.progress.first_image_seconds is None and not self._is_note(name):
                self.progress.first_image_seconds = since
            if shelved.ref.instance in self._whole.key_images:
                self.progress.key_images_seconds = since
        if syntax is not None and syntax not in self._wish.syntaxes:
            self.progress.issue(other_syntax(name, syntax))

    def _is_note(self, uid: str) -> bool:
        return any(
            instance.uid == uid and instance.sop_class == KEY_OBJECT_SOP_CLASS
            for series in self._manifest.series
            for instance in series.instances
        )

    async def _in_order(self) -> None:
        """The last images enter the index, even when the job is ended meanwhile."""
        flushing = asyncio.get_running_loop().create_task(self._flush())
        try:
            await asyncio.shield(flushing)
        except asyncio.CancelledError:
            await asyncio.wait([flushing])
            self.progress.state = JobState.CANCELLED
            raise

    def _is_due(self) -> bool:
        """Whether what is on the shelf should enter the index."""
        if not self._lot:
            return False
        waited = (self._now() - self._lot[0].at).total_seconds()
        return len(self._lot) >= INDEX_LOT or waited >= INDEX_SECONDS

    async def _flush_beside(self) -> None:
        """Enter what is on the shelf in the index, while the next images come in."""
        await self._flushed()
        lot, self._lot = self._lot, []
        self._flushing = asyncio.get_running_loop().create_task(self._enter(lot))

    async def _enter(self, lot: list[KeptInstance]) -> None:
        try:
            await self._kept.add_instances(self._session.id, lot)
        except BaseException:
            self._lot[:0] = lot  # to be tried again with those that come
            raise

    async def _flush(self) -> None:
        with suppress(Exception):  # what failed beside is tried again here, and told
            await self._flushed()
        if self._lot:
            await self._flush_beside()
        await self._flushed()

    async def _flushed(self) -> None:
        if (flushing := self._flushing) is not None:
            try:
                await asyncio.shield(flushing)  # what is on the shelf must be in the index
            finally:
                self._flushing = None if flushing.done() else flushing
