"""The grammar of a search: queries, tokens and dates."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import BadRequest, Refusal, TimeRange
from gateway.wire.fhir import search
from gateway.wire.fhir.search import Parameter, Token
from gateway.wire.problems import DecodeError
from tests.shared import shared


def _values(raw: str) -> list[tuple[str, ...]]:
    return [parameter.values for parameter in search.parse_query(raw)]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "name", "modifier"),
    [
        ("family=x", "family", ""),
        ("family:exact=x", "family", "exact"),
        ("patient.identifier=x", "patient.identifier", ""),
        ("patient:identifier=x", "patient", "identifier"),
        ("patient:Patient.identifier=x", "patient:Patient.identifier", ""),
        ("author:Practitioner.family:exact=x", "author:Practitioner.family", "exact"),
        ("related%3Aidentifier=x", "related", "identifier"),
        ("_lastupdated=2024", "_lastUpdated", ""),
        ("Family=x", "Family", ""),
        (":exact=x", None, ""),
    ],
)
def test_names_are_told_from_modifiers(raw: str, name: str | None, modifier: str) -> None:
    """A chain stays whole; case matters, but for a spelling that capability statements spread."""
    if name is None:
        with pytest.raises(DecodeError, match="a value without a name"):
            search.parse_query(raw)
        return

    [parameter] = search.parse_query(raw)

    assert (parameter.name, parameter.modifier) == (name, modifier)


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("a=1&a=2", [("1",), ("2",)]),
        ("a=1,2", [("1", "2")]),
        ("a=1%2C2", [("1", "2")]),
        (r"a=1\,2", [(r"1\,2",)]),
        ("a=1%5C%2C2,3", [(r"1\,2", "3")]),
        (r"a=1\\,2", [(r"1\\", "2")]),
        ("a=1;b=2", [("1;b=2",)]),
        ("a=b=c", [("b=c",)]),
        ("a=&b&c=,&d=%20&&e=,1,", [("1",)]),
        ("?a=1\r\n", [("1",)]),
        ("a=%C3%A9", [("é",)]),
        ("a=é", [("é",)]),
        ("a=%2525", [("%25",)]),
        ("", []),
        ("a=trailing\\", [("trailing\\",)]),
    ],
)
def test_values_are_split_after_decoding(raw: str, values: list[tuple[str, ...]]) -> None:
    """Repeated is and, comma is or, escaped is neither; empty is ignored; decoded once."""
    assert _values(raw) == values


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("contenttype=application/fhir+json", "application/fhir+json"),
        ("contenttype=application/fhir%2Bjson", "application/fhir+json"),
        ("date=ge2024-01-01T10:00:00+02:00", "ge2024-01-01T10:00:00+02:00"),
        ("date=2024-01-01T10:00%2B02:00", "2024-01-01T10:00+02:00"),
        ("identifier=urn:oid:2.999|A+B", "urn:oid:2.999|A+B"),
        ("telecom=+32912", "+32912"),
        ("name=Dana+Doe", "Dana Doe"),
        ("name=Dana%20Doe", "Dana Doe"),
        ("name=Dana%2BDoe", "Dana+Doe"),
        ("name=2024+x", "2024 x"),
        (r"name=a\|b+c", r"a\|b c"),
    ],
)
def test_a_plus_is_kept_where_it_means_a_plus(raw: str, value: str) -> None:
    """Dates, MIME types, tokens and telephone numbers keep it; elsewhere it is a space."""
    assert _values(raw) == [(value,)]


def test_every_alternative_has_its_own_plus() -> None:
    """One MIME type does not make a token of its neighbour."""
    assert _values("x=a+b,application/fhir+json") == [("a b", "application/fhir+json")]


@pytest.mark.parametrize(
    "raw",
    [
        "a=%",
        "a=%zz",
        "a=%FF",
        "%FF=a",
        "a=%00",
        "a=1%0A2",
        "a=\ud800",
        "=x",
        "a=" + "x" * (search.MAX_VALUE + 1),
        "a" * (search.MAX_NAME + 1) + "=1",
        "a=1&" * (search.MAX_PARAMETERS + 1),
        "a=" + "1," * search.MAX_VALUES + "1",
        "a=" + "1" * search.MAX_QUERY,
    ],
)
def test_broken_and_boundless_queries_are_refused(raw: str) -> None:
    """No guesses about bytes, and a limit for everything."""
    with pytest.raises(DecodeError) as caught:
        search.parse_query(raw)

    assert caught.value.where.startswith("query")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_read_or_refused(raw: str) -> None:
    """Nothing but `DecodeError`."""
    try:
        parameters = search.parse_query(raw)
    except DecodeError:
        return

    assert all(parameter.name and parameter.values for parameter in parameters)


plain = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=20
).filter(str.strip)


@given(st.lists(st.tuples(st.sampled_from(["a", "b.c"]), st.lists(plain, min_size=1, max_size=3))))
def test_queries_go_there_and_back(asked: list[tuple[str, list[str]]]) -> None:
    """Whatever the values hold, none becomes two and none is lost."""
    parameters = tuple(
        Parameter(name, "exact", tuple(map(search.escape, values))) for name, values in asked
    )

    read = search.parse_query(search.write_query(parameters))

    assert read == parameters
    assert [[search.unescape(value) for value in each.values] for each in read] == [
        values for _, values in asked
    ]


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), plain, min_size=1))
def test_queries_of_the_standard_library_are_read(asked: dict[str, str]) -> None:
    """`urlencode` writes spaces as plus signs, and a plus as %2B."""
    raw = urlencode({name: search.escape(value) for name, value in asked.items()})

    read = {each.name: search.unescape(each.values[0]) for each in search.parse_query(raw)}

    unsure = {name for name, value in asked.items() if set(" |/") & set(value)}
    assert {name: v for name, v in read.items() if name not in unsure} == {
        name: v for name, v in asked.items() if name not in unsure
    }


@given(plain)
def test_our_queries_are_read_by_the_standard_library(value: str) -> None:
    """Percent-encoding as everybody does it."""
    written = search.write_query([Parameter("a", "", (search.escape(value),))])

    assert parse_qsl(written, strict_parsing=True) == [("a", search.escape(value))]


def test_the_forms_of_the_guide_are_read() -> None:
    """Every GET of the NCPeH API guide and of OpenNCP has its parameters read."""
    names: set[str] = set()
    text = shared("samples/fhir/ncpeh-api-queries.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.strip().startswith("GET ") and "?" in line:
            raw = line.split()[1].partition("?")[2]
            names |= {parameter.name for parameter in search.parse_query(raw)}

    assert names >= {"identifier", "patient.identifier", "type", "period", "event", "contenttype"}


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("CT", Token(None, "CT")),
        ("http://loinc.org|18748-4", Token("http://loinc.org", "18748-4")),
        ("|CT", Token("", "CT")),
        ("urn:oid:2.999|", Token("urn:oid:2.999", "")),
        (r"s|a\|b\,c\$d\\e", Token("s", r"a|b,c$d\e")),
        (" s | CT ", Token("s", "CT")),
    ],
)
def test_tokens_are_read(value: str, token: Token) -> None:
    """With any system, with one, with none, and any code of one."""
    assert search.read_token(value, "query.type") == token


@pytest.mark.parametrize("value", ["", "|", " | ", "a|b|c"])
def test_what_is_no_token_is_refused_without_being_told(value: str) -> None:
    """A token is often a patient's identifier."""
    with pytest.raises(DecodeError, match=r"^query\.type: found [0-9] parts"):
        search.read_token(value, "query.type")


