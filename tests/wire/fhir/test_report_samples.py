"""What others publish as examples of the European imaging report: each file, and what it is.

The examples are single resources and no documents: alone each is refused, with its type. What it
says is read from documents that are put together here from the files, as their Compositions list
them; whom and what they refer to beyond that is not among the files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class

from gateway.domain import (
    CarePlan,
    Code,
    Concept,
    ImagingReport,
    KeyImage,
    ReferenceKind,
    ReportStatus,
    Timestamp,
)
from gateway.domain.codes import DCM, LOINC, SCT, same_scheme
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_read import read_report
from gateway.wire.fhir.report_releases import release_of, to_r4
from gateway.wire.fhir.resources import validated
from gateway.wire.problems import DecodeError
from tests.shared import shared

Reading = Callable[[ImagingReport], Any]
FOLDERS = {Release.R4: "hl7eu-imaging-r4", Release.R5: "hl7eu-imaging-r5"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A file: in which releases its resource fits the models, and in which folders it lies."""

    fits: tuple[bool, bool]  # the models of R4B, the models of R5
    releases: tuple[Release, ...] = (Release.R4, Release.R5)


BOTH = Row(fits=(True, True))
# Of these each edition has its own shape, and the models of the other release refuse it.
OWN_R4 = Row(fits=(True, False), releases=(Release.R4,))
OWN_R5 = Row(fits=(False, True), releases=(Release.R5,))
ONLY_R4 = Row(fits=(True, True), releases=(Release.R4,))

_SHAPED_BY_RELEASE = (
    "Composition-CompositionSemiStructured",
    "Composition-CompositionStructured",
    "DiagnosticReport-DiagnosticReportMinimalMetadata",
    "DiagnosticReport-DiagnosticReportSemiStructured",
    "DiagnosticReport-DiagnosticReportStructured",
    "DocumentReference-DocumentReferenceSemiStructured",
    "DocumentReference-DocumentReferenceStructuredReport",
    "DocumentReference-RenderableFormatWithBasicMetadata",
    "ImagingStudy-ImagingStudySemiStructuredReport1",
    "ImagingStudy-ImagingStudySemiStructuredReport2",
    "ImagingStudy-ImagingStudyStructuredReport",
    "ServiceRequest-ComeBackNextYearServiceRequest",
)
# The R4 key images lack what R5 says natively, the modality: as resources they fit both.
_KEY_IMAGES = (
    "DocumentReference-StructuredKeyImageRest",
    "DocumentReference-StructuredKeyImageStress",
)
_PLAIN = (
    "CapabilityStatement-EeehrxfImagingReportResourceAccessProvider",
    "CapabilityStatement-EeehrxfImagingReportResourceConsumer",
    "CapabilityStatement-EehrxfImagingDocumentAccessProvider",
    "CapabilityStatement-EehrxfImagingReportDocumentConsumer",
    "DocumentReference-WMSIImage",
    "Observation-BPObservation",
    "Observation-HRObservation",
    "Observation-HeightObservation",
    "Observation-WeightObservation",
    "Observation-ObservationAnchor",
    "Observation-ObservationRadiationDoseCtExample",
    "Observation-ObservationRadiationDoseFluoroExample",
    "Observation-ObservationRadiationDoseXrayExample",
    "OperationDefinition-DiagnosticReport-fhir-report",
)
# Wall motion: segments 1 to 17 of the left ventricle, at rest and under stress.
_SEGMENTS = tuple(
    f"Observation-{phase}Wmsi{number:02}" for phase in ("Rest", "Stress") for number in range(1, 18)
)

