"""Bytes that arrived and wait to be used: in memory while small, on disk beyond that.

A spooled content lives as long as somebody holds it; its temporary file has no name and goes
with it.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import tempfile
import threading
from collections.abc import AsyncIterator
from typing import IO

from gateway.domain.refusals import InternalFault, NotNow, Refusal

SPOOL_BYTES = 1024 * 1024
CHUNK_BYTES = 512 * 1024


class TooLarge(Exception):
    """More bytes than allowed."""


class SpooledContent:
    """A `Content` written once and then read as often as needed.

    `sha1` is of what was written so far, in lower-case hex.
    """

    def __init__(self, limit: int) -> None:
        # Lives as long as the content does.
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        self._limit = limit
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._size = 0
        self._turn = threading.Lock()  # two readers share one file position

    def __del__(self) -> None:
        self._file.close()

    @property
    def size_bytes(self) -> int:
        """How many bytes there are."""
        return self._size

    @property
    def sha1(self) -> str:
        """SHA-1 of the bytes, lower-case hex."""
        return self._sha1.hexdigest()

    def write(self, data: bytes) -> None:
        """Take more bytes; `TooLarge` beyond the limit, an `ExchangeError` where the disk fails."""
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(f"over {self._limit} bytes")
        self._sha1.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NotNow(Refusal.STORE_FULL, "the disk for what arrives is full") from error
            raise InternalFault(Refusal.INTERNAL, "what arrives cannot be kept") from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in order."""
        position = 0
        while position < self._size:
            data = await asyncio.to_thread(self._read_at, position)
            position += len(data)
            yield data

    def _read_at(self, position: int) -> bytes:
        with self._turn:
            self._file.seek(position)
            return self._file.read(CHUNK_BYTES)
