"""The WSDL is what the server dispatches by and what clients are served."""

from __future__ import annotations

from io import BytesIO

from zeep.transports import Transport
from zeep.wsdl import Document

from gateway.domain import Transaction
from gateway.wire.soap.contract import Endpoint, operation_of, operations, served_wsdl


def test_the_responding_gateway_offers_the_four_cross_gateway_transactions() -> None:
    """Actions and encodings as the profiles fix them."""
    table = {row.transaction: row for row in operations(Endpoint.RESPONDING_GATEWAY).values()}
    assert set(table) == {
        Transaction.IDENTIFY,
        Transaction.FIND,
        Transaction.RETRIEVE,
        Transaction.IMAGES,
    }
    assert [t for t, row in table.items() if row.mtom] == [Transaction.RETRIEVE, Transaction.IMAGES]
    assert [t for t, row in table.items() if not row.patient_specific] == [Transaction.IDENTIFY]
    assert table[Transaction.FIND].request.endswith("}AdhocQueryRequest")


def test_a_source_answers_with_the_action_of_a_document_repository() -> None:
    """RAD-69's answer borrows ITI-43's action."""
    row = operation_of(Endpoint.IMAGING_SOURCE, Transaction.IMAGES_FROM_SOURCE)
    assert row.action == "urn:ihe:rad:2009:RetrieveImagingDocumentSet"
    assert row.answer_action == "urn:ihe:iti:2007:RetrieveDocumentSetResponse"


def test_the_served_contract_names_the_address_it_was_asked_at() -> None:
    """A client made from it calls back here; the address is escaped."""
    for endpoint in Endpoint:
        text = served_wsdl(endpoint, f"https://a.example:8443{endpoint.value}?a&b")
        document = Document(BytesIO(text), Transport())
        (service,) = document.services.values()
        (port,) = service.ports.values()
        assert port.binding_options["address"] == f"https://a.example:8443{endpoint.value}?a&b"
