"""Names, addresses, telecom, gender and times as FHIR writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Address, Gender, HumanName, Precision, Timestamp
from gateway.wire.fhir import elements
from gateway.wire.problems import DecodeError
from tests.wire.fhir.people import addresses, days, names, telecoms
from tests.wire.fhir.spoiling import spoilt


@given(names)
def test_names_go_there_and_back(name: HumanName) -> None:
    """Parts in their order, nothing that is empty."""
    written = elements.write_name(name)

    assert elements.read_name(written, "name") == name
    assert all(written.values())


def test_names_are_read_as_peers_write_them() -> None:
    """Bare text, nulls that only carry extensions, white space, nothing at all."""
    assert elements.read_name({"text": " Dana  Doe "}, "name") == HumanName(family="Dana Doe")
    assert elements.read_name({"family": "Doe", "text": "Dana Doe"}, "name") == HumanName(
        family="Doe"
    )
    assert elements.read_name({"given": [None, "Dana"]}, "name") == HumanName(
        family="", given=("Dana",)
    )
    assert elements.read_name({"use": "anonymous"}, "name") is None
    assert elements.write_name(HumanName(family="")) == {}


@given(addresses)
def test_addresses_go_there_and_back(address: Address | None) -> None:
    """An empty one is written as nothing and read as none."""
    written = elements.write_address(address or Address())

    assert elements.read_address(written, "address") == address


def test_addresses_are_read_as_peers_write_them() -> None:
    """Several lines are one street, and so is bare text."""
    assert elements.read_address({"line": ["Hof 1", "Stiege 2"]}, "address") == Address(
        street="Hof 1, Stiege 2"
    )
    assert elements.read_address({"text": "Hof 1, 1010 Wien"}, "address") == Address(
        street="Hof 1, 1010 Wien"
    )


@given(telecoms)
def test_telecom_goes_there_and_back(telecom: tuple[str, ...]) -> None:
    """URI scheme and system say the same."""
    written = elements.write_telecom(telecom)

    assert elements.read_telecom(written, "telecom") == telecom


@pytest.mark.parametrize(
    ("address", "contact"),
    [
        ("tel:+32 9", {"system": "phone", "value": "+32 9"}),
        ("MAILTO:a@example.org", {"system": "email", "value": "a@example.org"}),
        ("+32 9", {"system": "phone", "value": "+32 9"}),
        ("^^Internet^a@example.org", {"system": "other", "value": "^^Internet^a@example.org"}),
        ("tel:", {"system": "other", "value": "tel:"}),
    ],
)
def test_telecom_is_written_with_its_system(address: str, contact: dict[str, str]) -> None:
    """A number without scheme is a telephone's; what has no system is other."""
    assert elements.write_telecom((address, "")) == [contact]


@pytest.mark.parametrize(
    ("contact", "address"),
    [
        ({"system": "phone", "value": "tel:+32 9"}, "tel:+32 9"),
        ({"value": "+32 9"}, "tel:+32 9"),
        ({"value": "a@example.org"}, "mailto:a@example.org"),
        ({"system": "pager", "value": "77"}, "77"),
    ],
)
def test_telecom_is_read_as_peers_write_it(contact: dict[str, str], address: str) -> None:
    """A URI for a value, no system, a system we have no scheme for; nothing is left out."""
    assert elements.read_telecom([contact, {"system": "phone"}], "telecom") == (address,)


@pytest.mark.parametrize("gender", Gender)
def test_genders_go_there_and_back(gender: Gender) -> None:
    """And the codes of HL7 v3 are understood, which peers write too."""
    assert elements.read_gender(elements.write_gender(gender), "gender") is gender
    assert elements.read_gender(gender.value, "gender") is gender


def test_an_unknown_gender_is_none_and_a_wrong_one_is_refused() -> None:
    """Known to be unknown is not an error."""
    assert elements.read_gender("unknown", "gender") is None
    assert elements.read_gender("", "gender") is None
    with pytest.raises(DecodeError, match=r"^Patient\.gender: found robot"):
        elements.read_gender("robot", "Patient.gender")


@pytest.mark.parametrize(
    ("dtm", "written"),
    [
        ("2024", "2024"),
        ("202405", "2024-05"),
        ("20240507", "2024-05-07"),
        ("2024050710", "2024-05-07T10:00:00Z"),
        ("202405071011", "2024-05-07T10:11:00Z"),
        ("20240507101112", "2024-05-07T10:11:12Z"),
        ("00990507101112", "0099-05-07T10:11:12Z"),
    ],
)
def test_moments_are_written_at_their_precision(dtm: str, written: str) -> None:
    """Down to the day as known; finer, FHIR wants seconds, and the start stays the same."""
    moment = Timestamp.parse(dtm)

    assert elements.write_datetime(moment) == written
    assert elements.read_datetime(written, "date").at == moment.at


