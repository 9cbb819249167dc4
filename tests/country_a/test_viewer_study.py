"""What a page shows: series in order, key images first, and only of the patient of the link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from country_a.national.ports import NationalSystems, StoredInstance, StoredStudy
from country_a.national.sql import open_systems
from country_a.viewer_links import ViewerLinks
from country_a.viewer_study import ShownStudy, study_shown
from gateway.domain import ExchangeError, PatientId, Refusal, Uid
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.wire.dicom.kos_read import decode_note
from tests.conftest import Seeded
from tests.viewers import Clock, links_in


@dataclass
class Looking:
    """National systems, and links to their studies."""

    national: NationalSystems
    links: ViewerLinks
    seeded: Seeded

    async def studies(self, role: str) -> tuple[StoredStudy, ...]:
        """The studies of a patient."""
        return await self.national.pacs.studies(self.seeded.patient(role))

    async def show(
        self,
        study: Uid,
        patient: PatientId | None,
        *,
        key: bool = False,
        emergency: bool = False,
        national: NationalSystems | None = None,
    ) -> ShownStudy:
        """What a link shows."""
        assert patient is not None
        link = self.links.to_open(study, patient, key_images_only=key, emergency=emergency)
        claims = self.links.shown(self.links.open(link.url.rpartition("/")[2]))
        return await study_shown(national or self.national, self.links, claims)


@pytest.fixture
async def looking(seeded: Seeded, tmp_path: Path) -> AsyncIterator[Looking]:
    """Country A as it is seeded."""
    national = await open_systems(seeded.folder)
    links = links_in(tmp_path, Clock(), lambda: "https://localhost")
    yield Looking(national.systems, links, seeded)
    await national.close()


async def with_notes(looking: Looking, role: str) -> tuple[StoredStudy, list[StoredInstance]]:
    """A study of a patient that has notes, and those."""
    for study in await looking.studies(role):
        instances = await looking.national.pacs.instances(study.uid)
        notes = [each for each in instances if each.sop_class == KEY_OBJECT_SOP_CLASS]
        if notes:
            return study, notes
    raise AssertionError(f"{role} has no notes")


async def test_every_image_is_shown_in_its_series(looking: Looking) -> None:
    """In the order of the store, with frames; notes and reports show nothing."""
    for study in await looking.studies("main"):
        shown = await looking.show(study.uid, study.patient)

        held = await looking.national.pacs.instances(study.uid)
        images = [image for one in shown.series if not one.is_key for image in one.images]
        assert [image.ref for image in images] == [each.ref for each in held if each.has_pixels]
        assert [image.frames for image in images] == [
            each.frames or 1 for each in held if each.has_pixels
        ]
        assert shown.patient.id == looking.seeded.patient("main")
        assert "KO" not in shown.modalities


async def test_key_images_lead_and_are_marked(looking: Looking) -> None:
    """Those that the notes point at, in their order."""
    study, notes = await with_notes(looking, "main")

    shown = await looking.show(study.uid, study.patient)

    read = [decode_note(note.path.read_bytes()) for note in notes]
    wanted = [image.instance for note in read if not note.rejects for image in note.images]
    assert shown.series[0].is_key
    assert [image.ref.instance for image in shown.series[0].images] == wanted
    marked = [i.ref.instance for one in shown.series[1:] for i in one.images if i.is_key]
    assert sorted(marked) == sorted(wanted)


async def test_what_a_note_withdraws_is_no_key_image(looking: Looking) -> None:
    """Rejected for quality: it stays in its series, without a star."""
    study, notes = await with_notes(looking, "greek")
    read = [decode_note(note.path.read_bytes()) for note in notes]
    rejected = {image.instance for note in read if note.rejects for image in note.images}
    assert rejected

    shown = await looking.show(study.uid, study.patient)

    starred = {image.ref.instance for one in shown.series for image in one.images if image.is_key}
    assert not starred & rejected
    assert {one.laterality for one in shown.series if not one.is_key} == {"L", "R"}


async def test_key_images_alone_may_be_asked_for(looking: Looking) -> None:
    """Nothing else is shown, and nothing at all of a study without any."""
    study, _ = await with_notes(looking, "main")
    [plain, *_] = await looking.studies("many-studies")

    only = await looking.show(study.uid, study.patient, key=True)
    none = await looking.show(plain.uid, plain.patient, key=True)

    assert [one.is_key for one in only.series] == [True]
    assert none.series == ()


async def test_the_patient_still_has_to_consent(looking: Looking) -> None:
    """When the page is opened, whatever was when the link was made; in an emergency as decided."""
    [denied, *_] = await looking.studies("denied")
    [guarded, *_] = await looking.studies("emergency-only")

    for study, emergency in ((denied, True), (guarded, False)):
        with pytest.raises(ExchangeError) as caught:
            await looking.show(study.uid, study.patient, emergency=emergency)
        assert caught.value.refusal is Refusal.NO_CONSENT
    assert (await looking.show(guarded.uid, guarded.patient, emergency=True)).series


async def test_a_study_of_somebody_else_is_not_shown(looking: Looking) -> None:
    """Neither one that went to another patient nor one that is gone."""
    [study, *_] = await looking.studies("main")

    for uid, patient in (
        (study.uid, looking.seeded.patient("greek")),
        (Uid("2.999.404"), study.patient),
    ):
        with pytest.raises(ExchangeError) as caught:
            await looking.show(uid, patient)
        assert caught.value.refusal is Refusal.UNKNOWN_INSTANCE


async def test_an_image_of_another_patient_in_the_study_is_left_out(looking: Looking) -> None:
    """Headers may contradict each other."""
    [study, *_] = await looking.studies("main")
    held = await looking.national.pacs.instances(study.uid)
    astray = replace(held[0], patient=looking.seeded.patient("greek"))

    class Mixed:
        """An image store in which one image went astray."""

        def __getattr__(self, name: str) -> object:
            return getattr(looking.national.pacs, name)

        async def instances(self, _: Uid) -> tuple[StoredInstance, ...]:
            return (astray, *held[1:])

    mixed = replace(looking.national, pacs=Mixed())  # type: ignore[arg-type]
    shown = await looking.show(study.uid, study.patient, national=mixed)

    assert astray.ref not in {image.ref for one in shown.series for image in one.images}


async def test_a_note_that_cannot_be_read_takes_nothing_away(
    looking: Looking, tmp_path: Path
) -> None:
    """The images are shown, without stars."""
    study, _ = await with_notes(looking, "main")
    held = await looking.national.pacs.instances(study.uid)
    broken = tmp_path / "note.dcm"
    broken.write_bytes(b"no note")

    class Broken:
        """An image store with a broken note."""

        def __getattr__(self, name: str) -> object:
            return getattr(looking.national.pacs, name)

        async def instances(self, _: Uid) -> tuple[StoredInstance, ...]:
            return tuple(
                replace(each, file=str(broken)) if each.note_title else each for each in held
            )

    damaged = replace(looking.national, pacs=Broken())  # type: ignore[arg-type]
    shown = await looking.show(study.uid, study.patient, national=damaged)

    assert shown.series
    assert not any(image.is_key for one in shown.series for image in one.images)
