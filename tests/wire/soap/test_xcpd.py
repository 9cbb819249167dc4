"""ITI-55 requests: golden files, reverse, tolerant reading, broken input, round trip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given

from gateway.domain import ExchangeError, Gender, HumanName, Oid, PatientId, PatientTraits, Refusal
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import xcpd
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import HL7, Element, parse_xml
from tests.discovery import (
    BY_ID,
    BY_NAME,
    CARD,
    FEW,
    FOUND,
    LIST,
    NOON,
    QUERY_ID,
    TRAITS,
    A,
    B,
    ask,
    asked,
    change,
    first,
    golden,
    remove,
)


@pytest.mark.parametrize(("name", "traits"), [("by-id", BY_ID), ("by-name", BY_NAME)])
def test_golden_requests_are_read_back(name: str, traits: PatientTraits) -> None:
    """The reviewed request says exactly what was asked, and by whom."""
    request = xcpd.decode_request(golden(f"request-{name}"))

    assert request.traits == traits
    assert (request.sender, request.receiver, request.sender_device) == (B, A, Oid("2.999.2.9"))
    assert (request.id_root, request.id_extension) == ("2.999.2.9", QUERY_ID[9:])
    assert request.query_id == (B, QUERY_ID[9:])
    assert not request.deferred


def test_the_repeated_query_keeps_prefixes_that_only_a_type_uses() -> None:
    """A prefix bound outside and used only in an xsi:type must still be bound in the answer."""
    body = ask(BY_NAME).replace(b'xsi:type="PN"', b'xsi:type="v3:PN"')
    body = body.replace(b"<PRPA_IN201305UV02 ", b'<PRPA_IN201305UV02 xmlns:v3="urn:hl7-org:v3" ')
    request = xcpd.decode_request(parse_xml(body))

    response = parse_xml(
        xcpd.encode_response(
            FOUND, request, message_id="m", created=NOON, responder=A, style=ErrorStyle.IHE
        )
    )

    value = first(
        response, "controlActProcess/queryByParameter/parameterList/livingSubjectName/value"
    )
    assert value.nsmap["v3"] == HL7


@pytest.mark.parametrize(
    "traits",
    [
        PatientTraits(),
        PatientTraits(name=HumanName(family="Solo")),
        PatientTraits(birth_date=date(1980, 1, 2)),
        replace(BY_ID, minimum_match=101),
        replace(BY_ID, birth_place="bad \x01 character"),
    ],
)
def test_what_no_receiver_need_answer_is_not_sent(traits: PatientTraits) -> None:
    """A query needs an id, or a name and a birth date (ITI TF-2 3.55.4.1.2.1), in legal XML."""
    with pytest.raises(EncodeError):
        ask(traits)


# --- tolerant reading of requests -----------------------------------------------------------------

PARAMETERS = b"<parameterList>"


def asked_with(extra: str, traits: PatientTraits = BY_ID) -> PatientTraits:
    """What is read when these elements are put at the head of the parameter list."""
    message = ask(traits).replace(PARAMETERS, PARAMETERS + extra.encode())
    return xcpd.decode_request(parse_xml(message)).traits


def value(name: str, attributes: str) -> str:
    """A parameter with one value."""
    return f"<{name}><value {attributes}/><semanticsText>x</semanticsText></{name}>"


def test_several_values_and_several_elements_are_the_same_list() -> None:
    """Both ways of sending several identifiers occur; one without a value is none."""
    both = (
        f'<livingSubjectId><value root="{CARD}" extension="1"/><value nullFlavor="NI"/>'
        f'<value root="urn:oid:{CARD}" extension=" 2 "/></livingSubjectId>'
    )

    assert asked_with(both).ids == (PatientId("1", CARD), PatientId("2", CARD), *BY_ID.ids)


@pytest.mark.parametrize(
    ("attributes", "day"),
    [
        ('value="19800102"', date(1980, 1, 2)),
        ('value="1980-01-02"', date(1980, 1, 2)),
        ('value="19800102233000+0100"', date(1980, 1, 2)),
        ('value="19800102000000.000-0500"', date(1980, 1, 2)),
        ('value="1980-01-02T00:00:00Z"', date(1980, 1, 2)),
        ('value="198001"', None),
        ('value="1980"', None),
        ('nullFlavor="UNK"', None),
    ],
)
def test_birth_dates_are_read_as_peers_write_them(attributes: str, day: date | None) -> None:
    """Hyphens, times and zones do not move the day; a part of a date is not made whole."""
    assert asked_with(value("livingSubjectBirthTime", attributes)).birth_date == day


def test_an_interval_of_one_day_is_that_day() -> None:
    """IVL_TS may give the day by its bounds."""
    interval = (
        '<livingSubjectBirthTime><value><low value="19800102"/><high value="19800102"/></value>'
        "</livingSubjectBirthTime>"
    )

    assert asked_with(interval).birth_date == date(1980, 1, 2)


@pytest.mark.parametrize(
    ("code", "gender"),
    [("m", Gender.MALE), ("F", Gender.FEMALE), (" un ", Gender.UNDIFFERENTIATED), ("UNK", None)],
)
def test_genders_are_read_in_either_case(code: str, gender: Gender | None) -> None:
    """Lower case occurs."""
    assert asked_with(value("livingSubjectAdministrativeGender", f'code="{code}"')).gender == gender


def test_names_are_read_in_any_order_with_several_givens() -> None:
    """Family first, a title, white space: the name is the same."""
    name = (
        "<livingSubjectName><value><family> van\n den Berg </family><given>Jan</given>"
        "<given>Piet</given><prefix>Dr.</prefix><delimiter/></value></livingSubjectName>"
    )

    assert asked_with(name).name == HumanName(
        family="van den Berg", given=("Jan", "Piet"), prefix="Dr."
    )


def test_unknown_parameters_are_ignored() -> None:
    """What nobody knows, and what the profile forbids, does not stop a query."""
    extra = value("principalCareProviderId", 'root="1.2.3" extension="4"')
    extra += value("favouriteColour", 'code="blue"') + '<x xmlns="urn:other">…</x>'

    assert asked_with(extra) == BY_ID


def test_claims_that_are_no_oids_are_left_out() -> None:
    """A wrapper that names no usable community does not stop a query: nobody trusts it anyway."""
    message = ask().replace(f'root="{B}"'.encode(), b'root="101"')

    request = xcpd.decode_request(parse_xml(message))

    assert request.sender is None
    assert request.traits == BY_ID


# --- broken input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        (remove("id"), "PRPA_IN201305UV02"),
        (remove("controlActProcess"), "PRPA_IN201305UV02"),
        (remove("controlActProcess/queryByParameter"), "controlActProcess"),
        (remove(LIST), "queryByParameter"),
        (change("interactionId", extension="PRPA_IN201309UV02"), "interactionId"),
        (change(f"{LIST}/livingSubjectId/value", root="not an oid"), "livingSubjectId"),
        (change(f"{LIST}/livingSubjectId/value", root=""), "livingSubjectId"),
        (change(f"{LIST}/livingSubjectId/value", extension=""), "livingSubjectId"),
        (change(f"{LIST}/livingSubjectId/value", extension="1^^^&2.3&ISO"), "livingSubjectId"),
        (change(f"{LIST}/livingSubjectId/value", extension="9" * 5000), "livingSubjectId"),
        (
            change(
                "controlActProcess/queryByParameter/matchCriterionList/minimumDegreeMatch/value",
                value="9" * 5000,
            ),
            "minimumDegreeMatch",
        ),
        (
            change(
                "controlActProcess/queryByParameter/matchCriterionList/minimumDegreeMatch/value",
                value="-1",
            ),
            "minimumDegreeMatch",
        ),
    ],
)
def test_a_broken_request_says_where(edit: Callable[[Element], None], where: str) -> None:
    """Each error names its place, what was found and what was expected."""
    root = parse_xml(ask())
    edit(root)

    with pytest.raises(DecodeError) as caught:
        xcpd.decode_request(root)

    assert where in caught.value.where
    assert caught.value.found
    assert caught.value.expected


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        (value("livingSubjectBirthTime", 'value="19849711"'), "livingSubjectBirthTime"),
        (value("livingSubjectBirthTime", 'value="yesterday"'), "livingSubjectBirthTime"),
        (value("livingSubjectBirthTime", 'value="00000000"'), "livingSubjectBirthTime"),
        (value("livingSubjectAdministrativeGender", 'code="X9"'), "AdministrativeGender"),
        (value("livingSubjectId", 'root="2.999" extension="1"') * 10_000, "parameterList"),
        ("<livingSubjectName><value><given>x</given></value></livingSubjectName>" * 500, "Name"),
        (
            "<livingSubjectName><value>"
            + "<given>x</given>" * 10_000
            + "</value></livingSubjectName>",
            "livingSubjectName",
        ),
        (
            "<livingSubjectName><value><family>"
            + "x" * 9999
            + "</family></value></livingSubjectName>",
            "livingSubjectName",
        ),
    ],
)
def test_absurd_values_are_refused(extra: str, where: str) -> None:
    """A criterion that cannot be read is not dropped: other patients would be found."""
    with pytest.raises(DecodeError) as caught:
        asked_with(extra)

    assert where in caught.value.where or "parameterList" in caught.value.where


def test_a_query_that_cannot_be_read_can_still_be_referred_to() -> None:
    """A refusal repeats the ids and claims of the wrapper, but nothing of a broken query."""
    root = parse_xml(ask())
    change(f"{LIST}/livingSubjectId/value", root="not an oid")(root)

    reference = xcpd.decode_reference(root)

    assert reference == replace(asked(), traits=PatientTraits(), parameters=b"")
    assert xcpd.decode_reference(parse_xml(ask())) == asked()
    assert xcpd.decode_reference(parse_xml(b"<x/>")).id_root == ""


def test_errors_do_not_quote_identifiers() -> None:
    """An error is logged; a patient's identifier must not be."""
    root = parse_xml(ask())
    change(f"{LIST}/livingSubjectId/value", extension="SECRET-1^2")(root)

    with pytest.raises(DecodeError) as caught:
        xcpd.decode_request(root)

    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("inside", ["", "<x/>", value("livingSubjectId", 'nullFlavor="NI"')])
def test_a_query_for_nothing_is_a_missing_parameter(inside: str) -> None:
    """An empty parameter list would find everybody."""
    message = ask().replace(b"<livingSubjectId>", b"<!--").replace(b"</livingSubjectId>", b"-->")
    start, end = ask().index(PARAMETERS), ask().index(b"</parameterList>")
    message = ask()[: start + len(PARAMETERS)] + inside.encode() + ask()[end:]

    with pytest.raises(ExchangeError) as caught:
        xcpd.decode_request(parse_xml(message))

    assert caught.value.refusal is Refusal.MISSING_PARAMETER


def test_deep_nesting_ends_in_a_decode_error() -> None:
    """Depth is bounded by the parser, and nothing here recurses."""
    deep = "<x>" * 200 + "</x>" * 200
    assert asked_with(f"<livingSubjectName><value>{deep}</value></livingSubjectName>") == BY_ID


@FEW
@given(TRAITS)
def test_traits_come_back_as_they_went(traits: PatientTraits) -> None:
    """Any traits survive the request."""
    assert asked(traits).traits == traits
