"""What one value of a search matches, by the representation of its attribute."""

from __future__ import annotations

from contextlib import suppress
from fnmatch import translate
from re import fullmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.dicom.qido_matching import MAX_ALTERNATIVES, is_like, plain_name, read_match
from gateway.wire.problems import DecodeError


def fits(vr: str, asked: str, *values: Any, empty: bool = False, lists: bool = False) -> bool:
    """Whether a value that is asked for is among those an attribute has."""
    match = read_match(vr, asked, "query", empty=empty, lists=lists)
    return match is None or match.fits(values)


def name(text: str) -> dict[str, str]:
    """A person name as DICOM JSON holds it."""
    return {"Alphabetic": text}


FINDS = [
    ("LO", "CT of head", "CT of head", True),
    ("LO", " CT of head ", "CT of head  ", True),
    ("LO", "ct of head", "CT of head", False),
    ("LO", "CT", "CT of head", False),
    ("LO", "CT*", "CT of head", True),
    ("LO", "*head", "CT of head", True),
    ("LO", "?T*h??d", "CT of head", True),
    ("LO", "?CT of head", "CT of head", False),
    ("SH", "A[1]*", "A[1]2", True),
    ("SH", "A.1", "AB1", False),
    ("LO", r"CT\MR", "CT", False),
    ("UI", "1.2.3", "1.2.3", True),
    ("UI", "1.2.3,1.2.4", "1.2.4", True),
    ("UI", r"1.2.3\1.2.4", "1.2.4", True),
    ("UI", "1.2.3", "1.2.34", False),
    ("IS", "3", 3, True),
    ("IS", " +03 ", 3, True),
    ("IS", "3", 4, False),
    ("DA", "20260301", "20260301", True),
    ("DA", "2026-03-01", "20260301", True),
    ("DA", "20260302", "20260301", False),
    ("DA", "20260201-20260301", "20260301", True),
    ("DA", "2026-02-01-2026-03-01", "20260301", True),
    ("DA", "20260302-20260401", "20260301", False),
    ("DA", "20260301-", "20260301", True),
    ("DA", "20260302-", "20260301", False),
    ("DA", "-20260301", "20260301", True),
    ("DA", "-20260228", "20260301", False),
    ("DA", "20260401-20260201", "20260301", False),
    ("TM", "0930", "093001.250000", True),
    ("TM", "093001", "093001.250000", True),
    ("TM", "093001.25", "093001.250000", True),
    ("TM", "0931", "093001", False),
    ("TM", "09:30-09:31", "093159", True),
    ("TM", "09-", "085959", False),
    ("TM", "-09", "095959.999999", True),
    ("TM", "-09", "100000", False),
    ("TM", "235960", "235959", True),
]


def test_a_value_finds_what_it_says() -> None:
    """Literals, patterns, lists of UIDs, numbers and ranges, each where its representation may."""
    wrong = [row for row in FINDS if fits(*row[:-1]) is not row[-1]]

    assert wrong == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Żak^Anna^Maria Ewa^dr", True),
        ("zak^anna^maria ewa^DR", True),
        ("ZAK^ANNA^MARIA EWA^DR^", True),
        ("Zak", False),
        ("Zak*", True),
        ("zak^an*", True),
        ("Zak^Ewa*", False),
        ("?ak^*", True),
        ("Zak^Anna^Maria Ewa^dr=Ideographic", True),
    ],
)
def test_names_are_compared_without_case_and_accents(asked: str, found: bool) -> None:
    """By component, of the first group; what is missing at the end does not count."""
    assert fits("PN", asked, name("Żak^Anna^Maria Ewa^dr")) is found


def test_a_pattern_for_given_names_finds_who_has_none() -> None:
    """A name that ends early has its further components empty."""
    assert fits("PN", "ZAK^*", name("Żak"))
    assert not fits("PN", "ZAK^?*", name("Żak"))


@pytest.mark.parametrize("asked", ["", "  "])
def test_an_empty_value_matches_all(asked: str) -> None:
    """Even what has no value (PS3.4 C.2.2.2.3)."""
    vrs = ["LO", "PN", "DA", "TM", "UI", "IS", "SQ"]
    read = {vr: read_match(vr, asked, "query", empty=False, lists=False) for vr in vrs}

    assert read == dict.fromkeys(vrs)


@pytest.mark.parametrize("vr", ["LO", "PN", "CS"])
def test_a_star_alone_matches_all(vr: str) -> None:
    """As an empty value does."""
    assert read_match(vr, "*", "query", empty=False, lists=False) is None
    assert read_match(vr, "**", "query", empty=False, lists=False) is None


def test_lists_and_empty_values_are_matched_where_they_are_asked_for() -> None:
    """By default a backslash and two quotation marks are characters like others."""
    assert fits("CS", r"CT\MR", "MR", lists=True)
    assert fits("PN", r"Zak\Low*", name("Lowe"), lists=True)
    assert fits("IS", r"1\2", 2, lists=True)
    assert fits("LO", '""', empty=True)
    assert not fits("LO", '""', "x", empty=True)
    assert not fits("LO", '""')
    assert fits("LO", '""', '""')


IMPOSSIBLE = [
    ("UI", "1.2.*"),
    ("UI", "*"),
    ("UI", ","),
    ("UI", "1." * 40),
    ("DA", "2026*"),
    ("DA", "*"),
    ("DA", "-"),
    ("DA", "20261301"),
    ("DA", "20260230"),
    ("DA", "2026030120260302"),
    ("DA", "20260301-20260302-20260303"),
    ("DA", "٢٠٢٦0301"),
    ("TM", "24"),
    ("TM", "9"),
    ("TM", "0960"),
    ("TM", "?"),
    ("IS", "*"),
    ("IS", "3.5"),
    ("IS", "9" * 13),
    ("IS", "٣"),
    ("SQ", "x"),
]


def test_a_value_its_representation_cannot_have_is_an_error() -> None:
    """Wildcards in dates, UIDs and numbers among them."""
    taken = []
    for vr, asked in IMPOSSIBLE:
        with suppress(DecodeError):
            read_match(vr, asked, "query", empty=False, lists=False)
            taken.append((vr, asked))
    assert taken == []


def test_a_wrong_day_is_not_repeated() -> None:
    """It may be a date of birth, and errors are logged."""
    with pytest.raises(DecodeError) as caught:
        read_match("DA", "19800230", "query", empty=False, lists=False)

    assert "1980" not in str(caught.value)


def test_lists_have_a_limit() -> None:
    """A peer decides how long they are."""
    with pytest.raises(DecodeError, match=f"1 to {MAX_ALTERNATIVES}"):
        fits("UI", ",".join(["1.2"] * (MAX_ALTERNATIVES + 1)))


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_mean_what_those_of_files_mean(pattern: str, text: str) -> None:
    """As the standard library has them, which takes exponential time for others."""
    assert is_like(text, pattern) is bool(fullmatch(translate(pattern), text))


def test_a_hostile_pattern_takes_no_long_time() -> None:
    """Stars beyond number against a long text: a backtracking expression would never end."""
    assert not is_like("a" * 1_000, "*a" * 500 + "b")


def test_plain_names_keep_their_components() -> None:
    """What is folded is neither order nor separators."""
    assert plain_name("  Nõmme ^ Åsa ^^") == "nomme^asa"
    assert plain_name("Παπαδοπούλου^Ελένη") == plain_name("ΠΑΠΑΔΟΠΟΥΛΟΥ^ΕΛΕΝΗ")
