"""The report of every element as a story: what its pages must hold, and what is missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import DocumentId, ImagingReport, PatientId
from gateway.wire.cda.report import encode_report as encode_cda
from gateway.wire.fhir.report_write import encode_report as encode_fhir
from scenarios import uc1_full_report
from scenarios.result import Verdict
from scenarios.uc1_full_report import words_of
from tests.fakes import AUTHORITY, FakeExchange, make_entry
from tests.scenarios.told import population, seeds_of, told
from tests.wire.fhir.report_nouns import full

PATIENT = PatientId("main", AUTHORITY)
IDS = {"fhir": "2.999.9.1", "cda": "2.999.9.2", "pdf": "2.999.9.3", "pdf-in-cda": "2.999.9.4"}


def country_of(report: ImagingReport, **legacy: bytes) -> tuple[FakeExchange, dict[str, Any]]:
    """A country with one patient, and both reports on one study."""
    country, info = population()
    role = info["roles"]["main"]
    report = replace(report, patient_ids=(PATIENT,))
    study = role["studies"][0]["uid"]
    documents = {
        "fhir": (encode_fhir(report), "application/fhir+json"),
        "cda": (encode_cda(report, structured=True), "text/xml"),
        "pdf": (legacy.get("pdf", report.presented), "application/pdf"),
        "pdf-in-cda": (encode_cda(report, structured=False), "text/xml"),
    }
    for form, (data, mime_type) in documents.items():
        name = IDS[form]
        country.documents[DocumentId(name)] = data
        country.entries += (
            make_entry(
                name, data, study=study, patient=PATIENT, manifest=False, mime_type=mime_type
            ),
        )
    role["reports"] = [
        {"pdf": IDS["pdf"], "cda": IDS["pdf-in-cda"], "fhir": "", "studies": [study]},
        {"pdf": "", "cda": IDS["cda"], "fhir": IDS["fhir"], "studies": [study]},
    ]
    info["roles"]["greek"] = role
    return country, info


async def test_the_report_is_read_in_every_language_and_form(tmp_path: Path) -> None:
    """Links, retrieval, five languages, legacy forms, and the end of the visit."""
    country, info = country_of(full())

    story, lines = await told(uc1_full_report.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.PASS, lines
    assert len(story.steps) == 2 + 5 + 1 + 1


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"observations": ()}, "the page does not show"),
        ({"sections": full().sections[:1]}, "the page"),
        ({"reactions": ()}, "Urticaria"),
        ({"language": "en"}, "free text is not marked"),
    ],
)
async def test_what_a_page_lacks_is_missed(
    changes: dict[str, Any], missed: str, tmp_path: Path
) -> None:
    """A value, a heading, an original or the mark of what is not translated."""
    country, info = country_of(replace(full(), **changes))

    story, _ = await told(uc1_full_report.tell, country, seeds_of(info), tmp_path)

    assert story.verdict is Verdict.FAIL
    assert missed in " ".join(step.note for step in story.steps)


async def test_a_seed_without_the_report_skips_the_story(tmp_path: Path) -> None:
    """And says so."""
    country, info = population()
    info["roles"]["greek"] = info["roles"]["main"]

    story, _ = await told(uc1_full_report.tell, country, seeds_of(info), tmp_path)

    assert [step.verdict for step in story.steps] == [Verdict.SKIPPED]


def test_words_of_a_page_are_those_people_read() -> None:
    """No tag, no entity, no doubled space."""
    assert words_of("<p>a &amp;\n <b>b</b></p>").strip() == "a & b"
