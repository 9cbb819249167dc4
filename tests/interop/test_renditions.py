"""Renditions of real images, decoded by programs that share no code with our encoders.

Every file that pydicom brings and every sample beside the project, in every lossless syntax that
holds it: OpenJPEG decodes HTJ2K and JPEG 2000, DCMTK and GDCM JPEG-LS, libjxl's own djxl JPEG XL.
Lossy forms keep to their guards as OpenJPEG and libjpeg see them, and dicom3tools finds nothing
wrong with them that was not wrong with the original.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import libjpeg
import numpy as np
import openjpeg.utils
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000

from gateway.compression.codecs.samples import sample_type
from gateway.compression.derivation import derive
from gateway.compression.guards import GuardBroken
from gateway.compression.permitted import (
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K_LOSSY,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR,
    JPEG_XL_LOSSLESS,
    coding_bar,
)
from gateway.compression.sampling import noise_of
from gateway.compression.transcode import Rendered, transcode
from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.ids import Uid
from gateway.domain.images import EXPLICIT_LITTLE_ENDIAN
from gateway.domain.pixels import PixelFacts
from gateway.wire.dicom.dataset import InstanceHeader, describe, read_header
from gateway.wire.dicom.frames import Samples
from gateway.wire.dicom.stored_frames import NoPixels, StoredFrames
from gateway.wire.problems import DecodeError, EncodeError
from tests.compression.renditions import changed, coding_of
from tests.dicom_images import BUNDLED
from tests.shared import shared

PROGRAMS = ("dcmdjpls", "gdcmconv", "djxl", "dciodvfy")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(900),
    *(
        pytest.mark.skipif(shutil.which(one) is None, reason=f"{one} is not installed")
        for one in PROGRAMS
    ),
]
# Lossless forms may change no more than this, and a first record of a lossy past.
MAY_CHANGE = {"PhotometricInterpretation", "PlanarConfiguration"}
LOSSY_PAST = {"LossyImageCompression", "LossyImageCompressionMethod"}
TABLES = {"ExtendedOffsetTable", "ExtendedOffsetTableLengths"}
# Lengths of groups are retired and written by nobody; padding behind the pixels pads another file.
NOT_KEPT = re.compile(r"\([0-9A-F]{4},0000\)|DataSetTrailingPadding")
CAP = RatioCap(ratio=20.0, source="this test")


def files(origin: str) -> list[Path]:
    """The files of one origin, those of pydicom or those beside the project."""
    folder = BUNDLED if origin == "bundled" else shared("samples/dicom")
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def sources(origin: str) -> Iterator[tuple[Path, bytes, InstanceHeader, PixelFacts, list[Samples]]]:
    """What can be decoded: file, header, facts as decoded, and the samples of every frame."""
    for path in files(origin):
        data = path.read_bytes()
        try:
            frames = StoredFrames(data)
            told = describe(read_header(io.BytesIO(data)))
            plain = [frames.plain(number) for number in range(1, frames.count + 1)]
        except (DecodeError, NoPixels):
            continue
        form = frames.form
        if told.pixels is None or form.bits_allocated not in (8, 16) or frames.is_subsampled:
            continue
        facts = told.pixels
        kind = sample_type(facts).newbyteorder("<")
        planar = not frames.is_compressed and frames.header.get("PlanarConfiguration") == 1
        shape = (form.rows, form.columns) + ((form.samples,) if form.samples > 1 else ())
        found = [
            np.moveaxis(np.frombuffer(one, kind).reshape(shape[-1:] + shape[:-1]), 0, -1)
            if planar and form.samples > 1
            else np.frombuffer(one, kind).reshape(shape)
            for one, _ in plain
        ]
        yield path, data, told, facts, found


def render(data: bytes, coding: Coding) -> tuple[bytes, Rendered]:
    """The rendition of a file."""
    out, derivation = io.BytesIO(), None
    if coding.is_lossy:
        told = describe(read_header(io.BytesIO(data)))
        assert told.instance is not None
        series = told.series or Uid("2.25.1")  # some samples have lost theirs
        purpose = ReadingPurpose.EMERGENCY
        derivation = derive(told.instance, series, coding, purpose=purpose, cap=CAP)
    done = transcode(io.BytesIO(data), out, coding, derivation=derivation)
    return out.getvalue(), done


def differing(before: bytes, after: bytes) -> set[str]:
    """Elements that differ and may not, a first record of a lossy past included."""
    found = changed(before, after) - MAY_CHANGE - TABLES
    return {keyword for keyword in found if not NOT_KEPT.fullmatch(keyword)}


def streams_of(data: bytes, count: int) -> list[bytes]:
    """The code streams of a file, as pydicom finds them."""
    ds = dcmread(io.BytesIO(data))
    return list(generate_frames(ds.PixelData, number_of_frames=count))


def by_openjpeg(data: bytes, facts: PixelFacts, count: int, folder: Path) -> list[Samples]:
    """Every frame, by OpenJPEG."""
    return [openjpeg.utils.decode(stream) for stream in streams_of(data, count)]


def by_dicom_tools(data: bytes, facts: PixelFacts, count: int, folder: Path) -> list[Samples]:
    """Every frame, by DCMTK, or by GDCM where DCMTK finds the header wanting."""
    coded, plain = folder / "coded.dcm", folder / "plain.dcm"
    coded.write_bytes(data)
    plain.unlink(missing_ok=True)
    for command in (["dcmdjpls", coded, plain], ["gdcmconv", "--raw", "-I", coded, plain]):
        done = subprocess.run(list(map(str, command)), capture_output=True, timeout=60, check=False)
        if done.returncode == 0 and plain.exists():
            break
    else:
        raise AssertionError(done.stderr.decode("utf-8", "replace"))
    ds = dcmread(plain, force=True)
    cells = np.frombuffer(ds.PixelData, sample_type(facts).newbyteorder("<"))
    size = facts.rows * facts.columns * facts.samples
    frames = cells[: size * count].reshape(count, -1)
    if facts.samples == 1:
        return [one.reshape(facts.rows, facts.columns) for one in frames]
    if ds.PlanarConfiguration == 1:
        planes = frames.reshape(count, facts.samples, facts.rows, facts.columns)
        return [np.moveaxis(one, 0, -1) for one in planes]
    return [one.reshape(facts.rows, facts.columns, facts.samples) for one in frames]


def by_djxl(data: bytes, facts: PixelFacts, count: int, folder: Path) -> list[Samples]:
    """The first and the last frame, by djxl through PGM or PPM, the sign put back."""
    streams = streams_of(data, count)
    found = []
    for stream in {0: streams[0], count - 1: streams[-1]}.values():
        coded = folder / "frame.jxl"
        plain = folder / ("frame.ppm" if facts.samples == 3 else "frame.pgm")
        coded.write_bytes(stream)
        command = ["djxl", str(coded), str(plain), "--num_threads=0"]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        found.append(_picture(plain.read_bytes(), facts))
    return found


def _picture(data: bytes, facts: PixelFacts) -> Samples:
    head = re.match(rb"P[56]\s+(\d+)\s+(\d+)\s+(\d+)\s", data)
    assert head is not None
    assert int(head[3]) == (1 << facts.bits_allocated) - 1
    cells = np.frombuffer(data[head.end() :], f">u{facts.bits_allocated // 8}")
    shape = (facts.rows, facts.columns) + ((3,) if facts.samples == 3 else ())
    half = 1 << (facts.bits_allocated - 1) if facts.signed else 0
    return (cells.reshape(shape).astype(int) - half).astype(sample_type(facts))


DECODERS = {
    HTJ2K_LOSSLESS: by_openjpeg,
    HTJ2K_LOSSLESS_RPCL: by_openjpeg,
    JPEG_2000_LOSSLESS: by_openjpeg,
    JPEG_LS_LOSSLESS: by_dicom_tools,
    JPEG_XL_LOSSLESS: by_djxl,
}


@pytest.mark.parametrize("origin", ["bundled", "samples"])
def test_every_lossless_rendition_is_decoded_elsewhere_to_the_same_pixels(
    origin: str, tmp_path: Path
) -> None:
    """And nothing but the permitted elements differs in its header."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    wrong = []
    for path, data, _, facts, frames in sources(origin):
        for syntax, decode in DECODERS.items():
            name = f"{path.name} as {syntax}"
            try:
                coded, said = render(data, coding_of(syntax))
            except EncodeError as error:
                refused[f"{path.name}: {error}"] += 1
                continue
            assert said.raw_bytes == facts.raw_bytes, name
            differs = differing(data, coded)
            if not differs <= LOSSY_PAST or (differs and not facts.lossy):
                wrong.append(f"{name} changes {sorted(differs)}")
            found = decode(coded, facts, len(frames), tmp_path)
            expected = [frames[0], frames[-1]][: len(found)] if decode is by_djxl else frames
            if not all(map(np.array_equal, found, expected)) or len(found) != len(expected):
                wrong.append(f"{name} decodes to other pixels")
            done[syntax] += 1
    for why, times in refused.items():
        print(f"refused {times}: {why}")
    print(f"{origin}: {dict(done)}")
    assert not wrong, "\n".join(wrong)
    assert min(done[syntax] for syntax in DECODERS) > 20


