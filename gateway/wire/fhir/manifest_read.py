"""The FHIR manifest read as a noun: from a Bundle, or from the bytes that came.

Reading only (`manifest_write` writes; `imaging_study_read` reads the study itself). Documents are
read as implementations make them: references that resolve by the end of a URL, no Composition, no
identifier that is a UID. Departures become warnings; `DecodeError` is for what is no manifest of
exactly one study, lists no instance, or was withdrawn. Clauses: IHE MADO, MadoFhirBundle; FHIR R4
documents.html and bundle.html#references.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from gateway.domain import (
    ImagingManifest,
    Issue,
    ManifestEncoding,
    Organisation,
    Outcome,
    Uid,
)
from gateway.domain.manifest_checks import count_issues
from gateway.wire.fhir.contained_people import read_contained, read_organisation
from gateway.wire.fhir.departures import MAX_ISSUES, Departures
from gateway.wire.fhir.identifiers import DICOM_UIDS, URIS, read_identifier
from gateway.wire.fhir.imaging_study_read import derived_uid, read_study
from gateway.wire.fhir.manifest_people import read_request
from gateway.wire.fhir.manifest_times import Local, read_local, zone_of
from gateway.wire.fhir.mhd_retrieve import (
    DICOM,
    FHIR_JSON,
    FHIR_XML,
    HEAD,
    UNTYPED,
    bare_type,
    judge_content,
    unwrap_binary,
)
from gateway.wire.fhir.resources import (
    MAX_ENTRIES,
    Format,
    Json,
    expect_type,
    object_at,
    objects_at,
    read_resource,
    text_at,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

# A manifest of a hundred thousand instances is about this large.
MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
_UUID_URN: Final = "urn:uuid:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestBytes:
    """A manifest as it came, out of its wrapper: in which encoding, and what was odd about it."""

    encoding: ManifestEncoding
    data: bytes
    format: Format | None = None
    issues: tuple[Issue, ...] = ()


def recognise(data: bytes, *, mime_type: str = "", where: str = "document") -> ManifestBytes:
    """Which encoding of a manifest the bytes are, whatever they were called.

    `mime_type` is what the list or the answer called them; another name is told as a warning, and
    so is a Binary around them, which is taken off. Raises `DecodeError` for bytes that are neither
    DICOM nor a FHIR Bundle.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise DecodeError(where, f"{len(data)} bytes", f"at most {MAX_MANIFEST_BYTES}")
    departures = Departures()
    judgement = judge_content(mime_type, "", data[:HEAD])
    if judgement.wrapped:
        departures.add(judgement.warning, where)
        # The name was that of the document, or that of the wrapper.
        expected = "" if judgement.mime == bare_type(mime_type) else mime_type
        binary = read_resource(data, _format(judgement.mime), where)
        inner, data = unwrap_binary(binary, where=where)
        judgement = judge_content(expected, "" if inner == UNTYPED else inner, data[:HEAD])
    if judgement.warning:
        departures.add(judgement.warning, where)
    if judgement.mime == DICOM:
        return ManifestBytes(encoding=ManifestEncoding.KOS, data=data, issues=departures.issues)
    if judgement.mime not in (FHIR_JSON, FHIR_XML):
        raise DecodeError(where, judgement.mime, "a DICOM file or a FHIR Bundle", "IHE MADO")
    return ManifestBytes(
        encoding=ManifestEncoding.FHIR,
        data=data,
        format=_format(judgement.mime),
        issues=departures.issues,
    )


def _format(mime_type: str) -> Format:
    return Format.XML if mime_type == FHIR_XML else Format.JSON


def decode_bytes(
    data: bytes, *, mime_type: str = "", where: str = "manifest", base: str = ""
) -> Outcome[ImagingManifest]:
    """The manifest in the bytes of a FHIR document, in JSON or XML, perhaps inside a Binary.

    As `decode_manifest`; a key object selection is refused by name, whatever it is labelled.
    """
    came = recognise(data, mime_type=mime_type, where=where)
    if came.format is None:
        raise DecodeError(where, "a DICOM file", "a FHIR Bundle", "IHE MADO")
    outcome = decode_manifest(read_resource(came.data, came.format, where), where=where, base=base)
    return Outcome(outcome.items, (*came.issues, *outcome.issues))


