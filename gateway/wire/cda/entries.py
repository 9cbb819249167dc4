"""The coded entries of a report as a clinical document: each part, in words and as a statement.

Each function gives what a person reads of a part and its clinical statement, in the order of the
schema. Where CDA Release 2 has no plain place nothing is written (`report_losses` names what).
What is simply so is an observation ASSERTION with the thing as its value; what is said about
another statement is related to it. `entries_read` reads the same. Clauses: HL7 CDA Release 2,
4.3.6; DICOM PS3.20 (studies, series and images as acts); IHE PALM XD-LAB (specimen received).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain.codes import DCM, LOINC, SCT, TYPE_REPORT, Code
from gateway.domain.report_parts import (
    SNOMED_OF,
    AdverseReaction,
    CarePlan,
    Comparison,
    Concept,
    Conclusion,
    ImagedSpecimen,
    ImagingOrder,
    ImagingProcedure,
    KeyImage,
    MedicationGiven,
    Participant,
    Period,
    Quantity,
    ReportDevice,
    ReportedObservation,
    ReportedStudy,
)
from gateway.domain.times import Timestamp
from gateway.wire.cda.elements import element, worded
from gateway.wire.cda.people import AUTHOR, ENTITY, write_participant
from gateway.wire.cda.values import (
    ASSERTION,
    UNKNOWN,
    qualifier,
    write_code,
    write_concept,
    write_concepts,
    write_document_id,
    write_id,
    write_moment,
    write_period,
    write_quantity,
    write_site,
    write_uid,
)
from gateway.wire.xml import escape_text

IMAGING: Final = Code("363679005", SCT, "Imaging")
STUDY: Final = Code("113014", DCM, "DICOM Study")
SERIES: Final = Code("113015", DCM, "DICOM Series")
MODALITY: Final = Code("121139", DCM, "Modality")
REGION: Final = Code("123014", DCM, "Target Region")
COLLECTION: Final = Code("17636008", SCT, "Specimen collection")
MORPHOLOGY: Final = Code("116676008", SCT, "Associated morphology")
RECEIVED: Final = Code("SPRECEIVE", "1.3.5.1.4.1.19376.1.5.3.2", "Receive Time")
SEVERITY: Final = Code("SEV", "2.16.840.1.113883.5.4", "Severity")
CRITICALITY: Final = Code("82606-5", LOINC, "Allergy or intolerance criticality")
CERTAINTY: Final = Code("246103008", SCT, "Certainty")
CARE_PLAN: Final = Code("734163000", SCT, "Care plan")
UDI: Final = "2.16.840.1.113883.3.3719"  # the root under which device identifiers are carried


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person reads of a part, and its clinical statement."""

    words: str
    xml: str


# --- pieces ---------------------------------------------------------------------------------------


def _act(tag: str, class_code: str, mood: str, *inside: str) -> str:
    return element(tag, {"classCode": class_code, "moodCode": mood}, *inside)


def _related(kind: str, statement: str) -> str:
    return element("entryRelationship", {"typeCode": kind}, statement)


def _observed(value: Concept | None, code: Code | Concept | None = ASSERTION) -> str:
    """An observation of a concept under a code."""
    named = write_code("code", code) if isinstance(code, Code) else write_concept("code", code)
    return _act("observation", "OBS", "EVN", named, write_concept("value", value, kind="CD"))


def _asserted(kind: str, concepts: Iterable[Concept]) -> str:
    return "".join(_related(kind, _observed(one)) for one in concepts)


def _about(kind: str, found: Code | None, code: Code) -> str:
    return _related(kind, _observed(Concept(codes=(found,)), code)) if found else ""


def _text(text: str) -> str:
    return worded("text", text)


def _device(device: ReportDevice) -> str:
    called = device.kind is not None or device.name
    return element(
        "participant",
        {"typeCode": "DEV"},
        element(
            "participantRole",
            {"classCode": "MANU"},
            *(write_id(one.value, one.authority) for one in device.ids),
            write_id(device.udi, UDI) if device.udi else "",
            element(
                "playingDevice",
                {"classCode": "DEV"},
                write_concepts("code", (device.kind,)),
                worded("manufacturerModelName", device.name),
            )
            if called
            else "",
        ),
    )


def _performer(by: Participant) -> str:
    return element("performer", {}, write_participant(by, ENTITY))


def spoken(*pieces: str) -> str:
    """The pieces that say something, as one line."""
    return ", ".join(piece for piece in pieces if piece)


def _when(moment: Timestamp | Period | None) -> str:
    if isinstance(moment, Period):
        moment = moment.start or moment.end
    return f"{moment.at:%Y-%m-%d}" if moment else ""


def _words(concept: Concept | None) -> str:
    return concept.words if concept else ""


# --- order and history ----------------------------------------------------------------------------


