"""Accept headers as clients send them, and the form each of them gets."""

from __future__ import annotations

import contextlib

import pytest
from dicomweb_client.web import DICOMwebClient
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, Refusal, Uid
from gateway.domain.delivery import STORED_SYNTAXES
from gateway.wire.dicom.accept import (
    ANY_SYNTAX,
    DICOM_JSON,
    MAX_ACCEPT,
    MAX_RANGES,
    MediaRange,
    NotAcceptable,
    Packaging,
    accept_for,
    choose_instances,
    choose_metadata,
    parse_accept,
)
from gateway.wire.dicom.instances import can_decode
from gateway.wire.problems import DecodeError

JPEGLS, JPEGLS_NEAR = Uid("1.2.840.10008.1.2.4.80"), Uid("1.2.840.10008.1.2.4.81")
J2K, BASELINE = Uid("1.2.840.10008.1.2.4.90"), Uid("1.2.840.10008.1.2.4.50")
MPEG4, BIG_ENDIAN = Uid("1.2.840.10008.1.2.4.102"), Uid("1.2.840.10008.1.2.2")
UNDECODABLE, DEFLATED = Uid("1.2.840.10008.1.2.4.92"), Uid("1.2.840.10008.1.2.1.99")
PARTS = 'multipart/related; type="application/dicom"'
Choice = tuple[Packaging, Uid | None]
AS_STORED: Choice = (Packaging.MULTIPART, None)
PLAIN: Choice = (Packaging.MULTIPART, EXPLICIT_LITTLE_ENDIAN)
NOTHING: Choice = (Packaging.MULTIPART, Uid("0"))


def chosen(header: str, stored: Uid = JPEGLS, **known: bool) -> Choice:
    """What a header gets of a source that sends as stored, or plain where it can decode."""
    acceptable = choose_instances(parse_accept(header), **known)
    for syntax in acceptable.syntaxes:
        if syntax == stored:
            return acceptable.packaging(syntax), None
        if syntax == EXPLICIT_LITTLE_ENDIAN and can_decode(stored):
            return acceptable.packaging(syntax), syntax
    return NOTHING


def refused(header: str, **known: bool) -> str:
    """Why a header gets nothing, whatever is stored."""
    with pytest.raises(NotAcceptable) as raised:
        choose_instances(parse_accept(header), **known)
    assert raised.value.refusal is Refusal.UNSUPPORTED_SYNTAX
    return raised.value.text


@pytest.mark.parametrize("header", ["", " , ,", "*/*", "multipart/related", "multipart/*", PARTS])
def test_explicit_little_endian_is_the_default(header: str) -> None:
    """Whoever names no transfer syntax gets what anybody can read."""
    assert chosen(header) == PLAIN


@pytest.mark.parametrize("stored", [BASELINE, JPEGLS_NEAR, MPEG4])
def test_lossy_pixels_stay_as_they_are_by_default(stored: Uid) -> None:
    """The exception of PS3.18 8.7.3; who names the plain syntax gets it where it can be had."""
    assert chosen("*/*", stored) == AS_STORED
    assert chosen(f"{PARTS}; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}", BASELINE) == PLAIN


@pytest.mark.parametrize(
    "stored", [JPEGLS, BASELINE, UNDECODABLE, DEFLATED, EXPLICIT_LITTLE_ENDIAN]
)
def test_an_asterisk_means_as_stored(stored: Uid) -> None:
    """Untouched, whatever the syntax is."""
    assert chosen(f"{PARTS}; transfer-syntax=*", stored) == AS_STORED
    assert chosen(f'{PARTS}; transfer-syntax="*"', stored) == AS_STORED


@pytest.mark.parametrize("stored", [IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN])
def test_implicit_and_big_endian_are_never_sent(stored: Uid) -> None:
    """Neither by default, nor as stored, nor on demand."""
    assert chosen("", stored) == PLAIN
    assert chosen(f"{PARTS}; transfer-syntax=*", stored) == PLAIN
    assert refused(f"{PARTS}; transfer-syntax={stored}").endswith(f"in {EXPLICIT_LITTLE_ENDIAN}")


def test_a_named_syntax_is_sent_when_it_is_the_stored_one() -> None:
    """And no other is sent in its place."""
    assert chosen(f"{PARTS}; transfer-syntax={JPEGLS}") == AS_STORED
    assert chosen(f"{PARTS}; transfer-syntax={J2K}") == NOTHING


def test_what_cannot_be_decoded_is_refused_to_whom_did_not_name_it() -> None:
    """Never another syntax silently."""
    assert chosen("*/*", UNDECODABLE) == NOTHING


