"""The spelling of a search over DICOMweb: its path, the attributes it names, the answer's shape.

Not what a value matches (`qido_matching`) nor what it means for a study (`qido_query`). An
attribute is a keyword, a tag of eight hexadecimal digits, or several with dots, of which all but
the last are sequences; named twice, in whatever spelling, it is an error, because the standard
gives no meaning to it. The parameters that shape an answer may be in any case. Clauses: PS3.18
8.3.4 (query parameters), 10.6.1.1 (resources of a search).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import tag_for_keyword

from gateway.domain import Refusal, Uid, refuse
from gateway.wire.dicom.qido_attributes import Level, Path, vr_of
from gateway.wire.dicom.qido_matching import uid_of
from gateway.wire.dicom.web import path_segments, query_parameters
from gateway.wire.problems import DecodeError

# Answers one search may have, unless the server sets less: what a person looks through, and twice
# the instances of a usual study.
MAX_RESULTS: Final = 5_000
MAX_OFFSET_DIGITS: Final = 9
MAX_DEPTH: Final = 8  # attributes on a path; the deepest that anybody searches by has three

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_RULE: Final = "PS3.18 8.3.4"
_FLAGS: Final = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_NUMBERS: Final = ("limit", "offset")
_INCLUDE, _ALL = "includefield", "all"
# Of the message, not of the search; whoever negotiates has read them.
_OF_MESSAGE: Final = frozenset({"accept", "charset"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchScope:
    """What a path searches for, and within which study or series; "/studies" is all of them."""

    level: Level
    study: Uid | None = None
    series: Uid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameters:
    """A query string taken apart.

    `keys` are the values to match by the path of their attribute, decoded and otherwise as
    written. `includes` are the first attributes of what is to be answered beside the usual,
    `include_all` asks for everything. `limit` is None where none is given.
    """

    keys: Mapping[Path, str]
    includes: tuple[int, ...] = ()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    empty: bool = False
    lists: bool = False


# The words of a path, UIDs in place of None.
_SCOPES: Final[dict[tuple[str | None, ...], Level]] = {
    ("studies",): Level.STUDY,
    ("series",): Level.SERIES,
    ("instances",): Level.INSTANCE,
    ("studies", None, "series"): Level.SERIES,
    ("studies", None, "instances"): Level.INSTANCE,
    ("studies", None, "series", None, "instances"): Level.INSTANCE,
}


def read_scope(path: str) -> SearchScope:
    """What a raw path below the base of a DICOMweb service searches for.

    Slashes at the end and doubled ones do not count, `study` passes for `studies` before a UID.
    Refuses with `Refusal.UNSUPPORTED` what is no resource of a search; `DecodeError` for a UID or
    an escape that is none.
    """
    segments = path_segments(path)
    words = list(segments)
    if len(words) > 1 and words[0] == "study":
        words[0] = "studies"
    for shape, level in _SCOPES.items():
        if len(words) == len(shape) and all(
            wanted in (None, word) for wanted, word in zip(shape, words, strict=True)
        ):
            return SearchScope(
                level=level,
                study=uid_of(words[1], "path, study") if len(words) > 2 else None,
                series=uid_of(words[3], "path, series") if len(words) > 4 else None,
            )
    shown = "/".join(segments)[:120]
    raise refuse(Refusal.UNSUPPORTED, f"/{shown} is not searched", subject="path")


def read_attribute(name: str, where: str) -> Path:
    """The path of an attribute by keyword, by tag, or both with dots; `DecodeError` for no such."""
    words = name.split(".")
    if len(words) > MAX_DEPTH:
        raise DecodeError(where, f"{len(words)} attributes", f"at most {MAX_DEPTH}", _RULE)
    path = tuple(_tag(word, where) for word in words)
    if any(vr_of(tag) != "SQ" for tag in path[:-1]):
        raise DecodeError(where, repr(name[:80]), "sequences before the last dot", _RULE)
    return path


def _tag(word: str, where: str) -> int:
    if _TAG.fullmatch(word):
        return int(word, 16)
    tag = tag_for_keyword(word) if word else None
    if tag is None:
        expected = "a keyword of DICOM, a tag of eight hexadecimal digits, or a known parameter"
        raise DecodeError(where, repr(word[:80]), expected, _RULE)
    return int(tag)


def read_parameters(raw: str) -> SearchParameters:
    """The parameters of a raw query string; `DecodeError` for what is unknown or given twice."""
    keys: dict[Path, str] = {}
    shaping: dict[str, str] = {}
    includes: dict[int, None] = {}
    include_all = False
    # Forms write a space so; a plus that is meant comes as an escape.
    for name, value in query_parameters(raw.replace("+", "%20")):
        lower = name.lower()
        if lower == _INCLUDE:
            words = [word.strip() for word in value.split(",") if word.strip()]
            include_all = include_all or _ALL in words
            paths = [read_attribute(word, "query, includefield") for word in words if word != _ALL]
            includes.update((path[0], None) for path in paths)
        elif lower in _FLAGS or lower in _NUMBERS:
            if lower in shaping:
                raise DecodeError(f"query, {lower}", "it twice", "it once", _RULE)
            shaping[lower] = value.strip()
        elif lower not in _OF_MESSAGE:
            path = read_attribute(name, "query")
            if path in keys:
                raise DecodeError(f"query, {name[:80]}", "the attribute twice", "it once", _RULE)
            keys[path] = value
    flags = [_flag(shaping.get(name, ""), name) for name in _FLAGS]
    limit, offset = (_count(shaping.get(name, ""), name) for name in _NUMBERS)
    return SearchParameters(
        keys=keys,
        includes=tuple(includes),
        include_all=include_all,
        limit=limit,
        offset=offset or 0,
        fuzzy=flags[0],
        empty=flags[1],
        lists=flags[2],
    )


def _flag(text: str, name: str) -> bool:
    if text.lower() not in ("", "true", "false"):
        raise DecodeError(f"query, {name}", repr(text[:40]), "true or false", _RULE)
    return text.lower() == "true"


def _count(text: str, name: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_OFFSET_DIGITS):
        raise DecodeError(f"query, {name}", repr(text[:40]), "a number from 0", _RULE)
    return int(text)
