"""Metadata, frames, bulk values and pictures of instances, over mutual TLS; read by others."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from io import BytesIO

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from pydicom import Dataset

from gateway.pki import TrustDomain
from tests.conftest import Seeded
from tests.requests import kept
from tests.served import Served, serving_patient

pytestmark = pytest.mark.asyncio(loop_scope="module")

OCTETS = 'multipart/related; type="application/octet-stream"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """A patient with one study of JPEG 2000 images and a key-image note."""
    folder = tmp_path_factory.mktemp("served")
    async with serving_patient("cyrillic", seeded, trust_domain, folder) as served:
        yield served


def study_of(served: Served) -> str:
    """The path of the study."""
    return f"/studies/{served.studies[0].study}"


def image_of(served: Served) -> str:
    """The path of its first image."""
    [study] = served.studies
    notes = {ref.series for ref in study.notes()}
    series = next(one for one in study.series if one.uid not in notes)
    return f"{study_of(served)}/series/{series.uid}/instances/{series.instances[0].uid}"


def note_of(served: Served) -> str:
    """The path of its key-image note, which has no pixels."""
    ref = served.studies[0].notes()[0]
    return f"{study_of(served)}/series/{ref.series}/instances/{ref.instance}"


async def first_image(served: Served) -> Dataset:
    """The first image as its file."""
    got = await served.fetch(image_of(served), Accept="application/dicom; transfer-syntax=*")
    return got.images[0]


async def test_metadata_are_the_headers_of_all_instances(served: Served) -> None:
    """As pydicom reads them, packed or not; pixels are addresses that lead somewhere."""
    got = await served.fetch(f"{study_of(served)}/metadata", Accept_Encoding="identity")
    packed = await served.fetch(
        f"{image_of(served)}/metadata", Accept="application/dicom+json", Accept_Encoding="gzip"
    )

    objects = json.loads(got.body)
    headers = [Dataset.from_json(each, lambda *_: b"") for each in objects]
    assert [header.SOPInstanceUID for header in headers] == [
        str(ref.instance) for ref in served.studies[0].instances()
    ]
    assert not any(tag.startswith("0002") for each in objects for tag in each)
    assert packed.headers["Content-Encoding"] == "gzip"
    [one] = json.loads(gzip.decompress(packed.body))
    assert one in objects
    path = one["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    assert (await served.fetch(path)).status == 200


async def test_frames_come_plain_or_as_stored(served: Served) -> None:
    """The pixels pydicom decodes, and the code stream it finds."""
    original = await first_image(served)

    plain = await served.fetch(f"{image_of(served)}/frames/1", Accept=OCTETS)
    stored = await served.fetch(f"{image_of(served)}/frames/1", Accept="image/jp2")

    [part] = plain.parts
    assert np.frombuffer(part.content, "<u2").tolist() == original.pixel_array.ravel().tolist()
    assert part.headers[b"Content-Location"].endswith(b"/frames/1")
    assert stored.headers["Content-Type"].startswith("image/jp2; transfer-syntax=")
    assert stored.body in original.PixelData


async def test_a_frame_beyond_the_last_is_not_there(served: Served) -> None:
    """Nor any frame of an object without pixels."""
    beyond = await served.fetch(f"{image_of(served)}/frames/2")
    none = await served.fetch(f"{note_of(served)}/frames/1")

    assert (beyond.status, none.status) == (404, 404)
    assert "2" in json.loads(beyond.body)["text"]


async def test_a_bulk_value_comes_by_its_address(served: Served) -> None:
    """One by one, or all that there are; what is no value is not there."""
    one = await served.fetch(
        f"{image_of(served)}/bulkdata/7FE00010", Accept="application/octet-stream"
    )
    every = await served.fetch(f"{image_of(served)}/bulkdata", Accept=OCTETS)
    pixels = await served.fetch(f"{study_of(served)}/pixeldata", Accept=OCTETS)
    gone = await served.fetch(f"{image_of(served)}/bulkdata/00081111")

    assert every.parts[0].content == one.body
    assert len(pixels.parts) == served.studies[0].instance_count - len(served.studies[0].notes())
    assert gone.status == 404


async def test_a_picture_is_drawn_as_asked(served: Served) -> None:
    """Type, size and window; a bad value is an error."""
    jpeg = await served.fetch(f"{image_of(served)}/rendered")
    png = await served.fetch(
        f"{image_of(served)}/frames/1/rendered?viewport=32,32&window=300,500,linear",
        Accept="image/png",
    )
    bad = await served.fetch(f"{image_of(served)}/rendered?window=1,0,linear")
    refused = await served.fetch(f"{image_of(served)}/rendered", Accept="text/html")

    assert jpeg.headers["Content-Type"] == "image/jpeg"
    original = await first_image(served)
    assert Image.open(BytesIO(jpeg.body)).size == (original.Columns, original.Rows)
    assert max(Image.open(BytesIO(png.body)).size) == 32
    assert (bad.status, refused.status) == (400, 406)


async def test_pictures_of_a_study_are_those_of_its_images(served: Served) -> None:
    """A note is passed over; alone it is not there."""
    got = await served.fetch(
        f"{study_of(served)}/rendered", Accept='multipart/related; type="image/png"'
    )
    alone = await served.fetch(f"{note_of(served)}/rendered")

    assert len(got.parts) == served.studies[0].instance_count - len(served.studies[0].notes())
    assert all(Image.open(BytesIO(part.content)).format == "PNG" for part in got.parts)
    assert alone.status == 404


@pytest.mark.parametrize("place", [study_of, image_of])
async def test_a_thumbnail_is_one_small_picture(
    served: Served, place: Callable[[Served], str]
) -> None:
    """Of a study as well as of an instance; it takes no parameter but a viewport."""
    got = await served.fetch(f"{place(served)}/thumbnail?viewport=16,16")
    bad = await served.fetch(f"{place(served)}/thumbnail?quality=3")

    assert got.status == 200
    assert max(Image.open(BytesIO(got.body)).size) == 16
    assert bad.status == 400


async def test_what_was_shown_is_kept(served: Served) -> None:
    """With its bytes, while they are few."""
    got = await served.fetch(f"{image_of(served)}/thumbnail")
    newest = kept(served.pair)[-1]
    found = served.pair.serving.tap.transcript(newest["id"])

    assert found is not None
    [part] = found["answer"]["parts"]
    assert part["size_bytes"] == len(got.body)
    assert newest["outcome"] == "success"