ROWS: tuple[tuple[str, Row], ...] = (
    *((name, OWN_R4) for name in _SHAPED_BY_RELEASE),
    *((name, OWN_R5) for name in _SHAPED_BY_RELEASE),
    *((name, ONLY_R4) for name in _KEY_IMAGES),
    *((name, OWN_R5) for name in _KEY_IMAGES),
    *((name, BOTH) for name in (*_PLAIN, *_SEGMENTS)),
    # What R5 searches by itself.
    ("SearchParameter-SearchParameterDocumentReferenceBodySite", ONLY_R4),
    ("SearchParameter-SearchParameterDocumentReferenceModality", ONLY_R4),
)
FILES = [(release, name, row) for name, row in ROWS for release in row.releases]
NAMES = {
    release: {name: row for where, name, row in FILES if where is release} for release in Release
}


def sample(release: Release, name: str) -> Any:
    """A file as JSON."""
    path = shared(f"samples/fhir/{FOLDERS[release]}") / f"{name}.json"
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("release", Release)
def test_every_file_has_its_row(release: Release) -> None:
    """And every row its file: 64 of R4, 62 of R5."""
    folder = shared(f"samples/fhir/{FOLDERS[release]}")

    files = sorted(path.stem for path in folder.glob("*.json"))

    assert files == sorted(name for where, name, _ in FILES if where is release)
    assert len(files) == {Release.R4: 64, Release.R5: 62}[release]


@pytest.mark.parametrize("release", Release)
def test_a_resource_alone_is_no_document(release: Release) -> None:
    """It is refused, and the refusal names what it is."""
    wrong = [
        (name, said)
        for name in NAMES[release]
        if (said := _refused(sample(release, name))) != (name.partition("-")[0], "Bundle")
    ]

    assert wrong == []


def _refused(resource: Any) -> tuple[str, str] | None:
    try:
        read_report(resource)
    except DecodeError as error:
        return error.found, error.expected
    return None


@pytest.mark.parametrize("release", Release)
def test_a_resource_fits_the_models_it_was_made_for(release: Release) -> None:
    """And those of the other release where its row says so."""
    fits = {}
    for name in NAMES[release]:
        resource = sample(release, name)
        fits[name] = _fits_r4(resource), _fits_r5(resource)

    assert fits == {name: row.fits for name, row in NAMES[release].items()}


def _fits_r4(resource: Any) -> bool:
    try:
        validated(resource)
    except DecodeError:
        return False
    return True


def _fits_r5(resource: Any) -> bool:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", [*_SHAPED_BY_RELEASE, *_KEY_IMAGES])
def test_what_r5_says_otherwise_becomes_what_r4_says(name: str) -> None:
    """Brought to the shape of R4, every example of R5 fits the models of R4."""
    bundle = {"resourceType": "Bundle", "entry": [{"resource": sample(Release.R5, name)}]}

    lowered = to_r4(bundle)["entry"][0]["resource"]

    assert _fits_r4(lowered)


# --- documents put together from the files --------------------------------------------------------

_FINDINGS, _IMPRESSION = "59776-5", "19005-8"
_STRUCTURED = (
    "Composition-CompositionStructured",
    "DiagnosticReport-DiagnosticReportStructured",
    "ImagingStudy-ImagingStudyStructuredReport",
    "ServiceRequest-ComeBackNextYearServiceRequest",
    "DocumentReference-WMSIImage",
    "Observation-WeightObservation",
    "Observation-HeightObservation",
    "Observation-BPObservation",
    "Observation-HRObservation",
    *_SEGMENTS,
)
_SEMI_STRUCTURED = (
    "Composition-CompositionSemiStructured",
    "DiagnosticReport-DiagnosticReportSemiStructured",
    "ImagingStudy-ImagingStudySemiStructuredReport1",
    "ImagingStudy-ImagingStudySemiStructuredReport2",
    "Observation-ObservationAnchor",
)


def assembled(release: Release, names: tuple[str, ...]) -> Any:
    """A document of the files, each under an absolute URL of its type and id."""
    resources = [sample(release, name) for name in names]
    return {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {"fullUrl": f"http://example.org/{one['resourceType']}/{one['id']}", "resource": one}
            for one in resources
        ],
    }


def _values(kind: ReferenceKind) -> Reading:
    return lambda report: [one.value for one in report.references if one.kind == kind]


def _headings(report: ImagingReport) -> list[str]:
    return [section.code.value for section in report.sections]


