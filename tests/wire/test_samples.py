"""What the assertions, audit records and raw bodies of other projects must be read as.

With `soap/test_xcpd_samples.py` and `soap/test_xca_samples.py` every file under the samples of
SOAP messages has a row. Rows are written from the files and their clauses, not from our output.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from gateway.domain import Caller, CommunityId, NotAllowed, Refusal, TreatmentRelation
from gateway.transport.bodies import IncomingBody
from gateway.wire.saml import AssertionPolicy
from gateway.wire.soap.envelope import read_envelope, read_fault
from gateway.wire.soap.security import ReadContext, read_context
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, SAML, WSSE, Element, parse_xml
from tests.shared import shared

ELSEWHERE = ("iti-55", "iti-38", "iti-39", "rad-69", "rad-75", "constructed")

# --- assertions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """When it is read, what the peer must show, and what comes of it.

    `signed_by` trusts the certificate in the file: what is refused then, is refused for what it
    says and not for who said it.
    """

    now: datetime
    relation: TreatmentRelation = TreatmentRelation.TRC
    signed_by: bool = True
    sha1: bool = False
    refusal: Refusal | None = None


ASSERTIONS: dict[str, Assertion] = {
    # Captured in July 2025, RSA-SHA256: both assertions verify and are in force at 11:40 UTC.
    "dk-openncp_soap_header.signature-restored.xml": Assertion(
        now=datetime(2025, 7, 26, 11, 40, tzinfo=UTC)
    ),
    # The same, indented: the digests hold, the signature values do not (XML Signature 3.2.2).
    "dk-openncp_soap_header_bad.xml": Assertion(
        now=datetime(2025, 7, 26, 11, 40, tzinfo=UTC), refusal=Refusal.SIGNATURE_INVALID
    ),
    # Plain XUA signed with RSA-SHA1, which is refused unless the peer's file allows it; their
    # certificates are dummies, so nobody can be pinned.
    "ipf-saml2-assertion-for-xua.xml": Assertion(
        now=datetime(2011, 3, 29, 9, 50, tzinfo=UTC),
        relation=TreatmentRelation.RESOURCE_ID,
        signed_by=False,
        refusal=Refusal.SIGNATURE_INVALID,
    ),
    "ipf-xua-assertion.xml": Assertion(
        now=datetime(2020, 9, 21, 13, 50, tzinfo=UTC),
        relation=TreatmentRelation.RESOURCE_ID,
        signed_by=False,
        refusal=Refusal.SIGNATURE_INVALID,
    ),
    # An epSOS assertion: its issuer's qualifier is none of the eHDSI's, so nobody says who asks.
    "openncp-SignedSamlAssertion.xml": Assertion(
        now=datetime(2010, 8, 12, 12, 0, tzinfo=UTC), sha1=True, refusal=Refusal.NO_ASSERTION
    ),
}


def _header_of(root: Element) -> Element:
    """The Security header a file is or holds; one is put around a lone assertion."""
    found = (
        root if root.tag == f"{{{WSSE}}}Security" else next(root.iter(f"{{{WSSE}}}Security"), None)
    )
    if found is not None:
        return found
    assertion = (
        root if root.tag == f"{{{SAML}}}Assertion" else next(root.iter(f"{{{SAML}}}Assertion"))
    )
    header = parse_xml(f'<wsse:Security xmlns:wsse="{WSSE}"/>'.encode())
    header.append(assertion)
    return header


def _read(name: str, row: Assertion) -> ReadContext:
    root = parse_xml(shared(f"samples/soap/saml/{name}").read_bytes())
    pinned: tuple[x509.Certificate, ...] = ()
    certificate = next(root.iter(f"{{{DS}}}X509Certificate"), None)
    if row.signed_by and certificate is not None:
        der = base64.b64decode("".join(str(text) for text in certificate.itertext()))
        pinned = (x509.load_der_x509_certificate(der),)
    return read_context(
        _header_of(root),
        TrustStore(pinned=pinned),
        AssertionPolicy(relation=row.relation, allow_sha1=row.sha1),
        now=row.now,
        caller=Caller(),
        correlation_id="m-1",
        answering=CommunityId("2.999.1"),
        patient_specific=True,
    )


@pytest.mark.parametrize("name", ASSERTIONS)
def test_assertions_are_believed_or_refused_as_their_row_says(name: str) -> None:
    """The restored signature verifies; everything else is refused for its own reason."""
    row = ASSERTIONS[name]
    if row.refusal is None:
        assert _read(name, row).context.patient is not None
        return
    with pytest.raises(NotAllowed) as caught:
        _read(name, row)
    assert caught.value.refusal is row.refusal


# --- audit records --------------------------------------------------------------------------------

# Event code (DCM), action, active participants, objects. Two spellings are about: `csd-code` of
# DICOM PS3.15 A.5, and the obsolete `code` of RFC 3881, which no schema in force allows.
AUDITS: dict[str, tuple[str, str, int, int]] = {
    "ipf-fhir-atna-record-1.xml": ("110104", "C", 3, 2),
    "ipf-fhir-atna-record-2.xml": ("110107", "C", 4, 2),
    "ipf-fhir-audit-message-iti55.xml": ("110112", "E", 2, 2),
    "ipf-pdq.xml": ("110112", "E", 2, 5),
    "ipf-pdqm.xml": ("110112", "E", 2, 1),
    "ipf-pdqmread.xml": ("110112", "E", 2, 2),
    "ipf-pdqv3.xml": ("110112", "E", 2, 7),
    "ipf-pixfeed.xml": ("110110", "C", 2, 1),
    "ipf-pixfeedmerge.xml": ("110110", "D", 2, 1),
    "ipf-pixfeedmergesource.xml": ("110110", "U", 2, 1),
    "ipf-pixfeedsource.xml": ("110110", "U", 2, 1),
    "ipf-pixm.xml": ("110112", "E", 2, 2),
    "ipf-pixquery.xml": ("110112", "E", 2, 3),
    "ipf-pixupdatesource.xml": ("110110", "R", 2, 3),
    "ipf-pixv3feed.xml": ("110110", "C", 2, 1),
    "ipf-pixv3query.xml": ("110112", "E", 2, 2),
    "ipf-pixv3sourcefeed.xml": ("110110", "C", 2, 1),
    "ipf-start.xml": ("110100", "E", 2, 0),
    "ipf-stop.xml": ("110100", "E", 2, 0),
    "ipf-xcpd.xml": ("110112", "E", 2, 2),
    "ipf-xpidsource.xml": ("110110", "U", 2, 4),
    "openncp-Identityservicefindidentitybytraits.xml": ("110112", "E", 4, 4),
    "openncp-patientservicelistauditmessage.xml": ("110112", "E", 4, 3),
    "openncp-patientserviceretrievetauditmessage.xml": ("110106", "R", 4, 3),
}
OBSOLETE_CODE = {"ipf-fhir-atna-record-1.xml"}


@pytest.mark.parametrize("name", AUDITS)
def test_audit_records_of_others_are_read_by_the_hardened_parser(name: str) -> None:
    """Byte order marks, declarations and free name spaces included."""
    code, action, participants, objects = AUDITS[name]
    root = parse_xml(shared(f"samples/soap/audit/{name}").read_bytes())

    event = root.find("EventIdentification")
    assert event is not None
    identified = event.find("EventID")
    assert identified is not None
    assert identified.get("code" if name in OBSOLETE_CODE else "csd-code") == code
    assert event.get("EventActionCode") == action
    assert event.get("EventOutcomeIndicator") == "0"
    assert len(root.findall("ActiveParticipant")) == participants
    assert len(root.findall("ParticipantObjectIdentification")) == objects


# --- raw bodies -----------------------------------------------------------------------------------

PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """How a raw file is taken apart, and what its parts are; `fault` is a fault's first words."""

    content_type: str = ""
    has_head: bool = False
    attachments: int = 0
    action: str = ""
    fault: str = ""


