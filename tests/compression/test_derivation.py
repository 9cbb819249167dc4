"""What the header of a derived instance says, and what it is called."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.valuerep import DSfloat

from gateway.compression.derivation import (
    Derivation,
    derive,
    derived_uid,
    padding_range,
    ratio_text,
    write_derivation,
)
from gateway.compression.permitted import HTJ2K_LOSSLESS, HTJ2K_LOSSY, JPEG_LS_NEAR
from gateway.domain.delivery import ReadingPurpose
from gateway.domain.delivery_plan import Coding, RatioCap
from gateway.domain.ids import Uid
from gateway.wire.problems import EncodeError

INSTANCE, SERIES, STUDY = Uid("1.2.3.4"), Uid("1.2.3"), Uid("1.2")
STEP = Coding(syntax=HTJ2K_LOSSY, step=4.0)
NEAR = Coding(syntax=JPEG_LS_NEAR, near=2)


def make_header(**values: Any) -> Dataset:
    """A CT image without pixels."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", str(INSTANCE)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = str(STUDY), str(SERIES)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.BitsAllocated, ds.PixelRepresentation = 16, 1
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def written(ds: Dataset, coding: Coding = STEP, **changes: Any) -> Dataset:
    """The header after derivation."""
    derivation = derive(INSTANCE, SERIES, coding, purpose=ReadingPurpose.REVIEW)
    write_derivation(ds, derivation, coding, **({"ratio": 8.25} | changes))
    return ds


def test_uids_are_computed_from_original_and_coding() -> None:
    """The same again gives the same, and anything else another."""
    found = {
        derived_uid(original, coding)
        for original in (INSTANCE, SERIES)
        for coding in (STEP, NEAR, Coding(syntax=HTJ2K_LOSSY, step=4.5))
    }
    assert len(found) == 6
    assert derived_uid(INSTANCE, STEP) == derived_uid(INSTANCE, STEP) != INSTANCE
    # Written down, because what was sent before must be found again by later versions.
    assert derived_uid(INSTANCE, STEP) == "2.25.153399775980569037319443587729408690625"


def test_a_derivation_holds_what_the_purpose_demands() -> None:
    """Its UIDs, its cap and its floor."""
    cap = RatioCap(ratio=8.0, source="a policy")
    assert derive(INSTANCE, SERIES, NEAR, purpose=ReadingPurpose.EMERGENCY, cap=cap) == Derivation(
        instance=derived_uid(INSTANCE, NEAR),
        series=derived_uid(SERIES, NEAR),
        cap=cap,
        ssim_floor=0.95,
    )


def test_the_header_says_what_was_done_to_which_image() -> None:
    """Every attribute that C.7.6.1.1.5 and C.7.6.1.1.3 ask for."""
    ds = written(make_header(SeriesDescription="Thorax"))

    assert ds.SOPInstanceUID == derived_uid(INSTANCE, STEP)
    assert ds.SeriesInstanceUID == derived_uid(SERIES, STEP)
    assert ds.StudyInstanceUID == STUDY
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert ds.LossyImageCompression == "01"
    assert ds.LossyImageCompressionRatio == DSfloat("8.25000000")
    assert ds.LossyImageCompressionMethod == "ISO_15444_15"
    assert "allocated bytes" in ds.DerivationDescription
    assert ds.SeriesDescription == "Thorax [lossy HTJ2K step 4]"
    (derivation,) = ds.DerivationCodeSequence
    assert derivation.CodeValue == codes.DCM.LossyCompression.value
    (source,) = ds.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == INSTANCE
    assert source.ReferencedSOPClassUID == ds.SOPClassUID
    (purpose,) = source.PurposeOfReferenceCodeSequence
    assert purpose.CodeValue == codes.DCM.UncompressedPredecessor.value
    assert purpose.CodeMeaning == codes.DCM.UncompressedPredecessor.meaning


