"""A SOAP client of another make, built from our served contract, asks Country A over mutual TLS.

It carries messages of other projects, with only their identifiers made ours, and both assertions
of MyHealth@EU. The answers are judged by schemas and taken apart by the standard library.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from gateway.pki import TrustDomain
from gateway.wire.signatures import Signer
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.gateways import Pair
from tests.interop import judges
from tests.interop.country import OIDS, country, images_of
from tests.interop.parts import TakenApart, take_apart
from tests.requests import context_for, security_for
from tests.shared import shared

pytestmark = pytest.mark.interop

Element = judges.Element
HL7, QUERY, XDSB, XDSI = (
    {"n": name} for name in (judges.HL7, judges.QUERY, judges.XDSB, judges.XDSI)
)
# The unique id among the external identifiers of an entry (ITI TF-3 table 4.2.5.2-1).
UNIQUE = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
RIM = {"r": "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"}


@dataclass(frozen=True)
class Shown:
    """A security header put in whole, and last.

    zeep's WS-Addressing clears "unused" namespaces from every header put in before it, and with
    them those that only an `xsi:type` names; the signature over them would not hold any more.
    """

    security: bytes

    def apply(self, envelope: Element, headers: dict[str, str]) -> tuple[Element, dict[str, str]]:
        """The envelope with the header; zeep calls this after everything else."""
        security = etree.fromstring(self.security)
        assert len(security) == 2, "identity and treatment relation"
        _one(envelope, "soap:Header", judges.NS).append(security)
        return envelope, headers

    def verify(self, envelope: Element) -> None:
        """Nothing of an answer is signed."""


@dataclass(frozen=True)
class Stranger:
    """The other client, and the header it shows."""

    pair: Pair
    seeded: Seeded
    client: Any
    signer: Signer

    @property
    def patient_cx(self) -> str:
        """The patient's identifier as ebRIM carries it."""
        role = self.seeded.role("main")
        return f"{role['id']}^^^&{role['authority']}&ISO"

    async def ask(self, operation: str, payload: Element) -> TakenApart:
        """Send the content of a message; the answer must be one of HTTP and of SOAP."""
        answer = await self.call(operation, payload, raw_response=True)
        assert answer.status_code == 200, answer.text
        return take_apart(answer.headers["Content-Type"], answer.content)

    async def call(self, operation: str, payload: Element, **settings: bool) -> Any:
        """Send the content of a message; what zeep makes of the answer."""
        context = context_for("ehdsi", patient=self.seeded.patient("main"))
        self.client.wsse = Shown(security_for(self.pair, context, signer=self.signer))

        def call() -> Any:
            # Settings are those of the thread that makes them.
            with self.client.settings(**settings):
                send = getattr(self.client.service, operation)
                return send(_value_1=list(payload), _attr_1=dict(payload.attrib))

        return await asyncio.to_thread(call)


@pytest.fixture
async def stranger(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> AsyncIterator[Stranger]:
    """zeep, with the contract it fetched itself."""
    async with country(seeded.folder, trust_domain, tmp_path, profile="ehdsi") as pair:
        certs = tmp_path / "certs"
        with requests.Session() as session:
            session.cert = tuple(str(certs / f"xb/tls-client.{end}") for end in ("pem", "key"))
            session.verify = str(certs / "ca" / "chain.pem")
            session.trust_env = False

            def build() -> Any:
                return zeep.Client(
                    f"{pair.url}?wsdl",
                    transport=zeep.Transport(session=session),
                    settings=zeep.Settings(strict=False),
                )

            client = await asyncio.to_thread(build)
            yield Stranger(pair, seeded, client, trust_domain.signer("XB"))
        # urllib3 hangs up when a pool is collected; the server has yet to notice.
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)


def _sample(name: str) -> Element:
    """A message of another project: what its body holds, without comments."""
    parser = etree.XMLParser(remove_comments=True, remove_blank_text=True)
    root = etree.parse(shared(f"samples/soap/{name}"), parser).getroot()
    return judges.body_child(root) if root.tag == f"{{{judges.SOAP}}}Envelope" else root


def _one(element: Element, path: str, namespaces: dict[str, str]) -> Element:
    found = element.findall(path, namespaces)
    assert len(found) == 1, path
    return found[0]


