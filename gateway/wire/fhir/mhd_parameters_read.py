"""What the parameters of a document search mean, in every dialect and their older names.

The union of NCPeH API, MHD with MADO, EU Health Data API and what OpenNCP and IPF send. Spelling
is in `search`; the answer is in `mhd_find`. What the query has no field for stays beside it, for
`DecodedSearch.keeps`. Parameters nobody applies are named, never refused (FHIR R4 search.html
3.1.1.2); a known one with a modifier or chain that is not offered is refused.
Clauses: ITI TF-2 3.67.4.1 (MHD 4.2), IHE MADO, NCPeH API 9.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.domain import (
    Code,
    CommunityId,
    DocumentEntry,
    DocumentQuery,
    EntryStatus,
    ExchangeError,
    InvalidIdentifier,
    Issue,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    TimeRange,
    Uid,
    refuse,
)
from gateway.wire.fhir.concepts import OID_URN
from gateway.wire.fhir.document_identifiers import as_document_id
from gateway.wire.fhir.document_reference_terms import CATEGORY_CLASSES
from gateway.wire.fhir.identifiers import DICOM_UIDS, URIS, Identifier, as_reference
from gateway.wire.fhir.mhd_retrieve import bare_type
from gateway.wire.fhir.parameter_values import (
    malformed,
    not_applied,
    read_code,
    read_count,
    unquoted,
    unsupported,
)
from gateway.wire.fhir.patient_parameters import (
    PATIENT_IDENTIFIERS,
    PATIENT_REFERENCES,
    read_identified,
    read_referenced,
)
from gateway.wire.fhir.search import (
    Parameter,
    Token,
    intersected,
    read_moments,
    read_token,
    unescape,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

_ANY = "%"
_MAX_COUNT = 1_000
_STATUS = {
    "current": EntryStatus.APPROVED,
    "superseded": EntryStatus.DEPRECATED,
    # A status of FHIR that no document of a registry has.
    "entered-in-error": None,
}
# Parameter, with the names it had, and the field of `DocumentQuery` that is its alternatives.
_CODES = {
    "type": "type_codes",
    "category": "class_codes",
    "class": "class_codes",
    "format": "format_codes",
    "setting": "practice_settings",
    "facility": "facility_types",
}
# The same for groups of codes, which all apply.
_GROUPS = {
    "event": "event_codes",
    "modality": "event_codes",
    "bodysite": "event_codes",
    "body-site": "event_codes",
    "anatomical-region": "event_codes",
    "security-label": "confidentiality",
    "securitylabel": "confidentiality",
}
_TIMES = {
    # A reference made here is dated by the document's creation.
    "date": "created",
    "indexed": "created",
    "creation": "created",
    "period": "service_start",
}
# Parameters that name a related identifier, and the kind of it; "" is any kind.
_REFERENCES = {
    "study-instance-uid": str(ReferenceKind.STUDY),
    "accession-number": str(ReferenceKind.ACCESSION),
    "related:identifier": "",
    "related.identifier": "",
    "related-id": "",
    "encounter:identifier": str(ReferenceKind.ENCOUNTER),
    "encounter.identifier": str(ReferenceKind.ENCOUNTER),
}
_AUTHORS = {
    f"author{of}.{part}": part for of in ("", ":Practitioner") for part in ("family", "given")
}
_IDENTIFIER, _ID, _MIME, _COMMUNITY = "identifier", "_id", "contenttype", "targetCommunityIdList"
_STATUS_NAME, _COUNT, _SUMMARY = "status", "_count", "_summary"
# Said about the answer as a whole, or applied where it is written.
_NO_FILTERS = frozenset({"_format", "_pretty", "_total"})
# Parameters of FHIR R4 that are known and not offered: ignored, but not with a chain on top.
_NOT_OFFERED = frozenset(
    {"authenticator", "author", "custodian", "description", "encounter", "language", "location"}
    | {"related", "relatesto", "relation", "relationship", "_lastUpdated"}
)
_HEADS = frozenset(
    {*_CODES, *_GROUPS, *_TIMES, *_NOT_OFFERED, "patient", "subject", _IDENTIFIER, _ID, _MIME}
    | {_STATUS_NAME, _COMMUNITY, "study-instance-uid", "accession-number"}
)
_REFUSED = frozenset({"_include", "_revinclude", "_has"})
# Every name, with its chain or modifier, that narrows a search here.
SPELLINGS = frozenset(
    {*_CODES, *_GROUPS, *_TIMES, *_REFERENCES, *PATIENT_IDENTIFIERS, *PATIENT_REFERENCES}
    | {*_AUTHORS, _STATUS_NAME, _IDENTIFIER, _ID, _MIME, _COMMUNITY}
)
_KINDS = tuple(str(kind) for kind in ReferenceKind if kind is not ReferenceKind.STUDY)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSearch:
    """A search as it came: the query, what it cannot say, and what nobody will apply.

    `self_parameters` are those that were applied, for the link to itself. `assumed` names
    parameters a dialect requires and the search left out. `ids`, `identifiers` and `mime_types`
    are groups of alternatives that all apply. `asks_nothing` marks a search that no document can
    fit, for its conditions exclude each other. `count` is how many rows a page may have, 0 where
    only their number is wanted.
    """

    query: DocumentQuery
    ignored: tuple[str, ...] = ()
    self_parameters: tuple[Parameter, ...] = ()
    assumed: tuple[str, ...] = ()
    ids: tuple[tuple[str, ...], ...] = ()
    identifiers: tuple[tuple[Token, ...], ...] = ()
    mime_types: tuple[tuple[str, ...], ...] = ()
    count: int | None = None
    asks_nothing: bool = False

    def keeps(self, entry: DocumentEntry, reference_id: str) -> bool:
        """Whether an entry that fits the query also fits what the query cannot say.

        `reference_id` is the FHIR id under which the entry is listed.
        """
        if self.asks_nothing:
            return False
        mime_type = bare_type(entry.mime_type)
        return (
            all(reference_id in group for group in self.ids)
            and all(mime_type in group for group in self.mime_types)
            and all(any(_identifies(token, entry) for token in group) for group in self.identifiers)
        )

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """One warning for every parameter that was not applied."""
        return not_applied(self.ignored)


def _identifies(token: Token, entry: DocumentEntry) -> bool:
    bare = token.code.removeprefix(OID_URN)
    document, entry_id = str(entry.ref.document), str(entry.id)
    if token.system is None:
        ends = (f"^{token.code}", f"|{token.code}")
        return document == bare or entry_id == token.code or document.endswith(ends)
    try:
        wanted = as_document_id(Identifier(value=token.code, system=token.system), _IDENTIFIER)
    except DecodeError:
        return False
    return document == wanted or (token.system in ("", URIS) and entry_id == token.code)


# --- refusals -------------------------------------------------------------------------------------


def _missing(text: str) -> ExchangeError:
    return refuse(Refusal.MISSING_PARAMETER, text, subject="patient.identifier")


# --- values ---------------------------------------------------------------------------------------


def _category(code: Code) -> tuple[Code, ...]:
    # A category is what entries of several classes show, beside their own.
    shown = [each for known, codes in CATEGORY_CLASSES if code.asks_for(known) for each in codes]
    return (code, *shown)


def _codes(parameter: Parameter, name: str) -> tuple[Code, ...]:
    codes = [read_code(value, name) for value in parameter.values]
    if name in ("category", "class"):
        codes = [each for code in codes for each in _category(code)]
    return tuple(dict.fromkeys(codes))


def _both(ones: Sequence[Code], others: Sequence[Code]) -> tuple[Code, ...]:
    # An entry has one code of each of these: a repetition narrows to what both name.
    found = [
        one if one.scheme else other
        for one in ones
        for other in others
        if one.asks_for(other) or other.asks_for(one)
    ]
    return tuple(dict.fromkeys(found))


def _study(value: str, name: str) -> ReferenceId:
    try:
        return ReferenceId.of_study(Uid.parse(value))
    except InvalidIdentifier as error:
        raise malformed(name, error.expected) from None


def _references(value: str, name: str, kind: str) -> tuple[ReferenceId, ...]:
    token = read_token(value, f"query.{name}")
    text = unquoted(token.code)
    if not text:
        raise unsupported(name, "a system alone")
    if _ANY in text:
        raise unsupported(name, "% in an identifier")
    bare = text.removeprefix(OID_URN)
    if kind == ReferenceKind.STUDY:
        return (_study(bare, name),)
    found: list[ReferenceId] = []
    if not kind and token.system in (None, "", DICOM_UIDS, URIS):
        try:
            found.append(ReferenceId.of_study(Uid.parse(bare)))
        except InvalidIdentifier:
            found = []  # no UID, and so no study's
    if not kind and token.system == DICOM_UIDS:
        return tuple(found) or (_study(bare, name),)
    held, system = (bare, "") if token.system == URIS else (text, token.system or "")
    try:
        for each in (kind,) if kind else _KINDS:
            identifier = Identifier(value=held, system=system, types=(Code(each, URIS),))
            reference = as_reference(identifier, f"query.{name}")
            if reference is not None and token.system is None:
                reference = ReferenceId(reference.value, reference.kind, _ANY)
            if reference is not None:
                found.append(reference)
    except InvalidIdentifier as error:
        raise malformed(name, error.expected) from None
    return tuple(dict.fromkeys(found))


def _statuses(parameters: Iterable[Parameter]) -> set[EntryStatus] | None:
    # What all repetitions allow; None when there is none.
    allowed: set[EntryStatus] | None = None
    for parameter in parameters:
        found = set()
        for value in parameter.values:
            text = read_token(value, f"query.{_STATUS_NAME}").code
            if text not in _STATUS:
                raise malformed(_STATUS_NAME, "current or superseded")
            status = _STATUS[text]
            if status is not None:
                found.add(status)
        allowed = found if allowed is None else allowed & found
    return allowed


def _author_patterns(parts: dict[str, list[Parameter]]) -> tuple[str, ...]:
    # One pattern of an XCN has both names; a name is told by its beginning.
    for name, parameters in parts.items():
        if len(parameters) > 1:
            raise unsupported(f"author.{name}", "several repetitions")
    family = [unescape(v) for each in parts.get("family", ()) for v in each.values]
    given = [unescape(v) for each in parts.get("given", ()) for v in each.values]
    if family and given:
        return tuple(f"%^{first}%^{second}%" for first in family for second in given)
    return tuple(f"%^{text}%" for text in family) or tuple(f"%^%^{text}%" for text in given)


# --- the whole ------------------------------------------------------------------------------------


class _Reading:
    """A search while it is read, parameter by parameter."""

    def __init__(
        self, answering: CommunityId, patients: Callable[[str], PatientId | None] | None
    ) -> None:
        self.answering = answering
        self.patients = patients
        self.found: dict[PatientId, None] = {}
        self.groups: dict[str, list[tuple[Code, ...]]] = {}
        self.codes: dict[str, tuple[Code, ...]] = {}
        self.references: list[tuple[ReferenceId, ...]] = []
        self.times: dict[str, list[TimeRange]] = {}
        self.statuses: list[Parameter] = []
        self.authors: dict[str, list[Parameter]] = {}
        self.ids: list[tuple[str, ...]] = []
        self.identifiers: list[tuple[Token, ...]] = []
        self.mime_types: list[tuple[str, ...]] = []
        self.count: int | None = None
        self.nothing = False
        self.ignored: dict[str, None] = {}
        self.applied: list[Parameter] = []

    def read(self, parameter: Parameter) -> None:
        name = parameter.name + (f":{parameter.modifier}" if parameter.modifier else "")
        if name == "related" and all("|" in value for value in parameter.values):
            name = "related:identifier"  # a token where a reference is due: a habit of HAPI
        if self._take(name, parameter):
            self.applied.append(parameter)
            return
        bare = parameter.name
        head = bare.partition(".")[0].partition(":")[0]
        if head in _REFUSED:
            raise unsupported(head, "any value")
        if head in _HEADS and name not in _NOT_OFFERED:
            what = f"modifier {quoted(parameter.modifier)}" if parameter.modifier else "this chain"
            raise unsupported(bare, what)
        self.ignored[name] = None

    def _take(self, name: str, parameter: Parameter) -> bool:
        values = parameter.values
        if name in _CODES:
            field, codes = _CODES[name], _codes(parameter, name)
            self.codes[field] = _both(self.codes[field], codes) if field in self.codes else codes
            self.nothing = self.nothing or not self.codes[field]
        elif name in _GROUPS:
            self.groups.setdefault(_GROUPS[name], []).append(_codes(parameter, name))
        elif name in _REFERENCES:
            kind = _REFERENCES[name]
            group = [each for value in values for each in _references(value, name, kind)]
            self.references.append(tuple(dict.fromkeys(group)))
        elif name in _TIMES:
            self.times.setdefault(_TIMES[name], []).append(read_moments(parameter))
        elif name in _AUTHORS:
            self.authors.setdefault(_AUTHORS[name], []).append(parameter)
        elif name in PATIENT_IDENTIFIERS:
            self.found.update((read_identified(value, name), None) for value in values)
        elif name in PATIENT_REFERENCES:
            self.found.update((read_referenced(v, name, self.patients), None) for v in values)
        elif name == _STATUS_NAME:
            self.statuses.append(parameter)
        else:
            return self._take_other(name, parameter)
        return True

    def _take_other(self, name: str, parameter: Parameter) -> bool:
        values = parameter.values
        if name == _ID:
            self.ids.append(tuple(unescape(value).strip() for value in values))
        elif name == _IDENTIFIER:
            self.identifiers.append(tuple(read_token(v, f"query.{name}") for v in values))
        elif name == _MIME:
            tokens = [read_token(value, f"query.{name}") for value in values]
            self.mime_types.append(tuple(bare_type(token.code) for token in tokens))
        elif name == _COUNT:
            self.count = read_count(parameter, _MAX_COUNT)
        elif name == _SUMMARY and values == ("count",):
            self.count = 0
        elif name == _COMMUNITY:
            self._address(values)
        else:
            return name in _NO_FILTERS
        return True

    def _address(self, values: Sequence[str]) -> None:
        wanted = {unescape(value).strip().removeprefix(OID_URN) for value in values}
        if self.answering not in wanted:
            text = "None of the communities that are asked is answered for here."
            raise refuse(Refusal.UNKNOWN_COMMUNITY, text, subject=_COMMUNITY)

    def decoded(self) -> DecodedSearch:
        if len(self.found) != 1:
            said = "several patients" if self.found else "no patient"
            raise _missing(f"The search names {said}, expected one by patient.identifier.")
        statuses = _statuses(self.statuses)
        ranges = {field: intersected(ranges) for field, ranges in self.times.items()}
        nothing = self.nothing or statuses == set()
        allowed = {EntryStatus.APPROVED} if statuses is None else statuses
        codes, groups = self.codes, self.groups
        return DecodedSearch(
            query=DocumentQuery(
                patient=next(iter(self.found)),
                community=self.answering,
                statuses=tuple(status for status in EntryStatus if status in allowed),
                class_codes=codes.get("class_codes", ()),
                type_codes=codes.get("type_codes", ()),
                format_codes=codes.get("format_codes", ()),
                practice_settings=codes.get("practice_settings", ()),
                facility_types=codes.get("facility_types", ()),
                event_codes=tuple(groups.get("event_codes", ())),
                confidentiality=tuple(groups.get("confidentiality", ())),
                references=tuple(self.references),
                author_patterns=_author_patterns(self.authors),
                created=ranges.get("created", TimeRange()),
                service_start=ranges.get("service_start", TimeRange()),
            ),
            ignored=tuple(self.ignored),
            self_parameters=tuple(self.applied),
            assumed=() if self.statuses else (_STATUS_NAME,),
            ids=tuple(self.ids),
            identifiers=tuple(self.identifiers),
            mime_types=tuple(self.mime_types),
            count=self.count,
            asks_nothing=nothing,
        )


def read_parameters(
    parameters: Iterable[Parameter],
    *,
    answering: CommunityId,
    patients: Callable[[str], PatientId | None] | None = None,
) -> DecodedSearch:
    """What a search asks of this community.

    `patients` tells whom a Patient reference names, where the server has such resources. A missing
    status is taken to be `current`. Raises `ExchangeError` for no patient or several, for an
    unknown patient system or community, and for a modifier, chain or include that is not offered;
    `DecodeError` for a value that is no token or date. `_` in an identifier and both % and _ in a
    name stand for any character, as they do in the domain: such a search may find more.
    """
    reading = _Reading(answering, patients)
    for parameter in parameters:
        reading.read(parameter)
    return reading.decoded()
