"""The made-up patients of Country A, each with the part played in demonstrations.

No one here exists. The cast is the same for every seed number, so that a story can be told by
name; the crowd around it, and whoever gets a study from a folder of files, comes from the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from country_a.national.ports import ConsentRule
from country_a.oids import NationalOids
from gateway.domain import Address, Gender, HumanName, PatientId, PatientIdentity


class Role(StrEnum):
    """Which part a patient plays; the keys of `seed.json`."""

    MAIN = "main"
    GREEK = "greek"
    CYRILLIC = "cyrillic"
    MANY_STUDIES = "many-studies"
    NAMESAKE_ONE = "namesake-one"
    NAMESAKE_TWO = "namesake-two"
    DENIED = "denied"
    EMERGENCY_ONLY = "emergency-only"
    CORRECTED_REPORT = "corrected-report"
    PRELIMINARY_ONLY = "preliminary-only"
    GROWN_STUDY = "grown-study"
    NO_DOCUMENTS = "no-documents"


# An identifier of the right form that nobody holds.
NOBODY = "XA-9999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient and what was decided about the exchange. `role` is None in the crowd."""

    identity: PatientIdentity
    role: Role | None = None
    consent: ConsentRule = ConsentRule.ALLOW


@dataclass(frozen=True, slots=True)
class _Cast:
    role: Role
    names: tuple[tuple[str, ...], ...]  # family, given…; a second one is the Latin spelling
    born: date
    gender: Gender
    consent: ConsentRule = ConsentRule.ALLOW


_F, _M = Gender.FEMALE, Gender.MALE
_CAST: tuple[_Cast, ...] = (
    _Cast(Role.MAIN, (("Żółkiewska", "Łucja", "Ewa"),), date(1968, 3, 14), _F),
    _Cast(
        Role.GREEK,
        (("Παπαδοπούλου", "Ελένη"), ("Papadopoulou", "Eleni")),
        date(1975, 11, 2),
        _F,
    ),
    _Cast(
        Role.CYRILLIC,
        (("Йорданова", "Стефка"), ("Yordanova", "Stefka")),
        date(1959, 7, 23),
        _F,
    ),
    _Cast(Role.MANY_STUDIES, (("Šťastný", "Bohuslav"),), date(1947, 1, 30), _M),
    _Cast(Role.NAMESAKE_ONE, (("Lindström", "Åke"),), date(1980, 2, 29), _M),
    _Cast(Role.NAMESAKE_TWO, (("Lindström", "Åke"),), date(1980, 2, 29), _M),
    _Cast(Role.DENIED, (("Őrsi", "Gergő"),), date(1991, 9, 9), _M, ConsentRule.DENY),
    _Cast(
        Role.EMERGENCY_ONLY,
        (("Gonçalves", "Inês"),),
        date(1984, 12, 24),
        _F,
        ConsentRule.DENY_EXCEPT_EMERGENCY,
    ),
    _Cast(Role.CORRECTED_REPORT, (("Mühlböck", "Jörg"),), date(1953, 5, 17), _M),
    _Cast(Role.PRELIMINARY_ONLY, (("Ó Súilleabháin", "Méabh"),), date(1999, 4, 1), _F),
    _Cast(Role.GROWN_STUDY, (("Țăran", "Ștefania"),), date(1972, 8, 6), _F),
    _Cast(Role.NO_DOCUMENTS, (("Kņaziņš", "Jānis"),), date(1966, 10, 10), _M),
)
_FAMILIES = (
    "Bērziņš",
    "Dvořák",
    "Ivanauskaitė",
    "Çelik",
    "Núñez",
    "Sørensen",
    "Þórsdóttir",
    "Škvorecký",
    "Müller",
    "Lefèvre",
    "Popović",
    "Wałęsa",
    "Αντωνίου",
    "Димитров",
    "Grüneis",
    "Häkkinen",
    "O'Neill",
    "Vella",
    "Õunapuu",
    "Kovács",
)
_GIVEN = {
    _F: ["Zoë", "Agnieszka", "Ιωάννα", "Мария", "Réka", "Siân", "Lotte", "Ása", "Dóra", "Noëmi"],
    _M: ["Jiří", "Søren", "Νίκος", "Борис", "Ádám", "Seán", "Loïc", "Björn", "Łukasz", "Tõnu"],
}
_CITIES = ["Stare Miasto", "Nowy Brzeg", "Dolina", "Zielona Wyspa", "Przystań"]
_STREETS = ["Lipowa", "Ogrodowa", "Polna", "Szkolna", "Krótka"]


def cast(oids: NationalOids) -> tuple[Person, ...]:
    """The patients with a part to play, XA-1001 onwards, in the order of `Role`."""
    people = []
    for number, one in enumerate(_CAST, start=1):
        identity = _identity(
            oids,
            1000 + number,
            tuple(HumanName(family=family, given=tuple(given)) for family, *given in one.names),
            one.born,
            one.gender,
        )
        people.append(Person(identity=identity, role=one.role, consent=one.consent))
    return tuple(people)


def crowd(oids: NationalOids, count: int, *, seed_number: int, first: int) -> tuple[Person, ...]:
    """Patients without a part, identifiers from XA-`first` on; the same for the same seed."""
    rng = random.Random(f"{seed_number}/{first}")  # noqa: S311 (repeatable is the point)
    people = []
    for number in range(first, first + count):
        gender = rng.choice((_F, _M))
        name = HumanName(family=rng.choice(_FAMILIES), given=(rng.choice(_GIVEN[gender]),))
        born = date(1935, 1, 1) + timedelta(days=rng.randrange(75 * 365))
        people.append(Person(identity=_identity(oids, number, (name,), born, gender)))
    return tuple(people)


def _identity(
    oids: NationalOids,
    number: int,
    names: tuple[HumanName, ...],
    born: date,
    gender: Gender,
) -> PatientIdentity:
    insured = PatientId(f"{born:%y%m%d}{number:05}", oids.insurers)
    return PatientIdentity(
        id=PatientId(f"XA-{number}", oids.patients),
        community=oids.community,
        names=names,
        birth_date=born,
        gender=gender,
        address=Address(
            street=f"{_STREETS[number % 5]} {number % 90 + 1}",
            city=_CITIES[number // 3 % 5],
            postal_code=f"{number % 100:02}-{number % 1000:03}",
            country="XA",
        ),
        other_ids=(insured,),
    )
