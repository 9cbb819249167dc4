"""Orthanc pulls a study from Country A: over mutual TLS, with an access token, by its own client.

What it stores is held against Country A's files. It searches and asks for metadata, too, and is
refused where it shows no certificate or no token.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pydicom import Dataset

from gateway.domain import ImagingManifest
from gateway.pki import TrustDomain
from tests.conftest import Seeded
from tests.interop.orthanc import MISSING, Orthanc, is_installed, orthanc
from tests.interop.visit import Visit, visit
from tests.requests import audited

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not is_installed(), reason=MISSING),
    pytest.mark.asyncio(loop_scope="module"),
]
SERVER = "/dicom-web/servers/{}/{}"


@dataclass(frozen=True)
class Pacs:
    """Orthanc, which knows Country A as `gw`, and as others that lack something."""

    orthanc: Orthanc

    def pull(self, *resources: dict[str, str], of: str = "gw") -> int:
        """Retrieve resources; how many instances it says came."""
        done = self.orthanc.call(
            SERVER.format(of, "retrieve"), {"Resources": list(resources), "Synchronous": True}
        )
        return int(done["ReceivedInstancesCount"])

    def search(self, path: str, **filters: str) -> list[dict[str, Any]]:
        """What its QIDO client reads of our answer, in its own form."""
        body = {"Uri": path, "Arguments": filters}
        found: list[dict[str, Any]] = self.orthanc.call(SERVER.format("gw", "qido"), body)
        return found

    def digests(self) -> dict[str, str]:
        """The hash of every file it has, by SOP Instance UID."""
        found = {}
        for one in self.orthanc.call("/instances"):
            tags = self.orthanc.call(f"/instances/{one}")["MainDicomTags"]
            data = self.orthanc.file(one)
            found[tags["SOPInstanceUID"]] = hashlib.sha256(data).hexdigest()
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["main", "cyrillic"])
async def visited(
    request: pytest.FixtureRequest,
    seeded: Seeded,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Visit]:
    """Country A visited for a patient of plain files, and for one whose files are JPEG 2000."""
    folder = tmp_path_factory.mktemp("orthanc")
    async with visit(seeded, trust_domain, folder, role=request.param) as served:
        yield served


@pytest.fixture(scope="module")
def knowing(visited: Visit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """Orthanc, started once for each visit."""
    tls = visited.tls
    shown = {
        "CertificateFile": str(tls.client_certificate),
        "CertificateKeyFile": str(tls.client_key),
    }
    token = {"HttpHeaders": {"Authorization": visited.token()}}
    base = {"Url": visited.dicomweb}
    servers = {"gw": base | shown | token, "tokenless": base | shown, "bare": base | token}
    with orthanc(tmp_path_factory.mktemp("pacs"), servers=servers, ca=tls.trust) as running:
        yield Pacs(running)


@pytest.fixture
def pacs(knowing: Pacs) -> Pacs:
    """With an empty store."""
    knowing.orthanc.forget()
    return knowing


def digests_of(visited: Visit, *studies: ImagingManifest) -> dict[str, str]:
    """The hash of every file of studies in Country A."""
    return {
        uid: hashlib.sha256(path.read_bytes()).hexdigest()
        for study in studies
        for uid, path in visited.originals(study).items()
    }


async def test_studies_come_whole_and_as_they_are_stored(visited: Visit, pacs: Pacs) -> None:
    """Every instance byte for byte, asked for by Orthanc as `transfer-syntax=*`."""
    resources = [{"Study": str(each.study)} for each in visited.studies]

    count = await asyncio.to_thread(pacs.pull, *resources)
    stored = await asyncio.to_thread(pacs.digests)

    expected = digests_of(visited, *visited.studies)
    assert count == len(expected) > 4
    assert stored == expected
    pulls = [event for event in audited(visited.pair) if "RAD-107" in event]
    assert len(pulls) >= len(visited.studies)


async def test_a_series_and_an_instance_come_alone(visited: Visit, pacs: Pacs) -> None:
    """And nothing with them."""
    study = visited.studies[0]
    first, *_, last = study.series
    one = last.instances[0].uid
    series = {"Study": str(study.study), "Series": str(first.uid)}
    instance = {"Study": str(study.study), "Series": str(last.uid), "Instance": str(one)}

    await asyncio.to_thread(pacs.pull, series)
    await asyncio.to_thread(pacs.pull, instance)
    stored = await asyncio.to_thread(pacs.digests)

    wanted = {str(each.uid) for each in first.instances} | {str(one)}
    whole = digests_of(visited, study)
    assert stored == {uid: whole[uid] for uid in wanted}


def values(found: list[dict[str, Any]], tag: str) -> set[str]:
    """The values of an attribute in what Orthanc makes of a search."""
    return {str(each[tag]["Value"]) for each in found}


async def test_it_searches_level_by_level(visited: Visit, pacs: Pacs) -> None:
    """Studies, their series and instances, with filters."""
    study = visited.studies[0]

    async def search(path: str, **filters: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(pacs.search, path, **filters)

    studies = await search("/studies")
    one = await search("/studies", StudyInstanceUID=str(study.study))
    none = await search("/studies", ModalitiesInStudy="ES")
    series = await search(f"/studies/{study.study}/series")
    instances = await search(f"/studies/{study.study}/instances")

    assert values(studies, "0020000D") == {str(each.study) for each in visited.studies}
    assert values(one, "0020000D") == {str(study.study)}
    assert none == []
    assert values(series, "0020000E") == {str(each.uid) for each in study.series}
    assert values(instances, "00080018") == {str(ref.instance) for ref in study.instances()}


async def test_metadata_come_through_it(visited: Visit, pacs: Pacs) -> None:
    """Asked for with its own headers, read by pydicom."""
    study = visited.studies[0]
    body = {"Uri": f"/studies/{study.study}/metadata"}

    objects = await asyncio.to_thread(pacs.orthanc.call, SERVER.format("gw", "get"), body)

    read = [Dataset.from_json(each, bulk_data_uri_handler=lambda *_: None) for each in objects]
    assert {ds.SOPInstanceUID for ds in read} == set(visited.originals(study))


@pytest.mark.parametrize(
    ("lacking", "statuses"),
    [
        pytest.param("tokenless", [401], id="a token"),
        pytest.param("bare", [], id="a certificate: TLS ends before there is a request"),
    ],
)
async def test_nothing_comes_without(
    visited: Visit, pacs: Pacs, lacking: str, statuses: list[int]
) -> None:
    """Orthanc says that it failed, and stores nothing."""
    study = {"Study": str(visited.studies[0].study)}
    before = answers(visited)

    with pytest.raises(RuntimeError, match="500"):
        await asyncio.to_thread(pacs.pull, study, of=lacking)

    assert await asyncio.to_thread(pacs.digests) == {}
    assert [status for name, status in answers(visited).items() if name not in before] == statuses


def answers(visited: Visit) -> dict[str, int]:
    """The status of every answer Country A has given, by the id of its transcript."""
    kept = visited.pair.serving.tap.summaries(limit=10_000)
    return {each["id"]: each["status"] for each in kept}
