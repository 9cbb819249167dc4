"""The description of the portal API is the API: routes, bodies and answers agree with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import country_b
from country_b.app import build_app
from country_b.session import Action
from tests.fakes import COUNTRY_A, make_house

DESCRIPTION: dict[str, Any] = json.loads(
    (Path(country_b.__file__).parent / "openapi.json").read_text(encoding="utf-8")
)


def test_routes_are_those_described(tmp_path: Path) -> None:
    """Every route is described, and every described route exists."""
    app = build_app(exchanges={COUNTRY_A: make_house()}, state=tmp_path)
    served = {
        (route.method.lower(), re.sub(r"\{(\w+)(:[^}]*)?\}", r"{\1}", resource.canonical))
        for resource in app.router.resources()
        for route in resource
        if route.method != "HEAD"
    }

    described = {
        (method, path) for path, methods in DESCRIPTION["paths"].items() for method in methods
    }

    assert served == described


def test_every_action_has_its_route() -> None:
    """Each action of the step table that a professional starts is a route of its name."""
    posted = {
        path.rpartition("/")[2] for path, how in DESCRIPTION["paths"].items() if "post" in how
    }

    assert {action.value for action in Action} - {"open", "present"} <= posted


def test_path_parameters_are_described() -> None:
    """Every parameter in a path is described for each method."""
    for path, methods in DESCRIPTION["paths"].items():
        names = set(re.findall(r"\{(\w+)\}", path))
        for method in methods.values():
            given = {item["name"] for item in method.get("parameters", ()) if item["in"] == "path"}
            assert given == names, path


def test_references_resolve() -> None:
    """No reference leads nowhere, and no schema is left over."""
    text = json.dumps(DESCRIPTION)
    used = set(re.findall(r"#/components/schemas/(\w+)", text))

    assert used == set(DESCRIPTION["components"]["schemas"])
