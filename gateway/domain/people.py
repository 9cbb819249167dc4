"""People and organisations: what Country B knows, what Country A confirms, who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.domain.codes import Code
from gateway.domain.ids import CommunityId, PatientId


class Gender(StrEnum):
    """Administrative gender; values are those of HL7 v3 code system 2.16.840.1.113883.5.1."""

    MALE = "M"
    FEMALE = "F"
    UNDIFFERENTIATED = "UN"


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanName:
    """A person's name. `given` keeps the order of the given names."""

    family: str
    given: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""

    @property
    def full(self) -> str:
        """The name as people read it: prefix, given names, family name."""
        return " ".join(part for part in (self.prefix, *self.given, self.family) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address; `country` is an ISO 3166-1 code."""

    street: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTraits:
    """What Country B knows of a patient: identifiers, or demographics, or both.

    Several identifiers all belong to the same person. `minimum_match` is the least degree of
    match, 0 to 100, that the asker accepts; None leaves it to the answering country.
    """

    ids: tuple[PatientId, ...] = ()
    name: HumanName | None = None
    birth_date: date | None = None
    gender: Gender | None = None
    address: Address | None = None
    telecom: tuple[str, ...] = ()
    birth_place: str = ""
    mothers_maiden_name: str = ""
    minimum_match: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientIdentity:
    """A patient as Country A confirms it: `id` is the one to use in every later request."""

    id: PatientId
    community: CommunityId
    names: tuple[HumanName, ...]
    birth_date: date | None = None
    gender: Gender | None = None
    address: Address | None = None
    telecom: tuple[str, ...] = ()
    other_ids: tuple[PatientId, ...] = ()
    match_degree: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation. `id` is the identifier's extension, `authority` the OID that assigned it.

    An organisation identified by an OID alone has it in `authority` and an empty `id`.
    """

    name: str
    id: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProfessional:
    """Who asks: the person, the role, the rights, and the point of care.

    `role` is an ISCO code for eHDSI peers; `permissions` are the codes after
    `…:hl7:permission:`, such as PRD-006; `facility_type` is one of Hospital,
    Resident Physician, Pharmacy, Other.
    """

    id: str
    name: HumanName
    role: Code
    organisation: Organisation
    facility_type: str
    locality: str
    permissions: tuple[str, ...]
    speciality: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who made a document: a person, a device, an organisation, or all of them."""

    name: HumanName | None = None
    id: str = ""
    id_authority: str = ""
    institutions: tuple[Organisation, ...] = ()
    roles: tuple[str, ...] = ()
    specialities: tuple[str, ...] = ()
    telecom: tuple[str, ...] = ()
