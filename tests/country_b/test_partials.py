"""Files that came in half: found again by their names, and only where they can be continued."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from country_b.partials import MAX_TAG, Partials
from gateway.compression.first_look import LOOKED_AT
from gateway.compression.permitted import JPEG_XL_LOSSLESS
from gateway.compression.transcode import transcode
from gateway.domain import Begun, Coding, Uid
from tests.compression.pixels import facts_of, frame_of
from tests.compression.renditions import file_of

IMAGE = Uid("2.999.7.1.1")


@pytest.mark.parametrize("etag", ['"abc"', '"a/b~c"', '"' + "f" * 64 + '"'])
def test_what_came_in_half_is_found_again_with_its_tag(tmp_path: Path, etag: str) -> None:
    """By a process that knows nothing but the folder."""
    partials = Partials(tmp_path)
    partials.prepare("visit")
    place = partials.place("visit", IMAGE, etag)
    assert place is not None
    place.write_bytes(b"half")

    found = Partials(tmp_path).held("visit")

    assert found[IMAGE].begun == Begun(4, etag)
    assert found[IMAGE].path == place
    assert Partials(tmp_path).size_bytes() == 4


@pytest.mark.parametrize("etag", ["", '"' + "x" * MAX_TAG + '"'])
def test_what_cannot_be_continued_has_no_place(tmp_path: Path, etag: str) -> None:
    """Nobody could ask for the rest of it, or its tag makes no name."""
    assert Partials(tmp_path).place("visit", IMAGE, etag) is None


def test_of_two_beginnings_the_longer_counts(tmp_path: Path) -> None:
    """And what is empty, or no name of ours, is none."""
    partials = Partials(tmp_path)
    partials.prepare("visit")
    for etag, size in (('"a"', 3), ('"b"', 5), ('"c"', 0)):
        place = partials.place("visit", IMAGE, etag)
        assert place is not None
        place.write_bytes(bytes(size))
    (place.parent / "stranger").write_bytes(b"x")
    (place.parent / "2.999~%%%").write_bytes(b"x")

    assert {uid: one.begun for uid, one in partials.held("visit").items()} == {
        IMAGE: Begun(5, '"b"')
    }


def test_a_visit_forgets_its_own_and_no_other(tmp_path: Path) -> None:
    """However its id is written, it is the name of one folder."""
    partials = Partials(tmp_path)
    for visit in ("../one", "two"):
        partials.prepare(visit)
        place = partials.place(visit, IMAGE, '"a"')
        assert place is not None
        assert place.resolve().is_relative_to(tmp_path)
        place.write_bytes(b"half")

    assert partials.forget("../one") == 4
    assert partials.forget("../one") == 0
    assert partials.held("../one") == {}
    assert set(partials.held("two")) == {IMAGE}


@pytest.mark.parametrize("syntax", [*LOOKED_AT, JPEG_XL_LOSSLESS])
def test_a_first_look_is_known_by_its_transfer_syntax(tmp_path: Path, syntax: Uid) -> None:
    """Only of lossless HTJ2K can the rest be asked for by its syntax alone."""
    facts = facts_of("u12", rows=32, columns=32)
    out = BytesIO()
    coding = Coding(syntax=syntax, effort=3 if syntax == JPEG_XL_LOSSLESS else 0)
    transcode(BytesIO(file_of(facts, [frame_of(facts)])), out, coding)
    partials = Partials(tmp_path)
    partials.prepare("visit")
    place = partials.place("visit", IMAGE, '"t"')
    assert place is not None
    place.write_bytes(out.getvalue()[:-50])

    known = syntax if syntax in LOOKED_AT else None
    assert partials.held("visit")[IMAGE].begun.syntax == known
    assert partials.find("visit", IMAGE) == place
    assert partials.find("other", IMAGE) is None
