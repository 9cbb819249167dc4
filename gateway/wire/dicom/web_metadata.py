"""The metadata of one instance: its header as DICOM JSON, long values as addresses below its own.

The model itself is `json_write`'s; what stands behind the addresses is `web_bulk`'s and, for pixel
data, `web_frames`' too. Clauses: DICOM PS3.18 10.4.1.1.2 (metadata), annex F.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from gateway.domain import Uid
from gateway.wire.dicom.dataset import read_to_pixels
from gateway.wire.dicom.elements import reading
from gateway.wire.dicom.json_write import Json, write_object
from gateway.wire.dicom.pixel_element import read_pixel_element
from gateway.wire.dicom.web import View


def metadata_of(source: bytes | BinaryIO, location: str, *, stored: Uid | None = None) -> Json:
    """The header of a DICOM file as a DICOM JSON object; pixel data are not read.

    `location` is the absolute URL of the instance, without its last slash or with it; bulk values
    are at `{location}/bulkdata/{path}`. `stored` is the transfer syntax to name as available,
    where it is not that of the file. Raises `DecodeError` for what is no instance.
    """
    base = f"{location.rstrip('/')}/{View.BULKDATA}/"
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    header, rest = read_to_pixels(stream)
    with reading("instance"):
        implicit, little = (bool(flag) for flag in header.original_encoding)
        pixels = read_pixel_element(rest, implicit=implicit, little=little)
    return write_object(header, base.__add__, stored=stored, pixels=pixels)


def bulk_paths(source: bytes | BinaryIO, location: str) -> tuple[str, ...]:
    """The paths of the values that `metadata_of` gives as addresses, in order."""
    prefix = f"{location.rstrip('/')}/{View.BULKDATA}/"
    return tuple(uri.removeprefix(prefix) for uri in _addresses(metadata_of(source, location)))


def _addresses(found: Json) -> Iterator[str]:
    for element in found.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        elif element["vr"] == "SQ":
            for item in element.get("Value", ()):
                yield from _addresses(item)
