"""Documents asked of another gateway over FHIR: what odd peers answer, and what becomes of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config import LimitSection, PeerSection
from gateway.domain import (
    DocumentEntry,
    DocumentId,
    EntryId,
    NotFound,
    Oid,
    Outcome,
    Refusal,
    Severity,
    read_content,
)
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.app import Listener, serving
from gateway.transport.compose import Clockwork, keeper_of
from gateway.transport.fhir_calls import FhirCalls, FhirClientIdentity
from gateway.transport.fhir_document_client import FhirDocumentClient
from gateway.transport.record import Keeper
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.mhd_retrieve import wrap_binary
from gateway.wire.fhir.resources import Format, Json, write_resource
from gateway.wire.fhir.tokens import TokenSigner
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT, make_context, make_entry, make_query
from tests.fhir_peers import FhirPeer
from tests.gateways import settings_for

DATA = bytes(128) + b"DICM" + bytes(range(256)) * 40
REPOSITORY = Oid(str(COUNTRY_A))
ENTRY = replace(
    make_entry(sha1=hashlib.sha1(DATA).hexdigest(), size_bytes=len(DATA)),
    ref=replace(make_entry().ref, repository=REPOSITORY),
)
OTHER = replace(
    ENTRY,
    id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000002"),
    ref=replace(ENTRY.ref, document=DocumentId("2.999.1.4.2")),
)
QUERY = make_query(patient=PATIENT)
JSON = {"Content-Type": "application/fhir+json"}

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Asking:
    """A client of the peer, and what it keeps."""

    client: FhirDocumentClient
    peer: FhirPeer
    keeper: Keeper

    async def find(self) -> Outcome[DocumentEntry]:
        """Ask for the list."""
        return await self.client.find_documents(QUERY, make_context())

    async def fetch(self, entry: DocumentEntry = ENTRY) -> Outcome[Any]:
        """Ask for a document."""
        return await self.client.retrieve_documents((entry.ref,), make_context())

    @property
    def paths(self) -> list[str]:
        """What the peer was asked, in order."""
        return [path for path, *_ in self.peer.asked]


Ask = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def asking(trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork) -> Ask:
    """A client of a peer that answers as told, path by path."""

    @asynccontextmanager
    async def make(replies: dict[str, Any], **limits: Any) -> AsyncIterator[Asking]:
        async def answer(request: web.Request) -> web.Response:
            reply = replies.get(request.path, (404, JSON, b"{}"))
            status, headers, body = reply(request) if callable(reply) else reply
            return web.Response(status=status, headers=headers, body=body)

        peer = FhirPeer(answer)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", peer.serve)
        section = LimitSection(**limits)
        settings = settings_for(COUNTRY_B, "XB", tmp_path, tmp_path / "b", limits=section)
        keeper = keeper_of(settings, clockwork)
        async with (
            serving(Listener(name="peer", app=app, host="127.0.0.1", port=0)) as ports,
            aiohttp.ClientSession(auto_decompress=False) as session,
        ):
            base = f"http://127.0.0.1:{ports['peer']}/fhir"
            calls = FhirCalls(
                peer_of_section(PeerSection(name="A", community=COUNTRY_A, fhir_url=base)),
                identity=FhirClientIdentity(
                    country="XB",
                    signer=TokenSigner(trust_domain.signer("XB")),
                    client_fingerprint="ab" * 32,
                    now=clockwork.now,
                    new_id=clockwork.new_id,
                ),
                session=session,
                keeper=keeper,
                limits=section,
            )
            yield Asking(FhirDocumentClient(calls, repository=REPOSITORY), peer, keeper)

    return make


def listed(
    *entries: DocumentEntry, url: str = "Binary/1", next_url: str = ""
) -> Callable[[web.Request], Reply]:
    """A list of these entries, with the address of their documents as given."""

    def reply(request: web.Request) -> Reply:
        base = f"http://{request.host}/fhir"
        resource: Json = mhd_find.encode_response(
            Outcome(entries),
            ids={entry.id: str(entry.id)[-12:] for entry in entries},
            urls={entry.id: f"{base}/x" for entry in entries},
            base=base,
            bundle_id="b-1",
            at=NOON,
            self_url=base,
            next_url=next_url.replace("BASE", base),
        )
        for each in resource.get("entry", []):
            each["resource"]["content"][0]["attachment"]["url"] = url.replace("BASE", base)
        return 200, JSON, write_resource(resource, Format.JSON)

    return reply


LIST = "/fhir/DocumentReference/_search"
RAW: Reply = (200, {"Content-Type": "application/dicom"}, DATA)


@pytest.mark.parametrize("url", ["Binary/1", "/fhir/Binary/1", "BASE/Binary/1", "BASE//Binary/1"])
async def test_a_document_is_fetched_where_its_row_says(asking: Ask, url: str) -> None:
    """Relative to the base, absolute, or with a slash too many."""
    async with asking({LIST: listed(ENTRY, url=url), "/fhir/Binary/1": RAW}) as a:
        found = await a.find()
        outcome = await a.fetch()

    assert [entry.ref for entry in found.items] == [ENTRY.ref]
    assert outcome.issues == ()
    assert await read_content(outcome.items[0].content, 10**6) == DATA
    assert outcome.items[0].sha1 == ENTRY.sha1
    assert a.paths == [LIST, "/fhir/Binary/1"]


async def test_a_document_of_an_earlier_list_is_searched_for_once_more(asking: Ask) -> None:
    """Where it was is not known any more after a restart."""
    async with asking({LIST: listed(ENTRY), "/fhir/Binary/1": RAW}) as a:
        outcome = await a.fetch()

    assert [document.ref for document in outcome.items] == [ENTRY.ref]
    assert a.paths == [LIST, "/fhir/Binary/1"]
    assert "identifier=urn:ietf:rfc:3986%7Curn:oid:2.999.1.4.1" in a.peer.asked[0][2]


async def test_every_page_of_a_list_is_read(asking: Ask) -> None:
    """By the address the peer gives for it, whatever it looks like."""
    replies = {
        LIST: listed(ENTRY, next_url="BASE/more?_getpages=t%7C1"),
        "/fhir/more": listed(OTHER),
    }
    async with asking(replies) as a:
        found = await a.find()

    assert {entry.id for entry in found.items} == {ENTRY.id, OTHER.id}
    assert a.paths == [LIST, "/fhir/more"]


async def test_a_next_page_elsewhere_is_not_turned_to(asking: Ask) -> None:
    """Our token would go there."""
    async with asking({LIST: listed(ENTRY, next_url="https://evil.example/more")}) as a:
        with pytest.raises(Exception, match="not its own host"):
            await a.find()

    assert a.paths == [LIST]


async def test_a_document_elsewhere_is_not_fetched(asking: Ask) -> None:
    """It is told as a fault of the peer, beside the documents that came."""
    replies = {LIST: listed(ENTRY, OTHER, url="https://evil.example/1")}
    async with asking(replies) as a:
        await a.find()
        outcome = await a.fetch()

    assert [issue.refusal for issue in outcome.issues] == [Refusal.PEER_MISBEHAVED]
    assert a.paths == [LIST]


@pytest.mark.parametrize("format", list(Format))
async def test_a_binary_around_a_document_is_taken_off(asking: Ask, format: Format) -> None:
    """With a word about it: the document's own bytes were asked for."""
    body = write_resource(wrap_binary(DATA, "application/dicom"), format)
    reply = (200, {"Content-Type": format.media_type}, body)
    async with asking({LIST: listed(ENTRY), "/fhir/Binary/1": reply}) as a:
        outcome = await a.fetch()

    [document] = outcome.items
    assert (document.mime_type, document.sha1) == ("application/dicom", ENTRY.sha1)
    assert [issue.severity for issue in outcome.issues] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("reply", "refusal"),
    [
        ((404, JSON, b'{"resourceType":"OperationOutcome"}'), Refusal.UNKNOWN_DOCUMENT),
        ((403, {"Content-Type": "text/html"}, b"<html>no"), Refusal.INSUFFICIENT_RIGHTS),
        ((302, {"Location": "https://evil.example/"}, b""), None),
        ((200, JSON, b'{"resourceType":"Binary","contentType":"x/y","data":"%"}'), None),
    ],
)
async def test_what_does_not_come_is_told(
    asking: Ask, reply: Reply, refusal: Refusal | None
) -> None:
    """As an issue about the document, with the reason of whoever is at fault."""
    async with asking({LIST: listed(ENTRY), "/fhir/Binary/1": reply}) as a:
        outcome = await a.fetch()

    assert outcome.items == ()
    [issue] = outcome.issues
    assert issue.subject == str(ENTRY.ref.document)
    assert issue.refusal is (refusal or Refusal.PEER_MISBEHAVED)


