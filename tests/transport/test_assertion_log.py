"""Used assertions: reuse by their owner passes, anything else is refused, also after a restart."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain import ExchangeError, InternalFault, NotAllowed, NotNow, Refusal
from gateway.transport.assertion_log import KEPT_AFTER_EXPIRY, AssertionLog
from tests.builders import NOON

OURS, OTHERS = "aa" * 32, "bb" * 32
LATER = NOON + timedelta(hours=4)


def use(
    log: AssertionLog,
    assertion_id: str = "_a1",
    *,
    fingerprint: str = OURS,
    subject: str = "hcp-77",
    single_use: bool = False,
    expires: datetime = LATER,
    now: datetime = NOON,
) -> None:
    log.accept(
        assertion_id,
        fingerprint=fingerprint,
        subject=subject,
        expires=expires,
        single_use=single_use,
        now=now,
    )


def test_the_same_client_may_present_an_assertion_again(tmp_path: Path) -> None:
    """One sign-in serves many requests of the same client for the same user."""
    log = AssertionLog(tmp_path / "log")

    use(log)
    use(log, now=NOON + timedelta(minutes=30))

    assert len(log) == 1


@pytest.mark.parametrize(
    "change", [{"fingerprint": OTHERS}, {"subject": "hcp-78"}, {"single_use": True}]
)
def test_any_other_reuse_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Another client, another user, or a peer whose assertions are single-use."""
    log = AssertionLog(tmp_path / "log")
    use(log)

    with pytest.raises(NotAllowed) as caught:
        use(log, **change)  # type: ignore[arg-type]

    assert caught.value.refusal is Refusal.ASSERTION_REUSED


def test_a_single_use_assertion_works_once(tmp_path: Path) -> None:
    """The first use passes; the second is refused even where single use is no longer asked."""
    log = AssertionLog(tmp_path / "log")

    use(log, single_use=True)

    with pytest.raises(NotAllowed):
        use(log, single_use=False)


def test_client_and_user_cannot_be_confused(tmp_path: Path) -> None:
    """Moving characters between client and user does not give the same owner."""
    log = AssertionLog(tmp_path / "log")
    use(log, fingerprint="ab", subject="c")

    with pytest.raises(NotAllowed):
        use(log, fingerprint="a", subject="bc")


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """A log opened again refuses what the first one would have refused."""
    use(AssertionLog(tmp_path / "log"))

    again = AssertionLog(tmp_path / "log")

    use(again)
    with pytest.raises(NotAllowed):
        use(again, fingerprint=OTHERS)


def test_an_expired_assertion_is_forgotten_after_the_skew(tmp_path: Path) -> None:
    """It is remembered past its expiry as long as a skew could have it accepted, then dropped."""
    log = AssertionLog(tmp_path / "log")
    use(log)

    with pytest.raises(NotAllowed):
        use(log, fingerprint=OTHERS, now=LATER + timedelta(minutes=2))
    use(log, "_other", now=LATER + KEPT_AFTER_EXPIRY, expires=LATER + timedelta(hours=8))

    assert len(log) == 1


def test_a_start_compacts_the_file(tmp_path: Path) -> None:
    """What expired in the last run is gone from the file after the first use of the next."""
    path = tmp_path / "log"
    log = AssertionLog(path)
    for number in range(50):
        use(log, f"_{number}")
    use(log, "_long", expires=LATER + timedelta(days=1))

    again = AssertionLog(path)
    use(again, "_new", now=LATER + timedelta(hours=1), expires=LATER + timedelta(hours=5))

    assert len(path.read_bytes().splitlines()) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    """A crash while writing loses the use that was never accepted, and nothing else."""
    path = tmp_path / "log"
    log = AssertionLog(path)
    use(log, "_a")
    use(log, "_b")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 20)

    again = AssertionLog(path)
    use(again, "_c")
    once_more = AssertionLog(path)

    with pytest.raises(NotAllowed):
        use(once_more, "_a", fingerprint=OTHERS)
    with pytest.raises(NotAllowed):
        use(once_more, "_c", fingerprint=OTHERS)
    use(once_more, "_b", fingerprint=OTHERS)


def test_memory_is_bounded_without_opening_a_replay(tmp_path: Path) -> None:
    """A full log refuses for now; known assertions still work, and expiry makes room."""
    log = AssertionLog(tmp_path / "log", max_assertions=2)
    use(log, "_a")
    use(log, "_b")

    with pytest.raises(NotNow):
        use(log, "_c")
    use(log, "_a")
    use(log, "_c", now=LATER + KEPT_AFTER_EXPIRY, expires=LATER + timedelta(hours=5))

    assert len(log) == 1


def test_a_use_that_cannot_be_noted_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes no bytes refuses the request, and the assertion stays unused."""
    log = AssertionLog(tmp_path / "log")
    monkeypatch.setattr(os, "write", lambda fd, data: 0)

    with pytest.raises(InternalFault):
        use(log)

    assert len(log) == 0


def test_a_log_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A gateway without its memory must not start as if nothing had been used."""
    (tmp_path / "log").mkdir()

    with pytest.raises(ExchangeError):
        AssertionLog(tmp_path / "log")


def test_the_file_names_nobody(tmp_path: Path) -> None:
    """Neither assertion, user nor client can be read from the file."""
    use(AssertionLog(tmp_path / "log"), "_secret-id")

    kept = (tmp_path / "log").read_bytes()

    assert not any(word in kept for word in (b"_secret-id", b"hcp-77", OURS.encode()))
