"""Plans of another gateway's deliveries, asked for where its images are over DICOMweb.

A plan is asked for by the address and the headers that would fetch the images, with one more word
at the end of the path: a resource of this gateway, which others answer with "no such resource".
"""

from __future__ import annotations

from functools import partial

import orjson

from gateway.compression.plan_text import read_plan
from gateway.domain import (
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    ImageRequest,
    PeerMisbehaved,
    Refusal,
    Transaction,
    Uid,
    refuse,
)
from gateway.transport.dicomweb_client import wish_headers
from gateway.transport.fhir_calls import FhirCalls
from gateway.transport.packed import GZIP
from gateway.wire.dicom.web import ImageScope, View, write_path
from gateway.wire.dicom.web_refusals import read_refusal

JSON = "application/json"


class DicomwebPlanner:
    """The planner of one peer; see `DeliveryPlanner`.

    `packs` is whether its images come in bodies that may be packed, which RAD-75's are not.
    """

    def __init__(self, calls: FhirCalls, *, packs: bool = True) -> None:
        self._calls = calls
        self._encoding = GZIP if packs else "identity"
        self._peer = calls.peer

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """The peer's plan for the smallest scope that has everything that is asked for."""
        url = self._peer.dicomweb_url + write_path(scope_of(request))
        headers = wish_headers(wish)
        calls, transaction = self._calls, Transaction.SEARCH_STUDIES
        with calls.record(transaction, context, endpoint=url) as record:
            record.asked(noun=request, patients=(context.patient,) if context.patient else ())
            # Whoever may fetch the images may know how they would come.
            async with calls.opened(
                record,
                context,
                Transaction.FETCH_IMAGES,
                url,
                accept=f"{JSON}, {headers['Accept']}",
                headers={
                    **{name: value for name, value in headers.items() if name != "Accept"},
                    "Accept-Encoding": self._encoding,
                },
            ) as response:
                body = await calls.body(response, record)
                if response.status != 200:
                    raise read_refusal(
                        response.status, body.decode("utf-8", "replace"), self._peer.name
                    )
            plan = calls.decoded(partial(read_plan, _json(body, self._peer.name)))
            record.answered(noun=plan, issues=())
            return plan


def scope_of(request: ImageRequest) -> ImageScope:
    """The smallest address that has every instance of a request, as the address of its plan."""
    refs = [ref for ref, _ in request.instances]
    studies: set[Uid] = {ref.study for ref in refs}
    series: set[Uid] = {ref.series for ref in refs}
    if len(studies) != 1:
        raise refuse(Refusal.UNSUPPORTED, f"a plan is of one study, not of {len(studies)}")
    if len(refs) == 1:
        return ImageScope.of(refs[0], View.PLAN)
    return ImageScope(
        study=refs[0].study,
        series=refs[0].series if len(series) == 1 else None,
        view=View.PLAN,
    )


def _json(body: bytes, peer: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = f"the plan of {peer} cannot be read: {error}"
        raise PeerMisbehaved(Refusal.PEER_MISBEHAVED, text) from error
