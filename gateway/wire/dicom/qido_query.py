"""A search over DICOMweb (QIDO-RS, RAD-129) as it is read: a query of studies, and the rest of it.

A `StudyQuery` says what a store can look for; what it cannot say (wildcards, names, times of day
of a study's own clock, anything of a series or an instance) stays beside it as conditions, and
`qido_search` puts both together. How a value matches is in `qido_matching`, what attributes there
are in `qido_attributes`, the answer in `qido_answer`, asking in `qido_asking`.

Choices where the standard leaves one:

- A key of a lower level than is answered asks for a study (or series) that has a part which meets
  all such keys. `Modality` of a study is `ModalitiesInStudy`, as the NCPeH API uses it.
- A value for an attribute that is not held matches nothing, with a warning: to ignore it would
  find what was not asked for.
- StudyDate and StudyTime are matched as one moment where the date is a day, or both are ranges and
  no bound of the time is without its date; otherwise each for itself. They are local to each
  study, but where TimezoneOffsetFromUTC is given, which then says what they mean and matches
  nothing itself.
- A study without date is not in any range (PS3.4 C.2.2.2), but where that offset is given: then a
  range means what it means for the store, which excludes nothing it does not know.
- PatientID is of the IssuerOfPatientID given, or the patient's whom the token is about.
- A plus sign in the query string is a space, as forms and dicomweb-client write it.

Clauses: PS3.18 8.3.4 (query), 10.6 (search), PS3.4 C.2.2.2 (matching).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from gateway.domain import (
    Code,
    CommunityId,
    InvalidIdentifier,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Refusal,
    StudyQuery,
    TimeRange,
    Uid,
    refuse,
)
from gateway.domain.codes import DCM
from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.elements import SCHEME_OF_DESIGNATOR, oid_text
from gateway.wire.dicom.qido_attributes import Level, Path
from gateway.wire.dicom.qido_conditions import (
    LAST_MOMENT,
    MIDNIGHT,
    Begun,
    Condition,
    Identified,
    Valued,
)
from gateway.wire.dicom.qido_matching import Absent, Literal, Match, Never, Period, read_match
from gateway.wire.dicom.qido_parameters import (
    MAX_RESULTS,
    SearchParameters,
    SearchScope,
    read_parameters,
    read_scope,
)
from gateway.wire.dicom.qido_search import DecodedSearch
from gateway.wire.dicom.snomed import current
from gateway.wire.problems import DecodeError

NOT_FUZZY: Final = (
    "The fuzzymatching parameter is not supported. Only literal matching has been performed."
)
# How far the clock of a place may be from UTC (PS3.3 C.12.1.1.1.1).
_EASTMOST: Final = timedelta(hours=14)
_WESTMOST: Final = timedelta(hours=-12)
_TICK: Final = timedelta(microseconds=1)
_OFFSET: Final = re.compile(r"([+-]?)([0-9]{2}):?([0-9]{2})")

_NUMBER_PATH: Final = (held.ACCESSION_NUMBER,)
_NUMBER_ISSUERS: Final[tuple[Path, ...]] = (
    (held.ACCESSION_ISSUER, held.UNIVERSAL_ID),
    (held.ACCESSION_ISSUER, held.LOCAL_ID),
)
_ID_PATH: Final = (held.PATIENT_ID,)
_ID_ISSUERS: Final[tuple[Path, ...]] = (
    (held.PATIENT_ID_ISSUER,),
    (held.PATIENT_ID_QUALIFIERS, held.UNIVERSAL_ID),
)
_REGION_CODE: Final = (held.REGION, held.CODE_VALUE)
_REGION_SCHEME: Final = (held.REGION, held.SCHEME)


def decode_request(
    path: str,
    query: str,
    *,
    community: CommunityId,
    patient: PatientId | None = None,
    most: int = MAX_RESULTS,
) -> DecodedSearch:
    """What a search asks, by its raw path below the base and its raw query string.

    `patient` is whom the token is about, and of whom the search is unless it names another by
    identifier and issuer. `most` is how many the server answers at once. Raises `DecodeError` for
    what is unknown, given twice or no value of its kind; refuses with `Refusal.UNSUPPORTED` what
    is not searched, and with `Refusal.MISSING_PARAMETER` an identifier without issuer.
    """
    reading = _Reading(read_scope(path), read_parameters(query), patient)
    reading.read()
    return reading.decoded(community, most)


class _Reading:
    """A search while it is read: every key is taken once, and what no one takes is a condition."""

    def __init__(
        self, scope: SearchScope, parameters: SearchParameters, patient: PatientId | None
    ) -> None:
        self.scope = scope
        self.parameters = parameters
        self.patient = patient
        self.left = dict(parameters.keys)
        self.studies: tuple[Uid, ...] = () if scope.study is None else (scope.study,)
        self.accessions: tuple[ReferenceId, ...] = ()
        self.modalities: tuple[Code, ...] = ()
        self.regions: tuple[Code, ...] = ()
        self.sop_classes: tuple[Uid, ...] = ()
        self.performed = TimeRange()
        self.conditions: list[Condition] = []
        self.warnings: list[str] = [NOT_FUZZY] if parameters.fuzzy else []

    def read(self) -> None:
        """Every key: those a query has a field for, and the others."""
        self._patient()
        self._moment()
        self._accessions()
        self._uids()
        self._modalities()
        if self.scope.level is Level.STUDY:
            self._regions()
        for path in list(self.left):
            match = self._take(path)
            if match is not None:
                self._condition(path, match)

    def _take(self, path: Path, *, lists: bool = False) -> Match | None:
        text = self.left.pop(path, "")
        return read_match(
            held.vr_of(path[-1]),
            text,
            f"query, {'.'.join(map(held.key_of, path))}",
            empty=self.parameters.empty,
            lists=lists or self.parameters.lists,
        )

    def _condition(self, path: Path, match: Match, *others: Path) -> None:
        known = path[0] in held.LEVEL_OF and path[0] not in held.NOT_HELD
        if not isinstance(match, Absent) and not (
            known and all(tag in held.IN_ITEMS for tag in path[1:])
        ):
            name = ".".join(map(held.key_of, path))
            self.warnings.append(
                f"The attribute {name} is not held here. A value for it matches nothing."
            )
            match = Never()
        level = held.LEVEL_OF.get(path[0], Level.STUDY)
        if path[0] == held.REGION and self.scope.level is not Level.STUDY:
            level = Level.SERIES
        self.conditions.append(Valued(level=level, paths=(path, *others), match=match))

    def _patient(self) -> None:
        value = self._take(_ID_PATH)
        issuers = [self._issuer(path) for path in _ID_ISSUERS if path in self.left]
        given = [one for one in issuers if one is not None]
        if isinstance(value, Literal) and len(value.texts) == 1 and len(given) <= 1:
            named = self._named(value.texts[0], given[0] if given else None)
            if named is not None:
                self.patient = named
                return
        for issuer in given:
            self.conditions.append(Identified(value=value, authority=issuer))
        if value is not None and not given:
            self.conditions.append(Identified(value=value, authority=None))

    def _issuer(self, path: Path) -> Match | None:
        """What is asked of an authority, an OID without the prefixes that may stand before it."""
        match = self._take(path)
        if not isinstance(match, Literal):
            return match
        return Literal(tuple(oid_text(text) or text for text in match.texts))

    def _named(self, text: str, authority: Match | None) -> PatientId | None:
        """The one patient an identifier names; None where only the store's own can be compared."""
        where = "query, PatientID"
        try:
            if "^" in text:
                return PatientId.parse_cx(text)
            if isinstance(authority, Literal) and oid_text(authority.texts[0]):
                return PatientId(text, Oid(authority.texts[0]))
        except InvalidIdentifier as error:
            raise DecodeError(where, "no identifier", error.expected) from None
        if authority is not None:
            return None
        if self.patient is None or self.patient.value != text:
            wanted = "The patient identifier needs its issuer, in IssuerOfPatientID."
            raise refuse(Refusal.MISSING_PARAMETER, wanted, subject="IssuerOfPatientID")
        return self.patient

    def _accessions(self) -> None:
        value = self._take(_NUMBER_PATH)
        issuers = {path: one for path in _NUMBER_ISSUERS if (one := self._issuer(path)) is not None}
        if isinstance(value, Literal) and len(issuers) <= 1:
            issuer = next(iter(issuers.values()), Literal(("",)))
            if isinstance(issuer, Literal) and self._referenced(value.texts, issuer.texts):
                return
        if value is not None:
            self._condition(_NUMBER_PATH, value, (held.REQUESTS, held.ACCESSION_NUMBER))
        for path, match in issuers.items():
            self._condition(path, match, (held.REQUESTS, *path))

    def _referenced(self, numbers: Sequence[str], authorities: Sequence[str]) -> bool:
        """Whether the accession numbers could be made references, as some of headers cannot."""
        try:
            self.accessions = tuple(
                ReferenceId(number, ReferenceKind.ACCESSION, authority)
                for number in numbers
                for authority in authorities
            )
        except InvalidIdentifier:
            return False
        return True

    def _uids(self) -> None:
        for path, field in (
            ((held.STUDY_UID,), "studies"),
            ((held.SOP_CLASSES_IN_STUDY,), "sop_classes"),
        ):
            match = self._take(path)
            if isinstance(match, Literal) and not getattr(self, field):
                setattr(self, field, tuple(map(Uid, match.texts)))
            elif match is not None:
                self._condition(path, match)

    def _modalities(self) -> None:
        paths = [held.MODALITIES_IN_STUDY]
        if self.scope.level is Level.STUDY:
            paths.append(held.MODALITY)
        for tag in paths:
            # A list with commas is tolerated; no modality has one.
            if (tag,) in self.left:
                self.left[(tag,)] = self.left[(tag,)].replace(",", "\\")
            match = self._take((tag,), lists=True)
            if isinstance(match, Literal) and not self.modalities:
                self.modalities = tuple(Code(text, DCM) for text in match.texts)
            elif match is not None:
                self._condition((held.MODALITIES_IN_STUDY,), match)

    def _regions(self) -> None:
        value, scheme = self._take(_REGION_CODE), self._take(_REGION_SCHEME)
        if isinstance(value, Literal) and (scheme is None or isinstance(scheme, Literal)):
            schemes = scheme.texts if scheme else ("",)
            self.regions = tuple(
                current(Code(text, SCHEME_OF_DESIGNATOR.get(one, one)))
                for text in value.texts
                for one in schemes
            )
            return
        for path, match in ((_REGION_CODE, value), (_REGION_SCHEME, scheme)):
            if match is not None:
                self._condition(path, match)

    def _moment(self) -> None:
        day, clock = self._take((held.STUDY_DATE,)), self._take((held.STUDY_TIME,))
        zone = _zone(self.left.pop((held.OFFSET,), ""))
        low = high = ""
        if isinstance(day, Period):
            joined = clock if isinstance(clock, Period) and _joins(day, clock) else None
            low = day.low and day.low + ((joined.low if joined else "") or MIDNIGHT)
            high = day.high and day.high + ((joined.high if joined else "") or LAST_MOMENT)
            day, clock = None, None if joined else clock
            if zone is None:
                self.conditions.append(Begun(low=low, high=high))
        for tag, match in ((held.STUDY_DATE, day), (held.STUDY_TIME, clock)):
            if match is None:
                continue
            if zone is not None:
                text = "A time of day, or no date, cannot be searched for in another time zone."
                raise refuse(Refusal.UNSUPPORTED, text, subject="TimezoneOffsetFromUTC")
            self._condition((tag,), match)
        self.performed = TimeRange(
            # Without a zone a store is asked for what may be meant anywhere.
            start=_instant(low, zone or timezone(_EASTMOST)),
            end=_instant(high, zone or timezone(_WESTMOST), _TICK),
        )

    def decoded(self, community: CommunityId, most: int) -> DecodedSearch:
        """The search, with the most an answer may have."""
        asked = self.parameters
        limit = most if asked.limit is None else min(asked.limit, most)
        return DecodedSearch(
            level=self.scope.level,
            query=StudyQuery(
                community=community,
                patient=self.patient,
                studies=self.studies,
                accessions=self.accessions,
                modalities=self.modalities,
                regions=self.regions,
                sop_classes=self.sop_classes,
                performed=self.performed,
            ),
            study=self.scope.study,
            series=self.scope.series,
            conditions=tuple(self.conditions),
            asked=tuple(dict.fromkeys(path[0] for path in asked.keys)),
            includes=asked.includes,
            include_all=asked.include_all,
            limit=limit,
            offset=asked.offset,
            warnings=tuple(self.warnings),
        )


