"""What an authorisation server says of itself: ITI-103, and the discovery of SMART.

Both documents describe one server and are made of one description. They claim what is offered and
no more: the proof of a client is its TLS certificate, so SMART's `private_key_jwt` is not among
the methods. RFC 8414, RFC 8705 section 3.3; IHE ITI IUA 3.103; SMART App Launch 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.wire.fhir.token_requests import GRANT

Json = dict[str, Any]

TOKEN: Final = "/token"
INTROSPECTION: Final = "/introspect"
KEYS: Final = "/jwks.json"
AUTHORISATION_METADATA: Final = "/.well-known/oauth-authorization-server"
SMART_CONFIGURATION: Final = "/.well-known/smart-configuration"
_METHODS: Final = ("tls_client_auth",)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorisationServer:
    """A server by its issuer name, which is its address, and the scopes somebody may have."""

    issuer: str
    scopes: tuple[str, ...]

    @property
    def endpoints(self) -> Json:
        """The addresses both documents give."""
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{self.issuer}{TOKEN}",
            "jwks_uri": f"{self.issuer}{KEYS}",
            "introspection_endpoint": f"{self.issuer}{INTROSPECTION}",
            "token_endpoint_auth_methods_supported": list(_METHODS),
            "introspection_endpoint_auth_methods_supported": list(_METHODS),
            "grant_types_supported": [GRANT],
            "scopes_supported": list(self.scopes),
        }


def write_metadata(server: AuthorisationServer) -> Json:
    """The metadata of RFC 8414, with the format of tokens that IUA adds."""
    return {
        **server.endpoints,
        # Required, and empty where no authorisation endpoint is offered (RFC 8414 section 2).
        "response_types_supported": [],
        "tls_client_certificate_bound_access_tokens": True,
        "access_token_format": ["ihe-jwt"],
    }


def write_smart_configuration(server: AuthorisationServer) -> Json:
    """The discovery document that SMART clients look for."""
    return {**server.endpoints, "capabilities": ["permission-v1", "permission-v2"]}
