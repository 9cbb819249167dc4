"""Every reason to refuse has its kind of error."""

from __future__ import annotations

import pytest

from gateway.domain import (
    BadRequest,
    ExchangeError,
    InternalFault,
    NotAllowed,
    NotFound,
    NotNow,
    PeerMisbehaved,
    Refusal,
    refuse,
)
from gateway.domain.refusals import KIND_OF


def test_every_refusal_has_a_kind() -> None:
    """A new reason without a place in the tree is found here."""
    assert set(KIND_OF) == set(Refusal)


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal.UNKNOWN_QUERY, BadRequest),
        (Refusal.SIGNATURE_INVALID, NotAllowed),
        (Refusal.NO_CONSENT, NotAllowed),
        (Refusal.UNKNOWN_PATIENT, NotFound),
        (Refusal.STORE_FULL, NotNow),
        (Refusal.INTEGRITY_FAILED, PeerMisbehaved),
        (Refusal.INTERNAL, InternalFault),
    ],
)
def test_a_refusal_is_raised_as_its_kind(refusal: Refusal, kind: type[ExchangeError]) -> None:
    """`refuse` picks the branch of the tree."""
    error = refuse(refusal, "because", subject="it")
    assert type(error) is kind
    assert (error.refusal, error.text, error.subject) == (refusal, "because", "it")
    assert error.retry is (kind is NotNow)
