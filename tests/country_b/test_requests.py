"""Bodies of the portal API as nouns: what each route takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from country_b import requests
from country_b.fields import BadInput
from country_b.image_intake import ImageSelection
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    Code,
    Decoding,
    DeliveryWish,
    DocumentClass,
    DocumentId,
    Gender,
    LinkProfile,
    LinkSource,
    PatientId,
    PurposeOfUse,
    ReadingPurpose,
    ReferenceKind,
    SyntaxChoice,
    Uid,
)
from gateway.domain.codes import DCM, ISCO, REGIONS
from gateway.domain.ids import Oid
from tests.country_b.portal import IDENTIFY, SIGN_IN

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_sign_in_makes_a_professional_and_says_how_they_were_authenticated() -> None:
    """Person, role, place and rights are taken; the method has a default, the time is now."""
    given = requests.read_sign_in(SIGN_IN, NOON)

    assert given.professional.name.full == "Ilze Ozola"
    assert given.professional.role == Code("221", ISCO)
    assert given.professional.permissions == ("PRD-006", "PRD-004")
    assert (given.authentication.at, given.authentication.method) == (NOON, requests.DEFAULT_METHOD)


def test_authentication_in_the_future_is_refused() -> None:
    """Nobody was authenticated later than now."""
    body = SIGN_IN | {"authentication": {"at": "2026-11-22T13:00:00+00:00"}}

    with pytest.raises(BadInput) as caught:
        requests.read_sign_in(body, NOON)

    assert set(caught.value.problems) == {"authentication.at"}


def test_identify_takes_identifiers_and_demographics() -> None:
    """Everything known of the patient goes into the traits."""
    community, traits, way = requests.read_identify(
        IDENTIFY
        | {
            "family": "Borg",
            "given": ["Ġanni"],
            "birth_date": "1980-01-02",
            "gender": "F",
            "address": {"city": "Valletta", "country": "MT"},
        }
    )

    assert community == "2.999.1.1"
    assert traits.ids == (PatientId("P-1", Oid("2.999.1.1.1")),)
    assert traits.name is not None
    assert traits.name.full == "Ġanni Borg"
    assert traits.gender is Gender.FEMALE
    assert traits.address is not None
    assert traits.address.city == "Valletta"
    assert way == ""
    assert requests.read_identify(IDENTIFY | {"way": "fhir-mhd"})[2] == "fhir-mhd"


@pytest.mark.parametrize(
    ("read", "body", "path"),
    [
        (requests.read_identify, {"community": "2.999.1"}, "ids"),
        (requests.read_identify, {"family": "Borg"}, "community"),
        (requests.read_identify, IDENTIFY | {"birth_date": "02.01.1980"}, "birth_date"),
        (requests.read_identify, IDENTIFY | {"ids": [{"value": "a^b", "authority": "2.999"}]},
         "ids.0.value"),
        (requests.read_purpose, {"purpose": "CURIOSITY"}, "purpose"),
        (requests.read_purpose, {}, "purpose"),
        (requests.read_information, {}, "text_version"),
        (requests.read_confirm, {"patient": {"value": "P"}}, "patient.authority"),
        (requests.read_filters, {"document_class": "other"}, "document_class"),
        (requests.read_filters, {"study": "not a uid"}, "study"),
        (requests.read_filters, {"procedure": "CT"}, "procedure"),
        (requests.read_filters, {"accession": {"authority": "2.999"}}, "accession.value"),
        (requests.read_filters, {"performed_from": "yesterday"}, "performed_from"),
        (requests.read_retrieve, {"documents": []}, "documents"),
        (requests.read_retrieve, {"documents": ["\x00"]}, "documents"),
        (requests.read_retrieve, {"studies": ["CT"]}, "studies"),
        (requests.read_retrieve, {}, "documents"),
        (requests.read_images, {}, "study"),
        (requests.read_images, {"study": "1.2", "purpose": "fun"}, "purpose"),
        (requests.read_images, {"study": "1.2", "series": "1.2.3"}, "series"),
        (requests.read_close, {}, "retention_note"),
        (requests.read_note, {"note": 7}, "note"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named(
    read: Callable[[Any], Any], body: Any, path: str
) -> None:
    """Each reader names the field that is wrong or missing."""
    with pytest.raises(BadInput) as caught:
        read(body)

    assert path in caught.value.problems


def test_no_filters_limit_nothing() -> None:
    """An empty body asks for the whole list."""
    filters = requests.read_filters({})

    assert filters == type(filters)()


def test_filters_become_codes_and_references() -> None:
    """Short forms get their schemes; a reference without authority means any."""
    filters = requests.read_filters(
        {
            "document_class": "manifest",
            "modality": "MR",
            "region": "774007",
            "accession": {"value": "A1"},
            "order": {"value": "O1", "authority": "2.999.5"},
        }
    )

    assert filters.document_class is DocumentClass.MANIFEST
    assert filters.modality == Code("MR", DCM)
    assert filters.region is REGIONS[0]
    assert filters.accession is not None
    assert (filters.accession.kind, filters.accession.authority) == (ReferenceKind.ACCESSION, "%")
    assert filters.order is not None
    assert filters.order.authority == "2.999.5"


def test_a_document_named_twice_is_asked_for_once() -> None:
    """Doubles are dropped, the order stays."""
    chosen = requests.read_retrieve({"documents": ["2.999.2", "2.999.1", "2.999.2"]})

    assert chosen.documents == (DocumentId("2.999.2"), DocumentId("2.999.1"))
    assert chosen.studies == ()


def test_a_manifest_is_chosen_by_its_study() -> None:
    """With documents beside it, or alone."""
    alone = requests.read_retrieve({"studies": ["2.999.7", "2.999.7"]})
    both = requests.read_retrieve({"studies": ["2.999.7"], "documents": ["2.999.1"]})

    assert alone == requests.Chosen(studies=(Uid("2.999.7"),))
    assert both == requests.Chosen(documents=(DocumentId("2.999.1"),), studies=(Uid("2.999.7"),))


def test_images_carry_the_wish() -> None:
    """Selection, purpose and syntaxes; ours where none are given."""
    wanted = requests.read_images({"study": "1.2", "series": ["1.2.3"], "purpose": "review"})

    wish = requests.wish_of(wanted, (EXPLICIT_LITTLE_ENDIAN,))

    assert wanted.selection == ImageSelection(series=(Uid("1.2.3"),))
    assert (wish.purpose, wish.syntaxes) == (ReadingPurpose.REVIEW, (EXPLICIT_LITTLE_ENDIAN,))


def test_who_states_a_need_lets_the_sender_meet_it() -> None:
    """Everything that is said goes into the wish; who says nothing gets images as stored."""
    body = {
        "study": "1.2",
        "deadline_seconds": 60,
        "first_image_seconds": 2.5,
        "lossy_consent": True,
        "max_bytes": 1_000_000,
        "link": {"mbit": 8, "round_trip_ms": 600},
        "plan": "a1-b2",
    }

    wish = requests.wish_of(requests.read_images(body), (EXPLICIT_LITTLE_ENDIAN,))
    silent = requests.wish_of(requests.read_images({"study": "1.2"}), (EXPLICIT_LITTLE_ENDIAN,))

    assert wish == DeliveryWish(
        syntaxes=(EXPLICIT_LITTLE_ENDIAN,),
        choice=SyntaxChoice.SENDER,
        deadline_seconds=60.0,
        first_image_seconds=2.5,
        lossy_consent=True,
        max_bytes=1_000_000,
        decoding=Decoding.GATEWAY,
        link=LinkProfile(bits_per_second=8e6, round_trip_seconds=0.6, source=LinkSource.DECLARED),
        plan="a1-b2",
    )
    assert silent.choice is SyntaxChoice.AS_STORED


def test_a_peer_that_always_plans_is_let_and_told_the_link() -> None:
    """What a visit says of the link goes before what the settings say."""
    line = LinkProfile(bits_per_second=2e6)
    own = {"study": "1.2", "link": {"mbit": 50}}

    silent = requests.wish_of(
        requests.read_images({"study": "1.2"}),
        (EXPLICIT_LITTLE_ENDIAN,),
        is_planned=True,
        link=line,
    )
    told = requests.wish_of(requests.read_images(own), (EXPLICIT_LITTLE_ENDIAN,), link=line)

    assert (silent.choice, silent.link) == (SyntaxChoice.SENDER, line)
    assert told.link is not None
    assert told.link.bits_per_second == 50e6


@pytest.mark.parametrize(
    ("needs", "field"),
    [
        ({"deadline_seconds": -1}, "deadline_seconds"),
        ({"deadline_seconds": "soon"}, "deadline_seconds"),
        ({"deadline_seconds": 5, "first_image_seconds": 9}, "first_image_seconds"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"lossy_consent": "yes"}, "lossy_consent"),
        ({"link": {}}, "link.mbit"),
        ({"link": {"mbit": -8}}, "link.mbit"),
        ({"link": {"mbit": 8, "loss": 1}}, "link.loss"),
        ({"choice": "mine"}, "choice"),
        ({"purpose": "curiosity"}, "purpose"),
        ({"plan": "../x"}, "plan"),
    ],
)
def test_a_need_that_is_none_is_told_by_its_field(needs: dict[str, Any], field: str) -> None:
    """Every field says what is wrong with it."""
    with pytest.raises(BadInput) as caught:
        requests.read_images({"study": "1.2", **needs})

    assert field in caught.value.problems


def test_emergency_is_a_purpose() -> None:
    """Both purposes of use are taken."""
    assert requests.read_purpose({"purpose": "EMERGENCY"}) is PurposeOfUse.EMERGENCY


def test_what_is_not_kept_needs_no_note() -> None:
    """A visit that removes everything closes without a note."""
    assert not requests.read_close({"keep": False}).keep
