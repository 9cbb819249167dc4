"""An image job and its certificate: verified, different, or not certified, and what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from country_b.initiator import Community
from gateway.domain import (
    Coding,
    CommunityId,
    FidelityCertificate,
    InstanceFidelity,
    InstanceRef,
    Refusal,
    SeriesFidelity,
    Uid,
)
from gateway.domain.fidelity import NOT_FITNESS
from gateway.pki import TrustDomain, mint_trust
from tests.country_b.portal import STUDY, Visit, portal
from tests.desks import sealing
from tests.fakes import COUNTRY_A, FakeExchange, make_house
from tests.fidelity import PLAIN

A = Community(id=COUNTRY_A, country="XA")
# When the clock of the portal under test begins.
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW, countries=("XA", "XB"))


@dataclass
class Certifying:
    """What Country A says of what it sent, if it is changed by nobody."""

    house: FakeExchange
    domain: TrustDomain
    country: str = "xa"
    changes: dict[str, Any] = field(default_factory=dict)
    change: Callable[[InstanceFidelity], InstanceFidelity | None] = lambda one: one
    tamper: Callable[[bytes], bytes] = lambda body: body

    def __call__(self, delivery: str, study: Uid) -> bytes:
        grouped: dict[Uid, list[InstanceFidelity]] = {}
        for uid, data in self.house.instances.items():
            ref = InstanceRef(study=study, series=Uid(uid.rpartition(".")[0]), instance=uid)
            one = self.change(
                InstanceFidelity(
                    ref=ref,
                    syntax=PLAIN,
                    sha256=hashlib.sha256(data).hexdigest(),
                    raw_bytes=len(data),
                    sent_bytes=len(data),
                )
            )
            if one is not None:
                grouped.setdefault(one.ref.series, []).append(one)
        certificate = FidelityCertificate(
            delivery=delivery,
            community=COUNTRY_A,
            issued=NOW,
            series=tuple(
                SeriesFidelity(series=uid, instances=tuple(ones)) for uid, ones in grouped.items()
            ),
        )
        return self.tamper(sealing(self.domain, self.country)(replace(certificate, **self.changes)))


@dataclass
class Ended:
    """A job that ended, and its visit."""

    visit: Visit
    view: dict[str, Any]
    house: FakeExchange

    @property
    def fidelity(self) -> dict[str, Any]:
        found: dict[str, Any] = self.view["fidelity"]
        return found


async def fetched(
    client: TestClient[Any, Any], house: FakeExchange, body: dict[str, Any] | None = None
) -> Ended:
    visit = await Visit(client).retrieved()
    return Ended(visit, await visit.images(body), house)


def settings_for(domain: TrustDomain, **changes: Any) -> dict[str, Any]:
    """A portal that knows Country A, believes the trust domain, and has the right time."""
    return {"communities": {COUNTRY_A: A}, "trust": domain.trust_store} | changes


async def test_what_is_as_certified_is_verified(domain: TrustDomain, tmp_path: Path) -> None:
    """Asked for by the job's own id; the sealed document is kept and handed out."""
    house = make_house()
    house.certificate = Certifying(house, domain)
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        found = ended.fidelity
        assert (ended.view["state"], found["verdict"], found["reason"]) == (
            "complete",
            "verified",
            "",
        )
        assert (found["statement"], found["sealed_by"]) == (NOT_FITNESS, "XA")
        assert found["delivery"] == ended.view["job"]
        assert sum(one["instances"] for one in found["series"]) == 6
        asked = [call for call in house.calls if call[0] == "certify"]
        assert [call[1] for call in asked] == [(ended.view["job"], Uid(STUDY))]
        answer = await client.get(f"{ended.visit.path}/images/{ended.view['job']}/certificate")
        assert answer.content_type == "application/xml"
        assert NOT_FITNESS.encode() in await answer.read()


async def test_a_certificate_goes_with_its_visit(domain: TrustDomain, tmp_path: Path) -> None:
    """Where nothing is kept, nor is what was said of it; nobody else sees it before."""
    house = make_house()
    house.certificate = Certifying(house, domain)
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)
        other = await Visit(client).open()
        path = f"/images/{ended.view['job']}/certificate"
        assert (await client.get(other.path + path)).status == 404

        await ended.visit.post("close", {"keep": False})

        assert (await client.get(ended.visit.path + path)).status == 404


