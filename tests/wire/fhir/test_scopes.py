"""Which scopes cover an interaction."""

from __future__ import annotations

import pytest

from gateway.wire.fhir.scopes import covers

SEARCH = frozenset({"ITI-67", "system/DocumentReference.s"})


@pytest.mark.parametrize(
    "granted",
    [
        "ITI-67",
        "ITI-66 ITI-67 ITI-68",
        "system/DocumentReference.s",
        "system/DocumentReference.rs",
        "system/DocumentReference.cruds",
        "system/DocumentReference.read",
        "system/DocumentReference.search",
        "system/DocumentReference.*",
        "system/*.rs",
        "system/*.*",
        "openid system/Patient.r system/DocumentReference.s",
    ],
)
def test_a_scope_of_either_vocabulary_covers_the_search(granted: str) -> None:
    """The name of the transaction, or the resource with the right to search it."""
    assert covers(granted, SEARCH)


@pytest.mark.parametrize(
    "granted",
    [
        "",
        "ITI-6",
        "ITI-677",
        "iti-67",
        "ITI-67,ITI-68",
        "*",
        "system/DocumentReference.r",
        "system/DocumentReference.write",
        "system/DocumentReference.sr",
        "system/DocumentReference.",
        "system/DocumentReference.rs?category=x",
        "system/Document.rs",
        "user/DocumentReference.rs",
        "patient/*.rs",
    ],
)
def test_another_scope_does_not_cover_it(granted: str) -> None:
    """Another transaction, resource, right or level, or one narrowed by a query."""
    assert not covers(granted, SEARCH)


def test_all_wanted_rights_must_be_granted() -> None:
    """Reading and searching are not granted by searching alone."""
    wanted = frozenset({"system/Patient.rs"})

    assert covers("system/Patient.read", wanted)
    assert not covers("system/Patient.search", wanted)


@pytest.mark.parametrize(
    "needed", [frozenset(), frozenset({"system/Patient."}), frozenset({"system/Patient.look"})]
)
def test_what_names_nothing_is_covered_by_nothing(needed: frozenset[str]) -> None:
    """A mistake of ours must not open a door."""
    assert not covers("ITI-67 system/*.*", needed)
