"""Adds one duty: the treatment relation is shown again, as the one who is asked wants it.

Between two gateways the asker has shown it in the form that is used towards us; what vouches for
it towards the next one is ours to say, and to answer for. Who shows none gets none here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain import (
    Association,
    CallContext,
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
    Outcome,
    PatientIdentity,
    PatientTraits,
    StudyQuery,
    TreatmentRelation,
)


class Relayed:
    """An `Exchange` asked for somebody who asked us: professional, purpose and patient stay."""

    def __init__(self, inner: Exchange, relation: TreatmentRelation) -> None:
        self._inner = inner
        self._relation = relation

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """See `PatientDirectory.identify_patient`."""
        return await self._inner.identify_patient(traits, self._shown(context))

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """See `DocumentSource.find_documents`."""
        return await self._inner.find_documents(query, self._shown(context))

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """See `DocumentSource.look_up_documents`."""
        return await self._inner.look_up_documents(lookup, self._shown(context))

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

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`."""
        return await self._inner.retrieve_images(request, wish, self._shown(context))

    def _shown(self, context: CallContext) -> CallContext:
        if context.relation is TreatmentRelation.NONE:
            return context
        return replace(context, relation=self._relation)
