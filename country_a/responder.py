"""Country A answers: the Exchange fulfilled from the national systems.

Who asks has been made out before (signed content, TLS); what is decided here is the country's
own: consent, whose document it is, and which version is in force.
"""

from __future__ import annotations

from collections.abc import Sequence

from country_a.certificates import Certificates
from country_a.consent import require_consent
from country_a.delivery_desk import DeliveryDesk
from country_a.images import Held, WithIssues, held_of
from country_a.manifests import build_manifest
from country_a.national.ports import NationalSystems, StoredStudy
from country_a.viewer_links import ViewerLinks
from gateway.domain import (
    Association,
    BadRequest,
    CallContext,
    CommunityId,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    ImageSource,
    ImagingManifest,
    Issue,
    NotAllowed,
    NotFound,
    NotNow,
    Oid,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    PeerMisbehaved,
    PurposeOfUse,
    Refusal,
    StudyQuery,
    TreatmentRelation,
    Uid,
    ViewerLink,
    is_asked_for,
    refuse,
)


class Responder:
    """An `Exchange` over national systems.

    `desk` plans and sends images; `images_from` replaces the image store by another source of
    images (RAD-69), and the store is still asked whose they are. `viewer` makes the links of the
    viewer, and `certificates` certifies what was sent, if there are such.
    """

    def __init__(
        self,
        national: NationalSystems,
        *,
        community: CommunityId,
        repository: Oid,
        imaging_source: Oid,
        desk: DeliveryDesk,
        images_from: ImageSource | None = None,
        viewer: ViewerLinks | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._national = national
        self._community = community
        self._repository = repository
        self._imaging_source = imaging_source
        self._desk = desk
        self._images_from = images_from
        self._viewer = viewer
        self._certificates = certificates

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Patients who fit; one who denied is not confirmed, and the asker is told why."""
        found = await self._national.patients.search(traits)
        if len(found) == 1:
            await require_consent(self._national.consent, found[0].id, context)
            return Outcome(found)
        allowed = []
        for identity in found:
            # One of several who denied is left out: naming the denial would single them out.
            try:
                await require_consent(self._national.consent, identity.id, context)
            except NotAllowed:
                continue
            allowed.append(identity)
        return Outcome(tuple(allowed))

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """Entries of one patient that satisfy every filter, newest study first."""
        self._own_community(query.community)
        await self._require_patient(query.patient, context)
        return Outcome(await self._national.registry.find(query))

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """Entries by id, of any status, and their associations."""
        self._own_community(lookup.community)
        answer = await self._national.registry.look_up(lookup)
        ends = await self._national.registry.look_up(
            DocumentLookup(
                community=lookup.community,
                entry_ids=tuple(
                    dict.fromkeys(
                        end
                        for association in answer.associations
                        for end in (association.source, association.target)
                    )
                ),
            )
        )
        patients = {entry.patient for entry in (*answer.entries, *ends.entries)}
        if len({entry.patient for entry in answer.entries}) > 1:
            raise BadRequest(
                Refusal.NOT_SINGLE_PATIENT, "the entries asked for belong to several patients"
            )
        for patient in patients:
            await self._require_patient(patient, context)
        visible = {entry.id: entry for entry in (*answer.entries, *ends.entries)}
        items: list[DocumentEntry | Association] = []
        if lookup.entries:
            items.extend(answer.entries)
        if lookup.associations:
            items.extend(
                association
                for association in answer.associations
                if association.source in visible and association.target in visible
            )
        return Outcome(tuple(items))

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """The documents named, one by one; each that cannot be had is an issue."""
        entries = await self._national.registry.documents([ref.document for ref in refs])
        documents: list[Document] = []
        issues: list[Issue] = []
        for ref in refs:
            try:
                self._own_community(ref.community)
                if ref.repository != self._repository:
                    text = (
                        f"repository {ref.repository} is not here; "
                        f"documents are at {self._repository}"
                    )
                    raise NotFound(Refusal.UNKNOWN_REPOSITORY, text)
                entry = entries.get(ref.document)
                content = await self._national.repository.get(ref.document) if entry else None
                if entry is None or content is None:
                    raise NotFound(Refusal.UNKNOWN_DOCUMENT, f"no document {ref.document} here")
                await self._require_patient(entry.patient, context)
            except ExchangeError as error:
                issues.append(
                    Issue(refusal=error.refusal, text=error.text, subject=str(ref.document))
                )
                continue
            documents.append(
                Document(ref=ref, mime_type=entry.mime_type, content=content, sha1=entry.sha1)
            )
        return Outcome(tuple(documents), tuple(issues))

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """Studies of the image store as it is now, newest first."""
        self._own_community(query.community)
        found: list[ImagingManifest] = []
        for stored in await self._studies(query, context):
            manifest = await self._manifest(stored, query, context)
            if is_asked_for(query, manifest):
                found.append(manifest)
            if len(found) == query.limit:
                break
        return Outcome(tuple(found))

    async def _studies(self, query: StudyQuery, context: CallContext) -> Sequence[StoredStudy]:
        """The studies among which the filters decide: those named, or all of the patient."""
        pacs = self._national.pacs
        patient = query.patient or (None if query.studies else context.patient)
        if patient is not None:
            await self._require_patient(patient, context)
            identity = await self._national.patients.get(patient)
            held = await pacs.studies(identity.id if identity else patient)
            return [study for study in held if not query.studies or study.uid in query.studies]
        if not query.studies:
            raise BadRequest(
                Refusal.MISSING_PARAMETER,
                "studies are searched for by patient, or by their UID",
                subject="patient",
            )
        named = [await pacs.study(uid) for uid in dict.fromkeys(query.studies)]
        return [study for study in named if study is not None]

    async def _manifest(
        self, stored: StoredStudy, query: StudyQuery, context: CallContext
    ) -> ImagingManifest:
        if stored.patient is None:
            raise NotFound(Refusal.UNKNOWN_PATIENT, "a study that belongs to no patient")
        identity = await self._require_patient(stored.patient, context)
        pacs = self._national.pacs
        # Whether a study has instances of a class is decided by all of them.
        whole = bool(query.sop_classes)
        return build_manifest(
            stored,
            await pacs.series(stored.uid),
            await pacs.instances(
                stored.uid,
                series=None if whole else query.series,
                instance=None if whole else query.instance,
            ),
            identity,
            uid=stored.uid,
            location=self._imaging_source,
            created=None,
            manufacturer="",
        )

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """Images on their way, after asking whose they are."""
        held = await self._held(request, context)
        if self._images_from is None or not held.instances:
            return await self._desk.deliver(held, wish, context)
        # The source is asked for nothing but what was just found to be this patient's; which
        # syntaxes it can send it says itself.
        asked = tuple((stored.ref, self._imaging_source) for stored, _ in held.instances)
        permitted = ImageRequest(community=request.community, instances=asked)
        try:
            fetched = await self._images_from.retrieve_images(permitted, wish, context)
            return WithIssues(fetched, held.issues)
        except (NotNow, PeerMisbehaved) as error:
            # Whose call failed, and where to, is this country's own affair.
            text = "the imaging source behind this gateway does not answer"
            raise NotNow(Refusal.BACK_END_DOWN, text) from error

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """How images would come, after asking whose they are."""
        held = await self._held(request, context)
        if not held.instances:
            for issue in held.issues:
                raise refuse(issue.refusal, issue.text, subject=issue.subject)
        if self._images_from is not None:
            text = "images come from a source behind this gateway, which sends them as it likes"
            raise BadRequest(Refusal.UNSUPPORTED, text)
        return await self._desk.plan(held, wish, context)

    async def _held(self, request: ImageRequest, context: CallContext) -> Held:
        """What the store has of a request, all of patients the caller may ask about."""
        self._own_community(request.community)
        held = await held_of(self._national.pacs, self._imaging_source, request)
        for patient in dict.fromkeys(stored.patient for stored, _ in held.instances):
            if patient is None:
                raise NotFound(Refusal.UNKNOWN_PATIENT, "images that belong to no patient")
            await self._require_patient(patient, context)
        return held

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """What was done to images that were sent, after asking whose study it is."""
        patient = await self._patient_of(study, context)
        if self._certificates is None:
            raise BadRequest(Refusal.UNSUPPORTED, "no delivery is certified here")
        return await self._certificates.certify(
            delivery, asking=context.asking, study=study, patient=patient
        )

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """A link to the pages of this country's viewer, after asking whose study it is."""
        patient = await self._patient_of(study, context)
        if self._viewer is None:
            raise BadRequest(Refusal.UNSUPPORTED, "no viewer is offered here", subject=str(study))
        return self._viewer.to_open(
            study,
            patient,
            key_images_only=key_images_only,
            emergency=context.purpose is PurposeOfUse.EMERGENCY,
        )

    async def _patient_of(self, study: Uid, context: CallContext) -> PatientId:
        """Whose study it is, one the caller may ask about."""
        stored = await self._national.pacs.study(study)
        if stored is None:
            raise NotFound(Refusal.UNKNOWN_INSTANCE, f"no study {study} here", subject=str(study))
        if stored.patient is None:
            raise NotFound(Refusal.UNKNOWN_PATIENT, "a study that belongs to no patient")
        await self._require_patient(stored.patient, context)
        return stored.patient

    def _own_community(self, community: CommunityId | None) -> None:
        if community is not None and community != self._community:
            text = f"community {community} is not here; this gateway is {self._community}"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text, subject=str(community))

    async def _require_patient(self, patient: PatientId, context: CallContext) -> PatientIdentity:
        """The patient is known, is the one the treatment relation is about, and consents."""
        if context.relation is not TreatmentRelation.NONE and context.patient != patient:
            raise NotAllowed(
                Refusal.TREATMENT_RELATION_MISMATCH,
                "the treatment relation shown is about another patient",
            )
        identity = await self._national.patients.get(patient)
        if identity is None:
            raise NotFound(Refusal.UNKNOWN_PATIENT, "no such patient here")
        await require_consent(self._national.consent, identity.id, context)
        return identity
