"""An Exchange over FHIR: asks another gateway for its patients, as PDQm says.

Each call carries a token minted for it, is kept as a transcript and audited, whatever comes back.
Which verbs of a peer go over FHIR is chosen in the settings; those about documents are in
`fhir_document_client`.
"""

from __future__ import annotations

from gateway.domain import CallContext, Outcome, PatientIdentity, PatientTraits, Transaction
from gateway.transport.fhir_calls import FhirCalls
from gateway.wire.fhir import pdqm


class FhirClient:
    """Another gateway as a `PatientDirectory` over FHIR."""

    def __init__(self, calls: FhirCalls) -> None:
        self._calls = calls

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Patients of the other country who fit the traits (ITI-78).

        The search is posted: identifiers do not belong into addresses, which proxies write down.
        """
        calls = self._calls
        with calls.record(Transaction.SEARCH_PATIENTS, context) as record:
            record.asked(noun=traits, patients=traits.ids)
            form = calls.encoded(lambda: pdqm.encode_request(traits))
            resource = await calls.ask(
                record,
                context,
                Transaction.SEARCH_PATIENTS,
                f"{calls.peer.fhir_url}/Patient/_search",
                form=form.encode(),
            )
            outcome = calls.decoded(
                lambda: pdqm.decode_response(resource, calls.community(context))
            )
            record.answered(noun=outcome, issues=outcome.issues)
            record.about(patients=tuple(item.id for item in outcome.items))
            return outcome
