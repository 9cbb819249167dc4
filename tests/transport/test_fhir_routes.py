"""The table of FHIR routes: what fits a path, and what is said of one that fits nothing."""

from __future__ import annotations

import pytest

from gateway.domain import Transaction
from gateway.transport.fhir_routes import ROUTES, Interaction, MethodNotAllowed, NothingThere, match


@pytest.mark.parametrize(
    ("method", "path", "interaction"),
    [
        ("GET", "/Patient", Interaction.SEARCH),
        ("HEAD", "/Patient", Interaction.SEARCH),
        ("GET", "//Patient/", Interaction.SEARCH),
        ("POST", "/Patient/_search", Interaction.SEARCH),
        ("POST", "/Patient/$match", Interaction.MATCH),
        ("GET", "/DocumentReference", Interaction.SEARCH),
        ("GET", "/DocumentReference/6f1d", Interaction.READ),
        ("POST", "/ImagingStudy/_search", Interaction.SEARCH),
        ("GET", "/ImagingStudy/6f1d", Interaction.READ),
        ("HEAD", "/Binary//6f1d/", Interaction.READ),
    ],
)
def test_a_path_finds_its_row(method: str, path: str, interaction: Interaction) -> None:
    """Slashes too many are forgiven, and HEAD is GET."""
    row, name = match(method, path)

    assert row.interaction is interaction
    assert name == ("6f1d" if interaction is Interaction.READ else "")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/Observation", "/Patient/1/x", "/Patient/$everything", "/Binary", "/Binary/a_b"],
)
def test_a_path_of_no_row_is_told_what_there_is(path: str) -> None:
    """The table is closed."""
    with pytest.raises(NothingThere) as caught:
        match("GET", path)

    assert "Patient" in caught.value.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/Patient", ("GET",)),
        ("GET", "/Patient/_search", ("POST",)),
        ("DELETE", "/Binary/6f1d", ("GET",)),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    method: str, path: str, allowed: tuple[str, ...]
) -> None:
    """RFC 9110 15.5.6 wants them in the answer."""
    with pytest.raises(MethodNotAllowed) as caught:
        match(method, path)

    assert caught.value.allowed == allowed


def test_every_row_can_be_reached() -> None:
    """None is hidden by another."""
    for row in ROUTES:
        last = "6f1d" if row.interaction is Interaction.READ else row.below
        assert match(row.method, f"/{row.resource}/{last}")[0] is row


def test_patients_are_searched_before_a_patient_is_known() -> None:
    """So no treatment relation is demanded for it."""
    without = {row.transaction for row in ROUTES if not row.patient_specific}

    assert without == {Transaction.SEARCH_PATIENTS, Transaction.MATCH_PATIENTS}
