"""The hardened parser: what it takes, what it refuses, and how fast it refuses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import (
    MAX_ATTRIBUTES,
    MAX_COMMENTS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_NAMESPACES,
    MAX_NAMESPACES_ON_ELEMENT,
    RIM,
    SOAP,
    canonical,
    escape_attr,
    escape_text,
    legal_text,
    name_of,
    parse_xml,
    path_of,
    prefixed,
    quoted,
    text_of,
)

BOMB = (
    b'<!DOCTYPE a [<!ENTITY x0 "lol">'
    + b"".join(b'<!ENTITY x%d "%s">' % (i + 1, b"&x%d;" % i * 10) for i in range(9))
    + b"]><a>&x9;</a>"
)
FETCH = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


def _declarations(count: int) -> bytes:
    return b" ".join(b'xmlns:n%d="urn:n:%d"' % (i, i) for i in range(count))


def _attributes(count: int) -> bytes:
    return b" ".join(b'a%d="1"' % i for i in range(count))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "40,000 attributes on one element": lambda: b"<a " + _attributes(40_000) + b"/>",
    "depth 10,000": lambda: b"<a>" * 10_000 + b"</a>" * 10_000,
    "billion laughs": lambda: BOMB,
    "external entity": lambda: FETCH,
    "500,000 comments": lambda: b"<a>" + b"x<!---->" * 500_000 + b"</a>",
    "500,000 processing instructions": lambda: b"<a>" + b"x<?y?>" * 500_000 + b"</a>",
    "5,000 namespaces on one element": lambda: b"<a " + _declarations(5_000) + b"/>",
    "namespaces on each of many elements": lambda: (
        b"<a>" + b'<b xmlns="urn:b"/>' * (MAX_NAMESPACES + 1) + b"</a>"
    ),
    "elements without number": lambda: b"<a>" + b"<b/>" * (MAX_ELEMENTS + 1) + b"</a>",
    "a text of 11 MB": lambda: b"<a>" + b"x" * 11_000_000 + b"</a>",
    "an attribute of 11 MB": lambda: b'<a b="' + b"x" * 11_000_000 + b'"/>',
    "a name of 100 kB": lambda: b"<" + b"a" * 100_000 + b"/>",
    "opening brackets only": lambda: b"<" * 1_000_000,
    "a comment that never ends": lambda: b"<!--" + b"-" * 1_000_000,
    "blanks before nothing": lambda: b" " * 1_000_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_xml_is_refused_fast(case: str) -> None:
    """Each known attack on XML parsers is a DecodeError."""
    data = HOSTILE[case]()

    with pytest.raises(DecodeError):
        parse_xml(data)


BROKEN = [
    b"",
    b"   ",
    b"<a>",
    b"<a></b>",
    b"<a/>x",
    b"<a/><b/>",
    b"<a>&nbsp;</a>",
    b"<a b='1' b='2'/>",
    b"<p:a/>",
    b"<a>\x00</a>",
    b"<a>&#0;</a>",
    b"<a>\xff</a>",
    b"<a>\xc0\xbc</a>",
    b"<a>\xed\xa0\x80</a>",
    b"not xml",
]


def test_what_is_not_well_formed_is_refused() -> None:
    """Every breach of XML 1.0 becomes a DecodeError that names the place given."""
    assert [data for data in BROKEN if _refused(data) != "manifest"] == []


def _refused(data: bytes) -> str | None:
    try:
        parse_xml(data, where="manifest")
    except DecodeError as error:
        return error.where
    return None


def test_more_bytes_than_allowed_are_refused_before_parsing() -> None:
    """The size limit is the first check, and the caller sets it."""
    with pytest.raises(DecodeError, match="at most 3 bytes"):
        parse_xml(b"<a/>", max_bytes=3)


def test_a_doctype_cannot_hide_behind_an_encoding() -> None:
    """No byte order, mark, declared charset, comment or instruction smuggles a DOCTYPE in."""
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
    befores = ["", "<!-- <a> -->", "<?p <a> ?>", "\n "]
    names = ["", "utf-8", "iso-8859-1"]

    smuggled = []
    for encoding, before, named in product(encodings, befores, names):
        data = f'{before}<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(encoding)
        with suppress(DecodeError):
            smuggled.append((encoding, before, named, parse_xml(data, encoding=named)))
    assert smuggled == []


@pytest.mark.parametrize("encoding", ["utf-32", "utf-7", "cp037", "x-unknown", "idna", "rot13"])
def test_an_encoding_not_on_the_list_is_refused(encoding: str) -> None:
    """Encodings nobody needs, which may hide markup, are not read at all."""
    with pytest.raises(DecodeError, match="encoding"):
        parse_xml(b"<a/>", encoding=encoding)
    with pytest.raises(DecodeError, match="encoding"):
        parse_xml(f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode())


def test_the_charset_of_the_content_type_wins_over_the_declaration() -> None:
    """RFC 7303: the parameter is believed, not what the document says of itself."""
    data = '<?xml version="1.0" encoding="ISO-8859-1"?><a>Müller</a>'.encode()

    assert parse_xml(data, encoding="UTF-8").text == "Müller"
    assert parse_xml(data).text == "MÃ¼ller"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "iso-8859-15"])
def test_declared_encodings_on_the_list_are_read(encoding: str) -> None:
    """A document in an encoding that peers do use gives the same text."""
    data = f'<?xml version="1.0" encoding="{encoding}"?><a>Žofie</a>'
    text = data if encoding != "iso-8859-1" else data.replace("Ž", "Ö")

    assert parse_xml(text.encode(encoding)).text in {"Žofie", "Öofie"}


def test_blanks_before_the_declaration_are_forgiven() -> None:
    """A line end before the XML declaration, as some multipart writers leave, does no harm."""
    assert parse_xml(b'\r\n<?xml version="1.0"?><a/>').tag == "a"


def test_comments_and_instructions_do_not_cut_text() -> None:
    """Text around a comment reads as one, so nobody reads half of a name."""
    root = parse_xml(b"<a>Ad<!-- x -->am<?y z?>!</a>")

    assert root.text == "Adam!"
    assert len(root) == 0


def test_the_limits_themselves_are_allowed() -> None:
    """Exactly as much as a limit says passes; one more does not."""
    parse_xml(b"<a " + _attributes(MAX_ATTRIBUTES) + b"/>")
    parse_xml(b"<a " + _declarations(MAX_NAMESPACES_ON_ELEMENT) + b"/>")
    parse_xml(b"<a>" + b"<!---->" * MAX_COMMENTS + b"</a>")
    parse_xml(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH)

    with pytest.raises(DecodeError):
        parse_xml(b"<a " + _attributes(MAX_ATTRIBUTES + 1) + b"/>")
    with pytest.raises(DecodeError):
        parse_xml(b"<a " + _declarations(MAX_NAMESPACES_ON_ELEMENT + 1) + b"/>")
    with pytest.raises(DecodeError):
        parse_xml(b"<a>" + b"<!---->" * (MAX_COMMENTS + 1) + b"</a>")
    with pytest.raises(DecodeError):
        parse_xml(b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1))


def test_a_bracket_in_a_value_does_not_hide_declarations() -> None:
    """Namespace declarations behind a ">" inside a value are counted too."""
    data = b"<a x='>' " + _declarations(MAX_NAMESPACES_ON_ELEMENT + 1) + b"/>"

    with pytest.raises(DecodeError, match="namespace"):
        parse_xml(data)


def test_text_that_speaks_of_namespaces_is_text() -> None:
    """Escaped XML inside a text is not taken for declarations."""
    root = parse_xml(b"<a>" + b"xmlns:b=&quot;urn:b&quot; " * 500 + b"</a>")

    assert text_of(root).count("xmlns") == 500


def test_large_text_is_read_when_the_caller_asks_and_depth_still_counts() -> None:
    """A document as inline base64 passes with large_text; the limit on depth stays."""
    assert len(text_of(parse_xml(b"<a>" + b"x" * 11_000_000 + b"</a>", large_text=True))) > 10**7
    with pytest.raises(DecodeError, match="deep"):
        parse_xml(b"<a>" * 1000 + b"</a>" * 1000, large_text=True)


def test_an_error_quotes_little_and_only_printable() -> None:
    """What a peer sent appears in an error short, on one line, without control characters."""
    assert quoted("a\r\nb\x1b[31m" + "c" * 500) == "a b\ufffd[31m" + "c" * 151 + "…"


def test_a_path_names_the_way_with_known_prefixes() -> None:
    """Error texts point to an element by our prefixes and by its place among its like."""
    root = parse_xml(
        f'<x:Envelope xmlns:x="{SOAP}"><y/><y><Slot xmlns="{RIM}"/></y></x:Envelope>'.encode()
    )

    assert path_of(root[1][0]) == "/soap:Envelope/y[2]/rim:Slot"
    assert name_of(root) == "soap:Envelope"
    assert prefixed("{urn:unknown}a") == "{urn:unknown}a"


def test_canonical_form_does_not_depend_on_how_it_was_written() -> None:
    """Exclusive C14N: attribute order, quotes, unused declarations and comments make no odds."""
    one = parse_xml(b'<a xmlns:u="urn:u" c="2" b="1"><!-- x --><d/></a>')
    two = parse_xml(b"<a b='1'  c='2'><d></d></a>")

    assert canonical(one) == canonical(two) == b'<a b="1" c="2"><d></d></a>'


def test_a_tree_without_canonical_form_is_refused() -> None:
    """C14N knows no relative namespace; that is the peer's error, not a crash."""
    with pytest.raises(DecodeError, match="canonical"):
        canonical(parse_xml(b'<a xmlns="relative"/>'))


