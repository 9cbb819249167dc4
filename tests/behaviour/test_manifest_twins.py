"""What the border promises of a manifest in two encodings, whichever way in."""

from __future__ import annotations

import hashlib

from gateway.domain import (
    Association,
    AssociationKind,
    DocumentEntry,
    DocumentLookup,
    ManifestEncoding,
    ReferenceKind,
    read_content,
)
from gateway.domain.codes import FORMAT_FHIR_MANIFEST, FORMAT_KOS
from gateway.domain.selection import manifest_encoding
from gateway.wire.dicom import kos_read
from gateway.wire.fhir import manifest_read
from tests.behaviour.conftest import DOCUMENTS, Way

pytestmark = DOCUMENTS

KOS, FHIR = ManifestEncoding.KOS, ManifestEncoding.FHIR


async def _twins(way: Way, role: str) -> dict[ManifestEncoding, DocumentEntry]:
    """The manifest entries of a patient who has one study, by encoding."""
    entries = await way.entries(role)
    return {form: entry for entry in entries if (form := manifest_encoding(entry)) is not None}


async def test_a_manifest_is_listed_in_both_encodings(way: Way) -> None:
    """Under their own ids, types and formats; everything that is filtered by is the same."""
    twins = await _twins(way, "greek")

    kos, fhir = twins[KOS], twins[FHIR]
    assert (kos.mime_type, fhir.mime_type) == ("application/dicom", "application/fhir+json")
    assert (kos.format_code, fhir.format_code) == (FORMAT_KOS, FORMAT_FHIR_MANIFEST)
    assert kos.ref.document != fhir.ref.document
    assert (kos.class_code, kos.type_code) == (fhir.class_code, fhir.type_code)
    assert kos.event_codes == fhir.event_codes
    assert kos.service_start == fhir.service_start
    for kind in (ReferenceKind.STUDY, ReferenceKind.ACCESSION, ReferenceKind.ORDER):
        assert set(kos.referenced(kind)) == set(fhir.referenced(kind))
    (same,) = fhir.referenced(ReferenceKind.UNIQUE_ID)
    assert same.value == kos.ref.document


async def test_the_twins_are_the_same_manifest(way: Way) -> None:
    """Each comes in its own bytes, as announced; both are read as one and the same noun."""
    twins = await _twins(way, "greek")

    came = {form: await way.document(entry) for form, entry in twins.items()}

    data = {form: await read_content(one.content, 10**7) for form, one in came.items()}
    for form, entry in twins.items():
        assert came[form].mime_type == entry.mime_type
        assert hashlib.sha1(data[form]).hexdigest() == entry.sha1 == came[form].sha1
        assert len(data[form]) == entry.size_bytes
    kos, fhir = kos_read.decode_manifest(data[KOS]), manifest_read.decode_bytes(data[FHIR])
    assert fhir.issues == kos.issues == ()
    assert fhir.items == kos.items
    assert fhir.items[0].uid == twins[KOS].ref.document


async def test_the_fhir_document_transforms_the_selection(way: Way) -> None:
    """GetAssociations says so from either end, and relatesTo of a DocumentReference."""
    twins = await _twins(way, "greek")

    for entry in twins.values():
        lookup = DocumentLookup(
            community=entry.ref.community, entry_ids=(entry.id,), associations=True, entries=False
        )
        outcome = await way.exchange.look_up_documents(lookup, way.context(entry.patient))
        if not way.lists_old and entry is twins[KOS]:
            continue  # what relates to a row is no parameter of that dialect
        found = {
            (item.kind, item.source, item.target)
            for item in outcome.items
            if isinstance(item, Association)
        }
        assert found == {(AssociationKind.TRANSFORMS, twins[FHIR].id, twins[KOS].id)}


async def test_either_encoding_is_asked_for_by_its_format(way: Way) -> None:
    """A filter by format gives the one, and never the other."""
    for form, code in ((KOS, FORMAT_KOS), (FHIR, FORMAT_FHIR_MANIFEST)):
        entries = await way.entries("main", format_codes=(code,))
        assert {manifest_encoding(entry) for entry in entries} == {form}
        assert len(entries) == way.seeded.role("main")["expect"]["studies"]
