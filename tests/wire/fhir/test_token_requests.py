"""Requests for a token: what is understood, and which error of RFC 6749 refuses the rest."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import PurposeOfUse
from gateway.wire.fhir.token_requests import (
    FORM,
    GRANT,
    JWT,
    MAX_FORM,
    TokenError,
    TokenRefused,
    TokenRequest,
    read_introspection,
    read_token_request,
    write_introspection,
    write_refusal,
    write_token,
)
from tests.builders import PATIENT


def _read(content_type: str = FORM, **fields: str) -> TokenRequest:
    return read_token_request(content_type, urlencode({"grant_type": GRANT} | fields).encode())


def _error(content_type: str, body: bytes) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        read_token_request(content_type, body)
    return caught.value


def test_a_whole_request_is_understood() -> None:
    """Scopes once each, the community it is meant for, the patient, the purpose."""
    found = _read(
        f"{FORM}; charset=UTF-8",
        scope="ITI-67  ITI-68 ITI-67",
        resource="urn:oid:2.999.1.1",
        requested_token_type=JWT,
        client_id="ward-1",
        person_id=PATIENT.cx,
        purpose_of_use="ETREAT",
    )

    assert found == TokenRequest(
        scopes=("ITI-67", "ITI-68"),
        resource="urn:oid:2.999.1.1",
        client_id="ward-1",
        patient=PATIENT,
        purpose=PurposeOfUse.EMERGENCY,
    )


def test_what_is_left_out_has_its_meaning() -> None:
    """All that the client may have, for treatment, of nobody yet; empty values are left out."""
    assert _read() == _read(scope="", resource="", person_id="", unheard_of="x") == TokenRequest()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": ""}, TokenError.REQUEST),
        ({"grant_type": "authorization_code"}, TokenError.GRANT_TYPE),
        ({"grant_type": "password"}, TokenError.GRANT_TYPE),
        ({"client_secret": "x"}, TokenError.CLIENT),
        ({"client_assertion": "x", "client_assertion_type": "y"}, TokenError.CLIENT),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, TokenError.REQUEST),
        ({"person_id": "A-0001"}, TokenError.REQUEST),
        ({"person_id": "A-0001^^^&not-an-oid&ISO"}, TokenError.REQUEST),
        ({"purpose_of_use": "HMARKT"}, TokenError.REQUEST),
        ({"scope": "a\x00b"}, TokenError.REQUEST),
    ],
)
def test_what_is_not_offered_is_refused_by_its_error(
    fields: dict[str, str], error: TokenError
) -> None:
    """Nothing that was sent is repeated."""
    with pytest.raises(TokenRefused) as caught:
        _read(**fields)

    assert caught.value.error is error
    assert caught.value.status == (401 if error is TokenError.CLIENT else 400)
    assert not [v for v in fields.values() if len(v) > 2 and v in caught.value.text]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("", b"grant_type=client_credentials"),
        (FORM, b""),
        (FORM, b"grant_type"),
        (FORM, b"grant_type=client_credentials&grant_type=client_credentials"),
        (FORM, b"grant_type=%ff"),
        (FORM, b"\xff=1"),
        (FORM, b"&".join(b"a%d=1" % number for number in range(50))),
        (FORM, b"a=" + b"x" * MAX_FORM),
    ],
)
def test_what_is_no_form_is_an_invalid_request(content_type: str, body: bytes) -> None:
    """Another type, a name twice, bytes that are no text, too much of it."""
    assert _error(content_type, body).error is TokenError.REQUEST


@given(st.binary(max_size=100))
def test_no_body_breaks_the_reading(body: bytes) -> None:
    """A refusal, or a request."""
    for read in (read_token_request, read_introspection):
        with suppress(TokenRefused):
            read(FORM, body)


@pytest.mark.parametrize("error", TokenError)
def test_a_refusal_is_written_with_its_error(error: TokenError) -> None:
    """And with a word for people."""
    written = write_refusal(TokenRefused(error, "why"))

    assert written == {"error": error.value, "error_description": "why"}


def test_answers_are_those_of_the_standards() -> None:
    """RFC 6749 5.1 and RFC 7662 2.2: of a token not in force nothing is said."""
    assert write_token("t", seconds=300, scopes=("ITI-67", "ITI-68")) == {
        "access_token": "t",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "ITI-67 ITI-68",
        "issued_token_type": JWT,
    }
    assert write_introspection(None) == {"active": False}
    assert write_introspection({"sub": "a", "active": False})["active"] is True
    assert read_introspection(FORM, b"token=abc&token_type_hint=access_token") == "abc"
