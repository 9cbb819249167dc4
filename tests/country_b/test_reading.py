"""Reading what came: whatever cannot be read is the peer's doing."""

from __future__ import annotations

from pathlib import Path

import pytest

from country_b.reading import DicomReading
from gateway.domain import ExchangeError, Refusal


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"DICM" * 100, bytes(1000)])
def test_what_is_no_dicom_is_the_peers_doing(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no manifest, note or image are refused, never an error of ours."""
    file = tmp_path / "image"
    file.write_bytes(data)
    reading = DicomReading()

    found = []
    for read in (
        lambda: reading.manifest(data),
        lambda: reading.note(data),
        lambda: reading.instance(str(file), data),
    ):
        with pytest.raises(ExchangeError) as caught:
            read()
        found.append(caught.value.refusal)

    assert found == [Refusal.PEER_MISBEHAVED, Refusal.PEER_MISBEHAVED, Refusal.INTEGRITY_FAILED]


def test_what_is_no_report_is_the_peers_doing() -> None:
    """A PDF has nothing to be read, anything unknown is refused."""
    reading = DicomReading()

    assert reading.report(b"%PDF-1.7") is None
    for data in (b"", b"{}", b"<a/>", b"GIF89a"):
        with pytest.raises(ExchangeError, match="the report cannot be read") as caught:
            reading.report(data)
        assert caught.value.refusal is Refusal.PEER_MISBEHAVED
