"""What a FHIR base tells whoever asks, and whether it is true."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from gateway.domain import Caller, Outcome, Refusal
from gateway.pki import TrustDomain
from gateway.transport.fhir_metadata import country_finding, echoed, given_id, offers
from gateway.transport.fhir_routes import ROUTES, Interaction, methods_of
from gateway.wire.fhir.capability import PARAMETERS
from gateway.wire.fhir.resources import Json, validated
from tests.builders import PATIENT, make_context
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import ANNA, FHIR_JSON, SEARCH, ask, match_of
from tests.gateways import Pair, pair_of
from tests.requests import audited, kept
from tests.transport.test_fhir_documents import ENTRY, NAME, scripted

# A value that each published parameter can have; the patient's own is put in where one is named.
VALUES = {
    "_id": NAME,
    "accession-number": "ACC-1",
    "active": "true",
    "birthdate": "1971-05-04",
    "category": "http://loinc.org|18748-4",
    "contenttype": "application/dicom",
    "creation": "ge2020",
    "date": "ge2020-01",
    "gender": "female",
    "identifier": "urn:oid:2.999.1.2|A-0001",
    "patient": "urn:oid:2.999.1.2|A-0001",
    "patient.identifier": "urn:oid:2.999.1.2|A-0001",
    "period": "le2030-01-01",
    "relatesto": f"DocumentReference/{NAME}",
    "status": "current",
    "study-instance-uid": "2.999.1.7.1",
    "subject": "urn:oid:2.999.1.2|A-0001",
    "targetCommunityIdList": "urn:oid:2.999.1.1",
    "telecom": "tel:+30123",
}
DEFAULT = {"token": "http://x.example|y", "string": "Papadaki"}


async def _statement(pair: Pair, **headers: str) -> Json:
    got = await ask(pair, path="/metadata", token="", **headers)
    assert got.status == 200
    return got.resource


async def test_the_statement_is_told_anybody(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """Without a token, in both formats, for five minutes; kept, and not audited."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        plain = await ask(pair, path="/metadata", token="", Accept_Encoding="identity")
        slashed = await ask(pair, path="//metadata/?mode=full", token="")
        xml = await _statement(pair, Accept="application/fhir+xml")
        same = await ask(
            pair,
            path="/metadata",
            token="",
            Accept_Encoding="identity",
            If_None_Match=plain.headers["ETag"],
        )
        packed = await ask(pair, path="/metadata", token="", Accept_Encoding="gzip")
        wrong = await ask(pair, "POST", "/metadata", token="")

        assert len(kept(pair)) == 6
        assert len(audited(pair)) == 1  # the refusal alone
    validated(plain.resource)
    assert plain.resource == xml == slashed.resource
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
    assert (same.status, same.body) == (304, b"")
    assert plain.resource["implementation"]["url"] == f"{URL(pair.url).origin()}/fhir"
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")


