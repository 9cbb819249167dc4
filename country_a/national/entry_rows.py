"""A document entry as rows: one body that holds all of it, and what a query filters by.

The body is JSON in arrays, in the order of the fields below: quick to write and to read back.
The status stands in its column alone, because it is the one thing about an entry that changes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from gateway.domain import (
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    EntryKind,
    EntryStatus,
    HumanName,
    Oid,
    Organisation,
    PatientId,
    Precision,
    ReferenceId,
    Timestamp,
)
from gateway.domain.codes import same_scheme, true_scheme
from gateway.domain.selection import author_strings, chronological

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EVENT = "event"
CONFIDENTIALITY = "confidentiality"

Json = Any
Row = dict[str, object]


def micros(moment: datetime) -> int:
    """A moment as whole microseconds since 1970, exact."""
    return (moment - _EPOCH) // _MICROSECOND


def patient_key(patient: PatientId) -> str:
    """A patient identifier as one text; a value holds no ^, so that no two share one."""
    return f"{patient.value}^{patient.authority}"


def code_key(code: Code) -> str:
    """A code as one text, equal exactly where `Code.means` holds; it begins as `value_key` says."""
    return value_key(code.value) + same_scheme(true_scheme(code))


def value_key(value: str) -> str:
    """How the key of every code of this value begins, and of no other."""
    return f"{len(value)}:{value}:"


def entry_row(entry: DocumentEntry) -> Row:
    """The row of filters, for the table `entry`."""
    start, stop, created = entry.service_start, entry.service_stop, entry.created
    return {
        "id": entry.id,
        "document": entry.ref.document,
        "patient": patient_key(entry.patient),
        "status": entry.status.value,
        "kind": entry.kind.value,
        "class_code": code_key(entry.class_code),
        "type_code": code_key(entry.type_code),
        "format_code": code_key(entry.format_code),
        "practice_setting": code_key(entry.practice_setting),
        "facility_type": code_key(entry.facility_type),
        "start_key": chronological(start),
        "service_start": micros(start.at) if start else None,
        "service_stop": micros(stop.at) if stop else None,
        "created": micros(created.at) if created else None,
        "size_bytes": entry.size_bytes,
    }


def code_rows(entry: DocumentEntry, row: int) -> list[Row]:
    """Event codes and confidentiality, for the table `entry_code`."""
    patient = patient_key(entry.patient)
    keys = dict.fromkeys(
        [(EVENT, code_key(code)) for code in entry.event_codes]
        + [(CONFIDENTIALITY, code_key(code)) for code in entry.confidentiality]
    )
    return [{"patient": patient, "role": role, "code": key, "entry": row} for role, key in keys]


def reference_rows(entry: DocumentEntry, row: int) -> list[Row]:
    """Related identifiers, for the table `entry_reference`."""
    patient = patient_key(entry.patient)
    keys = dict.fromkeys((ref.kind, ref.value, ref.authority) for ref in entry.references)
    return [
        {"patient": patient, "kind": str(kind), "value": value, "authority": name, "entry": row}
        for kind, value, name in keys
    ]


def author_rows(entry: DocumentEntry, row: int) -> list[Row]:
    """Authors as patterns see them, for the table `entry_author`."""
    patient = patient_key(entry.patient)
    texts = dict.fromkeys(author_strings(entry))
    return [{"patient": patient, "author": text, "entry": row} for text in texts]


def _from_code(code: Code) -> Json:
    return [code.value, code.scheme, code.display]


@lru_cache(maxsize=4096)
def _code(value: str, scheme: str, display: str) -> Code:
    return Code(value, scheme, display)


def _from_time(moment: Timestamp | None) -> Json:
    return None if moment is None else [micros(moment.at), int(moment.precision)]


def _time(json: Json) -> Timestamp | None:
    if json is None:
        return None
    return Timestamp(_EPOCH + json[0] * _MICROSECOND, Precision(json[1]))


def _from_patient(patient: PatientId | None) -> Json:
    return None if patient is None else [patient.value, patient.authority]


@lru_cache(maxsize=4096)
def _patient_id(value: str, authority: str) -> PatientId:
    return PatientId(value, Oid(authority))


_oid = lru_cache(maxsize=1024)(Oid)
_community = lru_cache(maxsize=256)(CommunityId)


def _from_author(author: Author) -> Json:
    name = author.name
    return [
        [name.family, name.given, name.prefix, name.suffix] if name else None,
        author.id,
        author.id_authority,
        [[unit.name, unit.id, unit.authority] for unit in author.institutions],
        author.roles,
        author.specialities,
        author.telecom,
    ]


def _author(json: Json) -> Author:
    name, author_id, authority, institutions, roles, specialities, telecom = json
    return Author(
        name=name
        and HumanName(family=name[0], given=tuple(name[1]), prefix=name[2], suffix=name[3]),
        id=author_id,
        id_authority=authority,
        institutions=tuple(
            Organisation(name=unit[0], id=unit[1], authority=unit[2]) for unit in institutions
        ),
        roles=tuple(roles),
        specialities=tuple(specialities),
        telecom=tuple(telecom),
    )


def entry_body(entry: DocumentEntry) -> bytes:
    """The whole entry but its status."""
    e = entry
    return orjson.dumps(
        [
            e.id,
            [e.ref.community, e.ref.repository, e.ref.document],
            _from_patient(e.patient),
            e.kind.value,
            e.logical_id,
            e.version,
            e.mime_type,
            e.title,
            e.comments,
            [
                _from_code(code)
                for code in (
                    e.class_code,
                    e.type_code,
                    e.format_code,
                    e.facility_type,
                    e.practice_setting,
                )
            ],
            [_from_code(code) for code in e.confidentiality],
            [_from_code(code) for code in e.event_codes],
            [_from_author(author) for author in e.authors],
            e.legal_authenticator,
            [_from_time(moment) for moment in (e.created, e.service_start, e.service_stop)],
            e.language,
            e.sha1,
            e.size_bytes,
            [[ref.value, str(ref.kind), ref.authority, ref.home] for ref in e.references],
            _from_patient(e.source_patient),
            e.source_patient_info,
            e.uri,
            e.availability,
        ]
    )


def read_entry(body: bytes, status: str) -> DocumentEntry:
    """The entry that `entry_body` wrote, with the status it has now."""
    (
        entry_id,
        ref,
        patient,
        kind,
        logical_id,
        version,
        mime_type,
        title,
        comments,
        codes,
        confidentiality,
        event_codes,
        authors,
        legal_authenticator,
        times,
        language,
        sha1,
        size_bytes,
        references,
        source_patient,
        source_patient_info,
        uri,
        availability,
    ) = orjson.loads(body)
    class_code, type_code, format_code, facility_type, practice_setting = codes
    created, service_start, service_stop = times
    return DocumentEntry(
        id=EntryId(entry_id),
        ref=DocumentRef(_community(ref[0]), _oid(ref[1]), DocumentId(ref[2])),
        patient=_patient_id(*patient),
        status=EntryStatus(status),
        kind=EntryKind(kind),
        logical_id=logical_id,
        version=version,
        mime_type=mime_type,
        title=title,
        comments=comments,
        class_code=_code(*class_code),
        type_code=_code(*type_code),
        format_code=_code(*format_code),
        facility_type=_code(*facility_type),
        practice_setting=_code(*practice_setting),
        confidentiality=tuple(_code(*code) for code in confidentiality),
        event_codes=tuple(_code(*code) for code in event_codes),
        authors=tuple(map(_author, authors)),
        legal_authenticator=legal_authenticator,
        created=_time(created),
        service_start=_time(service_start),
        service_stop=_time(service_stop),
        language=language,
        sha1=sha1,
        size_bytes=size_bytes,
        references=tuple(ReferenceId(*reference) for reference in references),
        source_patient=source_patient and _patient_id(*source_patient),
        source_patient_info=tuple(source_patient_info),
        uri=uri,
        availability=availability,
    )
