"""The port: the verbs that cross the border. Whoever fulfils them is an Exchange.

Country A fulfils it from its national systems, a client by asking somebody else, a wrapper by
adding a duty to another one; a server puts any of them on the network. Every verb raises
`ExchangeError` to refuse the whole of a request; a partial answer is an `Outcome` with issues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.domain.context import CallContext
from gateway.domain.delivery import DeliveryWish
from gateway.domain.delivery_plan import DeliveryPlan
from gateway.domain.documents import (
    Association,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
)
from gateway.domain.ids import Uid
from gateway.domain.images import ImageDelivery, ImageRequest
from gateway.domain.manifests import ImagingManifest
from gateway.domain.outcome import Outcome
from gateway.domain.people import PatientIdentity, PatientTraits
from gateway.domain.studies import StudyQuery
from gateway.domain.viewer import ViewerLink


class PatientDirectory(Protocol):
    """Finds patients."""

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """Patients who fit the traits: none, one, or several to choose from (ITI-55)."""
        ...


class DocumentSource(Protocol):
    """Lists and hands over documents."""

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """Entries of one patient that satisfy every filter, newest first (ITI-38)."""
        ...

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """Entries already known by id, their associations, or both (ITI-38)."""
        ...

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """The documents named; each one missing is an issue whose subject is its id (ITI-39)."""
        ...


class StudySource(Protocol):
    """Tells which studies are held."""

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """Studies of one patient that satisfy every filter, newest first (RAD-129).

        Each is told as the manifest it would have now; one made only to tell of it, and not
        published as a document, has the UID of its study as its own.
        """
        ...


class ImageSource(Protocol):
    """Hands over images."""

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ImageDelivery:
        """Instances on their way, each in one of the wished syntaxes or refused (RAD-75)."""
        ...


class DeliveryPlanner(Protocol):
    """Says before a byte moves how images would come."""

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """What `retrieve_images` would do with the same request and wish.

        The plan is kept for a while: a wish that names it gets what it says. Refuses with
        `UNSUPPORTED` where images are not planned.
        """
        ...


class DeliveryCertifier(Protocol):
    """Says afterwards, under its seal, what was done to the images that were sent."""

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """The sealed fidelity certificate of what went out of a study under a delivery's id.

        As the sender wrote it: whoever asks checks the seal. Refuses with `UNKNOWN_DOCUMENT` for
        an id that was not given to the asker, or not about this study, and with `UNSUPPORTED`
        where nothing is certified.
        """
        ...


class Viewer(Protocol):
    """Shows images where they are."""

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """An address at which a browser is shown a study, once and soon (RAD-106).

        Refuses with `UNSUPPORTED` where no viewer is offered.
        """
        ...


class Exchange(
    PatientDirectory,
    DocumentSource,
    StudySource,
    ImageSource,
    DeliveryPlanner,
    DeliveryCertifier,
    Viewer,
    Protocol,
):
    """All verbs of use case 1."""
