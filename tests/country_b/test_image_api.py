"""The routes for images: what may be asked for, and what is handed out."""

from __future__ import annotations

from pathlib import Path

from gateway.domain import DeliveryWish, Uid
from tests.country_b.portal import MANIFEST, REPORT, STUDY, Visit, portal
from tests.fakes import FakeExchange, instance_bytes, make_house, make_study


async def test_images_need_the_manifest_of_their_study(tmp_path: Path) -> None:
    """A report alone does not tell which images there are: the manifest comes first."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).listed()
        await visit.post("retrieve", {"documents": [REPORT]})

        answer = await visit.post("images", {"study": STUDY}, status=404)

        assert answer["refusal"] == "unknown-document"
        assert "retrieve it first" in answer["text"]


async def test_the_wish_of_the_requester_reaches_the_other_country(tmp_path: Path) -> None:
    """Purpose and transfer syntaxes are those of the request."""
    seen: list[DeliveryWish] = []

    class Listening(FakeExchange):
        async def retrieve_images(self, request, wish, context):  # type: ignore[no-untyped-def]
            seen.append(wish)
            return await super().retrieve_images(request, wish, context)

    made = make_house()
    exchange = Listening(
        patients=made.patients,
        entries=made.entries,
        documents=made.documents,
        instances=made.instances,
    )
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = await visit.images({"purpose": "review", "syntaxes": ["1.2.840.10008.1.2.4.90"]})

    assert [wish.purpose.value for wish in seen] == ["review"]
    assert seen[0].syntaxes == (Uid("1.2.840.10008.1.2.4.90"),)
    assert {issue["refusal"] for issue in job["issues"]} == {"unsupported-transfer-syntax"}


async def test_an_image_set_aside_is_never_handed_out(tmp_path: Path) -> None:
    """An image that is not the one asked for is shown as a problem, and its bytes stay here."""
    exchange = make_house()
    first, second = make_study().instances()[:2]
    exchange.instances[first.instance] = instance_bytes(second)
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()
        job = await visit.images()
        refused = await visit.get(f"/instances/{first.instance}", status=502)
        kept = await visit.get("/kept")

        assert job["state"] == "incomplete"
        assert refused["refusal"] == "integrity-failed"
        held = {item["instance"]: item["problem"] for item in kept["instances"]}
        assert held[str(first.instance)]
        assert not held[str(second.instance)]


async def test_an_image_never_fetched_is_not_there(tmp_path: Path) -> None:
    """Only what this visit fetched is handed out; what is no UID is told."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()

        unknown = await visit.get("/instances/1.2.3", status=404)
        wrong = await visit.get("/instances/abc", status=400)

        assert unknown["refusal"] == "unknown-instance"
        assert set(wrong["fields"]) == {"instance"}


async def test_presenting_images_is_one_line_of_the_journal(tmp_path: Path) -> None:
    """A viewer fetches many images; that they were presented is written once."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        await visit.images()
        for number in (1, 2, 3):
            await client.get(f"{visit.path}/instances/{STUDY}.1.{number}")

        steps = (await visit.get())["steps"]

        assert [line["text"] for line in steps if line["action"] == "present"] == ["images"]
        ended = [line for line in steps if line["action"] == "images"][-1]
        assert ended["outcome"] == "complete"
        assert "6 received, 0 missing" in ended["text"]


async def test_kept_names_the_study_of_a_manifest(tmp_path: Path) -> None:
    """The index tells manifests from other documents."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()

        kept = await visit.get("/kept")

        assert {item["id"]: item["study"] for item in kept["documents"]} == {
            MANIFEST: STUDY,
            REPORT: "",
        }
