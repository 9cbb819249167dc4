"""Nouns as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from country_b.stored import pack, unpack
from gateway.domain import (
    Code,
    DocumentEntry,
    ImagingManifest,
    ImagingRequest,
    InstanceRef,
    Oid,
    PatientIdentity,
    Timestamp,
)
from tests.fakes import make_entry, make_identity, make_study


@pytest.mark.parametrize(
    ("kind", "noun"),
    [
        (DocumentEntry, make_entry("2.999.1", b"abc")),
        (PatientIdentity, make_identity()),
        (Timestamp, Timestamp.parse("202603")),
        (
            ImagingManifest,
            replace(
                make_study(notes={"113000": (1,)}),
                study_date=date(2026, 3, 4),
                study_time=time(10, 11, 12),
                created=datetime(2026, 3, 4, 12, tzinfo=UTC),
                requests=(ImagingRequest(accession="A1", code=Code("1", "2.999")),),
            ),
        ),
    ],
)
def test_nouns_come_back_equal(kind: type, noun: object) -> None:
    """What was packed, written as JSON and read, is the same noun with the same types."""
    back = unpack(kind, json.loads(json.dumps(pack(noun))))

    assert back == noun
    assert type(back) is kind


def test_identifiers_keep_their_types() -> None:
    """A string of a kind of its own is that kind again, and is checked again."""
    entry = make_entry("2.999.1", b"abc")

    back = unpack(DocumentEntry, pack(entry))

    assert type(back.ref.repository) is Oid
    with pytest.raises(ValueError):
        unpack(InstanceRef, {"study": "not a uid", "series": "1.2", "instance": "1.2"})


def test_what_is_no_noun_is_refused() -> None:
    """A value that JSON could not give back is refused when packed."""
    with pytest.raises(TypeError):
        pack(object())
