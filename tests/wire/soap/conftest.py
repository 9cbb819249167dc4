"""An identity and a treatment relation as Country B signs them, and the trust that they meet."""

from __future__ import annotations

import pytest

from gateway.pki import TrustDomain, mint_trust
from gateway.wire.saml_mint import mint_hcp, mint_trc
from gateway.wire.signatures import Signer
from tests.builders import NOON
from tests.wire.soap.headers import HCP_ID, TRC, TRC_ID

# Rows are compared there: where one differs from what was read, the report says in what.
pytest.register_assert_rewrite("tests.wire.soap.samples")


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    """A made-up trust domain with Country B in it."""
    return mint_trust(now=NOON, countries=("XB",))


@pytest.fixture(scope="module")
def signer(domain: TrustDomain) -> Signer:
    """The seal of Country B."""
    return domain.signer("xb")


@pytest.fixture(scope="module")
def hcp(signer: Signer) -> bytes:
    """A flawless identity of a health professional."""
    return mint_hcp(TRC, signer, assertion_id=HCP_ID, now=NOON, country="XB")


@pytest.fixture(scope="module")
def trc(signer: Signer) -> bytes:
    """A flawless treatment relation, tied to that identity."""
    return mint_trc(TRC, signer, assertion_id=TRC_ID, hcp_id=HCP_ID, now=NOON, country="XB")
