"""Where measurements happen: Country A as a process of its own, the patient in it, and who asks.

Everything lies below out/bench and is made anew, but for what takes long to make.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil

from country_a.national.sql import OpenSystems
from gateway.config import PeerSection, Settings
from gateway.domain import (
    Authentication,
    CallContext,
    Gender,
    HumanName,
    PatientIdentity,
    TreatmentRelation,
)
from gateway.house import Service
from gateway.pki import mint_trust
from gateway.wire.soap.contract import Endpoint
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_context
from tests.gateways import settings_for, write_trust

FOLDER = Path(__file__).resolve().parents[1] / "out" / "bench"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
SAMPLE_SECONDS = 0.02

IDENTITY = PatientIdentity(
    id=PATIENT,
    community=COUNTRY_A,
    names=(HumanName(family="Specimen", given=("Anna",)),),
    birth_date=date(1980, 2, 29),
    gender=Gender.FEMALE,
)
RELATIONS = {"ihe": TreatmentRelation.RESOURCE_ID, "ehdsi": TreatmentRelation.TRC}


def cpu_seconds(process: psutil.Process) -> float:
    """The CPU time a process has had, in and out of the kernel."""
    times = process.cpu_times()
    return float(times.user + times.system)


def settings_a(folder: Path, *, profile: str) -> Settings:
    """Settings of Country A in a folder."""
    return settings_for(COUNTRY_A, "XA", folder / "certs", folder / "a", default_profile=profile)


def settings_b(folder: Path, port: int, *, profile: str) -> Settings:
    """Settings of Country B, which knows Country A by its port."""
    url = f"https://localhost:{port}{Endpoint.RESPONDING_GATEWAY.value}"
    peer = PeerSection(
        name="Country A",
        community=COUNTRY_A,
        profile=profile,
        url=url,
        dicomweb_url=f"https://localhost:{port}/dicom-web",
        fhir_url=f"https://localhost:{port}/fhir",
    )
    return settings_for(COUNTRY_B, "XB", folder / "certs", folder / "b", peers=(peer,))


def call_context(profile: str) -> CallContext:
    """A physician of Country B asking about the patient, signed in just now."""
    return make_context(
        relation=RELATIONS[profile],
        authentication=Authentication(at=datetime.now(UTC), method=SMARTCARD),
    )


def fresh_trust(folder: Path) -> None:
    """A trust domain that is valid now."""
    write_trust(mint_trust(now=datetime.now(UTC)), folder / "certs")


async def settle_patient(national: OpenSystems) -> None:
    """The patient is known in Country A."""
    await national.systems.patients.add([IDENTITY])


@dataclass(frozen=True, slots=True)
class Running:
    """A Country A that serves: its process, and its ports by name."""

    process: psutil.Process
    ports: Mapping[str, int]


@contextmanager
def country_a(
    folder: Path,
    *,
    profile: str,
    timings: Path | None = None,
    server: str = "bench.transfer_server",
) -> Iterator[Running]:
    """Country A in a process of its own, with the endpoints that a module of ours serves."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", server, str(folder), profile, str(ready)]
    if timings is not None:
        command += ["--timings", str(timings)]
    service = Service("Country A", command, folder / "country_a.log", ready)
    ports = service.start()
    try:
        pid = json.loads((folder / "pid.json").read_text(encoding="utf-8"))
        yield Running(psutil.Process(pid), ports)
    finally:
        service.stop()


class Client:
    """A process of Country B that does one transfer a line; see `bench.transfer_client`."""

    def __init__(self, folder: Path, port: int, plain_port: int, store: Path) -> None:
        command = [sys.executable, "-m", "bench.transfer_client", str(folder)]
        self._process = subprocess.Popen(
            [*command, str(port), str(plain_port), str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.process = psutil.Process(self._process.pid)

    def run(self, way: str, instances: int) -> dict[str, Any]:
        """One transfer; how many bytes came and how long it took."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a client without pipes")
        self._process.stdin.write(json.dumps({"way": way, "instances": instances}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with code {self._process.wait()}")
        done: dict[str, Any] = json.loads(line)
        return done

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


@dataclass(slots=True)
class Memory:
    """The most memory processes had while a block ran, against what they had before it."""

    processes: Mapping[str, psutil.Process]
    idle: dict[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    def growth(self, name: str) -> int:
        """How many bytes of resident memory a process took more than when it was idle."""
        return self.peak[name] - self.idle[name]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sample until left; where the kernel keeps the high-water mark, that counts too."""
        over = threading.Event()
        self.idle = {name: one.memory_info().rss for name, one in self.processes.items()}
        self.peak = dict(self.idle)
        marks = {name: _forget_high_water(one.pid) for name, one in self.processes.items()}

        def sample() -> None:
            while not over.wait(SAMPLE_SECONDS):
                for name, one in self.processes.items():
                    self.peak[name] = max(self.peak[name], one.memory_info().rss)

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            for name, one in self.processes.items():
                if marks[name]:
                    self.peak[name] = max(self.peak[name], _high_water(one.pid))


def _forget_high_water(pid: int) -> bool:
    """Set the kernel's mark back to what is resident now; False where that cannot be done."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _high_water(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
