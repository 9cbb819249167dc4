"""Rows of a report's page: what is coded in the reader's language, what is written as it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from country_b.report_rows import Free, Picture, Plain, RowMaker, Term
from gateway.designations import designations
from gateway.domain import (
    BodySite,
    Code,
    Concept,
    HumanName,
    Participant,
    Period,
    Precision,
    Quantity,
    Timestamp,
)
from gateway.domain.codes import SCT

WINTER = timezone(timedelta(hours=1))
LEFT = Code("7771000", SCT, "Left")


def maker(language: str = "de", of: str = "pl-PL") -> RowMaker:
    """For a reader of one language, of a report in another."""
    return RowMaker(words=designations(language), language=of)


def test_a_coded_value_is_said_in_both_languages() -> None:
    """The reader's word, the original, the code and what the sender calls it."""
    (term,) = maker().term(Concept(text="lewa", codes=(LEFT,)))

    assert term == Term(own="Links", original="lewa", codes=("SNOMED CT 7771000 Left",))


def test_the_same_word_is_not_said_twice() -> None:
    """Neither as the reader's own nor beside the code."""
    (term,) = maker("pl").term(Concept(text="lewa", codes=(LEFT,)))
    (code_alone,) = maker("en").term(LEFT)

    assert (term.own, term.original) == ("", "lewa")  # type: ignore[union-attr]
    assert code_alone == Term(own="Left", original="", codes=("SNOMED CT 7771000",))


def test_a_code_without_designation_is_said_to_be_so() -> None:
    """Except to those who read the original."""
    unknown = Concept(text="coś", codes=(Code("1", "2.999.4"),))

    assert [maker(one).term(unknown)[0].is_known for one in ("de", "pl")] == [False, True]  # type: ignore[union-attr]
    assert maker().term(Code("1", "2.999.4", "Thing")) == (
        Term(own="Thing", original="", codes=("2.999.4 1",), is_known=False),
    )


def test_words_without_a_code_are_free_text() -> None:
    """They are nobody's to translate here."""
    assert maker().term(Concept(text="niepowiększone")) == (Free("niepowiększone"),)
    assert maker().term(None) == maker().term(Concept()) == maker().free("  ") == ()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (Timestamp(datetime(2026, 3, 1, 9, 30, tzinfo=UTC)), "2026-03-01 09:30 UTC"),
        (Timestamp(datetime(2026, 3, 1, tzinfo=UTC), Precision.MONTH), "2026-03"),
        (
            datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1))),
            "2026-03-01 09:30 UTC+01:00",
        ),
        (date(2026, 3, 1), "2026-03-01"),
    ],
)
def test_moments_have_the_digits_that_are_known(moment: Timestamp | date, text: str) -> None:
    """And say their zone where they have an hour."""
    assert [one.text for one in maker().at(moment)] == [text]


def test_periods_and_quantities_stand_on_a_line() -> None:
    """From when to when, how much in how much, how sure."""
    start = Timestamp(datetime(2026, 3, 1, tzinfo=UTC), Precision.DAY)
    end = Timestamp(datetime(2026, 3, 2, tzinfo=UTC), Precision.DAY)
    strength = Quantity(value=Decimal("623.4"), unit="mg", uncertainty=Decimal("0.5"))
    per = Quantity(value=Decimal(1), unit="ml")

    assert maker().period(Period(start=start, end=end)) == (Plain("2026-03-01 – 2026-03-02"),)
    same_day = Period(start=Timestamp.parse("202603010800"), end=Timestamp.parse("202603010840"))
    assert maker().period(same_day) == (Plain("2026-03-01 08:00 – 08:40 UTC"),)
    assert maker().period(Period(start=start, end=start)) == maker().at(start)
    assert maker().period(Period(end=end)) == maker().at(end)
    assert maker().quantity(strength, per) == (Plain("623.4 ± 0.5 mg / 1 ml"),)


def test_places_and_people_have_their_parts() -> None:
    """A side is said beside its place; numbers are written as people write them."""
    site = BodySite(location=Concept(text="sutek"), laterality=Concept(codes=(LEFT,)))
    by = Participant(
        name=HumanName(family="Lis"), id="7", authority="2.999", telecom=("tel:+48 1",)
    )

    assert [(row.label, row.values) for row in maker().site(site)] == [
        ("Körperregion", (Free("sutek"),)),
        ("Seite", maker().term(LEFT)),
    ]
    assert [(row.label, row.values[0]) for row in maker().person(by)] == [
        ("Name", Plain("Lis")),
        ("Kennung", Plain("7 (2.999)")),
        ("Telefon, E-Mail", Plain("+48 1")),
    ]


@pytest.mark.parametrize(
    ("media_type", "is_shown"),
    [("image/png", True), ("IMAGE/PNG; x=y", True), ("image/svg+xml", False), ("text/html", False)],
)
def test_only_pictures_that_cannot_run_are_shown(media_type: str, is_shown: bool) -> None:
    """SVG and everything else are not."""
    found = maker().picture(b"\x89PNG", media_type, "what it shows")

    expected = Picture(url="data:image/png;base64,iVBORw==", alternative="what it shows")
    assert found == ((expected,) if is_shown else ())


def test_a_row_of_no_value_is_none() -> None:
    """Nor is a group of no row."""
    assert maker().row("patient", (), maker().plain("")) == ()
    assert maker().group("patient", ()) == ()
