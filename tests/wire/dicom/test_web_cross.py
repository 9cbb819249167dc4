"""Addresses of images across communities, as XC-WADO prints them and as they occur."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import CommunityId, ExchangeError, Oid, Refusal, Uid
from gateway.wire.dicom.web import ImageScope
from gateway.wire.dicom.web_cross import CrossAddress, parse_xc_path, write_xc_path
from gateway.wire.problems import DecodeError

HOME, LOCATION, STUDY, SERIES = CommunityId("2.6.7.8"), Oid("2.9"), "1.2", "1.3"
ADDRESS = CrossAddress(
    community=HOME, location=LOCATION, scope=ImageScope(study=Uid(STUDY), series=Uid(SERIES))
)
PREFIX = f"/homeCommunityId/{HOME}/RetrieveLocationUID/{LOCATION}"
BY_URL = CrossAddress(
    community=HOME,
    location=LOCATION,
    scope=ADDRESS.scope,
    retrieve_url="https://images.example:8443/dicom-web/",
)


def test_location_mode_is_written_as_printed() -> None:
    """`study` in the singular, identifiers without `urn:oid:`."""
    assert write_xc_path(ADDRESS) == f"{PREFIX}/study/{STUDY}/series/{SERIES}"


def test_studies_can_be_written_in_the_plural() -> None:
    """As DICOMweb has it."""
    written = write_xc_path(ADDRESS, singular=False)

    assert written == f"{PREFIX}/studies/{STUDY}/series/{SERIES}"
    assert parse_xc_path(written) == ADDRESS


def test_url_mode_is_written_without_scheme_and_escaped() -> None:
    """The retrieve URL ends with a slash, so that the study can be appended."""
    path, _, query = write_xc_path(BY_URL).partition("?")

    assert query == "retrieveurl=images.example%3A8443%2Fdicom-web%2F"
    assert parse_xc_path(path, query) == BY_URL


@pytest.mark.parametrize("word", ["study", "studies"])
def test_both_spellings_are_read(word: str) -> None:
    """Trailing slashes too."""
    assert parse_xc_path(f"{PREFIX}/{word}/{STUDY}/series/{SERIES}/") == ADDRESS


def test_identifiers_may_carry_urn_oid() -> None:
    """The form of XCA, in both places."""
    path = f"/homeCommunityId/urn:oid:{HOME}/RetrieveLocationUID/urn%3Aoid%3A{LOCATION}"

    assert parse_xc_path(f"{path}/study/{STUDY}/series/{SERIES}") == ADDRESS


def test_the_words_may_be_in_any_case() -> None:
    """Drafts of the supplement differ."""
    path = f"/HomeCommunityID/{HOME}/retrievelocationuid/{LOCATION}/study/{STUDY}/series/{SERIES}"

    assert parse_xc_path(path) == ADDRESS


@pytest.mark.parametrize(
    "query",
    [
        "retrieveurl=images.example:8443/dicom-web/",
        "retrieveURL=https://images.example:8443/dicom-web/",
        "accept=x&retrieveurl=https%3A%2F%2Fimages.example%3A8443%2Fdicom-web%2F",
    ],
)
def test_a_retrieve_url_may_have_its_scheme(query: str) -> None:
    """With and without, escaped or not."""
    assert parse_xc_path(f"{PREFIX}/study/{STUDY}/series/{SERIES}", query) == BY_URL


def test_http_stays_visible_in_a_retrieve_url() -> None:
    """So that nobody takes it for https."""
    path = f"{PREFIX}/study/{STUDY}/series/{SERIES}"
    address = parse_xc_path(path, "retrieveurl=http://lab.example/x/")

    assert address.retrieve_url == "http://lab.example/x/"
    assert "retrieveurl=http%3A" in write_xc_path(address)


@pytest.mark.parametrize("path", ["", "/studies/1.2", f"/homeCommunityId/{HOME}/study/1.2", PREFIX])
def test_what_is_no_such_address_is_refused(path: str) -> None:
    """A word or the study is missing."""
    with pytest.raises(ExchangeError) as raised:
        parse_xc_path(path)

    assert raised.value.refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize("home", ["x", "urn:uuid:1", "1", "9.1"])
def test_an_identifier_that_is_none_is_an_error(home: str) -> None:
    """The place is named."""
    with pytest.raises(DecodeError, match="homeCommunityId"):
        parse_xc_path(f"/homeCommunityId/{home}/RetrieveLocationUID/{LOCATION}/study/1.2")


def test_two_retrieve_urls_are_an_error() -> None:
    """Nobody could tell which one was checked."""
    with pytest.raises(DecodeError, match="retrieveurl"):
        parse_xc_path(f"{PREFIX}/study/1.2", "retrieveurl=a&retrieveurl=b")


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_address_is_read_or_refused(rest: str, query: str) -> None:
    """Nothing but the two errors comes out."""
    with contextlib.suppress(DecodeError, ExchangeError):
        parse_xc_path(PREFIX + rest, query)