_US_STUDY = "1.3.46.670589.58.10.10562925256214266678.11674839624289915183"
# What both editions say of each document; read from the files by eye.
SAID: dict[tuple[str, ...], tuple[tuple[Reading, Any], ...]] = {
    _STRUCTURED: (
        (
            lambda r: r.id,
            "http://example.org/myhosptital/reportidentifiers|dfkjewoieoijwoskdjf",
        ),
        (lambda r: r.title, "Transthoracic echocardiogram"),
        (lambda r: r.status, ReportStatus.FINAL),
        (lambda r: r.language, "en-GB"),
        (lambda r: f"{r.created:%Y-%m-%dT%H:%M:%SZ}", "2025-09-05T02:22:00Z"),
        (lambda r: r.kind.codes[0].value, "93351"),
        (lambda r: r.kind.codes[0].display, "STRESS TTE COMPLETE"),
        (lambda r: (r.patient_ids, r.patient_name.full, r.author), ((), "", None)),
        (_values(ReferenceKind.STUDY), [_US_STUDY]),
        (_values(ReferenceKind.ACCESSION), ["87654321"]),
        (lambda r: [one.value for s in r.studies for one in s.modalities], ["US"]),
        (lambda r: [one.value for s in r.studies for one in s.regions], ["67734004"]),
        (lambda r: [s.started.dtm for s in r.studies], ["20250429"]),
        # Order, history, findings, impression: the others are empty or have but entries.
        (_headings, ["55115-0", "11329-0", _FINDINGS, _IMPRESSION]),
        (lambda r: r.text_of(Code(_FINDINGS, LOINC)).count("\n**"), 7),
        (lambda r: "Mitral valve prolapse cannot be" in r.sections[2].text, True),
        (lambda r: r.sections[3].text.startswith("This was a normal stress"), True),
        (lambda r: len(r.observations), 34),
        (lambda r: {one.what.codes[0].value for one in r.observations}, {"39886-7", "39888-3"}),
        (lambda r: len({one.site.codes[0].value for one in r.observations}), 17),
        (lambda r: [s.observed.start.dtm for s in r.observations], ["20230601"] * 34),
        (lambda r: r.key_images, (KeyImage(content_type="image/png"),)),
        (
            lambda r: [p.what.words for p in _actions(r)],
            ["Cardiac echo study Procedure stress method"],
        ),
        (lambda r: [p.when.start.dtm for p in _actions(r)], ["20040601"]),
        (lambda r: [s.location.codes[0].value for s in _sites(r)], ["67734004", "80891009"]),
        (lambda r: [p.performed.start.dtm for p in r.procedures], ["20030601"]),
        (lambda r: (r.conclusions, r.medications, r.reactions, r.orders), ((), (), (), ())),
    ),
    _SEMI_STRUCTURED: (
        (lambda r: r.id, "http://example.org/myhosptital/reportidentifiers|o32u4js8492ff"),
        (lambda r: r.title, "Radiology Report for the left/right foot study"),
        (lambda r: r.status, ReportStatus.FINAL),
        (lambda r: r.language, "de-DE"),
        (lambda r: f"{r.created:%Y-%m-%d}", "2025-05-08"),
        (lambda r: r.kind.codes, (Code("24802-1", LOINC),)),
        (
            _values(ReferenceKind.STUDY),
            ["1.2.276.2000010.784732", "1.2.276.2000010.784733"],
        ),
        (_values(ReferenceKind.ACCESSION), ["123456789"]),
        (lambda r: [one for s in r.studies for one in s.modalities], [Code("MR", DCM)] * 2),
        (lambda r: [one for s in r.studies for one in s.regions], [Code("61685007", SCT)] * 2),
        # The table of studies is text too; five sections say why they are empty.
        (_headings, ["18726-0", _FINDINGS, _IMPRESSION]),
        (lambda r: r.sections[1].text.startswith("Note: Linker Fuß:\nAllenfalls geringe"), True),
        (lambda r: r.sections[1].text.count("Note:"), 2),
        (
            lambda r: r.sections[2].text,
            "Note: Beginnende Großzehengrundgelenksarthrose, links mehr als rechts. "
            "Z.n. Umstellungsosteotomie des MFK1 links.",
        ),
        (
            lambda r: [(s.location.codes[0].value, s.laterality.codes[0].value) for s in _sites(r)],
            [("239919000", "7771000"), ("239830003", "7771000"), ("239830003", "24028007")],
        ),
        (lambda r: (r.care_plans, r.key_images, r.comparisons), ((), (), ())),
        (lambda r: (r.presented, r.other_forms), (b"", ())),
    ),
}
# What one edition says beyond the other.
ONLY: dict[tuple[Release, tuple[str, ...]], tuple[tuple[Reading, Any], ...]] = {
    (Release.R4, _STRUCTURED): ((lambda r: r.version, 1),),
    (Release.R5, _STRUCTURED): ((lambda r: r.version, 1),),
    (Release.R4, _SEMI_STRUCTURED): (
        # The section does not list the anchor, and no result does.
        (lambda r: r.observations, ()),
    ),
    (Release.R5, _SEMI_STRUCTURED): (
        (lambda r: [one.value for one in r.observations], [Concept(text=".")]),
        (lambda r: r.version, 1),
    ),
}


