"""The data set of a report: every element has its row, and the rows tell coded from said."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain import (
    REPORT_ELEMENTS,
    Carried,
    Code,
    Concept,
    Conclusion,
    DocumentId,
    HumanName,
    ImagingOrder,
    ImagingProcedure,
    ImagingReport,
    KeyImage,
    MediaKind,
    Participant,
    Quantity,
    ReferenceId,
    ReferenceKind,
    ReportedObservation,
    ReportSection,
    ReportStatus,
    Staging,
)
from gateway.domain.codes import SCT
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from tests.builders import PATIENT
from tests.shared import shared

# The numbering of the guideline: a group, and how many elements it has (from 1, or from 0).
GROUPS: dict[str, range] = {
    "A.1.1": range(1, 6),
    "A.1.2": range(1, 3),
    "A.1.3": range(1, 2),
    "A.1.3.1": range(1, 4),
    "A.1.4": range(1, 7),
    "A.1.5": range(1, 5),
    "A.1.6": range(1, 5),
    "A.1.7": range(1, 5),
    "A.1.8": range(12),
    "A.2": range(1, 8),
    "A.3": range(1, 4),
    "A.4": range(1, 9),
    "A.5.1": range(1, 8),  # A.5.1.8 is a group of its own
    "A.5.1.6": range(1, 3),
    "A.5.1.8": range(1, 4),
    "A.5.2": range(1, 8),
    "A.5.3": range(1, 9),
    "A.5.4": range(1, 3),
    "A.5.4.3": range(1, 5),
    "A.5.5": range(1, 2),
    "A.5.5.2": range(1, 3),
    "A.5.6": range(1, 3),
    "A.6": range(1, 11),
    "A.7": range(1, 2),
    "A.8": range(1, 2),
}
# Groups that are rows themselves: whether there is anything of the kind at all.
PARTS = {"A.1.3", "A.1.4", "A.5.1.9", "A.5.2", "A.5.3", "A.6"}
BY_ID = {element.id: element for element in REPORT_ELEMENTS}


def make_report(**parts: Any) -> ImagingReport:
    """A report that says nothing but what it must."""
    least: dict[str, Any] = {
        "id": DocumentId("2.999.1"),
        "status": ReportStatus.FINAL,
        "title": "",
        "language": "",
        "created": datetime(2026, 3, 1, tzinfo=UTC),
        "patient_ids": (),
        "patient_name": HumanName(family=""),
    }
    return ImagingReport(**(least | parts))


def test_every_element_of_the_guideline_has_one_row() -> None:
    """The numbers are those of the guideline, each once."""
    wanted = {f"{group}.{number}" for group, numbers in GROUPS.items() for number in numbers}

    ids = [element.id for element in REPORT_ELEMENTS]

    assert len(ids) == len(set(ids))
    assert set(ids) == wanted | PARTS


def test_the_guideline_itself_names_no_other_element() -> None:
    """Every numbered row of data set A, read off the guideline, is one of ours or a heading."""
    text = shared("seeds/003_258b4d79018069b5.txt").read_text("utf-8")
    numbered = set(re.findall(r"^A(?:\.\d+)+(?=\t)", text, re.MULTILINE))
    headings = {"A.5.1", "A.5.1.8", "A.5.4", "A.5.4.3", "A.5.5", "A.5.5.2", "A.5.6"}

    assert len(numbered) > 100
    assert numbered - headings <= set(BY_ID)


def test_rows_stand_in_the_order_of_the_guideline() -> None:
    """So that a list of them can be read beside it."""
    keys = [tuple(map(int, element.id.split(".")[1:])) for element in REPORT_ELEMENTS]

    assert keys == sorted(keys)
    assert all(element.title for element in REPORT_ELEMENTS)


def test_a_report_that_says_nothing_carries_what_is_always_there() -> None:
    """Id, type, status, date and version are of every report; all else is absent."""
    report = make_report()

    present = {e.id for e in REPORT_ELEMENTS if e.carried(report) is not Carried.ABSENT}

    assert present == {"A.1.5.4", "A.1.8.0", "A.1.8.1", "A.1.8.2", "A.1.8.3", "A.1.8.9"}


LUNG = Concept(text="mass", codes=(Code("4147007", SCT, "Mass"),))
SAID = Concept(text="a mass")


@pytest.mark.parametrize(
    ("parts", "number", "way"),
    [
        ({"patient_ids": (PATIENT,)}, "A.1.1.4", Carried.CODED),
        ({"title": "CT of chest"}, "A.1.8.4", Carried.TEXT),
        ({"procedure": Code("1", SCT)}, "A.1.8.5", Carried.CODED),
        ({"procedures": (ImagingProcedure(what=SAID),)}, "A.1.8.5", Carried.TEXT),
        ({"procedures": (ImagingProcedure(what=LUNG),)}, "A.5.1.4", Carried.CODED),
        ({"procedures": (ImagingProcedure(what=LUNG),)}, "A.5.1.5", Carried.TEXT),
        ({"procedures": (ImagingProcedure(what=SAID),)}, "A.5.1.4", Carried.TEXT),
        (
            {"references": (ReferenceId("A1", ReferenceKind.ACCESSION, "2.999.5"),)},
            "A.1.8.11",
            Carried.CODED,
        ),
        (
            {"references": (ReferenceId("A1", ReferenceKind.ACCESSION, "2.999.5"),)},
            "A.2.1",
            Carried.ABSENT,
        ),
        (
            {"orders": (ImagingOrder(placer=Participant(telecom=("tel:1",))),)},
            "A.2.6",
            Carried.CODED,
        ),
        ({"orders": (ImagingOrder(reasons=(SAID, LUNG)),)}, "A.3.1", Carried.CODED),
        ({"orders": (ImagingOrder(questions=(SAID,)),)}, "A.3.3", Carried.TEXT),
        ({"conclusions": (Conclusion(finding=SAID),)}, "A.5.5.2.1", Carried.TEXT),
        (
            {"conclusions": (Conclusion(finding=SAID, stagings=(Staging(category=LUNG),)),)},
            "A.5.5.2.2",
            Carried.CODED,
        ),
        (
            {"observations": (ReportedObservation(what=LUNG, value=Quantity(value=Decimal(0))),)},
            "A.5.4.3.4",
            Carried.CODED,
        ),
        ({"key_images": (KeyImage(frames=0, kind=MediaKind.IMAGE),)}, "A.6.6", Carried.ABSENT),
        ({"key_images": (KeyImage(frames=0, kind=MediaKind.IMAGE),)}, "A.6.3", Carried.CODED),
        (
            {"sections": (ReportSection(code=IMPRESSION_SECTION, title="", text=" "),)},
            "A.5.5.1",
            Carried.ABSENT,
        ),
        (
            {"sections": (ReportSection(code=FINDINGS_SECTION, title="", text="x"),)},
            "A.5.4.2",
            Carried.TEXT,
        ),
        ({"presented": b"%PDF"}, "A.8.1", Carried.CODED),
    ],
)
def test_an_element_is_coded_said_or_absent(
    parts: dict[str, Any], number: str, way: Carried
) -> None:
    """By the best of its values: a code or a field of its own, words, or nothing."""
    report = make_report(**parts)

    assert BY_ID[number].carried(report) is way


def test_the_type_of_every_report_is_coded() -> None:
    """It is fixed by the guideline; a kind said in words takes nothing away."""
    report = make_report(kind=Concept(text="Opis badania"))

    assert BY_ID["A.1.8.1"].carried(report) is Carried.CODED
