"""Only the version in force crosses the border: corrected reports, grown studies, no drafts.

Guideline, step 8 (latest versions) and Article 8 (only final, amended and corrected reports).
"""

from __future__ import annotations

from scenarios import steps
from scenarios.client import Json, Refused, Visit
from scenarios.seeds import Patient, manifests_of
from scenarios.story import Story, check, equal


async def tell(story: Story) -> None:
    """A superseded report, a study that grew, a preliminary report, and nothing at all."""
    seeds = story.seeds

    async with story.step(6, "A corrected report is listed, the one it replaced is not") as step:
        patient = seeds.role("corrected-report")
        visit, rows = await _list(story, patient)
        listed = set(steps.documents_of(rows, "report"))
        for report in patient["reports"]:
            equal("status of the report", report["status"], "corrected")
            check(report["pdf"] in listed, "the corrected report is not listed")
            check(not listed & set(report["replaced"]), "a replaced report is still listed")
        step.note(f"{len(listed)} report documents in force")
    async with story.step(8, "The corrected report is the one provided") as step:
        answer = await visit.post("retrieve", {"documents": sorted(listed)})
        check(answer["complete"], "the report did not come whole")
        step.moved(sum(int(item["size_bytes"]) for item in answer["documents"]))

    async with story.step(6, "A study that grew is listed by its latest manifest"):
        patient = seeds.role("grown-study")
        visit, rows = await _list(story, patient)
        manifests = steps.documents_of(rows, "manifest")
        for study in patient["studies"]:
            latest, old = set(manifests_of(study)), set(study["replaced_manifests"])
            check(latest <= set(manifests), "the latest manifest is not listed")
            check(not old & set(manifests), "the old manifest is still listed")
    async with story.step(8, "All images of a study that grew are provided") as step:
        study = patient["studies"][0]
        answer = await visit.post("retrieve", {"documents": manifests_of(study)})
        check(answer["complete"], "the manifest did not come whole")
        job = await visit.images(study["uid"], story.watch)
        steps.judge_images(step, job, study["instances"])

    async with story.step(6, "A preliminary report is never listed; its study is"):
        patient = seeds.role("preliminary-only")
        _, rows = await _list(story, patient)
        equal("reports listed", steps.documents_of(rows, "report"), [])
        equal(
            "studies listed",
            sorted(steps.documents_of(rows, "manifest")),
            sorted(name for study in patient["studies"] for name in manifests_of(study)),
        )

    async with story.step(6, "A patient without documents has an empty list"):
        visit = await steps.confirmed(story, seeds.role("no-documents"))
        try:
            answer = await visit.post("list", {})
        except Refused as error:
            equal("reason", error.refusal, "no-documents")
        else:
            equal("rows", answer["rows"], [])


async def _list(story: Story, patient: Patient) -> tuple[Visit, list[Json]]:
    visit = await steps.confirmed(story, patient)
    rows: list[Json] = (await visit.post("list", {}))["rows"]
    return visit, rows
