"""Queries are SQL that other databases understand (what they mean is tested in test_registry)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from country_a.national.entry_filters import MAX_VALUES, entries_asked_for
from country_a.national.schema import metadata
from gateway.domain import BadRequest, Code, ReferenceId
from tests.builders import make_query


def test_queries_and_tables_can_be_said_to_postgresql() -> None:
    """Statements and definitions compile for PostgreSQL, sorted by code point there too."""
    query = make_query(
        author_patterns=("%Ł%",), references=((ReferenceId("a_%", "k", "2.999.1"),),)
    )
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    said = str(entries_asked_for(query).compile(dialect=dialect))
    tables = [str(CreateTable(t).compile(dialect=dialect)) for t in metadata.sorted_tables]
    indices = [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]

    assert "LIKE" in said
    assert "ESCAPE" in said
    assert any('COLLATE "C"' in table for table in tables)
    assert indices


def test_as_many_values_as_allowed_pass_and_one_more_does_not() -> None:
    """The limit counts every value of every filter."""
    query = make_query(event_codes=(), type_codes=(), references=())
    spare = MAX_VALUES - sum(
        map(len, (query.class_codes, query.format_codes, query.author_patterns))
    )
    codes = tuple(Code(f"{n}", "2.999") for n in range(spare))

    entries_asked_for(replace(query, type_codes=codes))
    with pytest.raises(BadRequest):
        entries_asked_for(replace(query, type_codes=(*codes, Code("x", "2.999"))))