def _joins(day: Period, clock: Period) -> bool:
    """Whether a date and a time say one moment or one range of moments (PS3.4 C.2.2.2.5)."""
    if day.single:
        return True
    return (
        not clock.single and not (clock.low and not day.low) and not (clock.high and not day.high)
    )


def _zone(text: str) -> timezone | None:
    """The offset a query's dates are in; its plus may have become a space. None of no text."""
    if not text.strip():
        return None
    match = _OFFSET.fullmatch(text.strip())
    offset = timedelta(hours=int(match[2]), minutes=int(match[3])) if match else _EASTMOST * 2
    offset = -offset if match and match[1] == "-" else offset
    if not _WESTMOST <= offset <= _EASTMOST:
        where = "query, TimezoneOffsetFromUTC"
        raise DecodeError(where, repr(text[:40]), "&ZZXX from -1200 to +1400", "PS3.3 C.12.1.1.1")
    return timezone(offset)


def _instant(digits: str, zone: timezone, past: timedelta = timedelta()) -> datetime | None:
    """The moment of a bound, and what follows it by `past`; None where the calendar has none."""
    if not digits:
        return None
    try:
        local = datetime.strptime(digits, "%Y%m%d%H%M%S.%f").replace(tzinfo=zone)
        return local.astimezone(UTC) + past
    except (OverflowError, ValueError):
        return None
