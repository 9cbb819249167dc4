"""Planner against oracle: bytes and CPU seconds of every coding, and what a plan makes of them.

Every image is really written in every coding, and really read again; the seconds are CPU seconds of
the thread, so that a busy machine counts for little, and the middle ones of several rounds through
all codings, for a machine has phases of some seconds. What a study takes over a link is computed
from these by the timeline that the planner uses itself: half a megabit would take hours. The last
images of a series are read by one thread, the rest of the arithmetic is `delivery_oracle`. Both
ends share the cores, as they do in `delivery_link`, and the planner knows it.

A plan follows from a sample of a few images, which catches the machine in one phase or another.
Country A samples once; here it is done before, after and between the measuring of each coding in
each round, and what is told came of the middle one of as many plans.

What is held against the least of any coding counts coding alone, as that does. Where one timeline
is held against another, both count what it costs to send an image as well, as the planner does.

Headers are packed, in every coding alike, but for what our plans are held against as it goes from
other servers: as stored, and uncompressed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from statistics import median
from typing import Any

from bench.delivery_oracle import Cost, best_seconds, floor, off, seconds_of, total
from bench.delivery_studies import Images, stretched
from country_a.sampling import sample_instance, together
from gateway.compression.derivation import derived_uid
from gateway.compression.facts import InstanceFacts, SeriesFacts, SeriesSample
from gateway.compression.plan import codings_to_sample, make_plan
from gateway.compression.sampling import evenly_spaced
from gateway.compression.speeds import HANDLING_SECONDS, Sender
from gateway.compression.transcode import transcode
from gateway.compression.worker import usable_cores
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Coding,
    Decoding,
    DeliveryPlan,
    DeliveryWish,
    InstanceRef,
    LinkProfile,
    SyntaxChoice,
    Uid,
)
from gateway.wire.dicom.dataset import describe
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.packing import spared_bytes

_JPEG = "1.2.840.10008.1.2.4."
CODINGS: Mapping[str, Coding] = {
    "HTJ2K": Coding(syntax=Uid(_JPEG + "202")),
    "JPEG-LS": Coding(syntax=Uid(_JPEG + "80")),
    "J2K": Coding(syntax=Uid(_JPEG + "90")),
    "JPEG XL e3": Coding(syntax=Uid(_JPEG + "110"), effort=3),
    "JPEG XL e7": Coding(syntax=Uid(_JPEG + "110"), effort=7),
}
STORED = "as stored"
PLAIN = "uncompressed"
RATES = (0.5, 2.0, 10.0, 50.0, 100.0)  # Mbit/s
ROUND_TRIP = 0.08
MIN_RAW = 100_000_000
UNSHAPED = 10_000.0
TIMES = 3

WHOLE_BOUND, WHOLE_BOUND_AT_100 = 1.10, 1.25
SMALL_BOUND, PLAIN_BOUND, STORED_BOUND, STORED_BOUND_UNSHAPED = 1.05, 0.35, 1.02, 1.05
ORACLE_BOUND, PREDICTION_BOUND = 1.05, 0.10
KEY_BOUND = 1.5


def wish_at(link: LinkProfile) -> DeliveryWish:
    """What a gateway asks for that takes whatever brings the images soonest."""
    syntaxes = dict.fromkeys(one.syntax for one in CODINGS.values())
    return DeliveryWish(
        syntaxes=(*syntaxes, EXPLICIT_LITTLE_ENDIAN),
        choice=SyntaxChoice.SENDER,
        decoding=Decoding.GATEWAY,
        link=link,
        packs=True,
    )


def link_at(mbit: float) -> LinkProfile:
    """A line of so many Mbit/s."""
    return LinkProfile(bits_per_second=mbit * 1e6, round_trip_seconds=ROUND_TRIP)


@dataclass(frozen=True, slots=True)
class Series:
    """A series long enough to be sent, and what each of its instances costs in each coding."""

    facts: SeriesFacts
    samples: Sequence[SeriesSample]
    costs: Mapping[str, Sequence[Cost]]

    @property
    def raw_bytes(self) -> int:
        """Its pixels uncompressed."""
        return sum(one.raw_bytes for one in self.facts.instances)


def _read_seconds(data: bytes) -> float:
    """CPU seconds to have the pixels of a file."""
    begun = time.thread_time()
    frames = StoredFrames(data)
    for number in range(1, frames.count + 1):
        frames.plain(number)
    return time.thread_time() - begun


def _cost(data: bytes, coding: Coding) -> Cost:
    """One file in one coding, really made and read."""
    out = BytesIO()
    begun = time.thread_time()
    transcode(BytesIO(data), out, coding)
    spared = spared_bytes(out.getvalue())
    spent = time.thread_time() - begun
    return Cost(len(out.getvalue()), spent, _read_seconds(out.getvalue()), spared)


def _cost_as_stored(data: bytes) -> Cost:
    return Cost(len(data), 0.0, _read_seconds(data), spared_bytes(data))


def costs_of(images: Images) -> Iterator[tuple[str, list[Cost]]]:
    """What each image costs in each coding, measured on every core at once."""
    with ThreadPoolExecutor(usable_cores()) as threads:
        for name, coding in {**CODINGS, PLAIN: Coding(syntax=EXPLICIT_LITTLE_ENDIAN)}.items():
            yield name, list(threads.map(partial(_cost, coding=coding), images.files))
        yield STORED, list(threads.map(_cost_as_stored, images.files))


def _middle(costs: Sequence[Cost]) -> Cost:
    """Of an image measured several times."""
    return replace(
        costs[0],
        send_seconds=median(one.send_seconds for one in costs),
        read_seconds=median(one.read_seconds for one in costs),
    )


def _unpacked(costs: Sequence[Cost]) -> list[Cost]:
    """As they go from a server that sends files as they are."""
    return [replace(one, spared_bytes=0) for one in costs]


def series_of(number: int, images: Images, least_raw: int) -> Series:
    """The images stretched until they are so many bytes, as a series to be planned."""
    told = [describe(StoredFrames(data).header) for data in images.files]
    raw = sum(one.pixels.raw_bytes for one in told if one.pixels)
    count = max(len(told), -(-least_raw * len(told) // raw))
    study = Uid("2.999.1.1.9.89")
    uid = Uid(f"{study}.{number}")
    instances = tuple(
        InstanceFacts(
            ref=InstanceRef(study=study, series=uid, instance=Uid(f"{uid}.{at + 1}")),
            sop_class=one.sop_class or Uid("1.2.840.10008.5.1.4.1.1.2"),
            transfer_syntax=one.transfer_syntax or EXPLICIT_LITTLE_ENDIAN,
            size_bytes=size,
            pixels=one.pixels,
        )
        for at, (one, size) in enumerate(
            stretched(
                [(one, len(data)) for one, data in zip(told, images.files, strict=True)], count
            )
        )
    )
    facts = SeriesFacts(series=uid, modality=images.modality, instances=instances)
    samples, rounds = [_sampled(facts, images)], []
    for _ in range(TIMES):
        found: dict[str, list[Cost]] = {}
        for name, each in costs_of(images):
            found[name] = each
            samples.append(_sampled(facts, images))
        rounds.append(found)
    costs = {
        name: stretched(
            [_middle(times) for times in zip(*(one[name] for one in rounds), strict=True)], count
        )
        for name in rounds[0]
    }
    return Series(facts, samples, costs)


def _sampled(facts: SeriesFacts, images: Images) -> SeriesSample:
    """As Country A samples: the same places, the same codings."""
    codings = codings_to_sample(facts, wish_at(link_at(10)), lossy=False)
    chosen = evenly_spaced(len(facts.instances), 5)
    files = stretched(images.files, len(facts.instances))
    pixels = facts.instances[0].pixels
    if pixels is None:
        raise RuntimeError("images without pixels")
    quick = tuple(one for one in codings if not one.effort)
    slowly = chosen[::2]

    def sampled(at: int) -> SeriesSample:
        return sample_instance(BytesIO(files[at]), pixels, codings if at in slowly else quick)

    with ThreadPoolExecutor(usable_cores()) as threads:  # which slow each other down
        found = together(list(threads.map(sampled, chosen)))
    if found is None:
        raise RuntimeError("no image to sample")
    return found


def plan_for(series: Sequence[Series], link: LinkProfile, sample: int = 0) -> DeliveryPlan:
    """What the planner of Country A does with these series, by one of their samples."""
    return make_plan(
        [one.facts for one in series],
        {one.facts.series: one.samples[sample] for one in series},
        wish_at(link),
        link,
        sender=Sender(cores=usable_cores(), shared=True),
        derived_uid=derived_uid,
        id="bench",
    )


def chosen_costs(series: Sequence[Series], plan: DeliveryPlan) -> list[list[Cost]]:
    """The measured costs of what a plan chose, in the order of sending, by series."""
    names = {coding: name for name, coding in CODINGS.items()}
    places = {
        one.ref.instance: (each, at)
        for each in series
        for at, one in enumerate(each.facts.instances)
    }
    found: list[list[Cost]] = []
    before: Series | None = None
    for planned in plan.coming:
        each, at = places[planned.ref.instance]
        stored = planned.coding is None or planned.action == "as-stored"
        name = STORED if stored or planned.coding is None else names.get(planned.coding, PLAIN)
        if each is not before:
            found.append([])
        before = each
        found[-1].append(each.costs[name][at])
    return found


def _middle_plan(
    series: Sequence[Series], link: LinkProfile, cores: int
) -> tuple[float, DeliveryPlan, list[list[Cost]]]:
    """Of the plans by each sample the middle one: its seconds, itself, and what it chose costs.

    Of plans that chose the same, the one that foretells the middle.
    """
    plans = [plan_for(series, link, sample) for sample in range(len(series[0].samples))]
    chosen = [chosen_costs(series, plan) for plan in plans]
    seconds = [_sent_seconds(each, link, cores) for each in chosen]
    ordered = sorted(range(len(plans)), key=lambda one: (seconds[one], plans[one].seconds))
    middle = ordered[len(ordered) // 2]
    return seconds[middle], plans[middle], chosen[middle]


_sent_seconds = partial(seconds_of, handling_seconds=HANDLING_SECONDS)


def _row(
    name: str, what: str, value: float, baseline: float, bound: float | None
) -> dict[str, Any]:
    ratio = value / baseline if baseline else 0.0
    return {
        "name": f"delivery-{name}",
        "what": what,
        "value": round(value, 3),
        "baseline": round(baseline, 3),
        "ratio": round(ratio, 3),
        "bound": bound,
        "holds": bound is None or ratio <= bound,
    }


def study_rows(name: str, source: str, series: Sequence[Series]) -> list[dict[str, Any]]:
    """Everything that is computed of one study, at every rate."""
    cores = usable_cores()
    found: list[dict[str, Any]] = []
    sums = {
        coding: total(total(each.costs[coding]) for each in series)
        for coding in (*CODINGS, STORED, PLAIN)
    }
    codings = {coding: sums[coding] for coding in CODINGS}
    raw = sum(one.raw_bytes for one in series) / 1e6
    of = f"{source}, {raw:.0f} MB raw, {ROUND_TRIP * 1e3:.0f} ms"
    # Of CT and MR that are stored uncompressed; anything else has less to gain.
    is_plain = all(
        one.transfer_syntax == EXPLICIT_LITTLE_ENDIAN
        for each in series
        for one in each.facts.instances
    )
    smallest = min(codings, key=lambda one: codings[one].size_bytes)
    for rate in (*RATES, UNSHAPED):
        link = link_at(rate)
        seconds, plan, chosen = _middle_plan(series, link, cores)
        size = total(total(one) for one in chosen).size_bytes
        at = f"{name}-{rate:g}" if rate < UNSHAPED else f"{name}-unshaped"
        kinds = "+".join(dict.fromkeys(str(_name(one)) for one in plan.coming))
        said = f"computed from measured bytes and CPU seconds ({of}); planned: {kinds}"
        stored = _sent_seconds([_unpacked(each.costs[STORED]) for each in series], link, cores)
        low = rate <= 50
        if rate < UNSHAPED:
            best, least = floor(codings, rate * 1e6, cores)
            bound = WHOLE_BOUND if low else WHOLE_BOUND_AT_100
            text = f"seconds against the least of any coding ({best}); {said}"
            coding_alone = seconds_of(chosen, link, cores)
            found.append(_row(f"whole-{at}", text, coding_alone, least, bound))
            menus = [{k: each.costs[k] for k in (*CODINGS, STORED)} for each in series]
            names, oracle = best_seconds(menus, link, cores, handling_seconds=HANDLING_SECONDS)
            text = f"seconds against the best of all choices ({'+'.join(names)}); {said}"
            found.append(_row(f"oracle-{at}", text, seconds, oracle, ORACLE_BOUND if low else None))
            text = f"bytes against the least of any coding ({smallest}); {said}"
            bound_small = SMALL_BOUND if rate <= 2 else None
            found.append(_row(f"bytes-{at}", text, size, codings[smallest].size_bytes, bound_small))
            gap = off(plan.size_bytes, size)
            text = f"predicted bytes against those that came; {said}"
            found.append(
                {
                    **_row(f"predicted-bytes-{at}", text, plan.size_bytes, size, 1.1),
                    "holds": gap <= PREDICTION_BOUND,
                }
            )
            gap = off(plan.seconds, seconds)
            text = f"predicted seconds against the timeline of what was measured; {said}"
            row = _row(f"predicted-seconds-{at}", text, plan.seconds, seconds, 1.1 if low else None)
            found.append({**row, "holds": gap <= PREDICTION_BOUND if low else True})
        if is_plain and low:
            text = f"seconds against sending uncompressed; {said}"
            plain = _sent_seconds([_unpacked(each.costs[PLAIN]) for each in series], link, cores)
            found.append(_row(f"over-plain-{at}", text, seconds, plain, PLAIN_BOUND))
        if low or rate == UNSHAPED:
            bound = STORED_BOUND if low else STORED_BOUND_UNSHAPED
            text = f"seconds against sending as stored; {said}"
            found.append(_row(f"over-stored-{at}", text, seconds, stored, bound))
    return found


def _name(planned: Any) -> str:
    names = {coding: name for name, coding in CODINGS.items()}
    return STORED if planned.action == "as-stored" else names.get(planned.coding, PLAIN)


def rows(images: Sequence[Images]) -> list[dict[str, Any]]:
    """Studies of these images: CT of two series, MR, and one that is compressed already."""
    ct = [one for one in images if one.modality == "CT" and "2000" not in one.name]
    studies = [("ct", ct)]
    for one in images:
        if one not in ct:
            key = {"MR": "mr", "MR generated": "mr-made"}.get(one.name, "ct-j2k")
            studies.append((key, [one]))
    found: list[dict[str, Any]] = []
    for name, members in studies:
        series = [
            series_of(number + 1, one, MIN_RAW // len(members))
            for number, one in enumerate(members)
        ]
        source = ", ".join(f"{one.name}: {one.source}" for one in members)
        found += study_rows(name, source, series)
    return found
