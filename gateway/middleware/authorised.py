"""Adds one duty: the professional's rights are checked before the inner verb.

Rights come as permissions in the assertion and as a role; both must suffice. Which patient a
call is about is compared with the treatment relation where the request itself names one; where
only a document is named, the country that knows whose it is compares (spec clause: eHDSI SAML
profile, row 9 and 10 of the receiver's list).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain import (
    Association,
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    Exchange,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    NotAllowed,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
    StudyQuery,
    TreatmentRelation,
    Uid,
    ViewerLink,
)

# HL7 permission catalogue codes that the eHDSI asks for, per service.
IDENTIFY_PERMISSIONS = frozenset({"PRD-006"})
DOCUMENT_PERMISSIONS = frozenset({"PRD-003", "PRD-005", "PRD-010", "PRD-016"})

# ISCO roles that may see imaging data; every other role may identify a patient and no more.
IMAGING_ROLES = frozenset({"221", "2211", "2212", "2221", "2240", "2261", "3211"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What is needed to use each kind of verb: permissions, and the roles that may."""

    identify: frozenset[str] = IDENTIFY_PERMISSIONS
    documents: frozenset[str] = DOCUMENT_PERMISSIONS
    roles: frozenset[str] = IMAGING_ROLES


class Authorised:
    """An `Exchange` that refuses who lacks the rights, and passes every other call on."""

    def __init__(self, inner: Exchange, rights: Rights) -> None:
        self._inner = inner
        self._rights = rights

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """See `PatientDirectory.identify_patient`."""
        self._permit(context, self._rights.identify)
        return await self._inner.identify_patient(traits, context)

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """See `DocumentSource.find_documents`."""
        self._permit_imaging(context)
        self._treats(query.patient, context)
        return await self._inner.find_documents(query, context)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """See `DocumentSource.look_up_documents`."""
        self._permit_imaging(context)
        return await self._inner.look_up_documents(lookup, context)

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """See `DocumentSource.retrieve_documents`."""
        self._permit_imaging(context)
        return await self._inner.retrieve_documents(refs, context)

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`."""
        self._permit_imaging(context)
        if query.patient is not None:
            self._treats(query.patient, context)
        return await self._inner.find_studies(query, context)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`."""
        self._permit_imaging(context)
        return await self._inner.retrieve_images(request, wish, context)

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """See `DeliveryPlanner.plan_images`."""
        self._permit_imaging(context)
        return await self._inner.plan_images(request, wish, context)

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """See `DeliveryCertifier.certify_images`."""
        self._permit_imaging(context)
        return await self._inner.certify_images(delivery, study, context)

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """See `Viewer.open_viewer`."""
        self._permit_imaging(context)
        return await self._inner.open_viewer(study, context, key_images_only=key_images_only)

    def _treats(self, patient: PatientId, context: CallContext) -> None:
        if context.relation is not TreatmentRelation.NONE and context.patient != patient:
            raise NotAllowed(
                Refusal.TREATMENT_RELATION_MISMATCH,
                "the treatment relation shown is about another patient than the query",
            )

    def _permit_imaging(self, context: CallContext) -> None:
        self._permit(context, self._rights.documents)
        role = context.professional.role
        if role.value not in self._rights.roles:
            shown = role.display or role.value
            raise NotAllowed(
                Refusal.INSUFFICIENT_RIGHTS, f"the role {shown!r} has no right to imaging data"
            )

    def _permit(self, context: CallContext, needed: frozenset[str]) -> None:
        missing = needed - set(context.professional.permissions)
        if missing:
            text = f"the assertion lacks the permissions {', '.join(sorted(missing))}"
            raise NotAllowed(Refusal.INSUFFICIENT_RIGHTS, text)
