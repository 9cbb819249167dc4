"""Single values of foreign rows."""

from __future__ import annotations

import pytest

from gateway.domain import InvalidIdentifier, Oid, PatientId
from gateway.wire.soap.entry_values import (
    Notes,
    read_hash,
    read_patient,
    read_references,
    read_size,
    read_uri,
    unescape_twice,
)

ANNA = PatientId("A-1", Oid("2.999.1"))


@pytest.mark.parametrize(
    "text",
    [
        "A-1^^^&2.999.1&ISO",
        " A-1^^^&2.999.1&ISO ",
        "A-1^^^NS&2.999.1&ISO",
        "A-1^^^2.999.1",
        "A-1^^^&amp;2.999.1&amp;ISO",
        "A-1^^^&amp;amp;2.999.1&amp;amp;ISO",
        "A-1^^^&urn:oid:2.999.1&ISO",
    ],
)
def test_patients_are_read_in_every_known_spelling(text: str) -> None:
    """Namespaces, bare authorities and double escapes."""
    assert read_patient(text) == ANNA


@pytest.mark.parametrize("text", ["", "A-1", "A-1^^^", "^^^&2.999.1&ISO", "A-1^^^&x&ISO"])
def test_what_names_no_patient_is_refused(text: str) -> None:
    """An id without its authority is nobody's."""
    with pytest.raises(InvalidIdentifier):
        read_patient(text)


def test_escapes_of_escapes_are_undone_in_linear_time() -> None:
    """However often a peer escaped."""

    assert unescape_twice("a&" + "amp;" * 200_000 + "b") == "a&b"


def test_a_list_reads_a_patient_once() -> None:
    """The memory belongs to one list and is handed in."""
    patients: dict[str, PatientId] = {}

    first = Notes(patients).patient("A-1^^^&2.999.1&ISO")
    again = Notes(patients).patient("A-1^^^&2.999.1&ISO")

    assert first is again
    assert patients == {"A-1^^^&2.999.1&ISO": ANNA}


def test_wrong_values_leave_a_note_each() -> None:
    """The note shortens what a peer wrote."""
    notes = Notes()

    assert read_size("٣", notes) is None
    assert read_hash("zz", notes) == ""
    assert read_references(["no reference", "1.2^^^^urn:x"], notes)[0].value == "1.2"
    assert len(notes.texts) == 3
    notes.wrong("field", "x" * 10_000, "less")
    assert len(notes.texts[3]) < 400


@pytest.mark.parametrize(
    ("values", "uri"),
    [([], ""), (["a"], "a"), (["2|b", "1|a"], "ab"), (["a", "b"], "a"), (["1|a"], "1|a")],
)
def test_addresses_are_put_together(values: list[str], uri: str) -> None:
    """Numbered pieces, or the only value there is."""
    assert read_uri(values) == uri
