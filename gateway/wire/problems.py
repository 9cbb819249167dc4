"""What a codec says when it cannot go on.

A codec fails only when it cannot go on; every lesser departure is somebody else's judgement.
A server turns a `DecodeError` into a refusal of the request, a client into `PeerMisbehaved`:
blame follows the direction of the bytes.
"""

from __future__ import annotations

QUERY_SIZE = "query.size"
"""The place of a query string that is too long, whatever it asks."""


class DecodeError(Exception):
    """Bytes that cannot be read: where, what was found, what was expected, by which rule."""

    def __init__(self, where: str, found: str, expected: str, rule: str = "") -> None:
        text = f"{where}: found {found}, expected {expected}"
        super().__init__(f"{text} ({rule})" if rule else text)
        self.where = where
        self.found = found
        self.expected = expected
        self.rule = rule


class EncodeError(Exception):
    """A noun that the wire cannot carry, and why."""
