"""Files that came in half: kept with the tag of the whole, so that the rest can be asked for.

A file lies in a folder of its visit from its first byte on, named by its instance and the strong
tag of what it will be: whoever comes back after being killed finds both in the name, and nothing
has to be written down besides. What has no tag, or too long a one, cannot be continued and does
not lie here. RFC 9110, 8.8.3 and 14.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from gateway.compression.first_look import LOOKED_AT
from gateway.domain import Begun, InvalidIdentifier, Uid
from gateway.wire.dicom.dataset import read_identity
from gateway.wire.dicom.identity import HEAD_BYTES
from gateway.wire.problems import DecodeError

# With a UID of 64 characters within the 255 bytes that file systems give a name.
MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class Partial:
    """The beginning of an instance's file, and where it lies."""

    path: Path
    begun: Begun


class Partials:
    """The folder of what came in half, one folder below it for each visit. Runs in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, session: str, instance: Uid, etag: str) -> Path | None:
        """Where the file of an instance comes in; None where it could not be continued."""
        if not etag or len(etag) > MAX_TAG:
            return None
        tag = base64.urlsafe_b64encode(etag.encode("latin-1", "replace")).decode("ascii")
        return self._of(session) / f"{instance}~{tag}"

    def held(self, session: str) -> Mapping[Uid, Partial]:
        """What is here of a visit's instances; of two beginnings of one, the longer."""
        found: dict[Uid, Partial] = {}
        folder = self._of(session)
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            named = _named(path.name)
            size = path.stat().st_size
            if named is None or not size:
                continue
            uid, etag = named
            if uid not in found or found[uid].begun.size_bytes < size:
                found[uid] = Partial(path, Begun(size, etag, _looked_at(path)))
        return found

    def find(self, session: str, instance: Uid) -> Path | None:
        """The longest beginning that is here of an instance, None where there is none."""
        folder = self._of(session)
        found = list(folder.glob(f"{instance}~*")) if folder.is_dir() else []
        return max(found, key=lambda path: path.stat().st_size, default=None)

    def size_bytes(self) -> int:
        """How much lies here."""
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())

    def prepare(self, session: str) -> None:
        """Make the folder of a visit."""
        self._of(session).mkdir(parents=True, exist_ok=True)

    def forget(self, session: str) -> int:
        """Remove what is here of a visit; how many bytes that frees."""
        folder = self._of(session)
        if not folder.is_dir():
            return 0
        freed = sum(path.stat().st_size for path in folder.iterdir())
        shutil.rmtree(folder)
        return freed

    def _of(self, session: str) -> Path:
        # An id of a visit is no name of a file before it is made one.
        return self._folder / hashlib.sha256(session.encode()).hexdigest()[:32]


def _looked_at(path: Path) -> Uid | None:
    """The transfer syntax of a file that can be a first look; None of any other.

    Lossless HTJ2K is written in one way only: asked for by its syntax the rest is that of this
    file, whatever a plan has chosen since.
    """
    try:
        with path.open("rb") as file:
            syntax = read_identity(BytesIO(file.read(HEAD_BYTES))).transfer_syntax
    except (OSError, DecodeError):
        return None
    return syntax if syntax in LOOKED_AT else None


def _named(name: str) -> tuple[Uid, str] | None:
    uid, _, tag = name.partition("~")
    try:
        etag = base64.urlsafe_b64decode(tag).decode("latin-1")
        return (Uid.parse(uid), etag) if etag else None
    except (InvalidIdentifier, binascii.Error, ValueError):
        return None
