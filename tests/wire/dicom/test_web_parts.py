"""Bodies of instances: any split gives the same parts, every tolerance, and truncation is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Uid
from gateway.wire.dicom.web_parts import (
    MAX_FINDINGS,
    OutgoingInstance,
    WebParts,
    body_length,
    content_type,
    instance_head,
    instance_tail,
    read_content_type,
    single_content_type,
)
from gateway.wire.problems import DecodeError, EncodeError

BOUNDARY = "b-0123456789abcdef0123456789abcdef"
JPEGLS = Uid("1.2.840.10008.1.2.4.80")
FILE = b"\0" * 128 + b"DICM" + bytes(range(256))
OTHER = b"\0" * 128 + b"DICM\r\n--b-0123456789\r\n\r\n--" + b"x" * 50
TYPE = content_type(BOUNDARY)
LOCATION = "https://images.example/dicom-web/studies/1.2/series/1.3/instances/1.4"
Part = tuple[tuple[tuple[str, str], ...], bytes]


def instance(size: int | None = None, syntax: Uid = JPEGLS) -> OutgoingInstance:
    """An instance to send."""
    return OutgoingInstance(location=LOCATION, transfer_syntax=syntax, size_bytes=size)


def written(*files: bytes, sizes: bool = True) -> bytes:
    """A body as we write it."""
    heads = [
        instance_head(BOUNDARY, instance(len(data) if sizes else None), first=index == 0)
        for index, data in enumerate(files)
    ]
    return b"".join(h + f for h, f in zip(heads, files, strict=True)) + instance_tail(BOUNDARY)


def read(of: str, chunks: Iterable[bytes]) -> tuple[list[Part], tuple[str, ...]]:
    """The parts of a body fed in chunks, and the findings; pieces must be in order."""
    parts = WebParts(of)
    pieces = [piece for chunk in chunks for piece in parts.feed(chunk)]
    pieces += parts.finish()
    found: dict[int, Part] = {}
    ended: set[int] = set()
    for piece in pieces:
        assert piece.number not in ended
        assert piece.data or piece.last
        found[piece.number] = piece.headers, found.get(piece.number, ((), b""))[1] + piece.data
        if piece.last:
            ended.add(piece.number)
    assert ended == set(found)
    assert parts.complete == len(ended)
    return list(found.values()), parts.findings


def contents(of: str, body: bytes) -> tuple[list[bytes], tuple[str, ...]]:
    """The contents of a body's parts, and the findings."""
    parts, findings = read(of, [body])
    return [data for _, data in parts], findings


def reply(body: bytes, of: str) -> requests.Response:
    """An answer as another client holds it."""
    response = requests.Response()
    response.headers["content-type"] = of
    response._content = body
    response._content_consumed = True
    return response


