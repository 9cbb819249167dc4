"""What was shown to us is shown again in the form the next one wants; nothing is made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import (
    Code,
    DeliveryWish,
    DocumentEntry,
    DocumentLookup,
    ImageRequest,
    Outcome,
    PatientTraits,
    StudyQuery,
    TreatmentRelation,
)
from gateway.domain.codes import CLASS_REPORTS
from gateway.middleware.dialect import Dialect
from gateway.middleware.relayed import Relayed
from gateway.peers import load_profile
from tests.builders import COUNTRY_A, make_context, make_entry, make_query
from tests.exchanges import ScriptedExchange


@pytest.mark.parametrize(
    ("shown", "asked"),
    [
        (TreatmentRelation.RESOURCE_ID, TreatmentRelation.TRC),
        (TreatmentRelation.TRC, TreatmentRelation.TRC),
        (TreatmentRelation.NONE, TreatmentRelation.NONE),
    ],
)
async def test_every_verb_is_asked_for_the_same_person_and_patient(
    shown: TreatmentRelation, asked: TreatmentRelation
) -> None:
    """Only what vouches for the treatment changes; who showed nothing shows nothing."""
    inner = ScriptedExchange()
    exchange = Relayed(inner, TreatmentRelation.TRC, Dialect(class_codes={}))
    context = make_context(relation=shown)

    await exchange.identify_patient(PatientTraits(), context)
    await exchange.find_documents(make_query(), context)
    await exchange.look_up_documents(DocumentLookup(community=COUNTRY_A), context)
    await exchange.retrieve_documents((), context)
    await exchange.find_studies(StudyQuery(community=COUNTRY_A), context)
    await exchange.retrieve_images(
        ImageRequest(community=COUNTRY_A, instances=()), DeliveryWish(), context
    )

    assert [verb for verb, _, _ in inner.asked] == [
        *("identify", "find", "look up", "retrieve", "studies", "images")
    ]
    assert {each for _, _, each in inner.asked} == {replace(context, relation=asked)}


async def test_classes_are_asked_for_in_the_codes_of_the_one_who_is_asked() -> None:
    """And come back in ours, from a list and from a look-up; a code of nobody stays."""
    dialect = Dialect(class_codes=load_profile("ehdsi").class_codes)
    theirs = dialect.theirs(CLASS_REPORTS)
    odd = make_entry(class_code=Code("X", "2.999.9"))
    entries = Outcome((make_entry(class_code=theirs), odd))
    inner = ScriptedExchange(entries=entries, looked_up=Outcome(entries.items))
    exchange = Relayed(inner, TreatmentRelation.TRC, dialect)
    query = make_query(class_codes=(CLASS_REPORTS,))

    found = await exchange.find_documents(query, make_context())
    again = await exchange.look_up_documents(
        DocumentLookup(community=COUNTRY_A, entry_ids=(odd.id,)), make_context()
    )

    assert theirs != CLASS_REPORTS
    assert inner.asked[0][1].class_codes == (theirs,)
    for outcome in (found, again):
        codes = [item.class_code for item in outcome.items if isinstance(item, DocumentEntry)]
        assert codes == [CLASS_REPORTS, odd.class_code]
