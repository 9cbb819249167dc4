"""Every way peers pack a message, to our server and to our client.

Both encodings; the root part first or last; `start` given, missing or without its brackets; ids
percent-encoded or raw; every transfer encoding; the closing boundary there or not. The messages
are packed here byte by byte, and our own packing is taken apart by the standard library.
"""

from __future__ import annotations

import re
from base64 import b64decode, encodebytes
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from gateway.config import PeerSection
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    DeliveryWish,
    Document,
    DocumentId,
    DocumentRef,
    ExchangeError,
    InstanceRef,
    Outcome,
    Refusal,
    Uid,
    read_content,
)
from gateway.domain.documents import ReturnType
from gateway.peers import PeerBook
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, new_application, serving
from gateway.transport.compose import client_of, keeper_of, session_of, tls_server
from gateway.transport.soap_client import SoapClient
from gateway.wire.soap import xca_images, xca_query, xca_retrieve
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.envelope import simple_content_type, write_envelope
from gateway.wire.soap.refusals import ErrorStyle
from tests.builders import COUNTRY_A, COUNTRY_B, make_entry, make_query
from tests.exchanges import ScriptedDelivery, ScriptedExchange
from tests.gateways import Pair, pair_of, real_clockwork, settings_for, write_trust
from tests.interop import judges
from tests.interop.country import OIDS, request_for
from tests.interop.parts import TakenApart, take_apart
from tests.requests import FIND, IMAGES, RETRIEVE, context_for, enveloped, security_for

pytestmark = pytest.mark.interop

XOP = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:%s"/>'
PDF = b"%PDF-1.7\r\n--=_not a boundary\r\n\x00\xff=3D\r\n\r\n"
DICOM = bytes(range(256)) * 8 + b"\r\n--\r\n"
IMAGE = InstanceRef(study=Uid("2.999.5"), series=Uid("2.999.5.1"), instance=Uid("2.999.5.1.1"))
BASE64_IN_SIGNATURE = re.compile(rb"<ds:(?:X509Certificate|SignatureValue)>([^<]+)</ds:")


def _quoted_printable(data: bytes) -> bytes:
    lines = [data[at : at + 20] for at in range(0, len(data), 20)]
    return b"=\r\n".join(b"".join(b"=%02X" % byte for byte in line) for line in lines)


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "8bit": bytes,
    "binary": bytes,
    "Base64": lambda data: encodebytes(data).replace(b"\n", b"\r\n"),
    "quoted-printable": _quoted_printable,
}


@dataclass(frozen=True)
class Packing:
    """One way to pack a message."""

    root_last: bool = False
    start: str = "bracketed"
    escaped: bool = True
    coding: str = "binary"
    closed: bool = True

    def packed(self, root: bytes, parts: dict[str, bytes], action: str) -> tuple[str, bytes]:
        """The Content-Type and the body of a message with parts by their bare ids."""
        boundary, root_id = "uuid:0f3b=+cut", "root+0@peer.example"
        outer = [
            f'Multipart/Related; type="application/xop+xml"; boundary="{boundary}"',
            'start-info="application/soap+xml"',
            f'action="{action}"',
        ]
        if self.start != "missing":
            named = f"<{root_id}>" if self.start == "bracketed" else root_id
            outer.append(f'start="{named}"')
        sections = [(root_id, 'application/xop+xml; type="application/soap+xml"', root)]
        others = [(cid, "application/octet-stream", data) for cid, data in parts.items()]
        ordered = [*others, *sections] if self.root_last else [*sections, *others]
        body = b"".join(
            f"\r\n--{boundary}\r\n{self._head(cid, kind)}\r\n".encode() + CODINGS[self.coding](data)
            for cid, kind, data in ordered
        )
        return "; ".join(outer), body + (f"\r\n--{boundary}--\r\n".encode() if self.closed else b"")

    def _head(self, cid: str, kind: str) -> str:
        coding = f"content-transfer-encoding: {self.coding}\r\n" if self.coding else ""
        return f"CONTENT-ID: <{cid}>\r\nContent-Type: {kind}\r\n{coding}"

    def include(self, cid: str) -> bytes:
        """What stands for a part, its id escaped or not."""
        return (XOP % (quote(cid, safe="") if self.escaped else cid)).encode()


MATRIX = [
    Packing(root_last, start, escaped, coding, closed)
    for root_last, start, escaped, coding, closed in product(
        (False, True), ("bracketed", "bare", "missing"), (True, False), CODINGS, (True, False)
    )
    # Without a start the first part is the root (RFC 2387, 3.2).
    if not (root_last and start == "missing")
]

