"""Whether the scope of a token covers an interaction.

Two vocabularies say the same. IUA names the transaction: `ITI-67`. SMART names the resource and
what may be done with it, in version 2 by letters (create, read, update, delete, search):
`system/DocumentReference.rs`, in version 1 by words: `system/DocumentReference.read`, which means
reading and searching both. `search` as a word of its own is the EU Health Data API's.

An interaction is described by every scope of which one is enough: `{"ITI-67",
"system/DocumentReference.s"}`. A scope narrowed by a query (`….rs?category=…`) covers nothing,
because the query is not evaluated. IHE ITI IUA 3.71.4.1.2.1; SMART App Launch 2.2, 1.0.0.
"""

from __future__ import annotations

import re

_SMART = re.compile(r"(?P<level>system|user|patient)/(?P<type>\*|[A-Za-z]+)\.(?P<rights>\*|[a-z]+)")
_LETTERS = re.compile(r"c?r?u?d?s?")
_WORDS = {"read": "rs", "write": "cud", "search": "s", "*": "cruds"}


def covers(granted: str, needed: frozenset[str]) -> bool:
    """Whether a scope text grants one of the needed scopes; none needed is never granted.

    `granted` is the claim as it came: names with spaces between them (RFC 6749 section 3.3).
    """
    return any(_grants(name, wanted) for name in granted.split() for wanted in needed)


def _grants(name: str, wanted: str) -> bool:
    if name == wanted:
        return True
    have, want = _SMART.fullmatch(name), _SMART.fullmatch(wanted)
    if have is None or want is None:
        return False
    rights, wishes = _rights(have["rights"]), _rights(want["rights"])
    return (
        have["level"] == want["level"]
        and have["type"] in ("*", want["type"])
        and bool(wishes)
        and wishes <= rights
    )


def _rights(text: str) -> set[str]:
    if text in _WORDS:
        return set(_WORDS[text])
    return set(text) if _LETTERS.fullmatch(text) else set()
