"""What the initiator makes of a visit and of a peer's word; the rest is tested through the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from country_b.initiator import wrong_patient
from gateway.domain import ManifestPatient, Oid, PatientId
from tests.fakes import make_identity


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        ((), False),
        (("P-1",), False),
        (("P-2",), True),
        (("P-2", "P-1"), False),
    ],
)
def test_patient_is_wrong_only_where_ids_can_be_compared(ids: tuple[str, ...], wrong: bool) -> None:
    """An id of the same authority that is not ours is somebody else; no id says nothing."""
    identity = make_identity()
    named = ManifestPatient(ids=tuple(PatientId(value, identity.id.authority) for value in ids))

    assert wrong_patient(identity, named) is wrong


def test_id_of_an_unknown_authority_says_nothing() -> None:
    """A hospital's own number cannot be compared with the national one."""
    named = ManifestPatient(ids=(PatientId("77", Oid("2.999.88")),))

    assert not wrong_patient(make_identity(), named)


def test_other_ids_of_the_patient_are_theirs() -> None:
    """An id that Country A listed as another one of the patient is the patient."""
    other = PatientId("77", Oid("2.999.88"))
    identity = replace(make_identity(), other_ids=(other,))

    assert not wrong_patient(identity, ManifestPatient(ids=(other,)))
