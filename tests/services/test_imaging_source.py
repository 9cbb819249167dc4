"""A gateway that fetches images from an imaging source of its own (RAD-75 in front of RAD-69)."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import (
    Authentication,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    Refusal,
    Transaction,
    TreatmentRelation,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.pki import TrustDomain
from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A, make_context
from tests.conftest import Seeded
from tests.desks import desk_of
from tests.gateways import pair_of
from tests.requests import SMARTCARD


async def test_images_pass_through_the_gateway_from_its_source(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Two hops, two transactions, both audited; what the source lacks is told through both."""
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    store = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
        desk=desk_of(national.systems.pacs, tmp_path),
    )
    patient = seeded.patient("greek")
    study = Uid(seeded.role("greek")["studies"][0]["uid"])
    instances = await national.systems.pacs.instances(study)
    gone = InstanceRef(study=study, series=instances[0].ref.series, instance=Uid("2.999.4.0.4"))
    request = ImageRequest(
        community=COUNTRY_A,
        instances=tuple(
            (ref, oids.imaging_source) for ref in (*(item.ref for item in instances), gone)
        ),
    )
    context = make_context(
        patient=patient,
        relation=TreatmentRelation.RESOURCE_ID,
        authentication=Authentication(at=datetime.now(UTC), method=SMARTCARD),
    )
    try:
        async with pair_of(
            store, trust_domain, tmp_path / "source", endpoint=Endpoint.IMAGING_SOURCE
        ) as source:
            gateway = Responder(
                national.systems,
                community=COUNTRY_A,
                repository=oids.repository,
                imaging_source=oids.imaging_source,
                desk=desk_of(national.systems.pacs, tmp_path),
                images_from=source.client,
            )
            async with pair_of(gateway, trust_domain, tmp_path / "gateway") as front:
                got: dict[str, bytearray] = {}
                async with await front.client.retrieve_images(
                    request, DeliveryWish(syntaxes=STORED_SYNTAXES), context
                ) as delivery:
                    async for chunk in delivery.chunks():
                        got.setdefault(chunk.instance, bytearray()).extend(chunk.data)
                    issues = delivery.issues
                kept = [summary["transaction"] for summary in front.serving.tap.summaries()]
                kept += [summary["transaction"] for summary in source.serving.tap.summaries()]

        assert [(issue.subject, issue.refusal) for issue in issues] == [
            ("2.999.4.0.4", Refusal.UNKNOWN_INSTANCE)
        ]
        assert set(got) == {str(item.ref.instance) for item in instances}
        for item in instances:
            data = bytes(got[item.ref.instance])
            assert data == item.path.read_bytes()
            assert describe(read_header(BytesIO(data))).instance == item.ref.instance
        assert kept == [Transaction.IMAGES.value, Transaction.IMAGES_FROM_SOURCE.value]
    finally:
        await national.close()


async def test_a_source_that_is_gone_is_the_gateways_trouble_and_said_so(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """XDSRepositoryError, as for any failed call to the source; nothing of its address."""
    oids = NationalOids.under(COUNTRY_A)
    national = await open_systems(seeded.folder)
    patient = seeded.patient("greek")
    study = Uid(seeded.role("greek")["studies"][0]["uid"])
    instances = await national.systems.pacs.instances(study)
    store = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=oids.repository,
        imaging_source=oids.imaging_source,
        desk=desk_of(national.systems.pacs, tmp_path),
    )
    try:
        async with pair_of(
            store, trust_domain, tmp_path / "source", endpoint=Endpoint.IMAGING_SOURCE
        ) as source:
            source.client._url = "https://localhost:1/nobody"
            gateway = Responder(
                national.systems,
                community=COUNTRY_A,
                repository=oids.repository,
                imaging_source=oids.imaging_source,
                desk=desk_of(national.systems.pacs, tmp_path),
                images_from=source.client,
            )
            async with pair_of(gateway, trust_domain, tmp_path / "gateway") as front:
                request = ImageRequest(
                    community=COUNTRY_A, instances=((instances[0].ref, oids.imaging_source),)
                )
                context = make_context(
                    patient=patient,
                    relation=TreatmentRelation.RESOURCE_ID,
                    authentication=Authentication(at=datetime.now(UTC), method=SMARTCARD),
                )
                with pytest.raises(ExchangeError) as caught:
                    await front.client.retrieve_images(request, DeliveryWish(), context)
                assert caught.value.code == "XDSRepositoryError"
                assert "localhost:1" not in caught.value.text
    finally:
        await national.close()