def decode_manifest(
    bundle: Json, *, where: str = "Bundle", base: str = ""
) -> Outcome[ImagingManifest]:
    """The manifest in a Bundle, with its departures as warnings.

    `base` is where the relative address of an endpoint begins, such as the server the document
    came from. Raises `DecodeError` when it is none, or lists no instance at all.
    """
    expect_type(bundle, "Bundle", where=where)
    departures = Departures()
    kind = text_at(bundle, "type", where)
    if kind != "document":
        departures.add(f"the Bundle is a {quoted(kind) or 'nothing'}, not a document", where)
    entries = _Entries(bundle, where)
    composition = _composition(entries, where, departures)
    study = _study(entries, composition, where)
    manifest = read_study(study, f"{where}.ImagingStudy", entries.resolve, departures, base=base)
    if not manifest.instance_count:
        raise DecodeError(f"{where}.ImagingStudy.series", "no instance", "those of the study")
    manifest = _completed(manifest, bundle, composition, entries, departures, where)
    issues = (*departures.issues, *islice(count_issues(manifest), MAX_ISSUES))
    return Outcome((manifest,), issues)


class _Entries:
    """The resources of a Bundle, by type and by every name a reference may use for them."""

    def __init__(self, bundle: Json, where: str) -> None:
        self._by_name: dict[str, Json] = {}
        self._by_type: dict[str, list[Json]] = {}
        entries = objects_at(bundle, "entry", where)
        if len(entries) > MAX_ENTRIES:
            raise DecodeError(f"{where}.entry", f"{len(entries)} entries", f"at most {MAX_ENTRIES}")
        self.first = ""
        for i, entry in enumerate(entries):
            at = f"{where}.entry[{i}]"
            resource = object_at(entry, "resource", at)
            kind = text_at(resource, "resourceType", at)
            self.first = self.first or kind
            self._by_type.setdefault(kind, []).append(resource)
            url = text_at(entry, "fullUrl", at)
            own = text_at(resource, "id", at)
            for name in (url, _end(url), f"{kind}/{own}" if own else ""):
                if name:
                    self._by_name.setdefault(name, resource)

    def of_type(self, kind: str) -> list[Json]:
        """The resources of a type, in their order."""
        return self._by_type.get(kind, [])

    def resolve(self, reference: str) -> Json | None:
        """The resource a reference names: by its URL, or by type and id at the end of one."""
        return self._by_name.get(reference) or self._by_name.get(_end(reference))


def _end(url: str) -> str:
    """Type and id at the end of a URL; "" of a URN, whose end names nothing."""
    parts = url.rsplit("/", 2)
    return "/".join(parts[-2:]).removeprefix("urn:") if len(parts) > 1 else ""


def _composition(entries: _Entries, where: str, departures: Departures) -> Json:
    found = entries.of_type("Composition")
    if not found:
        departures.add("the document has no Composition", where)
        return {}
    if entries.first != "Composition":
        departures.add("the document does not begin with its Composition", where)
    status = text_at(found[0], "status", f"{where}.Composition")
    if status == "entered-in-error":
        raise DecodeError(f"{where}.Composition.status", status, "final", "MadoComposition")
    if status != "final":
        departures.add(f"the manifest is {quoted(status) or 'of no status'}, not final", where)
    return found[0]


def _study(entries: _Entries, composition: Json, where: str) -> Json:
    """The one study the document is about."""
    studies = entries.of_type("ImagingStudy")
    if len(studies) > 1:
        named = [
            entries.resolve(text_at(detail, "reference", where))
            for event in objects_at(composition, "event", where)
            for detail in objects_at(event, "detail", where)
        ]
        studies = [one for one in studies if any(one is each for each in named)]
    if len(studies) != 1:
        found = f"{len(entries.of_type('ImagingStudy'))} ImagingStudy resources"
        raise DecodeError(f"{where}.entry", found, "the one of the manifest", "MadoFhirBundle")
    return studies[0]


