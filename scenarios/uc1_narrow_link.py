"""A study over a narrow link, as it is stored and as Country A plans it for the link.

The same study is fetched twice: as it lies in the archive, and by a plan that says beforehand how
each image comes, how many bytes that is and when. Planned takes at most half; what was predicted
is held against what came.
"""

from __future__ import annotations

from scenarios import deliveries, steps
from scenarios.client import Json
from scenarios.deliveries import Delivery
from scenarios.pictures import Kind, Picture, bytes_over_time
from scenarios.story import Story, Telling, check

LINK = "4mbit/80ms"

MOST = 0.5  # of the bytes, and of the seconds, of the same study as stored
BYTES_OFF, SECONDS_OFF = 0.10, 0.15
# What no plan knows of: looking up a manifest, opening connections, the last image's way to disk.
SECONDS_ASIDE = 0.5


async def tell(story: Story) -> None:
    """As stored, the plan, as planned."""
    if not story.links:
        story.skip(8, steps.PROVIDED, deliveries.NO_LINK)
        return
    patient = story.seeds.role("main")
    needs = {"purpose": "diagnostic", **await deliveries.own_link(story)}

    async with story.step(7, "Country A plans how a study would come over this link") as step:
        visit = await deliveries.visit_of(story, patient)
        found = await deliveries.plans_of(visit, patient["studies"], choice="sender", **needs)
        if found:
            study, plan = deliveries.largest_in_time(found)
            step.note(
                f"{study['modality']}, {steps.counted(study['instances'], 'image', 'images')}: "
                f"{deliveries.planned_words(plan)}, instead of {deliveries.stored_words(plan)}"
            )
    if not found:
        story.skip(8, steps.PROVIDED, deliveries.TOO_SMALL)
        return

    async with story.step(8, "The study as it is stored") as step:
        stored = await deliveries.deliver(story, visit, study)
        deliveries.judge_complete(step, stored, study)
        step.note(deliveries.looks_words(stored))

    async with story.step(8, "The same study as planned") as step:
        visit = await deliveries.visit_of(story, patient)
        await deliveries.bring_manifest(visit, study)
        planned = await deliveries.deliver(story, visit, study, plan=plan["id"], **needs)
        deliveries.judge_complete(step, planned, study)
        step.note(deliveries.looks_words(planned))
        step.note(deliveries.against_plan(planned, plan))
        story.picture(_picture(study["modality"], plan, stored, planned))
        _check(step, plan, stored, planned)


def _check(step: Telling, plan: Json, stored: Delivery, planned: Delivery) -> None:
    """Half, and as predicted; on a line so fast that nothing is gained the plan says so itself."""
    size, seconds = planned.size_bytes / stored.size_bytes, planned.seconds / stored.seconds
    step.note(f"{size:.0%} of the bytes and {seconds:.0%} of the time as stored")
    if deliveries.planned_seconds(plan) <= MOST * 0.95 * plan["stored_seconds"]:
        check(size <= MOST and seconds <= MOST, f"more than {MOST:.0%} of as stored")
    else:
        step.note(f"the plan promised no more than that on this link, {MOST:.0%} is not asked for")
    sized = deliveries.off(planned.size_bytes, deliveries.planned_bytes(plan))
    timed = planned.seconds - deliveries.planned_seconds(plan)
    check(abs(sized) <= BYTES_OFF, f"the bytes are {sized:+.0%} off what was predicted")
    check(
        abs(timed) <= SECONDS_OFF * deliveries.planned_seconds(plan) + SECONDS_ASIDE,
        f"it was there {timed:+.2f} s from when it was predicted",
    )


def _picture(modality: str, plan: Json, stored: Delivery, planned: Delivery) -> Picture:
    came = deliveries.came_line(planned, "as planned, what came")
    as_stored = deliveries.came_line(stored, "as stored, what came", Kind.OTHER)
    lines = [came, deliveries.planned_line(plan), as_stored, *deliveries.other_lines(plan)]
    moments = [
        *deliveries.moments_of(planned, came),
        *deliveries.moments_of(stored, as_stored, "as stored: "),
    ]
    return bytes_over_time(
        f"{modality} over a narrow link: as stored and as planned",
        lines,
        moments,
        caption=deliveries.caption(plan),
    )
