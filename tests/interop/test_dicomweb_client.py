"""dicomweb-client, the library most Python programs speak DICOMweb with, against Country A.

Everything it can ask for is asked for, with its own Accept headers and its own reading of the
answers; what comes is held against Country A's files, read by pydicom and Pillow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from io import BytesIO
from typing import Any, TypeVar

import pytest
import pytest_asyncio
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import generate_frames
from yarl import URL

from gateway.domain import ImagingManifest, InstanceRef
from gateway.pki import TrustDomain
from tests.conftest import Seeded
from tests.interop import sources
from tests.interop.visit import Visit, visit

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

T = TypeVar("T")
AS_STORED = (("application/dicom", "*"),)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def visited(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Visit]:
    """Country A, visited for its main patient."""
    async with visit(seeded, trust_domain, tmp_path_factory.mktemp("client")) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def client(visited: Visit) -> AsyncIterator[DICOMwebClient]:
    """The library with our certificate and token."""
    session = requests.Session()
    session.trust_env = False  # or the environment names other roots
    session.cert = (str(visited.tls.client_certificate), str(visited.tls.client_key))
    session.verify = str(visited.tls.trust)
    session.headers["Authorization"] = visited.token()
    asking = DICOMwebClient(visited.dicomweb, session=session)
    asking.set_http_retry_params(retry=False)  # or a fault takes half a minute to be told
    yield asking
    # In a thread, so that the server beside it sees its connections end.
    await asyncio.to_thread(session.close)


async def called(call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What a call gives, made beside the server that answers it."""
    return await asyncio.to_thread(call, *map(_plain, arguments), **options)


async def drawn(call: Callable[..., Iterator[T]], *arguments: Any, **options: Any) -> list[T]:
    """Everything an iterator of the library gives."""
    return await asyncio.to_thread(lambda: list(call(*map(_plain, arguments), **options)))


def _plain(argument: Any) -> Any:
    return str(argument) if isinstance(argument, str) else argument


def of_modality(visited: Visit, modality: str) -> ImagingManifest:
    """A study of the patient by the modality of its first series."""
    return next(
        each
        for each in visited.studies
        if each.series[0].modality and each.series[0].modality.value == modality
    )


def named(ref: InstanceRef) -> tuple[str, str, str]:
    """An instance as the library names it."""
    return str(ref.study), str(ref.series), str(ref.instance)


def original(visited: Visit, uid: str) -> Dataset:
    """Country A's file as pydicom reads it."""
    return sources.whole_of(visited.files[str(uid)])


def assert_whole(visited: Visit, came: Sequence[Dataset], wanted: set[str]) -> None:
    """Data sets are those wanted, with the elements of Country A's files."""
    assert {ds.SOPInstanceUID for ds in came} == wanted
    assert len(came) == len(wanted)
    for ds in came:
        assert ds == original(visited, ds.SOPInstanceUID)


async def test_a_study_comes_at_once_and_one_by_one(visited: Visit, client: DICOMwebClient) -> None:
    """Every instance, as stored."""
    for study in visited.studies:
        at_once = await called(client.retrieve_study, study.study, media_types=AS_STORED)
        one_by_one = await drawn(client.iter_study, study.study, media_types=AS_STORED)

        assert_whole(visited, at_once, set(visited.originals(study)))
        assert_whole(visited, one_by_one, set(visited.originals(study)))


async def test_series_and_instances_come_alone(visited: Visit, client: DICOMwebClient) -> None:
    """With the header of its own, which asks for nothing but DICOM, and with a transfer syntax."""
    study = of_modality(visited, "CT")
    series = study.series[0]
    wanted = {str(each.uid) for each in series.instances}
    ref = study.instances()[0]

    at_once = await called(client.retrieve_series, study.study, series.uid)
    one_by_one = await drawn(client.iter_series, study.study, series.uid)
    alone = await called(client.retrieve_instance, *named(ref))
    plain = await called(
        client.retrieve_instance,
        *named(ref),
        media_types=(("application/dicom", "1.2.840.10008.1.2.1"),),
    )

    assert_whole(visited, at_once, wanted)
    assert_whole(visited, one_by_one, wanted)
    assert_whole(visited, [alone], {str(ref.instance)})
    assert_whole(visited, [plain], {str(ref.instance)})


