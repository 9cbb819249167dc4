"""Images over DICOMweb from a peer that answers as told: where it is asked, what comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.domain import (
    Begun,
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    Issue,
    ListedSeries,
    NotAllowed,
    NotNow,
    Oid,
    PeerMisbehaved,
    Refusal,
    Uid,
)
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.pki import TrustDomain
from gateway.transport.compose import Clockwork
from gateway.transport.dicomweb_client import DicomwebClient
from gateway.wire.dicom.web import ImageScope, write_path
from tests.builders import COUNTRY_A, make_context
from tests.dicom_files import file_of
from tests.told_peers import Told, told_peer

STUDY, SERIES, PLACE = Uid("2.999.1"), Uid("2.999.1.1"), Oid("2.999.20")
TYPE = 'multipart/related; type="application/dicom"; boundary=b'
WISH = DeliveryWish(syntaxes=STORED_SYNTAXES)


def ref(number: int, series: Uid = SERIES) -> InstanceRef:
    """An instance by its number."""
    return InstanceRef(study=STUDY, series=series, instance=Uid(f"{series}.{number}"))


def request_for(*numbers: int, listed: int = 0, url: str = "", **changes: Any) -> ImageRequest:
    """A request for instances of one series, of which so many are listed."""
    request = ImageRequest(
        community=COUNTRY_A,
        instances=tuple((ref(number), PLACE) for number in numbers),
        series={SERIES: ListedSeries(listed or len(numbers), url)},
    )
    return replace(request, **changes)


Reply = tuple[int, Mapping[str, str], bytes]


def parts(*of: InstanceRef, status: int = 200, located: bool = True, end: bool = True) -> Reply:
    """An answer with these instances."""
    body = b""
    for each in of:
        place = f"Content-Location: https://other.example{write_path(ImageScope.of(each))}\r\n"
        head = f"--b\r\nContent-Type: application/dicom\r\n{place if located else ''}\r\n"
        body += head.encode() + file_of(each) + b"\r\n"
    return status, {"Content-Type": TYPE}, body + (b"--b--\r\n" if end else b"")


@dataclass
class Received:
    """What came of a request."""

    images: dict[str, bytes] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()

    @property
    def missing(self) -> dict[str, Refusal]:
        """Why instances did not come."""
        errors = (issue for issue in self.issues if issue.severity.value == "error")
        return {issue.subject: issue.refusal for issue in errors}


@dataclass(frozen=True)
class Asking:
    """A client of a told peer."""

    told: Told
    client: DicomwebClient
    queries: list[dict[str, str]] = field(default_factory=list)

    async def receive(self, request: ImageRequest, wish: DeliveryWish = WISH) -> Received:
        """Take everything in."""
        got = Received()
        delivery = await self.client.retrieve_images(request, wish, make_context())
        async with delivery:
            async for chunk in delivery.chunks():
                got.images[chunk.instance] = got.images.get(chunk.instance, b"") + chunk.data
                if chunk.last:
                    delivery.hashed(chunk.instance, "ab" * 32)
            got.issues = delivery.issues
        return got


Ask = Callable[..., AbstractAsyncContextManager[Asking]]
ONE_BY_ONE = [f"/rs{write_path(ImageScope.of(ref(number)))}" for number in range(9)]
WHOLE = f"/rs{write_path(ImageScope(study=STUDY, series=SERIES))}"


@pytest.fixture
def asking(trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork) -> Ask:
    """A client of a peer that answers as told, path by path."""

    @asynccontextmanager
    async def make(replies: dict[str, Reply], **settings: Any) -> AsyncIterator[Asking]:
        queries: list[dict[str, str]] = []

        async def answer(request: web.Request) -> web.Response:
            queries.append(dict(request.query))
            status, headers, body = replies.get(request.path, (404, {}, b"not here"))
            return web.Response(status=status, headers=headers, body=body)

        options = {"images_by": "wado-rs"} | settings
        async with told_peer(answer, trust_domain, tmp_path, clockwork, **options) as told:
            yield Asking(told, DicomwebClient(told.calls), queries)

    return make


async def test_a_whole_series_comes_by_one_request(asking: Ask) -> None:
    """Each instance under the name its part has, or else its file."""
    wanted = request_for(*range(6))
    for located in (True, False):
        reply = parts(*(ref(n) for n in (3, 0, 1, 2, 5, 4)), located=located)
        async with asking({WHOLE: reply}) as a:
            got = await a.receive(wanted)

        assert a.told.paths == [WHOLE]
        assert got.images == {ref(n).instance: file_of(ref(n)) for n in range(6)}
        assert got.issues == ()
        [(_, headers, _)] = a.told.peer.asked
        assert headers["Accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'


async def test_key_images_come_first_and_once(asking: Ask) -> None:
    """The series that follows brings them again, and that is let go."""
    key = ref(5)
    wanted = request_for(5, *range(5), key_images=frozenset({key.instance}))
    replies = {ONE_BY_ONE[5]: parts(key), WHOLE: parts(*(ref(n) for n in range(6)))}
    async with asking(replies) as a:
        got = await a.receive(wanted)

    assert a.told.paths == [ONE_BY_ONE[5], WHOLE]
    assert list(got.images) == [ref(n).instance for n in (5, 0, 1, 2, 3, 4)]
    assert got.images[key.instance] == file_of(key)
    assert got.issues == ()


async def test_a_study_that_grew_or_shrank_is_said_to_have(asking: Ask) -> None:
    """What the manifest does not list is not kept; what does not come is missing."""
    async with asking({WHOLE: parts(*(ref(n) for n in range(7)))}) as a:
        grown = await a.receive(request_for(*range(5)))
    async with asking({WHOLE: parts(*(ref(n) for n in range(4)), status=206)}) as a:
        shrunk = await a.receive(request_for(*range(5)))

    assert len(grown.images) == 5
    [said] = grown.issues
    assert "7 instances came, the manifest lists 5" in said.text
    assert shrunk.missing == {ref(4).instance: Refusal.UNKNOWN_INSTANCE}


async def test_one_that_cannot_be_had_is_missing_and_the_others_come(asking: Ask) -> None:
    """With the peer's own reason; a single one that cannot is refused."""
    gone = (410, {}, b"rejected for patient safety")
    replies = {ONE_BY_ONE[0]: parts(ref(0)), ONE_BY_ONE[1]: gone}
    async with asking(replies) as a:
        got = await a.receive(request_for(0, 1, listed=500))
        with pytest.raises(ExchangeError) as caught:
            await a.receive(request_for(1))

    assert list(got.images) == [ref(0).instance]
    assert list(got.missing) == [ref(1).instance]
    assert "rejected for patient safety" in got.issues[0].text
    assert caught.value.code == "410"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, NotAllowed), (403, NotAllowed), (503, NotNow), (500, ExchangeError)]
)
async def test_a_refusal_of_the_caller_ends_everything(
    asking: Ask, status: int, kind: type[ExchangeError]
) -> None:
    """To ask for the next would be refused as well."""
    async with asking({ONE_BY_ONE[0]: parts(ref(0)), ONE_BY_ONE[1]: (status, {}, b"no")}) as a:
        with pytest.raises(kind) as caught:
            await a.receive(request_for(1, 0, listed=500))

    assert caught.value.code == str(status)


