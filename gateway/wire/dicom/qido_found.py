"""The answer to a search over DICOMweb as a client reads it: what is known of each study.

An answer about studies knows their headers, one about series or instances those too; each study is
told as the part of its manifest that is known. Tolerant of what servers leave out: an object is
placed by the UIDs it has, by the path that was asked, or by its own address; one that cannot be
placed is left out with an error and costs no other. No manifest that is read here has been
published: its UID is its study's. Clauses: PS3.18 10.6.3 (results), annex F (the model).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.domain import (
    Code,
    ImagingManifest,
    InvalidIdentifier,
    Issue,
    ManifestForm,
    ManifestInstance,
    ManifestSeries,
    Outcome,
    Refusal,
    Severity,
    Uid,
)
from gateway.domain.codes import DCM
from gateway.wire.dicom import elements, snomed
from gateway.wire.dicom import qido_attributes as held
from gateway.wire.dicom.elements import CodingSchemes, items, reading, text, texts, uid
from gateway.wire.dicom.json_read import read_metadata

_UNKNOWN_CLASS: Final = Uid("0")
_ADDRESS: Final = re.compile(
    r"(?P<base>.{0,1000}?)/studies/(?P<study>[0-9.]{1,64})"
    r"(?:/series/(?P<series>[0-9.]{1,64})(?:/instances/(?P<instance>[0-9.]{1,64}))?)?/?"
)


@dataclass(slots=True)
class _Study:
    """A study while its parts come in, in any order."""

    manifest: ImagingManifest
    series: dict[Uid, ManifestSeries] = field(default_factory=dict)
    instances: dict[Uid, dict[Uid, ManifestInstance]] = field(default_factory=dict)


def decode_response(
    data: bytes, *, study: Uid | None = None, series: Uid | None = None, where: str = "body"
) -> Outcome[ImagingManifest]:
    """What is known of each study of an answer, in its order; nothing of an empty body.

    `study` and `series` are those of the path that was asked. Raises `DecodeError` for what is no
    DICOM JSON; an object without a place is an error issue.
    """
    found: dict[Uid, _Study] = {}
    issues: list[Issue] = []
    schemes = CodingSchemes()
    for number, ds in enumerate(read_metadata(data, where=where)):
        place = f"{where}[{number}]"
        with reading(place):
            _take(ds, found, issues, place, (study, series), schemes)
    for said, value in snomed.departures(schemes.old):
        issues.append(
            Issue(
                refusal=Refusal.PEER_MISBEHAVED,
                text=said,
                severity=Severity.WARNING,
                subject=value,
            )
        )
    return Outcome(tuple(map(_put_together, found.values())), tuple(issues))


def _take(
    ds: Dataset,
    found: dict[Uid, _Study],
    issues: list[Issue],
    place: str,
    asked: tuple[Uid | None, Uid | None],
    schemes: CodingSchemes,
) -> None:
    url = text(ds, Tag(held.RETRIEVE_URL))
    address = _ADDRESS.fullmatch(url)
    study = _uid(ds, held.STUDY_UID) or _of_address(address, "study") or asked[0]
    sop = _uid(ds, held.SOP_UID)
    series = _uid(ds, held.SERIES_UID) or _of_address(address, "series") or asked[1]
    if study is None:
        issues.append(_issue(place, "has no usable study UID and is left out"))
        return
    if series is None and (sop is not None or Tag(held.SERIES_UID) in ds):
        issues.append(_issue(place, "has no usable series UID and is left out"))
        return
    one = found.get(study)
    if one is None:
        one = found[study] = _Study(_manifest(ds, study, schemes))
    if series is None:
        return
    if series not in one.series:
        one.series[series] = _series(ds, series, address["base"] if address else "", schemes)
    if sop is not None:
        if sop in one.instances.setdefault(series, {}):
            issues.append(_issue(place, "comes twice", Severity.WARNING))
        one.instances[series].setdefault(sop, _instance(ds, sop))


def _issue(place: str, said: str, severity: Severity = Severity.ERROR) -> Issue:
    told = f"{place} of an answer {said}"
    return Issue(refusal=Refusal.PEER_MISBEHAVED, severity=severity, text=told, subject=place)


def _put_together(study: _Study) -> ImagingManifest:
    return replace(
        study.manifest,
        series=tuple(
            replace(one, instances=tuple(study.instances.get(one.uid, {}).values()))
            for one in study.series.values()
        ),
    )


def _manifest(ds: Dataset, study: Uid, schemes: CodingSchemes) -> ImagingManifest:
    number, authority = _accession(ds)
    return ImagingManifest(
        uid=study,
        form=ManifestForm.MADO,
        study=study,
        patient=elements.patient(ds),
        title=Code("", ""),
        study_date=elements.day(ds, Tag(held.STUDY_DATE)),
        study_time=elements.clock(ds, Tag(held.STUDY_TIME)),
        offset_minutes=elements.offset_minutes(ds),
        study_description=text(ds, Tag(0x0008, 0x1030)),
        accession=number,
        accession_authority=authority,
        requests=tuple(elements.request(one, schemes) for one in items(ds, Tag(held.REQUESTS))),
        modalities=_modalities(texts(ds, Tag(held.MODALITIES_IN_STUDY))),
        regions=() if Tag(held.SERIES_UID) in ds else elements.codes(ds, Tag(held.REGION), schemes),
        procedures=elements.codes(ds, Tag(0x0008, 0x1032), schemes),
        declared_series=elements.integer(ds, Tag(0x0020, 0x1206)),
    )


def _accession(ds: Dataset) -> tuple[str, str]:
    """The accession number and who assigned it, an OID or else a name."""
    number = text(ds, elements.ACCESSION_NUMBER)
    issuer = elements.ISSUER_OF_ACCESSION_NUMBER
    named = next((text(one, Tag(held.LOCAL_ID)) for one in items(ds, issuer)), "")
    return number, elements.authority(ds, issuer) or named


def _series(ds: Dataset, series: Uid, base: str, schemes: CodingSchemes) -> ManifestSeries:
    modalities = _modalities(texts(ds, Tag(held.MODALITY)))
    return ManifestSeries(
        uid=series,
        modality=next(iter(modalities), None),
        number=elements.integer(ds, Tag(0x0020, 0x0011)),
        description=text(ds, Tag(0x0008, 0x103E)),
        started=elements.day(ds, Tag(0x0040, 0x0244)),
        started_time=elements.clock(ds, Tag(0x0040, 0x0245)),
        region=elements.first_code(ds, Tag(held.REGION), schemes),
        region_text=text(ds, Tag(0x0018, 0x0015)),
        retrieve_url=base,
        declared_instances=elements.integer(ds, Tag(0x0020, 0x1209)),
    )


def _instance(ds: Dataset, sop: Uid) -> ManifestInstance:
    return ManifestInstance(
        uid=sop,
        sop_class=_uid(ds, int(Tag(0x0008, 0x0016))) or _UNKNOWN_CLASS,
        number=elements.integer(ds, Tag(0x0020, 0x0013)),
        frames=elements.integer(ds, Tag(0x0028, 0x0008)),
    )


def _modalities(found: Iterable[str]) -> tuple[Code, ...]:
    # One server was seen to write a list as a single value with backslashes; `texts` divides it.
    return tuple(Code(one, DCM) for one in dict.fromkeys(found) if one)


def _uid(ds: Dataset, tag: int) -> Uid | None:
    return uid(ds, Tag(tag))


def _of_address(address: re.Match[str] | None, name: str) -> Uid | None:
    try:
        return Uid(address[name]) if address and address[name] else None
    except InvalidIdentifier:
        return None
