"""What the parameters of a search for ImagingStudy mean, in the NCPeH API and in plain FHIR.

Spelling is in `search`; the answer is in `imaging_study_search`. What a `StudyQuery` has no field
for, a second condition on the same field among it, stays beside it for `DecodedSearch.keeps`. As in
a search for documents, parameters nobody applies are named, never refused (FHIR R4 search.html
3.1.1.2); a known one with a modifier, chain or include that is not offered is refused.

Choices: a value of `identifier` without system is an accession number, and a study UID where it
has the form of one; `reason` is known to every responder by the NCPeH API and not applied here,
because no reason is held with a study; a search without patient has to name its study.
Clauses: FHIR R4 imagingstudy.html, search parameters; NCPeH API 9.1, ImagingStudy; IHE MADO.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gateway.domain import (
    Code,
    CommunityId,
    ImagingManifest,
    InvalidIdentifier,
    Issue,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    TimeRange,
    Uid,
    is_asked_for,
    refuse,
)
from gateway.wire.fhir.concepts import OID_URN
from gateway.wire.fhir.identifiers import (
    ACCESSION,
    ACCESSION_ISSUER,
    DICOM_UIDS,
    STUDY_UID,
    URIS,
    Identifier,
    as_reference,
)
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
    intersected,
    read_moments,
    read_token,
    unescape,
)
from gateway.wire.xml import quoted

_T = TypeVar("_T")

MAX_COUNT: Final = 1_000  # rows of one page, as in a search for documents
MAX_ELEMENTS: Final = 100

# Names of a parameter and the field of `StudyQuery` that is its alternatives.
_CODES: Final = {
    "modality": "modalities",
    "bodysite": "regions",
    "body-site": "regions",
    "anatomical-region": "regions",
}
_UIDS: Final = {"series": "series", "instance": "instances"}
_IDENTIFIER, _OF_TYPE = "identifier", "identifier:of-type"
_ORDERS: Final = frozenset({"basedon:identifier", "basedon.identifier"})
_STARTED, _CLASS, _STATUS, _ID, _ENDPOINT = "started", "dicom-class", "status", "_id", "endpoint"
_ENDPOINTS: Final = frozenset({_ENDPOINT, "endpoint:Endpoint"})
_COUNT, _SUMMARY, _ELEMENTS, _SORT, _INCLUDE = (
    "_count",
    "_summary",
    "_elements",
    "_sort",
    "_include",
)
_STATUSES: Final = {
    "available": True,
    # What FHIR has beside, and no study is that can be found.
    "registered": False,
    "cancelled": False,
    "entered-in-error": False,
    "unknown": False,
}
_SORTS: Final = {"-started": False, "started": True}
_INCLUDED: Final = frozenset({"ImagingStudy:endpoint", "ImagingStudy:endpoint:Endpoint"})
_NO_FILTERS: Final = frozenset({"_format", "_pretty", "_total"})
# Known, and nothing is held to apply them to; `reasonCode` is a slip of the NCPeH guide.
_NOT_HELD: Final = frozenset({"reason", "reasonCode"})
_NOT_OFFERED: Final = _NOT_HELD | {
    *("_lastUpdated", "basedon", "encounter", "interpreter", "performer", "referrer"),
}
_HEADS: Final = frozenset(
    {*_CODES, *_UIDS, *_NOT_OFFERED, _IDENTIFIER, _STARTED, _CLASS, _STATUS, _ID, _ENDPOINT}
    | {"patient", "subject"}
)
_REFUSED: Final = frozenset({"_include", "_revinclude", "_has"})
_ELEMENT: Final = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+){0,9}")
_TYPES: Final = {
    ACCESSION.value: str(ReferenceKind.ACCESSION),
    ACCESSION_ISSUER.value: str(ReferenceKind.ACCESSION),
    STUDY_UID.value: str(ReferenceKind.STUDY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedSearch:
    """A search as it came: the query, what it cannot say, and what nobody will apply.

    `query` is for a store. Each group of `further` holds queries of which a study has to satisfy
    one; of `ids`, `series`, `instances` and `endpoints` each group is alternatives that one of the
    study's own has to be among. `asks_nothing` marks a search that no study can fit. `count` is
    how many studies a page may have, 0 where only their number is wanted; `elements` are those
    wanted of each, all where there are none. `self_parameters` are those that were applied.
    """

    query: StudyQuery
    further: tuple[tuple[StudyQuery, ...], ...] = ()
    ids: tuple[tuple[str, ...], ...] = ()
    series: tuple[tuple[Uid, ...], ...] = ()
    instances: tuple[tuple[Uid, ...], ...] = ()
    endpoints: tuple[tuple[str, ...], ...] = ()
    asks_nothing: bool = False
    count: int | None = None
    elements: tuple[str, ...] = ()
    endpoints_included: bool = False
    oldest_first: bool = False
    ignored: tuple[str, ...] = ()
    self_parameters: tuple[Parameter, ...] = ()

    def keeps(
        self, manifest: ImagingManifest, study_id: str, endpoint_ids: Collection[str] = ()
    ) -> bool:
        """Whether a study is what the whole search asks for, but for its patient.

        `study_id` is the FHIR id it is listed under, `endpoint_ids` those of its endpoints.
        """
        if self.asks_nothing or not is_asked_for(self.query, manifest):
            return False
        series = {one.uid for one in manifest.series}
        instances = {one.uid for each in manifest.series for one in each.instances}
        return (
            all(any(is_asked_for(one, manifest) for one in group) for group in self.further)
            and all(study_id in group for group in self.ids)
            and all(not series.isdisjoint(group) for group in self.series)
            and all(not instances.isdisjoint(group) for group in self.instances)
            and all(any(one in endpoint_ids for one in group) for group in self.endpoints)
        )

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """One warning for every parameter that was not applied."""
        return not_applied(self.ignored, dict.fromkeys(_NOT_HELD, "no reason is held with a study"))


# --- values ---------------------------------------------------------------------------------------


def _uid(text: str, name: str) -> Uid:
    try:
        return Uid.parse(text)
    except InvalidIdentifier as error:
        raise malformed(name, error.expected) from None


def _uid_of_token(value: str, name: str) -> Uid:
    """A UID in any of the forms in which peers write one (FHIR has it as token and as uri)."""
    return _uid(read_token(value, f"query.{name}").code, name)


def _accession(text: str, system: str, name: str) -> ReferenceId:
    identifier = Identifier(value=text, system=system, types=(ACCESSION,))
    reference = as_reference(identifier, f"query.{name}")
    if reference is None:
        raise malformed(name, "an accession number")
    return reference


def _identified(value: str, name: str) -> tuple[ReferenceId, ...]:
    """The study or the accession numbers that a value may mean."""
    token = read_token(value, f"query.{name}")
    text = unquoted(token.code)
    if not text:
        raise unsupported(name, "a system alone")
    is_urn = text[: len(OID_URN)].lower() == OID_URN
    bare = text[len(OID_URN) :] if is_urn else text
    if token.system == DICOM_UIDS or (is_urn and not token.system):
        return (ReferenceId.of_study(_uid(bare, name)),)
    if token.system == URIS:
        return (ReferenceId.of_study(_uid(bare, name)),) if is_urn else ()
    found = [_accession(text, token.system or "", name)]
    if token.system is None and "." in text:
        try:
            found.append(ReferenceId.of_study(Uid(text)))
        except InvalidIdentifier:
            return tuple(found)  # a number with a dot is no UID for that
    return tuple(found)


def _of_type(value: str, name: str) -> tuple[ReferenceId, ...]:
    """The identifier of a value system|code|value, which has no system of its own."""
    parts = value.split("|", 2)
    if len(parts) < 3 or not parts[2]:
        raise malformed(name, "system|code|value")
    kind = _TYPES.get(unescape(parts[1]).strip())
    text = unquoted(unescape(parts[2]).strip())
    if kind == ReferenceKind.STUDY:
        return (ReferenceId.of_study(_uid(text, name)),)
    return (_accession(text, "", name),) if kind else ()


def _elements(values: Sequence[str]) -> tuple[str, ...]:
    words = [unescape(value).strip().removeprefix("ImagingStudy.") for value in values]
    if len(words) > MAX_ELEMENTS or not all(map(_ELEMENT.fullmatch, words)):
        raise malformed(_ELEMENTS, f"at most {MAX_ELEMENTS} names of elements")
    return tuple(dict.fromkeys(words))


# --- the whole ------------------------------------------------------------------------------------


class _Reading:
    """A search while it is read, parameter by parameter."""

    def __init__(
        self, answering: CommunityId, patients: Callable[[str], PatientId | None] | None
    ) -> None:
        self.answering = answering
        self.patients = patients
        self.found: dict[PatientId, None] = {}
        # Of each filter the groups that all apply: the first fits a query, the others go beside it.
        self.studies: list[tuple[Uid, ...]] = []
        self.accessions: list[tuple[ReferenceId, ...]] = []
        self.codes: dict[str, list[tuple[Code, ...]]] = {"modalities": [], "regions": []}
        self.classes: list[tuple[Uid, ...]] = []
        self.either: list[tuple[StudyQuery, ...]] = []
        self.ranges: list[TimeRange] = []
        self.uids: dict[str, list[tuple[Uid, ...]]] = {}
        self.ids: list[tuple[str, ...]] = []
        self.endpoints: list[tuple[str, ...]] = []
        self.nothing = False
        self.count: int | None = None
        self.elements: dict[str, None] = {}
        self.included = False
        self.oldest_first = False
        self.ignored: dict[str, None] = {}
        self.applied: list[Parameter] = []

    def read(self, parameter: Parameter) -> None:
        """One parameter: applied, ignored and named, or refused."""
        name = parameter.name + (f":{parameter.modifier}" if parameter.modifier else "")
        if self._take(name, parameter) or self._shape(name, parameter):
            self.applied.append(parameter)
            return
        bare = parameter.name
        head = bare.partition(".")[0].partition(":")[0]
        if head in _REFUSED:
            raise unsupported(head, "this value")
        if head in _HEADS and name not in _NOT_OFFERED:
            what = f"modifier {quoted(parameter.modifier)}" if parameter.modifier else "this chain"
            raise unsupported(bare, what)
        self.ignored[name] = None

    def _take(self, name: str, parameter: Parameter) -> bool:
        values = parameter.values
        if name in _CODES:
            self.codes[_CODES[name]].append(tuple(read_code(value, name) for value in values))
        elif name == _CLASS:
            self.classes.append(tuple(_uid_of_token(value, name) for value in values))
        elif name == _OF_TYPE:
            self._identify(one for value in values for one in _of_type(value, name))
        elif name == _IDENTIFIER or name in _ORDERS:
            self._identify(
                one
                for value in values
                for one in _identified(value, name)
                if name == _IDENTIFIER or one.kind == ReferenceKind.ACCESSION
            )
        elif name == _STARTED:
            self.ranges.append(read_moments(parameter))
        elif name in _UIDS:
            group = tuple(_uid_of_token(value, name) for value in values)
            self.uids.setdefault(_UIDS[name], []).append(group)
        elif name in PATIENT_IDENTIFIERS:
            self.found.update((read_identified(value, name), None) for value in values)
        elif name in PATIENT_REFERENCES:
            self.found.update((read_referenced(v, name, self.patients), None) for v in values)
        elif name == _STATUS:
            self._status(values)
        elif name == _ID:
            self.ids.append(tuple(unescape(value).strip() for value in values))
        elif name in _ENDPOINTS:
            wanted = (unescape(value).strip().rstrip("/").rpartition("/")[2] for value in values)
            self.endpoints.append(tuple(wanted))
        else:
            return False
        return True

    def _shape(self, name: str, parameter: Parameter) -> bool:
        values = parameter.values
        if name == _COUNT:
            self.count = read_count(parameter, MAX_COUNT)
        elif name == _SUMMARY and values == ("count",):
            self.count = 0
        elif name == _ELEMENTS:
            self.elements.update(dict.fromkeys(_elements(values)))
        elif name == _SORT and len(values) == 1 and values[0] in _SORTS:
            self.oldest_first = _SORTS[values[0]]
        elif name == _INCLUDE and _INCLUDED.issuperset(values):
            self.included = True
        else:
            return name in _NO_FILTERS
        return True

    def _identify(self, references: Iterable[ReferenceId]) -> None:
        """One of the references: those of one kind fit a query, a choice between kinds none."""
        group = dict.fromkeys(references)
        studies = tuple(Uid(one.value) for one in group if one.kind == ReferenceKind.STUDY)
        accessions = tuple(one for one in group if one.kind == ReferenceKind.ACCESSION)
        if studies and accessions:
            self.either.append((self._asking(studies=studies), self._asking(accessions=accessions)))
        elif studies:
            self.studies.append(studies)
        elif accessions:
            self.accessions.append(accessions)
        else:
            self.nothing = True

    def _asking(
        self,
        *,
        studies: Sequence[Uid] = (),
        accessions: Sequence[ReferenceId] = (),
        modalities: Sequence[Code] = (),
        regions: Sequence[Code] = (),
        sop_classes: Sequence[Uid] = (),
    ) -> StudyQuery:
        return StudyQuery(
            community=self.answering,
            studies=tuple(dict.fromkeys(studies)),
            accessions=tuple(accessions),
            modalities=tuple(dict.fromkeys(modalities)),
            regions=tuple(dict.fromkeys(regions)),
            sop_classes=tuple(dict.fromkeys(sop_classes)),
        )

    def _status(self, values: Sequence[str]) -> None:
        codes = [read_token(value, f"query.{_STATUS}").code for value in values]
        if not all(code in _STATUSES for code in codes):
            raise malformed(_STATUS, ", ".join(_STATUSES))
        self.nothing = self.nothing or not any(_STATUSES[code] for code in codes)

    def _patient(self) -> PatientId | None:
        if len(self.found) == 1:
            return next(iter(self.found))
        if not self.found and (self.studies or self.either or self.ids):
            return None
        said = "several patients" if self.found else "no patient"
        text = f"The search names {said}, expected one by patient.identifier."
        raise refuse(Refusal.MISSING_PARAMETER, text, subject="patient.identifier")

    def decoded(self) -> DecodedSearch:
        """The search."""
        modalities, regions = self.codes["modalities"], self.codes["regions"]
        first = self._asking(
            studies=_first(self.studies),
            accessions=_first(self.accessions),
            modalities=_first(modalities),
            regions=_first(regions),
            sop_classes=_first(self.classes),
        )
        others = [
            *(self._asking(studies=group) for group in self.studies[1:]),
            *(self._asking(accessions=group) for group in self.accessions[1:]),
            *(self._asking(modalities=group) for group in modalities[1:]),
            *(self._asking(regions=group) for group in regions[1:]),
            *(self._asking(sop_classes=group) for group in self.classes[1:]),
        ]
        performed = intersected(self.ranges)
        return DecodedSearch(
            query=replace(first, patient=self._patient(), performed=performed),
            further=(*self.either, *((one,) for one in others)),
            ids=tuple(self.ids),
            series=tuple(self.uids.get("series", ())),
            instances=tuple(self.uids.get("instances", ())),
            endpoints=tuple(self.endpoints),
            asks_nothing=self.nothing,
            count=self.count,
            elements=tuple(self.elements),
            endpoints_included=self.included,
            oldest_first=self.oldest_first,
            ignored=tuple(self.ignored),
            self_parameters=tuple(self.applied),
        )


def _first(groups: Sequence[tuple[_T, ...]]) -> tuple[_T, ...]:
    return groups[0] if groups else ()


def read_parameters(
    parameters: Iterable[Parameter],
    *,
    answering: CommunityId,
    patients: Callable[[str], PatientId | None] | None = None,
) -> DecodedSearch:
    """What a search asks of this community.

    `patients` tells whom a Patient reference names, where the server has such resources. Without a
    patient the search has to name its study, by UID or id. Raises `ExchangeError` for no patient or
    several, for an unknown patient system, and for a modifier, chain or include that is not
    offered; `DecodeError` for a value that is no token or date.
    """
    reading = _Reading(answering, patients)
    for parameter in parameters:
        reading.read(parameter)
    return reading.decoded()
