"""Deliveries over a link, as several stories tell them: planned, brought, watched and drawn.

A plan is the JSON of `POST …/plan`, a job that of `GET …/images/{job}`; both are read as they are
documented, and numbers for pictures are taken from nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scenarios import steps
from scenarios.client import POLL_SECONDS, Json, Visit
from scenarios.links import IMAGES, METADATA, Link, declared
from scenarios.pictures import Kind, Line, Moment, Sign
from scenarios.readable import readable_bytes, readable_seconds
from scenarios.seeds import Patient, manifests_of
from scenarios.story import Story, Telling, check

NO_LINK = "there is no link between the countries that could be made slow (give --link)"
# A study below this says nothing about a line: its headers are most of it.
LEAST_BYTES = 1_000_000
TOO_SMALL = "no study of the seed is large enough to tell it with (seed size demo or full)"
LEAST_IMAGES, MOST_IMAGES = 20, 200  # fewer draw no line, more take minutes

# Ways whose wire for images has parts of them.
WADO_WAYS = ("fhir-mhd", "fhir-ncp", "mixed")

# Codecs as people call them, by transfer syntax (DICOM PS3.6 table A-1).
_CODECS: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.4.110": "JPEG XL",
    "1.2.840.10008.1.2.4.201": "HTJ2K (any progression)",
    "1.2.840.10008.1.2.4.202": "HTJ2K",
    "1.2.840.10008.1.2.4.203": "lossy HTJ2K",
}

Meanwhile = Callable[[Json], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A job that ended, how its bytes came, and what the visit then held of the study, in order."""

    job: Json
    timeline: tuple[tuple[float, float], ...]
    kept: tuple[Json, ...]

    @property
    def seconds(self) -> float:
        """When everything was there."""
        return float(self.job["seconds"])

    @property
    def size_bytes(self) -> int:
        """How much came."""
        return int(self.job["bytes"])

    def came_at(self, instance: str) -> float | None:
        """After how many seconds an image was there; None if it is not.

        The store has a time of day for each; the last of them is when the job ended.
        """
        times = {item["instance"]: datetime.fromisoformat(item["at"]) for item in self.kept}
        if instance not in times:
            return None
        before = (max(times.values()) - times[instance]).total_seconds()
        return max(self.seconds - before, 0.0)


def image_link(story: Story) -> Link | None:
    """The link images go by, None where the countries meet directly."""
    return story.links.get(IMAGES) or story.links.get(METADATA)


async def own_link(story: Story) -> dict[str, Any]:
    """What a professional knows of the line, as a need; empty where there is nothing to know."""
    link = image_link(story)
    told = declared(await link.show()) if link is not None else None
    return {"link": told} if told else {}


async def visit_of(story: Story, patient: Patient, purpose: str = "TREATMENT") -> Visit:
    """A visit as far as the list of a confirmed patient."""
    visit = await steps.confirmed(story, patient, purpose)
    await visit.post("list", {})
    return visit


async def bring_manifest(visit: Visit, study: Patient) -> None:
    """Retrieve what says which images a study has."""
    answer = await visit.post("retrieve", {"documents": manifests_of(study)})
    check(answer["complete"], "the manifest did not come whole")


async def plan_of(visit: Visit, study: Patient, **needs: Any) -> Json:
    """How a study would come."""
    return await visit.post("plan", {"study": study["uid"], **needs})


def why_not(story: Story, studies: Sequence[Patient], least_images: int = LEAST_IMAGES) -> str:
    """Why a delivery cannot be told, "" where it can: it needs a line, and a study worth one."""
    if not story.links:
        return NO_LINK
    return "" if _worth(studies, least_images) else TOO_SMALL


def _worth(studies: Sequence[Patient], least_images: int) -> list[Patient]:
    """Studies neither too small nor too large, most images first."""
    found = [study for study in studies if least_images <= study["instances"] <= MOST_IMAGES]
    return sorted(found, key=lambda study: -int(study["instances"]))


