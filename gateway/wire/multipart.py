"""Multipart bodies, read and written piece by piece (RFC 2046, 5.1), for any subtype.

Not a store of parts: the reader is fed chunks of any size and tells what it saw, in order, and
holds back only bytes that may yet turn out to be a boundary. Any split of the bytes gives the
same parts. Reading is tolerant: a preamble, a missing closing boundary, blanks after a boundary,
and bodies whose lines end in a bare LF (the first boundary line decides) are all taken.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol, TypeAlias

from gateway.wire.problems import DecodeError, EncodeError

# A handful of MIME headers; Content-IDs of live peers reach 200 bytes.
MAX_HEADER_BYTES: Final = 16 * 1024
# The root, and twice the 10,000 instances of the largest study we expect in one answer.
MAX_PARTS: Final = 20_001
# Text for readers without MIME; more is no multipart body.
MAX_PREAMBLE_BYTES: Final = 64 * 1024
# RFC 2046 allows 70; some senders go further.
MAX_BOUNDARY_CHARACTERS: Final = 200
# Blanks a gateway may add after a boundary (RFC 2046, transport-padding).
MAX_PADDING_BYTES: Final = 64
# RFC 2045 allows 76; a longer line has to be held until it ends.
MAX_QUOTED_PRINTABLE_LINE: Final = 1024 * 1024

# What may stand behind a boundary that is not the last, and the beginning of what may.
_LINE_END: Final = re.compile(rb"[ \t]*+\r?\n")
_OPEN_END: Final = re.compile(rb"-|[ \t]*+\r?")


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; its headers in order, names and values as sent."""

    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """The first header of that name, whatever its case; "" if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class PartData:
    """A piece of the content of the part that began last; never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is complete."""


Event: TypeAlias = PartBegin | PartData | PartEnd


class _State(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartReader:
    """Reads one multipart body: `feed` each chunk, then `finish`, then take `tail`."""

    def __init__(
        self,
        boundary: str,
        *,
        max_header_bytes: int = MAX_HEADER_BYTES,
        max_parts: int = MAX_PARTS,
    ) -> None:
        dashed = b"--" + _boundary_bytes(boundary)
        self.tail: tuple[Event, ...] = ()
        """What `finish` brought to light: the rest and the end of a part left open."""
        self._max_header_bytes = max_header_bytes
        self._max_parts = max_parts
        self._dashed = dashed
        self._newline = b"\n"  # until the first boundary line tells
        self._delimiter = b"\n" + dashed
        self._state = _State.PREAMBLE
        # A boundary stands at the start of a line; the body begins as if a line had ended.
        self._held = b"\n"
        self._skipped = 0
        self._parts = 0
        self._lines: list[bytes] = []
        self._header_bytes = 0
        self._lead = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """What these bytes complete, in order; `DecodeError` when they break a rule."""
        events: list[Event] = []
        buffer = self._held + data if self._held else bytes(data)
        at = 0
        while at >= 0:
            match self._state:
                case _State.PREAMBLE:
                    at = self._read_preamble(buffer, at)
                case _State.HEADERS:
                    at = self._read_headers(buffer, at, events)
                case _State.BODY:
                    at = self._read_body(buffer, at, events)
                case _State.EPILOGUE:
                    self._held = b""
                    at = -1
        return events

    def finish(self) -> bool:
        """Whether the closing boundary was seen; call it once, after the last byte.

        Without it the open part ends where the bytes end: its last events are in `tail`. No part
        at all, or one that ends within its headers, is a `DecodeError`.
        """
        if self._state is _State.EPILOGUE:
            if not self._parts:
                raise DecodeError("multipart", "no part", "at least one", "RFC 2046, 5.1.1")
            return True
        if self._state is _State.PREAMBLE:
            raise DecodeError("multipart", "no boundary", "the one announced", "RFC 2046, 5.1.1")
        if self._state is _State.HEADERS:
            if self._lines or self._held or self._parts == 1:
                raise DecodeError(self._where(), "the end", "the headers of a part", "RFC 2046")
            return False
        rest = b"" if self._held.startswith(self._delimiter) else self._held[self._lead :]
        self.tail = (PartData(rest), PartEnd()) if rest else (PartEnd(),)
        self._held = b""
        return False

    # Each reader below takes the buffer and where to go on in it, and returns where the next one
    # goes on; -1 asks for more bytes, after what cannot be decided yet is in `_held`.

    def _read_preamble(self, buffer: bytes, at: int) -> int:
        found, after = self._find_delimiter(buffer, at)
        self._skipped += found - at
        if self._skipped > MAX_PREAMBLE_BYTES:
            raise DecodeError("multipart", "no boundary", f"one in {MAX_PREAMBLE_BYTES} bytes")
        if after < 0:
            self._held = buffer[found:]
            return -1
        if buffer[after - 2 : after] == b"\r\n":
            self._newline = b"\r\n"
            self._delimiter = b"\r\n" + self._dashed
        return self._begin_headers(buffer, after)

    def _read_body(self, buffer: bytes, at: int, events: list[Event]) -> int:
        found, after = self._find_delimiter(buffer, at)
        start = at + self._lead
        if found > at:
            self._lead = 0
        if found > start:
            events.append(PartData(buffer[start:found]))
        if after < 0:
            self._held = buffer[found:]
            return -1
        self._lead = 0
        events.append(PartEnd())
        return self._begin_headers(buffer, after)

    def _begin_headers(self, buffer: bytes, after: int) -> int:
        """Go on behind a boundary: to the headers of the next part, or nowhere."""
        if buffer[after - 1 : after] == b"-":
            self._state = _State.EPILOGUE
            return after
        self._parts += 1
        if self._parts > self._max_parts:
            raise DecodeError("multipart", f"{self._parts} parts", f"at most {self._max_parts}")
        self._lines = []
        self._header_bytes = 0
        self._state = _State.HEADERS
        return after

    def _read_headers(self, buffer: bytes, at: int, events: list[Event]) -> int:
        end = buffer.find(b"\n", at)
        size = (len(buffer) if end < 0 else end + 1) - at
        if self._header_bytes + size > self._max_header_bytes:
            raise DecodeError(
                self._where(), "longer headers", f"at most {self._max_header_bytes} bytes"
            )
        if end < 0:
            self._held = buffer[at:]
            return -1
        self._header_bytes += size
        line = buffer[at:end].removesuffix(b"\r")
        if line:
            self._lines.append(line)
            return end + 1
        events.append(PartBegin(_headers(self._lines, self._where())))
        self._state = _State.BODY
        # The end of the blank line may at once be the line end that belongs to a boundary.
        if buffer.endswith(self._newline, at, end + 1):
            self._lead = len(self._newline)
        return end + 1 - self._lead

    def _find_delimiter(self, buffer: bytes, at: int) -> tuple[int, int]:
        """Where the next boundary begins, and where its line ends.

        The end is -1 when the buffer holds no whole boundary; then the first number tells from
        where on its bytes may be the beginning of one. The end of a closing boundary is that of
        its two dashes.
        """
        delimiter, size = self._delimiter, len(self._delimiter)
        found = buffer.find(delimiter, at)
        while found >= 0:
            behind = buffer[found + size : found + size + MAX_PADDING_BYTES + 2]
            if behind[:2] == b"--":
                return found, found + size + 2
            line_end = _LINE_END.match(behind)
            if line_end:
                return found, found + size + line_end.end()
            if len(behind) < MAX_PADDING_BYTES + 2 and _OPEN_END.fullmatch(behind):
                return found, -1
            found = buffer.find(delimiter, found + size)
        # Only the last bytes can be the beginning of a boundary, and only from a line end on.
        first = delimiter[:1]
        found = buffer.find(first, max(at, len(buffer) - size + 1))
        while found >= 0 and not delimiter.startswith(buffer[found:]):
            found = buffer.find(first, found + 1)
        return (len(buffer) if found < 0 else found), -1

    def _where(self) -> str:
        return f"multipart, part {self._parts}"


def _headers(lines: Sequence[bytes], where: str) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    for line in lines:
        text = _header_text(line)
        if text[0] in " \t" and headers:  # folded (RFC 5322, 2.2.3)
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {text.strip()}".strip())
            continue
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise DecodeError(where, "a line without a name and a colon", "a header", "RFC 5322")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def _header_text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("iso-8859-1")


def _boundary_bytes(boundary: str) -> bytes:
    """A boundary as bytes; `DecodeError` when none can look like that (RFC 2046, 5.1.1)."""
    fits = 0 < len(boundary) <= MAX_BOUNDARY_CHARACTERS
    if not (fits and boundary.isascii() and boundary.isprintable()) or boundary.endswith(" "):
        raise DecodeError(
            "Content-Type", "a boundary that is missing or unfit", "1 to 70 characters", "RFC 2046"
        )
    return boundary.encode("ascii")


def part_head(boundary: str, headers: Sequence[tuple[str, str]], *, first: bool = False) -> bytes:
    """The bytes before the content of a part: its boundary line, headers and blank line.

    The line end that belongs to the boundary is included, except before the `first` part.
    """
    lines = [("" if first else "\r\n") + "--" + boundary]
    for name, value in headers:
        if not (value.isprintable() and name.isascii() and name.isprintable()) or ":" in name:
            raise EncodeError(f"a part cannot have the header {name!r}: {value!r}")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def closing(boundary: str) -> bytes:
    """The bytes after the content of the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


