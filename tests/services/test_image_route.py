"""Images by one route, what is said about them by another (guideline, Article 13).

Each route is a link, whose counters tell what went through it; neither end knows of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    DeliveryWish,
    Exchange,
    ImageRequest,
    ListedSeries,
    PatientTraits,
    Uid,
)
from gateway.link.proxy import LOOPBACK, LinkProxy
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport.compose import exchange_of, session_of
from tests.builders import COUNTRY_A, make_query
from tests.conftest import Seeded
from tests.link.ends import profile
from tests.served import OIDS, Served, serving_patient

STORED = DeliveryWish(
    syntaxes=(EXPLICIT_LITTLE_ENDIAN, Uid("1.2.840.10008.1.2"), Uid("1.2.840.10008.1.2.4.90"))
)
WAYS: dict[str, dict[str, Any]] = {
    "soap": {},
    "fhir": {"identify_by": "fhir", "documents_by": "fhir", "images_by": "wado-rs"},
    "mixed": {"images_by": "xc-wado"},
    "fhir, images by soap": {"identify_by": "fhir", "documents_by": "fhir"},
}


@pytest.mark.parametrize("wires", WAYS)
async def test_images_pass_their_own_link_and_nothing_else_does(
    wires: str, seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Whichever wire carries them, and whatever address a manifest names."""
    async with serving_patient("main", seeded, trust_domain, tmp_path) as served:
        direct = served.pair.url
        port = int(direct.split(":")[2].partition("/")[0])
        async with (
            LinkProxy(LOOPBACK, port, profile("unshaped")) as metadata,
            LinkProxy(LOOPBACK, port, profile("unshaped")) as images,
        ):
            addresses = _addresses(port, metadata.port, images.port)
            own = served.pair.asking_settings
            [section] = own.peers
            settings = own.model_copy(
                update={"peers": (section.model_copy(update=WAYS[wires] | addresses),)}
            )
            [peer] = PeerBook.of_sections(settings.peers, "ihe").peers
            async with session_of(settings) as session:
                pair = served.pair
                exchange = exchange_of(peer, settings, session, pair.asking, pair.clockwork)

                listed = await _looked_through(exchange, served)
                before = images.counters(), metadata.counters()
                got = await _fetched(exchange, served, port)
                after = images.counters(), metadata.counters()

    assert listed
    assert before[0].connections_total == 0
    assert before[1].bytes_down > 10_000
    assert got > 1000
    assert after[0].bytes_down > got
    assert after[1] == before[1]


def _addresses(direct: int, metadata: int, images: int) -> dict[str, Any]:
    base = "https://localhost:{}"
    return {
        "url": base.format(metadata) + "/RespondingGateway",
        "images_url": base.format(images) + "/RespondingGateway",
        "fhir_url": base.format(metadata) + "/fhir",
        "dicomweb_url": base.format(images) + "/dicom-web",
    }


async def _looked_through(exchange: Exchange, served: Served) -> int:
    """Identify, list, and retrieve every document; how many there are."""
    role_traits = PatientTraits(ids=(served.patient,))
    await exchange.identify_patient(role_traits, replace(served.context(), patient=None))
    found = await exchange.find_documents(make_query(patient=served.patient), served.context())
    refs = tuple(entry.ref for entry in found.items)
    return len((await exchange.retrieve_documents(refs, served.context())).items)


async def _fetched(exchange: Exchange, served: Served, direct: int) -> int:
    """How many bytes of images come of a study whose manifest names its source directly."""
    [study, *_] = served.studies
    request = ImageRequest.of_manifest(study, COUNTRY_A, default_location=OIDS.imaging_source)
    named = {
        uid: ListedSeries(series.instances, f"https://localhost:{direct}/dicom-web")
        for uid, series in request.series.items()
    }
    size = 0
    request = replace(request, series=named)
    async with await exchange.retrieve_images(request, STORED, served.context()) as delivery:
        async for chunk in delivery.chunks():
            size += len(chunk.data)
        assert delivery.issues == ()
    return size
