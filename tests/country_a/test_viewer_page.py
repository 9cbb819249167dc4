"""The viewer's pages: what stands in them, and that no word does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
from lxml import html

from country_a.national.ports import StoredStudy
from country_a.viewer_page import FILES, PAGES, PageFacts, sign_page, study_page
from country_a.viewer_study import ShownImage, ShownSeries, ShownStudy
from gateway.domain import Gender, HumanName, InstanceRef, PatientIdentity, Uid
from tests.builders import COUNTRY_A, PATIENT
from tests.viewers import START

STUDY = Uid("1.2.3")
FACTS = PageFacts(country="XA", now=START, expires=START + timedelta(minutes=15))
# What names people, codes and units; everything else of letters would be a word.
CODES = {"MG", "CT", "US", "R", "L", "XA", "Dx"}


def image(number: int, *, frames: int = 1, is_key: bool = False) -> ShownImage:
    """An image of the study."""
    ref = InstanceRef(study=STUDY, series=Uid("1.2.3.4"), instance=Uid(f"1.2.3.4.{number}"))
    return ShownImage(ref=ref, number=number, frames=frames, is_key=is_key)


def shown(**changes: Any) -> ShownStudy:
    """A study with everything in it."""
    values: dict[str, Any] = {
        "study": StoredStudy(
            uid=STUDY, patient=PATIENT, study_date=date(2026, 3, 4), study_time=time(9, 5)
        ),
        "patient": PatientIdentity(
            id=PATIENT,
            community=COUNTRY_A,
            names=(
                HumanName(family="Παπαδοπούλου", given=("Ελένη",)),
                HumanName(family="Papadopoulou", given=("Eleni",)),
            ),
            birth_date=date(1975, 11, 2),
            gender=Gender.FEMALE,
        ),
        "modalities": ("MG", "US"),
        "series": (
            ShownSeries(images=(image(2, is_key=True),), modality="MG", is_key=True),
            ShownSeries(
                images=(image(1), image(2, is_key=True), image(3, frames=30)),
                modality="MG",
                number=1,
                laterality="R",
            ),
        ),
    }
    return ShownStudy(**values | changes)


def page(**changes: Any) -> Any:
    """The page, read by another's parser."""
    return html.fromstring(study_page(shown(**changes), FACTS))


def text_of(element: Any) -> str:
    """What is to be read in an element."""
    return " ".join(" ".join(element.itertext()).split())


def test_who_and_when_stand_at_its_head() -> None:
    """Every name, birth date and study date by ISO 8601, sex, modalities and country."""
    head = page().find(".//header")

    assert text_of(head.get_element_by_id("name")) == "Ελένη Παπαδοπούλου Eleni Papadopoulou"
    assert text_of(head.get_element_by_id("birth-date")) == "1975-11-02"
    assert text_of(head.get_element_by_id("study-date")) == "2026-03-04"
    for part in ("♀", "09:05", "MG", "US", "XA"):
        assert part in text_of(head)


def test_what_stands_beside_a_picture_has_its_place_at_the_head() -> None:
    """The side, the ratio, and that it is not diagnostic: all of it in sight all the time."""
    head = page().find(".//header")

    for name in ("laterality", "side", "lossy", "ratio", "warning"):
        assert head.get_element_by_id(name) is not None
    style = (PAGES / "viewer.css").read_text()
    assert re.search(r"header \{[^}]*position: sticky;[^}]*top: 0;", style)


def test_no_word_has_to_be_translated() -> None:
    """In the text, nor in what describes it: codes, numbers, names of people, and signs."""
    names = {part for name in shown().patient.names for part in name.full.split()}
    root = page()

    said = [
        text
        for element in root.find("body").iter()
        if element.tag not in ("script", "style")
        for text in (element.text, element.tail, *map(element.get, ("aria-label", "alt", "title")))
        if text
    ]
    words = set(re.findall(r"[^\W\d_]+", " ".join(said)))

    assert words - names <= CODES
    assert root.get("lang") == "zxx"


def test_each_series_says_what_it_is() -> None:
    """Modality, number, side and how many pictures; the key images first, with a star."""
    key, plain = page().findall(".//nav/button")

    assert key.get("aria-label") == "★ MG 1"
    assert plain.get("aria-label") == "MG #1 R 32"
    assert key.find(".//use").get("href") == "#star"
    assert plain.find(".//img").get("src") == "1.2.3.4/1.2.3.4.2/thumbnail"


def test_the_script_is_told_every_picture() -> None:
    """As data, which nothing of a patient's name can end."""
    nasty = '</script><script>alert("x")</script>'
    study = shown()
    patient = replace(study.patient, names=(HumanName(family=nasty, given=()),))
    series = (replace(study.series[0], modality=nasty), study.series[1])

    root = page(patient=patient, series=series)

    told = json.loads(root.get_element_by_id("study").text)
    assert told[0]["modality"] == nasty
    assert told[1]["images"] == [
        ["1.2.3.4", "1.2.3.4.1", 1, 1, 0],
        ["1.2.3.4", "1.2.3.4.2", 2, 1, 1],
        ["1.2.3.4", "1.2.3.4.3", 3, 30, 0],
    ]
    assert [each.get("src") for each in root.findall(".//script[@src]")] == ["/files/viewer.js"]
    assert len(root.findall(".//script")) == 2


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    """What the page's own policy forbids is not in it: a browser would leave it out."""
    text = study_page(shown(), FACTS)
    root = html.fromstring(text)

    for attribute in ("src", "href"):
        for element in root.iterfind(f".//*[@{attribute}]"):
            assert not re.match(r"(https?:)?//", element.get(attribute))
    assert not root.xpath("//@style | //style | //@*[starts-with(name(), 'on')]")
    for name in FILES:
        assert "://" not in (PAGES / name).read_text()
    used = set(re.findall(r'href="#([\w-]+)"', text + sign_page(500)))
    drawn = set(re.findall(r'(?:symbol|path) id="([\w-]+)"', text))
    assert used <= drawn


def test_what_is_not_known_is_not_invented() -> None:
    """A study without a date, a patient without a birth date, name or sex."""
    study = shown()
    patient = replace(study.patient, names=(), birth_date=None, gender=None)
    undated = replace(study.study, study_date=None, study_time=None)

    root = page(patient=patient, study=undated, series=(), modalities=())

    for name in ("name", "birth-date", "study-date"):
        assert text_of(root.get_element_by_id(name)) == "?"
    assert root.findall(".//nav/button") == []


@pytest.mark.parametrize(
    ("status", "icon"), [(403, "lock"), (404, "nothing"), (410, "hourglass"), (503, "broken")]
)
def test_a_refusal_is_a_sign_and_a_number(status: int, icon: str) -> None:
    """And no word."""
    root = html.fromstring(sign_page(status))

    assert text_of(root.find(".//main")) == str(status)
    assert root.find(".//main//use").get("href") == f"#{icon}"
