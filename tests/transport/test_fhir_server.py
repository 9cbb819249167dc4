"""A FHIR base over mutual TLS: what is answered, and what is kept of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from yarl import URL

from gateway.domain import (
    HumanName,
    Outcome,
    PatientTraits,
    Refusal,
)
from gateway.pki import TrustDomain
from gateway.wire.fhir.resources import Format, Json, write_resource
from tests.builders import COUNTRY_B, PATIENT
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import (
    ANNA,
    BOTH,
    FHIR_JSON,
    FORM,
    SEARCH,
    TWIN,
    ask,
    bearer,
    match_of,
)
from tests.gateways import pair_of
from tests.requests import audited, context_for, kept

# --- answers --------------------------------------------------------------------------------------


async def test_a_search_finds_the_same_by_get_and_by_post(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Parameters of a form, of the URL, or of both: one question, one answer."""
    exchange = ScriptedExchange(identities=BOTH)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair)
        posted = await ask(pair, "POST", "/Patient/_search", body=SEARCH.encode(), **FORM)
        family, birth = SEARCH.split("&")
        mixed = await ask(pair, "POST", f"//Patient/_search/?{family}", body=birth.encode(), **FORM)
        head = await ask(pair, "HEAD")

    assert got.ids == posted.ids == mixed.ids == ["A-0001", "A-0002"]
    assert [each.status for each in (got, posted, mixed, head)] == [200] * 4
    assert head.body == b""
    assert got.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in got.headers["Vary"]
    traits = PatientTraits(name=HumanName(family="Papadaki"), birth_date=date(1971, 5, 4))
    assert [asked for _, asked, _ in exchange.asked] == [traits] * 4
    assert exchange.asked[0][2].asking == COUNTRY_B


