"""Instances over DICOMweb: which, in which form, to whom; over mutual TLS."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.domain import (
    AnnouncedInstance,
    InstanceRef,
    Issue,
    NotNow,
    Outcome,
    Refusal,
)
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A, make_manifest
from tests.conftest import Seeded
from tests.dicomweb_requests import fetch
from tests.exchanges import ScriptedDelivery, ScriptedExchange
from tests.fhir_requests import bearer
from tests.gateways import pair_of
from tests.requests import audited, kept
from tests.served import OIDS, Served, serving_patient

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"
PARTS = 'multipart/related; type="application/dicom"'
MANIFEST = make_manifest()
FIRST = MANIFEST.instances()[0]
IMAGE = "/studies/{study}/series/{series}/instances/{instance}"
ONE = f"/studies/{FIRST.study}/series/{FIRST.series}/instances/{FIRST.instance}"
FILE = bytes(128) + b"DICM" + b"pixels" * 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """A patient with JPEG 2000 images."""
    folder = tmp_path_factory.mktemp("served")
    async with serving_patient("cyrillic", seeded, trust_domain, folder) as served:
        yield served


async def test_a_study_comes_as_stored_or_plain(served: Served) -> None:
    """Read by others: the parts, and in each the instance its address says."""
    study = served.studies[0]
    path = f"/studies/{study.study}"

    stored = await served.fetch(path, Accept=f"{PARTS}; transfer-syntax=*")
    plain = await served.fetch(path)

    listed = [str(ref.instance) for ref in study.instances()]
    for got in (stored, plain):
        assert got.status == 200
        assert [image.SOPInstanceUID for image in got.images] == listed
        for part, uid in zip(got.parts, listed, strict=True):
            assert part.headers[b"Content-Location"].decode().endswith(f"/instances/{uid}")
    assert J2K in {str(image.file_meta.TransferSyntaxUID) for image in stored.images}
    assert {str(image.file_meta.TransferSyntaxUID) for image in plain.images} == {PLAIN}
    with_pixels = zip(stored.images, plain.images, strict=True)
    for one, other in with_pixels:
        if "PixelData" in one:
            assert (one.pixel_array == other.pixel_array).all()


async def test_series_and_instances_come_alone(served: Served) -> None:
    """As parts, or one instance as the body itself, which then has a tag."""
    study = served.studies[0]
    series = study.series[0]
    path = f"/studies/{study.study}/series/{series.uid}"
    one = f"{path}/instances/{series.instances[0].uid}"

    of_series = await served.fetch(path + "/", Accept=f"{PARTS}; transfer-syntax=*")
    alone = await served.fetch(one, Accept="application/dicom; transfer-syntax=*")
    again = await served.fetch(
        one,
        Accept="application/dicom; transfer-syntax=*",
        If_None_Match=alone.headers["ETag"],
    )

    assert len(of_series.parts) == len(series.instances)
    assert alone.headers["Content-Type"].startswith("application/dicom; transfer-syntax=")
    assert alone.images[0].SOPInstanceUID == series.instances[0].uid
    assert alone.body == of_series.parts[0].content
    assert (again.status, again.body) == (304, b"")


async def test_one_instance_can_be_had_in_part(served: Served) -> None:
    """To go on where a transfer broke off; a part of nothing is refused."""
    study = served.studies[0]
    series = study.series[0]
    path = f"/studies/{study.study}/series/{series.uid}/instances/{series.instances[0].uid}"
    accept = "application/dicom; transfer-syntax=*"

    whole = await served.fetch(path, Accept=accept)
    part = await served.fetch(
        path, Accept=accept, Range="bytes=100-", If_Range=whole.headers["ETag"]
    )
    beyond = await served.fetch(path, Accept=accept, Range="bytes=99999999-")

    assert (part.status, part.body) == (206, whole.body[100:])
    size = len(whole.body)
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")


async def test_head_tells_and_sends_nothing(served: Served) -> None:
    """Type and length are those of the answer."""
    path = f"/studies/{served.studies[0].study}"
    accept = f"{PARTS}; transfer-syntax=*"

    told = await fetch(served.pair, path, method="HEAD", token=served.token(), Accept=accept)
    got = await served.fetch(path, Accept=accept)

    assert (told.status, told.body) == (200, b"")
    assert told.headers["Content-Length"] == str(len(got.body))


async def test_who_takes_gzip_gets_small_headers(served: Served) -> None:
    """The same parts, in fewer bytes; one alone goes as it is, so that a part of it can be had."""
    study = served.studies[0]
    path, accept = f"/studies/{study.study}", f"{PARTS}; transfer-syntax={PLAIN}"
    as_stored = f"{PARTS}; transfer-syntax=*"

    plain = await served.fetch(path, Accept=accept)
    packed = await served.fetch(path, Accept=accept, Accept_Encoding="gzip, deflate")
    one = f"{path}/series/{study.series[0].uid}/instances/{study.series[0].instances[0].uid}"
    alone = await served.fetch(one, Accept="application/dicom", Accept_Encoding="gzip")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.body) < len(plain.body)
    unpacked = replace(packed, body=gzip.decompress(packed.body))
    assert [part.content for part in unpacked.parts] == [part.content for part in plain.parts]
    assert "Content-Encoding" not in alone.headers
    assert "Content-Encoding" not in plain.headers
    stored = await served.fetch(path, Accept=as_stored, Accept_Encoding="gzip")
    assert "Content-Encoding" not in stored.headers


@pytest.mark.parametrize("word", ["study", "studies"])
async def test_an_address_across_communities_is_answered(served: Served, word: str) -> None:
    """Both spellings, with and without urn:oid:."""
    study = served.studies[0].study
    place = f"RetrieveLocationUID/{OIDS.imaging_source}/{word}/{study}"

    bare = await served.fetch(f"/homeCommunityId/{COUNTRY_A}/{place}")
    urn = await served.fetch(f"/homeCommunityId/urn:oid:{COUNTRY_A}/{place}")
    foreign = await served.fetch(f"/homeCommunityId/2.999.404/{place}")
    elsewhere = await served.fetch(
        f"/homeCommunityId/{COUNTRY_A}/RetrieveLocationUID/2.999.404/{word}/{study}"
    )

    assert (bare.status, urn.status) == (200, 200)
    assert len(bare.parts) == served.studies[0].instance_count
    assert (foreign.status, elsewhere.status) == (404, 404)
    assert "2.999.404" in json.loads(foreign.body)["text"]


async def test_the_sibling_of_the_fhir_base_answers_the_same(served: Served) -> None:
    """Live peers replace /fhir/ by /dicom/."""
    path = f"/studies/{served.studies[0].study}"

    got = await fetch(served.pair, path, base="/dicom", token=served.token())

    assert got.status == 200
    assert got.parts[0].headers[b"Content-Location"].decode().partition("/dicom/")[1]


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/studies/1.2.3.404", "", 404),
        ("/studies/{study}/series/1.2.404", "", 404),
        ("/studies/{study}/series/{series}/instances/1.2.404", "", 404),
        ("/studies/{study}/series/1.2.404/instances/{instance}", "", 404),
        ("/studies/1.2.x", "", 400),
        (IMAGE + "/frames/0", "", 400),
        ("/studies/{study}/nothing", "", 400),
        ("/", "", 400),
        ("/studies/{study}", "text/html", 406),
        ("/studies/{study}", "application/dicom", 406),
        (IMAGE, f"{PARTS}; transfer-syntax=1.2.840.10008.1.2.4.94", 406),
        ("/studies/{study}", "a/b; q=7", 400),
        ("/studies/{study}?accept=text%2Fhtml", PARTS, 406),
        ("/studies/{study}/series/../x", "", 400),
        (f"/studies?x={'y' * 70_000}", "", 414),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    served: Served, path: str, accept: str, status: int
) -> None:
    """With the status of the standard, and words."""
    study = served.studies[0]
    named = path.format(
        study=study.study, series=study.series[0].uid, instance=study.series[0].instances[0].uid
    )

    got = await served.fetch(named, Accept=accept or "*/*")

    assert got.status == status, got.body
    said = json.loads(got.body)
    assert said["status"] == status
    assert said["text"]


async def test_a_study_of_another_patient_is_not_handed_over(
    served: Served, seeded: Seeded
) -> None:
    """Whose it is is asked of the store; the token is about somebody else."""
    got = await served.fetch(f"/studies/{served.studies[0].study}", patient=seeded.patient("main"))

    assert got.status == 403


async def test_who_shows_no_token_gets_nothing(served: Served) -> None:
    """Nor with one for another transaction; both are audited."""
    path = f"/studies/{served.studies[0].study}"
    before = len(audited(served.pair))

    none = await fetch(served.pair, path, token="")
    narrow = await fetch(
        served.pair, path, token=bearer(served.pair, served.context(), scope="ITI-67")
    )
    smart = await fetch(
        served.pair,
        path,
        token=bearer(served.pair, served.context(), scope="system/ImagingStudy.read"),
    )

    assert none.status == 401
    assert none.headers["WWW-Authenticate"].startswith("Bearer")
    assert narrow.status in (401, 403)
    assert smart.status == 200
    assert len(audited(served.pair)) == before + 3


async def test_other_methods_are_not_offered(served: Served) -> None:
    """Storing is not part of the exchange."""
    got = await fetch(served.pair, "/studies", method="POST", token=served.token())

    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD")


def scripted(**changes: object) -> ScriptedExchange:
    """An Exchange with one study, of which the first instance comes."""
    announced = (
        AnnouncedInstance(ref=FIRST, repository=OIDS.imaging_source, size_bytes=len(FILE)),
    )
    delivery = ScriptedDelivery(
        announced=announced, pieces={FIRST.instance: (FILE[:300], FILE[300:])}
    )
    return ScriptedExchange(
        studies=Outcome((MANIFEST,)),
        delivery=replace(delivery, **changes),  # type: ignore[arg-type]
    )


def missing(ref: InstanceRef, refusal: Refusal = Refusal.UNSUPPORTED_SYNTAX) -> Issue:
    """Why an instance does not come."""
    return Issue(refusal=refusal, text="cannot be sent so", subject=str(ref.instance))


async def test_a_delivery_tells_its_id_and_has_its_certificate(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """In a header of the answer; the certificate is handed out as it was sealed, and recorded."""
    exchange = scripted(id="d-7")
    exchange.certificate = b"<sealed/>"
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        images = await fetch(pair, ONE)
        got = await fetch(pair, f"/studies/{FIRST.study}/fidelity-certificate?delivery=d-7")
        transcripts, events = kept(pair), audited(pair)
        bad = await fetch(pair, f"/studies/{FIRST.study}/fidelity-certificate?delivery=../d")
        none = await fetch(pair, f"/studies/{FIRST.study}/fidelity-certificate")

    assert images.headers["NCPeH-Delivery-Id"] == "d-7"
    assert (got.status, got.body) == (200, b"<sealed/>")
    assert got.headers["Content-Type"] == "application/xml"
    assert ("certify", ("d-7", FIRST.study)) in [asked[:2] for asked in exchange.asked]
    assert {one["transaction"] for one in transcripts} == {"RAD-107", "RAD-129"}
    assert len(events) == 2
    assert (bad.status, none.status) == (400, 400)


async def test_nothing_is_certified_without_a_token(served: Served) -> None:
    """The same gate as the images have."""
    path = f"/studies/{served.studies[0].study}/fidelity-certificate?delivery=d-1"

    assert (await fetch(served.pair, path, token="")).status == 401
    assert (await served.fetch(path)).status == 400  # this country has no seal


async def test_what_is_missing_makes_the_answer_partial(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """206, with what there is; 406 or 404 when there is nothing."""
    second = MANIFEST.instances()[1]
    some = scripted(issues=(missing(second),))
    nothing = scripted(announced=(), issues=(missing(FIRST),))
    async with pair_of(some, trust_domain, tmp_path / "1") as pair:
        partial = await fetch(pair, f"/studies/{FIRST.study}")
        transcript = kept(pair)[0]
    async with pair_of(nothing, trust_domain, tmp_path / "2") as pair:
        refused = await fetch(pair, ONE)

    assert partial.status == 206
    assert [part.content for part in partial.parts] == [FILE]
    assert transcript["outcome"] == "partial"
    assert (refused.status, json.loads(refused.body)["text"]) == (406, "cannot be sent so")
    assert nothing.delivery.closed  # type: ignore[union-attr]


async def test_addresses_in_answers_are_those_peers_call(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """By the settings, where they say; the Host header of a proxy or client may lack the port."""
    public = "https://images.a.example:8443"
    async with pair_of(scripted(), trust_domain, tmp_path, public_url=f"{public}/") as pair:
        got = await fetch(pair, ONE, Host="localhost")

    [part] = got.parts
    assert part.headers[b"Content-Location"].decode() == f"{public}/dicom-web{ONE}"


async def test_a_source_that_breaks_cuts_the_answer(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """So that nobody takes half a study for a whole one; the delivery is closed."""
    broken = scripted(breaks=NotNow(Refusal.BACK_END_DOWN, "the disk is gone"))
    async with pair_of(broken, trust_domain, tmp_path) as pair:
        got = await fetch(pair, ONE)
        [transcript] = kept(pair)

    assert not got.whole
    assert transcript["refusal"] == "back-end-down"
    assert broken.delivery.closed  # type: ignore[union-attr]


async def test_what_was_asked_and_sent_is_kept(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """One transcript and one audit event for a request, whatever number of instances."""
    async with pair_of(scripted(), trust_domain, tmp_path) as pair:
        await fetch(pair, ONE, X_Request_Id="mine-1")
        [transcript] = kept(pair)
        [event] = audited(pair)

    assert transcript["transaction"] == "RAD-107"
    assert transcript["message_id"] == "mine-1"
    assert "RAD-107" in event
    assert str(FIRST.study) in event
