"""Raw FHIR requests for tests: right by default, so that a test breaks one thing."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import aiohttp
from yarl import URL

from gateway.domain import (
    CallContext,
    Gender,
    HumanName,
    Oid,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
)
from gateway.transport.compose import fingerprint_of, token_signer_of
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.negotiation import request_format
from gateway.wire.fhir.refusals import REFUSAL_SYSTEM
from gateway.wire.fhir.resources import Format, Json, read_resource, validated, write_resource
from gateway.wire.fhir.security import attach_context
from tests.builders import COUNTRY_A, PATIENT
from tests.exchanges import ScriptedExchange
from tests.gateways import Pair
from tests.requests import context_for

ANNA = PatientIdentity(
    id=PATIENT,
    community=COUNTRY_A,
    names=(HumanName(family="Papadaki", given=("Anna",)),),
    birth_date=date(1971, 5, 4),
    gender=Gender.FEMALE,
)
TWIN = PatientIdentity(
    id=PatientId("A-0002", Oid("2.999.1.2")),
    community=COUNTRY_A,
    names=(HumanName(family="Papadaki", given=("Eva",)),),
    match_degree=85,
)
BOTH = Outcome((ANNA, TWIN))
SEARCH = "family=Papadaki&birthdate=1971-05-04"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FHIR_JSON = {"Content-Type": "application/fhir+json"}
EVERY_SCOPE = "ITI-78 ITI-119 ITI-67 ITI-68"


@dataclass(frozen=True, slots=True)
class Got:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def resource(self) -> Json:
        """The resource of the body, which says its own format."""
        return read_resource(self.body, request_format(self.headers["Content-Type"]))

    @property
    def refusal(self) -> str:
        """Our own code in the OperationOutcome, which is a valid one."""
        validated(self.resource)
        assert self.resource["resourceType"] == "OperationOutcome"
        codings = self.resource["issue"][0]["details"]["coding"]
        [found] = [each["code"] for each in codings if each.get("system") == REFUSAL_SYSTEM]
        return str(found)

    @property
    def patients(self) -> tuple[PatientIdentity, ...]:
        """The patients of the searchset, which is a valid one."""
        validated(self.resource)
        return pdqm.decode_response(self.resource, COUNTRY_A).items

    @property
    def ids(self) -> list[str]:
        """The identifiers of the patients, in their order."""
        return [item.id.value for item in self.patients]


def bearer(pair: Pair, context: CallContext | None = None, **changes: Any) -> str:
    """A flawless Authorization header of Country B, but for the changes."""
    options: dict[str, Any] = {
        "now": datetime.now(UTC),
        "new_id": pair.clockwork.new_id,
        "country": "XB",
        "audience": COUNTRY_A.urn,
        "client_fingerprint": fingerprint_of(pair.asking_settings.tls),
        "scope": EVERY_SCOPE,
    }
    signer = token_signer_of(pair.asking_settings.seal)
    return attach_context(context or context_for("ihe"), signer, **(options | changes))


async def ask(
    pair: Pair,
    method: str = "GET",
    path: str = f"/Patient?{SEARCH}",
    *,
    body: bytes | None = None,
    token: str | None = None,
    session: aiohttp.ClientSession | None = None,
    **headers: Any,
) -> Got:
    """Send a request; `token` is a flawless one by default, "" for none."""
    shown = bearer(pair) if token is None else token
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = URL(f"{URL(pair.url).origin()}/fhir{path}", encoded=True)
    async with (session or pair.session).request(
        method,
        url,
        data=body,
        headers=sent | ({"Authorization": shown} if shown else {}),
        skip_auto_headers=("Content-Type",),
    ) as response:
        content = await response.read()
        # aiohttp asks for gzip by itself, and this session leaves what comes as it is.
        if response.headers.get("Content-Encoding") == "gzip" and content:
            content = gzip.decompress(content)
        return Got(response.status, response.headers, content)


@dataclass
class Breaking(ScriptedExchange):
    """An Exchange with a mistake in it."""

    error: Exception = field(default_factory=lambda: RuntimeError("secret of the inside"))

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Breaks."""
        raise self.error


def match_of(*, only_certain: bool) -> bytes:
    """The Parameters of a match for the patients of `SEARCH`."""
    traits = PatientTraits(name=HumanName(family="Papadaki"), birth_date=date(1971, 5, 4))
    return write_resource(pdqm.encode_match(traits, only_certain=only_certain), Format.JSON)
