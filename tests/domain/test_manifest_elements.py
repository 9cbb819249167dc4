"""The data set of a manifest: every element has its row, and gaps name what stands in for them."""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.domain import MANIFEST_ELEMENTS, Carried, ManifestInstance, Uid
from gateway.domain.manifest_elements import DOSE_REPORT
from tests.builders import make_manifest
from tests.shared import shared

BY_ID = {element.id: element for element in MANIFEST_ELEMENTS}


def test_every_element_of_the_guideline_has_one_row() -> None:
    """B.1.1 to B.1.4, the seven of a series, the three of an instance."""
    wanted = [f"B.1.{n}" for n in range(1, 5)]
    wanted += [f"B.1.4.{n}" for n in range(1, 8)]
    wanted += [f"B.1.4.7.{n}" for n in range(1, 4)]

    assert sorted(BY_ID) == sorted(wanted)
    assert len(MANIFEST_ELEMENTS) == len(wanted)


def test_the_guideline_itself_names_no_other_element() -> None:
    """Every numbered row of data set B, read off the guideline, is one of ours."""
    text = shared("seeds/003_258b4d79018069b5.txt").read_text("utf-8")

    numbered = set(re.findall(r"\bB\.1(?:\.\d+)+(?=\t|</b>\t)", text))

    assert numbered == set(BY_ID)


def test_a_full_manifest_carries_all_but_the_gaps() -> None:
    """Every element is there, those excepted that no manifest has a place for."""
    manifest = make_manifest()

    ways = {element.id: element.carried(manifest) for element in MANIFEST_ELEMENTS}

    gaps = {number for number, way in ways.items() if way is Carried.GAP}
    assert gaps == {"B.1.3", "B.1.4.4"}
    assert Carried.ABSENT not in ways.values()


def test_the_substitute_of_a_custodian_is_the_institution() -> None:
    """A manifest names who made it, which need not be who keeps the study."""
    custodian = BY_ID["B.1.3"]

    assert custodian.has_substitute(make_manifest())
    assert not custodian.has_substitute(make_manifest(institution=None))
    assert not BY_ID["B.1.1"].has_substitute(make_manifest())


def test_the_substitute_of_a_dose_is_the_dose_report_in_the_study() -> None:
    """It counts when it is listed as an instance of its own class."""
    manifest = make_manifest()
    report = ManifestInstance(uid=Uid("2.999.10.1.8.1"), sop_class=DOSE_REPORT)
    doses = replace(manifest.series[0], uid=Uid("2.999.10.1.8"), instances=(report,))

    with_doses = replace(manifest, series=(*manifest.series, doses))

    assert BY_ID["B.1.4.4"].has_substitute(with_doses)
    assert not BY_ID["B.1.4.4"].has_substitute(manifest)
    assert BY_ID["B.1.4.4"].carried(with_doses) is Carried.GAP


def test_an_empty_series_leaves_its_elements_absent() -> None:
    """Nothing is carried that no series and no instance has."""
    manifest = make_manifest(series=(), modalities=(), study_description="")

    absent = {e.id for e in MANIFEST_ELEMENTS if e.carried(manifest) is Carried.ABSENT}

    assert absent == set(BY_ID) - {"B.1.1", "B.1.3", "B.1.4.4"}
