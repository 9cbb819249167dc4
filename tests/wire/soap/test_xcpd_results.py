"""ITI-55 answers as Country B reads them: reverse, refusals, live peers, broken input."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import ExchangeError, Issue, Outcome, PatientIdentity, Refusal, Severity, refuse
from gateway.domain.refusals import KIND_OF
from gateway.wire.problems import DecodeError
from gateway.wire.soap import xcpd
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import HL7, Element, parse_xml
from tests.discovery import (
    FEW,
    FOUND,
    IDENTITIES,
    IDENTITY,
    MESSAGES,
    NO_CONSENT,
    NOBODY,
    SEVERAL,
    SUBJECT,
    A,
    answer,
    ask,
    asked,
    change,
    deferred,
    golden,
    mutate,
    refusal,
    remove,
)


@pytest.mark.parametrize("style", ErrorStyle)
def test_golden_answers_are_read_back(style: ErrorStyle) -> None:
    """The reviewed answers say exactly who was found."""
    assert xcpd.decode_response(golden(f"response-match-{style}")) == FOUND
    assert xcpd.decode_response(golden(f"response-several-{style}")) == SEVERAL
    assert xcpd.decode_response(golden(f"response-nobody-{style}")).items == ()


def test_issues_of_an_outcome_travel_beside_the_patients() -> None:
    """A warning beside a patient is told, and read as a warning."""
    issue = Issue(refusal=Refusal.BUSY, text="One index did not answer.", severity=Severity.WARNING)
    outcome: Outcome[PatientIdentity] = Outcome(items=(IDENTITY,), issues=(issue,))

    read = xcpd.decode_response(parse_xml(answer(outcome, ErrorStyle.IHE)))

    assert read.items == (IDENTITY,)
    assert [(i.text, i.severity) for i in read.issues] == [(issue.text, Severity.WARNING)]


def test_a_deferred_query_is_recognised_and_refused() -> None:
    """A query for a later answer gets the acknowledgement AE, NS250 (ITI TF-2 3.55.6.2)."""
    body = ask().replace(b'<responsePriorityCode code="I"/>', b'<responsePriorityCode code="D"/>')

    assert xcpd.decode_request(parse_xml(body)).deferred
    with pytest.raises(ExchangeError) as caught:
        xcpd.decode_response(parse_xml(deferred()))
    assert (caught.value.refusal, caught.value.code) == (Refusal.UNSUPPORTED, "NS250")


# --- refusals both ways ---------------------------------------------------------------------------

# IHE has no codes for policy or for our finer reasons; what is read instead, else as it was.
READ_AS = {
    ErrorStyle.IHE: {
        Refusal.UNKNOWN_QUERY: Refusal.UNSUPPORTED,
        Refusal.NOT_SINGLE_PATIENT: Refusal.MALFORMED_REQUEST,
        Refusal.IDENTIFIER_REQUIRED: Refusal.MISSING_PARAMETER,
        Refusal.MISSING_COMMUNITY: Refusal.UNKNOWN_COMMUNITY,
        Refusal.TOO_MANY_RESULTS: Refusal.MORE_TRAITS_NEEDED,
        Refusal.AMBIGUOUS_PATIENT: Refusal.MORE_TRAITS_NEEDED,
        Refusal.PEER_TIMEOUT: Refusal.PEER_UNREACHABLE,
    },
    ErrorStyle.EHDSI: {
        Refusal.TOO_MANY_RESULTS: Refusal.MORE_TRAITS_NEEDED,
        Refusal.NO_TREATMENT_RELATION: Refusal.NO_ASSERTION,
        Refusal.WEAK_AUTHENTICATION: Refusal.ATTRIBUTES_MISSING,
        Refusal.STORE_FULL: Refusal.BUSY,
    },
}
KEPT = {
    ErrorStyle.IHE: {
        Refusal.MALFORMED_REQUEST,
        Refusal.MISSING_PARAMETER,
        Refusal.WRONG_PARAMETER_COUNT,
        Refusal.UNSUPPORTED,
        Refusal.MORE_TRAITS_NEEDED,
        Refusal.UNKNOWN_COMMUNITY,
        Refusal.BUSY,
        Refusal.BACK_END_DOWN,
        Refusal.STORE_FULL,
        Refusal.PEER_UNREACHABLE,
    },
    ErrorStyle.EHDSI: {
        Refusal.IDENTIFIER_REQUIRED,
        Refusal.NO_ASSERTION,
        Refusal.ASSERTION_MALFORMED,
        Refusal.ASSERTION_INCOMPLETE,
        Refusal.SIGNATURE_INVALID,
        Refusal.ATTRIBUTES_MISSING,
        Refusal.ATTRIBUTES_INVALID,
        Refusal.INSUFFICIENT_RIGHTS,
        Refusal.TREATMENT_RELATION_MISMATCH,
        Refusal.NO_CONSENT,
        Refusal.AMBIGUOUS_PATIENT,
        Refusal.MORE_TRAITS_NEEDED,
        Refusal.BUSY,
        Refusal.BACK_END_DOWN,
    },
}


@pytest.mark.parametrize("style", ErrorStyle)
def test_every_refusal_is_refused_again_by_its_reader(style: ErrorStyle) -> None:
    """No refusal is ever read as an answer, and its reason survives where the style has a code."""
    expected = READ_AS[style] | {reason: reason for reason in KEPT[style]}
    for reason in (r for r in Refusal if r is not Refusal.UNKNOWN_PATIENT):
        message = refusal(refuse(reason, "A reason in words.", subject="x/y"), style, asked())

        read = _refused(message)

        assert read is not None, reason
        assert read.refusal is expected.get(reason, read.refusal), reason
        assert read.text.startswith(("A reason in words.", "The other side refused")), reason
        assert isinstance(read, KIND_OF[read.refusal]), reason
        assert read.code, reason


def _refused(message: bytes) -> ExchangeError | None:
    try:
        xcpd.decode_response(parse_xml(message))
    except ExchangeError as error:
        return error
    return None


@pytest.mark.parametrize("style", ErrorStyle)
def test_consent_is_recognised_in_either_style(style: ErrorStyle) -> None:
    """IHE has no code for consent, so the words are read."""
    with pytest.raises(ExchangeError) as caught:
        xcpd.decode_response(parse_xml(refusal(NO_CONSENT, style, asked())))

    assert caught.value.refusal is Refusal.NO_CONSENT


@pytest.mark.parametrize("style", ErrorStyle)
def test_an_unknown_patient_is_an_empty_answer(style: ErrorStyle) -> None:
    """Refused or empty, no match reads as no match; MyHealth@EU's code for it as a warning."""
    error = refuse(Refusal.UNKNOWN_PATIENT, "Nobody.")
    for message in (answer(NOBODY, style), refusal(error, style, asked())):
        outcome = xcpd.decode_response(parse_xml(message))

        assert outcome.items == ()
        assert not outcome.errors
        codes = [issue.code for issue in outcome.issues]
        assert "ERROR_PI_NO_MATCH" in codes if style is ErrorStyle.EHDSI else True


