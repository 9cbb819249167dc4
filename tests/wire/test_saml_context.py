"""Assertions read without the header or token that carried them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import NotAllowed, Refusal, TreatmentRelation
from gateway.wire.saml import AssertionPolicy
from gateway.wire.saml_context import MAX_ASSERTIONS, ReadContext, read_assertions
from gateway.wire.xml import Element, parse_xml
from tests.builders import COUNTRY_A, NOON, PATIENT
from tests.wire.fhir.minted import CALLER, trust
from tests.wire.fhir.sealed import HCP_ID, TRC_ID, assertions, xua


def _read(elements: list[Element], **changes: Any) -> ReadContext:
    options: dict[str, Any] = {
        "policy": AssertionPolicy(),
        "now": NOON,
        "caller": CALLER,
        "correlation_id": "corr-1",
        "answering": COUNTRY_A,
        "patient_specific": True,
    }
    return read_assertions(elements, trust().certificates, **(options | changes))


def _elements(**changes: Any) -> list[Element]:
    return [parse_xml(content) for content in assertions(**changes).values()]


def test_order_does_not_matter() -> None:
    """An assertion is known by its issuer's qualifier, not by its place."""
    forth, back = _read(_elements()), _read(_elements()[::-1])

    assert forth == back
    assert [each.id for each in forth.assertions] == [HCP_ID, TRC_ID]
    assert forth.context.patient == PATIENT


def test_none_too_many_and_two_of_a_kind_are_refused() -> None:
    """Before any signature is looked at."""
    one = _elements()[0]
    for elements, reason in (
        ([], Refusal.NO_ASSERTION),
        ([one, _elements()[0]], Refusal.ASSERTION_MALFORMED),
        ([one] * (MAX_ASSERTIONS + 1), Refusal.ASSERTION_MALFORMED),
    ):
        with pytest.raises(NotAllowed) as caught:
            _read(elements)
        assert caught.value.refusal is reason


def test_a_plain_assertion_is_enough_only_where_the_policy_says_so() -> None:
    """With a treatment relation demanded by TRC it is as good as none, and that is said."""
    plain = [parse_xml(xua())]

    allowed = _read(plain, policy=AssertionPolicy(relation=TreatmentRelation.RESOURCE_ID))
    with pytest.raises(NotAllowed) as caught:
        _read(plain)

    assert allowed.context.relation is TreatmentRelation.RESOURCE_ID
    assert caught.value.refusal is Refusal.NO_ASSERTION
    assert "plain XUA" in caught.value.text
