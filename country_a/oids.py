"""The object identifiers under which Country A's institutions assign theirs.

Every one may be set; what is not follows the community's own by a last arc, so that two
countries of one installation never share an authority.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from gateway.domain import CommunityId, Oid, Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalOids:
    """Who assigns what: `issued` is the root of UIDs and document ids made here."""

    community: CommunityId
    repository: Oid
    imaging_source: Oid
    patients: Oid
    insurers: Oid
    accessions: Oid
    orders: Oid
    professionals: Oid
    organisations: Oid
    issued: Oid

    @classmethod
    def under(
        cls,
        community: CommunityId,
        *,
        repository: Oid | None = None,
        imaging_source: Oid | None = None,
        patients: Oid | None = None,
    ) -> Self:
        """The identifiers below a community's, but for those that are given."""

        def arc(number: int) -> Oid:
            return Oid(f"{community}.{number}")

        return cls(
            community=community,
            patients=patients or arc(1),
            repository=repository or arc(2),
            imaging_source=imaging_source or arc(3),
            insurers=arc(4),
            accessions=arc(5),
            orders=arc(6),
            professionals=arc(7),
            organisations=arc(8),
            issued=arc(9),
        )

    def uid(self, *arcs: int) -> Uid:
        """A UID made here, by its arcs below `issued`."""
        return Uid(".".join((self.issued, *map(str, arcs))))
