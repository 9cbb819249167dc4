"""DCMTK, a DICOM toolkit that shares no code with ours, reads what we write and decodes as we do.

Manifests and reassigned instances are read to the last element by `dsrdump` and `dcmdump`;
pixels that DCMTK or others compressed come out of our decoding as they come out of DCMTK's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, dcmread

from country_a.national.sql import open_systems
from gateway.domain import DocumentId, ManifestPatient
from gateway.wire.dicom.deidentify import Reassignment, reassign_file
from gateway.wire.dicom.instances import to_explicit_little_endian
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import PATIENT, make_manifest
from tests.conftest import Seeded
from tests.shared import shared

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("dcmdump") is None, reason="DCMTK is not installed"),
]
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
EXPLICIT = "1.2.840.10008.1.2.1"


def _run(program: str, *arguments: str | Path, ours: bool = True) -> str:
    """What a program of DCMTK prints; of a file of ours it must not warn."""
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, timeout=60, check=False
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, said
    assert not ours or said == ""
    return done.stdout.decode("utf-8", "replace")


def _dumped(data: bytes, path: Path) -> str:
    """Every element of a file as dcmdump prints it, long values too, or a failure."""
    path.write_bytes(data)
    return _run("dcmdump", "+L", path)


# What dsrdump says of every document: it has no rules for Unicode, nor for templates.
_ALWAYS_SAID = ("does not support this Specific Character Set", "template constraints not yet")


def _document(path: Path, *options: str) -> str:
    """A structured document as dsrdump prints it, or a failure."""
    done = subprocess.run(
        ["dsrdump", "+Pu", *options, str(path)], capture_output=True, timeout=60, check=False
    )
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    said = [line for line in lines if not any(known in line for known in _ALWAYS_SAID)]
    assert done.returncode == 0, said
    assert said == []
    return done.stdout.decode("utf-8", "replace")


def _assert_whole_tree(report: str, data: bytes) -> None:
    """Every content item of a document has its line, as deep as it lies."""
    lines = re.findall(r"^( *)<", report, re.MULTILINE)
    assert [len(indent) // 2 for indent in lines] == list(_depths(dcmread(BytesIO(data)), 0))


def _depths(node: Dataset, depth: int) -> Iterator[int]:
    yield depth
    for item in node.get("ContentSequence", []):
        yield from _depths(item, depth + 1)


@pytest.mark.parametrize("trial", [False, True])
def test_a_manifest_is_a_document_with_every_element_readable(trial: bool, tmp_path: Path) -> None:
    """As structured report and as data set; text of all countries included."""
    path = tmp_path / "manifest.dcm"
    manifest = make_manifest()
    data = encode_manifest(manifest, trial_codes=trial)
    dump = _dumped(data, path)
    # DCMTK knows the plain KOS alone, where nothing nests; a MADO manifest has a library in it.
    report = _document(path, "-Ec")

    _assert_whole_tree(report, data)
    # Each instance is named in the evidence, in the flat list and in the library.
    assert dump.count("ReferencedSOPInstanceUID") == 3 * manifest.instance_count
    assert "Żak^Anna^Maria Ewa^dr" in dump
    for ref in manifest.instances():
        assert report.count(f'"{ref.instance}"') == 2
        assert f'"{ref.series}"' in report


async def test_the_seeds_manifests_are_documents(seeded: Seeded, tmp_path: Path) -> None:
    """Every manifest in the repository of Country A, as a client gets it."""
    studies = [study for role in seeded.story["roles"].values() for study in role["studies"]]
    assert studies
    opened = await open_systems(seeded.folder)
    try:
        for study in studies:
            content = await opened.systems.repository.get(DocumentId(study["manifest"]))
            assert content is not None
            path = tmp_path / "manifest.dcm"
            data = b"".join([chunk async for chunk in content.chunks()])
            _dumped(data, path)
            report = _document(path, "-Ec")
            _assert_whole_tree(report, data)
            assert all(f'"{image}"' in report for image in study["key_images"])
    finally:
        await opened.close()


def test_the_seeds_notes_keep_to_the_rules_of_key_object_documents(seeded: Seeded) -> None:
    """Without any exception made for them."""
    notes = [
        path
        for path in (seeded.folder / "images").rglob("*.dcm")
        if dcmread(path, specific_tags=["Modality"]).Modality == "KO"
    ]
    assert notes
    for path in notes:
        report = _document(path)
        assert "Of Interest" in report or "Rejected" in report


def test_the_seeds_images_and_notes_are_instances(seeded: Seeded) -> None:
    """Every file of the image store, pixels and all."""
    files = sorted((seeded.folder / "images").rglob("*.dcm"))
    assert len(files) > 30
    _run("dcmdump", *files)


@pytest.mark.parametrize(
    "source",
    [
        "ct/ge-head-28/01.dcm",
        "ct/siemens-body-20-j2k/428000016576.dcm",
        "edge/pydicom/rtdose.dcm",
        "edge/pydicom/image_dfl.dcm",
        "us/pydicom/examples_ybr_color.dcm",
    ],
)
def test_a_reassigned_instance_is_readable_and_somebody_elses(source: str, tmp_path: Path) -> None:
    """Nothing of the old patient, no private element, and the same pixels."""
    path = shared(f"samples/dicom/{source}")
    out = BytesIO()
    with path.open("rb") as file:
        assert reassign_file(file, out, Reassignment(patient=ManifestPatient(ids=(PATIENT,)))) == ""
    dump = _dumped(out.getvalue(), tmp_path / "reassigned.dcm")

    old, new = dcmread(path), dcmread(BytesIO(out.getvalue()))
    assert f"(0010,0020) LO [{PATIENT.value}]" in dump
    assert str(old.get("PatientID") or "-no id-") not in dump
    assert not re.search(r"^ *\([0-9a-f]{3}[13579bdf],", dump, re.MULTILINE), "a private element"
    assert new.PixelData == old.PixelData
    assert new.SOPInstanceUID == old.SOPInstanceUID


# How DCMTK compresses: program and options; and how it undoes it.
ENCODERS = {
    "JPEG lossless, first order": (("dcmcjpeg", "+e1"), "dcmdjpeg"),
    "JPEG lossless, predictor 4": (("dcmcjpeg", "+el", "+sv", "4"), "dcmdjpeg"),
    "JPEG-LS lossless": (("dcmcjpls", "+el"), "dcmdjpls"),
    "RLE": (("dcmcrle",), "dcmdrle"),
}
# Signed and unsigned, 8, 12 and 16 bits, grey and colour, odd sizes.
SOURCES = (
    BUNDLED / "CT_small.dcm",
    BUNDLED / "MR_small.dcm",
    BUNDLED / "examples_rgb_color.dcm",
    BUNDLED / "SC_rgb_small_odd.dcm",
    BUNDLED / "examples_palette.dcm",
)
# Made by others than DCMTK and us, and what DCMTK reads them with.
FOREIGN = {
    "SC_rgb_jpeg_gdcm.dcm": "dcmdjpeg",
    "MR_small_RLE.dcm": "dcmdrle",
    "SC_rgb_rle.dcm": "dcmdrle",
    "SC_rgb_rle_2frame.dcm": "dcmdrle",
    "SC_rgb_rle_16bit.dcm": "dcmdrle",
    "SC_rgb_rle_16bit_2frame.dcm": "dcmdrle",
    "rtdose_rle.dcm": "dcmdrle",
    "MR_small_jpeg_ls_lossless.dcm": "dcmdjpls",
    "JPEGLSNearLossless_08.dcm": "dcmdjpls",
    "JPEGLSNearLossless_16.dcm": "dcmdjpls",
}


def _assert_decodes_alike(compressed: Path, program: str, folder: Path) -> None:
    theirs_path, ours_path = folder / "theirs.dcm", folder / "ours.dcm"
    _run(program, compressed, theirs_path, ours=False)
    ours_path.write_bytes(to_explicit_little_endian(compressed))
    _run("dcmdump", ours_path)
    theirs, ours = dcmread(theirs_path), dcmread(ours_path)
    assert ours.file_meta.TransferSyntaxUID == EXPLICIT
    assert ours.SOPInstanceUID == dcmread(compressed, stop_before_pixels=True).SOPInstanceUID
    assert ours.PhotometricInterpretation == theirs.PhotometricInterpretation
    if ours.get("PlanarConfiguration") == theirs.get("PlanarConfiguration"):
        assert ours.PixelData == theirs.PixelData
    assert np.array_equal(ours.pixel_array, theirs.pixel_array)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_dcmtk_compressed_decodes_alike(encoder: str, source: Path, tmp_path: Path) -> None:
    """The pixels are those of the original, too: nothing was lost on either way."""
    (program, *options), decoder = ENCODERS[encoder]
    compressed = tmp_path / "compressed.dcm"
    _run(program, *options, source, compressed, ours=False)
    _assert_decodes_alike(compressed, decoder, tmp_path)
    original, ours = dcmread(source), dcmread(tmp_path / "ours.dcm")
    assert np.array_equal(ours.pixel_array, original.pixel_array)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_compressed_decodes_alike(name: str, tmp_path: Path) -> None:
    """Files of other encoders, of one frame and of several."""
    _assert_decodes_alike(BUNDLED / name, FOREIGN[name], tmp_path)
