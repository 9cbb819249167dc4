"""How values of stored queries are spelt, and the tables of queries."""

from __future__ import annotations

import pytest

from gateway.domain import ExchangeError, Refusal
from gateway.wire.problems import EncodeError
from gateway.wire.soap import stored_queries
from gateway.wire.soap.stored_queries import (
    QUERIES,
    Family,
    Parameter,
    read_items,
    read_parameters,
    split_joined_codes,
    write_list,
    write_text,
)
from gateway.wire.xml import RIM, Element, parse_xml


def query(*slots: tuple[str, str]) -> Element:
    """An AdhocQuery with raw slots of one Value each."""
    rows = "".join(
        f'<Slot name="{name}"><ValueList><Value>{value}</Value></ValueList></Slot>'
        for name, value in slots
    )
    return parse_xml(f'<AdhocQuery xmlns="{RIM}">{rows}</AdhocQuery>'.encode())


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("'a'", ["a"]),
        ("'O''Neill'", ["O'Neill"]),
        ("''''", ["'"]),
        ("('a','b')", ["a", "b"]),
        (" ( 'a' ,\n 'b' ) ", ["a", "b"]),
        ("('a)','(b')", ["a)", "(b"]),
        ("('a,b')", ["a,b"]),
        ("'a','b'", ["a", "b"]),
        ("(a, b)", ["a", "b"]),
        ("20260101", ["20260101"]),
        ("Doe, Jane", ["Doe, Jane"]),
        ("‘a’", ["a"]),
        ("(“a”,'b',`c´)", ["a", "b", "c"]),
        ("('O’Neill')", ["O’Neill"]),
        ('"a"', ["a"]),
        ("('a',)", ["a"]),
        ("()", []),
        ("''", []),
        ("", []),
    ],
)
def test_values_are_read_as_texts(text: str, items: list[str]) -> None:
    """Quotes, doubled quotes, lists, bare words, and the quotes of word processors."""
    assert read_items(text) == items


@pytest.mark.parametrize(
    "text", ["'a", "('a'", "'a'b", "'a''--", "('a' 'b')", "((a))", "'a')", "‘a", "('a'),('b')"]
)
def test_what_nobody_can_be_sure_of_is_not_read(text: str) -> None:
    """A quote left open is how injections begin."""
    assert read_items(text) is None


@pytest.mark.parametrize(
    "text", ["'" * 60_001, "('" + "a','" * 20_000, "‘a," * 20_000, "(" * 60_000]
)
def test_hostile_values_are_read_in_linear_time(text: str) -> None:
    """No spelling makes the reader go back."""

    read_items(text)


@pytest.mark.parametrize("count", [1, 3, 50])
def test_long_lists_go_on_in_further_values(count: int) -> None:
    """Each Value is a list of its own of at most 256 characters."""
    texts = [f"2.999.1.4.{number}'" for number in range(count)]

    values = write_list(texts, "x")

    assert all(len(value) <= 256 for value in values)
    assert [item for value in values for item in read_items(value) or ()] == texts
    assert len(values) < count or count == 1
    assert write_list((), "x") == ()


def test_a_text_that_fits_no_value_is_refused() -> None:
    """It cannot be cut; quotes count twice."""
    assert len(write_list(["x" * 252], "p")[0]) == 256
    with pytest.raises(EncodeError, match="p: a value of 253"):
        write_list(["x" * 253], "p")
    assert write_text("a'b") == "'a''b'"


def test_codes_in_one_text_are_taken_apart_only_when_all_are_codes() -> None:
    """A comma may belong to a scheme's name."""
    assert split_joined_codes("a^^b, c^^d") == ["a^^b", "c^^d"]
    assert split_joined_codes("a^^b,c") == ["a^^b,c"]


def test_every_query_is_named_once_and_defines_what_it_requires() -> None:
    """The tables agree with themselves."""
    assert len({definition.name for definition in QUERIES.values()}) == len(QUERIES)
    for query_id, definition in QUERIES.items():
        assert query_id == query_id.lower()
        assert query_id.startswith("urn:uuid:")
        assert set(definition.required) <= definition.parameters
        assert bool(definition.parameters) == (definition.family is not Family.NOTHING)


def test_values_of_a_query_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is compared with every entry, so a peer does not decide how many."""
    monkeypatch.setattr(stored_queries, "MAX_ITEMS", 2)
    definition = QUERIES[stored_queries.GET_DOCUMENTS]

    with pytest.raises(ExchangeError, match="more than 2 values"):
        read_parameters(query((Parameter.ENTRY_UUID, "('a','b','c')")), definition)


def test_a_value_of_enormous_length_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal repeats little of it."""
    monkeypatch.setattr(stored_queries, "MAX_TEXT", 10)
    definition = QUERIES[stored_queries.GET_DOCUMENTS]

    with pytest.raises(ExchangeError) as refused:
        read_parameters(query((Parameter.ENTRY_UUID, "'" + "a" * 500 + "'")), definition)

    assert refused.value.refusal is Refusal.MALFORMED_REQUEST
    assert len(refused.value.text) < 300


def test_names_nobody_applies_are_named_once() -> None:
    """In the order they came."""
    definition = QUERIES[stored_queries.GET_DOCUMENTS]

    parameters = read_parameters(
        query(("$b", "1"), ("$a", "'"), ("$b", "2"), (Parameter.UNIQUE_ID, "'x'")), definition
    )

    assert parameters.ignored == ("$b", "$a")
    assert parameters.one_of(Parameter.UNIQUE_ID) == "x"
    assert parameters.one_of(Parameter.ENTRY_UUID) == ""
