"""What a row says of a message of another project, and how that is compared with what was read.

A row is written from the file and its clauses, not from what our readers make of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.domain import (
    CommunityId,
    DocumentRef,
    ExchangeError,
    Issue,
    Outcome,
    Refusal,
    Severity,
)
from gateway.wire.soap import xca_retrieve
from gateway.wire.soap.envelope import read_envelope
from gateway.wire.xml import SOAP, Element, parse_xml

ASKED = CommunityId("2.999.77")  # whom a request went to, for answers that name no community
GERMANY = CommunityId("1.2.276.0.76.4.291")
ERROR, WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The reader refuses: the reason, what it is about, the peer's code, some words of the text."""

    refusal: Refusal
    subject: str = ""
    code: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Said:
    """An issue: severity, the peer's code, what it is about, some words of the text."""

    severity: Severity
    code: str = ""
    subject: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """An answer with documents: (names, type, size, first bytes), and what is said beside them."""

    documents: tuple[tuple[DocumentRef, str, int, bytes], ...] = ()
    said: tuple[Said, ...] = ()


def body_of(path: Path) -> Element:
    """The body child of a file that holds an envelope, or the file's own root."""
    data = path.read_bytes()
    root = parse_xml(data)
    return read_envelope(data).body if root.tag == f"{{{SOAP}}}Envelope" else root


def assert_said(issues: tuple[Issue, ...], expected: tuple[Said, ...]) -> None:
    """The issues are those of the row, in order."""
    assert [(issue.severity, issue.code, issue.subject) for issue in issues] == [
        (said.severity, said.code, said.subject) for said in expected
    ]
    for issue, said in zip(issues, expected, strict=True):
        assert said.words in issue.text


def assert_refused(error: ExchangeError, expected: Refused) -> None:
    """The refusal is that of the row."""
    assert error.refusal is expected.refusal
    assert error.subject == expected.subject
    assert error.code == expected.code
    assert expected.words in error.text


def assert_parts(outcome: Outcome[xca_retrieve.RetrievedPart], expected: Parts) -> None:
    """The documents and issues are those of the row."""
    found = [(part.ref, part.mime_type, len(part.data)) for part in outcome.items]
    assert found == [document[:3] for document in expected.documents]
    for part, document in zip(outcome.items, expected.documents, strict=True):
        assert part.data.startswith(document[3])
        assert part.cid == ""
    assert_said(outcome.issues, expected.said)
