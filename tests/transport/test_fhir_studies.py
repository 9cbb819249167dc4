"""Studies searched for as ImagingStudy: whole, part by part, page by page, and one by its UID."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from yarl import URL

from gateway.domain import ImagingManifest, NotFound, Outcome, PatientId, Refusal, Uid
from gateway.pki import TrustDomain
from gateway.transport.fhir_studies import PAGE_STUDIES
from gateway.wire.fhir.imaging_study_read import read_imaging_study
from gateway.wire.fhir.resources import Json, validated
from tests.builders import PATIENT, make_manifest
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import FORM, Got, ask, bearer
from tests.gateways import Pair, pair_of
from tests.requests import audited, context_for

STUDY = make_manifest()
OLDER = replace(STUDY, study=Uid("2.999.10.2"), study_date=date(2024, 5, 1))
TOKEN = f"urn:oid:{PATIENT.authority}%7C{PATIENT.value}"
SEARCH = f"/ImagingStudy?patient.identifier={TOKEN}"


def scripted(*studies: ImagingManifest) -> ScriptedExchange:
    """An Exchange that holds these studies."""
    return ScriptedExchange(studies=Outcome(studies or (OLDER, STUDY)))


def told(got: Got, mode: str = "match") -> list[Json]:
    """The resources of a searchset, which is a valid one."""
    assert got.status == 200, got.body
    validated(got.resource)
    entries = got.resource.get("entry", [])
    return [each["resource"] for each in entries if each["search"]["mode"] == mode]


def ids(got: Got) -> list[str]:
    """The ids of the studies told."""
    return [each["id"] for each in told(got)]


def next_of(pair: Pair, got: Got) -> str:
    """The path of the next page, "" on the last."""
    links = [each["url"] for each in got.resource["link"] if each["relation"] == "next"]
    base = f"{URL(pair.url).origin()}/fhir"
    return links[0].removeprefix(base) if links else ""


@pytest.mark.parametrize("accept", ["application/fhir+json", "application/fhir+xml"])
async def test_studies_are_told_whole_and_newest_first(
    trust_domain: TrustDomain, tmp_path: Path, accept: str
) -> None:
    """Posted or not, in either format, down to the instances; and each is read by its id."""
    exchange = scripted()
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=SEARCH, Accept=accept)
        posted = await ask(
            pair,
            "POST",
            "/ImagingStudy/_search",
            body=SEARCH.partition("?")[2].encode(),
            Accept=accept,
            **FORM,
        )
        one = await ask(pair, path=f"/ImagingStudy/{OLDER.study}", Accept=accept)

    assert ids(got) == ids(posted) == [str(STUDY.study), str(OLDER.study)]
    assert exchange.asked[0][1] == exchange.asked[1][1]
    assert exchange.asked[0][1].patient == PATIENT
    for resource, held in ((told(got)[0], STUDY), (one.resource, OLDER)):
        read = read_imaging_study(resource).items[0]
        assert (read.study, read.instance_count) == (held.study, held.instance_count)
        assert read.patient.ids == held.patient.ids


async def test_only_what_is_wanted_of_a_study_is_told(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Without the instances of its series; endpoints as entries of their own, found by their id."""
    async with pair_of(scripted(), trust_domain, tmp_path) as pair:
        part = await ask(pair, path=f"{SEARCH}&_elements=series.uid,identifier")
        apart = await ask(pair, path=f"{SEARCH}&_include=ImagingStudy:endpoint")
        endpoint = told(apart, "include")[0]["id"]
        same = await ask(pair, path=f"{SEARCH}&endpoint=Endpoint/{endpoint}")
        none = await ask(pair, path=f"{SEARCH}&endpoint=Endpoint/made-up")

    assert all("instance" not in series for series in told(part)[0]["series"])
    assert told(part)[0]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert {each["resourceType"] for each in told(apart, "include")} == {"Endpoint"}
    assert all(
        one["resourceType"] != "Endpoint"
        for study in told(apart)
        for one in study.get("contained", [])
    )
    assert len(ids(same)) == 1
    assert ids(none) == []


async def test_a_long_answer_comes_in_pages(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """Of what was found then; nobody else turns them."""
    many = tuple(
        replace(STUDY, study=Uid(f"2.999.10.{number}"), series=())
        for number in range(1, PAGE_STUDIES + 2)
    )
    exchange = scripted(*many)
    other = replace(context_for("ihe"), patient=PatientId("A-0009", PATIENT.authority))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        first = await ask(pair, path=SEARCH)
        exchange.studies = Outcome(())
        path = next_of(pair, first)
        second = await ask(pair, path=path)
        foreign = await ask(pair, path=path, token=bearer(pair, other))
        counted = await ask(pair, path=f"{SEARCH}&_summary=count")

    assert len(set(ids(first)) | set(ids(second))) == len(many)
    assert first.resource["total"] == second.resource["total"] == len(many)
    assert len(ids(second)) == 1
    assert "next" not in {each["relation"] for each in second.resource["link"]}
    assert foreign.status == 410
    assert (counted.resource["total"], ids(counted)) == (0, [])


async def test_that_there_is_nothing_is_an_answer_and_no_failure(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """A search is empty, with the reason; a study that is not there is 404, like no UID at all."""
    exchange = scripted()
    exchange.studies = NotFound(Refusal.UNKNOWN_PATIENT, "no such patient")
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=SEARCH)
        one = await ask(pair, path="/ImagingStudy/2.999.404")
        nonsense = await ask(pair, path="/ImagingStudy/no-uid")
        misprint = await ask(pair, path="/ImageStudy")

    assert ids(got) == []
    assert told(got, "outcome")
    assert [each.status for each in (one, nonsense, misprint)] == [404] * 3
    assert one.resource["issue"][0]["code"] == nonsense.resource["issue"][0]["code"] == "not-found"


async def test_what_nobody_applies_is_told_and_refused_to_who_wants_that(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """`reason` is the guide's, and no reason is held here."""
    async with pair_of(scripted(), trust_domain, tmp_path) as pair:
        got = await ask(pair, path=f"{SEARCH}&reason=x")
        strict = await ask(pair, path=f"{SEARCH}&reason=x", Prefer="handling=strict")
        bad = await ask(pair, path=f"{SEARCH}&started=yesterday")

    assert len(ids(got)) == 2
    assert told(got, "outcome")[0]["issue"][0]["severity"] == "warning"
    assert (strict.status, strict.refusal) == (400, Refusal.UNSUPPORTED)
    assert (bad.status, bad.refusal) == (400, Refusal.MALFORMED_REQUEST)


async def test_another_patient_or_a_narrower_token_is_refused_and_audited(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Either scope is enough: the guide's own name, or SMART's right to search."""
    other = SEARCH.replace(PATIENT.value, "A-0009")
    async with pair_of(scripted(), trust_domain, tmp_path) as pair:
        foreign = await ask(pair, path=other)
        narrow = await ask(pair, path=SEARCH, token=bearer(pair, scope="ITI-67"))
        smart = await ask(pair, path=SEARCH, token=bearer(pair, scope="system/ImagingStudy.s"))
        events = audited(pair)

    assert (foreign.status, narrow.status, smart.status) == (403, 403, 200)
    assert len(events) == 3
    assert all("get-fhir-study" in event for event in events)
