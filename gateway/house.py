"""The house: both countries as processes on this machine, with settings made for the occasion.

Certificates, settings, state and logs lie below one folder. Ports are free ones; each country
says which it got in a ready file. Nothing of the countries is imported: they are started as
anybody would start them, and are stopped with SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.domain import CommunityId

COUNTRY_A, COUNTRY_B = CommunityId("2.999.1.1"), CommunityId("2.999.1.2")

READY_SECONDS = 60.0  # a cold start on a slow machine takes some ten
STOP_SECONDS = 10.0  # longer than the services give their own requests under way
POLL_SECONDS = 0.05
HEALTH_SECONDS = 6.0  # the control port gives each national system five
TAIL_LINES = 12

# The ways in which Country B of the house can ask Country A; the first is the usual one.
WAYS: tuple[Mapping[str, str], ...] = (
    {"name": "soap", "identify_by": "soap", "documents_by": "soap", "images_by": "soap"},
    {
        "name": "fhir-mhd",
        "identify_by": "fhir",
        "documents_by": "fhir",
        "images_by": "wado-rs",
        "fhir_dialect": "mhd",
    },
    {
        "name": "fhir-ncp",
        "identify_by": "fhir",
        "documents_by": "fhir",
        "images_by": "wado-rs",
        "fhir_dialect": "ncp",
    },
    # As MADO assumes: documents over XCA, images by XC-WADO.
    {"name": "mixed", "identify_by": "soap", "documents_by": "soap", "images_by": "xc-wado"},
)

Say = Callable[[str], None]


class HouseError(Exception):
    """The house does not stand: what happened, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HousePlan:
    """What house is wanted. `dicom` are folders whose studies are taken in as well.

    `many` is how many entries one more patient is to have, for long lists.
    """

    folder: Path
    seed: int | None = None
    size: str = "demo"
    profile: str = "ihe"
    dicom: tuple[Path, ...] = ()
    many: int = 0


def bundled_files() -> Path | None:
    """The folder of real DICOM files that pydicom brings along, None where it brings none."""
    found = importlib.util.find_spec("pydicom")
    places = found.submodule_search_locations if found else None
    folder = Path(places[0]) / "data" / "test_files" if places else None
    return folder if folder is not None and folder.is_dir() else None


class Service:
    """One child process: started, watched until ready, stopped."""

    def __init__(self, name: str, command: Sequence[str], log: Path, ready: Path) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Mapping[str, int]:
        """Start and wait until it listens; the ports it got."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                self._command, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise HouseError(
                    f"{self.name} ended with code {self._process.returncode} before it was "
                    f"ready; its log {self._log} ends:\n{tail(self._log)}"
                )
            if self._ready.exists():
                ports: dict[str, int] = json.loads(self._ready.read_text(encoding="utf-8"))["ports"]
                self._wait_for_health(ports, deadline)
                return ports
            time.sleep(POLL_SECONDS)
        raise HouseError(
            f"{self.name} was not ready after {READY_SECONDS:.0f} s; see its log {self._log}"
        )

    def _wait_for_health(self, ports: Mapping[str, int], deadline: float) -> None:
        port = ports["control"]
        while True:
            trouble = health(f"http://127.0.0.1:{port}/health")
            if not trouble:
                return
            if time.monotonic() > deadline:
                raise HouseError(f"{self.name} is not well: {trouble}; see its log {self._log}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it: SIGTERM first, SIGKILL for one that does not listen."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def health(url: str) -> str:
    """What is wrong with a service, "" if it is well."""
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_SECONDS):  # noqa: S310  loopback
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read(2000).decode('utf-8', 'replace')}"
    except OSError as error:
        return str(error)


def tail(path: Path) -> str:
    """The last lines of a log."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