async def test_ids_of_patients_are_ours_and_stay(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """An absolute address for each, with nothing of the national identifier in it."""
    async with pair_of(ScriptedExchange(identities=BOTH), trust_domain, tmp_path) as pair:
        first, second = [(await ask(pair)).resource["entry"] for _ in range(2)]

        urls = [entry["fullUrl"] for entry in first]
        assert urls == [entry["fullUrl"] for entry in second]
        assert len(set(urls)) == 2
        assert all(url.startswith(f"{URL(pair.url).origin()}/fhir/Patient/") for url in urls)
        assert not [url for url in urls if "A-000" in url]


async def test_a_match_gives_the_best_first_with_its_score(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """From Parameters and from a bare Patient alike."""
    exchange = ScriptedExchange(identities=Outcome((TWIN, ANNA)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        whole = match_of(only_certain=False)
        bare: Json = {"resourceType": "Patient", "name": [{"family": "Papadaki"}]}
        bare["birthDate"] = "1971-05-04"
        for body in (whole, write_resource(bare, Format.JSON)):
            got = await ask(pair, "POST", "/Patient/$match", body=body, **FHIR_JSON)

            assert got.patients == (ANNA, TWIN)
            scores = [entry["search"]["score"] for entry in got.resource["entry"]]
            assert [float(score) for score in scores] == [1.0, 0.85]

    assert exchange.asked[0][1] == exchange.asked[1][1]


async def test_several_who_fit_are_no_certain_match(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """None of them, and a word about why."""
    async with pair_of(ScriptedExchange(identities=BOTH), trust_domain, tmp_path) as pair:
        body = match_of(only_certain=True)
        got = await ask(pair, "POST", "/Patient/$match", body=body, **FHIR_JSON)

        assert (got.status, got.patients, got.resource["total"]) == (200, (), 0)
        [entry] = got.resource["entry"]
        assert entry["search"]["mode"] == "outcome"
        assert "2 patients fit" in entry["resource"]["issue"][0]["details"]["text"]
        assert kept(pair)[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("query", "accept"),
    [("", "application/fhir+xml"), ("&_format=xml", ""), ("&_format=xml", "application/fhir+json")],
)
async def test_an_answer_is_xml_where_that_is_asked_for(
    query: str, accept: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """By Accept or by _format, which wins; a refusal too."""
    async with pair_of(ScriptedExchange(identities=BOTH), trust_domain, tmp_path) as pair:
        headers = {"Accept": accept} if accept else {}
        got = await ask(pair, path=f"/Patient?{SEARCH}{query}", **headers)
        refused = await ask(pair, path=f"/Patient?{SEARCH}{query}", token="", **headers)

    assert got.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
    assert got.ids == ["A-0001", "A-0002"]
    assert refused.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
    assert refused.refusal == Refusal.NO_ASSERTION


async def test_a_parameter_nobody_knows_is_ignored_unless_the_asker_minds(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """It does not stand in the link either; strict handling names it."""
    async with pair_of(ScriptedExchange(identities=BOTH), trust_domain, tmp_path) as pair:
        path = f"/Patient?{SEARCH}&shoe-size=44&_count=5"
        for prefer in ({}, {"Prefer": "handling=lenient"}):
            lenient = await ask(pair, path=path, **prefer)
            assert lenient.ids == ["A-0001", "A-0002"]
            [link] = lenient.resource["link"]
            assert link["url"].endswith(f"/fhir/Patient?{SEARCH}")

        strict = await ask(pair, path=path, Prefer="return=minimal, handling=strict")
        assert (strict.status, strict.refusal) == (400, Refusal.UNSUPPORTED)
        [issue] = strict.resource["issue"]
        assert "shoe-size" in issue["details"]["text"]
        assert issue["expression"] == ["shoe-size"]


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("req 1/x", True), ("a\tb", False), ("naïve", False), ("x" * 129, False), ("", False)],
)
async def test_the_id_of_a_request_is_echoed_where_it_can_be(
    given: str, echoed: bool, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Else it gets one of ours; either way the exchange is kept under it."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        got = await ask(pair, X_Request_Id=given)

        answered = got.headers["X-Request-Id"]
        assert (answered == given) is echoed
        assert answered.isprintable()
        assert answered
        assert kept(pair)[0]["correlation_id"] == answered


# --- what is kept ---------------------------------------------------------------------------------


async def test_every_request_is_audited_once_as_what_it_was(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Search and match by their own numbers, with the patients found and who asked."""
    async with pair_of(ScriptedExchange(identities=BOTH), trust_domain, tmp_path) as pair:
        await ask(pair)
        body = match_of(only_certain=False)
        await ask(pair, "POST", "/Patient/$match", body=body, **FHIR_JSON)

        events = audited(pair)
        assert len(events) == len(kept(pair)) == 2
        for event, number in zip(events, ("ITI-78", "ITI-119"), strict=True):
            assert f'csd-code="{number}"' in event
            assert 'EventOutcomeIndicator="0"' in event
            assert "A-0001^^^" in event
            assert "A-0002^^^" in event
            assert "hcp-77" in event
        assert [each["transaction"] for each in kept(pair)] == ["ITI-78", "ITI-119"]
        assert "XB" in kept(pair)[0]["caller"]


async def test_no_token_is_ever_written_down(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """Not of a good one, not of a bad one, on either side."""
    exchange = ScriptedExchange(identities=BOTH)
    async with pair_of(exchange, trust_domain, tmp_path, identify_by="fhir") as pair:
        tokens = [bearer(pair), bearer(pair, audience=COUNTRY_B.urn), bearer(pair)[:-2] + "AA"]
        for token in tokens:
            await ask(pair, token=token)
        traits = PatientTraits(ids=(PATIENT,))
        outcome = await pair.exchange.identify_patient(traits, context_for("ihe"))

        assert [item.id for item in outcome.items] == [ANNA.id, TWIN.id]
        files = [path for side in "ab" for path in (tmp_path / side).rglob("*") if path.is_file()]
        written = b"".join(path.read_bytes() for path in files)
        assert written.count(b"(redacted)") == 5
        # A compact JWS begins with a header in base64url: `{"` is `eyJ`.
        assert b"eyJ" not in written
        parts = [part.encode() for token in tokens for part in token.split(".")[1:]]
        assert not [part for part in parts if part in written]
