"""Unique ids of documents as FHIR identifiers."""

from __future__ import annotations

import pytest

from gateway.domain import DocumentId
from gateway.wire.fhir.document_identifiers import as_document_id, of_document_id
from gateway.wire.fhir.identifiers import Identifier
from gateway.wire.problems import DecodeError


@pytest.mark.parametrize(
    ("document", "system", "value"),
    [
        ("2.999.1", "urn:ietf:rfc:3986", "urn:oid:2.999.1"),
        ("2.999.1^X", "urn:oid:2.999.1", "X"),
        ("2.999.1^X^Y", "urn:oid:2.999.1", "X^Y"),
        ("urn:uuid:1", "urn:ietf:rfc:3986", "urn:uuid:1"),
        ("http://a.example/ids|5", "http://a.example/ids", "5"),
        ("doc-1", "", "doc-1"),
        ("a^b", "", "a^b"),
        ("2.999.1^", "", "2.999.1^"),
    ],
)
def test_an_id_comes_back(document: str, system: str, value: str) -> None:
    """OIDs, OIDs with an extension, URIs, and a peer's own."""
    identifier = of_document_id(DocumentId(document))

    assert (identifier.system, identifier.value) == (system, value)
    assert as_document_id(identifier, "x") == document


@pytest.mark.parametrize("value", ["", " ", "a\x00b", "x" * 257])
def test_what_can_be_no_id_is_refused(value: str) -> None:
    """Empty, with control characters, or too long."""
    with pytest.raises(DecodeError, match="masterIdentifier"):
        as_document_id(Identifier(value=value, system="urn:oid:2.999"), "D.masterIdentifier")
