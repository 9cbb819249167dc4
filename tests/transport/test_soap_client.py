"""An Exchange over SOAP, asked without a network: what is sent, and what is made of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.config import PeerSection
from gateway.domain import (
    DeliveryWish,
    Document,
    DocumentId,
    DocumentRef,
    ExchangeError,
    ImageRequest,
    InstanceRef,
    Issue,
    NotNow,
    Oid,
    Outcome,
    PatientTraits,
    PeerMisbehaved,
    Refusal,
    ReturnType,
    Severity,
    Transaction,
    Uid,
    read_content,
)
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.bodies import IncomingBody
from gateway.transport.compose import Clockwork, keeper_of, signer_of
from gateway.transport.record import Keeper
from gateway.transport.soap_client import ClientIdentity, SoapClient
from gateway.wire.multipart import closing, part_head
from gateway.wire.soap import xca_query, xca_retrieve
from gateway.wire.soap.contract import Endpoint
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.envelope import read_envelope, simple_content_type, write_envelope
from gateway.wire.soap.mtom import attachment_headers, mtom_content_type, root_headers
from gateway.wire.soap.refusals import ErrorStyle
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_context, make_entry, make_query
from tests.gateways import settings_for, write_trust

FOUND = "urn:ihe:iti:2007:CrossGatewayQueryResponse"
RETRIEVED = "urn:ihe:iti:2007:CrossGatewayRetrieveResponse"
BOUNDARY, ROOT_ID = "cut-here", "root@peer"


@dataclass
class Answer:
    """An HTTP answer as the client reads one."""

    body: bytes
    content_type: str
    status: int = 200
    reason: str = "OK"
    closed: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type}

    @property
    def content(self) -> Answer:
        return self

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        yield self.body, True

    def at_eof(self) -> bool:
        return True

    def release(self) -> None:
        self.closed = "released"

    def close(self) -> None:
        self.closed = "closed"


@dataclass
class Wire:
    """A session that answers as told and notes what was sent."""

    answer: Callable[[bytes], Answer]
    sent: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def post(self, url: str, *, data: bytes, headers: dict[str, str], **_: Any) -> Answer:
        async def pieces() -> AsyncIterator[bytes]:
            yield data

        root = await IncomingBody(headers["Content-Type"], pieces(), limit=10**6).root()
        self.sent.append((url, headers, root))
        self.answers.append(self.answer(root))
        return self.answers[-1]


@dataclass(frozen=True)
class Asking:
    """A client, the wire it sends on, and what it keeps."""

    client: SoapClient
    wire: Wire
    keeper: Keeper

    @property
    def audited(self) -> list[str]:
        return [record.xml.decode() for record in self.keeper.audit.events()]


Make = Callable[..., Asking]


@pytest.fixture
def asking(trust_domain: TrustDomain, tmp_path: Path, clockwork: Clockwork) -> Make:
    """A client of a peer that answers as told."""
    certs = write_trust(trust_domain, tmp_path / "certs")
    settings = settings_for(COUNTRY_B, "XB", certs, tmp_path / "b")

    def make(
        answer: Any, *, endpoint: Endpoint = Endpoint.RESPONDING_GATEWAY, **peer: Any
    ) -> Asking:
        wire = Wire(answer if callable(answer) else lambda _: answer)
        keeper = keeper_of(settings, clockwork)
        section = PeerSection(name="A", community=COUNTRY_A, url="https://a.example/x", **peer)
        session: Any = wire
        client = SoapClient(
            peer_of_section(section),
            identity=ClientIdentity(
                country="XB",
                signer=signer_of(settings.seal),
                now=clockwork.now,
                new_id=clockwork.new_id,
            ),
            session=session,
            keeper=keeper,
            limits=settings.limits,
            endpoint=endpoint,
        )
        return Asking(client, wire, keeper)

    return make


def ref(number: int) -> DocumentRef:
    return DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId(f"2.999.9.{number}"))


def retrieved(*parts: RetrievedPart, issues: tuple[Issue, ...] = (), **files: bytes) -> Answer:
    """An answer to a retrieve: a response for each part, a file for each content id."""
    body = xca_retrieve.encode_response(parts, issues, responder=COUNTRY_A, style=ErrorStyle.IHE)
    pieces = [
        part_head(BOUNDARY, root_headers(ROOT_ID), first=True),
        write_envelope(body, action=RETRIEVED),
    ]
    for cid, data in files.items():
        pieces += [part_head(BOUNDARY, attachment_headers(f"{cid}@x", "application/pdf")), data]
    content_type = mtom_content_type(boundary=BOUNDARY, root_id=ROOT_ID, action=RETRIEVED)
    return Answer(b"".join([*pieces, closing(BOUNDARY)]), content_type)


def named(number: int, cid: str = "") -> RetrievedPart:
    return RetrievedPart(ref=ref(number), mime_type="application/pdf", cid=cid or f"d{number}@x")


def asked_for(root: bytes) -> tuple[DocumentRef, ...]:
    """The documents a request names."""
    return xca_retrieve.decode_request(
        read_envelope(root).body, home_required=True, default_home=None
    )


def one_by_one(root: bytes) -> Answer:
    """A peer that has every document but number 2."""
    numbers = [int(each.document.rsplit(".", 1)[1]) for each in asked_for(root)]
    if numbers == [2]:
        missing = Issue(refusal=Refusal.UNKNOWN_DOCUMENT, text="no", subject=str(ref(2).document))
        return retrieved(issues=(missing,))
    return retrieved(
        *(named(number) for number in numbers), **{f"d{number}": b"%PDF" for number in numbers}
    )


# --- documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "requests"), [("ihe", [3]), ("ehdsi", [1, 1, 1])])
async def test_an_ehdsi_peer_is_asked_for_one_document_at_a_time(
    profile: str, requests: list[int], asking: Make
) -> None:
    """Another peer for all at once; either way the same documents come back, in order."""
    asked = asking(one_by_one, profile=profile)
    refs = (ref(1), ref(3), ref(4))

    outcome = await asked.client.retrieve_documents(refs, make_context())

    assert [len(asked_for(root)) for _, _, root in asked.wire.sent] == requests
    assert [document.ref for document in outcome.items] == list(refs)
    assert outcome.issues == ()
    assert len(asked.audited) == len(requests)


async def test_one_refused_alone_does_not_take_the_others_along(asking: Make) -> None:
    """It becomes an issue; the only one of a call stays a refusal."""
    asked = asking(one_by_one, profile="ehdsi")

    outcome = await asked.client.retrieve_documents((ref(1), ref(2), ref(3)), make_context())
    assert [document.ref for document in outcome.items] == [ref(1), ref(3)]
    assert [issue.subject for issue in outcome.issues] == [str(ref(2).document)]

    with pytest.raises(ExchangeError):
        await asked.client.retrieve_documents((ref(2),), make_context())


async def test_a_document_neither_sent_nor_refused_is_told_of(asking: Make) -> None:
    """Silence is not success; and the audit says so."""
    asked = asking(retrieved(named(1), d1=b"%PDF"))

    outcome = await asked.client.retrieve_documents((ref(1), ref(2)), make_context())

    assert [(issue.subject, issue.refusal) for issue in outcome.issues] == [
        (str(ref(2).document), Refusal.UNKNOWN_DOCUMENT)
    ]
    assert 'EventOutcomeIndicator="4"' in asked.audited[0]


async def test_an_attachment_nobody_names_is_no_document(asking: Make) -> None:
    """It is on record all the same."""
    asked = asking(retrieved(named(1), d1=b"%PDF", stray=b"x" * 10))

    outcome = await asked.client.retrieve_documents((ref(1),), make_context())

    assert len(outcome.items) == 1
    assert outcome.issues == ()
    whole = asked.keeper.tap.transcript(asked.keeper.tap.summaries()[0]["id"])
    assert whole is not None
    assert [part["size_bytes"] for part in whole["answer"]["parts"]] == [4, 10]


async def test_a_document_inside_the_root_is_taken(asking: Make) -> None:
    """As base64, which a peer without MTOM sends."""
    inline = RetrievedPart(ref=ref(1), mime_type="text/plain", data=b"hello")

    outcome = await asking(retrieved(inline)).client.retrieve_documents((ref(1),), make_context())

    (document,) = outcome.items
    assert document == Document.of_bytes(ref(1), "text/plain", b"hello")
    assert await read_content(document.content, 100) == b"hello"


async def test_a_document_without_its_closing_boundary_comes_with_a_warning(
    asking: Make,
) -> None:
    """Live peers leave it out; a body that ends early looks the same until its hash is compared."""
    answer = retrieved(named(1), d1=b"%PDF-1.7 and more")
    answer.body = answer.body[: -len(closing(BOUNDARY)) - 4]

    outcome = await asking(answer).client.retrieve_documents((ref(1),), make_context())

    assert await read_content(outcome.items[0].content, 100) == b"%PDF-1.7 and "
    (told,) = outcome.issues
    assert (told.severity, told.subject) == (Severity.WARNING, str(ref(1).document))
    assert "closing boundary" in told.text


# --- requests -------------------------------------------------------------------------------------


def listed() -> Answer:
    body = xca_query.encode_response(
        Outcome((make_entry(),)),
        return_type=ReturnType.LEAF_CLASS,
        responder=COUNTRY_A,
        style=ErrorStyle.IHE,
    )
    return Answer(write_envelope(body, action=FOUND), simple_content_type(FOUND))


async def test_whole_entries_are_asked_for_whatever_the_query_says(asking: Make) -> None:
    """References alone are no list."""
    asked = asking(listed())
    query = make_query(return_type=ReturnType.OBJECT_REF)

    outcome = await asked.client.find_documents(query, make_context())

    assert [entry.id for entry in outcome.items] == [make_entry().id]
    (_, headers, root) = asked.wire.sent[0]
    assert b'returnType="LeafClass"' in root
    assert headers["Accept-Encoding"] == "identity"
    assert asked.wire.answers[0].closed == "released"


async def test_a_request_that_cannot_be_written_is_never_sent(asking: Make) -> None:
    """A search for nobody in particular has no wire form; it is audited as refused."""
    asked = asking(listed())

    with pytest.raises(ExchangeError) as caught:
        await asked.client.retrieve_documents((), make_context())

    assert caught.value.refusal is Refusal.MALFORMED_REQUEST
    assert asked.wire.sent == []
    assert 'EventOutcomeIndicator="8"' in asked.audited[0]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_before_the_gateway_says_it_is_out_of_service(
    status: int, asking: Make
) -> None:
    """Worth trying again; the connection is not used again."""
    asked = asking(Answer(b"<html/>", "text/html", status))

    with pytest.raises(NotNow, match=f"out of service .HTTP {status}."):
        await asked.client.identify_patient(
            PatientTraits(ids=(PATIENT,)), make_context(patient=None)
        )

    assert asked.wire.answers[0].closed == "closed"
    assert len(asked.audited) == 1


@pytest.mark.parametrize("endpoint", list(Endpoint))
async def test_images_are_asked_of_a_gateway_or_of_a_source(
    endpoint: Endpoint, asking: Make
) -> None:
    """RAD-75 or RAD-69, audited as such; a failure before the delivery ends the record."""
    asked = asking(Answer(b"", "text/html"), endpoint=endpoint)
    instance = InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid("1.2.3.1"))
    request = ImageRequest(community=COUNTRY_A, instances=((instance, Oid("2.999.1.3")),))

    with pytest.raises(PeerMisbehaved):
        await asked.client.retrieve_images(request, DeliveryWish(), make_context())

    across = endpoint is Endpoint.RESPONDING_GATEWAY
    transaction = Transaction.IMAGES if across else Transaction.IMAGES_FROM_SOURCE
    assert f'csd-code="{transaction.value}"' in asked.audited[0]
    assert asked.keeper.tap.summaries()[0]["state"] == "closed"


async def test_soap_has_no_transaction_for_a_certificate(asking: Make) -> None:
    """It is asked for where a peer has an address over DICOMweb; nothing is sent."""
    asked = asking(listed())

    with pytest.raises(ExchangeError, match="deliveries are certified") as caught:
        await asked.client.certify_images("d-1", Uid("1.2.3"), make_context())

    assert caught.value.refusal is Refusal.UNSUPPORTED
    assert asked.wire.sent == []
