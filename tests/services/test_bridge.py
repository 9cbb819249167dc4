"""A bridge between two gateways: what it keeps, what it says for itself, and what it breaks."""

from __future__ import annotations

import hashlib
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import PeerSection
from gateway.domain import (
    AnnouncedInstance,
    CallContext,
    DeliveryWish,
    Document,
    EntryId,
    ExchangeError,
    ImageRequest,
    NotAllowed,
    Outcome,
    PatientTraits,
    PeerMisbehaved,
    Refusal,
    read_content,
    refuse,
)
from gateway.pki import TrustDomain
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_entry, make_manifest, make_query
from tests.dicom_files import file_of
from tests.exchanges import ScriptedDelivery, ScriptedExchange
from tests.fhir_requests import ANNA
from tests.gateways import Bridged, bridged
from tests.requests import audited, context_for

OVER_FHIR: dict[str, Any] = {
    "identify_by": "fhir",
    "documents_by": "fhir",
    "images_by": "wado-rs",
}
WAYS: dict[str, dict[str, dict[str, Any]]] = {
    "fhir-soap": {"front": OVER_FHIR, "behind": {}},
    "soap-fhir": {"front": {}, "behind": OVER_FHIR},
}
DATA = b"DICM" * 30
ENTRY = make_entry(sha1=hashlib.sha1(DATA).hexdigest(), size_bytes=len(DATA))
STUDY = make_manifest()
IMAGES = STUDY.instances()[:3]
LOCATION = STUDY.series[0].location or ENTRY.ref.repository
FILES = {ref.instance: (file_of(ref),) for ref in IMAGES}


def scripted(**changes: Any) -> ScriptedExchange:
    """Country A with one patient, document and study."""
    announced = tuple(AnnouncedInstance(ref=ref, repository=LOCATION) for ref in IMAGES)
    answers: dict[str, Any] = {
        "identities": Outcome((ANNA,)),
        "entries": Outcome((ENTRY,)),
        "looked_up": Outcome((ENTRY,)),
        "documents": Outcome((Document.of_bytes(ENTRY.ref, ENTRY.mime_type, DATA),)),
        "studies": Outcome((STUDY,)),
        "delivery": ScriptedDelivery(announced=announced, pieces=FILES),
    }
    return ScriptedExchange(**(answers | changes))


def request() -> ImageRequest:
    """A request for the images there are."""
    return ImageRequest(community=COUNTRY_A, instances=tuple((ref, LOCATION) for ref in IMAGES))


def shown(context: CallContext) -> tuple[Any, ...]:
    """What of a call is the asker's and has to reach who is asked."""
    person = context.professional
    return (
        (person.id, person.name.full, person.role.value, set(person.permissions)),
        (context.purpose, context.patient, context.asking, context.answering),
    )


def between(
    exchange: ScriptedExchange, domain: TrustDomain, folder: Path, way: str, **options: Any
) -> AbstractAsyncContextManager[Bridged]:
    """The exchange behind a bridge."""
    return bridged(exchange, domain, folder, **WAYS[way], **options)


@pytest.mark.parametrize("way", WAYS)
async def test_the_professional_purpose_and_patient_reach_the_one_who_is_asked(
    trust_domain: TrustDomain, tmp_path: Path, way: str
) -> None:
    """And are audited there with the bridge's own TLS client, not with the asker's."""
    inner = scripted()
    context = context_for("ihe")
    async with between(inner, trust_domain, tmp_path, way) as b:
        identified = await b.exchange.identify_patient(PatientTraits(ids=(PATIENT,)), context)
        found = await b.exchange.find_documents(make_query(), context)
        documents = await b.exchange.retrieve_documents((found.items[0].ref,), context)
        events = audited(b.behind)

    assert [item.id for item in identified.items] == [PATIENT]
    assert found.items[0].ref.community == COUNTRY_A
    assert (found.items[0].id, found.items[0].sha1) == (ENTRY.id, ENTRY.sha1)
    assert await read_content(documents.items[0].content, 10**6) == DATA
    assert {shown(each)[1] for _, _, each in inner.asked} == {shown(context)[1]}
    assert [shown(each)[0] for _, _, each in inner.asked] == [shown(context)[0]] * len(inner.asked)
    assert events
    assert all("C=XC" in event and "C=XB" not in event for event in events)


