"""Which study a plan is asked for, and what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.client import Portal, Refused, http_session
from scenarios.planning import find_study, plan_for
from scenarios.seeds import SeedError
from tests.country_b.portal import portal
from tests.scenarios.told import population, seeds_of


def test_a_study_is_found_by_its_uid_or_its_patient() -> None:
    """The first of a role, or whoever's it is."""
    _, info = population()
    seeds = seeds_of(info)
    uid = info["roles"]["denied"]["studies"][0]["uid"]

    assert find_study(seeds, "", "main")[1] == info["roles"]["main"]["studies"][0]
    assert find_study(seeds, uid, "main")[0]["id"] == "denied"


@pytest.mark.parametrize(("study", "role"), [("9.9", "main"), ("", "nobody"), ("", "empty")])
def test_a_study_nobody_has_is_said(study: str, role: str) -> None:
    """Before anything is asked."""
    _, info = population()
    info["roles"]["empty"] = {"id": "empty", "studies": []}

    with pytest.raises(SeedError):
        find_study(seeds_of(info), study, role)


async def test_the_visit_gets_as_far_as_the_plan(tmp_path: Path) -> None:
    """What is needed arrives at the other country, whose refusal is told as it is."""
    country, info = population()
    async with portal(country, tmp_path) as client, http_session() as session:
        door = Portal(session, str(client.make_url("/")))
        with pytest.raises(Refused, match="nothing is planned here"):
            await plan_for(
                door, seeds_of(info), study="", role="main", needs={"deadline_seconds": 5}
            )

    [(_, wish)] = [call[1] for call in country.calls if call[0] == "plan"]
    assert wish.deadline_seconds == 5