def test_the_text_of_an_element_is_all_of_it() -> None:
    """Nested text counts, blanks around do not, and no element has no text."""
    assert text_of(parse_xml(b"<a> x<b>y</b>z\n</a>")) == "xyz"
    assert text_of(parse_xml(b"<a/>")) == ""
    assert text_of(None) == ""


def test_the_text_of_many_elements_takes_linear_time() -> None:
    """Half a million pieces of text are joined without copying what was joined before."""
    root = parse_xml(b"<a>" + b"x<b/>y" * 500_000 + b"</a>")

    assert len(text_of(root)) == 1_000_000


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40))
def test_escaped_text_reads_back_as_written(text: str) -> None:
    """Whatever XML can carry survives escaping and parsing; the rest is refused, not dropped."""
    if legal_text(text) != text:
        with pytest.raises(EncodeError, match=r"U\+"):
            escape_text(text)
        return
    data = f'<a b="{escape_attr(text)}">{escape_text(text)}</a>'.encode()

    root = etree.fromstring(data)

    assert (root.text or "") == text
    assert root.get("b") == text


def test_characters_no_xml_can_carry_are_refused() -> None:
    """A control character or half a surrogate pair is an EncodeError, in text and attribute."""
    for text in ("a\x00b", "\x0b", "\ud800", "\uffff"):
        with pytest.raises(EncodeError):
            escape_text(text)
        with pytest.raises(EncodeError):
            escape_attr(text)
        assert "\ufffd" in legal_text(text)
