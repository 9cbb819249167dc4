"""What a peer answers wrongly is told apart, named, and never taken for an answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from gateway.config import LimitSection, PeerSection
from gateway.domain import (
    DeliveryWish,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    NotNow,
    Oid,
    PeerMisbehaved,
    Refusal,
    Transaction,
    Uid,
    read_content,
)
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport import soap_documents
from gateway.transport.app import Listener, new_application, serving
from gateway.transport.bodies import OutgoingBody
from gateway.transport.compose import client_of, keeper_of, session_of, tls_server
from gateway.transport.soap_client import SoapClient
from gateway.wire.multipart import closing, part_head
from gateway.wire.soap import xca_images, xca_query, xca_retrieve
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.envelope import (
    Fault,
    FaultCode,
    simple_content_type,
    write_envelope,
    write_fault,
)
from gateway.wire.soap.mtom import attachment_headers, mtom_content_type, root_headers
from gateway.wire.soap.refusals import ErrorStyle
from tests.builders import COUNTRY_A, COUNTRY_B, make_context, make_entry, make_query
from tests.gateways import real_clockwork, settings_for, write_trust

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
RETRIEVED = "urn:ihe:iti:2007:CrossGatewayRetrieveResponse"
DELIVERED = "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSetResponse"
FOUND = "urn:ihe:iti:2007:CrossGatewayQueryResponse"
BOUNDARY, ROOT = "cut-here", "root@peer"
PDF = b"%PDF-1.7 " + b"x" * 2000


@asynccontextmanager
async def peer_that(
    answer: Answer, domain: TrustDomain, folder: Path, limits: LimitSection | None = None
) -> AsyncIterator[SoapClient]:
    """A client of a gateway that answers as told."""
    certs = write_trust(domain, folder / "certs")
    app = new_application(new_id=lambda: str(uuid4()), max_body_bytes=10**6)
    app.router.add_post("/x", answer)
    tls = tls_server(settings_for(COUNTRY_A, "XA", certs, folder / "a").tls)
    async with serving(Listener(name="peer", app=app, host="127.0.0.1", port=0, tls=tls)) as ports:
        peer = PeerSection(
            name="Country A", community=COUNTRY_A, url=f"https://localhost:{ports['peer']}/x"
        )
        settings = settings_for(COUNTRY_B, "XB", certs, folder / "b", peers=(peer,), limits=limits)
        clockwork = real_clockwork()
        book = PeerBook.of_sections(settings.peers, "ihe")
        async with session_of(settings) as session:
            yield client_of(
                book.peers[0], settings, session, keeper_of(settings, clockwork), clockwork
            )


def _bytes(body: bytes, content_type: str, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, status=status, headers={"Content-Type": content_type})

    return answer


def _retrieved(cid: str) -> bytes:
    body = xca_retrieve.encode_response(
        [RetrievedPart(ref=make_entry().ref, mime_type="application/pdf", cid=cid)],
        responder=COUNTRY_A,
        style=ErrorStyle.IHE,
    )
    return write_envelope(body, action=RETRIEVED)


def _multipart(root: bytes, *parts: tuple[str, bytes], end: bool = True) -> bytes:
    pieces = [part_head(BOUNDARY, root_headers(ROOT), first=True), root]
    for cid, data in parts:
        pieces += [part_head(BOUNDARY, attachment_headers(cid, "application/pdf")), data]
    return b"".join(pieces) + (closing(BOUNDARY) if end else b"")


def _mtom(root_id: str = ROOT, action: str = RETRIEVED) -> str:
    return mtom_content_type(boundary=BOUNDARY, root_id=root_id, action=action)


async def _retrieve(client: SoapClient) -> bytes:
    outcome = await client.retrieve_documents((make_entry().ref,), make_context())
    assert outcome.issues == ()
    return await read_content(outcome.items[0].content, 10_000)


async def test_a_document_arrives_whole(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """The measure the cases below depart from."""
    answer = _bytes(_multipart(_retrieved("a@x"), ("a@x", PDF)), _mtom())
    async with peer_that(answer, trust_domain, tmp_path) as client:
        assert await _retrieve(client) == PDF


async def test_a_root_that_comes_last_is_found_by_start(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Attachments before it wait."""
    root = _retrieved("a@x")
    body = (
        part_head(BOUNDARY, attachment_headers("a@x", "application/pdf"), first=True)
        + PDF
        + part_head(BOUNDARY, root_headers(ROOT))
        + root
        + closing(BOUNDARY)
    )
    async with peer_that(_bytes(body, _mtom()), trust_domain, tmp_path) as client:
        assert await _retrieve(client) == PDF


