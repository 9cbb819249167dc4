"""Images of another gateway over DICOMweb: WADO-RS to its base, or XC-WADO through its gateway.

Where a manifest says its images are is followed as far as the peer's settings allow it, else the
location is looked up there; no other host is ever called, and a token goes nowhere else
(IHE RAD MADO 1.3, XC-WADO 58.4.1.5, DICOM PS3.18 10.4).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp

from gateway.domain import (
    CallContext,
    DeliveryWish,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    Oid,
    Transaction,
)
from gateway.transport.dicomweb_delivery import DicomwebDelivery, Opened
from gateway.transport.fhir_calls import FhirCalls, answer_message
from gateway.transport.record import Record
from gateway.wire.delivery_wish import write_wish
from gateway.wire.dicom.accept import accept_for, choice_of, parse_accept
from gateway.wire.dicom.web import resolve_base, write_path
from gateway.wire.dicom.web_cross import CrossAddress, read_crossed, write_xc_path
from gateway.wire.dicom.web_plan import Fetch, plan_fetches
from gateway.wire.dicom.web_refusals import read_refusal
from gateway.wire.problems import DecodeError

XC_WADO = "xc-wado"
MAX_REFUSAL_BYTES = 64 * 1024


class DicomwebClient:
    """The images of one peer. `calls` carries our TLS certificate and mints the tokens."""

    def __init__(self, calls: FhirCalls) -> None:
        self._calls = calls
        self._peer = calls.peer

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """Images of the other country, on their way (RAD-107)."""
        delivery = DicomwebDelivery(
            request,
            plan_fetches(request),
            partial(self._opened, request, wish_headers(wish), context),
            peer=self._peer.name,
        )
        await delivery.begin()
        return delivery

    @asynccontextmanager
    async def _opened(
        self, request: ImageRequest, headers: Mapping[str, str], context: CallContext, fetch: Fetch
    ) -> AsyncIterator[Opened]:
        """The answer to one fetch, its body still to be read; a refusal is raised."""
        url = self._url(request, fetch)
        calls, transaction = self._calls, Transaction.FETCH_IMAGES
        with calls.record(transaction, context, endpoint=url) as record:
            record.asked(
                noun=replace(
                    request, instances=tuple((ref, fetch.location) for ref in fetch.wanted)
                ),
                images=fetch.wanted,
                patients=(context.patient,) if context.patient else (),
            )
            async with calls.opened(
                record,
                context,
                transaction,
                url,
                accept=headers["Accept"],
                headers={**headers, "Accept-Encoding": "identity"},
            ) as response:
                if response.status not in (200, 206):
                    raise await self._refusal(record, response)
                record.got_answer(answer_message(response, b""))
                yield Opened(fetch, record, response, partial(calls.pieces, response))

    async def _refusal(self, record: Record, response: aiohttp.ClientResponse) -> ExchangeError:
        body = await self._calls.body(response, record)
        text = body[:MAX_REFUSAL_BYTES].decode("utf-8", "replace")
        return read_refusal(response.status, text, self._peer.name)

    def _url(self, request: ImageRequest, fetch: Fetch) -> str:
        """Where a fetch is to be sent."""
        if self._peer.images_by == XC_WADO:
            location, retrieve_url = fetch.location, fetch.retrieve_url
            crossed = read_crossed(retrieve_url)
            # Of another community it is left to the gateway to judge, as any other URL.
            if crossed is not None and crossed[0] == request.community:
                _, location, retrieve_url = crossed
            address = CrossAddress(
                community=request.community,
                location=location,
                scope=fetch.scope,
                retrieve_url=retrieve_url,
            )
            return self._peer.dicomweb_url + write_xc_path(address)
        return self._base(fetch.retrieve_url, fetch.location) + write_path(fetch.scope)

    def _base(self, retrieve_url: str, location: Oid) -> str:
        """The base of the service: as the manifest says where that may be called, else looked up.

        A manifest may be forged, or name a host of its own country's network.
        """
        looked_up = self._peer.image_locations.get(location, self._peer.dicomweb_url)
        if not retrieve_url:
            return looked_up
        try:
            return resolve_base(retrieve_url, self._peer.image_hosts)
        except (DecodeError, ExchangeError):
            return looked_up


def wish_headers(wish: DeliveryWish) -> dict[str, str]:
    """The headers that carry a wish: its syntaxes in Accept, and what Accept cannot say."""
    accept = accept_for(wish.syntaxes, wish.choice)
    implied = choice_of(parse_accept(accept))
    return {"Accept": accept, **write_wish(wish, implied=implied)}
