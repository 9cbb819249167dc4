"""Orthanc holds the images, Country B's client fetches them: searched, whole, transcoded, cut.

No token is checked there and there is no TLS; what is told apart is what our client makes of a
server that is not ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from pydicom.data import get_testdata_file

from gateway.domain import (
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    ImagingManifest,
    InstanceRef,
    Issue,
    Oid,
    PatientId,
    PeerMisbehaved,
    Refusal,
    StudyQuery,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.pki import TrustDomain
from gateway.transport.dicomweb_client import DicomwebClient
from gateway.transport.dicomweb_search import DicomwebSearch
from gateway.transport.fhir_calls import FhirCalls
from gateway.transport.record import Keeper
from tests.builders import COUNTRY_A, make_context
from tests.dicom_images import image_of
from tests.gateways import real_clockwork
from tests.interop import sources
from tests.interop.orthanc import MISSING, Orthanc, is_installed, orthanc
from tests.interop.relay import Relay, relay
from tests.told_peers import calling

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not is_installed(), reason=MISSING),
    pytest.mark.asyncio(loop_scope="module"),
]
PLACE = Oid("2.999.20")
OWNER = PatientId("A-0075", Oid("2.999.1.2"))
STUDY, SLICES, SIDE = Uid("2.999.75"), 6, 96
STORED = DeliveryWish(syntaxes=STORED_SYNTAXES)
JPEG_LS, HTJ2K = Uid("1.2.840.10008.1.2.4.80"), Uid("1.2.840.10008.1.2.4.201")
# Compressed by others, in several frames and in one, in colour and in grey; a report beside them.
FOREIGN = ("rtdose_rle.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm", "reportsi.dcm")


def _slices() -> Iterator[bytes]:
    """Two series of noise, of six slices and of two."""
    noise = np.random.default_rng(75)
    for series, count in ((1, SLICES), (2, 2)):
        for number in range(count):
            yield image_of(
                noise.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16),
                PatientID=OWNER.value,
                # Orthanc matches the issuer as it stands: without one, nothing would be found.
                IssuerOfPatientID=str(OWNER.authority),
                PatientName="Specimen^Anna",
                StudyInstanceUID=str(STUDY),
                SeriesInstanceUID=f"{STUDY}.{series}",
                SOPInstanceUID=f"{STUDY}.{series}.{number}",
                SeriesNumber=series,
                InstanceNumber=number + 1,
                Modality="CT",
            )


@dataclass
class Received:
    """What came, and what is said of the rest."""

    images: dict[str, bytes] = field(default_factory=dict)
    begun: dict[str, bytes] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True)
class Source:
    """Orthanc with files in it, a relay before it, and Country B's clients."""

    running: Orthanc
    files: dict[str, bytes]
    calls: FhirCalls
    keeper: Keeper
    relay: Relay

    async def study(self) -> ImagingManifest:
        """The study, as our search tells it."""
        query = StudyQuery(community=COUNTRY_A, patient=OWNER)
        [found] = (await DicomwebSearch(self.calls).find_studies(query, make_context())).items
        return found

    async def receive(
        self, request: ImageRequest, wish: DeliveryWish = STORED, into: Received | None = None
    ) -> Received:
        """Take in everything; what came before an error is in `into`."""
        got = into or Received()
        client = DicomwebClient(self.calls)
        async with await client.retrieve_images(request, wish, make_context()) as delivery:
            async for chunk in delivery.chunks():
                whole = got.begun.get(chunk.instance, b"") + chunk.data
                got.begun[chunk.instance] = whole
                if chunk.last:
                    got.images[str(chunk.instance)] = whole
            got.issues = delivery.issues
        return got


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def source(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Source]:
    """The study, and files of others."""
    folder = tmp_path_factory.mktemp("source")
    foreign = [Path(str(get_testdata_file(name))).read_bytes() for name in FOREIGN]
    files = {str(sources.header_of(data).SOPInstanceUID): data for data in (*_slices(), *foreign)}
    with orthanc(folder / "orthanc") as running:
        for data in files.values():
            running.store(data)
        async with (
            relay(running.url) as relayed,
            calling(
                relayed.url.rstrip("/"),
                trust_domain,
                folder,
                real_clockwork(),
                dicomweb_url="BASE/dicom-web",
                images_by="wado-rs",
            ) as (calls, keeper),
        ):
            yield Source(running, files, calls, keeper, relayed)


@pytest.fixture(autouse=True)
def nothing_cut(source: Source) -> None:
    """Each test begins with a relay that lets everything pass."""
    source.relay.cut_after = None


def asked(study: ImagingManifest) -> ImageRequest:
    """Everything of a study."""
    return ImageRequest.of_manifest(study, COUNTRY_A, default_location=PLACE)


