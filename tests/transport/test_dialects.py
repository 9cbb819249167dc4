"""One base for the clients of every guide: what each would send, and that it is answered.

The rows are those of the guides: NCPeH API (`ncp`), MHD with MADO and PDQm (`mhd`), EU Health
Data API (`ehda`) and OpenNCP 9 (`openncp`). Nothing tells the server which client is calling.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
import pytest_asyncio

from gateway.config import PeerSection
from gateway.domain import (
    Code,
    DocumentQuery,
    EntryStatus,
    Gender,
    Outcome,
    PatientTraits,
    ReferenceId,
    Refusal,
    TreatmentRelation,
    Uid,
)
from gateway.domain.codes import DCM, SCT
from gateway.pki import TrustDomain
from tests.builders import PATIENT
from tests.exchanges import ScriptedExchange
from tests.fhir_requests import ANNA, BOTH, FHIR_JSON, FORM, ask, bearer
from tests.gateways import Pair, pair_of
from tests.requests import context_for, kept
from tests.transport.test_fhir_documents import ENTRY, NAME, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDS = f"urn:oid:{PATIENT.authority}|{PATIENT.value}"
BARE = f"{PATIENT.authority}|{PATIENT.value}"
LOINC = "http://loinc.org"
MANIFEST, REPORT = (
    Code("18748-4", "2.16.840.1.113883.6.1"),
    Code("11502-2", "2.16.840.1.113883.6.1"),
)
CT = Code("CT", DCM)
CHEST = Code("67734004", SCT)
STUDY = ReferenceId.of_study(Uid("2.999.1.7.1"))


@dataclass(frozen=True, slots=True)
class Served:
    """The base, what is behind it, and the logical id of the patient there."""

    pair: Pair
    exchange: ScriptedExchange
    logical_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    """One base for every client."""
    exchange = scripted(ENTRY, identities=Outcome((ANNA,)))
    async with pair_of(exchange, trust_domain, tmp_path_factory.mktemp("dialects")) as pair:
        got = await ask(pair, path=f"/Patient?identifier={IDS}")
        yield Served(pair, exchange, got.resource["entry"][0]["resource"]["id"])


@dataclass(frozen=True, slots=True)
class Row:
    """A request of a dialect's client: where to, with what, and the question it must become."""

    dialect: str
    path: str
    asks: Any = None
    form: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    scope: str = "ITI-78 ITI-67 ITI-68"


def _traits(**changes: Any) -> PatientTraits:
    return PatientTraits(ids=(PATIENT,), **changes)


def _documents(**changes: Any) -> dict[str, Any]:
    return {"patient": PATIENT, "statuses": (EntryStatus.APPROVED,), **changes}


SMART = "system/Patient.read system/Patient.search system/DocumentReference.rs system/Binary.read"
OPENNCP = {"CountryCode": "XB", "X-Correlation-ID": "0f8fad5b-d9cb-469f-a165-70867728950e"}

