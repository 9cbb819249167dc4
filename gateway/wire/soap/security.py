"""Assertions in and out of the WS-Security header: who asks, the same for every transaction.

Trust comes from the signatures of the assertions and from mutual TLS. There is no message
signature, no timestamp and no binary token; what a peer adds of these is not read. The assertions
are found among the direct children of the header and then read as they are everywhere
(`saml_context`).

WSS SOAP Message Security 1.0, WSS SAML Token Profile 1.1; IHE ITI TF-2 3.40.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.domain.context import CallContext, Caller, TreatmentRelation
from gateway.domain.ids import CommunityId
from gateway.wire.saml import AUDIENCE, AssertionPolicy, as_assertion_id
from gateway.wire.saml_context import AcceptedAssertion, ReadContext, read_assertions
from gateway.wire.saml_mint import mint_hcp, mint_trc, mint_xua
from gateway.wire.signatures import Signer
from gateway.wire.trust import TrustStore
from gateway.wire.xml import SAML, WSSE, Element

__all__ = ["AcceptedAssertion", "ReadContext", "attach_context", "read_context"]

UNKNOWN_COUNTRY = "XX"


def attach_context(
    context: CallContext,
    signer: Signer,
    *,
    now: datetime,
    new_id: Callable[[], str],
    country: str = "",
    audience: str = AUDIENCE,
) -> bytes:
    """The complete `wsse:Security` element that says who asks, to be embedded byte for byte.

    With the relation RESOURCE_ID one plain XUA assertion; else the identity, followed by the
    treatment relation when the relation is TRC and the patient is known. `new_id` gives a unique
    text for each assertion; `country` is by default that of the signer's certificate.
    """
    country = country or signer.country or UNKNOWN_COUNTRY
    first = as_assertion_id(new_id())
    if context.relation is TreatmentRelation.RESOURCE_ID:
        assertions = [
            mint_xua(
                context, signer, assertion_id=first, now=now, country=country, audience=audience
            )
        ]
    else:
        assertions = [
            mint_hcp(
                context, signer, assertion_id=first, now=now, country=country, audience=audience
            )
        ]
        if context.relation is TreatmentRelation.TRC and context.patient is not None:
            assertions.append(
                mint_trc(
                    context,
                    signer,
                    assertion_id=as_assertion_id(new_id()),
                    hcp_id=first,
                    now=now,
                    country=country,
                    audience=audience,
                )
            )
    return b"".join(
        (f'<wsse:Security xmlns:wsse="{WSSE}">'.encode(), *assertions, b"</wsse:Security>")
    )


def read_context(
    security: Element | None,
    trust: TrustStore,
    policy: AssertionPolicy,
    *,
    now: datetime,
    caller: Caller,
    correlation_id: str,
    answering: CommunityId,
    patient_specific: bool,
) -> ReadContext:
    """Who asks; see `saml_context.read_assertions`.

    `security` is the header in its message, None when there is none. What it holds besides
    assertions is left alone.
    """
    # Only direct children: one inside another element is somebody's evidence, not the caller's.
    children = [] if security is None else security.findall(f"{{{SAML}}}Assertion")
    return read_assertions(
        children,
        trust,
        policy,
        now=now,
        caller=caller,
        correlation_id=correlation_id,
        answering=answering,
        patient_specific=patient_specific,
    )
