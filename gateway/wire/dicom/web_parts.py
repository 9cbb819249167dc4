"""Instances in the body of a DICOMweb answer: how the parts are framed, and how they are read.

Boundaries and headers of parts are `gateway.wire.multipart`'s; here is what DICOMweb makes of
them. Writing is plain: a body begins with its boundary, which needs no quotes. Reading takes what
servers send, and tells in `findings` what departs from the standard; a body that ends early is an
error, for half a study looks like a whole one. Clauses: DICOM PS3.18 8.6 and 10.4.3, RFC 2387.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.domain import InvalidIdentifier, Uid
from gateway.wire.multipart import (
    MAX_PARTS,
    Event,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    closing,
    decode_transfer,
    part_head,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.ranges import ByteRange, content_range

DICOM: Final = "application/dicom"
SINGLE_TYPES: Final = frozenset({DICOM, "application/octet-stream"})
# Of ours: where the instance is that a lossy form was made from. Others pass over it.
DERIVED_FROM: Final = "X-Derived-From"
MAX_FINDINGS: Final = 100  # one is enough to know a server, and a study has thousands of parts

# Clients split the header at `;` and `=`; a boundary of these needs no quotes (RFC 2046 5.1.1).
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9-]{20,60}")
_LOCATION: Final = re.compile(r"[!-~]{1,2000}")
_PREAMBLE: Final = 132  # of a DICOM file, its prefix included (PS3.10 7.1)
_PARAMETER: Final = re.compile(
    r';\s*+(?:([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+)))?[^;]*+', re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingInstance:
    """An instance to send: its absolute URL, and its syntax as sent and size where known.

    `etag` is the strong tag of its file, "" unknown: who has half of it can ask for the rest.
    `derived_from` is the URL of the instance that a lossy form was made from, "" for none.
    `begin_bytes` is how much of its beginning is sent where the rest is not, None for all of it.
    """

    location: str
    transfer_syntax: Uid | None
    size_bytes: int | None = None
    etag: str = ""
    derived_from: str = ""
    begin_bytes: int | None = None


def content_type(boundary: str, *, transfer_syntax: Uid | None = None) -> str:
    """The Content-Type of an answer of instances; a syntax only where all parts have that one.

    The boundary is 20 to 60 letters, digits and hyphens, random enough to occur in no instance;
    `EncodeError` for any other.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise EncodeError(f"a boundary is 20 to 60 letters, digits and hyphens, not {boundary!r}")
    syntax = f"; transfer-syntax={transfer_syntax}" if transfer_syntax else ""
    return f'multipart/related; type="{DICOM}"{syntax}; boundary={boundary}'


def single_content_type(transfer_syntax: Uid | None) -> str:
    """The Content-Type of an answer that is one instance and no multipart."""
    return f"{DICOM}; transfer-syntax={transfer_syntax}" if transfer_syntax else DICOM


def instance_head(boundary: str, instance: OutgoingInstance, *, first: bool) -> bytes:
    """The bytes before an instance's file: boundary line, headers, blank line.

    Raises `EncodeError` for a location that is no URL. Of a beginning the size of the whole must be
    known.
    """
    if not _LOCATION.fullmatch(instance.location):
        raise EncodeError(f"not an absolute URL: {instance.location[:200]!r}")
    headers = [
        ("Content-Type", single_content_type(instance.transfer_syntax)),
        ("Content-Location", instance.location),
    ]
    size, begin = instance.size_bytes, instance.begin_bytes
    if size is not None:
        headers.append(("Content-Length", str(size if begin is None else begin)))
        if begin is not None:
            headers.append(("Content-Range", content_range(ByteRange(0, begin - 1), size)))
    if instance.etag:
        headers.append(("ETag", instance.etag))
    if instance.derived_from:
        headers.append((DERIVED_FROM, instance.derived_from))
    return part_head(boundary, headers, first=first)


def instance_tail(boundary: str) -> bytes:
    """The bytes after the last instance's file."""
    return closing(boundary)


def body_length(boundary: str, instances: Iterable[OutgoingInstance]) -> int | None:
    """How many bytes the body with these instances has; None where a size is unknown."""
    length = len(instance_tail(boundary))
    first = True
    for instance in instances:
        size = instance.begin_bytes or instance.size_bytes
        if instance.size_bytes is None or size is None:
            return None
        length += len(instance_head(boundary, instance, first=first)) + size
        first = False
    return length


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPiece:
    """A piece of part `number`, counted from 1; `last` ends the part, perhaps without data."""

    number: int
    headers: tuple[tuple[str, str], ...]
    data: bytes
    last: bool

    def header(self, name: str) -> str:
        """The first header of that name in any case, "" if there is none."""
        return PartBegin(self.headers).header(name)

    @property
    def transfer_syntax(self) -> Uid | None:
        """What the part's Content-Type names, None where that is missing or no UID."""
        named = read_content_type(self.header("content-type"))[1].get("transfer-syntax", "")
        try:
            return Uid(named)
        except InvalidIdentifier:
            return None


