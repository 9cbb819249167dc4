"""What of a manifest an encoding cannot hold: the report of a conversion, before it is made.

A table of elements, each with the reason and the test whether a manifest has something there to
lose. What is not in the table survives KOS → FHIR → KOS and the other way round. The generation of
codes (`form`, `title`) is no content and not spoken of: a document is written with those in force.
Counts that a manifest does not state are stated by both encodings. Words lose surplus white space.

What an encoding refuses (an accession number longer than DICOM's sixteen characters, say) is no
loss: the codec raises. Clauses: IHE RAD MADO, mapping of the KOS to the FHIR manifest; DICOM PS3.5
table 6.2-1; FHIR R4 datatypes.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.ids import InvalidIdentifier, Oid
from gateway.domain.manifest_checks import web_address
from gateway.domain.manifests import (
    KEY_OBJECT_SOP_CLASS,
    ImagingManifest,
    ImagingRequest,
    ManifestEncoding,
    ManifestInstance,
    ManifestSeries,
)

MAX_LONG_STRING = 64  # characters of LO and PN (PS3.5 table 6.2-1)
MAX_INTEGER = (1 << 31) - 1  # FHIR R4 unsignedInt and integer

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """An element that does not survive, as a path of the noun's fields, and why."""

    element: str
    why: str


def losses(manifest: ImagingManifest, encoding: ManifestEncoding) -> tuple[Loss, ...]:
    """Each element of a manifest that the encoding cannot hold as it is."""
    return tuple(
        Loss(element=element, why=why)
        for element, why, is_lost in _RULES[encoding]
        if is_lost(manifest)
    )


_Test = Callable[[ImagingManifest], bool]


def _any_series(test: Callable[[ManifestSeries], bool]) -> _Test:
    return lambda manifest: any(map(test, manifest.series))


def _any_instance(test: Callable[[ManifestInstance], bool]) -> _Test:
    return _any_series(lambda series: any(map(test, series.instances)))


def _any_request(test: Callable[[ImagingRequest], bool]) -> _Test:
    return lambda manifest: any(map(test, manifest.requests))


# --- KOS ------------------------------------------------------------------------------------------


def _no_oid(authority: str) -> bool:
    try:
        return bool(authority) and not Oid(authority)
    except InvalidIdentifier:
        return True


def _cut(text: str) -> bool:
    return len(text) > MAX_LONG_STRING or bool(_UNWRITABLE.search(text))


def _name_changes(manifest: ImagingManifest) -> bool:
    name = manifest.patient.name
    if name is None:
        return False
    parts = (
        name.family,
        name.given[0] if name.given else "",
        " ".join(name.given[1:]),
        name.prefix,
        name.suffix,
    )
    return (
        _cut("^".join(parts).rstrip("^"))
        or any("^" in part or "=" in part for part in parts)
        or any(" " in given for given in name.given[1:])
    )


def _institution(part: str) -> _Test:
    """Whether a part of the institution is lost: XON has to fit into 64 characters."""

    def is_lost(manifest: ImagingManifest) -> bool:
        found = manifest.institution
        if found is None:
            return False
        authority = "" if _no_oid(found.authority) else found.authority
        if found.id and authority:
            length = len(f"{found.name}^^^^^&{authority}&ISO^^^^{found.id}")
        else:
            length = len(f"{found.name}^^^^^^^^^{found.id or authority}")
        if part == "name":
            return _cut(found.name) or "^" in found.name or "&" in found.name
        if not (found.id or authority) or length <= MAX_LONG_STRING:
            return part == "authority" and found.authority != authority
        return bool(found.id if part == "id" else found.authority)

    return is_lost


_OIDS_ALONE = "a key object selection names an authority by its OID"
_LONG_STRING = f"DICOM holds {MAX_LONG_STRING} characters on one line here"
_NO_PLACE = "a key object selection has no place for it"
_ONE_REGION = "the region of a series is a code or words"

