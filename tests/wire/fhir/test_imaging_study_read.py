"""What is read of a study by itself: UIDs named twice, missing instances, odd endpoints, codes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import date, time
from typing import Any

import pytest

from gateway.domain import (
    Code,
    ImagingManifest,
    ManifestPatient,
    Organisation,
    Outcome,
    Severity,
    Uid,
)
from gateway.domain.codes import DCM, SCT
from gateway.wire.fhir import imaging_study_read
from gateway.wire.fhir.imaging_study_read import derived_uid, read_imaging_study
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.problems import DecodeError
from tests.builders import make_manifest
from tests.wire.fhir.spoiling import spoilt

Change = Callable[[dict[str, Any]], None]


def read(*changes: Change, **options: Any) -> Outcome[ImagingManifest]:
    """What is read of our study after changes."""
    study = deepcopy(write_imaging_study(make_manifest()))
    for change in changes:
        change(study)
    return read_imaging_study(study, **options)


def texts(outcome: Outcome[ImagingManifest]) -> list[str]:
    """The warnings; none of them is an error."""
    assert {issue.severity for issue in outcome.issues} <= {Severity.WARNING}
    return [issue.text for issue in outcome.issues]


def endpoint(study: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """A contained endpoint of WADO-RS."""
    found: list[dict[str, Any]]
    found = [one for one in study["contained"] if one["resourceType"] == "Endpoint"]
    return found[number]


# --- UIDs and instances ---------------------------------------------------------------------------


def test_an_instance_listed_twice_counts_once() -> None:
    """In its series, and in another series too."""

    def repeat(study: dict[str, Any]) -> None:
        first, second = study["series"][:2]
        first["instance"].append(first["instance"][0])
        second["instance"].append(first["instance"][0])

    outcome = read(repeat)

    assert outcome.items[0].instances() == make_manifest().instances()
    assert texts(outcome) == ["the instance is listed more than once"]
    assert outcome.issues[0].subject == "2.999.10.1.1.1"


def test_a_series_listed_twice_is_one_series_with_the_instances_of_both() -> None:
    """What the second adds is not lost."""

    def split(study: dict[str, Any]) -> None:
        again = deepcopy(study["series"][0])
        study["series"][0]["instance"] = again["instance"][:1]
        study["series"].append(again)

    outcome = read(split)

    assert outcome.items[0].instances() == make_manifest().instances()
    assert "the series is listed more than once" in texts(outcome)


def test_counts_that_differ_and_empty_series_are_warnings() -> None:
    """What is listed counts, what is said is kept."""

    def change(study: dict[str, Any]) -> None:
        study["numberOfSeries"] = 7
        study["series"][0]["numberOfInstances"] = 20
        del study["series"][1]["instance"]

    outcome = read(change)

    assert outcome.items[0].declared_series == 7
    assert outcome.items[0].series[0].declared_instances == 20
    assert texts(outcome) == [
        "says 7 series and lists 3",
        "says 20 instances and lists 3",
        "the series lists no instance",
    ]


@pytest.mark.parametrize("uid", ["1.2.x", "", "1" * 65, "1..2"])
def test_what_has_no_usable_uid_is_left_out(uid: str) -> None:
    """A series with its instances, or one instance."""
    without_series = read(lambda study: study["series"][0].update(uid=uid))
    without_instance = read(lambda study: study["series"][0]["instance"][0].update(uid=uid))

    assert without_series.items[0].instance_count == 4
    assert without_instance.items[0].instance_count == 6
    assert "a series without a usable UID is left out" in texts(without_series)
    assert "an instance without a usable UID is left out" in texts(without_instance)


@pytest.mark.parametrize(
    "sop_class",
    [
        {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"},
        {
            "system": "http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs",
            "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
        },
        {"code": "1.2.840.10008.5.1.4.1.1.2"},
    ],
)
def test_the_class_of_an_instance_is_read_in_every_spelling(sop_class: dict[str, str]) -> None:
    """With the prefix of an OID and without, whatever the code system."""
    outcome = read(lambda study: study["series"][0]["instance"][0].update(sopClass=sop_class))

    assert outcome.items[0].series == make_manifest().series
    assert not outcome.issues


def test_an_instance_of_no_class_is_kept() -> None:
    """As the reader of key object selections keeps it."""
    outcome = read(lambda study: study["series"][0]["instance"][0].pop("sopClass"))

    assert outcome.items[0].series[0].instances[0].sop_class == "0"
    assert texts(outcome) == ["the instance has no SOP class"]


def test_the_title_of_an_image_is_no_note() -> None:
    """Only a key-image note has a description."""
    outcome = read(lambda study: study["series"][0]["instance"][0].update(title="IM 1"))

    assert outcome.items[0].series == make_manifest().series
    assert texts(outcome) == ["the title of an image has no place and is left out"]


def test_more_instances_than_a_study_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the other encoding."""
    monkeypatch.setattr(imaging_study_read, "MAX_INSTANCES", 6)

    with pytest.raises(DecodeError, match="more than 6 instances"):
        read()