async def test_every_claimed_interaction_is_answered(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The statement is followed to the letter, and each of its words holds."""
    exchange = scripted(ENTRY, identities=Outcome((ANNA,)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        [rest] = (await _statement(pair))["rest"]
        found = await ask(pair)
        logical_id = found.resource["entry"][0]["resource"]["id"]
        for resource in rest["resource"]:
            kind = resource["type"]
            name = logical_id if kind == "Patient" else NAME
            for each in resource.get("interaction", []):
                query = (
                    SEARCH if kind == "Patient" else f"patient=urn:oid:2.999.1.2|{PATIENT.value}"
                )
                path = f"/{kind}/{name}" if each["code"] == "read" else f"/{kind}?{query}"
                got = await ask(pair, path=path)
                # This patient's one document is DICOM: no Bundle has it.
                assert got.status == (404 if kind == "Bundle" else 200), (kind, each)
                if kind == "Bundle":
                    assert got.refusal == Refusal.UNKNOWN_DOCUMENT
        posted = await ask(
            pair, "POST", "/Patient/$match", body=match_of(only_certain=False), **FHIR_JSON
        )

    assert posted.status == 200


@pytest.mark.parametrize("kind", PARAMETERS)
async def test_every_claimed_parameter_is_followed(
    kind: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Each stands in the link of the answer to itself; one that is not claimed does not."""
    exchange = scripted(ENTRY, identities=Outcome((ANNA,)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        [rest] = (await _statement(pair))["rest"]
        [resource] = [each for each in rest["resource"] if each["type"] == kind]
        pairs = [
            (each["name"], VALUES.get(each["name"], DEFAULT.get(each["type"], "")))
            for each in resource["searchParam"]
        ]
        if kind == "Patient":
            found = await ask(pair)
            logical_id = found.resource["entry"][0]["resource"]["id"]
            pairs = [(name, logical_id if name == "_id" else value) for name, value in pairs]
        query = "&".join(f"{name}={value}" for name, value in [*pairs, ("shoe-size", "44")])
        got = await ask(pair, path=f"/{kind}?{query}", Accept_Encoding="identity")
        strict = await ask(pair, path=f"/{kind}?{query}", Prefer="handling=strict")

    assert got.status == 200, got.body
    [link] = [each["url"] for each in got.resource["link"] if each["relation"] == "self"]
    assert {name for name, _ in pairs} <= set(URL(link).query)
    assert "shoe-size" not in link
    assert (strict.status, strict.refusal) == (400, Refusal.UNSUPPORTED)


async def test_what_is_not_claimed_is_not_answered(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Every other type of resource, and every other interaction of those there are."""
    claimed = {(each.resource, each.interaction) for each in offers()}
    kinds = ("Patient", "Binary", "List")
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        for kind in kinds:
            for method, below, code in (
                ("GET", f"/{NAME}", "read"),
                ("GET", "", "search-type"),
                ("POST", "", "create"),
                ("DELETE", f"/{NAME}", "delete"),
                ("GET", f"/{NAME}/_history/1", "vread"),
            ):
                if (kind, code) not in claimed:
                    got = await ask(pair, method, f"/{kind}{below}")
                    assert got.status in (404, 405), (method, kind, below)


async def test_options_tell_the_methods_of_a_path(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Without a token, as a browser asks; nothing is told of a path there is not."""
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path) as pair:
        for path, allowed in (
            ("/Patient", "GET, HEAD, OPTIONS"),
            ("/Patient/$match", "OPTIONS, POST"),
            ("/metadata", "GET, HEAD, OPTIONS"),
            (f"/Binary/{NAME}", "GET, HEAD, OPTIONS"),
        ):
            got = await ask(pair, "OPTIONS", path, token="")
            assert (got.status, got.body, got.headers["Allow"]) == (204, b"", allowed)
        nothing = await ask(pair, "OPTIONS", "/Observation", token="")

        assert (nothing.status, nothing.refusal) == (404, Refusal.UNSUPPORTED)
        assert len(audited(pair)) == 1


def test_every_row_has_its_methods() -> None:
    """OPTIONS and the table say the same."""
    for row in ROUTES:
        last = "6f1d" if row.interaction is Interaction.READ else row.below
        assert row.method in methods_of(f"/{row.resource}/{last}")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"X-Request-Id": "a"}, "a"),
        ({"X-Correlation-ID": "b"}, "b"),
        ({"X-Request-Id": "a", "X-Correlation-ID": "b"}, "a"),
        ({"X-Request-Id": "ä", "X-Correlation-ID": "b"}, "b"),
        ({"X-Request-Id": "x" * 129}, ""),
        ({}, ""),
    ],
)
def test_the_id_of_a_request_has_two_names(headers: dict[str, str], found: str) -> None:
    """FHIR's own goes first; both are answered with what was taken."""
    assert given_id(headers) == found
    assert echoed(headers, "id") == {"X-Request-Id": "id", "X-Correlation-ID": "id"}


@pytest.mark.parametrize(
    ("code", "subject", "issuer", "expected"),
    [
        ("", "CN=b,C=XB", "urn:idp:XB:countryB", ""),
        ("XB", "CN=b,C=XB", "urn:idp:XB:countryB", ""),
        ("xb", "CN=b,C=XB", "", ""),
        ("XB", "CN=b", "https://issuer.example", ""),
        ("XC", "CN=b,C=XB", "urn:idp:XB:countryB", "XB"),
        ("XC", "CN=b", "urn:idp:XB:countryB", "XB"),
        ("XC", "C=XD+CN=b", "urn:idp:XB:countryB", "XB or XD"),
        ("Greece", "CN=b,C=XB", "", "two letters"),
    ],
)
def test_a_country_nobody_vouches_for_is_a_finding(
    code: str, subject: str, issuer: str, expected: str
) -> None:
    """Compared with the certificate and the token; it refuses nothing."""
    headers = {"CountryCode": code} if code else {}

    found = country_finding(headers, Caller(subject=subject), make_context(issuer=issuer))

    assert found.get("expected", "") == expected
