"""What the routes of the portal share: what they work with, and the steps of a visit.

Not routes: those are in `portal_api`, `report_api` and `image_api`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from aiohttp import web

from country_b.answers import CORRELATION
from country_b.fields import BadInput
from country_b.image_jobs import ImageJobs
from country_b.image_resuming import Patience
from country_b.initiator import Community, Initiator
from country_b.kept import KeptDocument, KeptStore
from country_b.kept_certificates import KeptCertificates
from country_b.reading import Reading
from country_b.session import Action, Session, SessionStore, require
from gateway.domain import (
    CommunityId,
    DocumentId,
    ExchangeError,
    InvalidIdentifier,
    ManifestEncoding,
    Refusal,
    Uid,
    refuse,
)
from gateway.wire.trust import TrustStore

_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}", re.IGNORECASE)
_UNKNOWN_TYPE = "application/octet-stream"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """What the routes work with; `trust` is whose seals are believed on certificates."""

    communities: Mapping[CommunityId, Community]
    sessions: SessionStore
    initiator: Initiator
    kept: KeptStore
    certificates: KeptCertificates
    trust: TrustStore
    jobs: ImageJobs
    reading: Reading
    information_version: str
    syntaxes: tuple[Uid, ...]
    manifest_form: ManifestEncoding
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    patience: Patience = field(default_factory=Patience)


class PortalRoutes:
    """A set of routes: how they find the visit, check the order and move it on."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    async def session(self, request: web.Request) -> Session:
        """The visit that the path names; `UnknownSession` if there is none."""
        return await self.portal.sessions.get(request.match_info["session"])

    async def ready(self, request: web.Request, action: Action) -> Session:
        """The visit, if the action may be done in it now; else `OutOfOrder`."""
        session = await self.session(request)
        require(session, action)
        return session

    async def advance(
        self,
        request: web.Request,
        session: Session,
        action: Action,
        change: Callable[[Session], Session] = lambda held: held,
        *,
        text: str = "",
    ) -> Session:
        """Do the step: change, state and journal in one."""
        return await self.portal.sessions.advance(
            session.id, action, change, text=text, correlation_id=request[CORRELATION]
        )

    async def noted(
        self, request: web.Request, session: Session, action: Action, error: ExchangeError
    ) -> ExchangeError:
        """Write a refusal into the journal; gives it back to be raised."""
        await self.portal.sessions.record(
            session.id, action, "refused", error.refusal.value, correlation_id=request[CORRELATION]
        )
        return error

    async def good_document(self, request: web.Request, session: Session) -> KeptDocument:
        """The document that the path names, if it came and passed its checks."""
        name = path_id(request, "document", DocumentId)
        held = await self.portal.kept.document(session.id, name)
        if held is None:
            raise refuse(Refusal.UNKNOWN_DOCUMENT, "this document was not retrieved")
        if held.problem:
            raise refuse(Refusal.INTEGRITY_FAILED, f"it was set aside: {held.problem}")
        return held

    def file(self, sha256: str, mime_type: str, name: str) -> web.FileResponse:
        """Kept bytes, sent from their file."""
        # The type is a peer's word: it is shown in a frame of its own and never as a page of ours.
        return web.FileResponse(
            self.portal.kept.blobs.path_of(sha256),
            headers={
                "Content-Type": mime_type if _MIME.fullmatch(mime_type) else _UNKNOWN_TYPE,
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
                "Content-Security-Policy": "sandbox",
            },
        )


def path_id(request: web.Request, name: str, parse: Callable[[str], T]) -> T:
    """An identifier in the path; one that cannot be one names nothing."""
    try:
        return parse(request.match_info[name])
    except InvalidIdentifier as error:
        raise BadInput({name: f"expected {error.expected}"}) from None
