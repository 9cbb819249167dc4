"""Sealed certificates are kept with their visit, and go with it."""

from __future__ import annotations

from pathlib import Path

from country_b.database import create_tables, database_url, make_engine
from country_b.kept_certificates import KeptCertificates


async def test_a_certificate_is_of_its_visit_and_goes_with_it(tmp_path: Path) -> None:
    """Another visit does not see it; forgetting one leaves the others."""
    engine = make_engine(database_url(tmp_path))
    await create_tables(engine)
    kept = KeptCertificates(engine)
    await kept.add("visit-1", "job-1", b"<one/>")
    await kept.add("visit-2", "job-2", b"<two/>")

    assert await kept.get("visit-1", "job-1") == b"<one/>"
    assert await kept.get("visit-2", "job-1") is None
    await kept.forget("visit-1")
    assert await kept.get("visit-1", "job-1") is None
    assert await kept.get("visit-2", "job-2") == b"<two/>"
    await engine.dispose()
