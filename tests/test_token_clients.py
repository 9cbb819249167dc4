"""Clients that may ask for tokens, from the settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import SettingsError, TokenClientSection
from gateway.domain import Caller
from gateway.token_clients import ClientBook


def _section(**changes: Any) -> TokenClientSection:
    values: dict[str, Any] = {
        "name": "ward-1",
        "tls_subjects": ("CN=ward-1,C=XB",),
        "professional_id": "hcp-77",
        "family": "Lindqvist",
        "given": ("Maja",),
        "organisation": "Teaching Hospital",
    }
    return TokenClientSection.model_validate(values | changes)


def test_a_client_speaks_for_the_professional_of_its_section() -> None:
    """With the point of care by the organisation, where none is named."""
    book = ClientBook.of_sections([_section()])

    client = book.caller(Caller(subject="CN=ward-1,C=XB"))

    assert client is not None
    assert client.professional.name.full == "Maja Lindqvist"
    assert client.professional.locality == "Teaching Hospital"
    assert not client.treats
    assert book.scopes == ("ITI-78", "ITI-119")


@pytest.mark.parametrize("subject", ["", "CN=ward-2,C=XB", "CN=ward-1,C=XB,O=x"])
def test_a_stranger_is_no_client(subject: str) -> None:
    """Nor is who shows no certificate at all."""
    assert ClientBook.of_sections([_section()]).caller(Caller(subject=subject)) is None


@pytest.mark.parametrize("changes", [{"name": "ward-2"}, {"tls_subjects": ("CN=ward-9",)}])
def test_two_clients_that_cannot_be_told_apart_are_refused(changes: dict[str, Any]) -> None:
    """By certificate or by name."""
    with pytest.raises(SettingsError, match=r"token\.clients"):
        ClientBook.of_sections([_section(), _section(**changes)])


@pytest.mark.parametrize(
    "changes",
    [{"tls_subjects": ()}, {"facility_type": "Pub"}, {"organisation_authority": "x"}, {"x": 1}],
)
def test_a_section_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    """Nobody would be let in by it, or it says nothing."""
    with pytest.raises(ValidationError):
        _section(**changes)
