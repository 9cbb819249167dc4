"""ImagingStudy from a manifest: the study, its series and instances, by itself or in a document.

Everything a study refers to (its patient, endpoints and orders) is handed to `refer`, which puts
it somewhere and gives back the reference: contained in the resource itself, as the answer to a
search needs it, or as entries of a document (`manifest_write`). What the noun does not know is
left out; what MADO demands in any case is said to be unknown by data-absent-reason, or, where
nothing can say so (the location of a series), missing.
Clauses: IHE MADO, MadoImagingStudy; FHIR R4 imagingstudy.html; mapping in MADO's KOS tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from gateway.domain import ImagingManifest, ManifestInstance, ManifestSeries, Uid
from gateway.domain.manifest_losses import MAX_INTEGER
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS, Specimen
from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import OID_URN, is_oid, write_coding, write_concept
from gateway.wire.fhir.contained_people import Contained
from gateway.wire.fhir.identifiers import URIS, Identifier, of_uid, write_identifier
from gateway.wire.fhir.manifest_endpoints import Place, place_of, write_place, write_viewer
from gateway.wire.fhir.manifest_people import accession_identifier, write_patient, write_request
from gateway.wire.fhir.manifest_times import write_local
from gateway.wire.fhir.resources import Json

# Puts a resource somewhere under a name and gives back a Reference to it.
Refer: TypeAlias = Callable[[str, Json], Json]

UNKNOWN_CLASS: Final = Uid("0")  # of an instance whose class nobody stated


def write_imaging_study(
    manifest: ImagingManifest,
    *,
    resource_id: str = "",
    subject: Json | None = None,
    refer: Refer | None = None,
) -> Json:
    """The study of a manifest as an ImagingStudy, complete down to the instances.

    `subject` refers to the patient; without it the manifest's own words of the patient become a
    resource of its own. `refer` places what the study refers to; without it that is contained.
    """
    contained = Contained()
    place = refer or contained.refer
    if subject is None:
        subject = place("patient", write_patient(manifest.patient))
    viewer = manifest.viewer_url
    written: Json = {
        "resourceType": "ImagingStudy",
        "id": resource_id,
        "meta": {"profile": [terms.IMAGING_STUDY]},
        "contained": contained.resources,
        "extension": [
            {"url": terms.REGION_EXTENSION, "valueCodeableConcept": write_concept(region)}
            for region in manifest.regions
        ],
        "identifier": _identifiers(manifest),
        "status": "available",
        "modality": [write_coding(code) for code in manifest.modalities],
        "subject": subject,
        "started": write_local(manifest.study_date, manifest.study_time, manifest.offset_minutes),
        "basedOn": _orders(manifest, subject, place),
        "endpoint": [place("viewer", write_viewer(viewer))] if viewer else [],
        "numberOfSeries": _stated(manifest.declared_series, len(manifest.series)),
        "numberOfInstances": manifest.instance_count,
        "procedureCode": _procedures(manifest),
        "description": manifest.study_description,
        "series": _series(manifest, place),
    }
    return _filled(written)


def _filled(element: Json) -> Json:
    """Without what is empty, which FHIR does not write."""
    return {name: value for name, value in element.items() if value not in ("", {}, [], None)}


def _stated(declared: int | None, listed: int) -> int:
    return declared if declared is not None and 0 <= declared <= MAX_INTEGER else listed


def _identifiers(manifest: ImagingManifest) -> list[Json]:
    found = [write_identifier(of_uid(manifest.study))]
    if manifest.accession:
        # One number of the whole study stands here too, where a search looks for it.
        found.append(accession_identifier(manifest.accession, manifest.accession_authority))
    return found


def _orders(manifest: ImagingManifest, subject: Json, place: Refer) -> list[Json]:
    """A Reference for each request, and for the study's accession number if no request has it."""
    found = []
    own, known = (manifest.accession, manifest.accession_authority), False
    for request in manifest.requests:
        reference = place("request", write_request(request, subject)) | {"type": "ServiceRequest"}
        if request.accession:
            authority = request.accession_authority
            reference["identifier"] = accession_identifier(request.accession, authority)
            known = known or (request.accession, authority) == own
        found.append(reference)
    if manifest.accession and not known:
        number = accession_identifier(manifest.accession, manifest.accession_authority)
        found.append({"type": "ServiceRequest", "identifier": number})
    return found


