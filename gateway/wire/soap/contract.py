"""The WSDL of each endpoint, read once, and the operations it declares.

The server dispatches by `wsa:Action` through this table, the client sends by it, and `?wsdl`
serves the same text. zeep reads the contract; payloads are not its business, because it loses
ebRIM slots and HL7 v3 attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from io import BytesIO
from types import MappingProxyType
from typing import Any

from zeep import Settings
from zeep.transports import Transport
from zeep.wsdl import Document

from gateway.domain.audit import Transaction
from gateway.wire.problems import EncodeError
from gateway.wire.xml import escape_attr, parse_xml


class Endpoint(StrEnum):
    """The two endpoints a community can offer; the value is the path they are served at."""

    RESPONDING_GATEWAY = "/RespondingGateway"
    IMAGING_SOURCE = "/ImagingDocumentSource"


_FILES = {
    Endpoint.RESPONDING_GATEWAY: "responding_gateway.wsdl",
    Endpoint.IMAGING_SOURCE: "imaging_source.wsdl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the contract.

    `request` is the Clark name of the body's child; `mtom` whether the transaction's own
    encoding is MTOM (it fixes both directions); `patient_specific` whether a treatment
    relation must be shown (every transaction but the one that finds the patient).
    """

    transaction: Transaction
    action: str
    answer_action: str
    request: str
    mtom: bool
    patient_specific: bool


_TRANSACTIONS = {
    "urn:hl7-org:v3:PRPA_IN201305UV02:CrossGatewayPatientDiscovery": Transaction.IDENTIFY,
    "urn:ihe:iti:2007:CrossGatewayQuery": Transaction.FIND,
    "urn:ihe:iti:2007:CrossGatewayRetrieve": Transaction.RETRIEVE,
    "urn:ihe:rad:2011:CrossGatewayRetrieveImagingDocumentSet": Transaction.IMAGES,
    "urn:ihe:rad:2009:RetrieveImagingDocumentSet": Transaction.IMAGES_FROM_SOURCE,
}
_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_WSAW = "http://www.w3.org/2006/05/addressing/wsdl"
_MTOM = frozenset({Transaction.RETRIEVE, Transaction.IMAGES, Transaction.IMAGES_FROM_SOURCE})


class _Offline(Transport):
    """A transport that reaches nothing: the contract is complete in itself."""

    def load(self, url: str) -> bytes:
        """Refuse every address."""
        raise EncodeError(f"the contract refers to {url}, which is not part of it")


def wsdl_text(endpoint: Endpoint) -> bytes:
    """The contract as it is in this package."""
    return (files("gateway.wire.soap") / "wsdl" / _FILES[endpoint]).read_bytes()


def served_wsdl(endpoint: Endpoint, location: str) -> bytes:
    """The contract with the address a client should call."""
    old = f'location="https://localhost{endpoint.value}"'.encode()
    return wsdl_text(endpoint).replace(old, f'location="{escape_attr(location)}"'.encode())


@cache
def operations(endpoint: Endpoint) -> MappingProxyType[str, Operation]:
    """The operations of an endpoint by their request action."""
    text = wsdl_text(endpoint)
    offline: Any = _Offline
    document: Any = Document(BytesIO(text), offline(), settings=Settings())
    answers = _answer_actions(text)
    table: dict[str, Operation] = {}
    for binding in document.bindings.values():
        for name, operation in binding.all().items():
            action = str(operation.abstract.wsa_action)
            transaction = _TRANSACTIONS[action]
            table[action] = Operation(
                transaction=transaction,
                action=action,
                answer_action=answers[name],
                request=str(operation.input.body.qname.text),
                mtom=transaction in _MTOM,
                patient_specific=transaction is not Transaction.IDENTIFY,
            )
    return MappingProxyType(table)


def _answer_actions(text: bytes) -> dict[str, str]:
    # zeep keeps the action of the input message alone.
    root = parse_xml(text, where="contract")
    return {
        str(operation.get("name")): str(output.get(f"{{{_WSAW}}}Action"))
        for operation in root.iterfind(f"{{{_WSDL}}}portType/{{{_WSDL}}}operation")
        for output in operation.iterfind(f"{{{_WSDL}}}output")
    }


def operation_of(endpoint: Endpoint, transaction: Transaction) -> Operation:
    """The operation that carries a transaction at an endpoint."""
    return next(
        operation
        for operation in operations(endpoint).values()
        if operation.transaction is transaction
    )
