"""The link as a process: ready when it listens, stopped by SIGTERM, told off in words."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from gateway.house import Service, module
from gateway.link.__main__ import main

pytestmark = pytest.mark.usefixtures("own_log")


def test_a_link_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """The house starts it as it does a country; its ports answer, and SIGTERM is its usual end."""
    log, ready = tmp_path / "link.log", tmp_path / "ready.json"
    command = [*module("gateway.link"), "serve", "--target", "127.0.0.1:9"]
    command += ["--profile", "8mbit/80ms", "--ready-file", str(ready)]
    service = Service("link", command, log, ready)
    try:
        ports = service.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['control']}/link") as answer:
            shown = json.load(answer)
        process = service._process
    finally:
        service.stop()

    assert process is not None
    assert process.returncode == 0
    assert set(ports) == {"service", "control"}
    assert shown["profile"] == "8mbit/80ms"
    assert '"listening"' in log.read_text()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (["--target", "localhost"], "--target: found 'localhost', expected HOST:PORT"),
        (["--target", "a:99999"], "--target"),
        (["--target", "a:1", "--profile", "fast"], "--profile: found 'fast'"),
        (["--target", "a:1", "--listen", "70000"], "--listen: expected a port"),
        (["--target", "a:1", "--control-port=-1"], "--control-port"),
    ],
)
def test_what_cannot_be_is_code_two(
    told: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the option that is wrong."""
    assert main(["serve", *told]) == 2
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    """With the port, and what the system says of it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert main(["serve", "--target", "a:1", "--listen", str(port)]) == 1
    assert f"the link's port cannot be {port} of 127.0.0.1" in capsys.readouterr().err
