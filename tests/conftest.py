"""Fixtures shared by the suite, and the rule that interop tests may not skip when run for real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from gateway.pki import TrustDomain, mint_trust
from gateway.transport.compose import Clockwork

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips` turns every skip into a failure."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed one")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Report a skip as a failure where none is allowed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where no skip is allowed: {reason}"


@pytest.fixture(scope="session")
def trust_domain() -> TrustDomain:
    """One made-up trust domain a session, valid now."""
    return mint_trust(now=datetime.now(UTC))


@pytest.fixture
def clockwork() -> Clockwork:
    """A clock that stands still and ids that count."""
    numbers = count(1)
    return Clockwork(
        now=lambda: NOW, new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"
    )