def test_stored_as_asked_needs_no_change() -> None:
    """Plain pixels go out as they are."""
    assert chosen("", EXPLICIT_LITTLE_ENDIAN) == AS_STORED


def test_the_best_quality_wins() -> None:
    """Whatever the order is."""
    header = (
        f"{PARTS}; transfer-syntax=*; q=0.3, {PARTS}; transfer-syntax=1.2.840.10008.1.2.1; q=0.9"
    )

    assert chosen(header) == PLAIN


def test_order_decides_among_equals() -> None:
    """The first of what can be had."""
    plain = f"{PARTS}; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    stored = f"{PARTS}; transfer-syntax={JPEGLS}"

    assert chosen(f"{PARTS}; transfer-syntax={J2K}, {plain}, {stored}") == PLAIN
    assert chosen(f"{stored}, {plain}") == AS_STORED


def test_a_quality_of_zero_rules_out() -> None:
    """Also what a wider range would let in."""
    plain = f"{PARTS}; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"

    refused(f"{plain}; q=0")
    refused("*/*;q=0")
    assert chosen(f"{plain}; q=0, */*", EXPLICIT_LITTLE_ENDIAN) == NOTHING


def test_a_single_part_is_sent_to_whom_asks_for_one_instance() -> None:
    """With the same rules for its transfer syntax."""
    single = (Packaging.SINGLE, EXPLICIT_LITTLE_ENDIAN)

    assert chosen("application/dicom") == single
    assert chosen("application/*") == single
    assert chosen("application/dicom; transfer-syntax=*") == (Packaging.SINGLE, None)
    assert chosen(f"application/dicom;q=0.5, {PARTS}") == PLAIN
    other = f"application/dicom; transfer-syntax={J2K}, {PARTS}; transfer-syntax=*; q=0.5"
    assert chosen(other) == AS_STORED


def test_a_single_part_cannot_hold_several_instances() -> None:
    """Unless a setting wraps them for clients that take many."""
    assert "or application/dicom" not in refused("application/dicom", alone=False)
    assert chosen("application/dicom", alone=False, wrap=True) == PLAIN


@pytest.mark.parametrize(
    "header",
    [
        "application/dicom+json",
        "application/zip",
        'multipart/related; type="application/octet-stream"',
        'multipart/related; type="image/jpeg"',
        "text/html",
    ],
)
def test_other_media_types_are_not_acceptable_for_instances(header: str) -> None:
    """Metadata, archives and bulk data have other addresses, or none."""
    assert 'multipart/related; type="application/dicom" or application/dicom' in refused(header)


@pytest.mark.parametrize(
    "header",
    [
        f"MULTIPART/Related;TYPE=Application/DICOM;Transfer-Syntax={JPEGLS}",
        f'multipart/related ; transfer-syntax = "{JPEGLS}" ; type = "application/dicom"',
        f"multipart/related; type=application/dicom; transfer-syntax={JPEGLS}",
        f'"{PARTS}; transfer-syntax={JPEGLS}"',
        f'"multipart/related; type=\\"application/dicom\\"; transfer-syntax={JPEGLS}"',
        f"{PARTS}; boundary=**; charset=utf-8; transfer-syntax={JPEGLS}",
        f"{PARTS};; transfer-syntax={JPEGLS};",
        f", {PARTS}; transfer-syntax={JPEGLS},",
        f"{PARTS}; transfer-syntax={JPEGLS}; transfer-syntax={JPEGLS}",
    ],
    ids=[
        *("any case", "any order and blanks", "type without quotes", "whole value in quotes"),
        *("whole value in quotes with escapes", "parameters that mean nothing", "empty parameters"),
        *("empty ranges", "the same parameter twice"),
    ],
)
def test_odd_spellings_are_read(header: str) -> None:
    """The range is the same in all of them."""
    wanted = MediaRange("multipart/related", "application/dicom", JPEGLS)

    assert parse_accept(header) == (wanted,)


def test_a_bare_asterisk_and_a_quality_without_zero_are_read() -> None:
    """As Java's own client sends them."""
    found = parse_accept("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2")

    assert found[3:] == (MediaRange("*/*", q=0.2), MediaRange("*/*", q=0.2))


def test_the_lists_of_viewers_are_read() -> None:
    """Frames and metadata as OHIF asks for them."""
    frames = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    header = f"application/dicom+json, {frames}"

    found = parse_accept(header)

    assert found == (
        MediaRange(DICOM_JSON),
        MediaRange("multipart/related", "application/octet-stream", ANY_SYNTAX),
    )
    assert choose_metadata(found) == DICOM_JSON


