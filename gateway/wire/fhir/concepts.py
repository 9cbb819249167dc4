"""Code systems, Codings and CodeableConcepts: a code of ours, and how FHIR spells it.

A `Code` names its scheme as XDS does, by OID; FHIR names it by URL. One table has both, with the
other spellings met in the wild: written is always the URL, read is any of them. What the table
does not know passes through, an OID as `urn:oid:…`, so that nothing is lost on the way. Whether a
code belongs to its system is not judged here.

Clauses: FHIR R4, datatypes.html#Coding and #CodeableConcept; terminologies-systems.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.domain import Code, InvalidIdentifier, Oid
from gateway.domain.codes import (
    ATC,
    CONFIDENTIALITY,
    DCM,
    DICOM_UID,
    EDQM,
    ICD10,
    IHE_CLASS,
    IHE_FORMAT,
    ISCO,
    ISO_COUNTRY,
    LOINC,
    SCT,
    same_scheme,
    true_scheme,
)
from gateway.domain.ids import MAX_OID
from gateway.wire.fhir.resources import Json, objects_at, text_at
from gateway.wire.problems import DecodeError

OID_URN: Final = "urn:oid:"
ACT_REASON: Final = "2.16.840.1.113883.5.8"
UCUM: Final = "2.16.840.1.113883.6.8"
IDENTIFIER_TYPE: Final = "2.16.840.1.113883.18.108"  # HL7 table 0203
DIAGNOSTIC_SERVICE: Final = "2.16.840.1.113883.18.35"  # HL7 table 0074

MAX_SCHEMES: Final = 1024  # remembered; a country has dozens, and a peer may send any
MAX_CODINGS: Final = 50  # of one concept; a translation into every system known is fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSystem:
    """A code system under its OID, the URL that is written, and what else is read as it.

    `synonyms` are URLs or bare OIDs. A system without a URL of its own has `urn:oid:` and its OID.
    """

    oid: str
    url: str
    synonyms: tuple[str, ...] = ()


_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
_IHE_FORMATS: Final = "http://ihe.net/fhir/ihe.formatcode.fhir"

CODE_SYSTEMS: Final[tuple[CodeSystem, ...]] = (
    CodeSystem(oid=LOINC, url="http://loinc.org", synonyms=("https://loinc.org",)),
    CodeSystem(oid=SCT, url="http://snomed.info/sct", synonyms=("https://snomed.info/sct",)),
    CodeSystem(
        oid=DCM,
        url="http://dicom.nema.org/resources/ontology/DCM",
        # OpenNCP sends the OID of a context group of modalities as the system of a modality.
        synonyms=("1.2.840.10008.6.1.19",),
    ),
    CodeSystem(
        oid=DICOM_UID,
        url="http://dicom.nema.org/resources/ontology/DCMUID",
        synonyms=("http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs",),
    ),
    CodeSystem(
        oid=IHE_FORMAT,
        url=f"{_IHE_FORMATS}/CodeSystem/formatcode",
        synonyms=(
            f"{_IHE_FORMATS}/ValueSet/formatcode",
            "http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem",
            "1.3.6.1.4.1.19376.1.2.7.1",
        ),
    ),
    CodeSystem(oid=CONFIDENTIALITY, url=f"{_TERMINOLOGY}v3-Confidentiality"),
    CodeSystem(oid=ACT_REASON, url=f"{_TERMINOLOGY}v3-ActReason"),
    CodeSystem(
        oid=IDENTIFIER_TYPE,
        url=f"{_TERMINOLOGY}v2-0203",
        synonyms=("http://hl7.org/fhir/v2/0203",),
    ),
    CodeSystem(oid=DIAGNOSTIC_SERVICE, url=f"{_TERMINOLOGY}v2-0074"),
    CodeSystem(oid=ICD10, url="http://hl7.org/fhir/sid/icd-10"),
    CodeSystem(oid=ATC, url="http://www.whocc.no/atc"),
    CodeSystem(oid=EDQM, url="http://standardterms.edqm.eu"),
    CodeSystem(oid=UCUM, url="http://unitsofmeasure.org"),
    CodeSystem(oid=ISO_COUNTRY, url="urn:iso:std:iso:3166"),
    CodeSystem(oid=ISCO, url=f"{OID_URN}{ISCO}"),
    CodeSystem(oid=IHE_CLASS, url=f"{OID_URN}{IHE_CLASS}"),
)


def _spelling(name: str) -> str:
    """How a name of a system is compared: no OID prefix, no trailing slash, no case in front."""
    name = name.strip()
    if name[: len(OID_URN)].lower() == OID_URN:
        return name[len(OID_URN) :]
    lead, slashes, rest = name.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    return f"{lead.lower()}{slashes}{host.lower()}{slash}{path}" if slashes else lead


_URL_OF: Final = {
    _spelling(name): system.url
    for system in CODE_SYSTEMS
    for name in (system.oid, system.url, *system.synonyms)
}
_OID_OF: Final = {
    _spelling(name): system.oid
    for system in CODE_SYSTEMS
    for name in (system.oid, system.url, *system.synonyms)
}


def is_oid(text: str) -> bool:
    """Whether a text is an OID in dotted form."""
    try:
        Oid(text)
    except InvalidIdentifier:
        return False
    return True


def urn_of(authority: str) -> str:
    """An assigning authority as a system: an OID as `urn:oid:…`, a name as it is."""
    # What is too long for an OID is not remembered either.
    return OID_URN + authority if len(authority) <= MAX_OID and _known_oid(authority) else authority


_known_oid = lru_cache(maxsize=MAX_SCHEMES)(is_oid)


@lru_cache(maxsize=MAX_SCHEMES)
def system_of(scheme: str) -> str:
    """The FHIR system of a scheme: its URL where known, `urn:oid:…` of an OID, else itself."""
    name = _spelling(same_scheme(scheme))
    return _URL_OF.get(name) or (f"{OID_URN}{name}" if is_oid(name) else scheme)


@lru_cache(maxsize=MAX_SCHEMES)
def scheme_of(system: str) -> str:
    """The scheme of a FHIR system: its OID where known or written as `urn:oid:…`, else itself."""
    name = _spelling(same_scheme(system))
    return _OID_OF.get(name) or (name if is_oid(name) else system)


def write_coding(code: Code) -> Json:
    """A code as a Coding; what it does not have is left out."""
    system = system_of(true_scheme(code))
    if system and code.value and code.display:
        return {"system": system, "code": code.value, "display": code.display}
    coding = {}
    if system:
        coding["system"] = system
    if code.value:
        coding["code"] = code.value
    if code.display:
        coding["display"] = code.display
    return coding


def read_coding(coding: Json, where: str) -> Code:
    """The code of a Coding; `DecodeError` when it has none, for words alone name no concept."""
    value = text_at(coding, "code", where).strip()
    if not value:
        raise DecodeError(where, "a Coding without code", "a code", "FHIR R4 Coding")
    return Code(
        value, scheme_of(text_at(coding, "system", where)), text_at(coding, "display", where)
    )


def concept_of(code: Code) -> Json:
    """A code as a CodeableConcept of its own."""
    return {"coding": [write_coding(code)]}


def write_concept(*codes: Code, text: str = "") -> Json:
    """Codes of one meaning as a CodeableConcept, the preferred first; {} when there is nothing.

    The caller leaves an empty one out, for FHIR has no empty objects.
    """
    concept: Json = {}
    if codes:
        concept["coding"] = list(map(write_coding, codes))
    if text:
        concept["text"] = text
    return concept


def read_concept(concept: Json, where: str) -> tuple[Code, ...]:
    """The codes of a CodeableConcept in their order; none when it is but text.

    A Coding without a code, which FHIR allows, says nothing that could be compared: passed over.
    """
    codings = objects_at(concept, "coding", where)
    if len(codings) > MAX_CODINGS:
        raise DecodeError(f"{where}.coding", f"{len(codings)} codings", f"at most {MAX_CODINGS}")
    found = []
    for i, coding in enumerate(codings):
        value, system = coding.get("code"), coding.get("system", "")
        display = coding.get("display", "")
        # Only of one of another type it is worth saying where it stands.
        if type(value) is str and type(system) is str and type(display) is str:
            if bare := value.strip():
                found.append(Code(bare, scheme_of(system), display))
            continue
        place = f"{where}.coding[{i}]"
        if text_at(coding, "code", place).strip():
            found.append(read_coding(coding, place))
    return tuple(found)
