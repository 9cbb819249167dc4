"""Reports as the portal shows them: a page of what was retrieved, in the reader's language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from lxml import html

from country_b.report_page import POLICY
from gateway.domain import DocumentId, ImagingReport, PatientId, PresentedForm
from gateway.wire.cda.report import encode_report as encode_cda
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_write import encode_report as encode_fhir
from tests.country_b.portal import REPORT, Visit, portal
from tests.fakes import FakeExchange, make_entry, make_house, make_identity
from tests.wire.fhir.report_nouns import full

PATIENT = make_identity().id
FORMS = {
    "application/fhir+json": lambda report: encode_fhir(report),
    "application/fhir+json; fhirVersion=5.0": lambda report: encode_fhir(
        report, release=Release.R5
    ),
    "text/xml": lambda report: encode_cda(report, structured=True),
    "application/xml": lambda report: encode_cda(report, structured=False),
}


def make_report(**changes: Any) -> ImagingReport:
    """The report that says everything, on the patient of the visit."""
    return replace(full(), **({"patient_ids": (PATIENT,)} | changes))


def house_with(data: bytes, mime_type: str, name: str = REPORT) -> FakeExchange:
    """A country whose report is these bytes."""
    house = make_house()
    entry = make_entry(name, data, manifest=False, mime_type=mime_type)
    return replace(
        house,
        entries=(house.entries[0], entry),
        documents={**house.documents, DocumentId(name): data},
    )


async def retrieved(client: Any, name: str = REPORT) -> tuple[Visit, dict[str, Any]]:
    """A visit that has retrieved the report, and what it was told of it."""
    visit = await Visit(client).listed()
    answer = await visit.post("retrieve", {"documents": [name]})
    return visit, answer["documents"][0]


@pytest.mark.parametrize("mime_type", FORMS)
async def test_every_form_has_its_page(mime_type: str, tmp_path: Path) -> None:
    """FHIR of both releases, CDA with sections, and CDA that carries a PDF."""
    data = FORMS[mime_type](make_report())
    async with portal(house_with(data, mime_type), tmp_path) as client:
        visit, document = await retrieved(client)
        path = f"{visit.path}/documents/{REPORT}"

        page = await client.get(f"{path}/page", params={"language": "de-AT"})
        pdf = await client.get(f"{path}/forms/0")

        root = html.document_fromstring(await page.text())
        assert (document["status"], document["warnings"]) == ("good", [])
        assert page.content_type == "text/html"
        assert page.headers["Content-Security-Policy"] == POLICY
        assert page.headers["Content-Language"] == root.get("lang") == "de"
        assert full().title in root.text_content()
        assert root.cssselect("object")[0].get("data") == "forms/0"
        assert await pdf.read() == full().presented
        assert pdf.content_type == "application/pdf"
        assert pdf.headers["Content-Disposition"].startswith("inline")


async def test_a_pdf_is_shown_as_it_is(tmp_path: Path) -> None:
    """Its page says that there is nothing more, and leads to it."""
    async with portal(make_house(), tmp_path) as client:
        visit, _ = await retrieved(client)

        page = await client.get(f"{visit.path}/documents/{REPORT}/page")
        pdf = await client.get(f"{visit.path}/documents/{REPORT}/forms/0")

        text = await page.text()
        assert "It is shown as it is." in text
        assert "?language=pl" in text
        assert await pdf.read() == b"%PDF-1.7 a report"


async def test_ids_of_any_spelling_have_their_page(tmp_path: Path) -> None:
    """A peer's ids may hold slashes, and end like the page's own address."""
    name = "urn:x/1/page"
    house = house_with(encode_fhir(make_report()), "application/fhir+json", name)
    async with portal(house, tmp_path) as client:
        visit, _ = await retrieved(client, name)

        page = await client.get(f"{visit.path}/documents/{quote(name, safe='')}/page")

        assert page.status == 200


@pytest.mark.parametrize("mime_type", FORMS)
async def test_a_report_of_another_patient_is_set_aside(mime_type: str, tmp_path: Path) -> None:
    """As a manifest of another patient is: it is kept apart and has no page."""
    other = make_report(patient_ids=(PatientId("P-2", PATIENT.authority),))
    async with portal(house_with(FORMS[mime_type](other), mime_type), tmp_path) as client:
        visit, document = await retrieved(client)

        assert document["status"] == "set-aside"
        assert document["problem"]["text"] == "the report is of another patient"
        await visit.post("use", status=409)
        assert (await visit.get(f"/documents/{REPORT}/page", status=409))["refusal"]


async def test_a_report_that_cannot_be_read_is_kept_with_a_warning(tmp_path: Path) -> None:
    """People may read what this gateway cannot; it has no page."""
    async with portal(house_with(b"{}", "application/fhir+json"), tmp_path) as client:
        visit, document = await retrieved(client)

        assert document["status"] == "good"
        assert "the report cannot be read" in document["warnings"][0]["text"]
        refused = await client.get(f"{visit.path}/documents/{REPORT}/page")
        assert (await refused.json())["refusal"] == "peer-misbehaved"
        assert (await client.get(f"{visit.path}/documents/{REPORT}")).status == 200


async def test_forms_that_could_run_are_saved_and_not_shown(tmp_path: Path) -> None:
    """Whatever they call themselves."""
    page = PresentedForm(media_type="text/html", content=b"<script>alert(1)</script>")
    lie = PresentedForm(media_type="application/pdf", content=b"<script>alert(1)</script>")
    text = PresentedForm(media_type="text/plain", content=b"plain")
    data = encode_fhir(make_report(other_forms=(page, lie, text)))
    async with portal(house_with(data, "application/fhir+json"), tmp_path) as client:
        visit, _ = await retrieved(client)
        path = f"{visit.path}/documents/{REPORT}/forms"

        sent = [await client.get(f"{path}/{number}") for number in (1, 2, 3)]

        kinds = [one.content_type for one in sent]
        assert kinds == ["application/octet-stream", "application/octet-stream", "text/plain"]
        assert [one.headers["Content-Disposition"].partition(";")[0] for one in sent] == [
            *("attachment", "attachment", "inline")
        ]
        assert all(one.headers["X-Content-Type-Options"] == "nosniff" for one in sent)
        for missing in ("4", "99999999999", "²"):
            assert (await client.get(f"{path}/{missing}")).status == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [("language=tlh", "language"), ("language=", "language"), ("lang=de", "lang")],
)
async def test_a_language_without_words_is_refused(query: str, field: str, tmp_path: Path) -> None:
    """The field is named."""
    async with portal(make_house(), tmp_path) as client:
        visit, _ = await retrieved(client)

        refused = await visit.get(f"/documents/{REPORT}/page?{query}", status=400)

        assert set(refused["fields"]) == {field}


async def test_only_what_was_retrieved_has_a_page(tmp_path: Path) -> None:
    """Before that, the step is out of order; of another document, it is unknown."""
    async with portal(make_house(), tmp_path) as client:
        visit = await Visit(client).listed()
        await visit.get(f"/documents/{REPORT}/page", status=409)
        visit, _ = await retrieved(client)

        refused = await visit.get("/documents/2.999.404/page", status=404)

        assert refused["refusal"] == "unknown-document"