# --- the study's identifiers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": "urn:dicom:uid", "value": "2.999.10.1"},
        {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.10.1"},
        {"type": {"coding": [{"code": "110180", "system": "DCM"}]}, "value": "2.999.10.1"},
    ],
)
def test_the_study_uid_is_read_in_every_spelling(identifier: dict[str, Any]) -> None:
    """By its system, or by its type."""
    (manifest,) = read(lambda study: study.update(identifier=[identifier])).items

    assert manifest.study == "2.999.10.1"
    assert manifest.uid == derived_uid(Uid("2.999.10.1"))


def test_a_given_uid_is_that_of_the_manifest() -> None:
    """And two different UIDs of a study are told."""

    def add(study: dict[str, Any]) -> None:
        study["identifier"].append({"system": "urn:dicom:uid", "value": "2.999.77"})

    outcome = read(add, uid=Uid("2.999.5"))

    assert outcome.items[0].uid == "2.999.5"
    assert outcome.items[0].study == "2.999.10.1"
    assert texts(outcome) == ["the study has 2 UIDs; the first is read"]


def test_an_accession_number_alone_is_a_request() -> None:
    """A study based on a number that no resource describes (MADO's own example)."""

    def bare(study: dict[str, Any]) -> None:
        del study["identifier"][1]
        del study["basedOn"][0]["reference"]
        study["basedOn"][0]["identifier"]["system"] = "http://hospital.example/acc"

    (manifest,) = read(bare).items

    assert (manifest.accession, manifest.accession_authority) == (
        "ACC-1",
        "http://hospital.example/acc",
    )
    assert [one.accession for one in manifest.requests] == ["ACC-1"]


# --- where it can be had --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "url", "said"),
    [
        ("https://images.example//rs//", "https://images.example/rs/", "doubled slashes"),
        ("/dicom-web", "", "the address is relative"),
        ("ftp://images.example/rs", "", "none of the web"),
        ("http://notspecified", "", "stands for none"),
        ("http://notapplicable/rs", "", "stands for none"),
        ("http://[::1", "", "no URL"),
        ("", "", ""),
    ],
)
def test_addresses_that_cannot_be_used_are_left_out_and_told(
    address: str, url: str, said: str
) -> None:
    """The location stays, by which the place can be looked up."""
    outcome = read(lambda study: endpoint(study).update(address=address))

    series = outcome.items[0].series[0]
    assert (series.location, series.retrieve_url) == ("2.999.20.1", url)
    assert [said in text for text in texts(outcome)] == ([True] if said else [])


def test_a_relative_address_begins_where_the_manifest_came_from() -> None:
    """Where the reader is told that."""
    outcome = read(
        lambda study: endpoint(study).update(address="/dicom-web/rs"),
        base="https://a.example/fhir",
    )

    assert outcome.items[0].series[0].retrieve_url == "https://a.example/dicom-web/rs"
    assert "relative" in texts(outcome)[0]


def test_a_placeholder_that_says_so_is_no_departure() -> None:
    """The profile's own way to have no address, with either host."""

    def absent(study: dict[str, Any]) -> None:
        url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
        endpoint(study).update(
            address="http://notapplicable",
            _address={"extension": [{"url": url, "valueCode": "unknown"}]},
        )

    outcome = read(absent)

    assert outcome.items[0].series[0].retrieve_url == ""
    assert not outcome.issues