async def test_metadata_of_every_level_are_the_headers(
    visited: Visit, client: DICOMwebClient
) -> None:
    """Read by pydicom, they have the values the files have."""
    study = of_modality(visited, "CT")
    ref = study.instances()[0]

    whole = await called(client.retrieve_study_metadata, study.study)
    series = await called(client.retrieve_series_metadata, study.study, study.series[0].uid)
    instance = await called(client.retrieve_instance_metadata, *named(ref))

    assert {each["00080018"]["Value"][0] for each in whole} == set(visited.originals(study))
    assert len(series) == len(study.series[0].instances)
    read = Dataset.from_json(instance, bulk_data_uri_handler=lambda *_: None)
    header = original(visited, ref.instance)
    told = ("PatientName", "Modality", "Rows", "ImagePositionPatient", "SeriesDescription")
    assert [read.get(name) for name in told] == [header.get(name) for name in told]


async def test_frames_of_a_plain_image_are_its_pixels(
    visited: Visit, client: DICOMwebClient
) -> None:
    """By its default header, by octets named, one frame after the other too."""
    ref = of_modality(visited, "CT").instances()[0]
    octets = ("application/octet-stream",)

    default = await called(client.retrieve_instance_frames, *named(ref), [1])
    as_octets = await called(client.retrieve_instance_frames, *named(ref), [1], media_types=octets)
    drawn_one = await drawn(client.iter_instance_frames, *named(ref), [1], media_types=octets)

    pixels = original(visited, ref.instance).PixelData
    assert default == as_octets == drawn_one == [pixels]


async def test_frames_of_a_compressed_image_are_its_code_streams(
    visited: Visit, client: DICOMwebClient
) -> None:
    """Bare, in the order asked for; or unpacked, where octets are asked for."""
    ref = of_modality(visited, "US").instances()[0]
    header = original(visited, ref.instance)
    streams = list(generate_frames(header.PixelData, number_of_frames=header.NumberOfFrames))

    jpeg = await called(
        client.retrieve_instance_frames,
        *named(ref),
        [3, 1],
        media_types=(("image/jpeg", JPEG_BASELINE),),
    )
    plain = await drawn(
        client.iter_instance_frames,
        *named(ref),
        [1, 2, 3],
        media_types=("application/octet-stream",),
    )

    assert jpeg == [streams[2], streams[0]]
    size = header.Rows * header.Columns * header.SamplesPerPixel
    assert [len(frame) for frame in plain] == [size] * 3


@pytest.mark.parametrize("byte_range", [None, (0,), (0, 10**9), (0, 99)])
async def test_bulk_values_come_by_their_address(
    visited: Visit, client: DICOMwebClient, byte_range: tuple[int, ...] | None
) -> None:
    """With the Range header that the library sends, and without."""
    ref = of_modality(visited, "CT").instances()[0]
    metadata = await called(client.retrieve_instance_metadata, *named(ref))
    # The library leaves the port out of its Host header, so that addresses come without it.
    url = str(URL(metadata["7FE00010"]["BulkDataURI"]).with_port(URL(visited.dicomweb).port))
    options = {} if byte_range is None else {"byte_range": byte_range}

    at_once = await called(client.retrieve_bulkdata, url, **options)
    one_by_one = await drawn(client.iter_bulkdata, url, **options)

    pixels = original(visited, ref.instance).PixelData
    assert at_once == one_by_one
    assert [data[:100] for data in at_once] == [pixels[:100]]
    assert at_once == [pixels] or byte_range == (0, 99)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_pictures_are_pictures(visited: Visit, client: DICOMwebClient, kind: str) -> None:
    """Of an instance, of one of its frames, in a window and a size."""
    ref = of_modality(visited, "CT").instances()[0]
    moving = of_modality(visited, "US").instances()[0]
    types = (f"image/{kind.lower()}",)

    whole = await called(client.retrieve_instance_rendered, *named(ref), media_types=types)
    small = await called(
        client.retrieve_instance_rendered,
        *named(ref),
        media_types=types,
        params={"viewport": "20,20", "window": "40,400,linear"},
    )
    frame = await called(
        client.retrieve_instance_frames_rendered, *named(moving), [2], media_types=types
    )

    header, shown = original(visited, ref.instance), Image.open(BytesIO(whole))
    assert (shown.format, shown.size) == (kind, (header.Columns, header.Rows))
    assert max(Image.open(BytesIO(small)).size) == 20
    assert Image.open(BytesIO(frame)).format == kind