async def test_a_start_that_names_no_part_is_refused(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Guessing the root would let an attachment pose as the message."""
    answer = _bytes(_multipart(_retrieved("a@x"), ("a@x", PDF)), _mtom("nobody@x"))
    async with peer_that(answer, trust_domain, tmp_path) as client:
        with pytest.raises(PeerMisbehaved, match="nobody@x"):
            await _retrieve(client)


async def test_a_document_whose_part_is_missing_is_an_issue(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The other documents of the answer are not lost with it."""
    answer = _bytes(_multipart(_retrieved("a@x"), ("b@x", PDF)), _mtom())
    async with peer_that(answer, trust_domain, tmp_path) as client:
        outcome = await client.retrieve_documents((make_entry().ref,), make_context())
        assert outcome.items == ()
        assert [issue.refusal for issue in outcome.issues] == [Refusal.PEER_MISBEHAVED]
        assert outcome.issues[0].subject == str(make_entry().ref.document)


async def test_a_body_cut_by_the_network_is_an_error(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The peer went away in the middle of a part."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        body = _multipart(_retrieved("a@x"), ("a@x", PDF))
        response = web.StreamResponse(headers={"Content-Type": _mtom()})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[:-1500])
        assert request.transport is not None
        request.transport.close()
        return response

    async with peer_that(answer, trust_domain, tmp_path) as client:
        with pytest.raises(PeerMisbehaved, match="too early"):
            await _retrieve(client)


async def test_a_peer_that_falls_silent_is_given_up(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """After the silence the settings allow, not before."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.Event().wait()
        raise AssertionError

    limits = LimitSection(silence_seconds=0.05)
    async with peer_that(answer, trust_domain, tmp_path, limits) as client:
        with pytest.raises(NotNow) as caught:
            await client.find_documents(make_query(), make_context())
        assert caught.value.refusal is Refusal.PEER_TIMEOUT


async def test_a_peer_that_is_not_there_is_unreachable(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A refused connection is worth trying again."""

    async def answer(request: web.Request) -> web.StreamResponse:
        raise AssertionError(request)

    async with peer_that(answer, trust_domain, tmp_path) as client:
        client._url = "https://localhost:1/x"
        with pytest.raises(NotNow) as caught:
            await client.find_documents(make_query(), make_context())
        assert caught.value.refusal is Refusal.PEER_UNREACHABLE


@pytest.mark.parametrize(
    ("body", "content_type", "status", "kind"),
    [
        (b"<html>down</html>", "text/html", 503, NotNow),
        (b"<html>hello</html>", "text/html", 200, PeerMisbehaved),
        (b"not xml", "application/soap+xml", 200, PeerMisbehaved),
        (b"", "application/soap+xml", 200, PeerMisbehaved),
        (b"--x\r\n", "multipart/related", 200, PeerMisbehaved),
        (write_envelope(b"<x/>", action=FOUND), "application/soap+xml", 200, PeerMisbehaved),
        (write_envelope(b"<x/>", action="urn:other"), "application/soap+xml", 200, PeerMisbehaved),
        (
            write_envelope(b"<x/>", action=FOUND, relates_to="urn:uuid:another"),
            "application/soap+xml",
            200,
            PeerMisbehaved,
        ),
    ],
)
async def test_an_answer_that_is_none_is_the_peers_fault(
    body: bytes,
    content_type: str,
    status: int,
    kind: type[ExchangeError],
    trust_domain: TrustDomain,
    tmp_path: Path,
) -> None:
    """Out of service is one thing, nonsense another."""
    async with peer_that(_bytes(body, content_type, status), trust_domain, tmp_path) as client:
        with pytest.raises(kind):
            await client.find_documents(make_query(), make_context())


async def test_a_fault_of_any_status_is_read_as_a_refusal(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """With the peer's own code and reason."""
    fault = write_fault(
        Fault(code=FaultCode.SENDER, reason="who are you", subcode="wsse:FailedCheck")
    )
    async with peer_that(
        _bytes(fault, "application/soap+xml", 200), trust_domain, tmp_path
    ) as client:
        with pytest.raises(ExchangeError, match="who are you") as caught:
            await client.find_documents(make_query(), make_context())
        assert caught.value.refusal is Refusal.SIGNATURE_INVALID
        assert caught.value.code == "wsse:FailedCheck"


async def test_an_answer_larger_than_we_take_is_refused(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Root parts and documents have limits of their own."""
    many = xca_query.encode_response(
        _entries(200), return_type=make_query().return_type, responder=COUNTRY_A,
        style=ErrorStyle.IHE,
    )  # fmt: skip
    limits = LimitSection(answer_bytes=10_000, document_bytes=1_000)
    answer = _bytes(write_envelope(many, action=FOUND), simple_content_type(FOUND))
    async with peer_that(answer, trust_domain, tmp_path, limits) as client:
        with pytest.raises(PeerMisbehaved, match="10000"):
            await client.find_documents(make_query(), make_context())
    answer = _bytes(_multipart(_retrieved("a@x"), ("a@x", PDF)), _mtom())
    async with peer_that(answer, trust_domain, tmp_path / "2", limits) as client:
        with pytest.raises(PeerMisbehaved, match="larger"):
            await _retrieve(client)


async def test_attachments_nobody_names_take_no_room(
    trust_domain: TrustDomain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named ones count together: many that fit can be more than all the room there is."""
    monkeypatch.setattr(soap_documents, "MAX_SPOOLED_BYTES", 3000)
    answer = _bytes(_multipart(_retrieved("a@x"), ("b@x", PDF), ("a@x", PDF)), _mtom())
    async with peer_that(answer, trust_domain, tmp_path) as client:
        assert await _retrieve(client) == PDF
    answer = _bytes(_multipart(_retrieved("a@x"), ("a@x", PDF * 2)), _mtom())
    async with peer_that(answer, trust_domain, tmp_path / "2") as client:
        with pytest.raises(PeerMisbehaved, match="in one answer"):
            await _retrieve(client)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_compressed_answer_is_unpacked_within_the_limits(
    encoding: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A bomb is cut off at the limit of what it unpacks to."""

    def packed(body: bytes) -> Answer:
        async def answer(request: web.Request) -> web.Response:
            await request.read()
            data = gzip.compress(body) if encoding == "gzip" else body
            headers = {"Content-Type": _mtom(), "Content-Encoding": encoding}
            return web.Response(body=data, headers=headers)

        return answer

    whole = packed(_multipart(_retrieved("a@x"), ("a@x", PDF)))
    async with peer_that(whole, trust_domain, tmp_path) as client:
        assert await _retrieve(client) == PDF
    limits = LimitSection(answer_bytes=10_000)
    bomb = packed(_multipart(b" " * 10**6))
    async with peer_that(bomb, trust_domain, tmp_path / "2", limits) as client:
        with pytest.raises(PeerMisbehaved, match="10000"):
            await _retrieve(client)


def _entries(count: int) -> object:
    from gateway.domain import Outcome

    return Outcome((make_entry(),) * count)


# --- images ---------------------------------------------------------------------------------------


def _request(count: int) -> ImageRequest:
    return ImageRequest(
        community=COUNTRY_A,
        instances=tuple(
            (
                InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid(f"1.2.3.{n}")),
                Oid("2.999.1.3"),
            )
            for n in range(1, count + 1)
        ),
    )


def _delivered(*uids: str, cid: str = "{}@x") -> bytes:
    from gateway.domain import DocumentId, DocumentRef

    body = xca_images.encode_response(
        [
            RetrievedPart(
                ref=DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId(uid)),
                mime_type="application/dicom",
                cid=cid.format(uid),
            )
            for uid in uids
        ],
        responder=COUNTRY_A,
        style=ErrorStyle.IHE,
        transaction=Transaction.IMAGES,
    )
    return write_envelope(body, action=DELIVERED)


async def _deliver(client: SoapClient, count: int) -> tuple[dict[str, int], tuple[object, ...]]:
    got: dict[str, int] = {}
    async with await client.retrieve_images(
        _request(count), DeliveryWish(), make_context()
    ) as delivery:
        async for chunk in delivery.chunks():
            got[chunk.instance] = got.get(chunk.instance, 0) + len(chunk.data)
        return got, delivery.issues


async def test_an_instance_neither_sent_nor_refused_is_told_of(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Silence is not success."""
    body = _multipart(_delivered("1.2.3.1"), ("1.2.3.1@x", b"D" * 100))
    async with peer_that(_bytes(body, _mtom(action=DELIVERED)), trust_domain, tmp_path) as client:
        got, issues = await _deliver(client, 2)
        assert got == {"1.2.3.1": 100}
        assert [getattr(issue, "subject", "") for issue in issues] == ["1.2.3.2"]


@pytest.mark.parametrize("uids", [("1.2.3.1", "1.2.3.1"), ("9.9",)])
async def test_instances_sent_twice_or_unasked_make_an_answer_unusable(
    uids: tuple[str, ...], trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Nobody knows which of two is the one."""
    body = _multipart(_delivered(*uids), *((f"{uid}@x", b"D") for uid in uids))
    async with peer_that(_bytes(body, _mtom(action=DELIVERED)), trust_domain, tmp_path) as client:
        with pytest.raises(PeerMisbehaved):
            await _deliver(client, 1)


async def test_an_instance_announced_and_not_sent_is_an_error(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """What came whole before it has been handed on."""
    body = _multipart(_delivered("1.2.3.1", "1.2.3.2"), ("1.2.3.1@x", b"D" * 9))
    async with peer_that(_bytes(body, _mtom(action=DELIVERED)), trust_domain, tmp_path) as client:
        with pytest.raises(PeerMisbehaved, match=r"1\.2\.3\.2"):
            await _deliver(client, 2)


async def test_an_image_without_its_closing_boundary_is_not_taken_for_whole(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A server that ends early and says nothing (seen in the field) must not pass."""
    body = _multipart(_delivered("1.2.3.1"), ("1.2.3.1@x", b"D" * 9), end=False)
    async with peer_that(_bytes(body, _mtom(action=DELIVERED)), trust_domain, tmp_path) as client:
        with pytest.raises(PeerMisbehaved, match="closing boundary"):
            await _deliver(client, 1)


async def test_an_unsent_request_body_is_never_mtom_without_a_root(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """What we send is what the standard says: MTOM for retrieves, with one root part."""
    seen: list[tuple[str, bytes]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers["Content-Type"], await request.read()))
        return web.Response(status=500)

    async with peer_that(answer, trust_domain, tmp_path) as client:
        with pytest.raises(ExchangeError):
            await _retrieve(client)
        with pytest.raises(ExchangeError):
            await client.find_documents(make_query(), make_context())
    assert seen[0][0].startswith("multipart/related")
    assert OutgoingBody(b"", boundary="b", root_id="r").alone().count(b"--b") == 2
    assert seen[1][0].startswith("application/soap+xml")
