"""What rules about a report are made of: a document to look into, a rule, and what it finds.

A document is looked at in the shape of R4, whichever release it came in, so that a rule is written
once. Looking raises `DecodeError` where a value is of another kind than FHIR has there: such a
document is not judged further. Nothing here knows a rule (`report_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.domain import Code, Severity
from gateway.wire.fhir.concepts import read_concept
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_bundle import Found
from gateway.wire.fhir.report_releases import release_of, to_r4
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at

Place = tuple[str, str]  # where, and what was found there


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a report breaks: which, where, what was found and what the rule expects."""

    rule: str
    severity: Severity
    where: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRule:
    """A constraint of the profiles. `broken` gives every place that breaks it."""

    id: str
    expected: str
    broken: Callable[[ReportDocument], Iterator[Place]]
    severity: Severity = Severity.ERROR

    def findings(self, document: ReportDocument) -> Iterator[Finding]:
        """What of a document breaks the rule."""
        for where, found in self.broken(document):
            yield Finding(
                rule=self.id,
                severity=self.severity,
                where=where,
                found=found,
                expected=self.expected,
            )


class ReportDocument:
    """A report's Bundle in the shape of R4, and what in it has a part of its own."""

    def __init__(self, bundle: Json) -> None:
        self.bundle = to_r4(bundle) if release_of(bundle) is Release.R5 else bundle
        self.found = Found(self.bundle, "Bundle")
        self.composition = next(iter(self.of_type("Composition")), {})
        self.diagnostic = next(iter(self.of_type("DiagnosticReport")), {})

    def of_type(self, *types: str) -> list[Json]:
        """The resources of some types."""
        return self.found.of_type(*types)

    def place(self, resource: Json) -> str:
        """Where a resource stands; of none that is there, the document."""
        return self.found.place(resource) if resource else "Bundle"

    def type_of(self, reference: Json) -> str:
        """What a Reference leads to: the type of the resource, else the one it says."""
        resource = self.found.resolve(reference, "reference")
        if resource is not None:
            return str(resource.get("resourceType", ""))
        return text_at(reference, "type", "reference")

    def sections(self) -> Iterator[tuple[Json, str]]:
        """The sections of the Composition, those within others too."""
        yield from _sections(self.composition, self.place(self.composition))


def _sections(holder: Json, where: str) -> Iterator[tuple[Json, str]]:
    # The depth of a document is bounded by its reader.
    for i, section in enumerate(objects_at(holder, "section", where)):
        place = f"{where}.section[{i}]"
        yield section, place
        yield from _sections(section, place)


def has_code(concepts: tuple[Json, ...], wanted: Code, where: str) -> int:
    """How many of some CodeableConcepts have a code."""
    return sum(
        any(is_code(code, wanted) for code in read_concept(one, f"{where}[{i}]"))
        for i, one in enumerate(concepts)
    )


def is_code(code: Code, wanted: Code) -> bool:
    """Whether two codes are one, however their systems are spelt."""
    return code.means(wanted)


def codes_at(holder: Json, key: str, where: str) -> tuple[Code, ...]:
    """The codes of the CodeableConcept under a name."""
    return read_concept(object_at(holder, key, where), f"{where}.{key}")


def counted(number: int, one: str) -> str:
    """A number with its noun."""
    return f"{number} {one}" if number else f"no {one}"


def every(value: Any, where: str) -> Iterator[tuple[Json, str]]:
    """Every object at or below a value, with its place; depth is bounded by the reader."""
    if isinstance(value, dict):
        yield value, where
        for key, inner in value.items():
            yield from every(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from every(inner, f"{where}[{i}]")
