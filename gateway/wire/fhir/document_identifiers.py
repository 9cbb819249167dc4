"""The unique id of a document as a FHIR identifier, in every form that peers write it.

The entry's own id and what is related have their forms elsewhere (`identifiers`). Table: ITI TF-2
3.67 (MHD 4.2) and the conversions of CX, II and FHIR: an OID, an OID with an extension, a URI.
"""

from __future__ import annotations

import re

from gateway.domain import DocumentId, InvalidIdentifier
from gateway.wire.fhir.concepts import OID_URN, is_oid
from gateway.wire.fhir.identifiers import DICOM_UIDS, URIS, Identifier
from gateway.wire.problems import DecodeError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def of_document_id(document: DocumentId) -> Identifier:
    """A unique id as an identifier: `urn:oid:` for an OID, system and value for `oid^extension`.

    A peer's own id that is no URI has no system; `system|value` is taken apart.
    """
    text = str(document)
    if is_oid(text):
        return Identifier(value=OID_URN + text, system=URIS)
    root, _, extension = text.partition("^")
    if extension and is_oid(root):
        return Identifier(value=extension, system=OID_URN + root)
    system, _, value = text.partition("|")
    if value and _URI.fullmatch(system):
        return Identifier(value=value, system=system)
    return Identifier(value=text, system=URIS if _URI.fullmatch(text) else "")


def as_document_id(identifier: Identifier, where: str) -> DocumentId:
    """The unique id that an identifier holds; `DecodeError` when it can be none."""
    system, value = identifier.system.strip(), identifier.value.strip()
    bare = value.removeprefix(OID_URN)
    if system in ("", URIS, DICOM_UIDS):
        text = bare
    elif is_oid(system.removeprefix(OID_URN)):
        text = f"{system.removeprefix(OID_URN)}^{value}"
    else:
        text = f"{system}|{value}"
    try:
        return DocumentId(text if value else "")
    except InvalidIdentifier as error:
        raise DecodeError(where, repr(error.found), error.expected) from None
