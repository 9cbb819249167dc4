"""What the border promises of images, whichever way in: all that was asked for, or the reason."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from country_a.oids import NationalOids
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    PatientId,
    Refusal,
    Uid,
)
from gateway.wire.dicom.dataset import describe, read_header
from tests.behaviour.conftest import IMAGES, Way
from tests.builders import COUNTRY_A

pytestmark = IMAGES

ANY_SYNTAX = DeliveryWish(
    syntaxes=tuple(
        Uid(f"1.2.840.10008.1.2{tail}") for tail in ("", ".1", ".4.50", ".4.70", ".4.90", ".5")
    )
)


async def _received(way: Way, request: ImageRequest, wish: DeliveryWish, patient: PatientId) -> Any:
    data: dict[str, bytearray] = {}
    async with await way.exchange.retrieve_images(request, wish, way.context(patient)) as delivery:
        async for chunk in delivery.chunks():
            data.setdefault(chunk.instance, bytearray()).extend(chunk.data)
        return {uid: bytes(content) for uid, content in data.items()}, delivery.issues


async def _nothing(
    way: Way, request: ImageRequest, wish: DeliveryWish, patient: PatientId
) -> list[Refusal]:
    """Why nothing came: issues when asked directly, a refusal of all when it was over SOAP."""
    try:
        got, issues = await _received(way, request, wish, patient)
    except ExchangeError as error:
        return [error.refusal]
    assert got == {}
    return [issue.refusal for issue in issues]


async def test_a_whole_study_arrives_as_its_manifest_lists_it(way: Way) -> None:
    """Every instance is the one its UID says, of the patient the manifest names."""
    manifest, patient = await way.manifest("main")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    got, issues = await _received(way, request, ANY_SYNTAX, patient)
    assert issues == ()
    assert set(got) == {str(ref.instance) for ref in manifest.instances()}
    for ref in manifest.instances():
        header = describe(read_header(BytesIO(got[ref.instance])))
        assert (header.study, header.series, header.instance) == (
            ref.study,
            ref.series,
            ref.instance,
        )
        assert patient in header.patient.ids or header.patient.bare_id == patient.value


async def test_a_compressed_study_is_decoded_where_only_plain_pixels_are_read(way: Way) -> None:
    """JPEG 2000 in the store, explicit little endian on the way."""
    manifest, patient = await way.manifest("cyrillic")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    got, issues = await _received(
        way, request, DeliveryWish(syntaxes=(EXPLICIT_LITTLE_ENDIAN,)), patient
    )
    assert issues == ()
    headers = [describe(read_header(BytesIO(data))) for data in got.values()]
    assert {header.transfer_syntax for header in headers} == {EXPLICIT_LITTLE_ENDIAN}


async def test_an_instance_that_is_not_there_and_one_in_the_wrong_series_are_issues(
    way: Way,
) -> None:
    """The others arrive."""
    manifest, patient = await way.manifest("main")
    source = NationalOids.under(COUNTRY_A).imaging_source
    good = manifest.instances()[0]
    gone = InstanceRef(study=good.study, series=good.series, instance=Uid("1.2.3.404"))
    moved = InstanceRef(study=good.study, series=Uid("1.2.405"), instance=good.instance)
    request = ImageRequest(community=COUNTRY_A, instances=((good, source), (gone, source)))
    got, issues = await _received(way, request, ANY_SYNTAX, patient)
    assert set(got) == {str(good.instance)}
    assert [(issue.subject, issue.refusal) for issue in issues] == [
        ("1.2.3.404", Refusal.UNKNOWN_INSTANCE)
    ]
    elsewhere = ImageRequest(community=COUNTRY_A, instances=((moved, source),))
    assert await _nothing(way, elsewhere, ANY_SYNTAX, patient) == [Refusal.UNKNOWN_INSTANCE]


async def test_a_transfer_syntax_that_cannot_be_sent_is_refused_and_never_replaced(
    way: Way,
) -> None:
    """No silent fallback."""
    manifest, patient = await way.manifest("main")
    source = NationalOids.under(COUNTRY_A).imaging_source
    pixels = next(
        ref
        for series in manifest.series
        for ref in manifest.instances()
        if ref.series == series.uid and series.modality and series.modality.value != "KO"
    )
    request = ImageRequest(community=COUNTRY_A, instances=((pixels, source),))
    wish = DeliveryWish(syntaxes=(Uid("1.2.840.10008.1.2.4.94"),))
    assert await _nothing(way, request, wish, patient) == [Refusal.UNSUPPORTED_SYNTAX]


async def test_images_of_another_patient_are_not_handed_over(way: Way) -> None:
    """Whose they are is asked of the store, not of the caller."""
    manifest, _ = await way.manifest("greek")
    request = ImageRequest.of_manifest(
        manifest, COUNTRY_A, default_location=NationalOids.under(COUNTRY_A).imaging_source
    )
    asked = way.exchange.retrieve_images(
        request, ANY_SYNTAX, way.context(way.seeded.patient("main"))
    )
    try:
        delivery = await asked
    except ExchangeError:
        return
    assert way.bridged, "only there is it a study that is not found, among others"
    async with delivery:
        assert [chunk async for chunk in delivery.chunks()] == []
        assert {issue.refusal for issue in delivery.issues} == {Refusal.UNKNOWN_INSTANCE}


async def test_a_grown_study_has_a_manifest_that_lists_all_of_it(way: Way) -> None:
    """The first manifest is replaced, and still leads to what it listed."""
    role = way.seeded.role("grown-study")
    manifest, _ = await way.manifest("grown-study")
    assert manifest.uid == role["studies"][0]["manifest"]
    assert manifest.instance_count == role["studies"][0]["instances"]