def _judged(answer: TakenApart) -> Element:
    """The answer's body, without any complaint of any judge."""
    assert judges.judge_body(answer.envelope) == []
    assert judges.judge_frame(answer.envelope) == []
    assert judges.judge_addressing(answer.envelope) == []
    child = judges.body_child(answer.envelope)
    assert judges.judge_discovery(child) == []
    return child


async def test_the_contract_names_every_operation_and_where_it_is(stranger: Stranger) -> None:
    """As zeep reads it, address included."""
    (service,) = stranger.client.wsdl.services.values()
    (port,) = service.ports.values()
    assert port.binding_options["address"] == stranger.pair.url
    assert {operation.soapaction for operation in port.binding.all().values()} == {
        "urn:hl7-org:v3:PRPA_IN201305UV02:CrossGatewayPatientDiscovery",
        "urn:ihe:iti:2007:CrossGatewayQuery",
        "urn:ihe:iti:2007:CrossGatewayRetrieve",
        "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSet",
    }


async def test_a_patient_is_found(stranger: Stranger) -> None:
    """ITI-55 with the request of another project's tests: two identifiers, name, birth, gender."""
    role = stranger.seeded.role("main")
    request = _sample("iti-55/ipf-iti55-sample-request.xml")
    ids = request.findall(".//n:livingSubjectId/n:value", HL7)
    for value, known in zip(ids, (role, role["other_ids"][0]), strict=True):
        value.set("root", known["authority"])
        value.set("extension", known["id"])
    _one(request, ".//n:livingSubjectAdministrativeGender/n:value", HL7).set("code", "F")
    birth = _one(request, ".//n:livingSubjectBirthTime/n:value", HL7)
    birth.set("value", role["birth_date"].replace("-", ""))
    _one(request, ".//n:livingSubjectName//n:given", HL7).text = role["names"][0]["given"][0]
    _one(request, ".//n:livingSubjectName//n:family", HL7).text = role["names"][0]["family"]

    body = _judged(await stranger.ask("RespondingGateway_PRPA_IN201305UV02", request))

    assert _one(body, "n:controlActProcess/n:queryAck/n:queryResponseCode", HL7).get("code") == "OK"
    patient = _one(body, ".//n:subject1/n:patient/n:id", HL7)
    assert patient.attrib == {"root": role["authority"], "extension": role["id"]}
    custodian = _one(body, ".//n:custodian/n:assignedEntity/n:id", HL7)
    assert custodian.get("root") == COUNTRY_A


async def test_a_list_is_found(stranger: Stranger) -> None:
    """ITI-38 with the request of the NIST toolkit, its class code that of imaging studies."""
    role = stranger.seeded.role("main")
    request = _sample("iti-38/toolkit2-soap-xcq-req.xml")
    values = {
        slot.get("name"): _one(slot, "r:ValueList/r:Value", RIM)
        for slot in request.iterfind(".//r:Slot", RIM)
    }
    values["$XDSDocumentEntryPatientId"].text = f"'{stranger.patient_cx}'"
    values["$XDSDocumentEntryClassCode"].text = "('x-clinical-image^^2.16.840.1.113883.6.1')"

    body = _judged(await stranger.ask("RespondingGateway_CrossGatewayQuery", request))

    entries = body.findall(".//r:ExtrinsicObject", RIM)
    assert body.get("status", "").endswith(":Success")
    assert {entry.get("mimeType") for entry in entries} == {
        "application/dicom",
        "application/fhir+json",
    }
    assert len(entries) == role["expect"]["manifests"]


async def test_documents_arrive_byte_for_byte(stranger: Stranger) -> None:
    """ITI-39 with the request of the NIST toolkit: a manifest and a report, by size and digest."""
    role = stranger.seeded.role("main")
    wanted = (role["studies"][0]["manifest"], role["reports"][0]["pdf"])
    request = _sample("iti-39/toolkit2-soap-xcr-req.xml")
    for element, name in zip(request, wanted, strict=True):
        _one(element, "n:HomeCommunityId", XDSB).text = f"urn:oid:{COUNTRY_A}"
        _one(element, "n:RepositoryUniqueId", XDSB).text = OIDS.repository
        _one(element, "n:DocumentUniqueId", XDSB).text = name

    answer = await stranger.ask("RespondingGateway_CrossGatewayRetrieve", request)

    got = {
        str(response.findtext("n:DocumentUniqueId", namespaces=XDSB)): answer.content(
            _one(response, "n:Document", XDSB)
        )
        for response in _judged(answer).iterfind("n:DocumentResponse", XDSB)
    }
    assert set(got) == set(wanted)
    published = await _published_digests(stranger)
    for name, data in got.items():
        assert hashlib.sha1(data).hexdigest() == published[name]


