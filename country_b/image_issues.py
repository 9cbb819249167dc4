"""What is said of images that have not come, came unasked, or came otherwise than asked."""

from __future__ import annotations

from gateway.domain import ExchangeError, Issue, Refusal, Severity, Uid

# Of every instance that has not come yet; which one that is, its key in `missing` says.
NOT_YET = Issue(refusal=Refusal.UNKNOWN_INSTANCE, text="it has not come, and no reason was given")


def issue_of(error: ExchangeError) -> Issue:
    """The reason that an error tells."""
    return Issue(refusal=error.refusal, text=error.text, code=error.code, subject=error.subject)


def unasked(uid: Uid) -> Issue:
    """An image that came and was not asked for, or came twice."""
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED,
        text="an image came that was not asked for, or came twice; it was not kept",
        severity=Severity.WARNING,
        subject=str(uid),
    )


def other_syntax(name: str, syntax: Uid) -> Issue:
    """An image that came in a transfer syntax that was not asked for."""
    return Issue(
        refusal=Refusal.UNSUPPORTED_SYNTAX,
        text=f"the image came in transfer syntax {syntax}, which was not asked for",
        severity=Severity.WARNING,
        subject=name,
    )
