"""Why an entry is in an answer or out of it, in words: every filter that limits, one by one.

Not the meaning of filters: that is in `selection`, which is asked about each of them alone. What
is said is for people, and nothing reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.domain.codes import Code, as_region, is_modality
from gateway.domain.documents import DocumentEntry, DocumentQuery
from gateway.domain.ids import ReferenceId, ReferenceKind
from gateway.domain.selection import author_strings, failing
from gateway.domain.times import TimeRange, Timestamp

NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one filter makes of an entry: what it asks for, what the entry has, whether it passes.

    `field` is that of `DocumentQuery`, `filter` what people call it.
    """

    field: str
    filter: str
    passes: bool
    asked: str
    held: str


# --- values ---------------------------------------------------------------------------------------


def _code(code: Code) -> str:
    scheme = f"of {code.scheme}" if code.scheme else "of any scheme"
    return f"{code.value} {scheme}" + (f" ({code.display})" if code.display else "")


def _codes(codes: Iterable[Code]) -> str:
    return " or ".join(_code(code) for code in codes)


def _held_codes(codes: Iterable[Code]) -> str:
    return ", ".join(_code(code) for code in codes if code.value) or NOTHING


def _reference(reference: ReferenceId) -> str:
    authority = {"": "no authority", "%": "any authority"}.get(
        reference.authority, reference.authority
    )
    return f"{reference.value} of {authority}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(sep=" ").replace("+00:00", " UTC")


def _range(limits: TimeRange) -> str:
    start = f"from {_moment(limits.start)}" if limits.start else ""
    end = f"before {_moment(limits.end)}" if limits.end else ""
    return " and ".join(filter(None, (start, end)))


def _time(moment: Timestamp | None) -> str:
    return f"{_moment(moment.at)}, known to the {moment.precision.name.lower()}" if moment else ""


def _unless_unknown(text: str) -> str:
    return text or "none, and what is not known excludes nothing"


# --- filters --------------------------------------------------------------------------------------

_KINDS: dict[str, str] = {
    ReferenceKind.STUDY: "study",
    ReferenceKind.ACCESSION: "accession number",
    ReferenceKind.ORDER: "order",
}


def _event_name(group: Sequence[Code]) -> str:
    if all(is_modality(code) for code in group):
        return "modality"
    return "region" if all(as_region(code) for code in group) else "procedure"


def _reference_name(group: Sequence[ReferenceId]) -> str:
    return " or ".join(dict.fromkeys(_KINDS.get(each.kind, each.kind) for each in group))


def _related(entry: DocumentEntry, group: Sequence[ReferenceId]) -> str:
    kinds = {each.kind for each in group}
    held = [_reference(each) for each in entry.references if each.kind in kinds]
    return ", ".join(held) or NOTHING


_Says = Callable[[DocumentQuery, DocumentEntry], tuple[str, str, str]]
# What people call a filter, what it asks for and what an entry has, by the field of the query.
_SAYS: dict[str, _Says] = {
    "patient": lambda q, e: ("patient", q.patient.cx, e.patient.cx),
    "statuses": lambda q, e: ("status", " or ".join(q.statuses), e.status.value),
    "kinds": lambda q, e: ("kind", " or ".join(q.kinds), e.kind.value),
    "class_codes": lambda q, e: (
        "document class", _codes(q.class_codes), _held_codes((e.class_code,)),
    ),
    "type_codes": lambda q, e: ("type", _codes(q.type_codes), _held_codes((e.type_code,))),
    "format_codes": lambda q, e: ("format", _codes(q.format_codes), _held_codes((e.format_code,))),
    "practice_settings": lambda q, e: (
        "practice setting", _codes(q.practice_settings), _held_codes((e.practice_setting,)),
    ),
    "facility_types": lambda q, e: (
        "facility type", _codes(q.facility_types), _held_codes((e.facility_type,)),
    ),
    "confidentiality": lambda q, e: (
        "confidentiality", _codes(q.confidentiality[0]), _held_codes(e.confidentiality),
    ),
    "event_codes": lambda q, e: (
        _event_name(q.event_codes[0]), _codes(q.event_codes[0]), _held_codes(e.event_codes),
    ),
    "references": lambda q, e: (
        _reference_name(q.references[0]),
        " or ".join(_reference(each) for each in q.references[0]),
        _related(e, q.references[0]),
    ),
    "author_patterns": lambda q, e: (
        "author", " or ".join(q.author_patterns), ", ".join(author_strings(e)) or NOTHING,
    ),
    "created": lambda q, e: ("created", _range(q.created), _time(e.created) or NOTHING),
    "service_start": lambda q, e: (
        "performed", _range(q.service_start), _unless_unknown(_time(e.service_start)),
    ),
    "service_stop": lambda q, e: (
        "ended", _range(q.service_stop), _unless_unknown(_time(e.service_stop)),
    ),
    "max_size_bytes": lambda q, e: (
        "size", f"at most {q.max_size_bytes} bytes",
        _unless_unknown("" if e.size_bytes is None else f"{e.size_bytes} bytes"),
    ),
    "created_after": lambda q, e: (
        "created", f"after {_time(q.created_after)}", _unless_unknown(_time(e.created)),
    ),
    "created_before": lambda q, e: (
        "created", f"before {_time(q.created_before)}", _unless_unknown(_time(e.created)),
    ),
}  # fmt: skip
# Filters that are groups, which all apply: each is judged alone.
_GROUPED = frozenset({"confidentiality", "event_codes", "references"})


def _apart(query: DocumentQuery) -> Iterator[tuple[str, DocumentQuery]]:
    """Every filter of a query as a query of its own."""
    open_to_all = DocumentQuery(patient=query.patient, statuses=(), kinds=())
    for name in _SAYS:
        value: Any = getattr(query, name)
        parts: Iterable[Any] = [(group,) for group in value] if name in _GROUPED else [value]
        for part in parts:
            if name == "patient" or part != getattr(open_to_all, name):
                yield name, replace(open_to_all, **{name: part})


def explain(query: DocumentQuery, entry: DocumentEntry) -> tuple[Judgement, ...]:
    """What every filter of a query makes of an entry, in the order in which they are looked at.

    It is in the answer when all of them pass.
    """
    found = []
    for field, alone in _apart(query):
        name, asked, held = _SAYS[field](alone, entry)
        found.append(
            Judgement(
                field=field,
                filter=name,
                passes=field not in failing(alone, entry),
                asked=asked or NOTHING,
                held=held,
            )
        )
    return tuple(found)
