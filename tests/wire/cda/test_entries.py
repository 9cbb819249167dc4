"""Coded statements: where the schema wants them, and what they say to people."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from gateway.domain import ImagingReport
from gateway.domain.report_losses import held_by_cda
from gateway.wire.cda import entries
from gateway.wire.cda.report import decode_report, encode_report
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, parse_xml
from tests.wire.fhir.report_nouns import full

ACT = "id code text statusCode effectiveTime priorityCode languageCode subject specimen performer"
TAIL = "author informant participant entryRelationship reference precondition"
# The sequences of R-MIM POCD_RM000040, from the classes of HL7 CDA Release 2.
SEQUENCES = {
    "act": f"{ACT} {TAIL}",
    "observation": (
        "id code derivationExpr text statusCode effectiveTime priorityCode repeatNumber"
        " languageCode value interpretationCode methodCode targetSiteCode subject specimen"
        f" performer {TAIL}"
    ),
    "procedure": (
        "id code text statusCode effectiveTime priorityCode languageCode methodCode"
        " approachSiteCode targetSiteCode subject specimen performer " + TAIL
    ),
    "substanceAdministration": (
        "id code text statusCode effectiveTime priorityCode repeatNumber routeCode"
        " approachSiteCode doseQuantity rateQuantity maxDoseQuantity administrationUnitCode"
        " subject specimen consumable performer " + TAIL
    ),
    "observationMedia": "id languageCode value subject specimen performer " + TAIL,
    "section": "id code title text confidentialityCode languageCode subject author informant entry"
    " component",
    "assignedAuthor": "id code addr telecom assignedPerson assignedAuthoringDevice"
    " representedOrganization",
    "assignedEntity": "id code addr telecom assignedPerson representedOrganization",
    "intendedRecipient": "id addr telecom informationRecipient receivedOrganization",
    "associatedEntity": "id code addr telecom associatedPerson scopingOrganization",
    "patientRole": "id addr telecom patient providerOrganization",
    "patient": "id name administrativeGenderCode birthTime",
    "participantRole": "id code addr telecom playingDevice playingEntity scopingEntity",
    "playingDevice": "code manufacturerModelName softwareName",
    "specimenRole": "id specimenPlayingEntity",
    "manufacturedMaterial": "code name lotNumberText",
    "representedOrganization": "id name telecom addr",
    "author": "functionCode time assignedAuthor",
    "legalAuthenticator": "time signatureCode assignedEntity",
    "authenticator": "time signatureCode assignedEntity",
    "externalDocument": "id code text setId versionNumber",
    "targetSiteCode": "originalText qualifier translation",
    "code": "originalText qualifier translation",
    "value": "originalText qualifier translation standardDeviation reference",
    "ClinicalDocument": (
        "typeId templateId id code title effectiveTime confidentialityCode languageCode setId"
        " versionNumber copyTime recordTarget author dataEnterer informant custodian"
        " informationRecipient legalAuthenticator authenticator participant inFulfillmentOf"
        " documentationOf relatedDocument authorization componentOf component"
    ),
}


def _name(element: Element) -> str:
    return str(element.tag).split("}")[1]


def test_every_element_stands_where_the_schema_wants_it() -> None:
    """In the document that has something of everything, the children of each class in sequence."""
    root = parse_xml(encode_report(full(), structured=True))

    seen = set()
    for element in root.iter():
        sequence = SEQUENCES.get(_name(element), "").split()
        names = [_name(child) for child in element]
        if sequence:
            seen.add(_name(element))
            assert set(names) <= set(sequence), names
            assert names == sorted(names, key=sequence.index), names
    assert seen == set(SEQUENCES)


def test_every_act_has_the_code_the_schema_demands() -> None:
    """And says what class and mood it is of."""
    root = parse_xml(encode_report(full(), structured=True))

    acts = [one for one in root.iter() if _name(one) in ("act", "observation")]
    assert len(acts) > 20
    for act in acts:
        assert act.get("classCode")
        assert act.get("moodCode")
        assert [_name(child) for child in act].count("code") == 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            lambda r: entries.order_statement(r.orders[0]),
            "ACC-1, ORD-1, 2026-02-20, Wyczuwalny guzek od trzech tygodni, "
            "Czy zmiana wymaga biopsji?",
        ),
        (
            lambda r: entries.observation_statement(r.observations[0]),
            "średnica zmiany: 24.0 mm, nieprawidłowa, sutek lewy, "
            "Zmiana owalna, o zarysach częściowo nieostrych.",
        ),
        (
            lambda r: entries.conclusion_statement(r.conclusions[0]),
            "Zmiana ogniskowa sutka lewego, BI-RADS 4",
        ),
    ],
)
def test_people_read_what_a_statement_says(statement: Any, words: str) -> None:
    """In the words of the report, on a line."""
    assert statement(full()).words == words


HOSTILE = "</text><script>&amp; \"'"


def _spoilt(value: Any, name: str = "") -> Any:
    """A noun with markup in all its words."""
    if is_dataclass(value) and not isinstance(value, type):
        if type(value).__name__ in ("ReferenceId", "PatientId", "Timestamp"):
            return value
        changes = {one.name: _spoilt(getattr(value, one.name), one.name) for one in fields(value)}
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_spoilt(one, name) for one in value)
    words = (
        "text",
        "title",
        "description",
        "note",
        "comment",
        "brand",
        "name",
        "family",
        "display",
    )
    return value + HOSTILE if type(value) is str and name in words and value else value


def test_markup_in_words_stays_words() -> None:
    """Whatever somebody dictates, the document keeps its form and gives the words back."""
    report: ImagingReport = _spoilt(full())

    read = decode_report(encode_report(report, structured=True))

    assert HOSTILE in read.observations[0].note
    assert read == held_by_cda(report)


def _damaged(count: int) -> Iterator[bytes]:
    dice = random.Random(5)
    source = encode_report(replace(full(), presented=b"%PDF-", key_images=()), structured=True)
    for _ in range(count):
        data = bytearray(source)
        for _ in range(dice.randint(1, 6)):
            place = dice.randrange(len(data))
            data[place : place + dice.randint(0, 30)] = dice.randbytes(dice.randint(0, 3))
        yield bytes(data)
        # Damage that stays well-formed: an element goes by another's name.
        names = (b"observation", b"act", b"value", b"code", b"section", b"id", b"effectiveTime")
        old, new = dice.choice(names), dice.choice(names)
        yield source.replace(b"<" + old, b"<" + new).replace(b"</" + old + b">", b"</" + new + b">")


def test_damage_is_read_or_refused() -> None:
    """Nothing but `DecodeError` comes of it."""
    outcomes = set()
    for data in _damaged(60):
        try:
            outcomes.add(type(decode_report(data)))
        except DecodeError:
            outcomes.add(DecodeError)
    assert outcomes == {ImagingReport, DecodeError}