async def _published_digests(stranger: Stranger) -> dict[str, str]:
    """The SHA-1 of every document of the patient as the list states it, by document id."""
    request = _sample("iti-38/toolkit2-soap-xcq-req.xml")
    for slot in request.findall(".//r:Slot", RIM):
        if slot.get("name") == "$XDSDocumentEntryPatientId":
            _one(slot, ".//r:Value", RIM).text = f"'{stranger.patient_cx}'"
        elif slot.get("name") == "$XDSDocumentEntryClassCode":
            slot.getparent().remove(slot)
    answer = await stranger.ask("RespondingGateway_CrossGatewayQuery", request)
    return {
        str(unique.get("value")): str(entry.findtext("r:Slot[@name='hash']//r:Value", "", RIM))
        for entry in answer.envelope.iterfind(".//r:ExtrinsicObject", RIM)
        for unique in entry.iterfind(f"r:ExternalIdentifier[@identificationScheme='{UNIQUE}']", RIM)
    }


async def test_an_image_arrives(stranger: Stranger) -> None:
    """RAD-75 with the request of the NIST toolkit: pydicom reads what comes."""
    study = stranger.seeded.role("main")["studies"][0]
    wanted = (await images_of(stranger.seeded.folder, study["manifest"]))[0]
    request = _sample("rad-75/toolkit2-rig_5420-RAD-75Request.xml")
    _one(request, "n:StudyRequest", XDSI).set("studyInstanceUID", wanted.study)
    _one(request, ".//n:SeriesRequest", XDSI).set("seriesInstanceUID", wanted.series)
    _one(request, ".//n:HomeCommunityId", XDSB).text = f"urn:oid:{COUNTRY_A}"
    _one(request, ".//n:RepositoryUniqueId", XDSB).text = OIDS.imaging_source
    _one(request, ".//n:DocumentUniqueId", XDSB).text = wanted.instance

    answer = await stranger.ask("RespondingGateway_CrossGatewayRetrieveImagingDocumentSet", request)

    response = _one(_judged(answer), "n:DocumentResponse", XDSB)
    dataset = dcmread(DicomBytesIO(answer.content(_one(response, "n:Document", XDSB))))
    assert dataset.SOPInstanceUID == wanted.instance
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"


async def test_another_make_reads_our_mtom_itself(stranger: Stranger) -> None:
    """zeep puts the document back where its include stood."""
    name = stranger.seeded.role("main")["reports"][0]["pdf"]
    request = _sample("iti-39/toolkit2-soap-xcr-req.xml")
    request.remove(request[1])
    for tag, text in (
        ("HomeCommunityId", f"urn:oid:{COUNTRY_A}"),
        ("RepositoryUniqueId", OIDS.repository),
        ("DocumentUniqueId", name),
    ):
        _one(request[0], f"n:{tag}", XDSB).text = text

    _, response = (await stranger.call("RespondingGateway_CrossGatewayRetrieve", request))._value_1

    data = b64decode(_one(response, "n:Document", XDSB).text or "")
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")


async def test_a_refusal_is_an_answer_and_no_fault(stranger: Stranger) -> None:
    """A document nobody has: Failure with a code, valid like any other answer."""
    request = _sample("iti-39/toolkit2-soap-xcr-req.xml")
    request.remove(request[1])
    _one(request[0], "n:HomeCommunityId", XDSB).text = f"urn:oid:{COUNTRY_A}"
    _one(request[0], "n:RepositoryUniqueId", XDSB).text = OIDS.repository

    body = _judged(await stranger.ask("RespondingGateway_CrossGatewayRetrieve", request))

    assert [error.get("errorCode") for error in body.iterfind(".//{*}RegistryError")] == [
        "ERROR_GENERIC_DOCUMENT_MISSING"
    ]


async def test_the_imaging_source_has_a_contract_of_its_own(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """RAD-69 alone."""
    async with (
        country(seeded.folder, trust_domain, tmp_path, endpoint=Endpoint.IMAGING_SOURCE) as pair,
        pair.session.get(f"{pair.url}?wsdl") as response,
    ):
        text = await response.read()
    contract = etree.fromstring(text)
    address = contract.find(".//{http://schemas.xmlsoap.org/wsdl/soap12/}address")
    assert address is not None
    assert address.get("location") == pair.url
