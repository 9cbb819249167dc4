"""Given folders of DICOM files as a story."""

from __future__ import annotations

from pathlib import Path

from gateway.domain import Uid
from scenarios import uc1_given_dicom
from scenarios.result import Verdict
from tests.scenarios.told import population, seeds_of, told


async def test_without_folders_it_is_skipped(tmp_path: Path) -> None:
    """A seed without folders has nothing to tell, and says how to get some."""
    country, info = population()

    story, lines = await told(uc1_given_dicom.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.SKIPPED
    assert "seed --dicom" in lines[-1]


async def test_every_study_of_a_folder_crosses(tmp_path: Path) -> None:
    """Each patient of a folder: listed, fetched, counted, handed out, removed."""
    country, info = population()
    info["folders"] = [{"patients": [info["roles"]["grown-study"]]}]
    info["roles"]["grown-study"]["studies"][0]["manifest"] = "2.999.7.8.1000"

    story, lines = await told(uc1_given_dicom.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.PASS, lines
    assert story.steps[1].bytes == 6000


async def test_a_study_that_comes_in_part_is_incomplete(tmp_path: Path) -> None:
    """One missing image of a folder leaves the run incomplete."""
    country, info = population()
    info["folders"] = [{"patients": [info["roles"]["grown-study"]]}]
    del country.instances[Uid("2.999.7.8.1.1")]

    story, _ = await told(uc1_given_dicom.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.INCOMPLETE
