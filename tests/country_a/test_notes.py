"""Key-image notes point at images of their own study."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from country_a.national.pacs_folder import read_facts
from country_a.oids import NationalOids
from country_a.seed.notes import REJECTED, Pointing, write_note
from country_a.seed.people import cast
from country_a.seed.reports import hospital
from country_a.seed.studies import TINY, Kind, StudyOrder, make_study
from gateway.domain import CommunityId
from gateway.wire.dicom.kos_read import decode_note

OIDS = NationalOids.under(CommunityId("2.999.1.1"))


def test_a_note_reads_back_as_it_was_meant(tmp_path: Path) -> None:
    """Title, words and images survive; places beyond the last image mean the last one."""
    order = StudyOrder(
        number=3,
        patient=cast(OIDS)[0].identity,
        kind=Kind.CT,
        started=datetime(2024, 5, 6, 7, 8, tzinfo=timezone(timedelta(hours=1))),
        institution=hospital(OIDS),
        requests=(),
    )
    made = make_study(order, tmp_path, oids=OIDS, seed_number=7, scale=TINY)
    last = len(made.images) - 1
    pointing = Pointing(title=REJECTED, description="poruszone", places=(1, 1, last, 999))

    note = write_note(made, pointing, tmp_path, index=0, oids=OIDS, seed_number=7)

    assert note.rejects
    assert note.images == (made.images[1], made.images[last])
    assert decode_note(made.files[-1].read_bytes()) == note
    study, series, instance = read_facts(made.files[-1])
    assert (study.uid, study.patient, series.modality) == (made.uid, order.patient.id, "KO")
    assert (instance.note_title, instance.note_description) == (REJECTED, "poruszone")
