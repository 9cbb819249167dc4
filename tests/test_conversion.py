"""A manifest is converted both ways, and what is lost is told by its name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from gateway.cli import app
from gateway.conversion import convert
from gateway.domain import ManifestEncoding, ManifestForm
from gateway.domain.manifests import Specimen
from gateway.wire.dicom import kos_read, kos_write
from gateway.wire.fhir import manifest_read, manifest_write
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError
from tests.builders import make_manifest
from tests.shared import shared

RUN = CliRunner()
AT = datetime(2026, 11, 22, tzinfo=UTC)
KOS, FHIR = ManifestEncoding.KOS, ManifestEncoding.FHIR


def test_a_manifest_survives_there_and_back() -> None:
    """Both ways nothing is lost of what both encodings hold, and nothing is said to be."""
    kos = kos_write.encode_manifest(make_manifest())

    there = convert(kos, FHIR, at=AT)
    back = convert(there.data, KOS, at=AT)

    validated(read_resource(there.data, Format.JSON))
    assert (there.came_as, back.came_as) == (KOS, FHIR)
    assert there.losses == back.losses == ()
    assert back.manifest == there.manifest
    assert kos_read.decode_manifest(back.data).items == (there.manifest,)
    assert "nothing is lost" in there.describe()


def test_what_has_no_place_is_told_with_its_reason() -> None:
    """A specimen, which a key object selection knows nothing of."""
    series = make_manifest().series
    with_specimen = replace(series[0], specimens=(Specimen(id="S-1"),))
    manifest = replace(make_manifest(), series=(with_specimen, *series[1:]))
    data = write_resource(manifest_write.encode_manifest(manifest, at=AT), Format.JSON)

    report = convert(data, KOS, at=AT).describe()

    assert "lost: series.specimens: a key object selection has no place for it" in report
    assert "nothing is lost" not in report


@pytest.mark.parametrize("trial", [False, True])
def test_a_selection_is_written_with_the_codes_that_are_wanted(trial: bool) -> None:
    """Final ones, or those of the trial implementation: a selection can be converted to itself."""
    data = convert(kos_write.encode_manifest(make_manifest()), KOS, at=AT, trial_codes=trial).data

    form = kos_read.decode_manifest(data).items[0].form
    assert form is (ManifestForm.MADO_TRIAL if trial else ManifestForm.MADO)


def test_a_sample_of_the_guide_becomes_a_document() -> None:
    """One we did not write: all its instances, and what was odd in it is told."""
    sample = shared("samples/mado/MADO_KOS_A.dcm")

    done = convert(sample.read_bytes(), FHIR, at=AT)

    held = dcmread(sample).CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    uids = [one.ReferencedSOPInstanceUID for each in held for one in each.ReferencedSOPSequence]
    manifest = manifest_read.decode_bytes(done.data).items[0]
    assert [ref.instance for ref in manifest.instances()] == uids
    assert len(uids) == 86
    validated(read_resource(done.data, Format.JSON))


def test_what_is_no_manifest_is_refused() -> None:
    """By name."""
    with pytest.raises(DecodeError):
        convert(b"%PDF-1.7", KOS, at=AT)


def test_the_command_writes_the_document_and_prints_the_report(tmp_path: Path) -> None:
    """Without --out the report alone."""
    given, out = tmp_path / "a.dcm", tmp_path / "b.json"
    given.write_bytes(kos_write.encode_manifest(make_manifest()))

    told = RUN.invoke(app, ["convert", str(given), "--to", "fhir"])
    written = RUN.invoke(app, ["convert", str(given), "--to", "fhir", "--out", str(out)])

    assert told.exit_code == written.exit_code == 0
    assert told.output == written.output
    assert "written as FHIR document" in told.output
    assert manifest_read.decode_bytes(out.read_bytes()).items[0].study == make_manifest().study


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    """A file that is not there is wrong usage; one that is no manifest has failed."""
    other = tmp_path / "a.txt"
    other.write_text("nothing")

    missing = RUN.invoke(app, ["convert", str(tmp_path / "none"), "--to", "kos"])
    failed = RUN.invoke(app, ["convert", str(other), "--to", "kos"])
    nowhere = RUN.invoke(app, ["convert", str(other), "--to", "pdf"])

    assert (missing.exit_code, failed.exit_code, nowhere.exit_code) == (2, 1, 2)
    assert "expected" in failed.output
