"""Who asks over HTTP: the token of a request, judged as the settings of its sender say.

One gate for every server whose callers show a token, so that they are judged alike: the same
policy for a peer, the same log against reuse, the same comparison of whom TLS and token name. What
a token must be like is `wire.fhir.security`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.domain import CallContext, Caller, NotAllowed, Refusal
from gateway.peers import Peer
from gateway.transport.redaction import has_token
from gateway.transport.server_identity import ServerIdentity
from gateway.wire.fhir.security import AcceptedToken, read_context
from gateway.wire.fhir.token_check import TokenTrust
from gateway.wire.fhir.tokens import TokenPolicy

FORM = "application/x-www-form-urlencoded"


class TokenGate:
    """Lets in who shows a token; `audiences` are the base addresses a token may be meant for."""

    def __init__(self, identity: ServerIdentity, audiences: Sequence[str]) -> None:
        self._identity = identity
        self._audiences = tuple(audiences)
        self._trust = TokenTrust(certificates=identity.trust)

    def admit(
        self,
        request: web.Request,
        *,
        caller: Caller,
        peer: Peer,
        correlation_id: str,
        patient_specific: bool,
        scopes: frozenset[str],
        form: bytes = b"",
    ) -> CallContext:
        """Who asks, from the token and from TLS; NotAllowed and NotNow for who is not let in.

        `form` is the body of a request whose body is a form: a token is no more welcome there
        than in the address.
        """
        if has_token(request.rel_url.raw_query_string) or has_token(form.decode("latin-1")):
            text = "a token belongs in the Authorization header, and nowhere else"
            raise NotAllowed(Refusal.NO_ASSERTION, text)
        now = self._identity.now()
        accepted = read_context(
            request.headers.getall("Authorization", []),
            self._trust,
            self.policy(peer),
            now=now,
            caller=caller,
            correlation_id=correlation_id,
            answering=self._identity.community,
            patient_specific=patient_specific,
            scopes=scopes,
        )
        self._note_use(accepted, caller, peer)
        return accepted.context

    def policy(self, peer: Peer) -> TokenPolicy:
        """What the tokens of a peer must be like."""
        return TokenPolicy(
            form=peer.token_form,
            secret=peer.token_secret,
            audiences=self._audiences,
            assertions=self._identity.policy(peer),
        )

    def _note_use(self, accepted: AcceptedToken, caller: Caller, peer: Peer) -> None:
        uses = [
            (accepted.token_id, accepted.subject, accepted.expires, accepted.single_use),
            *((each.id, each.subject, each.expires, each.single_use) for each in accepted.beside),
        ]
        for token_id, subject, expires, single_use in uses:
            self._identity.assertions.accept(
                token_id,
                fingerprint=caller.fingerprint,
                subject=subject,
                expires=expires,
                single_use=single_use or peer.single_use,
                now=self._identity.now(),
            )


def check_community(context: CallContext, peer: Peer) -> None:
    """Whose TLS certificate it is and what the token says must agree."""
    community = peer.community
    if community is not None and context.asking != community:
        text = f"the token names community {context.asking}, its sender is {community}"
        raise NotAllowed(Refusal.ATTRIBUTES_INVALID, text)
