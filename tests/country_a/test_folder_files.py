"""Files of a folder are named, unpacked within limits, and grouped (the rest: test_folder)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from country_a.seed import folder_files
from country_a.seed.folder_files import (
    Found,
    file_names,
    group_by_study,
    look_through,
    patient_of_source,
)
from gateway.domain import HumanName, ManifestPatient, Uid
from gateway.wire.dicom.dataset import InstanceHeader


def found(study: str, patient: ManifestPatient) -> Found:
    header = InstanceHeader(patient=patient, study=Uid(study))
    return Found(
        name="n",
        path=Path("n"),
        header=header,
        digest="",
        study=Uid(study),
        series=Uid("1.2"),
        instance=Uid("1.2"),
    )


def test_a_zip_beyond_the_limit_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What unpacks to more than allowed is listed as itself, and refused as no DICOM file."""
    source = tmp_path / "source"
    source.mkdir()
    with zipfile.ZipFile(source / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(100_000))
    monkeypatch.setattr(folder_files, "MAX_ZIP_BYTES", 1000)

    names = file_names(source, tmp_path / "scratch")

    assert ("a.zip", source / "a.zip") in names
    assert "a.zip" in dict(look_through(names).left_out)


def test_people_are_told_apart_by_name_and_identifier() -> None:
    """Without either, a study is a person of its own."""
    known = ManifestPatient(bare_id="1", name=HumanName(family="A"))
    namesake = ManifestPatient(bare_id="2", name=HumanName(family="A"))
    files = [
        found("1.1", known),
        found("1.2", known),
        found("1.3", namesake),
        found("1.4", ManifestPatient()),
        found("1.5", ManifestPatient()),
        found("1.1", known),
    ]

    studies = group_by_study(files)

    assert [len(group) for group in studies.values()] == [2, 1, 1, 1, 1]
    assert len({patient_of_source(group) for group in studies.values()}) == 4
