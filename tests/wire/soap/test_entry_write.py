"""Rows as strings: escaping, limits of the schema, stable bytes."""

from __future__ import annotations

import pytest

from gateway.domain import Code, EntryRef, PatientId, ReferenceId
from gateway.wire.problems import EncodeError
from gateway.wire.soap.entry_read import read_entry
from gateway.wire.soap.entry_write import write_entry, write_object, write_object_list
from gateway.wire.xml import RIM, parse_xml
from tests.builders import COUNTRY_A, make_association, make_entry

AWKWARD = (
    "Ångström & Søn",
    "Παπαδάκη <Ελένη>",
    'Иванов "Иван"',
    "Łódź 'Żółw'",
    "a\nb\tc",
    "]]>",
    "&amp;",
    "𝔐",
)


@pytest.mark.parametrize("text", AWKWARD)
def test_texts_of_every_country_come_back(text: str) -> None:
    """Titles, displays and codes with diacritics, other alphabets and markup."""
    entry = make_entry(title=text, comments=text, class_code=Code("x", "y", text))
    data = f'<rim:X xmlns:rim="{RIM}">{write_entry(entry)}</rim:X>'.encode()

    found, issues = read_entry(parse_xml(data)[0])

    assert found == entry
    assert found is not None
    assert found.class_code.display == text
    assert issues == ()


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1b", "\ufffe", "\ud800"])
@pytest.mark.parametrize("field", ["title", "comments", "language", "mime_type", "uri"])
def test_characters_xml_cannot_carry_are_refused(field: str, character: str) -> None:
    """Dropping them would change what was said."""
    with pytest.raises(EncodeError):
        write_entry(make_entry(**{field: f"a{character}b"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 1025},
        {"version": "x" * 17},
        {"mime_type": "x" * 257},
        {"legal_authenticator": "x" * 257},
        {"source_patient_info": ("x" * 257,)},
        {"class_code": Code("x" * 257, "y")},
        {"class_code": Code("x", "y" * 257)},
        {"patient": PatientId("x" * 256, COUNTRY_A)},
        {"references": (ReferenceId(value="x" * 250, kind="urn:x:y"),)},
    ],
)
def test_what_the_schema_has_no_room_for_is_refused(changes: dict[str, object]) -> None:
    """The error names the field; nothing is cut."""
    with pytest.raises(EncodeError, match="characters"):
        write_entry(make_entry(**changes))


def test_the_same_entry_is_written_with_the_same_bytes_and_ids_of_its_own() -> None:
    """Ids of inner objects follow from the entry's id: repeatable, and unlike those of others."""
    first, again = write_entry(make_entry()), write_entry(make_entry())
    other = write_entry(make_entry(id="urn:uuid:6f1d6b1e-0000-4000-8000-0000000000ff"))

    def inner(xml: str) -> list[str]:
        root = parse_xml(f'<rim:X xmlns:rim="{RIM}">{xml}</rim:X>'.encode())
        return [element.get("id", "") for element in root.iter() if element.get("id")][1:]

    assert first == again
    assert len(set(inner(first))) == len(inner(first))
    assert not set(inner(first)) & set(inner(other))


def test_references_only_reduce_every_row() -> None:
    """ObjectRef names entries and associations alike, each with its community."""
    rows = (make_entry(), make_association(), EntryRef(make_entry().id, COUNTRY_A))

    written = [write_object(row, refs_only=True) for row in rows]

    assert all(xml.startswith("<rim:ObjectRef ") for xml in written)
    assert all(f'home="{COUNTRY_A.urn}"' in xml for xml in written)
    assert write_object_list((), refs_only=False) == (
        "<rim:RegistryObjectList></rim:RegistryObjectList>"
    )
