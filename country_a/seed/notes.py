"""Key-image notes of generated studies: which images a physician pointed at, or withdrew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from country_a.manifests import patient_of
from country_a.oids import NationalOids
from country_a.seed.studies import KINDS, MANUFACTURER, MadeStudy
from gateway.domain import Code, InstanceRef, KeyImageNote, Uid
from gateway.domain.codes import DCM
from gateway.wire.dicom.kos_write import encode_note

OF_INTEREST = Code("113000", DCM, "Of Interest")
REJECTED = Code("113001", DCM, "Rejected for Quality Reasons")
_FIRST_SERIES = 90  # beyond the series of any generated study


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """A note to be written: its title, what it says, and the images by their place (from 0)."""

    title: Code
    description: str
    places: tuple[int, ...]


def write_note(
    made: MadeStudy,
    pointing: Pointing,
    folder: Path,
    *,
    index: int,
    oids: NationalOids,
    seed_number: int,
) -> KeyImageNote:
    """Write a note into the folder of its study; places beyond the images count from the end."""
    order, number = made.order, _FIRST_SERIES + index
    images = tuple(dict.fromkeys(_at(made.images, place) for place in pointing.places))
    accessions = {(r.accession, r.accession_authority) for r in order.requests}
    accession, authority = accessions.pop() if len(accessions) == 1 else ("", "")
    facts = KINDS[order.kind]
    note = KeyImageNote(
        instance=oids.uid(seed_number, order.number, number, 1),
        title=pointing.title,
        description=pointing.description,
        images=images,
    )
    offset = order.started.utcoffset() or timedelta()
    data = encode_note(
        note,
        study=made.uid,
        series=oids.uid(seed_number, order.number, number),
        sop_classes={image.instance: Uid(facts.sop_class) for image in images},
        patient_of=patient_of(order.patient),
        created=order.started + timedelta(minutes=30 + index),
        offset_minutes=int(offset.total_seconds()) // 60,
        series_number=number,
        study_date=order.started.date(),
        study_time=order.started.time(),
        study_description=facts.title,
        accession=accession,
        accession_authority=authority,
        manufacturer=MANUFACTURER,
        institution_of=order.institution,
    )
    path = folder / f"{number}-0001.dcm"
    path.write_bytes(data)
    made.files.append(path)
    return note


def _at(images: Sequence[InstanceRef], place: int) -> InstanceRef:
    return images[min(place, len(images) - 1)]
