"""Reads the clinical statements of `entries`, ours and foreign ones of the same shape.

A statement is known by the section it stands in and by what kind of act it is, not by templates.
What is not understood is left out, as the section's text tells it to people; what is understood
is never completed. Clauses: as for `entries`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import TypeVar

from gateway.domain.codes import Code
from gateway.domain.ids import ReferenceId
from gateway.domain.report_parts import (
    SNOMED_OF,
    AdverseReaction,
    CarePlan,
    Certainty,
    Comparison,
    Concept,
    Conclusion,
    Criticality,
    ImagedSpecimen,
    ImagingOrder,
    ImagingProcedure,
    KeyImage,
    MedicationGiven,
    Participant,
    PlannedAction,
    Propensity,
    ReactionSeverity,
    ReportDevice,
    ReportedObservation,
    ReportedStudy,
    Staging,
)
from gateway.domain.times import Timestamp
from gateway.wire.cda.elements import all_of, attribute, one_of, words_at
from gateway.wire.cda.entries import (
    CERTAINTY,
    CRITICALITY,
    MODALITY,
    MORPHOLOGY,
    RECEIVED,
    REGION,
    SEVERITY,
    UDI,
)
from gateway.wire.cda.people import AUTHOR, ENTITY, read_participant
from gateway.wire.cda.values import (
    qualified,
    read_code,
    read_concept,
    read_concepts,
    read_document_id,
    read_local_ids,
    read_moment,
    read_period,
    read_sites,
    read_uid,
    read_value,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, path_of, text_of

_Meaning = TypeVar("_Meaning", Propensity, ReactionSeverity, Criticality, Certainty)


# --- pieces ---------------------------------------------------------------------------------------


def _related(statement: Element, kind: str, tag: str, mood: str = "") -> Iterator[Element]:
    for found in all_of(statement, "entryRelationship"):
        if found.get("typeCode") == kind:
            for one in all_of(found, tag):
                if not mood or one.get("moodCode") == mood:
                    yield one


def _values(statement: Element, kind: str) -> tuple[Concept, ...]:
    found = (read_concept(one_of(one, "value")) for one in _related(statement, kind, "observation"))
    return tuple(concept for concept in found if concept is not None)


def _meaning(statement: Element, code: Code, values: type[_Meaning]) -> _Meaning | None:
    """What an observation about the statement says, in the vocabulary the guideline closes."""
    for one in _related(statement, "SUBJ", "observation"):
        named = read_code(one_of(one, "code"))
        if named is not None and named.means(code):
            return _of_code(read_code(one_of(one, "value")), values)
    return None


def _of_code(code: Code | None, values: type[_Meaning]) -> _Meaning | None:
    if code is None:
        return None
    return next((value for value in values if code.means(SNOMED_OF[value])), None)


def _moment(statement: Element) -> Timestamp | None:
    period = read_period(statement)
    return period.start if period else None


def _devices(statement: Element) -> Iterator[ReportDevice]:
    for found in all_of(statement, "participant"):
        role = one_of(found, "participantRole")
        if found.get("typeCode") != "DEV" or role is None:
            continue
        ids = read_local_ids(role)
        yield ReportDevice(
            kind=read_concept(one_of(role, "playingDevice/code")),
            name=words_at(role, "playingDevice/manufacturerModelName"),
            udi=next((one.value for one in ids if one.authority == UDI), ""),
            ids=tuple(one for one in ids if one.authority != UDI),
        )


def _performers(statement: Element) -> tuple[Participant, ...]:
    found = (read_participant(one, ENTITY) for one in all_of(statement, "performer"))
    return tuple(one for one in found if one != Participant())


# --- order and history ----------------------------------------------------------------------------


def read_order(statement: Element, references: Iterable[ReferenceId]) -> ImagingOrder:
    """An order; which of the report's references its identifiers are tells what they identify."""
    ids = {(one.value, one.authority) for one in read_local_ids(statement)}
    author = one_of(statement, "author")
    placer = read_participant(author, AUTHOR)
    questions = (
        read_concept(one_of(one, "code"))
        for one in _related(statement, "COMP", "observation", "RQO")
    )
    return ImagingOrder(
        references=tuple(one for one in references if (one.value, one.authority) in ids),
        placed=read_moment(one_of(author, "time")),
        placer=placer if placer != Participant() else None,
        reasons=_values(statement, "RSON"),
        questions=tuple(one for one in questions if one is not None),
    )


# --- what was examined ----------------------------------------------------------------------------


def read_study(statement: Element) -> ReportedStudy:
    """A study the report is about."""
    code = one_of(statement, "code")
    return ReportedStudy(
        uid=read_uid(one_of(statement, "id")),
        modalities=_qualifying(code, MODALITY),
        regions=_qualifying(code, REGION),
        started=_moment(statement),
        description=words_at(statement, "text"),
    )


def _qualifying(code: Element | None, name: Code) -> tuple[Code, ...]:
    found = (read_code(one) for one in qualified(code, name))
    return tuple(one for one in found if one is not None)


