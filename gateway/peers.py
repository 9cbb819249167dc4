"""Peers: which gateway is calling or called, and the dialect it is used to.

A peer is known by its home community id; a caller is matched to a peer by the subject of its TLS
client certificate, because the dialect of an answer must be known before any assertion is
believed. Profiles are data: `gateway/profiles/*.toml`, or a file of your own.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from gateway.config import PeerSection, SettingsError, WaySection
from gateway.domain.codes import Code, DocumentClass
from gateway.domain.context import Caller, TreatmentRelation
from gateway.domain.delivery import LinkProfile, LinkSource
from gateway.domain.ids import CommunityId, InvalidIdentifier, Oid, Uid
from gateway.wire.fhir.saml_tokens import weakness_of
from gateway.wire.fhir.tokens import TokenForm
from gateway.wire.soap.refusals import ErrorStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProfile:
    """A dialect: error style, class codes and habits."""

    name: str
    error_style: ErrorStyle
    treatment_relation: TreatmentRelation
    home_required: bool
    one_document_per_retrieve: bool
    refuse_unknown_class: bool
    warn_when_empty: bool
    audience: str
    class_codes: Mapping[DocumentClass, tuple[Code, ...]]


# The settings that choose a wire for a kind of verb.
CHOICES = ("identify_by", "documents_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to ask a peer: the wire of each kind of verb, under a name.

    Addresses are those of the way, such as a bridge's; "" for the peer's own.
    """

    name: str
    url: str = ""
    images_url: str = ""
    fhir_url: str = ""
    dicomweb_url: str = ""
    identify_by: str = "soap"
    documents_by: str = "soap"
    images_by: str = "soap"
    fhir_dialect: str = "mhd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another gateway as we deal with it. `ways` are further ways to ask it; see `asked_by`.

    `images_url` is where images are asked for over SOAP, "" where that is `url`. `is_planned` is
    whether it plans how images come where nobody states a need, `link` what it is told of the
    link they come by.
    """

    name: str
    community: CommunityId | None
    country: str = ""
    profile: PeerProfile
    url: str = ""
    images_url: str = ""
    fhir_url: str = ""
    identify_by: str = "soap"
    documents_by: str = "soap"
    dicomweb_url: str = ""
    images_by: str = "soap"
    image_hosts: tuple[str, ...] = ()
    image_locations: Mapping[Oid, str] = field(default_factory=dict)
    fhir_dialect: str = "mhd"
    tls_subjects: tuple[str, ...] = ()
    single_use: bool = False
    token_form: TokenForm = TokenForm.IUA
    token_secret: bytes = field(default=b"", repr=False)
    treatment_relation: TreatmentRelation
    allow_sha1: bool = False
    syntaxes: tuple[Uid, ...] = ()
    is_planned: bool = False
    link: LinkProfile | None = None
    ways: tuple[Way, ...] = ()

    @property
    def is_asked(self) -> bool:
        """Whether it is asked at all: over SOAP, or over nothing but FHIR and DICOMweb."""
        return bool(self.url) or not _speaks_soap(self)

    def asked_by(self, way: Way) -> Peer:
        """The same peer, asked in one of its ways."""
        return replace(
            self,
            url=way.url or self.url,
            # A way that leads elsewhere has its images there, and not at the peer's own address.
            images_url=way.images_url or ("" if way.url else self.images_url),
            fhir_url=way.fhir_url or self.fhir_url,
            dicomweb_url=way.dicomweb_url or self.dicomweb_url,
            identify_by=way.identify_by,
            documents_by=way.documents_by,
            images_by=way.images_by,
            fhir_dialect=way.fhir_dialect,
        )


def load_profile(name: str) -> PeerProfile:
    """A profile by its name (`ihe`, `ehdsi`) or by the path of a TOML file."""
    source = Path(name) if name.endswith(".toml") else files("gateway") / f"profiles/{name}.toml"
    try:
        data = tomllib.loads(source.read_text(encoding="utf-8"))
        return PeerProfile(
            name=name,
            error_style=ErrorStyle(data.pop("error_style")),
            treatment_relation=TreatmentRelation(data.pop("treatment_relation")),
            class_codes={
                DocumentClass(key): tuple(Code(*code) for code in codes)
                for key, codes in data.pop("class_codes").items()
            },
            **data,
        )
    except OSError:
        raise SettingsError(
            f"peers.profile or gateway.default_profile: {name!r} is not known; "
            "expected ihe, ehdsi, or the path of a TOML file that is there"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"profile {name!r} cannot be read: {error}") from None


def _link(section: PeerSection) -> LinkProfile | None:
    """The link that is told to a peer with every wish for images, None where none is set."""
    if section.link_mbit is None:
        return None
    return LinkProfile(
        bits_per_second=section.link_mbit * 1e6,
        round_trip_seconds=section.link_round_trip_ms / 1000,
        source=LinkSource.DECLARED,
    )


def peer_of_section(section: PeerSection) -> Peer:
    """The peer a settings section describes."""
    profile = load_profile(section.profile)
    relation = section.treatment_relation
    wires: tuple[PeerSection | WaySection, ...] = (section, *section.ways)
    for each in wires:
        over_fhir = [name for name in CHOICES if getattr(each, name) == "fhir"]
        if over_fhir and not (each.fhir_url or section.fhir_url):
            raise SettingsError(
                f"peers: {section.name!r} is to be asked over FHIR and has no fhir_url; "
                f"name its FHIR base, or set {' and '.join(over_fhir)} to soap"
            )
        if each.images_by != "soap" and not (each.dicomweb_url or section.dicomweb_url):
            raise SettingsError(
                f"peers: images of {section.name!r} are to be fetched by {each.images_by} and it "
                "has no dicomweb_url; name its DICOMweb base, or set images_by to soap"
            )
    for way in section.ways if not _speaks_soap(section) else ():
        if _speaks_soap(way) and not (way.url or section.url):
            raise SettingsError(
                f"peers: {section.name!r} is to be asked over SOAP by its way {way.name!r} and has "
                "no url; name its responding gateway"
            )
    _refuse_doubles(
        f"peers.ways.name of {section.name!r}", [way.name for way in section.ways], "way"
    )
    return Peer(
        name=section.name,
        community=CommunityId(section.community),
        country=section.country,
        profile=profile,
        url=section.url,
        images_url=section.images_url,
        fhir_url=section.fhir_url.rstrip("/"),
        identify_by=section.identify_by,
        documents_by=section.documents_by,
        dicomweb_url=section.dicomweb_url.rstrip("/"),
        images_by=section.images_by,
        image_hosts=section.image_hosts,
        image_locations=_locations(section),
        fhir_dialect=section.fhir_dialect,
        tls_subjects=section.tls_subjects,
        single_use=section.assertions == "single-use",
        token_form=TokenForm(section.token_form),
        token_secret=_token_secret(section),
        treatment_relation=TreatmentRelation(relation) if relation else profile.treatment_relation,
        allow_sha1=section.allow_sha1,
        syntaxes=tuple(Uid(uid) for uid in section.syntaxes),
        is_planned=section.deliveries == "planned",
        link=_link(section),
        ways=tuple(
            Way(
                name=way.name,
                url=way.url,
                images_url=way.images_url,
                fhir_url=way.fhir_url.rstrip("/"),
                dicomweb_url=way.dicomweb_url.rstrip("/"),
                identify_by=way.identify_by,
                documents_by=way.documents_by,
                images_by=way.images_by,
                fhir_dialect=way.fhir_dialect,
            )
            for way in section.ways
        ),
    )


def _speaks_soap(wires: PeerSection | WaySection | Peer) -> bool:
    return "soap" in (wires.identify_by, wires.documents_by, wires.images_by)


def _locations(section: PeerSection) -> dict[Oid, str]:
    try:
        return {Oid(oid): url.rstrip("/") for oid, url in section.image_locations.items()}
    except InvalidIdentifier as error:
        raise SettingsError(f"peers.image_locations of {section.name!r}: {error}") from None


def _token_secret(section: PeerSection) -> bytes:
    """What seals a peer's tokens of OpenNCP; `SettingsError` for none, and for a weak one."""
    if TokenForm(section.token_form) is not TokenForm.OPENNCP:
        return b""
    key = f"peers.token_secret of {section.name!r}"
    if section.token_secret is None:
        raise SettingsError(f"{key} is not set; tokens of openncp are sealed by a shared secret")
    try:
        # Editors end a file with a line; no peer means that line end.
        secret = section.token_secret.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{key} cannot be read ({error.strerror})") from None
    if weakness := weakness_of(secret):
        raise SettingsError(f"{key}: {weakness}; `openssl rand -base64 96` makes a good one")
    return secret


