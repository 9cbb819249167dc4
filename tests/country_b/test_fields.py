"""Bodies read field by field: nouns where they fit, a named problem where they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from country_b.fields import BadInput, Form, parse_body, patient_id
from gateway.domain import Code, Oid, PatientId, TimeRange, Uid


class Colour(StrEnum):
    """For choices."""

    RED = "red"


def problems(form: Form) -> dict[str, str]:
    """What is wrong with a form."""
    try:
        form.close()
    except BadInput as error:
        return error.problems
    return {}


def test_what_fits_is_taken() -> None:
    """Each kind of field gives its noun, and nothing is complained of."""
    form = Form(
        {
            "name": "  Ilze ",
            "colour": "red",
            "on": True,
            "uid": "1.2.3",
            "uids": ["1.2", "1.3"],
            "born": "1980-02-29",
            "at": "2026-03-04T10:00:00",
            "modality": "CT",
            "code": {"value": "1", "scheme": "2.999", "display": "one"},
            "ids": [{"value": "P", "authority": "urn:oid:2.999.1"}],
        }
    )

    assert form.text("name") == "Ilze"
    assert form.choice("colour", Colour) is Colour.RED
    assert form.flag("on", default=False)
    assert form.parsed("uid", Uid.parse) == Uid("1.2.3")
    assert form.all_parsed("uids", Uid.parse) == (Uid("1.2"), Uid("1.3"))
    assert form.day("born") is not None
    assert form.moment("at") == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert form.code("modality", scheme="DCM") == Code("CT", "DCM")
    assert form.code("code") == Code("1", "2.999")
    assert [patient_id(inner) for inner in form.forms("ids")] == [PatientId("P", Oid("2.999.1"))]
    assert problems(form) == {}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"name": 5}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 2000}, "name"),
        ({"name": "x", "other": 1}, "other"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_problem_has_the_path_of_its_field(values: Any, path: str) -> None:
    """A wrong, missing, too long or unknown field is named."""
    form = Form(values)
    form.text("name")

    assert path in problems(form)


def test_problem_inside_an_object_has_the_whole_path() -> None:
    """Fields of objects and lists are named from the top."""
    form = Form({"ids": [{"value": "P", "authority": "no oid"}], "place": {"town": 1}})
    for inner in form.forms("ids"):
        patient_id(inner)
    place = form.form("place")
    assert place is not None
    place.text("name")

    assert set(problems(form)) == {"ids.0.authority", "place.name", "place.town"}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-03-04", "2026-03-04", (datetime(2026, 3, 4), datetime(2026, 3, 5))),
        ("2026-03-04", "", (datetime(2026, 3, 4), None)),
        ("", "2026-03-04T12:00:00+00:00", (None, datetime(2026, 3, 4, 12))),
    ],
)
def test_period_includes_its_last_day(first: str, last: str, expected: Any) -> None:
    """Dates are included, a moment is where the period ends."""
    form = Form({"a": first, "b": last})

    found = form.period("a", "b")

    start, end = (item.replace(tzinfo=UTC) if item else None for item in expected)
    assert found == TimeRange(start=start, end=end)


def test_period_that_ends_before_it_begins_is_refused() -> None:
    """The end must be after the beginning."""
    form = Form({"a": "2026-03-05", "b": "2026-03-04"})
    form.period("a", "b")

    assert problems(form) == {"b": "is not after the first"}


def test_choice_names_what_there_is() -> None:
    """A word that is none of the choices is answered with the choices."""
    form = Form({"colour": "blue"})
    form.choice("colour", Colour)

    assert problems(form) == {"colour": "expected one of red"}


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[" * 5000, b'{"a":' * 5000, b"nul"])
def test_body_that_is_no_json_is_refused(data: bytes) -> None:
    """Whatever the bytes are, the answer is a problem of the body."""
    with pytest.raises(BadInput) as caught:
        parse_body(data)

    assert set(caught.value.problems) == {"body"}


def test_empty_body_is_an_empty_object() -> None:
    """No body means no fields."""
    assert parse_body(b" \n") == {}


@pytest.mark.parametrize("last", ["9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_what_a_date_holds_is_a_problem_of_its_field(last: str) -> None:
    """Of the asker's, not of ours."""
    form = Form({"from": "0001-01-01T00:00:00+00:00", "to": last, "at": last})

    form.period("from", "to")
    form.moment("at")

    with pytest.raises(BadInput) as caught:
        form.close()
    assert "to" in caught.value.problems
