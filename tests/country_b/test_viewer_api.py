"""The portal's route to the other country's viewer: for studies of the visit, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_b.initiator import Community
from gateway.domain import BadRequest, ExchangeError, PeerMisbehaved, Refusal, Uid, ViewerLink
from tests.country_b.portal import MANIFEST, REPORT, STUDY, Visit, portal
from tests.fakes import COUNTRY_A, PATIENT, make_house

URL = "https://viewer.example/view/x"
LINK = ViewerLink(URL, datetime(2026, 11, 22, 12, 1, tzinfo=UTC))
OFFERED = {COUNTRY_A: Community(id=COUNTRY_A, country="XA", viewer=True)}


async def test_a_study_of_the_visit_is_opened(tmp_path: Path) -> None:
    """The link and its end, for the patient of the visit; retrieved or not."""
    house = replace(make_house(), viewer=LINK)
    async with portal(house, tmp_path) as client:
        visit = await Visit(client).listed()
        listed = await visit.post("viewer", {"study": STUDY}, status=201)
        await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})
        asked = {"study": STUDY, "key_images_only": True}
        retrieved = await visit.post("viewer", asked, status=201)

    for answer in (listed, retrieved):
        assert answer["url"] == URL
        assert answer["expires"] == "2026-11-22T12:01:00+00:00"
        assert answer["study"] == STUDY
    assert (listed["state"], retrieved["state"]) == ("listed", "presented")
    calls = [(asked, context) for verb, asked, context in house.calls if verb == "viewer"]
    assert [asked for asked, _ in calls] == [(Uid(STUDY), False), (Uid(STUDY), True)]
    assert {context.patient for _, context in calls} == {PATIENT}
    assert calls[0][1].correlation_id == listed["correlation_id"]


async def test_a_link_without_an_end_is_passed_on(tmp_path: Path) -> None:
    """The address that a manifest names."""
    async with portal(replace(make_house(), viewer=ViewerLink(URL)), tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("viewer", {"study": STUDY}, status=201)

    assert (answer["url"], answer["expires"]) == (URL, None)


async def test_a_study_that_is_not_of_the_visit_is_refused(tmp_path: Path) -> None:
    """Nobody is asked about it."""
    house = make_house()
    async with portal(house, tmp_path) as client:
        visit = await Visit(client).retrieved()

        answer = await visit.post("viewer", {"study": "1.2.3.404"}, status=404)

    assert answer["refusal"] == "unknown-instance"
    assert [verb for verb, *_ in house.calls if verb == "viewer"] == []


async def test_a_manifest_alone_vouches_for_its_study(tmp_path: Path) -> None:
    """When the list was narrowed to something else in the meantime."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).retrieved()
        narrowed = await visit.post("list", {"study": "1.2.3.404"})

        answer = await visit.post("viewer", {"study": STUDY}, status=201)

    assert narrowed["rows"] == []
    assert answer["study"] == STUDY


@pytest.mark.parametrize("state", ["open", "prepared", "confirmed"])
async def test_before_the_list_there_is_nothing_to_open(tmp_path: Path, state: str) -> None:
    """A step out of order names the one that comes first."""
    async with portal(make_house(), tmp_path) as client:
        visit = await getattr(Visit(client), state)()

        answer = await visit.post("viewer", {"study": STUDY}, status=409)

    assert answer["refusal"] == "step-out-of-order"
    assert answer["needed"]


@pytest.mark.parametrize(
    "body",
    [{}, {"study": "x"}, {"study": STUDY, "more": 1}, {"study": STUDY, "key_images_only": 2}],
)
async def test_a_body_that_cannot_be_used_is_refused(tmp_path: Path, body: Any) -> None:
    """Field by field."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).listed()

        answer = await visit.post("viewer", body, status=400)

    assert answer["fields"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest(Refusal.UNSUPPORTED, "no viewer"), 400),
        (PeerMisbehaved(Refusal.PEER_MISBEHAVED, "another host"), 502),
    ],
)
async def test_a_refusal_is_told_and_written_down(
    tmp_path: Path, error: ExchangeError, status: int
) -> None:
    """In the journal too; the visit stays where it was."""
    house = make_house()
    async with portal(house, tmp_path) as client:
        visit = await Visit(client).listed()
        house.refusals["viewer"] = error
        answer = await visit.post("viewer", {"study": STUDY}, status=status)
        shown = await visit.get()

    assert answer["text"] == str(error)
    assert (shown["state"], shown["steps"][-1]["outcome"]) == ("listed", "refused")
    assert shown["steps"][-1]["name"] == "images are shown by the other country's viewer"


@pytest.mark.parametrize("offered", [True, False])
async def test_report_and_study_say_that_a_viewer_is_offered(tmp_path: Path, offered: bool) -> None:
    """Beside each row and each document, as the country does or does not."""
    options = {"communities": OFFERED} if offered else {}
    async with portal(make_house(), tmp_path, **options) as client:
        visit = await Visit(client).listed()
        rows = (await visit.get("/list"))["rows"]
        got = await visit.post("retrieve", {"documents": [MANIFEST, REPORT]})

    assert {row["document_class"]: row["viewer"] for row in rows} == {
        "manifest": offered,
        "report": offered,
    }
    assert {each["id"]: each["viewer"] for each in got["documents"]} == {
        MANIFEST: offered,
        REPORT: offered,
    }
    assert got["documents"][0]["studies"] == [STUDY]
