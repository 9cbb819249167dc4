"""Messages of other projects: what each must be read as, by its text and the clause.

One row a file, written from the file and from ITI TF-2 3.55.4, not from what our reader makes of
it. Files with placeholders are templates of test tools: they are read as they lie, and filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from gateway.domain import (
    Address,
    CommunityId,
    ExchangeError,
    Gender,
    HumanName,
    Oid,
    PatientId,
    PatientTraits,
    Refusal,
    Severity,
)
from gateway.wire.problems import DecodeError
from gateway.wire.soap import xcpd
from gateway.wire.soap.envelope import read_envelope
from gateway.wire.xml import Element, parse_xml
from tests.shared import shared

ASSIGNER = Oid("1.2.840.114350.1.13.99997.2.3412")
SOCIAL_SECURITY = Oid("2.16.840.1.113883.4.1")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: the traits, the message id and query id to repeat, the claims of the wrapper."""

    traits: PatientTraits
    message_id: tuple[str, str]
    query_id: tuple[str, str]
    sender: str | None = None
    receiver: str | None = None
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class Person:
    """A patient of an answer, as far as the file tells."""

    id: PatientId
    community: str
    names: tuple[HumanName, ...]
    match: int
    birth_date: date | None = None
    gender: Gender | None = None
    address: Address | None = None
    telecom: tuple[str, ...] = ()
    other_ids: tuple[PatientId, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """An answer that stands: the patients, and the codes of the warnings beside them."""

    people: tuple[Person, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An answer that refuses: why, by what code of the peer's, in what words, wanting what."""

    refusal: Refusal
    code: str
    words: str
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that cannot be used: a part of the place where that shows."""

    where: str


IPF_TRAITS = PatientTraits(
    ids=(PatientId("1234", ASSIGNER), PatientId("58910", SOCIAL_SECURITY)),
    name=HumanName(family="Jones", given=("Jimmy",)),
    birth_date=date(1963, 8, 5),
    gender=Gender.MALE,
    minimum_match=100,
)
IPF_MESSAGE = ("1.2.840.114350.1.13.0.1.7.1.1", "35423")
IPF_QUERY = ("1.2.840.114350.1.13.28.1.18.5.999", "18204")
IPF_HOME = "1.2.840.114350.1.13.99998.8734"
Row = Asked | Found | Refused | Unreadable

EXPECTED: dict[str, Row] = {
    # The communities of the template are "101", no OIDs: claims only, so the query still stands.
    # Two identifiers in two elements: insured person and access code, of one person (3.55.4.1.2.1).
    "iti-55/gematik-PRPA_IN201305UV02_298.xml": Asked(
        traits=PatientTraits(
            ids=(
                PatientId("X114428538", Oid("1.2.276.0.76.3.1.580.147")),
                PatientId("A2C4E6", Oid("1.2.276.0.76.4.298")),
            )
        ),
        message_id=("38deb4a3-bc7c-480f-b4e3-6396e19f9416", "452fde50-b69b-4424-b22b-6d651d0e04e3"),
        query_id=("1.263507841149", ""),
    ),
    # A template: the patient's id has no root and the home community is a placeholder, so there
    # is nothing to ask for documents with (3.55.4.2.2.2, 3.55.4.2.2.5).
    "iti-55/gematik-PRPA_IN201306UV02.xml": Unreadable(where="registrationEvent"),
    # AA, NF, and the code for no match given as an error: case 4, nobody.
    "iti-55/gematik-PRPA_IN201306UV02_4.xml": Found(warnings=("ERROR_PI_NO_MATCH",)),
    # AA, NF, but a reason that is no "no match": the country's own data are defective. Reading it
    # as "nobody" would hide that; AnswerNotAvailable is a refusal (3.55.4.2.2.7).
    "iti-55/gematik-PRPA_IN201306UV02_41.xml": Refused(
        refusal=Refusal.BACK_END_DOWN,
        code="ERROR_PI_GENERIC",
        words="patient identity information in Germany is defective",
    ),
    # The receiver has only a device id, which is not a home community.
    "iti-55/ipf-iti55-sample-request.xml": Asked(
        traits=IPF_TRAITS, message_id=IPF_MESSAGE, query_id=IPF_QUERY, sender="1.2.3.928.955"
    ),
    # responsePriorityCode D (3.55.6.2).
    "iti-55/ipf-iti55-sample-request-deferred.xml": Asked(
        traits=IPF_TRAITS,
        message_id=IPF_MESSAGE,
        query_id=IPF_QUERY,
        sender="1.2.3.928.955",
        deferred=True,
    ),
    # Two patients of one community; no queryAck status; match classCode COND instead of OBS.
    "iti-55/ipf-iti55-sample-response.xml": Found(
        people=(
            Person(
                id=PatientId("34827K410", Oid(IPF_HOME)),
                community=IPF_HOME,
                names=(HumanName(family="Jones", given=("James",)),),
                match=92,
                birth_date=date(1963, 8, 4),
                gender=Gender.MALE,
                address=Address(street="3443 North Arctic Avenue", city="Some City"),
                telecom=("tel:+1-481-555-7684;ext=2342", "tel:+1-765-555-4352"),
                other_ids=(
                    PatientId("38273D433", ASSIGNER),
                    PatientId("999-88-6345", SOCIAL_SECURITY),
                ),
            ),
            Person(
                id=PatientId("34827R534", Oid(IPF_HOME)),
                community=IPF_HOME,
                names=(HumanName(family="Jones", given=("Jim",)),),
                match=85,
                birth_date=date(1963, 7, 13),
                gender=Gender.MALE,
                address=Address(street="8734 Blue Ocean Street", city="Other City"),
                telecom=("tel:+1-795-555-4745",),
                other_ids=(PatientId("999-89-3300", SOCIAL_SECURITY),),
            ),
        )
    ),
    # The custodian's id is empty: the community is the sender's organisation. The birth date has a
    # month 97: unknown.
    "iti-55/toolkit2-FindPatientResponse.xml": Found(
        people=(
            Person(
                id=PatientId("801", Oid("1.2.3.4.5.1000")),
                community="2.16.840.1.113883.3.72.6.1",
                names=(HumanName(family="Moore", given=("Chip",)),),
                match=100,
                gender=Gender.MALE,
                address=Address(city="Montreal"),
            ),
        )
    ),
    # Placeholders where a date and a gender must be: a criterion may not be dropped.
    "iti-55/toolkit2-findpatient.xml": Unreadable(where="parameterList/hl7:livingSubject"),
    "constructed/iti55-response-match.xml": Found(
        people=(
            Person(
                id=PatientId("P-1", Oid("2.999.1.7")),
                community="2.999.1",
                names=(HumanName(family="Example", given=("Jean",)),),
                match=100,
                birth_date=date(1980, 1, 2),
                gender=Gender.FEMALE,
                address=Address(city="Ghent", country="BE"),
            ),
        )
    ),
    "constructed/iti55-response-nomatch.xml": Found(),
    # triggerFor PatientAddressRequested: case 3.
    "constructed/iti55-response-more-demographics.xml": Refused(
        refusal=Refusal.MORE_TRAITS_NEEDED,
        code="PatientAddressRequested",
        words="PatientAddressRequested",
        subject="address",
    ),
    # The detail is more telling than the reason InsufficientRights.
    "constructed/iti55-response-ehdsi-error.xml": Refused(
        refusal=Refusal.NO_CONSENT, code="WARNING_PI_NO_CONSENT", words="no consent"
    ),
}


def body_of(path: Path) -> Element:
    """The HL7 v3 message of a file, in an envelope or not."""
    data = path.read_bytes()
    root = parse_xml(data)
    if root.tag.endswith("}Envelope"):
        return read_envelope(data, understood=None).body
    return root


def test_every_sample_has_its_row() -> None:
    """A file added beside the project needs an expectation, and a row needs its file."""
    folder = shared("samples/soap")
    files = {
        str(path.relative_to(folder))
        for pattern in ("iti-55/*", "constructed/iti55*")
        for path in folder.glob(pattern)
    }

    assert files == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_samples_are_read_as_their_text_says(name: str) -> None:
    """Each message of another project means what its row says."""
    body = body_of(shared(f"samples/soap/{name}"))
    decode = xcpd.decode_request if "305" in body.tag else xcpd.decode_response
    expected = EXPECTED[name]

    if isinstance(expected, Unreadable):
        with pytest.raises(DecodeError) as unreadable:
            decode(body)
        assert expected.where in unreadable.value.where
    elif isinstance(expected, Refused):
        with pytest.raises(ExchangeError) as refused:
            decode(body)
        assert refused.value.refusal is expected.refusal
        assert refused.value.code == expected.code
        assert expected.words in refused.value.text
        assert refused.value.subject == expected.subject
    elif isinstance(expected, Asked):
        assert_asked(xcpd.decode_request(body), expected)
    else:
        assert_found(body, expected)


def assert_asked(request: xcpd.DiscoveryRequest, expected: Asked) -> None:
    """The request says what the row says, and is repeated whole."""
    assert request.traits == expected.traits
    assert (request.id_root, request.id_extension) == expected.message_id
    assert request.query_id == expected.query_id
    assert request.sender == (CommunityId(expected.sender) if expected.sender else None)
    assert request.receiver == (CommunityId(expected.receiver) if expected.receiver else None)
    assert request.deferred is expected.deferred
    assert parse_xml(request.parameters).tag == "{urn:hl7-org:v3}queryByParameter"


def assert_found(body: Element, expected: Found) -> None:
    """The answer has these patients and only these warnings."""
    outcome = xcpd.decode_response(body)

    people = tuple(
        Person(
            id=item.id,
            community=item.community,
            names=item.names,
            match=item.match_degree,
            birth_date=item.birth_date,
            gender=item.gender,
            address=item.address,
            telecom=item.telecom,
            other_ids=item.other_ids,
        )
        for item in outcome.items
    )
    assert people == expected.people
    assert tuple(issue.code for issue in outcome.issues) == expected.warnings
    assert all(issue.severity is Severity.WARNING for issue in outcome.issues)


FILLED = {
    "gender_id": "F",
    "dob_id": "19800102",
    "firstName_id": "Zoë",
    "secondName_id": "Åsa",
    "lastName_id": "Nõmme",
    "suffix_id": "",
    "pob_id": "Ghent",
    "homeAddress1_id": "Kerkstraat 1",
    "homeAddress2_id": "Box 2",
    "homeCity_id": "Gent",
    "homeZip_id": "9000",
    "homeCountry_id": "BE",
    "homePhone_id": "tel:+32-9-1",
    "workPhone_id": "tel:+32-9-2",
    "mothersFirstName_id": "Ann",
    "mothersLastName_id": "Peeters",
}


def test_the_all_parameter_template_is_read_when_filled() -> None:
    """Every parameter of ITI TF-2 table 3.55.4.1.2-1 that our traits have a place for is read."""
    text = shared("samples/soap/iti-55/toolkit2-findpatient.xml").read_text()
    for name, filling in FILLED.items():
        text = text.replace(f"${name}$", filling)

    request = xcpd.decode_request(parse_xml(text.encode()))

    assert request.traits == PatientTraits(
        ids=(PatientId("801", Oid("1.2.3.4.5.1000")), PatientId("001111111", SOCIAL_SECURITY)),
        name=HumanName(family="Nõmme", given=("Zoë", "Åsa")),
        birth_date=date(1980, 1, 2),
        gender=Gender.FEMALE,
        address=Address(
            street="Kerkstraat 1, Box 2", city="Gent", postal_code="9000", country="BE"
        ),
        telecom=("tel:+32-9-1", "tel:+32-9-2"),
        birth_place="Ghent",
        mothers_maiden_name="Peeters",
    )
    assert request.sender == "1.2.840.114350.1.13.99998"
    assert request.receiver == "2.16.840.1.113883.3.72.6.1"


def test_the_answer_template_is_read_when_filled() -> None:
    """With a root for the identifier and a home community the template is a patient."""
    text = shared("samples/soap/iti-55/gematik-PRPA_IN201306UV02.xml").read_text()
    text = text.replace("HOME_COMM_ID", "1.2.276.0.76.4.291")
    text = text.replace('extension="X110571344|ABC123"', 'root="1.2.276.0.76.4.8" extension="X1"')

    outcome = xcpd.decode_response(parse_xml(text.encode()))

    (item,) = outcome.items
    assert item.id == PatientId("X1", Oid("1.2.276.0.76.4.8"))
    assert item.community == "1.2.276.0.76.4.291"
    # One element with four given names stays one: nobody can tell where one ends.
    assert item.names == (
        HumanName(
            family="GõdofskýTEST-ONLY", given=("Maude Adelheid Lilo Johanna",), prefix="Gräfin"
        ),
    )
    assert (item.birth_date, item.gender) == (date(1967, 6, 30), Gender.UNDIFFERENTIATED)
    assert item.address == Address(
        street="Patientstr. 1", city="Patientstadt", postal_code="12345", country="D"
    )
    assert item.match_degree == 100
