"""What an authorisation server says of itself: complete, and no more than is so."""

from __future__ import annotations

from gateway.wire.fhir.token_metadata import (
    AuthorisationServer,
    write_metadata,
    write_smart_configuration,
)

SERVER = AuthorisationServer(issuer="https://b.example:9443", scopes=("ITI-67", "ITI-68"))


def test_the_metadata_has_what_rfc_8414_demands() -> None:
    """And the format of tokens that IUA adds."""
    found = write_metadata(SERVER)

    assert found["issuer"] == "https://b.example:9443"
    assert found["token_endpoint"] == "https://b.example:9443/token"
    assert found["jwks_uri"] == "https://b.example:9443/jwks.json"
    assert found["introspection_endpoint"] == "https://b.example:9443/introspect"
    assert found["response_types_supported"] == []
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["scopes_supported"] == ["ITI-67", "ITI-68"]
    assert found["access_token_format"] == ["ihe-jwt"]


def test_both_documents_describe_one_server() -> None:
    """The same addresses and methods; only what is offered is claimed."""
    metadata, smart = write_metadata(SERVER), write_smart_configuration(SERVER)

    assert {name: smart[name] for name in SERVER.endpoints} == SERVER.endpoints
    assert {name: metadata[name] for name in SERVER.endpoints} == SERVER.endpoints
    assert smart["token_endpoint_auth_methods_supported"] == ["tls_client_auth"]
    assert "authorization_endpoint" not in smart