async def plans_of(
    visit: Visit, studies: Sequence[Patient], *, least_images: int = LEAST_IMAGES, **needs: Any
) -> AsyncIterator[tuple[Patient, Json]]:
    """Studies that are worth a line and do not take all day, most images first, and their plans."""
    for study in _worth(studies, least_images):
        await bring_manifest(visit, study)
        plan = await plan_of(visit, study, **needs)
        if stored_bytes(plan) >= LEAST_BYTES:
            yield study, plan


async def first_plan(
    visit: Visit, studies: Sequence[Patient], **needs: Any
) -> tuple[Patient, Json] | None:
    """The first of them; None where the seed made none that is large enough."""
    async for found in plans_of(visit, studies, **needs):
        return found
    return None


async def deliver(
    story: Story, visit: Visit, study: Patient, *, meanwhile: Meanwhile | None = None, **needs: Any
) -> Delivery:
    """Fetch a study and wait for the end; `meanwhile` is awaited at every look at the job."""
    started = await visit.post("images", {"study": study["uid"], **needs})
    path = f"/images/{started['job']}"
    while (view := await visit.get(path))["state"] == "running":
        story.watch(view)
        if meanwhile is not None:
            await meanwhile(view)
        await asyncio.sleep(POLL_SECONDS)
    timeline = (await visit.get(f"{path}/timeline"))["timeline"]
    kept = (await visit.get("/kept"))["instances"]
    return Delivery(
        job=view,
        timeline=tuple((float(at), float(size)) for at, size in timeline),
        kept=tuple(item for item in kept if item["study"] == study["uid"] and not item["problem"]),
    )


# What a plan says


def coming(plan: Json) -> list[Json]:
    """The instances that are sent, in order."""
    return [one for one in plan["instances"] if one["coding"] is not None]


def actions(plan: Json, action: str) -> list[Json]:
    """The instances with which something is done."""
    return [one for one in plan["instances"] if one["action"] == action]


def planned_seconds(plan: Json) -> float:
    """When the last image is predicted to be there."""
    return max((float(one["seconds"]) for one in coming(plan)), default=0.0)


def planned_bytes(plan: Json) -> int:
    """How much is predicted to come."""
    return sum(int(one["size_bytes"]) for one in coming(plan))


def stored_bytes(plan: Json) -> int:
    """How much the same study is as it is stored."""
    return sum(int(series["stored_bytes"]) for series in plan["series"])


def single_codecs(plan: Json) -> Iterator[tuple[str, float, int]]:
    """What one lossless codec for everything would cost: its name, seconds, bytes.

    What has no pixels goes as it is stored. A codec that some series cannot be had in is left out,
    and so is that which the plan itself takes for everything.
    """
    pictures = [series for series in plan["series"] if _codings(series)]
    plain = sum(int(series["stored_bytes"]) for series in plan["series"] if series not in pictures)
    taken = {_codec(one["coding"]) for one in coming(plan) if one["action"] != "as-stored"}
    for codec in dict.fromkeys(name for series in pictures for name in _codings(series)):
        forecasts = [_codings(series).get(codec) for series in pictures]
        found = [forecast for forecast in forecasts if forecast]
        if len(found) == len(pictures) and taken != {codec}:
            seconds = sum(float(forecast["seconds"]) for forecast in found)
            size = plain + sum(int(forecast["size_bytes"]) for forecast in found)
            yield codec, seconds, size


def _codings(series: Json) -> dict[str, Json]:
    return {
        _codec(forecast["coding"]): forecast
        for forecast in series["forecasts"]
        if forecast["size_bytes"]
        and forecast["coding"]["syntax"] in _CODECS
        and not forecast["coding"]["near"]
        and not forecast["coding"]["step"]
    }


def _codec(coding: Json) -> str:
    name = _CODECS.get(coding["syntax"], str(coding["syntax"]))
    if coding["near"]:
        return f"{name} (error at most {coding['near']})"
    if coding["step"]:
        return f"{name} (step {coding['step']:g})"
    return f"{name} (effort {coding['effort']})" if coding["effort"] else name


# Lines and moments of a picture


