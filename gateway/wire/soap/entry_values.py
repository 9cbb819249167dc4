"""Values inside a foreign entry, each read as tolerantly as sense allows, with notes on slips.

Used by `entry_read`; knows slots and strings, not rows. Forms: ITI TF-3 table 4.2.3.1.7-2.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.domain import (
    Author,
    Code,
    CommunityId,
    EntryStatus,
    InvalidIdentifier,
    InvalidTime,
    Issue,
    Oid,
    Organisation,
    PatientId,
    ReferenceId,
    Refusal,
    Severity,
    Timestamp,
)
from gateway.wire.soap.ebxml import status_of_urn
from gateway.wire.soap.hl7v2 import read_organisation, read_person, read_telecom
from gateway.wire.xml import Element, quoted

_AMPERSAND = re.compile(r"&(?:amp;)+")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_MAX_CACHED = 512  # characters; what is longer is not kept beyond its message
_MAX_SIZE_DIGITS = 18  # an exabyte; more digits are not a size
_URI_PIECE = re.compile(r"(\d{1,3})\|(.*)", re.DOTALL)


class Unusable(Exception):
    """A row that nobody could use; the text says what it lacks."""


@lru_cache(maxsize=256)
def read_community(text: str) -> CommunityId:
    """A home attribute, `urn:oid:…` or bare; `InvalidIdentifier` when it is no OID."""
    return CommunityId.parse(text)


@lru_cache(maxsize=256)
def read_repository(text: str) -> Oid:
    return Oid.parse(text)


@lru_cache(maxsize=2048)
def _known_code(value: str, scheme: str, display: str) -> Code:
    return Code(value, scheme, display)


def read_code(value: str, scheme: str, display: str) -> Code:
    """A code; the same one again is the same object, since a list repeats a few."""
    if len(value) + len(scheme) + len(display) > _MAX_CACHED:
        return Code(value, scheme, display)
    return _known_code(value, scheme, display)


def unescape_twice(text: str) -> str:
    """A patient id whose ampersands were escaped once too often, as it was meant."""
    return _AMPERSAND.sub("&", text) if "&amp;" in text else text


def read_patient(text: str) -> PatientId:
    """A CX as peers write it: a namespace name or a bare authority OID are tolerated."""
    text = unescape_twice(text)
    try:
        return PatientId.parse_cx(text)
    except InvalidIdentifier:
        parts = text.strip().split("^")
        if len(parts) < 4:
            raise
        authority = parts[3].split("&")
        return PatientId(parts[0].strip(), Oid.parse(authority[1 if len(authority) > 1 else 0]))


class Notes:
    """What is to be said about one row: fields that are missing, values that are no such thing."""

    __slots__ = ("patients", "texts")

    def __init__(self, patients: dict[str, PatientId] | None = None) -> None:
        self.texts: list[str] = []
        # Patients read before in the same list, by their text: it is mostly the same one.
        self.patients = {} if patients is None else patients

    def patient(self, text: str) -> PatientId:
        """As `read_patient`."""
        patient = self.patients.get(text)
        if patient is None:
            self.patients[text] = patient = read_patient(text)
        return patient

    def missing(self, field: str, taken: str = "") -> None:
        self.texts.append(f"{field} is missing{taken}")

    def wrong(self, field: str, value: str, expected: str) -> None:
        self.texts.append(f"{field} is {quoted(value)!r}, expected {expected}")

    def time(self, field: str, slots: dict[str, list[str]]) -> Timestamp | None:
        values = slots.get(field)
        if not values:
            return None
        try:
            return Timestamp.parse(values[0])
        except InvalidTime as error:
            self.wrong(field, error.found, error.expected)
            return None


def first(slots: dict[str, list[str]], name: str) -> str:
    values = slots.get(name)
    return values[0] if values else ""


_known_organisation = lru_cache(maxsize=512)(read_organisation)


def _institution(text: str) -> Organisation:
    # A list names the same few hospitals over and over.
    return (read_organisation if len(text) > _MAX_CACHED else _known_organisation)(text)


def read_authors(slots: dict[str, list[str]]) -> list[Author]:
    people = [read_person(text) for text in slots.get("authorPerson", ())]
    institutions = tuple([_institution(text) for text in slots.get("authorInstitution", ())])
    roles = tuple(slots.get("authorRole", ()))
    specialities = tuple(slots.get("authorSpecialty", ()))
    telecom = tuple([read_telecom(text) for text in slots.get("authorTelecommunication", ())])
    name, local_id, authority = people[0] if people else (None, "", "")
    if not (people or institutions or roles or specialities or telecom):
        return []
    first = Author(
        name=name,
        id=local_id,
        id_authority=authority,
        institutions=institutions,
        roles=roles,
        specialities=specialities,
        telecom=telecom,
    )
    # One person per author is the rule; a peer that lists several means several authors.
    return [first, *(Author(name=name, id=i, id_authority=a) for name, i, a in people[1:])]


def read_uri(values: list[str]) -> str:
    if len(values) < 2:
        return values[0] if values else ""
    pieces = [match for value in values if (match := _URI_PIECE.fullmatch(value))]
    if len(pieces) != len(values):
        return values[0]
    return "".join(piece[2] for piece in sorted(pieces, key=lambda piece: int(piece[1])))


def read_size(text: str, notes: Notes) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _MAX_SIZE_DIGITS:
        return int(text)
    notes.wrong("size", text, "a number of bytes")
    return None


def read_hash(text: str, notes: Notes) -> str:
    digest = text.lower()
    if not digest or _SHA1.fullmatch(digest):
        return digest
    notes.wrong("hash", text, "40 hexadecimal digits")
    return ""


def read_references(values: list[str], notes: Notes) -> tuple[ReferenceId, ...]:
    references = []
    for value in values:
        try:
            references.append(ReferenceId.parse_cxi(unescape_twice(value)))
        except InvalidIdentifier as error:
            notes.wrong("referenceIdList", error.found, error.expected)
    return tuple(references)


def read_source_patient(text: str, notes: Notes) -> PatientId | None:
    if not text:
        return None
    try:
        return notes.patient(text)
    except InvalidIdentifier as error:
        notes.wrong("sourcePatientId", error.found, error.expected)
        return None


def read_status(element: Element, notes: Notes) -> EntryStatus:
    text = element.get("status") or ""
    status = status_of_urn(text)
    if status is not None:
        return status
    if not text:
        notes.missing("status", ", taken to be approved")
        return EntryStatus.APPROVED
    notes.wrong("status", text, "Approved or Deprecated; taken to be deprecated")
    return EntryStatus.DEPRECATED


def read_home(element: Element, default: CommunityId | None, what: str) -> tuple[CommunityId, str]:
    # The community, and what is to be said when it was not (rightly) given.
    text = (element.get("home") or "").strip()
    try:
        return read_community(text), ""
    except InvalidIdentifier:
        found = f"is {quoted(text)!r}" if text else "is missing"
        if default is None:
            raise Unusable(f"{what}: home {found}") from None
        return default, f"{what}: home {found}, taken to be {default}"


def home_warning(text: str, subject: str) -> Issue:
    return Issue(
        refusal=Refusal.MISSING_COMMUNITY, severity=Severity.WARNING, text=text, subject=subject
    )
