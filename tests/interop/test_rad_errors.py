"""The error catalogue of image retrieval over the wire: RAD-75 and RAD-69, in both profiles.

Triggers are those of the NIST toolkit's tests of imaging sources (ids_4812) and what its authors
expect: one wrong thing in a request for a single image, status Failure, one error of that code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from gateway.domain import InstanceRef
from gateway.pki import TrustDomain
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A
from tests.conftest import Seeded
from tests.gateways import Pair
from tests.interop import judges
from tests.interop.country import OIDS, country, images_of
from tests.interop.parts import TakenApart, take_apart
from tests.requests import IMAGES, SOURCE, context_for, enveloped, security_for

pytestmark = pytest.mark.interop

Element = judges.Element
NS = {"b": judges.XDSB, "i": judges.XDSI, "rs": judges.RS}
FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"
PARTIAL = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
EXPLICIT = "1.2.840.10008.1.2.1"
ACTION = {Endpoint.RESPONDING_GATEWAY: IMAGES, Endpoint.IMAGING_SOURCE: SOURCE}


@dataclass(frozen=True)
class Asker:
    """Asks one of the endpoints for images as the main patient's physician."""

    pair: Pair
    endpoint: Endpoint
    profile: str
    security: bytes
    instances: tuple[InstanceRef, ...]

    @property
    def rad75(self) -> bool:
        """Whether this is the exchange between gateways."""
        return self.endpoint is Endpoint.RESPONDING_GATEWAY

    async def ask(self, request: Element) -> TakenApart:
        """The answer, valid whatever it says; an error is no fault and has HTTP status 200."""
        body, action = etree.tostring(request), ACTION[self.endpoint]
        root = enveloped(self.pair, body, action, security=self.security)
        async with self.pair.session.post(
            self.pair.url, data=root, headers={"Content-Type": "application/soap+xml"}
        ) as response:
            assert response.status == 200, await response.text()
            answer = take_apart(response.headers["Content-Type"], await response.read())
        assert judges.judge_body(answer.envelope) == []
        return answer

    def request(self, *instances: InstanceRef, syntaxes: tuple[str, ...] = (EXPLICIT,)) -> Element:
        """A request for instances, one StudyRequest each, right in everything."""
        studies = "".join(
            f'<i:StudyRequest studyInstanceUID="{ref.study}">'
            f'<i:SeriesRequest seriesInstanceUID="{ref.series}"><b:DocumentRequest>'
            f"<b:HomeCommunityId>urn:oid:{COUNTRY_A}</b:HomeCommunityId>"
            f"<b:RepositoryUniqueId>{OIDS.imaging_source}</b:RepositoryUniqueId>"
            f"<b:DocumentUniqueId>{ref.instance}</b:DocumentUniqueId>"
            "</b:DocumentRequest></i:SeriesRequest></i:StudyRequest>"
            for ref in instances
        )
        listed = "".join(f"<i:TransferSyntaxUID>{uid}</i:TransferSyntaxUID>" for uid in syntaxes)
        return etree.fromstring(
            f'<i:RetrieveImagingDocumentSetRequest xmlns:i="{judges.XDSI}" '
            f'xmlns:b="{judges.XDSB}">{studies}'
            f"<i:TransferSyntaxUIDList>{listed}</i:TransferSyntaxUIDList>"
            "</i:RetrieveImagingDocumentSetRequest>"
        )


@pytest.fixture(params=["ihe", "ehdsi"])
async def asker(
    request: pytest.FixtureRequest, seeded: Seeded, trust_domain: TrustDomain, tmp_path: Path
) -> AsyncIterator[Asker]:
    """Country A at the endpoint the test is about."""
    endpoint = request.getfixturevalue("endpoint")
    manifest = seeded.role("main")["studies"][0]["manifest"]
    instances = await images_of(seeded.folder, manifest)
    async with country(
        seeded.folder, trust_domain, tmp_path, profile=request.param, endpoint=endpoint
    ) as pair:
        context = context_for(request.param, patient=seeded.patient("main"))
        security = security_for(pair, context, signer=trust_domain.signer("XB"))
        yield Asker(pair, endpoint, request.param, security, instances)


