"""One answer, whichever wire: every filter of Article 10, alone and in pairs, over many entries.

What must come is worked out by `selection.select` on the entries as they were registered. Each way
into Country A has to give the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import orjson
import pytest
import pytest_asyncio

from country_a.national.sql import open_systems
from country_a.oids import NationalOids
from country_a.responder import Responder
from country_a.seed.many import many_entries
from gateway.domain import (
    Article10,
    Authentication,
    CallContext,
    Code,
    CommunityId,
    DocumentClass,
    DocumentEntry,
    DocumentQuery,
    Exchange,
    HumanName,
    Outcome,
    PatientId,
    PatientIdentity,
    ReferenceKind,
    TimeRange,
    Uid,
)
from gateway.domain.codes import DCM, REGIONS, SCT
from gateway.domain.selection import document_class, select
from gateway.middleware.authorised import Authorised, Rights
from gateway.peers import load_profile
from gateway.pki import TrustDomain
from gateway.transport.fhir_documents import PAGE_ROWS
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.mhd_parameters_write import NCP_TYPES
from gateway.wire.fhir.mhd_retrieve import reference_id
from tests.builders import COUNTRY_A, make_context
from tests.desks import desk_of
from tests.fhir_requests import FORM, ask, bearer
from tests.gateways import Pair, pair_of
from tests.requests import RELATION, SMARTCARD

# Hundreds of questions over five ways; two of them are asked in the story `uc1_equal_answers`.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.interop]

OIDS = NationalOids.under(COUNTRY_A)
# Who has a list as long as lists get, who shares studies with them, and who has a few pages.
MANY, NAMESAKE, SOME = (PatientId(f"XA-300{n}", OIDS.patients) for n in (1, 2, 3))
LOTS = {MANY: 2_000, NAMESAKE: 60, SOME: 330}
WAYS: dict[str, dict[str, Any]] = {
    "soap-ihe": {},
    "soap-ehdsi": {"profile": "ehdsi"},
    "fhir-mhd-ihe": {"documents_by": "fhir", "fhir_dialect": "mhd"},
    "fhir-mhd-ehdsi": {"documents_by": "fhir", "fhir_dialect": "mhd", "profile": "ehdsi"},
    "fhir-ncp-ihe": {"documents_by": "fhir", "fhir_dialect": "ncp"},
}


@dataclass(frozen=True, slots=True)
class Country:
    """Country A with very many entries, asked directly or over a wire."""

    entries: tuple[DocumentEntry, ...]
    direct: Exchange
    pairs: dict[str, Pair]
    worked_out: dict[DocumentQuery, list[str]] = field(default_factory=dict)

    async def ask(self, way: str, query: DocumentQuery) -> Outcome[DocumentEntry]:
        """The answer that comes this way."""
        exchange = self.direct if way == "direct" else self.pairs[way].exchange
        return await exchange.find_documents(query, context_for(way, query.patient))

    def expected(self, query: DocumentQuery) -> list[str]:
        """The rows that must come, in their order, by what the filters mean."""
        if query not in self.worked_out:
            self.worked_out[query] = ids(select(query, self.entries))
        return self.worked_out[query]


def context_for(way: str, patient: PatientId) -> CallContext:
    """A physician of Country B, with the relation that the way's profile wants to be shown."""
    profile = "ehdsi" if way.endswith("ehdsi") else "ihe"
    authentication = Authentication(at=datetime.now(UTC), method=SMARTCARD)
    return make_context(patient=patient, relation=RELATION[profile], authentication=authentication)


def ids(entries: Sequence[DocumentEntry]) -> list[str]:
    """Rows by id, in their order."""
    return [str(entry.id) for entry in entries]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def country(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Country]:
    """Country A and every way into it, opened once; tests only ask."""
    folder = tmp_path_factory.mktemp("many")
    entries: list[DocumentEntry] = []
    for patient, count in LOTS.items():
        entries += many_entries(OIDS, patient, count, seed_number=1, first=len(entries))
    async with AsyncExitStack() as stack:
        national = await open_systems(folder / "a")
        stack.push_async_callback(national.close)
        await national.systems.registry.add_many(entries)
        name = HumanName(family="Many", given=("Ann",))
        await national.systems.patients.add(
            [PatientIdentity(id=p, community=COUNTRY_A, names=(name,)) for p in LOTS]
        )
        responder = Responder(
            national.systems,
            community=COUNTRY_A,
            repository=OIDS.repository,
            imaging_source=OIDS.imaging_source,
            desk=desk_of(national.systems.pacs, folder),
        )
        pairs = {
            way: await stack.enter_async_context(
                pair_of(responder, trust_domain, folder / way, **options)
            )
            for way, options in WAYS.items()
        }
        yield Country(tuple(entries), Authorised(responder, Rights()), pairs)