async def test_a_document_beyond_the_limit_is_refused(asking: Ask) -> None:
    """It is not held to find out how large it would be."""
    replies = {LIST: listed(ENTRY), "/fhir/Binary/1": RAW}
    async with asking(replies, document_bytes=1000) as a:
        outcome = await a.fetch()

    [issue] = outcome.issues
    assert issue.refusal is Refusal.PEER_MISBEHAVED
    assert "over 1000 bytes" in issue.text


async def test_a_document_the_peer_does_not_list_is_unknown(asking: Ask) -> None:
    """Nothing is guessed."""
    async with asking({LIST: listed()}) as a:
        outcome = await a.fetch()

    assert [issue.refusal for issue in outcome.issues] == [Refusal.UNKNOWN_DOCUMENT]


async def test_rows_the_peer_did_not_filter_are_left_out(asking: Ask) -> None:
    """The whole query is asked of every row again."""
    async with asking({LIST: listed(ENTRY, OTHER)}) as a:
        query = replace(QUERY, max_size_bytes=10)
        outcome = await a.client.find_documents(query, make_context())

    assert outcome.items == ()


async def test_another_community_is_not_asked_for_here(asking: Ask) -> None:
    """One peer answers for one community."""
    async with asking({LIST: listed(ENTRY)}) as a:
        with pytest.raises(NotFound) as caught:
            await a.client.find_documents(replace(QUERY, community=COUNTRY_B), make_context())

    assert caught.value.refusal is Refusal.UNKNOWN_COMMUNITY
    assert a.paths == []


async def test_each_call_is_kept_and_audited(asking: Ask) -> None:
    """With what came: the document as a part of its answer."""
    async with asking({LIST: listed(ENTRY), "/fhir/Binary/1": RAW}) as a:
        await a.find()
        await a.fetch()
        events = [record.xml.decode() for record in a.keeper.audit.events()]
        summaries = a.keeper.tap.summaries()

    assert [each["transaction"] for each in summaries] == ["ITI-67", "ITI-68"]
    assert summaries[1]["answer_bytes"] == len(DATA)
    assert str(ENTRY.ref.document) in events[1]
    assert all(PATIENT.value in event for event in events)
