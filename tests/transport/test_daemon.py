"""A country as a process: what it runs, what it says when it cannot, and its exit codes."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from gateway.config import Settings, SettingsError
from gateway.transport import daemon
from gateway.transport.daemon import DONE, FAILED, USAGE, log_as_json, run, serve, settled

pytestmark = pytest.mark.usefixtures("own_log")


async def _ends(error: Exception | None = None) -> None:
    if error is not None:
        raise error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (None, DONE, ""),
        (SettingsError("a.toml: gateway.colour: not known"), USAGE, "gateway.colour"),
        (OSError(98, "Address already in use"), FAILED, "Address already in use"),
        (OSError(13, "Permission denied", "/x"), FAILED, "Permission denied: /x; is it there"),
    ],
)
def test_the_exit_code_says_how_it_went(
    error: Exception | None, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And standard error what to do about it, in one line and without a traceback."""
    assert run(_ends(error)) == code

    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == (error is not None)


def test_what_nobody_expected_is_not_hidden() -> None:
    """A mistake of ours ends with its traceback."""
    with pytest.raises(LookupError):
        run(_ends(LookupError("ours")))


def test_a_log_line_is_json_with_its_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, an event a line, failures included."""
    log_as_json()
    try:
        raise LookupError("ours")
    except LookupError:
        structlog.get_logger("gateway").exception("request.failed", path="/x")

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["path"]) == ("request.failed", "error", "/x")
    assert line["timestamp"].endswith("Z")
    assert "LookupError" in line["exception"]


async def test_the_ready_file_is_there_once_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before; and the country is left when it is told to stop."""
    config, ready = tmp_path / "a.toml", tmp_path / "ready.json"
    config.write_text('[gateway]\ncommunity = "2.999.1.1"\n')
    steps: list[str] = []

    @asynccontextmanager
    async def running(settings: Settings) -> AsyncIterator[Mapping[str, int]]:
        steps.append(f"serve {settings.gateway.community}, ready {ready.exists()}")
        yield {"service": 4711}
        steps.append("left")

    async def told_to_stop() -> None:
        steps.append(f"stop, ready {json.loads(ready.read_bytes())['ports']}")
        steps.append(f"settled {gc.get_freeze_count() > 0}")

    monkeypatch.setattr(daemon, "until_stopped", told_to_stop)

    await serve(running, config, ready)

    assert steps == [
        "serve 2.999.1.1, ready False",
        "stop, ready {'service': 4711}",
        "settled True",
        "left",
    ]


def test_a_job_may_say_itself_how_it_went() -> None:
    """What is not there is no fault of the program, and no success."""

    async def judged(code: int | None) -> int | None:
        return code

    assert [run(judged(code)) for code in (None, 0, 1)] == [0, 0, 1]


def test_what_was_there_at_the_start_is_no_work_for_later_collections() -> None:
    """While serving it is set apart; afterwards it is as before."""
    usual = gc.get_threshold()

    with settled():
        apart, patience = gc.get_freeze_count(), gc.get_threshold()[0]

    assert apart > 0
    assert patience > usual[0]
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, usual)
