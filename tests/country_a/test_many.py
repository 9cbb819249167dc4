"""Many entries: the same each time, no two alike, and everything in them that lists differ by."""

from __future__ import annotations

from collections import Counter

import pytest

from country_a.oids import NationalOids
from country_a.seed.many import many_entries
from gateway.domain import EntryKind, EntryStatus, PatientId, Precision, ReferenceKind
from gateway.domain.codes import DCM, SCT, same_scheme
from gateway.domain.selection import chronological
from gateway.wire.fhir.mhd_retrieve import reference_id
from tests.builders import COUNTRY_A

OIDS = NationalOids.under(COUNTRY_A)
PATIENT, OTHER = (PatientId(f"XA-300{n}", OIDS.patients) for n in (1, 2))
ENTRIES = many_entries(OIDS, PATIENT, 400, seed_number=1)


def test_the_same_number_gives_the_same_entries() -> None:
    """A list that one run finds another finds as well."""
    assert many_entries(OIDS, PATIENT, 400, seed_number=1) == ENTRIES
    assert many_entries(OIDS, PATIENT, 400, seed_number=2) != ENTRIES


def test_no_two_entries_are_of_one_document_and_every_wire_can_name_them() -> None:
    """Not even those of two patients, who share studies."""
    others = many_entries(OIDS, OTHER, 60, seed_number=1, first=len(ENTRIES))
    every = (*ENTRIES, *others)

    assert len({entry.id for entry in every}) == 460
    assert len({entry.ref.document for entry in every}) == 460
    assert all(reference_id(entry.id) for entry in every)
    assert {study for entry in others for study in entry.studies} <= {
        study for entry in ENTRIES for study in entry.studies
    }


@pytest.mark.parametrize("precision", list(Precision))
def test_times_are_known_in_every_precision(precision: Precision) -> None:
    """From the year to the second; some are not known, and many are the same."""
    assert any(e.service_start and e.service_start.precision is precision for e in ENTRIES)
    assert any(entry.service_start is None for entry in ENTRIES)
    shared = Counter(chronological(entry.service_start) for entry in ENTRIES)
    assert max(count for moment, count in shared.items() if moment) > 10


def test_codes_and_identifiers_are_as_mixed_as_a_real_registry() -> None:
    """Several of a kind, synonyms, old names of schemes, and the same value in another scheme."""
    codes = {code for entry in ENTRIES for code in entry.event_codes}
    modalities = {code.value for code in codes if same_scheme(code.scheme) == DCM}
    accessions = [one for e in ENTRIES for one in e.referenced(ReferenceKind.ACCESSION)]

    assert any(len(entry.modalities) > 1 for entry in ENTRIES)
    assert any(len(entry.regions) > 1 for entry in ENTRIES)
    assert any(not entry.regions for entry in ENTRIES)
    assert any(code.value == "737561001" for code in codes)
    assert {"DCM", "SNOMED-CT", DCM, SCT} <= {code.scheme for code in codes}
    assert any(c.value in modalities and same_scheme(c.scheme) != DCM for c in codes)
    assert {"", "Szpital Miejski", OIDS.accessions} <= {one.authority for one in accessions}
    assert any("'" in one.value and "|" in one.value and "," in one.value for one in accessions)
    assert any(len(entry.studies) > 1 for entry in ENTRIES)
    assert any(not entry.referenced(ReferenceKind.ORDER) for entry in ENTRIES)


def test_some_are_listed_only_for_who_asks_for_them() -> None:
    """Versions no longer in force, documents made on demand, documents that are no imaging."""
    assert {entry.status for entry in ENTRIES} == set(EntryStatus)
    assert {entry.kind for entry in ENTRIES} == set(EntryKind)
    assert {entry.type_code.value for entry in ENTRIES} == {
        "18748-4", "85430-7", "11528-7", "18842-5",
    }  # fmt: skip
