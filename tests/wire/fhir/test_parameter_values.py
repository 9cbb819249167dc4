"""Values that mean the same in every search."""

from __future__ import annotations

import pytest

from gateway.domain import Code, ExchangeError, Refusal, Severity
from gateway.domain.codes import DCM
from gateway.wire.fhir.parameter_values import (
    malformed,
    not_applied,
    read_code,
    read_count,
    unquoted,
    unsupported,
)
from gateway.wire.fhir.search import Parameter

DCM_URL = "http://dicom.nema.org/resources/ontology/DCM"


def test_a_code_is_read_with_its_scheme_or_without() -> None:
    """A token without a system is a code of any."""
    assert read_code(f"{DCM_URL}|CT", "modality") == Code("CT", DCM)
    assert read_code("CT", "modality") == Code("CT", "")


@pytest.mark.parametrize("value", [f"{DCM_URL}|", "|CT"])
def test_a_system_alone_and_a_code_of_none_are_not_offered(value: str) -> None:
    """To pass them over would find what was not asked for."""
    with pytest.raises(ExchangeError) as caught:
        read_code(value, "modality")
    assert (caught.value.refusal, caught.value.subject) == (Refusal.UNSUPPORTED, "modality")


@pytest.mark.parametrize(("value", "count"), [("0", 0), ("7", 7), ("999999999", 100)])
def test_a_count_is_at_most_what_is_given(value: str, count: int) -> None:
    """Asking for more is no mistake."""
    assert read_count(Parameter("_count", "", (value,)), 100) == count


@pytest.mark.parametrize("values", [("",), ("-1",), ("ten",), ("1", "2"), ("9" * 10,), ("١",)])
def test_a_count_that_is_no_number_is_refused(values: tuple[str, ...]) -> None:
    """Nor are several, nor digits of another script."""
    with pytest.raises(ExchangeError) as caught:
        read_count(Parameter("_count", "", values), 100)
    assert caught.value.refusal is Refusal.MALFORMED_REQUEST


@pytest.mark.parametrize(
    ("text", "plain"), [('"A-1"', "A-1"), ("A-1", "A-1"), ('""', '""'), ('"A', '"A')]
)
def test_quotes_are_taken_off_whole(text: str, plain: str) -> None:
    """Around something, and on both sides."""
    assert unquoted(text) == plain


def test_what_was_not_applied_is_named_with_the_reason_where_there_is_one() -> None:
    """A warning each."""
    one, other = not_applied(("reason", "_sort"), {"reason": "none is held"})

    assert (one.severity, one.subject) == (Severity.WARNING, "reason")
    assert one.text.endswith("was not applied: none is held.")
    assert other.text.endswith("was not applied.")


def test_refusals_name_the_parameter_and_not_the_value() -> None:
    """A value may identify a patient."""
    assert malformed("patient", "system|value").subject == "patient"
    assert "modifier" in unsupported("date", "modifier 'x'").text
