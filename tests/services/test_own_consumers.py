"""A consumer inside Country B fetches images of Country A from its own gateway (XC-WADO)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from country_b.app import running
from gateway.config import ListenSection
from gateway.domain import CallContext, ImagingManifest, StudyQuery, TreatmentRelation
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.conftest import Seeded
from tests.desks import desk_of
from tests.dicomweb_requests import SCOPE, GotImages, fetch
from tests.fhir_requests import bearer
from tests.gateways import Pair, pair_of
from tests.requests import audited, context_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

OIDS = NationalOids.under(COUNTRY_A)


@dataclass(frozen=True)
class Consumer:
    """A consumer of Country B, beside its gateway, and a study of its patient in Country A."""

    pair: Pair
    own: Pair
    context: CallContext
    study: ImagingManifest

    async def fetch(
        self, path: str = "", *, community: str = COUNTRY_A, context: CallContext | None = None
    ) -> GotImages:
        """Ask our own gateway for images of another community; "" for the study."""
        cross = f"/homeCommunityId/{community}/RetrieveLocationUID/{OIDS.imaging_source}"
        token = bearer(self.own, context or self.context, scope=SCOPE, audience=COUNTRY_B.urn)
        asked = path or f"{cross}/study/{self.study.study}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        return await fetch(self.own, asked, token=token, Accept=accept)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["soap", "wado-rs", "xc-wado"])
async def consumer(
    request: pytest.FixtureRequest,
    seeded: Seeded,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Consumer]:
    """Country A as it is seeded, asked by Country B in one of its ways."""
    folder = tmp_path_factory.mktemp("consumer")
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=OIDS.repository,
        imaging_source=OIDS.imaging_source,
        desk=desk_of(national.systems.pacs, folder),
    )
    context = replace(
        context_for("ihe"),
        patient=seeded.patient("main"),
        relation=TreatmentRelation.RESOURCE_ID,
    )
    query = StudyQuery(community=COUNTRY_A, patient=context.patient)
    study = (await responder.find_studies(query, context)).items[0]
    options: dict[str, Any] = {"images_by": request.param}
    try:
        async with pair_of(responder, trust_domain, folder, **options) as pair:
            gateway = pair.asking_settings.gateway.model_copy(update={"state": folder / "portal"})
            settings = pair.asking_settings.model_copy(
                update={"gateway": gateway, "listen": ListenSection(imaging_port=0)}
            )
            async with running(settings) as ports:
                url = f"https://localhost:{ports['imaging']}/x"
                yield Consumer(pair, replace(pair, url=url), context, study)
    finally:
        await national.close()


async def test_a_study_comes_from_the_other_country_through_our_own_gateway(
    consumer: Consumer,
) -> None:
    """Whole, by whatever wire the gateway asks; Country A sees our gateway's call."""
    before = len(audited(consumer.pair))

    got = await consumer.fetch()

    assert (got.status, got.whole) == (200, True)
    assert {str(image.SOPInstanceUID) for image in got.images} == {
        str(ref.instance) for ref in consumer.study.instances()
    }
    assert len(audited(consumer.pair)) > before


async def test_what_is_not_for_this_gateway_is_refused(consumer: Consumer) -> None:
    """A community nobody asks, an address of none, and a search."""
    unknown = await consumer.fetch(community="2.999.404")
    plain = await consumer.fetch(f"/studies/{consumer.study.study}")
    search = await consumer.fetch("/studies")

    assert {got.status for got in (unknown, plain)} == {404}
    assert search.status in (403, 404)


async def test_nobody_else_fetches_through_it(consumer: Consumer) -> None:
    """A gateway of a third community, a token meant for Country A, and no token at all."""
    third = replace(consumer.context, asking=COUNTRY_A)
    for_a = bearer(consumer.own, consumer.context, scope=SCOPE, audience=COUNTRY_A.urn)
    before = len(audited(consumer.pair))

    foreign = await consumer.fetch(context=third)
    path = f"/homeCommunityId/{COUNTRY_A}/RetrieveLocationUID/1.2/study/{consumer.study.study}"
    elsewhere = await fetch(consumer.own, path, token=for_a)
    nobody = await fetch(consumer.own, path, token="")

    assert foreign.status == 403
    assert {elsewhere.status, nobody.status} <= {401, 403}
    assert len(audited(consumer.pair)) == before, "Country A is not asked"


async def test_an_address_that_names_a_base_is_followed_as_far_as_the_settings_allow(
    consumer: Consumer,
) -> None:
    """A host that is not among the peer's is never called: the images come from the peer."""
    path = (
        f"/homeCommunityId/{COUNTRY_A}/RetrieveLocationUID/{OIDS.imaging_source}"
        f"/study/{consumer.study.study}?retrieveurl=https://evil.example/rs"
    )

    got = await consumer.fetch(path)

    assert got.status == 200
    assert len(got.images) == consumer.study.instance_count
