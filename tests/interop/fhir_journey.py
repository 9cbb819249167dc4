"""Everything Country A answers over FHIR about the people of the seed, and what both sides audit.

Every patient is looked for, every document listed and fetched, and much is asked that is refused.
What is told here came over the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yarl import URL

from gateway.domain import (
    DeliveryWish,
    DocumentQuery,
    ExchangeError,
    PatientId,
    PatientTraits,
    read_content,
)
from gateway.pki import TrustDomain
from gateway.wire.fhir.resources import Format, Json, write_resource
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.fhir_requests import FHIR_JSON, FORM, Got, ask, bearer
from tests.gateways import Pair
from tests.interop.country import NOBODY, country, images_of, request_for
from tests.requests import context_for

MAX_BYTES = 10**7
STATUSES = "status=current,superseded"


@dataclass
class Answers:
    """What was answered, by the request that it answers, and what was audited, by the side."""

    resources: dict[str, Json] = field(default_factory=dict)
    audits: list[Json] = field(default_factory=list)

    def of_type(self, kind: str) -> Iterator[Json]:
        """The resources of a type, those of Bundles included."""
        for resource in self.resources.values():
            inner = [entry["resource"] for entry in resource.get("entry", ())]
            yield from (each for each in (resource, *inner) if each["resourceType"] == kind)


@dataclass(frozen=True)
class Asker:
    """Somebody in Country B who asks for a patient and notes what comes."""

    pair: Pair
    answers: Answers
    token: str

    async def note(self, path: str, method: str = "GET", **options: Any) -> Got:
        """Ask, and note the resource that was answered, where one was."""
        got = await ask(self.pair, method, path, **{"token": self.token} | options)
        if got.headers.get("Content-Type", "").startswith("application/fhir+"):
            number = len(self.answers.resources)
            self.answers.resources[f"{number}: {method} {path} {got.status}"] = got.resource
        return got


def _token(patient: PatientId) -> str:
    return f"urn:oid:{patient.authority}|{patient.value}"


async def _documents(one: Asker, patient: PatientId) -> None:
    """The lists of a patient, each row read alone, and each document in a form of FHIR."""
    search = f"patient.identifier={_token(patient)}&{STATUSES}"
    listed = await one.note(f"/DocumentReference?{search}")
    await one.note("/DocumentReference/_search", "POST", body=search.encode(), **FORM)
    await one.note(f"/DocumentReference?{search}&_count=1")
    await one.note(f"/DocumentReference?{search}&_count=0&shoesize=44")
    for entry in listed.resource.get("entry", ()):
        row = entry["resource"]
        if row["resourceType"] != "DocumentReference":
            continue
        await one.note(f"/DocumentReference/{row['id']}")
        url = URL(row["content"][0]["attachment"]["url"]).path
        await one.note(url.partition("/fhir")[2], Accept="application/fhir+json")


async def _refused(one: Asker, main: PatientId) -> None:
    """What cannot be asked, or not like this, or not by somebody like that."""
    patient = f"/DocumentReference?patient.identifier={_token(main)}"
    for path in (
        "/Patient?gender=female",
        "/Patient?family=%zz",
        "/Patient?family:missing=true&birthdate=1971",
        "/Patient?family=Nemo&birthdate=1971-05-04",
        f"/Patient?identifier={_token(NOBODY)}",
        "/Patient/made-up",
        "/Observation?code=1",
        "/DocumentReference?status=current",
        f"{patient}&{STATUSES}&date=soon",
        f"{patient}&{STATUSES}&_include=DocumentReference:patient",
        "/DocumentReference/made-up",
        "/Binary/made-up",
    ):
        await one.note(path)
    await one.note(patient, "DELETE")
    await one.note(f"{patient}&{STATUSES}", Accept="image/png")
    await one.note("/Patient/$match", "POST", body=b"\xff{", **FHIR_JSON)
    await one.note(f"{patient}&{STATUSES}", token="")
    await one.note(f"{patient}&{STATUSES}", token="Bearer gibberish")


def _match(patient: PatientId) -> bytes:
    identifier = {"system": f"urn:oid:{patient.authority}", "value": patient.value}
    resource = {"resourceType": "Patient", "identifier": [identifier]}
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": resource}],
    }
    return write_resource(parameters, Format.JSON)


async def _with_our_client(pair: Pair, seeded: Seeded) -> None:
    """The way Country B asks, so that both sides audit: who, what there is, a document, images."""
    main = seeded.patient("main")
    context = context_for("ihe", patient=main)
    instances = await images_of(seeded.folder, seeded.role("main")["studies"][0]["manifest"])
    await pair.exchange.identify_patient(PatientTraits(ids=(main,)), context_for("ihe"))
    query = DocumentQuery(patient=main, community=COUNTRY_A)
    found = await pair.exchange.find_documents(query, context)
    outcome = await pair.exchange.retrieve_documents((found.items[0].ref,), context)
    await read_content(outcome.items[0].content, MAX_BYTES)
    with suppress(ExchangeError):
        denied = DocumentQuery(patient=seeded.patient("denied"), community=COUNTRY_A)
        await pair.exchange.find_documents(denied, context)
    async with await pair.exchange.retrieve_images(
        request_for(instances[0]), DeliveryWish(), context
    ) as delivery:
        async for _ in delivery.chunks():
            pass


async def answers_of(seeded: Seeded, domain: TrustDomain, folder: Path) -> Answers:
    """Ask a served Country A everything, over FHIR."""
    answers = Answers()
    over = {"identify_by": "fhir", "documents_by": "fhir", "images_by": "wado-rs"}
    async with country(seeded.folder, domain, folder, **over) as pair:
        for name in seeded.story["roles"]:
            patient = seeded.patient(name)
            anybody = Asker(pair, answers, bearer(pair, context_for("ihe")))
            found = await anybody.note(f"/Patient?identifier={_token(patient)}")
            await anybody.note("/Patient/$match", "POST", body=_match(patient), **FHIR_JSON)
            token = bearer(pair, context_for("ihe", patient=patient))
            treating = Asker(pair, answers, token)
            for each in found.resource.get("entry", ()):
                if each["resource"]["resourceType"] == "Patient":
                    await treating.note(f"/Patient/{each['resource']['id']}")
            await _documents(treating, patient)
        main = seeded.patient("main")
        asker = Asker(pair, answers, bearer(pair, context_for("ihe", patient=main)))
        await _refused(asker, main)
        await asker.note("/metadata")
        await asker.note("/metadata", Accept="application/fhir+xml")
        await _with_our_client(pair, seeded)
        answers.audits += [
            json.loads(record.fhir)
            for keeper in (pair.serving, pair.asking)
            for record in keeper.audit.events()
        ]
    return answers
