"""What a page of the viewer shows: one study, series by series, its key images first.

Asked of the national systems when a page is opened, and checked again: the study still belongs to
the patient the link was made for, who still consents. Objects that show nothing (reports, notes,
presentation states) are left out; notes are read for the images they point at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from country_a.consent import require_consent_to
from country_a.manifests import study_modalities
from country_a.national.ports import NationalSystems, StoredInstance, StoredSeries, StoredStudy
from country_a.viewer_links import ViewerLinks
from gateway.domain import InstanceRef, NotFound, PatientIdentity, Refusal, Uid
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.wire.dicom.kos_read import decode_note
from gateway.wire.problems import DecodeError
from gateway.wire.viewer_link import LinkClaims

MAX_NOTES = 100  # of one study; more are not read
MAX_NOTE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """An instance with pixels, of one frame or more."""

    ref: InstanceRef
    number: int | None
    frames: int
    is_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSeries:
    """Images in the order they are looked through; `is_key` marks the choice of key images."""

    images: tuple[ShownImage, ...]
    modality: str = ""
    number: int | None = None
    laterality: str = ""
    is_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStudy:
    """A study, whose it is, and its series; the key images lead where there are any."""

    study: StoredStudy
    patient: PatientIdentity
    modalities: tuple[str, ...]
    series: tuple[ShownSeries, ...]


async def study_shown(
    national: NationalSystems, links: ViewerLinks, claims: LinkClaims
) -> ShownStudy:
    """The study of a link; refuses where it is gone, of somebody else, or not consented to."""
    study = await national.pacs.study(claims.study)
    if study is None:
        raise NotFound(Refusal.UNKNOWN_INSTANCE, "this study is not here any more")
    identity = await national.patients.get(links.require(claims, study.patient))
    if identity is None:
        raise NotFound(Refusal.UNKNOWN_PATIENT, "the patient of this study is not known")
    await require_consent_to(national.consent, identity.id, emergency=claims.emergency)

    series = await national.pacs.series(study.uid)
    instances = [
        each for each in await national.pacs.instances(study.uid) if each.patient == study.patient
    ]
    key = await _key_images(instances)
    shown = _series(series, instances, key)
    chosen = _chosen(shown, key)
    if claims.key_images_only:
        shown = ()
    return ShownStudy(
        study=study,
        patient=identity,
        modalities=tuple(code.value for code in study_modalities(series)),
        series=(*chosen, *shown),
    )


def _series(
    series: Sequence[StoredSeries],
    instances: Sequence[StoredInstance],
    key: Mapping[Uid, int],
) -> tuple[ShownSeries, ...]:
    found = []
    for one in series:
        images = tuple(
            ShownImage(
                ref=each.ref,
                number=each.number,
                frames=max(1, each.frames or 1),
                is_key=each.ref.instance in key,
            )
            for each in instances
            if each.ref.series == one.uid and each.has_pixels
        )
        if images:
            found.append(
                ShownSeries(
                    images=images,
                    modality=one.modality,
                    number=one.number,
                    laterality=one.laterality,
                )
            )
    return tuple(found)


def _chosen(series: Sequence[ShownSeries], key: Mapping[Uid, int]) -> tuple[ShownSeries, ...]:
    """The key images as a series of their own, in the order of the notes; () without any."""
    images = [each for one in series for each in one.images if each.is_key]
    if not images:
        return ()
    images.sort(key=lambda each: key[each.ref.instance])
    modalities = {one.modality for one in series if any(each.is_key for each in one.images)}
    only = modalities.pop() if len(modalities) == 1 else ""
    return (ShownSeries(images=tuple(images), modality=only, is_key=True),)


async def _key_images(instances: Sequence[StoredInstance]) -> dict[Uid, int]:
    """The instances that notes point at and none withdraws, with their place in the notes."""
    notes = [each for each in instances if each.sop_class == KEY_OBJECT_SOP_CLASS][:MAX_NOTES]
    read = [await asyncio.to_thread(_pointed_at, each) for each in notes]
    rejected = {ref for refs, rejects in read if rejects for ref in refs}
    wanted = [ref for refs, rejects in read if not rejects for ref in refs if ref not in rejected]
    return {uid: place for place, uid in enumerate(dict.fromkeys(wanted))}


def _pointed_at(stored: StoredInstance) -> tuple[list[Uid], bool]:
    """What a note points at, and whether it withdraws that; nothing where it cannot be read."""
    if stored.size_bytes > MAX_NOTE_BYTES:
        return [], False
    try:
        note = decode_note(stored.path.read_bytes())
    except (OSError, DecodeError):
        return [], False
    return [image.instance for image in note.images], note.rejects
