"""Every message of other projects about queries, retrieves and images has its row somewhere."""

from __future__ import annotations

from tests.shared import shared
from tests.wire.soap.test_xca_images_samples import DELIVERIES, IMAGES
from tests.wire.soap.test_xca_query_samples import QUERIES, ROWS
from tests.wire.soap.test_xca_retrieve_samples import DOCUMENTS, RETRIEVES


def test_every_sample_has_its_row() -> None:
    """A file added beside the project needs an expectation, and a row needs its file."""
    folder = shared("samples/soap")
    patterns = (
        "iti-38/*",
        "iti-39/*",
        "rad-69/*",
        "rad-75/*",
        "constructed/iti38*",
        "constructed/rad75*",
    )
    files = {str(path.relative_to(folder)) for each in patterns for path in folder.glob(each)}

    rows = [*QUERIES, *ROWS, *RETRIEVES, *DOCUMENTS, *IMAGES, *DELIVERIES]

    assert files == set(rows)
    assert len(rows) == len(set(rows))