def order_statement(order: ImagingOrder) -> Statement:
    """An order: who placed it and when, why, and what it asks."""
    author = ""
    if order.placer is not None or order.placed is not None:
        when = write_moment("time", order.placed) or element("time", UNKNOWN)
        author = element("author", {}, when, write_participant(order.placer, AUTHOR))
    questions = (
        _related("COMP", _act("observation", "OBS", "RQO", write_concept("code", one)))
        for one in order.questions
    )
    xml = _act(
        "act",
        "ACT",
        "RQO",
        *(write_id(one.value, one.authority) for one in order.references),
        write_code("code", IMAGING),
        author,
        _asserted("RSON", order.reasons),
        *questions,
    )
    numbers = (one.value for one in order.references)
    said = (one.words for one in (*order.reasons, *order.questions))
    return Statement(spoken(*numbers, _when(order.placed), *said), xml)


def problem_statement(problem: Concept) -> Statement:
    """A problem, diagnosis or condition that was known."""
    return Statement(problem.words, _observed(problem))


# --- what was examined ----------------------------------------------------------------------------


def study_statement(study: ReportedStudy) -> Statement:
    """A study the report is about."""
    qualifiers = (
        qualifier(name, write_code("value", code))
        for name, codes in ((MODALITY, study.modalities), (REGION, study.regions))
        for code in codes
    )
    xml = _act(
        "act",
        "ACT",
        "EVN",
        write_uid(study.uid),
        write_code("code", STUDY, *qualifiers),
        _text(study.description),
        write_moment("effectiveTime", study.started),
    )
    codes = (code.display or code.value for code in (*study.modalities, *study.regions))
    return Statement(spoken(study.description, _when(study.started), *codes), xml)


def specimen_statement(specimen: ImagedSpecimen) -> Statement:
    """A specimen that was imaged: taken how, when and where, and received when."""
    role = element(
        "specimenRole",
        {"classCode": "SPEC"},
        *(write_id(one.value, one.authority) for one in specimen.ids),
        element("specimenPlayingEntity", {}, write_concepts("code", (specimen.material,)))
        if specimen.material
        else "",
    )
    morphology = _related("COMP", _observed(specimen.morphology, MORPHOLOGY))
    when = write_moment("effectiveTime", specimen.received)
    received = _related("COMP", _act("act", "ACT", "EVN", write_code("code", RECEIVED), when))
    xml = _act(
        "procedure",
        "PROC",
        "EVN",
        write_code("code", COLLECTION),
        write_period(specimen.collected),
        write_concepts("methodCode", (specimen.method,)),
        write_site(specimen.site),
        element("specimen", {"typeCode": "SPC"}, role),
        morphology if specimen.morphology else "",
        received if specimen.received else "",
    )
    named = (_words(one) for one in (specimen.material, specimen.method, specimen.morphology))
    ids = (one.value for one in specimen.ids)
    return Statement(spoken(*ids, *named, _when(specimen.collected)), xml)


def procedure_statement(procedure: ImagingProcedure) -> Statement:
    """A procedure performed."""
    xml = _act(
        "procedure",
        "PROC",
        "EVN",
        write_concept("code", procedure.what),
        _text(procedure.text),
        write_period(procedure.performed),
        write_concepts("methodCode", procedure.details),
        *map(write_site, procedure.sites),
        *map(_performer, procedure.performers),
        *map(_device, procedure.devices),
    )
    sites = (spoken(one.location.words, _words(one.laterality)) for one in procedure.sites)
    details = (one.words for one in procedure.details)
    words = spoken(procedure.what.words, _when(procedure.performed), *sites, *details)
    return Statement(spoken(words, procedure.text), xml)


def medication_statement(given: MedicationGiven) -> Statement:
    """A medicine given during the examination."""
    code = write_concept("code", Concept(codes=given.codes)) if given.codes else ""
    material = element("manufacturedMaterial", {}, code, worded("name", given.brand))
    product = element("manufacturedProduct", {"classCode": "MANU"}, material)
    xml = _act(
        "substanceAdministration",
        "SBADM",
        "EVN",
        write_period(given.given, kind="IVL_TS"),
        write_concepts("routeCode", (given.route,)),
        write_concepts("administrationUnitCode", (given.form,)),
        element("consumable", {}, product),
    )
    named = given.brand or next((code.display or code.value for code in given.codes), "")
    return Statement(
        spoken(named, _words(given.form), _words(given.route), _when(given.given)), xml
    )


def reaction_statement(reaction: AdverseReaction) -> Statement:
    """A reaction during the examination, and the propensity it shows."""
    propensity = SNOMED_OF[reaction.propensity] if reaction.propensity else None
    value = Concept(codes=(propensity,)) if propensity else None
    agent = ""
    if reaction.agent is not None:
        playing = element(
            "playingEntity", {"classCode": "MMAT"}, write_concept("code", reaction.agent)
        )
        role = element("participantRole", {"classCode": "MANU"}, playing)
        agent = element("participant", {"typeCode": "CSM"}, role)
    xml = _act(
        "observation",
        "OBS",
        "EVN",
        write_code("code", ASSERTION),
        _text(reaction.description),
        write_moment("effectiveTime", reaction.onset),
        write_concept("value", value, kind="CD") if value else "",
        agent,
        _asserted("MFST", reaction.manifestations),
        _about("SUBJ", SNOMED_OF[reaction.severity] if reaction.severity else None, SEVERITY),
        _about(
            "SUBJ", SNOMED_OF[reaction.criticality] if reaction.criticality else None, CRITICALITY
        ),
        _about("SUBJ", SNOMED_OF[reaction.certainty] if reaction.certainty else None, CERTAINTY),
    )
    shown = (one.words for one in reaction.manifestations)
    words = spoken(_words(reaction.agent), *shown, reaction.description)
    return Statement(words, xml)


