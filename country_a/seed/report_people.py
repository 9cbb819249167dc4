"""Who takes part in the made-up report of everything, beside its radiologist: people and machines.

No one here exists; identifiers are those of the country's own authorities.
"""

from __future__ import annotations

from country_a.entries import RADIOLOGY
from country_a.oids import NationalOids
from country_a.seed.reports import hospital
from gateway.domain import (
    Address,
    Code,
    Concept,
    HumanName,
    LocalId,
    Organisation,
    Participant,
    ParticipantKind,
    ReportDevice,
)
from gateway.domain.codes import SCT


def physician(oids: NationalOids) -> Participant:
    """Who has asked, and gets the report."""
    return Participant(
        name=HumanName(family="Kowalczyk", given=("Maria",), prefix="lek."),
        id="5504321",
        authority=str(oids.professionals),
        organisation=Organisation(
            name="Poradnia Chorób Piersi", id="P-3", authority=str(oids.organisations)
        ),
        speciality=Concept(text="onkologia", codes=(Code("394593009", SCT, "Medical oncology"),)),
        address=Address(street="Lipowa 3", city="Dolina", postal_code="10-001", country="XA"),
        telecom=("tel:+48 22 555 01 03", "mailto:poradnia@dolina.example"),
    )


def second_reader(oids: NationalOids) -> Participant:
    """Who has checked the results."""
    return Participant(
        name=HumanName(family="Dąbrowska", given=("Irena",), prefix="dr n. med."),
        id="5507777",
        authority=str(oids.professionals),
        organisation=hospital(oids),
        speciality=Concept(text="radiologia", codes=(RADIOLOGY,)),
    )


def reader(oids: NationalOids) -> Participant:
    """The device that has measured, an author beside the radiologist."""
    return Participant(
        kind=ParticipantKind.DEVICE,
        name=HumanName(family="Wspomaganie odczytu mammografii 1.0"),
        id="CAD-1",
        authority=str(oids.organisations),
        organisation=hospital(oids),
    )


def mammograph(oids: NationalOids) -> ReportDevice:
    """The equipment the images were made with."""
    return ReportDevice(
        kind=Concept(
            text="mammograf", codes=(Code("314789007", SCT, "Diagnostic imaging equipment"),)
        ),
        name="MG-2",
        udi="(01)09876543210982(21)SN0042",
        ids=(LocalId(value="MG-2", authority=str(oids.organisations)),),
    )
