"""What parameters of a stored query mean: `DocumentQuery`, `DocumentLookup` to slots and back.

Spelling is in `stored_queries`, the message around it in `xca_query`. Clauses: ITI TF-2
3.18.4.1.2.3.7; the size and creation filters are those of MyHealth@EU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from gateway.domain import (
    Code,
    CommunityId,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryId,
    EntryKind,
    EntryStatus,
    ExchangeError,
    InvalidIdentifier,
    InvalidTime,
    PatientId,
    ReferenceId,
    Refusal,
    ReturnType,
    TimeRange,
    Timestamp,
    refuse,
)
from gateway.wire.problems import EncodeError
from gateway.wire.soap.ebxml import KIND_URNS, STATUS_URNS, kind_of_urn, status_of_urn, write_slot
from gateway.wire.soap.entry_values import unescape_twice
from gateway.wire.soap.stored_queries import (
    FIND_BY_REFERENCE,
    FIND_DOCUMENTS,
    GET_ASSOCIATIONS,
    GET_DOCUMENTS,
    GET_DOCUMENTS_AND_ASSOCIATIONS,
    Parameter,
    Parameters,
    StoredQuery,
    split_joined_codes,
    write_list,
    write_text,
)
from gateway.wire.xml import quoted

_MAX_SIZE_DIGITS = 18  # an exabyte; a larger limit limits nothing
_LAST_SECOND = datetime.max.replace(microsecond=0, tzinfo=UTC)
_P = Parameter

# Parameter and field of `DocumentQuery`, for the filters that are plain alternatives of codes.
_CODES: tuple[tuple[Parameter, str], ...] = (
    (_P.CLASS, "class_codes"),
    (_P.TYPE, "type_codes"),
    (_P.FORMAT, "format_codes"),
    (_P.PRACTICE, "practice_settings"),
    (_P.FACILITY, "facility_types"),
)
# The same for groups of codes, which all apply, and for times.
_GROUPS: tuple[tuple[Parameter, str], ...] = (
    (_P.EVENT, "event_codes"),
    (_P.CONFIDENTIALITY, "confidentiality"),
)
_TIMES: tuple[tuple[Parameter, Parameter, str], ...] = (
    (_P.CREATED_FROM, _P.CREATED_TO, "created"),
    (_P.START_FROM, _P.START_TO, "service_start"),
    (_P.STOP_FROM, _P.STOP_TO, "service_stop"),
)


# --- asking ---------------------------------------------------------------------------------------


def _dtm(moment: datetime) -> str:
    # Entries are known to the second at most: what lies before a part of one is what lies before
    # the next whole one. Cut off, the end of a range would lose the second it stands in.
    whole = moment.replace(microsecond=0)
    if whole != moment and whole < _LAST_SECOND:
        whole += timedelta(seconds=1)
    return Timestamp(whole).dtm


def _instant(stamp: Timestamp) -> str:
    return stamp.at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _code_texts(codes: Sequence[Code]) -> list[str]:
    if not _is_askable(codes):
        return []
    return [f"{code.value}^^{code.scheme}" for code in codes]


def _is_askable(codes: Sequence[Code]) -> bool:
    return all(code.scheme for code in codes)


def unasked(query: DocumentQuery) -> tuple[str, ...]:
    """The filters, by their field, that are not asked for or not wholly: the asker applies them.

    A stored query has no code without its scheme (ITI TF-2 3.18.4.1.2.3.4), which FHIR has.
    """
    flat = [field for _, field in _CODES if not _is_askable(getattr(query, field))]
    grouped = [field for _, field in _GROUPS if not all(map(_is_askable, getattr(query, field)))]
    return (*flat, *grouped)


def _find_slots(query: DocumentQuery) -> list[str]:
    slots = [write_slot(_P.PATIENT, (write_text(query.patient.cx),))]

    def listed(parameter: Parameter, texts: Iterable[str]) -> None:
        values = write_list(texts, parameter)
        if values:
            slots.append(write_slot(parameter, values))

    # Status is required; no filter means every status, so every status is listed.
    listed(_P.STATUS, [STATUS_URNS[status] for status in query.statuses or tuple(EntryStatus)])
    if query.kinds != (EntryKind.STABLE,):
        listed(_P.KIND, [KIND_URNS[kind] for kind in query.kinds or tuple(EntryKind)])
    for parameter, field in _CODES:
        listed(parameter, _code_texts(getattr(query, field)))
    for parameter, field in _GROUPS:
        for group in getattr(query, field):
            listed(parameter, _code_texts(group))
    for references in query.references:
        listed(_P.REFERENCE, [reference.cxi for reference in references])
    listed(_P.AUTHOR, query.author_patterns)
    for first, last, field in _TIMES:
        limits: TimeRange = getattr(query, field)
        for parameter, moment in ((first, limits.start), (last, limits.end)):
            if moment is not None:
                slots.append(write_slot(parameter, (_dtm(moment),)))
    if query.max_size_bytes is not None:
        slots.append(write_slot(_P.MAXIMUM_SIZE, (str(query.max_size_bytes),)))
    for parameter, stamp in (
        (_P.CREATED_AFTER, query.created_after),
        (_P.CREATED_BEFORE, query.created_before),
    ):
        if stamp is not None:
            slots.append(write_slot(parameter, (_instant(stamp),)))
    return slots


def _lookup_slots(lookup: DocumentLookup) -> tuple[str, list[str]]:
    if bool(lookup.entry_ids) == bool(lookup.document_ids):
        raise EncodeError("a lookup names entries or documents, and never both")
    if lookup.entries:
        query_id = GET_DOCUMENTS_AND_ASSOCIATIONS if lookup.associations else GET_DOCUMENTS
        parameter = _P.ENTRY_UUID if lookup.entry_ids else _P.UNIQUE_ID
    elif lookup.associations and lookup.entry_ids:
        query_id, parameter = GET_ASSOCIATIONS, _P.UUID
    else:
        raise EncodeError("associations alone are asked for by entry id")
    values = write_list(lookup.entry_ids or lookup.document_ids, parameter)
    return query_id, [write_slot(parameter, values)]


def write_slots(query: DocumentQuery | DocumentLookup) -> tuple[str, list[str]]:
    """The stored query that asks this, and its slots; `EncodeError` for what cannot be asked."""
    if isinstance(query, DocumentQuery):
        return FIND_BY_REFERENCE if any(query.references) else FIND_DOCUMENTS, _find_slots(query)
    return _lookup_slots(query)


# --- reading what is asked ------------------------------------------------------------------------


def _malformed(parameter: Parameter, text: str) -> ExchangeError:
    return refuse(Refusal.MALFORMED_REQUEST, f"{parameter}: {text}", subject=parameter)


def _read_code(parameter: Parameter, item: str) -> Code:
    parts = [part.strip() for part in item.split("^")]
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise _malformed(parameter, f"{quoted(item)!r}, expected code^^scheme")
    return Code(parts[0], parts[2], parts[1])


def _codes(parameter: Parameter, texts: Iterable[str]) -> tuple[Code, ...]:
    return tuple(_read_code(parameter, item) for text in texts for item in split_joined_codes(text))


def _moment(parameter: Parameter, text: str) -> Timestamp:
    # A DTM as XDS has it, or an ISO instant as the MyHealth@EU filters do.
    try:
        return Timestamp.parse(text)
    except InvalidTime as error:
        try:
            moment = datetime.fromisoformat(text)
            return Timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise _malformed(parameter, str(error)) from None


def _optional_moment(parameters: Parameters, parameter: Parameter) -> Timestamp | None:
    text = parameters.one_of(parameter)
    return _moment(parameter, text) if text else None


def _range(parameters: Parameters, first: Parameter, last: Parameter) -> TimeRange:
    start, end = _optional_moment(parameters, first), _optional_moment(parameters, last)
    return TimeRange(start=start.at if start else None, end=end.at if end else None)


def _patient(parameter: Parameter, text: str) -> PatientId:
    try:
        return PatientId.parse_cx(unescape_twice(text))
    except InvalidIdentifier as error:
        raise _malformed(parameter, f"expected {error.expected}") from None


def _reference(text: str) -> ReferenceId:
    try:
        return ReferenceId.parse_cxi(unescape_twice(text))
    except InvalidIdentifier as error:
        raise _malformed(_P.REFERENCE, str(error)) from None


def _statuses(parameters: Parameters) -> tuple[EntryStatus, ...]:
    known = [status_of_urn(text) for text in parameters.all_of(_P.STATUS)]
    statuses = tuple(dict.fromkeys(status for status in known if status is not None))
    if not statuses:
        raise refuse(
            Refusal.MISSING_PARAMETER, f"{_P.STATUS} names no status we know", subject=_P.STATUS
        )
    return statuses


def _kinds(parameters: Parameters) -> tuple[EntryKind, ...]:
    texts = parameters.all_of(_P.KIND)
    known = [kind_of_urn(text) for text in texts]
    kinds = tuple(dict.fromkeys(kind for kind in known if kind is not None))
    if texts and not kinds:
        raise _malformed(_P.KIND, "names no object type we know")
    return kinds or (EntryKind.STABLE,)


def _size(parameters: Parameters) -> int | None:
    text = parameters.one_of(_P.MAXIMUM_SIZE)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_SIZE_DIGITS):
        raise _malformed(_P.MAXIMUM_SIZE, f"{quoted(text)!r}, expected a number of bytes")
    return int(text)


def read_find(
    definition: StoredQuery,
    parameters: Parameters,
    home: CommunityId | None,
    return_type: ReturnType,
) -> DocumentQuery:
    groups = parameters.groups
    by_patient = _P.PATIENT if _P.PATIENT in definition.parameters else _P.PATIENT_OF_ALL
    codes = {field: _codes(name, parameters.all_of(name)) for name, field in _CODES}
    grouped = {
        field: tuple(_codes(name, group) for group in groups.get(name, ()))
        for name, field in _GROUPS
    }
    times = {field: _range(parameters, first, last) for first, last, field in _TIMES}
    return DocumentQuery(
        patient=_patient(by_patient, parameters.one_of(by_patient)),
        community=home,
        return_type=return_type,
        statuses=_statuses(parameters),
        kinds=_kinds(parameters),
        references=tuple(
            tuple(_reference(text) for text in group) for group in groups.get(_P.REFERENCE, ())
        ),
        author_patterns=tuple(parameters.all_of(_P.AUTHOR)),
        max_size_bytes=_size(parameters),
        created_after=_optional_moment(parameters, _P.CREATED_AFTER),
        created_before=_optional_moment(parameters, _P.CREATED_BEFORE),
        class_codes=codes["class_codes"],
        type_codes=codes["type_codes"],
        format_codes=codes["format_codes"],
        practice_settings=codes["practice_settings"],
        facility_types=codes["facility_types"],
        event_codes=grouped["event_codes"],
        confidentiality=grouped["confidentiality"],
        created=times["created"],
        service_start=times["service_start"],
        service_stop=times["service_stop"],
    )


def read_lookup(
    definition: StoredQuery, parameters: Parameters, home: CommunityId, return_type: ReturnType
) -> DocumentLookup:
    given = [
        parameter
        for parameter in (_P.ENTRY_UUID, _P.UNIQUE_ID, _P.UUID)
        if parameter in parameters.groups
    ]
    if not given:
        raise refuse(
            Refusal.MISSING_PARAMETER,
            f"{_P.ENTRY_UUID} or {_P.UNIQUE_ID} is required",
            subject=_P.ENTRY_UUID,
        )
    if len(given) > 1:
        raise refuse(
            Refusal.WRONG_PARAMETER_COUNT,
            f"{_P.ENTRY_UUID} and {_P.UNIQUE_ID} exclude each other",
            subject=_P.UNIQUE_ID,
        )
    texts = parameters.all_of(given[0])
    by_document = given[0] is _P.UNIQUE_ID
    try:
        return DocumentLookup(
            community=home,
            entry_ids=() if by_document else tuple(EntryId(text) for text in texts),
            document_ids=tuple(DocumentId(text) for text in texts) if by_document else (),
            entries=definition.entries,
            associations=definition.associations,
            return_type=return_type,
        )
    except InvalidIdentifier as error:
        raise _malformed(given[0], str(error)) from None
