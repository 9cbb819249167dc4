"""JSON bodies of the portal API as nouns of the domain: one function a route that takes a body.

Each raises `BadInput` with the problem of every field. No field is guessed: what is not given is
not invented, and what is not known is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from country_b.fields import Form, patient_id
from country_b.image_intake import ImageSelection
from gateway.domain import (
    DEFAULT_ROUND_TRIP_SECONDS,
    MAX_BITS_PER_SECOND,
    MIN_BITS_PER_SECOND,
    Article10,
    Authentication,
    Code,
    CommunityId,
    Decoding,
    DeliveryWish,
    DocumentClass,
    DocumentId,
    Gender,
    HealthProfessional,
    HumanName,
    LinkProfile,
    LinkSource,
    Organisation,
    PatientId,
    PatientTraits,
    PurposeOfUse,
    ReadingPurpose,
    ReferenceId,
    ReferenceKind,
    SyntaxChoice,
    Uid,
)
from gateway.domain.codes import DCM, ISCO, REGIONS, SCT
from gateway.domain.delivery import MAX_HALVINGS, MAX_SECONDS
from gateway.domain.people import Address

# The facility types of the eHDSI assertions; the other side knows no other.
FACILITY_TYPES = ("Hospital", "Resident Physician", "Pharmacy", "Other")
DEFAULT_METHOD = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
MAX_GIVEN_NAMES = 20
_PLAN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Who signs in, and how that was made sure."""

    professional: HealthProfessional
    authentication: Authentication


def read_sign_in(body: Any, now: datetime) -> SignIn:
    """Step 2: person, role, organisation, rights, and the authentication."""
    form = Form(body)
    name = _name(form)
    role = form.code("role", scheme=ISCO, required=True)
    place = form.form("organisation")
    organisation = Organisation(name="")
    if place is not None:
        organisation = Organisation(
            name=place.text("name"),
            id=place.text("id", required=False),
            authority=place.text("authority", required=False),
        )
    professional = HealthProfessional(
        id=form.text("id", limit=256),
        name=name,
        role=role or Code("", ISCO),
        organisation=organisation,
        facility_type=form.one_of("facility_type", FACILITY_TYPES),
        locality=form.text("locality"),
        permissions=tuple(form.texts("permissions", required=True, limit=100)),
        speciality=form.text("speciality", required=False),
    )
    how = form.form("authentication", required=False)
    authentication = Authentication(at=now, method=DEFAULT_METHOD)
    if how is not None:
        at = how.moment("at")
        authentication = Authentication(
            at=at or now, method=how.text("method", required=False) or DEFAULT_METHOD
        )
        if at is not None and at > now:
            how.problem("at", "is later than now")
    form.close()
    return SignIn(professional=professional, authentication=authentication)


def _name(form: Form) -> HumanName:
    return HumanName(
        family=form.text("family", limit=200),
        given=tuple(form.texts("given", required=True, limit=MAX_GIVEN_NAMES)),
        prefix=form.text("prefix", required=False, limit=50),
        suffix=form.text("suffix", required=False, limit=50),
    )


def read_information(body: Any) -> str:
    """Step 3: the version of the text the patient was given."""
    form = Form(body)
    version = form.text("text_version", limit=100)
    form.close()
    return version


def read_purpose(body: Any) -> PurposeOfUse:
    """Why the data are wanted."""
    form = Form(body)
    purpose = form.choice("purpose", PurposeOfUse)
    form.close()
    return purpose or PurposeOfUse.TREATMENT


def read_identify(body: Any) -> tuple[CommunityId, PatientTraits, str]:
    """Step 4: the country of affiliation, what is known of the patient, the way to ask or ""."""
    form = Form(body)
    community = form.parsed("community", CommunityId.parse)
    way = form.text("way", required=False, limit=64)
    ids = [patient_id(inner) for inner in form.forms("ids")]
    family = form.text("family", required=False, limit=200)
    given = tuple(form.texts("given", limit=MAX_GIVEN_NAMES))
    home = form.form("address", required=False)
    traits = PatientTraits(
        ids=tuple(item for item in ids if item is not None),
        name=HumanName(family=family, given=given) if family or given else None,
        birth_date=form.day("birth_date"),
        gender=form.choice("gender", Gender) if form.has("gender") else None,
        address=None if home is None else _address(home),
        telecom=tuple(form.texts("telecom", limit=20)),
        birth_place=form.text("birth_place", required=False),
        mothers_maiden_name=form.text("mothers_maiden_name", required=False),
    )
    if not (ids or family or given):
        form.problem("ids", "is needed, or a name")
    form.close()
    if community is None:
        raise AssertionError("a form without a community is closed with a problem")
    return community, traits, way


