"""What the border promises of a stated need, whichever way in: a plan, and what the plan says."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread

from country_a.oids import NationalOids
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    DeliveryAction,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    ImagingManifest,
    LinkProfile,
    PatientId,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from tests.behaviour.conftest import IMAGES, Way
from tests.builders import COUNTRY_A

pytestmark = IMAGES

SOURCE = NationalOids.under(COUNTRY_A).imaging_source
JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
JPEG_LS_NEAR = Uid("1.2.840.10008.1.2.4.81")
HTJ2K = Uid("1.2.840.10008.1.2.4.202")
UNKNOWN = {Refusal.UNKNOWN_DOCUMENT, Refusal.UNKNOWN_INSTANCE}
NARROW = DeliveryWish(
    syntaxes=(JPEG_LS, HTJ2K, EXPLICIT_LITTLE_ENDIAN),
    choice=SyntaxChoice.SENDER,
    link=LinkProfile(bits_per_second=2e6),
)


def _request(manifest: ImagingManifest) -> ImageRequest:
    return ImageRequest.of_manifest(manifest, COUNTRY_A, default_location=SOURCE)


def _by_uid(way: Way, data: dict[str, bytes]) -> dict[str, Dataset]:
    return {uid: dcmread(BytesIO(content)) for uid, content in data.items()}


async def _received(
    way: Way, request: ImageRequest, wish: DeliveryWish, patient: PatientId
) -> tuple[dict[str, Dataset], dict[str, AnnouncedInstance], Any]:
    data: dict[str, bytes] = {}
    told: dict[str, AnnouncedInstance] = {}
    async with await way.exchange.retrieve_images(request, wish, way.context(patient)) as delivery:
        told = {item.ref.instance: item for item in delivery.announced}
        async for chunk in delivery.chunks():
            data[chunk.instance] = data.get(chunk.instance, b"") + chunk.data
            if chunk.sent is not None:
                told[chunk.instance] = chunk.sent
        return _by_uid(way, data), told, delivery.issues


async def test_what_is_planned_comes_so_and_no_pixel_is_lost(way: Way) -> None:
    """A plan accepted is kept to, image by image; the same study as stored has the same pixels."""
    manifest, patient = await way.manifest("main")
    request = _request(manifest)

    plan = await way.exchange.plan_images(request, NARROW, way.context(patient))
    got, _, issues = await _received(way, request, replace(NARROW, plan=plan.id), patient)
    stored, _, _ = await _received(way, request, DeliveryWish(syntaxes=STORED_SYNTAXES), patient)

    assert issues == ()
    assert {one.ref.instance for one in plan.coming} == set(got) == set(stored)
    written = {one.ref.instance: one.coding.syntax for one in plan.coming if one.coding is not None}
    assert {uid: ds.file_meta.TransferSyntaxUID for uid, ds in got.items()} == written
    assert DeliveryAction.LOSSLESS in {one.action for one in plan.coming}
    assert all(one.reason for one in plan.instances)
    assert any(len(each.forecasts) > 1 for each in plan.series)
    assert plan.seconds < plan.stored_seconds
    for uid, ds in got.items():
        assert ds.SOPInstanceUID == uid
        if "PixelData" in ds:
            assert np.array_equal(ds.pixel_array, stored[uid].pixel_array), uid


async def test_what_does_not_fit_is_told_and_comes_when_asked_for_again(way: Way) -> None:
    """No cap is broken and nothing is lost: what is deferred says when it could be there."""
    manifest, patient = await way.manifest("main")
    request = _request(manifest)
    lossless = await way.exchange.plan_images(request, NARROW, way.context(patient))
    short = replace(NARROW, max_bytes=lossless.size_bytes // 2)

    plan = await way.exchange.plan_images(request, short, way.context(patient))
    if way.bridged:
        return  # SOAP in front of DICOMweb promises what is held, and a promise is kept or broken
    got, _, issues = await _received(way, request, replace(short, plan=plan.id), patient)

    deferred = {one.ref.instance for one in plan.instances if not one.comes}
    assert deferred
    assert set(got) == {one.ref.instance for one in plan.coming}
    assert sum(one.size_bytes for one in plan.coming) <= lossless.size_bytes // 2
    assert {issue.subject for issue in issues} >= {str(uid) for uid in deferred}


async def test_a_plan_is_for_who_asked_for_it_and_no_other(way: Way) -> None:
    """An id that nobody was given, or that was given about another patient, plans nothing."""
    manifest, patient = await way.manifest("main")
    other, stranger = await way.manifest("greek")
    plan = await way.exchange.plan_images(_request(manifest), NARROW, way.context(patient))

    for request, whose, id in (
        (_request(manifest), patient, "11111111-2222"),
        (_request(other), stranger, plan.id),
    ):
        refused: set[Refusal] = set()
        try:
            got, _, issues = await _received(way, request, replace(NARROW, plan=id), whose)
        except ExchangeError as error:
            refused.add(error.refusal)
        else:
            assert got == {}
            refused |= {issue.refusal for issue in issues}
        assert way.bridged or refused <= UNKNOWN


async def test_what_is_here_of_a_plan_does_not_come_again(way: Way) -> None:
    """By the positions in the plan that was accepted; the rest comes in one request."""
    manifest, patient = await way.manifest("main")
    request = _request(manifest)
    plan = await way.exchange.plan_images(request, NARROW, way.context(patient))
    have = frozenset(range(0, len(plan.instances), 2))
    left = {one.ref.instance for at, one in enumerate(plan.instances) if at not in have}
    rest = replace(
        request, instances=tuple(pair for pair in request.instances if pair[0].instance in left)
    )

    wish = replace(NARROW, plan=plan.id, have=have)
    got, _, issues = await _received(way, rest, wish, patient)

    assert set(got) == left
    assert issues == ()
