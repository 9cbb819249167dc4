"""From settings to servers: an Exchange put on the network, in each peer's dialect.

What is asked of whom, and with which keys, is in `compose`; here is who is answered, and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.config import Settings, SettingsError
from gateway.domain import CommunityId, Exchange, NotFound, Oid, Refusal
from gateway.middleware.authorised import Authorised, Rights
from gateway.middleware.dialect import Dialect, InDialect
from gateway.middleware.relayed import Relayed
from gateway.peers import Peer, PeerBook
from gateway.token_clients import ClientBook
from gateway.transport import fhir_server, soap_server
from gateway.transport.app import new_application
from gateway.transport.assertion_log import AssertionLog
from gateway.transport.compose import Clockwork, token_signer_of, trust_of
from gateway.transport.dicomweb_answers import DicomwebAnswerer
from gateway.transport.dicomweb_server import DicomwebServer
from gateway.transport.fhir_answers import FhirAnswerer
from gateway.transport.fhir_routes import BASE
from gateway.transport.fhir_server import FhirServer
from gateway.transport.goodput import Goodput
from gateway.transport.logical_ids import patient_ids
from gateway.transport.record import Keeper
from gateway.transport.server_identity import ServerIdentity
from gateway.transport.soap_answers import Answerer
from gateway.transport.soap_server import SoapServer
from gateway.transport.token_server import TokenIssuer, TokenServer
from gateway.transport.viewer_server import ViewerServer
from gateway.wire.fhir.denials import AuthFailures, Denial, Showing
from gateway.wire.fhir.token_requests import MAX_FORM
from gateway.wire.saml import AssertionPolicy
from gateway.wire.soap.contract import Endpoint


def policy_of(peer: Peer) -> AssertionPolicy:
    """What is demanded of a peer's assertions."""
    return AssertionPolicy(
        audiences=(peer.profile.audience,),
        relation=peer.treatment_relation,
        allow_sha1=peer.allow_sha1,
    )


def serve_exchange(
    app: web.Application,
    exchange: Exchange,
    *,
    endpoint: Endpoint,
    settings: Settings,
    keeper: Keeper,
    assertions: AssertionLog,
    clockwork: Clockwork,
    rights: Rights,
    goodput: Goodput | None = None,
) -> None:
    """Put an Exchange on the network at an endpoint: authorised, and in each peer's dialect."""
    speakers = Speakers.of(exchange, settings, rights)
    answerer = Answerer(
        speakers.exchange,
        community=CommunityId(settings.gateway.community),
        limits=settings.limits,
        now=clockwork.now,
        new_id=clockwork.new_id,
    )
    SoapServer(
        answerer,
        endpoint=endpoint,
        identity=speakers.identity(settings, assertions, clockwork),
        keeper=keeper,
        limits=settings.limits,
        goodput=goodput,
    ).add_to(app)


def serve_fhir(
    app: web.Application,
    exchange: Exchange,
    *,
    settings: Settings,
    keeper: Keeper,
    assertions: AssertionLog,
    clockwork: Clockwork,
    rights: Rights,
) -> None:
    """Put an Exchange on the network as FHIR: authorised, and in each peer's dialect."""
    speakers = Speakers.of(exchange, settings, rights)
    answerer = FhirAnswerer(
        speakers.exchange,
        community=CommunityId(settings.gateway.community),
        patient_ids=patient_ids(settings.gateway.state),
        now=clockwork.now,
        new_id=clockwork.new_id,
    )
    FhirServer(
        answerer,
        identity=speakers.identity(settings, assertions, clockwork),
        keeper=keeper,
        limits=settings.limits,
        public_url=settings.listen.public_url,
        name=settings.gateway.name,
        showing=Showing(
            auth_failures=AuthFailures(settings.fhir.auth_failures),
            denial=Denial(settings.fhir.denial),
        ),
    ).add_to(app)


def serve_dicomweb(
    app: web.Application,
    exchange: Exchange,
    *,
    imaging_source: Oid,
    settings: Settings,
    keeper: Keeper,
    assertions: AssertionLog,
    clockwork: Clockwork,
    rights: Rights,
    goodput: Goodput | None = None,
) -> None:
    """Put an Exchange on the network as DICOMweb: authorised, in our own community only.

    `imaging_source` is the Retrieve Location of series for which no other is known.
    """
    speakers = Speakers.of(exchange, settings, rights)
    own = CommunityId(settings.gateway.community)
    answerer = DicomwebAnswerer(speakers.exchange, community=own, default_location=imaging_source)

    def answering(community: CommunityId | None) -> DicomwebAnswerer:
        if community not in (None, own):
            text = f"community {community} is not here; this gateway is {own}"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text, subject=str(community))
        return answerer

    DicomwebServer(
        answering,
        identity=speakers.identity(settings, assertions, clockwork),
        keeper=keeper,
        limits=settings.limits,
        public_url=settings.listen.public_url,
        goodput=goodput,
    ).add_to(app)


