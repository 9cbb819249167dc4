"""Slots, names and the tables of URNs."""

from __future__ import annotations

import pytest

from gateway.domain import AssociationKind, EntryKind, EntryStatus
from gateway.wire.problems import EncodeError
from gateway.wire.soap import ebxml
from gateway.wire.xml import RIM, Element, parse_xml


def parsed(xml: str) -> Element:
    """An element of the registry namespace around some XML."""
    return parse_xml(f'<rim:X xmlns:rim="{RIM}" xmlns="{RIM}">{xml}</rim:X>'.encode())


def test_every_status_kind_and_relation_has_its_urn() -> None:
    """Each comes back from the URN it is written as."""
    assert {ebxml.status_of_urn(urn) for urn in ebxml.STATUS_URNS.values()} == set(EntryStatus)
    assert {ebxml.kind_of_urn(urn) for urn in ebxml.KIND_URNS.values()} == set(EntryKind)
    relations = {ebxml.association_of_urn(urn) for urn in ebxml.ASSOCIATION_URNS.values()}
    assert relations == set(AssociationKind)
    assert len(ebxml.Scheme) == 10


def test_slots_are_read_with_all_their_values() -> None:
    """Repeated slots are joined, empty values left out, white space stripped."""
    slots = ebxml.write_slot("a", ("1", "<2>")) + ebxml.write_slot("b", (" ", "3 "))
    root = parsed(slots + ebxml.write_slot("a", ("4",)) + "<Slot/><Slot name='c'/>")

    assert ebxml.read_slots(root) == {"a": ["1", "<2>", "4"], "b": ["3"], "": [], "c": []}


def test_text_cut_in_two_is_whole() -> None:
    """Nobody hides half a value behind an element."""
    root = parsed("<Slot name='a'><ValueList><Value>1<x/>2</Value></ValueList></Slot>")

    assert ebxml.read_slots(root) == {"a": ["12"]}


def test_a_value_longer_than_the_schema_allows_is_refused() -> None:
    """The slot is named."""
    with pytest.raises(EncodeError, match="size: found 257"):
        ebxml.write_slot("size", ("x" * 257,))


def test_names_are_those_of_the_object_itself() -> None:
    """A Classification inside has a Name of its own."""
    inner = f"<Classification>{ebxml.write_localized('Name', 'inner')}</Classification>"
    named = parsed(inner + ebxml.write_localized("Name", 'a "title" & more', "de"))

    assert ebxml.read_localized(named, ebxml.NAME) == 'a "title" & more'
    assert ebxml.read_localized(parsed(inner), ebxml.NAME) == ""
    assert ebxml.read_localized(parsed("<Name/>"), ebxml.NAME) == ""


def test_a_coding_is_scheme_and_display_in_any_order() -> None:
    """Other slots and a description are passed over."""
    root = parsed(
        ebxml.write_localized("Description", "no")
        + ebxml.write_localized("Name", "Chest")
        + ebxml.write_slot("other", ("no",))
        + ebxml.write_slot("codingScheme", ("SCT",))
    )

    assert ebxml.read_coding(root) == ("SCT", "Chest")
    assert ebxml.read_coding(parsed("")) == ("", "")
