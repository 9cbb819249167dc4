"""A query of studies as the search parameters for ImagingStudy: what a peer is asked, and not.

Sound before narrow: a filter is sent only in a form that loses no study; the caller filters the
answer again by the whole query, because responders leave out parameters they do not know. Spelling
is in `search`. Clauses: NCPeH API 9.1, ImagingStudy; FHIR R4 imagingstudy.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.domain import (
    Code,
    InvalidIdentifier,
    ReferenceId,
    ReferenceKind,
    StudyQuery,
    TimeRange,
    Uid,
)
from gateway.domain.codes import true_scheme
from gateway.wire.fhir.concepts import OID_URN, system_of
from gateway.wire.fhir.identifiers import DICOM_UIDS, of_patient_id, of_reference
from gateway.wire.fhir.search import (
    MAX_VALUES,
    Parameter,
    Token,
    escape,
    write_query,
    write_token,
)
from gateway.wire.problems import EncodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSearch:
    """A search as a query string, which serves as the body of a POST too.

    `unasked` names the filters of the query, by their field, that the peer was not asked to apply
    or not wholly.
    """

    text: str
    unasked: tuple[str, ...] = ()


def write_parameters(query: StudyQuery, *, endpoints: bool = False) -> EncodedSearch:
    """The search that asks a peer for this, and where wanted for the endpoints of the studies.

    Raises `EncodeError` without a patient and without a study, and for more alternatives of one
    filter than a search may have.
    """
    if query.patient is None and not query.studies:
        raise EncodeError("a search for studies needs a patient, or the UID of a study")
    found: list[Parameter] = []
    unasked: list[str] = []
    if query.patient is not None:
        identifier = of_patient_id(query.patient)
        token = write_token(Token(identifier.system, identifier.value))
        found.append(Parameter("patient.identifier", "", (token,)))
    _put(found, "identifier", [write_token(_study(uid)) for uid in query.studies])
    if all(map(_is_exact, query.accessions)):
        _put(found, "identifier", [write_token(_accession(one)) for one in query.accessions])
    else:
        unasked.append("accessions")
    for name, field in (("modality", "modalities"), ("bodysite", "regions")):
        codes = getattr(query, field)
        if all(code.value.strip() for code in codes):
            _put(found, name, _codes(codes))
        else:
            unasked.append(field)
    _put(found, "dicom-class", [escape(f"{OID_URN}{uid}") for uid in query.sop_classes])
    found += _times(query.performed)
    if query.limit is not None:
        found.append(Parameter("_count", "", (str(query.limit),)))
    if endpoints:
        found.append(Parameter("_include", "", ("ImagingStudy:endpoint",)))
    return EncodedSearch(text=write_query(found), unasked=tuple(unasked))


def _put(found: list[Parameter], name: str, values: list[str]) -> None:
    if len(values) > MAX_VALUES:
        raise EncodeError(f"{len(values)} values of {name}, over {MAX_VALUES}")
    if values:
        found.append(Parameter(name, "", tuple(values)))


def _codes(codes: Iterable[Code]) -> list[str]:
    # A code without scheme is one of any scheme, and so is a token without system.
    return [
        write_token(Token(system_of(true_scheme(code)) if code.scheme else None, code.value))
        for code in codes
    ]


def _study(uid: Uid) -> Token:
    return Token(DICOM_UIDS, f"{OID_URN}{uid}")


def _accession(reference: ReferenceId) -> Token:
    return Token(of_reference(reference).system or None, reference.value)


def _is_exact(reference: ReferenceId) -> bool:
    """Whether a number says on the wire what it says here.

    One of any authority goes without a system, and must not look like a UID then; no number may
    have the white space and the quotation marks that are taken off.
    """
    value = reference.value
    plain = value == value.strip() and not (value[0] == value[-1] == '"')
    if reference.authority:
        return plain and reference.kind == ReferenceKind.ACCESSION
    if value[: len(OID_URN)].lower() == OID_URN or reference.kind != ReferenceKind.ACCESSION:
        return False
    try:
        Uid(value)
    except InvalidIdentifier:
        return plain
    return "." not in value


def _times(limits: TimeRange) -> list[Parameter]:
    """The range with prefixes that the NCPeH API shows, `ge` and `le`, to the microsecond."""
    found = []
    if limits.start is not None:
        found.append(Parameter("started", "", (f"ge{_instant(limits.start)}",)))
    if limits.end is not None:
        # The last moment that is in, at a precision that ends where the range does.
        fine = bool(limits.end.microsecond)
        unit = timedelta(microseconds=1) if fine else timedelta(seconds=1)
        try:
            last = f"le{_instant(limits.end - unit, fine=fine)}"
        except OverflowError:
            last = f"lt{_instant(limits.end)}"
        found.append(Parameter("started", "", (last,)))
    return found


def _instant(moment: datetime, *, fine: bool = False) -> str:
    at = moment.astimezone(UTC)
    fraction = f".{at.microsecond:06}" if fine or at.microsecond else ""
    return at.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + f"{fraction}Z"
