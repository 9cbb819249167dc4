"""What a hostile or careless caller sends is refused with the standard's own error, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.config import LimitSection, TranscriptSection
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    AnnouncedInstance,
    CallContext,
    DocumentEntry,
    DocumentQuery,
    ImageChunk,
    ImageRequest,
    InstanceRef,
    Oid,
    Outcome,
    Refusal,
    Uid,
    refuse,
)
from gateway.pki import TrustDomain
from gateway.transport.audit_store import AuditNotKept
from gateway.wire.multipart import closing, part_head
from gateway.wire.soap import xca_images
from gateway.wire.soap.envelope import FaultCode, simple_content_type
from tests.builders import COUNTRY_A, make_entry
from tests.exchanges import ScriptedDelivery, ScriptedExchange
from tests.gateways import Pair, pair_of
from tests.requests import FIND, IMAGES, audited, enveloped, find_request, kept, post

PROFILES = ["ihe", "ehdsi"]
ENVELOPE = (
    b'<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:wsa="http://www.w3.org/2005/08/addressing"><soap:Header>'
    b'<wsa:Action soap:mustUnderstand="1">' + FIND.encode() + b"</wsa:Action>%s</soap:Header>"
    b"<soap:Body>%s</soap:Body></soap:Envelope>"
)
QUERY = (
    b'<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0">'
    b"%s</q:AdhocQueryRequest>"
)

NOT_READABLE: dict[str, bytes] = {
    "not xml": b"GET / HTTP/1.1",
    "empty": b"",
    "cut short": (ENVELOPE % (b"", b"<x/>"))[:-20],
    "doctype": b"<!DOCTYPE a>" + ENVELOPE % (b"", QUERY % b""),
    "billion laughs": (
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
        + b"".join(
            b'<!ENTITY %s "%s">' % (bytes([c + 1]), (b"&%s;" % bytes([c])) * 10)
            for c in range(ord("b"), ord("l"))
        )
        + b"]>"
        + ENVELOPE % (b"", QUERY % b"&l;")
    ),
    "external entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        + ENVELOPE % (b"", QUERY % b"&x;")
    ),
    "depth 10,000": ENVELOPE % (b"", QUERY % (b"<a>" * 10_000 + b"</a>" * 10_000)),
    "40,000 attributes": ENVELOPE
    % (b"", QUERY % (b"<a %s/>" % b" ".join(b'a%d="1"' % n for n in range(40_000)))),
    "500,000 comments": ENVELOPE % (b"", QUERY % (b"<!---->" * 500_000)),
    "5,000 namespaces": ENVELOPE
    % (b"", QUERY % (b"<a %s/>" % b" ".join(b'xmlns:n%d="u"' % n for n in range(5_000)))),
    "two bodies": ENVELOPE % (b"", b"<x/><y/>"),
    "no body": ENVELOPE % (b"", b""),
}


async def _still_serves(pair: Pair, profile: str) -> None:
    answer = await post(pair, find_request(pair, profile=profile))
    assert answer.fault is None
    assert answer.status == 200


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", NOT_READABLE)
async def test_what_cannot_be_read_is_a_sender_fault(
    case: str, profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Whatever the profile: no transaction is known yet. The gateway goes on serving."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        answer = await post(pair, NOT_READABLE[case])
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.SENDER
        assert answer.status == 400
        assert b"/etc/hostname" not in answer.root
        assert b"Traceback" not in answer.root
        assert kept(pair)[0]["outcome"] == "refused"
        assert "Security Alert" in audited(pair)[0]
        assert 'EventOutcomeIndicator="8"' in audited(pair)[0]
        await _still_serves(pair, profile)


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_unknown_action_is_a_fault_that_names_what_is_offered(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """wsa:ActionNotSupported."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        root = find_request(pair, profile=profile).replace(FIND.encode(), b"urn:something:else")
        answer = await post(pair, root)
        assert answer.fault is not None
        assert answer.fault.subcode == "wsa:ActionNotSupported"
        assert FIND in answer.fault.reason


