"""The portal's routes for reports as people read them: a page, and the forms it leads to.

The page is made from the document that was kept, each time it is asked for; a PDF is shown as it
is. Only forms that a browser shows without running anything are shown in it, all others are saved.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from aiohttp import web

from country_b.fields import BadInput
from country_b.kept import KeptDocument
from country_b.portal_routes import PortalRoutes
from country_b.report_page import PDF, POLICY, forms_of, render_report
from country_b.session import Action, Session
from gateway.designations import DEFAULT_LANGUAGE, UnknownLanguage, designations
from gateway.domain import ImagingReport, PresentedForm, Refusal, refuse
from gateway.report_forms import is_pdf

# What a form may call itself and still be shown in a page; what it holds is looked at as well.
_SHOWN = frozenset({PDF, "text/plain", "image/png", "image/jpeg"})


class ReportApi(PortalRoutes):
    """Step 9 for reports."""

    def routes(self) -> list[web.RouteDef]:
        """To be added before the route of documents, whose ids may hold anything."""
        document = "/api/sessions/{session}/documents/{document:.+}"
        return [
            web.get(document + "/page", self.page),
            web.get(document + r"/forms/{number:\d+}", self.form),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Step 9: a report as a page in the reader's language."""
        session = await self.ready(request, Action.PRESENT)
        language = _language(request)
        held = await self.good_document(request, session)
        report, forms = await self._forms(held)
        page = await asyncio.to_thread(
            render_report, report, language=language, forms=forms, in_portal=True
        )
        await self._presented(request, session)
        return web.Response(
            text=page,
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": POLICY, "Content-Language": language},
        )

    async def form(self, request: web.Request) -> web.Response:
        """Step 9: a form of a report to be read as it is."""
        session = await self.ready(request, Action.PRESENT)
        held = await self.good_document(request, session)
        _, forms = await self._forms(held)
        text = request.match_info["number"]
        number = int(text) if text.isascii() and len(text) < 6 else len(forms)
        if number >= len(forms):
            raise refuse(Refusal.UNKNOWN_DOCUMENT, f"the report has {len(forms)} forms to be read")
        await self._presented(request, session)
        return _sent(forms[number], f"{held.ref.document}-{number}")

    async def _forms(
        self, held: KeptDocument
    ) -> tuple[ImagingReport | None, tuple[PresentedForm, ...]]:
        """The report and its forms; of a PDF itself."""
        report = await self.portal.initiator.report(held)
        if report is not None:
            return report, forms_of(report)
        path = self.portal.kept.blobs.path_of(held.sha256)
        content = await asyncio.to_thread(path.read_bytes)
        return None, (PresentedForm(media_type=PDF, content=content),)

    async def _presented(self, request: web.Request, session: Session) -> None:
        await self.advance(request, session, Action.PRESENT, text="a document")


def _language(request: web.Request) -> str:
    for name in request.query.keys() - {"language"}:
        raise BadInput({name[:80]: "is not a parameter of this request"})
    try:
        return designations(request.query.get("language", DEFAULT_LANGUAGE)).language
    except UnknownLanguage as error:
        raise BadInput({"language": str(error)}) from None


def _sent(form: PresentedForm, name: str) -> web.Response:
    kind = form.media_type.partition(";")[0].strip().lower()
    is_shown = kind in _SHOWN and (kind != PDF or is_pdf(form.content))
    how = "inline" if is_shown else "attachment"
    return web.Response(
        body=form.content,
        content_type=kind if is_shown else "application/octet-stream",
        charset="utf-8" if is_shown and kind == "text/plain" else None,
        headers={
            "Content-Disposition": f"{how}; filename*=UTF-8''{quote(name, safe='')}",
            # Browsers show a PDF with a program of their own, which a sandbox would forbid.
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'"
            if is_shown
            else "sandbox",
        },
    )
