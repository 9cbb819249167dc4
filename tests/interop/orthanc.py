"""Orthanc, a PACS that shares no code with ours: started on loopback, stopped when left.

Its settings, files and index lie in a folder of its own. It serves DICOMweb without TLS, and as a
client of other servers it goes by what `servers` says. Debian: orthanc, orthanc-dicomweb.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

# Debian has it where not everybody's PATH leads.
PROGRAM = Path(shutil.which("Orthanc") or "/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MISSING = "Orthanc and its DICOMweb plugin are not installed (tools/install-interop)"
STARTED = "Orthanc has started"
START_SECONDS, STOP_SECONDS = 20, 20
CALL_SECONDS = 60


def is_installed() -> bool:
    """Whether this machine has the program and its plugin."""
    return PROGRAM.exists() and PLUGIN.exists()


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: where it listens, its process, and what it has said so far."""

    port: int
    process: psutil.Process
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, path: str, body: Any = None) -> Any:
        """What its own API answers: to GET, or to POST where there is a body."""
        return self._asked(path, None if body is None else json.dumps(body)).json()

    def store(self, file: bytes) -> None:
        """Take a DICOM file in."""
        self._asked("/instances", file)

    def file(self, instance: str) -> bytes:
        """The DICOM file it holds, by its own id of the instance."""
        return self._asked(f"/instances/{instance}/file", None).content

    def forget(self) -> None:
        """Delete everything it holds."""
        for patient in self.call("/patients"):
            self._asked(f"/patients/{patient}", None, "DELETE")

    def _asked(self, path: str, body: str | bytes | None, method: str = "") -> requests.Response:
        method = method or ("GET" if body is None else "POST")
        with requests.Session() as session:
            session.trust_env = False  # or the environment names a proxy
            answer = session.request(method, self.url + path, data=body, timeout=CALL_SECONDS)
        if not answer.ok:
            told = "\n".join(self.said[-8:])
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}\n{told}")
        return answer


@contextmanager
def orthanc(
    folder: Path, *, servers: Mapping[str, Any] | None = None, ca: Path | None = None
) -> Iterator[Orthanc]:
    """Orthanc with an empty store in a folder, which may exist.

    `servers` are the DICOMweb servers it knows, by name, as its documentation writes them;
    `ca` are the authorities it believes of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    settings = {
        "Name": "independent",
        "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
        "HttpsVerifyPeers": True,
        "HttpsCACertificates": str(ca or ""),
        "HttpTimeout": CALL_SECONDS,
        "DicomWeb": {"Enable": True, "Host": "127.0.0.1", "Servers": dict(servers or {})},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    with subprocess.Popen(
        [str(PROGRAM), str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        said: list[str] = []
        listening = threading.Thread(target=_listen, args=(process, said), daemon=True)
        try:
            _until_started(process, said)
            listening.start()
            running = Orthanc(port, psutil.Process(process.pid), said)
            _until_known(running, servers or {})
            yield running
        finally:
            _stop(process)
            if listening.ident is not None:
                listening.join()


def _free_port() -> int:
    """One that is free now; Orthanc cannot be told to choose, and would not say which."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _listen(process: subprocess.Popen[str], said: list[str]) -> None:
    """Take in what it says, or its pipe would fill and hold it up."""
    for line in process.stderr or ():
        said.append(line.rstrip())


def _until_started(process: subprocess.Popen[str], said: list[str]) -> None:
    for line in process.stderr or ():
        said.append(line.rstrip())
        if STARTED in line:
            return
    raise RuntimeError(f"Orthanc ended with {process.wait()}: " + "\n".join(said))


def _until_known(running: Orthanc, servers: Mapping[str, Any]) -> None:
    """The plugin reads its list of servers only after Orthanc says that it has started."""
    deadline = time.monotonic() + START_SECONDS
    while not set(servers) <= set(running.call("/dicom-web/servers")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Orthanc knows no {sorted(servers)}: " + "\n".join(running.said))


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
