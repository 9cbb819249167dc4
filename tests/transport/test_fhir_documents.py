"""Documents over FHIR: lists of them, one of them, and its bytes, over mutual TLS."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from gateway.domain import (
    Association,
    AssociationKind,
    Document,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    EntryId,
    EntryStatus,
    NotFound,
    Outcome,
    PatientId,
    PurposeOfUse,
    Refusal,
)
from gateway.pki import TrustDomain
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.mhd_retrieve import unwrap_binary
from gateway.wire.fhir.resources import validated
from tests.builders import COUNTRY_A, PATIENT, make_entry
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import FORM, Got, ask, bearer
from tests.gateways import Pair, pair_of
from tests.requests import audited, context_for, kept

DATA = bytes(128) + b"DICM" + bytes(range(256)) * 40
ENTRY = make_entry(sha1=hashlib.sha1(DATA).hexdigest(), size_bytes=len(DATA))
NAME = str(ENTRY.id).removeprefix("urn:uuid:")
OTHER = replace(
    ENTRY,
    id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000002"),
    ref=replace(ENTRY.ref, document=DocumentId("2.999.1.4.2")),
)
LIST = f"/DocumentReference?patient.identifier=urn:oid:{PATIENT.authority}|{PATIENT.value}"
SEARCH = f"{LIST}&status=current"


def scripted(*entries: DocumentEntry, **changes: Any) -> ScriptedExchange:
    """An Exchange with these entries, of which the first can be had."""
    document = Document.of_bytes(entries[0].ref, entries[0].mime_type, DATA)
    answers: dict[str, Any] = {
        "entries": Outcome(entries),
        "looked_up": Outcome((entries[0],)),
        "documents": Outcome((document,)),
    }
    return ScriptedExchange(**(answers | changes))


def rows(got: Got) -> tuple[DocumentEntry, ...]:
    """The rows of a list, which is a valid one."""
    validated(got.resource)
    read = mhd_find.decode_response(
        got.resource, community=COUNTRY_A, repository=ENTRY.ref.repository
    )
    return read.outcome.items


def next_of(pair: Pair, got: Got) -> str:
    """The path of the next page, "" where there is none."""
    links = {each["relation"]: each["url"] for each in got.resource["link"]}
    base = f"{URL(pair.url).origin()}/fhir"
    return str(links.get("next", "")).removeprefix(base)


async def test_a_list_is_the_same_by_get_and_by_post(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Every row says where its document is, and the bytes are there."""
    exchange = scripted(ENTRY, OTHER)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=SEARCH)
        path, _, form = SEARCH.partition("?")
        posted = await ask(pair, "POST", f"{path}/_search", body=form.encode(), **FORM)
        url = got.resource["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        fetched = await ask(pair, path=url.partition("/fhir")[2])

    assert [row.id for row in rows(got)] == [ENTRY.id, OTHER.id]
    assert rows(posted) == rows(got)
    assert got.resource["total"] == 2
    assert fetched.body == DATA
    assert fetched.headers["Content-Type"] == "application/dicom"
    assert exchange.asked[0][1].patient == PATIENT
    assert exchange.asked[0][1] == exchange.asked[1][1]


async def test_a_long_list_comes_in_pages(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """The next page is of what was found then, and may be turned to again."""
    exchange = scripted(ENTRY, OTHER)
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        first = await ask(pair, path=f"{SEARCH}&_count=1")
        exchange.entries = Outcome(())
        second, again = [await ask(pair, path=next_of(pair, first)) for _ in range(2)]
        last = next_of(pair, second)
        tap = pair.serving.tap
        kept_pages = [tap.transcript(each["id"]) for each in kept(pair)[:2]]
        nouns = [page["decoded"]["answer"]["items"] for page in kept_pages if page is not None]

    assert [row.id for row in rows(first)] == [ENTRY.id]
    assert [row.id for row in rows(second)] == [row.id for row in rows(again)] == [OTHER.id]
    assert first.resource["total"] == second.resource["total"] == 2
    assert last == ""
    assert len(exchange.asked) == 1
    for told, shown in zip(nouns, (ENTRY, OTHER), strict=True):
        assert [item["id"] for item in told] == [str(shown.id)], "no more than was on the page"


async def test_nobody_else_turns_the_page(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """Nor does the same person, with less or for another end than was decided on."""
    own = context_for("ihe")
    others = [
        replace(own, patient=PatientId("A-0009", PATIENT.authority)),
        replace(own, purpose=PurposeOfUse.EMERGENCY),
        replace(own, professional=replace(own.professional, permissions=("PRD-006",))),
        replace(own, professional=replace(own.professional, id="somebody-else")),
    ]
    async with pair_of(scripted(ENTRY, OTHER), trust_domain, tmp_path) as pair:
        first = await ask(pair, path=f"{SEARCH}&_count=1")
        path = next_of(pair, first)
        answers = [await ask(pair, path=path, token=bearer(pair, other)) for other in others]
        answers.append(await ask(pair, path="/DocumentReference?_getpages=made-up"))
        assert (await ask(pair, path=path)).status == 200

    for got in answers:
        assert got.status == 410
        assert got.resource["issue"][0]["code"] == "expired"


async def test_only_the_number_is_told_where_that_is_asked(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """FHIR R4 search.html, _count=0."""
    async with pair_of(scripted(ENTRY, OTHER), trust_domain, tmp_path) as pair:
        got = await ask(pair, path=f"{SEARCH}&_count=0")

    assert got.resource["total"] == 2
    assert rows(got) == ()


async def test_a_search_that_finds_nobody_is_an_empty_list(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """With the reason beside it; for MHD an empty list is a success."""
    exchange = scripted(ENTRY, entries=NotFound(Refusal.UNKNOWN_PATIENT, "no such patient"))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=SEARCH)

    assert got.status == 200
    assert got.resource["total"] == 0
    [outcome] = got.resource["entry"]
    assert outcome["search"]["mode"] == "outcome"
    assert outcome["resource"]["issue"][0]["details"]["text"] == "no such patient"


@pytest.mark.parametrize(
    ("path", "status", "refusal"),
    [
        ("/DocumentReference?status=current", 400, Refusal.MISSING_PARAMETER),
        (f"{LIST}&status=current&date=soon", 400, Refusal.MALFORMED_REQUEST),
        (f"{LIST}&status=current&_include=DocumentReference:patient", 400, Refusal.UNSUPPORTED),
        ("/DocumentReference/made-up", 404, Refusal.UNKNOWN_DOCUMENT),
        (f"/Bundle/{NAME}", 404, Refusal.UNKNOWN_DOCUMENT),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_its_reason(
    trust_domain: TrustDomain, tmp_path: Path, path: str, status: int, refusal: Refusal
) -> None:
    """By the standard's own status, and by our code."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        got = await ask(pair, path=path)

    assert (got.status, got.refusal) == (status, refusal.value)


async def test_a_parameter_nobody_applies_is_named(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Refused where the asker minds, and told beside the rows where not."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        lenient = await ask(pair, path=f"{SEARCH}&shoesize=44")
        strict = await ask(pair, path=f"{SEARCH}&shoesize=44", Prefer="handling=strict")

    assert lenient.status == 200
    assert "shoesize" not in lenient.resource["link"][0]["url"]
    assert "shoesize" in str(lenient.resource["entry"][-1]["resource"]["issue"])
    assert (strict.status, strict.refusal) == (400, Refusal.UNSUPPORTED.value)


async def test_a_reference_is_read_by_its_id(trust_domain: TrustDomain, tmp_path: Path) -> None:
    """With what it replaced; an id nobody has is not found."""
    older = EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000009")
    replaced = Association(
        id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-00000000000a"),
        kind=AssociationKind.REPLACES,
        source=ENTRY.id,
        target=older,
        community=COUNTRY_A,
    )
    exchange = scripted(ENTRY, looked_up=Outcome((ENTRY, replaced)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=f"/DocumentReference/{NAME}")
        exchange.looked_up = Outcome(())
        gone = await ask(pair, path=f"/DocumentReference/{NAME}")

    validated(got.resource)
    assert got.resource["relatesTo"][0]["code"] == "replaces"
    assert got.resource["relatesTo"][0]["target"]["reference"].endswith("000000000009")
    [(_, lookup, _), _] = exchange.asked
    assert isinstance(lookup, DocumentLookup)
    assert lookup.entry_ids == (ENTRY.id,)
    assert (gone.status, gone.refusal) == (404, Refusal.UNKNOWN_DOCUMENT.value)


async def test_a_document_comes_in_the_form_that_is_asked_for(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Its own bytes, or a Binary around them for who asks for FHIR by name (binary.html)."""
    path = f"/Binary/{NAME}"
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        own = [
            await ask(pair, path=path, Accept=accept)
            for accept in ("*/*", "application/dicom", "application/fhir+json;q=0.5, */*;q=0.6")
        ]
        wrapped = [
            await ask(pair, path=path, Accept=accept)
            for accept in ("application/fhir+json", "application/fhir+xml, */*;q=0.1")
        ]
        neither = await ask(pair, path=path, Accept="image/png")

    assert [got.body for got in own] == [DATA] * 3
    assert [unwrap_binary(got.resource) for got in wrapped] == [("application/dicom", DATA)] * 2
    assert neither.status == 406


async def test_a_document_that_is_known_is_not_sent_again(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """An ETag of its bytes, and its size to whoever asks for the head alone."""
    path = f"/Binary/{NAME}"
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        got = await ask(pair, path=path)
        same = await ask(pair, path=path, If_None_Match=got.headers["ETag"])
        head = await ask(pair, "HEAD", path)

    assert got.headers["ETag"] == f'"{ENTRY.sha1}"'
    assert (same.status, same.body) == (304, b"")
    assert head.headers["Content-Length"] == str(len(DATA))
    assert head.body == b""


async def test_a_document_no_longer_in_force_is_gone_and_names_its_successor(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The guideline wants the latest version; ITI TF-2 3.68.4.1.3 says 410."""
    old = replace(ENTRY, status=EntryStatus.DEPRECATED)
    replacing = Association(
        id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-00000000000a"),
        kind=AssociationKind.REPLACES,
        source=OTHER.id,
        target=old.id,
        community=COUNTRY_A,
    )
    exchange = scripted(old, looked_up=Outcome((old, replacing)))
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        got = await ask(pair, path=f"/Binary/{NAME}")

    assert got.status == 410
    assert got.resource["issue"][0]["code"] == "deleted"
    assert str(OTHER.id).removeprefix("urn:uuid:") in got.headers["Link"]
    assert [verb for verb, *_ in exchange.asked] == ["look up"]


async def test_lists_and_documents_are_kept_and_audited(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Each as its own transaction, with the patient and the document it was about."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        await ask(pair, path=SEARCH)
        await ask(pair, path=f"/Binary/{NAME}")
        events = audited(pair)
        [listed, fetched] = kept(pair)

    assert [listed["transaction"], fetched["transaction"]] == ["ITI-67", "ITI-68"]
    assert fetched["answer_bytes"] == len(DATA)
    assert len(events) == 2
    assert all(PATIENT.value in str(event) for event in events)
    assert str(ENTRY.ref.document) in str(events[1])
