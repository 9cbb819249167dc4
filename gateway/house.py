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
from gateway.house_settings import (
    addresses,
    delivery_settings,
    image_addresses,
    settings_text,
)

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
    # FHIR alone, to a bridge that asks by SOAP alone; its addresses are put in when it has them.
    {"name": "bridge", "identify_by": "fhir", "documents_by": "fhir", "images_by": "wado-rs"},
)
BRIDGE, BRIDGE_PROGRAM = "bridge", "gateway.transport.bridge"

# What goes through a link. Images go with the rest unless they have one of their own.
METADATA, IMAGES, LINK_PROGRAM = "metadata", "images", "gateway.link"

Say = Callable[[str], None]


class HouseError(Exception):
    """The house does not stand: what happened, and what to do.

    `code` is that of the child that said so, where one did.
    """

    def __init__(self, told: str, *, code: int = 0) -> None:
        super().__init__(told)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class HousePlan:
    """What house is wanted. `dicom` are folders whose studies are taken in as well.

    `many` is how many entries one more patient is to have, for long lists. `bridge` is whether
    there is one between the countries, and a way through it. `link` is the profile of a link to
    Country A, `image_link` that of one for images alone; "" is none.
    """

    folder: Path
    seed: int | None = None
    size: str = "demo"
    profile: str = "ihe"
    dicom: tuple[Path, ...] = ()
    many: int = 0
    bridge: bool = False
    link: str = ""
    image_link: str = ""


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
                    f"ready; its log {self._log} ends:\n{tail(self._log)}",
                    code=self._process.returncode,
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
        self.ports_bridge: Mapping[str, int] = {}
        self.links: dict[str, int] = {}  # control port of each link, by what goes through it
        self._by_link: dict[str, int] = {}  # where each listens
        self._clients: Sequence[str] = ()  # TLS clients that ask for Country B, its own first

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
        self._clients = self._certificates()
        settings_a = folder / "country_a.toml"
        settings_a.write_text(self._settings_a(), encoding="utf-8")

        self._say("Seeding Country A with made-up patients and studies …")
        self.seed(settings_a)
        self._say(self._seeded())
        self._say("Starting Country A …")
        self.ports_a = self._start("country_a", settings_a)
        self._start_links()
        if self._plan.bridge:
            settings = folder / "bridge.toml"
            settings.write_text(self._settings_bridge(), encoding="utf-8")
            self._say("Starting the bridge …")
            self.ports_bridge = self._start("bridge", settings, program=BRIDGE_PROGRAM)
        settings_b = folder / "country_b.toml"
        settings_b.write_text(self._settings_b(), encoding="utf-8")
        self._say("Starting Country B …")
        self.ports_b = self._start("country_b", settings_b)
        self._say(
            f"Country A: service port {self.ports_a['service']}, control port "
            f"{self.ports_a['control']}; Country B: portal port {self.ports_b['portal']}, "
            f"control port {self.ports_b['control']}."
        )

    def _start_links(self) -> None:
        """A link for each profile of the plan; without one for images they go by the other."""
        for name, profile in ((METADATA, self._plan.link), (IMAGES, self._plan.image_link)):
            if not profile:
                continue
            target = f"127.0.0.1:{self.ports_a['service']}"
            told = ["--target", target, "--profile", profile, "--seed", str(self._plan.seed or 0)]
            ports = self._start_program(f"link-{name}", LINK_PROGRAM, told)
            self.links[name], self._by_link[name] = ports["control"], ports["service"]
            self._say(f"The link for {name} is {profile}: control port {ports['control']}.")

    def _way_to_a(self) -> dict[str, str]:
        """Where Country A is for who asks: at its own port, or behind the links there are."""
        own = self.ports_a["service"]
        found = addresses(self._by_link.get(METADATA, own))
        if IMAGES in self._by_link:
            found |= image_addresses(self._by_link[IMAGES])
        return found

    def _deliveries(self) -> dict[str, Any]:
        """Behind a link images are planned, for the line they come by."""
        line = self._plan.image_link or self._plan.link
        return delivery_settings(line) if line else {}

    def _certificates(self) -> list[str]:
        """A fresh trust domain; the subjects of the TLS clients that ask for Country B."""
        from gateway.pki import init_trust

        countries = ("XA", "XB", "XC") if self._plan.bridge else ("XA", "XB")
        domain = init_trust(
            self._plan.folder / "certs", now=datetime.now(UTC), countries=countries, force=True
        )
        return [
            domain.leaves[country.lower(), "tls-client"].certificate.subject.rfc4514_string()
            for country in countries[1:]
        ]

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
            raise HouseError(
                f"seeding failed (code {done.returncode}); {log} ends:\n{tail(log)}",
                code=done.returncode,
            )

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

    def _start(self, name: str, settings: Path, program: str = "") -> Mapping[str, int]:
        return self._start_program(name, program or name, ["--config", str(settings)])

    def _start_program(self, name: str, program: str, told: Sequence[str]) -> Mapping[str, int]:
        ready = self._plan.folder / f"{name}.ready.json"
        command = [*module(program), "serve", *told, "--ready-file", str(ready)]
        service = Service(name, command, self.logs / f"{name}.log", ready)
        self._stack.callback(service.stop)
        return service.start()

    def _settings_a(self) -> str:
        # A bridge asks for Country B, so Country A believes its client what it believes that one's.
        peer = self._country_b(self._clients)
        national = {} if self._plan.seed is None else {"seed_number": self._plan.seed}
        national_size = {"seed_size": self._plan.size}
        return settings_text(
            "xa", "Country A", COUNTRY_A, {"national": national | national_size}, peer
        )

    def _settings_b(self) -> str:
        peer = self._country_a() | self._way_to_a() | self._deliveries()
        usual = {key: value for key, value in WAYS[0].items() if key != "name"}
        ways = [way for way in WAYS if way["name"] != BRIDGE]
        if self._plan.bridge:
            [through] = [way for way in WAYS if way["name"] == BRIDGE]
            ways.append({**through, **addresses(self.ports_bridge["service"])})
        return settings_text("xb", "Country B", COUNTRY_B, {}, peer | usual, ways)

    def _settings_bridge(self) -> str:
        """A bridge that asks Country A over SOAP alone, and speaks for it to Country B.

        It stands on the side of Country B: the links are between it and Country A.
        """
        way = self._way_to_a()
        known = {key: way[key] for key in ("url", "images_url") if key in way}
        peer = self._country_a() | known
        caller = self._country_b(self._clients[:1])
        return settings_text("xc", "Bridge", COUNTRY_A, {}, peer, callers=[caller])

    def _country_b(self, clients: Sequence[str]) -> dict[str, Any]:
        return {
            "name": "Country B",
            "community": str(COUNTRY_B),
            "country": "XB",
            "profile": self._plan.profile,
            "tls_subjects": list(clients),
        }

    def _country_a(self) -> dict[str, Any]:
        return {
            "name": "Country A",
            "community": str(COUNTRY_A),
            "country": "XA",
            "profile": self._plan.profile,
        }


def module(name: str) -> list[str]:
    """The command that runs a package with this interpreter."""
    return [sys.executable, "-m", name]


def replace_process(command: Sequence[str]) -> None:
    """Become another program: signals then reach it and not us."""
    os.execv(command[0], list(command))  # noqa: S606  our own interpreter and modules
