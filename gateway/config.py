"""Settings: one TOML file per service, read once into frozen values.

Unknown keys are refused, every key but the home community has a harmless default, and paths are
relative to the file they stand in. A variable `NCPEH_SECTION__KEY` in the environment overrides
the file. Secrets are never values here: keys are named by path.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.domain.ids import CommunityId, Oid

MIB = 1024 * 1024


class SettingsError(Exception):
    """A settings file that cannot be used: names the file, the key, and what was expected."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _community(text: str) -> str:
    return str(CommunityId.parse(text))


def _oid(text: str) -> str:
    return str(Oid.parse(text))


def _different(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(words)) != len(words):
        raise ValueError("found a value twice")
    return words


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("https", "http") or not parts.hostname):
        raise ValueError(f"found {text!r}, expected https://host:port/path")
    return text


Community = Annotated[str, AfterValidator(_community)]
OidText = Annotated[str, AfterValidator(_oid)]
UrlText = Annotated[str, AfterValidator(_url)]
Port = Annotated[int, Field(ge=0, le=65535)]


class GatewaySection(_Section):
    """Who this gateway is."""

    community: Community = Field(description="home community id, the OID this gateway is known by")
    country: str = Field("", description="two-letter country code, shown and put in assertions")
    name: str = Field("", description="name shown to people")
    state: Path = Field(Path("state"), description="folder of everything this gateway keeps")
    default_profile: str = Field("ihe", description="profile of a caller no peer entry names")


class ListenSection(_Section):
    """Where it listens. Port 0 takes a free one; the ready file says which."""

    host: str = Field("127.0.0.1", description="address of the service port")
    port: Port = Field(0, description="service port: SOAP for Country A, the portal API for B")
    public_url: UrlText = Field(
        "", description="address peers call the service port by; tokens may be meant for it"
    )
    imaging_host: str = Field("127.0.0.1", description="address of the imaging port")
    imaging_port: Port | None = Field(
        None, description="Country B: port for images of other communities (XC-WADO); none: closed"
    )
    control_host: str = Field("127.0.0.1", description="address of the control port")
    control_port: Port = Field(0, description="control port: health, transcripts, audit")
    viewer_host: str = Field(
        "127.0.0.1", description="address of the viewer port: pages for browsers, of Country A"
    )
    viewer_port: Port = Field(
        0, description="viewer port: no client certificate is asked for there, links alone open it"
    )
    viewer_url: UrlText = Field(
        "", description="address browsers call the viewer by; empty: its own host and port"
    )


class TlsSection(_Section):
    """Certificates of the wire. All four of a role, or none: plain HTTP is for the portal only."""

    server_certificate: Path | None = Field(None, description="TLS server certificate chain, PEM")
    server_key: Path | None = Field(None, description="its key, PEM")
    client_certificate: Path | None = Field(None, description="TLS client certificate chain, PEM")
    client_key: Path | None = Field(None, description="its key, PEM")
    trust: Path | None = Field(None, description="root and issuing CA certificates, PEM")
    crl: Path | None = Field(None, description="revocation lists of those CAs, PEM")


class SealSection(_Section):
    """Certificates of assertions."""

    certificate: Path | None = Field(None, description="certificate assertions are signed with")
    key: Path | None = Field(None, description="its key, PEM")
    trust: Path | None = Field(None, description="CA certificates of other countries' seals")
    crl: Path | None = Field(None, description="revocation lists of those CAs")
    pinned: tuple[Path, ...] = Field((), description="seal certificates trusted without a chain")


class _Wires(_Section):
    identify_by: Literal["soap", "fhir"] = Field(
        "soap", description="how its patients are identified"
    )
    documents_by: Literal["soap", "fhir"] = Field(
        "soap", description="how its documents are searched for and retrieved"
    )
    images_by: Literal["soap", "wado-rs", "xc-wado"] = Field(
        "soap", description="how its images are fetched: soap, wado-rs or xc-wado"
    )
    fhir_dialect: Literal["mhd", "ncp"] = Field(
        "mhd", description="how it is asked over FHIR: mhd (IHE) or ncp (NCPeH API)"
    )


