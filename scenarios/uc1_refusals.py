"""What is refused in use case 1, and in what words: order, identity, consent, emergency."""

from __future__ import annotations

from scenarios import steps
from scenarios.client import Refused
from scenarios.seeds import Patient, identify_body
from scenarios.story import Story, check, equal, refused


async def tell(story: Story) -> None:
    """One refusal after the other; each must name its reason and who can do something."""
    seeds = story.seeds

    async with story.step(5, "A list before signing in is refused") as step:
        visit = await story.portal.open()
        error = await refused(visit.post("list"), "step-out-of-order")
        equal("HTTP status", error.status, 409)
        equal("step that must come first", error.answer["needed"], "sign-in")
        step.note(str(error.answer["text"]))

    async with story.step(4, "A patient nobody knows is not found") as step:
        visit = await steps.prepare(story)
        body = identify_body(seeds.community, seeds.nobody)
        error = await refused(visit.post("identify", body), "unknown-patient")
        equal("HTTP status", error.status, 404)
        _in_words(error)

    async with story.step(4, "Of two patients who fit, one must be chosen") as step:
        step.note(await _two_matches(story))

    async with story.step(5, "Denied consent is refused") as step:
        error = await _list_refused(story, seeds.role("denied"), "TREATMENT")
        equal("HTTP status", error.status, 403)
        check("patient" in error.answer["who_can_fix"], "the patient is not named as who can fix")
        step.note(str(error))

    async with story.step(5, "Denied consent is refused in an emergency too"):
        await _list_refused(story, seeds.role("denied"), "EMERGENCY")

    async with story.step(5, "Consent for emergencies only is refused for treatment"):
        await _list_refused(story, seeds.role("emergency-only"), "TREATMENT")

    async with story.step(6, "Consent for emergencies only opens in an emergency") as step:
        visit = await steps.confirmed(story, seeds.role("emergency-only"), "EMERGENCY")
        listed = await visit.post("list", {})
        check(bool(listed["rows"]), "the list is empty")
        step.note(f"{listed['documents']} documents under EMERGENCY")

    async with story.step(7, "A document outside the list is refused"):
        error = await refused(
            visit.post("retrieve", {"documents": ["2.999.0"]}), "unknown-document"
        )
        equal("HTTP status", error.status, 404)

    async with story.step(10, "Images before their manifest are refused"):
        visit = await steps.confirmed(story, seeds.role("main"))
        await visit.post("list", {})
        error = await refused(visit.post("images", {"study": "2.999.0"}), "step-out-of-order")
        equal("step that must come first", error.answer["needed"], "retrieve")


def _in_words(error: Refused) -> None:
    for key in ("text", "who_can_fix", "correlation_id"):
        check(bool(error.answer.get(key)), f"the refusal has no {key}")


async def _list_refused(story: Story, patient: Patient, purpose: str) -> Refused:
    """Consent may be asked about when identifying or when listing: either refuses."""
    visit = await steps.prepare(story, purpose)
    try:
        await steps.confirm(story, visit, patient)
    except Refused as error:
        equal("reason", error.refusal, "no-consent")
        return error
    denial = await refused(visit.post("list", {}), "no-consent")
    _in_words(denial)
    return denial


async def _two_matches(story: Story) -> str:
    visit = await steps.prepare(story)
    twin = story.seeds.role("namesake-one")
    body = identify_body(story.seeds.community, twin, by_name_only=True)
    try:
        found = await visit.post("identify", body)
    except Refused as error:
        # A country may refuse to choose, or to search without an identifier at all.
        known = ("ambiguous-patient", "more-traits-needed", "identifier-required")
        check(error.refusal in known, f"refused as {error}")
        await steps.confirm(story, visit, twin)
        return f"Country A answers {error.refusal}; the identifier settles it"
    candidates = found["candidates"]
    check(len(candidates) >= 2, f"{len(candidates)} candidate, expected two or more")
    await refused(visit.post("confirm"), "ambiguous-patient")
    chosen = {"value": twin["id"], "authority": twin["authority"]}
    shown = await visit.post("confirm", {"patient": chosen})
    equal("confirmed patient", shown["patient"]["patient"], chosen)
    return f"{len(candidates)} fit; nobody is chosen for the professional"
