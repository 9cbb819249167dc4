"""Stated needs in headers: written, read back, and refused by name where they cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import (
    Decoding,
    DeliveryWish,
    LinkProfile,
    LinkSource,
    PurposeOfUse,
    ReadingPurpose,
    SyntaxChoice,
    Uid,
)
from gateway.wire.delivery_wish import (
    MAX_POSITION,
    delivery_id,
    read_delivery_id,
    read_positions,
    read_wish,
    states_wish,
    write_positions,
    write_wish,
)
from gateway.wire.problems import DecodeError

JPEG_LS = Uid("1.2.840.10008.1.2.4.80")


def _read(headers: dict[str, str], **more: Any) -> DeliveryWish:
    return read_wish(headers, **{"syntaxes": (JPEG_LS,), "choice": SyntaxChoice.ORDER, **more})


def test_every_need_is_written_where_it_belongs() -> None:
    """Standard headers carry what they can, one of our own the rest."""
    wish = DeliveryWish(
        purpose=ReadingPurpose.REVIEW,
        syntaxes=(JPEG_LS,),
        choice=SyntaxChoice.SENDER,
        deadline_seconds=60.0,
        first_image_seconds=2.5,
        lossy_consent=True,
        max_bytes=50_000_000,
        decoding=Decoding.GATEWAY,
        link=LinkProfile(bits_per_second=8e6, round_trip_seconds=0.08, source=LinkSource.MEASURED),
        plan="0f1e-2d",
        delivery="job-1",
    )

    assert write_wish(wish) == {
        "NCPeH-Delivery": "purpose=review, lossy=?1, first-image=2.500, max-bytes=50000000, "
        'decode=gateway, choice=sender, plan="0f1e-2d", '
        'delivery="job-1"',
        "Prefer": "wait=60",
        "Downlink": "8",
        "RTT": "80",
    }


@given(
    purpose=st.sampled_from(ReadingPurpose),
    choice=st.sampled_from(SyntaxChoice),
    decoding=st.sampled_from(Decoding),
    deadline=st.none() | st.integers(10_000, 10_000_000).map(lambda n: n / 1000),
    first=st.none() | st.integers(1, 10_000).map(lambda n: n / 1000),
    lossy=st.booleans(),
    most=st.none() | st.integers(1, 10**12),
    rate=st.none() | st.integers(1, 10**6).map(lambda n: n * 1e3),
    plan=st.sampled_from(["", "a-1"]),
    delivery=st.sampled_from(["", "b-2"]),
)
def test_what_is_written_is_read_back(**needs: Any) -> None:
    """A wish survives its headers; only who measured the link does not travel."""
    rate = needs["rate"]
    wish = DeliveryWish(
        purpose=needs["purpose"],
        syntaxes=(JPEG_LS,),
        choice=needs["choice"],
        decoding=needs["decoding"],
        deadline_seconds=needs["deadline"],
        first_image_seconds=needs["first"],
        lossy_consent=needs["lossy"],
        max_bytes=needs["most"],
        link=None
        if rate is None
        else LinkProfile(bits_per_second=rate, source=LinkSource.DECLARED),
        plan=needs["plan"],
        delivery=needs["delivery"],
    )

    assert _read(write_wish(wish)) == wish


def test_a_request_that_states_nothing_gets_what_its_wire_says() -> None:
    """Without headers a wish is the usual one, in the syntaxes of the request."""
    assert _read({}) == DeliveryWish(syntaxes=(JPEG_LS,), choice=SyntaxChoice.ORDER)
    assert not states_wish({"Accept": "*/*"})


def test_images_of_an_emergency_are_wanted_for_one() -> None:
    """The purpose of use of an assertion says what the images are for, unless a header does."""
    emergency = PurposeOfUse.EMERGENCY

    assert _read({}, purpose_of_use=emergency).purpose is ReadingPurpose.EMERGENCY
    stated = {"NCPeH-Delivery": "purpose=reference"}
    assert _read(stated, purpose_of_use=emergency).purpose is ReadingPurpose.REFERENCE


@pytest.mark.parametrize(
    ("header", "where"),
    [
        ("purpose=curiosity", "purpose"),
        ("deadline=-3", "deadline"),
        ("deadline=soon", "deadline"),
        ("max-bytes=0", "maximum bytes"),
        ("lossy=3", "lossy"),
        ("deadline=5, first-image=9", "first image"),
        ('plan="../../etc/passwd"', "plan"),
        ('delivery="../../etc/passwd"', "delivery"),
        ("delivery=7", "delivery"),
        ("decode=abacus", "decode"),
        ("=", "NCPeH-Delivery"),
        ("a=1," * 2001, "NCPeH-Delivery"),
        (", ".join(f"k{n}=1" for n in range(20)), "NCPeH-Delivery"),
    ],
)
def test_a_need_that_cannot_be_read_is_refused_by_its_name(header: str, where: str) -> None:
    """A requester is told which of its needs nobody can understand."""
    with pytest.raises(DecodeError, match=where):
        _read({"NCPeH-Delivery": header})


@pytest.mark.parametrize("hint", ["", "fast", "-8", "nan", "1e9", "0", "9" * 40])
def test_a_hint_of_the_link_that_is_none_is_passed_over(hint: str) -> None:
    """Client hints are hints: one that cannot be read says nothing."""
    assert _read({"Downlink": hint, "RTT": "80"}).link is None


def test_an_answer_tells_the_id_of_its_delivery() -> None:
    """In a header of our own; what cannot be an id is none."""
    assert delivery_id("") == {}
    assert read_delivery_id(delivery_id("d-1")) == "d-1"
    for found in ("", "a/b", "x" * 65, "a b"):
        assert read_delivery_id({"NCPeH-Delivery-Id": found}) == ""


def test_unknown_members_and_preferences_are_passed_over() -> None:
    """What a later version may add stops nobody (RFC 9651, 3.2; RFC 7240, 2)."""
    wish = _read({"NCPeH-Delivery": "colour=blue, lossy", "Prefer": "respond-async, wait=30"})

    assert wish.lossy_consent
    assert wish.deadline_seconds == 30


@given(have=st.frozensets(st.integers(0, MAX_POSITION), max_size=50))
def test_positions_are_written_shortly_and_read_back(have: frozenset[int]) -> None:
    """Whatever was received in whatever order."""
    assert read_positions(write_positions(have)) == have


def test_what_is_here_of_a_plan_is_said_in_ranges() -> None:
    """Beside the plan's id, commas and all."""
    wish = DeliveryWish(syntaxes=(JPEG_LS,), plan="a-1", have=frozenset({0, 1, 2, 3, 17}))

    headers = write_wish(wish, implied=wish.choice)

    assert headers == {"NCPeH-Delivery": 'plan="a-1", have="0-3,17"'}
    assert _read(headers).have == wish.have


