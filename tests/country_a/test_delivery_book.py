"""What went out is written down for those it went to, outlives the process, and makes room."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_a import delivery_book
from country_a.delivery_book import DeliveryBook, Entry, Recipient
from gateway.domain import CommunityId, InstanceFidelity, Oid, PatientId, Uid
from tests.builders import COUNTRY_B
from tests.fidelity import CAP, SERIES, STUDY, lossless_one, lossy_one, ref_of, stored_one

AT = datetime(2026, 11, 22, tzinfo=UTC)
PATIENT = PatientId("P-1", Oid("2.999.1.1.1"))
FOR_B = Recipient(delivery="d-1", asking=COUNTRY_B, patients={STUDY: PATIENT}, caps={SERIES: CAP})


class Under:
    """A delivery under way."""

    def __init__(self, *sent: InstanceFidelity) -> None:
        self.fidelity = sent


async def sent_to(book: DeliveryBook, recipient: Recipient = FOR_B) -> list[Entry]:
    return await book.sent(
        recipient.delivery, asking=recipient.asking, study=STUDY, patient=PATIENT
    )


async def test_every_number_outlives_the_process(tmp_path: Path) -> None:
    """The raw and sent bytes, digests, error, derived UID and the cap of what is lossy."""
    ones = [stored_one(1), lossless_one(2), lossy_one(3)]
    await DeliveryBook(tmp_path / "d").ended(FOR_B, ones, at=AT)

    found = await sent_to(DeliveryBook(tmp_path / "d"))

    assert [one.sent for one in found] == ones
    assert [one.cap for one in found] == [None, None, CAP]
    assert {one.patient for one in found} == {PATIENT}


async def test_it_is_told_to_whom_it_was_sent_and_about_whom(tmp_path: Path) -> None:
    """Another community, another id, another study and another patient have nothing."""
    book = DeliveryBook(tmp_path)
    await book.ended(FOR_B, [stored_one(1)], at=AT)
    other = CommunityId("2.999.1.7")
    stranger = PatientId("P-2", PATIENT.authority)

    assert await sent_to(book, replace(FOR_B, asking=other)) == []
    assert await sent_to(book, replace(FOR_B, delivery="d-2")) == []
    asked = {"asking": COUNTRY_B, "study": STUDY, "patient": PATIENT}
    assert await book.sent("d-1", **(asked | {"study": Uid("9.9")})) == []  # type: ignore[arg-type]
    assert await book.sent("d-1", **(asked | {"patient": stranger})) == []  # type: ignore[arg-type]


async def test_what_went_out_again_counts_as_it_went_last(tmp_path: Path) -> None:
    """And what was sent in several requests is one delivery."""
    book = DeliveryBook(tmp_path)
    await book.ended(FOR_B, [stored_one(1), stored_one(2)], at=AT)
    await book.ended(FOR_B, [lossless_one(1)], at=AT)

    assert [one.sent for one in await sent_to(book)] == [lossless_one(1), stored_one(2)]


async def test_a_delivery_under_way_counts_as_far_as_it_has_come(tmp_path: Path) -> None:
    """Whoever has an image whole may ask before its sender has put its papers in order."""
    book = DeliveryBook(tmp_path)
    under = Under(stored_one(1))
    book.begun(under, FOR_B)

    assert [one.sent for one in await sent_to(book)] == [stored_one(1)]
    del under
    assert await sent_to(book) == []


async def test_what_belongs_to_no_patient_is_not_written_down(tmp_path: Path) -> None:
    """There is nobody whose certificate it could be in."""
    book = DeliveryBook(tmp_path)
    stray = stored_one(1, ref=replace(ref_of(1), study=Uid("9.9")))
    await book.ended(FOR_B, [stray], at=AT)

    assert list(tmp_path.iterdir()) == []


async def test_the_oldest_records_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As plans do."""
    monkeypatch.setattr(delivery_book, "MAX_DELIVERIES", 2)
    book = DeliveryBook(tmp_path)
    for number in range(5):
        await book.ended(replace(FOR_B, delivery=f"d-{number}"), [stored_one(1)], at=AT)

    assert len(list(tmp_path.iterdir())) == 2
    assert await sent_to(book, replace(FOR_B, delivery="d-4"))


async def test_a_record_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it is not certified."""
    book = DeliveryBook(tmp_path)
    await book.ended(FOR_B, [stored_one(1)], at=AT)
    monkeypatch.setattr(delivery_book, "MAX_RECORD_BYTES", 10)
    await book.ended(FOR_B, [stored_one(2)], at=AT)

    assert [one.sent for one in await sent_to(book)] == [stored_one(1)]


async def test_a_line_that_was_broken_off_is_passed_over(tmp_path: Path) -> None:
    """The rest of the record stays."""
    book = DeliveryBook(tmp_path)
    await book.ended(FOR_B, [stored_one(1)], at=AT)
    (record,) = tmp_path.iterdir()
    record.write_bytes(record.read_bytes() + b'{"ref": ["1.2.3"')

    assert [one.sent for one in await sent_to(book)] == [stored_one(1)]


async def test_an_id_is_no_path(tmp_path: Path) -> None:
    """It names a record and nothing else in the file system."""
    book = DeliveryBook(tmp_path / "deliveries")
    await book.ended(replace(FOR_B, delivery="../../x"), [stored_one(1)], at=AT)

    assert [path.name for path in tmp_path.iterdir()] == ["deliveries"]
