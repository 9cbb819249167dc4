"""A journey between the real Country A and Country B's client, and every message sent on it.

It goes through found and not found, whole and partial, refused and faulty. Messages are taken from
the transcripts of the two, so that what is judged is what was on the wire.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Article10,
    CallContext,
    CommunityId,
    DeliveryWish,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    EntryId,
    EntryStatus,
    ExchangeError,
    Gender,
    HumanName,
    ImageRequest,
    InstanceRef,
    PatientTraits,
    Refusal,
    ReturnType,
    Uid,
    refuse,
)
from gateway.domain.codes import DocumentClass
from gateway.pki import TrustDomain
from gateway.transport.record import Keeper
from gateway.transport.tap import Role
from gateway.wire.signatures import Signer
from gateway.wire.soap import xca_query, xcpd
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A, COUNTRY_B, make_entry
from tests.conftest import Seeded
from tests.exchanges import ScriptedExchange
from tests.gateways import Pair, pair_of
from tests.interop import judges
from tests.interop.country import (
    NOBODY,
    OIDS,
    country,
    document,
    images_of,
    request_for,
)
from tests.requests import FIND, IDENTIFY, context_for, enveloped, post, security_for

Element = judges.Element
DEFERRED = "urn:hl7-org:v3:PRPA_IN201305UV02:Deferred:CrossGatewayPatientDiscovery"


@dataclass(frozen=True)
class Sent:
    """A message as it was sent; `about` is the id of the request it is, or answers."""

    name: str
    envelope: Element
    content_type: str
    about: str

    @property
    def child(self) -> Element:
        """The body's child."""
        return judges.body_child(self.envelope)


@dataclass
class Journey:
    """Everything sent and audited on one journey."""

    requests: list[Sent] = field(default_factory=list)
    answers: list[Sent] = field(default_factory=list)
    audits: list[bytes] = field(default_factory=list)

    @property
    def messages(self) -> list[Sent]:
        """All of it."""
        return [*self.requests, *self.answers]

    def take(self, name: str, pair: Pair) -> None:
        """What the client asked, and what the server answered to whomever."""
        for keeper, role, into in (
            (pair.asking, Role.REQUEST, self.requests),
            (pair.serving, Role.ANSWER, self.answers),
        ):
            for summary in keeper.tap.summaries(limit=10_000):
                raw = keeper.tap.raw(summary["id"], role)
                if raw is None:
                    continue
                label = f"{name} {summary['id'][:8]} {summary['transaction']} {role}"
                (content_type,) = (
                    line.partition(": ")[2]
                    for line in raw.head.decode().splitlines()
                    if line.lower().startswith("content-type:")
                )
                envelope = etree.fromstring(raw.body.read_bytes())
                into.append(Sent(label, envelope, content_type, _id_asked(keeper, summary["id"])))
            self.audits += [record.xml for record in keeper.audit.events()]


def _id_asked(keeper: Keeper, name: str) -> str:
    """The id of a request as its bytes have it, "" where it has none."""
    raw = keeper.tap.raw(name, Role.REQUEST)
    assert raw is not None
    found = re.search(rb"MessageID>([^<]+)<", raw.body.read_bytes())
    return found[1].decode() if found else ""


@dataclass(frozen=True)
class Traveller:
    """Who goes on the journey: a pair of gateways, what Country A holds, and a seal."""

    pair: Pair
    seeded: Seeded
    profile: str
    signer: Signer

    def context(self, role: str = "main", **changes: Any) -> CallContext:
        """A call about one of the patients."""
        return context_for(
            self.profile, **({"patient": self.seeded.patient(role)} if role else {}) | changes
        )

    def security(self, context: CallContext) -> bytes:
        """The header that goes with a call."""
        return security_for(self.pair, context, signer=self.signer)

    async def raw(self, body: bytes, action: str, context: CallContext) -> None:
        """A request our client would not write."""
        root = enveloped(self.pair, body, action, security=self.security(context))
        await post(self.pair, root, action=action)

    async def images(self, request: ImageRequest, context: CallContext, *syntaxes: Uid) -> None:
        """Images, to the last byte."""
        wish = DeliveryWish(syntaxes=syntaxes or (EXPLICIT_LITTLE_ENDIAN,))
        async with await self.pair.client.retrieve_images(request, wish, context) as delivery:
            async for _ in delivery.chunks():
                pass


