"""Certificates asked of another gateway: at the study's address, handed on as they came."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from gateway.domain import ExchangeError, Refusal, Uid
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork
from gateway.transport.delivery_certifier import DicomwebCertifier
from tests.builders import make_context
from tests.told_peers import told_peer

STUDY = Uid("1.2")


async def test_a_certificate_is_had_at_the_address_of_its_study(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """By the id of the delivery, with a token, and nothing of it is changed."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=b"<sealed/>", content_type="application/xml")

    async with told_peer(answer, trust_domain, tmp_path, clockwork) as told:
        body = await DicomwebCertifier(told.calls).certify_images("d-1", STUDY, make_context())

    assert body == b"<sealed/>"
    assert seen[0].path == "/rs/studies/1.2/fidelity-certificate"
    assert dict(seen[0].query) == {"delivery": "d-1"}
    assert seen[0].headers["Authorization"]
    assert seen[0].headers["Accept"] == "application/xml"


@pytest.mark.parametrize(
    ("status", "refusal"),
    [(404, Refusal.UNKNOWN_INSTANCE), (403, Refusal.INSUFFICIENT_RIGHTS)],
)
async def test_a_peer_without_certificates_refuses(
    status: int,
    refusal: Refusal,
    trust_domain: TrustDomain,
    tmp_path: Path,
    clockwork: Clockwork,
) -> None:
    """A DICOMweb server of another make has no such resource."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=b"no such resource")

    async with told_peer(answer, trust_domain, tmp_path, clockwork) as told:
        with pytest.raises(ExchangeError) as caught:
            await DicomwebCertifier(told.calls).certify_images("d-1", STUDY, make_context())

    assert caught.value.refusal is refusal