PATIENTS: tuple[Row, ...] = (
    Row("ncp", f"/Patient?identifier={IDS}", _traits()),
    Row(
        "ncp",
        f"/Patient?identifier={IDS}&birthdate=1971-05-04&gender=female"
        "&_elements=identifier,active,name,birthDate,gender",
        _traits(birth_date=date(1971, 5, 4), gender=Gender.FEMALE),
    ),
    # The guide's own example: a parameter by another name, and a broken second identifier.
    Row(
        "ncp", f"/Patient?identifier={IDS}&identifier=broken&sex=male", _traits(gender=Gender.MALE)
    ),
    Row("mhd", f"/Patient?identifier={BARE}&active=true", _traits()),
    Row("mhd", "/Patient/_search", _traits(), form=f"identifier={IDS}&_format=json"),
    Row("mhd", f"/Patient?identifier={IDS}&_lastUpdated=ge2020-01-01&_count=20", _traits()),
    Row("ehda", f"/Patient?identifier={IDS}&birthdate=1971-05-04", scope=SMART),
    Row("ehda", "/Patient?_id={id}", _traits(), scope=SMART),
    Row("ehda", "/Patient/{id}", _traits(), scope="system/Patient.read"),
    Row(
        "openncp",
        f"/Patient?identifier={IDS}&birthdate=1971-05-04&_lastUpdated=le2030-01-01",
        _traits(birth_date=date(1971, 5, 4)),
        headers=OPENNCP,
    ),
)
DOCUMENTS: tuple[Row, ...] = (
    Row(
        "ncp",
        f"/DocumentReference?type={LOINC}|11502-2&patient.identifier={IDS}&date=ge2023-02-20",
        _documents(type_codes=(REPORT,)),
    ),
    Row(
        "ncp",
        f"/DocumentReference?patient.identifier={IDS}&contenttype=application/dicom",
        _documents(),
    ),
    Row(
        "mhd",
        f"/DocumentReference?patient.identifier={IDS}&status=current"
        "&study-instance-uid=urn:oid:2.999.1.7.1",
        _documents(references=((STUDY,),)),
    ),
    Row(
        "mhd",
        f"/DocumentReference?patient.identifier={IDS}&status=current"
        f"&modality=http://dicom.nema.org/resources/ontology/DCM|CT&bodysite={CHEST.scheme}|67734004",
        None,
    ),
    Row(
        "mhd",
        "/DocumentReference/_search",
        _documents(statuses=(EntryStatus.APPROVED, EntryStatus.DEPRECATED)),
        form=f"patient:identifier={IDS}&status=current,superseded",
    ),
    Row("mhd", f"/DocumentReference?patient:Patient.identifier={IDS}&status=current", _documents()),
    Row("ehda", "/DocumentReference?patient={id}", _documents(), scope=SMART),
    Row("ehda", "/DocumentReference?patient=Patient/{id}&_id=" + NAME, _documents(), scope=SMART),
    Row(
        "ehda",
        "/DocumentReference?patient={id}&category=http://loinc.org|18748-4&status=current",
        None,
        scope="system/DocumentReference.search",
    ),
    Row("ehda", f"/DocumentReference?patient={IDS}", _documents(), scope=SMART),
    Row(
        "openncp",
        f"/DocumentReference?patient.identifier={BARE}&type={LOINC}|18748-4&period=ge2020-01-01"
        "&period=le2030-12-31&event=urn:oid:1.2.840.10008.6.1.19|CT"
        "&event=http://snomed.info/sct|67734004",
        None,
        headers=OPENNCP,
    ),
)
READS: tuple[Row, ...] = (
    Row("ncp", f"/Binary/{NAME}", headers={"Accept": "application/dicom"}),
    Row("mhd", f"/Binary/{NAME}", headers={"Accept": "*/*"}, scope="ITI-68"),
    Row(
        "ehda",
        f"/Binary/{NAME}",
        headers={"Accept": "application/fhir+json"},
        scope="system/Binary.read",
    ),
    Row("ehda", f"/DocumentReference/{NAME}", scope="system/DocumentReference.read"),
    Row("openncp", f"/DocumentReference/{NAME}", headers=OPENNCP),
)


async def _ask(served: Served, row: Row) -> Any:
    context = context_for("ihe")
    served.exchange.asked.clear()
    got = await ask(
        served.pair,
        "POST" if row.form else "GET",
        row.path.replace("{id}", served.logical_id),
        body=row.form.encode() or None,
        token=bearer(served.pair, context, scope=row.scope),
        **row.headers,
        **(FORM if row.form else {}),
    )
    assert got.status == 200, got.body
    return got


def _name(row: Row) -> str:
    return f"{row.dialect} {row.path[:40]} {row.form[:20]}"


@pytest.mark.parametrize("row", PATIENTS, ids=_name)
async def test_a_patient_is_found_in_every_dialect(row: Row, served: Served) -> None:
    """By the same traits, whatever names the parameters have."""
    got = await _ask(served, row)

    [(verb, traits, _)] = served.exchange.asked
    assert verb == "identify"
    if row.asks is not None:
        assert traits == row.asks
    found = got.resource if got.resource["resourceType"] == "Patient" else None
    patient = found or got.resource["entry"][0]["resource"]
    assert patient["id"] == served.logical_id
    assert patient["identifier"][0]["value"] == PATIENT.value


@pytest.mark.parametrize("row", DOCUMENTS, ids=_name)
async def test_documents_are_found_in_every_dialect(row: Row, served: Served) -> None:
    """The question is one and the same noun."""
    got = await _ask(served, row)

    [(verb, query, _)] = served.exchange.asked
    assert verb == "find"
    assert isinstance(query, DocumentQuery)
    assert query.patient == PATIENT
    if row.asks is not None:
        asked = {name: getattr(query, name) for name in row.asks}
        assert asked == row.asks
    assert got.resource["type"] == "searchset"


