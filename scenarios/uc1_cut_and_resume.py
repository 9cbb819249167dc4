"""The line is cut twenty times while images come; everything comes, and nothing is lost.

A gateway that resumes by itself is only watched. One whose job ends short is asked again for the
same study, as a professional would: what is here is not fetched a second time. Which of the two
it was is told.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from scenarios import deliveries, steps
from scenarios.client import Json
from scenarios.deliveries import Delivery
from scenarios.links import Link
from scenarios.pictures import Kind, Line, Moment, Picture, Sign, bytes_over_time
from scenarios.readable import readable_bytes
from scenarios.seeds import Patient
from scenarios.story import Story, check, equal

LINK = "2mbit/80ms"

CUTS = 20
# Of the bytes that are predicted: at the very end nothing might be left to cut.
FIRST_CUT, LAST_CUT = 0.02, 0.9
MAX_ASKED = CUTS + 2  # once, once more for each cut, and one to spare
# Over WADO-RS an image goes on at the byte where it broke; over RAD-75 it comes anew.
AGAIN_SHARE = 0.02
ANEW_PER_CUT = 1


@dataclass(slots=True)
class _Cutter:
    """Cuts the line when so many bytes are here, each time once."""

    link: Link
    thresholds: list[float]
    before_bytes: int = 0
    before_seconds: float = 0.0
    cuts: list[float] = field(default_factory=list)
    connections: int = 0

    async def look(self, view: Json) -> None:
        """See how far the job is."""
        if self.thresholds and self.before_bytes + int(view["bytes"]) >= self.thresholds[0]:
            self.thresholds.pop(0)
            self.connections += await self.link.cut()
            self.cuts.append(self.before_seconds + float(view["seconds"]))


async def tell(story: Story) -> None:
    """A study over a line that is cut again and again."""
    patient = story.seeds.role("main")
    link, why = deliveries.image_link(story), deliveries.why_not(story, patient["studies"])
    if link is None or why:
        story.skip(8, steps.PROVIDED, why)
        return
    needs = await deliveries.own_link(story)

    async with story.step(7, "Country A says how the study would come") as step:
        visit = await deliveries.visit_of(story, patient)
        found = await deliveries.first_plan(visit, patient["studies"], **needs)
        if found is not None:
            study, plan = found
            words = deliveries.planned_words(plan), deliveries.stored_words(plan)
            step.note(f"{study['modality']}: {', '.join(words)}")
    if found is None:
        story.skip(8, steps.PROVIDED, deliveries.TOO_SMALL)
        return

    cutter = _Cutter(link, places(deliveries.planned_bytes(plan)))
    jobs: list[Delivery] = []
    async with story.step(8, "Images come although the line is cut") as step:
        while len(jobs) < MAX_ASKED:
            job = await deliveries.deliver(story, visit, study, meanwhile=cutter.look, **needs)
            jobs.append(job)
            cutter.before_bytes += job.size_bytes
            cutter.before_seconds += job.seconds
            if job.job["state"] == "complete":
                break
        story.picture(_picture(study, plan, jobs, cutter.cuts))
        deliveries.judge_complete(step, jobs[-1], study)
        step.moved(sum(job.size_bytes for job in jobs[:-1]))
        equal("cuts", len(cutter.cuts), CUTS)
        check(cutter.connections > 0, "no connection was open when the line was cut")
        step.note(f"{len(cutter.cuts)} cuts of {cutter.connections} connections")
        step.note(_how(jobs))

    async with story.step(9, "Nothing is lost, and little came twice") as step:
        kept = jobs[-1].kept
        names = {item["instance"] for item in kept}
        equal("images kept", (len(names), len(kept)), (study["instances"], study["instances"]))
        for item in kept:
            got = await visit.instance(item["instance"])
            equal("SHA-256 of an image", got.sha256, item["sha256"])
            equal("size of an image", got.size_bytes, item["size_bytes"])
        whole = sum(int(item["size_bytes"]) for item in kept)
        twice = max(cutter.before_bytes - whole, 0)
        share = f"{twice / whole:.1%}"
        step.note(f"{readable_bytes(twice)} of {readable_bytes(whole)} ({share}) came twice")
        most = AGAIN_SHARE * whole
        if story.way not in deliveries.WADO_WAYS:
            most += CUTS * ANEW_PER_CUT * max(int(item["size_bytes"]) for item in kept)
        check(twice <= most, f"{share} of the study came again, at most {most / whole:.0%} should")


def places(size: int) -> list[float]:
    """Where a delivery of so many bytes is cut: at random, and at the same places every time."""
    chance = random.Random(20)  # noqa: S311  not a secret
    return sorted(size * chance.uniform(FIRST_CUT, LAST_CUT) for _ in range(CUTS))


def _how(jobs: list[Delivery]) -> str:
    """Who went on after a cut: the gateway, or the professional."""
    resumed = sum(int(job.job.get("resumed") or 0) for job in jobs)
    told = [job.job["again_bytes"] for job in jobs if job.job.get("again_bytes") is not None]
    again = f", {readable_bytes(sum(told))} fetched again, as the gateway counts" if told else ""
    asked = len(jobs) - 1
    if resumed and not asked:
        return f"the gateway resumed {resumed} times by itself{again}"
    if resumed:
        return f"the gateway resumed {resumed} times, and was asked again {asked} times{again}"
    if asked:
        return f"the job ended short and was asked for again {asked} times{again}"
    return f"the job went on by itself, and does not say how often{again}"


def _picture(study: Patient, plan: Json, jobs: list[Delivery], cuts: list[float]) -> Picture:
    points: list[tuple[float, float]] = []
    seconds, size = 0.0, 0.0
    for job in jobs:
        points += [(seconds + at, size + came) for at, came in job.timeline]
        seconds, size = seconds + job.seconds, size + job.size_bytes
        points.append((seconds, size))
    came = Line(name="what came, over all cuts", kind=Kind.CAME, points=tuple(points))
    moments = [
        Moment(
            words="" if number > 1 else f"{len(cuts)} cuts, the first",
            sign=Sign.CUT,
            seconds=at,
            line=came,
        )
        for number, at in enumerate(cuts, 1)
    ]
    moments.append(Moment(words="last image", sign=Sign.LAST, seconds=seconds, line=came))
    return bytes_over_time(
        f"{study['modality']} over a line that is cut {len(cuts)} times",
        [came, *[one for one in deliveries.other_lines(plan) if one.kind is Kind.STORED]],
        moments,
        caption=deliveries.caption(plan),
    )
