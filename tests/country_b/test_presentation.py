"""Rows of the list: one a study, linked, sorted, grouped, searched."""

from __future__ import annotations

import pytest

from country_b.presentation import manifest_view, moment, present
from gateway.domain import ReferenceId, ReferenceKind, Timestamp
from gateway.domain.selection import SortKey
from tests.fakes import make_entry, make_study


def test_two_manifests_of_a_study_are_one_row() -> None:
    """Documents are folded into the row of their study; reports stay rows of their own."""
    entries = (
        make_entry("2.999.1", b"a"),
        make_entry("2.999.2", b"b"),
        make_entry("2.999.3", b"c", study="2.999.7.2"),
        make_entry("2.999.4", b"d", manifest=False),
    )

    shown = present(entries, country="XA")

    assert shown["documents"] == 4
    assert sorted(len(row["documents"]) for row in shown["rows"]) == [1, 1, 2]
    assert {row["country"] for row in shown["rows"]} == {"XA"}


@pytest.mark.parametrize(
    "kind", [ReferenceKind.STUDY, ReferenceKind.ACCESSION, ReferenceKind.ORDER]
)
def test_one_shared_identifier_links_both_ways(kind: ReferenceKind) -> None:
    """Study UID, accession number or order: any of them is enough."""
    shared = ReferenceId("2.999.7.1", kind, "" if kind is ReferenceKind.STUDY else "2.999.5")
    own = ReferenceId("2.999.7.1", ReferenceKind.STUDY)
    study = make_entry("2.999.1", b"a", references=(own, shared))
    report = make_entry("2.999.2", b"b", manifest=False, references=(shared,))

    rows = {row["id"]: row for row in present((study, report), country="XA")["rows"]}

    assert rows["2.999.1"]["reports"] == ["2.999.2"]
    assert rows["2.999.2"]["images"] == ["2.999.1"]


def test_accession_of_another_authority_is_another_number() -> None:
    """Equal values of different authorities link nothing."""
    one = ReferenceId("A1", ReferenceKind.ACCESSION, "2.999.5")
    other = ReferenceId("A1", ReferenceKind.ACCESSION, "2.999.6")
    study = make_entry("2.999.1", b"a", references=(one,))
    report = make_entry("2.999.2", b"b", manifest=False, references=(other,))

    rows = present((study, report), country="XA")["rows"]

    assert [row["reports"] + row["images"] for row in rows] == [[], []]


def test_newest_comes_first_unless_asked_otherwise() -> None:
    """Without a wish the list is by date, newest first; any key can be asked for."""
    old = make_entry("2.999.1", b"a", title="B", service_start=Timestamp.parse("2020"))
    new = make_entry(
        "2.999.2", b"b", title="A", service_start=Timestamp.parse("2026"), study="2.999.7.2"
    )

    by_date = [row["id"] for row in present((old, new), country="")["rows"]]
    by_title = present((old, new), country="", sort=SortKey.TITLE, descending=True)["rows"]

    assert by_date == ["2.999.2", "2.999.1"]
    assert [row["id"] for row in by_title] == ["2.999.1", "2.999.2"]


def test_groups_name_rows() -> None:
    """Groups hold the ids of rows, every row in one group."""
    entries = (make_entry("2.999.1", b"a"), make_entry("2.999.2", b"b", manifest=False))

    shown = present(entries, country="", group_by=SortKey.CLASS)

    assert shown["groups"] == [
        {"label": "manifest", "rows": ["2.999.1"]},
        {"label": "report", "rows": ["2.999.2"]},
    ]


def test_search_ignores_case_and_keeps_links() -> None:
    """A search shows fewer rows; a row's links are those of the whole list."""
    entries = (make_entry("2.999.1", b"a"), make_entry("2.999.2", b"b", manifest=False))

    shown = present(entries, country="", words="REPORT chest")

    assert [row["id"] for row in shown["rows"]] == ["2.999.2"]
    assert shown["rows"][0]["images"] == ["2.999.1"]


@pytest.mark.parametrize(
    ("dtm", "shown"),
    [
        ("2026", "2026"),
        ("202603", "2026-03"),
        ("20260304", "2026-03-04"),
        ("20260304101112", "2026-03-04T10:11:12Z"),
    ],
)
def test_moments_show_the_digits_that_are_known(dtm: str, shown: str) -> None:
    """Nothing is invented: a year is shown as a year."""
    assert moment(Timestamp.parse(dtm)) == shown
    assert moment(None) == ""


def test_manifest_shows_what_there_is_to_choose_from() -> None:
    """Series with their counts, and how many notes point at key images."""
    view = manifest_view(make_study(notes={"113000": (0,)}))

    assert (view["instances"], view["key_image_notes"], len(view["series"])) == (7, 1, 3)
    assert [series["instances"] for series in view["series"]] == [3, 3, 1]
