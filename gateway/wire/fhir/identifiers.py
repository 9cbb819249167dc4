"""Identifiers: FHIR's Identifier as a value, and the three of ours that are written as one.

A patient id, a UID and a reference to a study, an accession number or an order are each one
Identifier with its system, value and type. Written is one form; read are all that guides and peers
use for the same thing. `as_…` gives None for an Identifier of another kind, and raises for one of
the right kind whose value is none: a broken accession number is not the absence of one.

Clauses: FHIR R4 datatypes.html#Identifier; ITI MHD, mapping of referenceIdList; IHE MADO, profiles
MadoStudyInstanceUidIdentifier and MadoAccessionNumberIdentifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from gateway.domain import (
    Code,
    InvalidIdentifier,
    Oid,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Uid,
)
from gateway.domain.codes import DCM
from gateway.wire.fhir.concepts import (
    IDENTIFIER_TYPE,
    OID_URN,
    concept_of,
    is_oid,
    read_concept,
    urn_of,
    write_concept,
)
from gateway.wire.fhir.resources import Json, object_at, text_at
from gateway.wire.problems import DecodeError

DICOM_UIDS: Final = "urn:dicom:uid"
URIS: Final = "urn:ietf:rfc:3986"  # the value is itself a URI

STUDY_UID: Final = Code("110180", DCM, "Study Instance UID")
ACCESSION_ISSUER: Final = Code("121022", DCM, "Accession Number")
ACCESSION: Final = Code("ACSN", IDENTIFIER_TYPE, "Accession ID")
PLACER: Final = Code("PLAC", IDENTIFIER_TYPE, "Placer Identifier")

# How each kind of reference is typed; a kind that is not here has its own URN as its type.
_TYPES_OF: Final[dict[str, tuple[Code, ...]]] = {
    ReferenceKind.ACCESSION: (ACCESSION, ACCESSION_ISSUER),
    ReferenceKind.ORDER: (PLACER,),
}
# And back: the first type that says a kind decides.
_KIND_OF: Final[dict[Code, str]] = {
    STUDY_UID: ReferenceKind.STUDY,
    **{code: kind for kind, codes in _TYPES_OF.items() for code in codes},
}
_STUDY: Final = str(ReferenceKind.STUDY)
_STUDY_TYPE: Final = concept_of(STUDY_UID)  # the same in every reference, and changed in none
_URN_AUTHORITY: Final = ":/?#[]@!$&'()*+,;=~"  # what a namespace's name may keep in a URI


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """An Identifier: `system` is "" when absent, `types` are the codings of its type."""

    value: str
    system: str = ""
    types: tuple[Code, ...] = ()
    use: str = ""


def write_identifier(identifier: Identifier) -> Json:
    """The Identifier; what it does not have is left out."""
    written: Json = {}
    if identifier.use:
        written["use"] = identifier.use
    if identifier.types:
        written["type"] = write_concept(*identifier.types)
    if identifier.system:
        written["system"] = identifier.system
    if identifier.value:
        written["value"] = identifier.value
    return written


def read_identifier(json: Json, where: str) -> Identifier:
    """The Identifier, as it stands but for surrounding white space; a value may be missing."""
    return Identifier(
        value=text_at(json, "value", where).strip(),
        system=text_at(json, "system", where).strip(),
        types=read_concept(object_at(json, "type", where), f"{where}.type"),
        use=text_at(json, "use", where),
    )


def of_patient_id(patient: PatientId) -> Identifier:
    """A patient id: the authority's OID as system (HL7 v2 CX, HL7 v3 II)."""
    return Identifier(system=patient.authority.urn, value=patient.value)


def write_patient_id(patient: PatientId) -> Json:
    """A patient id as an Identifier, as `of_patient_id` has it."""
    return {"system": patient.authority.urn, "value": patient.value}


def as_patient_id(identifier: Identifier, where: str = "Identifier") -> PatientId | None:
    """The patient id, None when the system is no OID, written as URN or bare.

    Raises `DecodeError` for a value that no patient id has; it is not quoted, for it may identify
    a patient and errors are logged.
    """
    authority = _bare_oid(identifier.system)
    if not is_oid(authority):
        return None
    try:
        return PatientId(identifier.value, Oid(authority))
    except InvalidIdentifier as error:
        raise DecodeError(f"{where}.value", "no identifier", error.expected) from None


