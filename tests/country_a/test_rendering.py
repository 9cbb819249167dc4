"""Forms as they are wanted, or the next best; what can be made in no way says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from country_a import rendering
from country_a.image_forms import ImageForm
from country_a.national.pacs_folder import read_facts
from country_a.national.ports import StoredInstance
from country_a.rendering import RenderFailed
from gateway.compression.derivation import derived_uid
from gateway.compression.guards import GuardBroken, NotFaithful
from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Coding, RatioCap, ReadingPurpose, Uid
from tests.desks import renderer_in
from tests.dicom_images import image_of

JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
NEAR = Uid("1.2.840.10008.1.2.4.81")
HTJ2K = Uid("1.2.840.10008.1.2.4.202")
CT = "1.2.840.10008.5.1.4.1.1.2"


def stored(folder: Path) -> StoredInstance:
    """A slice of smooth noise, large enough to lose something."""
    dice = np.random.default_rng(7)
    pixels = (1000 + 100 * dice.standard_normal((256, 256))).astype(np.uint16)
    path = folder / "slice.dcm"
    path.write_bytes(image_of(pixels, sop_class=CT, Modality="CT", BitsStored=12))
    return read_facts(path)[2]


def lossy_form(held: StoredInstance, near: int) -> ImageForm:
    coding = Coding(syntax=NEAR, near=near)
    return ImageForm(
        syntax=NEAR,
        coding=coding,
        derived=derived_uid(held.ref.instance, coding),
        cap=RatioCap(ratio=12, source="policy of this test system"),
        purpose=ReadingPurpose.EMERGENCY,
        otherwise=(NEAR, JPEG_LS),
    )


def failing(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[Coding], Exception | None]
) -> list[Coding]:
    """Let some codings fail; gives the list of those that are tried."""
    tried: list[Coding] = []
    real = rendering.transcode

    def transcode(source: Any, out: Any, coding: Coding, **more: Any) -> Any:
        tried.append(coding)
        error = fails(coding)
        if error is not None:
            raise error
        return real(source, out, coding, **more)

    monkeypatch.setattr(rendering, "transcode", transcode)
    return tried


async def test_a_form_that_is_not_faithful_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the syntaxes that were asked for, in their order."""
    held = stored(tmp_path)
    form = ImageForm(syntax=HTJ2K, coding=Coding(syntax=HTJ2K), otherwise=(HTJ2K, JPEG_LS))
    tried = failing(
        monkeypatch, lambda coding: NotFaithful("not so") if coding.syntax == HTJ2K else None
    )

    async with renderer_in(tmp_path).rendered(held, form) as (made, rendition):
        sent = dcmread(rendition.path)

    assert [coding.syntax for coding in tried] == [HTJ2K, JPEG_LS]
    assert made.syntax == sent.file_meta.TransferSyntaxUID == JPEG_LS


async def test_a_lossy_form_that_breaks_a_guard_loses_less_and_then_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the error under a UID of its own; then the instance itself."""
    held = stored(tmp_path)
    tried = failing(
        monkeypatch, lambda coding: GuardBroken("max error", 9, 4) if coding.near else None
    )

    async with renderer_in(tmp_path).rendered(held, lossy_form(held, 4)) as (made, rendition):
        sent = dcmread(rendition.path)

    assert [(coding.syntax, coding.near) for coding in tried] == [
        (NEAR, 4),
        (NEAR, 2),
        (JPEG_LS, 0),
    ]
    assert made.derived is None
    assert sent.SOPInstanceUID == held.ref.instance


async def test_a_lossy_form_comes_under_the_uid_it_was_planned_with(tmp_path: Path) -> None:
    """With its error bounded, and what it was made from on record."""
    held = stored(tmp_path)
    form = lossy_form(held, 2)

    async with renderer_in(tmp_path).rendered(held, form) as (made, rendition):
        sent = dcmread(rendition.path)

    assert made == form
    assert sent.SOPInstanceUID == form.derived
    assert sent.SourceImageSequence[0].ReferencedSOPInstanceUID == held.ref.instance
    assert rendition.facts.error is not None
    assert rendition.facts.error.max_error <= 2


async def test_what_can_be_made_in_no_way_says_every_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each form that was tried."""
    held = stored(tmp_path)
    form = ImageForm(
        syntax=HTJ2K,
        coding=Coding(syntax=HTJ2K),
        otherwise=(HTJ2K, JPEG_LS, EXPLICIT_LITTLE_ENDIAN),
    )
    tried = failing(monkeypatch, lambda coding: NotFaithful(f"{coding.syntax} differs"))

    with pytest.raises(RenderFailed) as caught:
        async with renderer_in(tmp_path).rendered(held, form):
            pass

    assert len(tried) == 3
    assert str(caught.value).count("differs") == 3


async def test_an_image_whose_file_is_broken_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another codec would not mend it."""
    held = stored(tmp_path)
    held.path.write_bytes(held.path.read_bytes()[:-500])
    tried = failing(monkeypatch, lambda _: None)
    form = ImageForm(
        syntax=HTJ2K, coding=Coding(syntax=HTJ2K), otherwise=(JPEG_LS, EXPLICIT_LITTLE_ENDIAN)
    )

    with pytest.raises(RenderFailed, match="frame 1: found"):
        async with renderer_in(tmp_path).rendered(held, form):
            pass

    assert len(tried) == 1