async def test_rad_75_is_answered_out_of_dicomweb_byte_for_byte(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """The parts of DICOMweb name no size beforehand, and those of RAD-75 need none."""
    async with between(scripted(), trust_domain, tmp_path, "soap-fhir") as b:
        got = await _received(b, request())

    assert got == {ref.instance: file_of(ref) for ref in IMAGES}


async def test_an_image_that_was_promised_and_does_not_come_breaks_the_answer(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Half a study must not look like a whole one, though each image that came is whole."""
    announced = (AnnouncedInstance(ref=IMAGES[0], repository=LOCATION),)
    inner = scripted(delivery=ScriptedDelivery(announced=announced, pieces=FILES))
    async with between(inner, trust_domain, tmp_path, "soap-fhir") as b:
        with pytest.raises(PeerMisbehaved):
            await _received(b, request())


@pytest.mark.parametrize("way", WAYS)
async def test_a_refusal_keeps_its_kind_and_its_words(
    trust_domain: TrustDomain, tmp_path: Path, way: str
) -> None:
    """By the tables of both wires, whether or not the whole of a request is refused."""
    no = refuse(Refusal.NO_CONSENT, "the patient did not agree")
    inner = scripted(entries=no, identities=refuse(Refusal.MORE_TRAITS_NEEDED, "two of them"))
    context = context_for("ihe")
    async with between(inner, trust_domain, tmp_path, way) as b:
        with pytest.raises(NotAllowed) as listed:
            await b.exchange.find_documents(make_query(), context)
        try:
            outcome = await b.exchange.identify_patient(PatientTraits(ids=(PATIENT,)), context)
            identified = [issue.refusal for issue in outcome.issues]
        except ExchangeError as error:
            identified = [error.refusal]

    # SOAP as IHE has it says by one code that access is denied; the words say why.
    assert "the patient did not agree" in listed.value.text
    assert identified == [Refusal.MORE_TRAITS_NEEDED]


async def test_a_row_that_fhir_has_no_name_for_is_left_out_and_told(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """An id that is no UUID could not be asked for again."""
    inner = scripted(entries=Outcome((ENTRY, replace(ENTRY, id=EntryId("urn:oid:2.999.77")))))
    async with between(inner, trust_domain, tmp_path, "fhir-soap") as b:
        found = await b.exchange.find_documents(make_query(), context_for("ihe"))

    assert [entry.id for entry in found.items] == [ENTRY.id]
    assert [issue.refusal for issue in found.issues] == [Refusal.UNSUPPORTED]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("community", [COUNTRY_B, "2.999.1.9"])
async def test_a_bridge_is_believed_only_for_whom_it_may_speak(
    trust_domain: TrustDomain, tmp_path: Path, way: str, community: str
) -> None:
    """Country A lists the bridge's TLS client under the community it asks for, and no other."""
    subject = trust_domain.leaves["xc", "tls-client"].certificate.subject.rfc4514_string()
    known = PeerSection(name="bridge", community=community, tls_subjects=(subject,))
    asked = between(scripted(), trust_domain, tmp_path, way, callers=(known,))
    async with asked as b:
        if community == COUNTRY_B:
            found = await b.exchange.find_documents(make_query(), context_for("ihe"))
            assert len(found.items) == 1
        else:
            with pytest.raises(ExchangeError):
                await b.exchange.find_documents(make_query(), context_for("ihe"))


async def _received(b: Bridged, wanted: ImageRequest) -> dict[str, bytes]:
    delivery = await b.exchange.retrieve_images(wanted, DeliveryWish(), context_for("ihe"))
    got: dict[str, bytes] = {}
    async with delivery:
        async for chunk in delivery.chunks():
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
    return got
