"""Key object selection documents read as the imaging manifest or a key-image note.

Reading only (`kos_write` writes). All generations are read: the final MADO codes, those of the
trial text and of the ballot, and the XDS-I manifest without descriptors. The evidence sequence
is always right about UIDs and places; the tree only describes. Departures become warnings;
`DecodeError` is for what is no key object selection or lists nothing.
Clauses: IHE RAD MADO (KOS manifest), DICOM PS3.3 C.17.6, PS3.16 TID 2010.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.domain.codes import Code
from gateway.domain.ids import Oid, Uid
from gateway.domain.manifests import (
    KEY_OBJECT_SOP_CLASS,
    ImagingManifest,
    InstanceRef,
    KeyImageNote,
    ManifestForm,
    ManifestInstance,
    ManifestSeries,
)
from gateway.domain.outcome import Issue, Outcome, Severity
from gateway.domain.refusals import Refusal
from gateway.wire.dicom import elements, kos_codes, kos_departures, snomed
from gateway.wire.dicom.dataset import read_whole
from gateway.wire.dicom.elements import CodingSchemes, items, oid_text, reading, text, uid
from gateway.wire.dicom.kos_tree import (
    MAX_INSTANCES,
    InstanceFacts,
    SeriesFacts,
    TreeFacts,
    read_tree,
    references,
)
from gateway.wire.problems import DecodeError

# A manifest of MAX_INSTANCES instances is about this large.
MAX_MANIFEST_BYTES = 128 * 1024 * 1024
MAX_ISSUES = 50  # a manifest wrong in every series need not say so a thousand times

_EVIDENCE = Tag(0x0040, 0xA375)
_REFERENCED_SERIES = Tag(0x0008, 0x1115)
_REFERENCED_REQUEST = Tag(0x0040, 0xA370)
_STUDY_UID = Tag(0x0020, 0x000D)
_SERIES_UID = Tag(0x0020, 0x000E)
_DISPLAY_URI = Tag(0x0040, 0xE012)
_PRIVATE_CREATOR = "IHE_MADO_PRIVATE"
_PRIVATE_GROUP = 0x000D


@dataclass(slots=True)
class _EvidenceSeries:
    uid: Uid
    location: Oid | None = None
    url: str = ""
    ae_title: str = ""
    instances: dict[Uid, Uid | None] = field(default_factory=dict)


class _Warnings:
    """Departures met, kept up to a limit."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []

    def add(self, text_of: str, subject: str = "") -> None:
        """Note one."""
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(
                Issue(
                    refusal=Refusal.PEER_MISBEHAVED,
                    text=text_of,
                    severity=Severity.WARNING,
                    subject=subject,
                )
            )


def decode_manifest(data: bytes) -> Outcome[ImagingManifest]:
    """The manifest in a DICOM file, with its departures as warnings.

    An instance whose SOP class is nowhere stated has the class "0", and a warning.
    Raises `DecodeError` when the bytes are no key object selection, or list no instance at all.
    """
    ds, schemes = _open(data)
    with reading("manifest", "a key object selection document"):
        return _manifest(ds, schemes)


def decode_note(data: bytes) -> KeyImageNote:
    """The key-image note in a DICOM file; only images whose series it names are listed.

    Raises `DecodeError` when the bytes are no key object selection, or are a study manifest.
    """
    ds, schemes = _open(data)
    with reading("key-image note", "a key object selection document"):
        tree = read_tree(ds, schemes)
        title = tree.title or Code("", "")
        if title.value in kos_codes.FORM_OF_TITLE:
            raise DecodeError("document title", f"{title.value}, a manifest", "a key-image note")
        placed: dict[Uid, InstanceRef] = {}
        for study_item in items(ds, _EVIDENCE):
            study = uid(study_item, _STUDY_UID) or uid(ds, _STUDY_UID)
            for series in _evidence_of(study_item, _Warnings()) if study else ():
                for instance in series.instances:
                    placed.setdefault(
                        instance,
                        InstanceRef(study=_known(study), series=series.uid, instance=instance),
                    )
        wanted = [one for one in tree.flat if one in placed] or list(placed)
        return KeyImageNote(
            instance=_own_uid(ds),
            title=title,
            description=tree.description,
            images=tuple(placed[one] for one in wanted),
        )


def _known(study: Uid | None) -> Uid:
    if study is None:
        raise DecodeError("Study Instance UID", "none", "the study", "PS3.3 C.7.2.1")
    return study


