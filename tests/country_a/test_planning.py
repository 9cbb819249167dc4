"""Planning: series sampled once, and what cannot be sampled planned all the same."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from country_a import planning
from country_a.images import Held
from country_a.national.pacs_folder import read_facts
from country_a.national.ports import StoredInstance, StoredSeries
from country_a.planning import Planning
from gateway.compression.worker import Workers
from gateway.domain import (
    EXPLICIT_LITTLE_ENDIAN,
    DeliveryAction,
    DeliveryWish,
    LinkProfile,
    Oid,
    SyntaxChoice,
    Uid,
)
from tests.desks import renderer_in
from tests.dicom_images import image_of

JPEG_LS = Uid("1.2.840.10008.1.2.4.80")
WISH = DeliveryWish(syntaxes=(JPEG_LS, EXPLICIT_LITTLE_ENDIAN), choice=SyntaxChoice.SENDER)
NARROW = LinkProfile(bits_per_second=1e6)
SOURCE = Oid("2.999.1.3")


@dataclass
class Store:
    """An image store that knows the series of what it is given."""

    held: tuple[StoredInstance, ...]

    async def series(self, study: Uid) -> tuple[StoredSeries, ...]:
        uids = dict.fromkeys(one.ref.series for one in self.held if one.ref.study == study)
        return tuple(StoredSeries(uid=uid, study=study, modality="CT") for uid in uids)


def images(folder: Path, count: int) -> tuple[StoredInstance, ...]:
    """A series of small slices."""
    dice = np.random.default_rng(3)
    made = []
    for number in range(count):
        pixels = (500 + 20 * dice.standard_normal((64, 64))).astype(np.uint16)
        path = folder / f"{number}.dcm"
        path.write_bytes(
            image_of(pixels, SOPInstanceUID=f"1.2.3.{number + 1}", Modality="CT", BitsStored=12)
        )
        made.append(read_facts(path)[2])
    return tuple(made)


def planning_of(folder: Path, held: tuple[StoredInstance, ...]) -> Planning:
    store: Any = Store(held)
    return Planning(store, renderer_in(folder), Workers(2), new_id=lambda: str(uuid.uuid4()))


def held_by(instances: tuple[StoredInstance, ...]) -> Held:
    return Held(tuple((one, SOURCE) for one in instances), ())


async def test_a_series_is_sampled_and_planned(tmp_path: Path) -> None:
    """Five of its frames tell the sizes of all."""
    held = images(tmp_path, 8)

    plan = await planning_of(tmp_path, held).plan(held_by(held), WISH, NARROW)

    (series,) = plan.series
    assert (series.instances, series.sampled, series.modality) == (8, 5, "CT")
    assert {one.action for one in plan.instances} == {DeliveryAction.LOSSLESS}
    assert {one.ref for one in plan.instances} == {one.ref for one in held}


async def test_a_second_plan_for_the_same_images_encodes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For another link; other images of the series are sampled anew."""
    held = images(tmp_path, 6)
    made = planning_of(tmp_path, held)
    encoded: list[int] = []
    real = planning.sample_instance

    def sample(*arguments: Any, **options: Any) -> Any:
        encoded.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(planning, "sample_instance", sample)

    await made.plan(held_by(held), WISH, NARROW)
    first = len(encoded)
    await made.plan(held_by(held), WISH, LinkProfile(bits_per_second=50e6))
    assert len(encoded) == first == 5
    await made.plan(held_by(held[:3]), WISH, NARROW)
    assert len(encoded) > first


async def test_what_cannot_be_sampled_is_planned_all_the_same(tmp_path: Path) -> None:
    """A file that vanished, or is not what its header said, has no say and does no harm."""
    held = images(tmp_path, 3)
    held[0].path.write_bytes(b"not an image")
    held[2].path.unlink()

    plan = await planning_of(tmp_path, held).plan(held_by(held), WISH, NARROW)

    assert plan.series[0].sampled == 1
    assert len(plan.instances) == 3

    held[1].path.unlink()
    plan = await planning_of(tmp_path, held).plan(held_by(held), WISH, NARROW)
    assert plan.series[0].sampled == 0
    assert len(plan.instances) == 3
    assert plan.notes


async def test_an_index_from_before_says_nothing_of_pixels_and_is_sent_as_stored(
    tmp_path: Path,
) -> None:
    """What the store does not know is not guessed."""
    held = tuple(replace(one, pixels=None) for one in images(tmp_path, 2))

    plan = await planning_of(tmp_path, held).plan(held_by(held), WISH, NARROW)

    assert {one.action for one in plan.instances} == {DeliveryAction.AS_STORED}
