"""Country A's own decisions that no peer can bring about, or none can see from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from country_a.national.ports import ConsentRule, NationalSystems, RegistryAnswer
from country_a.responder import Responder
from gateway.domain import (
    AssociationKind,
    BadRequest,
    DocumentLookup,
    EntryId,
    HumanName,
    InternalFault,
    Oid,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
)
from tests.builders import COUNTRY_A, PATIENT, make_association, make_context, make_entry
from tests.desks import desk_of

OTHER = PatientId("A-0002", PATIENT.authority)
SOURCE = Oid("2.999.1.3")


@dataclass
class National:
    """Five systems that answer as told; whoever asks for consent has it."""

    patients: Any = field(default_factory=AsyncMock)
    registry: Any = field(default_factory=AsyncMock)
    repository: Any = field(default_factory=AsyncMock)
    pacs: Any = field(default_factory=AsyncMock)
    consent: Any = field(default_factory=AsyncMock)

    def __post_init__(self) -> None:
        self.consent.rule.return_value = ConsentRule.ALLOW

    @property
    def responder(self) -> Responder:
        systems = NationalSystems(
            patients=self.patients,
            registry=self.registry,
            repository=self.repository,
            pacs=self.pacs,
            consent=self.consent,
        )
        return Responder(
            systems,
            community=COUNTRY_A,
            repository=SOURCE,
            imaging_source=SOURCE,
            desk=desk_of(self.pacs, Path("nowhere")),
        )


def person(patient: PatientId) -> PatientIdentity:
    return PatientIdentity(
        id=patient, community=COUNTRY_A, names=(HumanName(family="Ozola"),), birth_date=None
    )


async def test_one_of_several_who_denied_is_left_out_without_a_word() -> None:
    """Naming the denial would single them out among their namesakes."""
    national = National()
    national.patients.search.return_value = (person(PATIENT), person(OTHER))
    national.consent.rule.side_effect = lambda patient: (
        ConsentRule.DENY if patient == OTHER else ConsentRule.ALLOW
    )

    outcome = await national.responder.identify_patient(
        PatientTraits(name=HumanName(family="Ozola")), make_context(patient=None)
    )

    assert [identity.id for identity in outcome.items] == [PATIENT]
    assert outcome.issues == ()


async def test_entries_of_several_patients_are_not_looked_up_together() -> None:
    """A treatment relation is about one."""
    national = National()
    entries = (make_entry(), make_entry(patient=OTHER))
    national.registry.look_up.return_value = RegistryAnswer(entries=entries)
    lookup = DocumentLookup(community=COUNTRY_A, entry_ids=(entries[0].id,))

    with pytest.raises(BadRequest) as caught:
        await national.responder.look_up_documents(lookup, make_context())

    assert caught.value.refusal is Refusal.NOT_SINGLE_PATIENT


async def test_an_association_to_an_entry_that_is_not_here_is_not_told() -> None:
    """Its other end could not be looked at."""
    national = National()
    old, new = make_entry(), make_entry(id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000002"))
    inside = make_association(kind=AssociationKind.REPLACES, source=new.id, target=old.id)
    outside = make_association(source=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-0000000000ff"))
    national.registry.look_up.side_effect = [
        RegistryAnswer(entries=(old,), associations=(inside, outside)),
        RegistryAnswer(entries=(old, new)),
    ]
    lookup = DocumentLookup(community=COUNTRY_A, entry_ids=(old.id,), associations=True)

    outcome = await national.responder.look_up_documents(lookup, make_context())

    assert outcome.items == (old, inside)


async def test_a_repository_that_fails_for_one_document_is_an_issue_of_that_one() -> None:
    """The others come."""
    national = National()
    ref = make_entry().ref
    national.registry.documents.return_value = {ref.document: make_entry()}
    national.repository.get.side_effect = [InternalFault(Refusal.INTERNAL, "x"), AsyncMock()]

    outcome = await national.responder.retrieve_documents((ref, ref), make_context())

    assert [issue.refusal for issue in outcome.issues] == [Refusal.INTERNAL]
    assert len(outcome.items) == 1
