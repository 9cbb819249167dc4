"""Audit events for tests of their renderings: every transaction, side, outcome and asker."""

from __future__ import annotations

from gateway.domain import (
    AuditedDocument,
    AuditEvent,
    AuditOutcome,
    Caller,
    DocumentId,
    InstanceRef,
    Oid,
    PurposeOfUse,
    Refusal,
    Side,
    Transaction,
    Uid,
)
from tests.builders import COUNTRY_A, COUNTRY_B, make_audit_event, make_context

STUDY, OTHER_STUDY = Uid("2.999.9.1"), Uid("2.999.9.2")
IMAGES = (
    InstanceRef(study=STUDY, series=Uid("2.999.9.1.1"), instance=Uid("2.999.9.1.1.1")),
    InstanceRef(study=STUDY, series=Uid("2.999.9.1.1"), instance=Uid("2.999.9.1.1.2")),
    InstanceRef(study=OTHER_STUDY, series=Uid("2.999.9.2.1"), instance=Uid("2.999.9.2.1.1")),
)
DOCUMENTS = (
    AuditedDocument(
        document=DocumentId("2.999.5.1"), repository=Oid("2.999.1.9"), community=COUNTRY_A
    ),
    AuditedDocument(
        document=DocumentId("2.999.5.2"), repository=Oid("2.999.1.9"), community=COUNTRY_A
    ),
)
DOCUMENT_RETRIEVALS = (Transaction.RETRIEVE, Transaction.FETCH_DOCUMENT)
IMAGE_RETRIEVALS = (
    Transaction.IMAGES,
    Transaction.IMAGES_FROM_SOURCE,
    Transaction.FETCH_IMAGES,
)
RETRIEVALS = (*DOCUMENT_RETRIEVALS, *IMAGE_RETRIEVALS, Transaction.VIEW_IMAGES)
PEOPLE = {
    "treatment": {},
    "emergency": {"emergency": True, "context": make_context(purpose=PurposeOfUse.EMERGENCY)},
    "nobody": {"context": None, "patients": (), "caller": Caller(), "peer": None},
}


def event_of(transaction: Transaction, side: Side, outcome: AuditOutcome, who: str) -> AuditEvent:
    """One event; a failure is for want of consent."""
    failed = outcome is not AuditOutcome.SUCCESS
    return make_audit_event(
        transaction=transaction,
        side=side,
        outcome=outcome,
        community=COUNTRY_A if side is Side.RESPONDER else COUNTRY_B,
        refusal=Refusal.NO_CONSENT if failed else None,
        outcome_text="the patient did not agree" if failed else "",
        documents=DOCUMENTS if transaction in DOCUMENT_RETRIEVALS else (),
        images=IMAGES if transaction in IMAGE_RETRIEVALS else (),
        studies=(STUDY,) if transaction is Transaction.VIEW_IMAGES else (),
        **{"peer": COUNTRY_B if side is Side.RESPONDER else COUNTRY_A, **PEOPLE[who]},
    )