class WaySection(_Wires):
    """One more way to ask a peer, for a visit to choose by its name."""

    name: str = Field(min_length=1, description="name of the way, such as fhir-mhd")
    url: UrlText = Field("", description="its responding gateway this way; empty: the peer's own")
    fhir_url: UrlText = Field("", description="its FHIR base this way; empty: the peer's own")
    images_url: UrlText = Field(
        "", description="its RAD-75 endpoint this way; empty: url of the way, else the peer's own"
    )
    dicomweb_url: UrlText = Field(
        "", description="its DICOMweb base this way; empty: the peer's own"
    )


class PeerSection(_Wires):
    """Another gateway: how to reach it, how to know it, and what it is used to."""

    name: str = Field(description="name of the peer, for people and logs")
    community: Community = Field(description="its home community id")
    country: str = Field("", description="its two-letter country code")
    profile: str = Field("ihe", description="profile of the peer: ihe, ehdsi, or a TOML file")
    url: UrlText = Field(
        "",
        description="its responding gateway endpoint; empty: asked over FHIR and DICOMweb, or not",
    )
    images_url: UrlText = Field(
        "", description="its SOAP endpoint for images alone (RAD-75), by another route; empty: url"
    )
    fhir_url: UrlText = Field("", description="its FHIR base; empty: not asked over FHIR")
    dicomweb_url: UrlText = Field(
        "", description="its DICOMweb base, for wado-rs, or the base of its gateway, for xc-wado"
    )
    image_hosts: tuple[str, ...] = Field(
        (),
        description="hosts or origins its manifests may point at; others are not called",
    )
    image_locations: dict[str, UrlText] = Field(
        {}, description="DICOMweb base of each Retrieve Location UID; others: dicomweb_url"
    )
    tls_subjects: tuple[str, ...] = Field(
        (), description="subjects (RFC 4514) of the TLS client certificates it calls with"
    )
    assertions: Literal["reusable", "single-use"] = Field(
        "reusable", description="whether its assertions may be shown more than once"
    )
    token_form: Literal["iua", "openncp", "saml"] = Field(
        "iua", description="what its access tokens are: iua, openncp (JWT around SAML), or saml"
    )
    token_secret: Path | None = Field(
        None, description="file with the secret that seals its openncp tokens, 64 random bytes"
    )
    treatment_relation: Literal["", "trc", "resource-id", "none"] = Field(
        "", description="what vouches for the treatment relation; empty: as the profile says"
    )
    allow_sha1: bool = Field(False, description="accept SHA-1 signatures from this peer")
    syntaxes: tuple[str, ...] = Field(
        (), description="transfer syntaxes to ask this peer for, best first; empty: ours"
    )
    deliveries: Literal["as-stored", "planned"] = Field(
        "as-stored",
        description="how images come where a visit states no need: as-stored, or planned by it",
    )
    link_mbit: float | None = Field(
        None, gt=0, le=1e6, description="Mbit/s of the link images come by, told to it; empty: not"
    )
    link_round_trip_ms: float = Field(
        80.0, ge=0, le=60_000, description="round trip of that link, told with it"
    )
    ways: tuple[WaySection, ...] = Field(
        (), description="further ways to ask it, which a visit may choose"
    )


class TranscriptSection(_Section):
    """What is kept of every message."""

    keep: Literal["small", "all"] = Field("small", description="keep large parts by hash, or all")
    quota_bytes: int = Field(512 * MIB, description="room for transcripts; full means refused")


class AuditSection(_Section):
    """Where audit events go besides the state folder."""

    repository_url: UrlText = Field(
        "", description="FHIR base of an audit repository to send events to; empty: none"
    )


