"""An attachment as it streams through: what the tap keeps of it.

Counted and digested always; its bytes are kept where they are few, or where everything is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.transport.failures import on_disk
from gateway.wire.message import PartRecord

if TYPE_CHECKING:
    from gateway.transport.tap import Role, Transcript

# Root parts are seldom larger and always read; attachments are seldom smaller and never read.
MAX_SMALL_BYTES = 1024 * 1024

Headers = Sequence[tuple[str, str]]


class PartRecorder:
    """An attachment as it streams through: counts and digests, keeps bytes only where due."""

    def __init__(
        self, transcript: Transcript, role: Role, number: int, headers: tuple[tuple[str, str], ...],
        *, stored: str, sha256: str, digest: bool,
    ) -> None:  # fmt: skip
        self._transcript = transcript
        self._role = role
        self._number = number
        self._headers = headers
        self._stored = stored
        self._sha256 = sha256
        self._digest = None if sha256 or not digest else hashlib.sha256()
        self._size = 0
        self._name = f"{role}-{number:04d}.part"
        self._why = ""
        self._small: bytearray | None = None
        self._file: BinaryIO | None = None
        if transcript.keeps_all:
            with on_disk():
                self._file = transcript.stream(self._name)
        elif not stored:
            self._small = bytearray()

    def update(self, data: bytes) -> None:
        """The next piece."""
        self._size += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if self._small is not None:
            if self._size > MAX_SMALL_BYTES:
                self._small, self._why = None, "larger than what is kept"
            else:
                self._small += data
        elif self._file is not None:
            if self._transcript.tap.has_room(len(data)):
                with on_disk():
                    self._file.write(data)
                self._transcript.tap.took(len(data))
            else:
                self._drop_file()

    def passed(self) -> None:
        """The attachment passed whole, though its digest is not known yet: `done` follows."""
        if self._file is not None:
            with on_disk():
                self._file.close()

    def done(self, *, stored: str = "", sha256: str = "") -> PartRecord:
        """The attachment passed whole; what is known of it then."""
        self._sha256 = sha256 or self._sha256
        return self._end(stored or self._stored, complete=True)

    def cut_off(self) -> PartRecord:
        """The attachment broke off; what was seen of it stays."""
        return self._end(self._stored, complete=False)

    def _end(self, stored: str, *, complete: bool) -> PartRecord:
        file = ""
        if self._small is not None:
            if self._transcript.tap.has_room(len(self._small)):
                with on_disk():
                    self._transcript.save(self._name, bytes(self._small))
                file = self._name
            else:
                self._why = "the store of transcripts is full"
        elif self._file is not None:
            with on_disk():
                self._file.close()
            file = self._name
        own = f"{self._transcript.id}/{file}" if file else ""
        # A digest known beforehand is that of the whole attachment, not of a piece of it.
        sha256 = self._digest.hexdigest() if self._digest else self._sha256 if complete else ""
        record = PartRecord(
            headers=self._headers, size_bytes=self._size, sha256=sha256, stored=stored or own
        )
        self._transcript.told_part(
            self._role, self._number, record, complete=complete, file=file, why=self._why
        )
        self._transcript.forget_part(self)
        return record

    def _drop_file(self) -> None:
        # Half an attachment is of no use: give its room back, and say why it is not there.
        if self._file is not None:
            with on_disk():
                size = self._file.tell()
                self._file.close()
                Path(self._file.name).unlink()
            self._transcript.tap.took(-size)
            self._file, self._why = None, "the store of transcripts is full"
