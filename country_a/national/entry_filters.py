"""A document query as SQL: the same meaning as `gateway.domain.selection`, filter by filter.

A filter on something an entry has several of becomes a subquery over that patient's rows, so
that its cost follows the patient's entries and not the registry's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import Column, ColumnElement, Select, and_, or_, select

from country_a.national.entry_rows import (
    CONFIDENTIALITY,
    EVENT,
    code_key,
    micros,
    patient_key,
    value_key,
)
from country_a.national.schema import (
    entries,
    entry_authors,
    entry_bodies,
    entry_codes,
    entry_references,
)
from gateway.domain import Code, DocumentQuery, ReferenceId, Refusal, TimeRange, refuse

Condition = ColumnElement[bool]
# The stored queries know no escape, SQL does: this character stands for itself when doubled.
_ESCAPE = "\x1e"
_RUN = re.compile("%+")
# Databases limit the depth of a condition (SQLite: 1 000) and the values in a statement.
MAX_VALUES = 500


def pattern_matches(column: Column[str], pattern: str) -> Condition:
    """Whether a column fits a pattern with the wildcards % and _."""
    if "%" not in pattern and "_" not in pattern:
        return column == pattern
    # A run of % means one; left in, it multiplies the work of the comparison.
    text = _RUN.sub("%", pattern).replace(_ESCAPE, _ESCAPE * 2)
    return column.like(text, escape=_ESCAPE)


def _one_of_codes(column: Column[str], codes: Sequence[Code]) -> Condition:
    """As `Code.asks_for`: a code without a scheme is found in any."""
    exact = sorted({code_key(code) for code in codes if code.scheme})
    anywhere = sorted({value_key(code.value) for code in codes if not code.scheme})
    # A range and no LIKE, which SQLite takes without regard to case: ";" comes after ":".
    ranges = (and_(column >= key, column < key[:-1] + ";") for key in anywhere)
    return or_(column.in_(exact), *ranges)


def _within(column: Column[int], times: TimeRange) -> Iterator[Condition]:
    if times.start is not None:
        yield column >= micros(times.start)
    if times.end is not None:
        yield column < micros(times.end)


def _unless_unknown(column: Column[int], *conditions: Condition) -> Iterator[Condition]:
    if conditions:
        yield or_(column.is_(None), and_(*conditions))


def _code_groups(query: DocumentQuery) -> Iterator[Condition]:
    table = entry_codes.c
    for role, groups in ((EVENT, query.event_codes), (CONFIDENTIALITY, query.confidentiality)):
        for group in groups:
            holders = select(table.entry).where(
                table.patient == patient_key(query.patient),
                table.role == role,
                _one_of_codes(table.code, group),
            )
            yield entries.c.row.in_(holders)


def _reference(wanted: ReferenceId) -> Condition:
    table = entry_references.c
    return and_(
        table.kind == str(wanted.kind),
        pattern_matches(table.value, wanted.value),
        pattern_matches(table.authority, wanted.authority),
    )


def _reference_groups(query: DocumentQuery) -> Iterator[Condition]:
    table = entry_references.c
    for group in query.references:
        holders = select(table.entry).where(
            table.patient == patient_key(query.patient),
            or_(False, *(_reference(wanted) for wanted in group)),
        )
        yield entries.c.row.in_(holders)


def _authors(query: DocumentQuery) -> Iterator[Condition]:
    table = entry_authors.c
    if query.author_patterns:
        patterns = (pattern_matches(table.author, text) for text in query.author_patterns)
        holders = select(table.entry).where(
            table.patient == patient_key(query.patient), or_(*patterns)
        )
        yield entries.c.row.in_(holders)


def _conditions(query: DocumentQuery) -> Iterator[Condition]:
    table = entries.c
    yield table.patient == patient_key(query.patient)
    if query.statuses:
        yield table.status.in_(sorted({status.value for status in query.statuses}))
    if query.kinds:
        yield table.kind.in_(sorted({kind.value for kind in query.kinds}))
    for column, codes in (
        (table.class_code, query.class_codes),
        (table.type_code, query.type_codes),
        (table.format_code, query.format_codes),
        (table.practice_setting, query.practice_settings),
        (table.facility_type, query.facility_types),
    ):
        if codes:
            yield _one_of_codes(column, codes)
    yield from _code_groups(query)
    yield from _reference_groups(query)
    yield from _authors(query)
    # An unknown creation time fails a range of creation times, unlike every other unknown.
    yield from _within(table.created, query.created)
    for column, times in (
        (table.service_start, query.service_start),
        (table.service_stop, query.service_stop),
    ):
        yield from _unless_unknown(column, *_within(column, times))
    if query.max_size_bytes is not None:
        yield from _unless_unknown(table.size_bytes, table.size_bytes <= query.max_size_bytes)
    if query.created_after is not None:
        after = micros(query.created_after.at)
        yield from _unless_unknown(table.created, table.created > after)
    if query.created_before is not None:
        before = micros(query.created_before.at)
        yield from _unless_unknown(table.created, table.created < before)


def _count_values(query: DocumentQuery) -> int:
    groups = (*query.event_codes, *query.confidentiality, *query.references)
    flat = (
        query.class_codes,
        query.type_codes,
        query.format_codes,
        query.practice_settings,
        query.facility_types,
        query.author_patterns,
        groups,
    )
    return sum(map(len, flat)) + sum(map(len, groups))


def entries_asked_for(query: DocumentQuery) -> Select[bytes, str]:
    """Body and status of every entry that satisfies the query, newest service first.

    `BadRequest` when the query holds more than `MAX_VALUES` values to compare with.
    """
    count = _count_values(query)
    if count > MAX_VALUES:
        text = f"found {count} values to filter by, expected at most {MAX_VALUES}"
        raise refuse(Refusal.MALFORMED_REQUEST, text)
    return (
        select(entry_bodies.c.body, entries.c.status)
        .join(entries, entries.c.row == entry_bodies.c.row)
        .where(*_conditions(query))
        .order_by(entries.c.start_key.desc(), entries.c.id)
    )