# --- what is asked --------------------------------------------------------------------------------


def sample(entries: Sequence[DocumentEntry], patient: PatientId) -> DocumentEntry:
    """A report that has everything one can filter by."""
    return next(
        entry
        for entry in select(asking(Article10(), patient), entries)
        if document_class(entry) is DocumentClass.REPORT
        and entry.type_code in NCP_TYPES
        and len(entry.modalities) > 1
        and entry.regions
        and entry.procedures
        and entry.service_start
        and entry.referenced(ReferenceKind.ORDER)
    )


def filters_of(entry: DocumentEntry) -> dict[str, Article10]:
    """Each of the eight filters, set to what an entry has."""
    start = entry.service_start
    if start is None:
        raise ValueError("an entry to filter by has a time")
    [accession, *_] = entry.referenced(ReferenceKind.ACCESSION)
    [order, *_] = entry.referenced(ReferenceKind.ORDER)
    month = TimeRange(start=start.at - timedelta(days=15), end=start.at + timedelta(days=15))
    return {
        "document_class": Article10(document_class=document_class(entry)),
        "modality": Article10(modality=entry.modalities[0]),
        "region": Article10(region=entry.regions[0]),
        "procedure": Article10(procedure=entry.procedures[0]),
        "performed": Article10(performed=month),
        "study": Article10(study=Uid(entry.studies[0])),
        "accession": Article10(accession=accession),
        "order": Article10(order=order),
    }


def pairs_of(filters: dict[str, Article10]) -> dict[str, Article10]:
    """Every two filters together."""
    return {
        f"{one}+{two}": replace(filters[one], **{two: getattr(filters[two], two)})
        for one, two in combinations(filters, 2)
    }


def odd_filters(entries: Sequence[DocumentEntry]) -> dict[str, Article10]:
    """Values that wires spell in ways of their own, and unknown, equal and divided times."""
    accessions = [one for each in entries for one in each.referenced(ReferenceKind.ACCESSION)]
    quoted = next(each for each in accessions if "'" in each.value and "|" in each.value)
    unassigned = next(each for each in accessions if not each.authority)
    named = next(each for each in accessions if each.authority == "Szpital Miejski")
    moment = next(entry.service_start.at for entry in entries if entry.service_start)
    half = timedelta(microseconds=500_000)
    return {
        "a region that has three codes": Article10(region=Code("421060004", SCT)),
        "a region's old scheme": Article10(region=Code(REGIONS[0].value, "SRT")),
        "a modality's old scheme": Article10(modality=Code("MR", "DCM")),
        "a modality without scheme": Article10(modality=Code("MG", "")),
        "the value in another scheme": Article10(procedure=Code("MR", "2.999.1.1.20")),
        "a value with separators": Article10(procedure=Code("RTG,2|$", "2.999.1.1.20")),
        "a scheme that is a name": Article10(procedure=Code("KL'1", "99SZPITAL")),
        "an accession with separators": Article10(accession=quoted),
        "any authority": Article10(accession=replace(quoted, authority="%")),
        "no authority": Article10(accession=unassigned),
        "an authority that is a name": Article10(accession=named),
        "a time many share, within a second": Article10(
            performed=TimeRange(start=moment - half, end=moment + half)
        ),
        "after it, within a second": Article10(
            performed=TimeRange(start=moment + half, end=moment + 3 * half)
        ),
        "what nothing fits": Article10(modality=Code("OPT", DCM), study=Uid("2.999.0.1")),
    }


def asking(filters: Article10, patient: PatientId = MANY, *, profile: str = "ihe") -> DocumentQuery:
    """The query of these filters, in the class codes of a profile."""
    codes = dict(load_profile(profile).class_codes)
    return filters.query(patient, CommunityId(COUNTRY_A), codes)


def differences(
    country: Country, answers: dict[str, tuple[DocumentQuery, Sequence[DocumentEntry]]]
) -> dict[str, str]:
    """Where an answer is not the one that must come, and how."""
    found = {}
    for name, (query, items) in answers.items():
        came, wanted = ids(items), country.expected(query)
        if came != wanted:
            order = "another order" if sorted(came) == sorted(wanted) else "other rows"
            found[name] = f"{order}: {len(came)} rows, expected {len(wanted)}"
    return found


# --- what must come -------------------------------------------------------------------------------


async def test_the_cases_are_worth_asking(country: Country) -> None:
    """The seed is long and mixed; each filter and each pair finds some rows, and not all."""
    everything = country.expected(asking(Article10()))
    filters = filters_of(sample(country.entries, MANY))
    singles = [len(country.expected(asking(each))) for each in filters.values()]
    pairs = [len(country.expected(asking(each))) for each in pairs_of(filters).values()]
    odd = [
        len(country.expected(asking(each, SOME))) for each in odd_filters(country.entries).values()
    ]

    assert len(country.entries) > 2_300
    assert 1_800 < len(everything) < 2_000
    assert len(singles) == 8
    assert len(pairs) == 28
    assert all(0 < found < len(everything) for found in singles + pairs)
    assert sum(found > 2 for found in pairs) >= 10
    assert all(odd[:-1])
    assert odd[-1] == 0