class TransferDecoder(Protocol):
    """Undoes a Content-Transfer-Encoding, chunk by chunk; any split gives the same bytes."""

    def update(self, data: bytes) -> bytes:
        """What these bytes decode to, as far as can be told yet."""

    def finish(self) -> bytes:
        """What was still held back; `DecodeError` if the encoding breaks off."""


class _Identity:
    def update(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Base64:
    """Base64 by RFC 2045, 6.8: line ends are skipped, missing padding is forgiven."""

    def __init__(self) -> None:
        self._held = b""

    def update(self, data: bytes) -> bytes:
        text = self._held + data.translate(None, b" \t\r\n")
        padding = text.find(b"=")
        whole = (len(text) if padding < 0 else padding) & ~3
        self._held = text[whole:]
        if len(self._held) > 4:
            raise _bad_base64("characters behind the padding")
        return _from_base64(text[:whole])

    def finish(self) -> bytes:
        text = self._held
        self._held = b""
        bare = text.rstrip(b"=")
        if len(text) - len(bare) > 2 or b"=" in bare:
            raise _bad_base64("padding in the middle")
        return _from_base64(bare + b"=" * (-len(bare) % 4))


def _from_base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except binascii.Error as error:
        raise _bad_base64(str(error)) from error


def _bad_base64(found: str) -> DecodeError:
    return DecodeError("part of base64", found, "base64", "RFC 2045, 6.8")


class _QuotedPrintable:
    """Quoted-printable by RFC 2045, 6.7, line by line: blanks at the end of a line go."""

    def __init__(self) -> None:
        self._line = bytearray()

    def update(self, data: bytes) -> bytes:
        end = data.rfind(b"\n") + 1
        if not end:
            self._line += data
            _check_line(len(self._line))
            return b""
        lines = bytes(self._line) + data[:end]
        self._line = bytearray(data[end:])
        return _from_quoted_printable(lines)

    def finish(self) -> bytes:
        return _from_quoted_printable(bytes(self._line))


def _check_line(size: int) -> None:
    if size > MAX_QUOTED_PRINTABLE_LINE:
        raise DecodeError(
            "part of quoted-printable",
            "a longer line",
            f"at most {MAX_QUOTED_PRINTABLE_LINE} bytes",
            "RFC 2045, 6.7",
        )


def _from_quoted_printable(text: bytes) -> bytes:
    lines: list[bytes] = []
    for line in text.split(b"\n"):
        _check_line(len(line))
        ending = b"\r" if line.endswith(b"\r") else b""
        lines.append(line.removesuffix(b"\r").rstrip(b" \t") + ending)
    return binascii.a2b_qp(b"\n".join(lines))


_DECODERS: Final[dict[str, type[_Identity | _Base64 | _QuotedPrintable]]] = {
    "": _Identity,
    "7bit": _Identity,
    "8bit": _Identity,
    "binary": _Identity,
    "base64": _Base64,
    "quoted-printable": _QuotedPrintable,
}


def decode_transfer(encoding: str) -> TransferDecoder:
    """A decoder for a Content-Transfer-Encoding, "" for none; `DecodeError` if unknown."""
    decoder = _DECODERS.get(encoding.strip().lower())
    if decoder is None:
        raise DecodeError(
            "Content-Transfer-Encoding", "an unknown encoding", ", ".join(filter(None, _DECODERS))
        )
    return decoder()
