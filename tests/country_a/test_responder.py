"""Country A's answers where images come from another source: whose they are is asked first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from country_a.national.pacs_folder import FolderPacs
from country_a.national.ports import ConsentRule, NationalSystems
from country_a.national.sql import open_systems
from country_a.responder import Responder
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    CallContext,
    DeliveryWish,
    ImageRequest,
    InstanceRef,
    NotAllowed,
    Oid,
    PatientId,
    PatientIdentity,
    Refusal,
    TreatmentRelation,
    Uid,
)
from tests.builders import COUNTRY_A, make_context
from tests.desks import desk_of
from tests.exchanges import ScriptedExchange

REPOSITORY, SOURCE = Oid("2.999.1.1.2"), Oid("2.999.1.1.3")
HERE, OTHER = PatientId("XA-1", Oid("2.999.1.1.1")), PatientId("XA-2", Oid("2.999.1.1.1"))
JPEG_2000 = Uid("1.2.840.10008.1.2.4.90")
UNKNOWN = Uid("2.999.99")


def ref_of(patient: PatientId, instance: str = "") -> InstanceRef:
    study = f"2.999.5.{patient.value[-1]}"
    return InstanceRef(
        study=Uid(study), series=Uid(f"{study}.1"), instance=Uid(instance or f"{study}.1.1")
    )


def image_of(patient: PatientId, folder: Path) -> Path:
    ref, path = ref_of(patient), folder / patient.value
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", ref.instance
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = ref.study, ref.series, "CT"
    ds.PatientID, ds.IssuerOfPatientID = patient.value, str(patient.authority)
    ds.Rows = ds.Columns = 2
    ds.BitsAllocated = ds.BitsStored = 16
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.add_new(0x7FE00010, "OW", b"\1\2" * 4)
    ds.save_as(path, enforce_file_format=True)
    return path


def about(patient: PatientId) -> CallContext:
    return make_context(patient=patient, relation=TreatmentRelation.RESOURCE_ID)


def asking(*refs: InstanceRef, source: Oid = SOURCE) -> ImageRequest:
    return ImageRequest(community=COUNTRY_A, instances=tuple((ref, source) for ref in refs))


@pytest.fixture
async def systems(tmp_path: Path) -> AsyncIterator[NationalSystems]:
    """Two patients with an image each."""
    opened = await open_systems(tmp_path / "national")
    for patient in (HERE, OTHER):
        await opened.systems.patients.add(
            [PatientIdentity(id=patient, community=COUNTRY_A, names=())]
        )
        assert isinstance(opened.systems.pacs, FolderPacs)
        report = await opened.systems.pacs.add([image_of(patient, tmp_path)])
        assert len(report.stored) == 1
    yield opened.systems
    await opened.close()


# Images come from elsewhere: nothing is made or planned here.
NOWHERE = Path("nowhere")


def responder_over(systems: NationalSystems, source: ScriptedExchange) -> Responder:
    return Responder(
        systems,
        community=COUNTRY_A,
        repository=REPOSITORY,
        imaging_source=SOURCE,
        desk=desk_of(systems.pacs, NOWHERE),
        images_from=source,
    )


def asked_of(source: ScriptedExchange) -> list[Any]:
    return [question[0].instances for _, question, _ in source.asked]


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE_ENDIAN, JPEG_2000])
async def test_a_source_is_asked_only_for_images_of_the_patient_shown(
    syntax: Uid, systems: NationalSystems
) -> None:
    """Whatever syntax is wished: what our own store could not send, the source might."""
    source = ScriptedExchange()
    responder = responder_over(systems, source)
    wish = DeliveryWish(syntaxes=(syntax,))

    with pytest.raises(NotAllowed) as caught:
        await responder.retrieve_images(asking(ref_of(OTHER)), wish, about(HERE))
    assert caught.value.refusal is Refusal.TREATMENT_RELATION_MISMATCH
    assert source.asked == []

    await responder.retrieve_images(asking(ref_of(HERE)), wish, about(HERE))
    assert asked_of(source) == [((ref_of(HERE), SOURCE),)]


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE_ENDIAN, JPEG_2000])
async def test_a_source_is_not_asked_for_images_of_who_denied(
    syntax: Uid, systems: NationalSystems
) -> None:
    """Consent comes before the question of what can be sent."""
    source = ScriptedExchange()
    await systems.consent.set_rule(HERE, ConsentRule.DENY)
    with pytest.raises(NotAllowed) as caught:
        await responder_over(systems, source).retrieve_images(
            asking(ref_of(HERE)), DeliveryWish(syntaxes=(syntax,)), about(HERE)
        )
    assert caught.value.refusal is Refusal.NO_CONSENT
    assert source.asked == []


async def test_what_is_nobodys_here_is_not_asked_of_a_source(systems: NationalSystems) -> None:
    """An instance unknown here, or asked of another repository, is an issue and goes no further."""
    source = ScriptedExchange()
    responder = responder_over(systems, source)
    strange = ref_of(HERE, UNKNOWN)

    delivery = await responder.retrieve_images(
        asking(strange, ref_of(HERE)), DeliveryWish(), about(HERE)
    )
    elsewhere = await responder.retrieve_images(
        asking(ref_of(OTHER), source=Oid("2.999.9")), DeliveryWish(), about(HERE)
    )

    assert asked_of(source) == [((ref_of(HERE), SOURCE),)]
    assert [(issue.subject, issue.refusal) for issue in delivery.issues] == [
        (UNKNOWN, Refusal.UNKNOWN_INSTANCE)
    ]
    assert [issue.refusal for issue in elsewhere.issues] == [Refusal.UNKNOWN_REPOSITORY]
