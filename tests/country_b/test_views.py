"""Nouns as the JSON of the API."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from country_b.initiator import RetrievedDocument
from country_b.session import Session, State
from country_b.views import identity_view, retrieved_view, session_view
from gateway.domain import Address, DocumentId, Issue, Refusal
from tests.fakes import make_entry, make_identity

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_a_visit_says_what_comes_next() -> None:
    """Every state but the last names the next action; all of it is JSON."""
    for state in State:
        view = session_view(Session(id="x", state=state, opened_at=NOON), ())

        assert (view["next"] is None) == (state is State.CLOSED)
        assert json.dumps(view)


def test_a_patient_is_shown_as_country_a_knows_them() -> None:
    """Identifier, names, date, gender and address."""
    identity = replace(make_identity(), address=Address(city="Valletta"))

    view = identity_view(identity)

    assert view["patient"] == {"value": "P-1", "authority": "2.999.1.1.1"}
    assert (view["birth_date"], view["gender"]) == ("1980-01-02", "M")
    assert view["address"] == {"city": "Valletta"}


def test_a_document_that_did_not_come_is_missing() -> None:
    """Without bytes it is missing, whatever the reason."""
    issue = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="gone", code="X")

    view = retrieved_view(
        RetrievedDocument(
            id=DocumentId("2.999.1"), entry=make_entry("2.999.1", b"x"), problem=issue
        )
    )

    assert (view["status"], view["size_bytes"]) == ("missing", None)
    assert view["problem"]["code"] == "X"
