"""From settings to a gateway: its keys, what it keeps, and which Exchange is asked of whom.

The choice is per community and per verb. Nothing here is a country: a gateway is what its
settings say it is.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.config import SealSection, Settings, SettingsError, TlsSection, no_such_file
from gateway.domain import (
    CommunityId,
    Exchange,
    FidelityCertificate,
    ImageSource,
    Oid,
    StudySource,
)
from gateway.middleware.chosen import ChosenPerVerb
from gateway.peers import Peer, PeerBook
from gateway.transport.audit_sender import AuditSender, sending
from gateway.transport.audit_store import AuditStore
from gateway.transport.delivery_certifier import DicomwebCertifier
from gateway.transport.delivery_planner import DicomwebPlanner
from gateway.transport.dicomweb_client import DicomwebClient
from gateway.transport.dicomweb_search import DicomwebSearch
from gateway.transport.fhir_calls import FhirCalls, FhirClientIdentity
from gateway.transport.fhir_client import FhirClient
from gateway.transport.fhir_document_client import FhirDocumentClient
from gateway.transport.fhir_study_client import FhirStudyClient
from gateway.transport.manifest_viewer import ManifestViewer
from gateway.transport.record import Keeper
from gateway.transport.soap_client import READ_BUFFER_BYTES, ClientIdentity, SoapClient
from gateway.transport.tap import Tap
from gateway.transport.tls import client_context, server_context
from gateway.transport.viewer_client import ViewerClient
from gateway.wire.fhir.tokens import TokenSigner
from gateway.wire.fidelity import seal_certificate
from gateway.wire.signatures import Signer
from gateway.wire.soap.contract import Endpoint
from gateway.wire.trust import TrustStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """Where the time and new ids come from."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]


def _needed(path: Path | None, key: str) -> Path:
    if path is None:
        raise SettingsError(f"{key} is not set")
    if not path.is_file():
        raise SettingsError(f"{key}: {no_such_file(path)}")
    return path


def _there(path: Path | None, key: str) -> Path | None:
    return None if path is None else _needed(path, key)


def tls_server(tls: TlsSection) -> ssl.SSLContext:
    """The TLS context our endpoints are served with."""
    return _context(server_context, tls, "server", tls.server_certificate, tls.server_key)


def tls_client(tls: TlsSection) -> ssl.SSLContext:
    """The TLS context we call peers with."""
    return _context(client_context, tls, "client", tls.client_certificate, tls.client_key)


def _context(
    make: Callable[[Path, Path, Path, Path | None], ssl.SSLContext],
    tls: TlsSection,
    role: str,
    certificate: Path | None,
    key: Path | None,
) -> ssl.SSLContext:
    files = (
        _needed(certificate, f"tls.{role}_certificate"),
        _needed(key, f"tls.{role}_key"),
        _needed(tls.trust, "tls.trust"),
        _there(tls.crl, "tls.crl"),
    )
    try:
        return make(*files)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        named = ", ".join(str(path) for path in files if path is not None)
        raise SettingsError(
            f"tls: {error}; expected PEM files, and the {role} key of the {role} certificate, "
            f"in {named}"
        ) from None


def signer_of(seal: SealSection) -> Signer:
    """What our assertions are signed with."""
    certificate = _needed(seal.certificate, "seal.certificate")
    key = _needed(seal.key, "seal.key")
    try:
        return Signer.from_pem(key.read_bytes(), certificate.read_bytes())
    except (OSError, ValueError, TypeError) as error:  # TypeError: the key has a passphrase
        raise SettingsError(
            f"seal.certificate {certificate}, seal.key {key}: {error}; expected PEM files, and the "
            "key of the certificate without a passphrase"
        ) from None


def seal_of(settings: Settings, clockwork: Clockwork) -> Callable[[FidelityCertificate], bytes]:
    """What seals our fidelity certificates: the same seal as our assertions."""
    signer = signer_of(settings.seal)
    return lambda certificate: seal_certificate(certificate, signer, id=f"_{clockwork.new_id()}")


def trust_of(seal: SealSection) -> TrustStore:
    """Whose assertions we believe."""
    for key, path in (
        ("trust", seal.trust),
        ("crl", seal.crl),
        *(("pinned", each) for each in seal.pinned),
    ):
        _there(path, f"seal.{key}")
    try:
        return TrustStore.from_pem(
            seal.trust.read_bytes() if seal.trust else b"",
            crls=seal.crl.read_bytes() if seal.crl else b"",
            pinned=b"\n".join(path.read_bytes() for path in seal.pinned),
        )
    except (OSError, ValueError) as error:
        raise SettingsError(f"seal.trust, seal.crl or seal.pinned: {error}") from None


def keeper_of(settings: Settings, clockwork: Clockwork) -> Keeper:
    """Transcripts and audit of this gateway, in its state folder."""
    state = settings.gateway.state
    community = CommunityId(settings.gateway.community)
    return Keeper(
        tap=Tap(
            state / "transcripts",
            quota_bytes=settings.transcripts.quota_bytes,
            now=clockwork.now,
            keep=settings.transcripts.keep,
        ),
        audit=AuditStore(state / "audit", f"{settings.gateway.name or community}"),
        community=community,
        now=clockwork.now,
        new_id=clockwork.new_id,
    )


@asynccontextmanager
async def audit_sent(settings: Settings, keeper: Keeper) -> AsyncIterator[None]:
    """What is audited goes to the repository of the settings, if there is one, until left."""
    url = settings.audit.repository_url
    if not url:
        yield
        return
    async with session_of(settings) as session:
        sender = AuditSender(
            keeper.audit,
            url,
            session=session,
            folder=settings.gateway.state,
            limits=settings.limits,
        )
        async with sending(sender):
            yield


