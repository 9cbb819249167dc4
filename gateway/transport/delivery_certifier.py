"""Fidelity certificates of another gateway's deliveries, asked for where its images are.

A certificate is had at the address of its study over DICOMweb, with one more word at the end of
the path and the id of the delivery behind it: a resource of this gateway, which others answer with
"no such resource". It is handed on as it came, for whoever asked to check its seal.
"""

from __future__ import annotations

from urllib.parse import quote

from gateway.domain import CallContext, Transaction, Uid
from gateway.transport.fhir_calls import FhirCalls
from gateway.wire.dicom.web import ImageScope, View, write_path
from gateway.wire.dicom.web_refusals import read_refusal

XML = "application/xml"


class DicomwebCertifier:
    """The certifier of one peer; see `DeliveryCertifier`."""

    def __init__(self, calls: FhirCalls) -> None:
        self._calls = calls
        self._peer = calls.peer

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """The sealed document as the peer sent it."""
        path = write_path(ImageScope(study=study, view=View.CERTIFICATE))
        url = f"{self._peer.dicomweb_url}{path}?delivery={quote(delivery, safe='')}"
        with self._calls.record(Transaction.SEARCH_STUDIES, context, endpoint=url) as record:
            record.asked(noun=delivery, patients=(context.patient,) if context.patient else ())
            # Whoever may fetch the images may know what was done to them.
            async with self._calls.opened(
                record, context, Transaction.FETCH_IMAGES, url, accept=XML
            ) as response:
                body = await self._calls.body(response, record)
                if response.status != 200:
                    text = body.decode("utf-8", "replace")
                    raise read_refusal(response.status, text, self._peer.name)
            record.answered(noun=delivery, issues=())
            return body
