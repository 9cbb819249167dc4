"""Clients that may ask this gateway for access tokens: who they are, and what they may have.

A client is known by the subject of its TLS certificate and speaks for one professional, whom the
settings describe: whoever holds the key of that certificate was given it by the organisation that
vouches for the professional. Nothing is issued to a client no section names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.config import SettingsError, TokenClientSection
from gateway.domain.codes import ISCO, Code
from gateway.domain.context import Caller
from gateway.domain.people import HealthProfessional, HumanName, Organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClient:
    """A client: the professional it speaks for, its scopes, whether it may name a patient."""

    name: str
    tls_subjects: tuple[str, ...]
    professional: HealthProfessional
    scopes: tuple[str, ...]
    treats: bool = False


@dataclass(frozen=True, slots=True)
class ClientBook:
    """The clients of a gateway, by their certificates."""

    clients: tuple[TokenClient, ...]
    by_subject: Mapping[str, TokenClient]

    @classmethod
    def of_sections(cls, sections: Iterable[TokenClientSection]) -> ClientBook:
        """The book of a settings file; `SettingsError` where two clients cannot be told apart."""
        clients = tuple(_client(section) for section in sections)
        by_subject = {subject: client for client in clients for subject in client.tls_subjects}
        if len(by_subject) != sum(len(client.tls_subjects) for client in clients):
            raise SettingsError("token.clients.tls_subjects: a subject stands there twice")
        if len({client.name for client in clients}) != len(clients):
            raise SettingsError("token.clients.name: two clients have the same")
        return cls(clients, by_subject)

    def caller(self, caller: Caller) -> TokenClient | None:
        """The client a TLS client is, None for a stranger."""
        return self.by_subject.get(caller.subject)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that somebody may have, in the order of the settings."""
        return tuple(dict.fromkeys(scope for client in self.clients for scope in client.scopes))


def _client(section: TokenClientSection) -> TokenClient:
    return TokenClient(
        name=section.name,
        tls_subjects=section.tls_subjects,
        professional=HealthProfessional(
            id=section.professional_id,
            name=HumanName(family=section.family, given=section.given),
            role=Code(section.role, ISCO, section.role_display),
            organisation=Organisation(
                name=section.organisation,
                id=section.organisation_id,
                authority=section.organisation_authority,
            ),
            facility_type=section.facility_type,
            locality=section.locality or section.organisation,
            permissions=section.permissions,
        ),
        scopes=section.scopes,
        treats=section.treats,
    )
