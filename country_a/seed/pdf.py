"""A report as a PDF for people: A4, embedded font, letters of every European alphabet.

Drawn with ReportLab in its invariant mode: the same report gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.utils import simpleSplit  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from ttf_opensans import OPENSANS_BOLD, OPENSANS_REGULAR  # type: ignore[import-untyped]

_REGULAR, _BOLD = "OpenSans", "OpenSans-Bold"
_MARGIN = 56.0  # points; 2 cm
_LEADING = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedReport:
    """What stands on the paper, in the order it stands there."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[tuple[str, str], ...]
    footer: str
    watermark: str = ""


@cache
def _fonts() -> None:
    for name, font in ((_REGULAR, OPENSANS_REGULAR), (_BOLD, OPENSANS_BOLD)):
        pdfmetrics.registerFont(TTFont(name, str(font.path)))


class _Pen:
    """Writes lines downwards and turns the page when there is no room."""

    def __init__(self, canvas: Canvas, footer: str) -> None:
        self._canvas = canvas
        self._footer = footer
        self._page = 0
        self._y = 0.0
        self._turn()

    def _turn(self) -> None:
        if self._page:
            self._canvas.showPage()
        self._page += 1
        self._y = A4[1] - _MARGIN
        self._canvas.setFont(_REGULAR, 8)
        self._canvas.drawString(_MARGIN, _MARGIN / 2, self._footer)
        self._canvas.drawRightString(A4[0] - _MARGIN, _MARGIN / 2, str(self._page))

    def write(self, text: str, *, size: float = 10.0, bold: bool = False) -> None:
        font = _BOLD if bold else _REGULAR
        width = A4[0] - 2 * _MARGIN
        for paragraph in text.split("\n"):
            for line in simpleSplit(paragraph, font, size, width) or [""]:
                if self._y < _MARGIN + size:
                    self._turn()
                self._canvas.setFont(font, size)
                self._y -= size * _LEADING
                self._canvas.drawString(_MARGIN, self._y, line)

    def space(self, points: float) -> None:
        self._y -= points


def render(report: PrintedReport) -> bytes:
    """The PDF of a report."""
    _fonts()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(report.title)
    canvas.setCreator("NCPeH imaging simulator")
    pen = _Pen(canvas, report.footer)
    pen.write(report.title, size=15, bold=True)
    if report.watermark:
        pen.write(report.watermark, size=9, bold=True)
    pen.space(6)
    _write_pairs(pen, report.facts)
    for heading, text in report.sections:
        pen.space(8)
        pen.write(heading, size=11, bold=True)
        pen.write(text)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _write_pairs(pen: _Pen, pairs: Sequence[tuple[str, str]]) -> None:
    for label, value in pairs:
        if value:
            pen.write(f"{label}: {value}", size=9)