async def test_a_study_is_found_and_comes_as_it_is_stored(source: Source) -> None:
    """Byte for byte: a series by one request, few instances by one each."""
    found = await source.study()
    got = await source.receive(asked(found))

    assert found.study == STUDY
    assert [len(series.instances) for series in found.series] == [SLICES, 2]
    assert got.images == {uid: data for uid, data in source.files.items() if uid.startswith(STUDY)}
    assert got.issues == ()


@pytest.mark.parametrize("name", FOREIGN)
async def test_files_of_others_come_as_they_are_stored(source: Source, name: str) -> None:
    """Compressed ones too, though their parts do not say how."""
    data = Path(str(get_testdata_file(name))).read_bytes()
    header = sources.header_of(data)
    ref = InstanceRef(
        study=Uid(header.StudyInstanceUID),
        series=Uid(header.SeriesInstanceUID),
        instance=Uid(header.SOPInstanceUID),
    )

    got = await source.receive(ImageRequest(community=COUNTRY_A, instances=((ref, PLACE),)))

    assert got.images == {ref.instance: data}


async def test_what_it_compresses_for_us_has_the_pixels_it_had(source: Source) -> None:
    """Asked for in JPEG-LS alone."""
    found = await source.study()

    got = await source.receive(asked(found), DeliveryWish(syntaxes=(JPEG_LS,)))

    assert len(got.images) == found.instance_count
    for uid, data in got.images.items():
        came = sources.whole_of(data)
        assert str(came.file_meta.TransferSyntaxUID) == JPEG_LS
        pixels = sources.pixels_of(came)
        assert pixels is not None
        assert np.array_equal(pixels, sources.whole_of(source.files[uid]).pixel_array)


async def test_what_it_cannot_send_is_refused_as_a_syntax(source: Source) -> None:
    """It answers 400 where 406 is right."""
    found = await source.study()

    with pytest.raises(ExchangeError) as caught:
        await source.receive(
            ImageRequest(community=COUNTRY_A, instances=asked(found).instances[:1]),
            DeliveryWish(syntaxes=(HTJ2K,)),
        )

    assert caught.value.refusal is Refusal.UNSUPPORTED_SYNTAX


async def test_what_is_not_there_is_missing_and_the_rest_comes(source: Source) -> None:
    """An instance of the series that it never had."""
    found = await source.study()
    gone = InstanceRef(study=STUDY, series=found.series[0].uid, instance=Uid(f"{STUDY}.1.99"))
    there = asked(found).instances[0][0]
    request = ImageRequest(community=COUNTRY_A, instances=((gone, PLACE), (there, PLACE)))

    got = await source.receive(request)

    assert list(got.images) == [there.instance]
    assert [(one.subject, one.refusal) for one in got.issues] == [
        (gone.instance, Refusal.UNKNOWN_INSTANCE)
    ]


async def series_of(source: Source) -> ImageRequest:
    """The larger series, which comes by one request."""
    whole = asked(await source.study())
    return ImageRequest(
        community=COUNTRY_A, instances=whole.instances[:SLICES], series=whole.series
    )


@pytest.mark.parametrize("slices", [0.02, 1.5, SLICES - 0.1])
async def test_an_answer_that_is_cut_is_no_whole_one(source: Source, slices: float) -> None:
    """Slices that came before are whole, what broke off is an error, and so it is kept."""
    request, got = await series_of(source), Received()
    source.relay.cut_after = int(slices * 2 * SIDE * SIDE)

    with pytest.raises(PeerMisbehaved):
        await source.receive(request, into=got)

    assert not source.relay.has_length
    assert len(got.images) == int(slices)
    assert all(data == source.files[uid] for uid, data in got.images.items())
    fetches = (each for each in source.keeper.tap.summaries() if each["transaction"] == "RAD-107")
    kept = max(fetches, key=lambda each: each["opened_at"])
    assert (kept["outcome"], kept["refusal"]) == ("refused", "peer-misbehaved")


async def test_an_answer_cut_within_its_last_boundary_is_no_whole_one(source: Source) -> None:
    """Only the boundary says that the last image is whole, and that it is the last."""
    request, got = await series_of(source), Received()
    await source.receive(request)
    source.relay.cut_after = source.relay.passed - len("--\r\n")

    with pytest.raises(PeerMisbehaved, match="boundary"):
        await source.receive(request, into=got)

    assert len(got.images) == SLICES - 1


async def test_an_answer_with_a_length_that_is_cut_is_no_whole_one(source: Source) -> None:
    """Orthanc sends a single instance with its length."""
    [image, *_] = asked(await source.study()).instances
    request = ImageRequest(community=COUNTRY_A, instances=(image,))
    source.relay.cut_after = SIDE * SIDE

    with pytest.raises(PeerMisbehaved, match="too early"):
        await source.receive(request)

    assert source.relay.has_length