@given(st.builds(Token, st.none() | plain.map(str.strip), plain.map(str.strip)))
def test_tokens_go_there_and_back(token: Token) -> None:
    """Through the whole query."""
    raw = search.write_query([Parameter("a", "", (search.write_token(token),))])

    [parameter] = search.parse_query(raw)

    assert search.read_token(parameter.values[0], "a") == token


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024-02-29T10:11", "2024-02-29T10:11", "2024-02-29T10:12"),
        ("2024-02-29T10:11:12", "2024-02-29T10:11:12", "2024-02-29T10:11:13"),
        ("2024-02-29T10:11:12.5Z", "2024-02-29T10:11:12.5", "2024-02-29T10:11:12.6"),
        (
            "2024-02-29T10:11:12.1234567",
            "2024-02-29T10:11:12.123456",
            "2024-02-29T10:11:12.123457",
        ),
        ("2024-02-29T10:11:12+02:00", "2024-02-29T08:11:12", "2024-02-29T08:11:13"),
        ("2024-02-29T10:11:12 02:00", "2024-02-29T08:11:12", "2024-02-29T08:11:13"),
        ("2024-02-29T10:11:12-0530", "2024-02-29T15:41:12", "2024-02-29T15:41:13"),
    ],
)
def test_a_date_is_an_interval_at_its_precision(value: str, low: str, high: str) -> None:
    """And each prefix picks its bound of the starts from it."""
    lo, hi = _at(low), _at(high)
    expected = {
        "": TimeRange(start=lo, end=hi),
        "eq": TimeRange(start=lo, end=hi),
        "ge": TimeRange(start=lo),
        "gt": TimeRange(start=hi),
        "sa": TimeRange(start=hi),
        "lt": TimeRange(end=lo),
        "eb": TimeRange(end=lo),
        "le": TimeRange(end=hi),
    }

    found = {
        prefix: search.read_moments(Parameter("date", "", (prefix + value,))) for prefix in expected
    }

    assert found == expected


