"""The list as it is shown: one row a study, whatever the number of its documents, and one a report.

The two encodings of a manifest are one row: they name the same study, or the FHIR document names
the key object selection it transforms. The preferred one comes first.

Rows carry every value of the guideline's Article 10 and link reports and studies both ways by the
identifiers they share (study, accession number, order). Sorting, grouping and searching are those
of `domain.selection`; nothing is asked of the other country for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from country_b.stored import pack
from gateway.domain import (
    Code,
    DocumentClass,
    DocumentEntry,
    ImagingManifest,
    ManifestEncoding,
    Precision,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.selection import (
    SortKey,
    document_class,
    group,
    manifest_encoding,
    order,
    search,
)

_LINKING = (ReferenceKind.STUDY, ReferenceKind.ACCESSION, ReferenceKind.ORDER)
_DATE_LENGTH = {Precision.YEAR: 4, Precision.MONTH: 7, Precision.DAY: 10}


@dataclass(slots=True)
class _Row:
    kind: DocumentClass
    entries: list[DocumentEntry] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.entries[0].ref.document)

    def links(self) -> frozenset[tuple[str, str, str]]:
        return frozenset(
            (reference.kind, reference.value, reference.authority)
            for entry in self.entries
            for kind in _LINKING
            for reference in entry.referenced(kind)
        )


def _rows(entries: Iterable[DocumentEntry], form: ManifestEncoding) -> list[_Row]:
    """Entries as rows, in the order of the first entry of each row.

    Inside a row the encoding that is preferred comes first.
    """
    rows: dict[tuple[str, ...], _Row] = {}
    for entry in entries:
        kind = document_class(entry)
        key: tuple[str, ...] = ("entry", entry.id)
        if kind is DocumentClass.MANIFEST:
            twins = [reference.value for reference in entry.referenced(ReferenceKind.UNIQUE_ID)]
            key = ("manifest", (twins or [str(entry.ref.document)])[0])
            if entry.studies:
                key = ("study", *sorted(entry.studies))
        rows.setdefault(key, _Row(kind)).entries.append(entry)
    for row in rows.values():
        row.entries.sort(key=lambda entry: manifest_encoding(entry) is not form)
    return list(rows.values())


def in_form(
    entries: Sequence[DocumentEntry], study: Uid, form: ManifestEncoding
) -> DocumentEntry | None:
    """The manifest of a study among the entries of a list, in an encoding or else in the other."""
    for row in _rows(entries, form):
        if row.kind is DocumentClass.MANIFEST and study in row.entries[0].studies:
            return row.entries[0]
    return None


def present(
    entries: Sequence[DocumentEntry],
    *,
    country: str,
    sort: SortKey = SortKey.DATE,
    descending: bool = True,
    group_by: SortKey | None = None,
    words: str = "",
    form: ManifestEncoding = ManifestEncoding.KOS,
    viewer: bool = False,
) -> dict[str, Any]:
    """Rows, and groups of row ids where wanted. `country` is where the documents come from.

    A search shows the whole row of what it finds. `form` is the encoding of a manifest that comes
    first, and gives its row the id. `viewer` is whether that country's viewer can be opened for the
    studies of a row.
    """
    # Links are those of the whole list: a search must not make a report look unlinked.
    everything = _rows(order(entries, sort, descending=descending), form)
    by_link: dict[tuple[str, str, str], list[_Row]] = {}
    for row in everything:
        for link in row.links():
            by_link.setdefault(link, []).append(row)

    found = {entry.id for entry in search(entries, words)}
    shown = [row for row in everything if any(entry.id in found for entry in row.entries)]
    answer: dict[str, Any] = {
        "rows": [_row_view(row, by_link, country, viewer=viewer) for row in shown],
        "documents": sum(len(row.entries) for row in shown),
    }
    if group_by is not None:
        answer["groups"] = _groups(shown, group_by)
    return answer


def _groups(rows: Sequence[_Row], key: SortKey) -> list[dict[str, Any]]:
    by_entry = {row.entries[0].id: row.id for row in rows}
    return [
        {"label": label, "rows": [by_entry[entry.id] for entry in members]}
        for label, members in group((row.entries[0] for row in rows), key)
    ]


def _row_view(
    row: _Row, by_link: dict[tuple[str, str, str], list[_Row]], country: str, *, viewer: bool
) -> dict[str, Any]:
    entries, first = row.entries, row.entries[0]
    linked = {
        other.id: other.kind
        for link in sorted(row.links())
        for other in by_link.get(link, [])
        if other.id != row.id
    }
    author, organisation = _author(first)
    return {
        "id": row.id,
        "document_class": row.kind.value,
        "title": first.title,
        "modalities": _codes(code for entry in entries for code in entry.modalities),
        "performed": moment(first.service_start),
        "regions": _codes(code for entry in entries for code in entry.regions),
        "procedures": _codes(code for entry in entries for code in entry.procedures),
        "studies": _references(entries, ReferenceKind.STUDY, values=True),
        "viewer": viewer and any(entry.studies for entry in entries),
        "accessions": _references(entries, ReferenceKind.ACCESSION),
        "orders": _references(entries, ReferenceKind.ORDER),
        "documents": [_document_view(entry) for entry in entries],
        "author": author,
        "organisation": organisation,
        "country": country,
        "reports": [name for name, kind in linked.items() if kind is DocumentClass.REPORT],
        "images": [name for name, kind in linked.items() if kind is DocumentClass.MANIFEST],
    }


def _document_view(entry: DocumentEntry) -> dict[str, Any]:
    return {
        "id": str(entry.ref.document),
        "entry": str(entry.id),
        "form": form.value if (form := manifest_encoding(entry)) is not None else "",
        "format": code_view(entry.format_code),
        "type": code_view(entry.type_code),
        "class": code_view(entry.class_code),
        "mime_type": entry.mime_type,
        "size_bytes": entry.size_bytes,
        "sha1": entry.sha1,
        "version": entry.version,
        "status": entry.status.value,
        "created": moment(entry.created),
        "language": entry.language,
        "confidentiality": [code_view(code) for code in entry.confidentiality],
    }


def _author(entry: DocumentEntry) -> tuple[str, str]:
    names = [author.name.full for author in entry.authors if author.name is not None]
    places = [place.name for author in entry.authors for place in author.institutions]
    return (names[0] if names else ""), (places[0] if places else "")


def _codes(codes: Iterable[Code]) -> list[dict[str, str]]:
    return [code_view(code) for code in dict.fromkeys(codes)]


def code_view(code: Code) -> dict[str, str]:
    """A code as the API shows it."""
    return {"value": code.value, "scheme": code.scheme, "display": code.display}


def _references(
    entries: Iterable[DocumentEntry], kind: ReferenceKind, *, values: bool = False
) -> list[Any]:
    found = dict.fromkeys(reference for entry in entries for reference in entry.referenced(kind))
    if values:
        return list(dict.fromkeys(reference.value for reference in found))
    return [{"value": reference.value, "authority": reference.authority} for reference in found]


def moment(timestamp: Timestamp | None) -> str:
    """A moment in ISO 8601 with the digits that are known; "" when it is not."""
    if timestamp is None:
        return ""
    length = _DATE_LENGTH.get(timestamp.precision)
    if length is not None:
        return timestamp.at.date().isoformat()[:length]
    return timestamp.at.strftime("%Y-%m-%dT%H:%M:%SZ")


def manifest_view(manifest: ImagingManifest) -> dict[str, Any]:
    """What a study is made of, for choosing series before images are fetched."""
    return {
        "study": str(manifest.study),
        "form": manifest.form.value,
        "description": manifest.study_description,
        "performed": "" if manifest.study_date is None else manifest.study_date.isoformat(),
        "accession": manifest.accession,
        "modalities": _codes(manifest.modalities),
        "regions": _codes(manifest.regions),
        "instances": manifest.instance_count,
        "key_image_notes": len(manifest.notes()),
        "series": [
            {
                "uid": str(series.uid),
                "number": series.number,
                "modality": "" if series.modality is None else series.modality.value,
                "description": series.description,
                "region": pack(series.region),
                "instances": len(series.instances),
            }
            for series in manifest.series
        ],
    }
