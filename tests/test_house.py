"""The house: child processes started, watched and stopped; settings that can be read."""

from __future__ import annotations

import json
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gateway import house
from gateway.config import load_settings
from gateway.house import House, HouseError, HousePlan, Service, health, tail
from gateway.peers import PeerBook
from gateway.transport.bridge import fronted

# A child that listens, says where, and stops when told; or does not.
CHILD = """
import http.server, json, pathlib, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *a): pass
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
ready = pathlib.Path(sys.argv[1])
part = ready.with_suffix(".part")
part.write_text(json.dumps({"ports": {"control": server.server_port}}))
part.replace(ready)
server.serve_forever()
"""


def service(tmp_path: Path, *arguments: str) -> Service:
    """A child process that behaves as told."""
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-c", CHILD, str(ready), *arguments]
    return Service("child", command, tmp_path / "child.log", ready)


def test_service_is_ready_when_it_is_well_and_stops_when_told(tmp_path: Path) -> None:
    """Start waits for the ready file and for health; stop ends the process."""
    child = service(tmp_path, "good")

    ports = child.start()
    well = health(f"http://127.0.0.1:{ports['control']}/health")
    child.stop()

    assert well == ""
    assert health(f"http://127.0.0.1:{ports['control']}/health")


def test_service_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that does not listen is ended all the same."""
    monkeypatch.setattr(house, "STOP_SECONDS", 0.1)
    child = service(tmp_path, "stubborn")
    ports = child.start()

    child.stop()
    child.stop()

    assert health(f"http://127.0.0.1:{ports['control']}/health")


def test_service_that_dies_tells_its_last_words(tmp_path: Path) -> None:
    """A child that ends before it is ready is told with its code and the end of its log."""
    command = [sys.executable, "-c", "import sys; sys.exit('the port is taken')"]
    child = Service("Country A", command, tmp_path / "a.log", tmp_path / "ready")

    with pytest.raises(
        HouseError, match=r"(?s)Country A ended with code 1.*the port is taken"
    ) as caught:
        child.start()
    assert caught.value.code == 1


def test_service_that_is_never_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting has an end, and the error names the log."""
    monkeypatch.setattr(house, "READY_SECONDS", 0.2)
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    child = Service("Country A", command, tmp_path / "a.log", tmp_path / "ready")

    with pytest.raises(HouseError, match=r"a\.log"):
        child.start()
    child.stop()


def test_unwell_service_says_what_is_wrong() -> None:
    """A health answer that is an error is given in its own words."""

    class Ill(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b"registry down")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ill) as server:
        Thread(target=server.handle_request, daemon=True).start()
        found = health(f"http://127.0.0.1:{server.server_port}/health")

    assert found == "503 registry down"


def test_settings_of_both_countries_can_be_read(tmp_path: Path) -> None:
    """What is written is what the services take, and each names the other."""
    made = House(
        HousePlan(folder=tmp_path, seed=7, size="tiny", profile="ehdsi", bridge=True), print
    )
    made._clients = ('CN=B "quoted", O=test\\, only', "CN=bridge")
    made.ports_a, made.ports_bridge = {"service": 8443}, {"service": 8444}
    for name, text in (
        ("a", made._settings_a()),
        ("b", made._settings_b()),
        ("bridge", made._settings_bridge()),
    ):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        tomllib.loads(text)

    a, b = load_settings(tmp_path / "a.toml"), load_settings(tmp_path / "b.toml")

    assert a.national.seed_number == 7
    between = load_settings(tmp_path / "bridge.toml")
    assert a.peers[0].tls_subjects == made._clients
    assert a.peers[0].community == b.gateway.community
    assert b.peers[0].url == "https://localhost:8443/RespondingGateway"
    assert b.gateway.state == tmp_path / "state-b"
    assert b.peers[0].ways[-1].fhir_url == "https://localhost:8444/fhir"
    assert fronted(between).url == b.peers[0].url
    assert between.peers[1].tls_subjects == made._clients[:1]


def test_country_a_is_asked_behind_the_links_there_are(tmp_path: Path) -> None:
    """Everything by the one, images by the other; the bridge is on this side of both."""
    made = House(HousePlan(folder=tmp_path, bridge=True), print)
    made.ports_a, made.ports_bridge = {"service": 8443}, {"service": 8444}
    made._clients = ("CN=B", "CN=bridge")
    made._by_link = {"metadata": 9001, "images": 9002}
    for name, text in (("b", made._settings_b()), ("bridge", made._settings_bridge())):
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")

    [asked] = PeerBook.of_sections(load_settings(tmp_path / "b.toml").peers, "ihe").peers
    through = asked.asked_by(asked.ways[-1])
    fronting = fronted(load_settings(tmp_path / "bridge.toml"))

    gateway = "https://localhost:{}/RespondingGateway"
    assert (asked.url, asked.images_url) == (gateway.format(9001), gateway.format(9002))
    assert asked.fhir_url == "https://localhost:9001/fhir"
    assert asked.dicomweb_url == "https://localhost:9002/dicom-web"
    assert (through.url, through.images_url) == (gateway.format(8444), "")
    assert through.dicomweb_url == "https://localhost:8444/dicom-web"
    assert (fronting.url, fronting.images_url) == (gateway.format(9001), gateway.format(9002))


