"""The vocabulary of ebXML registry messages, and their smallest parts: slots, names, identifiers.

Knows no transaction and no document; `entry_write` and `entry_read` put the parts together.
Writing is by strings with every value escaped, because a list of 500 entries built as an element
tree costs four times as much. Clauses: ebRIM 3.0, ITI TF-3 4.2.3; lengths are those of rim.xsd.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.domain import AssociationKind, EntryKind, EntryStatus
from gateway.wire.problems import EncodeError
from gateway.wire.xml import RIM, Element, escape_attr, escape_text, text_of

MAX_VALUE = 256  # rim:LongName, the type of Value, nodeRepresentation and identifier values
MAX_LOCALIZED = 1024  # rim:FreeFormText, the type of LocalizedString/@value
MAX_VERSION = 16  # rim:String16, the type of VersionInfo/@versionName

SLOT = f"{{{RIM}}}Slot"
VALUE_LIST = f"{{{RIM}}}ValueList"
VALUE = f"{{{RIM}}}Value"
NAME = f"{{{RIM}}}Name"
DESCRIPTION = f"{{{RIM}}}Description"
LOCALIZED_STRING = f"{{{RIM}}}LocalizedString"
VERSION_INFO = f"{{{RIM}}}VersionInfo"
CLASSIFICATION = f"{{{RIM}}}Classification"
EXTERNAL_IDENTIFIER = f"{{{RIM}}}ExternalIdentifier"

_OBJECT_TYPE = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
CLASSIFICATION_TYPE = _OBJECT_TYPE + "Classification"
EXTERNAL_IDENTIFIER_TYPE = _OBJECT_TYPE + "ExternalIdentifier"
ASSOCIATION_TYPE = _OBJECT_TYPE + "Association"


class Scheme(StrEnum):
    """Classification and identification schemes of a DocumentEntry (ITI TF-3 table 4.2.5.2-1)."""

    AUTHOR = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
    CLASS = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
    CONFIDENTIALITY = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
    EVENT = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
    FORMAT = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
    FACILITY = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
    PRACTICE = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
    TYPE = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
    PATIENT_ID = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
    UNIQUE_ID = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"


STATUS_URNS = {
    EntryStatus.APPROVED: "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved",
    EntryStatus.DEPRECATED: "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
}
KIND_URNS = {
    EntryKind.STABLE: "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1",
    EntryKind.ON_DEMAND: "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248",
}
ASSOCIATION_URNS = {
    kind: f"urn:ihe:iti:2007:AssociationType:{kind.value}" for kind in AssociationKind
}

_STATUS_BY_URN = {urn: status for status, urn in STATUS_URNS.items()}
_STATUS_BY_NAME = {"approved": EntryStatus.APPROVED, "deprecated": EntryStatus.DEPRECATED}
_KIND_BY_URN = {urn: kind for kind, urn in KIND_URNS.items()}
_ASSOCIATION_BY_NAME = {kind.value.lower(): kind for kind in AssociationKind}


def _last_word(urn: str) -> str:
    # Namespaces vary among peers and in IHE's own examples; the last part carries the meaning.
    # White space inside the URN was printed in a specification and is sent since.
    return "".join(urn.rpartition(":")[2].split()).lower()


def status_of_urn(urn: str) -> EntryStatus | None:
    """The entry status a URN names, whatever its namespace; None for any other status."""
    return _STATUS_BY_URN.get(urn) or _STATUS_BY_NAME.get(_last_word(urn))


def kind_of_urn(urn: str) -> EntryKind | None:
    """The kind of entry an object type names; None for any other type."""
    return _KIND_BY_URN.get(urn) or _KIND_BY_URN.get(urn.strip().lower())


def association_of_urn(urn: str) -> AssociationKind | None:
    """The relation an association type names; None for those we do not model (HasMember …)."""
    return _ASSOCIATION_BY_NAME.get(_last_word(urn))


def checked(text: str, what: str, limit: int = MAX_VALUE) -> str:
    """The text itself when the schema can carry its length; `EncodeError` names it otherwise."""
    if len(text) > limit:
        raise EncodeError(f"{what}: found {len(text)} characters, the schema allows {limit}")
    return text


def write_slot(name: str, values: tuple[str, ...]) -> str:
    """A Slot with its values in order; values may hold at most 256 characters each."""
    body = "</rim:Value><rim:Value>".join(
        [
            escape_text(value if len(value) <= MAX_VALUE else checked(value, name))
            for value in values
        ]
    )
    return (
        f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{body}</rim:Value>'
        "</rim:ValueList></rim:Slot>"
    )


def write_localized(element: str, text: str, language: str = "") -> str:
    """A Name or Description holding one text; `language` is a BCP-47 tag or empty."""
    tag = f' xml:lang="{escape_attr(language)}"' if language else ""
    value = escape_attr(checked(text, element, MAX_LOCALIZED))
    return (
        f"<rim:{element}><rim:LocalizedString{tag} "
        f'charset="UTF-8" value="{value}"/></rim:{element}>'
    )


def read_value(value: Element) -> str:
    """The text of a Value, stripped."""
    text = value.text if not len(value) else text_of(value)
    return text.strip() if text else ""


def read_slots(parent: Element) -> dict[str, list[str]]:
    """The slots of an object by name, empty values left out, repeated slots joined in order."""
    slots: dict[str, list[str]] = {}
    for slot in parent.iterchildren(SLOT):
        values = []
        for listed in slot:
            for value in listed:
                if value.tag == VALUE and (text := read_value(value)):
                    values.append(text)
        name = slot.get("name", "")
        if name in slots:
            slots[name] += values
        else:
            slots[name] = values
    return slots


def _localized(name: Element) -> str:
    for localized in name:
        if localized.tag == LOCALIZED_STRING:
            return localized.get("value", "").strip()
    return ""


def read_localized(parent: Element, element: str) -> str:
    """The first text of a Name or Description of `parent`, "" where there is none.

    `element` is the qualified name. Only direct children count: a Classification has a Name of
    its own.
    """
    for name in parent.iterchildren(element):
        return _localized(name)
    return ""


def read_coding(classification: Element) -> tuple[str, str]:
    """(coding scheme, display) of a Classification that holds a code: a single walk over its
    children, because a list of entries consists of little else."""
    scheme = display = ""
    for child in classification:
        tag = child.tag
        if tag == SLOT:
            if not scheme and child.get("name") == "codingScheme":
                for listed in child:
                    for value in listed:
                        scheme = scheme or read_value(value)
        elif tag == NAME:
            display = display or _localized(child)
    return scheme, display
