"""ImagingStudy read as a manifest: by itself, or as the heart of a manifest document.

What it refers to is looked for with `resolve`, and among what it contains; what is not there is
told and left out. A UID that comes again counts once. Departures become warnings; `DecodeError` is
for what is no ImagingStudy, is withdrawn, or has no study UID. Knows nothing of the document
around it (`manifest_read`). Clauses: IHE MADO, MadoImagingStudy; FHIR R4 imagingstudy.html.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, TypeAlias

from gateway.domain import (
    Code,
    ImagingManifest,
    ImagingRequest,
    InvalidIdentifier,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Organisation,
    Outcome,
    Uid,
)
from gateway.domain.codes import DCM
from gateway.domain.manifest_checks import count_issues
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS, Specimen
from gateway.wire.fhir import manifest_terms as terms
from gateway.wire.fhir.concepts import OID_URN, is_oid, read_coding, read_concept
from gateway.wire.fhir.contained_people import read_contained, read_organisation
from gateway.wire.fhir.departures import MAX_ISSUES, Departures
from gateway.wire.fhir.identifiers import STUDY_UID, as_uid, read_identifier
from gateway.wire.fhir.imaging_study_write import UNKNOWN_CLASS
from gateway.wire.fhir.manifest_endpoints import (
    Place,
    is_place,
    is_viewer,
    read_place,
    read_viewer,
)
from gateway.wire.fhir.manifest_people import read_accession, read_patient, read_request
from gateway.wire.fhir.manifest_times import Local, read_local
from gateway.wire.fhir.resources import (
    Json,
    expect_type,
    integer_at,
    object_at,
    objects_at,
    text_at,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

# A resource by the reference that names it; None where it is not at hand.
Resolve: TypeAlias = Callable[[str], Json | None]

MAX_INSTANCES: Final = 100_000  # twenty times the largest study we know
MAX_REPEATS: Final = 200  # codes, orders and endpoints of one study
TITLE: Final = Code("131560", DCM, "Manifest with Description")
_CUSTODIAN: Final = "CST"  # HL7 v3 ParticipationType


def read_imaging_study(
    resource: Json,
    *,
    where: str = "ImagingStudy",
    resolve: Resolve | None = None,
    uid: Uid | None = None,
    base: str = "",
) -> Outcome[ImagingManifest]:
    """The manifest a study would have, with the departures as warnings; perhaps of no instance.

    `uid` is the manifest's own UID, derived from the study's where none is given. `base` is where
    the relative address of an endpoint begins.
    """
    departures = Departures()
    manifest = read_study(resource, where, resolve, departures, base=base)
    if uid is not None:
        manifest = replace(manifest, uid=uid)
    return Outcome((manifest,), (*departures.issues, *islice(count_issues(manifest), MAX_ISSUES)))


def derived_uid(study: Uid) -> Uid:
    """The UID of the manifest of a study that came without one: always the same."""
    return Uid(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{study}/manifest').int}")


def read_study(
    resource: Json, where: str, resolve: Resolve | None, departures: Departures, *, base: str = ""
) -> ImagingManifest:
    """As `read_imaging_study`, for a reader that keeps its own list of departures."""
    expect_type(resource, "ImagingStudy", where=where)
    if objects_at(resource, "modifierExtension", where):
        raise DecodeError(f"{where}.modifierExtension", "one unknown", "none", "MadoImagingStudy")
    status = text_at(resource, "status", where)
    if status in ("entered-in-error", "cancelled"):
        raise DecodeError(f"{where}.status", status, "available", "MadoImagingStudy")
    if status != "available":
        departures.add(f"the study is {quoted(status) or 'of no status'}, not available", where)
    reader = _Reader(resource, where, resolve, departures, base)
    return reader.manifest()


class _Reader:
    """One reading: what is contained, and what was already looked up."""

    def __init__(
        self,
        study: Json,
        where: str,
        resolve: Resolve | None,
        departures: Departures,
        base: str,
    ) -> None:
        self._study = study
        self._where = where
        self._outside = resolve
        self._contained = read_contained(study, where)
        self._departures = departures
        self._base = base
        self._places: dict[str, Place | None] = {}
        self._classes: dict[str, Uid] = {}
        self._seen: set[Uid] = set()

    def manifest(self) -> ImagingManifest:
        """Everything the study says."""
        study, where = self._study, self._where
        uid = self._uid()
        started = self._time(study, where)
        accession, authority, requests = self._orders()
        times: list[Local] = []
        series = tuple(self._all_series(times))
        offset = next((one.offset for one in (started, *times) if one.offset is not None), None)
        local = started.at_offset(offset)
        description = text_at(study, "description", where)
        procedures, words = self._procedures()
        stand_ins = {description, *(request.description for request in requests)}
        return ImagingManifest(
            uid=derived_uid(uid),
            form=ManifestForm.MADO,
            study=uid,
            patient=self._patient(),
            title=TITLE,
            study_date=local.day,
            study_time=local.clock,
            offset_minutes=offset,
            study_description=description,
            accession=accession,
            accession_authority=authority,
            requests=requests,
            modalities=tuple(self._codings(study, "modality", where)),
            regions=tuple(self._regions()),
            procedures=procedures,
            declared_series=integer_at(study, "numberOfSeries", where),
            viewer_url=self._viewer(),
            series=tuple(
                replace(one, started=at.day, started_time=at.clock)
                for one, time in zip(series, times, strict=True)
                for at in (time.at_offset(offset),)
            ),
            custodian=self._custodian(),
            procedure_texts=tuple(text for text in words if text not in stand_ins),
        )

    # --- the study --------------------------------------------------------------------------------

    def _uid(self) -> Uid:
        found: dict[Uid, None] = {}
        for i, each in enumerate(objects_at(self._study, "identifier", self._where)):
            at = f"{self._where}.identifier[{i}]"
            identifier = read_identifier(each, at)
            if identifier.types and STUDY_UID not in identifier.types:
                continue
            uid = as_uid(identifier, at)
            if uid is not None:
                found[uid] = None
        if not found:
            raise DecodeError(
                f"{self._where}.identifier",
                "no study instance UID",
                "one with the system urn:dicom:uid",
                "MadoStudyInstanceUidIdentifier",
            )
        if len(found) > 1:
            self._departures.add(f"the study has {len(found)} UIDs; the first is read", self._where)
        return next(iter(found))

    def _patient(self) -> ManifestPatient:
        where = f"{self._where}.subject"
        subject = object_at(self._study, "subject", self._where)
        resource = self._resolved(subject, where)
        if resource is None or resource.get("resourceType") != "Patient":
            self._departures.add("the patient of the study is not at hand", where)
            # A reference may say in words whom it means, and by which identifier.
            identifier = object_at(subject, "identifier", where)
            resource = {"identifier": [identifier]} if identifier else {}
        return read_patient(resource, where, self._departures)

    def _orders(self) -> tuple[str, str, tuple[ImagingRequest, ...]]:
        """The study's accession number and its authority, "" where it has several; the requests."""
        identifiers = objects_at(self._study, "identifier", self._where)[:MAX_REPEATS]
        own = read_accession(identifiers, self._where)
        requests = []
        for i, reference in enumerate(objects_at(self._study, "basedOn", self._where)):
            where = f"{self._where}.basedOn[{i}]"
            if i == MAX_REPEATS:
                raise DecodeError(where, f"more than {MAX_REPEATS} orders", f"{MAX_REPEATS}")
            number, authority = read_accession(
                [object_at(reference, "identifier", where)] if "identifier" in reference else [],
                where,
            )
            resource = self._resolved(reference, where)
            if resource is not None and resource.get("resourceType") == "ServiceRequest":
                request = read_request(resource, where)
                if number and not request.accession:
                    request = replace(request, accession=number, accession_authority=authority)
                requests.append(request)
            elif number and (number, authority) != own:
                requests.append(ImagingRequest(accession=number, accession_authority=authority))
            elif not number:
                self._departures.add("an order of the study is not at hand", where)
        numbers = {(one.accession, one.accession_authority) for one in requests if one.accession}
        if not own[0] and len(numbers) == 1:
            own = numbers.pop()
        return *own, tuple(requests)

    def _regions(self) -> Iterator[Code]:
        for i, extension in enumerate(objects_at(self._study, "extension", self._where)):
            where = f"{self._where}.extension[{i}]"
            if text_at(extension, "url", where) != terms.REGION_EXTENSION:
                continue
            codes = read_concept(object_at(extension, "valueCodeableConcept", where), where)
            if not codes:
                self._departures.add("a region without a code is left out", where)
            yield from codes

    def _procedures(self) -> tuple[tuple[Code, ...], list[str]]:
        codes: list[Code] = []
        words = []
        concepts = objects_at(self._study, "procedureCode", self._where)
        for i, concept in enumerate(concepts[:MAX_REPEATS]):
            where = f"{self._where}.procedureCode[{i}]"
            text = text_at(concept, "text", where)
            found = read_concept(concept, where)
            codes += (
                code if code.display or not text else replace(code, display=text) for code in found
            )
            if text and not found:
                words.append(text)
        return tuple(codes), words

    def _viewer(self) -> str:
        for i, reference in enumerate(objects_at(self._study, "endpoint", self._where)):
            where = f"{self._where}.endpoint[{i}]"
            endpoint = self._resolved(reference, where)
            if endpoint is not None and is_viewer(endpoint, where):
                return read_viewer(endpoint, where)
        return ""

    def _custodian(self) -> Organisation | None:
        """Who answers for the study, where its series say so (report profiles of HL7 Europe)."""
        for series in objects_at(self._study, "series", self._where):
            for performer in objects_at(series, "performer", self._where):
                function = object_at(performer, "function", self._where)
                roles = [code.value for code in read_concept(function, self._where)]
                actor = self._resolved(object_at(performer, "actor", self._where), self._where)
                if _CUSTODIAN in roles and actor and actor.get("resourceType") == "Organization":
                    return read_organisation(actor, self._where)
        return None

    # --- series and instances ---------------------------------------------------------------------

    def _all_series(self, times: list[Local]) -> Iterator[ManifestSeries]:
        """The series, a repeated one joined with its first; `times` gets the start of each."""
        found: dict[Uid, ManifestSeries] = {}
        for i, series in enumerate(objects_at(self._study, "series", self._where)):
            where = f"{self._where}.series[{i}]"
            uid = self._usable_uid(series, where, "a series")
            if uid is None:
                continue
            known = found.get(uid)
            if known is not None:
                self._departures.add("the series is listed more than once", uid)
                more = self._instances(series, where)
                found[uid] = replace(known, instances=(*known.instances, *more))
                continue
            started = self._time(series, where)
            times.append(started)
            found[uid] = self._one_series(uid, series, where, started)
        yield from found.values()

    def _one_series(self, uid: Uid, series: Json, where: str, started: Local) -> ManifestSeries:
        place = self._place(series, where, uid)
        site = object_at(series, "bodySite", where)
        region = self._coding(site, f"{where}.bodySite")
        return ManifestSeries(
            uid=uid,
            modality=self._coding(object_at(series, "modality", where), f"{where}.modality"),
            number=integer_at(series, "number", where),
            description=text_at(series, "description", where),
            started=started.day,
            started_time=started.clock,
            region=region,
            region_text="" if region else text_at(site, "display", f"{where}.bodySite"),
            laterality=self._coding(object_at(series, "laterality", where), f"{where}.laterality"),
            location=place.location,
            retrieve_url=place.url,
            retrieve_ae_title=place.ae_title,
            declared_instances=integer_at(series, "numberOfInstances", where),
            instances=tuple(self._instances(series, where)),
            specimens=tuple(self._specimens(series, where)),
        )

    def _place(self, series: Json, where: str, uid: Uid) -> Place:
        """Where a series can be had: its own endpoint, or else one of the whole study."""
        for holder, at in ((series, where), (self._study, self._where)):
            references = objects_at(holder, "endpoint", at)[:MAX_REPEATS]
            places = dict.fromkeys(filter(None, (self._endpoint(one, at) for one in references)))
            if len(places) > 1:
                self._departures.add(f"one of {len(places)} places is read", uid)
            usable = (one for one in places if one.url)
            for place in (*usable, *places):
                return place
        self._departures.add("the series does not say where it can be had", uid)
        return Place()

    def _endpoint(self, reference: Json, where: str) -> Place | None:
        """The place behind a reference, read once; None where it is none or not at hand."""
        name = text_at(reference, "reference", where)
        if name not in self._places:
            endpoint = self._resolved(reference, where)
            self._places[name] = None
            if endpoint is None:
                self._departures.add("an endpoint is not at hand", quoted(name))
            elif is_place(endpoint, where):
                at = f"{where}.endpoint"
                place = read_place(endpoint, at, self._departures, base=self._base)
                self._places[name] = place
        return self._places[name]

    def _specimens(self, series: Json, where: str) -> Iterator[Specimen]:
        for i, reference in enumerate(objects_at(series, "specimen", where)[:MAX_REPEATS]):
            at = f"{where}.specimen[{i}]"
            known = self._resolved(reference, at) or {}
            listed = [*objects_at(known, "identifier", at)]
            if "identifier" in reference:
                listed.append(object_at(reference, "identifier", at))
            identifier = read_identifier(listed[0] if listed else {}, at)
            bare = identifier.system.removeprefix(OID_URN)
            yield Specimen(
                id=identifier.value,
                authority=bare if is_oid(bare) else identifier.system,
                description=text_at(reference, "display", at),
            )

    def _instances(self, series: Json, where: str) -> list[ManifestInstance]:
        """The instances of a series; one that was met before, in any series, is left out."""
        found = []
        seen, classes = self._seen, self._classes
        for one in objects_at(series, "instance", where):
            # There are thousands: what is as it should be is taken without asking twice.
            text, number = one.get("uid"), one.get("number")
            try:
                uid: Uid | None = Uid(text) if type(text) is str else None
            except InvalidIdentifier:
                uid = None
            if uid is None:
                uid = self._usable_uid(one, where, "an instance")
                if uid is None:
                    continue
            if uid in seen:
                self._departures.add("the instance is listed more than once", uid)
                continue
            seen.add(uid)
            if len(seen) > MAX_INSTANCES:
                raise DecodeError(where, f"more than {MAX_INSTANCES} instances", "those of a study")
            coding = one.get("sopClass")
            code = coding.get("code") if type(coding) is dict else None
            kind = classes.get(code) if type(code) is str else None
            if kind is None:
                kind = self._class(one, where, uid)
            if type(number) is not int:
                number = integer_at(one, "number", where)
            if "extension" in one or "title" in one:
                found.append(self._described(one, where, uid, kind, number))
            else:
                found.append(ManifestInstance(uid=uid, sop_class=kind, number=number))
        return found

    def _described(
        self, one: Json, where: str, uid: Uid, kind: Uid, number: int | None
    ) -> ManifestInstance:
        """An instance with its frames, or with what it says as a key-image note."""
        frames: int | None = None
        title: Code | None = None
        for extension in objects_at(one, "extension", where):
            url = text_at(extension, "url", where)
            if url == terms.FRAMES_EXTENSION:
                frames = integer_at(extension, "valueInteger", where)
            elif url == terms.NOTE_TITLE_EXTENSION:
                codes = read_concept(object_at(extension, "valueCodeableConcept", where), where)
                title = codes[0] if codes else None
        words = text_at(one, "title", where)
        if words and title is None and kind != KEY_OBJECT_SOP_CLASS:
            self._departures.add("the title of an image has no place and is left out", where)
            words = ""
        return ManifestInstance(
            uid=uid,
            sop_class=kind,
            number=number,
            frames=frames,
            note_title=title,
            note_description=words,
        )

    def _class(self, one: Json, where: str, uid: Uid) -> Uid:
        """The class of an instance, bare or as a URN, in any code system."""
        text = text_at(object_at(one, "sopClass", where), "code", f"{where}.sopClass")
        try:
            known = self._classes[text] = Uid.parse(text)
        except InvalidIdentifier:
            self._departures.add("the instance has no SOP class", uid)
            return UNKNOWN_CLASS
        return known

    # --- what they are made of --------------------------------------------------------------------

    def _usable_uid(self, holder: Json, where: str, what: str) -> Uid | None:
        text = text_at(holder, "uid", where)
        try:
            return Uid(text)
        except InvalidIdentifier:
            pass
        try:
            return Uid.parse(text)
        except InvalidIdentifier:
            self._departures.add(f"{what} without a usable UID is left out", where)
            return None

    def _time(self, holder: Json, where: str) -> Local:
        try:
            return read_local(text_at(holder, "started", where), f"{where}.started")
        except DecodeError as error:
            self._departures.add(f"the start is {error.found}, no dateTime", where)
            return Local()

    def _codings(self, holder: Json, key: str, where: str) -> Iterator[Code]:
        for i, coding in enumerate(objects_at(holder, key, where)[:MAX_REPEATS]):
            code = self._coding(coding, f"{where}.{key}[{i}]")
            if code is not None:
                yield code

    def _coding(self, coding: Json, where: str) -> Code | None:
        return read_coding(coding, where) if text_at(coding, "code", where).strip() else None

    def _resolved(self, reference: Json, where: str) -> Json | None:
        name = text_at(reference, "reference", where)
        if not name:
            return None
        if name.startswith("#"):
            return self._contained.get(name)
        return self._outside(name) if self._outside is not None else None
