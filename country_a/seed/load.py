"""Plants the seed: empties the national systems and fills them again, the same way every time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from country_a.national.ports import NationalSystems
from country_a.national.sql import OpenSystems
from country_a.oids import NationalOids
from country_a.seed.folder import seed_folder
from country_a.seed.folder_files import Found
from country_a.seed.many import many_entries
from country_a.seed.people import cast, crowd
from country_a.seed.records import FolderRecord, ListRecord, SeedReport
from country_a.seed.registrar import BOTH_FORMS, ManifestForms
from country_a.seed.stories import Stories
from country_a.seed.studies import DEMO, FULL, TINY, Scale
from gateway.domain import Uid

SCALES: dict[str, Scale] = {"tiny": TINY, "demo": DEMO, "full": FULL}
_CROWD = 25
_CROWD_FIRST = 1101
_MANY_FIRST = 1901  # the patient of the long list, and one who shares studies with them
_NEIGHBOURS = 20  # entries of the one for each of the other
_FOLDERS_FIRST = 2001  # patients made for studies from folders
_PATIENTS_PER_FOLDER = 1000  # and more only where there are more files


async def seed_all(
    opened: OpenSystems,
    *,
    oids: NationalOids,
    seed_number: int,
    size: str = "demo",
    dicom_folders: Sequence[Path] = (),
    many: int = 0,
    forms: ManifestForms = BOTH_FORMS,
) -> SeedReport:
    """Fill the national systems with the seed of a number and size, and with folders of files.

    What they held is forgotten first. Image files are written below `seed-<number>-<size>` in
    the image folder, which is emptied; sources are never touched. The report is also written as
    `seed.json` beside the database. `size` is a key of `SCALES`; `many` is how many entries one
    more patient is to have, see `seed.many`; `forms` how manifests are published.
    """
    if size not in SCALES:
        raise ValueError(f"found size {size!r}, expected one of {', '.join(SCALES)}")
    await opened.clear()
    images = opened.image_folder / f"seed-{seed_number}-{size}"
    if images.exists():
        await asyncio.to_thread(shutil.rmtree, images)
    systems = opened.systems
    stories = Stories(
        systems,
        oids=oids,
        seed_number=seed_number,
        scale=SCALES[size],
        image_folder=images,
        forms=forms,
    )
    patients = [await stories.play(person) for person in cast(oids)]
    await _add_crowd(systems, oids, seed_number)
    listed = await _add_many(systems, oids, seed_number, many) if many else None
    folders: list[FolderRecord] = []
    taken: dict[Uid, Found] = {}
    first = _FOLDERS_FIRST
    for index, folder in enumerate(dicom_folders):
        folders.append(
            await seed_folder(
                systems,
                folder,
                into=images / f"folder-{index + 1:02}",
                oids=oids,
                seed_number=seed_number,
                first_patient=first,
                taken=taken,
                forms=forms,
            )
        )
        first += _PATIENTS_PER_FOLDER * (1 + folders[-1].files // _PATIENTS_PER_FOLDER)
    report = SeedReport(
        seed_number=seed_number,
        size=size,
        community=str(oids.community),
        authority=oids.patients,
        patients=tuple(patients),
        crowd=_CROWD,
        folders=tuple(folders),
        many=listed,
    )
    (opened.directory / "seed.json").write_bytes(report.json())
    return report


async def _add_many(
    systems: NationalSystems, oids: NationalOids, seed_number: int, count: int
) -> ListRecord:
    people = crowd(oids, 2, seed_number=seed_number, first=_MANY_FIRST)
    await systems.patients.add([person.identity for person in people])
    first = 0
    for person, number in zip(people, (count, count // _NEIGHBOURS), strict=True):
        patient = person.identity.id
        await systems.registry.add_many(
            many_entries(oids, patient, number, seed_number=seed_number, first=first)
        )
        first += number
    return ListRecord(person=people[0], entries=count)


async def _add_crowd(systems: NationalSystems, oids: NationalOids, seed_number: int) -> None:
    people = crowd(oids, _CROWD, seed_number=seed_number, first=_CROWD_FIRST)
    await systems.patients.add([person.identity for person in people])