_KOS_RULES: tuple[tuple[str, str, _Test], ...] = (
    ("custodian", _NO_PLACE, lambda m: m.custodian is not None),
    ("series.specimens", _NO_PLACE, _any_series(lambda s: bool(s.specimens))),
    (
        "procedure_texts",
        "a key object selection names procedures by code",
        lambda m: bool(m.procedure_texts),
    ),
    ("accession_authority", _OIDS_ALONE, lambda m: _no_oid(m.accession_authority)),
    (
        "requests.accession_authority",
        _OIDS_ALONE,
        _any_request(lambda r: _no_oid(r.accession_authority)),
    ),
    ("requests.placer_authority", _OIDS_ALONE, _any_request(lambda r: _no_oid(r.placer_authority))),
    ("requests.filler_authority", _NO_PLACE, _any_request(lambda r: bool(r.filler_authority))),
    ("requests.description", _LONG_STRING, _any_request(lambda r: _cut(r.description))),
    (
        "patient.bare_id",
        "there is one Patient ID, and one with an authority is preferred",
        lambda m: bool(m.patient.bare_id and m.patient.ids),
    ),
    ("patient.name", _LONG_STRING, _name_changes),
    ("study_description", _LONG_STRING, lambda m: _cut(m.study_description)),
    ("manufacturer", _LONG_STRING, lambda m: _cut(m.manufacturer)),
    ("institution.name", _LONG_STRING, _institution("name")),
    ("institution.id", _LONG_STRING, _institution("id")),
    ("institution.authority", _OIDS_ALONE, _institution("authority")),
    ("series.region_text", _ONE_REGION, _any_series(lambda s: bool(s.region and s.region_text))),
)


# --- FHIR -----------------------------------------------------------------------------------------


def _no_count(number: int | None) -> bool:
    return number is not None and not 0 <= number <= MAX_INTEGER


def _too_great(number: int | None) -> bool:
    return number is not None and not -MAX_INTEGER <= number <= MAX_INTEGER


def _description_of_no_note(one: ManifestInstance) -> bool:
    is_note = one.sop_class == KEY_OBJECT_SOP_CLASS or one.note_title is not None
    return bool(one.note_description) and not is_note


def _loose_times(manifest: ImagingManifest) -> Iterator[ManifestSeries]:
    for series in manifest.series:
        if series.started_time and (manifest.offset_minutes is None or series.started is None):
            yield series


_WITH_ZONE = "a FHIR time needs its date and its offset from UTC"
_COUNTS = "FHIR counts from zero, with 31 bits"
_WITH_VALUE = "an authority has no place without what it assigned"
_UNUSABLE = "a FHIR endpoint has an absolute address of the web"

_FHIR_RULES: tuple[tuple[str, str, _Test], ...] = (
    (
        "study_time",
        _WITH_ZONE,
        lambda m: bool(m.study_time and (m.offset_minutes is None or m.study_date is None)),
    ),
    ("series.started_time", _WITH_ZONE, lambda m: any(_loose_times(m))),
    ("declared_series", _COUNTS, lambda m: _no_count(m.declared_series)),
    ("series.number", _COUNTS, _any_series(lambda s: _no_count(s.number))),
    ("series.declared_instances", _COUNTS, _any_series(lambda s: _no_count(s.declared_instances))),
    ("series.instances.number", _COUNTS, _any_instance(lambda i: _no_count(i.number))),
    ("series.instances.frames", _COUNTS, _any_instance(lambda i: _too_great(i.frames))),
    (
        "series.instances.note_description",
        "only a key-image note has one",
        _any_instance(_description_of_no_note),
    ),
    ("series.region_text", _ONE_REGION, _any_series(lambda s: bool(s.region and s.region_text))),
    (
        "series.retrieve_url",
        _UNUSABLE,
        _any_series(lambda s: web_address(s.retrieve_url)[0] != s.retrieve_url),
    ),
    (
        "accession_authority",
        _WITH_VALUE,
        lambda m: bool(m.accession_authority and not m.accession),
    ),
    (
        "requests.accession_authority",
        _WITH_VALUE,
        _any_request(lambda r: bool(r.accession_authority and not r.accession)),
    ),
    (
        "requests.placer_authority",
        _WITH_VALUE,
        _any_request(lambda r: bool(r.placer_authority and not r.placer_order)),
    ),
    (
        "requests.filler_authority",
        _WITH_VALUE,
        _any_request(lambda r: bool(r.filler_authority and not r.filler_order)),
    ),
    (
        "patient.name",
        "a FHIR name has a family name or a given name",
        lambda m: bool(m.patient.name and not (m.patient.name.family or m.patient.name.given)),
    ),
)

_RULES: Mapping[ManifestEncoding, tuple[tuple[str, str, _Test], ...]] = {
    ManifestEncoding.KOS: _KOS_RULES,
    ManifestEncoding.FHIR: _FHIR_RULES,
}
