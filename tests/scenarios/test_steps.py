"""What stories share: how images are judged."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.steps import documents_of, fidelity_note, judge_images
from scenarios.story import Telling

JOB: dict[str, Any] = {
    "state": "complete",
    "asked": 6,
    "received": 4,
    "already_kept": 2,
    "bytes": 4000,
    "missing": [],
}


@pytest.mark.parametrize(
    ("changes", "expected", "incomplete"),
    [
        ({}, 6, False),
        ({}, None, False),
        ({}, 7, True),
        ({"state": "incomplete", "missing": [{"text": "gone"}]}, 6, True),
        ({"state": "interrupted"}, 6, True),
        ({"state": "cancelled"}, None, True),
    ],
)
def test_only_everything_is_complete(
    changes: dict[str, Any], expected: int | None, incomplete: bool
) -> None:
    """A job that is not complete, or a count that differs, leaves the step incomplete."""
    telling = Telling(8, "images")

    judge_images(telling, JOB | changes, expected)

    assert telling.incomplete is incomplete
    assert telling.bytes == 4000
    assert telling.notes


def test_one_image_is_an_image() -> None:
    """Nobody is told of 1 images."""
    telling = Telling(8, "images")

    judge_images(telling, JOB | {"asked": 1, "received": 1, "already_kept": 0})

    assert telling.notes == ["1 image"]


SERIES: dict[str, Any] = {
    "instances": 400,
    "lossy": 0,
    "codecs": ["JPEG-LS"],
    "raw_bytes": 3600,
    "sent_bytes": 1000,
    "max_error": None,
}
LOSSY: dict[str, Any] = SERIES | {"lossy": 390, "codecs": ["lossy HTJ2K"], "max_error": 7}


@pytest.mark.parametrize(
    ("fidelity", "note"),
    [
        (
            {"verdict": "verified", "series": [SERIES]},
            "fidelity verified: 400 images lossless, JPEG-LS, 3.6 : 1",
        ),
        (
            {"verdict": "verified", "series": [SERIES, LOSSY]},
            "fidelity verified: 410 images lossless, 390 images lossy, error at most 7, JPEG-LS, "
            "lossy HTJ2K, 3.6 : 1",
        ),
        (
            {"verdict": "not-certified", "reason": "no such resource", "series": []},
            "fidelity not-certified: no such resource",
        ),
    ],
)
def test_what_a_certificate_came_to_is_a_note(fidelity: dict[str, Any], note: str) -> None:
    """One line, beside the number of images."""
    telling = Telling(8, "images")

    judge_images(telling, JOB | {"fidelity": fidelity})

    assert fidelity_note(fidelity) == note
    assert telling.notes == ["6 images", note]


def test_documents_of_a_class_are_all_of_its_rows() -> None:
    """Rows of several documents give all of them."""
    rows = [
        {"document_class": "manifest", "documents": [{"id": "a"}, {"id": "b"}]},
        {"document_class": "report", "documents": [{"id": "c"}]},
    ]

    assert documents_of(rows, "manifest") == ["a", "b"]
