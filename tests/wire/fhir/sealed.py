"""Tokens with assertions inside, put together for tests as OpenNCP does it, by other code."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.domain import CallContext
from gateway.wire.fhir.tokens import TokenForm, TokenPolicy
from gateway.wire.saml import AssertionPolicy
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from tests.builders import NOON
from tests.wire.fhir.minted import TRC, signer

SECRET = hashlib.sha512(b"a secret of two gateways").digest()
OPENNCP = TokenPolicy(form=TokenForm.OPENNCP, secret=SECRET, assertions=AssertionPolicy())
SAML_OPTION = TokenPolicy(form=TokenForm.SAML, assertions=AssertionPolicy())
HCP_ID, TRC_ID = "_hcp-1", "_trc-1"


def assertions(context: CallContext = TRC, **changes: Any) -> dict[str, bytes]:
    """The assertions of a call by the names OpenNCP gives them."""
    options: dict[str, Any] = {"now": NOON, "country": "XB"} | changes
    seal = options.pop("seal", signer().seal)
    found = {"HCP": mint_hcp(context, seal, assertion_id=HCP_ID, **options)}
    if context.patient is not None:
        trc = mint_trc(context, seal, assertion_id=TRC_ID, hcp_id=HCP_ID, **options)
        found["TRC"] = trc
    return found


def xua(context: CallContext = TRC, **changes: Any) -> bytes:
    """A plain XUA assertion of a call."""
    options: dict[str, Any] = {"now": NOON, "country": "XB"} | changes
    return mint_xua(context, signer().seal, assertion_id="_xua-1", **options)


def payload_of(found: dict[str, bytes], **claims: Any) -> dict[str, Any]:
    """The claims of an OpenNCP token around these assertions."""
    inner = {name: base64.b64encode(content).decode() for name, content in found.items()}
    end = int((NOON + timedelta(hours=1)).timestamp())
    return {"sub": "user", "exp": end} | inner | claims


def sealed(
    found: dict[str, bytes] | None = None,
    *,
    secret: bytes = SECRET,
    alg: str = "HS512",
    **claims: Any,
) -> str:
    """An OpenNCP token, made by joserfc."""
    content = payload_of(assertions() if found is None else found, **claims)
    kept = {name: value for name, value in content.items() if value is not None}
    return jwt.encode({"alg": alg}, kept, OctKey.import_key(secret), algorithms=[alg])


def single(content: bytes) -> str:
    """The SAML token option of IUA."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def relaxed(policy: TokenPolicy, **changes: Any) -> TokenPolicy:
    """The policy with other rules for assertions."""
    return replace(policy, assertions=replace(policy.assertions, **changes))


def size_of(token: str) -> int:
    """How long a header with the token is."""
    return len(orjson.dumps(f"Bearer {token}"))
