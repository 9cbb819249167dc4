"""What was done: procedures, the medicines given with them, and reactions to these.

Guideline A.5.1 but for the studies, A.5.2 and A.5.3. A reaction is an AllergyIntolerance, which has
all the guideline asks for, under the AdverseEvent that the guide puts into the section. Clauses:
HL7 Europe imaging report, Procedure, Device, AdverseEvent; FHIR R4 Medication,
MedicationAdministration, AllergyIntolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, TypeVar

from gateway.domain import (
    AdverseReaction,
    BodySite,
    Certainty,
    Code,
    Concept,
    Criticality,
    ImagingProcedure,
    Ingredient,
    MedicationGiven,
    Participant,
    Period,
    Propensity,
    ReactionSeverity,
    ReportDevice,
)
from gateway.domain.report_parts import SNOMED_OF
from gateway.wire.fhir.concepts import read_concept, write_concept
from gateway.wire.fhir.report_bundle import Found, Made
from gateway.wire.fhir.report_people import participant_of, refer_participant
from gateway.wire.fhir.report_terms import (
    CERTAINTIES,
    EVENT_SEVERITIES,
    IMAGING_DEVICE,
    PERFORMER,
    PROFILES,
    PROPENSITY,
)
from gateway.wire.fhir.report_values import (
    UNKNOWN,
    concept_at,
    concept_json,
    concept_of,
    concepts_at,
    concepts_json,
    device_json,
    each,
    extension,
    extensions_of,
    filled,
    moment_at,
    moment_json,
    quantity_at,
    quantity_json,
    read_device,
    site_json,
    site_of,
    when_at,
    when_json,
)
from gateway.wire.fhir.resources import Json, object_at, objects_at, text_at

# R4 has no "presumed"; the code beside it says so (FHIR R4, allergyintolerance-verification).
_VERIFIED: Final = {
    Certainty.SUSPECTED: "unconfirmed",
    Certainty.LIKELY: "unconfirmed",
    Certainty.CONFIRMED: "confirmed",
    Certainty.REFUTED: "refuted",
}
_E = TypeVar("_E", bound=StrEnum)


# --- procedures -----------------------------------------------------------------------------------


def write_procedure(procedure: ImagingProcedure, made: Made, subject: Json) -> list[Json]:
    """References to a Procedure, and to a part of it for each detail: phases are such parts."""
    performers = [
        {
            "function": write_concept(PERFORMER),
            "actor": refer_participant(one, made, subject=subject),
        }
        for one in procedure.performers
    ]
    performers += [
        {"function": write_concept(IMAGING_DEVICE), "actor": made.refer(device_json(one))}
        for one in procedure.devices
    ]
    least: Json = {
        "resourceType": "Procedure",
        "meta": {"profile": [PROFILES["Procedure"]]},
        "status": "completed",
        "subject": subject,
    }
    whole = made.refer(
        filled(
            {
                **least,
                "code": concept_json(procedure.what),
                **when_json("performed", procedure.performed),
                "performer": [one for one in performers if one["actor"]],
                "bodySite": [
                    json
                    for one in procedure.sites
                    if (json := site_json(one, made, subject=subject))
                ],
                "note": [{"text": procedure.text}] if procedure.text else [],
            }
        )
    )
    parts = (
        made.refer({**least, "partOf": [whole], "code": json})
        for json in concepts_json(procedure.details)
    )
    return [whole, *parts]


def read_procedures(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[ImagingProcedure, ...]:
    """The procedures of the section; a part that has but a code is a detail of its whole."""
    listed = each(references, found, where, "Procedure")
    wholes: list[tuple[Json, str]] = []
    details: dict[int, list[Concept]] = {}
    for resource, place in listed:
        whole = _whole(resource, found, place)
        what = concept_at(resource, "code", place)
        if whole is None or what is None or not _is_bare(resource):
            wholes.append((resource, place))
        else:
            details.setdefault(id(whole), []).append(what)
    return tuple(
        _read_procedure(resource, found, place, tuple(details.get(id(resource), ())))
        for resource, place in wholes
    )


def _whole(resource: Json, found: Found, where: str) -> Json | None:
    for i, one in enumerate(objects_at(resource, "partOf", where)):
        whole = found.resolve(one, f"{where}.partOf[{i}]")
        if whole is not None and whole.get("resourceType") == "Procedure":
            return whole
    return None


def _is_bare(resource: Json) -> bool:
    return not {"performer", "performedDateTime", "performedPeriod", "bodySite", "note"} & set(
        resource
    )


def _read_procedure(
    resource: Json, found: Found, where: str, details: tuple[Concept, ...]
) -> ImagingProcedure:
    devices, performers = [], []
    for i, json in enumerate(objects_at(resource, "performer", where)):
        place = f"{where}.performer[{i}].actor"
        actor = object_at(json, "actor", f"{where}.performer[{i}]")
        resolved = found.resolve(actor, place)
        if resolved is not None and resolved.get("resourceType") == "Device":
            devices.append(read_device(resolved, found.place(resolved)))
        elif (who := participant_of(actor, found, place)) is not None:
            performers.append(who)
    sites = (
        site_of(one, found, f"{where}.bodySite[{i}]")[0]
        for i, one in enumerate(objects_at(resource, "bodySite", where))
    )
    return ImagingProcedure(
        what=concept_at(resource, "code", where) or Concept(),
        performed=when_at(resource, "performed", where),
        text=notes_of(resource, where),
        sites=tuple(site for site in sites if site is not None),
        devices=tuple(devices),
        performers=tuple(performers),
        details=details,
    )


def read_from_studies(
    references: tuple[Json, ...], found: Found, where: str, *, performed: Period | None
) -> tuple[ImagingProcedure, ...]:
    """What studies tell of a procedure nobody describes; nothing when they tell nothing.

    Codes of the studies, places of their series with sides, and who or what made these.
    """
    codes: list[Code] = []
    sites: list[BodySite] = []
    devices: list[ReportDevice] = []
    performers: list[Participant] = []
    for resource, place in each(references, found, where, "ImagingStudy"):
        for concept in concepts_at(resource, "procedureCode", place):
            codes += concept.codes
        for i, series in enumerate(objects_at(resource, "series", place)):
            at = f"{place}.series[{i}]"
            location = _coding(series, "bodySite", at)
            if location is not None:
                sites.append(
                    BodySite(location=location, laterality=_coding(series, "laterality", at))
                )
            for device, performer in _makers(series, found, at):
                devices += [device] if device else []
                performers += [performer] if performer else []
    told = ImagingProcedure(
        what=Concept(codes=tuple(dict.fromkeys(codes))),
        performed=performed,
        sites=tuple(dict.fromkeys(sites)),
        devices=tuple(dict.fromkeys(devices)),
        performers=tuple(dict.fromkeys(performers)),
    )
    return () if told == ImagingProcedure(what=Concept()) else (told,)


def _coding(holder: Json, key: str, where: str) -> Concept | None:
    coding = object_at(holder, key, where)
    return concept_of({"coding": [coding]}, f"{where}.{key}") if coding else None


def _makers(
    series: Json, found: Found, where: str
) -> Iterator[tuple[ReportDevice | None, Participant | None]]:
    """Equipment and performers of a series, by function; who keeps it or where has no part."""
    for i, json in enumerate(objects_at(series, "performer", where)):
        place = f"{where}.performer[{i}]"
        functions = read_concept(object_at(json, "function", place), f"{place}.function")
        actor = object_at(json, "actor", place)
        resolved = found.resolve(actor, f"{place}.actor")
        if any(code.value == "DEV" for code in functions):
            if resolved is not None and resolved.get("resourceType") == "Device":
                yield read_device(resolved, found.place(resolved)), None
        elif any(code.value == "PRF" for code in functions):
            yield None, participant_of(actor, found, f"{place}.actor")


def notes_of(resource: Json, where: str) -> str:
    """The notes of a resource, one after the other."""
    notes = objects_at(resource, "note", where)
    texts = (text_at(one, "text", f"{where}.note[{i}]") for i, one in enumerate(notes))
    return "\n".join(text for text in texts if text)


# --- medicines ------------------------------------------------------------------------------------


def write_medication(given: MedicationGiven, made: Made, subject: Json, procedure: Json) -> Json:
    """A Reference to a MedicationAdministration, part of a procedure where there is one."""
    medicine = filled(
        {
            "resourceType": "Medication",
            "code": write_concept(*given.codes, text=given.brand),
            "form": concept_json(given.form),
            "ingredient": [_ingredient(one) for one in given.ingredients],
        }
    )
    # R4 demands a time: of none it is unknown, said in a period, since the models of R4B do not see
    # what stands beside a dateTime; and a period without ends says nothing. A way in without a
    # dose is no dosage (mad-1), and B.1 knows no dose.
    when = when_json("effective", given.given)
    route = concept_json(given.route)
    return made.refer(
        filled(
            {
                "resourceType": "MedicationAdministration",
                "partOf": [procedure] if procedure else [],
                "status": "completed",
                "medicationReference": made.refer(medicine),
                "subject": subject,
                **(when or {"effectivePeriod": UNKNOWN}),
                "dosage": {"route": route, "dose": UNKNOWN} if route else {},
            }
        )
    )


def _ingredient(ingredient: Ingredient) -> Json:
    strength = filled(
        {
            "numerator": quantity_json(ingredient.strength),
            "denominator": quantity_json(ingredient.per),
        }
    )
    return filled({"itemCodeableConcept": concept_json(ingredient.substance), "strength": strength})


def read_medications(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[MedicationGiven, ...]:
    """The medicines that the entries of the history say were given."""
    return tuple(
        _medication(one, found, place)
        for one, place in each(references, found, where, "MedicationAdministration")
    )


def _medication(resource: Json, found: Found, where: str) -> MedicationGiven:
    reference = object_at(resource, "medicationReference", where)
    medicine = found.resolve(reference, f"{where}.medicationReference")
    named = concept_at(resource, "medicationCodeableConcept", where)
    ingredients: tuple[Ingredient, ...] = ()
    form = None
    if medicine is not None and medicine.get("resourceType") == "Medication":
        place = found.place(medicine)
        named = concept_at(medicine, "code", place) or named
        form = concept_at(medicine, "form", place)
        ingredients = tuple(
            one
            for i, json in enumerate(objects_at(medicine, "ingredient", place))
            if (one := _read_ingredient(json, f"{place}.ingredient[{i}]")) is not None
        )
    dosage = object_at(resource, "dosage", where)
    return MedicationGiven(
        brand=named.text if named else "",
        codes=named.codes if named else (),
        ingredients=ingredients,
        form=form,
        route=concept_at(dosage, "route", f"{where}.dosage"),
        given=when_at(resource, "effective", where),
    )


def _read_ingredient(json: Json, where: str) -> Ingredient | None:
    substance = concept_at(json, "itemCodeableConcept", where)
    if substance is None:
        return None
    strength, place = object_at(json, "strength", where), f"{where}.strength"
    return Ingredient(
        substance=substance,
        strength=quantity_at(strength, "numerator", place),
        per=quantity_at(strength, "denominator", place),
    )


# --- reactions ------------------------------------------------------------------------------------


def write_reaction(reaction: AdverseReaction, made: Made, subject: Json, procedure: Json) -> Json:
    """A Reference to the AdverseEvent of a reaction; the procedure is among the suspects."""
    allergy = made.refer(_allergy(reaction, subject))
    severity = reaction.severity
    return made.refer(
        filled(
            {
                "resourceType": "AdverseEvent",
                "meta": {"profile": [PROFILES["AdverseEvent"]]},
                "actuality": "actual",
                "event": concept_json(next(iter(reaction.manifestations), None)),
                "subject": subject,
                "date": moment_json(reaction.onset),
                "severity": write_concept(Code(severity.value, EVENT_SEVERITIES))
                if severity
                else {},
                "suspectEntity": [{"instance": procedure}] if procedure else [],
                "subjectMedicalHistory": [allergy],
            }
        )
    )


def _allergy(reaction: AdverseReaction, subject: Json) -> Json:
    propensity, certainty = reaction.propensity, reaction.certainty
    shown = filled(
        {
            "manifestation": concepts_json(reaction.manifestations),
            "severity": reaction.severity.value if reaction.severity else "",
        }
    )
    if shown:
        # An element that must be there, of a reaction whose signs nobody told.
        shown.setdefault("manifestation", [UNKNOWN])
    verified = Code(_VERIFIED[certainty], CERTAINTIES) if certainty else None
    return filled(
        {
            "resourceType": "AllergyIntolerance",
            "extension": [
                extension(PROPENSITY, "CodeableConcept", write_concept(SNOMED_OF[propensity]))
                if propensity
                else {}
            ],
            "clinicalStatus": write_concept(
                Code("active", CERTAINTIES.replace("verification", "clinical"))
            ),
            "verificationStatus": write_concept(verified, SNOMED_OF[certainty])
            if certainty and verified
            else {},
            "type": propensity.value if propensity else "",
            "criticality": reaction.criticality.value if reaction.criticality else "",
            "code": concept_json(reaction.agent),
            "patient": subject,
            "onsetDateTime": moment_json(reaction.onset),
            "note": [{"text": reaction.description}] if reaction.description else [],
            "reaction": [shown],
        }
    )


def read_reactions(
    references: tuple[Json, ...], found: Found, where: str
) -> tuple[AdverseReaction, ...]:
    """The reactions among the entries of the procedure, as events or as allergies."""
    read = []
    for resource, place in each(references, found, where, "AdverseEvent", "AllergyIntolerance"):
        if resource["resourceType"] == "AllergyIntolerance":
            read.append(_read_allergy(resource, place))
            continue
        history = objects_at(resource, "subjectMedicalHistory", place)
        allergies = each(history, found, f"{place}.subjectMedicalHistory", "AllergyIntolerance")
        read += [_read_allergy(one, at) for one, at in allergies] or [_read_event(resource, place)]
    return tuple(read)


def _read_event(resource: Json, where: str) -> AdverseReaction:
    event = concept_at(resource, "event", where)
    severity = read_concept(object_at(resource, "severity", where), f"{where}.severity")
    return AdverseReaction(
        manifestations=(event,) if event else (),
        severity=_member(ReactionSeverity, severity),
        onset=moment_at(resource, "date", where),
    )


def _read_allergy(resource: Json, where: str) -> AdverseReaction:
    reactions = [
        (one, f"{where}.reaction[{i}]")
        for i, one in enumerate(objects_at(resource, "reaction", where))
    ]
    said = [
        code
        for one, place in extensions_of(resource, PROPENSITY, where)
        for code in read_concept(object_at(one, "valueCodeableConcept", place), place)
    ]
    kind = text_at(resource, "type", where)
    verified = read_concept(
        object_at(resource, "verificationStatus", where), f"{where}.verificationStatus"
    )
    severities = [text_at(one, "severity", place) for one, place in reactions]
    onsets = [moment_at(one, "onset", place) for one, place in reactions]
    substances = [concept_at(one, "substance", place) for one, place in reactions]
    return AdverseReaction(
        description=notes_of(resource, where),
        agent=concept_at(resource, "code", where) or next(filter(None, substances), None),
        propensity=_member(Propensity, (*said, Code(kind, ""))),
        manifestations=tuple(
            concept
            for one, place in reactions
            for concept in concepts_at(one, "manifestation", place)
        ),
        severity=_member(ReactionSeverity, tuple(Code(one, "") for one in severities)),
        criticality=_member(Criticality, (Code(text_at(resource, "criticality", where), ""),)),
        onset=moment_at(resource, "onsetDateTime", where) or next(filter(None, onsets), None),
        certainty=_member(Certainty, verified),
    )


def _member(kind: type[_E], codes: tuple[Code, ...]) -> _E | None:
    """The member that one of the codes means, by SNOMED CT first, else by the code of HL7."""
    by_snomed = {code: member for member, code in SNOMED_OF.items() if isinstance(member, kind)}
    by_value = {member.value: member for member in kind}
    for code in codes:
        if code in by_snomed:
            return by_snomed[code]
    return next((by_value[code.value] for code in codes if code.value in by_value), None)
