"""Metadata, frames, bulk values and pictures of instances, over mutual TLS; read by others."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from pydicom import Dataset

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from gateway.domain import ImagingManifest, StudyQuery, TreatmentRelation
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.dicomweb_requests import GotImages, fetch
from tests.fhir_requests import bearer
from tests.gateways import Pair, pair_of
from tests.requests import context_for, kept

pytestmark = pytest.mark.asyncio(loop_scope="module")

OIDS = NationalOids.under(COUNTRY_A)
OCTETS = 'multipart/related; type="application/octet-stream"'


@dataclass(frozen=True)
class Served:
    """Country A's real answers on the network, and a study of JPEG 2000 images."""

    pair: Pair
    token: str
    study: ImagingManifest

    @property
    def path(self) -> str:
        """The study."""
        return f"/studies/{self.study.study}"

    @property
    def image(self) -> str:
        """Its first image."""
        series = next(
            one for one in self.study.series if one.modality and one.modality.value != "KO"
        )
        return f"{self.path}/series/{series.uid}/instances/{series.instances[0].uid}"

    @property
    def note(self) -> str:
        """Its key-image note, which has no pixels."""
        ref = self.study.notes()[0]
        return f"{self.path}/series/{ref.series}/instances/{ref.instance}"

    async def fetch(self, path: str, **headers: str) -> GotImages:
        """Ask as the physician who treats the patient."""
        return await fetch(self.pair, path, token=self.token, **headers)

    async def original(self) -> Dataset:
        """The first image as its file."""
        got = await self.fetch(self.image, Accept="application/dicom; transfer-syntax=*")
        return got.images[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """Country A as it is seeded; tests only read."""
    national = await open_systems(seeded.folder)
    responder = Responder(
        national.systems,
        community=COUNTRY_A,
        repository=OIDS.repository,
        imaging_source=OIDS.imaging_source,
    )
    context = replace(
        context_for("ihe"),
        patient=seeded.patient("cyrillic"),
        relation=TreatmentRelation.RESOURCE_ID,
    )
    query = StudyQuery(community=COUNTRY_A, patient=context.patient)
    [study] = (await responder.find_studies(query, context)).items
    try:
        folder = tmp_path_factory.mktemp("views")
        async with pair_of(responder, trust_domain, folder) as pair:
            yield Served(pair, bearer(pair, context, scope="RAD-107"), study)
    finally:
        await national.close()


async def test_metadata_are_the_headers_of_all_instances(served: Served) -> None:
    """As pydicom reads them, packed or not; pixels are addresses that lead somewhere."""
    got = await served.fetch(f"{served.path}/metadata", Accept_Encoding="identity")
    packed = await served.fetch(
        f"{served.image}/metadata", Accept="application/dicom+json", Accept_Encoding="gzip"
    )

    objects = json.loads(got.body)
    headers = [Dataset.from_json(each, lambda *_: b"") for each in objects]
    assert [header.SOPInstanceUID for header in headers] == [
        str(ref.instance) for ref in served.study.instances()
    ]
    assert not any(tag.startswith("0002") for each in objects for tag in each)
    assert packed.headers["Content-Encoding"] == "gzip"
    [one] = json.loads(gzip.decompress(packed.body))
    assert one in objects
    path = one["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    assert (await served.fetch(path)).status == 200


async def test_frames_come_plain_or_as_stored(served: Served) -> None:
    """The pixels pydicom decodes, and the code stream it finds."""
    original = await served.original()

    plain = await served.fetch(f"{served.image}/frames/1", Accept=OCTETS)
    stored = await served.fetch(f"{served.image}/frames/1", Accept="image/jp2")

    [part] = plain.parts
    assert np.frombuffer(part.content, "<u2").tolist() == original.pixel_array.ravel().tolist()
    assert part.headers[b"Content-Location"].endswith(b"/frames/1")
    assert stored.headers["Content-Type"].startswith("image/jp2; transfer-syntax=")
    assert stored.body in original.PixelData


async def test_a_frame_beyond_the_last_is_not_there(served: Served) -> None:
    """Nor any frame of an object without pixels."""
    beyond = await served.fetch(f"{served.image}/frames/2")
    none = await served.fetch(f"{served.note}/frames/1")

    assert (beyond.status, none.status) == (404, 404)
    assert "2" in json.loads(beyond.body)["text"]


async def test_a_bulk_value_comes_by_its_address(served: Served) -> None:
    """One by one, or all that there are; what is no value is not there."""
    one = await served.fetch(f"{served.image}/bulkdata/7FE00010", Accept="application/octet-stream")
    every = await served.fetch(f"{served.image}/bulkdata", Accept=OCTETS)
    pixels = await served.fetch(f"{served.path}/pixeldata", Accept=OCTETS)
    gone = await served.fetch(f"{served.image}/bulkdata/00081111")

    assert every.parts[0].content == one.body
    assert len(pixels.parts) == served.study.instance_count - len(served.study.notes())
    assert gone.status == 404


async def test_a_picture_is_drawn_as_asked(served: Served) -> None:
    """Type, size and window; a bad value is an error."""
    jpeg = await served.fetch(f"{served.image}/rendered")
    png = await served.fetch(
        f"{served.image}/frames/1/rendered?viewport=32,32&window=300,500,linear", Accept="image/png"
    )
    bad = await served.fetch(f"{served.image}/rendered?window=1,0,linear")
    refused = await served.fetch(f"{served.image}/rendered", Accept="text/html")

    assert jpeg.headers["Content-Type"] == "image/jpeg"
    original = await served.original()
    assert Image.open(BytesIO(jpeg.body)).size == (original.Columns, original.Rows)
    assert max(Image.open(BytesIO(png.body)).size) == 32
    assert (bad.status, refused.status) == (400, 406)


async def test_pictures_of_a_study_are_those_of_its_images(served: Served) -> None:
    """A note is passed over; alone it is not there."""
    got = await served.fetch(
        f"{served.path}/rendered", Accept='multipart/related; type="image/png"'
    )
    alone = await served.fetch(f"{served.note}/rendered")

    assert len(got.parts) == served.study.instance_count - len(served.study.notes())
    assert all(Image.open(BytesIO(part.content)).format == "PNG" for part in got.parts)
    assert alone.status == 404


@pytest.mark.parametrize("level", ["path", "image"])
async def test_a_thumbnail_is_one_small_picture(served: Served, level: str) -> None:
    """Of a study as well as of an instance; it takes no parameter but a viewport."""
    got = await served.fetch(f"{getattr(served, level)}/thumbnail?viewport=16,16")
    bad = await served.fetch(f"{getattr(served, level)}/thumbnail?quality=3")

    assert got.status == 200
    assert max(Image.open(BytesIO(got.body)).size) == 16
    assert bad.status == 400


async def test_what_was_shown_is_kept(served: Served) -> None:
    """With its bytes, while they are few."""
    got = await served.fetch(f"{served.image}/thumbnail")
    newest = kept(served.pair)[-1]
    found = served.pair.serving.tap.transcript(newest["id"])

    assert found is not None
    [part] = found["answer"]["parts"]
    assert part["size_bytes"] == len(got.body)
    assert newest["outcome"] == "success"
