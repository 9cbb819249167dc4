"""How a refusal is shown where standards leave a choice."""

from __future__ import annotations

import pytest

from gateway.domain import NotAllowed, NotFound, Refusal, refuse
from gateway.wire.fhir.denials import (
    DENIED,
    UNAUTHORISED_BY_IUA,
    AuthFailures,
    Denial,
    Showing,
    not_there,
)
from gateway.wire.fhir.refusals import status_of, write_outcome

NO_CONSENT = NotAllowed(Refusal.NO_CONSENT, "the patient does not consent")


def test_without_settings_every_refusal_has_the_status_of_the_table() -> None:
    """And is shown as it is."""
    showing = Showing()

    for reason in Refusal:
        error = refuse(reason, "why")
        assert showing.status(error) == status_of(reason)
        assert showing.shown(error, "Patient") is error
        assert not showing.is_empty(error, searching=True)


def test_iua_answers_401_where_a_token_is_not_enough() -> None:
    """For scope, role, purpose and patient; for nothing else is the status another."""
    iua = Showing(auth_failures=AuthFailures.IUA)

    changed = {reason for reason in Refusal if iua.status(refuse(reason, "")) != status_of(reason)}

    assert changed == UNAUTHORISED_BY_IUA
    assert {iua.status(refuse(reason, "")) for reason in changed} == {401}


@pytest.mark.parametrize(
    ("denial", "status", "empty", "reason"),
    [
        (Denial.FORBIDDEN, 403, False, Refusal.NO_CONSENT),
        (Denial.UNAUTHORISED, 401, False, Refusal.NO_CONSENT),
        (Denial.NOT_FOUND, 404, False, Refusal.UNKNOWN_PATIENT),
        (Denial.EMPTY, 404, True, Refusal.UNKNOWN_PATIENT),
    ],
)
def test_a_denial_is_shown_as_the_setting_says(
    denial: Denial, status: int, empty: bool, reason: Refusal
) -> None:
    """Said, or hidden as if there were nothing."""
    showing = Showing(denial=denial)
    shown = showing.shown(NO_CONSENT, "DocumentReference")

    assert showing.status(shown) == status
    assert shown.refusal is reason
    assert showing.is_empty(NO_CONSENT, searching=True) is empty
    assert not showing.is_empty(NO_CONSENT, searching=False)


@pytest.mark.parametrize("resource", ["DocumentReference", "Binary", "Patient"])
def test_what_is_hidden_is_what_was_never_there(resource: str) -> None:
    """To the last letter, so that nobody can tell the two apart."""
    showing = Showing(denial=Denial.NOT_FOUND)

    hidden = showing.shown(NO_CONSENT, resource, read_id="6f1d")

    assert isinstance(hidden, NotFound)
    assert write_outcome(hidden) == write_outcome(not_there(resource, "6f1d"))
    assert "consent" not in str(write_outcome(hidden))


def test_only_a_denial_is_hidden() -> None:
    """What is wrong with a request is always said."""
    showing = Showing(denial=Denial.EMPTY)

    for reason in set(Refusal) - DENIED:
        error = refuse(reason, "why")
        assert showing.shown(error, "Patient") is error
        assert not showing.is_empty(error, searching=True)
