"""Sizes and times of a delivery: the planner, the pipeline and the line, against bounds.

    python -m bench delivery

Three parts: what is computed from measured bytes and CPU seconds (`delivery_codecs`), what is sent
over a shaped line for real (`delivery_link`), and what a delivery costs beside the codecs
(`delivery_pipeline`). Each part runs with real images where they lie beside the project.
"""

from __future__ import annotations

from typing import Any

from bench import delivery_codecs, delivery_link, delivery_pipeline
from bench.delivery_studies import PLACE, images, prepare
from bench.places import fresh_trust


def rows() -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, ratio, bound, holds."""
    prepare()
    fresh_trust(PLACE)
    report = delivery_codecs.rows(images())
    return report + delivery_pipeline.rows() + delivery_link.rows()


if __name__ == "__main__":
    for row in rows():
        print(row)