def _procedures(manifest: ImagingManifest) -> list[Json]:
    """The procedures; one of them in words, which MADO demands (mado-reqproc-1).

    Where no procedure has any, the study's description or that of a request stands in; the
    reader knows that it is no procedure of its own.
    """
    found = [write_concept(code, text=code.display) for code in manifest.procedures]
    found += [{"text": text} for text in manifest.procedure_texts]
    if any("text" in concept for concept in found):
        return found
    descriptions = (manifest.study_description, *(one.description for one in manifest.requests))
    words = next(filter(None, descriptions), "")
    return [*found, {"text": words} if words else {"_text": terms.ABSENT}]


def _series(manifest: ImagingManifest, place: Refer) -> list[Json]:
    endpoints: dict[Place, Json] = {}
    classes: dict[Uid, Json] = {}
    found = []
    for series in manifest.series:
        where = place_of(series)
        if where not in endpoints:
            endpoints[where] = place("endpoint", write_place(where))
        found.append(_one_series(series, manifest.offset_minutes, endpoints[where], classes))
    return found


def _one_series(
    series: ManifestSeries, offset: int | None, endpoint: Json, classes: dict[Uid, Json]
) -> Json:
    region = write_coding(series.region) if series.region else {}
    if not region and series.region_text:
        region = {"display": series.region_text}
    return _filled(
        {
            "uid": series.uid,
            "number": _count(series.number),
            "modality": write_coding(series.modality) if series.modality else terms.ABSENT,
            "description": series.description,
            "numberOfInstances": _stated(series.declared_instances, len(series.instances)),
            "endpoint": [endpoint],
            "bodySite": region,
            "laterality": write_coding(series.laterality) if series.laterality else {},
            "specimen": [found for one in series.specimens if (found := _specimen(one))],
            "started": write_local(series.started, series.started_time, offset),
            "instance": [_instance(one, classes) for one in series.instances],
        }
    )


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MAX_INTEGER else None


def _specimen(specimen: Specimen) -> Json:
    system = OID_URN + specimen.authority if is_oid(specimen.authority) else specimen.authority
    identifier = Identifier(value=specimen.id, system=system)
    written = {
        "type": "Specimen",
        "identifier": write_identifier(identifier) if specimen.id else {},
        "display": specimen.description,
    }
    return _filled(written) if specimen.id or specimen.description else {}


def _instance(one: ManifestInstance, classes: dict[Uid, Json]) -> Json:
    """An instance; those of one class share the object that names it, for there are thousands."""
    sop_class = classes.get(one.sop_class)
    if sop_class is None:
        sop_class = classes[one.sop_class] = _class(one.sop_class)
    written: Json = {"uid": one.uid, "sopClass": sop_class}
    if one.number is not None and 0 <= one.number <= MAX_INTEGER:
        written["number"] = one.number
    if one.note_description and (one.note_title or one.sop_class == KEY_OBJECT_SOP_CLASS):
        written["title"] = one.note_description
    if one.frames is not None or one.note_title is not None:
        extensions = _of_instance(one)
        if extensions:
            written["extension"] = extensions
    return written


def _class(sop_class: Uid) -> Json:
    if sop_class == UNKNOWN_CLASS:
        return terms.ABSENT
    return {"system": URIS, "code": OID_URN + sop_class}


def _of_instance(one: ManifestInstance) -> list[Json]:
    found: list[Json] = []
    if one.frames is not None and -MAX_INTEGER <= one.frames <= MAX_INTEGER:
        found.append({"url": terms.FRAMES_EXTENSION, "valueInteger": one.frames})
    if one.note_title is not None:
        title = write_concept(one.note_title)
        found.append({"url": terms.NOTE_TITLE_EXTENSION, "valueCodeableConcept": title})
    return found