def read_specimen(statement: Element) -> ImagedSpecimen:
    """A specimen that was imaged."""
    role = one_of(statement, "specimen/specimenRole")
    morphology = next(
        (
            read_concept(one_of(one, "value"))
            for one in _related(statement, "COMP", "observation")
            if (code := read_code(one_of(one, "code"))) is not None and code.means(MORPHOLOGY)
        ),
        None,
    )
    received = next(
        (
            _moment(one)
            for one in _related(statement, "COMP", "act")
            if attribute(one_of(one, "code"), "code") == RECEIVED.value
        ),
        None,
    )
    return ImagedSpecimen(
        ids=read_local_ids(role),
        material=read_concept(one_of(role, "specimenPlayingEntity/code")),
        collected=read_period(statement),
        site=next(iter(read_sites(statement)), None),
        morphology=morphology,
        method=read_concept(one_of(statement, "methodCode")),
        received=received,
    )


def read_procedure(statement: Element) -> ImagingProcedure:
    """A procedure performed."""
    return ImagingProcedure(
        what=read_concept(one_of(statement, "code")) or Concept(),
        performed=read_period(statement),
        text=words_at(statement, "text"),
        sites=read_sites(statement),
        devices=tuple(_devices(statement)),
        performers=_performers(statement),
        details=read_concepts(statement, "methodCode"),
    )


def read_medication(statement: Element) -> MedicationGiven:
    """A medicine given during the examination."""
    material = one_of(statement, "consumable/manufacturedProduct/manufacturedMaterial")
    code = read_concept(one_of(material, "code"))
    return MedicationGiven(
        brand=words_at(material, "name"),
        codes=code.codes if code else (),
        form=read_concept(one_of(statement, "administrationUnitCode")),
        route=read_concept(one_of(statement, "routeCode")),
        given=read_period(statement),
    )


def read_reaction(statement: Element) -> AdverseReaction:
    """A reaction during the examination."""
    agents = (
        read_concept(one_of(one, "participantRole/playingEntity/code"))
        for one in all_of(statement, "participant")
        if one.get("typeCode") == "CSM"
    )
    return AdverseReaction(
        description=words_at(statement, "text"),
        agent=next((one for one in agents if one), None),
        propensity=_of_code(read_code(one_of(statement, "value")), Propensity),
        manifestations=_values(statement, "MFST"),
        severity=_meaning(statement, SEVERITY, ReactionSeverity),
        criticality=_meaning(statement, CRITICALITY, Criticality),
        onset=_moment(statement),
        certainty=_meaning(statement, CERTAINTY, Certainty),
    )


# --- what was seen --------------------------------------------------------------------------------


def read_observation(statement: Element) -> ReportedObservation:
    """An observation with its value."""
    return ReportedObservation(
        what=read_concept(one_of(statement, "code")) or Concept(),
        observed=read_period(statement),
        method=read_concept(one_of(statement, "methodCode")),
        value=read_value(one_of(statement, "value")),
        interpretation=read_concept(one_of(statement, "interpretationCode")),
        site=read_concept(one_of(statement, "targetSiteCode")),
        note=words_at(statement, "text"),
    )


def read_conclusion(statement: Element) -> Conclusion | None:
    """A condition or finding concluded on, None where no finding is said."""
    finding = read_concept(one_of(statement, "value"))
    if finding is None:
        return None
    stagings = (
        Staging(
            system=read_concept(one_of(one, "code")), category=read_concept(one_of(one, "value"))
        )
        for one in _related(statement, "COMP", "observation")
    )
    return Conclusion(finding=finding, stagings=tuple(one for one in stagings if one != Staging()))


def read_plan(statement: Element) -> CarePlan:
    """A plan that is recommended."""
    actions = (
        (read_concept(one_of(one, "code")), read_period(one))
        for one in _related(statement, "COMP", "act", "PRP")
    )
    return CarePlan(
        text=words_at(statement, "text"),
        actions=tuple(PlannedAction(what=what, when=when) for what, when in actions if what),
    )


def read_comparison(statement: Element) -> Comparison:
    """A prior study or report."""
    return Comparison(
        study=read_uid(one_of(statement, "id")),
        report=read_document_id(one_of(statement, "reference/externalDocument/id")),
        performed=_moment(statement),
        description=words_at(statement, "text"),
    )


def read_key_images(study: Element) -> Iterator[KeyImage]:
    """The images that matter of a study."""
    for series in _related(study, "COMP", "act"):
        modalities = _qualifying(one_of(series, "code"), MODALITY)
        for image in _related(series, "COMP", "observation"):
            held = next(_related(image, "COMP", "observationMedia"), None)
            value = one_of(held, "value")
            yield KeyImage(
                study=read_uid(one_of(study, "id")),
                series=read_uid(one_of(series, "id")),
                instance=read_uid(one_of(image, "id")),
                view=read_concept(one_of(image, "methodCode")),
                site=next(iter(read_sites(image)), None),
                modality=next(iter(modalities), None),
                device=next(_devices(image), None),
                performer=next(iter(_performers(image)), None),
                comment=words_at(image, "text"),
                content_type=attribute(value, "mediaType"),
                content=b"" if value is None else read_media(value),
                url=attribute(one_of(value, "reference"), "value"),
            )


def read_media(value: Element) -> bytes:
    """The bytes of a value; b"" of one that holds none, `DecodeError` for what is no base64."""
    if value.get("representation") != "B64":
        return b""
    try:
        return base64.b64decode("".join(text_of(value).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(path_of(value), str(error), "base64", "ITI TF-3 5.2.3.9") from error
