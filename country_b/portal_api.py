"""The portal's JSON API: the ten steps as routes, described in `openapi.json`.

Thin: bodies are read by `requests`, the order is kept by `session`, the asking is done by
`initiator` and `image_intake`, rows are made by `presentation`, refusals by `answers`. Meant for
the health professional's own system, on loopback or behind it; it has no users of its own.
"""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from country_b import requests
from country_b.answers import CORRELATION
from country_b.fields import BadInput, parse_body
from country_b.image_progress import issue_view
from country_b.portal_routes import PortalRoutes
from country_b.presentation import in_form, present
from country_b.requests import Chosen
from country_b.session import (
    Action,
    OutOfOrder,
    Session,
    State,
)
from country_b.views import (
    identity_view,
    retrieved_view,
    session_view,
)
from gateway.domain import (
    CommunityId,
    DocumentEntry,
    DocumentId,
    ExchangeError,
    Refusal,
    refuse,
)
from gateway.domain.selection import SortKey

# The largest body is a list of instances to fetch: 20 000 UIDs of 64 characters.
MAX_REQUEST_BYTES = 2 * 1024 * 1024


class PortalApi(PortalRoutes):
    """The steps of a visit."""

    def routes(self) -> list[web.RouteDef]:
        """Every route but those about images and the pages of reports."""
        visit = "/api/sessions/{session}"
        return [
            web.get("/health", self.health),
            web.get("/api/communities", self.communities),
            web.post("/api/sessions", self.open_session),
            web.get(visit, self.show),
            web.post(visit + "/sign-in", self.sign_in),
            web.post(visit + "/inform", self.inform),
            web.post(visit + "/purpose", self.purpose),
            web.post(visit + "/identify", self.identify),
            web.post(visit + "/confirm", self.confirm),
            web.post(visit + "/list", self.find),
            web.get(visit + "/list", self.relist),
            web.post(visit + "/retrieve", self.retrieve),
            web.get(visit + "/documents/{document:.+}", self.document),
            web.post(visit + "/use", self.use),
            web.post(visit + "/close", self.close),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """Whether this portal can work: its store and its index."""
        return web.json_response({"status": "ok", "store": await self.portal.kept.ping()})

    async def communities(self, _request: web.Request) -> web.Response:
        """The countries that can be asked."""
        return web.json_response(
            {
                "communities": [
                    {
                        "id": str(item.id),
                        "name": item.name,
                        "country": item.country,
                        "ways": list(item.ways),
                    }
                    for item in self.portal.communities.values()
                ],
                "information_version": self.portal.information_version,
            }
        )

    async def open_session(self, request: web.Request) -> web.Response:
        """Step 1."""
        session = await self.portal.sessions.open(
            self.portal.new_id(), correlation_id=request[CORRELATION]
        )
        return await self._shown(session, status=201)

    async def show(self, request: web.Request) -> web.Response:
        """The visit and its journal."""
        return await self._shown(await self.session(request))

    async def sign_in(self, request: web.Request) -> web.Response:
        """Step 2."""
        session = await self.ready(request, Action.SIGN_IN)
        given = requests.read_sign_in(parse_body(await request.read()), self.portal.now())
        return await self._shown(
            await self.advance(
                request,
                session,
                Action.SIGN_IN,
                lambda held: replace(
                    held, professional=given.professional, authentication=given.authentication
                ),
            )
        )

    async def inform(self, request: web.Request) -> web.Response:
        """Step 3."""
        session = await self.ready(request, Action.INFORM)
        version, at = requests.read_information(parse_body(await request.read())), self.portal.now()
        return await self._shown(
            await self.advance(
                request,
                session,
                Action.INFORM,
                lambda held: replace(held, information_version=version, informed_at=at),
                text=f"text version {version}",
            )
        )

    async def purpose(self, request: web.Request) -> web.Response:
        """Between steps 3 and 4: why."""
        session = await self.ready(request, Action.PURPOSE)
        purpose, at = requests.read_purpose(parse_body(await request.read())), self.portal.now()
        return await self._shown(
            await self.advance(
                request,
                session,
                Action.PURPOSE,
                lambda held: replace(held, purpose=purpose, purpose_at=at),
                text=purpose.value,
            )
        )

    async def identify(self, request: web.Request) -> web.Response:
        """Step 4, first half: who fits."""
        session = await self.ready(request, Action.IDENTIFY)
        community, traits, way = requests.read_identify(parse_body(await request.read()))
        self._known_way(community, way)
        try:
            outcome = await self.portal.initiator.identify(
                session, community, traits, request[CORRELATION], way=way
            )
        except ExchangeError as error:
            raise await self.noted(request, session, Action.IDENTIFY, error) from error
        session = await self.advance(
            request,
            session,
            Action.IDENTIFY,
            lambda held: replace(
                held, community=community, way=way, candidates=outcome.items, patient=None
            ),
            text=f"{len(outcome.items)} fit",
        )
        return web.json_response(
            {
                "state": session.state.value,
                "candidates": [identity_view(item) for item in outcome.items],
                "issues": [issue_view(issue) for issue in outcome.issues],
            }
        )

    async def confirm(self, request: web.Request) -> web.Response:
        """Step 4, second half: who it is. Where several fit one must be named."""
        session = await self.ready(request, Action.CONFIRM)
        chosen = requests.read_confirm(parse_body(await request.read()))

        def of_those_who_fit(held: Session) -> Session:
            # Of those held now: another search may have ended since the request began.
            if chosen is None and len(held.candidates) != 1:
                raise refuse(
                    Refusal.AMBIGUOUS_PATIENT,
                    f"{len(held.candidates)} patients fit: name the one who is here in 'patient'",
                )
            fitting = (item for item in held.candidates if chosen is None or item.id == chosen)
            patient = next(fitting, None)
            if patient is None:
                raise BadInput({"patient": "is none of those who fit"})
            return replace(held, patient=patient)

        return await self._shown(
            await self.advance(request, session, Action.CONFIRM, of_those_who_fit)
        )

    async def find(self, request: web.Request) -> web.Response:
        """Steps 5 and 6."""
        session = await self.ready(request, Action.LIST)
        filters = requests.read_filters(parse_body(await request.read()))
        try:
            listing = await self.portal.initiator.find(session, filters, request[CORRELATION])
        except ExchangeError as error:
            raise await self.noted(request, session, Action.LIST, error) from error
        asked_about = session.patient

        def of_the_same(held: Session) -> Session:
            if held.patient != asked_about:
                raise refuse(
                    Refusal.BUSY, "another patient was confirmed while the list was under way"
                )
            return held

        session = await self.advance(
            request, session, Action.LIST, of_the_same, text=f"{len(listing.entries)} documents"
        )
        await self.portal.sessions.save_listing(session.id, listing)
        rows = present(
            listing.entries,
            country=self._country(listing.community),
            viewer=self._viewer(listing.community),
            form=self.portal.manifest_form,
        )
        return web.json_response(
            {
                "state": session.state.value,
                "seconds": round(listing.seconds, 3),
                "issues": [issue_view(issue) for issue in listing.issues],
                "dropped": listing.dropped,
                **rows,
            }
        )

    async def relist(self, request: web.Request) -> web.Response:
        """The last list again: sorted, grouped and searched without asking anybody."""
        session = await self.session(request)
        listing = await self.portal.sessions.listing(session.id)
        if listing is None:
            raise OutOfOrder(session.state, Action.LIST, "show the list")
        query, problems = request.query, dict[str, str]()
        sort = _sort_key(query.get("sort", ""), "sort", problems) or SortKey.DATE
        group_by = _sort_key(query.get("group", ""), "group", problems)
        way = query.get("order", "descending" if sort is SortKey.DATE else "ascending")
        if way not in ("ascending", "descending"):
            problems["order"] = "expected ascending or descending"
        for name in query.keys() - {"sort", "group", "search", "order"}:
            problems[name[:80]] = "is not a parameter of this request"
        if problems:
            raise BadInput(problems)
        return web.json_response(
            {
                "at": listing.at.isoformat(),
                **present(
                    listing.entries,
                    country=self._country(listing.community),
                    viewer=self._viewer(listing.community),
                    sort=sort,
                    descending=way == "descending",
                    group_by=group_by,
                    words=query.get("search", "")[:1000],
                    form=self.portal.manifest_form,
                ),
            }
        )

    async def retrieve(self, request: web.Request) -> web.Response:
        """Steps 7 and 8."""
        session = await self.ready(request, Action.RETRIEVE)
        chosen = requests.read_retrieve(parse_body(await request.read()))
        entries = await self._entries(session, chosen)
        try:
            documents, others = await self.portal.initiator.retrieve(
                session, entries, request[CORRELATION]
            )
        except ExchangeError as error:
            raise await self.noted(request, session, Action.RETRIEVE, error) from error
        await self._settle(session)
        good = [item for item in documents if item.problem is None]
        viewer = session.community is not None and self._viewer(session.community)
        if good:
            session = await self.advance(
                request,
                session,
                Action.RETRIEVE,
                text=f"{len(good)} of {len(documents)} documents",
            )
        else:
            await self.portal.sessions.record(
                session.id,
                Action.RETRIEVE,
                "refused",
                "none of the documents is good",
                correlation_id=request[CORRELATION],
            )
        return web.json_response(
            {
                "state": session.state.value,
                "complete": len(good) == len(documents),
                "documents": [retrieved_view(item, viewer=viewer) for item in documents],
                "issues": [issue_view(issue) for issue in others],
                "correlation_id": request[CORRELATION],
            }
        )

    async def document(self, request: web.Request) -> web.StreamResponse:
        """Step 9: the bytes of a document, only of one that passed its checks."""
        session = await self.ready(request, Action.PRESENT)
        held = await self.good_document(request, session)
        await self.advance(request, session, Action.PRESENT, text="a document")
        return self.file(held.sha256, held.mime_type, str(held.ref.document))

    async def use(self, request: web.Request) -> web.Response:
        """Step 10."""
        session = await self.ready(request, Action.USE)
        note = requests.read_note(parse_body(await request.read()))
        return await self._shown(
            await self.advance(
                request, session, Action.USE, lambda held: replace(held, use_note=note)
            )
        )

    async def close(self, request: web.Request) -> web.Response:
        """The end: what was kept gets its retention note, or is removed."""
        session = await self.ready(request, Action.CLOSE)
        closing, at = requests.read_close(parse_body(await request.read())), self.portal.now()
        note = closing.note if closing.keep else ""
        # Closed first: what is still under way can then add nothing that nobody removes.
        session = await self.advance(
            request,
            session,
            Action.CLOSE,
            lambda held: replace(held, closed_at=at, retention_note=note),
            text="kept" if closing.keep else "removed",
        )
        await self.portal.jobs.cancel_all(session.id)
        await self._settle(session)
        return await self._shown(session)

    async def _settle(self, session: Session) -> None:
        """In a visit that was closed, do with what it holds as was said when it was."""
        session = await self.portal.sessions.get(session.id)
        if session.state is not State.CLOSED:
            return
        if session.retention_note:
            await self.portal.kept.retain(session.id, session.retention_note)
        else:
            await self.portal.kept.forget(session.id)
            await self.portal.certificates.forget(session.id)

    async def _entries(self, session: Session, chosen: Chosen) -> tuple[DocumentEntry, ...]:
        """What was chosen, as the last list has it; of a study the manifest as it is preferred."""
        listing = await self.portal.sessions.listing(session.id)
        listed = listing.entries if listing else ()
        by_id = {entry.ref.document: entry for entry in listed}
        form = self.portal.manifest_form
        found: dict[DocumentId, DocumentEntry] = {}
        for name, entry in (
            *((name, by_id.get(name)) for name in chosen.documents),
            *((study, in_form(listed, study, form)) for study in chosen.studies),
        ):
            if entry is None:
                raise refuse(
                    Refusal.UNKNOWN_DOCUMENT,
                    "this document is not in the last list of this visit",
                    subject=str(name),
                )
            found[entry.ref.document] = entry
        return tuple(found.values())

    def _known_way(self, community: CommunityId, way: str) -> None:
        ways = self.portal.initiator.community(community).ways
        if way and way not in ways:
            raise BadInput(
                {"way": f"expected one of: {', '.join(ways)}" if ways else "is not known"}
            )

    def _country(self, community: CommunityId) -> str:
        return self.portal.initiator.community(community).country

    def _viewer(self, community: CommunityId) -> bool:
        return self.portal.initiator.community(community).viewer

    async def _shown(self, session: Session, *, status: int = 200) -> web.Response:
        return web.json_response(
            session_view(session, await self.portal.sessions.journal(session.id)), status=status
        )


def _sort_key(text: str, name: str, problems: dict[str, str]) -> SortKey | None:
    if not text:
        return None
    try:
        return SortKey(text)
    except ValueError:
        problems[name] = f"expected one of {', '.join(SortKey)}"
        return None
