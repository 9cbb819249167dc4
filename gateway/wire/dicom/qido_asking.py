"""A query of studies as a search over DICOMweb (QIDO-RS): what a peer is asked, and what it is not.

Sound before narrow: a filter goes out only in a form that loses no study, and what did not go out,
or not wholly, is named; the caller filters the answer again. A plain search keeps to what every
server matches: the patient, UIDs, one accession number, one modality, and days, a day wider on
either side because nobody knows whose clock a peer compares by. A search that is not plain uses the
rest of the standard as `qido_query` reads it, and asks for the whole query but what DICOM has no
words for. Clauses: PS3.18 8.3.4 (encoding), PS3.4 C.2.2.2 (matching), NCPeH API 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from pydicom.datadict import keyword_for_tag

from gateway.domain import Code, ReferenceId, ReferenceKind, StudyQuery, Uid
from gateway.domain.codes import DCM, same_scheme, true_scheme
from gateway.wire.dicom.elements import DESIGNATOR_OF_SCHEME, SCHEME_OF_DESIGNATOR, oid_text
from gateway.wire.dicom.qido_attributes import Level, tag_of
from gateway.wire.dicom.web import MAX_QUERY
from gateway.wire.problems import EncodeError

# What a list of studies shows, and no server answers unasked.
DESCRIPTION: Final = "StudyDescription"

# A value with one of these means something else to a server: a wildcard, a list, an empty value.
_MEANING: Final = re.compile(r'[*?\\"\x00-\x1f\x7f]')
_SAFE: Final = "-._~:,"  # and letters and digits; a comma divides UIDs
_ONE_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)
_PATHS: Final = {
    Level.STUDY: "/studies",
    Level.SERIES: "/series",
    Level.INSTANCE: "/instances",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSearch:
    """A search as path and query string, relative to the base of a DICOMweb service.

    `unasked` names the filters of the query, by their field, that the peer was not asked to apply,
    or not wholly.
    """

    path: str
    query: str
    unasked: tuple[str, ...] = ()


def encode_request(
    query: StudyQuery,
    *,
    level: Level = Level.STUDY,
    study: Uid | None = None,
    series: Uid | None = None,
    plain: bool = False,
    offset: int = 0,
    includes: Sequence[str] = (DESCRIPTION,),
) -> EncodedSearch:
    """The search that asks a peer for this, or for the series or instances of one study.

    `study` and `series` go into the path; `includes` are keywords of what is wanted beside the
    usual. Raises `EncodeError` for a series without its study, or of series, for a word that is no
    keyword, and for more than a query string may hold.
    """
    asking = _Asking(query)
    path = _path(level, study, series)
    asking.patient()
    if query.studies and query.studies != (study,):
        asking.put("StudyInstanceUID", ",".join(query.studies))
    asking.accessions(plain=plain)
    asking.modalities(plain=plain)
    asking.regions(plain=plain)
    asking.classes(plain=plain)
    if plain:
        asking.days()
    else:
        asking.moments()
    for word in includes:
        asking.put("includefield", _keyword(word))
    if query.limit is not None:
        asking.put("limit", str(query.limit))
    if offset:
        asking.put("offset", str(offset))
    text = asking.text()
    if len(text) > MAX_QUERY:
        raise EncodeError(f"a query of {len(text)} characters, over {MAX_QUERY}")
    return EncodedSearch(path=path, query=text, unasked=tuple(asking.unasked))


def _path(level: Level, study: Uid | None, series: Uid | None) -> str:
    if series is not None and (study is None or level is not Level.INSTANCE):
        raise EncodeError("instances are searched for within a series, and a series within a study")
    if study is None:
        return _PATHS[level]
    if level is Level.STUDY:
        raise EncodeError("a study is searched for by the query, not within itself")
    within = "" if series is None else f"/series/{series}"
    return f"/studies/{study}{within}{_PATHS[level]}"


def _keyword(word: str) -> str:
    try:
        return keyword_for_tag(tag_of(word))
    except KeyError:
        raise EncodeError(f"{word[:80]!r} is no keyword of DICOM") from None


class _Asking:
    """Parameters as they are put together."""

    def __init__(self, query: StudyQuery) -> None:
        self.query = query
        self.parameters: list[tuple[str, str]] = []
        self.unasked: list[str] = []
        self.lists = False

    def put(self, name: str, value: str) -> None:
        """One more parameter."""
        self.parameters.append((name, value))

    def text(self) -> str:
        """The query string."""
        flag = [("multiplevaluematching", "true")] if self.lists else []
        return "&".join(
            f"{name}={quote(value, safe=_SAFE)}" for name, value in (*self.parameters, *flag)
        )

    def _several(self, name: str, values: Sequence[str]) -> None:
        self.put(name, "\\".join(values))
        self.lists = self.lists or len(values) > 1

    def patient(self) -> None:
        """Who the studies are of, with the authority that identifies them."""
        patient = self.query.patient
        if patient is None:
            return
        if not _is_literal(patient.value):
            raise EncodeError("a patient identifier that DICOM would read as a pattern")
        self.put("PatientID", patient.value)
        self.put("IssuerOfPatientID", str(patient.authority))

    def accessions(self, *, plain: bool) -> None:
        """The accession numbers, with the authority that all of them share."""
        wanted = self.query.accessions
        if not wanted:
            return
        authorities = {one.authority for one in wanted}
        if (
            len(authorities) > 1
            or not all(map(_is_number, wanted))
            or (plain and len(wanted) > 1)
            or not all(not one or _is_literal(one) for one in authorities)
        ):
            self.unasked.append("accessions")
            return
        self._several("AccessionNumber", [one.value for one in wanted])
        authority = next(iter(authorities))
        if authority and plain:
            self.unasked.append("accessions")
        elif authority:
            inner = "UniversalEntityID" if oid_text(authority) else "LocalNamespaceEntityID"
            self.put(f"IssuerOfAccessionNumberSequence.{inner}", authority)

    def modalities(self, *, plain: bool) -> None:
        """The modalities, which are DICOM's."""
        codes = self.query.modalities
        fit = all(same_scheme(one.scheme) in ("", DCM) and _is_literal(one.value) for one in codes)
        if not codes:
            return
        if not fit or any("," in one.value for one in codes) or (plain and len(codes) > 1):
            self.unasked.append("modalities")
            return
        if any(not one.scheme for one in codes):
            self.unasked.append("modalities")
        self._several("ModalitiesInStudy", [one.value for one in codes])

    def regions(self, *, plain: bool) -> None:
        """The regions, which servers know of series at best."""
        codes = self.query.regions
        if not codes:
            return
        designators = {_designator(code) for code in codes}
        if plain or len(designators) > 1 or None in designators or not all(map(_is_code, codes)):
            self.unasked.append("regions")
            return
        self._several("AnatomicRegionSequence.CodeValue", [code.value for code in codes])
        designator = designators.pop()
        if designator:
            self.put("AnatomicRegionSequence.CodingSchemeDesignator", designator)

    def classes(self, *, plain: bool) -> None:
        """The SOP classes, which a server may but need not know of a study."""
        if self.query.sop_classes and plain:
            self.unasked.append("sop_classes")
        elif self.query.sop_classes:
            self.put("SOPClassesInStudy", ",".join(self.query.sop_classes))

    def days(self) -> None:
        """The days on which a study may have begun anywhere."""
        performed = self.query.performed
        if performed.is_open:
            return
        self.unasked.append("performed")
        low = _moved(performed.start, -_ONE_DAY)
        high = _moved(performed.end, _ONE_DAY)
        if low or high:
            self.put("StudyDate", f"{_day(low)}-{_day(high)}")

    def moments(self) -> None:
        """The range, in UTC, with its last moment included."""
        performed = self.query.performed
        if performed.is_open:
            return
        low, high = _moved(performed.start), _moved(performed.end, -_TICK)
        if performed.end is not None and high is None:
            self.unasked.append("performed")
        if low is None and high is None:
            return
        self.put("StudyDate", f"{_day(low)}-{_day(high)}")
        self.put("StudyTime", f"{_clock(low)}-{_clock(high)}")
        self.put("TimezoneOffsetFromUTC", "+0000")


def _is_literal(text: str) -> bool:
    return bool(text) and text == text.strip() and not _MEANING.search(text)


def _is_number(reference: ReferenceId) -> bool:
    return reference.kind == ReferenceKind.ACCESSION and _is_literal(reference.value)


def _is_code(code: Code) -> bool:
    return _is_literal(code.value) and len(code.value) <= 16  # what a Code Value holds (SH)


def _designator(code: Code) -> str | None:
    """How DICOM names a code's scheme, "" where any will do; None where nobody would know it."""
    if not code.scheme:
        return ""
    designator = DESIGNATOR_OF_SCHEME.get(same_scheme(true_scheme(code)))
    return designator if designator in SCHEME_OF_DESIGNATOR else None


def _moved(moment: datetime | None, by: timedelta = timedelta()) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC) + by
    except OverflowError:
        return None


def _day(moment: datetime | None) -> str:
    return f"{moment.year:04}{moment.month:02}{moment.day:02}" if moment else ""


def _clock(moment: datetime | None) -> str:
    if moment is None:
        return ""
    # With its fraction, for a time without one is a whole second.
    return f"{moment.strftime('%H%M%S')}.{moment.microsecond:06}"
