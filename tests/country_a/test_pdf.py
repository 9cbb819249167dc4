"""Reports are printed so that people read them, whatever their alphabet."""

from __future__ import annotations

import io
from dataclasses import replace

import pypdf

from country_a.seed.pdf import PrintedReport, render

REPORT = PrintedReport(
    title="Opis badania",
    facts=(("Pacjent", "Łucja Żółkiewska"), ("Pusty", "")),
    sections=(("Opis", "Παπαδοπούλου Ελένη\nЙорданова Стефка\nŐrsi Þór Țăran"),),
    footer="Dane fikcyjne.",
)


def texts(data: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def test_every_european_alphabet_is_printed() -> None:
    """Latin with accents, Greek and Cyrillic come out as they went in."""
    (page,) = texts(render(REPORT))

    for words in ("Łucja Żółkiewska", "Παπαδοπούλου Ελένη", "Йорданова Стефка", "Őrsi Þór Țăran"):
        assert words in page
    assert "Dane fikcyjne." in page
    assert "Pusty" not in page


def test_the_same_report_gives_the_same_bytes() -> None:
    """No date and no dice in the file."""
    assert render(REPORT) == render(REPORT)
    assert render(REPORT).startswith(b"%PDF-")


def test_a_long_report_turns_pages() -> None:
    """Every page carries the footer."""
    pages = texts(render(replace(REPORT, sections=(("Opis", "Zdanie. " * 2000),))))

    assert len(pages) > 2
    assert all("Dane fikcyjne." in page for page in pages)
