"""Planning a delivery: facts of the index, a few frames sampled, and the planner asked.

What is sampled of a series is kept while its images are the same: a second plan for a study, for
another wish or link, encodes nothing. Nothing here moves an image; `images` does.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from country_a.images import Held
from country_a.national.ports import Pacs, StoredInstance, StoredSeries
from country_a.rendering import Renderer
from country_a.sampling import sample_instance, together
from gateway.compression.derivation import derived_uid
from gateway.compression.facts import InstanceFacts, SeriesFacts, SeriesSample
from gateway.compression.plan import codings_to_sample, make_plan, wants_lossy
from gateway.compression.sampling import evenly_spaced
from gateway.compression.speeds import Sender
from gateway.compression.worker import Stopping, Workers
from gateway.domain import Coding, DeliveryPlan, DeliveryWish, LinkProfile, Uid
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.wire.dicom.kos_read import decode_note
from gateway.wire.problems import DecodeError, EncodeError

SAMPLED = 5  # frames of a series: the sizes of all are told within 1 % by them
MAX_SAMPLES = 512  # series whose samples are remembered
MAX_NOTE_BYTES = 8 * 1024 * 1024
# Sampling a frame holds it, its code streams one after the other, and copies.
FRAMES_IN_MEMORY = 5

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _SampleKey:
    files: tuple[str, ...]
    codings: tuple[Coding, ...]


class Planning:
    """Makes the plans of one country."""

    def __init__(
        self, pacs: Pacs, renderer: Renderer, workers: Workers, *, new_id: Callable[[], str]
    ) -> None:
        self._pacs = pacs
        self._renderer = renderer
        self._workers = workers
        self._new_id = new_id
        self._samples: OrderedDict[_SampleKey, SeriesSample] = OrderedDict()

    async def plan(
        self, held: Held, wish: DeliveryWish, link: LinkProfile, *, shared: bool = False
    ) -> DeliveryPlan:
        """The plan for what is held of a request.

        `shared` is whether the requester runs on this machine, and decodes on the same cores.
        """
        instances = [stored for stored, _ in held.instances]
        by_series: dict[Uid, list[StoredInstance]] = {}
        for one in instances:
            by_series.setdefault(one.ref.series, []).append(one)
        series = await self._series(instances)
        keys = await self._key_images(instances)
        facts = [
            _facts(series.get(uid), uid, members, keys, self._renderer)
            for uid, members in by_series.items()
        ]
        make = partial(
            make_plan,
            wish=wish,
            link=link,
            sender=Sender(cores=self._workers.cores, shared=shared),
            id=self._new_id(),
            derived_uid=derived_uid,
        )
        samples = await self._sampled(facts, by_series, wish, lossy=False)
        plan = await asyncio.to_thread(make, facts, samples)
        if wants_lossy(plan):
            samples = await self._sampled(facts, by_series, wish, lossy=True)
            plan = await asyncio.to_thread(make, facts, samples)
        return plan

    async def _series(self, instances: Sequence[StoredInstance]) -> Mapping[Uid, StoredSeries]:
        studies = dict.fromkeys(one.ref.study for one in instances)
        return {one.uid: one for study in studies for one in await self._pacs.series(study)}

    async def _key_images(self, instances: Sequence[StoredInstance]) -> frozenset[Uid]:
        """What accepting notes among the instances point at, without what others reject."""
        chosen: set[Uid] = set()
        rejected: set[Uid] = set()
        for one in instances:
            if one.sop_class != KEY_OBJECT_SOP_CLASS or one.size_bytes > MAX_NOTE_BYTES:
                continue
            try:
                note = decode_note(await asyncio.to_thread(one.path.read_bytes))
            except (OSError, DecodeError) as error:
                _LOG.warning("a note has no say in the order", why=type(error).__name__)
                continue
            (rejected if note.rejects else chosen).update(image.instance for image in note.images)
        return frozenset(chosen - rejected)

    async def _sampled(
        self,
        facts: Sequence[SeriesFacts],
        by_series: Mapping[Uid, Sequence[StoredInstance]],
        wish: DeliveryWish,
        *,
        lossy: bool,
    ) -> Mapping[Uid, SeriesSample]:
        """A sample of every series that has one; one that cannot be read goes as it is stored."""
        found = await asyncio.gather(
            *(
                self._sample(by_series[one.series], codings_to_sample(one, wish, lossy=lossy))
                for one in facts
            )
        )
        return {
            one.series: sample
            for one, sample in zip(facts, found, strict=True)
            if sample is not None
        }

    async def _sample(
        self, instances: Sequence[StoredInstance], codings: tuple[Coding, ...]
    ) -> SeriesSample | None:
        with_pixels = [one for one in instances if one.pixels is not None]
        if not codings or not with_pixels:
            return None
        chosen = [with_pixels[at] for at in evenly_spaced(len(with_pixels), SAMPLED)]
        key = _SampleKey(tuple(one.sha256 or one.file for one in chosen), codings)
        if (known := self._samples.get(key)) is not None:
            self._samples.move_to_end(key)
            return known
        pixels = chosen[0].pixels
        if pixels is None:
            return None
        # Slow codings are measured on some frames, against what those cost in the quick ones.
        slowly = chosen[::2]  # so many that one disturbed measurement tells nothing
        quick = tuple(one for one in codings if not one.effort or pixels.samples > 1)
        frame = max(one.pixels.frame_bytes for one in chosen if one.pixels is not None)
        per_frame = await asyncio.gather(
            *(
                self._workers.run(
                    partial(_sample_one, one, codings if one in slowly else quick),
                    urgency=-1.0,  # a plan is waited for before anything is sent
                    memory_bytes=frame * FRAMES_IN_MEMORY,
                )
                for one in chosen
            )
        )
        sample = together([one for one in per_frame if one is not None])
        if sample is not None:
            self._samples[key] = sample
            while len(self._samples) > MAX_SAMPLES:
                self._samples.popitem(last=False)
        return sample


def _facts(
    known: StoredSeries | None,
    series: Uid,
    instances: Sequence[StoredInstance],
    keys: frozenset[Uid],
    renderer: Renderer,
) -> SeriesFacts:
    return SeriesFacts(
        series=series,
        modality=known.modality if known is not None else "",
        body_part=known.body_part if known is not None else "",
        instances=tuple(
            InstanceFacts(
                ref=one.ref,
                sop_class=one.sop_class,
                transfer_syntax=one.transfer_syntax,
                size_bytes=one.size_bytes,
                pixels=one.pixels,
                key_image=one.ref.instance in keys,
                made=renderer.made(one),
            )
            for one in instances
        ),
    )


def _sample_one(
    stored: StoredInstance, codings: tuple[Coding, ...], stopping: Stopping
) -> SeriesSample | None:
    """The middle frame of an instance, measured; None for one that cannot be read."""
    stopping.check()
    if stored.pixels is None:
        return None
    try:
        with Path(stored.file).open("rb") as file:
            return sample_instance(file, stored.pixels, codings, native_sha256=stored.native_sha256)
    except (OSError, DecodeError, EncodeError) as error:
        _LOG.warning("a frame could not be sampled", why=type(error).__name__)
        return None
