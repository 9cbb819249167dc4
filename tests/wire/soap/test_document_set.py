"""The shared answer with documents: content, ids, and what a bad document costs."""

from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.domain import CommunityId, ExchangeError, Issue, Refusal, Severity, Transaction
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.soap import document_set
from gateway.wire.soap.document_set import RetrievedPart
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import parse_xml
from tests.builders import COUNTRY_A, make_entry

REF = make_entry().ref
PART = RetrievedPart(ref=REF, mime_type="text/xml", data=b"<a/>")


def answer(*parts: RetrievedPart, transaction: Transaction = Transaction.RETRIEVE) -> bytes:
    """A successful answer of Country A."""
    return document_set.encode_response(
        parts, responder=COUNTRY_A, style=ErrorStyle.IHE, transaction=transaction
    )


def read(data: bytes, **options: object) -> document_set.Outcome[RetrievedPart]:
    """What an answer to a retrieve is read as."""
    return document_set.decode_response(
        parse_xml(data),
        transaction=Transaction.RETRIEVE,
        **options,  # type: ignore[arg-type]
    )


def test_base64_may_be_broken_into_lines() -> None:
    """MIME habits die hard."""
    inline = b64encode(bytes(range(256))).decode()
    broken = "\r\n\t ".join(inline[i : i + 60] for i in range(0, len(inline), 60))
    data = answer(PART).replace(b64encode(b"<a/>"), broken.encode())

    assert read(data).items[0].data == bytes(range(256))


@pytest.mark.parametrize(
    "content",
    [
        "***",
        "QQ",
        "QQ=",
        "é",
        "<b>QQ==</b>x",
        "<x:Include xmlns:x='http://www.w3.org/2004/08/xop/include' href='http://a.example/'/>",
    ],
)
def test_a_document_that_is_no_base64_costs_itself_only(content: str) -> None:
    """The other documents of the answer are kept."""
    text = answer(PART, PART).decode().replace(b64encode(b"<a/>").decode(), content, 1)

    outcome = read(text.encode())

    assert outcome.items == (PART,)
    assert [(i.severity, i.subject) for i in outcome.issues] == [(Severity.ERROR, REF.document)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"2.999.1.3<", b"here<"),
        (b"2.999.1.4.1<", b"<"),
        (b"urn:oid:2.999.1.1<", b"x<"),
        (b"xdsb:Document>", b"xdsb:Dokument>"),
    ],
)
def test_a_document_whose_ids_are_none_costs_itself_only(old: bytes, new: bytes) -> None:
    """An error says so; a success without documents is not a refusal."""
    outcome = read(answer(PART).replace(old, new))

    assert outcome.items == ()
    assert len(outcome.errors) == 1


def test_an_inline_document_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger documents come as parts."""
    monkeypatch.setattr(document_set, "MAX_INLINE_BYTES", 3)

    assert read(answer(PART)).items == ()
    assert "more than 3 bytes" in read(answer(PART)).issues[0].text


def test_a_missing_home_is_whom_was_asked_with_a_word() -> None:
    """An imaging source names no community, and nobody expects it to."""
    homeless = RetrievedPart(ref=REF, mime_type="text/xml", data=b"x", without_home=True)
    data = answer(homeless)

    assert b"HomeCommunityId" not in data
    outcome = read(data, default_home=COUNTRY_A)
    assert outcome.items == (homeless,)
    assert outcome.issues[0].refusal is Refusal.MISSING_COMMUNITY
    assert outcome.issues[0].severity is Severity.WARNING
    from_source = document_set.decode_response(
        parse_xml(data), transaction=Transaction.IMAGES_FROM_SOURCE, default_home=COUNTRY_A
    )
    assert from_source.issues == ()
    assert read(data).items == ()


def test_an_empty_document_and_a_missing_type_are_read() -> None:
    """No bytes are a document too; an unknown type is said to be unknown."""
    data = answer(RetrievedPart(ref=REF, mime_type="x/y"))
    data = data.replace(b"<xdsb:mimeType>x/y</xdsb:mimeType>", b"")

    assert read(data).items == (RetrievedPart(ref=REF, mime_type="application/octet-stream"),)


def test_a_part_and_bytes_at_once_are_not_written() -> None:
    """One of the two would be lost."""
    with pytest.raises(EncodeError):
        answer(RetrievedPart(ref=REF, mime_type="x/y", cid="a", data=b"b"))


def test_a_bare_registry_response_is_read() -> None:
    """The wrapper is left out by some peers when they fail."""
    data = document_set.encode_refusal(
        document_set.refuse(Refusal.UNKNOWN_REPOSITORY, "not ours", subject="2.999.1.4.1"),
        transaction=Transaction.RETRIEVE,
        responder=COUNTRY_A,
        style=ErrorStyle.IHE,
    )
    (bare,) = parse_xml(data)

    with pytest.raises(ExchangeError) as refused:
        document_set.decode_response(bare, transaction=Transaction.RETRIEVE)

    assert refused.value.refusal is Refusal.UNKNOWN_REPOSITORY
    assert refused.value.subject == "2.999.1.4.1"
    assert refused.value.text == "not ours"


def test_an_answer_without_a_status_element_cannot_be_read() -> None:
    """Nobody could tell whether it succeeded."""
    with pytest.raises(DecodeError, match="RegistryResponse"):
        read(b'<a:RetrieveDocumentSetResponse xmlns:a="urn:ihe:iti:xds-b:2007"/>')


@pytest.mark.parametrize(
    ("transaction", "location"),
    [
        (Transaction.RETRIEVE, "urn:oid:2.999.1.1"),
        (Transaction.IMAGES, "urn:oid:2.999.1.1"),
        (Transaction.IMAGES_FROM_SOURCE, "2.999.3"),
    ],
)
def test_the_location_of_an_error_is_the_community_or_the_instance(
    transaction: Transaction, location: str
) -> None:
    """RAD TF-3 4.75 names the gateway, 4.69 the instance; the text names the instance anyway."""
    issue = Issue(refusal=Refusal.UNKNOWN_INSTANCE, text="not found", subject="2.999.3")
    data = document_set.encode_response(
        (),
        (issue,),
        responder=CommunityId("2.999.1.1"),
        style=ErrorStyle.IHE,
        transaction=transaction,
    )
    (error,) = parse_xml(data).iter("{*}RegistryError")

    assert error.get("location") == location
    assert error.get("codeContext") == "2.999.3: not found"
    with pytest.raises(ExchangeError) as refused:
        document_set.decode_response(parse_xml(data), transaction=transaction)
    assert refused.value.subject == "2.999.3"
