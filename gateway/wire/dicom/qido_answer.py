"""The answer to a search over DICOMweb (QIDO-RS), as its server makes it and as a header warns.

Not the bytes: `json_write.write_metadata` makes them of the objects; no match is an empty array
and no refusal (DICOM CP-2473). What is matched and what is answered come from the same objects
(`qido_attributes`). An attribute that every answer of its level has and nobody knows is empty.
Reading an answer is in `qido_found`. Clauses: PS3.18 10.6.3 (results), 8.3.4.4 (limit and offset).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from gateway.domain import ImagingManifest, ManifestSeries
from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.qido_attributes import RETURNED, Json, Level, key_of, vr_of
from gateway.wire.dicom.qido_search import DecodedSearch, Found, find
from gateway.wire.dicom.web import ImageScope, write_path

# Half of an identifier is none: whose number it is goes with it, where that is known.
_QUALIFIERS: Final = (held.PATIENT_ID_ISSUER, held.ACCESSION_ISSUER)
# What says where a series and an instance belong, whatever the path said.
_ADDRESS: Final = {
    Level.STUDY: (),
    Level.SERIES: (held.STUDY_UID,),
    Level.INSTANCE: (held.STUDY_UID, held.SERIES_UID),
}
_REMAINING: Final = re.compile(r"\b([0-9]{1,9}) additional results")
_UNFIT: Final = re.compile(r"[^\x20-\x7e]")


def encode_response(
    search: DecodedSearch, manifests: Iterable[ImagingManifest], base: str
) -> tuple[list[Json], tuple[str, ...]]:
    """The objects of an answer, newest study first, and what its Warning headers say.

    `manifests` are what a store found for `search.query`; they are matched again by the whole
    search. `base` is the address of this DICOMweb service. Texts of warnings go out through
    `write_warning`.
    """
    found = sorted(find(search, manifests), key=_order)
    shown = found[search.offset : search.offset + search.limit]
    remaining = len(found) - search.offset - len(shown)
    warnings = search.warnings
    if remaining > 0:
        told = f"There are {remaining} additional results that can be requested"
        warnings = (*warnings, told)
    telling = _Telling(search, base.rstrip("/"))
    return [telling.told(one) for one in shown], warnings


def _order(found: Found) -> tuple[Any, ...]:
    """Newest study first, those without date last; within a study by number, then by UID."""
    day = found.manifest.study_date
    return (
        -(day or date.min).toordinal(),
        found.manifest.study,
        *_number(found.series.number if found.series else None),
        found.series.uid if found.series else "",
        *_number(found.instance.number if found.instance else None),
        found.instance.uid if found.instance else "",
    )


def _number(number: int | None) -> tuple[bool, int]:
    return number is None, number or 0


class _Telling:
    """Objects of one answer; what its rows share is made once."""

    def __init__(self, search: DecodedSearch, root: str) -> None:
        self._search = search
        self._root = root
        self._answered = {key_of(tag): {"vr": vr_of(tag)} for tag in _answered(search)}
        self._further = {
            key_of(tag) for tag in (*search.includes, *search.asked, *_ADDRESS[search.level])
        }
        self._above: dict[tuple[int, int], Json] = {}

    def told(self, found: Found) -> Json:
        """One row of the answer, tags in order."""
        manifest, series, instance = found.manifest, found.series, found.instance
        known = dict(self._shared(manifest, series))
        scope = ImageScope(study=manifest.study, series=series.uid if series else None)
        if series is not None and instance is not None:
            known |= held.instance_object(manifest, instance)
            scope = ImageScope(study=manifest.study, series=series.uid, instance=instance.uid)
        address = self._root + write_path(scope)
        known[key_of(held.RETRIEVE_URL)] = {"vr": "UR", "Value": [address]}
        wanted = known if self._search.include_all else self._chosen(known, manifest)
        return dict(sorted((self._answered | wanted).items()))

    def _shared(self, manifest: ImagingManifest, series: ManifestSeries | None) -> Json:
        """What rows of a study and of a series have in common."""
        key = (id(manifest), id(series))
        if key not in self._above:
            found = held.study_object(manifest, self._search.query.patient)
            if series is not None:
                found.pop(key_of(held.REGION), None)  # what is told is the series' own
                found |= held.series_object(manifest, series)
            self._above[key] = found
        return self._above[key]

    def _chosen(self, known: Json, manifest: ImagingManifest) -> Json:
        further = self._further
        if key_of(held.STUDY_DATE) in self._answered:
            further = further | set(map(key_of, _QUALIFIERS))
            if not manifest.accession:
                # Where there are several numbers, they are told there.
                further = further | {key_of(held.REQUESTS)}
        return {key: known[key] for key in known if key in self._answered or key in further}


def _answered(search: DecodedSearch) -> tuple[int, ...]:
    """What every answer has: of its level, and of those above that the path did not name."""
    tags = RETURNED[search.level]
    if search.level is Level.INSTANCE and search.series is None:
        tags += RETURNED[Level.SERIES]
    if search.level is not Level.STUDY and search.study is None:
        tags += RETURNED[Level.STUDY]
    return tags


def write_warning(service: str, text: str) -> str:
    """The value of a Warning header (PS3.18 8.3.4); what no header may carry becomes a ?."""
    return _UNFIT.sub("?", f"299 {service}: {text}")


def read_remaining(warning: str) -> int:
    """How many results more a Warning header of any server tells of; 0 when it tells none."""
    match = _REMAINING.search(warning)
    return int(match[1]) if match else 0
