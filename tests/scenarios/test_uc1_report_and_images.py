"""The ten steps as a story."""

from __future__ import annotations

from pathlib import Path

from gateway.domain import DocumentId, Uid
from scenarios import uc1_report_and_images
from scenarios.result import Verdict
from tests.scenarios.told import population, seeds_of, told


async def test_ten_steps_pass_in_order(tmp_path: Path) -> None:
    """Against a country that answers well, all ten steps pass, with times and bytes."""
    country, info = population()

    story, lines = await told(uc1_report_and_images.tell, country, seeds_of(info), tmp_path)

    assert [step.number for step in story.steps] == list(range(1, 11))
    assert story.verdict is Verdict.PASS, lines
    provided = story.steps[7]
    assert provided.bytes > 6000
    assert "7 images" in provided.note


async def test_missing_image_leaves_the_story_incomplete(tmp_path: Path) -> None:
    """An image that does not come is said, and the story goes on to its end."""
    country, info = population()
    del country.instances[Uid("2.999.7.1.2.3")]

    story, lines = await told(uc1_report_and_images.tell, country, seeds_of(info), tmp_path)

    assert len(story.steps) == 10
    assert story.verdict is Verdict.INCOMPLETE
    assert "1 of 7 images missing: no such image" in story.steps[7].note
    assert any("incomplete" in line for line in lines)


async def test_damaged_report_fails_the_story(tmp_path: Path) -> None:
    """A report that is not what the list announced stops the story where it was provided."""
    country, info = population()
    country.documents[DocumentId("2.999.8.1")] = b"other"

    story, _ = await told(uc1_report_and_images.tell, country, seeds_of(info), tmp_path)

    assert story.steps[-1].number == 8
    assert story.verdict is Verdict.FAIL
    assert "set-aside" in story.steps[-1].note


async def test_list_that_lacks_a_report_fails(tmp_path: Path) -> None:
    """A list shorter than what the seed made is noticed."""
    country, info = population()
    country.entries = tuple(entry for entry in country.entries if entry.ref.document != "2.999.8.1")

    story, _ = await told(uc1_report_and_images.tell, country, seeds_of(info), tmp_path)

    assert story.steps[-1].note == "number of reports listed: found 0, expected 1"