def _open(data: bytes) -> tuple[Dataset, CodingSchemes]:
    if len(data) > MAX_MANIFEST_BYTES:
        raise DecodeError("document", f"{len(data)} bytes", f"at most {MAX_MANIFEST_BYTES}")
    ds = read_whole(data)
    with reading("document"):
        sop_class = text(ds, Tag(0x0008, 0x0016)) or text(ds.file_meta, Tag(0x0002, 0x0002))
        if sop_class != KEY_OBJECT_SOP_CLASS:
            raise DecodeError(
                "SOP Class UID", sop_class[:80] or "none", KEY_OBJECT_SOP_CLASS, "PS3.3 A.35.4"
            )
        return ds, elements.coding_schemes(ds)


def _own_uid(ds: Dataset) -> Uid:
    found = uid(ds, Tag(0x0008, 0x0018)) or uid(ds.file_meta, Tag(0x0002, 0x0003))
    if found is None:
        raise DecodeError("SOP Instance UID", "none", "the document's UID", "PS3.3 C.12.1")
    return found


def _manifest(ds: Dataset, schemes: CodingSchemes) -> Outcome[ImagingManifest]:
    warnings = _Warnings()
    for said in kos_departures.of_attributes(ds):
        warnings.add(said, "document")
    tree = read_tree(ds, schemes)
    title = tree.title or Code("", "")
    form = kos_codes.FORM_OF_TITLE.get(title.value)
    if form is None:
        warnings.add(f"the document title {title.value!r} is not that of a manifest", "title")
        form = ManifestForm.MADO if tree.has_library else ManifestForm.XDSI
    study_item, study = _study(ds, warnings)
    evidence = list(_evidence_of(study_item, warnings)) if study_item is not None else []
    if not evidence:
        evidence = _evidence_of_tree(tree, warnings)
    series = tuple(_series(evidence, tree, warnings))
    _compare_lists(evidence, tree, warnings)
    if tree.declared_series is not None and tree.declared_series != len(series):
        warnings.add(f"says {tree.declared_series} series and lists {len(series)}", study)
    offset = elements.offset_minutes(ds)
    manifest = ImagingManifest(
        uid=_own_uid(ds),
        form=form,
        study=study,
        patient=elements.patient(ds),
        title=title,
        study_date=elements.day(ds, Tag(0x0008, 0x0020)),
        study_time=elements.clock(ds, Tag(0x0008, 0x0030)),
        offset_minutes=offset,
        study_description=text(ds, Tag(0x0008, 0x1030)),
        accession=text(ds, elements.ACCESSION_NUMBER),
        accession_authority=elements.authority(ds, elements.ISSUER_OF_ACCESSION_NUMBER),
        requests=tuple(elements.request(one, schemes) for one in items(ds, _REFERENCED_REQUEST)),
        modalities=tuple(tree.modalities),
        regions=tuple(tree.regions),
        procedures=tuple(tree.procedures),
        declared_series=tree.declared_series,
        viewer_url=_viewer_url(study_item, ds),
        manufacturer=text(ds, Tag(0x0008, 0x0070)),
        institution=elements.organisation(text(ds, Tag(0x0008, 0x0080))),
        created=_created(ds, offset),
        series=series,
    )
    for said, value in snomed.departures(schemes.old):
        warnings.add(said, value)
    return Outcome((manifest,), tuple(warnings.issues))


def _study(ds: Dataset, warnings: _Warnings) -> tuple[Dataset | None, Uid]:
    """The evidence item of the manifest's study, and the study."""
    own = uid(ds, _STUDY_UID)
    listed = list(items(ds, _EVIDENCE))
    if not listed:
        warnings.add("there is no evidence sequence; the content tree stands in", "(0040,A375)")
        return None, _known(own)
    chosen = next((one for one in listed if uid(one, _STUDY_UID) == own), listed[0])
    if len(listed) > 1:
        warnings.add(f"the evidence names {len(listed)} studies; one is read", own or "")
    study = uid(chosen, _STUDY_UID)
    if study is not None and own is not None and study != own:
        warnings.add(f"the document lies in study {own}, its evidence in {study}", study)
    return chosen, _known(study or own)


def _evidence_of(study_item: Dataset, warnings: _Warnings) -> Iterator[_EvidenceSeries]:
    """The series of an evidence item; a UID that comes again counts once."""
    found: dict[Uid, _EvidenceSeries] = {}
    seen: set[Uid] = set()
    for item in items(study_item, _REFERENCED_SERIES):
        series_uid = uid(item, _SERIES_UID)
        if series_uid is None:
            warnings.add("a series without a UID is left out", "(0040,A375)")
            continue
        series = found.get(series_uid)
        if series is None:
            series = found[series_uid] = _EvidenceSeries(series_uid)
        else:
            warnings.add("the series is listed more than once", series_uid)
        location = text(item, Tag(0x0040, 0xE011))
        if location and not oid_text(location):
            warnings.add(f"the location {location[:80]!r} is not an OID", series_uid)
        elif location:
            series.location = series.location or Oid(oid_text(location))
        series.url = series.url or text(item, Tag(0x0008, 0x1190))
        series.ae_title = series.ae_title or text(item, Tag(0x0008, 0x0054))
        for sop_class, instance in references(item):
            if instance is None:
                warnings.add("an instance without a usable UID is left out", series_uid)
            elif instance in seen:
                warnings.add("the instance is listed more than once", instance)
            else:
                seen.add(instance)
                series.instances[instance] = sop_class
                if len(seen) > MAX_INSTANCES:
                    raise DecodeError(
                        "(0040,A375)",
                        f"more than {MAX_INSTANCES} instances",
                        "the instances of one study",
                    )
    yield from found.values()


