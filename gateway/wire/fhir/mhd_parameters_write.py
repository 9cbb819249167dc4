"""A document query as the search parameters of a dialect: what a peer is asked, and what it is not.

Sound before narrow: a filter is sent only in a form that loses no row; the caller filters the
answer again by the whole query, because responders leave out parameters they do not know.
Spelling is in `search`. Clauses: ITI TF-2 3.67.4.1 (MHD 4.2), IHE MADO, MyHealth@EU NCPeH API 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain import (
    Code,
    DocumentQuery,
    EntryStatus,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
)
from gateway.domain.codes import TYPE_REPORT, TYPE_STUDY, as_region, is_modality, true_scheme
from gateway.wire.fhir.concepts import system_of
from gateway.wire.fhir.document_reference_terms import MIME_OF_FORMAT
from gateway.wire.fhir.elements import write_datetime
from gateway.wire.fhir.identifiers import of_patient_id, of_reference
from gateway.wire.fhir.search import Parameter, Token, escape, write_query, write_token

# The type is required by NCPeH API; a query that names none is about imaging all the same.
NCP_TYPES = (TYPE_STUDY, TYPE_REPORT)
_STATUS = {EntryStatus.APPROVED: "current", EntryStatus.DEPRECATED: "superseded"}
_ANY = "%"
# The patterns that `mhd_parameters_read` makes of an author's names.
_AUTHOR = re.compile(r"%\^(?P<first>[^%_^]+)%|%\^%\^(?P<given>[^%_^]+)%")
_MHD_CODES = (
    ("category", "class_codes"),
    ("type", "type_codes"),
    ("format", "format_codes"),
    ("setting", "practice_settings"),
    ("facility", "facility_types"),
)


class SearchDialect(StrEnum):
    """The parameters a peer understands; the value is that of its setting."""

    MHD = "mhd"
    NCP = "ncp"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSearch:
    """A search as a query string, which serves as the body of a POST too.

    `unasked` names the filters of the query, by their field, that the peer was not asked to apply
    or not wholly. `assumed_types` are sent where the dialect needs a type and the query has none.
    """

    text: str
    unasked: tuple[str, ...] = ()
    assumed_types: tuple[Code, ...] = ()


def _code_tokens(codes: Iterable[Code]) -> tuple[str, ...]:
    # A code without scheme is one of any scheme, and so is a token without system.
    return tuple(
        write_token(Token(system_of(true_scheme(code)) if code.scheme else None, code.value))
        for code in codes
        if code.value
    )


def _reference_token(reference: ReferenceId) -> str:
    if reference.kind == ReferenceKind.STUDY:
        identifier = of_reference(reference)
        return write_token(Token(None, identifier.value))
    if reference.authority == _ANY:
        return write_token(Token(None, reference.value))
    return write_token(Token(of_reference(reference).system, reference.value))


def _reference_name(group: Sequence[ReferenceId]) -> str:
    kinds = {str(reference.kind) for reference in group}
    if kinds == {ReferenceKind.STUDY.value}:
        return "study-instance-uid"
    return "accession-number" if kinds == {ReferenceKind.ACCESSION.value} else "related:identifier"


def _is_exact(reference: ReferenceId) -> bool:
    # FHIR has no patterns. A _ is sent as it stands: in an identifier it is one.
    authority = reference.authority
    return _ANY not in reference.value and (_ANY not in authority or authority == _ANY)


def _event_name(group: Sequence[Code]) -> str:
    if all(is_modality(code) for code in group):
        return "modality"
    return "anatomical-region" if all(as_region(code) for code in group) else "event"


def _times(name: str, limits: TimeRange) -> list[Parameter]:
    found = []
    if limits.start is not None:
        found.append(Parameter(name, "", (f"ge{_seconds(limits.start)}",)))
    if limits.end is not None:
        whole = limits.end.replace(microsecond=0)
        # A whole second below the end would cut off what lies between.
        end = whole if whole == limits.end else whole + timedelta(seconds=1)
        found.append(Parameter(name, "", (f"lt{_seconds(end)}",)))
    return found


def _seconds(moment: datetime) -> str:
    return write_datetime(Timestamp(moment))


class _Asking:
    """Parameters as they are put together."""

    def __init__(self, query: DocumentQuery) -> None:
        self.query = query
        token = of_patient_id(query.patient)
        self.parameters: list[Parameter] = []
        self.unasked: list[str] = []
        self.put("patient.identifier", (write_token(Token(token.system, token.value)),))

    def put(self, name: str, values: tuple[str, ...]) -> None:
        bare, _, modifier = name.partition(":")
        self.parameters.append(Parameter(bare, modifier, values))

    def codes(self, name: str, field: str) -> None:
        codes = getattr(self.query, field)
        if codes and all(code.value for code in codes):
            self.put(name, _code_tokens(codes))
        elif codes:
            self.unasked.append(field)

    def always_unasked(self, *fields: str) -> None:
        """Filters that no parameter stands for, where the query limits by them."""
        plain = DocumentQuery(patient=self.query.patient)
        self.unasked += [
            field for field in fields if getattr(self.query, field) != getattr(plain, field)
        ]

    def encoded(self, assumed_types: tuple[Code, ...] = ()) -> EncodedSearch:
        return EncodedSearch(
            text=write_query(self.parameters),
            unasked=tuple(dict.fromkeys(self.unasked)),
            assumed_types=assumed_types,
        )


_NEVER_ASKED = ("kinds", "service_stop", "max_size_bytes", "created_after", "created_before")


def _mhd(query: DocumentQuery) -> EncodedSearch:
    asking = _Asking(query)
    statuses = query.statuses or tuple(EntryStatus)
    asking.put("status", tuple(dict.fromkeys(_STATUS[status] for status in statuses)))
    for name, field in _MHD_CODES:
        asking.codes(name, field)
    for group in query.event_codes:
        if group and all(code.value for code in group):
            asking.put(_event_name(group), _code_tokens(group))
        else:
            asking.unasked.append("event_codes")
    for group in query.confidentiality:
        if group and all(code.value for code in group):
            asking.put("security-label", _code_tokens(group))
        else:
            asking.unasked.append("confidentiality")
    for references in query.references:
        if references and all(map(_is_exact, references)):
            name = _reference_name(references)
            asking.put(name, tuple(_reference_token(each) for each in references))
        else:
            asking.unasked.append("references")
    _authors(asking)
    asking.parameters += _times("creation", query.created)
    asking.parameters += _times("period", query.service_start)
    asking.always_unasked(*_NEVER_ASKED)
    return asking.encoded()


def _authors(asking: _Asking) -> None:
    patterns = asking.query.author_patterns
    if not patterns:
        return
    matches = [_AUTHOR.fullmatch(pattern) for pattern in patterns]
    for name, group in (("author.family", "first"), ("author.given", "given")):
        found = [match[group] for match in matches if match and match[group]]
        if len(found) == len(patterns):
            asking.put(name, tuple(escape(text) for text in found))
            return
    asking.unasked.append("author_patterns")


def _ncp(query: DocumentQuery) -> EncodedSearch:
    asking = _Asking(query)
    assumed = () if query.type_codes else NCP_TYPES
    asking.put("type", _code_tokens(query.type_codes or assumed))
    asking.codes("category", "class_codes")
    mimes = [
        mime
        for code in query.format_codes
        for known, mime in MIME_OF_FORMAT
        if code.asks_for(known)
    ]
    if mimes and len(mimes) == len(query.format_codes):
        asking.put("contenttype", tuple(escape(mime) for mime in dict.fromkeys(mimes)))
    asking.parameters += _times("creation", query.created)
    asking.always_unasked(
        "statuses",
        "format_codes",
        "practice_settings",
        "facility_types",
        "confidentiality",
        "event_codes",
        "references",
        "author_patterns",
        "service_start",
        *_NEVER_ASKED,
    )
    return asking.encoded(assumed)


def write_parameters(query: DocumentQuery, dialect: SearchDialect) -> EncodedSearch:
    """The search that asks a peer of a dialect for this, as far as the dialect can say it.

    `mhd` with MADO's parameters can say all of Article 10. `ncp` has type, category, contenttype
    and creation; its `date` is that of registration and is not sent for a date of creation.
    """
    return _mhd(query) if dialect is SearchDialect.MHD else _ncp(query)
