"""What codes are called in the reader's language, and the words of pages about reports.

A small table beside this module (`designations.toml`), in five languages, for the codes that the
seed uses and for every label; not a terminology server. A code it does not know has no
designation, and the page shows the original alone. Clause: guideline, general requirements (people
read their own language and the original side by side).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.domain import Code
from gateway.domain.codes import same_region, same_scheme, true_scheme

TABLE: Final = Path(__file__).with_name("designations.toml")
DEFAULT_LANGUAGE: Final = "en"
_NOT_SCHEMES: Final = frozenset({"languages", "names", "labels"})


class UnknownLanguage(ValueError):
    """A language that the table does not have: says which it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Designations:
    """The words of one language; `language` is its subtag, such as `de`."""

    language: str
    labels: Mapping[str, str]
    names: Mapping[str, str]
    codes: Mapping[tuple[str, str], str]

    def of(self, code: Code) -> str:
        """What a code is called, "" where the table does not know it."""
        for one in (code, *same_region(code)):
            found = self.codes.get((same_scheme(true_scheme(one)), one.value), "")
            if found:
                return found
        return ""

    def name_of(self, tag: str) -> str:
        """What the language of a tag such as `pl-PL` is called, else the tag itself."""
        return self.names.get(subtag(tag), tag)


def subtag(tag: str) -> str:
    """The language of a tag of BCP 47, without region and script."""
    return tag.replace("_", "-").partition("-")[0].lower()


def languages() -> tuple[str, ...]:
    """The languages of the table, the one for those who do not say first."""
    return tuple(_table()["languages"])


@cache
def designations(language: str = DEFAULT_LANGUAGE) -> Designations:
    """The words of a language; `UnknownLanguage` for one the table does not have."""
    known = languages()
    if subtag(language) not in known:
        raise UnknownLanguage(f"found {language[:20]!r}, expected one of: {', '.join(known)}")
    column = known.index(subtag(language))

    def words(rows: Mapping[str, Sequence[str]]) -> dict[str, str]:
        return {key: row[column] for key, row in rows.items()}

    table = _table()
    return Designations(
        language=known[column],
        labels=words(table["labels"]),
        names=words(table["names"]),
        codes={
            (scheme, value): name
            for scheme, rows in table.items()
            if scheme not in _NOT_SCHEMES
            for value, name in words(rows).items()
        },
    )


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))
