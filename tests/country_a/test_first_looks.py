"""The beginnings of images on their way out, and what has none."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames

from country_a.first_looks import FirstLooks, look_first
from country_a.images import Held
from country_a.national.pacs_folder import read_facts
from country_a.national.ports import StoredInstance
from gateway.compression.first_look import LOOKED_AT, look_at
from gateway.compression.transcode import transcode
from gateway.domain import Coding, DeliveryWish, ImageChunk, NotNow, Oid, Refusal, Uid
from tests.compression.pixels import facts_of
from tests.compression.renditions import file_of
from tests.compression.test_transcode_lossy import body_of
from tests.desks import renderer_in

PLACE = Oid("2.999.1.3")
FACTS = facts_of("u12", rows=64, columns=96)
HTJ2K = LOOKED_AT[0]
JPEG_LS = Uid("1.2.840.10008.1.2.4.80")


def stored(folder: Path, number: int, *, syntax: Uid | None = None) -> StoredInstance:
    """A slice on disk, in explicit little endian or another syntax."""
    data = file_of(
        FACTS,
        [body_of(FACTS, number)],
        SOPInstanceUID=f"1.2.3.{number}",
        SeriesInstanceUID="1.2.3",
        StudyInstanceUID="1.2",
    )
    if syntax is not None:
        out = BytesIO()
        transcode(BytesIO(data), out, Coding(syntax=syntax))
        data = out.getvalue()
    path = folder / f"{number}.dcm"
    path.write_bytes(data)
    return read_facts(path)[2]


async def looked(looks: FirstLooks) -> tuple[dict[str, bytes], list[ImageChunk]]:
    """What came of each, and the first chunk of each."""
    got: dict[str, bytes] = {}
    firsts = []
    async with looks:
        async for chunk in looks.chunks():
            if chunk.instance not in got:
                firsts.append(chunk)
            got[chunk.instance] = got.get(chunk.instance, b"") + chunk.data
    return got, firsts


def asked(folder: Path, *held: StoredInstance, syntaxes: tuple[Uid, ...] = (HTJ2K,)) -> FirstLooks:
    """A first look at a quarter of each side."""
    wish = DeliveryWish(syntaxes=syntaxes, first_look=2)
    return look_first(Held(tuple((one, PLACE) for one in held), ()), wish, renderer_in(folder))


async def test_what_comes_is_the_image_at_a_quarter(tmp_path: Path) -> None:
    """The same as the whole stream decoded at that size by another; the rest is left."""
    held = [stored(tmp_path, number) for number in range(3)]
    got, firsts = await looked(asked(tmp_path / "r", *held))

    assert list(got) == [str(one.ref.instance) for one in held]
    for one, chunk in zip(held, firsts, strict=True):
        data, sent = got[one.ref.instance], chunk.sent
        assert sent is not None
        assert sent.begin_bytes == len(data) < (sent.size_bytes or 0)
        assert sent.transfer_syntax == HTJ2K
        samples, frames = look_at(BytesIO(data))
        out = BytesIO()
        with one.path.open("rb") as file:
            transcode(file, out, Coding(syntax=HTJ2K))
        assert out.getvalue().startswith(data)
        stream = next(
            generate_frames(dcmread(BytesIO(out.getvalue())).PixelData, number_of_frames=1)
        )
        assert np.array_equal(samples, imagecodecs.htj2k_decode(stream, skipres=2))
        assert frames.header.SOPInstanceUID == one.ref.instance


async def test_what_is_stored_so_is_cut_out_of_its_own_file(tmp_path: Path) -> None:
    """With the tag of the file as it lies there."""
    one = stored(tmp_path, 1, syntax=HTJ2K)
    got, (first,) = await looked(asked(tmp_path / "r", one))

    assert one.path.read_bytes().startswith(got[one.ref.instance])
    assert first.sent is not None
    assert (first.sent.sha256, first.sent.size_bytes) == (one.sha256, one.size_bytes)


async def test_what_has_no_first_look_is_named(tmp_path: Path) -> None:
    """No pixels, a coding nobody asked for, a damaged file: the rest comes all the same."""
    good, bad = stored(tmp_path, 1), stored(tmp_path, 2, syntax=HTJ2K)
    bad.path.write_bytes(bad.path.read_bytes()[:400])
    note = replace(good, ref=replace(good.ref, instance=Uid("1.2.3.9")), pixels=None)
    looks = asked(tmp_path / "r", bad, note, good)

    got, _ = await looked(looks)

    assert list(got) == [str(good.ref.instance)]
    assert {issue.subject for issue in looks.issues} == {"1.2.3.2", "1.2.3.9"}
    assert {issue.refusal for issue in looks.issues} == {Refusal.UNSUPPORTED_SYNTAX}
    other = asked(tmp_path / "r", good, syntaxes=(JPEG_LS,))
    assert (other.announced, len(other.issues)) == ((), 1)


async def test_a_file_that_became_shorter_breaks_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never ended as if it were all."""
    one = stored(tmp_path, 1, syntax=HTJ2K)
    monkeypatch.setattr("country_a.first_looks.beginning_bytes", lambda *_: one.size_bytes + 1)

    with pytest.raises(NotNow, match="shorter"):
        await looked(asked(tmp_path / "r", one))
