"""Identifiers, parsed and rejected here and nowhere else.

Every identifier is immutable and compares by value. An identifier that cannot be one raises
`InvalidIdentifier` with what was found and what was expected; a reader of wire bytes adds the
place. Forms follow ITI TF-3 table 4.2.3.1.7-2 and DICOM PS3.5 section 9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

MAX_OID = 64  # DICOM PS3.5 9.1; the XDS limit is the same
MAX_DOCUMENT_ID = 256  # XDS allows 128; peers exceed it
MAX_LOCAL_ID = 256
OID_URN = "urn:oid:"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class InvalidIdentifier(ValueError):
    """An identifier that is not of its form: says what was found and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        shown = found if len(found) <= 80 else found[:80] + "…"
        super().__init__(f"found {shown!r}, expected {expected}")
        self.found = shown
        self.expected = expected


def _is_uid(text: str) -> bool:
    # Studies have thousands of them: this takes an eighth of the time of a regular expression.
    return (
        text.isascii()
        and text.replace(".", "").isdigit()
        and ".." not in text
        and text[0] != "."
        and text[-1] != "."
    )


def _is_oid(text: str) -> bool:
    arcs = text.split(".")
    return (
        len(arcs) > 1
        and arcs[0] in ("0", "1", "2")
        and _is_uid(text)
        and not (".0" in text and any(arc[0] == "0" and arc != "0" for arc in arcs))
    )


def _plain(text: str, limit: int, what: str) -> str:
    if not text or len(text) > limit or _CONTROL.search(text):
        raise InvalidIdentifier(text, f"{what} of 1 to {limit} printable characters")
    return text


class Oid(str):
    """An object identifier in dotted form, at most 64 characters, without `urn:oid:`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_OID or not _is_oid(text):
            raise InvalidIdentifier(text, "an OID of at most 64 characters, such as 2.999.1")
        return super().__new__(cls, text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an OID written bare or as `urn:oid:…`, ignoring surrounding white space."""
        return cls(text.strip().removeprefix(OID_URN))

    @property
    def urn(self) -> str:
        """The OID as `urn:oid:…`, the form of ebXML, XDS and SAML."""
        return OID_URN + self


class CommunityId(Oid):
    """A home community id: the OID by which a national gateway is known."""

    __slots__ = ()


class Uid(str):
    """A DICOM unique identifier; leading zeros in a component occur in the wild and are kept."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_OID or not _is_uid(text):
            raise InvalidIdentifier(text, "a DICOM UID of at most 64 digits and dots")
        return str.__new__(cls, text)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a UID written bare, padded, or as `urn:oid:…`."""
        return cls(text.strip(" \0\t\r\n").removeprefix(OID_URN))


class DocumentId(str):
    """The unique id of a document in its repository: an OID, `oid^extension`, or a peer's own."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, _plain(text, MAX_DOCUMENT_ID, "a document id"))


class EntryId(str):
    """The id of a registry entry, a `urn:uuid:…` when it is ours."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, _plain(text, MAX_DOCUMENT_ID, "an entry id"))


@dataclass(frozen=True, slots=True, order=True)
class PatientId:
    """A patient's identifier: a value and the authority that assigned it."""

    value: str
    authority: Oid

    def __post_init__(self) -> None:
        _plain(self.value, MAX_LOCAL_ID, "a patient identifier")
        if "^" in self.value or "&" in self.value:
            raise InvalidIdentifier(self.value, "a patient identifier without ^ or &")

    @property
    def cx(self) -> str:
        """HL7 v2 CX as XDS restricts it: `value^^^&oid&ISO`."""
        return f"{self.value}^^^&{self.authority}&ISO"

    @classmethod
    def parse_cx(cls, text: str) -> Self:
        """Read `value^^^&oid&ISO`; a namespace name before the OID is not allowed in XDS."""
        parts = text.strip().split("^")
        authority = parts[3].split("&") if len(parts) == 4 else []
        if len(authority) != 3 or parts[1] or parts[2] or authority[0] or authority[2] != "ISO":
            raise InvalidIdentifier(text, "a patient id of the form value^^^&oid&ISO")
        return cls(parts[0].strip(), Oid(authority[1].strip()))


class ReferenceKind(StrEnum):
    """What a related identifier identifies; values are the CXi.5 type codes of ITI TF-3 4.2.3.2."""

    STUDY = "urn:ihe:iti:xds:2016:studyInstanceUID"
    ACCESSION = "urn:ihe:iti:xds:2013:accession"
    ORDER = "urn:ihe:iti:xds:2013:order"
    REFERRAL = "urn:ihe:iti:xds:2013:referral"
    UNIQUE_ID = "urn:ihe:iti:xds:2013:uniqueId"
    ENCOUNTER = "urn:ihe:iti:xds:2015:encounterId"
    WORKFLOW = "urn:ihe:iti:xdw:2013:workflowInstanceId"


@dataclass(frozen=True, slots=True, order=True)
class ReferenceId:
    """An identifier a document shares with others: study, accession number, order.

    `kind` is a `ReferenceKind` value, or a peer's own type code as it was written.
    `authority` is "" where the identifier needs none (a study instance UID), an OID where the
    form is `&oid&ISO`, and a plain name where a peer wrote a namespace instead.
    """

    value: str
    kind: str
    authority: str = ""
    home: str = ""

    def __post_init__(self) -> None:
        _plain(self.value, MAX_LOCAL_ID, "a reference identifier")
        if "^" in self.value:
            raise InvalidIdentifier(self.value, "a reference identifier without ^")

    @classmethod
    def of_study(cls, study: Uid) -> Self:
        """The reference to an imaging study; it needs no assigning authority."""
        return cls(value=str(study), kind=ReferenceKind.STUDY)

    @property
    def cxi(self) -> str:
        """HL7 v2 CXi: `value^^^authority^kind`, the form of `referenceIdList`."""
        authority = self.authority
        if authority and _is_oid(authority):
            authority = f"&{authority}&ISO"
        base = f"{self.value}^^^{authority}^{self.kind}"
        return f"{base}^{self.home}" if self.home else base

    @classmethod
    def parse_cxi(cls, text: str) -> Self:
        """Read `value^^^authority^kind[^home]`; the authority may be empty, a name or an OID."""
        parts = text.strip().split("^")
        if len(parts) not in (5, 6) or not parts[4]:
            raise InvalidIdentifier(text, "a reference of the form value^^^authority^type")
        hd = parts[3].split("&")
        authority = hd[1] if len(hd) == 3 and hd[1] else hd[0]
        return cls(
            value=parts[0],
            kind=parts[4],
            authority=authority,
            home=parts[5] if len(parts) == 6 else "",
        )
