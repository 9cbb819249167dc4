"""Why a row of the registry is in the answer to a query or out of it, told to people.

For who asks Country A at a connectathon and misses a row. The filters are those of Article 10, in
words that a command line takes; they mean what `gateway.domain.selection` says they mean. What
keeps a whole list from being given, not knowing the patient and consent, is told beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from country_a.national.ports import ConsentRule, NationalSystems
from gateway.domain import (
    Article10,
    Code,
    CommunityId,
    DocumentClass,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryId,
    EntryStatus,
    InvalidIdentifier,
    PatientId,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Uid,
)
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS, DCM, SCT
from gateway.domain.explanation import Judgement, explain

# As they are coded here; what peers call them is put in their place at the edge.
_CLASSES: Mapping[DocumentClass, tuple[Code, ...]] = {
    DocumentClass.REPORT: (CLASS_REPORTS,),
    DocumentClass.MANIFEST: (CLASS_IMAGES,),
}
_STATUSES: Mapping[str, tuple[EntryStatus, ...]] = {
    "approved": (EntryStatus.APPROVED,),
    "deprecated": (EntryStatus.DEPRECATED,),
    "any": (),
}
_CONSENTS = {
    ConsentRule.DENY: "The patient denies consent: no list of theirs is given.",
    ConsentRule.DENY_EXCEPT_EMERGENCY: (
        "The patient denies consent but for emergencies: a list is given under EMERGENCY alone."
    ),
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which row, and the query it is held against. `patient` None is whose row it is."""

    row: str
    filters: Article10
    patient: PatientId | None = None
    statuses: tuple[EntryStatus, ...] = (EntryStatus.APPROVED,)


# --- what is typed --------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The row and the filters as options."""
    parser.add_argument(
        "--row", required=True, type=_typed(_row_id), help="entry id or unique id of the document"
    )
    parser.add_argument(
        "--patient", type=_typed(PatientId.parse_cx), help="VALUE^^^&OID&ISO; the row's own if not"
    )
    parser.add_argument("--status", choices=sorted(_STATUSES), default="approved")
    parser.add_argument(
        "--document-class", type=DocumentClass, choices=list(_CLASSES), help="report or manifest"
    )
    for name, scheme in (("modality", DCM), ("region", SCT), ("procedure", "")):
        about = f"VALUE or VALUE^^SCHEME; without one {scheme or 'any scheme'}"
        parser.add_argument(f"--{name}", type=_typed(_code_of(scheme)), help=about)
    for name, parse in (("performed-from", _moment), ("performed-to", _end)):
        parser.add_argument(f"--{name}", type=_typed(parse), help="a date, or a time (ISO 8601)")
    parser.add_argument("--study", type=_typed(Uid.parse), help="study instance UID")
    for name, kind in (("accession", ReferenceKind.ACCESSION), ("order", ReferenceKind.ORDER)):
        about = "VALUE or VALUE^^^AUTHORITY; without one any authority"
        parser.add_argument(f"--{name}", type=_typed(_reference_of(kind)), help=about)


def read_question(options: argparse.Namespace) -> Question:
    """The question that was typed."""
    return Question(
        row=options.row,
        filters=Article10(
            document_class=options.document_class,
            modality=options.modality,
            region=options.region,
            procedure=options.procedure,
            performed=TimeRange(start=options.performed_from, end=options.performed_to),
            study=options.study,
            accession=options.accession,
            order=options.order,
        ),
        patient=options.patient,
        statuses=_STATUSES[options.status],
    )


def _typed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A reader of an argument whose error says what was expected."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except InvalidIdentifier as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except (ValueError, OverflowError):
            raise argparse.ArgumentTypeError(f"found {text[:80]!r}, see --help") from None

    return read


def _row_id(text: str) -> str:
    EntryId(f"urn:uuid:{text}")
    return text


def _code_of(scheme: str) -> Callable[[str], Code]:
    def read(text: str) -> Code:
        value, _, named = text.partition("^^")
        if not value:
            raise ValueError("a code without a value")
        return Code(value, named or scheme)

    return read


def _reference_of(kind: ReferenceKind) -> Callable[[str], ReferenceId]:
    def read(text: str) -> ReferenceId:
        value, separator, authority = text.partition("^^^")
        if not separator:
            return ReferenceId(value, kind, "%")
        return ReferenceId.parse_cxi(f"{value}^^^{authority}^{kind}")

    return read


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _end(text: str) -> datetime:
    """The last day counts whole; the last moment does not count."""
    return _moment(text) + timedelta(days=len(text) == len("2026-11-22"))


# --- what is answered -----------------------------------------------------------------------------


async def explained(systems: NationalSystems, community: CommunityId, asked: Question) -> str:
    """Whether the row is in, and what every filter makes of it; "" where there is no such row."""
    entry = await _row(systems, community, asked.row)
    if entry is None:
        return ""
    query = _query(asked, entry, community)
    judgements = explain(query, entry)
    lines = [f"Row {entry.id}, document {entry.ref.document}: {entry.title}", _verdict(judgements)]
    lines += [_line(each) for each in judgements]
    if await systems.patients.get(query.patient) is None:
        lines.append("The patient is not in the index: a list of theirs is refused.")
    consent = _CONSENTS.get(await systems.consent.rule(query.patient))
    return "\n".join([*lines, *([consent] if consent else [])]) + "\n"


def _query(asked: Question, entry: DocumentEntry, community: CommunityId) -> DocumentQuery:
    query = asked.filters.query(asked.patient or entry.patient, community, dict(_CLASSES))
    return replace(query, statuses=asked.statuses)


async def _row(systems: NationalSystems, community: CommunityId, name: str) -> DocumentEntry | None:
    """The entry of an id of either kind; a bare UUID, as FHIR has it, is an entry's."""
    for lookup in (
        DocumentLookup(community=community, entry_ids=(EntryId(name), EntryId(f"urn:uuid:{name}"))),
        DocumentLookup(community=community, document_ids=(DocumentId(name),)),
    ):
        found = (await systems.registry.look_up(lookup)).entries
        if found:
            return found[0]
    return None


def _verdict(judgements: tuple[Judgement, ...]) -> str:
    failed = [each.filter for each in judgements if not each.passes]
    if not failed:
        return "IN: every filter lets it through."
    first, *rest = failed
    also = f"; so would {', '.join(rest)}" if rest else ""
    return f"OUT: {first} keeps it out{also}."


def _line(judgement: Judgement) -> str:
    sign = "lets it through" if judgement.passes else "KEEPS IT OUT"
    return (
        f"  {judgement.filter:<17} {sign:<16} "
        f"asked for: {judgement.asked}; the row has: {judgement.held}"
    )