@pytest.mark.parametrize("origin", ["bundled", "samples"])
def test_every_instance_goes_plain(origin: str) -> None:
    """Whatever its samples are, and with the elements it had."""
    count = 0
    for path, data, _, facts, frames in sources(origin):
        coded, _ = render(data, coding_of(EXPLICIT_LITTLE_ENDIAN))
        differs = differing(data, coded)
        assert differs <= (LOSSY_PAST if facts.lossy else set()), path.name
        assert StoredFrames(coded).count == len(frames)
        count += 1
    print(f"{origin}: {count} as explicit little endian")


def errors_of(data: bytes, folder: Path) -> set[str]:
    """What dicom3tools calls errors in a file, whose syntax it is told by a name that it knows."""
    ds = dcmread(io.BytesIO(data))
    if ds.file_meta.TransferSyntaxUID == HTJ2K_LOSSY:
        ds.file_meta.TransferSyntaxUID = JPEG2000
    path = folder / "judged.dcm"
    ds.save_as(path)
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, timeout=60, check=False)
    text = (said.stderr + said.stdout).decode("utf-8", "replace")
    return {line for line in text.splitlines() if line.startswith("Error")}


@pytest.mark.parametrize("origin", ["bundled", "samples"])
def test_every_lossy_rendition_keeps_to_its_guards(origin: str, tmp_path: Path) -> None:
    """As others decode it; one whose guard is broken is not written, and is counted."""
    done: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for _, data, told, facts, frames in sources(origin):
        noise = noise_of(frames[:1]) or 4.0
        for coding in (
            Coding(syntax=HTJ2K_LOSSY, step=max(2.0, noise / 2)),
            Coding(syntax=JPEG_LS_NEAR, near=2),
        ):
            bar = coding_bar(
                facts,
                coding,
                modality=told.modality,
                sop_class=told.sop_class or "",
                transfer_syntax=StoredFrames(data).syntax,
            )
            if bar:
                done[f"{coding.syntax} barred"] += 1
                continue
            try:
                coded, said = render(data, coding)
            except GuardBroken as broken:
                done[f"{coding.syntax} broken {broken.guard}"] += 1
                continue
            except EncodeError:
                done[f"{coding.syntax} not held"] += 1
                continue
            assert said.error is not None
            _assert_derived(data, coded, said)
            _assert_error(coded, coding.syntax, facts, frames, said)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                more = errors_of(coded, tmp_path) - errors_of(data, tmp_path)
            new.update(more)
            done[f"{coding.syntax} derived"] += 1
    print(f"{origin}: {dict(sorted(done.items()))}")
    print(f"new errors of dciodvfy: {dict(new)}")
    assert not new
    assert done[f"{HTJ2K_LOSSY} derived"] > 5


