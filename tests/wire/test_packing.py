"""Files in a gzip body: any reader of gzip gets them back, and only headers are worked on."""

from __future__ import annotations

import gzip
import random
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.packing import MAX_HEADER_BYTES, InstancePacker, header_of, spared_bytes

MARK = b"\xe0\x7f\x10\x00OW\0\0"
HEADER = b"\0" * 128 + b"DICM" + b"of a scanner, private; " * 4000
NOISE = random.Random(7).randbytes(200_000)
FILE = HEADER + MARK + NOISE


def packed(*files: bytes, piece: int = 1_000_000) -> bytes:
    """A body of files, given in pieces."""
    packer, out = InstancePacker(), b""
    for data in files:
        packer.begin(b"--boundary\r\n\r\n")
        for at in range(0, len(data), piece):
            out += packer.data(data[at : at + piece])
    return out + packer.end(b"\r\n--boundary--")


def plain(*files: bytes) -> bytes:
    """What it should be read as."""
    return b"".join(b"--boundary\r\n\r\n" + one for one in files) + b"\r\n--boundary--"


@pytest.mark.parametrize("piece", [1_000, 65_535, 1_000_000])
def test_any_reader_of_gzip_gets_the_files_back(piece: int, tmp_path: Path) -> None:
    """Python's, and the program that everybody has."""
    body = packed(FILE, FILE, b"no pixels at all", piece=piece)

    assert gzip.decompress(body) == plain(FILE, FILE, b"no pixels at all")
    path = tmp_path / "body.gz"
    path.write_bytes(body)
    found = subprocess.run(["gzip", "-dc", path], capture_output=True, check=True)
    assert found.stdout == plain(FILE, FILE, b"no pixels at all")


def test_headers_shrink_and_pixels_cost_a_thousandth() -> None:
    """As many bytes are spared as was said before."""
    body, whole = packed(FILE), plain(FILE)

    assert len(body) < len(NOISE) * 1.001 + len(HEADER) / 5
    assert len(whole) - len(body) == pytest.approx(spared_bytes(FILE), abs=300)
    assert header_of(FILE) == len(HEADER)


def test_what_is_no_pixels_is_packed_up_to_a_limit() -> None:
    """A document shrinks; what is larger than any header is stored from there on."""
    small, large = b"text " * 1000, b"text " * (MAX_HEADER_BYTES // 2)

    assert len(packed(small)) < len(small) / 5
    assert len(packed(large)) > len(large) - MAX_HEADER_BYTES
    assert gzip.decompress(packed(large)) == plain(large)


def test_each_file_can_be_read_as_soon_as_it_is_there() -> None:
    """Nothing of it waits for the next one."""
    packer, reader = InstancePacker(), zlib.decompressobj(31)
    for _ in range(3):
        packer.begin(b"head")
        assert reader.decompress(packer.data(FILE)) == b"head" + FILE


@given(st.lists(st.binary(max_size=300)), st.integers(1, 100))
def test_any_bytes_in_any_pieces_come_back(files: list[bytes], piece: int) -> None:
    """Marks where they should not be, empty files, none."""
    marked = [data[:50] + MARK + data[50:] for data in files]

    assert gzip.decompress(packed(*marked, piece=piece)) == plain(*marked)
    assert gzip.decompress(packed(*files, piece=piece)) == plain(*files)
