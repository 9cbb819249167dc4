"""Reading what came: whatever cannot be read is the peer's doing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_b.reading import DicomReading
from gateway.domain import ExchangeError, Refusal, Severity
from gateway.wire.dicom import kos_write
from gateway.wire.fhir import manifest_write
from gateway.wire.fhir.mhd_retrieve import wrap_binary
from gateway.wire.fhir.resources import Format, write_resource
from tests.builders import make_manifest


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


MANIFEST = make_manifest(created=datetime(2026, 3, 4, 12, tzinfo=UTC))
DICOM, FHIR = "application/dicom", "application/fhir+json"


def fhir_bytes(format: Format = Format.JSON) -> bytes:
    return write_resource(manifest_write.encode_manifest(MANIFEST), format)


@pytest.mark.parametrize("called", [(), (DICOM,), (FHIR,), (FHIR, DICOM)])
def test_a_manifest_is_read_in_either_encoding_whatever_it_is_called(
    called: tuple[str, ...],
) -> None:
    """A name that is not what the bytes are is a warning, be it of the list or the answer."""
    reading = DicomReading()
    data = {DICOM: kos_write.encode_manifest(MANIFEST), FHIR: fhir_bytes()}

    for mime_type, given in data.items():
        outcome = reading.manifest(given, called=called)

        assert outcome.items[0].study == MANIFEST.study
        assert [ref.instance for ref in outcome.items[0].instances()] == [
            ref.instance for ref in MANIFEST.instances()
        ]
        assert bool(outcome.issues) is bool(set(called) - {mime_type})
        assert not outcome.errors


def test_a_wrapped_manifest_is_taken_out_and_told() -> None:
    """A Binary around either encoding is no reason to lose a study."""
    reading = DicomReading()

    for mime_type, data in (
        (DICOM, kos_write.encode_manifest(MANIFEST)),
        (FHIR, fhir_bytes()),
    ):
        wrapped = write_resource(wrap_binary(data, mime_type), Format.JSON)
        outcome = reading.manifest(wrapped, called=(mime_type,))

        assert outcome.items[0].study == MANIFEST.study
        assert [issue.severity for issue in outcome.issues] == [Severity.WARNING]


def test_a_selection_without_preamble_is_read_and_told() -> None:
    """Some archives leave the first 132 bytes away."""
    data = kos_write.encode_manifest(MANIFEST)[132:]

    outcome = DicomReading().manifest(data, called=(DICOM,))

    assert outcome.items[0].study == MANIFEST.study
    assert any("preamble" in issue.text for issue in outcome.issues)


def test_what_is_no_report_is_the_peers_doing() -> None:
    """A PDF has nothing to be read, anything unknown is refused."""
    reading = DicomReading()

    assert reading.report(b"%PDF-1.7") is None
    for data in (b"", b"{}", b"<a/>", b"GIF89a"):
        with pytest.raises(ExchangeError, match="the report cannot be read") as caught:
            reading.report(data)
        assert caught.value.refusal is Refusal.PEER_MISBEHAVED
