"""The viewer's pages as HTML: a study, and a sign for what cannot be shown.

They hold no word that would have to be translated: names, dates by ISO 8601, numbers with UCUM
units, DICOM's codes, and pictograms. What describes a picture to those who do not see it is made
of the same codes. The page's own files, a style sheet and a script, lie beside the templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from country_a.viewer_study import ShownSeries, ShownStudy
from gateway.domain import Gender

PAGES: Final = Path(__file__).parent / "pages"
# The files a page refers to, and what they are.
FILES: Final = {"viewer.css": "text/css", "viewer.js": "text/javascript"}

_SEX: Final = {Gender.FEMALE: "♀", Gender.MALE: "♂", Gender.UNDIFFERENTIATED: "⚥"}

_environment = Environment(
    loader=FileSystemLoader(PAGES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What a page says beside the study: which country shows it, and until when."""

    country: str
    expires: datetime
    now: datetime


def study_page(shown: ShownStudy, facts: PageFacts) -> str:
    """The page of a study; its addresses are relative to where it stands."""
    patient, study = shown.patient, shown.study
    return _environment.get_template("study.html.j2").render(
        names=[name.full for name in patient.names],
        birth_date=patient.birth_date.isoformat() if patient.birth_date else "",
        sex=_SEX[patient.gender] if patient.gender else "",
        study_date=study.study_date.isoformat() if study.study_date else "",
        study_time=study.study_time.strftime("%H:%M") if study.study_time else "",
        modalities=shown.modalities,
        country=facts.country,
        series=[_series_view(one) for one in shown.series],
        seconds=max(0, int((facts.expires - facts.now).total_seconds())),
    )


def sign_page(status: int) -> str:
    """The page of a refusal: a pictogram and the HTTP status."""
    return _environment.get_template("sign.html.j2").render(
        status=status, icon=_SIGNS.get(status, "broken")
    )


_SIGNS: Final = {403: "lock", 404: "nothing", 410: "hourglass"}


def _series_view(one: ShownSeries) -> dict[str, Any]:
    middle = one.images[len(one.images) // 2]
    count = sum(image.frames for image in one.images)
    number = "" if one.number is None else f"#{one.number}"
    said = ("★" if one.is_key else "", one.modality, number, one.laterality, str(count))
    return {
        "label": " ".join(filter(None, said)),
        "modality": one.modality,
        "number": one.number,
        "laterality": one.laterality,
        "key": one.is_key,
        "count": count,
        "thumbnail": f"{middle.ref.series}/{middle.ref.instance}/thumbnail",
        "images": [
            [
                str(image.ref.series),
                str(image.ref.instance),
                image.number,
                image.frames,
                int(image.is_key),
            ]
            for image in one.images
        ],
    }