@pytest.mark.parametrize("way", ["direct", "soap-ihe", "fhir-mhd-ihe"])
async def test_every_filter_alone_and_in_pairs_gives_the_same_rows_in_the_same_order(
    country: Country, way: str
) -> None:
    """By the registry's SQL, as a stored query, as a search of FHIR whose pages are turned."""
    filters = filters_of(sample(country.entries, MANY))
    cases = {name: asking(each) for name, each in (filters | pairs_of(filters)).items()}
    cases |= {name: asking(each, SOME) for name, each in odd_filters(country.entries).items()}
    answers = {}
    for name, query in cases.items():
        outcome = await country.ask(way, query)
        answers[name] = (query, outcome.items)
        assert outcome.errors == (), name

    assert len(cases) == 50
    assert differences(country, answers) == {}


@pytest.mark.parametrize("way", ["soap-ehdsi", "fhir-mhd-ehdsi"])
async def test_the_class_codes_of_a_dialect_change_no_answer(country: Country, way: str) -> None:
    """eHDSI calls reports by the code that IHE gives to images: the rows are the same."""
    filters = filters_of(sample(country.entries, SOME))
    names = {name: each for name, each in pairs_of(filters).items() if "document_class" in name}
    answers = {}
    for name, each in names.items():
        outcome = await country.ask(way, asking(each, SOME, profile="ehdsi"))
        answers[name] = (asking(each, SOME), outcome.items)

    assert len(answers) == 7
    assert differences(country, answers) == {}


async def test_a_dialect_of_few_words_gives_the_same_rows(country: Country) -> None:
    """NCPeH API knows type and category: all else is applied to the rows as they came.

    Its searches need a type. Documents of others are not listed, which is said.
    """
    filters = filters_of(sample(country.entries, SOME))
    cases = {name: asking(each, SOME) for name, each in (filters | pairs_of(filters)).items()}
    texts = {name: mhd_find.encode_request(query, "ncp").text for name, query in cases.items()}
    plain = {
        text: replace(asking(Article10(), SOME), class_codes=query.class_codes)
        for text, query in zip(texts.values(), cases.values(), strict=True)
    }
    listed = {text: await country.ask("fhir-ncp-ihe", query) for text, query in plain.items()}
    answers = {
        name: (replace(query, type_codes=NCP_TYPES), select(query, listed[texts[name]].items))
        for name, query in cases.items()
    }
    whole = await country.ask("fhir-ncp-ihe", cases["document_class+region"])

    assert len(cases) == 36
    assert len(listed) == 2
    assert differences(country, answers) == {}
    assert ids(whole.items) == ids(answers["document_class+region"][1])
    assert {issue.subject for issue in whole.issues} == {"status", "type"}
    left_out = set(country.expected(asking(Article10(), SOME))) - {
        *ids(listed[mhd_find.encode_request(asking(Article10(), SOME), "ncp").text].items)
    }
    assert left_out == {
        str(entry.id)
        for entry in select(asking(Article10(), SOME), country.entries)
        if entry.type_code not in NCP_TYPES
    }
    assert left_out


# --- as it is on the wire -------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "method"), [("mhd", "GET"), ("mhd", "POST"), ("ncp", "GET")])
async def test_pages_go_on_where_the_one_before_ended(
    country: Country, dialect: str, method: str
) -> None:
    """The rows as they are sent: no page repeats, skips or reorders, however it was asked for."""
    pair = country.pairs[f"fhir-{dialect}-ihe"]
    token = bearer(pair, context_for("fhir-mhd-ihe", SOME))
    query = asking(Article10(), SOME)
    text = mhd_find.encode_request(query, dialect).text
    path, pages = f"/DocumentReference?{text}", list[list[str]]()
    first = {"path": "/DocumentReference/_search", "body": text.encode(), **FORM}
    while path:
        asked = first if method == "POST" and not pages else {"path": path}
        got = await ask(pair, method if "body" in asked else "GET", token=token, **asked)
        bundle = orjson.loads(got.body)
        rows = [entry["resource"] for entry in bundle["entry"]]
        pages.append([row["id"] for row in rows if row["resourceType"] == "DocumentReference"])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        path = links.get("next", "").partition("/fhir")[2]

    if dialect == "ncp":
        query = replace(query, type_codes=NCP_TYPES)
    wanted = [reference_id(entry.id) for entry in select(query, country.entries)]
    assert [row for page in pages for row in page] == wanted
    assert len(pages) == -(-len(wanted) // PAGE_ROWS) > 2