# --- what was seen --------------------------------------------------------------------------------


def observation_statement(seen: ReportedObservation) -> Statement:
    """An observation with its value."""
    value, found = "", ""
    if isinstance(seen.value, Quantity):
        value = write_quantity("value", seen.value)
        found = f"{seen.value.value:f} {seen.value.unit}".strip()
    elif seen.value is not None:
        value, found = write_concept("value", seen.value, kind="CD"), seen.value.words
    xml = _act(
        "observation",
        "OBS",
        "EVN",
        write_concept("code", seen.what),
        _text(seen.note),
        write_period(seen.observed),
        value,
        write_concepts("interpretationCode", (seen.interpretation,)),
        write_concepts("methodCode", (seen.method,)),
        write_concepts("targetSiteCode", (seen.site,)),
    )
    named = f"{seen.what.words}: {found}" if found else seen.what.words
    return Statement(spoken(named, _words(seen.interpretation), _words(seen.site), seen.note), xml)


def conclusion_statement(conclusion: Conclusion) -> Statement:
    """A condition or finding concluded on, and its stages."""
    stagings = (
        _related("COMP", _observed(one.category, one.system)) for one in conclusion.stagings
    )
    xml = _act(
        "observation",
        "OBS",
        "EVN",
        write_code("code", ASSERTION),
        write_concept("value", conclusion.finding, kind="CD"),
        *stagings,
    )
    grades = (_words(one.category) or _words(one.system) for one in conclusion.stagings)
    return Statement(spoken(conclusion.finding.words, *grades), xml)


def plan_statement(plan: CarePlan) -> Statement:
    """A plan that is recommended."""
    actions = (
        _related(
            "COMP",
            _act("act", "ACT", "PRP", write_concept("code", one.what), write_period(one.when)),
        )
        for one in plan.actions
    )
    xml = _act("act", "ACT", "INT", write_code("code", CARE_PLAN), _text(plan.text), *actions)
    planned = (spoken(one.what.words, _when(one.when)) for one in plan.actions)
    return Statement(spoken(plan.text, *planned), xml)


def comparison_statement(prior: Comparison) -> Statement:
    """A prior study or report."""
    report = ""
    if prior.report is not None:
        document = element("externalDocument", {}, write_document_id("id", prior.report))
        report = element("reference", {"typeCode": "REFR"}, document)
    xml = _act(
        "act",
        "ACT",
        "EVN",
        write_uid(prior.study),
        write_code("code", TYPE_REPORT if prior.report else STUDY),
        _text(prior.description),
        write_moment("effectiveTime", prior.performed),
        report,
    )
    return Statement(spoken(prior.description, _when(prior.performed)), xml)


def key_image_statement(image: KeyImage) -> Statement:
    """An image that matters, within its series and its study."""
    shown = _act(
        "observation",
        "DGIMG",
        "EVN",
        write_uid(image.instance),
        element("code", UNKNOWN),
        _text(image.comment),
        write_concepts("methodCode", (image.view,)),
        write_site(image.site),
        _performer(image.performer) if image.performer else "",
        _device(image.device) if image.device else "",
        _related("COMP", media(image.content, image.content_type, url=image.url))
        if image.content or image.content_type or image.url
        else "",
    )
    modality = qualifier(MODALITY, write_code("value", image.modality)) if image.modality else ""
    series = _act(
        "act",
        "ACT",
        "EVN",
        write_uid(image.series),
        write_code("code", SERIES, modality),
        _related("COMP", shown),
    )
    xml = _act(
        "act",
        "ACT",
        "EVN",
        write_uid(image.study),
        write_code("code", STUDY),
        _related("COMP", series),
    )
    site = image.site.location.words if image.site else ""
    return Statement(spoken(_words(image.view), site, image.comment), xml)


def embedded(tag: str, content: bytes, media_type: str, url: str = "") -> str:
    """Bytes, or where they lie."""
    return element(
        tag,
        {"mediaType": media_type, "representation": "B64" if content else ""},
        element("reference", {"value": url}) if url else "",
        base64.b64encode(content).decode("ascii"),
    )


def media(
    content: bytes, media_type: str, *, name: str = "", language: str = "", url: str = ""
) -> str:
    """Bytes that are shown with the text; `name` is that by which a narrative refers to them."""
    return element(
        "observationMedia",
        {"classCode": "OBS", "moodCode": "EVN", "ID": name},
        element("languageCode", {"code": language}) if language else "",
        embedded("value", content, media_type, url),
    )


def listed(statements: Iterable[Statement]) -> str:
    """What a person reads of statements, as the text of a section."""
    items: Iterator[str] = (
        element("item", {}, escape_text(one.words or "–")) for one in statements
    )
    return element("text", {}, element("list", {}, *items))
