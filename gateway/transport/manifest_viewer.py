"""The viewer that a manifest names (Display URI): offered where a peer opens none on request.

The address is complete and not to be changed (IHE RAD MADO 1.6). It is handed on only if it leads
to a host of the peer's: a manifest may be forged. Nothing is sent to it from here, so what is
audited is that a browser was sent there.
"""

from __future__ import annotations

from gateway.domain import (
    BadRequest,
    CallContext,
    CommunityId,
    DocumentSource,
    Refusal,
    Side,
    StudyQuery,
    Transaction,
    Uid,
    ViewerLink,
)
from gateway.peers import Peer
from gateway.transport.manifest_search import find_by_manifest
from gateway.transport.record import Keeper
from gateway.wire.dicom.iid import viewer_address, without_secret


class ManifestViewer:
    """The viewers of one peer, from its documents."""

    def __init__(self, documents: DocumentSource, peer: Peer, keeper: Keeper) -> None:
        self._documents = documents
        self._peer = peer
        self._keeper = keeper

    async def open_viewer(
        self,
        study: Uid,
        context: CallContext,
        *,
        key_images_only: bool = False,  # noqa: ARG002  the address is not to be changed
    ) -> ViewerLink:
        """See `Viewer.open_viewer`; what is shown is as the address says."""
        community = self._peer.community or context.answering
        url = await self._named(study, community, context)
        if not url:
            text = f"{self._peer.name} offers no viewer for this study"
            raise BadRequest(Refusal.UNSUPPORTED, text, subject=str(study))
        with self._keeper.open(
            side=Side.INITIATOR,
            transaction=Transaction.VIEW_IMAGES,
            peer=community,
            endpoint=without_secret(url),
            correlation_id=context.correlation_id,
            context=context,
        ) as record:
            record.identify(context.correlation_id, f"GET {without_secret(url)}".encode())
            record.asked(
                noun=study,
                studies=(study,),
                patients=(context.patient,) if context.patient else (),
            )
            return ViewerLink(permitted(url, self._peer))

    async def _named(self, study: Uid, community: CommunityId, context: CallContext) -> str:
        query = StudyQuery(community=community, patient=context.patient, studies=(study,))
        found = await find_by_manifest(self._documents, query, context)
        return next((each.viewer_url for each in found.items if each.viewer_url), "")


def permitted(url: str, peer: Peer) -> str:
    """An address of a viewer, if it is on a host of the peer's; else `PEER_MISBEHAVED`."""
    own = (peer.url, peer.fhir_url, peer.dicomweb_url)
    return viewer_address(url, own=own, allowed=peer.image_hosts)