def test_the_end_of_the_calendar_has_no_end() -> None:
    """Nothing starts after it, and nothing starts too late to be before it."""
    assert search.read_moments(Parameter("date", "", ("le9999",))) == TimeRange()
    assert search.read_moments(Parameter("date", "", ("9999-12-31",))).end is None
    after = search.read_moments(Parameter("date", "", ("gt9999-12",)))
    assert after.start == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "xx2024",
        "2024-13",
        "2024-02-30",
        "0000",
        "2024-02-29T10",
        "2024-02-29T24:00",
        "0001-01-01T00:00+14:00",
        "2024-02-29T10:00+99:99",
        "2024-1-1",
        "ge",
        "٢٠٢٤",
    ],
)
def test_what_is_no_date_is_refused_without_being_told(value: str) -> None:
    """It may be a date of birth."""
    with pytest.raises(DecodeError) as caught:
        search.read_moments(Parameter("birthdate", "", (value,)))

    assert (caught.value.where, caught.value.found) == ("query.birthdate", "no date")


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("date", "", ("ne2024",)),
        Parameter("date", "", ("ap2024",)),
        Parameter("date", "", ("2024", "2025")),
        Parameter("date", "missing", ("true",)),
    ],
)
def test_what_no_range_can_say_is_not_offered(parameter: Parameter) -> None:
    """Left out, it would find something else than was asked for."""
    with pytest.raises(BadRequest) as caught:
        search.read_moments(parameter)

    assert (caught.value.refusal, caught.value.subject) == (Refusal.UNSUPPORTED, "date")


def test_repetitions_narrow_each_other() -> None:
    """The latest start and the earliest end; of nothing, the open range."""
    ranges = [
        search.read_moments(parameter)
        for parameter in search.parse_query("d=ge2024-01&d=lt2024-06&d=ge2024-02&d=le2024-12")
    ]

    assert search.intersected(ranges) == TimeRange(start=_at("2024-02-01"), end=_at("2024-06-01"))
    assert search.intersected([]).is_open