async def test_an_answer_cut_short_is_no_whole_one(asking: Ask) -> None:
    """What came before is whole, and the transcript names the reason."""
    async with asking({WHOLE: parts(*(ref(n) for n in range(4)), end=False)}) as a:
        with pytest.raises(PeerMisbehaved, match="closing boundary"):
            await a.receive(request_for(*range(5)))
        [kept] = a.told.keeper.tap.summaries()

    assert kept["refusal"] == "peer-misbehaved"


async def test_an_answer_shorter_than_its_length_is_a_refusal_too(
    trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork
) -> None:
    """The connection ends within a body whose length was said; what the network raises stays in."""
    _, _, body = parts(*(ref(n) for n in range(5)))
    got: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": TYPE})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[:-200])
        response.force_close()
        if request.transport is not None:
            request.transport.close()
        return response

    async with told_peer(answer, trust_domain, tmp_path, clockwork, images_by="wado-rs") as told:
        client = DicomwebClient(told.calls)
        async with await client.retrieve_images(
            request_for(*range(5)), WISH, make_context()
        ) as delivery:
            with pytest.raises(PeerMisbehaved, match="too early"):
                async for chunk in delivery.chunks():
                    got += [chunk.instance] * chunk.last
        [kept] = told.keeper.tap.summaries()

    assert len(got) < 5
    assert kept["refusal"] == "peer-misbehaved"


async def test_a_single_part_is_taken(asking: Ask) -> None:
    """Some servers send one instance as it is; that it is no multipart is said."""
    single = (200, {"Content-Type": "application/dicom"}, file_of(ref(0)))
    async with asking({ONE_BY_ONE[0]: single}) as a:
        got = await a.receive(request_for(0))

    assert got.images == {ref(0).instance: file_of(ref(0))}
    [said] = got.issues
    assert "single part" in said.text


async def test_what_had_come_whole_is_not_fetched_again(asking: Ask) -> None:
    """Where only its end was lost there is not a byte behind it (416); of a file of another size
    there is, and the whole is asked for."""
    size = len(file_of(ref(1)))
    wanted = request_for(1, begun={ref(1).instance: Begun(size, '"t"')})
    for told, requests in ((size, 1), (size + 9, 2)):
        beyond = (416, {"Content-Range": f"bytes */{told}"}, b"{}")
        async with asking({ONE_BY_ONE[1]: beyond}) as a:
            if told == size:
                got = await a.receive(wanted)
                assert got.images == {ref(1).instance: b""}
                assert got.issues == ()
            else:
                with pytest.raises(ExchangeError):
                    await a.receive(wanted)
        assert len(a.told.paths) == requests
        [(_, headers, _), *_] = a.told.peer.asked
        assert headers["Range"] == f"bytes={size}-"
        assert headers["Accept-Encoding"] == "identity"


