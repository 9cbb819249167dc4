"""Parts of a body by their place in it: which bytes a request asks for (RFC 9110, 14).

Pure reading of headers; whose bytes, and how they are sent, is the transport's affair
(`transport.content_sending`). One range is answered; a request for several gets the whole, which
section 14.2 allows, and so does one whose Range cannot be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.wire.validators import is_strong, read_http_date

UNIT: Final = "bytes"
# 10^18 bytes are more than any body has; a longer number only costs time to read.
_DIGITS: Final = r"[0-9]{1,18}"
_RANGE: Final = re.compile(rf"(?P<first>{_DIGITS})?\s*-\s*(?P<last>{_DIGITS})?")

_CONTENT_RANGE: Final = re.compile(
    rf"{UNIT} +(?P<first>{_DIGITS})-(?P<last>{_DIGITS})/(?P<all>{_DIGITS}|\*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `first` to `last`, both of them included."""

    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self.last - self.first + 1


class RangeNotSatisfiable(ValueError):
    """A range of which a body of `size_bytes` has not a single byte; HTTP 416."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"the body has {size_bytes} bytes, and none of those asked for")
        self.size_bytes = size_bytes


def read_range(header: str, size_bytes: int) -> ByteRange | None:
    """The part of a body that a Range header asks for, None for the whole of it.

    Raises `RangeNotSatisfiable` for a range that begins behind the end, or asks for the last
    none. An end behind the body's is the body's.
    """
    unit, equals, wanted = header.partition("=")
    match = _RANGE.fullmatch(wanted.strip())
    if not equals or unit.strip().lower() != UNIT or match is None:
        return None
    first, last = match["first"], match["last"]
    if first is None:
        if last is None:
            return None
        if not size_bytes or not int(last):
            raise RangeNotSatisfiable(size_bytes)
        return ByteRange(max(0, size_bytes - int(last)), size_bytes - 1)
    if last is not None and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        raise RangeNotSatisfiable(size_bytes)
    end = size_bytes - 1 if last is None else min(int(last), size_bytes - 1)
    return ByteRange(int(first), end)


def range_still_holds(if_range: str, etag: str, modified: datetime | None) -> bool:
    """Whether a part may be sent to who has the rest already, by its If-Range header.

    A tag must be the very one and strong, a date the very one of Last-Modified (section 13.1.5);
    "" asks for no such thing. What does not hold is answered with the whole.
    """
    text = if_range.strip()
    if not text:
        return True
    if '"' in text:
        return is_strong(text) and text == etag
    known = read_http_date(text)
    return known is not None and modified is not None and known == modified.replace(microsecond=0)


def content_range(part: ByteRange, size_bytes: int) -> str:
    """The Content-Range header of a part."""
    return f"{UNIT} {part.first}-{part.last}/{size_bytes}"


def read_content_range(header: str) -> ByteRange | None:
    """The part that a Content-Range header says is sent, None where it names none."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None or int(match["last"]) < int(match["first"]):
        return None
    return ByteRange(int(match["first"]), int(match["last"]))


def read_beginning(header: str) -> int | None:
    """How many bytes a Content-Range header says are the beginning of more; None for all else."""
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None or int(match["first"]):
        return None
    size = int(match["last"]) + 1
    return size if match["all"] == "*" or size < int(match["all"]) else None


def no_such_range(size_bytes: int) -> str:
    """The Content-Range header of an answer that has no part to send (416)."""
    return f"{UNIT} */{size_bytes}"