def _actions(report: ImagingReport) -> list[Any]:
    plans: tuple[CarePlan, ...] = report.care_plans
    return [action for plan in plans for action in plan.actions]


def _sites(report: ImagingReport) -> list[Any]:
    return [site for procedure in report.procedures for site in procedure.sites]


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("names", SAID, ids=["structured", "semi-structured"])
def test_a_document_of_the_files_says_what_they_say(
    names: tuple[str, ...], release: Release
) -> None:
    """Whatever of it is in the files, in both editions alike."""
    bundle = assembled(release, names)

    report = read_report(bundle)

    assert release_of(bundle) is release
    rows = (*SAID[names], *ONLY[release, names])
    assert [read(report) for read, _ in rows] == [value for _, value in rows]


# Segments whose wall moves otherwise than normally, by phase: the rest has LA24346-1.
_MOTION = {
    ("39886-7", "18121-4"): "LA9283-8",
    ("39886-7", "78193-0"): "LA9283-8",
    ("39888-3", "18121-4"): "LA9283-8",
    ("39888-3", "78193-0"): "LA9282-0",
}


@pytest.mark.parametrize("release", Release)
def test_every_segment_is_read_with_its_own_motion(release: Release) -> None:
    """34 observations, four of which differ from normal."""
    report = read_report(assembled(release, _STRUCTURED))

    seen = {}
    for one in report.observations:
        assert isinstance(one.value, Concept)
        assert one.site is not None
        seen[one.what.codes[0].value, one.site.codes[0].value] = one.value.codes[0].value

    assert len(seen) == 34
    assert {key: value for key, value in seen.items() if value != "LA24346-1"} == _MOTION


@pytest.mark.parametrize("release", Release)
def test_a_renderable_report_has_no_composition_and_is_refused(release: Release) -> None:
    """Its bundle is a collection; put together as a document it begins with something else."""
    bundle = assembled(release, ("DiagnosticReport-DiagnosticReportMinimalMetadata",))

    with pytest.raises(DecodeError, match="expected a Composition"):
        read_report(bundle)
    with pytest.raises(DecodeError, match="expected document"):
        read_report(bundle | {"type": "collection"})


def test_the_schemes_of_the_files_are_known() -> None:
    """SNOMED CT, LOINC and DICOM's own are told by their URLs."""
    report = read_report(assembled(Release.R4, _STRUCTURED))

    schemes = {
        same_scheme(code.scheme) for s in report.studies for code in (*s.modalities, *s.regions)
    }

    assert schemes == {DCM, SCT}
    assert all(
        isinstance(one.observed.start, Timestamp) for one in report.observations if one.observed
    )