@dataclass(frozen=True, slots=True)
class PeerBook:
    """The peers a gateway knows, and the profile of those it does not."""

    peers: tuple[Peer, ...]
    stranger: Peer
    _by_subject: Mapping[str, Peer] = field(default_factory=dict)

    @classmethod
    def of_sections(cls, sections: Iterable[PeerSection], default_profile: str) -> PeerBook:
        """The book of a settings file."""
        peers = tuple(peer_of_section(section) for section in sections)
        profile = load_profile(default_profile)
        stranger = Peer(
            name="unknown caller",
            community=None,
            profile=profile,
            treatment_relation=profile.treatment_relation,
        )
        subjects = [subject for peer in peers for subject in peer.tls_subjects]
        _refuse_doubles("peers.tls_subjects", subjects)
        _refuse_doubles("peers.community", [str(peer.community) for peer in peers if peer.is_asked])
        by_subject = {subject: peer for peer in peers for subject in peer.tls_subjects}
        return cls(peers, stranger, by_subject)

    def caller(self, caller: Caller) -> Peer:
        """The peer a TLS client is; the default profile serves one we have no entry for."""
        return self._by_subject.get(caller.subject, self.stranger)

    def community(self, community: CommunityId) -> Peer | None:
        """The peer of a home community id."""
        return next((peer for peer in self.peers if peer.community == community), None)


def _refuse_doubles(key: str, values: Sequence[str], where: str = "peer") -> None:
    """Two that cannot be told apart would take turns in silence."""
    twice = sorted(value for value, times in Counter(values).items() if times > 1)
    if twice:
        raise SettingsError(f"{key}: {', '.join(twice)} stands in more than one {where}")