@asynccontextmanager
async def session_of(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP session that shows our TLS client certificate."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls_client(settings.tls)),
        read_bufsize=READ_BUFFER_BYTES,
        headers={"User-Agent": "ncpeh-imaging-simulator"},
        auto_decompress=False,  # see `packed`
    ) as session:
        yield session


def exchanges_of(
    settings: Settings,
    session: aiohttp.ClientSession,
    keeper: Keeper,
    clockwork: Clockwork,
) -> Mapping[CommunityId, Exchange]:
    """An Exchange for every community that can be asked."""
    book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
    return {
        peer.community: exchange_of(peer, settings, session, keeper, clockwork)
        for peer in book.peers
        if peer.is_asked and peer.community is not None
    }


def ways_of(
    settings: Settings,
    session: aiohttp.ClientSession,
    keeper: Keeper,
    clockwork: Clockwork,
) -> Mapping[tuple[CommunityId, str], Exchange]:
    """An Exchange for every further way to ask a community, by the name of the way."""
    book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
    return {
        (peer.community, way.name): exchange_of(
            peer.asked_by(way), settings, session, keeper, clockwork
        )
        for peer in book.peers
        if peer.is_asked and peer.community is not None
        for way in peer.ways
    }


def exchange_of(
    peer: Peer,
    settings: Settings,
    session: aiohttp.ClientSession,
    keeper: Keeper,
    clockwork: Clockwork,
) -> Exchange:
    """A peer as an Exchange, each kind of verb over the wire its settings choose."""
    soap = client_of(peer, settings, session, keeper, clockwork)
    is_soap = peer.identify_by == peer.documents_by == peer.images_by == "soap"
    if is_soap and not peer.dicomweb_url and not peer.images_url:
        return soap
    calls = fhir_calls_of(peer, settings, session, keeper, clockwork)
    documents = documents_of(calls) if peer.documents_by == "fhir" else soap
    named = ManifestViewer(documents, peer, keeper)
    images: ImageSource = soap
    if peer.images_by != "soap":
        images = DicomwebClient(calls)
    elif peer.images_url:
        # Images may go by another route than what is said about them (guideline, Article 13).
        images = client_of(peer, settings, session, keeper, clockwork, url=peer.images_url)
    return ChosenPerVerb(
        patients=FhirClient(calls) if peer.identify_by == "fhir" else soap,
        documents=documents,
        studies=studies_of(calls, soap),
        images=images,
        # Nor does it plan or certify: that is asked for where images are by their addresses.
        plans=DicomwebPlanner(calls, packs=peer.images_by != "soap") if peer.dicomweb_url else soap,
        certificates=DicomwebCertifier(calls) if peer.dicomweb_url else soap,
        # SOAP has no such verb: whatever wire the others go by, a viewer is opened over HTTP.
        viewer=ViewerClient(calls, named) if peer.dicomweb_url else named,
    )


def studies_of(calls: FhirCalls, soap: SoapClient) -> StudySource:
    """Where a peer's studies are searched for: as its images are fetched, or its documents.

    Over DICOMweb that is QIDO-RS, over FHIR ImagingStudy; SOAP lists their manifests.
    """
    if calls.peer.images_by != "soap":
        return DicomwebSearch(calls)
    return FhirStudyClient(calls) if calls.peer.documents_by == "fhir" else soap


def documents_of(calls: FhirCalls) -> FhirDocumentClient:
    """A peer's documents over FHIR, which has no name for a repository: its community stands in."""
    return FhirDocumentClient(calls, repository=Oid(str(calls.peer.community)))


def client_of(
    peer: Peer,
    settings: Settings,
    session: aiohttp.ClientSession,
    keeper: Keeper,
    clockwork: Clockwork,
    *,
    endpoint: Endpoint = Endpoint.RESPONDING_GATEWAY,
    url: str = "",
) -> SoapClient:
    """A peer's endpoint as an Exchange."""
    return SoapClient(
        peer,
        identity=ClientIdentity(
            country=settings.gateway.country,
            signer=signer_of(settings.seal),
            now=clockwork.now,
            new_id=clockwork.new_id,
        ),
        session=session,
        keeper=keeper,
        limits=settings.limits,
        endpoint=endpoint,
        url=url,
    )


def fhir_calls_of(
    peer: Peer,
    settings: Settings,
    session: aiohttp.ClientSession,
    keeper: Keeper,
    clockwork: Clockwork,
) -> FhirCalls:
    """Calls to a peer's FHIR base."""
    return FhirCalls(
        peer,
        identity=FhirClientIdentity(
            country=settings.gateway.country,
            signer=token_signer_of(settings.seal),
            client_fingerprint=fingerprint_of(settings.tls),
            now=clockwork.now,
            new_id=clockwork.new_id,
        ),
        session=session,
        keeper=keeper,
        limits=settings.limits,
    )


def token_signer_of(seal: SealSection) -> TokenSigner:
    """What our access tokens are signed with: the same seal as our assertions."""
    try:
        return TokenSigner(signer_of(seal))
    except ValueError as error:
        raise SettingsError(f"seal.key {seal.key}: {error}") from None


def fingerprint_of(tls: TlsSection) -> str:
    """SHA-256 of the TLS client certificate we call with, in lower-case hex."""
    path = _needed(tls.client_certificate, "tls.client_certificate")
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise SettingsError(f"tls.client_certificate {path}: {error}") from None
    return leaf.fingerprint(hashes.SHA256()).hex()
