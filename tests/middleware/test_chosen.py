"""Each kind of verb goes to the one chosen for it, with its answer coming back as it was."""

from __future__ import annotations

from gateway.domain import (
    DeliveryWish,
    DocumentLookup,
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
    patients, studies, images, viewer = [ScriptedExchange() for _ in range(4)]
    documents = ScriptedExchange(entries=Outcome((make_entry(),)))
    exchange = ChosenPerVerb(
        patients=patients, documents=documents, studies=studies, images=images, viewer=viewer
    )
    context, request = make_context(), ImageRequest(community=COUNTRY_A, instances=())

    await exchange.identify_patient(PatientTraits(), context)
    found = await exchange.find_documents(make_query(), context)
    await exchange.look_up_documents(DocumentLookup(community=COUNTRY_A), context)
    await exchange.retrieve_documents((), context)
    await exchange.find_studies(StudyQuery(community=COUNTRY_A), context)
    delivery = await exchange.retrieve_images(request, DeliveryWish(), context)
    link = await exchange.open_viewer(Uid("1.2.3"), context, key_images_only=True)

    assert [verb for verb, _, _ in patients.asked] == ["identify"]
    assert [verb for verb, _, _ in documents.asked] == ["find", "look up", "retrieve"]
    assert [verb for verb, _, _ in studies.asked] == ["studies"]
    assert [verb for verb, _, _ in images.asked] == ["images"]
    assert [asked[:2] for asked in viewer.asked] == [("viewer", (Uid("1.2.3"), True))]
    assert link == viewer.viewer
    assert found == documents.entries
    assert delivery is images.delivery
