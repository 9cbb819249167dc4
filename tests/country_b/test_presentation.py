"""Rows of the list: one a study, linked, sorted, grouped, searched."""

from __future__ import annotations

import pytest

from country_b.presentation import in_form, manifest_view, moment, present
from gateway.domain import (
    DocumentEntry,
    ManifestEncoding,
    ReferenceId,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.codes import FORMAT_FHIR_MANIFEST
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


def _twins(**changes: object) -> tuple[DocumentEntry, DocumentEntry]:
    """A manifest in both encodings, as a registry lists it."""
    kos = make_entry("2.999.1", b"a", **changes)
    fhir = make_entry(
        "2.999.1.1",
        b"b",
        mime_type="application/fhir+json",
        format_code=FORMAT_FHIR_MANIFEST,
        references=(*kos.references, ReferenceId("2.999.1", ReferenceKind.UNIQUE_ID)),
    )
    return kos, fhir


@pytest.mark.parametrize(
    ("form", "documents"),
    [
        (ManifestEncoding.KOS, [("2.999.1", "kos"), ("2.999.1.1", "fhir")]),
        (ManifestEncoding.FHIR, [("2.999.1.1", "fhir"), ("2.999.1", "kos")]),
    ],
)
def test_the_twins_of_a_manifest_are_one_row_with_the_preferred_first(
    form: ManifestEncoding, documents: list[tuple[str, str]]
) -> None:
    """Whichever came first; the row has the id of the preferred, and both are shown."""
    for entries in (_twins(), _twins()[::-1]):
        (row,) = present(entries, country="XA", form=form)["rows"]

        assert [(item["id"], item["form"]) for item in row["documents"]] == documents
        assert row["id"] == documents[0][0]


def test_twins_that_name_no_study_are_known_by_what_they_name_of_each_other() -> None:
    """The FHIR document names the selection; another manifest is a row of its own."""
    other = make_entry("2.999.2", b"c", references=())

    rows = present((*_twins(references=()), other), country="XA")["rows"]

    assert sorted(len(row["documents"]) for row in rows) == [1, 2]


def test_a_search_that_finds_one_twin_shows_the_row() -> None:
    """Whole, under its own id, and linked as ever: not to itself."""
    report = make_entry("2.999.4", b"d", manifest=False)

    shown = present((*_twins(), report), country="XA", words="2.999.1.1")

    (row,) = shown["rows"]
    assert (row["id"], row["images"], row["reports"]) == ("2.999.1", [], ["2.999.4"])
    assert shown["documents"] == 2


def test_a_study_in_one_encoding_is_fetched_in_that() -> None:
    """What is preferred where there is a choice, the other where there is none."""
    kos, fhir = _twins()
    study = Uid("2.999.7.1")

    assert in_form((kos, fhir), study, ManifestEncoding.FHIR) == fhir
    assert in_form((kos, fhir), study, ManifestEncoding.KOS) == kos
    assert in_form((kos,), study, ManifestEncoding.FHIR) == kos
    assert in_form((fhir,), study, ManifestEncoding.KOS) == fhir
    assert in_form((kos, fhir), Uid("2.999.7.2"), ManifestEncoding.KOS) is None


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
