"""The gate before every server whose callers show a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import PeerSection
from gateway.domain import NotAllowed, Refusal
from gateway.peers import peer_of_section
from gateway.pki import TrustDomain
from gateway.transport.compose import signer_of
from gateway.transport.token_gate import check_community
from tests.builders import COUNTRY_A, COUNTRY_B, make_context
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import BOTH, FORM, SEARCH, ask, bearer
from tests.gateways import Pair, pair_of
from tests.requests import audited, context_for, kept
from tests.wire.fhir.sealed import SECRET, assertions, sealed, single, xua


def _everything_written(pair: Pair, folder: Path) -> bytes:
    files = [path for path in (folder / "a").rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files) + "".join(audited(pair)).encode()


async def test_a_token_in_the_address_is_refused_and_not_written_down(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Even beside a good one in its place; and in a form just so."""
    exchange = ScriptedExchange(identities=BOTH)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        token = bearer(pair).removeprefix("Bearer ")
        for method, path, body, shown in (
            ("GET", f"/Patient?{SEARCH}&access_token={token}", None, ""),
            ("GET", f"/Patient?{SEARCH}&access%5Ftoken={token}", None, None),
            ("POST", "/Patient/_search", f"{SEARCH}&access_token={token}".encode(), None),
        ):
            headers = FORM if body else {}
            got = await ask(pair, method, path, body=body, token=shown, **headers)

            assert (got.status, got.refusal) == (401, Refusal.NO_ASSERTION)
            assert got.headers["WWW-Authenticate"] == 'Bearer realm="ncp"'
        first = pair.serving.tap.transcript(kept(pair)[0]["id"])
        written = _everything_written(pair, tmp_path)

    assert exchange.asked == []
    assert first is not None
    assert first["request"]["start_line"].endswith("&access_token=(redacted) HTTP/1.1")
    assert token.split(".")[1].encode() not in written
    assert token.split(".")[2].encode() not in written


def _peer(domain: TrustDomain, folder: Path, form: str) -> PeerSection:
    secret = folder / "secret"
    secret.write_bytes(SECRET.hex().encode() + b"\n")
    subject = domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    return PeerSection.model_validate(
        {
            "name": "B",
            "community": COUNTRY_B,
            "tls_subjects": (subject,),
            "token_form": form,
            "token_secret": secret,
        }
    )


@pytest.mark.parametrize("form", ["openncp", "saml"])
async def test_a_peer_whose_tokens_carry_assertions_is_let_in_by_them(
    form: str, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """With the caller SOAP would read; ours are not taken from it, and none is written down."""
    exchange = ScriptedExchange(identities=BOTH)
    peer = _peer(trust_domain, tmp_path, form)
    async with pair_of(exchange, trust_domain, tmp_path, callers=(peer,)) as pair:
        seal, now = signer_of(pair.asking_settings.seal), datetime.now(UTC)
        inside = assertions(context_for("ehdsi"), seal=seal, now=now)
        end = int(now.timestamp()) + 3600
        token = (
            sealed(inside, secret=SECRET.hex().encode(), exp=end)
            if form == "openncp"
            else single(inside["HCP"])
        )
        got = await ask(pair, token=f"Bearer {token}")
        ours = await ask(pair)
        strange = await ask(pair, token=f"Bearer {single(xua(now=now))}")
        written = _everything_written(pair, tmp_path)

    assert got.ids == ["A-0001", "A-0002"]
    [(_, _, context)] = exchange.asked
    assert context.professional.id == "hcp-77"
    assert context.asking == COUNTRY_B
    assert [ours.status, strange.status] == [401, 401]
    assert token[-40:].encode() not in written


async def test_each_assertion_of_a_token_is_a_use_of_its_own(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """In a new wrapping an assertion is still the one that was used."""
    peer = replace_single_use(_peer(trust_domain, tmp_path, "openncp"))
    secret = SECRET.hex().encode()
    async with pair_of(ScriptedExchange(), trust_domain, tmp_path, callers=(peer,)) as pair:
        seal, now = signer_of(pair.asking_settings.seal), datetime.now(UTC)
        inside = assertions(context_for("ehdsi"), seal=seal, now=now)
        end = int(now.timestamp()) + 600
        statuses = [
            (await ask(pair, token=f"Bearer {sealed(inside, secret=secret, exp=when)}")).status
            for when in (end, end + 1)
        ]

    assert statuses == [200, 401]


def replace_single_use(section: PeerSection) -> PeerSection:
    """The peer, whose assertions serve once."""
    return section.model_copy(update={"assertions": "single-use"})


def test_who_calls_and_who_is_named_must_agree() -> None:
    """A known peer speaks for its own community; a stranger for the one its token names."""
    known = peer_of_section(PeerSection(name="B", community=COUNTRY_B))
    check_community(make_context(), known)
    check_community(make_context(), replace(known, community=None))

    with pytest.raises(NotAllowed) as caught:
        check_community(make_context(asking=COUNTRY_A), known)

    assert caught.value.refusal is Refusal.ATTRIBUTES_INVALID