def planned_line(plan: Json, name: str = "predicted by the plan") -> Line:
    """The plan, instance by instance."""
    points, size = [], 0
    for one in sorted(coming(plan), key=lambda each: float(each["seconds"])):
        size += int(one["size_bytes"])
        points.append((float(one["seconds"]), float(size)))
    return Line(name=name, kind=Kind.PLANNED, points=tuple(points))


def came_line(delivery: Delivery, name: str, kind: Kind = Kind.CAME) -> Line:
    """What came."""
    end = (delivery.seconds, float(delivery.size_bytes))
    return Line(name=name, kind=kind, points=(*delivery.timeline, end))


def other_lines(plan: Json, *, stored: bool = True) -> list[Line]:
    """What it would have been, as the plan predicts: as stored, and with one codec."""
    lines = []
    if stored:
        end = (float(plan["stored_seconds"]), float(stored_bytes(plan)))
        name = "as stored, as predicted"
        lines.append(Line(name=name, kind=Kind.STORED, points=((0.0, 0.0), end)))
    best = min(single_codecs(plan), key=lambda each: each[1], default=None)
    if best is not None:
        codec, seconds, size = best
        points = ((0.0, 0.0), (seconds, float(size)))
        name = f"everything as {codec}, as predicted"
        lines.append(Line(name=name, kind=Kind.SINGLE, points=points))
    return lines


def moments_of(delivery: Delivery, line: Line, whose: str = "") -> list[Moment]:
    """First image, key images, last image; `whose` goes before their words."""
    found = [
        ("first image", Sign.FIRST, delivery.job.get("first_image_seconds")),
        ("key images", Sign.KEY, delivery.job.get("key_images_seconds")),
        ("last image", Sign.LAST, delivery.seconds),
    ]
    return [
        Moment(words=whose + words, sign=sign, seconds=float(seconds), line=line)
        for words, sign, seconds in found
        if seconds is not None
    ]


def judge_complete(step: Telling, delivery: Delivery, study: Patient) -> None:
    """Everything came; anything short of it leaves the step incomplete."""
    steps.judge_images(step, delivery.job, study["instances"])


# Words


def planned_words(plan: Json) -> str:
    """What a plan promises."""
    size, seconds = readable_bytes(planned_bytes(plan)), readable_seconds(planned_seconds(plan))
    return f"{size} in {seconds} predicted"


def stored_words(plan: Json) -> str:
    """What the same study would be as stored."""
    seconds = readable_seconds(float(plan["stored_seconds"]))
    return f"{readable_bytes(stored_bytes(plan))} in {seconds} as stored"


def looks_words(delivery: Delivery) -> str:
    """When there was something to look at."""
    found = [
        (words, delivery.job.get(key))
        for words, key in (
            ("first image", "first_image_seconds"),
            ("key images", "key_images_seconds"),
            ("everything", "seconds"),
        )
    ]
    return ", ".join(
        f"{words} after {readable_seconds(float(at))}" for words, at in found if at is not None
    )


def against_plan(delivery: Delivery, plan: Json) -> str:
    """How far a delivery is from what was predicted of it."""
    size = off(delivery.size_bytes, planned_bytes(plan))
    seconds = off(delivery.seconds, planned_seconds(plan))
    return f"against the plan: bytes {size:+.1%}, time {seconds:+.1%}"


def caption(plan: Json) -> str:
    """What a picture of a plan stands for: the line it was made for, and what it did to whom."""
    line = plan["link"]
    rate, trip = line["bits_per_second"] / 1e6, line["round_trip_seconds"] * 1000
    done: dict[str, int] = {}
    for one in plan["instances"]:
        codec = f" ({_codec(one['coding'])})" if one["action"] in ("lossless", "lossy") else ""
        done[one["action"] + codec] = done.get(one["action"] + codec, 0) + 1
    counted = ", ".join(f"{count} {action}" for action, count in done.items())
    return f"Link: {rate:g} Mbit/s, {trip:g} ms there and back ({line['source']}). Plan: {counted}."


def off(found: float, predicted: float) -> float:
    """How far what was is from what was predicted, as a share of the latter."""
    return found / predicted - 1 if predicted else 0.0