async def test_a_whole_series_is_rendered(visited: Visit, client: DICOMwebClient) -> None:
    """The library gives the body as it came, whose parts are a picture each."""
    study = of_modality(visited, "CT")
    series = study.series[0]

    body = await called(client.retrieve_series_rendered, study.study, series.uid)

    assert body.count(b"Content-Type: image/jpeg") == len(series.instances)


async def test_thumbnails_come_though_the_library_has_no_call_for_them(
    visited: Visit, client: DICOMwebClient
) -> None:
    """By the session it uses, from the addresses the standard gives them."""
    study = of_modality(visited, "CT")
    place = f"{visited.dicomweb}/studies/{study.study}"
    places = [place, f"{place}/series/{study.series[0].uid}"]

    for url in places:
        answer = await asyncio.to_thread(
            client._session.get, f"{url}/thumbnail", headers={"Accept": "image/jpeg"}
        )

        assert answer.status_code == 200
        assert Image.open(BytesIO(answer.content)).format == "JPEG"


async def test_searches_at_every_level(visited: Visit, client: DICOMwebClient) -> None:
    """Below a study and without one, with filters and further fields."""
    study = of_modality(visited, "CT")
    series = study.series[0]

    studies = await called(
        client.search_for_studies,
        search_filters={"ModalitiesInStudy": "CT"},
        fields=["StudyDescription"],
    )
    in_study = await called(client.search_for_series, study.study)
    by_uid = await called(
        client.search_for_series, search_filters={"StudyInstanceUID": str(study.study)}
    )
    in_series = await called(client.search_for_instances, study.study, series.uid)
    everywhere = await called(
        client.search_for_instances, search_filters={"StudyInstanceUID": str(study.study)}
    )

    assert [each["0020000D"]["Value"] for each in studies] == [[str(study.study)]]
    assert studies[0]["00081030"]["Value"]
    uids = {str(each.uid) for each in study.series}
    assert {each["0020000E"]["Value"][0] for each in in_study} == uids
    assert {each["0020000E"]["Value"][0] for each in by_uid} == uids
    wanted = {str(each.uid) for each in series.instances}
    assert {each["00080018"]["Value"][0] for each in in_series} == wanted
    assert {each["00080018"]["Value"][0] for each in everywhere} == set(visited.originals(study))


async def test_pages_make_up_the_whole(visited: Visit, client: DICOMwebClient) -> None:
    """By offset until there is nothing more, and by the library's own loop."""
    study = of_modality(visited, "CT")
    limit = 4
    pages: list[list[Any]] = []

    while not pages or pages[-1]:
        pages.append(
            await called(
                client.search_for_instances,
                study.study,
                limit=limit,
                offset=limit * len(pages),
            )
        )
    looped = await called(client.search_for_instances, study.study, limit=limit, get_remaining=True)

    found = [each["00080018"]["Value"][0] for page in pages for each in page]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert len(found) == len(set(found))
    assert set(found) == set(visited.originals(study))
    assert sorted(each["00080018"]["Value"][0] for each in looped) == sorted(found)


async def test_what_is_not_offered_is_said_in_statuses(
    visited: Visit, client: DICOMwebClient
) -> None:
    """The library raises by the status: storing, deleting, another's study, no such frame."""
    study = of_modality(visited, "CT")
    ref = study.instances()[0]
    ds = original(visited, ref.instance)

    for status, call, *arguments in (
        (405, client.store_instances, [ds]),
        (405, client.delete_study, study.study),
        (404, client.retrieve_study, "2.999.1.1.9.1.99999"),
        (404, client.retrieve_instance_frames, *named(ref), [2]),
    ):
        assert await asyncio.to_thread(refused, call, *map(_plain, arguments)) == status, call


def refused(call: Callable[..., Any], *arguments: Any) -> int:
    """The status a call is refused with, 0 for none; nothing keeps its connection open."""
    try:
        call(*arguments)
    except requests.HTTPError as error:
        return error.response.status_code if error.response is not None else 0
    return 0
