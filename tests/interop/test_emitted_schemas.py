"""Every message both gateways send on a journey stands before the schemas of strict peers.

The journey goes through found and not found, whole and partial, refused and faulty, in both
profiles, between the real Country A and Country B's client. Messages are taken from the
transcripts of the two, so that what is judged is what was on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
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
    PatientId,
    PatientTraits,
    Refusal,
    ReturnType,
    Transaction,
    InstanceRef,
    Uid,
    refuse,
)
from gateway.domain.codes import DocumentClass
from gateway.pki import TrustDomain
from gateway.transport.soap_client import SoapClient
from gateway.transport.tap import Role
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
    elsewhere,
    images_of,
    request_for,
)
from tests.requests import FIND, IDENTIFY, context_for, enveloped, post, security_for

PROFILES = ("ihe", "ehdsi")
DEFERRED = "urn:hl7-org:v3:PRPA_IN201305UV02:Deferred:CrossGatewayPatientDiscovery"


@dataclass(frozen=True)
class Sent:
    """A message as it was sent: which profile and exchange it belongs to, and what it says."""

    name: str
    envelope: judges.Element

    @property
    def child(self) -> judges.Element:
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
                into.append(Sent(label, etree.fromstring(raw.body.read_bytes())))
            self.audits += [record.xml for record in keeper.audit.events()]


async def _images(
    client: SoapClient, request: ImageRequest, context: CallContext, *syntaxes: Uid
) -> None:
    wish = DeliveryWish(syntaxes=syntaxes or (EXPLICIT_LITTLE_ENDIAN,))
    async with await client.retrieve_images(request, wish, context) as delivery:
        async for _ in delivery.chunks():
            pass


async def _identifications(pair: Pair, seeded: Seeded, profile: str) -> None:
    nobody_yet = context_for(profile, patient=None)
    lindstroem = PatientTraits(
        name=HumanName(family="Lindström", given=("Åke",)),
        birth_date=date(1980, 2, 29),
        gender=Gender.MALE,
    )
    greek = PatientTraits(name=HumanName(family="Papadopoulou"), birth_date=date(1975, 11, 2))
    for traits in (
        PatientTraits(ids=(seeded.patient("main"),)),
        PatientTraits(ids=(seeded.patient("denied"),)),
        PatientTraits(ids=(seeded.patient("emergency-only"),)),
        PatientTraits(ids=(NOBODY,)),
        lindstroem,
        greek,
        replace(greek, ids=(seeded.patient("greek"),), minimum_match=90),
        PatientTraits(name=HumanName(family="Nemo")),
    ):
        with suppress(ExchangeError):
            await pair.client.identify_patient(traits, nobody_yet)
    for changes in ({"receiver": CommunityId("2.999.77")}, {"receiver": None}):
        body = xcpd.encode_request(
            PatientTraits(ids=(seeded.patient("main"),)),
            message_id=pair.clockwork.new_id(),
            created=pair.clockwork.now(),
            sender=COUNTRY_B,
            **changes,
        )
        await post(pair, enveloped(pair, body, IDENTIFY, profile=profile), action=IDENTIFY)
        later = body.replace(b'responsePriorityCode code="I"', b'responsePriorityCode code="D"')
        assert later != body
        for action in (IDENTIFY, DEFERRED):
            await post(pair, enveloped(pair, later, action, profile=profile), action=action)


async def _lists(pair: Pair, seeded: Seeded, profile: str) -> None:
    for role in ("main", "corrected-report", "grown-study", "no-documents", "denied"):
        patient = seeded.patient(role)
        context = context_for(profile, patient=patient)
        query = DocumentQuery(patient=patient, community=COUNTRY_A)
        with suppress(ExchangeError):
            found = await pair.client.find_documents(
                replace(query, statuses=tuple(EntryStatus)), context
            )
            ids = tuple(entry.id for entry in found.items)
            if ids:
                await _lookups(pair, profile, context, ids)
        await post(
            pair,
            enveloped(
                pair,
                xca_query.encode_request(replace(query, return_type=ReturnType.OBJECT_REF)),
                FIND,
                security=security_for(pair, context),
            ),
        )
    main = seeded.role("main")
    context = context_for(profile, patient=seeded.patient("main"))
    classes = {kind: () for kind in DocumentClass}
    narrow = Article10(study=Uid(main["studies"][0]["uid"])).query(
        seeded.patient("main"), COUNTRY_A, classes
    )
    for query in (
        narrow,
        replace(narrow, class_codes=(make_entry().class_code,)),
        replace(narrow, community=CommunityId("2.999.77")),
        replace(narrow, community=None),
        replace(narrow, patient=NOBODY),
        replace(narrow, statuses=()),
    ):
        with suppress(ExchangeError):
            await pair.client.find_documents(query, context)


async def _lookups(
    pair: Pair, profile: str, context: CallContext, ids: tuple[EntryId, ...]
) -> None:
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
            await pair.client.look_up_documents(lookup, context)
        body = xca_query.encode_request(replace(lookup, return_type=ReturnType.OBJECT_REF))
        await post(pair, enveloped(pair, body, FIND, security=security_for(pair, context)))


async def _documents(pair: Pair, seeded: Seeded, profile: str) -> None:
    main = seeded.role("main")
    held = [main["studies"][0]["manifest"], main["reports"][0]["pdf"], main["reports"][0]["cda"]]
    for names in (held, [*held[:1], "2.999.404"], ["2.999.404"]):
        context = context_for(profile, patient=seeded.patient("main"))
        refs = tuple(document(name) for name in names)
        with suppress(ExchangeError):
            await pair.client.retrieve_documents(refs, context)
    for ref in (
        replace(document(held[0]), repository=OIDS.imaging_source),
        replace(document(held[0]), community=CommunityId("2.999.77")),
    ):
        with suppress(ExchangeError):
            await pair.client.retrieve_documents((ref,), context)
    for role in ("denied", "cyrillic"):
        # Another patient's document, and one of a patient who denied.
        ref = document(seeded.role(role)["studies"][0]["manifest"])
        with suppress(ExchangeError):
            await pair.client.retrieve_documents((ref,), context)


async def _all_images(pair: Pair, seeded: Seeded, profile: str) -> None:
    context = context_for(profile, patient=seeded.patient("main"))
    instances = await images_of(seeded.folder, seeded.role("main")["studies"][0]["manifest"])
    one = instances[0]
    unknown = elsewhere(one, instance="2.999.404")
    for request in (
        request_for(*instances),
        request_for(one, unknown),
        request_for(unknown),
        request_for(one, source=OIDS.repository),
        request_for(one, community=CommunityId("2.999.77")),
    ):
        with suppress(ExchangeError):
            await _images(pair.client, request, context)
    with suppress(ExchangeError):
        await _images(pair.client, request_for(one), context, Uid("1.2.840.10008.1.2.4.50"))
    with suppress(ExchangeError):
        await _images(pair.client, request_for(one), context_for(profile, patient=NOBODY))


async def _faults(pair: Pair, seeded: Seeded, profile: str) -> None:
    """Messages that cannot be served, so that what is said of them can be judged."""
    body = xca_query.encode_request(
        DocumentQuery(patient=seeded.patient("main"), community=COUNTRY_A)
    )
    good = enveloped(pair, body, FIND, profile=profile)
    odd = b'<x:Odd xmlns:x="urn:x" soap:mustUnderstand="1"/></soap:Header>'
    for root in (
        b"no envelope",
        enveloped(pair, body, FIND, security=b""),
        enveloped(pair, body, "urn:not:offered", profile=profile),
        enveloped(pair, b"<x/>", FIND, profile=profile),
        good.replace(b"</soap:Header>", odd),
        good.replace(b"addressing/anonymous", b"addressing/none"),
        good.replace(b"Lindqvist", b"Lundqvist"),
        good.replace(b"http://www.w3.org/2003/05/soap-envelope", b"urn:soap:of:another:time"),
    ):
        await post(pair, root)


STEPS = (_identifications, _lists, _documents, _all_images, _faults)


async def _every_refusal(pair: Pair, exchange: ScriptedExchange, profile: str) -> None:
    """Each reason to refuse, said in each transaction."""
    ref, entry = make_entry().ref, make_entry()
    image = request_for(
        InstanceRef(study=Uid("2.999.5"), series=Uid("2.999.5.1"), instance=Uid("2.999.5.1.1"))
    )
    calls: tuple[Callable[[CallContext], Awaitable[object]], ...] = (
        lambda c: pair.client.identify_patient(PatientTraits(ids=(entry.patient,)), c),
        lambda c: pair.client.find_documents(
            DocumentQuery(patient=entry.patient, community=COUNTRY_A), c
        ),
        lambda c: pair.client.retrieve_documents((ref,), c),
        lambda c: _images(pair.client, image, c),
    )
    context = context_for(profile)
    for refusal in Refusal:
        error = refuse(refusal, f"<{refusal}> & so on", subject="subject", code="code")
        exchange.identities = exchange.entries = error
        exchange.documents = exchange.delivery = error
        for call in calls:
            with suppress(ExchangeError):
                await call(context)


async def _travel(profile: str, seeded: Seeded, domain: TrustDomain, folder: Path) -> Journey:
    journey = Journey()
    async with country(seeded.folder, domain, folder / "country", profile=profile) as pair:
        for step in STEPS:
            await step(pair, seeded, profile)
        journey.take(profile, pair)
    async with country(
        seeded.folder,
        domain,
        folder / "source",
        profile=profile,
        endpoint=Endpoint.IMAGING_SOURCE,
    ) as pair:
        await _all_images(pair, seeded, profile)
        journey.take(f"{profile} source", pair)
    exchange = ScriptedExchange()
    async with pair_of(exchange, domain, folder / "refusing", profile=profile) as pair:
        await _every_refusal(pair, exchange, profile)
        journey.take(f"{profile} refusing", pair)
    return journey


@pytest.fixture(scope="module", params=PROFILES)
def journey(
    request: pytest.FixtureRequest,
    seeded: Seeded,
    trust_domain: TrustDomain,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Journey]:
    """One journey a profile, judged by every test."""
    folder = tmp_path_factory.mktemp(f"journey-{request.param}")
    yield asyncio.run(_travel(request.param, seeded, trust_domain, folder))


def _judged(messages: list[Sent], judge: Callable[[Sent], list[str]]) -> dict[str, list[str]]:
    return {sent.name: said for sent in messages if (said := judge(sent))}


def test_every_body_is_valid(journey: Journey) -> None:
    """Against the schema of its own standard: ebRS, HL7 v3, XDS.b, XDS-I.b, SOAP faults."""
    assert _judged(journey.messages, lambda sent: judges.judge_body(sent.envelope)) == {}
