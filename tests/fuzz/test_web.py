"""The fuzzing of REST routes: the description leads to every route, and what breaks is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tests.fuzz.__main__ as fuzz
from gateway.domain import InstanceRef, Uid
from gateway.transport import dicomweb_server, fhir_routes
from gateway.wire.dicom.qido_query import decode_request
from gateway.wire.dicom.web import View, is_search, parse_path
from gateway.wire.dicom.web_cross import is_xc_path, parse_xc_path
from tests.builders import COUNTRY_A, PATIENT
from tests.fuzz import web
from tests.fuzz.web_routes import Known, description

KNOWN = Known(
    patient=PATIENT,
    family="Papadaki",
    birth_date="1971-05-04",
    image=InstanceRef(study=Uid("2.999.1"), series=Uid("2.999.1.1"), instance=Uid("2.999.1.1.1")),
    ids={"Binary": ("b-1",), "DocumentReference": ("d-1",)},
)


def first_values(path: str, operation: dict[str, Any]) -> str:
    """A path with the first value known for each of its parameters."""
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            schema = parameter["schema"]
            known = schema["anyOf"][0]["enum"][0] if "anyOf" in schema else "1"
            path = path.replace("{" + parameter["name"] + "}", known)
    return path


def test_every_route_is_described_and_every_path_leads_to_one() -> None:
    """By the tables and readers of the servers themselves."""
    found: set[Any] = set()
    for path, operations in description(KNOWN)["paths"].items():
        for method, operation in operations.items():
            whole = first_values(path, operation)
            if whole.startswith(fhir_routes.BASE):
                below = whole.removeprefix(fhir_routes.BASE)
                found.add(fhir_routes.match(method.upper(), below)[0])
                continue
            below = whole.removeprefix(dicomweb_server.BASE)
            below = below.removeprefix(dicomweb_server.SIBLING_BASE)
            if is_xc_path(below):
                found.add(parse_xc_path(below).scope.view)
            elif is_search(below):
                decode_request(below, "", community=COUNTRY_A, patient=PATIENT)
            else:
                found.add(parse_path(below).view)

    assert found == set(fhir_routes.ROUTES) | set(View)


def test_searches_say_who_they_are_about() -> None:
    """Without that, no other parameter would be looked at."""
    paths = description(KNOWN)["paths"]
    [form] = paths["/fhir/DocumentReference/_search"]["post"]["requestBody"]["content"].values()
    needed = [
        parameter["name"]
        for parameter in paths["/fhir/DocumentReference"]["get"]["parameters"]
        if parameter["required"]
    ]

    assert form["schema"]["required"] == needed == ["patient.identifier"]


@pytest.mark.parametrize(
    ("failures", "errors", "status", "faults"),
    [
        ([], [], 0, 0),
        ([{"check": "Server error"}] * 2, [], 1, 2),
        ([], [{"title": "Network Error", "count": 7}], 1, 7),
        ([], [], 1, 1),
    ],
)
def test_faults_are_those_of_the_report(
    tmp_path: Path,
    failures: list[dict[str, str]],
    errors: list[dict[str, Any]],
    status: int,
    faults: int,
) -> None:
    """Failures, what was not answered, and an end that is no success for whatever reason."""
    report = tmp_path / "report.json"
    cases = {"test_cases": {"generated": 40}, "failures": failures, "errors": errors}
    report.write_text(json.dumps(cases), encoding="utf-8")

    assert web.read_report(report, status, "said") == web.Round(40, faults, "said")


def test_a_run_without_a_report_is_a_fault(tmp_path: Path) -> None:
    """It fell over before it had looked at anything."""
    assert web.read_report(tmp_path / "none", 2, "no such option").faults == 1


def test_web_has_its_share_and_its_faults_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the time of all targets; a file cannot be replayed at it."""
    shares: list[float] = []

    def run(seconds: float, *, seed: int, out: Path) -> tuple[int, int]:
        shares.append(seconds)
        return 7, 1

    monkeypatch.setattr(web, "run", run)
    monkeypatch.setattr(fuzz, "TARGETS", ())

    status = fuzz.main(["--seconds", "3", "--out", str(tmp_path)])

    assert (status, shares) == (1, [3.0])
    assert "web: 7 requests, 1 faults" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        fuzz.main(["--target", web.NAME, "--replay", str(tmp_path / "x")])
