"""Settings that the house writes for its services: who is where, and by which way.

Text alone: files are written and processes started in `house`. Paths are relative to the folder
the settings stand in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain import CommunityId
from gateway.link.profiles import parse_profile


def addresses(port: int) -> dict[str, str]:
    """Where a gateway is that speaks everything on one port."""
    return {
        "url": f"https://localhost:{port}/RespondingGateway",
        "fhir_url": f"https://localhost:{port}/fhir",
        "dicomweb_url": f"https://localhost:{port}/dicom-web",
    }


def image_addresses(port: int) -> dict[str, str]:
    """Where the images of a gateway are, if they go by another port."""
    found = addresses(port)
    return {"images_url": found["url"], "dicomweb_url": found["dicomweb_url"]}


def delivery_settings(line: str) -> dict[str, Any]:
    """How images are asked for over a line: planned, and with what is known of it."""
    shape = parse_profile(line).shape
    found: dict[str, Any] = {
        "deliveries": "planned",
        "link_round_trip_ms": round(shape.round_trip_seconds * 1000, 3),
    }
    rate = shape.down.bits_per_second
    return found if rate is None else found | {"link_mbit": rate / 1e6}


def settings_text(
    country: str,
    name: str,
    community: CommunityId,
    more: Mapping[str, Mapping[str, Any]],
    peer: Mapping[str, Any],
    ways: Sequence[Mapping[str, Any]] = (),
    callers: Sequence[Mapping[str, Any]] = (),
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
    for caller in callers:
        lines += ["", "[[peers]]", *_toml(caller)]
    return "\n".join([*lines, ""])


def _toml(values: Mapping[str, Any]) -> list[str]:
    # Strings, numbers and lists of strings are written alike in TOML and JSON.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
