"""An Exchange for tests that says what it is told to say, and notes what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from gateway.domain import (
    AnnouncedInstance,
    Association,
    CallContext,
    DeliveryPlan,
    DeliveryWish,
    Document,
    DocumentEntry,
    DocumentLookup,
    DocumentQuery,
    DocumentRef,
    ExchangeError,
    ImageChunk,
    ImageRequest,
    ImagingManifest,
    Issue,
    Outcome,
    PatientIdentity,
    PatientTraits,
    Refusal,
    StudyQuery,
    Uid,
    ViewerLink,
    refuse,
)


@dataclass
class ScriptedDelivery:
    """Instances made of given chunks; `breaks` is raised after the last chunk."""

    announced: tuple[AnnouncedInstance, ...] = ()
    issues: tuple[Issue, ...] = ()
    pieces: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    breaks: ExchangeError | None = None
    id: str = ""
    closed: bool = False
    digests: dict[Uid, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed = True

    def hashed(self, instance: Uid, sha256: str) -> None:
        self.digests[instance] = sha256

    async def settle(self) -> None:
        """Nothing: it comes as it is set."""

    async def chunks(self) -> AsyncIterator[ImageChunk]:
        """The pieces of every announced instance."""
        for item in self.announced:
            pieces = self.pieces[item.ref.instance]
            for number, data in enumerate(pieces, 1):
                broken = self.breaks is not None and item is self.announced[-1]
                last = number == len(pieces)
                if broken and last and self.breaks is not None:
                    raise self.breaks
                yield ImageChunk(item.ref.instance, data, last)


@dataclass
class ScriptedExchange:
    """Every verb gives the answer set for it, or raises it when it is an error."""

    identities: Outcome[PatientIdentity] | ExchangeError = field(default_factory=Outcome)
    entries: Outcome[DocumentEntry] | ExchangeError = field(default_factory=Outcome)
    looked_up: Outcome[DocumentEntry | Association] | ExchangeError = field(default_factory=Outcome)
    documents: Outcome[Document] | ExchangeError = field(default_factory=Outcome)
    studies: Outcome[ImagingManifest] | ExchangeError = field(default_factory=Outcome)
    delivery: ScriptedDelivery | ExchangeError = field(default_factory=ScriptedDelivery)
    plan: DeliveryPlan | ExchangeError = field(
        default_factory=lambda: refuse(Refusal.UNSUPPORTED, "nothing is planned here")
    )
    certificate: bytes | ExchangeError = field(
        default_factory=lambda: refuse(Refusal.UNSUPPORTED, "nothing is certified here")
    )
    viewer: ViewerLink | ExchangeError = ViewerLink("https://localhost/view/x")
    asked: list[tuple[str, Any, CallContext]] = field(default_factory=list)

    def _answer(self, verb: str, question: Any, context: CallContext, answer: Any) -> Any:
        self.asked.append((verb, question, context))
        if isinstance(answer, ExchangeError):
            raise answer
        return answer

    async def identify_patient(
        self, traits: PatientTraits, context: CallContext
    ) -> Outcome[PatientIdentity]:
        """As set."""
        answer: Outcome[PatientIdentity] = self._answer(
            "identify", traits, context, self.identities
        )
        return answer

    async def find_documents(
        self, query: DocumentQuery, context: CallContext
    ) -> Outcome[DocumentEntry]:
        """As set."""
        answer: Outcome[DocumentEntry] = self._answer("find", query, context, self.entries)
        return answer

    async def look_up_documents(
        self, lookup: DocumentLookup, context: CallContext
    ) -> Outcome[DocumentEntry | Association]:
        """As set."""
        answer: Outcome[DocumentEntry | Association] = self._answer(
            "look up", lookup, context, self.looked_up
        )
        return answer

    async def retrieve_documents(
        self, refs: Sequence[DocumentRef], context: CallContext
    ) -> Outcome[Document]:
        """As set."""
        answer: Outcome[Document] = self._answer("retrieve", refs, context, self.documents)
        return answer

    async def find_studies(
        self, query: StudyQuery, context: CallContext
    ) -> Outcome[ImagingManifest]:
        """As set."""
        answer: Outcome[ImagingManifest] = self._answer("studies", query, context, self.studies)
        return answer

    async def retrieve_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> ScriptedDelivery:
        """As set."""
        answer: ScriptedDelivery = self._answer("images", (request, wish), context, self.delivery)
        return answer

    async def plan_images(
        self, request: ImageRequest, wish: DeliveryWish, context: CallContext
    ) -> DeliveryPlan:
        """As set."""
        answer: DeliveryPlan = self._answer("plan", (request, wish), context, self.plan)
        return answer

    async def certify_images(self, delivery: str, study: Uid, context: CallContext) -> bytes:
        """As set."""
        answer: bytes = self._answer("certify", (delivery, study), context, self.certificate)
        return answer

    async def open_viewer(
        self, study: Uid, context: CallContext, *, key_images_only: bool = False
    ) -> ViewerLink:
        """As set."""
        question = (study, key_images_only)
        answer: ViewerLink = self._answer("viewer", question, context, self.viewer)
        return answer
