"""Made-up reports say what they are about, and their PDF says the same."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pypdf

from country_a.oids import NationalOids
from country_a.seed.people import cast
from country_a.seed.reports import (
    MADE_UP,
    make_report,
    study_references,
    subject_of,
    subject_of_folder,
)
from country_a.seed.studies import Kind
from gateway.domain import CommunityId, ReferenceId, ReferenceKind, ReportStatus, Uid

OIDS = NationalOids.under(CommunityId("2.999.1.1"))
PATIENT = cast(OIDS)[1].identity


def test_noun_and_pdf_tell_the_same() -> None:
    """Patient, accession, order, author and sections stand on the paper."""
    accession = ReferenceId("A77", ReferenceKind.ACCESSION, str(OIDS.accessions))
    order = ReferenceId("Z88", ReferenceKind.ORDER, str(OIDS.orders))

    report = make_report(
        document=OIDS.uid(7, 1),
        subjects=[subject_of(Kind.CT), subject_of(Kind.MG)],
        patient=PATIENT,
        references=study_references(Uid("2.999.5"), (accession, order)),
        created=datetime(2024, 1, 2, 3, 4, tzinfo=UTC),
        oids=OIDS,
        status=ReportStatus.CORRECTED,
        version=2,
    )

    text = "\n".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(report.presented)).pages)
    assert report.author is not None
    for words in (
        PATIENT.names[0].full,
        PATIENT.id.value,
        "A77",
        "Z88",
        report.author.full,
        "SKORYGOWANY",
        "BI-RADS 1",
        MADE_UP,
    ):
        assert words in text
    assert [reference.kind for reference in report.references] == [
        ReferenceKind.STUDY,
        ReferenceKind.ACCESSION,
        ReferenceKind.ORDER,
    ]
    assert len(report.sections) == 2


def test_every_kind_of_study_can_be_reported() -> None:
    """There is text for each kind, and for a study nobody has read."""
    subjects = [subject_of(kind) for kind in Kind] + [subject_of_folder("X")]

    assert all(one.findings and one.impression and one.title for one in subjects)