def of_uid(uid: Uid) -> Identifier:
    """A study instance UID (MadoStudyInstanceUidIdentifier)."""
    return Identifier(system=DICOM_UIDS, value=f"{OID_URN}{uid}", types=(STUDY_UID,))


def as_uid(identifier: Identifier, where: str = "Identifier") -> Uid | None:
    """The UID, bare or as `urn:oid:…`; None when neither system nor type says that it is one.

    `urn:ietf:rfc:3986` with an OID, and DICOM's type of a study UID with any system, say so too.
    Raises `DecodeError` for a value that is no UID.
    """
    value = _bare_oid(identifier.value)
    if not _says_uid(identifier) and (identifier.system != URIS or value == identifier.value):
        return None
    try:
        return Uid.parse(value)
    except InvalidIdentifier as error:
        raise DecodeError(f"{where}.value", repr(error.found), error.expected) from None


def of_reference(reference: ReferenceId) -> Identifier:
    """A reference: study, accession number and order as MADO types them, others by their kind.

    The home community has no place in an Identifier and is left out; so is the authority of a
    study UID, which needs none.
    """
    if uid := _study_of(reference):
        return of_uid(uid)
    types = _TYPES_OF.get(reference.kind) or (
        Code(reference.kind, URIS if ":" in reference.kind else IDENTIFIER_TYPE),
    )
    system = _system_of_authority(reference.authority)
    return Identifier(value=reference.value, system=system, types=types)


def _study_of(reference: ReferenceId) -> Uid | None:
    if reference.kind != _STUDY:
        return None
    try:
        return Uid.parse(reference.value)
    except InvalidIdentifier:
        return None  # a peer's study number that is no UID keeps its kind, not made into one


def write_reference(reference: ReferenceId) -> Json:
    """A reference as an Identifier, as `of_reference` has it."""
    if uid := _study_of(reference):
        return {"type": _STUDY_TYPE, "system": DICOM_UIDS, "value": OID_URN + uid}
    return write_identifier(of_reference(reference))


def as_reference(identifier: Identifier, where: str = "Identifier") -> ReferenceId | None:
    """The reference, None when no type says what it identifies.

    A UID without any type is taken to be a study's. Raises `DecodeError` for a value or a system
    that a reference cannot have (HL7 v2 separators would make another one of it in XDS).
    """
    kind = _kind(identifier)
    if not kind:
        return None
    if kind == ReferenceKind.STUDY:
        try:
            return ReferenceId.of_study(Uid.parse(_bare_oid(identifier.value)))
        except InvalidIdentifier as error:
            if _says_uid(identifier):
                raise DecodeError(f"{where}.value", repr(error.found), error.expected) from None
    authority = _authority_of_system(identifier.system)
    if "^" in authority + kind or "&" in authority + kind:
        raise DecodeError(where, "a separator of HL7 v2", "system and type without ^ or &")
    try:
        return ReferenceId(value=identifier.value, kind=kind, authority=authority)
    except InvalidIdentifier as error:
        raise DecodeError(f"{where}.value", repr(error.found), error.expected) from None


def _kind(identifier: Identifier) -> str:
    """The kind of a reference, "" when nothing says it."""
    for code in identifier.types:
        if code in _KIND_OF:
            return str(_KIND_OF[code])
    for code in identifier.types:
        if code.scheme in (URIS, IDENTIFIER_TYPE):
            return code.value
    untyped_uid = identifier.system == DICOM_UIDS and not identifier.types
    return str(ReferenceKind.STUDY) if untyped_uid else ""


def _says_uid(identifier: Identifier) -> bool:
    return identifier.system == DICOM_UIDS or STUDY_UID in identifier.types


def _bare_oid(text: str) -> str:
    """Without `urn:oid:` or the `oid:` of older peers, whatever their case."""
    for prefix in (OID_URN, "oid:"):
        if text[: len(prefix)].lower() == prefix:
            return text[len(prefix) :]
    return text


def _system_of_authority(authority: str) -> str:
    """The system of an assigning authority; a plain name has its spaces and the like escaped."""
    system = urn_of(authority)
    return system if ":" in system else quote(authority, safe=_URN_AUTHORITY)


def _authority_of_system(system: str) -> str:
    bare = _bare_oid(system)
    if is_oid(bare):
        return bare
    return system if ":" in system else unquote(system)
