"""What a clinical document cannot hold of a report is told, and nothing else goes missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import (
    Attestation,
    Code,
    HumanName,
    ImagingReport,
    Participant,
    ParticipantKind,
    ReportStatus,
)
from gateway.domain.codes import CONFIDENTIALITY
from gateway.domain.report_losses import held_by_cda, losses
from gateway.wire.cda.report import decode_report, encode_report
from tests.wire.fhir.report_nouns import full, least

DEVICE = Participant(kind=ParticipantKind.DEVICE, name=HumanName(family="Reader"), id="1")
PERSON = Participant(kind=ParticipantKind.PERSON, name=HumanName(family="Wife"), id="2")


def test_the_report_of_everything_loses_what_the_table_names() -> None:
    """Six of its elements have no place; what comes back is what the table leaves."""
    report = full()

    found = {loss.element for loss in losses(report)}

    assert found == {
        "recipients.speciality",
        "references",
        "specimens.source",
        "medications.ingredients",
        "key_images.format",
    }
    assert all(loss.why for loss in losses(report))
    assert decode_report(encode_report(report, structured=True)) == held_by_cda(report)


def changed(**changes: object) -> ImagingReport:
    """A report that loses nothing, with something that is lost."""
    return replace(held_by_cda(full()), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("element", "changes"),
    [
        ("recipients.kind", {"recipients": (PERSON,)}),
        ("legal_authenticators.by.kind", {"validators": (Attestation(by=DEVICE),)}),
        ("authors.kind", {"other_authors": (PERSON,)}),
        ("legal_authenticators", {"legal_authenticators": full().legal_authenticators * 2}),
        ("status", {"status": ReportStatus.CORRECTED}),
        ("status", {"status": ReportStatus.PRELIMINARY, "legal_authenticators": ()}),
        ("confidentiality", {"confidentiality": Code("N", CONFIDENTIALITY)}),
    ],
)
def test_each_rule_is_needed(element: str, changes: dict[str, object]) -> None:
    """A report with such a thing loses it, and it alone."""
    report = changed(**changes)

    read = decode_report(encode_report(report, structured=True))

    assert [loss.element for loss in losses(report)] == [element]
    assert read != report
    assert read == held_by_cda(report)


def test_who_performed_is_a_person() -> None:
    """A device that performed reads as somebody of the profession."""
    procedure = replace(full().procedures[0], performers=(DEVICE,))
    report = changed(procedures=(procedure,))

    assert [loss.element for loss in losses(report)] == ["performers.kind"]
    assert decode_report(encode_report(report, structured=True)) == held_by_cda(report)


def test_what_a_document_holds_is_no_loss() -> None:
    """Nothing is told of a report whose elements all have a place."""
    assert losses(held_by_cda(full())) == ()
    assert losses(least()) == ()
