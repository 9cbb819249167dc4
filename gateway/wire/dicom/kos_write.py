"""The imaging manifest and the key-image note as DICOM key object selection documents.

Writing only (`kos_read` reads); the content follows IHE RAD MADO, DICOM PS3.16 TID 2010 with
TID 1600 to 1602 as MADO extends them. What the noun does not know is left out, never invented;
the same noun always gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time

from gateway.domain.codes import DCM, Code
from gateway.domain.ids import Uid
from gateway.domain.manifests import (
    KEY_OBJECT_SOP_CLASS,
    ImagingManifest,
    InstanceRef,
    KeyImageNote,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
)
from gateway.domain.people import Organisation
from gateway.wire.dicom import kos_codes as codes
from gateway.wire.dicom.kos_codes import Concept
from gateway.wire.dicom.part10 import (
    Schemes,
    clock,
    day,
    descriptive,
    element,
    exact,
    institution,
    issuer,
    item,
    moment,
    offset,
    part10,
    patient,
    prose,
    request,
    sequence,
)

_CONTAINS = "CONTAINS"
_CONTEXT = "HAS ACQ CONTEXT"
_TEMPLATE = sequence(
    0x0040A504, (element(0x00080105, "CS", b"DCMR") + element(0x0040DB00, "CS", b"2010"),)
)
_REF_CLASS_TAG, _REF_INSTANCE_TAG = 0x00081150, 0x00081155


def encode_manifest(manifest: ImagingManifest, *, trial_codes: bool = False) -> bytes:
    """A manifest as a DICOM file.

    The title and the manifest's own concepts get the final codes, or with `trial_codes` those of
    the trial text; the noun's own `form` and `title` play no part. The series of the document
    has a UID derived from the document's. Raises `EncodeError` for what DICOM cannot hold.
    """
    schemes = Schemes()
    tree = _Tree(schemes, trial=trial_codes)
    root = tree.manifest(manifest)
    requests = [request(one, manifest.study, schemes) for one in manifest.requests]
    elements: dict[int, bytes] = {
        **_document(
            uid=manifest.uid,
            series=derived_series(manifest.uid),
            study=manifest.study,
            created=manifest.created,
            offset_minutes=manifest.offset_minutes,
        ),
        **patient(manifest.patient),
        0x00080020: day(0x00080020, manifest.study_date),
        0x00080030: clock(0x00080030, manifest.study_time),
        0x00080050: exact(0x00080050, "SH", manifest.accession),
        0x00080051: issuer(0x00080051, manifest.accession_authority),
        0x00080070: descriptive(0x00080070, "LO", manifest.manufacturer),
        0x00080080: institution(manifest.institution),
        0x00081030: descriptive(0x00081030, "LO", manifest.study_description),
        0x0040A043: sequence(0x0040A043, (schemes.code(tree.concept(Concept.TITLE)),)),
        0x0040A370: sequence(0x0040A370, requests) if requests else b"",
        0x0040A375: sequence(0x0040A375, (_evidence(manifest),)),
        0x0040A730: root,
    }
    elements[0x00080110] = schemes.identification()
    return part10(elements, sop_class=KEY_OBJECT_SOP_CLASS, instance=manifest.uid)


def encode_note(
    note: KeyImageNote,
    *,
    study: Uid,
    series: Uid,
    sop_classes: Mapping[Uid, Uid],
    patient_of: ManifestPatient,
    created: datetime,
    offset_minutes: int | None = None,
    series_number: int = 1,
    instance_number: int = 1,
    study_date: date | None = None,
    study_time: time | None = None,
    study_description: str = "",
    accession: str = "",
    accession_authority: str = "",
    manufacturer: str = "",
    institution_of: Organisation | None = None,
) -> bytes:
    """A key-image note as a DICOM file, in a series of its own of the study it points into.

    `sop_classes` gives the class of every image the note names, by SOP Instance UID (an image
    not in it is taken for a secondary capture). Raises `EncodeError` for what DICOM cannot hold.
    """
    schemes = Schemes()
    tree = _Tree(schemes, trial=False)
    known = {ref.instance: sop_classes.get(ref.instance, _SECONDARY) for ref in note.images}
    content = [tree.reference(known[ref.instance], ref.instance) for ref in note.images]
    if note.description:
        content.insert(
            0, tree.text(codes.KEY_OBJECT_DESCRIPTION, note.description, relation=_CONTAINS)
        )
    elements: dict[int, bytes] = {
        **_document(
            uid=note.instance,
            series=series,
            study=study,
            created=created,
            offset_minutes=offset_minutes,
            series_number=series_number,
            instance_number=instance_number,
        ),
        **patient(patient_of),
        0x00080020: day(0x00080020, study_date),
        0x00080030: clock(0x00080030, study_time),
        0x00080050: exact(0x00080050, "SH", accession),
        0x00080051: issuer(0x00080051, accession_authority),
        0x00080070: descriptive(0x00080070, "LO", manufacturer),
        0x00080080: institution(institution_of),
        0x00081030: descriptive(0x00081030, "LO", study_description),
        0x0040A043: sequence(0x0040A043, (schemes.code(note.title),)),
        0x0040A375: _evidence_of_images(note.images, known),
        0x0040A730: element(0x0040A730, "SQ", b"".join(content)),
    }
    elements[0x00080110] = schemes.identification()
    return part10(elements, sop_class=KEY_OBJECT_SOP_CLASS, instance=note.instance)


_SECONDARY = Uid("1.2.840.10008.5.1.4.1.1.7")


def derived_series(document: Uid) -> Uid:
    """The series of a document that names none: always the same for the same document."""
    return Uid(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{document}/series').int}")


def _document(
    *,
    uid: Uid,
    series: Uid,
    study: Uid,
    created: datetime | None,
    offset_minutes: int | None,
    series_number: int = 1,
    instance_number: int = 1,
) -> dict[int, bytes]:
    """What every key object selection carries beside its subject."""
    found = {
        0x00080005: element(0x00080005, "CS", b"ISO_IR 192"),
        0x00080016: exact(0x00080016, "UI", KEY_OBJECT_SOP_CLASS),
        0x00080018: exact(0x00080018, "UI", uid),
        0x00080023: day(0x00080023, None),
        0x00080033: clock(0x00080033, None),
        0x00080060: element(0x00080060, "CS", b"KO"),
        0x00080090: element(0x00080090, "PN", b""),
        0x00081111: sequence(0x00081111, ()),
        0x0020000D: exact(0x0020000D, "UI", study),
        0x0020000E: exact(0x0020000E, "UI", series),
        0x00200010: element(0x00200010, "SH", b""),
        0x00200011: element(0x00200011, "IS", str(series_number).encode()),
        0x00200013: element(0x00200013, "IS", str(instance_number).encode()),
        0x0040A040: element(0x0040A040, "CS", b"CONTAINER"),
        0x0040A050: element(0x0040A050, "CS", b"SEPARATE"),
        0x0040A504: _TEMPLATE,
    }
    if created is not None:
        found |= moment(0x00080023, 0x00080033, created, offset_minutes or 0)
    if offset_minutes is not None:
        found[0x00080201] = offset(offset_minutes)
    return found


def _evidence(manifest: ImagingManifest) -> bytes:
    """The content of the one study item of (0040,A375)."""
    series = sequence(0x00081115, map(_evidence_series, manifest.series))
    viewer = manifest.viewer_url
    return (
        series
        + exact(0x0020000D, "UI", manifest.study)
        + (exact(0x0040E012, "UR", viewer) if viewer else b"")
    )


def _evidence_series(series: ManifestSeries) -> bytes:
    return b"".join(
        (
            exact(0x00080054, "AE", series.retrieve_ae_title) if series.retrieve_ae_title else b"",
            exact(0x00081190, "UR", series.retrieve_url) if series.retrieve_url else b"",
            element(
                0x00081199,
                "SQ",
                b"".join(_referenced(one.sop_class, one.uid) for one in series.instances),
            ),
            exact(0x0020000E, "UI", series.uid),
            exact(0x0040E011, "UI", series.location) if series.location else b"",
        )
    )


def _evidence_of_images(images: Iterable[InstanceRef], classes: Mapping[Uid, Uid]) -> bytes:
    studies: dict[Uid, dict[Uid, list[Uid]]] = {}
    for ref in images:
        studies.setdefault(ref.study, {}).setdefault(ref.series, []).append(ref.instance)
    return sequence(
        0x0040A375,
        (
            sequence(
                0x00081115,
                (
                    element(
                        0x00081199,
                        "SQ",
                        b"".join(_referenced(classes[one], one) for one in instances),
                    )
                    + exact(0x0020000E, "UI", uid)
                    for uid, instances in of_study.items()
                ),
            )
            + exact(0x0020000D, "UI", study)
            for study, of_study in studies.items()
        ),
    )


def _referenced(sop_class: Uid, instance: Uid) -> bytes:
    """An item with a referenced class and instance."""
    return item(
        element(_REF_CLASS_TAG, "UI", sop_class.encode())
        + element(_REF_INSTANCE_TAG, "UI", instance.encode())
    )


class _Tree:
    """Content items, each as a whole encoded item of a content sequence.

    Every part that repeats per instance is encoded once and kept.
    """

    def __init__(self, schemes: Schemes, *, trial: bool) -> None:
        self._schemes = schemes
        self._table = codes.TRIAL if trial else codes.FINAL
        self._scheme = codes.TRIAL_SCHEME if trial else DCM
        self._starts: dict[tuple[str, str, str], bytes] = {}
        self._types: dict[Uid, str] = {}

    def concept(self, concept: Concept) -> Code:
        """The manifest's own code for a concept, final or trial."""
        return Code(self._table[concept], self._scheme, concept.value)

    def _start(self, relation: str, kind: str, name: Code | None) -> bytes:
        key = (relation, kind, name.value if name else "")
        found = self._starts.get(key)
        if found is None:
            found = element(0x0040A010, "CS", relation.encode()) + element(
                0x0040A040, "CS", kind.encode()
            )
            if name is not None:
                found += sequence(0x0040A043, (self._schemes.code(name),))
            self._starts[key] = found
        return found

    def code(self, name: Code, value: Code | None, *, relation: str = _CONTEXT) -> bytes:
        """A CODE item; b"" without a value. The same holds for the items below."""
        if value is None:
            return b""
        return item(
            self._start(relation, "CODE", name) + sequence(0x0040A168, (self._schemes.code(value),))
        )

    def text(self, name: Code, value: str, *, relation: str = _CONTEXT) -> bytes:
        """A TEXT item."""
        if not value:
            return b""
        return item(self._start(relation, "TEXT", name) + prose(0x0040A160, value))

    def number(self, name: Code, value: int | None, units: Code) -> bytes:
        """A NUM item."""
        if value is None:
            return b""
        measured = sequence(0x004008EA, (self._schemes.code(units),)) + element(
            0x0040A30A, "DS", str(value).encode()
        )
        return item(self._start(_CONTEXT, "NUM", name) + sequence(0x0040A300, (measured,)))

    def reference(self, sop_class: Uid, instance: Uid, descriptors: bytes = b"") -> bytes:
        """A reference to an instance, with its descriptors as children."""
        kind = self._types.get(sop_class)
        if kind is None:
            kind = self._types[sop_class] = codes.value_type(sop_class)
        return item(
            element(0x00081199, "SQ", _referenced(sop_class, instance))
            + self._start(_CONTAINS, kind, None)
            + (element(0x0040A730, "SQ", descriptors) if descriptors else b"")
        )

    def container(self, name: Code, content: bytes) -> bytes:
        """A CONTAINER of separate items."""
        start = self._start(_CONTAINS, "CONTAINER", name)
        return item(
            start + element(0x0040A050, "CS", b"SEPARATE") + element(0x0040A730, "SQ", content)
        )

    def manifest(self, manifest: ImagingManifest) -> bytes:
        """The content sequence of the root: procedures, every instance, the image library."""
        flat = b"".join(
            self.reference(one.sop_class, one.uid)
            for series in manifest.series
            for one in series.instances
        )
        declared = manifest.declared_series
        library = b"".join(
            (
                *(self.code(codes.MODALITY, one) for one in manifest.modalities),
                *(self.code(codes.TARGET_REGION, one) for one in manifest.regions),
                self.number(
                    self.concept(Concept.SERIES_COUNT),
                    len(manifest.series) if declared is None else declared,
                    codes.UNITS_SERIES,
                ),
                *map(self.group, manifest.series),
            )
        )
        procedures = b"".join(
            self.code(codes.PROCEDURE_CODE, one, relation="HAS CONCEPT MOD")
            for one in manifest.procedures
        )
        return element(
            0x0040A730, "SQ", procedures + flat + self.container(codes.IMAGE_LIBRARY, library)
        )

    def group(self, series: ManifestSeries) -> bytes:
        """The image library group of one series."""
        declared = series.declared_instances
        region = self.code(codes.TARGET_REGION, series.region) or self.text(
            codes.TARGET_REGION, series.region_text
        )
        uid_item = item(
            self._start(_CONTEXT, "UIDREF", codes.SERIES_UID) + exact(0x0040A124, "UI", series.uid)
        )
        content = b"".join(
            (
                self.code(codes.MODALITY, series.modality),
                self._moment(Concept.SERIES_DATE, "DATE", 0x0040A121, series.started),
                self._moment(Concept.SERIES_TIME, "TIME", 0x0040A122, series.started_time),
                self.text(self.concept(Concept.SERIES_DESCRIPTION), series.description),
                self.text(codes.SERIES_NUMBER, _digits(series.number)),
                uid_item,
                region,
                self.code(codes.IMAGE_LATERALITY, series.laterality),
                self.number(
                    self.concept(Concept.INSTANCE_COUNT),
                    len(series.instances) if declared is None else declared,
                    codes.UNITS_INSTANCES,
                ),
                *map(self._instance, series.instances),
            )
        )
        return self.container(codes.IMAGE_LIBRARY_GROUP, content)

    def _moment(self, concept: Concept, kind: str, tag: int, value: date | time | None) -> bytes:
        if value is None:
            return b""
        encoded = clock(tag, value) if isinstance(value, time) else day(tag, value)
        return item(self._start(_CONTEXT, kind, self.concept(concept)) + encoded)

    def _instance(self, one: ManifestInstance) -> bytes:
        descriptors = b"".join(
            (
                self.number(codes.NUMBER_OF_FRAMES, one.frames, codes.UNITS_FRAMES),
                self.text(codes.INSTANCE_NUMBER, _digits(one.number)),
                self.code(codes.DOCUMENT_TITLE, one.note_title),
                self.text(codes.KEY_OBJECT_DESCRIPTION, one.note_description),
            )
        )
        return self.reference(one.sop_class, one.uid, descriptors)


def _digits(number: int | None) -> str:
    return "" if number is None else str(number)
