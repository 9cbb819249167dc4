"""Which elements of the guideline's data sets a file carries: for `ncpeh coverage`.

A file is told by its first bytes, read by the codec of its form, and asked element by element
(`domain/report_elements.py`, `domain/manifest_elements.py`). Not a validator. A PDF is for people:
of it only the presented form counts, whatever its pages say. What no codec reads raises
`DecodeError`, which says what the file seems to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain import (
    MANIFEST_ELEMENTS,
    REPORT_ELEMENTS,
    Carried,
    ImagingManifest,
    ImagingReport,
)
from gateway.wire.cda import report as cda
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.fhir.manifest_read import decode_manifest as fhir_manifest
from gateway.wire.fhir.report_read import read_document, read_report
from gateway.wire.fhir.report_releases import release_of
from gateway.wire.fhir.resources import Format, Json, objects_at
from gateway.wire.problems import DecodeError
from gateway.wire.xml import HL7, parse_xml, quoted, tag_of

MAX_FILE_BYTES: Final = 256 * 1024 * 1024  # twice what the largest of the codecs reads

_PREAMBLE: Final = 128  # bytes before DICM (DICOM PS3.10 7.1)
_EXPECTED: Final = "a report (FHIR, CDA or PDF) or a manifest (key object selection or FHIR)"
_PRESENTED: Final = "A.8.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredElement:
    """An element, how it is carried, and what is to be said of it, "" where nothing is."""

    id: str
    title: str
    carried: Carried
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a file is, and every element of its data set."""

    form: str
    elements: tuple[CoveredElement, ...]

    def count(self, carried: Carried) -> int:
        """How many elements are carried in a way."""
        return sum(one.carried is carried for one in self.elements)

    def lines(self) -> Iterator[str]:
        """The table for people: what it is, a line an element, and the sum."""
        yield self.form
        width = max(len(way) for way in Carried)
        for one in self.elements:
            note = f" ({one.note})" if one.note else ""
            yield f"{one.id:<10} {one.carried.value:<{width}}  {one.title}{note}"
        sums = (f"{self.count(way)} {way.value}" for way in Carried if self.count(way))
        yield f"{len(self.elements)} elements: {', '.join(sums)}"


def coverage_of(data: bytes) -> Coverage:
    """What the bytes of a file carry; `DecodeError` for what is no report and no manifest."""
    for recognises, read in _FORMS:
        if recognises(data):
            return read(data)
    found = quoted(data[:16].decode("latin-1")) if data else "nothing"
    raise DecodeError("file", found, _EXPECTED)


def of_report(report: ImagingReport, form: str) -> Coverage:
    """What a report carries."""
    return Coverage(
        form=form,
        elements=tuple(
            CoveredElement(id=one.id, title=one.title, carried=one.carried(report))
            for one in REPORT_ELEMENTS
        ),
    )


def of_manifest(manifest: ImagingManifest, form: str) -> Coverage:
    """What a manifest carries, and of its gaps whether what stands in for them is there."""
    elements = []
    for one in MANIFEST_ELEMENTS:
        way, note = one.carried(manifest), ""
        if way is Carried.GAP:
            there = "is there" if one.has_substitute(manifest) else "is not there"
            note = f"{one.substitute} {there}"
        elements.append(CoveredElement(id=one.id, title=one.title, carried=way, note=note))
    return Coverage(form=form, elements=tuple(elements))


# --- the forms ------------------------------------------------------------------------------------


def _pdf(_data: bytes) -> Coverage:
    return Coverage(
        form="Report: PDF",
        elements=tuple(
            CoveredElement(
                id=one.id,
                title=one.title,
                carried=Carried.CODED if one.id == _PRESENTED else Carried.ABSENT,
            )
            for one in REPORT_ELEMENTS
        ),
    )


def _dicom(data: bytes) -> Coverage:
    (manifest,) = decode_manifest(data).items
    return of_manifest(manifest, f"Manifest: key object selection, {manifest.form.value}")


def _json(data: bytes) -> Coverage:
    return _fhir(data, Format.JSON)


def _xml(data: bytes) -> Coverage:
    root = parse_xml(data, where="file", large_text=True)
    if tag_of(root) == f"{{{HL7}}}ClinicalDocument":
        return of_report(cda.decode_report(data), "Report: CDA")
    return _fhir(data, Format.XML)


def _fhir(data: bytes, format: Format) -> Coverage:
    bundle = read_document(data, format)
    if _is_manifest(bundle):
        (manifest,) = fhir_manifest(bundle, where="document").items
        return of_manifest(manifest, f"Manifest: FHIR document, {format.value.upper()}")
    release = release_of(bundle)
    form = f"Report: FHIR {release.name}, {format.value.upper()}"
    return of_report(read_report(bundle, "document"), form)


def _is_manifest(bundle: Json) -> bool:
    """Whether a document is about a study and reports nothing of it."""
    kinds = {
        resource.get("resourceType")
        for entry in objects_at(bundle, "entry", "document")
        if isinstance(resource := entry.get("resource"), dict)
    }
    return "ImagingStudy" in kinds and "DiagnosticReport" not in kinds


_Recognises = Callable[[bytes], bool]
_MARKS: Final = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, white space
# In this order: the first form whose mark is there.
_FORMS: Final[tuple[tuple[_Recognises, Callable[[bytes], Coverage]], ...]] = (
    (lambda data: data.startswith(b"%PDF"), _pdf),
    (lambda data: data[_PREAMBLE : _PREAMBLE + 4] == b"DICM", _dicom),
    (lambda data: data[:64].lstrip(_MARKS).startswith(b"{"), _json),
    (lambda data: data[:64].lstrip(_MARKS).startswith(b"<"), _xml),
)
