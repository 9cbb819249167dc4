"""Multipart bodies: any split of the bytes gives the same parts, and nothing hostile gets by."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message as Mail
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.multipart import (
    MAX_PREAMBLE_BYTES,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    decode_transfer,
    part_head,
)
from gateway.wire.problems import DecodeError, EncodeError

Part = tuple[tuple[tuple[str, str], ...], bytes]
HEADERS = (("Content-Type", "text/plain"), ("Content-ID", "<1@b>"))


def _read(boundary: str, chunks: Iterable[bytes], **limits: int) -> tuple[list[Part], bool]:
    """The parts of a body fed in chunks, and whether it was closed; events must alternate."""
    reader = MultipartReader(boundary, **limits)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    closed = reader.finish()
    parts: list[Part] = []
    content: list[bytes] | None = None
    for event in (*events, *reader.tail):
        match event:
            case PartBegin(headers):
                assert content is None
                content = []
                parts.append((headers, b""))
            case PartData(data):
                assert content is not None
                assert data
                content.append(data)
            case PartEnd():
                assert content is not None
                parts[-1] = (parts[-1][0], b"".join(content))
                content = None
    assert content is None
    return parts, closed


def _write(boundary: str, contents: Iterable[bytes]) -> bytes:
    pieces = [
        part_head(boundary, HEADERS, first=index == 0) + content
        for index, content in enumerate(contents)
    ]
    return b"".join(pieces) + closing(boundary)


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


# Pieces that look like a boundary "b" in all the ways that matter.
_PIECES = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"-", b"--", b"--b", b"\r\n--", b"\r\n--a", b"\r\n--bb", b"x", b" "]
    ),
    max_size=8,
).map(b"".join)


def _is_content(content: bytes) -> bool:
    """Whether a part may hold this: no line of it reads as a boundary "b"."""
    lines = (b"\r\n" + content).split(b"\r\n--b")
    return not any(
        rest[:2] == b"--" or rest.lstrip(b" \t")[:1] in (b"", b"\n", b"\r") for rest in lines[1:]
    )


@settings(max_examples=50, deadline=None)
@given(
    contents=st.lists(_PIECES.filter(_is_content), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    preamble=st.sampled_from([b"", b"Dear reader\r\n", b"--a\r\n", b"\r\n"]),
    epilogue=st.sampled_from([b"", b"\r\n--b\r\n", b"bye"]),
)
def test_any_split_gives_the_same_parts(
    contents: list[bytes], cuts: list[int], preamble: bytes, epilogue: bytes
) -> None:
    """However the bytes are cut, the parts come out as they went in."""
    data = preamble + _write("b", contents) + epilogue
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(edges)]

    parts, closed = _read("b", chunks)

    assert [content for _, content in parts] == contents
    assert all(headers == HEADERS for headers, _ in parts)
    assert closed


@settings(max_examples=50, deadline=None)
@given(
    data=st.lists(
        st.sampled_from(
            [b"--b", b"\r\n", b"\n", b"\r", b"-", b"A: b", b" ", b":", b"x", b"\r\n--b\r\n\r\n"]
        ),
        max_size=16,
    ).map(b"".join),
    size=st.integers(1, 7),
)
def test_any_split_of_any_bytes_gives_the_same_answer(data: bytes, size: int) -> None:
    """Also for bytes that are no proper multipart body, whole and in pieces agree."""
    answers = []
    for chunks in ([data], _split(data, size)):
        try:
            answers.append(_read("b", chunks))
        except DecodeError as error:
            answers.append(([((), error.where.encode())], False))

    assert answers[0] == answers[1]


def test_bytes_come_one_at_a_time() -> None:
    """The slowest sender is understood."""
    data = _write("b", [b"one\r\n", b"", b"\r\n--c"])

    parts, closed = _read("b", _split(data, 1))

    assert [content for _, content in parts] == [b"one\r\n", b"", b"\r\n--c"]
    assert closed


def test_a_body_that_ends_at_the_edge_of_a_chunk_keeps_its_last_byte() -> None:
    """Cut anywhere around the closing boundary, content is neither lost nor added."""
    data = _write("b", [b"content\r"])

    for cut in range(len(data)):
        parts, closed = _read("b", [data[:cut], data[cut:]])
        assert parts[0][1] == b"content\r"
        assert closed


def test_the_last_bytes_of_a_part_come_without_waiting_when_they_are_no_boundary() -> None:
    """Only what may begin a boundary is held back."""
    reader = MultipartReader("b")
    reader.feed(b"--b\r\n\r\n")

    assert reader.feed(b"abc") == [PartData(b"abc")]
    assert reader.feed(b"def\r\n-") == [PartData(b"def")]
    assert reader.feed(b"x") == [PartData(b"\r\n-x")]


def test_only_the_line_end_before_a_boundary_belongs_to_it() -> None:
    """A document that ends in line ends keeps all but the boundary's own."""
    parts, _ = _read("b", [b"--b\r\n\r\ntext\r\n\r\n\r\n--b--"])

    assert parts == [((), b"text\r\n\r\n")]


