"""The made-up report of everything: it covers the data set, and fits the study it is about."""

from __future__ import annotations

from dataclasses import replace

from country_a.seed.full_report import full_report
from gateway.coverage import of_report
from gateway.domain import (
    REPORT_ELEMENTS,
    Carried,
    ImagingReport,
    ImagingRequest,
    ReferenceKind,
    Uid,
)
from gateway.wire.cda.report import decode_report as decode_cda
from gateway.wire.cda.report import encode_report as encode_cda
from tests.builders import NOON, make_manifest
from tests.wire.fhir.report_nouns import OIDS, PERSON, full

# Elements that are words and never more.
SAID = ("A.1.8.4", "A.3.3", "A.5.1.3", "A.5.1.5", "A.5.3.1", "A.5.4.2", "A.5.4.3.2", "A.5.5.1")
SAID += ("A.5.6.1", "A.6.9")


def test_it_says_something_for_every_element() -> None:
    """Coded, but for what is words by nature."""
    report = full()

    carried = {element.id: element.carried(report) for element in REPORT_ELEMENTS}

    assert len(carried) == len(REPORT_ELEMENTS)
    assert carried == {id: Carried.TEXT if id in SAID else Carried.CODED for id in carried}


def test_it_is_linked_to_the_study_of_its_manifest() -> None:
    """By UID, accession number and order, and by the images it points to."""
    manifest = make_manifest()
    report = full()

    numbers = {
        kind: [r.value for r in report.references if r.kind == kind] for kind in ReferenceKind
    }

    assert numbers[ReferenceKind.STUDY] == [manifest.study]
    assert numbers[ReferenceKind.ACCESSION] == [one.accession for one in manifest.requests]
    assert numbers[ReferenceKind.ORDER] == [one.placer_order for one in manifest.requests]
    listed = {ref.instance for ref in manifest.instances()}
    assert {image.instance for image in report.key_images} <= listed
    assert not {image.instance for image in report.key_images} & {
        note.instance for note in manifest.notes()
    }


def test_every_request_of_a_study_is_an_order() -> None:
    """As many as there are pairs of accession number and order."""
    pairs = (("A1", "O1"), ("A1", "O2"), ("A2", ""))
    requests = tuple(
        ImagingRequest(accession=accession, placer_order=order) for accession, order in pairs
    )

    report = _made(requests=requests)

    assert [[r.value for r in one.references] for one in report.orders] == [
        ["A1", "O1"],
        ["A1", "O2"],
        ["A2"],
    ]
    assert [r.value for r in report.references][1:] == ["A1", "O1", "O2", "A2"]


def _made(**changes: object) -> ImagingReport:
    return full_report(
        document=Uid("2.999.77"),
        manifest=make_manifest(**changes),
        patient=PERSON,
        oids=OIDS,
        created=NOON,
    )


def test_it_is_the_same_whenever_it_is_made() -> None:
    """The seed gives the same bytes, the PDF and the picture included."""
    assert _made() == full()
    assert full().presented.startswith(b"%PDF")
    assert full().key_images[0].content.startswith(b"\x89PNG")


def test_a_study_without_a_start_is_reported_too() -> None:
    """Times are then counted from the report's own."""
    report = _made(study_date=None, study_time=None)

    assert report.studies[0].started is None
    assert report.procedures[0].performed is not None


def test_the_forms_of_before_carry_it_as_far_as_they_can() -> None:
    """A CDA of it is read back, and its coverage says what is lost."""
    report = full()

    read = decode_cda(encode_cda(replace(report, authored=None), structured=True))

    assert read.patient_name == report.patient_name
    assert [one.text for one in read.sections if one.text] == [one.text for one in report.sections]
    lost = of_report(read, "").count(Carried.ABSENT)
    assert lost < len(REPORT_ELEMENTS)
