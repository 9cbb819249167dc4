"""What Country A says under its seal of what it sent: the fidelity certificate of a delivery.

Made when it is asked for, out of the record of what went out (`delivery_book`), for the community
and the patient it went out for. It says how far what was sent is from what is stored, and nothing
of fitness for diagnosis. Whether the patient may be asked about at all is the responder's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from country_a.delivery_book import DeliveryBook, Entry
from gateway.domain import (
    CommunityId,
    FidelityCertificate,
    NotFound,
    PatientId,
    Refusal,
    SeriesFidelity,
    Uid,
)

Seal: TypeAlias = Callable[[FidelityCertificate], bytes]


class Certificates:
    """Certifies the deliveries of one community; `seal` makes the sealed document."""

    def __init__(
        self,
        book: DeliveryBook,
        *,
        community: CommunityId,
        seal: Seal,
        now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._community = community
        self._seal = seal
        self._now = now

    async def certify(
        self, delivery: str, *, asking: CommunityId, study: Uid, patient: PatientId
    ) -> bytes:
        """The sealed certificate of what a community was sent of a study under an id.

        `NotFound` for an id of somebody else's, or of another study, as for none.
        """
        sent = await self._book.sent(delivery, asking=asking, study=study, patient=patient)
        if not sent:
            text = f"nothing of study {study} went out as delivery {delivery} to this caller"
            raise NotFound(Refusal.UNKNOWN_DOCUMENT, text, subject=delivery)
        certificate = FidelityCertificate(
            delivery=delivery,
            community=self._community,
            issued=self._now(),
            series=_by_series(sent),
        )
        return await asyncio.to_thread(self._seal, certificate)


def _by_series(sent: Sequence[Entry]) -> tuple[SeriesFidelity, ...]:
    """The instances by their series, in the order in which the first of each went out."""
    grouped: dict[Uid, list[Entry]] = {}
    for one in sent:
        grouped.setdefault(one.sent.ref.series, []).append(one)
    return tuple(
        SeriesFidelity(
            series=series,
            instances=tuple(one.sent for one in entries),
            cap=min(
                (one.cap for one in entries if one.cap is not None),
                key=lambda cap: cap.ratio,
                default=None,
            ),
        )
        for series, entries in grouped.items()
    )
