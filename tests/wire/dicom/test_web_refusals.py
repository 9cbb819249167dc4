"""Reasons to refuse in the statuses of DICOMweb, and its statuses in ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import ExchangeError, Refusal, refuse
from gateway.domain.refusals import KIND_OF
from gateway.wire.dicom.accept import NotAcceptable
from gateway.wire.dicom.web_refusals import read_refusal, status_of, write_refusal

R = Refusal


def test_every_refusal_has_a_status_that_is_read_back_in_kind() -> None:
    """The table is complete; faults of a gateway in between are worth another try."""
    for refusal in Refusal:
        status = status_of(refusal)
        read = read_refusal(status, "", "peer")

        assert 400 <= status < 600, refusal
        if status not in (500, 502):
            assert type(read) is KIND_OF[refusal], refusal
        else:
            assert read.refusal is R.BACK_END_DOWN, refusal


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        *((R.MALFORMED_REQUEST, 400), (R.UNSUPPORTED, 400), (R.UNSUPPORTED_SYNTAX, 406)),
        *((R.TOO_MANY_RESULTS, 413), (R.NO_ASSERTION, 401), (R.NO_CONSENT, 403)),
        *((R.NO_TREATMENT_RELATION, 403), (R.UNKNOWN_INSTANCE, 404), (R.BUSY, 503)),
        *((R.PEER_TIMEOUT, 504), (R.PEER_MISBEHAVED, 502), (R.INTERNAL, 500)),
    ],
)
def test_statuses_are_those_of_the_standard(refusal: Refusal, status: int) -> None:
    """PS3.18 10.4.3.2 and what HTTP has for gateways."""
    assert status_of(refusal) == status


def test_what_is_not_acceptable_is_406() -> None:
    """Whatever was offered instead."""
    assert status_of(NotAcceptable("offered are …").refusal) == 406


def test_a_refusal_is_a_small_object() -> None:
    """In plain ASCII, with the correlation id where there is one."""
    error = refuse(R.UNKNOWN_INSTANCE, "no such série")

    assert json.loads(write_refusal(error)) == {"status": 404, "text": "no such série"}
    assert json.loads(write_refusal(error, correlation_id="c1"))["correlation"] == "c1"
    assert write_refusal(error).isascii()


ANSWERED = [
    (400, "", R.MALFORMED_REQUEST),
    (400, "Unsupported transfer syntax in WADO-RS", R.UNSUPPORTED_SYNTAX),
    (400, '{"Message": "Bad Accept header"}', R.UNSUPPORTED_SYNTAX),
    (401, "", R.NO_ASSERTION),
    (403, "", R.INSUFFICIENT_RIGHTS),
    (403, "the patient did not Consent", R.NO_CONSENT),
    (403, "no treatment relation", R.NO_TREATMENT_RELATION),
    (404, "", R.UNKNOWN_INSTANCE),
    (406, "", R.UNSUPPORTED_SYNTAX),
    (409, "", R.DEFERRED),
    (410, "", R.UNKNOWN_INSTANCE),
    (413, "", R.TOO_MANY_RESULTS),
    (418, "", R.MALFORMED_REQUEST),
    (429, "", R.BUSY),
    (500, "", R.BACK_END_DOWN),
    (502, "", R.BACK_END_DOWN),
    (503, "", R.BUSY),
    (504, "", R.PEER_TIMEOUT),
    (302, "", R.PEER_MISBEHAVED),
    (0, "", R.PEER_MISBEHAVED),
    (-1, "", R.PEER_MISBEHAVED),
]


def test_statuses_of_peers_mean_something() -> None:
    """The status decides, and the text where it says more."""
    for row in ANSWERED:
        status, text, refusal = row
        error = read_refusal(status, text, "A")

        assert error.refusal is refusal, row
        assert error.code == str(status), row
        assert error.text.startswith(f"A answered {status}"), row


def test_a_page_of_html_is_told_in_a_line() -> None:
    """Without tags, styles and line ends, and not at length."""
    page = "<html><head><style>p {}\n</style></head>\r\n<body><h1>Not\0 here</h1>" + "x" * 9000

    text = read_refusal(404, page, "A").text

    assert text.startswith("A answered 404: Not here xxx")
    assert len(text) < 300


@settings(deadline=None)
@given(st.integers(), st.text())
def test_any_answer_is_a_refusal(status: int, text: str) -> None:
    """Nothing a peer says makes reading fail."""
    assert isinstance(read_refusal(status, text, "A"), ExchangeError)
