"""The audit trail: appended, never rewritten, whole after a crash, silent about nobody."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from gateway.domain import Refusal
from gateway.transport import audit_store
from gateway.transport.audit_store import AuditNotKept, AuditStore
from gateway.wire.fhir.resources import validated
from tests.builders import NOON, make_audit_event


def test_a_record_is_an_index_line_and_two_messages(tmp_path: Path) -> None:
    """What was appended comes back: number, index, valid XML and a valid resource."""
    store = AuditStore(tmp_path, "ncpeh-a")

    number = store.append(make_audit_event(id="e-1"))

    (record,) = store.events()
    assert number == record.number == store.last == 1
    assert record.index["transaction"] == "ITI-38"
    assert record.index["correlation_id"] == "corr-1"
    source = etree.fromstring(record.xml).find("AuditSourceIdentification")
    assert source is not None
    assert source.get("AuditSourceID") == "ncpeh-a"
    resource = json.loads(record.fhir)
    validated(resource)
    assert (resource["resourceType"], resource["id"]) == ("AuditEvent", "e-1")
    assert resource["source"]["observer"]["display"] == "ncpeh-a"
    (file,) = tmp_path.iterdir()
    assert file.name == "2026-11-22.audit"
    assert len(file.read_bytes().splitlines()) == 3


def test_a_record_of_before_the_second_form_is_still_read(tmp_path: Path) -> None:
    """An append-only trail outlives the form of its records; they mix in one file."""
    store = AuditStore(tmp_path, "s")
    store.append(make_audit_event(id="old"))
    (file,) = tmp_path.iterdir()
    index, xml, _ = file.read_bytes().splitlines(keepends=True)
    told = json.loads(index)
    earlier = {key: told[key] for key in told if not key.startswith("fhir_")}
    file.write_bytes(json.dumps(earlier).encode() + b"\n" + xml)

    again = AuditStore(tmp_path, "s")
    again.append(make_audit_event(id="new"))

    old, new = again.events()
    assert (old.index["id"], old.fhir, old.xml + b"\n") == ("old", b"", xml)
    assert (new.number, new.index["id"]) == (2, "new")
    assert new.fhir.startswith(b'{"')


def test_the_index_names_no_person(tmp_path: Path) -> None:
    """Patient and professional are in the messages alone."""
    store = AuditStore(tmp_path, "s")
    store.append(make_audit_event())

    (record,) = store.events()

    for message in (record.xml, record.fhir):
        assert b"A-0001" in message
        assert b"Lindqvist" in message
    assert not any(word in json.dumps(record.index) for word in ("A-0001", "Lindqvist", "hcp-77"))


def test_days_have_their_own_files_and_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    """A store opened again continues the numbers, and old files are not touched."""
    first = AuditStore(tmp_path, "s")
    first.append(make_audit_event(id="late", at=NOON - timedelta(days=1)))
    first.append(make_audit_event(id="now"))
    before = (tmp_path / "2026-11-21.audit").read_bytes()

    again = AuditStore(tmp_path, "s")
    number = again.append(make_audit_event(id="next"))

    assert number == 3
    assert [record.index["id"] for record in again.events()] == ["late", "now", "next"]
    assert (tmp_path / "2026-11-21.audit").read_bytes() == before


def test_an_event_told_late_keeps_the_order_of_numbers(tmp_path: Path) -> None:
    """Reading on by number misses nothing, even when an event of yesterday comes after today's."""
    store = AuditStore(tmp_path, "s")
    store.append(make_audit_event(id="today"))
    store.append(make_audit_event(id="yesterday", at=NOON - timedelta(days=1)))

    (first,) = store.events(limit=1)
    (second,) = store.events(since=first.number)

    assert (first.index["id"], second.index["id"]) == ("today", "yesterday")


def test_listing_goes_on_from_a_number_with_a_limit(tmp_path: Path) -> None:
    """`since` leaves out what was seen, `limit` bounds the answer."""
    store = AuditStore(tmp_path, "s")
    for number in range(5):
        store.append(make_audit_event(id=f"e-{number}"))

    assert [record.number for record in store.events(since=2)] == [3, 4, 5]
    assert [record.number for record in store.events(since=1, limit=2)] == [2, 3]
    assert list(store.events(limit=0)) == []


def test_reading_on_passes_over_the_days_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trail of years is not read again for what was appended since."""
    store = AuditStore(tmp_path, "s")
    for days in (3, 2, 1):
        store.append(make_audit_event(id=f"{days}", at=NOON - timedelta(days=days)))
    read = []
    real = audit_store._read
    monkeypatch.setattr(
        audit_store, "_read", lambda path, since: read.append(path.name) or real(path, since)
    )

    assert [record.number for record in store.events(since=1)] == [2, 3]
    assert [record.number for record in store.events(since=2)] == [3]
    assert read == ["2026-11-20.audit", "2026-11-21.audit", "2026-11-21.audit"]


def test_one_event_is_found_by_id(tmp_path: Path) -> None:
    """An event is found whatever day it is of; an unknown one is None."""
    store = AuditStore(tmp_path, "s")
    store.append(make_audit_event(id="old", at=NOON - timedelta(days=3)))
    store.append(make_audit_event(id="new"))

    found = store.find("old")

    assert found is not None
    assert found.index["id"] == "old"
    assert store.find("none") is None


# The FHIR line is 3 kB long, the XML line before it 2.5 kB, the index line half of that.
@pytest.mark.parametrize("cut", [1, 40, 700, 4000, 5600])
def test_a_torn_record_is_skipped_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    """A record cut off by a crash hides neither what came before nor what comes after."""
    store = AuditStore(tmp_path, "s")
    store.append(make_audit_event(id="whole"))
    store.append(make_audit_event(id="torn"))
    (file,) = tmp_path.iterdir()
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size - cut)

    again = AuditStore(tmp_path, "s")
    again.append(make_audit_event(id="after"))

    assert [record.index["id"] for record in again.events()][-1] == "after"
    assert next(again.events()).index["id"] == "whole"
    ids = [record.index["id"] for record in again.events()]
    # Losing only the last line break loses nothing.
    assert ids == (["whole", "torn", "after"] if cut == 1 else ["whole", "after"])


def test_a_write_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk half-way through a record raises, and the record does not count."""
    store = AuditStore(tmp_path, "s")
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:50]))

    with pytest.raises(AuditNotKept) as caught:
        store.append(make_audit_event(id="lost"))
    monkeypatch.undo()
    store.append(make_audit_event(id="kept"))

    assert caught.value.refusal is Refusal.INTERNAL
    assert isinstance(caught.value.__cause__, OSError)
    assert [record.index["id"] for record in store.events()] == ["kept"]


def test_an_event_that_cannot_be_encoded_is_told(tmp_path: Path) -> None:
    """A naive time is a fault of ours, raised like any other failure to keep the event."""
    with pytest.raises(AuditNotKept):
        AuditStore(tmp_path, "s").append(make_audit_event(at=NOON.replace(tzinfo=None)))


def test_many_threads_write_whole_records(tmp_path: Path) -> None:
    """Records of concurrent writers neither mix nor share a number."""
    store = AuditStore(tmp_path, "s", durable=True)
    events = [make_audit_event(id=f"e-{number}") for number in range(60)]

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(store.append, events))

    assert sorted(numbers) == list(range(1, 61))
    assert {record.index["id"] for record in store.events()} == {event.id for event in events}