class FhirSection(_Section):
    """How the FHIR base says what is not allowed."""

    auth_failures: Literal["rfc6750", "iua"] = Field(
        "rfc6750", description="a token that is not enough: 403 (rfc6750) or 401 (iua)"
    )
    denial: Literal["empty", "404", "403", "401"] = Field(
        "403", description="no consent: an empty answer, or this status; the audit has the reason"
    )


class LimitSection(_Section):
    """Limits on what a peer may send or make us wait."""

    request_bytes: int = Field(8 * MIB, description="largest SOAP request")
    answer_bytes: int = Field(64 * MIB, description="largest root part of an answer")
    document_bytes: int = Field(256 * MIB, description="largest document of an answer")
    connect_seconds: float = Field(10.0, description="time to reach a peer")
    silence_seconds: float = Field(
        60.0, description="longest silence of a peer while it sends, or takes"
    )
    request_seconds: float = Field(60.0, description="time a caller may take to send a request")
    documents_per_request: int = Field(1000, description="documents in one retrieve")
    instances_per_request: int = Field(20000, description="instances in one image retrieve")


class NationalSection(_Section):
    """Country A's own systems."""

    database: str = Field("", description="SQLAlchemy URL; empty: a SQLite file in the state")
    documents: str = Field("", description="obstore URL of documents; empty: a folder in the state")
    images: Path | None = Field(None, description="folder of DICOM files; empty: in the state")
    repository: OidText = Field("2.999.1.1.2", description="OID of the document repository")
    imaging_source: OidText = Field("2.999.1.1.3", description="OID of the imaging source")
    imaging_source_url: UrlText = Field(
        "", description="RAD-69 endpoint to fetch images from; empty: the folder itself"
    )
    patient_authority: OidText = Field("2.999.1.1.1", description="OID that assigns patient ids")
    manifest_forms: Annotated[
        tuple[Literal["kos", "fhir"], ...], Field(min_length=1), AfterValidator(_different)
    ] = Field(("kos", "fhir"), description="encodings each manifest is published in: kos, fhir")
    trial_codes: bool = Field(
        False, description="write the trial implementation's codes in key object selections"
    )
    seed_number: int = Field(20261122, description="seed of the made-up patients and studies")
    seed_size: Literal["tiny", "demo", "full"] = Field("demo", description="size of the seed")


class PortalSection(_Section):
    """Country B's portal."""

    information_version: str = Field("2026-1", description="version of the patient information")
    kept_quota_bytes: int = Field(8192 * MIB, description="room for retrieved documents and images")
    syntaxes: tuple[str, ...] = Field(
        (), description="transfer syntaxes this portal reads, best first"
    )
    manifest_form: Literal["kos", "fhir"] = Field(
        "kos", description="encoding of manifests shown first and fetched by study: kos or fhir"
    )


class TokenClientSection(_Section):
    """A client that may ask for access tokens, and the professional it speaks for."""

    name: str = Field(description="name of the client, its client_id")
    tls_subjects: tuple[str, ...] = Field(
        min_length=1, description="subjects (RFC 4514) of the TLS client certificates it shows"
    )
    professional_id: str = Field(description="id of the professional it speaks for")
    family: str = Field(description="family name of the professional")
    given: tuple[str, ...] = Field((), description="given names")
    role: str = Field("221", description="role of the professional, an ISCO code")
    role_display: str = Field("Medical Doctors", description="the role in words")
    organisation: str = Field(description="name of the organisation")
    organisation_id: str = Field("", description="its identifier")
    organisation_authority: OidText | Literal[""] = Field(
        "", description="OID that assigned the identifier"
    )
    facility_type: Literal["Hospital", "Resident Physician", "Pharmacy", "Other"] = Field(
        "Hospital", description="type of the point of care"
    )
    locality: str = Field("", description="point of care; empty: the organisation")
    permissions: tuple[str, ...] = Field(
        ("PRD-003", "PRD-005", "PRD-006", "PRD-010", "PRD-016"),
        description="permissions of the professional, HL7 codes",
    )
    scopes: tuple[str, ...] = Field(
        ("ITI-78", "ITI-119"), description="scopes it may have: transactions, or SMART scopes"
    )
    treats: bool = Field(
        False, description="whether it may name the patient it treats, as person_id"
    )


