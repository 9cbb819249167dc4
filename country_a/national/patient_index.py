"""The patient index in SQL: who fits what another country knows of a person.

Candidates come from the database by identifier, or by folded family name and birth date; how
well each fits is decided here, by the table of degrees below. What makes a match is a national
rule: ITI-55 leaves it to the answering country.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from country_a.national.entry_rows import patient_key
from country_a.national.schema import MAX_VARIABLES, patient_ids, patient_names, patients
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

# The least degree this country answers with when the asker names none.
DEFAULT_MINIMUM_MATCH = 75
BY_IDENTIFIER = 100
BY_IDENTIFIER_OTHER_NAME = 80
BY_ALL_NAMES = 95
BY_SOME_NAMES = 85
BY_FAMILY_NAME = 75
OTHER_FIRST_NAME = 40

# Letters that are no base letter with an accent, yet are left out or replaced on foreign forms.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"}
)


def fold(name: str) -> str:
    """A name as it is compared: no case, no accents, one space where anything else stood."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_LETTERS)
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def _name_degree(asked: HumanName, held: HumanName) -> int:
    if fold(asked.family) != fold(held.family):
        return 0
    wanted = fold(" ".join(asked.given)).split()
    known = fold(" ".join(held.given)).split()
    if not wanted or not known:
        return BY_FAMILY_NAME
    if wanted == known:
        return BY_ALL_NAMES
    shorter, longer = sorted((wanted, known), key=len)
    if longer[: len(shorter)] == shorter or set(shorter) <= set(longer):
        return BY_SOME_NAMES
    return OTHER_FIRST_NAME


def _contradicts(traits: PatientTraits, patient: PatientIdentity) -> bool:
    pairs = ((traits.birth_date, patient.birth_date), (traits.gender, patient.gender))
    known = ((a, b) for a, b in pairs if a is not None and b is not None)
    return any(a != b and Gender.UNDIFFERENTIATED not in (a, b) for a, b in known)


def match_degree(traits: PatientTraits, patient: PatientIdentity) -> int:
    """How well a patient fits, 0 to 100; 0 when something known contradicts."""
    if _contradicts(traits, patient):
        return 0
    names = [_name_degree(traits.name, name) for name in patient.names] if traits.name else []
    if traits.ids:
        held = {patient.id, *patient.other_ids}
        authorities = {identifier.authority for identifier in held}
        if not any(identifier in held for identifier in traits.ids):
            return 0
        # Another value from an authority that already gave this person one: another person.
        if any(i not in held and i.authority in authorities for i in traits.ids):
            return 0
        return BY_IDENTIFIER_OTHER_NAME if names and max(names) == 0 else BY_IDENTIFIER
    if traits.birth_date is None:
        return 0
    return max(names, default=0)


class SqlPatientIndex:
    """Fulfils `PatientIndex`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def search(self, traits: PatientTraits) -> tuple[PatientIdentity, ...]:
        """Patients who fit, best match first, each with its degree."""
        async with self._engine.connect() as connection:
            if traits.ids:
                candidates = await _holders(connection, traits.ids)
                if len(candidates) > 1:
                    # Identifiers of one person that lead to several people: nobody is meant.
                    return ()
            else:
                candidates = await _namesakes(connection, traits.name, traits.birth_date)
        least = traits.minimum_match
        least = DEFAULT_MINIMUM_MATCH if least is None else max(least, 1)
        degrees = ((match_degree(traits, patient), patient) for patient in candidates)
        found = [replace(p, match_degree=degree) for degree, p in degrees if degree >= least]
        return tuple(sorted(found, key=lambda p: (-p.match_degree, p.id)))

    async def get(self, patient: PatientId) -> PatientIdentity | None:
        """The patient who holds this identifier, primary or other."""
        async with self._engine.connect() as connection:
            found = await _holders(connection, (patient,))
        return found[0] if found else None

    async def add(self, people: Sequence[PatientIdentity]) -> None:
        """Record patients; one already known by its primary identifier is replaced."""
        async with self._engine.begin() as connection:
            for person in people:
                await _replace(connection, person)

    async def ping(self) -> None:
        """Raise when the database cannot be reached."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


async def _holders(connection: AsyncConnection, ids: Sequence[PatientId]) -> list[PatientIdentity]:
    keys = sorted({patient_key(identifier) for identifier in ids})[:MAX_VARIABLES]
    rows = select(patient_ids.c.patient).where(patient_ids.c.key.in_(keys))
    statement = select(patients.c.body).where(patients.c.row.in_(rows)).order_by(patients.c.row)
    return [_read(body) for body in (await connection.execute(statement)).scalars()]


async def _namesakes(
    connection: AsyncConnection, name: HumanName | None, birth_date: date | None
) -> list[PatientIdentity]:
    if name is None or birth_date is None:
        return []
    rows = select(patient_names.c.patient).where(
        patient_names.c.family == fold(name.family), patient_names.c.birth_date == birth_date
    )
    statement = select(patients.c.body).where(patients.c.row.in_(rows)).order_by(patients.c.row)
    return [_read(body) for body in (await connection.execute(statement)).scalars()]


async def _replace(connection: AsyncConnection, person: PatientIdentity) -> None:
    key = patient_key(person.id)
    await connection.execute(delete(patients).where(patients.c.key == key))
    result = await connection.execute(
        insert(patients).values(
            key=key,
            birth_date=person.birth_date,
            gender=person.gender.value if person.gender else None,
            body=_write(person),
        )
    )
    row = (result.inserted_primary_key or (0,))[0]
    keys = {patient_key(identifier) for identifier in (person.id, *person.other_ids)}
    await connection.execute(
        insert(patient_ids), [{"key": key, "patient": row} for key in sorted(keys)]
    )
    families = _families(person.names)
    if person.birth_date is not None and families:
        await connection.execute(
            insert(patient_names),
            [{"family": f, "birth_date": person.birth_date, "patient": row} for f in families],
        )


def _families(names: Iterable[HumanName]) -> list[str]:
    return sorted({fold(name.family) for name in names})


def _write(person: PatientIdentity) -> bytes:
    address = person.address
    return orjson.dumps(
        {
            "ids": [[i.value, i.authority] for i in (person.id, *person.other_ids)],
            "community": person.community,
            "names": [[n.family, n.given, n.prefix, n.suffix] for n in person.names],
            "birth_date": person.birth_date,
            "gender": person.gender.value if person.gender else None,
            "address": [address.street, address.city, address.postal_code, address.country]
            if address
            else None,
            "telecom": person.telecom,
        }
    )


def _read(body: bytes) -> PatientIdentity:
    json: dict[str, Any] = orjson.loads(body)
    ids = [PatientId(value, Oid(authority)) for value, authority in json["ids"]]
    address = json["address"]
    return PatientIdentity(
        id=ids[0],
        community=CommunityId(json["community"]),
        names=tuple(
            HumanName(family=n[0], given=tuple(n[1]), prefix=n[2], suffix=n[3])
            for n in json["names"]
        ),
        birth_date=json["birth_date"] and date.fromisoformat(json["birth_date"]),
        gender=json["gender"] and Gender(json["gender"]),
        address=address
        and Address(street=address[0], city=address[1], postal_code=address[2], country=address[3]),
        telecom=tuple(json["telecom"]),
        other_ids=tuple(ids[1:]),
    )