# --- how live peers answer ------------------------------------------------------------------------


def test_a_patient_counts_even_when_every_code_says_error() -> None:
    """OpenNCP marks queryAck AE in a successful answer."""
    message = answer(FOUND, ErrorStyle.IHE)
    message = message.replace(b'"deliveredResponse"', b'"AE"').replace(b'code="OK"', b'code="AE"')

    assert xcpd.decode_response(parse_xml(message)).items == (IDENTITY,)


@pytest.mark.parametrize(
    ("ack", "response", "refused"),
    [
        ("AA", "NF", None),
        ("AA", "OK", None),
        ("AE", "AE", Refusal.BACK_END_DOWN),
        ("AE", "QE", Refusal.MALFORMED_REQUEST),
        ("AR", "", Refusal.UNSUPPORTED),
    ],
)
def test_bare_codes_decide_when_nothing_else_is_said(
    ack: str, response: str, refused: Refusal | None
) -> None:
    """Without patient, reason or detail only the response codes are left."""
    message = answer(NOBODY, ErrorStyle.IHE)
    message = message.replace(b'typeCode code="AA"', b'typeCode code="%s"' % ack.encode())
    message = message.replace(b'code="NF"', b'code="%s"' % response.encode())
    body = parse_xml(message)

    if refused is None:
        assert xcpd.decode_response(body) == NOBODY
    else:
        with pytest.raises(ExchangeError) as caught:
            xcpd.decode_response(body)
        assert caught.value.refusal is refused


def test_an_unknown_code_is_kept() -> None:
    """A code nobody knows is the peer's misbehaviour and is shown as it was."""
    message = refusal(NO_CONSENT, ErrorStyle.EHDSI, asked())
    message = message.replace(b"WARNING_PI_NO_CONSENT", b"ERROR_OF_TOMORROW")
    message = message.replace(b"InsufficientRights", b"Whatever")

    with pytest.raises(ExchangeError) as caught:
        xcpd.decode_response(parse_xml(message))

    assert caught.value.refusal is Refusal.PEER_MISBEHAVED
    assert caught.value.code == "ERROR_OF_TOMORROW"


def test_a_patient_who_cannot_be_read_does_not_cost_the_other() -> None:
    """The readable patient is given, the other is an issue that says where."""
    message = answer(SEVERAL, ErrorStyle.IHE).replace(b'extension="A-0002"', b'extension=""')

    outcome = xcpd.decode_response(parse_xml(message))

    assert outcome.items == (IDENTITY,)
    assert [issue.refusal for issue in outcome.issues] == [Refusal.PEER_MISBEHAVED]
    assert "subject[2]" in outcome.issues[0].subject