class TokenSection(_Section):
    """Country B's token endpoint, for clients of its own. Off unless a port is set."""

    port: Port | None = Field(None, description="port of the token endpoint; unset: there is none")
    host: str = Field("127.0.0.1", description="address of the token endpoint")
    public_url: UrlText = Field(
        "", description="address clients call it by, which is the issuer of its tokens"
    )
    seconds: Annotated[int, Field(ge=30, le=3600)] = Field(
        300, description="how long a token is valid"
    )
    clients: tuple[TokenClientSection, ...] = ()


class Settings(BaseSettings):
    """Everything one service is told."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="NCPEH_", env_nested_delimiter="__"
    )

    gateway: GatewaySection
    listen: ListenSection = ListenSection()
    tls: TlsSection = TlsSection()
    seal: SealSection = SealSection()
    peers: tuple[PeerSection, ...] = ()
    transcripts: TranscriptSection = TranscriptSection()
    audit: AuditSection = AuditSection()
    fhir: FhirSection = FhirSection()
    limits: LimitSection = LimitSection()
    national: NationalSection = NationalSection()
    portal: PortalSection = PortalSection()
    token: TokenSection = TokenSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file (given as init values)."""
        if not isinstance(init_settings, InitSettingsSource):
            raise TypeError("settings are made from a file's values")
        return env_settings, init_settings


def _rooted(value: Any, model: type[BaseModel], base: Path) -> Any:
    """The same values with relative paths made absolute against the file's folder."""
    if not isinstance(value, dict):
        return value
    rooted = dict(value)
    for name, field in model.model_fields.items():
        if name not in rooted:
            continue
        inner = rooted[name]
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            rooted[name] = _rooted(inner, annotation, base)
        elif name == "peers" and isinstance(inner, list):
            rooted[name] = [_rooted_peer(item, base) for item in inner]
        elif "Path" in str(annotation) or annotation is Path:
            rooted[name] = (
                [_rooted_path(item, base) for item in inner]
                if isinstance(inner, list)
                else _rooted_path(inner, base)
            )
    return rooted


def _rooted_path(item: Any, base: Path) -> Any:
    # What is no text is left for validation to refuse by its key. ".." goes: it is shown to people.
    return os.path.normpath(base / item) if isinstance(item, str) else item


def _rooted_peer(item: Any, base: Path) -> Any:
    if not isinstance(item, dict):
        return item
    names = [name for name in ("token_secret",) if name in item]
    if str(item.get("profile", "")).endswith(".toml"):
        names.append("profile")
    return {**item, **{name: _rooted_path(item[name], base) for name in names}}


def load_settings(path: Path) -> Settings:
    """Read a settings file; `SettingsError` names every key that is wrong and why."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML ({error})") from None
    # Defaults that are paths are rooted too: a state folder belongs beside its settings.
    if isinstance(gateway := values.setdefault("gateway", {}), dict):
        gateway.setdefault("state", "state")
    try:
        return Settings(**_rooted(values, Settings, path.resolve().parent))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}"
            for item in error.errors()
        )
        raise SettingsError(f"{path}: {problems}") from None


def missing_files(settings: Settings) -> Iterator[str]:
    """A line for each certificate, key or list that is named and not there."""
    for section in ("tls", "seal"):
        for key, value in getattr(settings, section):
            for path in value if isinstance(value, tuple) else (value,):
                if path is not None and not path.is_file():
                    yield f"{section}.{key}: {no_such_file(path)}"


def no_such_file(path: Path) -> str:
    """What to say of a certificate, key or list that is not there."""
    return f"there is no file {path}; `ncpeh certs init` makes a trust domain"