# All of it with one transaction a direction; with the others every seventh, which meets every
# value of every column, because seven divides none of their numbers.
SOME = MATRIX[::7]


# --- to our server --------------------------------------------------------------------------------


def _exchange() -> ScriptedExchange:
    entry = make_entry()
    announced = AnnouncedInstance(
        ref=IMAGE, repository=OIDS.imaging_source, transfer_syntax=EXPLICIT_LITTLE_ENDIAN
    )
    return ScriptedExchange(
        entries=Outcome((entry,)),
        documents=Outcome((Document.of_bytes(entry.ref, "application/pdf", PDF),)),
        delivery=ScriptedDelivery(
            announced=(announced,), pieces={IMAGE.instance: (DICOM[:700], DICOM[700:])}
        ),
    )


REQUESTS = {
    FIND: lambda: xca_query.encode_request(make_query()),
    RETRIEVE: lambda: xca_retrieve.encode_request((make_entry().ref,)),
    IMAGES: lambda: xca_images.encode_request(request_for(IMAGE), (EXPLICIT_LITTLE_ENDIAN,)),
}
ATTACHED = {FIND: [], RETRIEVE: [PDF], IMAGES: [DICOM]}


def _pulled_out(root: bytes, packing: Packing) -> tuple[bytes, dict[str, bytes]]:
    """The request as .NET packs it: every base64 element of the signatures becomes a part."""
    parts: dict[str, bytes] = {}

    def pull(match: re.Match[bytes]) -> bytes:
        cid = f"part+{len(parts)}%25@peer.example"
        parts[cid] = b64decode(match[1])
        return match[0].replace(match[1], packing.include(cid))

    return BASE64_IN_SIGNATURE.sub(pull, root), parts


async def _post(pair: Pair, content_type: str, body: bytes) -> TakenApart:
    async with pair.session.post(
        pair.url, data=body, headers={"Content-Type": content_type}
    ) as response:
        assert response.status == 200, await response.text()
        return take_apart(response.headers["Content-Type"], await response.read())


def _complaints(answer: TakenApart, action: str) -> list[str]:
    child = judges.body_child(answer.envelope)
    status = [
        each.get("status")
        for each in child.iter(f"{{{judges.RS}}}RegistryResponse", judges.QUERY_RESPONSE)
    ]
    said = judges.judge_body(answer.envelope)
    if status != ["urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"]:
        said.append(f"status {status}")
    if list(answer.parts.values()) != ATTACHED[action]:
        said.append("other documents than those held")
    return said


@pytest.mark.parametrize("action", REQUESTS)
async def test_our_server_reads_every_packing(
    action: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Signatures hold although parts of them travel apart; the answer is the same each time."""
    async with pair_of(_exchange(), trust_domain, tmp_path, profile="ihe") as pair:
        root = _genuine(pair, action)
        refused: dict[Packing | str, list[str]] = {}
        for packing in MATRIX if action == RETRIEVE else SOME:
            without, parts = _pulled_out(root, packing)
            assert len(parts) == 2, "certificate and signature"
            content_type, body = packing.packed(without, parts, action)
            if said := _complaints(await _post(pair, content_type, body), action):
                refused[packing] = said
        for content_type in (simple_content_type(action), "application/soap+xml", "text/xml"):
            if said := _complaints(await _post(pair, content_type, root), action):
                refused[content_type] = said
        assert refused == {}


def _genuine(pair: Pair, action: str) -> bytes:
    context = context_for("ihe")
    return enveloped(pair, REQUESTS[action](), action, security=security_for(pair, context))


@pytest.mark.parametrize(
    "packing", [Packing(root_last=True, start="missing"), Packing(start="<nobody@peer>")]
)
async def test_our_server_does_not_guess_which_part_is_the_root(
    packing: Packing, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A part that is not named as the root is none, and the answer is a fault."""
    async with pair_of(_exchange(), trust_domain, tmp_path, profile="ihe") as pair:
        without, parts = _pulled_out(_genuine(pair, FIND), packing)
        content_type, body = packing.packed(without, parts, FIND)
        content_type = content_type.replace("root+0@peer.example", "nobody@peer.example")
        async with pair.session.post(
            pair.url, data=body, headers={"Content-Type": content_type}
        ) as response:
            answer = take_apart(response.headers["Content-Type"], await response.read())
        assert response.status == 400
        assert judges.judge_body(answer.envelope) == []
        assert answer.envelope.find("soap:Body/soap:Fault", judges.NS) is not None


# --- to our client --------------------------------------------------------------------------------


@dataclass
class RawPeer:
    """A gateway that answers with the bytes it is told to, and a client of it."""

    client: SoapClient
    content_type: str = ""
    body: bytes = b""


@asynccontextmanager
async def _raw_peer(domain: TrustDomain, folder: Path) -> AsyncIterator[RawPeer]:
    certs = write_trust(domain, folder / "certs")
    clockwork = real_clockwork()
    app = new_application(new_id=clockwork.new_id, max_body_bytes=10**6)
    told: list[RawPeer] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=told[0].body, headers={"Content-Type": told[0].content_type})

    app.router.add_post("/x", answer)
    tls = tls_server(settings_for(COUNTRY_A, "XA", certs, folder / "a").tls)
    async with serving(Listener(name="x", app=app, host="127.0.0.1", port=0, tls=tls)) as ports:
        url = f"https://localhost:{ports['x']}/x"
        section = PeerSection(name="Country A", community=COUNTRY_A, url=url)
        settings = settings_for(COUNTRY_B, "XB", certs, folder / "b", peers=(section,))
        peer = PeerBook.of_sections(settings.peers, "ihe").peers[0]
        async with session_of(settings) as session:
            keeper = keeper_of(settings, clockwork)
            told.append(RawPeer(client_of(peer, settings, session, keeper, clockwork)))
            yield told[0]


