"""Each kind of verb goes to the one chosen for it, with its answer coming back as it was."""

from __future__ import annotations

import pytest

from gateway.domain import (
    DeliveryWish,
    DocumentLookup,
    ExchangeError,
    ImageRequest,
    Outcome,
    PatientTraits,
    StudyQuery,
    Uid,
)
from gateway.middleware.chosen import ChosenPerVerb
from tests.builders import COUNTRY_A, make_context, make_entry, make_query
from tests.exchanges import ScriptedExchange


async def test_every_verb_reaches_the_one_chosen_for_it_and_no_other() -> None:
    """Patients, documents, studies, images and viewers may each come over another wire."""
    patients, studies, images, plans, viewer = [ScriptedExchange() for _ in range(5)]
    certificates = ScriptedExchange(certificate=b"<sealed/>")
    documents = ScriptedExchange(entries=Outcome((make_entry(),)))
    exchange = ChosenPerVerb(
        patients=patients,
        documents=documents,
        studies=studies,
        images=images,
        plans=plans,
        certificates=certificates,
        viewer=viewer,
    )
    context, request = make_context(), ImageRequest(community=COUNTRY_A, instances=())

    await exchange.identify_patient(PatientTraits(), context)
    found = await exchange.find_documents(make_query(), context)
    await exchange.look_up_documents(DocumentLookup(community=COUNTRY_A), context)
    await exchange.retrieve_documents((), context)
    await exchange.find_studies(StudyQuery(community=COUNTRY_A), context)
    delivery = await exchange.retrieve_images(request, DeliveryWish(), context)
    with pytest.raises(ExchangeError):
        await exchange.plan_images(request, DeliveryWish(), context)
    sealed = await exchange.certify_images("d-1", Uid("1.2.3"), context)
    link = await exchange.open_viewer(Uid("1.2.3"), context, key_images_only=True)

    assert [verb for verb, _, _ in patients.asked] == ["identify"]
    assert [verb for verb, _, _ in documents.asked] == ["find", "look up", "retrieve"]
    assert [verb for verb, _, _ in studies.asked] == ["studies"]
    assert [verb for verb, _, _ in images.asked] == ["images"]
    assert [verb for verb, _, _ in plans.asked] == ["plan"]
    assert [asked[:2] for asked in certificates.asked] == [("certify", ("d-1", Uid("1.2.3")))]
    assert sealed == b"<sealed/>"
    assert [asked[:2] for asked in viewer.asked] == [("viewer", (Uid("1.2.3"), True))]
    assert link == viewer.viewer
    assert found == documents.entries
    assert delivery is images.delivery
