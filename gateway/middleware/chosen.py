"""Adds one choice: each kind of verb is fulfilled by an `Exchange` of its own.

A gateway may be asked for patients over one wire and for documents or images over another; whoever
asks sees one `Exchange`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain import (
    Association,
    CallContext,
    DeliveryCertifier,
    DeliveryPlan,
    DeliveryPlanner,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    DocumentSource,
    ImageDelivery,
    ImageRequest,
    ImageSource,
    ImagingManifest,
    Outcome,
    PatientDirectory,
    PatientIdentity,
    PatientTraits,
    StudyQuery,
    StudySource,
    Uid,
    Viewer,
    ViewerLink,
)


class ChosenPerVerb:
    """An `Exchange` put together from seven."""

    def __init__(
        self,
        *,
        patients: PatientDirectory,
        documents: DocumentSource,
        studies: StudySource,
        images: ImageSource,
        plans: DeliveryPlanner,
        certificates: DeliveryCertifier,
        viewer: Viewer,
    ) -> None:
        self._patients = patients
        self._documents = documents
        self._studies = studies
        self._images = images
        self._plans = plans
        self._certificates = certificates
        self._viewer = viewer

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """See `PatientDirectory.identify_patient`."""
        return await self._patients.identify_patient(traits, context)

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """See `DocumentSource.find_documents`."""
        return await self._documents.find_documents(query, context)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """See `DocumentSource.look_up_documents`."""
        return await self._documents.look_up_documents(lookup, context)

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """See `DocumentSource.retrieve_documents`."""
        return await self._documents.retrieve_documents(refs, context)

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`."""
        return await self._studies.find_studies(query, context)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`."""
        return await self._images.retrieve_images(request, wish, context)

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """See `DeliveryPlanner.plan_images`."""
        return await self._plans.plan_images(request, wish, context)

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """See `DeliveryCertifier.certify_images`."""
        return await self._certificates.certify_images(delivery, study, context)

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """See `Viewer.open_viewer`."""
        return await self._viewer.open_viewer(study, context, key_images_only=key_images_only)
