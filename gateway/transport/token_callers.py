"""Who calls over HTTP: made out from TLS and an access token, the same on every REST route."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain import CallContext, Caller, NotAllowed, Refusal
from gateway.peers import Peer
from gateway.transport.record import Record
from gateway.transport.server_identity import ServerIdentity
from gateway.wire.fhir.security import read_context
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy


class TokenCallers:
    """Reads the callers of one base; `audiences` are the addresses its tokens may be meant for."""

    def __init__(self, identity: ServerIdentity, *, audiences: tuple[str, ...]) -> None:
        self._identity = identity
        self._audiences = audiences
        self._trust = TokenTrust(certificates=identity.trust)

    def context(
        self,
        record: Record,
        authorization: Sequence[str],
        *,
        caller: Caller,
        peer: Peer,
        correlation_id: str,
        patient_specific: bool,
        scopes: frozenset[str],
    ) -> CallContext:
        """Who asks, told to the record of the call; raises `NotAllowed` for nobody we know."""
        now = self._identity.now()
        accepted = read_context(
            authorization,
            self._trust,
            TokenPolicy(audiences=self._audiences, assertions=self._identity.policy(peer)),
            now=now,
            caller=caller,
            correlation_id=correlation_id,
            answering=self._identity.community,
            patient_specific=patient_specific,
            scopes=scopes,
        )
        self._identity.assertions.accept(
            accepted.token_id,
            fingerprint=caller.fingerprint,
            subject=accepted.subject,
            expires=accepted.expires,
            single_use=peer.single_use,
            now=now,
        )
        record.context = accepted.context
        if peer.community is not None and accepted.context.asking != peer.community:
            text = (
                f"the token names community {accepted.context.asking}, "
                f"its sender is {peer.community}"
            )
            raise NotAllowed(Refusal.ATTRIBUTES_INVALID, text)
        return accepted.context
