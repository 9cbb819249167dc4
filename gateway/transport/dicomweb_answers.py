"""What an Exchange answers to DICOMweb: which instances an address means, and their delivery.

Between the routes and the port. A study is looked up first: what it is made of now decides what a
request for it means, and whose it is (DICOM PS3.18 10.4, XC-WADO 58.4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.domain import (
    CallContext,
    CommunityId,
    DeliveryPlan,
    DeliveryWish,
    Exchange,
    ImageDelivery,
    ImageRequest,
    ImagingManifest,
    InstanceRef,
    ListedSeries,
    ManifestSeries,
    NotFound,
    Oid,
    Outcome,
    PatientId,
    Refusal,
    StudyQuery,
    Uid,
    refuse,
)
from gateway.peers import Peer
from gateway.wire.delivery_wish import is_delivery_id
from gateway.wire.dicom.qido_search import DecodedSearch
from gateway.wire.dicom.web import ImageScope
from gateway.wire.problems import DecodeError

# Modalities of objects that show nothing by themselves (PS3.16 CID 32).
NOT_IMAGES = frozenset(
    {"KO", "SR", "PR", "SEG", "REG", "RTDOSE", "RTPLAN", "RTSTRUCT", "AU", "PLAN"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The instances an address means, of which study and patient they are, and where."""

    study: ImagingManifest
    request: ImageRequest

    @property
    def patients(self) -> tuple[PatientId, ...]:
        """Whose study it is."""
        return self.study.patient.ids[:1]

    @property
    def representative(self) -> Located:
        """The one instance that stands for all: of the first series of images, in its middle."""
        images = {
            series.uid
            for series in self.study.series
            if series.modality is None or series.modality.value not in NOT_IMAGES
        }
        pairs = self.request.instances
        pictured = [pair for pair in pairs if pair[0].series in images] or list(pairs)
        of_first = [pair for pair in pictured if pair[0].series == pictured[0][0].series]
        chosen = of_first[len(of_first) // 2]
        return replace(self, request=replace(self.request, instances=(chosen,)))


class DicomwebAnswerer:
    """Asks an Exchange for what DICOMweb addresses mean.

    `exchange_of` gives the Exchange a peer is answered by for the community. A series without a
    known location is at `default_location`; None leaves it to who is asked further on.
    """

    def __init__(
        self,
        exchange_of: Callable[[Peer], Exchange],
        *,
        community: CommunityId,
        default_location: Oid | None,
    ) -> None:
        self._exchange_of = exchange_of
        self.community = community
        self._default_location = default_location

    async def search(
        self, search: DecodedSearch, peer: Peer, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """The studies among which a search decides."""
        return await self._exchange_of(peer).find_studies(search.query, context)

    async def locate(
        self,
        scope: ImageScope,
        peer: Peer,
        context: CallContext,
        *,
        location: Oid | None = None,
        retrieve_url: str = "",
    ) -> Located:
        """The instances of a scope; refuses with `UNKNOWN_INSTANCE` where there are none.

        `location` is the one an address across communities names: what lies elsewhere is not
        there. `retrieve_url` is the base it names; whoever fetches judges it.
        """
        query = StudyQuery(
            community=self.community,
            studies=(scope.study,),
            series=scope.series,
            instance=scope.instance,
        )
        found = await self._exchange_of(peer).find_studies(query, context)
        study = next((each for each in found.items if each.study == scope.study), None)
        if study is None:
            for issue in found.errors:
                raise refuse(issue.refusal, issue.text, subject=issue.subject)
            raise _nothing("study", scope.study)
        elsewhere = self._default_location or location or Oid(str(self.community))
        whole = ImageRequest.of_manifest(study, self.community, default_location=elsewhere)
        listed = [pair for pair in whole.instances if _is_in(scope, pair[0])]
        if not listed:
            if scope.series is not None and scope.series not in whole.series:
                raise _nothing("series", scope.series)
            raise _nothing("instance", scope.instance or scope.series or scope.study)
        here = [pair for pair in listed if location is None or pair[1] == location]
        if not here:
            text = f"nothing of study {scope.study} is at {location}"
            raise NotFound(Refusal.UNKNOWN_REPOSITORY, text, subject=str(location))
        series = {
            one.uid: ListedSeries(_count(one, scope), retrieve_url or one.retrieve_url)
            for one in study.series
        }
        request = ImageRequest(community=self.community, instances=tuple(here), series=series)
        return Located(study=study, request=request)

    async def plan(
        self, located: Located, wish: DeliveryWish, peer: Peer, context: CallContext
    ) -> DeliveryPlan:
        """How located instances would come if they were wished for so."""
        return await self._exchange_of(peer).plan_images(located.request, wish, context)

    async def certify(self, delivery: str, study: Uid, peer: Peer, context: CallContext) -> bytes:
        """The sealed certificate of what went out of a study under a delivery's id.

        `DecodeError` for what cannot be such an id.
        """
        if not is_delivery_id(delivery):
            raise DecodeError("query, delivery", repr(delivery[:80]), "the id of a delivery")
        return await self._exchange_of(peer).certify_images(delivery, study, context)

    async def deliver(
        self, located: Located, wish: DeliveryWish, peer: Peer, context: CallContext
    ) -> ImageDelivery:
        """Located instances on their way, as they are wished for; refuses if none can be had."""
        delivery = await self._exchange_of(peer).retrieve_images(located.request, wish, context)
        if not delivery.announced:
            async with delivery:
                require_announced(delivery)
        return delivery


def require_announced(delivery: ImageDelivery) -> None:
    """Refuse for the reason of its first issue where a delivery brings nothing at all."""
    if delivery.announced:
        return
    for issue in delivery.issues:
        raise refuse(issue.refusal, issue.text, subject=issue.subject)
    raise NotFound(Refusal.UNKNOWN_INSTANCE, "nothing of what was asked for is here")


def _count(series: ManifestSeries, scope: ImageScope) -> int:
    """How many instances a series has; where a part was asked about, not all may be listed."""
    listed = len(series.instances)
    return listed if scope.series is None else max(listed, series.declared_instances or 0)


def _is_in(scope: ImageScope, ref: InstanceRef) -> bool:
    return scope.series in (None, ref.series) and scope.instance in (None, ref.instance)


def _nothing(what: str, uid: Uid) -> NotFound:
    return NotFound(Refusal.UNKNOWN_INSTANCE, f"no {what} {uid} here", subject=str(uid))