class House:
    """Both countries, while the context lasts."""

    def __init__(self, plan: HousePlan, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._stack = ExitStack()
        self.ports_a: Mapping[str, int] = {}
        self.ports_b: Mapping[str, int] = {}

    @property
    def seed_info(self) -> Path:
        """Who is in the population."""
        return self._plan.folder / "state-a" / "seed.json"

    @property
    def logs(self) -> Path:
        """Where the countries' standard error goes."""
        return self._plan.folder / "logs"

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _build(self) -> None:
        folder = self._plan.folder
        self.logs.mkdir(parents=True, exist_ok=True)
        client = self._certificates()
        settings_a = folder / "country_a.toml"
        settings_a.write_text(self._settings_a(client), encoding="utf-8")

        self._say("Seeding Country A with made-up patients and studies …")
        self.seed(settings_a)
        self._say(self._seeded())
        self._say("Starting Country A …")
        self.ports_a = self._start("country_a", settings_a)
        settings_b = folder / "country_b.toml"
        settings_b.write_text(self._settings_b(self.ports_a["service"]), encoding="utf-8")
        self._say("Starting Country B …")
        self.ports_b = self._start("country_b", settings_b)
        self._say(
            f"Country A: service port {self.ports_a['service']}, control port "
            f"{self.ports_a['control']}; Country B: portal port {self.ports_b['portal']}, "
            f"control port {self.ports_b['control']}."
        )

    def _certificates(self) -> str:
        """A fresh trust domain; the subject that Country B's TLS client shows."""
        from gateway.pki import init_trust

        domain = init_trust(self._plan.folder / "certs", now=datetime.now(UTC), force=True)
        return domain.leaves["xb", "tls-client"].certificate.subject.rfc4514_string()

    def seed(self, settings: Path) -> None:
        """Fill Country A's national systems."""
        log = self.logs / "seed.log"
        command = [*module("country_a"), "seed", "--config", str(settings)]
        command += ["--size", self._plan.size]
        if self._plan.many:
            command += ["--many", str(self._plan.many)]
        for folder in self._plan.dicom:
            command += ["--dicom", str(folder)]
        with log.open("wb") as output:
            done = subprocess.run(  # noqa: S603  our own interpreter and modules
                command, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise HouseError(f"seeding failed (code {done.returncode}); {log} ends:\n{tail(log)}")

    def _seeded(self) -> str:
        """What the seed made, and a line for each folder it was given."""
        made = json.loads(self.seed_info.read_text(encoding="utf-8"))
        roles = made["roles"].values()
        studies = sum(len(role["studies"]) for role in roles)
        images = sum(role["expect"]["instances"] for role in roles)
        lines = [
            f"  {len(roles)} patients with a part to play, {studies} studies, {images} images."
        ]
        for given in made["folders"]:
            left_out, warnings = len(given["left_out"]), len(given["warnings"])
            lines.append(
                f"  {given['folder']}: {given['files'] - left_out} of {given['files']} files "
                f"taken, {left_out} left out, warnings: {warnings}."
            )
        about = "Who is who, what was left out and why" if made["folders"] else "Who is who"
        return "\n".join([*lines, f"  {about}: {self.logs / 'seed.log'}"])

    def _start(self, name: str, settings: Path) -> Mapping[str, int]:
        ready = self._plan.folder / f"{name}.ready.json"
        command = [*module(name), "serve", "--config", str(settings), "--ready-file", str(ready)]
        service = Service(name, command, self.logs / f"{name}.log", ready)
        self._stack.callback(service.stop)
        return service.start()

    def _settings_a(self, client_subject: str) -> str:
        peer = {
            "name": "Country B",
            "community": str(COUNTRY_B),
            "country": "XB",
            "profile": self._plan.profile,
            "tls_subjects": [client_subject],
        }
        national = {} if self._plan.seed is None else {"seed_number": self._plan.seed}
        national_size = {"seed_size": self._plan.size}
        return _settings("xa", "Country A", COUNTRY_A, {"national": national | national_size}, peer)

    def _settings_b(self, port: int) -> str:
        peer = {
            "name": "Country A",
            "community": str(COUNTRY_A),
            "country": "XA",
            "profile": self._plan.profile,
            "url": f"https://localhost:{port}/RespondingGateway",
            "fhir_url": f"https://localhost:{port}/fhir",
            "dicomweb_url": f"https://localhost:{port}/dicom-web",
        }
        usual = {key: value for key, value in WAYS[0].items() if key != "name"}
        return _settings("xb", "Country B", COUNTRY_B, {}, peer | usual, WAYS)


def _settings(
    country: str,
    name: str,
    community: CommunityId,
    more: Mapping[str, Mapping[str, Any]],
    peer: Mapping[str, Any],
    ways: Sequence[Mapping[str, Any]] = (),
) -> str:
    """A settings file; every path is relative to the folder it stands in."""
    own = f"certs/{country}"
    tables: dict[str, Mapping[str, Any]] = {
        "gateway": {
            "community": str(community),
            "country": country.upper(),
            "name": name,
            "state": f"state-{country[-1]}",
        },
        "listen": {"port": 0, "control_port": 0},
        "tls": {
            "server_certificate": f"{own}/tls-server.pem",
            "server_key": f"{own}/tls-server.key",
            "client_certificate": f"{own}/tls-client.pem",
            "client_key": f"{own}/tls-client.key",
            "trust": "certs/ca/chain.pem",
            "crl": "certs/ca/crl.pem",
        },
        "seal": {
            "certificate": f"{own}/seal.pem",
            "key": f"{own}/seal.key",
            "trust": "certs/ca/chain.pem",
            "crl": "certs/ca/crl.pem",
        },
        **more,
    }
    lines = ["# Made for one run; the commented settings are in the countries' own folders."]
    for table, values in tables.items():
        lines += ["", f"[{table}]", *_toml(values)]
    lines += ["", "[[peers]]", *_toml(peer)]
    for way in ways:
        lines += ["", "[[peers.ways]]", *_toml(way)]
    return "\n".join([*lines, ""])


def _toml(values: Mapping[str, Any]) -> list[str]:
    # Strings, numbers and lists of strings are written alike in TOML and JSON.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def module(name: str) -> list[str]:
    """The command that runs a package with this interpreter."""
    return [sys.executable, "-m", name]


def replace_process(command: Sequence[str]) -> None:
    """Become another program: signals then reach it and not us."""
    os.execv(command[0], list(command))  # noqa: S606  our own interpreter and modules
