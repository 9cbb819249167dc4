"""The imaging manifest as a FHIR document: a Bundle with its Composition and all it refers to.

Writing only (`manifest_read` reads; `imaging_study_write` has the study itself). Every id is
derived from the manifest's UID, no clock is asked: the same manifest gives the same document. The
custodian, where it is not the creating organisation, is contained in the Composition, because the
document's profile allows one Organization. Which elements have no place is told by
`domain.manifest_losses`. Clauses: IHE MADO, MadoFhirBundle and MadoComposition; FHIR R4
documents.html; data set B.1 of the guideline.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from gateway.domain import HumanName, ImagingManifest, study_codes
from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import OID_URN, write_concept
from gateway.wire.fhir.contained_people import organisation_resource
from gateway.wire.fhir.document_reference_terms import MEDICAL_IMAGING
from gateway.wire.fhir.identifiers import URIS, Identifier, write_identifier
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.manifest_people import write_creator_organisation, write_patient
from gateway.wire.fhir.manifest_times import write_local, write_moment
from gateway.wire.fhir.resources import Json
from gateway.wire.fhir.xhtml import XHTML
from gateway.wire.problems import EncodeError
from gateway.wire.xml import escape_text

_TITLE: Final = "Imaging study manifest"


def encode_manifest(
    manifest: ImagingManifest, *, bundle_id: str = "", at: datetime | None = None
) -> Json:
    """A manifest as a MadoFhirBundle.

    `bundle_id` is the resource's own id, derived from the manifest's UID when "". `at` is when the
    document is put together; it is needed for a manifest that does not say when it was made, and
    otherwise that is taken. Raises `EncodeError` when neither is known.
    """
    stamp = at or manifest.created
    if stamp is None:
        raise EncodeError("a document needs the time it is made at (FHIR R4 documents.html)")
    document = _Document(manifest)
    composition = document.composition()
    return {
        "resourceType": "Bundle",
        "id": bundle_id or str(document.uuid_of("bundle")),
        "meta": {"profile": [terms.BUNDLE]},
        "identifier": document.identifier,
        "type": "document",
        "timestamp": write_moment(stamp, manifest.offset_minutes),
        # The Composition is made last, for it refers to the rest, and stands first.
        "entry": [composition, *document.entries],
    }


class _Document:
    """The entries of one document while it is written, each under a URN of its own."""

    def __init__(self, manifest: ImagingManifest) -> None:
        self._manifest = manifest
        self._names: dict[str, int] = {}
        self.entries: list[Json] = []
        self.identifier = write_identifier(Identifier(system=URIS, value=OID_URN + manifest.uid))

    def uuid_of(self, name: str) -> uuid.UUID:
        """The id of a part of the document."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self._manifest.uid}/{name}")

    def refer(self, name: str, resource: Json) -> Json:
        """A Reference to a resource, which becomes an entry of its own."""
        count = self._names[name] = self._names.get(name, 0) + 1
        entry = self._entry(f"{name}-{count}", resource)
        self.entries.append(entry)
        return {"reference": entry["fullUrl"]}

    def _entry(self, name: str, resource: Json) -> Json:
        own = self.uuid_of(name)
        kind = {"resourceType": resource["resourceType"], "id": str(own)}
        return {"fullUrl": own.urn, "resource": kind | resource}

    def composition(self) -> Json:
        """The entry of the Composition; all it refers to is in `entries` then."""
        manifest = self._manifest
        subject = self.refer("patient", write_patient(manifest.patient))
        study = write_imaging_study(manifest, subject=subject, refer=self.refer)
        detail = self.refer("study", study)
        organisation = self.refer("creator", write_creator_organisation(manifest.institution))
        device: Json = {
            "resourceType": "Device",
            "meta": {"profile": [terms.CREATOR]},
            "type": write_concept(terms.DEVICE_TYPE),
            "owner": organisation,
        }
        if manifest.manufacturer:
            device["manufacturer"] = manifest.manufacturer
        composition: Json = {
            "resourceType": "Composition",
            "meta": {"profile": [terms.COMPOSITION]},
            "text": {"status": "generated", "div": _narrative(manifest)},
            "identifier": self.identifier,
            "status": "final",
            "type": write_concept(terms.STUDY_TYPE),
            "category": [write_concept(MEDICAL_IMAGING)],
            "subject": subject,
            "author": [organisation, self.refer("device", device)],
            "title": manifest.study_description or _TITLE,
            "event": [{"detail": [detail]}],
        }
        if manifest.created is None:
            composition["_date"] = terms.ABSENT
        else:
            composition["date"] = write_moment(manifest.created, manifest.offset_minutes)
        self._take_care(composition, organisation)
        return self._entry("composition", composition)

    def _take_care(self, composition: Json, organisation: Json) -> None:
        """Say who answers for the study (guideline B.1.3)."""
        custodian = self._manifest.custodian
        if custodian is None:
            return
        if custodian == self._manifest.institution:
            composition["custodian"] = organisation
            return
        resource = organisation_resource(custodian)
        if len(resource) > 1:
            composition["contained"] = [resource | {"id": "custodian"}]
            composition["custodian"] = {"reference": "#custodian"}


def _narrative(manifest: ImagingManifest) -> str:
    """What the document says, for people; what MADO 1.0.0 lists."""
    rows = "".join(
        f"<tr><td><b>{escape_text(name)}</b></td><td>{escape_text(_plain(value))}</td></tr>"
        for name, value in _facts(manifest)
        if value
    )
    return f'<div xmlns="{XHTML}"><table><tbody>{rows}</tbody></table></div>'


def _plain(text: str) -> str:
    """Text without what XML cannot carry, which a header may hold."""
    return "".join(each if each.isprintable() else " " for each in text)


def _facts(manifest: ImagingManifest) -> Iterator[tuple[str, str]]:
    patient = manifest.patient
    yield "Patient", (patient.name or HumanName(family="")).full
    for one in patient.ids:
        yield "Patient identifier", f"{one.value} ({one.authority})"
    yield "Patient identifier", patient.bare_id
    yield "Organisation", manifest.institution.name if manifest.institution else ""
    yield "Device", manifest.manufacturer
    yield "Custodian", manifest.custodian.name if manifest.custodian else ""
    yield "Study Instance UID", manifest.study
    if manifest.created is not None:
        yield "Created", write_moment(manifest.created, manifest.offset_minutes)
    yield "Type", terms.STUDY_TYPE.display
    yield "Category", MEDICAL_IMAGING.display
    started = write_local(manifest.study_date, manifest.study_time, manifest.offset_minutes)
    yield "Study start", started
    yield "Study description", manifest.study_description
    yield "Modalities", ", ".join(code.value for code in study_codes(manifest))
    yield "Anatomical region", ", ".join(one.display or one.value for one in manifest.regions)
    numbers = (manifest.accession, *(one.accession for one in manifest.requests))
    yield "Accession number", ", ".join(dict.fromkeys(filter(None, numbers)))
    yield "Number of series", str(len(manifest.series))
    yield "Viewer", manifest.viewer_url
