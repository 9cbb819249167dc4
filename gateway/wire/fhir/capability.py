"""What a FHIR server can do, as its CapabilityStatement: exactly what it is told it offers.

Which interactions there are comes from the route table, which parameters narrow a search from the
tables that read them: a parameter that is read and has neither a definition here nor the mark of
another spelling cannot be published, and a test says so. A guide's statement is instantiated only
where every interaction it asks for is offered.

`PARAMETERS` has what FHIR wants to be told about each parameter; the tables are data. Clauses:
FHIR R4 capabilitystatement.html, MHD 4.2, PDQm 3.2, IHE MADO.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.wire.fhir.mhd_parameters_read import SPELLINGS
from gateway.wire.fhir.pdqm import TRAIT_PARAMETERS
from gateway.wire.fhir.resources import Json
from gateway.wire.problems import EncodeError

FHIR_VERSION: Final = "4.0.1"
SOFTWARE: Final = "ncpeh-imaging-simulator"
# By the types of FHIR, and by the short names the EU Health Data API looks for.
FORMATS: Final = ("application/fhir+json", "application/fhir+xml", "json", "xml")
SECURITY_SERVICES: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"

_R4: Final = "http://hl7.org/fhir/SearchParameter/"
_MHD: Final = "https://profiles.ihe.net/ITI/MHD/"
_PDQM: Final = "https://profiles.ihe.net/ITI/PDQm/"
_MADO: Final = "https://profiles.ihe.net/RAD/MADO/"
_EU: Final = "http://hl7.eu/fhir/health-data-api/"
_NCP: Final = "http://myhealth.eu/fhir/ncp-api"
_MADO_PARAMETER: Final = f"{_MADO}SearchParameter/SearchParameterDocumentReference"


@dataclass(frozen=True, slots=True)
class Offer:
    """One interaction that is answered: a resource type, and FHIR's code or an operation's name."""

    resource: str
    interaction: str


# Parameter, its type, and the canonical URL of its definition, "" for a chain, which has none.
PARAMETERS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "DocumentReference": (
        ("_id", "token", f"{_R4}Resource-id"),
        ("accession-number", "token", f"{_MADO_PARAMETER}AccessionNumber"),
        ("anatomical-region", "token", f"{_MADO_PARAMETER}BodySite"),
        ("author.family", "string", ""),
        ("author.given", "string", ""),
        ("bodysite", "token", f"{_MADO_PARAMETER}BodySite"),
        ("category", "token", f"{_R4}DocumentReference-category"),
        ("contenttype", "token", f"{_R4}DocumentReference-contenttype"),
        ("creation", "date", f"{_MHD}SearchParameter/DocumentReference-Creation"),
        ("date", "date", f"{_R4}DocumentReference-date"),
        ("event", "token", f"{_R4}DocumentReference-event"),
        ("facility", "token", f"{_R4}DocumentReference-facility"),
        ("format", "token", f"{_R4}DocumentReference-format"),
        ("identifier", "token", f"{_R4}clinical-identifier"),
        ("modality", "token", f"{_MADO_PARAMETER}Modality"),
        ("patient", "reference", f"{_R4}clinical-patient"),
        ("patient.identifier", "token", ""),
        ("period", "date", f"{_R4}DocumentReference-period"),
        ("relatesto", "reference", f"{_R4}DocumentReference-relatesto"),
        ("security-label", "token", f"{_R4}DocumentReference-security-label"),
        ("setting", "token", f"{_R4}DocumentReference-setting"),
        ("status", "token", f"{_R4}DocumentReference-status"),
        ("study-instance-uid", "token", f"{_MADO_PARAMETER}StudyInstanceUid"),
        ("subject", "reference", f"{_R4}DocumentReference-subject"),
        ("targetCommunityIdList", "uri", f"{_MHD}SearchParameter/IHE-TargetCommunityIdList"),
        ("type", "token", f"{_R4}clinical-type"),
    ),
    "Patient": (
        ("_id", "token", f"{_R4}Resource-id"),
        ("active", "token", f"{_R4}Patient-active"),
        ("address", "string", f"{_R4}individual-address"),
        ("address-city", "string", f"{_R4}individual-address-city"),
        ("address-country", "string", f"{_R4}individual-address-country"),
        ("address-postalcode", "string", f"{_R4}individual-address-postalcode"),
        ("birthdate", "date", f"{_R4}individual-birthdate"),
        ("family", "string", f"{_R4}individual-family"),
        ("gender", "token", f"{_R4}individual-gender"),
        ("given", "string", f"{_R4}individual-given"),
        ("identifier", "token", f"{_R4}Patient-identifier"),
        (
            "mothersMaidenName",
            "string",
            f"{_R4}patient-extensions-Patient-mothersMaidenName",
        ),
        ("name", "string", f"{_R4}Patient-name"),
        ("telecom", "token", f"{_R4}individual-telecom"),
    ),
}
# What is read as well and is another spelling, or another way in, of one that is published.
OTHER_SPELLINGS: Final[Mapping[str, frozenset[str]]] = {
    "DocumentReference": frozenset(
        {"body-site", "class", "indexed", "securitylabel", "related-id"}
        | {"author:Practitioner.family", "author:Practitioner.given"}
        | {"related:identifier", "related.identifier"}
        | {"encounter:identifier", "encounter.identifier"}
        | {"patient:identifier", "patient:Patient", "patient:Patient.identifier"}
        | {"subject.identifier", "subject:identifier"}
        | {"subject:Patient", "subject:Patient.identifier"}
    ),
    "Patient": frozenset({"sex"}),
}
# The names by which each search is narrowed, from where they are read; `_id` of a patient and
# `relatesto` are the server's own.
READ: Final[Mapping[str, frozenset[str]]] = {
    "DocumentReference": SPELLINGS | {"relatesto"},
    "Patient": TRAIT_PARAMETERS | {"_id"},
}
_PROFILES: Final[Mapping[str, tuple[str, ...]]] = {
    "DocumentReference": (f"{_MHD}StructureDefinition/IHE.MHD.Minimal.DocumentReference",),
    "Patient": (f"{_PDQM}StructureDefinition/IHE.PDQm.Patient",),
}
_OPERATIONS: Final[Mapping[str, str]] = {"match": f"{_PDQM}OperationDefinition/PDQmMatch"}
_INTERACTIONS: Final = frozenset({"read", "search-type"})
# Statements of the guides, and the interactions each demands; MADO's adds parameters to MHD's.
_MHD_DEMANDS: Final = frozenset(
    [
        Offer("DocumentReference", "read"),
        Offer("DocumentReference", "search-type"),
        Offer("List", "read"),
        Offer("List", "search-type"),
        Offer("Binary", "read"),
    ]
)
STATEMENTS: Final[Mapping[str, frozenset[Offer]]] = {
    f"{_MHD}CapabilityStatement/IHE.MHD.DocumentResponder": _MHD_DEMANDS,
    f"{_MADO}CapabilityStatement/IHE.RAD.MADO.DocumentResponder": _MHD_DEMANDS,
    f"{_PDQM}CapabilityStatement/IHE.PDQm.PatientDemographicsSupplier": frozenset(
        [Offer("Patient", "read"), Offer("Patient", "search-type")]
    ),
    f"{_EU}CapabilityStatement/EEHRxF-DocumentAccessProvider": frozenset(
        [
            Offer("DocumentReference", "read"),
            Offer("DocumentReference", "search-type"),
            Offer("Binary", "read"),
            Offer("Patient", "read"),
            Offer("Patient", "search-type"),
        ]
    ),
}
_GUIDES: Final = (
    "https://profiles.ihe.net/ITI/MHD/ImplementationGuide/ihe.iti.mhd",
    "https://profiles.ihe.net/ITI/PDQm/ImplementationGuide/ihe.iti.pdqm",
    "https://profiles.ihe.net/RAD/MADO/ImplementationGuide/ihe.rad.mado",
    f"{_EU}ImplementationGuide/hl7.fhir.eu.health-data-api",
    f"{_NCP}/ImplementationGuide/myhealth.eu.fhir.ncp-api",
)


def write_capability(
    offers: Iterable[Offer], *, base: str, name: str, at: datetime, version: str = ""
) -> Json:
    """The CapabilityStatement of a server with these interactions.

    `base` is the address it is called at, `name` what it is called by people, `at` since when it
    says so. Raises `EncodeError` for an interaction or a parameter that nothing here defines.
    """
    offered = frozenset(offers)
    software: Json = {"name": SOFTWARE}
    if version:
        software["version"] = version
    statement: Json = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "kind": "instance",
        "software": software,
        "implementation": {"description": name or SOFTWARE, "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "implementationGuide": list(_GUIDES),
        "rest": [
            {
                "mode": "server",
                "security": _security(),
                "resource": [
                    _resource(kind, offered) for kind in sorted({each.resource for each in offered})
                ],
            }
        ],
    }
    instantiated = [url for url, demands in STATEMENTS.items() if demands <= offered]
    if instantiated:
        statement["instantiates"] = instantiated
    return statement


def _security() -> Json:
    return {
        "cors": False,
        "service": [
            {"coding": [{"system": SECURITY_SERVICES, "code": code}]}
            for code in ("OAuth", "Certificates")
        ],
        "description": (
            "Mutual TLS, and an IUA token bound to the client's certificate with every request"
            " but for this statement."
        ),
    }


def _resource(kind: str, offered: frozenset[Offer]) -> Json:
    codes = sorted(each.interaction for each in offered if each.resource == kind)
    interactions = [code for code in codes if code in _INTERACTIONS]
    operations = [code for code in codes if code not in _INTERACTIONS]
    found: Json = {"type": kind}
    if kind in _PROFILES:
        found["supportedProfile"] = list(_PROFILES[kind])
    if interactions:
        found["interaction"] = [{"code": code} for code in interactions]
    if "search-type" in codes:
        found["searchParam"] = _parameters(kind, READ.get(kind, frozenset()))
    if operations:
        found["operation"] = [_operation(code) for code in operations]
    return found


def _operation(name: str) -> Json:
    if name not in _OPERATIONS:
        raise EncodeError(f"the operation {name} has no definition to be published with")
    return {"name": name, "definition": _OPERATIONS[name]}


def _parameters(kind: str, read: frozenset[str]) -> Sequence[Json]:
    known = {name: (type_, definition) for name, type_, definition in PARAMETERS.get(kind, ())}
    published = read - OTHER_SPELLINGS.get(kind, frozenset())
    if nameless := sorted(published - set(known)):
        raise EncodeError(f"parameters of {kind} without a definition: {', '.join(nameless)}")
    return [_parameter(name, *known[name]) for name in sorted(published)]


def _parameter(name: str, type_: str, definition: str) -> Json:
    found: Json = {"name": name}
    if definition:
        found["definition"] = definition
    found["type"] = type_
    return found
