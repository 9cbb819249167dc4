"""In an emergency images are there in time, because the professional agrees to a loss.

The deadline is one that no lossless form can meet. Without consent Country A plans what comes in
time and says of the rest that it does not; with consent all of it comes in time, within the caps
on ratios, key images without any loss, and every image that lost something says what it was
derived from.
"""

from __future__ import annotations

from typing import Any

from scenarios import deliveries, steps
from scenarios.client import Json, Visit
from scenarios.deliveries import Delivery
from scenarios.pictures import Moment, Picture, Sign, bytes_over_time
from scenarios.seeds import Patient
from scenarios.story import Story, check, equal

LINK = "2mbit/80ms"

# Of the time without loss: tight enough to need a loss, loose enough to be met by a mild one.
DEADLINES = (0.95, 0.85, 0.7)
# Of the deadline, which Country A is told: what no plan knows of takes the rest.
RESERVE = 0.9
NO_LOSS = "no study of the seed may lose anything that would make it come sooner"


async def tell(story: Story) -> None:
    """The same deadline twice: without consent, and with it."""
    patient = story.seeds.role("main")
    if why := deliveries.why_not(story, patient["studies"], 1):
        story.skip(8, steps.PROVIDED, why)
        return
    needs = {"purpose": "emergency", "choice": "sender", **await deliveries.own_link(story)}

    async with story.step(7, "A deadline that only a loss can meet") as step:
        visit = await deliveries.visit_of(story, patient, "EMERGENCY")
        chosen = await _choose(visit, patient, needs)
        if chosen is not None:
            study, deadline, plan = chosen
            needs["deadline_seconds"] = deadline * RESERVE
            step.note(
                f"{study['modality']}: all of it within {deadline} s, {1 - RESERVE:.0%} of which "
                f"are kept in reserve; with consent {deliveries.planned_words(plan)}"
            )
    if chosen is None:
        story.skip(8, steps.PROVIDED, NO_LOSS)
        return

    async with story.step(7, "Without consent Country A defers, and says so") as step:
        refusing = await deliveries.plan_of(visit, study, **needs)
        deferred = deliveries.actions(refusing, "deferred")
        check(bool(deferred), "everything is promised in time without a loss")
        equal("images with a loss", deliveries.actions(refusing, "lossy"), [])
        check(all(one["reason"] for one in deferred), "a deferred image has no reason")
        step.note(f"{len(deferred)} of {len(refusing['instances'])}: {deferred[0]['reason']}")

    async with story.step(8, "With consent everything comes in time") as step:
        needs["lossy_consent"] = True
        came = await deliveries.deliver(story, visit, study, plan=plan["id"], **needs)
        deliveries.judge_complete(step, came, study)
        step.note(deliveries.looks_words(came))
        step.note(deliveries.against_plan(came, plan))
        story.picture(_picture(study, plan, refusing, came, deadline))
        if came.seconds > deadline:
            step.leave_incomplete(
                f"everything came, but after {came.seconds:.2f} s instead of {deadline} s; it was "
                f"predicted for {deliveries.planned_seconds(plan):.2f} s on a machine that does "
                "nothing else"
            )

    async with story.step(9, "What lost something says so, and stays within the caps") as step:
        derived = [item for item in came.kept if item["derived"]]
        lossy = deliveries.actions(plan, "lossy")
        equal("images that lost something", len(derived), len(lossy))
        for item in derived:
            check(item["derived"] != item["instance"], "a loss came under the original's UID")
        spared = {*study["key_images"], *study["notes"]}
        equal("key images with a loss", [i for i in derived if i["instance"] in spared], [])
        for ratio, cap in _ratios(plan, derived):
            check(ratio <= cap["ratio"], f"{ratio:.1f}:1, the cap is {cap['ratio']:g}:1")
            step.note(f"{ratio:.1f}:1, at most {cap['ratio']:g}:1 ({cap['source']})")
        fidelity = came.job.get("fidelity")
        if fidelity:
            step.note(steps.fidelity_note(fidelity))
        step.note(f"{steps.counted(len(derived), 'image', 'images')} under UIDs of their own")


async def _choose(
    visit: Visit, patient: Patient, needs: dict[str, Any]
) -> tuple[Patient, float, Json] | None:
    """A study, a deadline and a plan that meets it with a loss, and only so; None if there is none.

    Which images may lose anything, and how much, is Country A's to say: its plans are looked at.
    """
    studies = patient["studies"]
    async for study, lossless in deliveries.plans_of(visit, studies, least_images=1, **needs):
        for share in DEADLINES:
            deadline = round(deliveries.planned_seconds(lossless) * share, 1)
            wish = {**needs, "deadline_seconds": deadline * RESERVE, "lossy_consent": True}
            plan = await deliveries.plan_of(visit, study, **wish)
            everything = len(deliveries.coming(plan)) == len(plan["instances"])
            if everything and deliveries.actions(plan, "lossy"):
                return study, deadline, plan
    return None


def _ratios(plan: Json, derived: list[Json]) -> list[tuple[float, Json]]:
    """For each series with a loss: raw bytes to those that came, and its cap."""
    found = []
    for series in plan["series"]:
        sizes = [item["size_bytes"] for item in derived if item["series"] == series["series"]]
        if sizes and series["cap"] is not None:
            raw = series["raw_bytes"] / series["instances"]
            found.append((raw * len(sizes) / sum(sizes), series["cap"]))
    return found


def _picture(
    study: Patient, plan: Json, refusing: Json, delivery: Delivery, deadline: float
) -> Picture:
    came = deliveries.came_line(delivery, "with consent, what came")
    left, whole = len(deliveries.actions(refusing, "deferred")), len(refusing["instances"])
    alone = deliveries.planned_line(
        refusing, f"without consent, as predicted, and {left} of {whole} images later"
    )
    return bytes_over_time(
        f"{study['modality']} in an emergency: all of it before the deadline",
        [came, deliveries.planned_line(plan), alone, *deliveries.other_lines(plan, stored=False)],
        [
            *deliveries.moments_of(delivery, came),
            Moment(words="deadline", sign=Sign.DEADLINE, seconds=deadline),
        ],
        caption=deliveries.caption(plan),
    )