async def _identifications(one: Traveller) -> None:
    nobody_yet = one.context("", patient=None)
    lindstroem = PatientTraits(
        name=HumanName(family="Lindström", given=("Åke",)),
        birth_date=date(1980, 2, 29),
        gender=Gender.MALE,
    )
    greek = PatientTraits(name=HumanName(family="Papadopoulou"), birth_date=date(1975, 11, 2))
    for traits in (
        PatientTraits(ids=(one.seeded.patient("main"),)),
        PatientTraits(ids=(one.seeded.patient("denied"),)),
        PatientTraits(ids=(one.seeded.patient("emergency-only"),)),
        PatientTraits(ids=(NOBODY,)),
        lindstroem,
        greek,
        replace(greek, ids=(one.seeded.patient("greek"),), minimum_match=90),
        PatientTraits(name=HumanName(family="Nemo")),
    ):
        with suppress(ExchangeError):
            await one.pair.client.identify_patient(traits, nobody_yet)
    for receiver in (CommunityId("2.999.77"), None):
        body = xcpd.encode_request(
            PatientTraits(ids=(one.seeded.patient("main"),)),
            message_id=one.pair.clockwork.new_id(),
            created=one.pair.clockwork.now(),
            sender=COUNTRY_B,
            receiver=receiver,
        )
        await one.raw(body, IDENTIFY, nobody_yet)
        later = body.replace(b'responsePriorityCode code="I"', b'responsePriorityCode code="D"')
        assert later != body
        for action in (IDENTIFY, DEFERRED):
            await one.raw(later, action, nobody_yet)


async def _lists(one: Traveller) -> None:
    for role in ("main", "corrected-report", "grown-study", "no-documents", "denied"):
        patient = one.seeded.patient(role)
        query = DocumentQuery(patient=patient, community=COUNTRY_A, statuses=tuple(EntryStatus))
        with suppress(ExchangeError):
            found = await one.pair.client.find_documents(query, one.context(role))
            if role == "corrected-report":
                await _lookups(one, role, tuple(entry.id for entry in found.items))
        for_ids = replace(query, return_type=ReturnType.OBJECT_REF)
        await one.raw(xca_query.encode_request(for_ids), FIND, one.context(role))
    main = one.seeded.role("main")
    narrow = Article10(study=Uid(main["studies"][0]["uid"])).query(
        one.seeded.patient("main"), COUNTRY_A, dict.fromkeys(DocumentClass, ())
    )
    for query in (
        narrow,
        replace(narrow, class_codes=(make_entry().class_code,)),
        replace(narrow, community=CommunityId("2.999.77")),
        replace(narrow, community=None),
        replace(narrow, patient=NOBODY),
    ):
        with suppress(ExchangeError):
            await one.pair.client.find_documents(query, one.context())


async def _lookups(one: Traveller, role: str, ids: tuple[EntryId, ...]) -> None:
    base = DocumentLookup(community=COUNTRY_A, entry_ids=ids)
    unknown = EntryId("urn:uuid:00000000-0000-4000-8000-000000000000")
    for lookup in (
        base,
        replace(base, associations=True),
        replace(base, associations=True, entries=False),
        replace(base, entry_ids=(), document_ids=(DocumentId("2.999.404"),)),
        replace(base, entry_ids=(unknown,)),
        replace(base, community=CommunityId("2.999.77")),
    ):
        with suppress(ExchangeError):
            await one.pair.client.look_up_documents(lookup, one.context(role))
        for_ids = replace(lookup, return_type=ReturnType.OBJECT_REF)
        await one.raw(xca_query.encode_request(for_ids), FIND, one.context(role))


async def _documents(one: Traveller) -> None:
    main = one.seeded.role("main")
    report = main["reports"][0]
    held = document(main["studies"][0]["manifest"])
    unknown = document("2.999.404")
    for refs in (
        (held, document(report["pdf"]), document(report["cda"])),
        (held, unknown),
        (unknown,),
        (replace(held, repository=OIDS.imaging_source),),
        (replace(held, community=CommunityId("2.999.77")),),
        # Another patient's, and one of a patient who denied.
        (document(one.seeded.role("cyrillic")["studies"][0]["manifest"]),),
        (document(one.seeded.role("denied")["studies"][0]["manifest"]),),
    ):
        with suppress(ExchangeError):
            await one.pair.client.retrieve_documents(refs, one.context())


