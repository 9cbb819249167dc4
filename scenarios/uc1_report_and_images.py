"""The whole of use case 1 in its ten steps: a report and the images it is about.

The newest study that has a report and key images is chosen from the list. Both arrive whole, key
images first, and what the portal hands out is byte for byte what it received.
"""

from __future__ import annotations

from scenarios import steps
from scenarios.client import Json, Visit
from scenarios.seeds import Patient
from scenarios.story import CheckFailed, Story, check, equal

IN_EVERY_WAY = True  # side by side is what it is told for


async def tell(story: Story) -> None:
    """Tell the ten steps."""
    patient = story.seeds.role("main")

    async with story.step(1, steps.CONSULTS):
        visit = await story.portal.open()
    async with story.step(2, steps.AUTHENTICATED) as step:
        shown = await visit.post("sign-in", steps.PROFESSIONAL)
        step.note(f"as {shown['professional']['role']['display']}")
    async with story.step(3, steps.INFORMED) as step:
        shown = await visit.post("inform", {"text_version": "2026-1"})
        check(bool(shown["information"]["at"]), "the time of the information is not kept")
        await visit.post("purpose", {"purpose": "TREATMENT"})
        step.note("text version 2026-1; purpose of use TREATMENT")
    async with story.step(4, steps.IDENTIFIED):
        await steps.confirm(story, visit, patient)
    async with story.step(5, steps.QUERIED) as step:
        listed = await visit.post("list", {})
        step.note(f"answered in {listed['seconds']} s")
    async with story.step(6, steps.LISTED) as step:
        _check_list(listed, patient)
        step.note(f"{len(listed['rows'])} rows, {listed['documents']} documents")
    async with story.step(7, steps.SELECTED) as step:
        study, reports = _choose(listed["rows"])
        manifest = next(iter(steps.documents_of([study], "manifest")))
        chosen = [manifest, *steps.documents_of(reports, "report")]
        answer = await visit.post("retrieve", {"documents": chosen})
        step.note(f"{len(chosen)} documents requested")
    async with story.step(8, steps.PROVIDED) as step:
        bad = [item for item in answer["documents"] if item["status"] != "good"]
        check(not bad, f"not good: {[(item['id'], item['status']) for item in bad]}")
        step.moved(sum(int(item["size_bytes"]) for item in answer["documents"]))
        uid = study["studies"][0]
        job = await visit.images(uid, story.watch)
        steps.judge_images(step, job, _instances(patient, uid))
        if job["first_image_seconds"] is not None:
            step.note(f"first image after {job['first_image_seconds']} s")
        await _check_key_images_first(visit, patient, uid)
    async with story.step(9, steps.PRESENTED) as step:
        kept = await visit.get("/kept")
        for document in kept["documents"]:
            got = await visit.document(document["id"])
            equal("SHA-256 of a document", got.sha256, document["sha256"])
            step.moved(got.size_bytes)
        for instance in kept["instances"]:
            got = await visit.instance(instance["instance"])
            equal("SHA-256 of an image", got.sha256, instance["sha256"])
            check(got.size_bytes > 0, "an image is empty")
            step.moved(got.size_bytes)
        step.note(f"{len(kept['documents'])} documents and {len(kept['instances'])} images")
    async with story.step(10, steps.USED):
        await visit.post("use", {"note": "compared with today's examination"})
        closed = await visit.post("close", {"retention_note": steps.RETENTION})
        equal("state of the visit", closed["state"], "closed")


def _check_list(listed: Json, patient: Patient) -> None:
    rows = listed["rows"]
    expected = patient.get("expect", {})
    for name, document_class in (("manifests", "manifest"), ("reports", "report")):
        if name in expected:
            found = len(steps.documents_of(rows, document_class))
            equal(f"number of {name} listed", found, expected[name])
    studies = [row["studies"][0] for row in rows if row["document_class"] == "manifest"]
    equal("rows of a study", len(studies), len(set(studies)))
    for row in rows:
        for key in ("modalities", "performed", "regions", "studies", "accessions", "documents"):
            check(key in row, f"a row lacks {key}")
    dates = [row["performed"] for row in rows]
    check(dates == sorted(dates, reverse=True), "the list is not sorted by date, newest first")


def _choose(rows: list[Json]) -> tuple[Json, list[Json]]:
    """The newest study that has a report, and every form of that report."""
    study = next(
        (row for row in rows if row["document_class"] == "manifest" and row["reports"]), None
    )
    if study is None:
        raise CheckFailed("no study of the list has a report")
    reports = [row for row in rows if row["id"] in study["reports"]]
    for report in reports:
        check(study["id"] in report["images"], "a report does not link back to its study")
    return study, reports


def _instances(patient: Patient, study: str) -> int | None:
    return next(
        (made["instances"] for made in patient.get("studies", ()) if made["uid"] == study), None
    )


async def _check_key_images_first(visit: Visit, patient: Patient, study: str) -> None:
    made = next((item for item in patient.get("studies", ()) if item["uid"] == study), None)
    if made is None or not made.get("key_images"):
        return
    first = {*made["key_images"], *made.get("notes", ())}
    kept = await visit.get("/kept")
    came = [item["instance"] for item in kept["instances"] if item["study"] == study]
    check(set(came[: len(first)]) == first, "the key images did not come first")
