"""Pictures of what is here of an image, and what is none."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from country_b.looks import picture_of_beginning
from gateway.compression.first_look import LOOKED_AT, beginning_bytes
from gateway.compression.transcode import transcode
from gateway.domain import Coding, NotFound, PeerMisbehaved
from tests.compression.pixels import facts_of, frame_of
from tests.compression.renditions import file_of


def begun(path: Path, name: str, reduction: int) -> Path:
    """The beginning of an image on disk."""
    facts = facts_of(name, rows=64, columns=96)
    out = BytesIO()
    source = BytesIO(file_of(facts, [frame_of(facts)]))
    transcode(source, out, Coding(syntax=LOOKED_AT[0]))
    path.write_bytes(out.getvalue()[: beginning_bytes(out, reduction)])
    return path


@pytest.mark.parametrize("name", ["u8", "u12", "i16", "rgb"])
@pytest.mark.parametrize("reduction", [1, 2])
def test_a_picture_is_as_large_as_what_is_here(tmp_path: Path, name: str, reduction: int) -> None:
    """Grey or in colour, and not of one shade."""
    data = picture_of_beginning(begun(tmp_path / "x", name, reduction))

    picture = np.asarray(Image.open(BytesIO(data)))
    assert picture.shape[:2] == (64 >> reduction, 96 >> reduction)
    assert picture.ndim == (3 if name == "rgb" else 2)
    assert picture.min() < picture.max()


def test_what_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    """Too little, or nothing."""
    path = begun(tmp_path / "x", "u12", 5)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(PeerMisbehaved, match="no first look"):
        picture_of_beginning(path)
    with pytest.raises(NotFound):
        picture_of_beginning(tmp_path / "nowhere")