@pytest.mark.parametrize("boundary", ["uuid:1+2=3", "a b", "(x)'?/,.", "=_Part_1", "x" * 70])
def test_boundaries_of_all_legal_characters_are_read(boundary: str) -> None:
    """A boundary that needs quotes in its header is plain bytes in the body."""
    parts, closed = _read(boundary, [_write(boundary, [b"a", b"b"])])

    assert [content for _, content in parts] == [b"a", b"b"]
    assert closed


@pytest.mark.parametrize("boundary", ["", "x" * 201, "a\r\nb", "ä", "a ", "\x00"])
def test_an_unfit_boundary_is_refused(boundary: str) -> None:
    """What no header can announce is a DecodeError, not a search for an empty string."""
    with pytest.raises(DecodeError, match="boundary"):
        MultipartReader(boundary)


def test_preamble_and_epilogue_are_passed_over() -> None:
    """Text before the first boundary and behind the last is nobody's content."""
    data = b"for old readers --b\r\n" + _write("b", [b"x"]) + b"\r\n--b\r\n\r\nnot a part"

    assert _read("b", [data]) == ([(HEADERS, b"x")], True)


def test_a_preamble_without_end_is_refused() -> None:
    """A body in which no boundary comes is given up early."""
    reader = MultipartReader("b")

    with pytest.raises(DecodeError, match="no boundary"):
        for _ in range(3):
            reader.feed(b"x" * MAX_PREAMBLE_BYTES)


def test_blanks_behind_a_boundary_are_forgiven() -> None:
    """Transport padding (RFC 2046) does not make a boundary content."""
    parts, closed = _read("b", [b"--b \t \r\n\r\nx\r\n--b \r\n\r\ny\r\n--b-- \r\n"])

    assert [content for _, content in parts] == [b"x", b"y"]
    assert closed


def test_bytes_like_a_boundary_are_content() -> None:
    """A longer word, a boundary in mid-line and one after a bare line feed are content."""
    content = b"--b\n--b\r\n--bc\r\nx--b\r\n--\r\n-b\r\n--B"

    parts, _ = _read("b", [b"--b\r\n\r\nx" + content + b"\r\n--b--"])

    assert parts == [((), b"x" + content)]


def test_lines_that_end_in_a_bare_line_feed_are_read_throughout() -> None:
    """When the first boundary line ends in LF, all boundaries do; content keeps its CR."""
    parts, closed = _read("b", [b"--b\nA: 1\n\nx\r\n--b\n\ny\n--b--\n"])

    assert parts == [((("A", "1"),), b"x\r"), ((), b"y")]
    assert closed


def test_a_missing_closing_boundary_ends_the_part_where_the_bytes_end() -> None:
    """What was held back is handed over in the tail, and the caller is told."""
    for data in (b"--b\r\n\r\ntext\r\n--", b"--b\r\n\r\ntext\r\n-", b"--b\r\n\r\ntext"):
        parts, closed = _read("b", [data])
        assert parts == [((), data.removeprefix(b"--b\r\n\r\n"))]
        assert not closed


def test_a_boundary_cut_off_at_the_end_is_a_boundary() -> None:
    """A body that breaks off within the closing boundary loses no content and gains none."""
    for ending in (b"\r\n--b", b"\r\n--b-", b"\r\n--b\r\n"):
        parts, closed = _read("b", [b"--b\r\n\r\ntext" + ending])
        assert parts == [((), b"text")]
        assert not closed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"--b",
        b"no boundary",
        b"--b--",
        b"--b\r\n",
        b"--b\r\nA: 1",
        b"--b\r\nA: 1\r\n",
        b"--b\r\n\r\nx\r\n--b\r\nA: 1\r\n",
    ],
)
def test_a_body_without_parts_or_cut_off_in_headers_is_refused(data: bytes) -> None:
    """No complete part, or one whose headers break off, is a DecodeError."""
    with pytest.raises(DecodeError):
        _read("b", [data])


@pytest.mark.parametrize(
    "line", [b"no colon here", b": no name", b" folded before anything", b"--b--"]
)
def test_a_line_that_is_no_header_is_refused(line: bytes) -> None:
    """Headers are read by RFC 5322; a line of another kind is a DecodeError."""
    with pytest.raises(DecodeError, match="part 1"):
        _read("b", [b"--b\r\n" + line + b"\r\n\r\nx\r\n--b--"])


def test_headers_are_read_with_folding_and_any_case() -> None:
    """Values are stripped, folded lines joined, odd bytes kept, names found in any case."""
    reader = MultipartReader("b")

    begin = reader.feed(b"--b\r\ncontent-ID :  <a>\r\nX: one\r\n\ttwo\r\nY: \xe9\xff\r\n\r\n")[0]

    assert isinstance(begin, PartBegin)
    assert begin.header("Content-Id") == "<a>"
    assert begin.header("x") == "one two"
    assert begin.header("y") == "éÿ"
    assert begin.header("z") == ""


