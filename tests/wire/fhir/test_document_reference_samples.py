"""DocumentReferences that others made, there and back; and those made for MADO.

What those of other guides say is in the table of `test_fhir_samples_documents`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.domain import Code, Uid
from gateway.domain.codes import CLASS_IMAGES, DCM, FORMAT_KOS, SCT
from gateway.wire.fhir.document_reference_read import FoundDocument, read_document_reference
from gateway.wire.fhir.resources import validated
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT
from tests.shared import shared
from tests.wire.fhir.rows import REPOSITORY, written

FOLDERS = ("fhir/constructed", "fhir/mhd", "fhir/mado-r4", "fhir/eu-health-data-api")
FOLDERS += ("fhir/hl7eu-imaging-r4", "fhir/balp", "mado")


def references(value: Any) -> Iterator[dict[str, Any]]:
    """Every DocumentReference, wherever it stands in a resource."""
    if isinstance(value, dict):
        if value.get("resourceType") == "DocumentReference":
            yield value
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def rows(resource: Any) -> tuple[FoundDocument, ...]:
    """What we read of one."""
    read = read_document_reference(
        resource, community=COUNTRY_A, repository=REPOSITORY, patient=PATIENT
    )
    return read.found


def sample(name: str) -> Any:
    """A sample as JSON."""
    return json.loads(shared(f"samples/{name}").read_text())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_is_read_and_written_again(folder: str) -> None:
    """What is read is written as a valid resource that says the same."""
    texts = {path.name: path.read_text() for path in shared(f"samples/{folder}").glob("*.json")}
    told = {name: text for name, text in texts.items() if '"DocumentReference"' in text}

    wrong = {}
    for name, text in told.items():
        try:
            if not all(comes_back(resource) for resource in references(json.loads(text))):
                wrong[name] = "says something else"
        except DecodeError as error:
            wrong[name] = str(error)
    assert told
    assert wrong == {}


def comes_back(resource: Any) -> bool:
    """Whether what is read of one is written as a valid resource that says the same."""
    for found in rows(resource):
        again = written(found.entry, attachment_url=found.url or "https://a.example/x")
        validated(again)
        (back,) = rows(again)
        if back.entry != found.entry:
            return False
    return True


def test_the_sample_for_all_dialects_says_what_mado_asks_for() -> None:
    """The KOS manifest of a CT of the head."""
    (found,) = rows(sample("fhir/constructed/documentreference_kos_all_dialects.json"))

    entry = found.entry
    assert entry.ref.document == "2.25.319000000000000000000000000000000001"
    assert entry.id == "urn:uuid:7f2c3f57-2b3e-4c9e-9a14-6f1b8a0d0001"
    assert entry.ref.community == "2.999.1"
    assert entry.patient.cx == "P-123^^^&2.999.1.4&ISO"
    assert entry.class_code == CLASS_IMAGES
    assert entry.format_code == FORMAT_KOS
    assert entry.event_codes == (Code("CT", DCM), Code("774007", SCT))
    assert entry.studies == (Uid("2.25.319000000000000000000000000000000002"),)
    assert [each.value for each in entry.references[1:]] == ["ACC-1", "ORD-1"]
    assert entry.size_bytes == 8192
    assert entry.source_patient_info == ("PID-5|Exemple^Anna", "PID-7|19800203", "PID-8|F")
    assert [org.name for author in entry.authors for org in author.institutions] == [
        "Test Hospital A"
    ]
    assert entry.authors[1].name is not None
    assert entry.authors[1].name.family == "Manifest maker"


def test_the_row_of_a_mado_implementation() -> None:
    """No identifier, an older name of DICOM's code system, a relative url."""
    (found,) = rows(sample("mado/mado-kos-1.2.250.1.59.40211.22756022.2.1.101-docref.json"))

    assert found.url == "Binary/dicom-kos-mado--2047166866"
    assert found.entry.format_code == FORMAT_KOS
    assert found.entry.studies == ("1.2.250.1.59.40211.22756022.2.1.101",)
    assert found.entry.references[1].authority == "http://example.org/fhir/ris-ids"