def _set(path: str, text: str) -> Callable[[Element], None]:
    def spoil(request: Element) -> None:
        found = request.find(path, NS)
        assert found is not None
        found.text = text

    return spoil


def _uid(path: str, attribute: str, value: str) -> Callable[[Element], None]:
    def spoil(request: Element) -> None:
        found = request.find(path, NS)
        assert found is not None
        found.set(attribute, value)

    return spoil


def _without(path: str) -> Callable[[Element], None]:
    def spoil(request: Element) -> None:
        found = request.find(path, NS)
        assert found is not None
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)

    return spoil


def _twice(path: str) -> Callable[[Element], None]:
    def spoil(request: Element) -> None:
        found = request.find(path, NS)
        assert found is not None
        found.addnext(etree.fromstring(etree.tostring(found)))

    return spoil


STUDY, SERIES = "i:StudyRequest", "i:StudyRequest/i:SeriesRequest"
DOCUMENT = f"{SERIES}/b:DocumentRequest"
HOME = f"{DOCUMENT}/b:HomeCommunityId"
REPOSITORY, SOP = f"{DOCUMENT}/b:RepositoryUniqueId", f"{DOCUMENT}/b:DocumentUniqueId"
SYNTAXES = "i:TransferSyntaxUIDList"
SYNTAX = f"{SYNTAXES}/i:TransferSyntaxUID"
STUDY_UID, SERIES_UID = "studyInstanceUID", "seriesInstanceUID"

CATALOGUE: dict[str, tuple[Callable[[Element], None], str]] = {
    "a repository that is not ours": (_set(REPOSITORY, "2.999.404"), "XDSUnknownRepositoryId"),
    "the document repository": (_set(REPOSITORY, OIDS.repository), "XDSUnknownRepositoryId"),
    "an unknown instance": (_set(SOP, "2.999.404"), "XDSDocumentUniqueIdError"),
    "not in that series": (_uid(SERIES, SERIES_UID, "2.999.404"), "XDSDocumentUniqueIdError"),
    "not in that study": (_uid(STUDY, STUDY_UID, "2.999.404"), "XDSDocumentUniqueIdError"),
    "an empty study UID": (_uid(STUDY, STUDY_UID, ""), "XDSIRequestError"),
    "an empty series UID": (_uid(SERIES, SERIES_UID, ""), "XDSIRequestError"),
    "a study UID that is none": (_uid(STUDY, STUDY_UID, "CT^1"), "XDSIRequestError"),
    "no StudyRequest": (_without(STUDY), "XDSIRequestError"),
    "no SeriesRequest": (_without(SERIES), "XDSIRequestError"),
    "no DocumentRequest": (_without(DOCUMENT), "XDSIRequestError"),
    "the same DocumentRequest twice": (_twice(DOCUMENT), "XDSIRequestError"),
    "two RepositoryUniqueIds": (_twice(REPOSITORY), "XDSIRequestError"),
    "two DocumentUniqueIds": (_twice(SOP), "XDSIRequestError"),
    "an empty RepositoryUniqueId": (_set(REPOSITORY, ""), "XDSIRequestError"),
    "an empty DocumentUniqueId": (_set(SOP, ""), "XDSIRequestError"),
    "no RepositoryUniqueId": (_without(REPOSITORY), "XDSIRequestError"),
    "no DocumentUniqueId": (_without(SOP), "XDSIRequestError"),
    "an empty TransferSyntaxUID": (_set(SYNTAX, ""), "XDSRepositoryError"),
    "no TransferSyntaxUID": (_without(SYNTAX), "XDSIRequestError"),
    "no TransferSyntaxUIDList": (_without(SYNTAXES), "XDSIRequestError"),
    "a syntax that is none": (_set(SYNTAX, "JPEG"), "XDSRepositoryError"),
    "a syntax it is not kept in": (_set(SYNTAX, JPEG_BASELINE), "XDSRepositoryError"),
    "another community": (_set(HOME, "urn:oid:2.999.404"), "XDSUnknownCommunity"),
}


