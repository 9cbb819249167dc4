"""Plans kept: for who they were made for, with what came of them, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_a import plan_book
from country_a.plan_book import PlanBook
from gateway.domain import (
    DeliveryPlan,
    DeliveryWish,
    InstanceFidelity,
    InstanceRef,
    LinkProfile,
    NotFound,
    Oid,
    PatientId,
    Uid,
)
from tests.builders import COUNTRY_B

AT = datetime(2026, 11, 22, tzinfo=UTC)
PATIENT, OTHER = (PatientId(f"XA-{number}", Oid("2.999.1")) for number in (1, 2))


def plan_of(id: str = "p-1") -> DeliveryPlan:
    return DeliveryPlan(
        id=id,
        wish=DeliveryWish(),
        link=LinkProfile(),
        instances=(),
        series=(),
        stored_seconds=1.0,
    )


async def test_a_plan_comes_back_as_it_was_made(tmp_path: Path) -> None:
    """To the community and for the patient it was made for, from another process too."""
    await PlanBook(tmp_path).add(plan_of(), asking=COUNTRY_B, patients=(PATIENT,), at=AT)

    assert await PlanBook(tmp_path).get("p-1", asking=COUNTRY_B, patients=(PATIENT,)) == plan_of()


async def test_a_plan_is_nobody_elses(tmp_path: Path) -> None:
    """Another community, another patient and an id that was never given learn nothing."""
    book = PlanBook(tmp_path)
    await book.add(plan_of(), asking=COUNTRY_B, patients=(PATIENT,), at=AT)
    stranger = type(COUNTRY_B)("2.999.1.9")

    for id, asking, patient in (
        ("p-1", stranger, PATIENT),
        ("p-1", COUNTRY_B, OTHER),
        ("p-2", COUNTRY_B, PATIENT),
    ):
        with pytest.raises(NotFound, match=f"no plan {id} is kept here"):
            await book.get(id, asking=asking, patients=(patient,))


async def test_a_plan_that_cannot_be_read_any_more_is_none(tmp_path: Path) -> None:
    """Of another version, or half a file."""
    book = PlanBook(tmp_path)
    await book.add(plan_of(), asking=COUNTRY_B, patients=(PATIENT,), at=AT)
    path = tmp_path / "p-1.json"

    for damage in (b"", b'{"asking": 1}', path.read_bytes().replace(b'"series"', b'"serials"')):
        path.write_bytes(damage)
        with pytest.raises(NotFound):
            await book.get("p-1", asking=COUNTRY_B, patients=(PATIENT,))


async def test_what_went_out_is_written_beside_its_plan(tmp_path: Path) -> None:
    """Line by line, after what went before."""
    book = PlanBook(tmp_path)
    sent = InstanceFidelity(
        ref=InstanceRef(study=Uid("1.2"), series=Uid("1.3"), instance=Uid("1.4")),
        syntax=Uid("1.2.840.10008.1.2.4.80"),
        sha256="ab",
        raw_bytes=200,
        sent_bytes=50,
    )

    await book.happened("p-1", [sent], at=AT)
    await book.happened("p-1", [sent, sent], at=AT)

    lines = (tmp_path / "p-1.sent").read_text("utf-8").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith('["1.4","1.2.840.10008.1.2.4.80","ab",50,')


async def test_the_oldest_plans_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what came of them."""
    monkeypatch.setattr(plan_book, "MAX_PLANS", 2)
    book = PlanBook(tmp_path)

    for number in range(5):
        await book.add(plan_of(f"p-{number}"), asking=COUNTRY_B, patients=(PATIENT,), at=AT)
        await book.happened(f"p-{number}", [], at=AT)

    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.sent"))) == 2
    assert await book.get("p-4", asking=COUNTRY_B, patients=(PATIENT,))