def _address(form: Form) -> Address:
    return Address(
        street=form.text("street", required=False),
        city=form.text("city", required=False),
        postal_code=form.text("postal_code", required=False),
        country=form.text("country", required=False, limit=3),
    )


def read_confirm(body: Any) -> PatientId | None:
    """Step 4: which of those who fit it is; None when there was only one."""
    form = Form(body)
    chosen = form.form("patient", required=False)
    patient = None if chosen is None else patient_id(chosen)
    form.close()
    return patient


def read_filters(body: Any) -> Article10:
    """Step 5: the eight filters of Article 10, each of them optional."""
    form = Form(body)
    document_class = (
        form.choice("document_class", DocumentClass) if form.has("document_class") else None
    )
    if document_class is DocumentClass.OTHER:
        form.problem("document_class", "expected report or manifest")
    filters = Article10(
        document_class=document_class,
        modality=form.code("modality", scheme=DCM),
        region=_region(form),
        procedure=form.code("procedure"),
        performed=form.period("performed_from", "performed_to"),
        study=form.parsed("study", Uid.parse, required=False),
        accession=_reference(form, "accession", ReferenceKind.ACCESSION),
        order=_reference(form, "order", ReferenceKind.ORDER),
    )
    form.close()
    return filters


def _region(form: Form) -> Code | None:
    region = form.code("region", scheme=SCT)
    known = {code.value: code for code in REGIONS}
    if region is not None and region.scheme == SCT and region.value in known:
        return known[region.value]
    return region


