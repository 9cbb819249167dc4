"""Studies, series and instances of the image store as JSON bodies, and made from headers."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, time
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from country_a.national.ports import StoredInstance, StoredSeries, StoredStudy
from gateway.domain import (
    Code,
    ImagingRequest,
    InstanceRef,
    Oid,
    Organisation,
    PatientId,
    PixelFacts,
    Uid,
)
from gateway.wire.dicom.dataset import InstanceHeader
from gateway.wire.problems import DecodeError


def stored_from(
    header: InstanceHeader, path: Path, *, size_bytes: int, sha256: str, native_sha256: str = ""
) -> tuple[StoredStudy, StoredSeries, StoredInstance]:
    """What the store keeps of an instance; `DecodeError` when one of its UIDs is missing."""
    if header.study is None or header.series is None or header.instance is None:
        named = {"study": header.study, "series": header.series, "instance": header.instance}
        missing = ", ".join(name for name, uid in named.items() if uid is None)
        raise DecodeError("header", f"no UID of {missing}", "study, series and instance UIDs")
    if header.sop_class is None or header.transfer_syntax is None:
        raise DecodeError("header", "no SOP class or transfer syntax", "both")
    patient = header.patient.ids[0] if header.patient.ids else None
    study = StoredStudy(
        uid=header.study,
        patient=patient,
        study_date=header.study_date,
        study_time=header.study_time,
        offset_minutes=header.offset_minutes,
        description=header.study_description,
        requests=_requests(header),
        procedures=header.procedures,
        institution=header.institution,
    )
    series = StoredSeries(
        uid=header.series,
        study=header.study,
        modality=header.modality,
        number=header.series_number,
        description=header.series_description,
        started=header.series_date or header.acquisition_date,
        started_time=header.series_time or header.acquisition_time,
        body_part=header.body_part,
        region=header.region,
        laterality=header.laterality,
    )
    instance = StoredInstance(
        ref=InstanceRef(study=header.study, series=header.series, instance=header.instance),
        sop_class=header.sop_class,
        transfer_syntax=header.transfer_syntax,
        file=str(path),
        size_bytes=size_bytes,
        sha256=sha256,
        native_sha256=native_sha256,
        patient=patient,
        number=header.instance_number,
        frames=header.frames,
        rows=header.rows or 0,
        columns=header.columns or 0,
        bits_stored=header.bits_stored or 0,
        has_pixels=header.has_pixels,
        burned_in=header.burned_in,
        note_title=header.note_title,
        note_description=header.note_description,
        pixels=header.pixels,
    )
    return study, series, instance


def _requests(header: InstanceHeader) -> tuple[ImagingRequest, ...]:
    """The (accession, order) pairs; what stands at the head of the header completes them."""
    whole = ImagingRequest(
        accession=header.accession,
        accession_authority=header.accession_authority,
        placer_order=header.placer_order,
        placer_authority=header.placer_authority,
    )
    if not header.requests:
        return (whole,) if whole.accession or whole.placer_order else ()
    if len(header.requests) > 1:
        return header.requests
    only = header.requests[0]
    return (
        replace(
            only,
            accession=only.accession or whole.accession,
            accession_authority=only.accession_authority or whole.accession_authority,
            placer_order=only.placer_order or whole.placer_order,
            placer_authority=only.placer_authority or whole.placer_authority,
        ),
    )


def _covers(whole: ImagingRequest, part: ImagingRequest) -> bool:
    told = (field.name for field in fields(ImagingRequest) if getattr(part, field.name))
    return all(getattr(whole, name) == getattr(part, name) for name in told)


def _distinct(requests: tuple[ImagingRequest, ...]) -> tuple[ImagingRequest, ...]:
    """The requests, each once; one that says less than another (a note's, say) is that other."""
    unique = tuple(dict.fromkeys(requests))
    return tuple(
        part
        for part in unique
        if not any(whole != part and _covers(whole, part) for whole in unique)
    )


def merged(held: StoredStudy, other: StoredStudy) -> StoredStudy:
    """A study as the first instance told it, completed by what another one adds."""
    return StoredStudy(
        uid=held.uid,
        patient=held.patient or other.patient,
        study_date=held.study_date or other.study_date,
        study_time=held.study_time or other.study_time,
        offset_minutes=held.offset_minutes
        if held.offset_minutes is not None
        else other.offset_minutes,
        description=held.description or other.description,
        requests=_distinct((*held.requests, *other.requests)),
        procedures=tuple(dict.fromkeys((*held.procedures, *other.procedures))),
        institution=held.institution or other.institution,
    )


def merged_series(held: StoredSeries, other: StoredSeries) -> StoredSeries:
    """A series as the first instance told it, completed by what another one adds."""
    changes = {
        field.name: getattr(other, field.name)
        for field in fields(StoredSeries)
        if getattr(held, field.name) in (None, "")
    }
    return replace(held, **changes)


def _code(code: Code | None) -> Any:
    return None if code is None else [code.value, code.scheme, code.display]


def _read_code(json: Any) -> Code | None:
    return None if json is None else Code(*json)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _clock(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None


def _read_patient(json: Any) -> PatientId | None:
    return None if json is None else PatientId(json[0], Oid(json[1]))


def study_body(study: StoredStudy) -> bytes:
    """A study as JSON."""
    where = study.institution
    return orjson.dumps(
        {
            "uid": study.uid,
            "patient": study.patient and [study.patient.value, study.patient.authority],
            "study_date": study.study_date,
            "study_time": study.study_time,
            "offset_minutes": study.offset_minutes,
            "description": study.description,
            "requests": [
                {
                    field.name: getattr(request, field.name)
                    for field in fields(ImagingRequest)
                    if field.name != "code"
                }
                | {"code": _code(request.code)}
                for request in study.requests
            ],
            "procedures": [_code(code) for code in study.procedures],
            "institution": where and [where.name, where.id, where.authority],
        }
    )


def read_study(body: bytes) -> StoredStudy:
    """The study that `study_body` wrote."""
    json = orjson.loads(body)
    where = json["institution"]
    return StoredStudy(
        uid=Uid(json["uid"]),
        patient=_read_patient(json["patient"]),
        study_date=_day(json["study_date"]),
        study_time=_clock(json["study_time"]),
        offset_minutes=json["offset_minutes"],
        description=json["description"],
        requests=tuple(
            ImagingRequest(**{**request, "code": _read_code(request["code"])})
            for request in json["requests"]
        ),
        procedures=tuple(Code(*code) for code in json["procedures"]),
        institution=where and Organisation(name=where[0], id=where[1], authority=where[2]),
    )


def series_body(series: StoredSeries) -> bytes:
    """A series as JSON, but for the count of its instances, which is counted."""
    return orjson.dumps(
        {
            "uid": series.uid,
            "study": series.study,
            "modality": series.modality,
            "number": series.number,
            "description": series.description,
            "started": series.started,
            "started_time": series.started_time,
            "body_part": series.body_part,
            "region": _code(series.region),
            "laterality": series.laterality,
        }
    )


def read_series(body: bytes) -> StoredSeries:
    """The series that `series_body` wrote; its count is 0."""
    json = orjson.loads(body)
    return StoredSeries(
        uid=Uid(json["uid"]),
        study=Uid(json["study"]),
        modality=json["modality"],
        number=json["number"],
        description=json["description"],
        started=_day(json["started"]),
        started_time=_clock(json["started_time"]),
        body_part=json["body_part"],
        region=_read_code(json["region"]),
        laterality=json["laterality"],
    )


def instance_body(instance: StoredInstance) -> bytes:
    """An instance as JSON."""
    ref, patient = instance.ref, instance.patient
    return orjson.dumps(
        [
            [ref.study, ref.series, ref.instance],
            instance.sop_class,
            instance.transfer_syntax,
            instance.file,
            instance.size_bytes,
            patient and [patient.value, patient.authority],
            instance.number,
            instance.frames,
            instance.rows,
            instance.columns,
            instance.bits_stored,
            instance.has_pixels,
            instance.burned_in,
            _code(instance.note_title),
            instance.note_description,
            instance.sha256,
            instance.pixels and _pixels_body(instance.pixels),
            instance.native_sha256,
        ]
    )


_PIXEL_FIELDS = tuple(field.name for field in fields(PixelFacts))


def _pixels_body(pixels: PixelFacts) -> list[Any]:
    return [getattr(pixels, name) for name in _PIXEL_FIELDS]


def _read_pixels(json: list[Any]) -> PixelFacts:
    """The facts of an image; those of one series are the same, and most often equal."""
    named = dict(zip(_PIXEL_FIELDS, json, strict=True))
    return PixelFacts(**{**named, "image_type": tuple(named["image_type"])})


@lru_cache(maxsize=4096)
def _shared(uid: str) -> Uid:
    """The same object for all that name the same: instances come by the thousand."""
    return Uid(uid)


def read_instance(body: bytes) -> StoredInstance:
    """The instance that `instance_body` wrote."""
    json = orjson.loads(body)
    study, series, instance = json[0]
    return StoredInstance(
        ref=InstanceRef(study=_shared(study), series=_shared(series), instance=Uid(instance)),
        sop_class=_shared(json[1]),
        transfer_syntax=_shared(json[2]),
        file=json[3],
        size_bytes=json[4],
        patient=_read_patient(json[5]),
        number=json[6],
        frames=json[7],
        rows=json[8],
        columns=json[9],
        bits_stored=json[10],
        has_pixels=json[11],
        burned_in=json[12],
        note_title=_read_code(json[13]),
        note_description=json[14],
        sha256=json[15],
        pixels=json[16] and _read_pixels(json[16]),
        native_sha256=json[17] if len(json) > 17 else "",  # not known to older versions
    )