def test_a_body_is_framed_as_the_standard_shows_it() -> None:
    """Boundary first, exact headers, no preamble and no epilogue."""
    body = written(FILE)

    assert content_type(BOUNDARY) == (
        f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    )
    assert (
        body
        == (
            f"--{BOUNDARY}\r\n"
            f"Content-Type: application/dicom; transfer-syntax={JPEGLS}\r\n"
            f"Content-Location: {LOCATION}\r\n"
            f"Content-Length: {len(FILE)}\r\n\r\n"
        ).encode()
        + FILE
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def test_the_syntax_is_in_the_header_only_where_it_is_said() -> None:
    """All parts have it then; a single part always says its own."""
    same = content_type(BOUNDARY, transfer_syntax=JPEGLS)

    assert same == TYPE.replace("; boundary", f"; transfer-syntax={JPEGLS}; boundary")
    assert single_content_type(JPEGLS) == f"application/dicom; transfer-syntax={JPEGLS}"


@pytest.mark.parametrize("files", [[FILE], [FILE, OTHER], [OTHER, FILE, b""]])
def test_the_length_of_a_body_is_known_before_it_is_sent(files: list[bytes]) -> None:
    """To the byte, so that Content-Length can be sent."""
    assert body_length(BOUNDARY, [instance(len(data)) for data in files]) == len(written(*files))


def test_the_length_is_not_known_where_a_size_is_not() -> None:
    """The body goes out in chunks then."""
    assert body_length(BOUNDARY, [instance(1), instance(None)]) is None


@pytest.mark.parametrize("boundary", ["short", "b" * 61, "b" * 30 + "=", "b" * 30 + " ", "é" * 30])
def test_a_boundary_that_would_need_quotes_is_an_error(boundary: str) -> None:
    """Clients split the header at semicolons and equals signs."""
    with pytest.raises(EncodeError, match="boundary"):
        content_type(boundary)


@pytest.mark.parametrize("location", ["", "https://a b/", "https://ä/", "https://a/\r\nX: y"])
def test_a_location_that_is_no_url_is_an_error(location: str) -> None:
    """Nothing of it gets into a header."""
    spoiled = OutgoingInstance(location=location, transfer_syntax=JPEGLS)

    with pytest.raises(EncodeError, match="URL"):
        instance_head(BOUNDARY, spoiled, first=True)


@pytest.mark.parametrize("stream", [False, True])
def test_another_client_reads_what_we_write(stream: bool) -> None:
    """dicomweb-client finds the same files."""
    client = DICOMwebClient("http://localhost")
    client.set_chunk_size(1024)

    found = client._decode_multipart_message(reply(written(FILE, OTHER), TYPE), stream=stream)

    assert [bytes(one) for one in found] == [FILE, OTHER]


def test_we_read_what_another_client_writes() -> None:
    """dicomweb-client begins a body with a line end, and ends it without one."""
    of = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
    body = DICOMwebClient._encode_multipart_message([FILE, OTHER], of)

    assert contents(of, body) == ([FILE, OTHER], ())


@settings(deadline=None)
@given(st.lists(st.integers(0, len(written(FILE, OTHER))), max_size=12))
def test_any_split_gives_the_same_parts(cuts: list[int]) -> None:
    """Headers, contents and ends."""
    body = written(FILE, OTHER)
    at = [0, *sorted(cuts), len(body)]

    parts, findings = read(TYPE, [body[a:b] for a, b in pairwise(at)])

    assert [data for _, data in parts] == [FILE, OTHER]
    assert parts[0][0][1] == ("Content-Location", LOCATION)
    assert findings == ()


def test_a_piece_knows_its_part_and_syntax() -> None:
    """The number, the headers in any case, the syntax its type names."""
    parts = WebParts(TYPE)

    first, last = parts.feed(written(FILE))

    assert (first.number, first.last, first.data) == (1, False, FILE)
    assert (last.number, last.last, last.data) == (1, True, b"")
    assert first.header("CONTENT-LOCATION") == LOCATION
    assert first.transfer_syntax == JPEGLS


@pytest.mark.parametrize("value", ["application/dicom", "application/dicom; transfer-syntax=x"])
def test_a_syntax_that_is_missing_or_none_is_not_known(value: str) -> None:
    """Never a guess."""
    body = f"--x\r\nContent-Type: {value}\r\n\r\n".encode() + FILE + b"\r\n--x--"

    (first, _) = WebParts('multipart/related; type="application/dicom"; boundary=x').feed(body)

    assert first.transfer_syntax is None


def body_of(
    *, start: str = "", head: str = "Content-Type: application/dicom", end: str = "--b--\r\n"
) -> bytes:
    """A body of one part with boundary `b` in which one thing is odd."""
    return f"{start}--b\r\n{head}\r\n\r\n".encode() + FILE + b"\r\n" + end.encode()


B = 'multipart/related; type="application/dicom"; boundary=b'


@pytest.mark.parametrize(
    ("of", "body"),
    [
        ('multipart/related; type="application/dicom"; boundary="b', body_of()),
        ('multipart/related; type="application/dicom"; boundary="b"', body_of()),
        ("Multipart/Related;BOUNDARY=b;Type=Application/DICOM", body_of()),
        (B, body_of(start="\r\n")),
        (B, body_of(start="This is a multipart message.\r\n\r\n")),
        (B, body_of(end="--b--")),
        (B, body_of(end="--b--\r\nand more\r\n--b\r\nstill")),
        (B, body_of().replace(b"dicom\r\n\r\n", b"dicom\n\n")),
        (B, body_of().replace(b"\r\n", b"\n")),
        (B, body_of(head="content-TYPE: APPLICATION/dicom")),
        (B, body_of(head="X-More: 1\r\nContent-Type: application/dicom\r\nContent-ID: <1>")),
        (B, body_of(head=f"Content-Type: application/dicom\r\nContent-Length: {len(FILE)}")),
        (B, body_of().replace(b"--b\r\n", b"--b \t\r\n")),
        ('multipart/related; type="application/dicom"; boundary="a=b;c"', b""),
        ("multipart/related; type=application/dicom; boundary=a=b", b""),
    ],
    ids=[
        *("quote left open", "quoted boundary", "case of the header", "first CRLF", "preamble"),
        *("no final CRLF", "epilogue", "bare LF part headers", "bare LF everywhere"),
        *("case of a part header", "extra headers", "part Content-Length", "blanks behind it"),
        *("boundary with = and ;", "boundary with = and no quotes"),
    ],
)
def test_odd_bodies_are_read_in_silence(of: str, body: bytes) -> None:
    """What multipart allows, or what changes nothing."""
    if not body:
        boundary = read_content_type(of)[1]["boundary"]
        assert "=" in boundary
        body = body_of().replace(b"--b", b"--" + boundary.encode())

    assert contents(of, body) == ([FILE], ())


@pytest.mark.parametrize(
    ("of", "body", "finding"),
    [
        ("multipart/related; boundary=b", body_of(), "the answer has the type '', not"),
        (
            "multipart/related; type=text/xml; boundary=b",
            body_of(),
            "the answer has the type 'text",
        ),
        (
            'multipart/mixed; type="application/dicom"; boundary=b',
            body_of(),
            "the answer is multip",
        ),
        (B, b"--b\r\n\r\n" + FILE + b"\r\n--b--", "part 1 has no type"),
        (B, body_of(head="Content-Type: image/jls"), "part 1 has the type 'image/jls'"),
        (
            B,
            body_of(head="Content-Length: 7\r\nContent-Type: application/dicom"),
            "part 1 says '7'",
        ),
        (B, b"--b\r\nX: 1\r\n\r\n\r\n" + body_of(), "part 1 is empty"),
        ("application/dicom", FILE, "the answer is a single part"),
        ("application/octet-stream", FILE, "the answer is a single part"),
    ],
    ids=[
        *("missing type", "wrong type", "another multipart", "part without Content-Type"),
        *("part of another type", "wrong part Content-Length", "empty part"),
        *("single part", "single part of bytes"),
    ],
)
def test_departures_are_taken_and_told(of: str, body: bytes, finding: str) -> None:
    """The files are read, and the finding says what was wrong."""
    files, findings = contents(of, body)

    assert files == [FILE]
    assert findings[0].startswith(finding)


def test_a_part_without_preamble_is_taken_and_told() -> None:
    """Some servers send the data set alone; however it is split."""
    body = body_of().replace(FILE, FILE[132:])

    files, findings = read(B, [body[at : at + 1] for at in range(len(body))])

    assert [data for _, data in files] == [FILE[132:]]
    assert findings == ("part 1 has no DICOM preamble",)


def test_a_transfer_encoding_is_undone() -> None:
    """DICOMweb has none; a gateway in between may."""
    head = "Content-Type: application/dicom\r\nContent-Transfer-Encoding: base64"
    body = body_of(head=head).replace(FILE, b"AAECAw==")

    assert contents(B, body)[0] == [bytes(range(4))]


def test_a_single_part_is_one_piece_after_another() -> None:
    """With the headers of the message."""
    of = f"application/dicom; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"

    parts, findings = read(of, [FILE[:10], b"", FILE[10:]])

    assert parts == [((("Content-Type", of),), FILE)]
    assert findings == ("the answer is a single part",)


@pytest.mark.parametrize("cut", [5, 40, 90, len(written(FILE)) + 20])
def test_a_body_that_ends_early_is_an_error_that_counts_what_is_complete(cut: int) -> None:
    """Whether within a part, its headers or its boundary."""
    parts = WebParts(TYPE)
    pieces = parts.feed(written(FILE, OTHER)[:-cut])

    with pytest.raises(DecodeError, match="multipart"):
        parts.finish()

    whole = {piece.number for piece in pieces if piece.last}
    assert parts.complete == len(whole) == (1 if cut < len(written(FILE)) else 0)


@pytest.mark.parametrize(
    ("of", "body"),
    [
        ("text/html; charset=utf-8", b"<html>"),
        ("application/dicom+json", b"[]"),
        ("", FILE),
        ("application/dicom", b""),
        ("multipart/related", body_of()),
        (B, b""),
        (B, b"--b--\r\n"),
        (B, b"--b\r\n\r\n\r\n--b--\r\n"),
        (B, b"no boundary at all"),
        (B, body_of(head="no colon")),
        (B, body_of(head="Content-Transfer-Encoding: x-gzip")),
    ],
    ids=[
        *("html", "json", "no type", "nothing", "no boundary parameter", "empty", "no part"),
        *("empty parts only", "no boundary", "broken header", "unknown encoding"),
    ],
)
def test_what_is_no_answer_of_instances_is_an_error(of: str, body: bytes) -> None:
    """Never an empty study instead."""
    with pytest.raises(DecodeError):
        contents(of, body)


def test_findings_have_a_limit() -> None:
    """A server that is odd once is odd in every part."""
    part = b"--b\r\n\r\n" + FILE + b"\r\n"

    _, findings = contents(B, part * (MAX_FINDINGS + 10) + b"--b--")

    assert len(findings) == MAX_FINDINGS


def test_the_limit_of_parts_can_be_set() -> None:
    """As a server's own maximum asks."""
    parts = WebParts(TYPE, max_parts=1)

    with pytest.raises(DecodeError, match="at most 1"):
        parts.feed(written(FILE, OTHER))


@settings(deadline=None)
@given(st.text(max_size=40), st.binary(max_size=80), st.integers(0, 80))
def test_any_body_is_read_or_refused(rest: str, body: bytes, cut: int) -> None:
    """Nothing but the error comes out."""
    for of in (rest, B, f"multipart/related; boundary={rest}", "application/dicom;" + rest):
        with contextlib.suppress(DecodeError):
            contents(of, b"--b\r\n" + body[:cut] + b"\r\n\r\n" + body[cut:] + b"\r\n--b--")


def test_a_beginning_says_where_it_ends_and_of_how_much_it_is() -> None:
    """Its length is that of what comes, its range names the whole (RFC 9110, 14.4)."""
    part = replace(instance(1000), begin_bytes=300)

    head = instance_head(BOUNDARY, part, first=True)
    assert b"Content-Length: 300\r\n" in head
    assert b"Content-Range: bytes 0-299/1000\r\n" in head
    assert body_length(BOUNDARY, [part]) == len(head) + 300 + len(instance_tail(BOUNDARY))