def _reference(form: Form, name: str, kind: ReferenceKind) -> ReferenceId | None:
    """An identifier, with its authority where it is known; % stands for any authority."""
    if not form.has(name):
        return None
    inner = form.form(name)
    if inner is None:
        return None
    value = inner.text("value", limit=256)
    authority = inner.text("authority", required=False, limit=256) or "%"
    if not value:
        return None
    return inner.read("value", lambda text: ReferenceId(text, kind, authority), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Step 7: what was chosen from the list, documents by id and manifests by their study."""

    documents: tuple[DocumentId, ...] = ()
    studies: tuple[Uid, ...] = ()


def read_retrieve(body: Any) -> Chosen:
    """Step 7: documents, or studies whose manifest is wanted in whichever encoding there is."""
    form = Form(body)
    form.texts("documents", required=not form.has("studies"), limit=1000)
    form.texts("studies", limit=1000)
    documents = form.all_parsed("documents", DocumentId)
    studies = form.all_parsed("studies", Uid.parse)
    form.close()
    return Chosen(documents=tuple(dict.fromkeys(documents)), studies=tuple(dict.fromkeys(studies)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesWanted:
    """Step 8: of which study, which images, and what is needed of their delivery.

    `needs` are the fields of a `DeliveryWish` that were given.
    """

    study: Uid
    selection: ImageSelection
    needs: Mapping[str, Any]


def read_images(body: Any) -> ImagesWanted:
    """A study, or series and instances of it, and the wish that goes with them."""
    form = Form(body)
    study = form.parsed("study", Uid.parse)
    selection = ImageSelection(
        series=form.all_parsed("series", Uid.parse),
        instances=form.all_parsed("instances", Uid.parse),
        key_images_only=form.flag("key_images_only", default=False),
    )
    needs = _needs(form)
    form.close()
    if study is None:
        raise AssertionError("a form without a study is closed with a problem")
    return ImagesWanted(study=study, selection=selection, needs=needs)


def _needs(form: Form) -> dict[str, Any]:
    """What is said of the delivery; nothing of what is not."""
    link = form.form("link", required=False)
    max_bytes = form.number("max_bytes", 1, 1e15)
    first_look = form.number("first_look", 1, MAX_HALVINGS)
    given: dict[str, Any] = {
        "purpose": form.choice("purpose", ReadingPurpose) if form.has("purpose") else None,
        "syntaxes": form.all_parsed("syntaxes", Uid.parse) or None,
        "choice": form.choice("choice", SyntaxChoice) if form.has("choice") else None,
        "deadline_seconds": form.number("deadline_seconds", 0.001, MAX_SECONDS),
        "first_image_seconds": form.number("first_image_seconds", 0.001, MAX_SECONDS),
        "lossy_consent": form.flag("lossy_consent", default=False) or None,
        "max_bytes": None if max_bytes is None else int(max_bytes),
        "link": None if link is None else _link(link),
        "plan": form.parsed("plan", _plan_id, required=False),
        "first_look": None if first_look is None else int(first_look),
    }
    if first_look is not None and not first_look.is_integer():
        form.problem("first_look", "is a whole number")
    if first_look is not None and given["plan"]:
        form.problem("first_look", "has no plan: a plan is of whole images")
    first, all_of_it = given["first_image_seconds"], given["deadline_seconds"]
    if first is not None and all_of_it is not None and first > all_of_it:
        form.problem("first_image_seconds", "is after the deadline of everything")
    return {name: value for name, value in given.items() if value is not None}


def _link(form: Form) -> LinkProfile | None:
    rate = form.number("mbit", MIN_BITS_PER_SECOND / 1e6, MAX_BITS_PER_SECOND / 1e6)
    trip = form.number("round_trip_ms", 0, 60_000)
    if rate is None:
        form.problem("mbit", "is needed")
        return None
    seconds = DEFAULT_ROUND_TRIP_SECONDS if trip is None else trip / 1000
    return LinkProfile(
        bits_per_second=rate * 1e6, round_trip_seconds=seconds, source=LinkSource.DECLARED
    )


def _plan_id(text: str) -> str:
    if not _PLAN_ID.fullmatch(text):
        raise ValueError("expected the id of a plan")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerWanted:
    """Step 9, at the other country's: which study, and whether its key images are enough."""

    study: Uid
    key_images_only: bool


def read_viewer(body: Any) -> ViewerWanted:
    """The study a viewer is to be opened for."""
    form = Form(body)
    study = form.parsed("study", Uid.parse)
    key_images_only = form.flag("key_images_only", default=False)
    form.close()
    if study is None:
        raise AssertionError("a form without a study is closed with a problem")
    return ViewerWanted(study=study, key_images_only=key_images_only)


def wish_of(
    wanted: ImagesWanted,
    syntaxes: tuple[Uid, ...],
    *,
    is_planned: bool = False,
    link: LinkProfile | None = None,
) -> DeliveryWish:
    """The wish as the other country is told it.

    `syntaxes` is what we read by default, `link` what we know of the link. Who says anything of
    what it needs lets the sender choose how to meet that; who says nothing gets images as they
    are stored, unless they are always planned. We are a gateway: what we keep can be put into any
    form.
    """
    needs = {"link": link, **wanted.needs}
    stated = is_planned or bool(wanted.needs.keys() - {"syntaxes", "purpose"})
    choice = SyntaxChoice.SENDER if stated else SyntaxChoice.AS_STORED
    return DeliveryWish(
        **{"syntaxes": syntaxes, "choice": choice, "decoding": Decoding.GATEWAY, **needs}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a visit ends: why and how long things are kept, or that they are not."""

    note: str
    keep: bool


def read_note(body: Any) -> str:
    """Step 10: what the documents were used for, in the professional's words."""
    form = Form(body)
    note = form.text("note", required=False)
    form.close()
    return note


def read_close(body: Any) -> Closing:
    """The end: a retention note, needed where something is kept."""
    form = Form(body)
    keep = form.flag("keep", default=True)
    closing = Closing(note=form.text("retention_note", required=keep), keep=keep)
    form.close()
    return closing
