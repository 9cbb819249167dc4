"""What the routes share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.domain import DocumentId
from tests.country_b.portal import REPORT, Visit, portal
from tests.fakes import make_house


async def test_bytes_of_a_peer_never_become_a_page(tmp_path: Path) -> None:
    """Whatever type a peer names, its bytes are a download in a sandbox."""
    exchange = make_house()
    entries = tuple(
        replace(entry, mime_type="text/html") if entry.ref.document == REPORT else entry
        for entry in exchange.entries
    )
    exchange.entries = entries
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).retrieved()

        response = await client.get(f"{visit.path}/documents/{REPORT}")

        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["Content-Security-Policy"] == "sandbox"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_type_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    """A peer's word that is no media type does not reach our headers."""
    exchange = make_house()
    exchange.entries = tuple(
        replace(entry, mime_type="text/html\r\nX-Evil: 1") for entry in exchange.entries
    )
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()
        await visit.post("retrieve", {"documents": [REPORT]})

        response = await client.get(f"{visit.path}/documents/{REPORT}")

        assert response.headers["Content-Type"] == "application/octet-stream"
        assert "X-Evil" not in response.headers


async def test_document_ids_may_hold_any_character(tmp_path: Path) -> None:
    """A peer's own id, with signs that paths use, is found again."""
    from tests.fakes import make_entry

    name = "2.999^a/b c?#%"
    exchange = make_house()
    exchange.entries += (make_entry(name, b"%PDF", manifest=False),)
    exchange.documents[DocumentId(name)] = b"%PDF"
    async with portal(exchange, tmp_path) as client:
        visit = await Visit(client).listed()
        await visit.post("retrieve", {"documents": [name]})

        from urllib.parse import quote

        from yarl import URL

        path = URL(f"{visit.path}/documents/{quote(name, safe='')}", encoded=True)
        response = await client.get(path)

        assert await response.read() == b"%PDF"
