"""Documents in an object store: a folder by default, S3 and its kin by URL (obstore).

A document lies at `documents/<h>/<hash of its id>/<sha-256 of its bytes>`: found by its id
without an index, never overwritten by other bytes, and checked against its own name whenever
it is read. Ids are hashed because a peer may write anything into them, a path included.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore, from_url

from gateway.domain import Content, DocumentId, Refusal, refuse

PIECE_BYTES = 512 * 1024  # a compromise of memory per reader and calls per document


def open_store(where: str | Path) -> Any:
    """A store at a folder, made when missing, or at a URL such as `s3://bucket/prefix`."""
    if isinstance(where, str) and "://" in where:
        return from_url(where)
    Path(where).mkdir(parents=True, exist_ok=True)
    return LocalStore(str(Path(where).resolve()))


@dataclass(frozen=True, slots=True)
class StoredContent:
    """The bytes of a stored document, read anew at each pass and checked at its end."""

    store: Any
    key: str
    size_bytes: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes in pieces; `InternalFault` at the end when they have changed on disk."""
        digest = hashlib.sha256()
        try:
            answer = await obstore.get_async(self.store, self.key)
        except FileNotFoundError as error:
            raise refuse(Refusal.INTERNAL, "a document has gone from the repository") from error
        async for piece in answer.stream(min_chunk_size=PIECE_BYTES):
            data = bytes(piece)
            digest.update(data)
            yield data
        if digest.hexdigest() != self.key.rsplit("/", 1)[1]:
            raise refuse(Refusal.INTERNAL, "a document of the repository is damaged")


class BlobRepository:
    """Fulfils `Repository`."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def get(self, document: DocumentId) -> Content | None:
        """The bytes of a document, or None when it is not held."""
        held = await self._held(document)
        return StoredContent(self._store, held["path"], held["size"]) if held else None

    async def put(self, document: DocumentId, data: bytes, *, sha1: str = "") -> None:
        """Keep a document; see the port for what is refused."""
        if sha1 and hashlib.sha1(data, usedforsecurity=False).hexdigest() != sha1:
            raise ValueError("found bytes of another SHA-1 than the entry states")
        key = f"{_folder(document)}/{hashlib.sha256(data).hexdigest()}"
        held = await self._held(document)
        if held is not None:
            if held["path"] != key:
                raise ValueError(f"found other bytes under the id {document}, expected the same")
            return
        await obstore.put_async(self._store, key, data)

    async def clear(self) -> None:
        """Take away every document."""
        async for batch in obstore.list(self._store, prefix="documents"):
            await obstore.delete_async(self._store, [one["path"] for one in batch])

    async def ping(self) -> None:
        """Raise when the store cannot be reached."""
        await obstore.list_with_delimiter_async(self._store, prefix="documents/none")

    async def _held(self, document: DocumentId) -> Any:
        listing = await obstore.list_with_delimiter_async(self._store, prefix=_folder(document))
        objects = listing["objects"]
        return objects[0] if objects else None


def _folder(document: DocumentId) -> str:
    name = hashlib.sha256(document.encode()).hexdigest()
    return f"documents/{name[:2]}/{name}"
