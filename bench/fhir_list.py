"""What a list of documents costs over FHIR: written beside bare orjson, asked for beside SOAP.

    python -m bench fhir_list

Writing is from nouns to bytes, nothing of an answer kept from the one before; beside it stands
orjson dumping the finished objects, which makes none. The question is ITI-67 with 25 entries in
the answer, asked in turn with ITI-38 for the same entries, of the same Country A in a process of
its own, over mutual TLS, with a token on the one side and an HCP and a TRC assertion on the other.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any

import orjson
import structlog

from bench.ebxml import ENTRIES as LISTED
from bench.ebxml import make_entries
from bench.places import FOLDER, call_context, country_a, fresh_trust, settings_b
from bench.round_trip import ENTRIES, PROFILE, fill
from country_a.app import CLOCKWORK
from gateway.config import Settings
from gateway.domain import Outcome
from gateway.transport.compose import exchanges_of, keeper_of, session_of
from gateway.transport.daemon import settled
from gateway.transport.fhir_routes import BASE
from gateway.wire.fhir import mhd_find
from gateway.wire.fhir.resources import Format, write_resource
from tests.builders import COUNTRY_A, make_query

PLACE = FOLDER / "fhir-list"
RUNS, WARM_UP = 31, 5
REQUESTS, FIRST = 200, 20
WRITE_BOUND, ASK_BOUND = 15.0, 1.0
HOST = "https://ncp-a.example/fhir"


def _cpu_ms(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def _writing() -> dict[str, Any]:
    outcome = Outcome(make_entries())
    ids = {entry.id: entry.id.removeprefix("urn:uuid:") for entry in outcome.items}
    urls = {entry: f"{HOST}/Binary/{name}" for entry, name in ids.items()}

    def encode(*, ahead: bool) -> Any:
        return mhd_find.encode_response(
            outcome,
            ids=ids,
            urls=urls,
            base=HOST,
            bundle_id="list-1",
            at=datetime.now(UTC),
            self_url=f"{HOST}/DocumentReference?patient.identifier=urn:oid:2.999.1.2|A-0001",
            ahead=ahead,
        )

    finished = encode(ahead=False)
    if len(finished["entry"]) != LISTED:
        raise RuntimeError(f"{len(finished['entry'])} entries were written")
    mine, theirs = [], []
    with settled():  # as every country that serves is
        for number in range(-WARM_UP, RUNS):
            ours = _cpu_ms(lambda: write_resource(encode(ahead=True), Format.JSON))
            bare = _cpu_ms(lambda: orjson.dumps(finished))
            if number >= 0:
                mine.append(ours)
                theirs.append(bare)
    ratio = median(one / other for one, other in zip(mine, theirs, strict=True))
    return {
        "name": "fhir-list-encode",
        "what": f"ITI-67 answer of {LISTED} entries written, nouns to bytes, against orjson dumping"
        " the finished objects; CPU milliseconds",
        "value": round(median(mine), 1),
        "baseline": round(median(theirs), 1),
        "bound": WRITE_BOUND,
        "ratio": round(ratio, 2),
        "holds": ratio <= WRITE_BOUND,
    }


def _over_fhir(settings: Settings) -> Settings:
    """The same asker, documents over FHIR."""
    [peer] = settings.peers
    origin = peer.url[: peer.url.index("/", len("https://"))]
    changed = peer.model_copy(update={"fhir_url": f"{origin}{BASE}", "documents_by": "fhir"})
    return settings.model_copy(update={"peers": (changed,)})


async def _ask(settings: Settings) -> dict[str, list[float]]:
    """Milliseconds of each question, asked in turn over either wire."""
    keeper = keeper_of(settings, CLOCKWORK)
    spent: dict[str, list[float]] = {"soap": [], "fhir": []}
    async with session_of(settings) as session, AsyncExitStack() as running:
        wires = {
            name: exchanges_of(each, session, keeper, CLOCKWORK)[COUNTRY_A]
            for name, each in (("soap", settings), ("fhir", _over_fhir(settings)))
        }
        running.enter_context(settled())
        seen = {}
        for number in range(-FIRST, REQUESTS):
            for name, country in wires.items():
                context = call_context(PROFILE)
                started = time.perf_counter()
                found = await country.find_documents(make_query(), context)
                if number >= 0:
                    spent[name].append((time.perf_counter() - started) * 1000)
                if len(found.items) != ENTRIES or found.issues:
                    raise RuntimeError(f"{len(found.items)} entries over {name}: {found.issues}")
                seen[name] = {entry.ref.document for entry in found.items}
        if seen["soap"] != seen["fhir"]:
            raise RuntimeError("the two wires list different documents")
    return spent


def _asking() -> dict[str, Any]:
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    fresh_trust(PLACE)
    asyncio.run(fill(PLACE))
    with country_a(PLACE, profile=PROFILE) as server:
        settings = settings_b(PLACE, server.ports["service"], profile=PROFILE)
        spent = asyncio.run(_ask(settings))
    fhir, soap = (quantiles(spent[name], n=20)[-1] for name in ("fhir", "soap"))
    return {
        "name": "fhir-list-ask",
        "what": f"95th percentile of {REQUESTS} ITI-67 with {ENTRIES} entries over mutual TLS kept"
        " alive, against ITI-38 with the same entries asked in turn with it; milliseconds on the"
        " wall, both countries on this machine",
        "value": round(fhir, 1),
        "baseline": round(soap, 1),
        "bound": ASK_BOUND,
        "ratio": round(fhir / soap, 2),
        "holds": fhir <= soap * ASK_BOUND,
    }


def rows() -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound, holds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    return [_writing(), _asking()]


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row['name']}: {row['value']} ms against {row['baseline']} ms,"
            f" ratio {row['ratio']}, bound {row['bound']},"
            f" {'holds' if row['holds'] else 'BROKEN'}"
        )
