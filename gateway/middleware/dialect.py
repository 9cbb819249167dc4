"""Adds one duty: a peer is spoken to in the class codes it is used to.

Inside, a document's class is coded as IHE does; at the edge the codes of the peer's profile take
their place, in queries on the way in and in entries on the way out. Which codes, is data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain import (
    Association,
    BadRequest,
    CallContext,
    Code,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentClass,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    Exchange,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    Issue,
    Outcome,
    PatientIdentity,
    PatientTraits,
    Refusal,
    Severity,
    StudyQuery,
    Uid,
    ViewerLink,
)
from gateway.domain.codes import CLASS_IMAGES, CLASS_REPORTS

OURS: Mapping[DocumentClass, Code] = {
    DocumentClass.REPORT: CLASS_REPORTS,
    DocumentClass.MANIFEST: CLASS_IMAGES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a peer codes document classes, and what it expects around them.

    `refuse_unknown` refuses a query for a class the dialect has no code for; `warn_when_empty`
    adds a warning to an empty list, as eHDSI peers do.
    """

    class_codes: Mapping[DocumentClass, tuple[Code, ...]]
    refuse_unknown: bool = False
    warn_when_empty: bool = False

    def ours(self, theirs: Code) -> Code | None:
        """Our code for one of theirs; None when the dialect does not have it."""
        for kind, codes in self.class_codes.items():
            if any(theirs.means(code) for code in codes):
                return OURS[kind]
        return None

    def theirs(self, ours: Code) -> Code:
        """Their code for one of ours; ours where the dialect has none."""
        for kind, code in OURS.items():
            if ours.means(code) and self.class_codes.get(kind):
                return self.class_codes[kind][0]
        return ours


class InDialect:
    """An `Exchange` whose class codes are those of a peer's dialect."""

    def __init__(self, inner: Exchange, dialect: Dialect) -> None:
        self._inner = inner
        self._dialect = dialect

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """See `PatientDirectory.identify_patient`; nothing to translate."""
        return await self._inner.identify_patient(traits, context)

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """See `DocumentSource.find_documents`."""
        wanted = tuple(self._dialect.ours(code) or code for code in query.class_codes)
        if self._dialect.refuse_unknown:
            known = set(OURS.values())
            unknown = [
                theirs.value
                for theirs, ours in zip(query.class_codes, wanted, strict=True)
                if ours not in known
            ]
            if unknown:
                raise BadRequest(
                    Refusal.UNKNOWN_DOCUMENT_CLASS,
                    f"document class {', '.join(unknown)} is not offered here",
                    subject=unknown[0],
                )
        outcome = await self._inner.find_documents(replace(query, class_codes=wanted), context)
        issues = outcome.issues
        if self._dialect.warn_when_empty and not outcome.items and not issues:
            issues = (
                Issue(
                    refusal=Refusal.NO_DOCUMENTS,
                    text="no imaging studies or reports fit the query",
                    severity=Severity.WARNING,
                ),
            )
        return Outcome(tuple(self._entry(entry) for entry in outcome.items), issues)

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """See `DocumentSource.look_up_documents`."""
        outcome = await self._inner.look_up_documents(lookup, context)
        items = tuple(
            self._entry(item) if isinstance(item, DocumentEntry) else item for item in outcome.items
        )
        return Outcome(items, outcome.issues)

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """See `DocumentSource.retrieve_documents`; nothing to translate."""
        return await self._inner.retrieve_documents(refs, context)

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """See `StudySource.find_studies`; nothing to translate."""
        return await self._inner.find_studies(query, context)

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """See `ImageSource.retrieve_images`; nothing to translate."""
        return await self._inner.retrieve_images(request, wish, context)

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """See `DeliveryPlanner.plan_images`."""
        return await self._inner.plan_images(request, wish, context)

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """See `DeliveryCertifier.certify_images`."""
        return await self._inner.certify_images(delivery, study, context)

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """See `Viewer.open_viewer`; nothing to translate."""
        return await self._inner.open_viewer(study, context, key_images_only=key_images_only)

    def _entry(self, entry: DocumentEntry) -> DocumentEntry:
        return replace(entry, class_code=self._dialect.theirs(entry.class_code))
