"""One HTTP request or answer as a value: what taps keep, goldens compare and checks judge.

Large bodies are never values: `body` is the root part (or the whole of a small message), and
each attachment is described by a `PartRecord`, whose bytes lie elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """An attachment that passed: its headers, size, SHA-256, and where its bytes are kept.

    `stored` is a reference the keeper of transcripts understands, "" where nothing is kept.
    """

    headers: tuple[tuple[str, str], ...]
    size_bytes: int
    sha256: str
    stored: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request or an answer but for its attachments: start line, headers in order, root body."""

    start_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name, whatever its case; "" if there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")