def _assert_derived(before: bytes, after: bytes, said: Rendered) -> None:
    one, other = dcmread(io.BytesIO(before)), dcmread(io.BytesIO(after))
    named = one.get("SOPInstanceUID") or one.file_meta.MediaStorageSOPInstanceUID
    assert other.SOPInstanceUID != named
    assert other.get("StudyInstanceUID") == one.get("StudyInstanceUID")
    assert other.SOPInstanceUID.startswith("2.25.")
    assert other.file_meta.MediaStorageSOPInstanceUID == other.SOPInstanceUID
    assert other.ImageType[0] == "DERIVED"
    assert other.LossyImageCompression == "01"
    ratios, methods = other["LossyImageCompressionRatio"], other["LossyImageCompressionMethod"]
    assert ratios.VM == methods.VM
    assert said.ratio <= CAP.ratio * 1.03
    assert other.DerivationDescription
    assert other.DerivationCodeSequence[-1].CodeValue == "113040"
    source = other.SourceImageSequence[-1]
    assert source.ReferencedSOPInstanceUID == named
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"


def _assert_error(
    coded: bytes, syntax: Uid, facts: PixelFacts, frames: list[Samples], said: Rendered
) -> None:
    """The greatest error as somebody else decodes it is the one that is certified."""
    found = [
        libjpeg.decode(stream, colour_transform=0).view(sample_type(facts))
        if syntax == JPEG_LS_NEAR
        else openjpeg.utils.decode(stream)
        for stream in streams_of(coded, len(frames))
    ]
    errors = [
        np.abs(one.astype(int) - other).max() for one, other in zip(found, frames, strict=True)
    ]
    assert said.error is not None
    assert said.error.max_error == max(errors)
