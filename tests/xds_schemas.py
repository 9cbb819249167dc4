"""Validation of ebXML and XDS bodies with the schemas kept beside the project."""

from __future__ import annotations

from functools import cache

from lxml import etree

from gateway.wire.xml import QUERY, XDSB, XDSI, XOP, parse_xml
from tests.shared import shared

_SCHEMAS = {
    QUERY: "query.xsd",
    XDSB: "XDS.b_DocumentRepository.xsd",
    XDSI: "XDSI.b_ImagingDocumentSource.xsd",
}


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared(f"schemas/xds-b-nist-v3/{name}")))


def assert_schema_valid(body: bytes, case: object = "") -> None:
    """Assert that a body child is valid by the schema of its namespace.

    Includes are taken out first: to the schema a Document is base64 and nothing else.
    """
    root = parse_xml(body)
    for include in list(root.iter(f"{{{XOP}}}Include")):
        parent = include.getparent()
        assert parent is not None
        parent.remove(include)
    schema = _schema(_SCHEMAS[etree.QName(root).namespace or ""])
    assert schema.validate(root), (case, schema.error_log)