def test_a_comma_in_quotes_does_not_end_a_range() -> None:
    """Nor does a semicolon."""
    found = parse_accept('a/b; x="1,2;3"; q=0.5, c/d')

    assert found == (MediaRange("a/b", q=0.5), MediaRange("c/d"))


@pytest.mark.parametrize("syntax", [None, "*", JPEGLS, EXPLICIT_LITTLE_ENDIAN])
def test_the_headers_of_another_client_are_understood(syntax: str | None) -> None:
    """As dicomweb-client builds them."""
    asked = ("application/dicom", syntax) if syntax else "application/dicom"
    supported = {JPEGLS: "application/dicom", EXPLICIT_LITTLE_ENDIAN: "application/dicom"}

    header = DICOMwebClient._build_multipart_accept_header_field_value((asked,), supported)

    expected = MediaRange("multipart/related", "application/dicom", syntax or "")
    assert parse_accept(header) == (expected,)


def test_the_parameter_outranks_the_header() -> None:
    """A blank one says nothing."""
    header = f"{PARTS}; transfer-syntax={JPEGLS}"

    assert parse_accept(header, "application/dicom") == (MediaRange("application/dicom"),)
    assert parse_accept(header, " ") == parse_accept(header, None) == parse_accept(header)


@pytest.mark.parametrize(
    "header",
    [
        *("multipart", "multipart/", "/related", "a b/c", "a/b c/d", "a/b; x", "a/b; x=1 y=2"),
        *('a/b; x="1', 'a/b; x="1"2', "a/b; q=2", "a/b; q=-1", "a/b; q=x", "a/b; q=1.5", "a/b; q="),
        *("a/b; transfer-syntax=x", "a/b; transfer-syntax=1..2", "a/b; q=1; q=0", "**", '"'),
        *("a/b; transfer-syntax=1.2; transfer-syntax=1.3", "a/b; type=c/d; type=e/f"),
        ", ".join(["a/b"] * (MAX_RANGES + 1)),
        "a/" + "b" * MAX_ACCEPT,
    ],
)
def test_what_is_no_accept_header_is_an_error(header: str) -> None:
    """Syntax, numbers, ambiguities and limits; in the parameter as well."""
    with pytest.raises(DecodeError, match="Accept"):
        parse_accept(header)
    with pytest.raises(DecodeError, match="query, accept"):
        parse_accept("", header)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text('a/*;,="\\ q0.1type', max_size=60))
def test_any_header_is_read_or_refused(header: str) -> None:
    """Nothing but the two errors comes out."""
    with contextlib.suppress(DecodeError, NotAcceptable):
        choose_instances(parse_accept(header))


@settings(deadline=None)
@given(st.lists(st.sampled_from(STORED_SYNTAXES), min_size=1, max_size=30, unique=True))
def test_our_own_header_is_read_back_best_first(wish: list[Uid]) -> None:
    """Every syntax in order, and no other."""
    found = parse_accept(accept_for(wish))

    assert [one.transfer_syntax for one in found] == wish
    assert all(one.type == "application/dicom" for one in found)
    qualities = [one.q for one in found]
    assert qualities == sorted(qualities, reverse=True)
    sendable = [one for one in wish if one not in (IMPLICIT_LITTLE_ENDIAN, BIG_ENDIAN)]
    if sendable:
        assert choose_instances(found).syntaxes == tuple(sendable)


def test_who_reads_every_syntax_asks_for_what_is_stored() -> None:
    """In one range."""
    assert chosen(accept_for(STORED_SYNTAXES)) == AS_STORED
    assert chosen(accept_for(STORED_SYNTAXES), UNDECODABLE) == AS_STORED


@pytest.mark.parametrize(
    "header",
    ["", "*/*", "application/json", "application/dicom+json, application/json", "a/b, */*"],
)
def test_metadata_is_dicom_json(header: str) -> None:
    """For whoever asks for JSON of any kind."""
    assert choose_metadata(parse_accept(header)) == DICOM_JSON


@pytest.mark.parametrize(
    "header",
    [
        'multipart/related; type="application/dicom+xml"',
        "text/html",
        "*/*, application/dicom+json;q=0",
    ],
)
def test_metadata_in_xml_is_not_acceptable(header: str) -> None:
    """Nor is anything else."""
    with pytest.raises(NotAcceptable, match="dicom\\+json"):
        choose_metadata(parse_accept(header))
