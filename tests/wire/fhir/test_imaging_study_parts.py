"""Parts of an ImagingStudy in the answer to a search."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gateway.wire.fhir.imaging_study_parts import SUBSETTED, trimmed, with_endpoints_apart
from gateway.wire.fhir.resources import Json, validated
from tests.shared import shared

URL = "https://a.example/fhir/ImagingStudy/s1"
STUDY: Json = {
    "resourceType": "ImagingStudy",
    "id": "s1",
    "contained": [
        {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "#o"}},
        {"resourceType": "Organization", "id": "o", "name": "Hospital"},
        {
            "resourceType": "Endpoint",
            "id": "e",
            "status": "active",
            "connectionType": {"code": "dicom-wado-rs"},
            "payloadType": [{"text": "DICOM WADO-RS"}],
            "address": "https://a.example/dicom",
        },
    ],
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
    "status": "available",
    "subject": {"reference": "#p"},
    "started": "2026-03-01",
    "endpoint": [{"reference": "#e"}],
    "_description": {"extension": [{"url": "https://x.example", "valueCode": "unknown"}]},
    "series": [
        {
            "uid": f"1.2.3.{number}",
            "modality": {"code": "CT"},
            "description": "A series",
            "endpoint": [{"reference": "#e"}],
            "instance": [
                {"uid": f"1.2.3.{number}.1", "sopClass": {"code": "urn:oid:1.2.4"}, "number": 7}
            ],
        }
        for number in (1, 2)
    ],
}


def keys(resource: Json) -> set[str]:
    """The elements of a resource but those every one has."""
    return set(resource) - {"resourceType", "id", "meta", "status", "subject", "contained"}


@pytest.mark.parametrize(
    ("elements", "kept"),
    [
        (["identifier"], {"identifier"}),
        (["identifier", "started", "invented"], {"identifier", "started"}),
        (["invented"], set()),
        (["description"], {"_description"}),
        (["status"], set()),
    ],
)
def test_only_the_elements_wanted_are_left(elements: list[str], kept: set[str]) -> None:
    """With those no ImagingStudy may be without, and a mark that it is a part."""
    part = trimmed(STUDY, elements)

    validated(part)
    assert keys(part) == kept
    assert part["meta"] == {"tag": [SUBSETTED]}
    assert (part["status"], part["id"]) == ("available", "s1")


def test_without_elements_the_study_is_whole() -> None:
    """And not marked."""
    assert trimmed(STUDY, []) is STUDY


def test_a_path_leaves_out_the_images_of_a_series() -> None:
    """By which a study of thousands of them becomes small."""
    part = trimmed(STUDY, ["series.description", "series.number"])

    validated(part)
    assert part["series"] == [
        {"uid": f"1.2.3.{n}", "modality": {"code": "CT"}, "description": "A series"} for n in (1, 2)
    ]


def test_images_come_with_what_they_may_not_be_without() -> None:
    """Where they are wanted at all."""
    part = trimmed(STUDY, ["series.instance.number"])

    assert part["series"][0]["instance"] == [
        {"uid": "1.2.3.1.1", "sopClass": {"code": "urn:oid:1.2.4"}, "number": 7}
    ]
    uids = trimmed(STUDY, ["series.instance.uid"])
    assert "number" not in uids["series"][0]["instance"][0]


@pytest.mark.parametrize("elements", [["series", "series.uid"], ["series.uid", "series"]])
def test_what_is_wanted_whole_is_not_cut_by_a_path(elements: list[str]) -> None:
    """In whichever order."""
    assert trimmed(STUDY, elements)["series"] == STUDY["series"]


def test_a_path_into_a_text_leaves_it() -> None:
    """It has nothing below."""
    assert trimmed(STUDY, ["started.year"])["started"] == "2026-03-01"


def test_contained_resources_stay_as_long_as_something_refers_to_them() -> None:
    """Even if it is another of them; and one that refers to itself does no harm."""
    looped = copy.deepcopy(STUDY)
    looped["contained"][1]["partOf"] = {"reference": "#o"}

    part = trimmed(looped, ["identifier"])

    assert [one["id"] for one in part["contained"]] == ["p", "o"]
    assert [one["id"] for one in trimmed(looped, ["endpoint"])["contained"]] == ["p", "o", "e"]


def test_a_mark_joins_those_there_are() -> None:
    """A resource has tags of its own."""
    tagged = {**STUDY, "meta": {"profile": ["https://x.example"], "tag": [{"code": "test"}]}}

    assert trimmed(tagged, ["started"])["meta"] == {
        "profile": ["https://x.example"],
        "tag": [{"code": "test"}, SUBSETTED],
    }


def test_endpoints_become_entries_of_their_own() -> None:
    """What referred to them inside refers to them there, and nothing else is touched."""
    before = copy.deepcopy(STUDY)

    bare, ((url, endpoint),) = with_endpoints_apart(STUDY, URL)

    validated(bare)
    validated(endpoint)
    assert url == f"urn:uuid:{endpoint['id']}"
    assert bare["endpoint"] == bare["series"][1]["endpoint"] == [{"reference": url}]
    assert [one["id"] for one in bare["contained"]] == ["p", "o"]
    assert bare["subject"] == {"reference": "#p"}
    assert before == STUDY


def test_endpoints_of_different_studies_have_different_names() -> None:
    """Though each is the first of its study, and the same one has the same name again."""
    _, ((one, _),) = with_endpoints_apart(STUDY, URL)
    _, ((other, _),) = with_endpoints_apart(STUDY, URL + "2")
    _, ((again, _),) = with_endpoints_apart(STUDY, URL)

    assert one == again != other


def test_a_study_without_endpoints_stays_as_it_is() -> None:
    """And one that contains nothing else loses the empty list."""
    plain: dict[str, Any] = {name: STUDY[name] for name in ("resourceType", "id", "status")}
    alone = {**plain, "contained": [STUDY["contained"][2]]}

    assert with_endpoints_apart(plain, URL) == (plain, ())
    assert "contained" not in with_endpoints_apart(alone, URL)[0]


def test_the_studies_of_a_guide_are_cut_into_valid_parts() -> None:
    """An example of MADO, which has extensions, and refers to what it does not contain."""
    path = shared("samples/fhir/mado-r4/Bundle-mado-bundle-589331894518000.json")
    entries = json.loads(path.read_bytes())["entry"]
    (study,) = (
        one["resource"] for one in entries if one["resource"]["resourceType"] == "ImagingStudy"
    )

    part = trimmed(study, ["identifier", "series.numberOfInstances"])

    validated(part)
    assert len(json.dumps(part)) * 2 < len(json.dumps(study))
    assert len(part["series"]) == len(study["series"])
    assert with_endpoints_apart(study, URL) == (study, ())
