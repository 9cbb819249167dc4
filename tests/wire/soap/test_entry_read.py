"""Foreign rows: every slip is forgiven that can be, and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain import (
    Association,
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    EntryKind,
    EntryStatus,
    HumanName,
    Refusal,
    Severity,
)
from gateway.wire.soap.entry_read import read_association, read_entry, read_object_list, read_ref
from gateway.wire.soap.entry_write import write_association, write_entry
from gateway.wire.xml import RIM, Element, parse_xml
from tests.builders import COUNTRY_A, make_association, make_entry

NO_CODE = Code("", "")


def parsed(xml: str) -> Element:
    """An object of the registry, from its string."""
    return parse_xml(f'<rim:X xmlns:rim="{RIM}">{xml}</rim:X>'.encode())[0]


def read(
    old: str = "", new: str = "", entry: DocumentEntry | None = None
) -> tuple[DocumentEntry | None, list[str]]:
    """Our entry with some of its XML changed: what it is read as, and the texts of its issues."""
    xml = write_entry(entry or make_entry())
    assert old in xml
    found, issues = read_entry(parsed(xml.replace(old, new)))
    return found, [issue.text for issue in issues]


def without(xml: str, start: str, end: str) -> str:
    """The XML without the first stretch from `start` to `end`, both included."""
    head, _, rest = xml.partition(start)
    return head + rest.partition(end)[2]


def test_our_own_row_is_read_without_a_word() -> None:
    """What is complete needs no remark."""
    assert read() == (make_entry(), [])


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("class_code", "classCode"),
        ("type_code", "typeCode"),
        ("format_code", "formatCode"),
        ("facility_type", "healthcareFacilityTypeCode"),
        ("practice_setting", "practiceSettingCode"),
    ],
)
def test_a_missing_code_is_empty_and_told(field: str, name: str) -> None:
    """The row stays; the empty code stands for what was not said."""
    found, texts = read(entry=replace(make_entry(), **{field: NO_CODE}))

    assert found == replace(make_entry(), **{field: NO_CODE})
    assert texts == [f"metadata: {name} is missing"]


def test_everything_missing_at_once_is_one_remark() -> None:
    """A row with ids alone is still a row."""
    bare = DocumentEntry(
        id=make_entry().id,
        ref=make_entry().ref,
        patient=make_entry().patient,
        mime_type="",
        class_code=NO_CODE,
        type_code=NO_CODE,
        format_code=NO_CODE,
        facility_type=NO_CODE,
        practice_setting=NO_CODE,
    )
    found, texts = read(' mimeType=""', "", bare)

    assert found == replace(bare, mime_type="application/octet-stream")
    assert len(texts) == 1
    assert "confidentialityCode is missing" in texts[0]
    assert "mimeType is missing" in texts[0]


@pytest.mark.parametrize(
    ("old", "new", "field", "value", "words"),
    [
        ("20261120103000", "yesterday", "created", None, "creationTime is 'yesterday'"),
        (">35612<", ">35.6 kB<", "size_bytes", None, "size is"),
        (">35612<", f">{'9' * 400}<", "size_bytes", None, "size is"),
        ("a9993e364706816aba3e25717850c26c9cd0d89d", "d41d8cd98f", "sha1", "", "hash is"),
        ("L-55^^^&amp;2.999.1.9&amp;ISO", "L-55", "source_patient", None, "sourcePatientId is"),
        ("StatusType:Approved", "StatusType:Withdrawn", "status", EntryStatus.DEPRECATED, "status"),
    ],
)
def test_a_value_that_is_none_is_left_out_and_told(
    old: str, new: str, field: str, value: object, words: str
) -> None:
    """A wrong date costs the date, not the row."""
    found, texts = read(old, new)

    assert found == replace(make_entry(), **{field: value})
    assert words in texts[0]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("a9993e36", "A9993E36", {}),
        ("urn:oasis:names:tc:ebxml-regrep:StatusType:Approved", "urn:x: Approved", {}),
        ('status="urn:oasis:names:tc:ebxml-regrep:StatusType:', 'status="ResponseStatusType:', {}),
        ("urn:oid:2.999.1.1", "2.999.1.1", {}),
        (">2.999.1.3<", "> urn:oid:2.999.1.3 <", {}),
        ("A-0001^^^&amp;2.999.1.2&amp;ISO", "A-0001^^^&amp;amp;2.999.1.2&amp;amp;ISO", {}),
        ("A-0001^^^&amp;2.999.1.2&amp;ISO", "A-0001^^^NHS&amp;2.999.1.2&amp;ISO", {}),
        ("A-0001^^^&amp;2.999.1.2&amp;ISO", "A-0001^^^2.999.1.2", {}),
        ("urn:uuid:7edca82f-054d", "urn:uuid:00000000-054d", {"kind": EntryKind.STABLE}),
    ],
)
def test_other_spellings_mean_the_same(old: str, new: str, changes: dict[str, object]) -> None:
    """Case, namespaces, prefixes and escaping differ among peers."""
    found, texts = read(old, new)

    assert found == replace(make_entry(), **changes)
    assert texts == []


def test_missing_hash_size_and_language_need_no_word() -> None:
    """Real gateways leave them out more often than not."""
    slim = replace(make_entry(), sha1="", size_bytes=None, language="", created=None, title="")

    assert read(entry=slim) == (slim, [])


def test_a_missing_repository_is_the_community_and_told() -> None:
    """A gateway without repositories may still hand the document over."""
    found, texts = read("2.999.1.3<", "<")

    assert found is not None
    assert found.ref.repository == COUNTRY_A
    assert "repositoryUniqueId" in texts[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id="urn:uuid:6f1d6b1e-0000-4000-8000-000000000001" lid', "lid", "id:"),
        ('value="2.999.1.4.1"', 'value=""', "uniqueId"),
        ('value="A-0001^^^&amp;2.999.1.2&amp;ISO"', 'value="A-0001"', "patientId"),
        (' home="urn:oid:2.999.1.1"', "", "home is missing"),
        ('home="urn:oid:2.999.1.1"', 'home="urn:oid:x"', "home is"),
    ],
)
def test_a_row_nobody_could_use_is_an_error(old: str, new: str, words: str) -> None:
    """No id, no document, no patient, no community: the other rows are kept, this one is told."""
    broken = write_entry(make_entry()).replace(old, new)
    listed = parsed(f"<rim:L>{broken}{write_entry(make_entry())}</rim:L>")

    rows, issues = read_object_list(listed)

    assert rows == (make_entry(),)
    assert [issue.severity for issue in issues] == [Severity.ERROR]
    assert words in issues[0].text
    assert issues[0].subject


def test_several_persons_of_one_author_are_several_authors() -> None:
    """One person per author is the rule; what a peer wrote is not lost."""
    found, _ = read(
        '</rim:Value></rim:ValueList></rim:Slot><rim:Slot name="authorInstitution">',
        "</rim:Value><rim:Value>^Nagy</rim:Value></rim:ValueList></rim:Slot>"
        '<rim:Slot name="authorInstitution">',
    )

    assert found is not None
    assert found.authors[1:] == (Author(name=HumanName(family="Nagy")),)


def test_a_long_address_in_pieces_is_one_address() -> None:
    """ITI TF-3 4.2.3.2.26: pieces are numbered, whatever their order."""
    uri = "https://a.example/" + "x" * 600

    assert read(entry=replace(make_entry(), uri=uri)) == (replace(make_entry(), uri=uri), [])
    found, _ = read(
        "<rim:Value>https://a.example/documents/1</rim:Value>",
        "<rim:Value>2|b</rim:Value><rim:Value>1|a</rim:Value>",
    )
    assert found is not None
    assert found.uri == "ab"


def test_an_association_needs_neither_home_nor_status() -> None:
    """It lies where its entries do."""
    xml = write_association(make_association())
    xml = xml.replace(' home="urn:oid:2.999.1.1"', "")
    slim = without(xml, ' status="', '"')
    listed = parsed(f"<rim:L>{write_entry(make_entry())}{slim}</rim:L>")

    assert read_object_list(listed) == ((make_entry(), make_association()), ())
    assert read_association(parsed(slim))[0] is None


def test_an_association_of_another_kind_is_left_out_and_told() -> None:
    """Membership in submission sets means nothing here."""
    xml = write_association(make_association()).replace("APND", "HasMember")

    found, (issue,) = read_association(parsed(xml))

    assert found is None
    assert (issue.refusal, issue.severity) == (Refusal.UNSUPPORTED, Severity.WARNING)


@pytest.mark.parametrize("attribute", ["sourceObject", "targetObject", "id"])
def test_an_association_that_joins_nothing_is_an_error(attribute: str) -> None:
    """Both ends and an id are what it is made of."""
    xml = without(write_association(make_association()), f' {attribute}="', '"')

    found, (issue,) = read_association(parsed(xml))

    assert found is None
    assert issue.severity is Severity.ERROR


def test_a_reference_without_home_is_taken_from_whom_was_asked() -> None:
    """Forgotten on ObjectRefs more often than on entries."""
    element = parsed('<rim:ObjectRef id="urn:uuid:1"/>')

    found, (issue,) = read_ref(element, default_home=CommunityId("2.999.5"))

    assert found is not None
    assert found.community == "2.999.5"
    assert issue.refusal is Refusal.MISSING_COMMUNITY
    assert read_ref(element)[0] is None


def test_folders_are_passed_over() -> None:
    """They are no rows of this exchange."""
    rows, issues = read_object_list(parsed('<rim:L><rim:RegistryPackage id="x"/></rim:L>'))

    assert (rows, issues) == ((), ())


def test_an_association_is_read_as_written() -> None:
    """All fields."""
    deprecated: Association = make_association(status=EntryStatus.DEPRECATED)

    assert read_association(parsed(write_association(deprecated))) == (deprecated, ())