@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_headers_have_a_limit(size: int) -> None:
    """One long line, many short ones, in one chunk or many: too much is refused."""
    for block in (b"A: " + b"x" * 5000, b"A: b\r\n" * 1000, b"x" * 5000):
        with pytest.raises(DecodeError, match="headers"):
            _read("b", _split(b"--b\r\n" + block, size), max_header_bytes=4000)


def test_parts_have_a_limit() -> None:
    """More parts than allowed are refused as soon as the next one begins."""
    data = _write("b", [b""] * 5)

    assert len(_read("b", [data], max_parts=5)[0]) == 5
    with pytest.raises(DecodeError, match="6 parts"):
        _read("b", [_write("b", [b""] * 6)], max_parts=5)


def test_what_we_write_is_read_by_the_standard_library() -> None:
    """Another implementation finds the same parts in our bytes."""
    head = b'Content-Type: multipart/related; boundary="a:b"\r\n\r\n'

    mail = message_from_bytes(head + _write("a:b", [b"one\r\n", b"two"]))

    parts = [part for part in mail.get_payload() if isinstance(part, Mail)]
    assert [part.get_payload() for part in parts] == ["one\r\n", "two"]
    assert parts[0]["Content-ID"] == "<1@b>"


@pytest.mark.parametrize("header", [("A", "x\r\nB: y"), ("A\n", "x"), ("A:", "x"), ("Ä", "x")])
def test_a_header_that_would_break_the_framing_is_not_written(header: tuple[str, str]) -> None:
    """A line end in a value would be a header or a part of somebody else's making."""
    with pytest.raises(EncodeError):
        part_head("b", [header])


def test_a_body_full_of_near_boundaries_takes_linear_time() -> None:
    """Content made to look like the boundary at every line costs no more than a scan."""
    content = b"\r\n--b0" * 300_000
    data = _write("b", [content])

    parts, _ = _read("b", _split(data, 64 * 1024))

    assert parts[0][1] == content


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit", "binary", "BINARY "])
def test_identity_encodings_change_nothing(encoding: str) -> None:
    """Most parts say binary, and what they hold is what they are."""
    decoder = decode_transfer(encoding)

    assert decoder.update(b"\x00\xff=\r\n") + decoder.finish() == b"\x00\xff=\r\n"


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=200), size=st.integers(1, 20))
def test_base64_is_decoded_whatever_the_chunks(content: bytes, size: int) -> None:
    """Line ends fall anywhere, chunks end anywhere, padding may be left out."""
    text = base64.encodebytes(content)

    for sent in (text, text.rstrip(b"=\n"), text.replace(b"\n", b"\r\n ")):
        decoder = decode_transfer("Base64")
        decoded = b"".join(decoder.update(chunk) for chunk in _split(sent, size))
        assert decoded + decoder.finish() == content


@pytest.mark.parametrize("text", [b"A", b"AAAAA", b"AA=A", b"A===", b"AA==AAAA", b"AA*A", b"===="])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_broken_base64_is_refused(text: bytes, size: int) -> None:
    """Characters that are none, padding in the middle and half a byte are DecodeErrors."""
    decoder = decode_transfer("base64")

    with pytest.raises(DecodeError, match="base64"):
        for chunk in _split(text, size):
            decoder.update(chunk)
        decoder.finish()


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=200), size=st.integers(1, 20))
def test_quoted_printable_is_decoded_whatever_the_chunks(content: bytes, size: int) -> None:
    """What the standard library encodes comes back, soft line ends and all."""
    text = quopri.encodestring(content, quotetabs=True).replace(b"\r\n", b"=0D\n")
    decoder = decode_transfer("quoted-printable")

    decoded = b"".join(decoder.update(chunk) for chunk in _split(text, size)) + decoder.finish()

    assert decoded == quopri.decodestring(text)


def test_quoted_printable_drops_blanks_at_line_ends_and_keeps_line_ends() -> None:
    """RFC 2045 rule 3: blanks a gateway added go, CRLF stays."""
    decoder = decode_transfer("quoted-printable")

    assert decoder.update(b"a=3D \t\r\nb=\r\nc ") == b"a=\r\nb"
    assert decoder.finish() == b"c"


def test_a_quoted_printable_line_without_end_is_refused() -> None:
    """A line that has to be held until it ends has a limit."""
    for size in (64 * 1024, 10**9):
        decoder = decode_transfer("quoted-printable")
        with pytest.raises(DecodeError, match="line"):
            for chunk in _split(b"x" * 2_000_000 + b"\n", size):
                decoder.update(chunk)


def test_an_unknown_transfer_encoding_is_refused() -> None:
    """A part we cannot undo is not stored as if it were the document."""
    with pytest.raises(DecodeError, match="Content-Transfer-Encoding"):
        decode_transfer("x-uuencode")
