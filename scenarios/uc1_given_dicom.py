"""Folders of DICOM files given to the seed: every study of them crosses whole.

For each patient made for a folder the list, the manifests and all images are retrieved; counts
are compared with what the seed found in the folder, sizes with what the portal hands out.
"""

from __future__ import annotations

from scenarios import steps
from scenarios.client import Visit
from scenarios.seeds import Patient, manifests_of
from scenarios.story import Story, Telling, check, equal


async def tell(story: Story) -> None:
    """Every study of every folder."""
    patients = story.seeds.given()
    if not patients:
        story.skip(8, steps.PROVIDED, "the seed was given no folder of DICOM files (seed --dicom)")
        return
    for number, patient in enumerate(patients, 1):
        async with story.step(6, f"List of patient {number} of {len(patients)}") as step:
            visit = await steps.confirmed(story, patient)
            rows = (await visit.post("list", {}))["rows"]
            listed = set(steps.documents_of(rows, "manifest"))
            equal(
                "manifests",
                listed,
                {name for study in patient["studies"] for name in manifests_of(study)},
            )
            step.note(steps.counted(len(patient["studies"]), "study", "studies"))
        for index, study in enumerate(patient["studies"], 1):
            kind = study["modality"].replace("\\", "/") or "no modality"
            instances = steps.counted(study["instances"], "instance", "instances")
            words = f"Study {index} of {len(patient['studies'])}: {kind}, {instances}"
            async with story.step(8, words) as step:
                await _fetch(story, visit, study, step)
        async with story.step(9, "What came is handed out whole") as step:
            await _hand_out(visit, step)
        async with story.step(10, steps.USED):
            await visit.post("use", {})
            await visit.post("close", {"keep": False})


async def _fetch(story: Story, visit: Visit, study: Patient, step: Telling) -> None:
    answer = await visit.post("retrieve", {"documents": manifests_of(study)})
    for document in answer["documents"]:
        check(document["status"] == "good", f"the manifest is {document['status']}")
        equal("instances of the manifest", document["manifest"]["instances"], study["instances"])
        equal("series of the manifest", len(document["manifest"]["series"]), study["series"])
    job = await visit.images(study["uid"], story.watch)
    steps.judge_images(step, job, study["instances"])
    kept = await visit.get("/kept")
    sizes = [
        item["size_bytes"]
        for item in kept["instances"]
        if item["study"] == study["uid"] and not item["problem"]
    ]
    equal("images kept", len(sizes), job["received"] + job["already_kept"])
    if job["state"] == "complete":
        equal("bytes kept", sum(sizes), job["bytes"])


async def _hand_out(visit: Visit, step: Telling) -> None:
    kept = await visit.get("/kept")
    for item in kept["instances"]:
        if item["problem"]:
            continue
        got = await visit.instance(item["instance"])
        equal("SHA-256 of an image", got.sha256, item["sha256"])
        equal("size of an image", got.size_bytes, item["size_bytes"])
        step.moved(got.size_bytes)
    step.note(steps.counted(len(kept["instances"]), "image", "images"))
