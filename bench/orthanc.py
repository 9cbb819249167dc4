"""What moving a study costs beside moving it with Orthanc: 1 GiB of CT slices by WADO-RS, no TLS.

    python -m bench.orthanc [--rounds N]

Both serve the same files as they are stored, over loopback, to a client that reads and throws
away: a socket, so that neither server gets a client that suits it. The two take turns, and each of
our turns is compared with Orthanc's just before it and just after it: the speed of a machine that
others use changes within seconds. What each holds lies in files it has just served once.
"""

from __future__ import annotations

import argparse
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.places import FOLDER, country_a, cpu_seconds, fresh_trust
from bench.transfer_files import GIBIBYTE, STUDY, bytes_of, prepare, series_of
from tests.interop.orthanc import MISSING, Orthanc, is_installed, orthanc

PLACE = FOLDER / "transfer"  # the files are those of `transfer`
PROFILE = "ihe"
SERIES = 1  # the first of a gibibyte
ROUNDS = 7
BOUND = 1.0
MIB = 1024 * 1024
NAME = "transfer-wado-orthanc"
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
SILENCE_SECONDS = 60
END_BYTES = 256  # room for a boundary of any length


@dataclass(frozen=True, slots=True)
class Server:
    """A server without TLS: its port, the path of its base, and its process."""

    port: int
    base: str
    process: psutil.Process

    def take(self) -> float:
        """Seconds for the series, from the request to the last byte; it must come whole."""
        path = f"{self.base}/studies/{STUDY}/series/{series_of(SERIES)}"
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {ACCEPT}\r\n"
            "Connection: close\r\n\r\n"
        )
        buffer, came, begin, end = bytearray(MIB), 0, b"", b""
        view = memoryview(buffer)
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.port), SILENCE_SECONDS) as connection:
            connection.sendall(request.encode())
            while size := connection.recv_into(view):
                begin = begin or bytes(view[:END_BYTES])
                end = (end + bytes(view[max(0, size - END_BYTES) : size]))[-END_BYTES:]
                came += size
        took = time.perf_counter() - started
        if not begin.startswith(b"HTTP/1.1 200 ") or not end.rstrip().endswith(b"--"):
            raise RuntimeError(f"no whole answer: {begin!r} … {end!r}")
        if came < GIBIBYTE * bytes_of():
            raise RuntimeError(f"only {came} bytes came")
        return took


def measure(ours: Server, theirs: Server, rounds: int) -> list[dict[str, Any]]:
    """Our rate over theirs, and what it costs each."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    spent: dict[str, list[float]] = {"ours": [], "theirs": []}
    gibibytes = GIBIBYTE * bytes_of() / MIB / 1024

    def turn(name: str, server: Server) -> float:
        before = cpu_seconds(server.process)
        took = server.take()
        spent[name].append((cpu_seconds(server.process) - before) / gibibytes)
        seconds[name].append(took)
        return took

    for server in (ours, theirs):
        server.take()
    ratios = []
    last = turn("theirs", theirs)
    for _ in range(rounds):
        took, before, last = turn("ours", ours), last, turn("theirs", theirs)
        ratios.append((before + last) / 2 / took)
    rates = {name: [gibibytes * 1024 / one for one in took] for name, took in seconds.items()}
    ratio = round(median(ratios), 3)
    return [
        {
            "name": NAME,
            "what": f"MiB/s of {GIBIBYTE} CT slices ({gibibytes * 1024:.0f} MiB) by WADO-RS as "
            "stored, a series by one request, without TLS and token, read and thrown away, against "
            f"the same files from Orthanc's DICOMweb; median ratio of {rounds} rounds",
            "value": round(median(rates["ours"]), 1),
            "baseline": round(median(rates["theirs"]), 1),
            "bound": BOUND,
            "ratio": ratio,
            "ratios": [round(one, 3) for one in ratios],
            "holds": ratio >= BOUND,
        },
        {
            "name": f"{NAME}-cpu",
            "what": "CPU seconds a GiB of the server process for the same",
            "value": round(median(spent["ours"]), 2),
            "baseline": round(median(spent["theirs"]), 2),
            "bound": None,
            "holds": True,
        },
    ]


def _fill(running: Orthanc, folder: Path) -> None:
    """The series is in Orthanc, from the files Country A has."""
    paths = sorted((folder / "a" / "images").glob(f"{SERIES}-*.dcm"))
    if len(paths) != GIBIBYTE:
        raise RuntimeError(f"found {len(paths)} files, expected {GIBIBYTE}")
    for path in paths:
        running.store(path.read_bytes())


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound, holds."""
    if not is_installed():
        unmeasured = {"name": NAME, "what": MISSING, "value": None, "baseline": None}
        return [{**unmeasured, "bound": BOUND, "holds": None}]
    prepare(PLACE)
    fresh_trust(PLACE)
    with (
        TemporaryDirectory(prefix="orthanc-", dir=PLACE) as place,
        orthanc(Path(place)) as running,
    ):
        _fill(running, PLACE)
        theirs = Server(running.port, "/dicom-web", running.process)
        with country_a(PLACE, profile=PROFILE, server="bench.orthanc_server") as server:
            ours = Server(server.ports["dicomweb"], "/dicom-web", server.process)
            return measure(ours, theirs, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for row in rows(options.rounds):
        print({key: row[key] for key in row if key != "what" or row["holds"] is None})
