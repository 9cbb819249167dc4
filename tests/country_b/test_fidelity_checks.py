"""A kept image held against its certificate: every departure is found and told."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from country_b.fidelity_checks import departure, series_view
from country_b.kept import KeptInstance
from gateway.compression.permitted import HTJ2K_LOSSY, JPEG_LS_LOSSLESS
from gateway.domain import Coding, InstanceFidelity, PixelError, RatioCap, SeriesFidelity, Uid
from tests.compression.renditions import coding_of, derivation_of, file_of, lossy, read, rendered
from tests.compression.test_transcode_lossy import BODY, FRAMES
from tests.fidelity import CAP, SERIES, lossless_one, lossy_one, ref_of, stored_one

AT = datetime(2026, 11, 22, tzinfo=UTC)
STEP = Coding(syntax=HTJ2K_LOSSY, step=8.0)
SOURCE = file_of(BODY, FRAMES)
WIDE = RatioCap(ratio=20.0, source="a test")


def kept_of(path: Path, said: InstanceFidelity, data: bytes) -> KeptInstance:
    path.write_bytes(data)
    return KeptInstance(
        ref=said.ref,
        transfer_syntax=str(said.syntax),
        derived=str(said.derived or ""),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        at=AT,
    )


def lossless_file() -> tuple[bytes, InstanceFidelity]:
    data, done = rendered(SOURCE, coding_of(JPEG_LS_LOSSLESS))
    return data, InstanceFidelity(
        ref=ref_of(1),
        syntax=JPEG_LS_LOSSLESS,
        sha256=done.sha256,
        raw_bytes=done.raw_bytes,
        sent_bytes=done.coded_bytes,
        coding=coding_of(JPEG_LS_LOSSLESS),
        pixels_sha256=done.pixels_sha256,
    )


def lossy_file() -> tuple[bytes, InstanceFidelity]:
    data, done = lossy(SOURCE, STEP, cap=20.0)
    return data, InstanceFidelity(
        ref=ref_of(1),
        syntax=HTJ2K_LOSSY,
        sha256=done.sha256,
        raw_bytes=done.raw_bytes,
        sent_bytes=done.coded_bytes,
        coding=STEP,
        pixels_sha256=done.pixels_sha256,
        error=done.error,
        derived=derivation_of(SOURCE, STEP).instance,
    )


def judged(path: Path, said: InstanceFidelity, kept: KeptInstance, **changes: Any) -> str:
    given: dict[str, Any] = {"cap": WIDE, "lossy_consent": True}
    return departure(said, kept, path, **(given | changes))


@pytest.mark.parametrize("make", [lossless_file, lossy_file])
def test_what_is_as_certified_departs_in_nothing(make: Any, tmp_path: Path) -> None:
    """With and without loss."""
    data, said = make()
    assert judged(tmp_path / "x", said, kept_of(tmp_path / "x", said, data)) == ""


def test_a_file_as_it_is_stored_is_its_digest(tmp_path: Path) -> None:
    """Nothing is decoded of what nobody coded."""
    said = stored_one(1, sha256=hashlib.sha256(b"file").hexdigest())
    kept = kept_of(tmp_path / "x", said, b"file")

    assert judged(tmp_path / "x", said, kept) == ""
    assert "not the one" in judged(tmp_path / "x", replace(said, sha256="0" * 64), kept)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "file is not the one"),
        ({"syntax": Uid("1.2.3")}, "transfer syntax"),
        ({"derived": Uid("2.25.9")}, "derived as"),
        ({"pixels_sha256": "0" * 64}, "does not decode to the pixels"),
    ],
)
def test_a_certificate_of_something_else_is_noticed(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    """File, form, UID and pixels."""
    data, said = lossless_file()
    kept = kept_of(tmp_path / "x", said, data)

    assert says in judged(tmp_path / "x", replace(said, **changes), kept)


def test_pixels_that_cannot_be_decoded_are_told(tmp_path: Path) -> None:
    """Even where the file is the one that is named."""
    data, said = lossless_file()
    broken = data[:-60]
    said = replace(said, sha256=hashlib.sha256(broken).hexdigest())

    assert "cannot be decoded" in judged(
        tmp_path / "x", said, kept_of(tmp_path / "x", said, broken)
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lossy_consent": False}, "not agreed to"),
        ({"cap": None}, "no cap"),
        ({"cap": RatioCap(ratio=1.5, source="a test")}, "over the cap of 1.5"),
    ],
)
def test_what_lost_something_keeps_to_what_was_agreed(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    """Consent and cap."""
    data, said = lossy_file()
    kept = kept_of(tmp_path / "x", said, data)

    assert says in judged(tmp_path / "x", said, kept, **changes)


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("LossyImageCompression", "00", "does not say so"),
        ("LossyImageCompressionRatio", None, "does not say so"),
        ("LossyImageCompressionMethod", None, "does not say so"),
        ("LossyImageCompressionRatio", "35.5", "over the cap"),
        ("SOPInstanceUID", "1.2.3.4", "its file is instance 1.2.3.4"),
    ],
)
def test_what_lost_something_has_to_say_so(
    keyword: str, value: str | None, says: str, tmp_path: Path
) -> None:
    """In its own header (PS3.3 C.7.6.1.1.5)."""
    data, said = lossy_file()
    ds = read(data)
    if value is None:
        del ds[keyword]
    else:
        setattr(ds, keyword, value)
    out = io.BytesIO()
    ds.save_as(out)
    changed = out.getvalue()
    said = replace(said, sha256=hashlib.sha256(changed).hexdigest())

    assert says in judged(tmp_path / "x", said, kept_of(tmp_path / "x", said, changed))


def test_a_series_is_summed_up() -> None:
    """Sizes and ratio of all, the worst of every error."""
    worse = PixelError(max_error=9, rmse=1.0, ssim=0.95)
    ones = (lossless_one(1), lossy_one(2), lossy_one(3, error=worse))
    view = series_view(SeriesFidelity(series=SERIES, instances=ones, cap=CAP), ones)

    assert view == {
        "series": "1.2.3.1",
        "instances": 3,
        "lossy": 2,
        "syntaxes": ["1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.80"],
        "codecs": ["JPEG-LS", "lossy HTJ2K (step 2.5)"],
        "raw_bytes": 3000,
        "sent_bytes": 560,
        "ratio": 5.36,
        "max_error": 9,
        "rmse": 1.25,
        "ssim": 0.95,
        "cap": {"ratio": 10.0, "source": "a policy of this test system"},
    }


def test_a_series_that_lost_nothing_has_no_errors_and_no_cap() -> None:
    """Even where a cap was considered."""
    ones = (lossless_one(1),)
    view = series_view(SeriesFidelity(series=SERIES, instances=ones, cap=CAP), ones)

    assert [view[name] for name in ("max_error", "rmse", "ssim", "cap")] == [None] * 4
