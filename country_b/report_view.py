"""A report as sections of rows: every element of the guideline's data set A that it carries.

Texts stand first under their heading, what was coded after them. Sections of codes that are not
known here keep their own title. Not HTML: that is `report_page`; what a row is, `report_rows` says.
Source: eHealth Network, Guideline on imaging studies and reports, release 1.0, data set A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from country_b.report_rows import GENDERS, Group, Row, RowMaker, Value, shown_code
from gateway.designations import Designations
from gateway.domain import (
    AdverseReaction,
    Attestation,
    CarePlan,
    Code,
    Comparison,
    Conclusion,
    ImagedSpecimen,
    ImagingOrder,
    ImagingProcedure,
    ImagingReport,
    KeyImage,
    MedicationGiven,
    Participant,
    ParticipantKind,
    Quantity,
    ReferenceKind,
    ReportDevice,
    ReportedObservation,
    ReportedStudy,
    ReportSection,
)
from gateway.domain.codes import TYPE_REPORT
from gateway.domain.report_parts import SNOMED_OF
from gateway.domain.reports import (
    COMMUNICATION_SECTION,
    COMPARISON_SECTION,
    FINDINGS_SECTION,
    HISTORY_SECTION,
    IMPRESSION_SECTION,
    ORDER_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
    STUDY_SECTION,
)

_REFERENCES: Final[Mapping[str, str]] = {
    ReferenceKind.STUDY: "study_uid",
    ReferenceKind.ACCESSION: "accession",
    ReferenceKind.ORDER: "order_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text under a heading: the heading as the report has it, its code, and what is said."""

    title: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page; `id` is what a link within the page names."""

    id: str
    title: str
    passages: tuple[Passage, ...] = ()
    groups: tuple[Group, ...] = ()


def view(report: ImagingReport, words: Designations) -> tuple[Section, ...]:
    """The sections of the page, those that say nothing left out."""
    make = RowMaker(words=words, language=report.language)
    known = {code for _, codes, _ in _SECTIONS for code in codes}
    sections = [
        Section(
            id=key,
            title=words.labels[key],
            passages=_passages(report.sections, codes),
            groups=tuple(groups(report, make)),
        )
        for key, codes, groups in _SECTIONS
    ]
    others = [
        Section(
            id=f"section-{number}",
            title=words.of(section.code) or section.title or words.labels["other_section"],
            passages=(_passage(section),),
        )
        for number, section in enumerate(report.sections, 1)
        if section.code not in known
    ]
    place = next(i for i, one in enumerate(sections) if one.id == "key_images")
    found = (*sections[:place], *others, *sections[place:])
    return tuple(one for one in found if one.passages or one.groups)


def _passages(sections: Iterable[ReportSection], codes: tuple[Code, ...]) -> tuple[Passage, ...]:
    return tuple(_passage(one) for one in sections if one.code in codes and one.text.strip())


def _passage(section: ReportSection) -> Passage:
    return Passage(title=section.title, code=shown_code(section.code), text=section.text)


# --- patient and document -------------------------------------------------------------------------


def _patient(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    gender = Code(r.gender.value, GENDERS) if r.gender else None
    name = r.patient_name
    yield from make.group(
        "patient",
        make.row("family_name", make.plain(name.family)),
        make.row("given_name", make.plain(" ".join(name.given))),
        make.row("birth_date", make.at(r.birth_date)),
        make.row("gender", make.term(gender)),
        make.row("identifier", *(make.local_id(one.value, one.authority) for one in r.patient_ids)),
        make.address(r.patient_address),
        make.telecom(r.patient_telecom),
    )
    for insurance in r.insurances:
        yield from make.group(
            "insurance",
            make.row("provider", make.organisation(insurance.provider)),
            make.row("policy", make.plain(insurance.policy)),
        )


def _document(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    references: dict[str, list[Value]] = {}
    for one in r.references:
        key = _REFERENCES.get(one.kind, "reference")
        references.setdefault(key, []).extend(make.local_id(one.value, one.authority))
    yield from make.group(
        "document",
        make.row("title", make.free(r.title)),
        make.row("document_type", make.term(TYPE_REPORT), make.term(r.kind)),
        make.row("status", make.label(f"status_{r.status.value}")),
        make.row("procedure", make.term(r.procedure)),
        make.row("created", make.at(r.created)),
        make.row("authored", make.at(r.authored)),
        make.row("language", make.plain(make.words.name_of(r.language)), make.plain(r.language)),
        make.row("version", make.plain(r.version)),
        make.row("confidentiality", make.term(r.confidentiality)),
        make.row("custodian", make.organisation(r.custodian)),
        *(make.row(key, values) for key, values in references.items()),
        make.row("document_id", make.plain(r.id)),
        make.row("version_set", make.plain(r.set_id)),
        make.row("replaces", make.plain(r.replaces)),
    )


def _people(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for by in r.authors:
        key = "device_author" if by.kind is ParticipantKind.DEVICE else "author"
        yield from make.group(key, make.person(by))
    for key, said in (
        ("legal_authenticator", r.legal_authenticators),
        ("validator", r.validators),
    ):
        for one in said:
            yield from _attested(key, one, make)
    for to in r.recipients:
        yield from make.group("recipient", make.person(to))


def _attested(key: str, said: Attestation, make: RowMaker) -> Iterable[Group]:
    return make.group(key, make.person(said.by), make.row("signed_at", make.at(said.at)))


# --- order and history ----------------------------------------------------------------------------


def _orders(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for order in r.orders:
        yield from _order(order, make)


def _order(order: ImagingOrder, make: RowMaker) -> Iterable[Group]:
    numbers = (
        make.row(_REFERENCES.get(one.kind, "reference"), make.local_id(one.value, one.authority))
        for one in order.references
    )
    yield from make.group(
        "order",
        make.row("reason", *map(make.term, order.reasons)),
        make.row("question", *map(make.term, order.questions)),
        make.row("placed", make.at(order.placed)),
        *numbers,
    )
    yield from make.group("placer", make.person(order.placer))


def _history(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for problem in r.problems:
        yield from make.group("problem", make.row("problem", make.term(problem)))


# --- examination ----------------------------------------------------------------------------------


def _examination(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for study in r.studies:
        yield from _study(study, make)
    for procedure in r.procedures:
        yield from _procedure(procedure, make)
    for medication in r.medications:
        yield from _medication(medication, make)
    for reaction in r.reactions:
        yield from _reaction(reaction, make)
    for specimen in r.specimens:
        yield from _specimen(specimen, make)


def _study(study: ReportedStudy, make: RowMaker) -> Iterable[Group]:
    return make.group(
        "study",
        make.row("modality", *map(make.term, study.modalities)),
        make.row("region", *map(make.term, study.regions)),
        make.row("started", make.at(study.started)),
        make.row("description", make.free(study.description)),
        make.row("study_uid", make.plain(study.uid)),
    )


def _procedure(procedure: ImagingProcedure, make: RowMaker) -> Iterable[Group]:
    yield from make.group(
        "procedure",
        make.row("procedure", make.term(procedure.what)),
        make.row("performed", make.period(procedure.performed)),
        make.row("procedure_text", make.free(procedure.text)),
        *map(make.site, procedure.sites),
        make.row("details", *map(make.term, procedure.details)),
    )
    for device in procedure.devices:
        yield from make.group("device", _device(device, make))
    for performer in procedure.performers:
        yield from make.group("performer", make.person(performer))


def _device(device: ReportDevice, make: RowMaker) -> tuple[Row, ...]:
    return (
        *make.row("device", make.term(device.kind)),
        *make.row("name", make.plain(device.name)),
        *make.row("device_udi", make.plain(device.udi)),
        *make.row("identifier", *(make.local_id(one.value, one.authority) for one in device.ids)),
    )


def _medication(given: MedicationGiven, make: RowMaker) -> Iterable[Group]:
    ingredients = (
        (
            *make.row("ingredient", make.term(one.substance)),
            *make.row("strength", make.quantity(one.strength, one.per)),
        )
        for one in given.ingredients
    )
    return make.group(
        "medication",
        make.row("brand", make.plain(given.brand)),
        make.row("code", *map(make.term, given.codes)),
        *ingredients,
        make.row("dose_form", make.term(given.form)),
        make.row("route", make.term(given.route)),
        make.row("given", make.period(given.given)),
    )


def _reaction(reaction: AdverseReaction, make: RowMaker) -> Iterable[Group]:
    meanings = (
        ("propensity", reaction.propensity),
        ("severity", reaction.severity),
        ("criticality", reaction.criticality),
        ("certainty", reaction.certainty),
    )
    return make.group(
        "reaction",
        make.row("agent", make.term(reaction.agent)),
        make.row("manifestation", *map(make.term, reaction.manifestations)),
        *(make.row(key, make.term(SNOMED_OF[value])) for key, value in meanings if value),
        make.row("onset", make.at(reaction.onset)),
        make.row("description", make.free(reaction.description)),
    )


def _specimen(specimen: ImagedSpecimen, make: RowMaker) -> Iterable[Group]:
    return make.group(
        "specimen",
        make.row("identifier", *(make.local_id(one.value, one.authority) for one in specimen.ids)),
        make.row("material", make.term(specimen.material)),
        make.row("collected", make.period(specimen.collected)),
        make.site(specimen.site),
        make.row("morphology", make.term(specimen.morphology)),
        make.row("source", make.term(specimen.source)),
        make.row("method", make.term(specimen.method)),
        make.row("received", make.at(specimen.received)),
    )


# --- what was seen --------------------------------------------------------------------------------


def _comparisons(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for prior in r.comparisons:
        yield from _comparison(prior, make)


def _comparison(prior: Comparison, make: RowMaker) -> Iterable[Group]:
    return make.group(
        "comparison_study",
        make.row("description", make.free(prior.description)),
        make.row("performed", make.at(prior.performed)),
        make.row("study_uid", make.plain(prior.study)),
        make.row("report", make.plain(prior.report)),
    )


def _observations(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for seen in r.observations:
        yield from _observation(seen, make)


def _observation(seen: ReportedObservation, make: RowMaker) -> Iterable[Group]:
    found = seen.value
    value = make.quantity(found) if isinstance(found, Quantity) else make.term(found)
    return make.group(
        "observation",
        make.row("observation", make.term(seen.what)),
        make.row("value", value),
        make.row("interpretation", make.term(seen.interpretation)),
        make.row("site", make.term(seen.site)),
        make.row("method", make.term(seen.method)),
        make.row("observed", make.period(seen.observed)),
        make.row("note", make.free(seen.note)),
    )


def _conclusions(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for conclusion in r.conclusions:
        yield from _conclusion(conclusion, make)


def _conclusion(conclusion: Conclusion, make: RowMaker) -> Iterable[Group]:
    stagings = (
        (
            *make.row("staging_system", make.term(one.system)),
            *make.row("staging", make.term(one.category)),
        )
        for one in conclusion.stagings
    )
    return make.group(
        "conclusion", make.row("conclusion", make.term(conclusion.finding)), *stagings
    )


def _plans(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for plan in r.care_plans:
        yield from _plan(plan, make)


def _plan(plan: CarePlan, make: RowMaker) -> Iterable[Group]:
    actions = (
        (
            *make.row("action", make.term(one.what)),
            *make.row("when", make.period(one.when)),
        )
        for one in plan.actions
    )
    return make.group("care_plan", make.row("description", make.free(plan.text)), *actions)


def _key_images(r: ImagingReport, make: RowMaker) -> Iterable[Group]:
    for image in r.key_images:
        yield from _key_image(image, make)


def _key_image(image: KeyImage, make: RowMaker) -> Iterable[Group]:
    size = " × ".join(str(one) for one in (image.width, image.height) if one)
    picture = make.picture(
        image.content, image.content_type, image.comment or make.words.labels["key_image"]
    )
    kind = make.label(image.kind.value) if image.kind else ()
    yield from make.group(
        "key_image",
        make.row("image", picture or make.label("no_preview")),
        make.row("comment", make.free(image.comment)),
        make.row("view", make.term(image.view)),
        make.site(image.site),
        make.row("modality", make.term(image.modality)),
        make.row("media_type", kind, make.plain(image.content_type)),
        make.row("size", make.plain(size)),
        make.row("frames", make.plain(image.frames)),
        make.row("duration", make.plain(image.duration)),
        make.row("address_of_image", make.plain(image.url)),
        make.row("study_uid", make.plain(image.study)),
        make.row("series_uid", make.plain(image.series)),
        make.row("instance_uid", make.plain(image.instance)),
        _device(image.device, make) if image.device else (),
        make.row("performer", make.plain(_called(image.performer))),
    )


def _called(by: Participant | None) -> str:
    if by is None:
        return ""
    name = by.name.full if by.name else ""
    return ", ".join(filter(None, (name, by.id, by.organisation.name if by.organisation else "")))


def _none(_r: ImagingReport, _make: RowMaker) -> Iterable[Group]:
    return ()


_Groups = Callable[[ImagingReport, RowMaker], Iterable[Group]]

# In the order of the page: the label and the link, the headings whose texts it has, its groups.
_SECTIONS: Final[tuple[tuple[str, tuple[Code, ...], _Groups], ...]] = (
    ("patient", (), _patient),
    ("order", (ORDER_SECTION,), _orders),
    ("history", (HISTORY_SECTION,), _history),
    ("examination", (STUDY_SECTION, PROCEDURE_SECTION), _examination),
    ("comparison", (COMPARISON_SECTION,), _comparisons),
    ("findings", (FINDINGS_SECTION,), _observations),
    ("impression", (IMPRESSION_SECTION,), _conclusions),
    ("recommendation", (RECOMMENDATION_SECTION,), _plans),
    ("communication", (COMMUNICATION_SECTION,), _none),
    ("key_images", (), _key_images),
    ("people", (), _people),
    ("document", (), _document),
)