async def test_what_is_no_dicom_is_not_taken(asking: Ask) -> None:
    """A page of HTML with status 200."""
    async with asking({ONE_BY_ONE[0]: (200, {"Content-Type": "text/html"}, b"<p>hello")}) as a:
        with pytest.raises(PeerMisbehaved, match="multipart/related"):
            await a.receive(request_for(0))


async def test_only_allowed_hosts_are_called(asking: Ask) -> None:
    """Where the manifest says, if the peer's settings allow it; else where the settings say."""
    path = write_path(ImageScope.of(ref(0)))
    replies = {f"{base}{path}": parts(ref(0)) for base in ("/rs", "/other", "/looked-up")}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("BASE/other/", {"image_hosts": ("BASE",)}, "/other"),
        ("BASE/other", {}, "/rs"),
        ("https://evil.example/rs", {"image_hosts": ("BASE",)}, "/rs"),
        ("", {"image_locations": {str(PLACE): "BASE/looked-up"}}, "/looked-up"),
        ("BASE/other", {"image_locations": {str(PLACE): "BASE/looked-up"}}, "/looked-up"),
    ]
    for url, settings, base in cases:
        async with asking(replies, **settings) as a:
            got = await a.receive(request_for(0, url=url.replace("BASE", a.told.base)))

        assert a.told.paths == [f"{base}{path}"], url
        assert list(got.images) == [ref(0).instance]


async def test_across_communities_the_gateway_is_told_where(asking: Ask) -> None:
    """Community, location, and the URL of the manifest, which the gateway judges."""
    prefix = f"/rs/homeCommunityId/{COUNTRY_A}/RetrieveLocationUID/{PLACE}"
    path = prefix + write_path(ImageScope.of(ref(0))).replace("/studies/", "/study/")
    async with asking({path: parts(ref(0))}, images_by="xc-wado") as a:
        got = await a.receive(request_for(0, url="https://images.example/rs"))

    assert a.told.paths == [path]
    assert a.queries == [{"retrieveurl": "images.example/rs/"}]
    assert list(got.images) == [ref(0).instance]


@pytest.mark.parametrize(
    ("url", "location", "sent"),
    [
        ("https://a.example/rs/homeCommunityId/{home}/RetrieveLocationUID/2.999.7", "2.999.7", {}),
        (
            "https://a.example/rs/homecommunityid/{home}/retrievelocationuid/2.999.7/study/1.2"
            "?retrieveurl=pacs.example%2Frs%2F",
            "2.999.7",
            {"retrieveurl": "pacs.example/rs/"},
        ),
        (
            "https://c.example/homeCommunityId/2.999.66/RetrieveLocationUID/2.999.7",
            PLACE,
            {"retrieveurl": ("c.example/homeCommunityId/2.999.66/RetrieveLocationUID/2.999.7/")},
        ),
    ],
)
async def test_an_address_across_communities_is_rewritten_once(
    asking: Ask, url: str, location: str, sent: dict[str, str]
) -> None:
    """Its own community's is taken apart, not wrapped again; another's is for the gateway."""
    prefix = f"/rs/homeCommunityId/{COUNTRY_A}/RetrieveLocationUID/{location}"
    path = prefix + write_path(ImageScope.of(ref(0))).replace("/studies/", "/study/")
    async with asking({path: parts(ref(0))}, images_by="xc-wado") as a:
        got = await a.receive(request_for(0, url=url.format(home=COUNTRY_A)))

    assert a.told.paths == [path]
    assert a.queries == [sent]
    assert list(got.images) == [ref(0).instance]


async def test_only_wished_syntaxes_are_asked_for(asking: Ask) -> None:
    """None but those, best first."""
    async with asking({ONE_BY_ONE[0]: parts(ref(0))}) as a:
        await a.receive(request_for(0), DeliveryWish())
        [(_, headers, _)] = a.told.peer.asked

    assert headers["Accept"].endswith("transfer-syntax=1.2.840.10008.1.2.1")


async def test_every_request_is_kept_with_what_came(asking: Ask) -> None:
    """One transcript each; an answer in part says so."""
    replies = {ONE_BY_ONE[0]: parts(ref(0)), ONE_BY_ONE[1]: parts(ref(1))}
    async with asking(replies) as a:
        await a.receive(request_for(0, 1, listed=500))
        transcripts = a.told.keeper.tap.summaries()

    assert [each["transaction"] for each in transcripts] == ["RAD-107", "RAD-107"]
    assert {each["outcome"] for each in transcripts} == {"success"}
