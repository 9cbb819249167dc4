"""A SHA-256 taken beside a stream, in a thread, while the next pieces come in."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

# Less than this is not worth a hand-over to a thread.
LOT_BYTES = 1024 * 1024


class DigestBeside:
    """The digest of pieces in the order they are given; at most two lots of them are held."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._lot: list[bytes] = []
        self._size = 0
        self._job: asyncio.Future[None] | None = None

    async def update(self, data: bytes) -> None:
        """Take the next piece."""
        self._lot.append(data)
        self._size += len(data)
        if self._size >= LOT_BYTES:
            await self._hand_over()

    async def hexdigest(self) -> str:
        """The digest of everything taken, in lower-case hex."""
        await self._hand_over()
        if self._job is not None:
            await self._job
        return self._digest.hexdigest()

    async def _hand_over(self) -> None:
        if self._job is not None:
            await self._job
        lot, self._lot, self._size = self._lot, [], 0
        if lot:
            self._job = asyncio.get_running_loop().run_in_executor(None, self._take, lot)

    def _take(self, lot: Sequence[bytes]) -> None:
        for data in lot:
            self._digest.update(data)
