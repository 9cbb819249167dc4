"""People as strings of HL7 v2."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import HumanName
from gateway.wire.fhir.person_strings import read_xcn, read_xpn, write_xcn, write_xpn
from gateway.wire.soap.hl7v2 import write_person
from tests.wire.fhir.people import maybe, oids, words

names = st.builds(
    HumanName,
    family=words,
    given=st.lists(words, min_size=1, max_size=3).map(tuple),
    prefix=maybe,
    suffix=maybe,
)


@given(names)
def test_a_name_comes_back(name: HumanName) -> None:
    """Separators inside a part are escaped."""
    assert read_xpn(write_xpn(name)) == name


@given(names | st.none(), words | st.just(""), oids | st.just(""))
def test_a_person_is_written_as_for_soap(
    name: HumanName | None, local_id: str, authority: str
) -> None:
    """One string, whichever wire it crosses."""
    text = write_xcn(name, local_id, authority)

    assert text == write_person(name, local_id, authority)
    assert read_xcn(text) == (name, local_id, authority)


def test_nothing_is_nobody() -> None:
    """Empty components name no one."""
    assert read_xpn("^^^") is None
    assert read_xcn("") == (None, "", "")
    assert write_xcn(None, "", "") == ""
