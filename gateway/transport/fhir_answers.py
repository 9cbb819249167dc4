"""What a FHIR server answers, interaction by interaction: nouns in, resources out.

Each method decodes one request, asks the Exchange, and encodes what it said. Nothing here knows
HTTP beyond its headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.domain import (
    AuditedDocument,
    BadRequest,
    CallContext,
    CommunityId,
    Exchange,
    Issue,
    NotAllowed,
    Outcome,
    PatientId,
    PatientIdentity,
    PatientTraits,
    Refusal,
)
from gateway.peers import Peer
from gateway.transport.fhir_documents import (
    RELATES_TO,
    DocumentAnswers,
    DocumentCall,
    FoundContent,
)
from gateway.transport.fhir_routes import Interaction, Route
from gateway.transport.fhir_studies import StudyAnswers, StudyCall
from gateway.transport.pages import NEXT_PAGE
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.denials import not_there
from gateway.wire.fhir.negotiation import UnsupportedMediaType, request_format
from gateway.wire.fhir.resources import Format, Json, read_resource
from gateway.wire.fhir.search import (
    Parameter,
    Token,
    parse_query,
    unescape,
    write_query,
    write_token,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import quoted

CERTAIN = 100
FORM = "application/x-www-form-urlencoded"
# What shapes an answer and limits none; taken by every search, whether or not it is followed.
SHAPING = frozenset({"_format", "_pretty", "_count", "_summary", "_elements", "_total"})
LOGICAL_ID = "_id"
# What each dialect demands of a document search, by the parameter it may not leave out. It is
# answered all the same, unless the asker wants to be told (`Prefer: handling=strict`).
DEMANDED: dict[str, tuple[str, ...]] = {"mhd": ("status",), "ncp": ("type",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirAsked:
    """A request whose caller has been made out.

    `query` is the raw query string; `base` the address we were called at; `format` what a resource
    will be answered in. `tell` is called as soon as the request is understood, so that a refusal
    is recorded with what was refused.
    """

    route: Route
    id: str = ""
    query: str
    body: bytes
    content_type: str
    strict: bool
    base: str
    format: Format
    context: CallContext
    peer: Peer
    tell: Callable[[FhirNoun], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirNoun:
    """What a request asks, and whom and what it is about, as the record tells it."""

    noun: object
    patients: tuple[PatientId, ...] = ()
    documents: tuple[AuditedDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirAnswer:
    """A resource to answer with, or a document, and what the record tells of it.

    Of `resource` and `content` one is set.
    """

    resource: Json | None = None
    content: FoundContent | None = None
    answered: object = None
    issues: tuple[Issue, ...] = ()
    patients: tuple[PatientId, ...] = ()


class FhirAnswerer:
    """Answers the interactions of one community from its Exchange.

    `exchange` is the community's as a peer is used to it; `patient_ids` gives the logical id of a
    patient, which tells nothing of the identifier.
    """

    def __init__(
        self,
        exchange: Callable[[Peer], Exchange],
        *,
        community: CommunityId,
        patient_ids: Callable[[PatientId], str],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._exchange = exchange
        self._patient_ids = patient_ids
        self._now = now
        self._new_id = new_id
        self._documents = DocumentAnswers(
            community=community, patient_of=self._patient_of, now=now, new_id=new_id
        )
        self._studies = StudyAnswers(
            community=community, patient_of=self._patient_of, now=now, new_id=new_id
        )
        self._answers: dict[
            tuple[str, Interaction], Callable[[FhirAsked], Awaitable[FhirAnswer]]
        ] = {
            ("Patient", Interaction.SEARCH): self._search_patients,
            ("Patient", Interaction.READ): self._read_patient,
            ("Patient", Interaction.MATCH): self._match_patients,
            ("DocumentReference", Interaction.SEARCH): self._search_documents,
            ("DocumentReference", Interaction.READ): self._read_reference,
            ("ImagingStudy", Interaction.SEARCH): self._search_studies,
            ("ImagingStudy", Interaction.READ): self._read_study,
            ("Binary", Interaction.READ): self._fetch_document,
            ("Bundle", Interaction.READ): self._fetch_document,
        }

    async def answer(self, asked: FhirAsked) -> FhirAnswer:
        """The answer to a request; raises `ExchangeError` to refuse the whole of it."""
        try:
            return await self._answers[asked.route.resource, asked.route.interaction](asked)
        except DecodeError as error:
            raise BadRequest(Refusal.MALFORMED_REQUEST, str(error), subject=error.where) from error

    async def _search_patients(self, asked: FhirAsked) -> FhirAnswer:
        parameters = _parameters(asked)
        names = pdqm.TRAIT_PARAMETERS | {LOGICAL_ID}
        unknown = {each.name for each in parameters} - names - SHAPING
        if unknown and asked.strict:
            raise _unknown(sorted(unknown))
        by_id = [each for each in parameters if each.name == LOGICAL_ID]
        others = [each for each in parameters if each.name != LOGICAL_ID]
        meant = self._meant(by_id, asked.context)
        known = [each for each in parameters if each.name in names]
        self_url = f"{asked.base}/Patient?{write_query(known)}"
        if len(meant) < len(by_id):
            return self._patients(Outcome(()), asked, self_url)
        outcome = await self._identify(pdqm.decode_request([*others, *meant]), asked)
        return self._patients(outcome, asked, self_url)

    async def _read_patient(self, asked: FhirAsked) -> FhirAnswer:
        patient = self._patient_of(asked.id, asked.context)
        if patient is None:
            raise not_there("Patient", asked.id)
        outcome = await self._identify(PatientTraits(ids=(patient,)), asked)
        found = [identity for identity in outcome.items if identity.id == patient]
        if not found:
            raise not_there("Patient", asked.id)
        return FhirAnswer(
            resource=pdqm.write_patient(found[0], patient_id=asked.id),
            answered=Outcome(tuple(found)),
            issues=outcome.issues,
            patients=(patient,),
        )

    def _meant(self, by_id: Sequence[Parameter], context: CallContext) -> list[Parameter]:
        """The identifier in place of each logical id that is the patient's of the token.

        An id tells nothing of the identifier behind it, so only the one patient whom the asker
        treats can be found by it. Who shows no patient is refused: "nobody" would not be true.
        """
        if by_id and context.patient is None:
            text = "a patient is found by _id only by who shows a treatment relation to them"
            raise NotAllowed(Refusal.NO_TREATMENT_RELATION, text, subject=LOGICAL_ID)
        found = []
        for parameter in by_id:
            names = [unescape(value).strip() for value in parameter.values]
            patients = (self._patient_of(name, context) for name in names)
            for patient in [each for each in patients if each is not None][:1]:
                value = write_token(Token(patient.authority.urn, patient.value))
                found.append(Parameter("identifier", "", (value,)))
        return found

    async def _match_patients(self, asked: FhirAsked) -> FhirAnswer:
        format = request_format(asked.content_type)
        resource = await asyncio.to_thread(read_resource, asked.body, format)
        traits, only_certain = pdqm.decode_match(resource)
        outcome = await self._identify(traits, asked)
        found = outcome.items
        if only_certain and (len(found) > 1 or any(one.match_degree < CERTAIN for one in found)):
            # The asker wants one patient or none, and is told why it is none.
            fit = "1 patient fits" if len(found) == 1 else f"{len(found)} patients fit"
            text = f"{fit}, and none for certain; only a certain match was asked for"
            uncertain = Issue(refusal=Refusal.AMBIGUOUS_PATIENT, text=text)
            outcome = Outcome((), (*outcome.issues, uncertain))
        return self._patients(outcome, asked, f"{asked.base}/Patient/$match", scores=True)

    async def _identify(self, traits: PatientTraits, asked: FhirAsked) -> Outcome[PatientIdentity]:
        asked.tell(FhirNoun(noun=traits))
        return await self._exchange(asked.peer).identify_patient(traits, asked.context)

    async def _search_documents(self, asked: FhirAsked) -> FhirAnswer:
        call = self._document_call(asked)
        parameters = _parameters(asked)
        if token := _next_page(parameters):
            bundle, told = self._documents.next_page(token, call)
        else:
            related = [each for each in parameters if each.name == RELATES_TO and each.values]
            others = [each for each in parameters if each.name != RELATES_TO]
            search = self._documents.understood(others, call)
            if asked.strict:
                _check_demands(parameters, asked.peer)
            if search.ignored and asked.strict:
                raise _unknown(search.ignored)
            asked.tell(FhirNoun(noun=search.query, patients=(search.query.patient,)))
            bundle, told = await self._documents.search(search, call, related)
        return FhirAnswer(
            resource=bundle,
            answered=told,
            issues=told.issues,
            patients=tuple(dict.fromkeys(entry.patient for entry in told.items)),
        )

    async def _read_reference(self, asked: FhirAsked) -> FhirAnswer:
        resource, entry = await self._documents.read(asked.id, self._document_call(asked))
        return FhirAnswer(resource=resource, answered=Outcome((entry,)), patients=(entry.patient,))

    async def _fetch_document(self, asked: FhirAsked) -> FhirAnswer:
        call = self._document_call(asked)
        found = await self._documents.fetch(asked.route.resource, asked.id, call)
        ref = found.entry.ref
        about = AuditedDocument(
            document=ref.document, repository=ref.repository, community=ref.community
        )
        asked.tell(FhirNoun(noun=ref, patients=(found.entry.patient,), documents=(about,)))
        return FhirAnswer(content=found, answered=Outcome((ref,)), patients=(found.entry.patient,))

    async def _search_studies(self, asked: FhirAsked) -> FhirAnswer:
        call = self._study_call(asked)
        parameters = _parameters(asked)
        if token := _next_page(parameters):
            bundle, told = self._studies.next_page(token, call)
        else:
            search = self._studies.understood(parameters, call)
            if search.ignored and asked.strict:
                raise _unknown(search.ignored)
            patient = search.query.patient or asked.context.patient
            asked.tell(FhirNoun(noun=search.query, patients=(patient,) if patient else ()))
            bundle, told = await self._studies.search(search, call)
        return FhirAnswer(resource=bundle, answered=told, issues=told.issues)

    async def _read_study(self, asked: FhirAsked) -> FhirAnswer:
        patient = asked.context.patient
        asked.tell(FhirNoun(noun=asked.id, patients=(patient,) if patient else ()))
        resource, study = await self._studies.read(asked.id, self._study_call(asked))
        return FhirAnswer(resource=resource, answered=Outcome((study,)))

    def _study_call(self, asked: FhirAsked) -> StudyCall:
        return StudyCall(
            exchange=self._exchange(asked.peer), context=asked.context, base=asked.base
        )

    def _document_call(self, asked: FhirAsked) -> DocumentCall:
        return DocumentCall(
            exchange=self._exchange(asked.peer),
            context=asked.context,
            base=asked.base,
            format=asked.format,
        )

    def _patient_of(self, name: str, context: CallContext) -> PatientId | None:
        """The patient of a logical id: the one the asker treats, or nobody we would name.

        `name` may be a whole reference, `Patient/<id>` or an address that ends so.
        """
        patient, bare = context.patient, name.strip("/").rpartition("/")[2]
        return patient if patient is not None and self._patient_ids(patient) == bare else None

    def _patients(
        self,
        outcome: Outcome[PatientIdentity],
        asked: FhirAsked,
        self_url: str,
        *,
        scores: bool = False,
    ) -> FhirAnswer:
        bundle = pdqm.encode_response(
            outcome,
            ids=lambda identity: self._patient_ids(identity.id),
            base=asked.base,
            bundle_id=self._new_id(),
            at=self._now(),
            self_url=self_url,
            scores=scores,
        )
        return FhirAnswer(
            resource=bundle,
            answered=outcome,
            issues=outcome.issues,
            patients=tuple(item.id for item in outcome.items),
        )


def _parameters(asked: FhirAsked) -> tuple[Parameter, ...]:
    """The parameters of a search: of the URL and, posted, of the form in its body."""
    parameters = parse_query(asked.query)
    if asked.route.method == "POST":
        if asked.content_type.partition(";")[0].strip().lower() not in (FORM, ""):
            text = f"found {quoted(asked.content_type)}, expected {FORM}"
            raise UnsupportedMediaType(Refusal.UNSUPPORTED, text, subject="Content-Type")
        try:
            form = asked.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError("body", "bytes that are not UTF-8", "a form in UTF-8") from error
        parameters = (*parameters, *parse_query(form))
    return parameters


def _next_page(parameters: Sequence[Parameter]) -> str:
    """The page after the first that is asked for, "" for a search of its own."""
    pages = (each.values[0] for each in parameters if each.name == NEXT_PAGE and each.values)
    return next(pages, "")


def _check_demands(parameters: Sequence[Parameter], peer: Peer) -> None:
    """What the peer's dialect may not leave out is there."""
    said = {each.name for each in parameters}
    missing = [name for name in DEMANDED.get(peer.fhir_dialect, ()) if name not in said]
    if missing:
        text = f"the search must say {', '.join(missing)}"
        raise BadRequest(Refusal.MISSING_PARAMETER, text, subject=missing[0])


def _unknown(names: Sequence[str]) -> BadRequest:
    """The refusal of parameters nobody knows, for who wants to be told.

    Others are ignored, unless `Prefer: handling=strict` asks for this (FHIR R4 search.html).
    """
    text = f"not known here: {', '.join(map(quoted, names[:20]))}"
    return BadRequest(Refusal.UNSUPPORTED, text, subject=names[0])
