"""What a made-up trust domain is made of: roles, key types, validity, deliberate flaws.

The defaults are the content of `certs/trust.toml`; a test holds the two equal, so that a folder
without the file gives the same domain. What is made from a profile stands in `gateway.pki`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class PkiError(Exception):
    """A trust domain that cannot be made or written, said so that it can be put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What one leaf of each country is for."""

    key: str = "ec-p256"
    purposes: tuple[str, ...] = ()
    hosts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with a deliberately bad leaf; the defaults are those of a good one.

    `valid_from_days` and `valid_to_days` count from now; None is the validity of a good leaf.
    """

    valid_from_days: int | None = None
    valid_to_days: int | None = None
    revoked: bool = False
    foreign_authority: bool = False
    purposes: tuple[str, ...] = ("server", "client")
    hosts: tuple[str, ...] = ()
    authority_key_identifier: bool = True


_ROLES: dict[str, Role] = {
    "tls-server": Role(purposes=("server",), hosts=True),
    "tls-client": Role(purposes=("client",)),
    "seal": Role(key="rsa-2048"),
}
_FLAWS: dict[str, Flaw] = {
    "expired": Flaw(valid_from_days=-30, valid_to_days=-1),
    "not-yet-valid": Flaw(valid_from_days=30, valid_to_days=60),
    "revoked": Flaw(revoked=True),
    "unknown-ca": Flaw(foreign_authority=True),
    "wrong-eku": Flaw(purposes=("email",)),
    "wrong-host": Flaw(hosts=("elsewhere.invalid",)),
    "no-aki": Flaw(authority_key_identifier=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustProfile:
    """What a trust domain is made of; the defaults are those of `certs/trust.toml`."""

    organisation: str = "NCPeH imaging simulator, test only"
    leaf_days: int = 397
    backdate_minutes: int = 60
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    authority_key: str = "ec-p256"
    roles: Mapping[str, Role] = field(default_factory=lambda: dict(_ROLES))
    broken_key: str = "ec-p256"
    broken: Mapping[str, Flaw] = field(default_factory=lambda: dict(_FLAWS))


def read_profile(path: Path) -> TrustProfile:
    """Read a profile from TOML; an unknown key is refused with its name."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise PkiError(f"{path} is not readable TOML: {problem}") from problem
    broken = table.pop("broken", None)
    if isinstance(broken, dict):
        table["broken_key"] = broken.pop("key", TrustProfile().broken_key)
        table["broken"] = _parts(Flaw, broken.pop("kinds", {}), "broken.kinds")
        if broken:
            raise PkiError(f"{path}: unknown key in [broken]: {', '.join(sorted(broken))}")
    if "roles" in table:
        table["roles"] = _parts(Role, table["roles"], "roles")
    return _made(TrustProfile, table, str(path))


def _parts(kind: type[T], table: Mapping[str, Any], where: str) -> dict[str, T]:
    return {name: _made(kind, values, f"{where}.{name}") for name, values in table.items()}


def _made(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    try:
        return kind(**values)
    except TypeError as problem:
        raise PkiError(f"{where}: {problem}") from problem