@pytest.mark.parametrize(
    ("text", "at", "precision"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC), Precision.YEAR),
        ("2024-05", datetime(2024, 5, 1, tzinfo=UTC), Precision.MONTH),
        ("2024-05-07", datetime(2024, 5, 7, tzinfo=UTC), Precision.DAY),
        ("2024-05-07T10:11Z", datetime(2024, 5, 7, 10, 11, tzinfo=UTC), Precision.MINUTE),
        ("2024-05-07T10:11:12", datetime(2024, 5, 7, 10, 11, 12, tzinfo=UTC), Precision.SECOND),
        (
            "2024-05-07T00:11:12.123456789+02:00",
            datetime(2024, 5, 6, 22, 11, 12, tzinfo=UTC),
            Precision.SECOND,
        ),
        (
            "2024-05-07T23:11:12-05:30",
            datetime(2024, 5, 8, 4, 41, 12, tzinfo=UTC),
            Precision.SECOND,
        ),
    ],
)
def test_moments_are_read_at_their_precision(text: str, at: datetime, precision: Precision) -> None:
    """Zones are honoured, a missing one is UTC, fractions are cut."""
    assert elements.read_datetime(text, "date") == Timestamp(at, precision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000",
        "24",
        "2024-13",
        "2024-02-30",
        "2024-05-07T25:00:00Z",
        "2024-05-07T10:11:60Z",
        "2024-05-07 10:11:12",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2024-05-07T10:11:12+99:99",
        "٢٠٢٤",
        "2024-05-07T10:11:12." + "1" * 100,
        "x" * 100_000,
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """The calendar and the clock are checked, not only the form."""
    with pytest.raises(DecodeError) as caught:
        elements.read_datetime(text, "date")

    assert caught.value.where == "date"
    assert len(caught.value.found) < 100


@given(days)
def test_days_go_there_and_back(day: date) -> None:
    """A date is a date."""
    assert elements.read_date(elements.write_date(day), "birthDate") == day


def test_a_date_that_is_not_known_to_the_day_is_none() -> None:
    """Nothing is invented; a time of birth is more than asked for, its day as written."""
    assert elements.read_date("", "birthDate") is None
    assert elements.read_date("1980", "birthDate") is None
    assert elements.read_date("1980-01", "birthDate") is None
    assert elements.read_date("1980-01-02T00:30:00+02:00", "birthDate") == date(1980, 1, 2)


@pytest.mark.parametrize(
    "text", ["1980-02-30", "02.01.1980", "1980-01-02T99:00:00Z", "1980-01-02x"]
)
def test_a_wrong_date_is_refused_without_being_told(text: str) -> None:
    """It may be a date of birth, and errors are logged."""
    with pytest.raises(DecodeError) as caught:
        elements.read_date(text, "birthDate")

    assert caught.value.found == "no date"
    assert text not in str(caught.value)


moments = st.builds(
    Timestamp.parse, st.datetimes(datetime(1900, 1, 1)).map(lambda at: f"{at:%Y%m%d%H%M%S}")
)


@given(st.none() | moments, st.none() | moments)
def test_periods_go_there_and_back(start: Timestamp | None, stop: Timestamp | None) -> None:
    """Open ends stay open."""
    written = elements.write_period(start, stop)

    assert elements.read_period(written, "period") == (start, stop)


@pytest.mark.parametrize(
    ("read", "json"),
    [
        (elements.read_name, {"family": "a", "given": ["b"], "prefix": ["c"], "text": "d"}),
        (elements.read_address, {"line": ["a"], "city": "b", "country": "c", "text": "d"}),
        (elements.read_period, {"start": "2024", "end": "2025"}),
        (
            lambda json, where: elements.read_telecom([json], where),
            {"system": "phone", "value": "1"},
        ),
    ],
)
def test_hostile_elements_are_refused_with_their_place(
    read: Callable[[dict[str, Any], str], object], json: dict[str, Any]
) -> None:
    """Nothing but `DecodeError`, whatever stands in whichever place."""
    places = []
    for changed in spoilt(json):
        try:
            read(changed, "here")
        except DecodeError as error:
            places.append(error.where)

    assert len(places) > 5
    assert all(place.startswith("here") for place in places)
