"""Fixtures shared by the suite, and the rule that interop tests may not skip when run for real."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import settings

from gateway.domain import Oid, PatientId
from tests.shared import SHARED

# What fixtures make is imported by them: a process that hands out tests runs none of them, and
# would load both countries before the first worker starts.
if TYPE_CHECKING:
    from gateway.pki import TrustDomain
    from gateway.transport.compose import Clockwork

# The suite looks at the same examples of each property every time: a red run tells of the change
# and not of luck. Looking elsewhere, and for long, is what `make fuzz` does.
settings.register_profile("suite", max_examples=25, derandomize=True)
settings.load_profile("suite")

# As the services write their log, but for the JSON: a traceback in colour takes seconds to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


# Twelve thousand tests are a million objects that stay: the collector looks for garbage among what
# came after them, and not at all while they come.
gc.disable()
PATIENCE = 10_000  # objects made before it looks


def pytest_collection_finish() -> None:
    """From here on there is garbage to find."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(PATIENCE)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips` turns every skip into a failure, but those for want of all of `../shared`."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed one")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Report a skip as a failure where none is allowed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if not SHARED.exists() and "../shared" in reason:
            return
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {reason}"


@pytest.fixture
def own_log() -> Iterator[None]:
    """For what sets up the log of a process of its own: the log is as it was, afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def trust_domain() -> TrustDomain:
    """One made-up trust domain a session, valid now; XC is a gateway between the two."""
    from gateway.pki import mint_trust

    return mint_trust(now=datetime.now(UTC), countries=("XA", "XB", "XC"))


@pytest.fixture
def clockwork() -> Clockwork:
    """A clock that stands still and ids that count."""
    from gateway.transport.compose import Clockwork

    numbers = count(1)
    return Clockwork(
        now=lambda: NOW, new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"
    )


@dataclass(frozen=True, slots=True)
class Seeded:
    """A folder with Country A's national systems, seeded small, and what was made."""

    folder: Path
    story: dict[str, Any]

    def role(self, name: str) -> dict[str, Any]:
        """A made-up patient by the part they play."""
        found: dict[str, Any] = self.story["roles"][name]
        return found

    def patient(self, name: str) -> PatientId:
        """The identifier of a patient by the part they play."""
        role = self.role(name)
        return PatientId(role["id"], Oid(role["authority"]))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """Country A's systems with the small seed; tests read them and leave them as they are."""
    from country_a.national.sql import open_systems
    from country_a.oids import NationalOids
    from country_a.seed.load import seed_all
    from tests.builders import COUNTRY_A

    folder = tmp_path_factory.mktemp("country-a")

    async def plant() -> None:
        opened = await open_systems(folder)
        try:
            oids = NationalOids.under(COUNTRY_A)
            await seed_all(opened, oids=oids, seed_number=1, size="tiny")
        finally:
            await opened.close()

    asyncio.run(plant())
    return Seeded(folder, json.loads((folder / "seed.json").read_text(encoding="utf-8")))
