"""The commands of `ncpeh` that look at one file: what they print, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import make_manifest

RUN = CliRunner()


def test_coverage_shows_every_element_or_says_why_not(tmp_path: Path) -> None:
    """A manifest is shown element by element; a file that is neither ends with words and code 1."""
    manifest, other = tmp_path / "manifest.dcm", tmp_path / "other.txt"
    manifest.write_bytes(encode_manifest(make_manifest()))
    other.write_text("Dear colleague,")

    shown = RUN.invoke(app, ["coverage", str(manifest)])
    refused = RUN.invoke(app, ["coverage", str(other)])

    assert (shown.exit_code, refused.exit_code) == (0, 1)
    assert "B.1.1      coded" in shown.output
    assert "14 elements" in shown.output
    assert "Dear colleague" in refused.output
    assert "expected a report" in refused.output


def test_coverage_refuses_a_file_no_codec_would_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is in memory."""
    monkeypatch.setattr("gateway.coverage.MAX_FILE_BYTES", 3)
    path = tmp_path / "big.pdf"
    path.write_bytes(b"%PDF-1.7")

    result = RUN.invoke(app, ["coverage", str(path)])

    assert result.exit_code == 1
    assert "larger than 3 bytes" in result.output


def test_a_conversion_says_what_is_lost_and_writes_the_other_encoding(tmp_path: Path) -> None:
    """Nothing is written where nobody asks for it; what is no manifest is refused."""
    manifest, out = tmp_path / "manifest.dcm", tmp_path / "manifest.json"
    manifest.write_bytes(encode_manifest(make_manifest()))
    other = tmp_path / "other.txt"
    other.write_text("no manifest")

    told = RUN.invoke(app, ["convert", str(manifest), "--to", "fhir", "--out", str(out)])
    refused = RUN.invoke(app, ["convert", str(other), "--to", "kos"])

    assert told.exit_code == 0, told.output
    assert out.read_bytes().startswith(b'{"resourceType":"Bundle"')
    assert refused.exit_code == 1
