"""A report as a FHIR document and back: every element, both releases, both formats."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain import (
    HumanName,
    ImagingReport,
    Participant,
    ParticipantKind,
    PresentedForm,
    ReportStatus,
)
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_read import decode_report, read_report
from gateway.wire.fhir.report_write import encode_report, write_report
from gateway.wire.fhir.resources import Format, Json, validated
from gateway.wire.problems import EncodeError
from tests.wire.fhir.report_nouns import PARTS, differences, full, least

FORMS = [(release, format) for release in Release for format in Format]


@pytest.mark.parametrize(("release", "format"), FORMS)
def test_a_report_that_says_everything_comes_back_whole(release: Release, format: Format) -> None:
    """Every field of the noun is filled, and every field comes back as it was."""
    report = full()
    empty = [f.name for f in fields(report) if getattr(report, f.name) in ((), "", b"", None)]

    read = decode_report(encode_report(report, release=release, format=format), format)

    assert empty == ["replaces"]
    assert differences(report, read) == {}


@pytest.mark.parametrize("name", PARTS)
def test_whatever_a_part_says_comes_back(name: str) -> None:
    """Parts of a kind, filled at random, in a report that has nothing else, in both releases."""

    @settings(max_examples=6, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(PARTS[name], min_size=1, max_size=2, unique_by=repr), st.sampled_from(Release))
    def check(parts: list[Any], release: Release) -> None:
        if name in ("studies", "sections"):
            del parts[1:]
        report = least(sections=()) if name == "sections" else least()
        report = replace(report, **{name: tuple(parts)})

        read = read_report(write_report(report, release=release))

        changed = differences(report, read)
        if name == "procedures":
            changed.pop("procedure", None)  # told by the code of the first, where nothing else is
        assert changed == {}

    check()


@pytest.mark.parametrize(
    "changes",
    [
        {"status": ReportStatus.PRELIMINARY},
        {"status": ReportStatus.AMENDED, "version": 3},
        {"status": ReportStatus.CORRECTED, "replaces": "2.999.76"},
        {"set_id": "2.999.70^7", "id": "2.999.71"},
        {"author": None},
        {"author": None, "other_authors": (Participant(kind=ParticipantKind.PERSON, id="1"),)},
        {"language": "el-GR", "sections": ()},
        {"references": ()},
        {"presented": b"%PDF-1.7"},
        {"other_forms": (PresentedForm(media_type="text/html", content=b"<p/>", title="x"),)},
        {"gender": None, "birth_date": None, "patient_ids": ()},
    ],
    ids=lambda changes: "-".join(changes),
)
@pytest.mark.parametrize("release", Release)
def test_the_head_of_a_report_comes_back(changes: dict[str, Any], release: Release) -> None:
    """Status, versions, authors and forms, one by one."""
    report = least(**changes)

    read = read_report(write_report(report, release=release))

    assert differences(report, read) == {}


@pytest.mark.parametrize("report", [full(), least()], ids=["full", "least"])
def test_what_is_written_fits_the_models_of_both_releases(report: ImagingReport) -> None:
    """Those of fhir.resources: R4B for R4, and R5."""
    validated(write_report(report, release=Release.R4))

    get_fhir_model_class("Bundle").model_validate(write_report(report, release=Release.R5))


@pytest.mark.parametrize("release", Release)
def test_the_models_of_one_release_refuse_the_other(release: Release) -> None:
    """So that the test above says something: the two differ where the models look."""
    other = write_report(full(), release=release)

    with pytest.raises(Exception, match=r"Composition|subject|identifier|attester"):
        if release is Release.R5:
            validated(other)
        else:
            get_fhir_model_class("Bundle").model_validate(other)


@pytest.mark.parametrize("release", Release)
def test_a_report_does_not_tell_where_images_lie(release: Release) -> None:
    """Only its manifest does: no endpoint, and no URL of images."""
    bundle = write_report(full(), release=release)

    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert "Endpoint" not in types
    assert b"images.example" not in encode_report(full(), release=release)


def test_a_document_begins_with_its_composition_and_resolves_within_itself() -> None:
    """Every reference leads to an entry, every entry has a URL of its own."""
    bundle = write_report(full())
    urls = [entry["fullUrl"] for entry in bundle["entry"]]

    assert bundle["entry"][0]["resource"]["resourceType"] == "Composition"
    assert bundle["entry"][1]["resource"]["resourceType"] == "DiagnosticReport"
    assert len(set(urls)) == len(urls)
    assert set(references(bundle)) <= set(urls)
    assert all(
        url == f"urn:uuid:{e['resource']['id']}"
        for url, e in zip(urls, bundle["entry"], strict=True)
    )


def references(value: Any) -> list[str]:
    """Every reference and every URL of an attachment within the document."""
    if isinstance(value, list):
        return [one for each in value for one in references(each)]
    if not isinstance(value, dict):
        return []
    own = [value[key] for key in ("reference", "url") if isinstance(value.get(key), str)]
    within = [one for one in own if one.startswith("urn:uuid:")]
    return within + [one for each in value.values() for one in references(each)]


def test_the_same_report_is_the_same_bytes() -> None:
    """Nothing in a document depends on when and where it was written."""
    assert encode_report(full()) == encode_report(replace(full()))
    assert encode_report(full()) != encode_report(replace(full(), title="Another"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"created": datetime(2026, 3, 1)}, "offset"),
        (
            {
                "recipients": (
                    Participant(
                        kind=ParticipantKind.DEVICE, name=HumanName(family="x"), telecom=("tel:1",)
                    ),
                )
            },
            "device",
        ),
    ],
)
def test_what_fhir_cannot_carry_is_refused(changes: dict[str, Any], words: str) -> None:
    """Rather than left out."""
    with pytest.raises(EncodeError, match=words):
        write_report(least(**changes))


def test_mandatory_sections_are_there_and_say_why_they_are_empty() -> None:
    """The four of the profile, with text and reason."""
    composition: Json = write_report(least())["entry"][0]["resource"]

    empty = {
        one["code"]["coding"][0]["code"]: one["emptyReason"]["coding"][0]["code"]
        for one in composition["section"]
        if "emptyReason" in one
    }

    assert empty == dict.fromkeys(["55115-0", "11329-0", "55111-9"], "unavailable")
    assert all(one["text"]["div"] for one in composition["section"])