async def test_an_image_that_is_not_as_certified_is_set_aside(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """It fails as one that failed its checks on arrival, and is fetched when asked for again."""
    house = make_house()
    wrong = Uid("2.999.7.1.1.2")
    certifying = Certifying(house, domain)
    certifying.change = lambda one: (
        replace(one, sha256="0" * 64) if one.ref.instance == wrong else one
    )
    house.certificate = certifying
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        assert (ended.fidelity["verdict"], ended.view["state"]) == ("differs", "incomplete")
        assert "not the one that its certificate names" in ended.fidelity["reason"]
        (missing,) = ended.view["missing"]
        assert (missing["instance"], missing["refusal"]) == (wrong, Refusal.INTEGRITY_FAILED.value)
        assert ended.view["received"] == 5
        await ended.visit.get(f"/instances/{wrong}", status=502)
        certifying.change = lambda one: one
        again = await ended.visit.images()
        assert (again["state"], again["received"], again["fidelity"]["verdict"]) == (
            "complete",
            1,
            "verified",
        )


async def test_images_that_do_not_decode_to_what_is_certified_are_set_aside(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """What was coded is decoded; all of it may be wrong."""
    house = make_house()
    certifying = Certifying(house, domain)
    certifying.change = lambda one: replace(
        one, coding=Coding(syntax=PLAIN), pixels_sha256="0" * 64
    )
    house.certificate = certifying
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        assert (ended.fidelity["verdict"], ended.view["state"]) == ("differs", "failed")
        assert "cannot be decoded" in ended.fidelity["reason"]
        assert ended.view["received"] == 0


async def test_images_that_no_certificate_names_are_told(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """They are kept, and nobody vouches for them."""
    house = make_house()
    certifying = Certifying(house, domain)
    certifying.change = lambda one: one if one.ref.instance.endswith(".1.1") else None
    house.certificate = certifying
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        assert (ended.view["state"], ended.view["received"]) == ("complete", 6)
        assert ended.fidelity["verdict"] == "not-certified"
        assert "5 of 6 images" in ended.fidelity["reason"]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"tamper": lambda body: body.replace(b'rawBytes="', b'rawBytes="1', 1)}, "seal"),
        ({"tamper": lambda _: b"<html/>"}, "cannot be read"),
        ({"country": "xb"}, "sealed in 'XB'"),
        ({"changes": {"community": CommunityId("2.999.1.9")}}, "community 2.999.1.9"),
        ({"changes": {"delivery": "another"}}, "delivery another"),
    ],
    ids=["tampered", "no-certificate", "other-signer", "other-community", "other-delivery"],
)
async def test_a_certificate_that_does_not_count_leaves_the_job_as_it_is(
    how: dict[str, Any], says: str, domain: TrustDomain, tmp_path: Path
) -> None:
    """It says why, and keeps no document."""
    house = make_house()
    house.certificate = Certifying(house, domain, **how)
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        assert (ended.view["state"], ended.view["received"]) == ("complete", 6)
        assert ended.fidelity["verdict"] == "not-certified"
        assert says in ended.fidelity["reason"]
        path = f"{ended.visit.path}/images/{ended.view['job']}/certificate"
        assert (await client.get(path)).status == 404


async def test_a_certificate_of_another_study_does_not_count(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """Whatever else of it is right."""
    house = make_house()
    certifying = Certifying(house, domain)
    house.certificate = lambda delivery, _: certifying(delivery, Uid("9.9"))
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)

        assert ended.fidelity["verdict"] == "not-certified"
        assert "study 9.9" in ended.fidelity["reason"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "nothing is certified here"),
        ({"communities": {COUNTRY_A: replace(A, country="")}}, "no country is named"),
    ],
)
async def test_without_a_certificate_the_job_is_not_worse(
    changes: dict[str, Any], says: str, domain: TrustDomain, tmp_path: Path
) -> None:
    """A peer that has no such resource, and one whose seal nobody could tell."""
    house = make_house()
    async with portal(house, tmp_path, **settings_for(domain, **changes)) as client:
        ended = await fetched(client, house)

        assert ended.view["state"] == "complete"
        assert ended.fidelity["verdict"] == "not-certified"
        assert says in ended.fidelity["reason"]


async def test_nobody_is_believed_without_a_trust_store(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """A portal that was given none."""
    house = make_house()
    house.certificate = Certifying(house, domain)
    async with portal(house, tmp_path, communities={COUNTRY_A: A}) as client:
        ended = await fetched(client, house)

        assert "seal does not hold" in ended.fidelity["reason"]


async def test_a_job_that_brought_nothing_is_not_certified_at_all(
    domain: TrustDomain, tmp_path: Path
) -> None:
    """Nothing is asked for where everything was here, or nothing came."""
    house = make_house()
    house.certificate = Certifying(house, domain)
    async with portal(house, tmp_path, **settings_for(domain)) as client:
        ended = await fetched(client, house)
        asked = sum(call[0] == "certify" for call in house.calls)

        again = await ended.visit.images()
        assert (again["state"], again["fidelity"]) == ("complete", None)
        assert sum(call[0] == "certify" for call in house.calls) == asked
