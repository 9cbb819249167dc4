"""A study over a narrow link, as it is stored and as Country A plans it for the link.

The same study is fetched twice: as it lies in the archive, and by a plan that says beforehand how
each image comes, how many bytes that is and when. Planned takes at most half; what was predicted
is held against what came. Then, where the wire has parts of images, every image is looked at small,
for a part of the bytes.
"""

from __future__ import annotations

from scenarios import deliveries, steps
from scenarios.client import Json
from scenarios.deliveries import Delivery
from scenarios.pictures import Kind, Picture, bytes_over_time
from scenarios.readable import readable_seconds
from scenarios.story import Story, Telling, check

LINK = "4mbit/80ms"

HALVINGS = 2  # a quarter of each side
MOST = 0.5  # of the bytes, and of the seconds, of the same study as stored
BYTES_OFF, SECONDS_OFF = 0.10, 0.15
# What no plan knows of: looking up a manifest, opening connections, the last image's way to disk.
SECONDS_ASIDE = 0.5


async def tell(story: Story) -> None:
    """As stored, the plan, as planned."""
    patient = story.seeds.role("main")
    if why := deliveries.why_not(story, patient["studies"]):
        story.skip(8, steps.PROVIDED, why)
        return
    needs = {"purpose": "diagnostic", **await deliveries.own_link(story)}

    async with story.step(7, "Country A plans how a study would come over this link") as step:
        visit = await deliveries.visit_of(story, patient)
        found = await deliveries.first_plan(visit, patient["studies"], choice="sender", **needs)
        if found is not None:
            study, plan = found
            step.note(
                f"{study['modality']}, {steps.counted(study['instances'], 'image', 'images')}: "
                f"{deliveries.planned_words(plan)}, instead of {deliveries.stored_words(plan)}"
            )
    if found is None:
        story.skip(8, steps.PROVIDED, deliveries.TOO_SMALL)
        return

    async with story.step(8, "The study as it is stored") as step:
        stored = await deliveries.deliver(story, visit, study, choice="as-stored")
        deliveries.judge_complete(step, stored, study)
        step.note(deliveries.looks_words(stored))

    async with story.step(8, "The same study as planned") as step:
        visit = await deliveries.visit_of(story, patient)
        await deliveries.bring_manifest(visit, study)
        planned = await deliveries.deliver(story, visit, study, plan=plan["id"], **needs)
        deliveries.judge_complete(step, planned, study)
        step.note(deliveries.looks_words(planned))
        step.note(deliveries.against_plan(planned, plan))
        _check(step, plan, stored, planned)

    looked = None
    if story.way in deliveries.WADO_WAYS:
        async with story.step(8, "A first look at every image of it") as step:
            visit = await deliveries.visit_of(story, patient)
            await deliveries.bring_manifest(visit, study)
            looked = await deliveries.deliver(story, visit, study, first_look=HALVINGS)
            _look(step, looked, planned)
    story.picture(_picture(study["modality"], plan, stored, planned, looked))


def _look(step: Telling, looked: Delivery, planned: Delivery) -> None:
    """All images at a quarter of each side, before the same as planned would all be there."""
    count, stopped = looked.job["looked"], looked.job["stopped_by"]
    check(stopped is None, f"it was stopped: {stopped and stopped['text']}")
    check(count > 0, "there is a first look at none of the images")
    share, seconds = looked.size_bytes / planned.size_bytes, readable_seconds(looked.seconds)
    step.note(
        f"{steps.counted(count, 'image', 'images')} to be looked at, a quarter of each side, after "
        f"{seconds}, for {share:.0%} of the bytes that come of whole images"
    )
    if left := len(looked.job["missing"]):
        step.note(f"{steps.counted(left, 'object has', 'objects have')} no first look")


def _check(step: Telling, plan: Json, stored: Delivery, planned: Delivery) -> None:
    """Half, and as predicted; on a line so fast that nothing is gained the plan says so itself."""
    size, seconds = planned.size_bytes / stored.size_bytes, planned.seconds / stored.seconds
    step.note(f"{size:.0%} of the bytes and {seconds:.0%} of the time as stored")
    sized = deliveries.off(planned.size_bytes, deliveries.planned_bytes(plan))
    check(abs(sized) <= BYTES_OFF, f"the bytes are {sized:+.0%} off what was predicted")
    promised = deliveries.planned_seconds(plan) <= MOST * 0.95 * plan["stored_seconds"]
    if not promised:
        step.note(f"the plan promised no more on this link: {MOST:.0%} is not asked for")
        return
    check(size <= MOST, f"more than {MOST:.0%} of the bytes as stored")
    if not _on_time(stored, float(plan["stored_seconds"])):
        # What needs no coding was late as well: this says nothing about the plan.
        words = "this machine is slower than the line now: times say nothing of the plan"
        if seconds > MOST:
            step.leave_incomplete(words)
        else:
            step.note(words)
        return
    check(seconds <= MOST, f"more than {MOST:.0%} of the time as stored")
    late = planned.seconds - deliveries.planned_seconds(plan)
    check(
        _on_time(planned, deliveries.planned_seconds(plan)),
        f"it was there {late:+.2f} s from when it was predicted",
    )


def _on_time(delivery: Delivery, predicted: float) -> bool:
    return abs(delivery.seconds - predicted) <= SECONDS_OFF * predicted + SECONDS_ASIDE


def _picture(
    modality: str, plan: Json, stored: Delivery, planned: Delivery, looked: Delivery | None
) -> Picture:
    came = deliveries.came_line(planned, "as planned, what came")
    as_stored = deliveries.came_line(stored, "as stored, what came", Kind.OTHER)
    lines = [came, deliveries.planned_line(plan), as_stored, *deliveries.other_lines(plan)]
    moments = [
        *deliveries.moments_of(planned, came),
        deliveries.moments_of(stored, as_stored, "as stored: ")[-1],
    ]
    if looked is not None:
        small = deliveries.came_line(looked, "a first look, what came", Kind.OTHER)
        lines.append(small)
        moments.append(deliveries.moments_of(looked, small, "a first look: ")[-1])
    return bytes_over_time(
        f"{modality} over a narrow link: as stored and as planned",
        lines,
        moments,
        caption=deliveries.caption(plan),
    )
