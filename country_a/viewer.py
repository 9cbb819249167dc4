"""Country A's viewer: rendered images in a browser that nothing but a link lets in.

A browser of the other country's professional has no certificate and no token of ours. The link its
gateway was given opens once, and what it opens is a page with an address of its own for some
minutes: no cookie, nothing kept in the browser, no script but ours. All under one address is of one
study of one patient. Nothing that comes without a genuine link costs more than a look at its
signature; an opening that fails with a genuine one is audited, once for each link.
Guideline, article 13; IHE RAD TF-2 4.106.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from aiohttp import web

from country_a.national.ports import NationalSystems, StoredInstance
from country_a.viewer_links import ViewerLinks
from country_a.viewer_page import FILES, PAGES, PageFacts, sign_page, study_page
from country_a.viewer_pictures import frame_picture, thumbnail
from country_a.viewer_study import study_shown
from gateway.domain import (
    AuditEvent,
    AuditOutcome,
    Caller,
    ExchangeError,
    InstanceRef,
    InvalidIdentifier,
    NotFound,
    Refusal,
    Side,
    Transaction,
    Uid,
)
from gateway.transport.record import Keeper
from gateway.wire.dicom.web_refusals import status_of
from gateway.wire.problems import DecodeError
from gateway.wire.viewer_link import LinkClaims, LinkRefused

MAX_RENDERING: Final = 2  # pictures drawn at a time: each takes a processor and some memory
MAX_TOLD: Final = 10_000  # links whose refusal is remembered to have been audited
HTML: Final = "text/html; charset=utf-8"

# Everything from here, no frame around it, and no form or plug-in in it.
CONTENT_SECURITY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}

_log = structlog.get_logger("country_a.viewer")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


class StudyViewer:
    """The routes of the viewer. `country` is shown on its pages."""

    def __init__(
        self, national: NationalSystems, links: ViewerLinks, keeper: Keeper, *, country: str
    ) -> None:
        self._national = national
        self._links = links
        self._keeper = keeper
        self._country = country
        self._rendering = asyncio.Semaphore(MAX_RENDERING)
        self._told: OrderedDict[str, None] = OrderedDict()

    def add_to(self, app: web.Application) -> None:
        """Add the routes and what every answer carries."""
        app.middlewares.append(_signs)
        app.on_response_prepare.append(_protect)
        # Not HEAD: a link that is looked at must not be used up.
        app.router.add_get("/view/{link}", self._open, allow_head=False)
        app.router.add_get("/show/{link}/", self._page, allow_head=False)
        picture = "/show/{link}/{series}/{instance}"
        app.router.add_get(picture + "/thumbnail", self._thumbnail, allow_head=False)
        app.router.add_get(picture + r"/{frame:[1-9]\d{0,8}}", self._picture, allow_head=False)
        app.router.add_get("/files/{name}", self._file, allow_head=False)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Use up the link; the browser goes on to an address it may ask for again."""
        try:
            shown = self._links.open(request.match_info["link"])
        except LinkRefused as error:
            self._audit(error, request)
            raise
        _log.info("viewer.opened", link=self._links.shown(shown).nonce)
        raise web.HTTPSeeOther(f"/show/{shown}/")

    async def _page(self, request: web.Request) -> web.StreamResponse:
        claims = self._links.shown(request.match_info["link"])
        study = await study_shown(self._national, self._links, claims)
        facts = PageFacts(country=self._country, expires=claims.expires, now=self._links.now())
        page = study_page(study, facts)
        return web.Response(body=page.encode(), headers={"Content-Type": HTML})

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        stored = await self._stored(request)
        frame = int(request.match_info["frame"])
        made = await self._drawn(lambda: frame_picture(stored.path, frame))
        headers = {"Content-Type": "image/jpeg"}
        if made.viewing.laterality:
            headers["Viewer-Laterality"] = made.viewing.laterality
        if made.viewing.is_lossy:
            headers["Viewer-Lossy-Ratio"] = ",".join(
                f"{round(each, 1):g}" for each in made.viewing.ratios
            )
        return web.Response(body=made.data, headers=headers)

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        stored = await self._stored(request)
        data = await self._drawn(lambda: thumbnail(stored.path))
        return web.Response(body=data, headers={"Content-Type": "image/jpeg"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in FILES:
            raise web.HTTPNotFound
        headers = {"Content-Type": f"{FILES[name]}; charset=utf-8"}
        return web.Response(body=(PAGES / name).read_bytes(), headers=headers)

    async def _stored(self, request: web.Request) -> StoredInstance:
        """The instance a path names, within the study of its link and of the same patient."""
        claims = self._links.shown(request.match_info["link"])
        try:
            ref = InstanceRef(
                study=claims.study,
                series=Uid(request.match_info["series"]),
                instance=Uid(request.match_info["instance"]),
            )
        except InvalidIdentifier:
            raise _not_here() from None
        stored = await self._national.pacs.find(ref)
        if stored is None or (claims.key_images_only and not await self._is_key(claims, ref)):
            raise _not_here()
        self._links.require(claims, stored.patient)
        return stored

    async def _is_key(self, claims: LinkClaims, ref: InstanceRef) -> bool:
        study = await study_shown(self._national, self._links, claims)
        return any(image.ref == ref for one in study.series for image in one.images)

    async def _drawn(self, work: Callable[[], T]) -> T:
        async with self._rendering:
            try:
                return await asyncio.to_thread(work)
            except (OSError, DecodeError) as error:
                _log.warning("viewer.cannot_draw", why=type(error).__name__)
                text = "this image cannot be drawn"
                raise NotFound(Refusal.UNKNOWN_INSTANCE, text) from error

    def _audit(self, error: LinkRefused, request: web.Request) -> None:
        """Tell of a genuine link that opened nothing: once, or its holder could fill the disk."""
        claims = error.claims
        if claims is None or claims.nonce in self._told:
            return
        self._told[claims.nonce] = None
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        self._keeper.audit.append(
            AuditEvent(
                id=self._keeper.new_id(),
                at=self._keeper.now(),
                transaction=Transaction.VIEW_IMAGES,
                side=Side.RESPONDER,
                outcome=AuditOutcome.SERIOUS_FAILURE,
                outcome_text=error.text,
                refusal=error.refusal,
                community=self._keeper.community,
                message_id=claims.nonce,
                source_endpoint=request.remote or "",
                destination_endpoint=f"{self._links.base()}/view",
                caller=Caller(address=request.remote or ""),
                studies=(claims.study,),
            )
        )


def _not_here() -> NotFound:
    return NotFound(Refusal.UNKNOWN_INSTANCE, "no such image in this study")


# A link that is not ours is forbidden whoever shows it; one that was ours is gone.
_STATUS: Final = {
    Refusal.SIGNATURE_INVALID: 403,
    Refusal.ASSERTION_NOT_VALID_NOW: 410,
    Refusal.ASSERTION_REUSED: 410,
}


@web.middleware
async def _signs(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is refused is shown as a sign."""
    try:
        return await handler(request)
    except ExchangeError as error:
        status = _STATUS.get(error.refusal) or status_of(error.refusal)
        _log.info("viewer.refused", refusal=error.refusal.value, status=status)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        status = error.status
    return web.Response(
        status=status, body=sign_page(status).encode(), headers={"Content-Type": HTML}
    )


async def _protect(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    response.headers.pop("Server", None)
