"""A first look at a study: the beginning of every image, and later the rest and nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from pydicom import dcmread

from country_b.app import KEPT
from gateway.compression.first_look import LOOKED_AT
from tests.compression.test_transcode_lossy import body_of
from tests.country_b.portal import Visit
from tests.services.slices import FACTS, IMAGES, Portal, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["dicomweb"])
async def portal(
    request: pytest.FixtureRequest, trust_domain: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    """Country B asking Country A over the wire that has parts of images."""
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("look")
        yield await running(stack, request.param, folder, trust_domain)


async def _picture(portal: Portal, visit: Visit, uid: str) -> Any:
    answer = await portal.client.get(f"{visit.path}/instances/{uid}/look")
    assert (answer.status, answer.content_type) == (200, "image/png"), await answer.text()
    return np.asarray(Image.open(BytesIO(await answer.read())))


async def test_a_first_look_comes_first_and_the_rest_brings_nothing_twice(portal: Portal) -> None:
    """A picture of a quarter of each side; then every pixel, for the bytes of one file."""
    visit = await portal.visit()
    study = {"study": str(portal.study)}
    looked = await visit.images({**study, "first_look": 2})

    assert (looked["state"], looked["looked"], looked["received"]) == ("complete", IMAGES, 0)
    assert (looked["missing"], looked["fidelity"]) == ([], None)
    assert (await visit.get("/kept"))["instances"] == []
    store = portal.client.server.app[KEPT]  # type: ignore[attr-defined]
    begun = store.blobs.partials.held(visit.path.rpartition("/")[2])
    assert len(begun) == IMAGES
    assert {one.begun.syntax for one in begun.values()} <= set(LOOKED_AT)
    for uid in begun:
        picture = await _picture(portal, visit, str(uid))
        assert picture.shape == (64, 64)
        assert picture.min() < picture.max()

    rest = await visit.images(study)

    assert (rest["state"], rest["received"], rest["again_bytes"]) == ("complete", IMAGES, 0)
    kept = (await visit.get("/kept"))["instances"]
    assert looked["bytes"] + rest["bytes"] == sum(one["size_bytes"] for one in kept)
    for one in kept:
        ds = dcmread(store.blobs.path_of(one["sha256"]))
        assert ds.pixel_array.shape == (256, 256)
        number = int(ds.InstanceNumber) - 1
        sent = np.frombuffer(body_of(FACTS, number), "<u2").reshape(256, 256)
        assert np.array_equal(ds.pixel_array, sent)


async def test_looking_again_asks_for_nothing(portal: Portal) -> None:
    """What is here of every image is enough; no byte comes."""
    visit = await portal.visit()
    asked = {"study": str(portal.study), "first_look": 1}
    await visit.images(asked)

    again = await visit.images(asked)

    assert (again["state"], again["looked"], again["bytes"]) == ("complete", IMAGES, 0)


async def test_there_is_no_picture_of_what_has_not_begun(portal: Portal) -> None:
    """And none of an image that came whole."""
    visit = await portal.visit()
    job = await visit.images({"study": str(portal.study)})
    assert job["state"] == "complete"
    uid = (await visit.get("/kept"))["instances"][0]["instance"]

    await visit.get(f"/instances/{uid}/look", status=404)


async def test_a_first_look_is_a_whole_number_and_has_no_plan(portal: Portal) -> None:
    """Both are told by the name of the field."""
    visit = await portal.visit()
    study = {"study": str(portal.study)}
    for wrong in ({"first_look": 1.5}, {"first_look": 9}, {"first_look": 1, "plan": "p-1"}):
        answer = await visit.post("images", {**study, **wrong}, status=400)
        assert "first_look" in str(answer)


async def test_a_first_look_is_not_planned(portal: Portal) -> None:
    """It brings the same bytes whatever the link."""
    visit = await portal.visit()
    answer = await visit.post("plan", {"study": str(portal.study), "first_look": 1}, status=400)
    assert "not planned" in str(answer)


async def test_a_wire_without_parts_of_images_says_so(trust_domain: Any, tmp_path: Any) -> None:
    """RAD-75 brings an image whole or not at all."""
    async with AsyncExitStack() as stack:
        portal = await running(stack, "soap", tmp_path, trust_domain)
        visit = await portal.visit()
        job = await visit.images({"study": str(portal.study), "first_look": 2})

    assert (job["state"], job["looked"]) == ("failed", 0)
    assert "over WADO-RS" in job["stopped_by"]["text"]
