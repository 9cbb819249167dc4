"""The viewer that a manifest names: found, judged, and handed on as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import PeerSection
from gateway.domain import (
    BadRequest,
    Document,
    ImagingManifest,
    Outcome,
    PeerMisbehaved,
    Refusal,
    ViewerLink,
)
from gateway.peers import peer_of_section
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.manifest_viewer import ManifestViewer
from gateway.transport.record import Keeper
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_context, make_entry, make_manifest
from tests.exchanges import ScriptedExchange
from tests.gateways import settings_for

URL = "https://viewer.a.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID=2.999.10.1"
MANIFEST = make_manifest(viewer_url=URL)


@pytest.fixture
def keeper(tmp_path: Path, clockwork: Clockwork) -> Keeper:
    """What is kept of it."""
    return keeper_of(settings_for(COUNTRY_B, "XB", tmp_path, tmp_path / "b"), clockwork)


def viewer(
    keeper: Keeper, *manifests: ImagingManifest, **settings: Any
) -> tuple[ManifestViewer, ScriptedExchange]:
    """A peer that lists these manifests."""
    entry = make_entry()
    documents = [
        Document.of_bytes(entry.ref, entry.mime_type, encode_manifest(each)) for each in manifests
    ]
    exchange = ScriptedExchange(
        entries=Outcome((entry,) if manifests else ()), documents=Outcome(tuple(documents))
    )
    options = {"url": "https://viewer.a.example:8443/RespondingGateway"} | settings
    peer = peer_of_section(PeerSection(name="Country A", community=COUNTRY_A, **options))
    return ManifestViewer(exchange, peer, keeper), exchange


async def test_the_address_is_handed_on_unchanged(keeper: Keeper) -> None:
    """With no end, as nothing is known of one; what is asked for is the manifest of the study."""
    offered, exchange = viewer(keeper, MANIFEST)

    link = await offered.open_viewer(MANIFEST.study, make_context(patient=PATIENT))

    assert link == ViewerLink(URL)
    query = exchange.asked[0][1]
    assert query.patient == PATIENT
    assert [[each.value for each in group] for group in query.references] == [[MANIFEST.study]]


async def test_that_a_browser_is_sent_there_is_audited(keeper: Keeper) -> None:
    """As the display of images, once, of this study."""
    offered, _ = viewer(keeper, MANIFEST)

    await offered.open_viewer(MANIFEST.study, make_context(patient=PATIENT))

    [event] = [record.xml.decode() for record in keeper.audit.events()]
    for part in ("RAD-106", str(MANIFEST.study), "https://viewer.a.example/", PATIENT.value):
        assert part in event
    [kept] = keeper.tap.summaries()
    assert (kept["transaction"], kept["outcome"]) == ("RAD-106", "success")


async def test_no_viewer_is_a_refusal(keeper: Keeper) -> None:
    """No manifest, one that names none, and one of another study."""
    context = make_context(patient=PATIENT)
    for manifests in ((), (replace(MANIFEST, viewer_url=""),)):
        offered, _ = viewer(keeper, *manifests)
        with pytest.raises(BadRequest) as caught:
            await offered.open_viewer(MANIFEST.study, context)
        assert caught.value.refusal is Refusal.UNSUPPORTED
        assert caught.value.subject == MANIFEST.study
    offered, _ = viewer(keeper, MANIFEST)
    with pytest.raises(BadRequest):
        await offered.open_viewer(make_manifest().uid, context)


async def test_a_forged_address_is_not_handed_on(keeper: Keeper) -> None:
    """Unless its host is listed."""
    context = make_context(patient=PATIENT)
    forged = replace(MANIFEST, viewer_url="https://evil.example/x")

    offered, _ = viewer(keeper, forged)
    with pytest.raises(PeerMisbehaved, match=r"evil\.example"):
        await offered.open_viewer(MANIFEST.study, context)
    listed, _ = viewer(keeper, forged, image_hosts=("evil.example",))
    assert (await listed.open_viewer(MANIFEST.study, context)).url == "https://evil.example/x"
    assert [kept["refusal"] for kept in keeper.tap.summaries()] == ["peer-misbehaved", ""]