def _evidence_of_tree(tree: TreeFacts, warnings: _Warnings) -> list[_EvidenceSeries]:
    """The series as the image library lists them, for a document without evidence."""
    found = [
        _EvidenceSeries(
            group.uid, instances={one: tree.instances[one].sop_class for one in group.listed}
        )
        for group in tree.groups
        if group.uid is not None and group.listed
    ]
    if not found:
        raise DecodeError(
            "(0040,A375)", "no series", "the evidence of every instance", "PS3.3 C.17.6.2"
        )
    warnings.add("the evidence lists no series; those of the image library stand in")
    return found


def _series(
    evidence: Iterable[_EvidenceSeries], tree: TreeFacts, warnings: _Warnings
) -> Iterator[ManifestSeries]:
    groups = {group.uid: group for group in tree.groups if group.uid is not None}
    of_instance = {one: group for group in tree.groups if group.uid is None for one in group.listed}
    nothing = SeriesFacts()
    for series in evidence:
        group = groups.get(series.uid)
        if group is None:
            first = next(iter(series.instances), None)
            group = of_instance.get(first, nothing) if first is not None else nothing
        if tree.has_library and group is nothing:
            warnings.add("the image library does not describe the series", series.uid)
        listed = tuple(
            _instance(one, kind, tree, warnings) for one, kind in series.instances.items()
        )
        if group.declared is not None and group.declared != len(listed):
            warnings.add(f"says {group.declared} instances and lists {len(listed)}", series.uid)
        yield ManifestSeries(
            uid=series.uid,
            modality=group.modality,
            number=group.number,
            description=group.description,
            started=group.started,
            started_time=group.started_time,
            region=group.region,
            region_text=group.region_text,
            laterality=group.laterality,
            location=series.location,
            retrieve_url=series.url,
            retrieve_ae_title=series.ae_title,
            declared_instances=group.declared,
            instances=listed,
        )


_NO_FACTS = InstanceFacts()


def _instance(
    instance: Uid, sop_class: Uid | None, tree: TreeFacts, warnings: _Warnings
) -> ManifestInstance:
    facts = tree.instances.get(instance, _NO_FACTS)
    kind = sop_class or facts.sop_class
    if kind is None:
        warnings.add("the instance has no SOP class", instance)
    return ManifestInstance(
        uid=instance,
        sop_class=kind or Uid("0"),
        number=facts.number,
        frames=facts.frames,
        note_title=facts.title,
        note_description=facts.description,
    )


def _compare_lists(
    evidence: Iterable[_EvidenceSeries], tree: TreeFacts, warnings: _Warnings
) -> None:
    listed = {one for series in evidence for one in series.instances}
    unknown = sum(1 for one in tree.instances if one not in listed)
    if unknown:
        warnings.add(f"{unknown} instances of the content tree are not in the evidence")
    missing = sum(1 for one in listed if one not in tree.instances)
    if missing:
        warnings.add(f"{missing} instances of the evidence are not in the content tree")


def _viewer_url(study_item: Dataset | None, ds: Dataset) -> str:
    """The viewer's address: in the evidence, at the root, or in the trial text's private block."""
    places = [place for place in (study_item, ds) if place is not None]
    for place in places:
        if found := text(place, _DISPLAY_URI):
            return found
    for place in places:
        for block in range(0x10, 0x100):
            if text(place, Tag(_PRIVATE_GROUP, block)) == _PRIVATE_CREATOR:
                return text(place, Tag(_PRIVATE_GROUP, (block << 8) | 0x01))
    return ""


def _created(ds: Dataset, offset: int | None) -> datetime | None:
    """When the document was made; without a stated offset the time is taken as UTC."""
    at = elements.day(ds, Tag(0x0008, 0x0023))
    if at is None:
        return None
    of_day = elements.clock(ds, Tag(0x0008, 0x0033)) or time()
    zone = UTC if offset is None else timezone(timedelta(minutes=offset))
    return datetime.combine(at, of_day, zone)
