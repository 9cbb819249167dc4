"""What the border promises of what was sent, whichever way in: a certificate, and whose it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from country_a.oids import NationalOids
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    DeliveryWish,
    ExchangeError,
    FidelityCertificate,
    ImageRequest,
    ImagingManifest,
    LinkProfile,
    PatientId,
    Refusal,
    SyntaxChoice,
    Uid,
)
from gateway.pki import TrustDomain
from gateway.wire.fidelity import open_certificate
from gateway.wire.problems import DecodeError
from gateway.wire.signatures import SignatureProblem
from tests.behaviour.conftest import IMAGES, Way
from tests.builders import COUNTRY_A

pytestmark = IMAGES

SOURCE = NationalOids.under(COUNTRY_A).imaging_source
JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
CODED = DeliveryWish(
    syntaxes=(JPEG_LS, EXPLICIT_LITTLE_ENDIAN),
    choice=SyntaxChoice.SENDER,
    link=LinkProfile(bits_per_second=2e6),
)
# What a gateway may say of an id that the caller was not given; over HTTP a status says less.
UNKNOWN = {Refusal.UNKNOWN_DOCUMENT, Refusal.UNKNOWN_INSTANCE}
NOT_TREATED = {Refusal.TREATMENT_RELATION_MISMATCH, Refusal.NO_TREATMENT_RELATION}


def _request(manifest: ImagingManifest) -> ImageRequest:
    return ImageRequest.of_manifest(manifest, COUNTRY_A, default_location=SOURCE)


async def _digests(
    way: Way, manifest: ImagingManifest, wish: DeliveryWish, patient: PatientId
) -> tuple[dict[str, str], str]:
    """The SHA-256 of every file that comes, and the id the delivery is told to have."""
    found: dict[str, hashlib._Hash] = {}
    request = _request(manifest)
    async with await way.exchange.retrieve_images(request, wish, way.context(patient)) as delivery:
        async for chunk in delivery.chunks():
            found.setdefault(chunk.instance, hashlib.sha256()).update(chunk.data)
        return {uid: digest.hexdigest() for uid, digest in found.items()}, delivery.id


async def _certified(
    way: Way, delivery: str, study: Uid, patient: PatientId, domain: TrustDomain
) -> FidelityCertificate:
    body = await way.exchange.certify_images(delivery, study, way.context(patient))
    opened = open_certificate(body, domain.trust_store, now=datetime.now(UTC))
    assert opened.country == "XA"
    return opened.certificate


def _named(certificate: FidelityCertificate) -> dict[str, str]:
    return {
        str(one.ref.instance): one.sha256 for each in certificate.series for one in each.instances
    }


async def test_what_was_sent_is_certified_file_by_file(way: Way, trust_domain: TrustDomain) -> None:
    """Under the name that the asker gave to its requests, sealed by Country A, as it came."""
    manifest, patient = await way.manifest("main")
    name = str(uuid4())

    got, told = await _digests(way, manifest, replace(CODED, delivery=name), patient)
    certificate = await _certified(way, name, manifest.study, patient, trust_domain)

    assert told == name
    assert (certificate.community, certificate.delivery) == (COUNTRY_A, name)
    assert _named(certificate) == got
    coded = [one for each in certificate.series for one in each.instances if one.coding]
    assert coded
    assert all(one.pixels_sha256 and one.error is None for one in coded)
    assert {one.syntax for one in coded} <= set(CODED.syntaxes)


async def test_what_was_planned_is_certified_under_the_plan(
    way: Way, trust_domain: TrustDomain
) -> None:
    """The id of an accepted plan is that of its delivery, if the requester gave it no name."""
    manifest, patient = await way.manifest("main")
    plan = await way.exchange.plan_images(_request(manifest), CODED, way.context(patient))

    for name in ("", str(uuid4())):
        wish = replace(CODED, plan=plan.id, delivery=name)
        got, told = await _digests(way, manifest, wish, patient)

        assert told == (name or plan.id)
        certificate = await _certified(way, told, manifest.study, patient, trust_domain)
        assert _named(certificate) == got


async def test_who_names_nothing_is_told_a_fresh_id(way: Way, trust_domain: TrustDomain) -> None:
    """And has the certificate of what that answer brought."""
    manifest, patient = await way.manifest("main")

    got, told = await _digests(way, manifest, DeliveryWish(), patient)
    certificate = await _certified(way, told, manifest.study, patient, trust_domain)

    # Over DICOMweb a study may be fetched in several requests, each a delivery of its own.
    assert _named(certificate).items() <= got.items()
    assert _named(certificate)


async def test_what_is_asked_for_in_several_requests_is_one_delivery(
    way: Way, trust_domain: TrustDomain
) -> None:
    """Its certificate has all of them."""
    manifest, patient = await way.manifest("main")
    name, got = str(uuid4()), {}
    series = manifest.series[:2]
    for one in series:
        part = replace(manifest, series=(one,))
        got |= (await _digests(way, part, DeliveryWish(delivery=name), patient))[0]

    certificate = await _certified(way, name, manifest.study, patient, trust_domain)

    assert len(certificate.series) == len(series)
    assert _named(certificate) == got


async def test_a_certificate_is_for_who_was_sent_to_and_no_other(way: Way) -> None:
    """An id nobody was given, or of another patient's study, is unknown."""
    manifest, patient = await way.manifest("main")
    other, stranger = await way.manifest("greek")
    name = str(uuid4())
    await _digests(way, manifest, DeliveryWish(delivery=name), patient)

    for id, study, whose, reasons in (
        ("11111111-2222", manifest.study, patient, UNKNOWN),
        (name, other.study, stranger, UNKNOWN),
        (name, manifest.study, stranger, NOT_TREATED),
    ):
        with pytest.raises(ExchangeError) as refused:
            await way.exchange.certify_images(id, study, way.context(whose))
        assert way.bridged or refused.value.refusal in reasons


async def test_a_certificate_that_was_tampered_with_is_refused(
    way: Way, trust_domain: TrustDomain
) -> None:
    """Whatever wire it came over."""
    manifest, patient = await way.manifest("main")
    name = str(uuid4())
    await _digests(way, manifest, DeliveryWish(delivery=name), patient)

    body = await way.exchange.certify_images(name, manifest.study, way.context(patient))
    for tampered in (
        body.replace(b'rawBytes="', b'rawBytes="1', 1),
        body.replace(name.encode(), b"another", 1),
    ):
        assert tampered != body
        with pytest.raises((SignatureProblem, DecodeError)):
            open_certificate(tampered, trust_domain.trust_store, now=datetime.now(UTC))
