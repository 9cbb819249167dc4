"""Key images are readable before anything else, and rejected ones come last.

A study with key images is fetched over a slow link as Country A plans it: what the radiologist
marked is there while most of the study is still to come. Of a study in which an image was
rejected, that one does not come first.
"""

from __future__ import annotations

from scenarios import deliveries, steps
from scenarios.client import Json
from scenarios.deliveries import Delivery
from scenarios.pictures import Moment, Picture, Sign, bytes_over_time
from scenarios.seeds import Patient
from scenarios.story import Story, check

LINK = "4mbit/80ms"

EARLY = 0.5  # of the time of the whole study, by which its key images are readable


async def tell(story: Story) -> None:
    """One study with key images, one with an image that was rejected."""
    patient = story.seeds.role("main")
    if why := deliveries.why_not(story, patient["studies"]):
        story.skip(8, steps.PROVIDED, why)
        return
    needs = {"purpose": "diagnostic", "choice": "sender", **await deliveries.own_link(story)}

    async with story.step(7, "Country A plans a study with key images") as step:
        visit = await deliveries.visit_of(story, patient)
        marked = [study for study in patient["studies"] if len(study.get("key_images", ())) > 1]
        found = await deliveries.first_plan(visit, marked, **needs)
        if found is not None:
            study, plan = found
            step.note(f"{study['modality']}: {deliveries.planned_words(plan)}")
    if found is None:
        story.skip(8, steps.PROVIDED, deliveries.TOO_SMALL)
        return
    async with story.step(8, "Key images are readable before anything else") as step:
        planned = await deliveries.deliver(story, visit, study, plan=plan["id"], **needs)
        deliveries.judge_complete(step, planned, study)
        step.note(deliveries.looks_words(planned))
        story.picture(_picture(study, plan, planned, "key images first"))
        _check_first(planned, study)
        key = planned.job["key_images_seconds"]
        check(key is not None, "nothing says when the key images were readable")
        share = key / planned.seconds
        step.note(f"after {share:.0%} of the time everything took")
        check(share <= EARLY, f"the key images came after {share:.0%} of the time")

    patient = story.seeds.role("greek")
    async with story.step(8, "An image that was rejected does not come first") as step:
        study = patient["studies"][0]
        visit = await deliveries.visit_of(story, patient)
        await deliveries.bring_manifest(visit, study)
        plan = await deliveries.plan_of(visit, study, **needs)
        planned = await deliveries.deliver(story, visit, study, plan=plan["id"], **needs)
        deliveries.judge_complete(step, planned, study)
        step.note(deliveries.looks_words(planned))
        _check_first(planned, study)
        pictures = [name for name in _order(planned) if name not in study["notes"]]
        others = [name for name in pictures if name not in study["key_images"]]
        check(bool(others), "every image of the study is a key image")
        check(pictures[0] not in others, "an image that is no key image came first")
        story.picture(_picture(study, plan, planned, "the rejected image last", others[-1]))


def _order(delivery: Delivery) -> list[str]:
    return [item["instance"] for item in delivery.kept]


def _check_first(delivery: Delivery, study: Patient) -> None:
    """Notes, which say what a key image is, then key images, then the rest."""
    first = {*study["key_images"], *study["notes"]}
    check(set(_order(delivery)[: len(first)]) == first, "the key images did not come first")


def _picture(
    study: Patient, plan: Json, planned: Delivery, what: str, rejected: str = ""
) -> Picture:
    came = deliveries.came_line(planned, "as planned, what came")
    moments = deliveries.moments_of(planned, came)
    if rejected and (at := planned.came_at(rejected)) is not None:
        moments = [moment for moment in moments if moment.sign is not Sign.LAST]
        words = "rejected image, the last"
        moments.append(Moment(words=words, sign=Sign.LAST, seconds=at, line=came))
    return bytes_over_time(
        f"{study['modality']}: {what}",
        [came, deliveries.planned_line(plan), *deliveries.other_lines(plan)],
        moments,
        caption=deliveries.caption(plan),
    )
