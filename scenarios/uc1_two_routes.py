"""Metadata go by one line and images by another, as Article 13 lets countries agree.

The counters of both lines are read while a patient is identified, documents are listed and
retrieved, and images come: each byte went where it belongs.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from scenarios import deliveries, steps
from scenarios.links import IMAGES, METADATA, Link
from scenarios.pictures import Kind, Line, Moment, Point, Sign, bytes_over_time
from scenarios.readable import readable_bytes
from scenarios.story import Story, check

LINK = "1mbit/80ms"
IMAGE_LINK = "8mbit/40ms"

NO_ROUTE = "images have no line of their own (give --image-link)"
LOOK_SECONDS = 0.1
# What the metadata's line may carry while images come: the end of a connection, no image.
STRAY_SHARE = 0.02


@dataclass(slots=True)
class _Watch:
    """Reads the counters of a line from now on: seconds since then, and bytes both ways."""

    link: Link
    began: float
    start: int = 0
    points: list[Point] = field(default_factory=list)

    async def look(self) -> int:
        """How many bytes went through so far."""
        counters = await self.link.counters()
        now = int(counters["bytes_up"]) + int(counters["bytes_down"])
        if not self.points:
            self.start = now
        self.points.append((time.perf_counter() - self.began, float(now - self.start)))
        return now - self.start

    async def go_on(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)


async def tell(story: Story) -> None:
    """A visit whose two kinds of bytes are counted apart."""
    if not {METADATA, IMAGES} <= story.links.keys():
        story.skip(8, steps.PROVIDED, NO_ROUTE)
        return
    patient = story.seeds.role("main")
    began = time.perf_counter()
    metadata, images = (_Watch(story.links[name], began) for name in (METADATA, IMAGES))
    for watch in (metadata, images):
        await watch.look()
    looking = [asyncio.create_task(watch.go_on()) for watch in (metadata, images)]
    try:
        async with story.step(6, "Identified, listed and retrieved by the metadata's line") as step:
            visit = await deliveries.visit_of(story, patient)
            study = _study(patient["studies"])
            await deliveries.bring_manifest(visit, study)
            by_metadata, by_images = await metadata.look(), await images.look()
            step.moved(by_metadata)
            step.note(f"{readable_bytes(by_metadata)} by it, none by the images' line")
            check(by_metadata > 0, "nothing went by the metadata's line")
            check(by_images == 0, f"{by_images} bytes went by the images' line")
        listed_at = metadata.points[-1][0]
        async with story.step(8, "Images by a line of their own") as step:
            came = await deliveries.deliver(story, visit, study)
            deliveries.judge_complete(step, came, study)
            by_images, stray = await images.look(), await metadata.look() - by_metadata
            step.note(
                f"{readable_bytes(by_images)} by the images' line, {readable_bytes(stray)} by the "
                f"metadata's meanwhile"
            )
            check(by_images >= came.size_bytes, "the images' line carried less than the images are")
            check(stray <= STRAY_SHARE * by_images, "images went by the metadata's line as well")
    finally:
        for task in looking:
            task.cancel()
        for task in looking:
            with suppress(asyncio.CancelledError):
                await task
    profiles = [str((await story.links[name].show())["profile"]) for name in (METADATA, IMAGES)]
    lines = [
        Line(name=f"images, by {profiles[1]}", kind=Kind.CAME, points=tuple(images.points)),
        Line(name=f"metadata, by {profiles[0]}", kind=Kind.OTHER, points=tuple(metadata.points)),
    ]
    first = came.job.get("first_image_seconds")
    moments = [
        Moment(words="manifest here", sign=Sign.KEY, seconds=listed_at, line=lines[1]),
        Moment(words="last image", sign=Sign.LAST, seconds=images.points[-1][0], line=lines[0]),
    ]
    if first is not None:
        at = images.points[-1][0] - came.seconds + float(first)
        moments.append(Moment(words="first image", sign=Sign.FIRST, seconds=at, line=lines[0]))
    story.picture(
        bytes_over_time(
            "Two routes: metadata by one line, images by another",
            lines,
            moments,
            caption="Bytes as the lines between the countries count them, both ways together.",
            since="the visit began",
        )
    )


def _study(studies: list[dict[str, object]]) -> dict[str, object]:
    """One of middling size: the last but the largest, by the number of its images."""
    ordered = sorted(studies, key=lambda study: int(str(study["instances"])))
    return ordered[-2] if len(ordered) > 1 else ordered[0]
