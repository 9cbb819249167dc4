"""Who fits what another country knows of a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pytest

from country_a.national.patient_index import SqlPatientIndex, fold
from country_a.national.schema import create_tables, open_engine
from gateway.domain import (
    Address,
    CommunityId,
    Gender,
    HumanName,
    Oid,
    PatientId,
    PatientIdentity,
    PatientTraits,
)

HOME = CommunityId("2.999.1")
NATIONAL, INSURER, FOREIGN = Oid("2.999.1.1"), Oid("2.999.1.4"), Oid("2.999.7.1")
BORN = date(1968, 3, 14)
LUCJA = PatientIdentity(
    id=PatientId("XA-1", NATIONAL),
    community=HOME,
    names=(HumanName(family="Żółkiewska", given=("Łucja", "Ewa")),),
    birth_date=BORN,
    gender=Gender.FEMALE,
    address=Address(street="Lipowa 1", city="Dolina", postal_code="00-001", country="XA"),
    telecom=("tel:+0",),
    other_ids=(PatientId("68031400001", INSURER),),
)
ELENI = PatientIdentity(
    id=PatientId("XA-2", NATIONAL),
    community=HOME,
    names=(
        HumanName(family="Παπαδοπούλου", given=("Ελένη",)),
        HumanName(family="Papadopoulou", given=("Eleni",)),
    ),
    birth_date=BORN,
    gender=Gender.FEMALE,
)
STEFAN = PatientIdentity(
    id=PatientId("XA-3", NATIONAL),
    community=HOME,
    names=(HumanName(family="Йорданов", given=("Стефан",)),),
    birth_date=BORN,
    gender=Gender.MALE,
)
TWINS = tuple(
    PatientIdentity(
        id=PatientId(f"XA-{number}", NATIONAL),
        community=HOME,
        names=(HumanName(family="Lindström", given=("Åke",)),),
        birth_date=date(1980, 2, 29),
        gender=gender,
    )
    for number, gender in ((4, Gender.MALE), (5, Gender.FEMALE))
)


@pytest.fixture
async def index() -> AsyncIterator[SqlPatientIndex]:
    engine = open_engine("sqlite+aiosqlite://")
    await create_tables(engine)
    index = SqlPatientIndex(engine)
    await index.add([LUCJA, ELENI, STEFAN, *TWINS])
    yield index
    await engine.dispose()


def by_name(family: str, *given: str, born: date | None = BORN) -> PatientTraits:
    return PatientTraits(name=HumanName(family=family, given=given), birth_date=born)


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (by_name("ZOLKIEWSKA", "lucja", "EWA"), (LUCJA, 95)),
        (by_name("Żółkiewska", "Łucja"), (LUCJA, 85)),
        (by_name("Żółkiewska"), (LUCJA, 75)),
        (by_name("ΠΑΠΑΔΟΠΟΥΛΟΥ", "ΕΛΕΝΗ"), (ELENI, 95)),
        (by_name("papadopoulou", "eleni"), (ELENI, 95)),
        (by_name("ЙОРДАНОВ", "стефан"), (STEFAN, 95)),
    ],
)
async def test_names_are_found_whatever_case_and_accents(
    index: SqlPatientIndex, traits: PatientTraits, expected: tuple[PatientIdentity, int]
) -> None:
    """Name and birth date find a person in Latin, Greek and Cyrillic, with the degree of match."""
    patient, degree = expected

    assert await index.search(traits) == (replace(patient, match_degree=degree),)


async def test_identifiers_of_one_person_find_that_person(index: SqlPatientIndex) -> None:
    """Several identifiers, one of them unknown here, lead to the patient who holds the others."""
    ids = (LUCJA.other_ids[0], LUCJA.id, PatientId("abc", FOREIGN))

    assert await index.search(PatientTraits(ids=ids)) == (LUCJA,)


@pytest.mark.parametrize(
    "traits",
    [
        PatientTraits(ids=(LUCJA.id, ELENI.id)),
        PatientTraits(ids=(LUCJA.id, PatientId("XA-77", NATIONAL))),
        PatientTraits(ids=(PatientId("XA-77", NATIONAL),)),
        PatientTraits(ids=(PatientId("XA-1", FOREIGN),)),
        PatientTraits(ids=(LUCJA.id,), birth_date=date(1968, 3, 15)),
        PatientTraits(ids=(LUCJA.id,), gender=Gender.MALE),
        by_name("Żółkiewska", "Łucja", born=date(1968, 3, 15)),
        by_name("Żółkiewska", "Łucja", born=None),
        by_name("Żółkiewska", "Anna"),
        PatientTraits(birth_date=BORN),
        PatientTraits(),
    ],
)
async def test_what_contradicts_or_does_not_suffice_finds_nobody(
    index: SqlPatientIndex, traits: PatientTraits
) -> None:
    """Identifiers of two people, wrong dates, other first names and bare dates give no match."""
    assert await index.search(traits) == ()


async def test_namesakes_are_both_found_and_gender_narrows(index: SqlPatientIndex) -> None:
    """Two people of one name and birth date are a choice; their gender decides."""
    traits = by_name("Lindström", "Åke", born=date(1980, 2, 29))

    assert [p.id for p in await index.search(traits)] == [twin.id for twin in TWINS]
    narrowed = await index.search(replace(traits, gender=Gender.FEMALE))
    assert [p.id for p in narrowed] == [TWINS[1].id]


async def test_minimum_match_of_the_asker_is_honoured(index: SqlPatientIndex) -> None:
    """A degree asked for excludes weaker matches, and admits weaker ones than our own rule."""
    some_names = replace(by_name("Żółkiewska", "Łucja"), minimum_match=90)
    other_name = replace(by_name("Żółkiewska", "Anna"), minimum_match=30)
    married = PatientTraits(ids=(LUCJA.id,), name=HumanName(family="Nowak"), minimum_match=81)

    assert await index.search(some_names) == ()
    assert [p.match_degree for p in await index.search(other_name)] == [40]
    assert await index.search(married) == ()
    assert [p.match_degree for p in await index.search(replace(married, minimum_match=80))] == [80]


async def test_a_patient_recorded_again_is_replaced(index: SqlPatientIndex) -> None:
    """The latest record stands, and names no longer held find nobody."""
    renamed = replace(LUCJA, names=(HumanName(family="Nowak", given=("Łucja",)),), other_ids=())

    await index.add([renamed])

    assert await index.get(LUCJA.id) == renamed
    assert await index.get(LUCJA.other_ids[0]) is None
    assert await index.search(by_name("Żółkiewska", "Łucja")) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("ß", "SS"), ("Ø", "o"), ("Σίσυφος", "ΣΙΣΥΦΟΣ"), ("O'Neill", "o neill"), ("É", "E\u0301")],
)
def test_spellings_that_fold_alike(one: str, other: str) -> None:
    """Letters that forms of other countries write differently compare equal."""
    assert fold(one) == fold(other)
