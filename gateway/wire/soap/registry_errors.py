"""How an ebXML answer says how it went: its status and its RegistryErrorList.

Shared by the answers of ITI-38, ITI-39, RAD-75 and RAD-69. Which code says which refusal is
decided in `refusals`; this module writes and reads the elements. Clauses: ITI TF-3 4.2.4, rs.xsd.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from gateway.domain import (
    CommunityId,
    ExchangeError,
    Issue,
    Outcome,
    Refusal,
    Severity,
    Transaction,
    refuse,
)
from gateway.wire.soap.foreign_codes import refusal_of_code
from gateway.wire.soap.refusals import ErrorStyle, registry_error_code, registry_severity
from gateway.wire.xml import RS, Element, escape_attr, legal_text

T = TypeVar("T")

MAX_TEXT = 1024  # an error text may repeat what a peer sent; it is for people to read
MAX_ISSUES = 10_000  # more errors in one answer tell nobody anything

REGISTRY_RESPONSE = f"{{{RS}}}RegistryResponse"
ERROR_LIST = f"{{{RS}}}RegistryErrorList"
ERROR = f"{{{RS}}}RegistryError"

_SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"
_SEVERITY_URNS = {Severity.ERROR: _SEVERITY + "Error", Severity.WARNING: _SEVERITY + "Warning"}
# What names a thing at the start of an error text: an OID, with or without an extension, or a
# urn:uuid. One of three arcs counts before a colon only; elsewhere it may be a version number.
_NAMED = re.compile(
    r"(?P<subject>[0-9]+(?:\.[0-9]+){2,}(?:\^[^\s:]+)?|urn:uuid:[0-9a-fA-F-]{36})"
    r"(?P<colon>:)?(?=\s|$)"
)


class ResponseStatus(StrEnum):
    """The three outcomes of an answer (ITI TF-3 4.2.4.2)."""

    SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
    PARTIAL = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
    FAILURE = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"


def status_of(has_items: bool, issues: Sequence[Issue]) -> ResponseStatus:
    """The status that items and issues make: only errors take away, nothing found is success."""
    if not any(issue.severity is Severity.ERROR for issue in issues):
        return ResponseStatus.SUCCESS
    return ResponseStatus.PARTIAL if has_items else ResponseStatus.FAILURE


def issue_of(error: ExchangeError) -> Issue:
    """A refusal of everything as the one issue of an answer."""
    return Issue(
        refusal=error.refusal,
        text=error.text,
        severity=registry_severity(error.refusal),
        subject=error.subject,
    )


def _context(issue: Issue) -> str:
    # The id stands first, so that a reader who knows what was asked for finds it.
    text, subject = issue.text, issue.subject
    if subject and not text.startswith(subject):
        text = f"{subject}: {text}" if text else subject
    return legal_text(text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…")


def write_error_list(
    issues: Sequence[Issue],
    *,
    transaction: Transaction,
    responder: CommunityId,
    style: ErrorStyle,
) -> str:
    """The RegistryErrorList of some issues, "" for none: the schema has no empty list.

    `location` is the answering community; only an imaging source names the document there.
    """
    if not issues:
        return ""
    rows = []
    for issue in issues:
        from_source = transaction is Transaction.IMAGES_FROM_SOURCE
        location = legal_text(issue.subject) if from_source else responder.urn
        code = registry_error_code(issue.refusal, transaction, style)
        rows.append(
            f'<rs:RegistryError errorCode="{escape_attr(code)}"'
            f' codeContext="{escape_attr(_context(issue))}"'
            f' severity="{_SEVERITY_URNS[issue.severity]}" location="{escape_attr(location)}"/>'
        )
    failed = any(issue.severity is Severity.ERROR for issue in issues)
    highest = _SEVERITY_URNS[Severity.ERROR if failed else Severity.WARNING]
    return (
        f'<rs:RegistryErrorList highestSeverity="{highest}">{"".join(rows)}</rs:RegistryErrorList>'
    )


def write_registry_response(
    status: ResponseStatus,
    issues: Sequence[Issue],
    *,
    transaction: Transaction,
    responder: CommunityId,
    style: ErrorStyle,
) -> str:
    """An rs:RegistryResponse; the prefix `rs` is declared by the element around it."""
    errors = write_error_list(issues, transaction=transaction, responder=responder, style=style)
    if not errors:
        return f'<rs:RegistryResponse status="{status}"/>'
    return f'<rs:RegistryResponse status="{status}">{errors}</rs:RegistryResponse>'


def _subject(location: str, text: str) -> tuple[str, str]:
    # (what an error is about, its text). Peers write a community, a document, a stack trace or
    # nothing in location; ours is always the community, and the document leads the text.
    match = _NAMED.match(text)
    if match is not None and (match["colon"] or match["subject"].count(".") != 2):
        rest = text[match.end() :].strip() if match["colon"] else text
        return match["subject"], rest or text
    named = _NAMED.fullmatch(location)
    return (named["subject"] if named else ""), text


def read_issues(response: Element, transaction: Transaction) -> tuple[Issue, ...]:
    """The RegistryErrors of an answer, whatever their codes; severity is Error unless said."""
    issues: list[Issue] = []
    for listed in response.iterchildren(ERROR_LIST):
        for error in listed.iterchildren(ERROR):
            if len(issues) == MAX_ISSUES:
                return tuple(issues)
            code = (error.get("errorCode") or "").strip()
            context = (error.get("codeContext") or "").strip()
            location = (error.get("location") or "").strip()
            word = (error.get("severity") or "").rpartition(":")[2].strip().lower()
            severity = Severity.WARNING if word == "warning" else Severity.ERROR
            subject, text = _subject(location, context)
            refusal = refusal_of_code(
                code, context, severity is Severity.ERROR, transaction=transaction
            )
            issues.append(
                Issue(refusal=refusal, text=text, severity=severity, code=code, subject=subject)
            )
    return tuple(issues)


def judge(status: str, items: tuple[T, ...], issues: tuple[Issue, ...]) -> Outcome[T]:
    """The outcome of an answer whose status, items and issues were read.

    A failure that brought nothing raises the `ExchangeError` of its first error; whatever came
    with items is an outcome with issues. A status we do not know is judged by the content.
    """
    word = status.rpartition(":")[2].strip().lower()
    errors = [issue for issue in issues if issue.severity is Severity.ERROR]
    known = word in {"success", "partialsuccess", "failure"}
    if not items and (word == "failure" or (errors and not known)):
        if not issues:
            raise refuse(
                Refusal.PEER_MISBEHAVED, "the peer answered with a failure and gave no reason"
            )
        first = errors[0] if errors else issues[0]
        text = "; ".join(dict.fromkeys(each.text or each.code for each in errors[:5] or issues[:5]))
        raise refuse(first.refusal, text, subject=first.subject, code=first.code)
    if not known:
        note = Issue(
            refusal=Refusal.PEER_MISBEHAVED,
            severity=Severity.WARNING,
            text=f"the answer has the status {status[:80]!r}",
        )
        issues = (*issues, note)
    return Outcome(items, issues)