def imaging_app_of(
    exchanges: Mapping[CommunityId, Exchange],
    settings: Settings,
    keeper: Keeper,
    clockwork: Clockwork,
) -> web.Application:
    """The images of other communities for our own consumers, by XC-WADO addresses (RAD-160).

    A consumer calls with a token meant for us, as it would call a gateway of another country; the
    community in the address is then asked for it as the settings say of that peer. Consumers of
    other communities are not served: a gateway passes nothing on between others.
    """
    app = new_application(new_id=clockwork.new_id, max_body_bytes=MAX_FORM, apology=apology)
    own = CommunityId(settings.gateway.community)
    book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
    speakers = {}
    for community, exchange in exchanges.items():
        peer = book.community(community) or book.stranger
        relayed = Relayed(
            exchange,
            peer.treatment_relation,
            Dialect(class_codes=peer.profile.class_codes),
            answering=community,
            only_for=own,
        )
        speakers[community] = Speakers.of(relayed, settings, Rights())
    answerers = {
        community: DicomwebAnswerer(each.exchange, community=community, default_location=None)
        for community, each in speakers.items()
    }

    def answering(community: CommunityId | None) -> DicomwebAnswerer:
        if community is None:
            text = "this gateway holds no images; an address names the community that does"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text, subject=str(own))
        if community not in answerers:
            text = f"community {community} is not asked by this gateway"
            raise NotFound(Refusal.UNKNOWN_COMMUNITY, text, subject=str(community))
        return answerers[community]

    assertions = AssertionLog(settings.gateway.state / "assertions.log")
    DicomwebServer(
        answering,
        identity=identity_of(book, settings, assertions, clockwork),
        keeper=keeper,
        limits=settings.limits,
    ).add_to(app)
    return app


def serve_viewers(
    app: web.Application,
    exchange: Exchange,
    *,
    settings: Settings,
    keeper: Keeper,
    assertions: AssertionLog,
    clockwork: Clockwork,
    rights: Rights,
) -> None:
    """Let peers open the viewers of an Exchange; before its DICOMweb base is added to the app."""
    speakers = Speakers.of(exchange, settings, rights)
    ViewerServer(
        speakers.exchange,
        community=CommunityId(settings.gateway.community),
        identity=speakers.identity(settings, assertions, clockwork),
        keeper=keeper,
        public_url=settings.listen.public_url,
    ).add_to(app)


def token_app_of(settings: Settings, keeper: Keeper, clockwork: Clockwork) -> web.Application:
    """The authorisation server a settings file describes; `SettingsError` for half of one."""
    url = settings.token.public_url.rstrip("/")
    if not url:
        raise SettingsError("token.public_url is not set; it is the issuer of the tokens")
    app = new_application(new_id=clockwork.new_id, max_body_bytes=MAX_FORM)
    TokenServer(
        TokenIssuer(
            url=url,
            community=CommunityId(settings.gateway.community),
            country=settings.gateway.country,
            signer=token_signer_of(settings.seal),
            clients=ClientBook.of_sections(settings.token.clients),
            peers=PeerBook.of_sections(settings.peers, settings.gateway.default_profile),
            seconds=settings.token.seconds,
            now=clockwork.now,
            new_id=clockwork.new_id,
        ),
        keeper=keeper,
        request_seconds=settings.limits.request_seconds,
    ).add_to(app)
    return app


def apology(request: web.Request, correlation_id: str) -> web.Response:
    """The answer to a request that met a fault of ours, on a port of several tongues."""
    if request.path == BASE or request.path.startswith(f"{BASE}/"):
        return fhir_server.apology(request, correlation_id)
    return soap_server.apology(request, correlation_id)


@dataclass(frozen=True, slots=True)
class Speakers:
    """An Exchange as each peer is used to it, and what is demanded of each."""

    book: PeerBook
    spoken: Mapping[str, Exchange]

    @classmethod
    def of(cls, exchange: Exchange, settings: Settings, rights: Rights) -> Speakers:
        """The Exchange, authorised, in the dialect of every peer of the settings."""
        book = PeerBook.of_sections(settings.peers, settings.gateway.default_profile)
        authorised = Authorised(exchange, rights)
        spoken = {
            peer.name: InDialect(
                authorised,
                Dialect(
                    class_codes=peer.profile.class_codes,
                    refuse_unknown=peer.profile.refuse_unknown_class,
                    warn_when_empty=peer.profile.warn_when_empty,
                ),
            )
            for peer in (*book.peers, book.stranger)
        }
        return cls(book, spoken)

    def exchange(self, peer: Peer) -> Exchange:
        """What a peer asks."""
        return self.spoken[peer.name]

    def identity(
        self, settings: Settings, assertions: AssertionLog, clockwork: Clockwork
    ) -> ServerIdentity:
        """Who answers them."""
        return identity_of(self.book, settings, assertions, clockwork)


def identity_of(
    book: PeerBook, settings: Settings, assertions: AssertionLog, clockwork: Clockwork
) -> ServerIdentity:
    """Who answers the peers of a book, and what is demanded of each."""
    policies = {peer.name: policy_of(peer) for peer in (*book.peers, book.stranger)}
    return ServerIdentity(
        community=CommunityId(settings.gateway.community),
        peers=book,
        trust=trust_of(settings.seal),
        policy=lambda peer: policies[peer.name],
        assertions=assertions,
        now=clockwork.now,
        new_id=clockwork.new_id,
    )