def read_content_type(value: str) -> tuple[str, dict[str, str]]:
    """The media type in lower case, and its parameters: names in lower case, values unquoted.

    Never fails: what is no parameter is passed over; of a repeated one the first counts.
    """
    media_type, semicolon, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for name, in_quotes, bare in _PARAMETER.findall(semicolon + rest):
        if name:
            text = _ESCAPED.sub(r"\1", in_quotes) if in_quotes else bare.strip()
            parameters.setdefault(name.lower(), text)
    return media_type.strip().lower(), parameters


class WebParts:
    """Reads the parts of an answer: `feed` each chunk of the body, then `finish`.

    An answer that is one instance without a multipart is one part. `expected` is the type of the
    parts, `single` the media types a whole body may have, `headers` what the answer says of a body
    that is one part. `DecodeError` for any other body, for bytes that cannot be read, and for a
    body that ends early.
    """

    def __init__(
        self,
        content_type: str,
        *,
        expected: str = DICOM,
        single: Collection[str] = SINGLE_TYPES,
        max_parts: int = MAX_PARTS,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.complete = 0
        """How many parts have ended; after an error, how many of them can be kept."""
        self.findings: tuple[str, ...] = ()
        """What departs from the standard and was taken all the same."""
        media_type, parameters = read_content_type(content_type)
        self._expected = expected
        self._reader: MultipartReader | None = None
        self._part = _Part(1, (("Content-Type", content_type), *headers))
        if media_type.startswith("multipart/"):
            self._reader = MultipartReader(parameters.get("boundary", ""), max_parts=max_parts)
            self._part = _Part(0, ())
            self._judge(media_type, parameters.get("type", ""))
        elif media_type in single:
            self._find("the answer is a single part")
        else:
            raise DecodeError(
                "Content-Type",
                repr(media_type[:80]),
                "multipart/related or " + " or ".join(sorted(single)),
                "PS3.18 8.7.4",
            )

    def _judge(self, media_type: str, type_of: str) -> None:
        if media_type != "multipart/related":
            self._find(f"the answer is {media_type}, not multipart/related")
        if type_of.strip().lower() != self._expected:
            self._find(f"the answer has the type {type_of[:80]!r}, not {self._expected!r}")

    def feed(self, data: bytes) -> list[PartPiece]:
        """The pieces these bytes complete, in order."""
        if self._reader is None:
            return self._part.take(data)
        return self._pieces(self._reader.feed(data))

    def finish(self) -> list[PartPiece]:
        """The pieces the end of the body completes; to be called once, after the last byte."""
        if self._reader is None:
            if not self._part.size:
                raise DecodeError("body", "no bytes", "an instance", "PS3.18 10.4.3")
            return self._ended()
        if not self._reader.finish():
            raise DecodeError(
                "multipart",
                f"the end of the body in part {self._part.number}; {self.complete} are complete",
                "a closing boundary",
                "RFC 2046, 5.1.1",
            )
        if not self.complete:
            raise DecodeError("multipart", "nothing but empty parts", "an instance")
        return []

    def _pieces(self, events: Sequence[Event]) -> list[PartPiece]:
        pieces: list[PartPiece] = []
        for event in events:
            match event:
                case PartBegin():
                    self._part = _Part(self._part.number + 1, event.headers)
                case PartData():
                    pieces += self._part.take(event.data)
                case PartEnd():
                    pieces += self._ended()
        return pieces

    def _ended(self) -> list[PartPiece]:
        part = self._part
        if not part.size:
            self._find(f"part {part.number} is empty")
            return []
        last = part.end()
        for finding in part.findings(self._expected):
            self._find(f"part {part.number} {finding}")
        self.complete += 1
        return [last]

    def _find(self, text: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings = (*self.findings, text)


class _Part:
    """The part being read: its transfer encoding undone, its size and beginning remembered."""

    def __init__(self, number: int, headers: tuple[tuple[str, str], ...]) -> None:
        self.number = number
        self.size = 0  # as it was sent
        self._headers = headers
        self._begin = PartBegin(headers)
        self._decoder = decode_transfer(self._begin.header("content-transfer-encoding"))
        self._head = b""

    def take(self, data: bytes) -> list[PartPiece]:
        """The piece these bytes make, if any."""
        self.size += len(data)
        plain = self._decoder.update(data)
        return [self._piece(plain, last=False)] if plain else []

    def end(self) -> PartPiece:
        """The piece that ends the part."""
        return self._piece(self._decoder.finish(), last=True)

    def _piece(self, data: bytes, *, last: bool) -> PartPiece:
        if len(self._head) < _PREAMBLE:
            self._head += data[: _PREAMBLE - len(self._head)]
        return PartPiece(number=self.number, headers=self._headers, data=data, last=last)

    def findings(self, expected: str) -> list[str]:
        """What departs from the standard in a part that has ended."""
        found: list[str] = []
        media_type = read_content_type(self._begin.header("content-type"))[0]
        if media_type != expected:
            found.append(f"has the type {media_type[:80]!r}" if media_type else "has no type")
        said = self._begin.header("content-length")
        if said and said != str(self.size):
            found.append(f"says {said[:20]!r} bytes and has {self.size}")
        if expected == DICOM and not self._head.endswith(b"DICM"):
            found.append("has no DICOM preamble")
        return found
