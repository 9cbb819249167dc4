"""Searches over DICOMweb: asked by another's client, and of peers that answer as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests
from aiohttp import web
from dicomweb_client.api import DICOMwebClient
from yarl import URL

from gateway.domain import ExchangeError, ImagingManifest, StudyQuery
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork
from gateway.transport.dicomweb_search import DicomwebSearch
from tests.builders import COUNTRY_A, PATIENT, make_context
from tests.conftest import Seeded
from tests.dicomweb_requests import fetch
from tests.fhir_requests import bearer
from tests.requests import audited
from tests.served import Served, serving_patient
from tests.told_peers import told_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """A patient with several studies."""
    folder = tmp_path_factory.mktemp("served")
    async with serving_patient("main", seeded, trust_domain, folder) as served:
        yield served


@contextmanager
def foreign(served: Served) -> Iterator[DICOMwebClient]:
    """Another's client, with our certificates and token."""
    tls = served.pair.asking_settings.tls
    session = requests.Session()
    session.trust_env = False  # or the environment names other roots
    session.cert = (str(tls.client_certificate), str(tls.client_key))
    session.verify = str(tls.trust)
    session.headers["Authorization"] = served.token()
    with session:
        yield DICOMwebClient(f"{URL(served.pair.url).origin()}/dicom-web", session=session)


async def test_another_client_finds_what_there_is_level_by_level(served: Served) -> None:
    """Studies of the patient, their series and instances, and it fetches one."""
    study = served.studies[0]

    with foreign(served) as client:
        studies = await asyncio.to_thread(client.search_for_studies)
        series = await asyncio.to_thread(client.search_for_series, study.study)
        instances = await asyncio.to_thread(client.search_for_instances, study.study)
        image = await asyncio.to_thread(
            client.retrieve_instance,
            study.study,
            study.series[0].uid,
            study.series[0].instances[0].uid,
            media_types=(("application/dicom", "*"),),
        )

    assert {each["0020000D"]["Value"][0] for each in studies} == {
        str(each.study) for each in served.studies
    }
    assert len(series) == len(study.series)
    assert len(instances) == study.instance_count
    assert image.SOPInstanceUID == study.series[0].instances[0].uid


async def test_filters_narrow_and_nothing_is_an_empty_list(served: Served) -> None:
    """With status 200; what could not be matched is warned of."""
    study = served.studies[0]

    one = await served.fetch(f"/studies?StudyInstanceUID={study.study}")
    none = await served.fetch("/studies?ModalitiesInStudy=ES")
    fuzzy = await served.fetch("/studies?fuzzymatching=true")

    assert [each["0020000D"]["Value"] for each in json.loads(one.body)] == [[study.study]]
    assert (none.status, none.body) == (200, b"[]")
    assert fuzzy.headers["Warning"].startswith("299 ")


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/studies?NoSuchThing=1", "*/*", 400),
        ("/studies?StudyDate=yesterday", "*/*", 400),
        ("/studies?PatientID=1&PatientID=2", "*/*", 400),
        ("/studies?limit=-1", "*/*", 400),
        ("/studies/1.2.x/series", "*/*", 400),
        ("/studies", 'multipart/related; type="application/dicom+xml"', 406),
    ],
)
async def test_a_search_that_cannot_be_read_is_refused(
    served: Served, path: str, accept: str, status: int
) -> None:
    """With the status of the standard, and words."""
    got = await served.fetch(path, Accept=accept)

    assert got.status == status
    assert json.loads(got.body)["text"]


async def test_nobody_searches_another_patient(served: Served, seeded: Seeded) -> None:
    """Nor with a token that is not for searching; each is audited under its transaction."""
    other = seeded.patient("greek")
    path = f"/studies?PatientID={other.value}&IssuerOfPatientID={other.authority}"
    narrow = bearer(served.pair, make_context(patient=PATIENT), scope="RAD-107")

    foreign = await served.fetch(path)
    unscoped = await fetch(served.pair, "/studies", token=narrow)

    assert foreign.status == 403
    assert unscoped.status in (401, 403)
    assert all("RAD-129" in event for event in audited(served.pair)[-2:])


ANSWER = [
    {
        "0020000D": {"vr": "UI", "Value": ["2.999.1"]},
        "00080061": {"vr": "CS", "Value": ["CT"]},
        "00080020": {"vr": "DA", "Value": ["20260301"]},
    }
]
INSIDE = [
    {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00080018": {"vr": "UI", "Value": ["2.999.1.1.1"]},
        "0020000E": {"vr": "UI", "Value": ["2.999.1.1"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
    }
]


async def ask(
    replies: dict[str, tuple[int, Any]],
    domain: TrustDomain,
    folder: Path,
    clockwork: Clockwork,
    **filters: Any,
) -> tuple[ImagingManifest, ...]:
    """What a search finds at a peer that answers so."""

    async def answer(request: web.Request) -> web.Response:
        status, body = replies[request.path]
        data = b"" if body is None else json.dumps(body).encode()
        return web.Response(status=status, body=data, content_type="application/dicom+json")

    async with told_peer(answer, domain, folder, clockwork, images_by="wado-rs") as told:
        query = StudyQuery(community=COUNTRY_A, **filters)
        found = await DicomwebSearch(told.calls).find_studies(query, make_context(patient=PATIENT))
        asked = [str(path) for path in told.paths]
    assert asked[0] == "/rs/studies"
    return found.items


async def test_a_study_is_told_with_all_it_holds(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """By a second request; filters decide again, for peers that do not know them."""
    replies = {"/rs/studies": (200, ANSWER), "/rs/studies/2.999.1/instances": (200, INSIDE)}

    [found] = await ask(replies, trust_domain, tmp_path / "1", clockwork)
    ignored = await ask(
        replies,
        trust_domain,
        tmp_path / "2",
        clockwork,
        sop_classes=(found.series[0].uid,),
    )

    assert (found.study, found.instance_count) == ("2.999.1", 1)
    assert found.series[0].instances[0].uid == "2.999.1.1.1"
    assert ignored == ()


@pytest.mark.parametrize(("status", "body"), [(204, None), (200, None), (200, [])])
async def test_nothing_found_is_said_in_several_ways(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork, status: int, body: Any
) -> None:
    """204 as PS3.18 had it, 200 with an empty list as it has it, or with nothing."""
    replies = {"/rs/studies": (status, body)}

    assert await ask(replies, trust_domain, tmp_path, clockwork) == ()


async def test_a_refusal_is_the_peers_own(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """With its status."""
    with pytest.raises(ExchangeError) as caught:
        await ask({"/rs/studies": (413, None)}, trust_domain, tmp_path, clockwork)
    assert caught.value.code == "413"
