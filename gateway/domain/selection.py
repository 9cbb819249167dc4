"""What a filter means, once: used by the registry that answers and the portal that asks.

Filters follow ITI TF-2 3.18.4.1.2.3.5 (alternatives within a parameter, groups combine) and
the guideline's Article 10. Sorting is total: equal keys fall back to the entry id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

from gateway.domain.codes import Code, DocumentClass
from gateway.domain.documents import DocumentEntry, DocumentQuery
from gateway.domain.ids import ReferenceId
from gateway.domain.manifests import ManifestEncoding
from gateway.domain.times import Timestamp


@lru_cache(maxsize=256)
def _like(pattern: str) -> re.Pattern[str]:
    # SQL LIKE of the stored queries: % any run, _ any one character.
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c) or re.escape(c) for c in pattern), re.DOTALL)


def matches_pattern(pattern: str, text: str) -> bool:
    """Whether a text fits a LIKE pattern with the wildcards % and _."""
    return _like(pattern).fullmatch(text) is not None


def matches_reference(wanted: ReferenceId, held: ReferenceId) -> bool:
    """Whether a wanted reference, wildcards in value and authority allowed, names the held one."""
    return (
        wanted.kind == held.kind
        and matches_pattern(wanted.value, held.value)
        and matches_pattern(wanted.authority, held.authority)
    )


def _any_code(wanted: Sequence[Code], held: Iterable[Code]) -> bool:
    return any(want.asks_for(code) for code in held for want in wanted)


def author_strings(entry: DocumentEntry) -> tuple[str, ...]:
    """The authors as the XCN strings that an author pattern is compared with."""
    strings = []
    for author in entry.authors:
        if author.name is None and not author.id:
            continue
        family = author.name.family if author.name else ""
        given = author.name.given[0] if author.name and author.name.given else ""
        further = " ".join(author.name.given[1:]) if author.name else ""
        prefix = author.name.prefix if author.name else ""
        suffix = author.name.suffix if author.name else ""
        authority = f"&{author.id_authority}&ISO" if author.id_authority else ""
        text = "^".join((author.id, family, given, further, suffix, prefix, "", "", authority))
        strings.append(text.rstrip("^"))
    return tuple(strings)


def _in_groups(groups: Sequence[Sequence[Code]], held: Sequence[Code]) -> bool:
    return all(_any_code(group, held) for group in groups)


def _is_related(query: DocumentQuery, entry: DocumentEntry) -> bool:
    return all(
        any(matches_reference(want, held) for want in group for held in entry.references)
        for group in query.references
    )


def _is_by(query: DocumentQuery, entry: DocumentEntry) -> bool:
    return not query.author_patterns or any(
        matches_pattern(pattern, text)
        for pattern in query.author_patterns
        for text in author_strings(entry)
    )


def _is_small_enough(query: DocumentQuery, entry: DocumentEntry) -> bool:
    most, size = query.max_size_bytes, entry.size_bytes
    return most is None or size is None or size <= most


_Test = Callable[[DocumentQuery, DocumentEntry], bool]
# Whether an entry passes a filter, by the field of the query, in the order they are looked at.
_TESTS: dict[str, _Test] = {
    "patient": lambda q, e: q.patient == e.patient,
    "statuses": lambda q, e: not q.statuses or e.status in q.statuses,
    "kinds": lambda q, e: not q.kinds or e.kind in q.kinds,
    "class_codes": lambda q, e: not q.class_codes or _any_code(q.class_codes, (e.class_code,)),
    "type_codes": lambda q, e: not q.type_codes or _any_code(q.type_codes, (e.type_code,)),
    "format_codes": lambda q, e: not q.format_codes or _any_code(q.format_codes, (e.format_code,)),
    "practice_settings": lambda q, e: (
        not q.practice_settings or _any_code(q.practice_settings, (e.practice_setting,))
    ),
    "facility_types": lambda q, e: (
        not q.facility_types or _any_code(q.facility_types, (e.facility_type,))
    ),
    "confidentiality": lambda q, e: _in_groups(q.confidentiality, e.confidentiality),
    "event_codes": lambda q, e: _in_groups(q.event_codes, e.event_codes),
    "references": _is_related,
    "author_patterns": _is_by,
    # An unknown creation time fails a range of them, unlike every other unknown.
    "created": lambda q, e: (
        q.created.is_open or (e.created is not None and q.created.contains(e.created))
    ),
    "service_start": lambda q, e: q.service_start.contains(e.service_start),
    "service_stop": lambda q, e: q.service_stop.contains(e.service_stop),
    "max_size_bytes": _is_small_enough,
    "created_after": lambda q, e: (
        q.created_after is None or e.created is None or e.created.at > q.created_after.at
    ),
    "created_before": lambda q, e: (
        q.created_before is None or e.created is None or e.created.at < q.created_before.at
    ),
}


def failing(query: DocumentQuery, entry: DocumentEntry) -> tuple[str, ...]:
    """The filters an entry fails, by their field names in `DocumentQuery`; () if it is in."""
    return tuple(name for name, passes in _TESTS.items() if not passes(query, entry))


def why_not(query: DocumentQuery, entry: DocumentEntry) -> str:
    """The first filter an entry fails, by its field name in `DocumentQuery`; "" if it is in."""
    return next((name for name, passes in _TESTS.items() if not passes(query, entry)), "")


def matches(query: DocumentQuery, entry: DocumentEntry) -> bool:
    """Whether an entry satisfies every filter of a query."""
    return all(passes(query, entry) for passes in _TESTS.values())


def select(query: DocumentQuery, entries: Iterable[DocumentEntry]) -> tuple[DocumentEntry, ...]:
    """The entries a query asks for, in the order answers are given: newest study first."""
    return order((e for e in entries if matches(query, e)), SortKey.DATE, descending=True)


class SortKey(StrEnum):
    """What a list can be sorted and grouped by (guideline Art. 10)."""

    DATE = "date"
    CREATED = "created"
    CLASS = "class"
    MODALITY = "modality"
    REGION = "region"
    PROCEDURE = "procedure"
    STUDY = "study"
    AUTHOR = "author"
    TITLE = "title"
    SIZE = "size"


_FHIR = "application/fhir"


def document_class(entry: DocumentEntry) -> DocumentClass:
    """What a row is, from format and type together: LOINC 18748-4 alone means both (MADO O-5)."""
    kos = entry.format_code.value == "1.2.840.10008.5.1.4.1.1.88.59"
    if kos or "MADO" in entry.format_code.value or entry.mime_type == "application/dicom":
        return DocumentClass.MANIFEST
    if entry.mime_type.startswith(_FHIR) and entry.type_code.value == "18748-4":
        # Peers name a profile of theirs as the format; a report in FHIR has another type.
        return DocumentClass.MANIFEST
    if entry.type_code.value in {"85430-7", "18748-4"} or entry.class_code.value in {
        "REPORTS",
        "18748-4",
    }:
        return DocumentClass.REPORT
    return DocumentClass.OTHER


def manifest_encoding(entry: DocumentEntry) -> ManifestEncoding | None:
    """In which form the manifest of a row is, by its MIME type and format; None of other rows."""
    if document_class(entry) is not DocumentClass.MANIFEST:
        return None
    is_fhir = entry.mime_type.startswith(_FHIR) or "MADO" in entry.format_code.value
    return ManifestEncoding.FHIR if is_fhir else ManifestEncoding.KOS


def _label(codes: Sequence[Code]) -> str:
    return ", ".join(sorted(code.display or code.value for code in codes))


def _author(entry: DocumentEntry) -> str:
    for author in entry.authors:
        if author.institutions:
            return author.institutions[0].name
        if author.name:
            return author.name.full
    return ""


def chronological(moment: Timestamp | None) -> str:
    """A moment as text that sorts by time, "" of an unknown one.

    By its start and not by how precisely it is known: FHIR has no hours and minutes without
    seconds, and the same row must stand at the same place whichever way it came.
    """
    return "" if moment is None else Timestamp(moment.at).dtm


_KEYS: dict[SortKey, Callable[[DocumentEntry], str]] = {
    SortKey.DATE: lambda e: chronological(e.service_start),
    SortKey.CREATED: lambda e: chronological(e.created),
    SortKey.CLASS: lambda e: document_class(e).value,
    SortKey.MODALITY: lambda e: ", ".join(sorted(code.value for code in e.modalities)),
    SortKey.REGION: lambda e: _label(e.regions),
    SortKey.PROCEDURE: lambda e: _label(e.procedures),
    SortKey.STUDY: lambda e: ", ".join(e.studies),
    SortKey.AUTHOR: _author,
    SortKey.TITLE: lambda e: e.title,
    SortKey.SIZE: lambda e: str(e.size_bytes or 0).zfill(20),
}


def order(
    entries: Iterable[DocumentEntry], key: SortKey, *, descending: bool = False
) -> tuple[DocumentEntry, ...]:
    """Entries sorted by a key; ties by entry id, so that two answers agree."""
    by_id = sorted(entries, key=lambda entry: entry.id)
    return tuple(sorted(by_id, key=_KEYS[key], reverse=descending))


def group(
    entries: Iterable[DocumentEntry], key: SortKey
) -> tuple[tuple[str, tuple[DocumentEntry, ...]], ...]:
    """Entries under their group labels, groups in label order, rows as they came."""
    groups: dict[str, list[DocumentEntry]] = {}
    for entry in entries:
        label = _KEYS[key](entry)
        groups.setdefault(label[:4] if key in _YEARLY else label, []).append(entry)
    return tuple((label, tuple(rows)) for label, rows in sorted(groups.items()))


_YEARLY = frozenset({SortKey.DATE, SortKey.CREATED})


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def search(entries: Iterable[DocumentEntry], words: str) -> tuple[DocumentEntry, ...]:
    """Entries that hold every word somewhere in what a row shows; case and accents are ignored."""
    wanted = _fold(words).split()
    found = []
    for entry in entries:
        codes = (entry.class_code, entry.type_code, *entry.event_codes)
        haystack = _fold(
            "\n".join(
                (
                    entry.title,
                    entry.comments,
                    *(f"{code.value} {code.display}" for code in codes),
                    *(reference.value for reference in entry.references),
                    *author_strings(entry),
                    *(org.name for author in entry.authors for org in author.institutions),
                    str(entry.ref.document),
                )
            )
        )
        if all(word in haystack for word in wanted):
            found.append(entry)
    return tuple(found)