async def _list(client: SoapClient) -> list[bytes]:
    outcome = await client.find_documents(make_query(), context_for("ihe"))
    return [str(entry.ref.document).encode() for entry in outcome.items]


async def _documents(client: SoapClient) -> list[bytes]:
    outcome = await client.retrieve_documents((make_entry().ref,), context_for("ihe"))
    assert outcome.errors == ()
    return [await read_content(document.content, 10_000) for document in outcome.items]


async def _images(client: SoapClient) -> list[bytes]:
    got: dict[str, bytes] = {}
    async with await client.retrieve_images(
        request_for(IMAGE), DeliveryWish(), context_for("ihe")
    ) as delivery:
        assert delivery.issues == ()
        async for chunk in delivery.chunks():
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
    return list(got.values())


def _found(cid: str) -> bytes:
    return xca_query.encode_response(
        Outcome((make_entry(),)),
        return_type=ReturnType.LEAF_CLASS,
        responder=COUNTRY_A,
        style=ErrorStyle.IHE,
    )


def _one_part(cid: str, ref: DocumentRef, mime_type: str, data: bytes) -> Sequence[RetrievedPart]:
    return [RetrievedPart(ref=ref, mime_type=mime_type, cid=cid, data=b"" if cid else data)]


def _retrieved(cid: str) -> bytes:
    parts = _one_part(cid, make_entry().ref, "application/pdf", PDF)
    return xca_retrieve.encode_response(parts, responder=COUNTRY_A, style=ErrorStyle.IHE)


def _delivered(cid: str) -> bytes:
    ref = DocumentRef(COUNTRY_A, OIDS.imaging_source, DocumentId(IMAGE.instance))
    parts = _one_part(cid, ref, "application/dicom", DICOM)
    return xca_images.encode_response(parts, responder=COUNTRY_A, style=ErrorStyle.IHE)


# By request action: the call, the answer's body for a content id ("" for inline), its document.
ANSWERS = {
    FIND: (_list, _found, b""),
    RETRIEVE: (_documents, _retrieved, PDF),
    IMAGES: (_images, _delivered, DICOM),
}


@pytest.mark.parametrize("action", ANSWERS)
async def test_our_client_reads_every_packing(
    action: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The same bytes come out of each. An image that nothing closes is not taken for whole."""
    ask, answer, data = ANSWERS[action]
    expected = [data] if data else [str(make_entry().ref.document).encode()]
    cid, reply = "image+1%25@peer.example", f"{action}Response"
    misread: dict[Packing | str, object] = {}
    async with _raw_peer(trust_domain, tmp_path) as peer:
        peer.content_type = simple_content_type(reply)
        peer.body = write_envelope(answer(""), action=reply)
        assert await ask(peer.client) == expected, "inline"
        for packing in MATRIX if action == IMAGES else SOME:
            root = re.sub(rb"<xop:Include [^>]*>", lambda _, p=packing: p.include(cid), answer(cid))
            peer.content_type, peer.body = packing.packed(
                write_envelope(root, action=reply), {cid: data} if data else {}, reply
            )
            try:
                got: object = await ask(peer.client)
            except ExchangeError as error:
                got = error.refusal
            cut = action == IMAGES and data and not packing.closed and not packing.root_last
            if got != (Refusal.PEER_MISBEHAVED if cut else expected):
                misread[packing] = got
    assert misread == {}
