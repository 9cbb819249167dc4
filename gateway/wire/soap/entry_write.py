"""Rows of a list as ebXML: document entries, references to them, associations.

Writes strings; the reader is `entry_read`. Order of children and cardinalities: rim.xsd and
ITI TF-3 4.2.3.2. Ids of the inner objects are derived from the entry's id, so that the same entry
is always written with the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from gateway.domain import (
    Association,
    Author,
    Code,
    DocumentEntry,
    EntryRef,
)
from gateway.wire.soap.ebxml import (
    ASSOCIATION_TYPE,
    ASSOCIATION_URNS,
    CLASSIFICATION_TYPE,
    EXTERNAL_IDENTIFIER_TYPE,
    KIND_URNS,
    MAX_VALUE,
    MAX_VERSION,
    STATUS_URNS,
    Scheme,
    checked,
    write_localized,
    write_slot,
)
from gateway.wire.soap.hl7v2 import write_organisation, write_person, write_telecom
from gateway.wire.xml import escape_attr

_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_URI_PIECE = MAX_VALUE - 8  # leaves room for the piece number and its bar


@lru_cache(maxsize=2048)
def _code_body(scheme: Scheme, value: str, coding_scheme: str, display: str) -> str:
    # Codes come from small value sets: most of a list's bytes are the same few fragments.
    name = write_localized("Name", display) if display else ""
    node = escape_attr(checked(value, scheme.name))
    return (
        f'" classificationScheme="{scheme}" nodeRepresentation="{node}"'
        f' objectType="{CLASSIFICATION_TYPE}">'
        f"{write_slot('codingScheme', (coding_scheme,))}{name}</rim:Classification>"
    )


def _author_body(author: Author) -> str:
    person = write_person(author.name, author.id, author.id_authority)
    slots = (
        ("authorPerson", (person,) if person else ()),
        ("authorInstitution", tuple(write_organisation(org) for org in author.institutions)),
        ("authorRole", author.roles),
        ("authorSpecialty", author.specialities),
        ("authorTelecommunication", tuple(write_telecom(each) for each in author.telecom)),
    )
    return (
        f'" classificationScheme="{Scheme.AUTHOR}" nodeRepresentation=""'
        f' objectType="{CLASSIFICATION_TYPE}">'
        f"{''.join([write_slot(name, values) for name, values in slots if values])}"
        "</rim:Classification>"
    )


def _uri_values(uri: str) -> tuple[str, ...]:
    # A long address is cut into numbered pieces, `1|…`, `2|…` (ITI TF-3 4.2.3.2.26).
    if len(uri) <= MAX_VALUE:
        return (uri,) if uri else ()
    pieces = [uri[start : start + _URI_PIECE] for start in range(0, len(uri), _URI_PIECE)]
    return tuple(f"{number}|{piece}" for number, piece in enumerate(pieces, 1))


def _slots(entry: DocumentEntry) -> str:
    created, start, stop = entry.created, entry.service_start, entry.service_stop
    rows: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("creationTime", (created.dtm,) if created else ()),
        ("hash", (entry.sha1,) if entry.sha1 else ()),
        ("languageCode", (entry.language,) if entry.language else ()),
        ("legalAuthenticator", (entry.legal_authenticator,) if entry.legal_authenticator else ()),
        ("repositoryUniqueId", (entry.ref.repository,)),
        ("serviceStartTime", (start.dtm,) if start else ()),
        ("serviceStopTime", (stop.dtm,) if stop else ()),
        ("size", (str(entry.size_bytes),) if entry.size_bytes is not None else ()),
        ("sourcePatientId", (entry.source_patient.cx,) if entry.source_patient else ()),
        ("sourcePatientInfo", entry.source_patient_info),
        ("URI", _uri_values(entry.uri)),
        ("documentAvailability", (entry.availability,) if entry.availability else ()),
        (
            "urn:ihe:iti:xds:2013:referenceIdList",
            tuple([reference.cxi for reference in entry.references]),
        ),
    )
    return "".join([write_slot(name, values) for name, values in rows if values])


def _code_bodies(entry: DocumentEntry) -> list[str]:
    codes: list[tuple[Scheme, Code]] = [(Scheme.CLASS, entry.class_code)]
    codes += [(Scheme.CONFIDENTIALITY, code) for code in entry.confidentiality]
    codes += [(Scheme.EVENT, code) for code in entry.event_codes]
    codes += [
        (Scheme.FORMAT, entry.format_code),
        (Scheme.FACILITY, entry.facility_type),
        (Scheme.PRACTICE, entry.practice_setting),
        (Scheme.TYPE, entry.type_code),
    ]
    # The empty code stands for what a foreign entry did not say; it is not passed on as a code.
    return [
        _code_body(scheme, code.value, code.scheme, code.display)
        for scheme, code in codes
        if code.value
    ]


def write_entry(entry: DocumentEntry) -> str:
    """A DocumentEntry as `rim:ExtrinsicObject`; `EncodeError` for what the schema cannot carry."""
    entry_id = escape_attr(entry.id)
    digest = hashlib.sha1(entry.id.encode(errors="replace"), usedforsecurity=False).hexdigest()
    inner = (
        f"urn:uuid:{digest[:8]}-{digest[8:12]}-5{digest[12:15]}-8{digest[15:18]}-{digest[18:26]}"
    )
    language = entry.language if _LANGUAGE.fullmatch(entry.language) else ""
    mime_type = escape_attr(checked(entry.mime_type, "mimeType"))
    parts = [
        f'<rim:ExtrinsicObject id="{entry_id}"',
        f' lid="{escape_attr(entry.logical_id)}"' if entry.logical_id else "",
        f' home="{entry.ref.community.urn}" mimeType="{mime_type}"'
        f' objectType="{KIND_URNS[entry.kind]}" status="{STATUS_URNS[entry.status]}"'
        ' isOpaque="false">',
        _slots(entry),
        write_localized("Name", entry.title, language) if entry.title else "",
        write_localized("Description", entry.comments, language) if entry.comments else "",
    ]
    if entry.version:
        version = escape_attr(checked(entry.version, "versionName", MAX_VERSION))
        parts.append(f'<rim:VersionInfo versionName="{version}"/>')
    bodies = [_author_body(author) for author in entry.authors]
    bodies += _code_bodies(entry)
    parts += [
        f'<rim:Classification id="{inner}{number:04x}" classifiedObject="{entry_id}{body}'
        for number, body in enumerate(bodies, 1)
    ]
    for number, scheme, name, value in (
        (0xF001, Scheme.PATIENT_ID, "XDSDocumentEntry.patientId", entry.patient.cx),
        (0xF002, Scheme.UNIQUE_ID, "XDSDocumentEntry.uniqueId", entry.ref.document),
    ):
        parts.append(
            f'<rim:ExternalIdentifier id="{inner}{number:04x}" registryObject="{entry_id}"'
            f' identificationScheme="{scheme}" value="{escape_attr(checked(value, name))}"'
            f' objectType="{EXTERNAL_IDENTIFIER_TYPE}"><rim:Name><rim:LocalizedString'
            f' charset="UTF-8" value="{name}"/></rim:Name></rim:ExternalIdentifier>'
        )
    parts.append("</rim:ExtrinsicObject>")
    return "".join(parts)


def write_ref(ref: EntryRef) -> str:
    """An entry named only, as `rim:ObjectRef`."""
    return f'<rim:ObjectRef id="{escape_attr(ref.id)}" home="{ref.community.urn}"/>'


def write_association(association: Association) -> str:
    """A relation between two entries as `rim:Association`."""
    return (
        f'<rim:Association id="{escape_attr(association.id)}" home="{association.community.urn}"'
        f' objectType="{ASSOCIATION_TYPE}" status="{STATUS_URNS[association.status]}"'
        f' associationType="{ASSOCIATION_URNS[association.kind]}"'
        f' sourceObject="{escape_attr(association.source)}"'
        f' targetObject="{escape_attr(association.target)}"/>'
    )


def write_object(item: DocumentEntry | EntryRef | Association, *, refs_only: bool) -> str:
    """Any row of an answer; `refs_only` reduces it to its id and community."""
    if isinstance(item, DocumentEntry):
        if refs_only:
            return write_ref(EntryRef(item.id, item.ref.community))
        return write_entry(item)
    if isinstance(item, Association):
        if refs_only:
            return write_ref(EntryRef(item.id, item.community))
        return write_association(item)
    return write_ref(item)


def write_object_list(
    items: Iterable[DocumentEntry | EntryRef | Association], *, refs_only: bool
) -> str:
    """The RegistryObjectList, which the schema wants even when it is empty."""
    rows = "".join([write_object(item, refs_only=refs_only) for item in items])
    return f"<rim:RegistryObjectList>{rows}</rim:RegistryObjectList>"
