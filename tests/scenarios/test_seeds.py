"""Reading `seed.json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.seeds import SeedError, identify_body, read_seeds
from tests.scenarios.told import population


def test_population_is_read(tmp_path: Path) -> None:
    """Roles, nobody and folders are there."""
    _, info = population()
    info["folders"] = [{"patients": [{"id": "F-1"}]}]
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(info))

    seeds = read_seeds(file)

    assert seeds.role("main")["id"] == "main"
    assert [patient["id"] for patient in seeds.given()] == ["F-1"]
    assert seeds.many is None
    with pytest.raises(SeedError, match="seed Country A again"):
        seeds.role("dragon")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"community": 1, "roles": {}}'])
def test_file_that_is_no_seed_says_what_to_do(tmp_path: Path, text: str) -> None:
    """A wrong file is told with its path and what to do."""
    file = tmp_path / "seed.json"
    file.write_text(text)

    with pytest.raises(SeedError, match="seed Country A again"):
        read_seeds(file)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SeedError, match="cannot be read"):
        read_seeds(tmp_path / "none.json")


def test_identify_body_tells_what_is_known() -> None:
    """Identifier and demographics, or demographics alone; nothing empty is sent."""
    patient = {
        "id": "P",
        "authority": "2.999",
        "names": [{"family": "Ö", "given": ["Å"]}],
        "birth_date": "1980-01-02",
        "gender": "",
    }

    whole = identify_body("2.999.1", patient)
    by_name = identify_body("2.999.1", patient, by_name_only=True)

    assert whole["ids"] == [{"value": "P", "authority": "2.999"}]
    assert "ids" not in by_name
    assert "gender" not in whole
    assert by_name["family"] == "Ö"
    assert "way" not in whole
    assert identify_body("2.999.1", patient, way="soap")["way"] == "soap"
