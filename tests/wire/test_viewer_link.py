"""Links that open a viewer: what is signed comes back, and nothing else does."""

from __future__ import annotations

import string
from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Oid, PatientId, Refusal, Uid
from gateway.wire.problems import EncodeError
from gateway.wire.viewer_link import (
    MAX_LINK,
    LinkClaims,
    LinkKind,
    LinkRefused,
    patient_mark,
    read_link,
    write_link,
)
from tests.builders import PATIENT

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CLAIMS = LinkClaims(
    kind=LinkKind.OPEN,
    study=Uid("2.999.1.5"),
    patient=patient_mark(PATIENT, KEY),
    expires=NOW + timedelta(seconds=60),
    nonce="00000000-0000-4000-8000-000000000001",
)
LINK = write_link(CLAIMS, KEY)


def refused(text: str, *, key: bytes = KEY, kind: LinkKind = LinkKind.OPEN) -> Refusal:
    """Why a link opens nothing."""
    with pytest.raises(LinkRefused) as caught:
        read_link(text, key, kind, NOW)
    return caught.value.refusal


@pytest.mark.parametrize("kind", LinkKind)
@pytest.mark.parametrize("key_images_only", [True, False])
@pytest.mark.parametrize("emergency", [True, False])
def test_what_is_signed_is_read(kind: LinkKind, key_images_only: bool, emergency: bool) -> None:
    """Every claim of it, of the longest study too."""
    claims = replace(
        CLAIMS,
        kind=kind,
        study=Uid("1." * 31 + "11"),
        key_images_only=key_images_only,
        emergency=emergency,
    )

    link = write_link(claims, KEY)

    assert read_link(link, KEY, kind, NOW) == claims
    assert set(link) <= set(string.ascii_letters + string.digits + "-_")
    assert len(link) <= MAX_LINK


def test_a_link_is_in_force_until_the_second_it_names() -> None:
    """And tells then whose it was, to be audited."""
    last = CLAIMS.expires - timedelta(microseconds=1)

    assert read_link(LINK, KEY, LinkKind.OPEN, last) == CLAIMS
    with pytest.raises(LinkRefused) as caught:
        read_link(LINK, KEY, LinkKind.OPEN, CLAIMS.expires)
    assert caught.value.refusal is Refusal.ASSERTION_NOT_VALID_NOW
    assert caught.value.claims == CLAIMS


@given(st.integers(0, len(LINK) - 1), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_no_character_can_be_changed(place: int, letter: str) -> None:
    """Not even the last one, of which some bits mean nothing."""
    changed = LINK[:place] + letter + LINK[place + 1 :]

    if changed != LINK:
        assert refused(changed) is Refusal.SIGNATURE_INVALID


@given(st.text(max_size=MAX_LINK + 10))
def test_what_was_never_made_is_refused(text: str) -> None:
    """Whatever stands there."""
    assert refused(text) is Refusal.SIGNATURE_INVALID


@pytest.mark.parametrize("text", ["", "=", LINK + "=", LINK + "A", LINK[:-1], LINK * 9, "é" * 40])
def test_another_spelling_is_no_link(text: str) -> None:
    """Padding, more, less, and what is too long to be looked at."""
    assert refused(text) is Refusal.SIGNATURE_INVALID


def test_the_key_and_the_kind_decide() -> None:
    """Another gateway's link, and one for the other use."""
    assert refused(LINK, key=OTHER_KEY) is Refusal.SIGNATURE_INVALID
    assert refused(LINK, kind=LinkKind.SHOW) is Refusal.SIGNATURE_INVALID


def test_a_link_holds_nothing_of_the_patient() -> None:
    """Neither the number nor who assigned it; the same number elsewhere is another patient."""
    elsewhere = PatientId(PATIENT.value, Oid("2.999.404"))
    inside = urlsafe_b64decode(LINK + "=" * (-len(LINK) % 4))

    assert PATIENT.value.encode() not in inside
    assert str(PATIENT.authority).encode() not in inside
    marks = {patient_mark(PATIENT, KEY), patient_mark(elsewhere, KEY)}
    assert len(marks | {patient_mark(PATIENT, OTHER_KEY)}) == 3


@pytest.mark.parametrize("nonce", ["", "short", "with a blank in the middle", "x" * 65])
def test_a_nonce_that_is_none_is_not_written(nonce: str) -> None:
    """It could be guessed, or would take the claims apart."""
    with pytest.raises(EncodeError, match="nonce"):
        write_link(replace(CLAIMS, nonce=nonce), KEY)
