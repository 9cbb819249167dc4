"""What tells one state of a thing from another: entity tags and dates (RFC 9110, 8.8 and 13).

Whether an asker has what there is already. Parts of a body are in `ranges`. A tag goes before a
date, as section 13.2.2 has it; what cannot be read counts as not there.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

# An asker that keeps more states of one thing than this is not waiting for an answer.
MAX_TAGS: Final = 100

_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]{0,256}"')

_SHA256: Final = re.compile(r'"([0-9a-f]{64})"')


def strong_tag(text: str) -> str:
    """The strong tag of what bytes have a digest or a name of their own."""
    return f'"{text}"'


def is_strong(tag: str) -> bool:
    """Whether a tag says that not a byte differs."""
    return not tag.startswith("W/") and _TAG.fullmatch(tag) is not None


def sha256_of_tag(tag: str) -> str:
    """The SHA-256 that a strong tag is, in lower-case hex; "" for a tag that is something else."""
    match = _SHA256.fullmatch(tag)
    return match[1] if match else ""


def unchanged(
    if_none_match: str, if_modified_since: str, *, etag: str = "", modified: datetime | None = None
) -> bool:
    """Whether the asker has this state already, so that 304 is the answer.

    `etag` and `modified` are of what would be sent, "" and None where nothing tells. Tags are
    compared weakly; a star is any state.
    """
    tags = if_none_match.strip()
    if tags:
        known = {tag.removeprefix("W/") for tag in _TAG.findall(tags)[:MAX_TAGS]}
        return tags == "*" or (bool(etag) and etag.removeprefix("W/") in known)
    since = read_http_date(if_modified_since)
    return since is not None and modified is not None and modified.replace(microsecond=0) <= since


def write_http_date(moment: datetime) -> str:
    """A moment as headers have it, in whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def read_http_date(text: str) -> datetime | None:
    """The moment of a header in any of its three old forms, None for what is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
