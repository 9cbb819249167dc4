"""Adds one duty: a peer is asked in its own dialect for somebody who asked us.

The treatment relation is shown again: the asker has shown it in the form that is used towards us;
what vouches for it towards the next one is ours to say, and to answer for. Who shows none gets
none here. Classes of documents are asked for and told back in IHE's codes on our side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain import (
    Association,
    CallContext,
    CommunityId,
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
    PatientIdentity,
    PatientTraits,
    Refusal,
    StudyQuery,
    TreatmentRelation,
    Uid,
    ViewerLink,
)
from gateway.middleware.dialect import Dialect


class Relayed:
    """An `Exchange` asked for somebody who asked us: professional, purpose and patient stay.

    `answering` is the community that is asked, where it is not the one the asker called;
    `only_for` the one community whose askers are served, None for any.
    """

    def __init__(
        self,
        inner: Exchange,
        relation: TreatmentRelation,
        dialect: Dialect,
        *,
        answering: CommunityId | None = None,
        only_for: CommunityId | None = None,
    ) -> None:
        self._inner = inner
        self._relation = relation
        self._dialect = dialect
        self._answering = answering
        self._only_for = only_for

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """See `PatientDirectory.identify_patient`."""
        return await self._inner.identify_patient(traits, self._shown(context))

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """See `DocumentSource.find_documents`."""
        codes = tuple(self._dialect.theirs(code) for code in query.class_codes)
        outcome = await self._inner.find_documents(
            replace(query, class_codes=codes), self._shown(context)
        )
        return Outcome(tuple(self._entry(entry) for entry in outcome.items), outcome.issues)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """See `DocumentSource.look_up_documents`."""
        outcome = await self._inner.look_up_documents(lookup, self._shown(context))
        items = tuple(
            self._entry(item) if isinstance(item, DocumentEntry) else item for item in outcome.items
        )
        return Outcome(items, outcome.issues)

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """See `DocumentSource.retrieve_documents`."""
        return await self._inner.retrieve_documents(refs, self._shown(context))

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`."""
        return await self._inner.find_studies(query, self._shown(context))

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """See `DeliveryPlanner.plan_images`."""
        return await self._inner.plan_images(request, wish, self._shown(context))

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """See `DeliveryCertifier.certify_images`."""
        return await self._inner.certify_images(delivery, study, self._shown(context))

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """See `Viewer.open_viewer`; the link is the asked community's own."""
        return await self._inner.open_viewer(
            study, self._shown(context), key_images_only=key_images_only
        )

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`."""
        return await self._inner.retrieve_images(request, wish, self._shown(context))

    def _entry(self, entry: DocumentEntry) -> DocumentEntry:
        ours = self._dialect.ours(entry.class_code)
        return entry if ours is None else replace(entry, class_code=ours)

    def _shown(self, context: CallContext) -> CallContext:
        if self._only_for is not None and context.asking != self._only_for:
            text = f"this gateway asks others for its own community, not for {context.asking}"
            raise NotAllowed(Refusal.ATTRIBUTES_INVALID, text)
        shown = replace(context, answering=self._answering or context.answering)
        if context.relation is TreatmentRelation.NONE:
            return shown
        return replace(shown, relation=self._relation)