def test_what_is_on_record_is_added_to() -> None:
    """Ratios, methods, descriptions and sources of before stay where they are."""
    older = Dataset()
    older.ReferencedSOPInstanceUID = "1.9"
    ds = written(
        make_header(
            LossyImageCompressionRatio=["2.5"],
            LossyImageCompressionMethod=["ISO_10918_1"],
            DerivationDescription="average of two",
            SourceImageSequence=Sequence([older]),
        ),
        NEAR,
    )

    assert [float(value) for value in ds.LossyImageCompressionRatio] == [2.5, 8.25]
    assert list(ds.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_14495_1"]
    assert ds.DerivationDescription.startswith("average of two; JPEG-LS lossy, near 2")
    assert [item.ReferencedSOPInstanceUID for item in ds.SourceImageSequence] == ["1.9", INSTANCE]


def test_what_is_no_longer_true_is_left_out() -> None:
    """Extreme values and signatures over the old pixels."""
    ds = make_header(SmallestImagePixelValue=3, LargestImagePixelValue=900)
    ds.add_new(0xFFFAFFFA, "SQ", [Dataset()])
    written(ds)

    assert "SmallestImagePixelValue" not in ds
    assert "LargestImagePixelValue" not in ds
    assert 0xFFFAFFFA not in ds


def test_frame_types_follow_the_image_type() -> None:
    """In shared and per-frame groups alike."""
    macro, group = Dataset(), Dataset()
    macro.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    group.MRImageFrameTypeSequence = Sequence([macro])
    ds = written(make_header(PerFrameFunctionalGroupsSequence=Sequence([group])))

    frame = ds.PerFrameFunctionalGroupsSequence[0].MRImageFrameTypeSequence[0]
    assert list(frame.FrameType) == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]


def test_a_long_series_description_makes_room() -> None:
    """LO holds 64 characters."""
    ds = written(make_header(SeriesDescription="x" * 64))
    assert len(ds.SeriesDescription) == 64
    assert ds.SeriesDescription.endswith("x [lossy HTJ2K step 4]")


@pytest.mark.parametrize("ratio", [1.0, 3.0, 8.123456789012345, 99.99999999, 12345.678])
def test_a_ratio_is_a_decimal_string_of_one_length(ratio: float) -> None:
    """So that it can be written again in its place."""
    assert len(ratio_text(ratio)) == 10
    assert float(ratio_text(ratio)) == pytest.approx(ratio, rel=1e-4)
    for wrong in (0.0, -1.0, float("inf")):
        with pytest.raises(EncodeError):
            ratio_text(wrong)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"PixelPaddingValue": -2000}, (-2000, -2000)),
        ({"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990}, (-2000, -1990)),
        ({"PixelPaddingValue": -1990, "PixelPaddingRangeLimit": -2000}, (-2000, -1990)),
    ],
)
def test_padding_is_a_range(values: dict[str, int], expected: tuple[int, int] | None) -> None:
    """Whichever end is named first."""
    assert padding_range(make_header(**values)) == expected


def test_padding_without_its_sign_is_understood() -> None:
    """Some writers put down US where SS is meant."""
    ds = make_header()
    ds.add_new(0x00280120, "US", 0x10000 - 2000)
    assert padding_range(ds) == (-2000, -2000)


def test_padding_is_widened_to_what_it_decodes_to() -> None:
    """In the direction it had."""
    ds = written(make_header(PixelPaddingValue=-2000), padding=(-2004, -1997))
    assert (ds.PixelPaddingValue, ds.PixelPaddingRangeLimit) == (-2004, -1997)
    turned = make_header(PixelPaddingValue=-1990, PixelPaddingRangeLimit=-2000)
    written(turned, padding=(-2004, -1987))
    assert (turned.PixelPaddingValue, turned.PixelPaddingRangeLimit) == (-1987, -2004)


def test_an_original_may_be_named_by_its_file_alone() -> None:
    """Some writers leave its UIDs out of the data set."""
    ds = make_header()
    del ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    written(ds)

    assert ds.SOPInstanceUID == derived_uid(INSTANCE, STEP)
    assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == INSTANCE


def test_only_a_lossy_coding_derives() -> None:
    """And only from an instance that has a name."""
    with pytest.raises(EncodeError, match="loses nothing"):
        written(make_header(), Coding(syntax=HTJ2K_LOSSLESS))
    nameless = make_header()
    del nameless.SOPInstanceUID
    with pytest.raises(EncodeError, match="no SOP Class or Instance UID"):
        written(nameless)
