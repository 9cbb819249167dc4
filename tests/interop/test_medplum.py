"""@medplum/core on what others published, and on what is broken: that its word can be relied on.

What we emit is judged in `test_medplum_emitted`.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.interop.medplum_judge import Judge, claims, within
from tests.shared import shared

pytestmark = pytest.mark.interop
IHE = "https://profiles.ihe.net"
MADO = f"{IHE}/RAD/MADO/StructureDefinition"
MINIMAL = f"{IHE}/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.DocumentReference"
COMPREHENSIVE = f"{IHE}/ITI/MHD/StructureDefinition/IHE.MHD.Comprehensive.DocumentReference"
QUERY = f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientQuery"
READ = f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"

# What is wrong in published examples, as `file: place and words`, and why.
KNOWN: dict[str, tuple[str, ...]] = {
    "IHE's own statements lack the date that R4 demands": (
        "mhd/CapabilityStatement-IHE.MHD.: CapabilityStatement.date: Missing required property",
    ),
    "opd-3 wants the type Reference of a parameter whose target is a profile": (
        "hl7eu-imaging-r4/OperationDefinition-DiagnosticReport-fhir-report.json: opd-3",
        "mhd/OperationDefinition-generate-metadata.json: opd-3",
        "pdqm/OperationDefinition-PDQmMatch.json: opd-3",
    ),
    "an extension without a value, since its definition was not there to compile it": (
        "mado-r4/DocumentReference-DocumentReferenceFHIR: ext-1",
    ),
    "references by a name alone, without a type, since no resource was there to compile them": (
        "hl7eu-imaging-r4/: Invalid reference",
    ),
}
SAMPLES = ("balp", "constructed", "eu-health-data-api", "hl7eu-imaging-r4", "mado-r4", "mhd")


def example(name: str) -> Any:
    """One of the published resources."""
    return json.loads(shared(f"samples/fhir/{name}").read_text(encoding="utf-8"))


def excused(said: str) -> str:
    """Why a complaint about a published example is no surprise, "" where it is one."""
    for reason, rows in KNOWN.items():
        for file, _, words in (row.partition(": ") for row in rows):
            if said.startswith(file) and words in said:
                return reason
    return ""


def test_the_examples_of_others_pass(medplum: Judge) -> None:
    """All of R4, by the profiles they claim; what is wrong in some is known, and is still wrong."""
    files = [
        path
        for folder in (*SAMPLES, "pdqm")
        for path in sorted(shared(f"samples/fhir/{folder}").glob("*.json"))
    ]
    said = [
        f"{path.parent.name}/{path.name}: {complaint}"
        for path in files
        for complaint in medplum.claimed(json.loads(path.read_text(encoding="utf-8")))
    ]

    assert len(files) > 250
    assert [each for each in said if not excused(each)] == []
    assert {excused(each) for each in said} == set(KNOWN)


def test_the_examples_claim_every_profile_but_those_nobody_exemplifies(medplum: Judge) -> None:
    """So that each profile has let something through."""
    claimed = {
        profile
        for folder in (*SAMPLES, "pdqm")
        for path in shared(f"samples/fhir/{folder}").glob("*.json")
        for resource in [example(f"{folder}/{path.name}")]
        for each in (resource, *within(resource))
        for profile in claims(each)
    }

    assert {each.rpartition("/")[2] for each in medplum.profiles - claimed} == set()


def test_what_it_cannot_tell_apart_is_little_and_known(medplum: Judge) -> None:
    """Slices by the profile of a value, and by value sets of IHE.

    `tests.wire.fhir.mado_profiles` counts the former, `tests.wire.snapshots` the latter.
    """
    references = ["DocumentReference.author", "DocumentReference.context.related"]
    assert medplum.unsliced == {
        QUERY: ["AuditEvent.subtype"],
        READ: ["AuditEvent.subtype"],
        f"{MADO}/MadoDicomKosDocumentReference": references,
        f"{MADO}/MadoFhirDocumentReference": references,
        f"{MADO}/MadoFhirBundle": ["Bundle.entry"],
        f"{MADO}/MadoImagingStudy": [
            "ImagingStudy.identifier",
            "ImagingStudy.endpoint",
            "ImagingStudy.series.endpoint",
        ],
    }
    pinned = json.loads(Path(__file__).with_name("medplum").joinpath("package.json").read_text())
    assert medplum.version == pinned["dependencies"]["@medplum/core"]


def broken(resource: Any, *steps: str | int, value: Any = None) -> Any:
    """A copy with the value at a place replaced, or with nothing there."""
    copy = deepcopy(resource)
    at = copy
    for step in steps[:-1]:
        at = at[step]
    if value is None:
        del at[steps[-1]]
    else:
        at[steps[-1]] = value
    return copy


DOCUMENT = "mhd/DocumentReference-ex-DocumentReferenceComprehensive.json"
FOUND = "mhd/Bundle-ex-findDocumentReferencesResponse.json"
QUERIED = "balp/AuditEvent-ex-auditBasicQueryPost.json"
FAULTS = {
    "a code that is not of the value set": (DOCUMENT, ("status",), "bogus", "", "is not in"),
    "a required element left out": (DOCUMENT, ("content",), None, "", "Missing required"),
    "an element nobody defined": (DOCUMENT, ("colour",), "red", "", "additional property"),
    "an array where one value goes": (DOCUMENT, ("status",), ["current"], "", "single value"),
    "a date that is none": (DOCUMENT, ("date",), "2026-13-01T00:00:00Z", "", "Invalid instant"),
    "an invariant": (FOUND, ("type",), "document", "", "Constraint bdl-"),
    "a reference to the wrong type": (
        *(DOCUMENT, ("subject", "reference"), "Endpoint/1", ""),
        "Invalid reference",
    ),
    "what only the profile demands": (
        *(DOCUMENT, ("masterIdentifier",), None, COMPREHENSIVE),
        "Missing required",
    ),
    "a fixed value of the profile": (QUERIED, ("action",), "R", QUERY, "expected pattern"),
    "a slice too few": (QUERIED, ("entity",), [{"name": "nothing"}], QUERY, "slice 'query'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_broken_is_refused(medplum: Judge, fault: str) -> None:
    """By the definition that forbids it, and for that reason; unbroken it passes."""
    name, steps, value, profile, words = FAULTS[fault]
    whole = example(name)
    profiles = (profile,) if profile else ()

    said = medplum.complaints(broken(whole, *steps, value=value), *profiles)

    assert medplum.complaints(whole, *profiles) == []
    assert [each for each in said if each.profile == profile and words in each.text], said


def test_one_profile_is_not_taken_for_another(medplum: Judge) -> None:
    """A minimal reference is no comprehensive one, a query no retrieval."""
    minimal = example("mhd/DocumentReference-ex-DocumentReferenceMinimal.json")
    query = example(QUERIED)

    assert medplum.complaints(minimal, MINIMAL) == []
    assert medplum.complaints(minimal, COMPREHENSIVE) != []
    assert medplum.complaints(query, READ) != []