def test_links_are_started_as_the_plan_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for everything, one for images, each to Country A; none where none is wanted."""
    commands: list[list[str]] = []

    def start(self: Service) -> dict[str, int]:
        commands.append(list(self._command))
        return {"service": 100 + len(commands), "control": 200 + len(commands)}

    monkeypatch.setattr(Service, "start", start)
    none = House(HousePlan(folder=tmp_path), print)
    both = House(
        HousePlan(folder=tmp_path, seed=7, link="8mbit/80ms", image_link="4g"), lambda line: None
    )
    for made in (none, both):
        made.ports_a = {"service": 8443}
        made._start_links()

    assert none.links == {}
    assert none._way_to_a()["url"] == "https://localhost:8443/RespondingGateway"
    assert both.links == {"metadata": 201, "images": 202}
    assert both._way_to_a()["images_url"] == "https://localhost:102/RespondingGateway"
    assert [command[command.index("--profile") + 1] for command in commands] == ["8mbit/80ms", "4g"]
    assert all("127.0.0.1:8443" in command and "7" in command for command in commands)


def test_country_b_of_the_house_has_every_way_to_ask_country_a(tmp_path: Path) -> None:
    """Over SOAP, over FHIR in each dialect, and mixed, by name; the first is also the usual one."""
    path = tmp_path / "b.toml"
    made = House(HousePlan(folder=tmp_path), print)
    made.ports_a = {"service": 8443}
    path.write_text(made._settings_b(), encoding="utf-8")

    [peer] = load_settings(path).peers

    asked = [
        (way.name, way.identify_by, way.documents_by, way.images_by, way.fhir_dialect)
        for way in peer.ways
    ]
    assert asked == [
        ("soap", "soap", "soap", "soap", "mhd"),
        ("fhir-mhd", "fhir", "fhir", "wado-rs", "mhd"),
        ("fhir-ncp", "fhir", "fhir", "wado-rs", "ncp"),
        ("mixed", "soap", "soap", "xc-wado", "mhd"),
    ]
    assert (peer.identify_by, peer.documents_by, peer.images_by) == asked[0][1:4]
    assert peer.dicomweb_url == "https://localhost:8443/dicom-web"
    assert peer.fhir_url == "https://localhost:8443/fhir"


def test_failure_while_building_stops_what_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the second service does not start, the first is stopped before the error is told."""
    stopped: list[str] = []
    monkeypatch.setattr(House, "_certificates", lambda self: "CN=B")
    monkeypatch.setattr(House, "seed", lambda self, settings: None)
    monkeypatch.setattr(House, "_seeded", lambda self: "")

    def start(self: Service) -> dict[str, int]:
        if self.name == "country_b":
            raise HouseError("no")
        return {"service": 1, "control": 2}

    monkeypatch.setattr(Service, "start", start)
    monkeypatch.setattr(Service, "stop", lambda self: stopped.append(self.name))

    with pytest.raises(HouseError), House(HousePlan(folder=tmp_path), lambda line: None):
        pass

    assert stopped == ["country_b", "country_a"]


def test_the_seed_is_told_how_long_a_list_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of it where none is wanted."""
    telling = [sys.executable, "-c", "import sys; print(*sys.argv[1:])"]
    monkeypatch.setattr(house, "module", lambda name: telling)
    for many in (0, 30):
        made = House(HousePlan(folder=tmp_path, many=many), print)
        made.logs.mkdir(exist_ok=True)
        made.seed(tmp_path / "a.toml")
        assert ("--many 30" in (made.logs / "seed.log").read_text()) is bool(many)


def test_tail_of_a_log_is_short(tmp_path: Path) -> None:
    """Only the last lines of a log are shown, whatever is in it."""
    log = tmp_path / "x.log"
    log.write_bytes(b"\xff\n" + b"\n".join(b"%d" % n for n in range(100)))

    assert tail(log).splitlines()[0] == "88"
    assert tail(tmp_path / "none") == ""


def test_what_was_made_of_given_folders_is_told(tmp_path: Path) -> None:
    """Counts of files taken and left out, a line each folder, and where the reasons stand."""
    house = House(HousePlan(folder=tmp_path), lambda line: None)
    house.seed_info.parent.mkdir()
    folder = {"folder": "/given", "files": 5, "left_out": [{}, {}], "warnings": ["w"]}
    made = {"roles": {"main": {"studies": [1], "expect": {"instances": 7}}}, "folders": [folder]}
    house.seed_info.write_text(json.dumps(made), encoding="utf-8")

    first, second, third = house._seeded().splitlines()

    assert "1 studies, 7 images" in first
    assert second == "  /given: 3 of 5 files taken, 2 left out, warnings: 1."
    assert "left out and why" in third
