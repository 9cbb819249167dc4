"""ITI-55 answers as Country A writes them: golden files, content, the schemas of strict peers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
from lxml import etree

from gateway.domain import ExchangeError, HumanName, Outcome, PatientIdentity, Refusal, refuse
from gateway.wire.problems import EncodeError
from gateway.wire.soap import xcpd
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import Element, canonical, parse_xml
from tests.discovery import (
    BUSY,
    BY_NAME,
    FOUND,
    GOLDEN,
    IDENTITY,
    MESSAGES,
    OTHER,
    answer,
    ask,
    asked,
    first,
    refusal,
)
from tests.golden import check_golden, readable
from tests.shared import shared


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_written_as_agreed(name: str) -> None:
    """Each of our messages is, byte for byte, the one that was reviewed."""
    check_golden(GOLDEN / f"{name}.xml", readable(MESSAGES[name]()))


@pytest.mark.parametrize("style", ErrorStyle)
def test_the_answer_repeats_the_query(style: ErrorStyle) -> None:
    """queryByParameter comes back as it was, and the ids of message and query with it."""
    query = "controlActProcess/queryByParameter"
    for message in (answer(FOUND, style, BY_NAME), refusal(BUSY, style, asked(BY_NAME))):
        response, request = parse_xml(message), parse_xml(ask(BY_NAME))

        assert canonical(first(response, query)) == canonical(first(request, query))
        target = first(response, "acknowledgement/targetMessage/id")
        assert target.attrib == first(request, "id").attrib
        query_id = first(response, "controlActProcess/queryAck/queryId")
        assert query_id.attrib == first(request, f"{query}/queryId").attrib


def test_a_degree_of_match_above_100_is_not_sent() -> None:
    """A degree of match is a percentage."""
    with pytest.raises(EncodeError):
        answer(Outcome(items=(replace(IDENTITY, match_degree=101),)), ErrorStyle.IHE)


def test_the_traits_wanted_are_those_not_given_when_none_is_named() -> None:
    """Asking for more asks for what is missing, never for what was sent."""
    error = refuse(Refusal.AMBIGUOUS_PATIENT, "Several people fit.")
    given = replace(BY_NAME, telecom=(), birth_place="")

    with pytest.raises(ExchangeError) as caught:
        xcpd.decode_response(parse_xml(refusal(error, ErrorStyle.IHE, asked(given))))

    assert caught.value.subject == "telecom,birth_place"


# --- schema and Schematron of strict peers --------------------------------------------------------

START, END = b"<parameterList>", b"</parameterList>"


@cache
def schema(name: str) -> etree.XMLSchema:
    """The schema of a message in the Normative Edition 2008."""
    path = shared(f"schemas/hl7v3/HL7V3/NE2008/multicacheschemas/{name}.xsd")
    return etree.XMLSchema(etree.parse(path))


@cache
def schematron() -> Callable[[str, Element], list[str]]:
    """The rules of IPF for ITI-55, as a function that lists those broken."""
    spec = importlib.util.spec_from_file_location(
        "schematron_check", shared("schemas/schematron_check.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check: Callable[[str, Element], list[str]] = module.check
    return check


def assert_conforms(message: bytes) -> None:
    """The message satisfies its schema and breaks no Schematron rule."""
    root = parse_xml(message)
    name = etree.QName(root).localname
    schema(name).assertValid(root)
    if name != "MCCI_IN000002UV01":
        assert schematron()(name, root) == []


@pytest.mark.parametrize("name", MESSAGES)
def test_our_messages_satisfy_strict_peers(name: str) -> None:
    """Every kind of message in both styles is valid by schema and by IPF's rules."""
    assert_conforms(MESSAGES[name]())


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_satisfies_the_schema(style: ErrorStyle) -> None:
    """With a request to repeat, with only a reference to it, with neither; in every code."""
    broken = parse_xml(ask().replace(START, b"<other>").replace(END, b"</other>"))
    requests = {"whole": asked(BY_NAME), "broken": xcpd.decode_reference(broken), "none": None}
    valid = schema("PRPA_IN201306UV02")

    wrong = {}
    for reason, request in product(Refusal, requests):
        error = refuse(reason, "<&> Ελλάδα \x01", subject="a&b")
        message = refusal(error, style, requests[request])
        if not valid.validate(parse_xml(message)):
            wrong[reason, request] = str(valid.error_log)
    assert wrong == {}


NAMED = [
    "Müller-Lüdenscheidt",
    "Ñandú Ÿ",
    "Παπαδοπούλου",
    "Шевченко",
    "Ó Súilleabháin",
    "<script>&amp;\"'",
    "𝒵 🂡",
]


@pytest.mark.parametrize("style", ErrorStyle)
@pytest.mark.parametrize("family", NAMED)
def test_names_of_all_scripts_satisfy_strict_peers(family: str, style: ErrorStyle) -> None:
    """Diacritics, Greek, Cyrillic and markup characters are written and read alike."""
    name = HumanName(family=family, given=(family, "Ann"))
    traits, person = replace(BY_NAME, name=name), replace(IDENTITY, names=(name,))
    outcome: Outcome[PatientIdentity] = Outcome(items=(person, OTHER))

    assert_conforms(ask(traits))
    assert_conforms(answer(outcome, style, traits))
    assert asked(traits).traits == traits
    assert xcpd.decode_response(parse_xml(answer(outcome, style, traits))) == outcome
