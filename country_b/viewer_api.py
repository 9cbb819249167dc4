"""The portal's route for the other country's viewer: a link for the professional's browser.

A study is named by its Study Instance UID, and has to be one of the visit's patient: of a manifest
that was retrieved, or of the list. What the link opens is shown by the other country, in a window
of its own; nothing of it comes through here.
"""

from __future__ import annotations

from aiohttp import web

from country_b import requests
from country_b.answers import CORRELATION
from country_b.fields import parse_body
from country_b.portal_routes import PortalRoutes
from country_b.session import Action, Session
from gateway.domain import ExchangeError, Refusal, Uid, refuse


class ViewerApi(PortalRoutes):
    """Step 9, at the other country's."""

    def routes(self) -> list[web.RouteDef]:
        """The route of the viewer."""
        return [web.post("/api/sessions/{session}/viewer", self.viewer)]

    async def viewer(self, request: web.Request) -> web.Response:
        """Step 9: a link that opens a study in the other country's viewer, once."""
        session = await self.ready(request, Action.VIEWER)
        wanted = requests.read_viewer(parse_body(await request.read()))
        await self._require_own(session, wanted.study)
        try:
            link = await self.portal.initiator.open_viewer(
                session,
                wanted.study,
                request[CORRELATION],
                key_images_only=wanted.key_images_only,
            )
        except ExchangeError as error:
            raise await self.noted(request, session, Action.VIEWER, error) from error
        session = await self.advance(request, session, Action.VIEWER, text="a link")
        return web.json_response(
            {
                "state": session.state.value,
                "study": str(wanted.study),
                "url": link.url,
                "expires": None if link.expires is None else link.expires.isoformat(),
                "correlation_id": request[CORRELATION],
            },
            status=201,
        )

    async def _require_own(self, session: Session, study: Uid) -> None:
        """The study is of a good manifest of this visit, or of its last list; else refused."""
        for held in await self.portal.kept.documents(session.id):
            if not held.problem and held.study == str(study):
                return
        listing = await self.portal.sessions.listing(session.id)
        if listing is not None and any(study in entry.studies for entry in listing.entries):
            return
        raise refuse(
            Refusal.UNKNOWN_INSTANCE,
            "this study is neither in the last list of this visit nor in a manifest it holds",
            subject=str(study),
        )
