"""Reports made for tests: the full one of the seed, the least one, and any part at random."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from country_a.oids import NationalOids
from country_a.seed.full_report import full_report
from gateway.domain import (
    Address,
    AdverseReaction,
    Attestation,
    BodySite,
    CarePlan,
    Certainty,
    Code,
    CommunityId,
    Comparison,
    Concept,
    Conclusion,
    Criticality,
    DocumentId,
    Gender,
    HumanName,
    ImagedSpecimen,
    ImagingOrder,
    ImagingProcedure,
    ImagingReport,
    Ingredient,
    Insurance,
    KeyImage,
    LocalId,
    MediaKind,
    MedicationGiven,
    Oid,
    Organisation,
    Participant,
    ParticipantKind,
    PatientId,
    PatientIdentity,
    Period,
    PlannedAction,
    Precision,
    Propensity,
    Quantity,
    ReactionSeverity,
    ReferenceId,
    ReferenceKind,
    ReportDevice,
    ReportedObservation,
    ReportedStudy,
    ReportSection,
    ReportStatus,
    Staging,
    Timestamp,
    Uid,
)
from gateway.domain.codes import REGIONS, SCT
from gateway.domain.reports import FINDINGS_SECTION, IMPRESSION_SECTION
from tests.builders import NOON, PATIENT, make_manifest

OIDS = NationalOids.under(CommunityId("2.999.1"))
PERSON = PatientIdentity(
    id=PATIENT,
    community=OIDS.community,
    names=(HumanName(family="Παπαδοπούλου", given=("Ελένη", "Ε.")),),
    birth_date=date(1975, 11, 2),
    gender=Gender.FEMALE,
    address=Address(street="Lipowa 3", city="Dolina", postal_code="10-001", country="XA"),
    telecom=("tel:+48 1", "mailto:e@example.org"),
    other_ids=(PatientId("I-1", Oid("2.999.1.4")),),
)


@cache
def full() -> ImagingReport:
    """The report that says something for every element."""
    return full_report(
        document=Uid("2.999.77"),
        manifest=make_manifest(),
        patient=PERSON,
        oids=OIDS,
        created=NOON,
    )


def least(**parts: Any) -> ImagingReport:
    """A report on a study, and what is given."""
    base = ImagingReport(
        id=DocumentId("2.999.78"),
        status=ReportStatus.FINAL,
        title="Report",
        language="en",
        created=datetime(2026, 3, 1, 9, tzinfo=UTC),
        patient_ids=(PATIENT,),
        patient_name=HumanName(family="Żak", given=("Anna",)),
        author=HumanName(family="Reader"),
        references=(ReferenceId.of_study(Uid("2.999.10.1")),),
        sections=(ReportSection(code=FINDINGS_SECTION, title="Findings", text="None."),),
    )
    return replace(base, **parts)


def differences(one: ImagingReport, other: ImagingReport) -> dict[str, tuple[Any, Any]]:
    """The fields in which two reports differ, with both values."""
    return {
        field.name: (left, right)
        for field in fields(one)
        if (left := getattr(one, field.name)) != (right := getattr(other, field.name))
    }


# --- parts at random ------------------------------------------------------------------------------

# White space at the ends and in rows is nobody's name; FHIR strings have no control characters.
WORDS = st.from_regex(r"[A-Za-zżółαβЖ0-9<&\"'-]{1,8}( [a-zżαЖ<&;]{1,8}){0,2}", fullmatch=True)
SOME_WORDS = st.just("") | WORDS
OID_TEXTS = st.sampled_from(["2.999.1", "2.999.30.4", "1.2.840.113619.2"])
UIDS = st.builds(Uid, OID_TEXTS)
CODES = st.builds(
    Code,
    st.from_regex(r"[A-Za-z0-9.-]{1,10}", fullmatch=True),
    st.sampled_from([SCT, "2.999.44", "http://example.org/codes"]),
    SOME_WORDS,
)
CONCEPTS = st.builds(Concept, text=WORDS, codes=st.lists(CODES, max_size=2, unique=True).map(tuple))
MAYBE_CONCEPT = st.none() | CONCEPTS
MANY_CONCEPTS = st.lists(CONCEPTS, max_size=2).map(tuple)
MOMENTS = st.builds(
    Timestamp,
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
        lambda at: at.replace(microsecond=0, tzinfo=UTC)
    ),
) | st.builds(
    lambda day: Timestamp(datetime(day.year, day.month, day.day, tzinfo=UTC), Precision.DAY),
    st.dates(date(1900, 1, 1), date(2100, 1, 1)),
)
MAYBE_MOMENT = st.none() | MOMENTS
PERIODS = st.builds(Period, start=MOMENTS, end=MAYBE_MOMENT) | MOMENTS.map(
    lambda at: Period(start=at, end=at)
)
MAYBE_PERIOD = st.none() | PERIODS
NUMBERS = st.decimals(-10000, 10000, places=3)
QUANTITIES = st.builds(
    Quantity,
    value=NUMBERS,
    unit=SOME_WORDS,
    code=st.none() | CODES,
    uncertainty=st.none() | st.decimals(0, 10, places=2),
)
LOCAL_IDS = st.builds(LocalId, value=WORDS, authority=st.just("") | OID_TEXTS)
ORGANISATIONS = st.builds(
    Organisation, name=WORDS, id=SOME_WORDS, authority=st.just("")
) | st.builds(Organisation, name=WORDS, id=SOME_WORDS, authority=OID_TEXTS)
NAMES = st.builds(HumanName, family=WORDS, given=st.lists(WORDS, max_size=2).map(tuple))
ADDRESSES = st.builds(Address, street=WORDS, city=SOME_WORDS, country=st.just("XA"))
TELECOM = st.lists(st.sampled_from(["tel:+48 1", "mailto:a@example.org"]), unique=True).map(tuple)
PROFESSIONALS = st.builds(
    Participant,
    name=NAMES,
    id=SOME_WORDS,
    authority=st.just(""),
    organisation=st.none() | ORGANISATIONS,
    speciality=MAYBE_CONCEPT,
    address=st.none() | ADDRESSES,
    telecom=TELECOM,
)
PEOPLE = st.builds(
    Participant,
    kind=st.just(ParticipantKind.PERSON),
    name=NAMES,
    id=WORDS,
    authority=OID_TEXTS,
    telecom=TELECOM,
)
MACHINES = st.builds(
    Participant,
    kind=st.just(ParticipantKind.DEVICE),
    name=WORDS.map(lambda name: HumanName(family=name)),
    id=WORDS,
    authority=OID_TEXTS,
    organisation=st.none() | ORGANISATIONS,
)
ALONE = st.builds(Participant, organisation=ORGANISATIONS)
ANYBODY = PROFESSIONALS | PEOPLE | MACHINES | ALONE
DEVICES = st.builds(
    ReportDevice,
    kind=MAYBE_CONCEPT,
    name=WORDS,
    udi=SOME_WORDS,
    ids=st.lists(LOCAL_IDS, max_size=2).map(tuple),
)
SITES = st.builds(BodySite, location=CONCEPTS, laterality=MAYBE_CONCEPT)
ORDER_IDS = st.builds(
    ReferenceId,
    WORDS.filter(lambda text: "^" not in text),
    st.sampled_from([ReferenceKind.ACCESSION.value, ReferenceKind.ORDER.value]),
    OID_TEXTS,
)

PARTS: dict[str, st.SearchStrategy[Any]] = {
    "insurances": st.builds(Insurance, provider=st.none() | ORGANISATIONS, policy=WORDS),
    "recipients": ANYBODY,
    "legal_authenticators": st.builds(Attestation, by=PROFESSIONALS | ALONE, at=MAYBE_MOMENT),
    "validators": st.builds(Attestation, by=PROFESSIONALS | MACHINES, at=MAYBE_MOMENT),
    "orders": st.builds(
        ImagingOrder,
        placed=MAYBE_MOMENT,
        placer=st.none() | PROFESSIONALS,
        reasons=MANY_CONCEPTS,
        questions=MANY_CONCEPTS,
    ),
    "problems": CONCEPTS,
    "specimens": st.builds(
        ImagedSpecimen,
        ids=st.lists(LOCAL_IDS, max_size=2).map(tuple),
        material=MAYBE_CONCEPT,
        collected=MAYBE_PERIOD,
        site=st.none() | SITES,
        morphology=MAYBE_CONCEPT,
        source=MAYBE_CONCEPT,
        method=MAYBE_CONCEPT,
        received=MAYBE_MOMENT,
    ),
    "studies": st.builds(
        ReportedStudy,
        uid=st.just(Uid("2.999.10.1")),
        modalities=st.lists(CODES, max_size=2, unique=True).map(tuple),
        regions=st.lists(st.sampled_from(REGIONS), max_size=2, unique=True).map(tuple),
        started=MAYBE_MOMENT,
        description=WORDS,
    ),
    "procedures": st.builds(
        ImagingProcedure,
        what=CONCEPTS,
        performed=MAYBE_PERIOD,
        text=SOME_WORDS,
        sites=st.lists(SITES, max_size=2).map(tuple),
        devices=st.lists(DEVICES, max_size=1).map(tuple),
        performers=st.lists(PROFESSIONALS | ALONE, max_size=2).map(tuple),
        details=MANY_CONCEPTS.map(lambda many: tuple(dict.fromkeys(many))),
    ),
    "medications": st.builds(
        MedicationGiven,
        brand=WORDS,
        codes=st.lists(CODES, max_size=2, unique=True).map(tuple),
        ingredients=st.lists(
            st.builds(
                Ingredient,
                substance=CONCEPTS,
                strength=st.none() | QUANTITIES,
                per=st.none() | QUANTITIES,
            ),
            max_size=2,
        ).map(tuple),
        form=MAYBE_CONCEPT,
        route=MAYBE_CONCEPT,
        given=MAYBE_PERIOD,
    ),
    "reactions": st.builds(
        AdverseReaction,
        description=SOME_WORDS,
        agent=CONCEPTS,
        propensity=st.none() | st.sampled_from(Propensity),
        manifestations=MANY_CONCEPTS,
        severity=st.none() | st.sampled_from(ReactionSeverity),
        criticality=st.none() | st.sampled_from(Criticality),
        onset=MAYBE_MOMENT,
        certainty=st.none() | st.sampled_from(Certainty),
    ),
    "observations": st.builds(
        ReportedObservation,
        what=CONCEPTS,
        observed=MAYBE_PERIOD,
        method=MAYBE_CONCEPT,
        value=st.none() | QUANTITIES | CONCEPTS,
        interpretation=MAYBE_CONCEPT,
        site=MAYBE_CONCEPT,
        note=SOME_WORDS,
    ),
    "conclusions": st.builds(
        Conclusion,
        finding=CONCEPTS,
        stagings=st.lists(
            st.builds(Staging, system=MAYBE_CONCEPT, category=CONCEPTS), max_size=2
        ).map(tuple),
    ),
    "care_plans": st.builds(
        CarePlan,
        text=WORDS,
        actions=st.lists(
            st.builds(PlannedAction, what=CONCEPTS, when=MAYBE_PERIOD), max_size=2
        ).map(tuple),
    ),
    "key_images": st.builds(
        KeyImage,
        study=st.none() | UIDS,
        series=st.none() | UIDS,
        instance=st.none() | UIDS,
        view=MAYBE_CONCEPT,
        site=st.none() | SITES,
        kind=st.none() | st.sampled_from(MediaKind),
        modality=st.none() | CODES,
        device=st.none() | DEVICES,
        width=st.none() | st.integers(1, 9000),
        height=st.none() | st.integers(1, 9000),
        frames=st.none() | st.integers(1, 99),
        duration=st.none() | st.decimals(Decimal("0.1"), 99, places=1),
        performer=st.none() | PROFESSIONALS,
        comment=SOME_WORDS,
        content_type=st.just("image/png"),
        content=st.binary(max_size=40),
    ),
    "comparisons": st.builds(
        Comparison,
        study=st.none() | UIDS,
        report=st.none() | st.builds(DocumentId, OID_TEXTS),
        performed=MAYBE_MOMENT,
        description=WORDS,
    ),
    "sections": st.builds(
        ReportSection,
        code=st.sampled_from([FINDINGS_SECTION, IMPRESSION_SECTION, Code("1-8", SCT)]),
        title=SOME_WORDS,
        text=st.text(
            st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]) | st.just("\n"),
            min_size=1,
        ).filter(lambda text: bool(text.strip())),
    ),
}
