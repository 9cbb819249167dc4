"""What Country A seals of what it sent: by series, for who was sent to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from country_a.certificates import Certificates
from country_a.delivery_book import DeliveryBook
from gateway.domain import NotFound, RatioCap, Refusal, Uid
from gateway.pki import mint_trust
from gateway.wire.fidelity import open_certificate
from tests.builders import COUNTRY_A, COUNTRY_B
from tests.country_a.test_delivery_book import FOR_B, PATIENT
from tests.desks import sealing
from tests.fidelity import CAP, SERIES, STUDY, lossless_one, lossy_one, ref_of, stored_one

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OTHER = Uid("1.2.3.2")


async def test_what_was_sent_is_sealed_by_series(tmp_path: Path) -> None:
    """With the cap of the series where something was lost, and the moment of asking."""
    domain = mint_trust(now=NOW, countries=("XA",))
    book = DeliveryBook(tmp_path)
    recipient = replace(FOR_B, caps={SERIES: CAP, OTHER: RatioCap(ratio=3.0, source="x")})
    sent = [lossy_one(1), stored_one(2, ref=ref_of(2, series=OTHER)), lossless_one(3)]
    await book.ended(recipient, sent, at=NOW)
    certificates = Certificates(book, community=COUNTRY_A, seal=sealing(domain), now=lambda: NOW)

    body = await certificates.certify("d-1", asking=COUNTRY_B, study=STUDY, patient=PATIENT)

    opened = open_certificate(body, domain.trust_store, now=NOW).certificate
    assert (opened.delivery, opened.community, opened.issued) == ("d-1", COUNTRY_A, NOW)
    first, second = opened.series
    assert (first.series, first.instances, first.cap) == (SERIES, (sent[0], sent[2]), CAP)
    assert (second.series, second.instances, second.cap) == (OTHER, (sent[1],), None)


async def test_nothing_is_certified_that_did_not_go_out(tmp_path: Path) -> None:
    """An id of nobody's, or of somebody else's, is unknown."""
    domain = mint_trust(now=NOW, countries=("XA",))
    book = DeliveryBook(tmp_path)
    await book.ended(FOR_B, [stored_one(1)], at=NOW)
    certificates = Certificates(book, community=COUNTRY_A, seal=sealing(domain), now=lambda: NOW)

    for id, asking in (("d-2", COUNTRY_B), ("d-1", COUNTRY_A)):
        with pytest.raises(NotFound) as refused:
            await certificates.certify(id, asking=asking, study=STUDY, patient=PATIENT)
        assert refused.value.refusal is Refusal.UNKNOWN_DOCUMENT
