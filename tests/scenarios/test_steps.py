"""What stories share: how images are judged."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.steps import documents_of, judge_images
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


def test_documents_of_a_class_are_all_of_its_rows() -> None:
    """Rows of several documents give all of them."""
    rows = [
        {"document_class": "manifest", "documents": [{"id": "a"}, {"id": "b"}]},
        {"document_class": "report", "documents": [{"id": "c"}]},
    ]

    assert documents_of(rows, "manifest") == ["a", "b"]