def _errors(answer: TakenApart) -> list[Element]:
    return answer.envelope.findall(".//rs:RegistryError", NS)


@pytest.mark.parametrize("endpoint", Endpoint)
async def test_each_trigger_has_its_code(endpoint: Endpoint, asker: Asker) -> None:
    """Failure, one error, no document, and the location that the transaction prescribes."""
    found: dict[str, object] = {}
    for name, (spoil, code) in CATALOGUE.items():
        request = asker.request(asker.instances[0])
        spoil(request)
        answer = await asker.ask(request)
        status = answer.envelope.find(".//rs:RegistryResponse", NS)
        assert status is not None
        errors = _errors(answer)
        said = (
            status.get("status"),
            [error.get("errorCode") for error in errors],
            [error.get("severity", "").rpartition(":")[2] for error in errors],
            [error.get("location") for error in errors] if asker.rad75 else [],
            answer.envelope.findall(".//b:DocumentResponse", NS),
        )
        location = [f"urn:oid:{COUNTRY_A}"] if asker.rad75 else []
        if said != (FAILURE, [code], ["Error"], location, []):
            found[name] = said
    assert found == {}


@pytest.mark.parametrize("endpoint", Endpoint)
async def test_the_error_is_about_the_image_that_failed(endpoint: Endpoint, asker: Asker) -> None:
    """RAD-69 names it in the location, RAD-75 in the text; the other image comes."""
    wanted = asker.instances[0]
    request = asker.request(wanted, asker.instances[1])
    _set(SOP, "2.999.404")(request)
    answer = await asker.ask(request)
    status = answer.envelope.find(".//rs:RegistryResponse", NS)
    assert status is not None
    assert status.get("status") == PARTIAL
    (error,) = _errors(answer)
    assert "2.999.404" in str(error.get("codeContext"))
    assert error.get("location") == (f"urn:oid:{COUNTRY_A}" if asker.rad75 else "2.999.404")
    (response,) = answer.envelope.findall(".//b:DocumentResponse", NS)
    assert response.findtext("b:DocumentUniqueId", "", NS) == asker.instances[1].instance
    assert len(answer.parts) == 1


@pytest.mark.parametrize("endpoint", Endpoint)
async def test_a_request_that_names_no_community(endpoint: Endpoint, asker: Asker) -> None:
    """RAD-69 needs none, and then the answer has none; RAD-75 needs one, by the IHE profile."""
    request = asker.request(asker.instances[0])
    _without(HOME)(request)
    answer = await asker.ask(request)
    responses = answer.envelope.findall(".//b:DocumentResponse", NS)
    if asker.rad75 and asker.profile == "ihe":
        assert [error.get("errorCode") for error in _errors(answer)] == [
            "XDSMissingHomeCommunityId"
        ]
        assert responses == []
    else:
        assert _errors(answer) == []
        assert [response.find("b:HomeCommunityId", NS) for response in responses] == [None]


@pytest.mark.parametrize("endpoint", Endpoint)
async def test_nothing_is_wrong_with_the_request_the_others_are_made_of(
    endpoint: Endpoint, asker: Asker
) -> None:
    """Success; white space around UIDs and the namespace of XDS-I for its documents are taken."""
    plain = asker.request(asker.instances[0], syntaxes=("\n  " + EXPLICIT + "\n",))
    foreign = etree.fromstring(
        etree.tostring(plain).replace(judges.XDSB.encode(), judges.XDSI.encode())
    )
    for request in (plain, foreign):
        answer = await asker.ask(request)
        assert _errors(answer) == []
        (response,) = answer.envelope.findall(".//b:DocumentResponse", NS)
        assert response.findtext("b:mimeType", "", NS) == "application/dicom"
        assert [data[128:132] for data in answer.parts.values()] == [b"DICM"]
