"""The registry in SQL answers as the domain's own selection does."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import TypeVar

import pytest

from country_a.national.ports import RegistryAnswer
from country_a.national.registry import SqlRegistry
from country_a.national.schema import create_tables, open_engine
from gateway.domain import (
    Association,
    AssociationKind,
    Author,
    BadRequest,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    EntryId,
    EntryKind,
    EntryStatus,
    HumanName,
    Oid,
    Organisation,
    PatientId,
    Precision,
    ReferenceId,
    ReferenceKind,
    TimeRange,
    Timestamp,
)
from gateway.domain.codes import DCM, LOINC, SCT
from gateway.domain.selection import select

T = TypeVar("T")
HOME = CommunityId("2.999.1")
ALICE = PatientId("XA-1", Oid("2.999.1.3"))
BOB = PatientId("XA-2", Oid("2.999.1.3"))
OTHERS = tuple(PatientId(f"XA-{n}", Oid("2.999.1.33")) for n in (1, 2, 3, 4))
PATIENTS = (ALICE, BOB, *OTHERS)
# 153 queries a round; a long run for a change of the filters: NCPEH_TEST_ROUNDS=20.
ROUNDS = int(os.environ.get("NCPEH_TEST_ROUNDS", "3"))
START = datetime(2020, 1, 1, tzinfo=UTC)
CLASSES = (Code("IMAGES", "2.999.5"), Code("REPORTS", "2.999.5"), Code("IMAGES", "2.999.6"))
TYPES = (Code("18748-4", LOINC), Code("85430-7", "LN"), Code("85430-7", "urn:oid:" + LOINC))
EVENTS = (
    Code("CT", DCM),
    Code("MR", "DCM"),
    Code("CT", "99LOCAL"),
    Code("774007", SCT),
    Code("774007", "SNOMED-CT"),
    Code("1:a|b", "2.999.7"),
)
SECRECY = (Code("N", "2.999.8"), Code("R", "2.999.8"), Code("V", "2.999.8"))
NAMES = ("Łucja", "łucja", "O%Neil", "a_b", "ab", "Ωmega", "x\\y", "a\x1eb")
KINDS = (ReferenceKind.STUDY, ReferenceKind.ACCESSION, ReferenceKind.ORDER, "urn:other")
AUTHORITIES = ("", "2.999.1.4", "2.999.1.5", "HOSPITAL")
VALUES = ("1.2.3", "1.2.33", "ACC_1", "ACCX1", "acc_1", "100%", "x\\y")
PATTERNS = ("%", "_%", "A%", "ACC_1", "1.2.3", "1.2.3_", "%x1", "100\\%", "x\\y", "%%3", "nothing")


def some_time(rng: random.Random) -> Timestamp:
    at = START + timedelta(days=rng.randrange(1500), seconds=rng.choice((0, 3661)))
    return Timestamp(at, rng.choice((Precision.DAY, Precision.SECOND, Precision.MONTH)))


def some_reference(rng: random.Random) -> ReferenceId:
    return ReferenceId(rng.choice(VALUES), rng.choice(KINDS), rng.choice(AUTHORITIES))


def some_entry(rng: random.Random, number: int) -> DocumentEntry:
    def maybe(make: Callable[[], T]) -> T | None:
        return make() if rng.random() < 0.8 else None

    name = HumanName(family=rng.choice(NAMES), given=(rng.choice(NAMES), "B"))
    return DocumentEntry(
        id=EntryId(f"urn:uuid:{rng.getrandbits(64):016x}-{number}"),
        ref=DocumentRef(HOME, Oid("2.999.1.2"), DocumentId(f"2.999.1.9.{number}")),
        patient=rng.choice(PATIENTS),
        status=rng.choice(tuple(EntryStatus)),
        kind=rng.choice(tuple(EntryKind)),
        logical_id="urn:uuid:l",
        version="2",
        mime_type="application/dicom",
        title="Τίτλος",
        comments="…",
        class_code=rng.choice(CLASSES),
        type_code=rng.choice(TYPES),
        format_code=rng.choice(TYPES),
        facility_type=rng.choice(CLASSES),
        practice_setting=rng.choice(CLASSES),
        confidentiality=tuple(rng.sample(SECRECY, rng.randrange(3))),
        event_codes=tuple(rng.choices(EVENTS, k=rng.randrange(4))),
        authors=tuple(
            Author(
                name=maybe(lambda: name),
                id=rng.choice(("", "7")),
                id_authority="2.999.1.4",
                institutions=(Organisation(name="Ćlinic", id="1", authority="2.999.2"),),
                roles=("r",),
                specialities=("s",),
                telecom=("tel:1",),
            )
            for _ in range(rng.randrange(3))
        ),
        legal_authenticator="x",
        created=maybe(lambda: some_time(rng)),
        service_start=maybe(lambda: some_time(rng)),
        service_stop=maybe(lambda: some_time(rng)),
        language="pl-PL",
        sha1="aa",
        size_bytes=maybe(lambda: rng.randrange(10)),
        references=tuple(some_reference(rng) for _ in range(rng.randrange(4))),
        source_patient=maybe(lambda: BOB),
        source_patient_info=("PID-5|A^B",),
        uri="u",
        availability="Online",
    )


def some_range(rng: random.Random) -> TimeRange:
    low, high = sorted((some_time(rng).at, some_time(rng).at))
    return rng.choice(
        (TimeRange(start=low), TimeRange(end=high), TimeRange(start=low, end=high), TimeRange())
    )


def some_pattern_reference(rng: random.Random) -> ReferenceId:
    authority = rng.choice((*AUTHORITIES, "%", "2.999._.4"))
    return ReferenceId(rng.choice(PATTERNS), rng.choice(KINDS), authority)


def some(rng: random.Random, values: tuple[Code, ...]) -> tuple[Code, ...]:
    """Codes to ask for; now and then without a scheme, as a FHIR search may leave it out."""
    chosen = rng.choices(values, k=rng.randrange(1, 3))
    return tuple(code if rng.random() < 0.7 else Code(code.value, "") for code in chosen)


FILTERS: dict[str, Callable[[random.Random], object]] = {
    "statuses": lambda r: tuple(r.sample(tuple(EntryStatus), r.randrange(3))),
    "kinds": lambda r: tuple(r.sample(tuple(EntryKind), r.randrange(3))),
    "class_codes": lambda r: some(r, CLASSES),
    "type_codes": lambda r: some(r, TYPES),
    "format_codes": lambda r: some(r, TYPES),
    "practice_settings": lambda r: some(r, CLASSES),
    "facility_types": lambda r: some(r, CLASSES),
    "confidentiality": lambda r: tuple(some(r, SECRECY) for _ in range(r.randrange(3))),
    "event_codes": lambda r: tuple(some(r, EVENTS) for _ in range(r.randrange(3))),
    "references": lambda r: tuple(
        tuple(some_pattern_reference(r) for _ in range(r.randrange(3)))
        for _ in range(r.randrange(3))
    ),
    "author_patterns": lambda r: tuple(
        r.choice(("%Ł%", "%ł%", "7^%", "^%", "_^O%", "%a_b%", "%\\y^%", "%a\x1eb%", "%%%^B"))
        for _ in range(r.randrange(1, 3))
    ),
    "created": some_range,
    "service_start": some_range,
    "service_stop": some_range,
    "max_size_bytes": lambda r: r.randrange(10),
    "created_after": some_time,
    "created_before": some_time,
}


@pytest.fixture
async def registry() -> AsyncIterator[SqlRegistry]:
    engine = open_engine("sqlite+aiosqlite://")
    await create_tables(engine)
    yield SqlRegistry(engine)
    await engine.dispose()


async def test_every_filter_alone_and_in_pairs_means_what_selection_says(
    registry: SqlRegistry,
) -> None:
    """Over generated entries and queries the registry equals `selection.select`, in order too."""
    rng = random.Random(7)
    entries = [some_entry(rng, number) for number in range(300)]
    await registry.add_many(entries)
    by_patient = {who: [e for e in entries if e.patient == who] for who in PATIENTS}
    found = 0

    cases = [(name,) for name in FILTERS] * ROUNDS + list(combinations(FILTERS, 2)) * ROUNDS
    for names in cases:
        chosen = {name: FILTERS[name](rng) for name in names}
        chosen = {"statuses": (), "kinds": (), **chosen}
        query = DocumentQuery(patient=rng.choice(PATIENTS), **chosen)  # type: ignore[arg-type]
        expected = select(query, by_patient[query.patient])
        found += len(expected)
        assert await registry.find(query) == expected, query

    assert found > 500 * ROUNDS


async def test_what_is_added_one_by_one_comes_back_whole(registry: SqlRegistry) -> None:
    """An entry read back equals the entry registered, displays of codes included."""
    entry = replace(
        some_entry(random.Random(1), 1),
        status=EntryStatus.APPROVED,
        class_code=Code("IMAGES", "2.999.5", "Images"),
    )

    await registry.add([entry])

    found = (await registry.look_up(DocumentLookup(community=HOME, entry_ids=(entry.id,)))).entries
    assert found == (entry,)
    assert found[0].class_code.display == "Images"
    assert await registry.documents([entry.ref.document]) == {entry.ref.document: entry}


async def test_replacing_an_entry_deprecates_the_old_one(registry: SqlRegistry) -> None:
    """After a replacement only the new version is found, and the old leads to it."""
    rng = random.Random(2)
    old, new = (
        replace(some_entry(rng, n), patient=ALICE, status=EntryStatus.APPROVED) for n in (1, 2)
    )
    link = Association(
        id=EntryId("urn:uuid:a"),
        kind=AssociationKind.REPLACES,
        source=new.id,
        target=old.id,
        community=HOME,
    )
    await registry.add([old])

    await registry.add([new], [link])

    query = DocumentQuery(patient=ALICE, kinds=())
    assert await registry.find(query) == (new,)
    answer = await registry.look_up(
        DocumentLookup(community=HOME, document_ids=(old.ref.document,), associations=True)
    )
    assert answer.entries == (replace(old, status=EntryStatus.DEPRECATED),)
    assert answer.associations == (link,)
    alone = DocumentLookup(community=HOME, entry_ids=(new.id,), entries=False, associations=True)
    assert await registry.look_up(alone) == RegistryAnswer((), answer.associations)


async def test_look_up_keeps_the_order_asked_for(registry: SqlRegistry) -> None:
    """Entries come in the order their ids were given; unknown ones are left out."""
    rng = random.Random(3)
    entries = [some_entry(rng, n) for n in range(5)]
    await registry.add(entries)
    wanted = (entries[3], entries[0], entries[4])

    answer = await registry.look_up(
        DocumentLookup(
            community=HOME,
            entry_ids=(EntryId("urn:uuid:nobody"), *(entry.id for entry in wanted)),
        )
    )

    assert answer.entries == wanted


async def test_an_id_is_registered_once(registry: SqlRegistry) -> None:
    """A second entry of the same id is refused and nothing of its batch stays."""
    rng = random.Random(4)
    entry, other = (replace(some_entry(rng, n), patient=ALICE) for n in (1, 2))
    await registry.add([entry])

    with pytest.raises(ValueError, match="already registered"):
        await registry.add([other, entry])

    everything = DocumentQuery(patient=ALICE, statuses=(), kinds=())
    assert await registry.find(everything) == (entry,)


async def test_a_query_beyond_what_a_database_bears_is_refused(registry: SqlRegistry) -> None:
    """Thousands of values in one query are the asker's fault, told before SQL is."""
    query = DocumentQuery(patient=ALICE, author_patterns=tuple(f"%{n}%" for n in range(2000)))

    with pytest.raises(BadRequest, match="at most"):
        await registry.find(query)


async def test_status_of_an_unknown_entry_is_not_set(registry: SqlRegistry) -> None:
    """Changing what is not there says so."""
    assert not await registry.set_status(EntryId("urn:uuid:none"), EntryStatus.DEPRECATED)
