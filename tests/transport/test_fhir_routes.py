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
    ],
)
def test_a_path_finds_its_row(method: str, path: str, interaction: Interaction) -> None:
    """Slashes too many are forgiven, and HEAD is GET."""
    assert match(method, path).interaction is interaction


@pytest.mark.parametrize("path", ["", "/", "/Observation", "/Patient/1/x", "/Patient/$everything"])
def test_a_path_of_no_row_is_told_what_there_is(path: str) -> None:
    """The table is closed."""
    with pytest.raises(NothingThere) as caught:
        match("GET", path)

    assert "Patient" in caught.value.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/Patient", ("GET",)), ("GET", "/Patient/_search", ("POST",))],
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
        below = f"/{row.below}" if row.below else ""
        assert match(row.method, f"/{row.resource}{below}") is row


def test_patients_are_searched_before_a_patient_is_known() -> None:
    """So no treatment relation is demanded for it."""
    without = {row.transaction for row in ROUTES if not row.patient_specific}

    assert without == {Transaction.SEARCH_PATIENTS, Transaction.MATCH_PATIENTS}