def _completed(
    manifest: ImagingManifest,
    bundle: Json,
    composition: Json,
    entries: _Entries,
    departures: Departures,
    where: str,
) -> ImagingManifest:
    """The manifest with what the document says around its study."""
    at = f"{where}.Composition"
    dated = text_at(composition, "date", at)
    stamp = _local(text_at(bundle, "timestamp", where), f"{where}.timestamp", departures)
    made = _local(dated, f"{at}.date", departures)
    offset = manifest.offset_minutes
    if offset is None:
        # `Z` may be said for want of another zone; `+00:00` is one.
        stated = (one.offset for one in (made, stamp) if not one.zulu)
        offset = next((one for one in stated if one is not None), None)
    if not dated and "_date" not in composition:
        made = stamp
    requests = [
        read_request(one, f"{where}.ServiceRequest") for one in entries.of_type("ServiceRequest")
    ]
    custodian = _custodian(composition, entries, at)
    return replace(
        manifest,
        uid=_own_uid(bundle, composition, manifest.study, where, departures),
        offset_minutes=offset,
        requests=(*manifest.requests, *(one for one in requests if one not in manifest.requests)),
        created=_instant(made, offset),
        manufacturer=next(
            (text_at(one, "manufacturer", f"{where}.Device") for one in entries.of_type("Device")),
            "",
        ),
        institution=_author(composition, entries, at),
        custodian=custodian or manifest.custodian,
    )


def _local(text: str, where: str, departures: Departures) -> Local:
    try:
        return read_local(text, where)
    except DecodeError:
        departures.add("the time the document was made at is no dateTime", where)
        return Local()


def _instant(made: Local, offset: int | None) -> datetime | None:
    """The moment a document was made; one known to the day begins there."""
    if made.day is None:
        return None
    if made.clock is None:
        return datetime(made.day.year, made.day.month, made.day.day, tzinfo=zone_of(offset))
    return made.moment


def _own_uid(
    bundle: Json, composition: Json, study: Uid, where: str, departures: Departures
) -> Uid:
    """The manifest's own UID, from the Bundle's identifier or the Composition's.

    A UUID is a UID too (PS3.5 B.2). The study's own UID, which some write there, is none.
    """
    for holder in (bundle, composition):
        identifier = read_identifier(object_at(holder, "identifier", where), f"{where}.identifier")
        if identifier.system not in ("", URIS, DICOM_UIDS):
            continue
        try:
            if identifier.value.startswith(_UUID_URN):
                return Uid(f"2.25.{uuid.UUID(identifier.value).int}")
            uid = Uid.parse(identifier.value)
        except ValueError:
            continue
        if uid != study:
            return uid
    departures.add("the document has no UID of its own; one is derived from the study's", where)
    return derived_uid(study)


def _author(composition: Json, entries: _Entries, where: str) -> Organisation | None:
    """Who made the manifest: the organisation among its authors, or the only one there is."""
    named = (
        entries.resolve(text_at(author, "reference", where))
        for author in objects_at(composition, "author", where)
    )
    for one in (*named, *entries.of_type("Organization")):
        if one is not None and one.get("resourceType") == "Organization":
            found = read_organisation(one, where)
            return found if found.name or found.id or found.authority else None
    return None


def _custodian(composition: Json, entries: _Entries, where: str) -> Organisation | None:
    """Who answers for the study (EU MADO, guideline B.1.3)."""
    reference = text_at(object_at(composition, "custodian", where), "reference", where)
    resource = read_contained(composition, where).get(reference) or entries.resolve(reference)
    if resource is None or resource.get("resourceType") != "Organization":
        return None
    found = read_organisation(resource, where)
    return found if found.name or found.id or found.authority else None
