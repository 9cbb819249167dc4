"""Images that lose something on the way: only by consent, under names of their own, certified.

Country A holds a study large enough to be worth it; Country B asks for it in a hurry, directly,
over SOAP and over DICOMweb, and holds what comes against the certificate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import pytest_asyncio
from pydicom import dcmread

from country_a import rendering
from country_a.national.ports import StoredInstance
from country_b.app import KEPT
from country_b.image_asking import FIRST_MADE, ImageLots
from gateway.domain.fidelity import NOT_FITNESS
from gateway.pki import TrustDomain
from gateway.wire.fidelity import open_certificate
from scenarios.steps import PROFESSIONAL
from tests.builders import COUNTRY_A
from tests.country_b.portal import Visit
from tests.services.slices import IMAGES, Portal, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Over a line on which what is lossless takes twice as long, in an emergency.
HURRY: dict[str, Any] = {
    "purpose": "emergency",
    "lossy_consent": True,
    "deadline_seconds": 2,
    "link": {"mbit": 0.6, "round_trip_ms": 1},
    "syntaxes": ["1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1"],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["direct", "soap", "dicomweb"])
async def portal(
    request: pytest.FixtureRequest,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Portal]:
    """Country B asking Country A by one way."""
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("lossy")
        yield await running(stack, request.param, folder, trust_domain)


async def _kept(portal: Portal, visit: Visit) -> dict[str, dict[str, Any]]:
    held = (await visit.get("/kept"))["instances"]
    return {one["instance"]: one for one in held}


async def test_what_loses_something_by_consent_is_derived_certified_and_verified(
    portal: Portal,
) -> None:
    """New UIDs, every attribute, error and cap in the certificate, and all of it holds."""
    visit = await portal.visit()
    job = await visit.images({"study": str(portal.study), **HURRY})

    found = job["fidelity"]
    assert (job["state"], found["verdict"], found["reason"]) == ("complete", "verified", "")
    (series,) = found["series"]
    assert (series["instances"], series["lossy"]) == (IMAGES, IMAGES)
    assert series["max_error"] > 0
    assert 0 < series["rmse"] <= series["max_error"]
    assert 0.9 < series["ssim"] <= 1
    assert 1 < series["ratio"] <= series["cap"]["ratio"]
    assert series["cap"]["source"]

    kept = await _kept(portal, visit)
    assert len(kept) == IMAGES
    store = portal.client.server.app[KEPT]  # type: ignore[attr-defined]
    for uid, one in kept.items():
        assert one["derived"] not in ("", uid)
        ds = dcmread(store.blobs.path_of(one["sha256"]), stop_before_pixels=True)
        assert (ds.SOPInstanceUID, ds.StudyInstanceUID) == (one["derived"], portal.study)
        assert ds.LossyImageCompression == "01"
        assert float(ds.LossyImageCompressionRatio) <= series["cap"]["ratio"]
        assert ds.LossyImageCompressionMethod
        assert ds.ImageType[0] == "DERIVED"
        assert [one.ReferencedSOPInstanceUID for one in ds.SourceImageSequence] == [uid]

    answer = await portal.client.get(f"{visit.path}/images/{job['job']}/certificate")
    body = await answer.read()
    sealed = open_certificate(body, portal.domain.trust_store, now=datetime.now(UTC))
    assert NOT_FITNESS.encode() in body
    ones = sealed.certificate.series[0].instances
    assert {str(one.ref.instance): str(one.derived) for one in ones} == {
        uid: one["derived"] for uid, one in kept.items()
    }
    assert all(one.error is not None and one.pixels_sha256 for one in ones)


async def test_without_consent_nothing_is_lost(portal: Portal) -> None:
    """In the same hurry what does not fit is deferred, and what comes is the image itself."""
    visit = await portal.visit()
    job = await visit.images({"study": str(portal.study), **HURRY, "lossy_consent": False})

    kept = await _kept(portal, visit)
    assert {one["derived"] for one in kept.values()} <= {""}
    assert len(kept) + len(job["missing"]) == IMAGES
    if kept:
        assert job["fidelity"]["verdict"] == "verified"
        assert [one["lossy"] for one in job["fidelity"]["series"]] == [0]


async def test_what_loses_something_unasked_is_refused(portal: Portal) -> None:
    """A sender that takes a consent nobody gave is told of, and nothing of it is kept."""
    visit = await Visit(portal.client).open()
    await visit.post("sign-in", PROFESSIONAL)
    await visit.post("inform", {"text_version": "2026-1"})
    await visit.post("purpose", {"purpose": "TREATMENT"})
    identify = {"community": str(COUNTRY_A), "ids": [portal.patient], "way": "unasked"}
    await visit.post("identify", identify)
    await visit.post("confirm")
    await visit.post("list")
    await visit.post("retrieve", {"studies": [str(portal.study)]})

    job = await visit.images({"study": str(portal.study), **HURRY, "lossy_consent": False})

    assert (job["state"], job["received"], job["fidelity"]) == ("failed", 0, None)
    assert len(job["missing"]) == IMAGES
    assert all("not agreed to" in one["text"] for one in job["missing"])
    assert await _kept(portal, visit) == {}


async def test_images_flow_before_the_last_of_them_is_made(
    trust_domain: TrustDomain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RAD-75 names all of an answer before its first byte: what is asked for at first is little."""
    images = FIRST_MADE + 4
    flowing, seen = Event(), list[bool]()
    make, begins = rendering._render, ImageLots.begins

    def last_waits(stored: StoredInstance, *rest: Any) -> Any:
        if str(stored.ref.instance).endswith(f".{images}"):
            seen.append(flowing.wait(5))
        return make(stored, *rest)

    def told(lots: ImageLots) -> None:
        flowing.set()
        begins(lots)

    monkeypatch.setattr(rendering, "_render", last_waits)
    monkeypatch.setattr(ImageLots, "begins", told)
    async with AsyncExitStack() as stack:
        portal = await running(stack, "soap", tmp_path, trust_domain, images=images)
        visit = await portal.visit()
        hurry = {**HURRY, "deadline_seconds": 2 * images / IMAGES}
        job = await visit.images({"study": str(portal.study), **hurry})
        kept = await _kept(portal, visit)

    assert seen == [True]
    assert (job["state"], job["received"]) == ("complete", images)
    assert job["fidelity"]["verdict"] == "verified"
    assert all(one["derived"] for one in kept.values())