def test_the_answering_community_is_the_sender_where_the_custodian_is_empty() -> None:
    """Some peers leave the custodian's id empty; the wrapper names the community as well."""
    community = f'<assignedEntity classCode="ASSIGNED"><id root="{A}"/>'.encode()
    message = answer(FOUND, ErrorStyle.IHE).replace(community, b"<assignedEntity><id/>")

    assert xcpd.decode_response(parse_xml(message)).items[0].community == A


# --- broken input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<x/>", b'<PRPA_IN201305UV02 xmlns="urn:other"/>', deferred()])
def test_another_message_is_refused_by_its_name(body: bytes) -> None:
    """The root decides what a message is."""
    for decode in (xcpd.decode_request, xcpd.decode_response):
        with pytest.raises((DecodeError, ExchangeError)):
            decode(parse_xml(body))
    with pytest.raises(DecodeError, match="PRPA_IN201306UV02"):
        xcpd.decode_response(parse_xml(ask()))


@pytest.mark.parametrize(
    ("edit", "where"),
    [
        (remove(f"{SUBJECT}/subject1"), "registrationEvent"),
        (remove(f"{SUBJECT}/subject1/patient"), "subject1"),
        (remove(f"{SUBJECT}/subject1/patient/id"), "patient"),
        (change(f"{SUBJECT}/subject1/patient/id", root="X"), "patient/hl7:id"),
    ],
)
def test_an_answer_whose_only_patient_cannot_be_read_is_refused(
    edit: Callable[[Element], None], where: str
) -> None:
    """A patient without a usable identifier is of no use: nothing can be asked about him."""
    root = parse_xml(answer(FOUND, ErrorStyle.IHE))
    edit(root)

    with pytest.raises(DecodeError) as caught:
        xcpd.decode_response(root)

    assert where in caught.value.where


def test_an_answer_that_says_nothing_is_refused() -> None:
    """Neither patient nor code: no match may not be guessed."""
    with pytest.raises(DecodeError):
        xcpd.decode_response(parse_xml(f'<PRPA_IN201306UV02 xmlns="{HL7}"/>'.encode()))


def test_an_accepting_acknowledgement_is_no_answer() -> None:
    """A peer that promises to answer later was not asked to."""
    message = deferred().replace(b'typeCode code="AE"', b'typeCode code="AA"')

    with pytest.raises(DecodeError):
        xcpd.decode_response(parse_xml(message))


def test_too_many_patients_are_refused() -> None:
    """Nobody chooses among thousands."""
    message = answer(FOUND, ErrorStyle.IHE)
    start, end = message.index(b"<subject "), message.index(b"</subject>") + len(b"</subject>")
    message = message[:start] + message[start:end] * 2_000 + message[end:]

    with pytest.raises(DecodeError):
        xcpd.decode_response(parse_xml(message))


@pytest.mark.parametrize("name", MESSAGES)
def test_no_mutation_raises_anything_else(name: str) -> None:
    """Whatever a peer sends, a codec reads it or says why not, in one of two ways."""
    message = MESSAGES[name]()
    for seed in range(50):
        assert read_either(parse_xml(mutate(message, seed))) in ("read", "refused")


@pytest.mark.parametrize("name", ["request-by-name", "response-several-ehdsi"])
def test_no_damaged_byte_raises_anything_else(name: str) -> None:
    """Bytes flipped, cut or doubled end in the same two ways."""
    message = MESSAGES[name]()
    for seed in range(80):
        dice = random.Random(seed)
        damaged = bytearray(message)
        at = dice.randrange(len(damaged))
        damaged[at : at + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 2))
        try:
            body = parse_xml(bytes(damaged))
        except DecodeError:
            continue
        assert read_either(body) in ("read", "refused")


def read_either(body: Element) -> str:
    """Read a body as a request and as an answer; every other exception is the test's failure."""
    end = "refused"
    for decode in (xcpd.decode_request, xcpd.decode_response):
        try:
            decode(body)
            end = "read"
        except (DecodeError, ExchangeError):
            xcpd.decode_reference(body)
    return end


@FEW
@given(st.lists(IDENTITIES, min_size=1, max_size=3), st.sampled_from(ErrorStyle))
def test_patients_come_back_as_they_went(items: list[PatientIdentity], style: ErrorStyle) -> None:
    """Any patients survive the answer, each one of them."""
    outcome: Outcome[PatientIdentity] = Outcome(items=tuple(items))

    assert xcpd.decode_response(parse_xml(answer(outcome, style))) == outcome
