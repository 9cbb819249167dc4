"""What was seeded is told to people and to scenarios."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from country_a.seed.people import NOBODY, Role
from country_a.seed.records import FolderRecord, ListRecord, PatientRecord, SeedReport
from gateway.domain import Oid


def test_people_read_who_is_who(planted: Any) -> None:
    """Each patient has a line with identifier, role and what is found; denials are said."""
    text = planted.report.describe()

    for role in Role:
        assert f"[{role.value}]" in text
    assert NOBODY in text
    assert "Consent denied." in text


def test_scenarios_read_what_to_expect(planted: Any) -> None:
    """The JSON names study, documents and counts of a role, as plain values."""
    told = orjson.loads(planted.report.json())
    main = told["roles"][Role.MAIN.value]

    assert main["id"] == "XA-1001"
    assert main["names"][0] == {"family": "Żółkiewska", "given": ["Łucja", "Ewa"]}
    assert main["expect"]["instances"] == sum(study["instances"] for study in main["studies"])
    assert main["expect"]["reports"] == 4
    assert main["studies"][0]["key_images"]
    assert told["roles"][Role.DENIED.value]["consent"] == "deny"


def test_a_long_list_is_told(planted: Any) -> None:
    """Whose it is, how long it is, and that nothing lies behind it."""
    person = planted.report.patients[0].person
    report = replace(planted.report, many=ListRecord(person=person, entries=2_000))

    told = orjson.loads(report.json())["many"]

    assert (told["id"], told["entries"]) == (person.identity.id.value, 2_000)
    assert told["names"][0]["family"] == person.identity.names[0].family
    assert "2000 entries for long lists, without their documents" in report.describe()
    assert orjson.loads(planted.report.json())["many"] is None


def test_a_folder_is_told_with_what_was_left_out(planted: Any) -> None:
    """Left-out files and warnings appear in both tellings."""
    folder = FolderRecord(
        folder="/x",
        files=2,
        patients=(PatientRecord(person=planted.report.patients[0].person),),
        left_out=(("a.txt", "not DICOM"),),
        warnings=(("study 1", "burned in"), *((f"f{n}", "no modality") for n in range(11))),
    )
    report = SeedReport(
        seed_number=1,
        size="tiny",
        community="2.999",
        authority=Oid("2.999.1"),
        patients=(),
        crowd=0,
        folders=(folder,),
    )

    assert "left out, not DICOM: a.txt" in report.describe()
    assert "warning, burned in: study 1" in report.describe()
    assert "no modality: f0, f1, f2, f3, f4, f5, f6, f7 and 3 more" in report.describe()
    (told,) = orjson.loads(report.json())["folders"]
    assert told["left_out"] == [{"file": "a.txt", "reason": "not DICOM"}]
    assert told["warnings"][:2] == ["study 1: burned in", "f0: no modality"]
    assert told["files"] == 2
