"""Invoke Image Display: parameters, sessions, and where a browser may be sent."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    ExchangeError,
    PeerMisbehaved,
    Refusal,
    TimeRange,
    Uid,
    ViewerLink,
)
from gateway.domain.codes import DCM
from gateway.wire.dicom.iid import (
    MAX_BODY,
    DisplayRequest,
    decode_opened,
    decode_session,
    encode_opened,
    encode_session,
    parse_query,
    viewer_address,
    without_secret,
    write_query,
)
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT

STUDY = Uid("1.2.840.3")
OWN = ("https://a.example:8443/RespondingGateway", "", "https://images.a.example/rs")
CX = quote(PATIENT.cx, safe="")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("requestType=STUDY&studyUID=1.2.840.3", DisplayRequest(studies=(STUDY,))),
        (
            "studyUID=1.2.840.3%2C1.2.9&requestType=STUDY&viewerType=IHE_BIR&keyImagesOnly=true",
            DisplayRequest(studies=(STUDY, Uid("1.2.9")), key_images_only=True),
        ),
        (
            "requestType=STUDY&accessionNumber=A-1,A%2F2&diagnosticQuality=false",
            DisplayRequest(accessions=("A-1", "A/2")),
        ),
        (f"requestType=PATIENT&patientID={CX}", DisplayRequest(patient=PATIENT)),
        (
            f"requestType=PATIENT&patientID={CX}&patientBirthDate=19800229&mostRecentResults=1"
            "&modalitiesInStudy=CT,MR&lowerDateTime=2026-01-01&upperDateTime=2026-03-31"
            "&patientName=Zak%5EAnna&additionalParameters=x&somebodysOwn=y",
            DisplayRequest(
                patient=PATIENT,
                birth_date=date(1980, 2, 29),
                performed=TimeRange(
                    start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC)
                ),
                modalities=("CT", "MR"),
                most_recent=1,
            ),
        ),
        (
            f"requestType=PATIENT&patientID={CX}&upperDateTime=2026-03-31T10:00:00%2B02:00",
            DisplayRequest(
                patient=PATIENT, performed=TimeRange(end=datetime(2026, 3, 31, 8, tzinfo=UTC))
            ),
        ),
    ],
)
def test_a_request_is_read(query: str, expected: DisplayRequest) -> None:
    """By UID, by accession number, by patient; the same as a JSON object."""
    assert parse_query(query) == expected
    assert parse_query("?" + query) == expected


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("", Refusal.MISSING_PARAMETER),
        ("studyUID=1.2.3", Refusal.MISSING_PARAMETER),
        ("requestType=STUDY", Refusal.MISSING_PARAMETER),
        ("requestType=STUDY&studyUID=", Refusal.MISSING_PARAMETER),
        ("requestType=PATIENT", Refusal.MISSING_PARAMETER),
        ("requestType=STUDYBASE64&studyUID=MS4y", Refusal.UNSUPPORTED),
        ("requestType=study&studyUID=1.2.3", Refusal.UNSUPPORTED),
        ("requestType=STUDY&studyUID=1.2.3&diagnosticQuality=true", Refusal.UNSUPPORTED),
        ("requestType=STUDY&studyUID=1.2.3&accessionNumber=A", None),
        ("requestType=STUDY&studyUID=1.2.x", None),
        ("requestType=STUDY&studyUID=1.2.3,,1.2.4", None),
        ("requestType=STUDY&studyUID=" + ",".join(f"1.{n}" for n in range(65)), None),
        ("requestType=STUDY&studyUID=1.2&studyUID=1.2", None),
        ("requestType=STUDY&studyUID=1.2.3&keyImagesOnly=yes", None),
        ("requestType=STUDY&studyUID=1.2.3&viewerType=%3Cscript%3E", None),
        ("requestType=STUDY&accessionNumber=A%5EB", None),
        (f"requestType=STUDY&studyUID=1.2.3&patientID={CX}", None),
        (f"requestType=PATIENT&patientID={CX}&studyUID=1.2.3", None),
        ("requestType=PATIENT&patientID=123", None),
        (f"requestType=PATIENT&patientID={CX}&mostRecentResults=0", None),
        (f"requestType=PATIENT&patientID={CX}&mostRecentResults=1e9", None),
        (f"requestType=PATIENT&patientID={CX}&modalitiesInStudy=ct", None),
        (f"requestType=PATIENT&patientID={CX}&lowerDateTime=yesterday", None),
        (f"requestType=PATIENT&patientID={CX}&lowerDateTime=2026-13-01", None),
    ],
)
def test_what_cannot_be_shown_is_refused(query: str, refusal: Refusal | None) -> None:
    """Missing and both, not offered, and values that are none: which place is named."""
    with pytest.raises((DecodeError, ExchangeError)) as caught:
        parse_query(query)

    found = caught.value.refusal if isinstance(caught.value, ExchangeError) else None
    assert found is refusal
    if isinstance(caught.value, DecodeError):
        assert caught.value.where.startswith("query")


@given(st.text(max_size=200))
def test_a_hostile_query_gives_a_clear_error(query: str) -> None:
    """Nothing else is raised."""
    with suppress(DecodeError, ExchangeError):
        found = parse_query(f"requestType=PATIENT&patientID={CX}&{query}")
        assert found.patient == PATIENT


@pytest.mark.parametrize("key_images_only", [True, False])
def test_a_session_is_asked_for_in_the_same_words(key_images_only: bool) -> None:
    """As a JSON object and as a query."""
    expected = DisplayRequest(studies=(STUDY,), key_images_only=key_images_only)

    assert decode_session(encode_session(STUDY, key_images_only=key_images_only)) == expected
    assert parse_query(write_query(STUDY, key_images_only=key_images_only)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b'{"requestType": "STUDY", "studyUID": ["1.2.3"]}',
        b'{"requestType": "STUDY", "studyUID": null}',
        b'{"requestType": "STUDY", "studyUID": "1.2.3", "keyImagesOnly": 2}',
        b'{"x": "' + b"y" * MAX_BODY + b'"}',
    ],
)
def test_a_body_that_is_none_is_told(body: bytes) -> None:
    """With its place."""
    with pytest.raises(DecodeError) as caught:
        decode_session(body)

    assert caught.value.where.startswith("body")


def test_json_values_of_their_own_type_are_taken() -> None:
    """True is true, and a number a number."""
    body = {"requestType": "PATIENT", "patientID": PATIENT.cx, "mostRecentResults": 2}

    assert decode_session(json.dumps(body).encode()).most_recent == 2
    study = {"requestType": "STUDY", "studyUID": STUDY, "keyImagesOnly": True}
    assert decode_session(json.dumps(study).encode()).key_images_only


def test_a_request_is_a_search() -> None:
    """Of the patient, with every limit it names."""
    asked = DisplayRequest(patient=PATIENT, modalities=("CT",), accessions=("A-1",), most_recent=3)

    query = asked.query(COUNTRY_A)

    assert (query.patient, query.limit) == (PATIENT, 3)
    assert query.modalities == (Code("CT", DCM),)
    assert [(each.value, each.authority) for each in query.accessions] == [("A-1", "")]


def test_an_opened_viewer_is_told_and_read() -> None:
    """Where it is and until when."""
    link = ViewerLink("https://a.example/view/x", datetime(2026, 11, 22, 12, 1, tzinfo=UTC))

    assert decode_opened(link.url, encode_opened(link)) == link
    assert decode_opened(link.url, b"") == ViewerLink(link.url)
    assert decode_opened(link.url, b"<html>") == ViewerLink(link.url)


@pytest.mark.parametrize(
    ("location", "body"),
    [
        ("", b"{}"),
        ("https://a", b'{"expires": 5}'),
        ("https://a", b'{"expires": "2026-01-01T00:00:00"}'),
    ],
)
def test_an_answer_that_opens_nothing_is_told(location: str, body: bytes) -> None:
    """No address, and times that are none."""
    with pytest.raises(DecodeError, match="answer"):
        decode_opened(location, body)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/view/x",
        "https://a.example:9443/view/x?y=z#part",
        "https://IMAGES.a.example/IHEInvokeImageDisplay?requestType=STUDY&studyUID=1.2",
        "https://listed.example/x",
        "http://plain.example:8080/x",
    ],
)
def test_a_browser_may_be_sent_to_the_peer(url: str) -> None:
    """To its own hosts on any port, and to those that are listed."""
    allowed = ("listed.example", "http://plain.example:8080")

    assert viewer_address(url, own=OWN, allowed=allowed) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/view/x",
        "//a.example/x",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://a.example/view/x",
        "https://evil.example/x",
        "https://a.example.evil.example/x",
        "https://a.example@evil.example/x",
        "https://evil.example\\@a.example/x",
        "https://a.example/x y",
        "https://a.example/\r\nX: y",
        "https://[a.example/x",
        "https://a.example:x/y",
        "https://listed.example:444/x",
        "http://listed.example/x",
        "https://a.example/" + "x" * 5000,
    ],
)
def test_a_browser_is_sent_nowhere_else(url: str) -> None:
    """Other hosts, other schemes, and what is read in two ways."""
    with pytest.raises(PeerMisbehaved) as caught:
        viewer_address(url, own=OWN, allowed=("listed.example",))

    assert caught.value.refusal is Refusal.PEER_MISBEHAVED


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.example:9443/view/secret", "https://a.example:9443/(redacted)"),
        ("https://user:secret@a.example/x", "(redacted)"),
        ("https://[half/secret", "https://[half/(redacted)"),
        ("/view/secret", "(redacted)"),
        ("", "(redacted)"),
    ],
)
def test_records_tell_of_a_link_without_its_secret(url: str, told: str) -> None:
    """Only where it leads to."""
    assert without_secret(url) == told