@pytest.mark.parametrize(
    "have",
    ['"3-1"', '"1,1"', '"5,2"', '"a"', '"1-"', '"-1"', '"0-999999"', '"1;2"', "7", '"1,,2"', '"1'],
)
def test_positions_that_are_none_are_refused(have: str) -> None:
    """Ascending, within what a request may list, and of a plan that is named."""
    with pytest.raises(DecodeError, match="NCPeH-Delivery"):
        _read({"NCPeH-Delivery": f'plan="a-1", have={have}'})


def test_positions_in_no_plan_are_refused() -> None:
    """Nobody knows what they are positions of."""
    with pytest.raises(DecodeError, match="have"):
        _read({"NCPeH-Delivery": 'have="0-3"'})


def test_a_first_look_is_a_number_of_halvings() -> None:
    """Whole ones, as many as a code stream has."""
    wish = DeliveryWish(syntaxes=(JPEG_LS,), choice=SyntaxChoice.ORDER, first_look=2)

    headers = write_wish(wish, implied=SyntaxChoice.ORDER)
    assert headers == {"NCPeH-Delivery": "first-look=2"}
    assert _read(headers) == wish
    for wrong in ("1.5", "-1", "6", "many"):
        with pytest.raises(DecodeError, match=r"first.look"):
            _read({"NCPeH-Delivery": f"first-look={wrong}"})
