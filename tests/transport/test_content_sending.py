"""The bytes of a document in part, not again, or whole, as a request over mutual TLS wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.domain import Document, NotNow, Outcome, Refusal, Timestamp
from gateway.pki import TrustDomain
from gateway.transport.content_sending import Part
from gateway.wire.ranges import ByteRange
from tests.fhir_requests import ask
from tests.gateways import Pair, pair_of
from tests.requests import kept
from tests.transport.test_fhir_documents import DATA, ENTRY, NAME, SEARCH, replace, scripted

PATH = f"/Binary/{NAME}"
MODIFIED = "Fri, 20 Nov 2026 10:30:00 GMT"
TAG = f'"{ENTRY.sha1}"'


@dataclass
class Pieces:
    """A content in pieces of one size, which notes how many were read."""

    data: bytes
    piece: int
    read: int = 0

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces in order."""
        for start in range(0, len(self.data), self.piece):
            self.read += 1
            yield self.data[start : start + self.piece]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
async def test_a_part_is_the_same_slice_however_the_whole_comes(piece: int) -> None:
    """And nothing behind it is read."""
    data = bytes(range(50))
    for first, last in ((0, 49), (0, 0), (49, 49), (5, 17), (7, 13)):
        content = Pieces(data, piece)
        part = Part(content, ByteRange(first, last))

        got = b"".join([chunk async for chunk in part.chunks()])

        assert got == data[first : last + 1]
        assert part.size_bytes == len(got)
        assert content.read == last // piece + 1


async def _ranges(pair: Pair) -> None:
    size = len(DATA)
    whole = (200, DATA, None)
    for headers, status, body, content_range in (
        ({"Range": "bytes=0-131"}, 206, DATA[:132], f"bytes 0-131/{size}"),
        ({"Range": "bytes=132-"}, 206, DATA[132:], f"bytes 132-{size - 1}/{size}"),
        ({"Range": "bytes=-5"}, 206, DATA[-5:], f"bytes {size - 5}-{size - 1}/{size}"),
        ({"Range": "bytes=0-0", "If-Range": TAG}, 206, DATA[:1], f"bytes 0-0/{size}"),
        ({"Range": "bytes=0-0", "If-Range": MODIFIED}, 206, DATA[:1], f"bytes 0-0/{size}"),
        ({"Range": "bytes=0-0", "If-Range": '"other"'}, *whole),
        ({"Range": "bytes=0-0", "If-Range": f"W/{TAG}"}, *whole),
        ({"Range": "bytes=0-0,5-6"}, *whole),
        ({"Range": "lines=0-5"}, *whole),
        ({}, *whole),
    ):
        got = await ask(pair, path=PATH, **headers)

        assert (got.status, got.body) == (status, body)
        assert got.headers.get("Content-Range") == content_range
        assert got.headers["Content-Length"] == str(len(body))
        assert got.headers["Accept-Ranges"] == "bytes"
        assert (got.headers["ETag"], got.headers["Last-Modified"]) == (TAG, MODIFIED)
        assert "Content-Encoding" not in got.headers


async def test_a_document_comes_in_part_where_one_range_is_asked_for(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """206 for one range of the state the asker has; several, or of another state, are the whole."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        await _ranges(pair)
        sizes = [each["answer_bytes"] for each in kept(pair)]
        head = await ask(pair, "HEAD", PATH, Range="bytes=0-5")

    assert sizes[:2] == [132, len(DATA) - 132]
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(DATA)))


async def test_a_range_behind_the_end_is_refused_with_the_size(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """416, an OperationOutcome, and how many bytes there are."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        got = await ask(pair, path=PATH, Range=f"bytes={len(DATA)}-")

    assert (got.status, got.refusal) == (416, "unsupported")
    assert got.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_who_has_a_document_is_not_sent_it_again(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """By tag or by date; a tag that differs decides, whatever the date."""
    later, earlier = "Sat, 21 Nov 2026 00:00:00 GMT", "Thu, 19 Nov 2026 00:00:00 GMT"
    vague = replace(ENTRY, created=Timestamp.parse("202611"))
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        statuses = [
            (await ask(pair, path=PATH, **headers)).status
            for headers in (
                {"If-None-Match": f'"x", W/{TAG}'},
                {"If-None-Match": "*"},
                {"If-Modified-Since": MODIFIED},
                {"If-Modified-Since": later},
                {"If-Modified-Since": earlier},
                {"If-None-Match": '"x"', "If-Modified-Since": later},
            )
        ]
    async with pair_of(scripted(vague), trust_domain, tmp_path / "vague") as pair:
        undated = await ask(pair, path=PATH, If_Modified_Since=later)

    assert statuses == [304, 304, 304, 304, 200, 200]
    assert undated.status == 200
    assert "Last-Modified" not in undated.headers


async def test_resources_are_compressed_for_who_takes_that(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """JSON and XML of a kilobyte and more; a document never, a short answer never."""
    async with pair_of(scripted(ENTRY), trust_domain, tmp_path) as pair:
        for path, accept, took, encoding in (
            (SEARCH, "gzip", "application/fhir+json", "gzip"),
            (SEARCH, "gzip", "application/fhir+xml", "gzip"),
            (SEARCH, "br, *", "application/fhir+json", "gzip"),
            (SEARCH, "gzip;q=0, *", "application/fhir+json", None),
            (SEARCH, "identity", "application/fhir+json", None),
            ("/DocumentReference", "gzip", "application/fhir+json", None),
            (PATH, "gzip", "application/dicom", None),
            (PATH, "gzip", "application/fhir+json", "gzip"),
        ):
            got = await ask(pair, path=path, Accept_Encoding=accept, Accept=took)

            assert got.headers.get("Content-Encoding") == encoding
            assert got.headers["Vary"] == "Accept, Accept-Encoding, Authorization"
            assert got.headers["Content-Type"].startswith(took)
            if encoding:
                assert got.resource["resourceType"] in ("Bundle", "Binary")
                assert int(got.headers["Content-Length"]) < len(got.body)
        raw = pair.serving.tap.raw(kept(pair)[0]["id"], "answer")

    # What is kept of it can be read without unpacking.
    assert raw is not None
    assert b"DocumentReference" in raw.body.read_bytes()


@dataclass
class Breaking(Pieces):
    """A content whose holder fails after its first piece."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """One piece, and no more."""
        yield self.data[: self.piece]
        raise NotNow(Refusal.BACK_END_DOWN, "the store broke off")


async def test_a_document_that_breaks_off_is_cut_and_never_followed_by_an_error(
    trust_domain: TrustDomain, tmp_path: Path
) -> None:
    """Half of it with an OperationOutcome behind would look like a document."""
    exchange = scripted(ENTRY)
    broken = Breaking(DATA, 1_000)
    exchange.documents = Outcome(
        (Document(ref=ENTRY.ref, mime_type=ENTRY.mime_type, content=broken, sha1=""),)
    )
    async with pair_of(exchange, trust_domain, tmp_path) as pair:
        with pytest.raises(aiohttp.ClientError):
            await ask(pair, path=PATH)
        [summary] = kept(pair)

    assert summary["outcome"] == "refused"
