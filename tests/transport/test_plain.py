"""Nouns as JSON values: every noun of the domain, and anything else without failing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gateway.domain import (
    AuditOutcome,
    BytesContent,
    Issue,
    NotFound,
    Outcome,
    PurposeOfUse,
    Refusal,
    Uid,
)
from gateway.transport.plain import MAX_DEPTH, to_plain
from tests.builders import make_audit_event, make_context


def test_a_noun_becomes_an_object_that_names_its_kind() -> None:
    """Nested nouns, enums, ids and times are readable, and JSON can carry the whole."""
    plain = json.loads(json.dumps(to_plain(make_context())))

    assert plain["kind"] == "CallContext"
    assert plain["purpose"] == "TREATMENT"
    assert plain["patient"] == {"kind": "PatientId", "value": "A-0001", "authority": "2.999.1.2"}
    assert plain["professional"]["role"]["value"] == "221"
    assert plain["authentication"]["at"] == "2026-11-22T12:00:00+00:00"


def test_an_outcome_shows_items_and_issues() -> None:
    """A partial answer keeps both halves."""
    outcome = Outcome((Uid("1.2"),), (Issue(refusal=Refusal.UNKNOWN_INSTANCE, text="gone"),))

    plain = to_plain(outcome)

    assert isinstance(plain, dict)
    assert plain["items"] == ["1.2"]
    assert json.dumps(plain["issues"]).count("unknown-instance") == 1


def test_short_bytes_are_shown_and_long_ones_described() -> None:
    """A document's bytes do not end up in the transcript twice."""
    short = to_plain(b"abc")
    long = to_plain(b"x" * 5000)

    assert short == {"kind": "bytes", "size_bytes": 3, "base64": "YWJj"}
    assert isinstance(long, dict)
    assert sorted(long) == ["kind", "sha256", "size_bytes"]


def test_scalars_take_their_plain_form() -> None:
    """Dates, durations, paths, sets and numbers JSON cannot hold."""
    assert to_plain(date(2026, 1, 2)) == "2026-01-02"
    assert to_plain(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"
    assert to_plain(timedelta(minutes=1)) == 60.0
    assert to_plain(Path("a/b")) == "a/b"
    assert to_plain({"b", "a"}) == ["a", "b"]
    assert to_plain(float("nan")) == "nan"
    assert to_plain(2**60) == str(2**60)
    assert to_plain(AuditOutcome.MINOR_FAILURE) == "minor_failure"
    assert to_plain({PurposeOfUse.EMERGENCY: 1}) == {"EMERGENCY": 1}
    assert to_plain("\ud800") == "?"


def test_a_refusal_is_shown_with_its_reason() -> None:
    """An error keeps what it is about."""
    plain = to_plain(NotFound(Refusal.UNKNOWN_DOCUMENT, "no such document", subject="2.999.5"))

    assert plain == {
        "kind": "NotFound",
        "refusal": "unknown-document",
        "text": "no such document",
        "subject": "2.999.5",
        "code": "",
    }


def test_what_is_unknown_is_told_by_its_type() -> None:
    """Values without a rule, and values that contain themselves, do not fail."""

    @dataclass
    class Ring:
        inside: object = None

    ring = Ring()
    ring.inside = ring

    assert to_plain(object()) == {"kind": "object"}
    assert "nested too deep" in json.dumps(to_plain(ring))
    assert json.dumps(to_plain(ring)).count("Ring") == MAX_DEPTH + 2
    assert json.dumps(to_plain(make_audit_event()))
    assert json.dumps(to_plain(BytesContent(b"x")))
