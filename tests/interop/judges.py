"""Judges from elsewhere: the schemas and rules a strict peer brings, and nothing of our readers.

Every judgement is a list of complaints, empty when there is nothing to complain about.
"""

from __future__ import annotations

import importlib.util
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import elementpath
from lxml import etree

from tests.shared import shared

Element = etree._Element
SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
XOP = "http://www.w3.org/2004/08/xop/include"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HL7 = "urn:hl7-org:v3"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
QUERY_RESPONSE = f"{{{QUERY}}}AdhocQueryResponse"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
XDSB = "urn:ihe:iti:xds-b:2007"
XDSI = "urn:ihe:rad:xdsi-b:2009"
NS = {"soap": SOAP, "wsa": WSA, "wsse": WSSE, "saml": SAML, "xop": XOP}

ENVELOPE = "soap12/soap-1.2-envelope.xsd"
ADDRESSING = "ws/2005/08/addressing/ws-addr.xsd"
SECURITY = "ws/wss/2004/01/oasis-200401_orig-wss-wssecurity-secext-1.0.xsd"
ASSERTION = "saml2/sstc-saml-schema-assertion-2.0.xsd"
AUDIT = ("dicom-audit/dicom2017c-ipf.xsd", "dicom-audit/openncp-DICOM_Unsigned.xsd")
BODIES: Mapping[str, str] = {
    QUERY: "xds-b-nist-v3/query.xsd",
    XDSB: "xds-b-nist-v3/XDS.b_DocumentRepository.xsd",
    XDSI: "xds-b-nist-v3/XDSI.b_ImagingDocumentSource.xsd",
    SOAP: ENVELOPE,
}


@cache
def schema(name: str) -> etree.XMLSchema:
    """A schema of the set, compiled without a network."""
    # The schema of XML signatures has a document type of its own, beside it on disk.
    parser = etree.XMLParser(load_dtd=True, no_network=True)
    return etree.XMLSchema(etree.parse(shared(f"schemas/{name}"), parser))


def complaints(name: str, element: Element) -> list[str]:
    """What a schema says against an element, read apart from where it stands."""
    judge = schema(name)
    alone = etree.ElementTree(etree.fromstring(etree.tostring(element, with_tail=False)))
    judge.validate(alone)
    return [f"{etree.QName(element).localname}: {entry.message}" for entry in judge.error_log]


def body_schema(child: Element) -> str:
    """The schema a strict peer judges a body's child by."""
    name = etree.QName(child)
    if name.namespace == HL7:
        return f"hl7v3/HL7V3/NE2008/multicacheschemas/{name.localname}.xsd"
    return BODIES[str(name.namespace)]


def body_child(envelope: Element) -> Element:
    """The only child of the body."""
    (child,) = envelope.findall("soap:Body/*", NS)
    return child


def with_includes_filled(envelope: Element, parts: Mapping[str, bytes] | None = None) -> Element:
    """A copy with base64 where `xop:Include` stood: of the parts by href, or of nothing."""
    copy = etree.fromstring(etree.tostring(envelope))
    for include in copy.findall(".//xop:Include", NS):
        holder = include.getparent()
        assert holder is not None
        holder.remove(include)
        content = b"" if parts is None else parts[str(include.get("href"))]
        holder.text = b64encode(content).decode()
    return copy


def judge_body(envelope: Element) -> list[str]:
    """The body's child against its own schema, with XOP undone first."""
    child = body_child(with_includes_filled(envelope))
    return complaints(body_schema(child), child)


def judge_frame(envelope: Element) -> list[str]:
    """The envelope against SOAP 1.2, its headers against WS-Addressing and WS-Security.

    What the body and the security header hold is judged apart: the envelope's lax wildcard would
    try to resolve every `xsi:type` in it.
    """
    frame = etree.fromstring(etree.tostring(envelope))
    if frame.find("soap:Body/soap:Fault", NS) is None:
        for child in frame.findall("soap:Body/*", NS):
            for inner in list(child):
                child.remove(inner)
            child.attrib.clear()
    for assertion in frame.findall("soap:Header/wsse:Security/*", NS):
        parent = assertion.getparent()
        assert parent is not None
        parent.remove(assertion)
    found = complaints(ENVELOPE, frame)
    for header in frame.findall("soap:Header/*", NS):
        namespace = etree.QName(header).namespace
        if namespace == WSA:
            found += complaints(ADDRESSING, header)
        elif namespace == SOAP:
            found += complaints(ENVELOPE, header)
        elif namespace == WSSE:
            found += complaints(SECURITY, header)
        else:
            found.append(f"a header nobody knows: {header.tag}")
    return found


def judge_addressing(envelope: Element) -> list[str]:
    """What WS-Addressing and Appendix V ask for beyond their schema."""
    found = []
    for name in ("Action", "MessageID", "To", "ReplyTo", "RelatesTo"):
        headers = envelope.findall(f"soap:Header/wsa:{name}", NS)
        if len(headers) > 1:
            found.append(f"{name} {len(headers)} times")
        found += [
            f"white space around {name}"
            for header in headers
            for text in header.itertext()
            if len(header) == 0 and text != text.strip()
        ]
    action = envelope.find("soap:Header/wsa:Action", NS)
    if action is None:
        found.append("no Action")
    elif action.get(f"{{{SOAP}}}mustUnderstand") not in ("1", "true"):
        found.append("Action need not be understood")
    return found


def judge_assertions(envelope: Element) -> list[str]:
    """Every assertion of the security header against the SAML schema."""
    return [
        complaint
        for assertion in envelope.findall("soap:Header/wsse:Security/saml:Assertion", NS)
        for complaint in complaints(ASSERTION, assertion)
    ]


def judge_audit(message: bytes) -> list[str]:
    """An audit message against DICOM's schema and against the one eHDSI peers use."""
    element = etree.fromstring(message)
    return [complaint for name in AUDIT for complaint in complaints(name, element)]


@cache
def _compiled(path: str) -> elementpath.Selector:
    return elementpath.Selector(path, namespaces={"hl7": HL7, "xsi": XSI})


def _select(
    root: Any, path: str, *, namespaces: Mapping[str, str], item: Element | None = None
) -> Any:
    return _compiled(path).select(root, item=item)


@cache
def _schematron() -> Any:
    """The runner of the rules; paths and patterns, the same for every message, are read once."""
    spec = importlib.util.spec_from_file_location(
        "schematron_check", shared("schemas/schematron_check.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    read = module.patterns
    module.patterns = cache(lambda name: tuple(read(name)))
    module.elementpath = SimpleNamespace(
        select=_select, ElementPathError=elementpath.ElementPathError
    )
    return module


def judge_discovery(child: Element) -> list[str]:
    """The Schematron rules for ITI-55 against a request or answer; no rules for other messages."""
    name = etree.QName(child).localname
    if name not in ("PRPA_IN201305UV02", "PRPA_IN201306UV02"):
        return []
    failed: list[str] = _schematron().check(name, child)
    return failed
