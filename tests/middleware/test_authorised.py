"""Rights are checked before the inner verb is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.domain import (
    CallContext,
    Code,
    DeliveryWish,
    DocumentLookup,
    ImageRequest,
    NotAllowed,
    Oid,
    PatientId,
    PatientTraits,
    Refusal,
    StudyQuery,
    TreatmentRelation,
    Uid,
)
from gateway.domain.codes import ISCO
from gateway.middleware.authorised import Authorised, Rights
from tests.builders import COUNTRY_A, make_context, make_professional, make_query
from tests.exchanges import ScriptedExchange

Ask = Callable[[Authorised, CallContext], Awaitable[Any]]
VERBS: dict[str, Ask] = {
    "identify": lambda exchange, context: exchange.identify_patient(PatientTraits(), context),
    "find": lambda exchange, context: exchange.find_documents(make_query(), context),
    "look up": lambda exchange, context: exchange.look_up_documents(
        DocumentLookup(community=COUNTRY_A), context
    ),
    "retrieve": lambda exchange, context: exchange.retrieve_documents((), context),
    "studies": lambda exchange, context: exchange.find_studies(
        StudyQuery(community=COUNTRY_A, patient=make_query().patient), context
    ),
    "images": lambda exchange, context: exchange.retrieve_images(
        ImageRequest(community=COUNTRY_A, instances=()), DeliveryWish(), context
    ),
    "viewer": lambda exchange, context: exchange.open_viewer(Uid("1.2.3"), context),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_who_has_every_right_is_let_through(verb: str) -> None:
    """A physician with all permissions."""
    inner = ScriptedExchange()
    await VERBS[verb](Authorised(inner, Rights()), make_context())
    assert [asked[0] for asked in inner.asked] == [verb]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_missing_permission_is_named(verb: str) -> None:
    """Which ones, so that the asking country can mend it; the inner verb is not asked."""
    inner = ScriptedExchange()
    context = make_context(professional=make_professional(permissions=("PRD-003",)))
    with pytest.raises(NotAllowed) as caught:
        await VERBS[verb](Authorised(inner, Rights()), context)
    assert caught.value.refusal is Refusal.INSUFFICIENT_RIGHTS
    assert "PRD-0" in caught.value.text
    assert inner.asked == []


async def test_a_pharmacist_may_identify_and_see_no_images() -> None:
    """Role and permissions must both suffice."""
    context = make_context(professional=make_professional(role=Code("2262", ISCO, "Pharmacists")))
    exchange = Authorised(ScriptedExchange(), Rights())
    await VERBS["identify"](exchange, context)
    for verb in ("find", "look up", "retrieve", "studies", "images", "viewer"):
        with pytest.raises(NotAllowed, match="Pharmacists"):
            await VERBS[verb](exchange, context)


@pytest.mark.parametrize("relation", [TreatmentRelation.TRC, TreatmentRelation.RESOURCE_ID])
async def test_a_treatment_relation_with_another_patient_opens_nothing(
    relation: TreatmentRelation,
) -> None:
    """The query is about one patient, the relation about another."""
    context = make_context(relation=relation, patient=PatientId("X", Oid("2.999.1.2")))
    for verb in ("find", "studies"):
        with pytest.raises(NotAllowed) as caught:
            await VERBS[verb](Authorised(ScriptedExchange(), Rights()), context)
        assert caught.value.refusal is Refusal.TREATMENT_RELATION_MISMATCH
