"""Input a FHIR server must survive: each answered with the error that the standard has for it.

What is asserted elsewhere too is here once more where it belongs to the list; how tokens are
refused is `test_token_rows`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from gateway.domain import Outcome
from gateway.pki import TrustDomain
from tests.builders import PATIENT
from tests.fhir_requests import ANNA, FHIR_JSON, FORM, SEARCH, ask
from tests.gateways import Pair, pair_of
from tests.requests import audited, kept
from tests.transport.test_fhir_documents import ENTRY, NAME, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

FHIR_XML = {"Content-Type": "application/fhir+xml"}
JSON_FHIR = {"Accept": "application/fhir+json"}
STRICT = {"Prefer": "handling=strict"}
MATCH = "/Patient/$match"
LIST = f"/DocumentReference?patient.identifier=urn:oid:{PATIENT.authority}|{PATIENT.value}"


@dataclass(frozen=True, slots=True)
class Bad:
    """A request, and the status and issue code that answer it."""

    name: str
    path: str
    status: int
    code: str
    method: str = "GET"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def _posted(name: str, status: int, code: str, body: bytes, headers: dict[str, str]) -> Bad:
    return Bad(name, MATCH, status, code, "POST", body, headers)


ROWS = (
    _posted("JSON that breaks off", 400, "structure", b'{"resourceType": "Pat', FHIR_JSON),
    _posted("JSON of a list", 400, "structure", b"[]", FHIR_JSON),
    _posted(
        "JSON with a name twice",
        400,
        "structure",
        b'{"resourceType": "Patient", "resourceType": "Patient"}',
        FHIR_JSON,
    ),
    _posted("JSON that is too deep", 400, "structure", b'{"a":' * 80 + b"1" + b"}" * 80, FHIR_JSON),
    _posted("no body", 400, "structure", b"", FHIR_JSON),
    _posted(
        "XML that breaks off", 400, "structure", b'<Patient xmlns="http://hl7.org/fhir">', FHIR_XML
    ),
    _posted(
        "XML with a DTD",
        400,
        "structure",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Patient xmlns="http://hl7.org/fhir"/>',
        FHIR_XML,
    ),
    _posted("XML of another namespace", 400, "structure", b"<Patient/>", FHIR_XML),
    _posted("another resource", 400, "invalid", b'{"resourceType": "Observation"}', FHIR_JSON),
    _posted(
        "a value of another kind",
        400,
        "invalid",
        b'{"resourceType": "Patient", "name": 5}',
        FHIR_JSON,
    ),
    _posted("a body of no type", 415, "not-supported", b"{}", {}),
    _posted("a body of another type", 415, "not-supported", b"a,b", {"Content-Type": "text/csv"}),
    _posted(
        "a body of another version",
        415,
        "not-supported",
        b"{}",
        {"Content-Type": "application/fhir+json; fhirVersion=5.0"},
    ),
    _posted(
        "a body packed in what nobody knows",
        415,
        "not-supported",
        b"{}",
        FHIR_JSON | {"Content-Encoding": "br"},
    ),
    Bad(
        "a form of another type", "/Patient/_search", 415, "not-supported", "POST", b"{}", FHIR_JSON
    ),
    Bad(
        "an unknown parameter, strictly",
        f"/Patient?{SEARCH}&x=1",
        400,
        "not-supported",
        headers=STRICT,
    ),
    Bad(
        "an unknown list parameter, strictly",
        f"{LIST}&x=1&status=current",
        400,
        "not-supported",
        headers=STRICT,
    ),
    Bad("no patient", "/DocumentReference?status=current", 400, "required"),
    Bad("too little to find anybody", "/Patient?gender=female", 400, "required"),
    Bad("two patients", f"{LIST}&patient.identifier=urn:oid:2.999.1.2|B", 400, "required"),
    Bad("a bad prefix", f"{LIST}&date=zz2020-01-01", 400, "value"),
    Bad("no date", f"{LIST}&period=ge2020-13-01", 400, "value"),
    Bad("a prefix not offered", f"{LIST}&date=ne2020-01-01", 400, "not-supported"),
    Bad("a modifier not offered", f"{LIST}&type:below=x", 400, "not-supported"),
    Bad("an include not offered", f"{LIST}&_include=*", 400, "not-supported"),
    Bad("no token", f"{LIST}&type=a|b|c", 400, "value"),
    Bad("an unknown system of patients", "/Patient?identifier=urn:x-nobody:s|1", 404, "not-found"),
    Bad("an identifier without system", "/Patient?identifier=1", 400, "value"),
    Bad("an unknown community", f"{LIST}&targetCommunityIdList=urn:oid:2.999.9", 404, "not-found"),
    Bad("studies of no patient", "/ImagingStudy?modality=CT", 400, "required"),
    Bad("documents of no study", f"{LIST}&study-instance-uid=x", 400, "invalid"),
    Bad("a query that is too long", f"{LIST}&title={'x' * 70_000}", 414, "too-long"),
    Bad("a value that is too long", f"{LIST}&type={'x' * 5_000}", 400, "value"),
    Bad("too many parameters", f"{LIST}{'&x=1' * 200}", 400, "invalid"),
    Bad("bytes that are no text", "/Patient?family=%ff%fe", 400, "value"),
    Bad("a control character", "/Patient?family=a%00b", 400, "value"),
    Bad("a page past the end", "/DocumentReference?_getpages=gone", 410, "expired"),
    Bad(
        "a format not written",
        f"/Patient?{SEARCH}",
        406,
        "not-supported",
        headers={"Accept": "text/turtle"},
    ),
    Bad(
        "another version of FHIR",
        f"/Patient?{SEARCH}&_format=application/fhir%2Bjson;fhirVersion=5.0",
        406,
        "not-supported",
    ),
    Bad(
        "a document in another format",
        f"/Binary/{NAME}",
        406,
        "not-supported",
        headers={"Accept": "image/png"},
    ),
    Bad(
        "a range behind the end",
        f"/Binary/{NAME}",
        416,
        "not-supported",
        headers={"Range": "bytes=99999999-"},
    ),
    Bad("an id nobody has", "/Binary/made-up", 404, "not-found"),
    Bad("an id that is none", "/Binary/a_b", 404, "not-supported"),
    Bad("an unknown type", "/Observation?x=1", 404, "not-supported"),
    Bad("the base itself", "", 404, "not-supported"),
    Bad("an unknown operation", "/Patient/$everything", 404, "not-supported", "POST"),
    Bad("a method not offered", "/DocumentReference", 405, "not-supported", "PUT"),
    Bad("a method of other protocols", "/Patient", 405, "not-supported", "PROPFIND"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """One base for all that is bad."""
    exchange = scripted(ENTRY, identities=Outcome((ANNA,)), looked_up=Outcome((ENTRY,)))
    async with pair_of(exchange, trust_domain, tmp_path_factory.mktemp("bad")) as opened:
        yield opened


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_bad_input_meets_the_error_of_the_standard(row: Bad, pair: Pair) -> None:
    """An OperationOutcome of that status and code, valid, kept and audited."""
    got = await ask(pair, row.method, row.path, body=row.body or None, **row.headers)

    assert (got.status, got.resource["issue"][0]["code"]) == (row.status, row.code), got.body
    assert got.refusal
    [issue] = got.resource["issue"]
    assert issue["severity"] == "error"
    assert "correlation id" in issue["diagnostics"]
    assert kept(pair)[-1]["outcome"] == "refused"
    assert 'EventOutcomeIndicator="8"' in audited(pair)[-1]


async def test_input_that_is_only_odd_is_answered(pair: Pair) -> None:
    """Ignored, joined or forgiven, as the standard has it."""
    for path, headers in (
        (f"/Patient?{SEARCH}&x=1", {}),
        (f"/Patient?{SEARCH}&x=1", {"Prefer": "handling=lenient"}),
        (f"//Patient//?{SEARCH}&&", {}),
        (f"/Patient?{SEARCH}", {"Accept": "text/html, */*;q=0.8"}),
        (f"{LIST}&_count=5&_pretty=true&_lastupdated=ge2020", JSON_FHIR),
    ):
        got = await ask(pair, path=path, **headers)
        assert got.status == 200, got.body
    posted = await ask(pair, "POST", f"/Patient/_search?{SEARCH}", body=b"", **FORM)
    assert posted.status == 200
