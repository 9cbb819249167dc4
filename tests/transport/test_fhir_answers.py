"""What a FHIR server answers, without HTTP: nouns asked, resources answered, and what is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.config import PeerSection
from gateway.domain import (
    BadRequest,
    ExchangeError,
    HumanName,
    Issue,
    NotAllowed,
    NotFound,
    Outcome,
    PatientIdentity,
    PatientTraits,
    Refusal,
    Severity,
)
from gateway.peers import Peer, peer_of_section
from gateway.transport.compose import Clockwork
from gateway.transport.fhir_answers import FhirAnswer, FhirAnswerer, FhirAsked, FhirNoun
from gateway.transport.fhir_routes import ROUTES, match
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.resources import Format, validated, write_resource
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, COUNTRY_B, NOON, PATIENT, make_context
from tests.exchanges import ScriptedExchange

BASE = "https://a.example/fhir"
PEER = peer_of_section(PeerSection(name="B", community=COUNTRY_B))
FORM = "application/x-www-form-urlencoded"
JSON = "application/fhir+json"
ANNA = PatientIdentity(id=PATIENT, community=COUNTRY_A, names=(HumanName(family="Papadaki"),))
TRAITS = PatientTraits(name=HumanName(family="Papadaki"), birth_date=date(1971, 5, 4))


def asked(method: str = "GET", path: str = "/Patient", **changes: Any) -> FhirAsked:
    """A search for a family name and a day, but for the changes."""
    request = FhirAsked(
        route=match(method, path)[0],
        query="family=Papadaki&birthdate=1971-05-04",
        body=b"",
        content_type="",
        strict=False,
        base=BASE,
        format=Format.JSON,
        context=make_context(patient=None),
        peer=PEER,
    )
    return replace(request, **changes)


def matching(*, only_certain: bool = False, **changes: Any) -> FhirAsked:
    """A $match for the same."""
    body = write_resource(pdqm.encode_match(TRAITS, only_certain=only_certain), Format.JSON)
    options = {"query": "", "body": body, "content_type": JSON} | changes
    return asked("POST", "/Patient/$match", **options)


def answerer_of(exchange: ScriptedExchange, clockwork: Clockwork) -> FhirAnswerer:
    """An answerer that names patients by their numbers."""
    return FhirAnswerer(
        lambda _: exchange,
        community=COUNTRY_A,
        patient_ids=lambda patient: f"p-{patient.value}",
        now=lambda: NOON,
        new_id=clockwork.new_id,
    )


async def answer(
    request: FhirAsked, clockwork: Clockwork, *found: PatientIdentity, issues: Any = ()
) -> FhirAnswer:
    """The answer where these patients fit."""
    exchange = ScriptedExchange(identities=Outcome(found, issues))
    return await answerer_of(exchange, clockwork).answer(request)


async def test_an_answer_tells_the_record_whom_it_is_about(clockwork: Clockwork) -> None:
    """Patients, issues and the outcome itself, beside a valid resource."""
    issue = Issue(refusal=Refusal.BACK_END_DOWN, text="a region is missing")

    given = await answer(asked(), clockwork, ANNA, issues=(issue,))

    validated(given.resource)
    assert given.resource["entry"][0]["fullUrl"] == f"{BASE}/Patient/p-A-0001"
    assert given.resource["meta"]["lastUpdated"] == "2026-11-22T12:00:00Z"
    assert given.answered == Outcome((ANNA,), (issue,))
    assert (given.patients, given.issues) == ((PATIENT,), (issue,))


@pytest.mark.parametrize("request_", [asked(), matching()], ids=["search", "match"])
async def test_what_is_asked_is_told_before_anybody_decides(
    request_: FhirAsked, clockwork: Clockwork
) -> None:
    """So a refusal is on record with what was refused."""
    told: list[FhirNoun] = []
    refusing = ScriptedExchange(identities=NotAllowed(Refusal.NO_CONSENT, "no"))

    with pytest.raises(NotAllowed):
        await answerer_of(refusing, clockwork).answer(replace(request_, tell=told.append))

    assert told == [FhirNoun(noun=TRAITS)]


async def test_an_exchange_is_asked_as_the_peer_is_used_to_it(clockwork: Clockwork) -> None:
    """Its dialect is chosen by who calls."""
    peers: list[Peer] = []

    def exchange(peer: Peer) -> ScriptedExchange:
        peers.append(peer)
        return ScriptedExchange()

    answerer = FhirAnswerer(
        exchange,
        community=COUNTRY_A,
        patient_ids=str,
        now=lambda: NOON,
        new_id=clockwork.new_id,
    )
    await answerer.answer(asked())

    assert peers == [PEER]


async def test_the_link_says_what_was_understood(clockwork: Clockwork) -> None:
    """As it was meant: what is escaped stays escaped, what shapes and what nobody knows is out."""
    query = "family=M%C3%BCller%5C%2C+Sohn&shoe-size=44&_pretty=true&birthdate=1971-05-04"

    given = await answer(asked(query=query), clockwork)

    [link] = given.resource["link"]
    path, _, self_query = link["url"].partition("?")
    assert path == f"{BASE}/Patient"
    parameters = parse_query(self_query)
    assert [each.name for each in parameters] == ["family", "birthdate"]
    traits = pdqm.decode_request(parameters)
    assert traits.name == HumanName(family="Müller, Sohn")


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", FORM.upper()])
async def test_parameters_come_from_the_url_and_from_the_form(
    content_type: str, clockwork: Clockwork
) -> None:
    """Both together are the question."""
    exchange = ScriptedExchange()
    request = asked(
        "POST",
        "/Patient/_search",
        query="family=Papadaki",
        body=b"birthdate=1971-05-04\r\n",
        content_type=content_type,
    )

    await answerer_of(exchange, clockwork).answer(request)

    assert exchange.asked[0][1] == TRAITS


@pytest.mark.parametrize(
    ("request_", "refusal", "subject"),
    [
        (asked(query="identifier=A-0001"), Refusal.MALFORMED_REQUEST, "query.identifier"),
        (asked(query="birthdate=x"), Refusal.MALFORMED_REQUEST, "query.birthdate"),
        (
            asked("POST", "/Patient/_search", body=b"\xff", content_type=FORM),
            Refusal.MALFORMED_REQUEST,
            "body",
        ),
        (
            asked("POST", "/Patient/_search", body=b"{}", content_type=JSON),
            Refusal.UNSUPPORTED,
            "Content-Type",
        ),
        (asked(query="b=1&a=2&family=x", strict=True), Refusal.UNSUPPORTED, "a"),
        (matching(body=b'{"resourceType": "Basic"}'), Refusal.MALFORMED_REQUEST, None),
        (matching(body=b"["), Refusal.MALFORMED_REQUEST, None),
        (matching(content_type=""), Refusal.UNSUPPORTED, "Content-Type"),
    ],
)
async def test_what_cannot_be_understood_is_refused_by_its_place(
    request_: FhirAsked, refusal: Refusal, subject: str | None, clockwork: Clockwork
) -> None:
    """And nobody is asked."""
    exchange = ScriptedExchange()

    with pytest.raises(BadRequest) as caught:
        await answerer_of(exchange, clockwork).answer(request_)

    assert caught.value.refusal is refusal
    assert subject in (None, caught.value.subject)
    assert exchange.asked == []


async def test_one_who_fits_is_a_certain_match(clockwork: Clockwork) -> None:
    """Several are none, and what was said besides stays said."""
    warning = Issue(refusal=Refusal.BUSY, text="slow today", severity=Severity.WARNING)
    twin = replace(ANNA, id=replace(PATIENT, value="A-0002"))

    one = await answer(matching(only_certain=True), clockwork, ANNA)
    several = await answer(matching(only_certain=True), clockwork, ANNA, twin, issues=(warning,))

    assert one.patients == (PATIENT,)
    assert several.patients == ()
    assert [issue.refusal for issue in several.issues] == [Refusal.BUSY, Refusal.AMBIGUOUS_PATIENT]


async def test_one_who_fits_in_part_is_no_certain_match(clockwork: Clockwork) -> None:
    """Nor is it kept back from those who take any match."""
    doubtful = replace(ANNA, match_degree=80)

    certain = await answer(matching(only_certain=True), clockwork, doubtful)
    any_match = await answer(matching(), clockwork, doubtful)

    assert certain.patients == ()
    assert [issue.text for issue in certain.issues] == [
        "1 patient fits, and none for certain; only a certain match was asked for"
    ]
    assert any_match.patients == (PATIENT,)


async def test_every_row_of_the_table_is_answered(clockwork: Clockwork) -> None:
    """A row nobody answers would be a fault of ours at the first request."""
    answerer = answerer_of(ScriptedExchange(), clockwork)
    for row in [each for each in ROUTES if each.needs_token]:
        with suppress(BadRequest, NotFound):
            await answerer.answer(asked(route=row, query="", content_type=JSON))


async def test_a_decoding_problem_never_leaves_as_one(clockwork: Clockwork) -> None:
    """The place it names goes along."""
    with pytest.raises(ExchangeError) as caught:
        await answer(asked(query="family=%zz"), clockwork)

    assert isinstance(caught.value.__cause__, DecodeError)
    assert caught.value.subject == caught.value.__cause__.where
