"""Viewers of another gateway: a session asked for there, and the link that it answers.

A session is asked for below the peer's DICOMweb base, with a token in the header. A peer that
knows no sessions may have put the address of a viewer into the manifest of the study; then that is
what is offered. The link is handed on only if it leads to a host of the peer's
(IHE RAD TF-2 4.106).
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin

import aiohttp

from gateway.domain import (
    CallContext,
    ExchangeError,
    Transaction,
    Uid,
    Viewer,
    ViewerLink,
)
from gateway.transport.fhir_calls import FhirCalls, answer_message
from gateway.transport.manifest_viewer import permitted
from gateway.transport.record import Record
from gateway.wire.dicom.iid import (
    MAX_BODY,
    SESSIONS,
    decode_opened,
    encode_session,
    without_secret,
)
from gateway.wire.dicom.web_refusals import read_refusal
from gateway.wire.message import Message
from gateway.wire.problems import DecodeError

JSON = "application/json"
MAX_REFUSAL_BYTES = 64 * 1024
# What servers say that do not know the address; one that does says 404 of a study it has not.
_NO_SESSIONS = (404, 405, 501)


class ViewerClient:
    """The viewer of one peer. `named` is asked where the peer knows no sessions."""

    def __init__(self, calls: FhirCalls, named: Viewer) -> None:
        self._calls = calls
        self._peer = calls.peer
        self._named = named

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """See `Viewer.open_viewer` (RAD-106)."""
        answer = await self._session(study, context, key_images_only=key_images_only)
        if isinstance(answer, ViewerLink):
            return answer
        try:
            return await self._named.open_viewer(study, context, key_images_only=key_images_only)
        except ExchangeError:
            # What was asked for was a session; that it is not there is what went wrong.
            raise answer from None

    async def _session(
        self, study: Uid, context: CallContext, *, key_images_only: bool
    ) -> ViewerLink | ExchangeError:
        """The link of a session, or why there may be none here; raises for any other reason."""
        url = self._peer.dicomweb_url + SESSIONS
        calls, transaction = self._calls, Transaction.VIEW_IMAGES
        with calls.record(transaction, context, endpoint=url) as record:
            record.asked(
                noun=study,
                studies=(study,),
                patients=(context.patient,) if context.patient else (),
            )
            async with calls.opened(
                record,
                context,
                transaction,
                url,
                accept=JSON,
                form=encode_session(study, key_images_only=key_images_only),
                headers={"Content-Type": JSON},
            ) as response:
                if response.status != 201:
                    error = await self._refusal(record, response)
                    record.refused(error)
                    if response.status in _NO_SESSIONS:
                        return error
                    raise error
                link = await self._opened(response, url, record)
                record.answered(noun=replace(link, url=without_secret(link.url)), issues=())
                return link

    async def _opened(
        self, response: aiohttp.ClientResponse, url: str, record: Record
    ) -> ViewerLink:
        """The link of a 201, if it may be followed."""
        body = b""
        location = response.headers.get("Location", "")
        try:
            async for piece in self._calls.pieces(response):
                body += piece
                if len(body) > MAX_BODY:
                    break  # which is then more than can be read
        finally:
            record.got_answer(_kept(response, location))
        link = self._calls.decoded(lambda: decode_opened(location, body))
        try:
            whole = urljoin(url, link.url)
        except ValueError:
            found = repr(link.url[:80])
            raise self._calls.unreadable(DecodeError("Location", found, "an address")) from None
        return replace(link, url=permitted(whole, self._peer))

    async def _refusal(self, record: Record, response: aiohttp.ClientResponse) -> ExchangeError:
        body = await self._calls.body(response, record)
        text = body[:MAX_REFUSAL_BYTES].decode("utf-8", "replace")
        return read_refusal(response.status, text, self._peer.name)


def _kept(response: aiohttp.ClientResponse, location: str) -> Message:
    """The answer as a transcript keeps it: what opens a viewer is a secret while it lasts."""
    message = answer_message(response, b"")
    headers = tuple(
        (name, without_secret(location) if name.lower() == "location" else value)
        for name, value in message.headers
    )
    return replace(message, headers=headers)