@pytest.mark.parametrize("row", READS, ids=_name)
async def test_documents_are_read_in_every_dialect(row: Row, served: Served) -> None:
    """Their bytes, a Binary around them, or the entry that tells where they are."""
    got = await _ask(served, row)

    assert served.exchange.asked[0][0] == "look up"
    accept = row.headers.get("Accept", "")
    if "DocumentReference" in row.path:
        assert f"/Binary/{NAME}" in got.resource["content"][0]["attachment"]["url"]
    elif "fhir" in accept:
        assert got.resource["resourceType"] == "Binary"
    else:
        assert got.headers["Content-Type"] == "application/dicom"


async def test_openncp_meets_its_own_headers_again(served: Served) -> None:
    """The id under both names, and the country; one that nobody vouches for is a finding."""
    path = f"/DocumentReference?patient.identifier={IDS}"
    good = await ask(served.pair, path=path, **OPENNCP)
    wrong = await ask(served.pair, path=path, **(OPENNCP | {"CountryCode": "XC"}))
    [first, second] = [served.pair.serving.tap.transcript(e["id"]) for e in kept(served.pair)[-2:]]

    assert good.headers["X-Correlation-ID"] == good.headers["X-Request-Id"]
    assert good.headers["X-Correlation-ID"] == OPENNCP["X-Correlation-ID"]
    assert good.headers["CountryCode"] == "XB"
    assert (wrong.status, wrong.headers["CountryCode"]) == (200, "XC")
    assert first is not None
    assert second is not None
    assert "finding" not in str(first["notes"])
    assert "XC" in str(second["notes"])


@pytest.mark.parametrize(
    ("dialect", "path", "missing"),
    [
        ("mhd", f"/DocumentReference?patient.identifier={IDS}", "status"),
        ("ncp", f"/DocumentReference?patient.identifier={IDS}&status=current", "type"),
    ],
)
async def test_what_a_dialect_demands_is_missed_only_by_who_wants_to_be_told(
    dialect: Any, path: str, missing: str, trust_domain: TrustDomain, tmp_path: Any
) -> None:
    """Answered all the same; refused where handling is strict."""
    subject = trust_domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()
    peer = PeerSection(
        name="B", community="2.999.2.1", tls_subjects=(subject,), fhir_dialect=dialect
    )
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path, callers=(peer,)) as pair:
        lenient = await ask(pair, path=path)
        strict = await ask(pair, path=path, Prefer="handling=strict")
        whole = await ask(
            pair,
            path=f"/DocumentReference?patient.identifier={IDS}&status=current&type={LOINC}|1-8",
            Prefer="handling=strict",
        )

    assert (lenient.status, whole.status) == (200, 200)
    assert (strict.status, strict.refusal) == (400, Refusal.MISSING_PARAMETER)
    assert strict.resource["issue"][0]["expression"] == [missing]


async def test_a_logical_id_tells_nobody_else_anything(served: Served) -> None:
    """Who treats somebody else finds nobody by it; who treats nobody is refused."""
    other = bearer(
        served.pair, context_for("ihe", patient=PATIENT.__class__("A-9", PATIENT.authority))
    )
    nobody = bearer(served.pair, context_for("ihe", patient=None, relation=TreatmentRelation.NONE))
    path = f"/Patient?_id={served.logical_id}"
    served.exchange.asked.clear()

    hidden = await ask(served.pair, path=path, token=other)
    absent = await ask(served.pair, path=f"/Patient/{served.logical_id}", token=other)
    refused = await ask(served.pair, path=path, token=nobody)

    assert (hidden.status, hidden.resource["total"]) == (200, 0)
    assert (absent.status, absent.refusal) == (404, Refusal.UNKNOWN_PATIENT)
    assert (refused.status, refused.refusal) == (403, Refusal.NO_TREATMENT_RELATION)
    assert served.exchange.asked == []


async def test_a_match_is_answered_to_who_has_a_scope_of_smart(served: Served) -> None:
    """The operation searches, and is covered by the right to search."""
    served.exchange.identities = BOTH
    body = (
        b'{"resourceType": "Patient", "name": [{"family": "Papadaki"}], "birthDate": "1971-05-04"}'
    )
    token = bearer(served.pair, scope="system/Patient.search")
    got = await ask(served.pair, "POST", "/Patient/$match", body=body, token=token, **FHIR_JSON)

    assert got.status == 200
    assert len(got.resource["entry"]) == 2