async def _images(one: Traveller) -> None:
    manifest = one.seeded.role("main")["studies"][0]["manifest"]
    instances = await images_of(one.seeded.folder, manifest)
    first = instances[0]
    unknown = replace(first, instance=Uid("2.999.404"))
    for request in (
        request_for(*instances),
        request_for(first, unknown),
        request_for(unknown),
        request_for(first, source=OIDS.repository),
        request_for(first, community=CommunityId("2.999.77")),
    ):
        with suppress(ExchangeError):
            await one.images(request, one.context())
    with suppress(ExchangeError):
        await one.images(request_for(first), one.context(), Uid("1.2.840.10008.1.2.4.50"))
    with suppress(ExchangeError):
        await one.images(request_for(first), one.context("greek"))


async def _faults(one: Traveller) -> None:
    """Messages that cannot be served, so that what is said of them can be judged."""
    pair = one.pair
    body = xca_query.encode_request(
        DocumentQuery(patient=one.seeded.patient("main"), community=COUNTRY_A)
    )
    security = one.security(one.context())
    good = enveloped(pair, body, FIND, security=security)
    odd = b'<x:Odd xmlns:x="urn:x" soap:mustUnderstand="1"/></soap:Header>'
    for root in (
        b"no envelope",
        enveloped(pair, body, FIND, security=b""),
        enveloped(pair, body, "urn:not:offered", security=security),
        enveloped(pair, b"<x/>", FIND, security=security),
        good.replace(b"</soap:Header>", odd),
        good.replace(b"addressing/anonymous", b"addressing/none"),
        good.replace(b"Lindqvist", b"Lundqvist"),
        good.replace(b"http://www.w3.org/2003/05/soap-envelope", b"urn:soap:of:another:time"),
        good.replace(b"http://www.w3.org/2003/05/", b"http://schemas.xmlsoap.org/soap/"),
    ):
        await post(pair, root)


# One of each kind; every other reason is encoded and judged without a network.
REFUSALS = (
    Refusal.MALFORMED_REQUEST,
    Refusal.INSUFFICIENT_RIGHTS,
    Refusal.MORE_TRAITS_NEEDED,
    Refusal.BUSY,
    Refusal.PEER_MISBEHAVED,
    Refusal.INTERNAL,
)
STEPS = (_identifications, _lists, _documents, _images, _faults)


async def _refusals(one: Traveller, exchange: ScriptedExchange) -> None:
    """Some reasons to refuse, said in each transaction."""
    client, entry, context = one.pair.client, make_entry(), context_for(one.profile)
    image = request_for(
        InstanceRef(study=Uid("2.999.5"), series=Uid("2.999.5.1"), instance=Uid("2.999.5.1.1"))
    )
    for refusal in REFUSALS:
        error = refuse(refusal, f"<{refusal}> & so on", subject="subject", code="code")
        exchange.identities = exchange.entries = error
        exchange.documents = exchange.delivery = error
        with suppress(ExchangeError):
            await client.identify_patient(PatientTraits(ids=(entry.patient,)), context)
        with suppress(ExchangeError):
            query = DocumentQuery(patient=entry.patient, community=COUNTRY_A)
            await client.find_documents(query, context)
        with suppress(ExchangeError):
            await client.retrieve_documents((entry.ref,), context)
        with suppress(ExchangeError):
            await one.images(image, context)


async def travel(profile: str, seeded: Seeded, domain: TrustDomain, folder: Path) -> Journey:
    """One journey in a profile: to Country A, its imaging source, and one who refuses."""
    journey = Journey()
    signer = domain.signer("XB")
    for name, endpoint, steps in (
        ("country", Endpoint.RESPONDING_GATEWAY, STEPS),
        ("source", Endpoint.IMAGING_SOURCE, (_images,)),
    ):
        async with country(
            seeded.folder, domain, folder / name, profile=profile, endpoint=endpoint
        ) as pair:
            for step in steps:
                await step(Traveller(pair, seeded, profile, signer))
            journey.take(name, pair)
    exchange = ScriptedExchange()
    async with pair_of(exchange, domain, folder / "refusing", profile=profile) as pair:
        await _refusals(Traveller(pair, seeded, profile, signer), exchange)
        journey.take("refusing", pair)
    return journey
