"""The portal's routes for images: start a job, watch it, end it, hand out what came."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp import web

from country_b import requests
from country_b.answers import CORRELATION
from country_b.fields import parse_body
from country_b.image_fidelity import FidelityCheck, Sealing
from country_b.image_intake import ImageIntake
from country_b.image_progress import Progress
from country_b.looks import picture_of_beginning
from country_b.portal_routes import PortalRoutes, path_id
from country_b.session import Action, Session, State
from country_b.views import kept_document_view, kept_instance_view
from gateway.compression.plan_text import plan_view
from gateway.domain import (
    DeliveryWish,
    ImageRequest,
    ImagingManifest,
    ManifestEncoding,
    Oid,
    Refusal,
    Uid,
    refuse,
)
from gateway.wire.fhir.mhd_retrieve import is_fhir_document


class ImageApi(PortalRoutes):
    """Step 8 for images, and what a visit holds."""

    def routes(self) -> list[web.RouteDef]:
        """Every route about images."""
        visit = "/api/sessions/{session}"
        return [
            web.post(visit + "/plan", self.plan),
            web.post(visit + "/images", self.images),
            web.get(visit + "/images/{job}", self.job),
            web.get(visit + "/images/{job}/timeline", self.timeline),
            web.get(visit + "/images/{job}/certificate", self.certificate),
            web.post(visit + "/images/{job}/cancel", self.cancel),
            web.get(visit + "/instances/{instance}", self.instance),
            web.get(visit + "/instances/{instance}/look", self.look),
            web.get(visit + "/kept", self.show_kept),
        ]

    async def plan(self, request: web.Request) -> web.Response:
        """Step 8, before it: how the images would come."""
        session = await self.ready(request, Action.IMAGES)
        wanted = requests.read_images(parse_body(await request.read()))
        manifest, location = await self._manifest_of(session, wanted.study)
        if session.patient is None:
            raise refuse(Refusal.UNKNOWN_PATIENT, "images are of a confirmed patient")
        community = session.patient.community
        whole = ImageRequest.of_manifest(manifest, community, default_location=location)
        asked = tuple(pair for pair in whole.instances if wanted.selection.wants(pair[0]))
        if not asked:
            raise refuse(Refusal.UNKNOWN_INSTANCE, "the manifest lists none of what was asked for")
        initiator = self.portal.initiator
        plan = await initiator.exchange(community, session.way).plan_images(
            replace(whole, instances=asked),
            self._wish(session, wanted),
            initiator.context(session, community, request[CORRELATION]),
        )
        return web.json_response(plan_view(plan))

    def _wish(self, session: Session, wanted: requests.ImagesWanted) -> DeliveryWish:
        """The wish for images of a visit's country, with what we know of it."""
        own = self.portal.syntaxes
        if session.community is None:
            return requests.wish_of(wanted, own)
        peer = self.portal.initiator.community(session.community)
        return requests.wish_of(
            wanted, peer.syntaxes or own, is_planned=peer.is_planned, link=peer.link
        )

    async def images(self, request: web.Request) -> web.Response:
        """Step 8, images: starts a job."""
        session = await self.ready(request, Action.IMAGES)
        wanted = requests.read_images(parse_body(await request.read()))
        manifest, location = await self._manifest_of(session, wanted.study)
        job = self.portal.new_id()
        wish = self._wish(session, wanted)
        # All that the job asks for is one delivery to its sender, with one certificate.
        wish = replace(wish, delivery=job)
        intake = ImageIntake(
            initiator=self.portal.initiator,
            kept=self.portal.kept,
            reading=self.portal.reading,
            session=session,
            manifest=manifest,
            default_location=location,
            selection=wanted.selection,
            wish=wish,
            correlation_id=request[CORRELATION],
            now=self.portal.now,
            patience=self.portal.patience,
        )
        correlation_id = request[CORRELATION]
        begun = asyncio.Event()

        async def ended(progress: Progress) -> None:
            await begun.wait()  # the journal tells the beginning before the end
            text = f"{progress.state.value}: {progress.received} received, "
            text += f"{len(progress.missing)} missing"
            await self.portal.sessions.record(
                session.id, Action.IMAGES, progress.state.value, text, correlation_id=correlation_id
            )

        check = self._check(session, wanted.study, job, wish, correlation_id)
        await check.begin()
        await self.portal.jobs.start(job, session.id, wanted.study, intake, ended, check=check.run)
        try:
            await self.advance(request, session, Action.IMAGES, text="started")
        except BaseException:
            begun.set()
            await self.portal.jobs.cancel(job)  # nobody was told of it
            raise
        begun.set()
        return web.json_response(
            {"job": job, "correlation_id": correlation_id},
            status=202,
            headers={"Location": f"/api/sessions/{session.id}/images/{job}"},
        )

    def _check(
        self, session: Session, study: Uid, job: str, wish: DeliveryWish, correlation_id: str
    ) -> FidelityCheck:
        """The check of what a job brings against the certificate of who sent it."""
        if session.patient is None:
            raise refuse(Refusal.UNKNOWN_PATIENT, "images are of a confirmed patient")
        portal, community = self.portal, session.patient.community
        return FidelityCheck(
            certifier=portal.initiator.exchange(community, session.way),
            context=portal.initiator.context(session, community, correlation_id),
            sealing=Sealing(
                community=community,
                country=portal.initiator.community(community).country,
                trust=portal.trust,
            ),
            kept=portal.kept,
            certificates=portal.certificates,
            session=session.id,
            job=job,
            study=study,
            delivery=wish.delivery,
            lossy_consent=wish.lossy_consent,
            now=portal.now,
        )

    async def certificate(self, request: web.Request) -> web.Response:
        """The sealed certificate of what a job brought, as it came."""
        session = await self.session(request)
        body = await self.portal.certificates.get(session.id, request.match_info["job"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(
            body=body,
            content_type="application/xml",
            headers={
                "Content-Disposition": 'attachment; filename="fidelity-certificate.xml"',
                "Content-Security-Policy": "sandbox",
            },
        )

    async def job(self, request: web.Request) -> web.Response:
        """How a job gets on."""
        session = await self.session(request)
        view = await self.portal.jobs.view(session.id, request.match_info["job"])
        if view is None:
            raise web.HTTPNotFound
        return web.json_response(view)

    async def timeline(self, request: web.Request) -> web.Response:
        """How many bytes of a job were here when."""
        session = await self.session(request)
        job = request.match_info["job"]
        timeline = await self.portal.jobs.timeline(session.id, job)
        if timeline is None:
            raise web.HTTPNotFound
        return web.json_response({"job": job, "timeline": timeline})

    async def cancel(self, request: web.Request) -> web.Response:
        """End a job; what is whole stays."""
        session = await self.session(request)
        if await self.portal.jobs.view(session.id, request.match_info["job"]) is None:
            raise web.HTTPNotFound
        await self.portal.jobs.cancel(request.match_info["job"])
        return await self.job(request)

    async def instance(self, request: web.Request) -> web.StreamResponse:
        """Step 9: the bytes of an image, only of one that passed its checks."""
        session = await self.ready(request, Action.PRESENT)
        uid = path_id(request, "instance", Uid)
        held = await self.portal.kept.instance(session.id, uid)
        if held is None:
            raise refuse(Refusal.UNKNOWN_INSTANCE, "this image was not retrieved")
        if held.problem:
            raise refuse(Refusal.INTEGRITY_FAILED, f"it was set aside: {held.problem}")
        if session.state is State.RETRIEVED:  # a viewer fetches a thousand: one line says it
            await self.advance(request, session, Action.PRESENT, text="images")
        return self.file(held.sha256, "application/dicom", f"{uid}.dcm")

    async def look(self, request: web.Request) -> web.Response:
        """Step 9, while images come: a picture of the beginning of one."""
        session = await self.ready(request, Action.PRESENT)
        uid = path_id(request, "instance", Uid)
        path = await asyncio.to_thread(self.portal.kept.blobs.partials.find, session.id, uid)
        if path is None:
            text = "there is no beginning of this image here to look at"
            raise refuse(Refusal.UNKNOWN_INSTANCE, text)
        picture = await asyncio.to_thread(picture_of_beginning, path)
        return web.Response(
            body=picture, content_type="image/png", headers={"Content-Security-Policy": "sandbox"}
        )

    async def show_kept(self, request: web.Request) -> web.Response:
        """What this visit holds, what was set aside included."""
        session = await self.session(request)
        documents = await self.portal.kept.documents(session.id)
        instances = await self.portal.kept.instances(session.id)
        return web.json_response(
            {
                "documents": [kept_document_view(item) for item in documents],
                "instances": [kept_instance_view(item) for item in instances],
            }
        )

    async def _manifest_of(self, session: Session, study: Uid) -> tuple[ImagingManifest, Oid]:
        is_fhir = self.portal.manifest_form is ManifestEncoding.FHIR
        kept = await self.portal.kept.documents(session.id)
        for held in sorted(kept, key=lambda one: is_fhir_document(one.mime_type) is not is_fhir):
            if held.problem or held.study != str(study):
                continue
            return await self.portal.initiator.manifest(held), held.ref.repository
        raise refuse(
            Refusal.UNKNOWN_DOCUMENT,
            "no manifest of this study was retrieved in this visit: retrieve it first",
            subject=str(study),
        )
