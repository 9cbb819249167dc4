"""Images of another gateway over DICOMweb: WADO-RS to its base, or XC-WADO through its gateway.

Where a manifest says its images are is followed as far as the peer's settings allow it, else the
location is looked up there; no other host is ever called, and a token goes nowhere else
(IHE RAD MADO 1.3, XC-WADO 58.4.1.5, DICOM PS3.18 10.4).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import aiohttp

from gateway.domain import (
    BadRequest,
    Begun,
    CallContext,
    DeliveryWish,
    ExchangeError,
    ImageDelivery,
    ImageRequest,
    NotFound,
    Oid,
    Refusal,
    SyntaxChoice,
    Transaction,
)
from gateway.transport.dicomweb_delivery import DicomwebDelivery, Opened
from gateway.transport.fhir_calls import FhirCalls, answer_message
from gateway.transport.packed import GZIP
from gateway.transport.record import Record
from gateway.wire.delivery_wish import MAX_HAVE, write_positions, write_wish
from gateway.wire.dicom.accept import DICOM, accept_for, choice_of, parse_accept
from gateway.wire.dicom.web import resolve_base, write_path
from gateway.wire.dicom.web_cross import CrossAddress, read_crossed, write_xc_path
from gateway.wire.dicom.web_plan import Fetch, plan_fetches
from gateway.wire.dicom.web_refusals import read_refusal
from gateway.wire.problems import DecodeError
from gateway.wire.ranges import no_such_range, read_content_range

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
        if len(write_positions(wish.have)) > MAX_HAVE:
            # Too many gaps for one header: what is wanted is asked for one by one.
            wish, request = replace(wish, have=frozenset()), replace(request, sparing=True)
        listed = sum(one.instances for one in request.series.values())
        planned = bool(wish.plan) and (bool(wish.have) or listed == len(request.instances))
        delivery = DicomwebDelivery(
            request,
            plan_fetches(request, planned=planned),
            partial(self._opened, request, wish, context),
            peer=self._peer.name,
        )
        await delivery.begin()
        return delivery

    @asynccontextmanager
    async def _opened(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext, fetch: Fetch
    ) -> AsyncIterator[Opened]:
        """The answer to one fetch, its body still to be read; a refusal is raised.

        What has begun is asked for from there on, and from its beginning where the peer has no
        such part.
        """
        begun = None
        if fetch.scope.instance is not None:
            begun = request.begun.get(fetch.scope.instance)
            wish = replace(wish, have=frozenset())  # what is asked for by itself is to be sent
            if begun is not None and begun.syntax is not None:
                wish = replace(wish, plan="", syntaxes=(begun.syntax,), choice=SyntaxChoice.ORDER)
        headers = wish_headers(wish)
        async with AsyncExitStack() as stack:
            if begun is not None:
                rest = rest_headers(headers, begun)
                try:
                    asking = self._answered(request, rest, context, fetch, begun)
                    opened = await stack.enter_async_context(asking)
                except (BadRequest, NotFound):
                    pass  # no such part, or no parts at all: the whole is asked for
                else:
                    yield opened
                    return
            yield await stack.enter_async_context(self._answered(request, headers, context, fetch))

    @asynccontextmanager
    async def _answered(
        self,
        request: ImageRequest,
        headers: Mapping[str, str],
        context: CallContext,
        fetch: Fetch,
        begun: Begun | None = None,
    ) -> AsyncIterator[Opened]:
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
                # Of what is packed nobody could ask for a part.
                headers={**headers, "Accept-Encoding": GZIP if begun is None else "identity"},
            ) as response:
                if begun is not None and _has_all(response, begun):
                    await calls.body(response, record)
                    nothing = partial(calls.pieces, response)
                    yield Opened(fetch, record, response, nothing, begun.size_bytes, begun.etag)
                    return
                if response.status not in (200, 206):
                    raise await self._refusal(record, response)
                start = 0 if begun is None else self._start(response, begun)
                record.got_answer(answer_message(response, b""))
                yield Opened(fetch, record, response, partial(calls.pieces, response), start)

    def _start(self, response: aiohttp.ClientResponse, begun: Begun) -> int:
        """Where an answer to who has the beginning begins; `NotFound` where that is elsewhere."""
        if response.status == 200:
            return 0
        part = read_content_range(response.headers.get("Content-Range", ""))
        if part is None or part.first != begun.size_bytes:
            text = f"{self._peer.name} sent another part than the one asked for"
            raise NotFound(Refusal.UNKNOWN_INSTANCE, text, subject="Range")
        return part.first

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


def _has_all(response: aiohttp.ClientResponse, begun: Begun) -> bool:
    """Whether there is nothing behind what has begun, in the very file that it is of (416)."""
    said = response.headers.get("Content-Range", "")
    return response.status == 416 and said == no_such_range(begun.size_bytes)


def wish_headers(wish: DeliveryWish) -> dict[str, str]:
    """The headers that carry a wish: its syntaxes in Accept, and what Accept cannot say."""
    accept = accept_for(wish.syntaxes, wish.choice)
    implied = choice_of(parse_accept(accept))
    return {"Accept": accept, **write_wish(wish, implied=implied)}


def rest_headers(headers: Mapping[str, str], begun: Begun) -> dict[str, str]:
    """The same request for what follows a beginning, of the very file that it is of.

    Only an instance that is a body by itself has bytes to count from (RFC 9110, 13.1.5 and 14.2).
    """
    alone = headers["Accept"].replace(f'multipart/related; type="{DICOM}"', DICOM)
    return {
        **headers,
        "Accept": alone,
        "Range": f"bytes={begun.size_bytes}-",
        "If-Range": begun.etag,
    }