def test_a_place_of_the_whole_study_serves_series_without_their_own() -> None:
    """Base FHIR has it so; a series with neither says so."""

    def move(study: dict[str, Any]) -> None:
        study["endpoint"] += study["series"][0].pop("endpoint")

    def drop(study: dict[str, Any]) -> None:
        del study["series"][0]["endpoint"]

    assert read(move) == read()
    assert texts(read(drop)) == ["the series does not say where it can be had"]


def test_of_several_places_the_first_with_an_address_is_read() -> None:
    """Endpoints of other kinds are passed over."""

    def add(study: dict[str, Any]) -> None:
        other = deepcopy(endpoint(study)) | {"id": "other", "address": "http://notspecified"}
        query = deepcopy(endpoint(study)) | {"id": "query"}
        query["connectionType"] = {"code": "dicom-qido-rs"}
        study["contained"] += [other, query]
        own = study["series"][0]["endpoint"]
        study["series"][0]["endpoint"] = [
            {"reference": "#query"},
            {"reference": "#other"},
            *own,
        ]

    outcome = read(add)

    assert outcome.items[0].series == make_manifest().series
    assert "one of 2 places is read" in texts(outcome)


# --- words, codes and times -----------------------------------------------------------------------


def test_words_without_codes_are_kept_where_there_is_a_place() -> None:
    """A procedure, a body site; a region without a code has none."""

    def bare(study: dict[str, Any]) -> None:
        study["procedureCode"] = [{"text": "Head CT"}, {"text": "CT of head"}]
        study["series"][0]["bodySite"] = {"display": "left foot"}
        study["extension"][0]["valueCodeableConcept"] = {"text": "the head"}

    outcome = read(bare)

    (manifest,) = outcome.items
    assert manifest.procedures == ()
    assert manifest.procedure_texts == ("Head CT",)
    assert (manifest.series[0].region, manifest.series[0].region_text) == (None, "left foot")
    assert texts(outcome) == ["a region without a code is left out"]


def test_codes_are_known_by_every_name_of_their_system() -> None:
    """The text of a concept is the display of a code without one."""

    def rename(study: dict[str, Any]) -> None:
        study["modality"] = [{"system": "urn:oid:1.2.840.10008.2.16.4", "code": "CT"}]
        coding = {"system": "http://snomed.info/sct/", "code": "303653007"}
        study["procedureCode"] = [{"coding": [coding], "text": "CT of head"}]

    (manifest,) = read(rename).items

    assert manifest.modalities == (Code("CT", DCM),)
    assert manifest.procedures == (Code("303653007", SCT),)
    assert manifest.procedures[0].display == "CT of head"


@pytest.mark.parametrize(
    ("started", "day", "clock", "offset"),
    [
        ("2026-03-01", date(2026, 3, 1), None, 60),
        ("2026-03", None, None, 60),
        ("2026-03-01T09:00:00Z", date(2026, 3, 1), time(9), 0),
        ("2026-03-01T23:30:00.5-01:00", date(2026, 3, 1), time(23, 30, 0, 500000), -60),
    ],
)
def test_the_start_gives_day_clock_and_offset(
    started: str, day: date | None, clock: time | None, offset: int
) -> None:
    """Where it has no offset, a series has."""
    (manifest,) = read(lambda study: study.update(started=started)).items

    assert (manifest.study_date, manifest.study_time) == (day, clock)
    assert manifest.offset_minutes == offset


def test_a_custodian_named_at_a_series_answers_for_the_study() -> None:
    """As the report profiles of HL7 Europe have it."""

    def add(study: dict[str, Any]) -> None:
        study["contained"].append({"resourceType": "Organization", "id": "o", "name": "Archive"})
        study["series"][0]["performer"] = [
            {"function": {"coding": [{"code": "CST"}]}, "actor": {"reference": "#o"}}
        ]

    assert read(add).items[0].custodian == Organisation(name="Archive")


def test_spoilt_studies_are_read_or_refused() -> None:
    """Whatever stands in the place of a value, there is an answer."""
    manifest = make_manifest()
    study = write_imaging_study(
        make_manifest(
            series=manifest.series[2:], procedures=(), requests=(), patient=ManifestPatient()
        )
    )

    for broken in spoilt(study):
        with suppress(DecodeError):
            assert read_imaging_study(broken).items
