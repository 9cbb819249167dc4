"""What of a report a structured clinical document (CDA) cannot hold: told before it is made.

A table of elements, each with the reason and the report without it. What is not in the table
survives report → CDA → report; `held_by_cda` is what comes back. Words lose surplus white space.
Of a document that is but the envelope of a PDF only the header comes back, and the PDF.
Clause: HL7 CDA Release 2, R-MIM POCD_RM000040.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.codes import CONFIDENTIALITY, Code
from gateway.domain.ids import ReferenceKind
from gateway.domain.report_parts import Attestation, Participant, ParticipantKind
from gateway.domain.reports import ImagingReport, ReportStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLoss:
    """An element that does not survive, as a path of the noun's fields, and why."""

    element: str
    why: str


_Without = Callable[[ImagingReport], ImagingReport]


def losses(report: ImagingReport) -> tuple[ReportLoss, ...]:
    """Each element of a report that a structured CDA cannot hold as it is."""
    return tuple(
        ReportLoss(element=element, why=why)
        for element, why, without in _RULES
        if without(report) != report
    )


def held_by_cda(report: ImagingReport) -> ImagingReport:
    """The report as far as a structured CDA holds it."""
    for _, _, without in _RULES:
        report = without(report)
    return report


def _as_professional(by: Participant) -> Participant:
    return replace(by, kind=ParticipantKind.PROFESSIONAL)


def _recipients(change: Callable[[Participant], Participant]) -> _Without:
    return lambda r: replace(r, recipients=tuple(map(change, r.recipients)))


def _signers(r: ImagingReport) -> ImagingReport:
    def plain(said: Attestation) -> Attestation:
        return replace(said, by=_as_professional(said.by))

    return replace(
        r,
        legal_authenticators=tuple(map(plain, r.legal_authenticators)),
        validators=tuple(map(plain, r.validators)),
    )


def _performers(r: ImagingReport) -> ImagingReport:
    procedures = (
        replace(one, performers=tuple(map(_as_professional, one.performers)))
        for one in r.procedures
    )
    images = (
        replace(one, performer=_as_professional(one.performer) if one.performer else None)
        for one in r.key_images
    )
    return replace(r, procedures=tuple(procedures), key_images=tuple(images))


def _persons_who_wrote(r: ImagingReport) -> ImagingReport:
    def plain(by: Participant) -> Participant:
        return _as_professional(by) if by.kind is ParticipantKind.PERSON else by

    placed = (replace(one, placer=plain(one.placer) if one.placer else None) for one in r.orders)
    return replace(r, orders=tuple(placed), other_authors=tuple(map(plain, r.other_authors)))


def _status(r: ImagingReport) -> ImagingReport:
    signed = r.status.is_exchanged or bool(r.validators)
    later = ReportStatus.AMENDED if r.replaces is not None else ReportStatus.FINAL
    return replace(r, status=later if signed else ReportStatus.PRELIMINARY)


def _references(r: ImagingReport) -> ImagingReport:
    orders = [one for one in r.references if one.kind != ReferenceKind.STUDY]
    studies = [one for one in r.references if one.kind == ReferenceKind.STUDY]
    bare = (replace(one, home="") for one in (*orders, *studies))
    return replace(r, references=tuple(dict.fromkeys(bare)))


def _confidentiality(r: ImagingReport) -> ImagingReport:
    is_plain = r.confidentiality == Code("N", CONFIDENTIALITY) and not r.confidentiality.display
    return replace(r, confidentiality=None) if is_plain else r


def _key_image_format(r: ImagingReport) -> ImagingReport:
    plain = (
        replace(one, width=None, height=None, frames=None, duration=None, kind=None)
        for one in r.key_images
    )
    return replace(r, key_images=tuple(plain))


_NO_PLACE = "CDA Release 2 has no place for it"

_RULES: Final[tuple[tuple[str, str, _Without], ...]] = (
    (
        "recipients.speciality",
        "a recipient has no code",
        _recipients(lambda by: replace(by, speciality=None)),
    ),
    ("recipients.kind", "a recipient is a person in a role", _recipients(_as_professional)),
    ("legal_authenticators.by.kind", "only an author may be a device", _signers),
    ("performers.kind", "only an author may be a device", _performers),
    ("authors.kind", "an author is a professional or a device", _persons_who_wrote),
    (
        "legal_authenticators",
        "one legal authenticator answers for a document, and only for one that is final",
        lambda r: replace(
            r,
            legal_authenticators=r.legal_authenticators[:1] if r.status.is_exchanged else (),
        ),
    ),
    ("status", "a document is signed or not, and replaces another or does not", _status),
    ("references", "studies stand apart from orders, and none has a home community", _references),
    ("confidentiality", "it must be said, and normal is said of reports alike", _confidentiality),
    (
        "specimens.source",
        _NO_PLACE,
        lambda r: replace(r, specimens=tuple(replace(one, source=None) for one in r.specimens)),
    ),
    (
        "medications.ingredients",
        "CDA Release 2 names a material by code and name",
        lambda r: replace(
            r, medications=tuple(replace(one, ingredients=()) for one in r.medications)
        ),
    ),
    ("key_images.format", _NO_PLACE, _key_image_format),
)
