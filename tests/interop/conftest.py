"""Programs from elsewhere that are started once for all tests that ask them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.medplum_judge import Judge, running


@pytest.fixture(scope="session")
def medplum() -> Iterator[Judge]:
    """The validator of FHIR resources, or a skip."""
    with running() as judge:
        yield judge
