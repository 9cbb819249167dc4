"""What a gateway answers, transaction by transaction, before it is HTTP."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from gateway.config import LimitSection, PeerSection
from gateway.domain import (
    AnnouncedInstance,
    BadRequest,
    CommunityId,
    Document,
    DocumentId,
    DocumentLookup,
    DocumentRef,
    ExchangeError,
    HumanName,
    ImageRequest,
    InstanceRef,
    NotFound,
    Oid,
    Outcome,
    PatientTraits,
    Refusal,
    Transaction,
    Uid,
    refuse,
)
from gateway.peers import peer_of_section
from gateway.transport.soap_answers import Answerer, Asked, SoapAnswer, Subject
from gateway.wire.soap import xca_images, xca_query, xca_retrieve, xcpd
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import parse_xml
from tests.builders import (
    COUNTRY_A,
    COUNTRY_B,
    NOON,
    PATIENT,
    SOAP_TRANSACTIONS,
    make_context,
    make_entry,
    make_query,
)
from tests.exchanges import ScriptedDelivery, ScriptedExchange

ELSEWHERE = CommunityId("2.999.77")
SOURCE = Oid("2.999.1.3")
SYNTAX = Uid("1.2.840.10008.1.2.1")


def answerer(exchange: ScriptedExchange, **limits: int) -> Answerer:
    numbers = count(1)
    return Answerer(
        lambda _: exchange,
        community=COUNTRY_A,
        limits=LimitSection(**limits),
        now=lambda: NOON,
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
    )


def asked(body: bytes, profile: str = "ihe", told: list[Subject] | None = None) -> Asked:
    peer = peer_of_section(PeerSection(name="B", community=COUNTRY_B, profile=profile))
    told = [] if told is None else told
    return Asked(body=parse_xml(body), context=make_context(), peer=peer, tell=told.append)


def discovery(receiver: CommunityId = COUNTRY_A, **traits: Any) -> bytes:
    return xcpd.encode_request(
        PatientTraits(**traits),
        message_id="m-1",
        created=NOON,
        sender=COUNTRY_B,
        receiver=receiver,
    )


def instance(number: int) -> InstanceRef:
    return InstanceRef(study=Uid("1.2"), series=Uid("1.2.3"), instance=Uid(f"1.2.3.{number}"))


def images(community: CommunityId, *numbers: int) -> ImageRequest:
    return ImageRequest(
        community=community, instances=tuple((instance(number), SOURCE) for number in numbers)
    )


async def _refused(answer: Any) -> ExchangeError:
    with pytest.raises(ExchangeError) as caught:
        await answer
    return caught.value


# --- identify -------------------------------------------------------------------------------------


async def test_a_discovery_meant_for_another_community_is_not_here() -> None:
    """Nobody is asked, and both communities are named."""
    exchange = ScriptedExchange()

    error = await _refused(
        answerer(exchange).answer(Transaction.IDENTIFY, asked(discovery(ELSEWHERE, ids=(PATIENT,))))
    )

    assert error.refusal is Refusal.UNKNOWN_COMMUNITY
    assert ELSEWHERE in error.text
    assert COUNTRY_A in error.text
    assert exchange.asked == []


@pytest.mark.parametrize("profile", ["ihe", "ehdsi"])
async def test_a_discovery_without_an_identifier_is_for_ihe_peers_alone(profile: str) -> None:
    """The eHDSI services identify by identifier."""
    exchange = ScriptedExchange()
    body = discovery(name=HumanName(family="Ozola"), birth_date=NOON.date())
    answer = answerer(exchange).answer(Transaction.IDENTIFY, asked(body, profile))

    if profile == "ehdsi":
        assert (await _refused(answer)).refusal is Refusal.IDENTIFIER_REQUIRED
        assert exchange.asked == []
    else:
        assert xcpd.decode_response(parse_xml((await answer).body)).items == ()


async def test_a_deferred_discovery_is_answered_at_once_and_in_the_negative() -> None:
    """Nobody is asked (ITI TF-2 3.55.6)."""
    exchange = ScriptedExchange()
    at_once, later = b'<responsePriorityCode code="I"', b'<responsePriorityCode code="D"'
    body = discovery(ids=(PATIENT,))
    assert at_once in body

    answer = await answerer(exchange).answer(
        Transaction.IDENTIFY, asked(body.replace(at_once, later))
    )

    assert b'code="AE"' in answer.body
    assert exchange.asked == []


# --- documents ------------------------------------------------------------------------------------


async def test_a_lookup_is_about_the_patient_of_the_treatment_relation() -> None:
    """The request names none itself; a search does."""
    told: list[Subject] = []
    lookup = DocumentLookup(community=COUNTRY_A, entry_ids=(make_entry().id,))
    for query in (lookup, make_query(patient=replace(PATIENT, value="A-2"))):
        body = xca_query.encode_request(query)
        await answerer(ScriptedExchange()).answer(Transaction.FIND, asked(body, told=told))

    assert [subject.patients[0].value for subject in told] == ["A-0001", "A-2"]
    assert all(subject.query_id.startswith("urn:uuid:") for subject in told)


@pytest.mark.parametrize(("count", "fits"), [(2, True), (3, False)])
async def test_documents_of_one_request_have_a_limit(count: int, fits: bool) -> None:
    """Exactly the limit fits; what was asked is told even where it is refused."""
    refs = [DocumentRef(COUNTRY_A, SOURCE, DocumentId(f"1.{n}")) for n in range(count)]
    told: list[Subject] = []
    answer = answerer(ScriptedExchange(), documents_per_request=2).answer(
        Transaction.RETRIEVE, asked(xca_retrieve.encode_request(refs), told=told)
    )

    if fits:
        await answer
    else:
        error = await _refused(answer)
        assert error.refusal is Refusal.TOO_MANY_RESULTS
        assert "at most 2" in error.text
    assert len(told[0].documents) == count
    assert told[0].patients == (PATIENT,)


async def test_each_document_is_attached_under_an_id_of_its_own() -> None:
    """The root names each part it has, once."""
    refs = [DocumentRef(COUNTRY_A, SOURCE, DocumentId(f"1.{n}")) for n in (1, 2)]
    documents = tuple(Document.of_bytes(ref, "application/pdf", b"%PDF") for ref in refs)

    answer = await answerer(ScriptedExchange(documents=Outcome(documents))).answer(
        Transaction.RETRIEVE, asked(xca_retrieve.encode_request(refs))
    )

    named = xca_retrieve.decode_response(parse_xml(answer.body)).items
    assert [part.cid for part in named] == [part.cid for part in answer.documents]
    assert len({part.cid for part in named}) == 2


# --- images ---------------------------------------------------------------------------------------


def _delivery(*numbers: int) -> ScriptedDelivery:
    return ScriptedDelivery(
        announced=tuple(
            AnnouncedInstance(ref=instance(number), repository=SOURCE) for number in numbers
        )
    )


def _joined(*requests: ImageRequest) -> bytes:
    """One request for instances of several communities."""
    bodies = [xca_images.encode_request(request, [SYNTAX]) for request in requests]
    head, _, tail = bodies[0].partition(b"<xdsi:TransferSyntaxUIDList>")
    for body in bodies[1:]:
        start, end = body.index(b"<xdsi:StudyRequest"), body.index(b"<xdsi:TransferSyntaxUIDList>")
        head += body[start:end]
    return head + b"<xdsi:TransferSyntaxUIDList>" + tail


async def _images(body: bytes, delivery: ScriptedDelivery, **limits: int) -> SoapAnswer:
    return await answerer(ScriptedExchange(delivery=delivery), **limits).answer(
        Transaction.IMAGES, asked(body)
    )


async def test_instances_of_another_community_are_issues_beside_ours() -> None:
    """Each by its UID; ours come all the same."""
    body = _joined(images(ELSEWHERE, 8, 9), images(COUNTRY_A, 1))

    answer = await _images(body, _delivery(1))

    outcome = xca_images.decode_response(parse_xml(answer.body))
    assert [part.ref.document for part in outcome.items] == ["1.2.3.1"]
    assert [(issue.subject, issue.refusal) for issue in answer.issues] == [
        ("1.2.3.8", Refusal.UNKNOWN_COMMUNITY),
        ("1.2.3.9", Refusal.UNKNOWN_COMMUNITY),
    ]
    assert len(outcome.errors) == 2


async def test_instances_of_other_communities_alone_are_refused() -> None:
    """There is nothing to answer."""
    with pytest.raises(NotFound, match=r"2\.999\.1\.1") as caught:
        await _images(_joined(images(ELSEWHERE, 8)), _delivery())

    assert caught.value.refusal is Refusal.UNKNOWN_COMMUNITY


@pytest.mark.parametrize("spread", [False, True])
async def test_instances_of_one_request_have_a_limit_over_all_communities(spread: bool) -> None:
    """However they are spread."""
    requests = [images(COUNTRY_A, 1, 2), images(ELSEWHERE, 3)] if spread else [
        images(COUNTRY_A, 1, 2, 3)
    ]  # fmt: skip

    with pytest.raises(BadRequest, match="found 3 instances in one request, expected at most 2"):
        await _images(_joined(*requests), _delivery(1, 2), instances_per_request=2)


async def test_the_syntaxes_of_the_request_are_what_is_wished() -> None:
    """In its order."""
    exchange = ScriptedExchange(delivery=_delivery(1))
    wished = [Uid("1.2.840.10008.1.2.4.90"), SYNTAX]

    await answerer(exchange).answer(
        Transaction.IMAGES, asked(xca_images.encode_request(images(COUNTRY_A, 1), wished))
    )

    (_, (request, wish), _) = exchange.asked[0]
    assert request == images(COUNTRY_A, 1)
    assert wish.syntaxes == tuple(wished)


async def test_a_source_names_a_community_only_to_who_named_one() -> None:
    """RAD-69: the answer repeats what the request had."""
    for with_home in (True, False):
        body = xca_images.encode_request(images(COUNTRY_A, 1), [SYNTAX], with_home=with_home)
        answer = await answerer(ScriptedExchange(delivery=_delivery(1))).answer(
            Transaction.IMAGES_FROM_SOURCE, asked(body)
        )
        assert (b"HomeCommunityId" in answer.body) is with_home


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", list(ErrorStyle))
@pytest.mark.parametrize("transaction", SOAP_TRANSACTIONS)
def test_every_transaction_says_in_its_own_way_that_it_is_refused(
    transaction: Transaction, style: ErrorStyle
) -> None:
    """And the reason is read back by who asked."""
    error = refuse(Refusal.NO_CONSENT, "the patient does not consent")
    body = parse_xml(discovery(ids=(PATIENT,)))

    told = parse_xml(answerer(ScriptedExchange()).refusal(transaction, error, style, body))

    decode: Any = {
        Transaction.IDENTIFY: xcpd.decode_response,
        Transaction.FIND: xca_query.decode_response,
        Transaction.RETRIEVE: xca_retrieve.decode_response,
    }.get(transaction, xca_images.decode_response)
    with pytest.raises(ExchangeError):
        decode(told)


@pytest.mark.parametrize("transaction", SOAP_TRANSACTIONS)
async def test_a_body_of_another_message_is_the_askers_fault(transaction: Transaction) -> None:
    """A DecodeError on this side is a bad request, with its place."""
    error = await _refused(answerer(ScriptedExchange()).answer(transaction, asked(b"<Other/>")))

    assert error.refusal is Refusal.MALFORMED_REQUEST
    assert isinstance(error, BadRequest)
