"""FHIR JSON, strict where JSON is lax."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fhir.json_format import MAX_DEPTH, kind_of, read_json, write_json, written_ahead
from gateway.wire.problems import DecodeError, EncodeError

SCALARS = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3
    )
)
TREES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, min_size=1, max_size=4)
        | st.dictionaries(st.text(), below, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), TREES, min_size=1, max_size=5))
def test_what_is_written_is_read_back(resource: dict[str, object]) -> None:
    """Every tree of values comes back as it was, decimals and all."""
    written = write_json(resource)

    assert read_json(written) == resource
    assert json.loads(written)


@pytest.mark.parametrize("number", ["1.50", "0.10", "100.000", "-0.0", "12345678901234567890.5"])
def test_a_decimal_keeps_its_digits(number: str) -> None:
    """The precision of a decimal is part of its value (FHIR R4 datatypes.html#decimal)."""
    resource = read_json(f'{{"value":{number}}}'.encode())

    assert resource["value"] == Decimal(number)
    assert write_json(resource) == f'{{"value":{number}}}'.encode()


def test_an_integer_greater_than_any_machine_word_is_kept() -> None:
    """A decimal may be written without a point and with many digits."""
    data = b'{"value":123456789012345678901234567890}'

    assert write_json(read_json(data)) == data


@pytest.mark.parametrize(
    "value",
    ["1", "1.50", "1e3", "-0", "123456789012345678", "-123456789012345678", "1234567890123456789"],
)
def test_blanks_change_nothing_of_a_number(value: str) -> None:
    """What is written as we write it is parsed once, what is not twice; the result is the same."""
    compact = read_json(f'{{"a":[{value},"x"]}}'.encode())
    spaced = read_json(f'{{ "a" : [ {value}, "x" ] }}'.encode())

    assert repr(compact) == repr(spaced)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_name_twice_is_refused_however_it_is_written(blank: str) -> None:
    """With the same value too, which changes nothing but the length of the text."""
    with pytest.raises(DecodeError, match="twice"):
        read_json(f'{{"a":1,{blank}"a":1}}'.encode())


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", ""),
        (b"{", ""),
        (b"\xef\xbb\xbf{}", ""),
        (b'{"a":"\xff"}', ""),
        (b'{"a":"\\ud800"}', ""),
        (b'{"a":NaN}', ""),
        (b'{"a":Infinity}', ""),
        (b'{"a":1e400}', ""),
        (b'{"a":1,}', ""),
        (b'{"a":1}{}', ""),
        (b"<html></html>", ""),
        ('{"a":1}'.encode("utf-16"), ""),
        (b"[]", "an array"),
        (b"null", "null"),
        (b'"text"', "a string"),
        (b"17", "a number"),
        (b'{"a":1,"a":2}', '"a" twice'),
        (b'{"b":[{"c":1,"c":1}]}', '"c" twice'),
        (b'{"\\u0061":1,"a":1}', '"a" twice'),
        (b'{"a":1.' + b"0" * 100 + b"}", "a number of"),
        (b'{"a":' + b"9" * 5000 + b"}", ""),
        (b'{"a":1e-99999999999999999999999999}', ""),
    ],
)
def test_what_is_no_fhir_json_is_refused(data: bytes, found: str) -> None:
    """Lax JSON is refused with what was found."""
    with pytest.raises(DecodeError) as refused:
        read_json(data, "body")

    assert refused.value.where == "body"
    assert found in refused.value.found


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
def test_deep_nesting_is_refused(levels: int, opening: str, closing: str) -> None:
    """However deep, the answer is an error of ours and never that of the interpreter."""
    data = '{"x":' + opening * levels + "1" + closing * levels + "}"

    with pytest.raises(DecodeError):
        read_json(data.encode())


def test_the_greatest_depth_is_read() -> None:
    """The limit counts objects and arrays, the outermost too."""
    data = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH

    assert read_json(data.encode())


@pytest.mark.parametrize(
    "resource",
    [
        {"a": {}},
        {"a": []},
        {"a": [{}]},
        {"a": [1, []]},
        {"a": None},
        {"a": [{"b": None}]},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": Decimal("NaN")},
        {"a": "\ud800"},
        {"a": 2**70},
        {"a": object()},
        {"a": b"bytes"},
    ],
)
def test_what_fhir_json_cannot_carry_is_not_written(resource: dict[str, object]) -> None:
    """Empty values, nulls out of place and things that are no JSON are our own faults."""
    with pytest.raises(EncodeError):
        write_json(resource)


@pytest.mark.parametrize("part", [{"a": {}}, {"a": []}, {"a": None}, {"a": float("nan")}])
def test_what_was_written_ahead_is_judged_with_the_rest(part: dict[str, object]) -> None:
    """Its objects are gone by then."""
    with pytest.raises(EncodeError):
        write_json({"resourceType": "Bundle", "entry": [written_ahead(part)]})


def test_text_that_looks_empty_is_written_ahead_too() -> None:
    """Braces in a title are no empty object."""
    part = {"title": "{}[]null"}

    written = write_json({"resourceType": "Bundle", "entry": [written_ahead(part)]})

    assert json.loads(written)["entry"] == [part]


def test_a_null_that_keeps_a_place_is_written() -> None:
    """An array of values has a null where only an extension stands (FHIR R4 json.html)."""
    resource = {
        "given": ["Anna", None],
        "_given": [None, {"id": "x"}],
        "text": ":{} [] :null [null",
    }

    assert read_json(write_json(resource)) == resource


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    """Whatever arrives is read or refused."""
    with suppress(DecodeError):
        assert isinstance(read_json(data), dict)


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), (True, "a boolean"), ("", "a string"), ({}, "an object"), ([], "an array")],
)
def test_values_are_called_as_json_calls_them(value: object, name: str) -> None:
    """Error texts speak of JSON, not of Python."""
    assert kind_of(value) == name