async def test_an_action_that_does_not_go_with_its_body_is_a_fault(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A retrieve in a query's clothes."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        body = b'<r:RetrieveDocumentSetRequest xmlns:r="urn:ihe:iti:xds-b:2007"/>'
        answer = await post(pair, enveloped(pair, body, FIND))
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.SENDER


async def test_a_missing_action_is_a_fault(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """wsa:MessageAddressingHeaderRequired."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        root = find_request(pair)
        start, end = root.index(b"<wsa:Action"), root.index(b"</wsa:Action>") + 13
        answer = await post(pair, root[:start] + root[end:])
        assert answer.fault is not None
        assert answer.fault.subcode == "wsa:MessageAddressingHeaderRequired"


async def test_a_header_that_must_be_understood_and_is_not_is_a_fault(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The fault names the header."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        header = b'<x:Odd xmlns:x="urn:x" soap:mustUnderstand="true"/></soap:Header>'
        answer = await post(pair, find_request(pair).replace(b"</soap:Header>", header))
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.MUST_UNDERSTAND
        assert answer.status == 500


async def test_an_endless_body_is_cut_off_at_the_limit(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The limit is named, and memory does not grow with the body."""
    limits = LimitSection(request_bytes=100_000)
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, limits=limits) as pair:
        answer = await post(pair, b" " * 100_001)
        assert answer.fault is not None
        assert "100000" in answer.fault.reason


async def test_a_caller_that_never_finishes_is_given_up(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A slow peer holds a connection no longer than the limit says."""
    limits = LimitSection(request_seconds=0.05)
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, limits=limits) as pair:

        async def drip() -> object:
            yield b"<soap:Envelope"
            await asyncio.Event().wait()

        async with pair.session.post(
            pair.url, data=drip(), headers={"Content-Type": "application/soap+xml"}
        ) as response:
            text = await response.text()
            assert response.status == 500
            assert "not complete" in text


async def test_another_media_type_is_refused(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """JSON is not SOAP."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        answer = await post(pair, b"{}", content_type="application/json")
        assert answer.fault is not None
        assert "application/soap+xml" in answer.fault.reason


@pytest.mark.parametrize("profile", PROFILES)
async def test_both_encodings_are_accepted_and_the_standard_one_answered(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A query by MTOM is read, and answered in simple SOAP."""
    exchange = ScriptedExchange(entries=Outcome((make_entry(),)))
    async with pair_of(exchange, trust_domain, tmp_path, profile=profile) as pair:
        answer = await post(pair, find_request(pair, profile=profile), mtom=True)
        assert answer.fault is None
        assert b"ExtrinsicObject" in answer.root


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_error_inside_tells_nothing_of_the_inside(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Only that it is ours; and it is audited as a failure."""
    exchange = ScriptedExchange(entries=refuse(Refusal.INTERNAL, "table x at 10.0.0.7 is broken"))
    async with pair_of(exchange, trust_domain, tmp_path, profile=profile) as pair:
        answer = await post(pair, find_request(pair, profile=profile))
        assert answer.status == 200
        assert answer.codes
        assert b"10.0.0.7" not in answer.root
        assert 'EventOutcomeIndicator="12"' in audited(pair)[0]


async def test_a_full_store_of_transcripts_refuses_before_anything_happens(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Nothing passes that could not be kept."""
    exchange = ScriptedExchange()
    transcripts = TranscriptSection(quota_bytes=1000)
    async with pair_of(exchange, trust_domain, tmp_path, transcripts=transcripts) as pair:
        answer = await post(pair, find_request(pair))
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.RECEIVER
        assert "full" in answer.fault.reason
        assert exchange.asked == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_malformed_query_is_the_transactions_own_error(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Failure with a code, HTTP 200, audited with the caller's name."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, profile=profile) as pair:
        answer = await post(pair, enveloped(pair, QUERY % b"", FIND, profile=profile))
        assert answer.status == 200
        assert answer.codes == ["XDSRegistryError" if profile == "ihe" else "ERROR_GENERIC"]
        assert 'EventOutcomeIndicator="8"' in audited(pair)[0]
        assert "Lindqvist" in audited(pair)[0]


# --- what must not happen while an answer is under way --------------------------------------------

IMAGE = InstanceRef(study=Uid("1.2.3"), series=Uid("1.2.3.1"), instance=Uid("1.2.3.1.1"))
SOURCE_OID = Oid("2.999.1.1.3")


def _announced(size: int) -> tuple[AnnouncedInstance, ...]:
    return (AnnouncedInstance(ref=IMAGE, repository=SOURCE_OID, size_bytes=size),)


def _images_request(pair: Pair, *, beside: bytes = b"") -> bytes:
    request = ImageRequest(community=COUNTRY_A, instances=((IMAGE, SOURCE_OID),))
    body = xca_images.encode_request(request, (EXPLICIT_LITTLE_ENDIAN,))
    end = b"</xdsi:RetrieveImagingDocumentSetRequest>"
    return enveloped(pair, body.replace(end, beside + end), IMAGES)


class BrokenDelivery(ScriptedDelivery):
    """Breaks half-way in a way nobody foresaw."""

    async def settle(self) -> None:
        return None

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """One piece, and then a fault."""
        yield ImageChunk(IMAGE.instance, b"1234", False)
        raise RuntimeError("the ceiling fell down")


async def test_a_request_that_cannot_be_audited_is_not_answered(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A relative namespace has no canonical form, which the audit message is to hold."""
    exchange = ScriptedExchange(
        delivery=ScriptedDelivery(_announced(8), pieces={IMAGE.instance: (b"1234", b"5678")})
    )
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        answer = await post(
            pair, _images_request(pair, beside=b'<x:a xmlns:x="relative"/>'), action=IMAGES
        )
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.SENDER
        assert exchange.asked == []
        assert len(audited(pair)) == 1


@pytest.mark.parametrize("size", [30, 400, 40_000])
async def test_a_fault_within_a_delivery_cuts_it_and_adds_nothing(
    size: int, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Bytes of an error message would be taken for those of an image, or for another answer."""
    exchange = ScriptedExchange(delivery=BrokenDelivery(_announced(size)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        with pytest.raises(aiohttp.ClientError):
            await post(pair, _images_request(pair), action=IMAGES)
        assert kept(pair)[0]["refusal"] == Refusal.INTERNAL
        assert len(audited(pair)) == 1
        await _still_serves(pair, "ihe")


async def test_a_delivery_whose_audit_fails_is_not_completed(
    trust_domain: TrustDomain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its closing boundary is withheld, so that nobody takes it whole."""
    exchange = ScriptedExchange(
        delivery=ScriptedDelivery(_announced(8), pieces={IMAGE.instance: (b"1234", b"5678")})
    )
    async with pair_of(exchange, trust_domain, tmp_path) as pair:

        def refused(event: object) -> int:
            raise AuditNotKept

        monkeypatch.setattr(pair.serving.audit, "append", refused)
        with pytest.raises(aiohttp.ClientError):
            await post(pair, _images_request(pair), action=IMAGES)


async def test_a_body_that_is_not_of_its_encoding_is_a_sender_fault(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """It says gzip, and is none."""
    async with (
        pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair,
        pair.session.post(
            pair.url,
            data=find_request(pair),
            headers={"Content-Type": "application/soap+xml", "Content-Encoding": "gzip"},
        ) as response,
    ):
        assert response.status == 400
        assert b"soap:Sender" in await response.read()
        assert kept(pair)[0]["refusal"] == Refusal.MALFORMED_REQUEST


@pytest.mark.parametrize("place", ["before the envelope", "behind the last part"])
async def test_the_limit_is_of_the_whole_request(
    place: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Wherever its bytes stand: what nobody reads is held or waited for as well."""
    limits = LimitSection(request_bytes=100_000)
    filler = b"x" * 100_001
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, limits=limits) as pair:
        early = part_head("b", (("Content-ID", "<early@x>"),), first=True)
        early += filler if place == "before the envelope" else b""
        root = part_head("b", (("Content-ID", "<root@x>"),)) + find_request(pair)
        late = filler if place == "behind the last part" else b""
        answer = await post(
            pair,
            early + root + closing("b") + late,
            content_type='multipart/related; boundary="b"; start="<root@x>"',
        )
        assert answer.fault is not None
        assert "100000" in answer.fault.reason


@pytest.mark.parametrize("profile", PROFILES)
async def test_what_nobody_foresaw_is_a_fault_in_soap(
    profile: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A caller that speaks SOAP is told in SOAP, a correlation id and nothing of the inside."""

    class Faulty(ScriptedExchange):
        async def find_documents(
            self, query: DocumentQuery, context: CallContext
        ) -> Outcome[DocumentEntry]:
            raise RuntimeError("the ceiling fell down")

    async with pair_of(Faulty(), trust_domain, tmp_path, profile=profile) as pair:
        answer = await post(pair, find_request(pair, profile=profile))
        assert answer.status == 500
        assert answer.fault is not None
        assert answer.fault.code is FaultCode.RECEIVER
        assert b"ceiling" not in answer.root
        assert len(audited(pair)) == 1


async def test_a_caller_that_does_not_take_its_answer_is_given_up(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Or a few of them would take all the room that transcripts have."""
    size = 64 * 1024 * 1024
    piece = bytes(1024 * 1024)
    given_up = asyncio.Event()

    class Told(ScriptedDelivery):
        async def __aexit__(self, *_how: object) -> None:
            given_up.set()

    exchange = ScriptedExchange(
        delivery=Told(_announced(size), pieces={IMAGE.instance: (piece,) * 64})
    )
    limits = LimitSection(silence_seconds=0.2)
    async with (
        pair_of(exchange, trust_domain, tmp_path, limits=limits) as pair,
        pair.session.post(
            pair.url,
            data=_images_request(pair),
            headers={"Content-Type": simple_content_type(IMAGES)},
        ) as response,
    ):
        assert response.status == 200
        async with asyncio.timeout(10):
            await given_up.wait()
        assert kept(pair)[0]["refusal"] == Refusal.PEER_TIMEOUT