BODIES: dict[str, Body] = {
    # A fault of toolkit2 without a WS-Addressing action: read as what it is.
    "toolkit2-boundary-response_body.txt": Body(
        content_type="application/soap+xml", fault="Problem parsing input"
    ),
    # Axis2 bodies with bare line feeds; the boundary is the first line.
    "toolkit2-PnrXop-Xop-body.txt": Body(
        content_type="multipart/related", attachments=1, action=PROVIDE
    ),
    "toolkit2-multipart.body.txt": Body(
        content_type="multipart/related", attachments=1, action=PROVIDE
    ),
    "toolkit2-http-mtom-pnr.txt": Body(has_head=True, attachments=1, action=PROVIDE),
    # A stored request labelled application/xml: an envelope all the same, and so accepted.
    "toolkit2-http-simple.txt": Body(has_head=True, action=PROVIDE),
}


async def _taken_apart(name: str, row: Body) -> tuple[bytes, dict[str, bytes]]:
    data = shared(f"samples/soap/wire/{name}").read_bytes()
    content_type = row.content_type
    if row.has_head:
        head, _, data = data.partition(b"\n\n")
        lines = [line for line in head.splitlines() if line.lower().startswith(b"content-type")]
        content_type = lines[0].partition(b":")[2].decode().strip()
    elif content_type == "multipart/related":
        boundary = data.splitlines()[0][2:].decode().strip()
        content_type = f'multipart/related; boundary="{boundary}"'

    async def source() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 777):
            yield data[start : start + 777]

    incoming = IncomingBody(content_type, source(), limit=1_000_000)
    return await incoming.root(), await incoming.small_attachments(1_000_000)


@pytest.mark.parametrize("name", BODIES)
async def test_raw_bodies_are_taken_apart_as_their_row_says(name: str) -> None:
    """However they were cut into pieces on the way."""
    row = BODIES[name]
    root, attachments = await _taken_apart(name, row)
    envelope = read_envelope(root.strip(), understood=None, require_action=False)
    assert envelope.action == row.action
    assert len(attachments) == row.attachments
    fault = read_fault(envelope)
    assert (fault.reason if fault else "").startswith(row.fault)
    assert (fault is None) == (not row.fault)


def test_every_sample_has_its_row() -> None:
    """A file that comes needs a row here or in the tables of the transactions."""
    folder = shared("samples/soap")
    ours = {
        *(Path("saml", name) for name in ASSERTIONS),
        *(Path("audit", name) for name in AUDITS),
        *(Path("wire", name) for name in BODIES),
    }
    files = {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "ORIGIN.tsv"
    }
    assert {path for path in files if path.parts[0] not in ELSEWHERE} == ours
