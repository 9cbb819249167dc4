"""Plans asked of another gateway: by the smallest address, and read as any stranger's bytes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from aiohttp import web

from gateway.compression.plan_text import plan_view
from gateway.domain import (
    DeliveryPlan,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    LinkProfile,
    Oid,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork
from gateway.transport.delivery_planner import DicomwebPlanner, scope_of
from gateway.wire.dicom.web import write_path
from tests.builders import COUNTRY_A, make_context
from tests.told_peers import told_peer

SOURCE = Oid("2.999.1.3")
JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
WISH = DeliveryWish(
    syntaxes=(JPEG_LS,),
    choice=SyntaxChoice.SENDER,
    deadline_seconds=30.0,
    link=LinkProfile(bits_per_second=2e6),
)


def asked(*places: tuple[str, str, str]) -> ImageRequest:
    return ImageRequest(
        community=COUNTRY_A,
        instances=tuple(
            (InstanceRef(study=Uid(study), series=Uid(series), instance=Uid(uid)), SOURCE)
            for study, series, uid in places
        ),
    )


@pytest.mark.parametrize(
    ("places", "path"),
    [
        ([("1.2", "1.3", "1.4")], "/studies/1.2/series/1.3/instances/1.4/delivery-plan"),
        ([("1.2", "1.3", "1.4"), ("1.2", "1.3", "1.5")], "/studies/1.2/series/1.3/delivery-plan"),
        ([("1.2", "1.3", "1.4"), ("1.2", "1.9", "1.5")], "/studies/1.2/delivery-plan"),
    ],
)
def test_the_smallest_address_that_has_everything_is_asked(
    places: list[tuple[str, str, str]], path: str
) -> None:
    """An instance, a series, or the study."""
    assert write_path(scope_of(asked(*places))) == path


def test_a_plan_is_of_one_study() -> None:
    """Two are planned one after the other."""
    with pytest.raises(ExchangeError, match="one study, not of 2") as caught:
        scope_of(asked(("1.2", "1.3", "1.4"), ("1.7", "1.8", "1.9")))
    assert caught.value.refusal is Refusal.UNSUPPORTED


PLAN = plan_view(
    DeliveryPlan(
        id="plan-1",
        wish=DeliveryWish(syntaxes=(JPEG_LS,), choice=SyntaxChoice.SENDER),
        link=LinkProfile(bits_per_second=2e6),
        instances=(),
        series=(),
        stored_seconds=2.5,
    )
)


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (404, b'{"status": 404, "text": "there is no resource here"}', Refusal.UNKNOWN_INSTANCE),
        (403, b"", Refusal.INSUFFICIENT_RIGHTS),
        (200, b"<html>", Refusal.PEER_MISBEHAVED),
        (200, b"[]", Refusal.PEER_MISBEHAVED),
        (200, b'{"id": "plan-1"}', Refusal.PEER_MISBEHAVED),
        (200, orjson.dumps(PLAN | {"stored_seconds": -1}), Refusal.PEER_MISBEHAVED),
    ],
)
async def test_what_is_no_plan_is_a_refusal(
    status: int,
    body: bytes,
    refusal: Refusal,
    trust_domain: TrustDomain,
    tmp_path: Path,
    clockwork: Clockwork,
) -> None:
    """A peer without plans, one that refuses, and one whose plan cannot be read."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body)

    async with told_peer(answer, trust_domain, tmp_path, clockwork) as told:
        with pytest.raises(ExchangeError) as caught:
            await DicomwebPlanner(told.calls).plan_images(
                asked(("1.2", "1.3", "1.4")), WISH, make_context()
            )

    assert caught.value.refusal is refusal


async def test_a_plan_is_asked_for_with_the_headers_of_the_images(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """So that the peer plans what would be asked for; it comes back as it was made."""
    headers: dict[str, str] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        headers.update(request.headers)
        return web.json_response(PLAN)

    async with told_peer(answer, trust_domain, tmp_path, clockwork) as told:
        plan = await DicomwebPlanner(told.calls).plan_images(
            asked(("1.2", "1.3", "1.4"), ("1.2", "1.3", "1.5")), WISH, make_context()
        )

    assert told.paths == ["/rs/studies/1.2/series/1.3/delivery-plan"]
    assert plan_view(plan) == PLAN
    assert (headers["Downlink"], headers["Prefer"]) == ("2", "wait=30")
    assert str(JPEG_LS) in headers["Accept"]
    assert headers["Authorization"]
