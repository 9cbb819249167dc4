"""Steps that many stories share: signing in, getting as far as a confirmed patient, a list.

Names of steps are the guideline's (use case 1, functional process steps), shortened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.client import Json, Visit
from scenarios.seeds import Patient, identify_body
from scenarios.story import Story, Telling, check

CONSULTS = "Patient consults health professional in Country B"
AUTHENTICATED = "Professional identified, authenticated, authorised"
INFORMED = "Patient informed about the use of their data"
IDENTIFIED = "Patient identified, identity confirmed by Country A"
QUERIED = "Professional queries Country A for a list"
LISTED = "Country A provides the list"
SELECTED = "Professional selects and requests"
PROVIDED = "Country A provides reports, manifests and images"
PRESENTED = "Professional is presented with them"
USED = "Professional uses them; what is stored is noted"

PROFESSIONAL: Mapping[str, Any] = {
    "id": "hp-xb-0042",
    "family": "Ozoliņa",
    "given": ["Ilze"],
    "prefix": "Dr.",
    "role": {
        "value": "221",
        "scheme": "2.16.840.1.113883.2.9.6.2.7",
        "display": "Medical Doctors",
    },
    "organisation": {"name": "Hospital by the Sea", "id": "HBS", "authority": "2.999.1.2.10"},
    "facility_type": "Hospital",
    "locality": "Hospital by the Sea, Emergency Department",
    "permissions": ["PRD-003", "PRD-004", "PRD-005", "PRD-006", "PRD-010", "PRD-016"],
    "speciality": "Radiology",
    "authentication": {"method": "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"},
}
RETENTION = "Kept ten years with the patient record (law of Country B)."


async def prepare(story: Story, purpose: str = "TREATMENT") -> Visit:
    """A visit with steps 1 to 3 done, outside of any step that is judged."""
    visit = await story.portal.open()
    await visit.post("sign-in", PROFESSIONAL)
    await visit.post("inform", {"text_version": "2026-1"})
    await visit.post("purpose", {"purpose": purpose})
    return visit


async def confirm(story: Story, visit: Visit, patient: Patient, *, way: str = "") -> Json:
    """Step 4: exactly this patient, found by identifier and demographics.

    `way` is how the country is asked, by default the story's.
    """
    body = identify_body(story.seeds.community, patient, way=way or story.way)
    found = await visit.post("identify", body)
    chosen = {"value": patient["id"], "authority": patient["authority"]}
    check(
        any(candidate["patient"] == chosen for candidate in found["candidates"]),
        f"the patient is not among the {len(found['candidates'])} who fit",
    )
    return await visit.post("confirm", {"patient": chosen})


async def confirmed(
    story: Story, patient: Patient, purpose: str = "TREATMENT", *, way: str = ""
) -> Visit:
    """A visit as far as a confirmed patient; `way` is how the country is asked."""
    visit = await prepare(story, purpose)
    await confirm(story, visit, patient, way=way)
    return visit


def documents_of(rows: list[Json], document_class: str) -> list[str]:
    """The ids of all documents of a class in a list."""
    return [
        str(document["id"])
        for row in rows
        if row["document_class"] == document_class
        for document in row["documents"]
    ]


def counted(number: int, one: str, many: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {one if number == 1 else many}"


def judge_images(telling: Telling, job: Mapping[str, Any], expected: int | None = None) -> None:
    """Count what came; anything short of everything leaves the step incomplete."""
    telling.moved(int(job["bytes"]))
    have = int(job["received"]) + int(job["already_kept"])
    if job["state"] != "complete":
        first = job["missing"][0]["text"] if job["missing"] else ""
        telling.leave_incomplete(f"{len(job['missing'])} of {job['asked']} images missing: {first}")
    elif expected is not None and have != expected:
        telling.leave_incomplete(f"{have} images came, the seed made {expected}")
    else:
        telling.note(counted(have, "image", "images"))
    if fidelity := job.get("fidelity"):
        telling.note(fidelity_note(fidelity))


def fidelity_note(fidelity: Mapping[str, Any]) -> str:
    """How what came compares with its certificate, in one line.

    `fidelity verified: 400 images lossless, JPEG-LS, 3.6 : 1`.
    """
    if fidelity["verdict"] != "verified":
        return f"fidelity {fidelity['verdict']}: {fidelity['reason']}"
    series = fidelity["series"]
    lossy = sum(int(one["lossy"]) for one in series)
    exact = sum(int(one["instances"]) for one in series) - lossy
    raw, sent = (sum(int(one[key]) for one in series) for key in ("raw_bytes", "sent_bytes"))
    parts = [f"{counted(exact, 'image', 'images')} lossless"] if exact else []
    if lossy:
        worst = max(int(one["max_error"]) for one in series if one["lossy"])
        parts.append(f"{counted(lossy, 'image', 'images')} lossy, error at most {worst}")
    parts += sorted({name for one in series for name in one["codecs"]})
    if sent:
        parts.append(f"{raw / sent:.1f} : 1")
    return f"fidelity verified: {', '.join(parts)}"
