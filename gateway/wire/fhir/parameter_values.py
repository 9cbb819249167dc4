"""Values of search parameters that mean the same in every search, and their refusals.

Spelling is in `search`; which parameters there are, and what they narrow, each search says itself.
Clauses: FHIR R4 search.html 3.1.1.4 (types of parameters), 3.1.1.2 (what is not applied).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.domain import Code, ExchangeError, Issue, Refusal, Severity, refuse
from gateway.wire.fhir.concepts import scheme_of
from gateway.wire.fhir.search import Parameter, read_token, unescape
from gateway.wire.xml import quoted

MAX_COUNT_DIGITS = 9


def malformed(parameter: str, expected: str) -> ExchangeError:
    """The refusal of a value that a parameter cannot have."""
    # The value is not repeated: it may identify a patient.
    text = f"The search parameter {quoted(parameter)} has no such value, expected {expected}."
    return refuse(Refusal.MALFORMED_REQUEST, text, subject=parameter)


def unsupported(parameter: str, what: str) -> ExchangeError:
    """The refusal of a parameter that is known, and not offered with this."""
    text = f"The search parameter {quoted(parameter)} is not offered with {what}."
    return refuse(Refusal.UNSUPPORTED, text, subject=parameter)


def read_code(value: str, name: str) -> Code:
    """The code of a token, without a scheme where it names none.

    Raises `ExchangeError` for a system alone and for a code that says it has no system.
    """
    token = read_token(value, f"query.{name}")
    if not token.code:
        raise unsupported(name, "a system alone")
    if token.system == "":
        raise unsupported(name, "a code of no system")
    return Code(token.code, scheme_of(token.system) if token.system else "")


def unquoted(text: str) -> str:
    """A value out of its double quotes, in which MADO prints accession numbers."""
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text


def read_count(parameter: Parameter, most: int) -> int:
    """How many results a page may have, of which `most` are given; raises for what is no number."""
    text = unescape(parameter.values[0]).strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_COUNT_DIGITS
    if not is_number or len(parameter.values) != 1:
        raise malformed(parameter.name, "a number")
    return min(int(text), most)


def not_applied(names: Iterable[str], why: Mapping[str, str] | None = None) -> tuple[Issue, ...]:
    """One warning for every parameter that was not applied; `why` has words for some."""
    reasons = why or {}
    return tuple(
        Issue(
            refusal=Refusal.UNSUPPORTED,
            severity=Severity.WARNING,
            text=f"The search parameter {quoted(name)} was not applied"
            + (f": {reasons[name]}." if name in reasons else "."),
            subject=name,
        )
        for name in names
    )
