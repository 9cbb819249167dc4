"""The cast is complete and fixed; the crowd follows the seed number."""

from __future__ import annotations

import unicodedata

from country_a.national.ports import ConsentRule
from country_a.oids import NationalOids
from country_a.seed.people import NOBODY, Role, cast, crowd
from gateway.domain import CommunityId

OIDS = NationalOids.under(CommunityId("2.999.1.1"))


def test_every_role_is_played_once() -> None:
    """Identifiers are unique, below 2.999, and none is the one nobody holds."""
    people = cast(OIDS)
    ids = [identifier for p in people for identifier in (p.identity.id, *p.identity.other_ids)]

    assert [person.role for person in people] == list(Role)
    assert people[0].identity.id.value == "XA-1001"
    assert len(set(ids)) == len(ids)
    assert all(identifier.authority.startswith("2.999.") for identifier in ids)
    assert NOBODY not in {identifier.value for identifier in ids}
    rules = {person.role: person.consent for person in people if person.consent != "allow"}
    assert rules == {
        Role.DENIED: ConsentRule.DENY,
        Role.EMERGENCY_ONLY: ConsentRule.DENY_EXCEPT_EMERGENCY,
    }


def test_names_are_written_in_three_alphabets_with_accents() -> None:
    """Latin with diacritics, Greek and Cyrillic occur in the cast."""
    letters = "".join(name.full for person in cast(OIDS) for name in person.identity.names)
    alphabets = {unicodedata.name(letter).split()[0] for letter in letters if letter.isalpha()}

    assert alphabets == {"LATIN", "GREEK", "CYRILLIC"}
    assert any("WITH" in unicodedata.name(letter) for letter in letters if letter.isalpha())


def test_the_crowd_follows_the_seed_number() -> None:
    """The same number gives the same people, another number others; identifiers run on."""
    one, same, other = (crowd(OIDS, 9, seed_number=n, first=1101) for n in (1, 1, 2))

    assert one == same
    assert one != other
    assert [p.identity.id.value for p in one] == [f"XA-{n}" for n in range(1101, 1110)]
