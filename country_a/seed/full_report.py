"""A made-up report that has something to say for every element of the guideline's data set.

It is on a mammography the seed has made: study, accession number, order and images are those of
the study's manifest; biopsy, contrast and reaction are invented around it and mean nothing. Codes
are real ones of SNOMED CT, LOINC, ICD-10, ATC and EDQM; texts are in the country's language.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

import imagecodecs
import numpy as np

from country_a.entries import LANGUAGE, NORMAL, moment
from country_a.oids import NationalOids
from country_a.seed.report_people import mammograph, physician, reader, second_reader
from country_a.seed.reports import hospital, printed, radiologist
from gateway.domain import (
    AdverseReaction,
    Attestation,
    BodySite,
    CarePlan,
    Certainty,
    Code,
    Comparison,
    Concept,
    Conclusion,
    Criticality,
    DocumentId,
    HumanName,
    ImagedSpecimen,
    ImagingManifest,
    ImagingOrder,
    ImagingProcedure,
    ImagingReport,
    Ingredient,
    Insurance,
    KeyImage,
    LocalId,
    MediaKind,
    MedicationGiven,
    Organisation,
    Participant,
    PatientIdentity,
    Period,
    PlannedAction,
    PresentedForm,
    Propensity,
    Quantity,
    ReactionSeverity,
    ReferenceId,
    ReferenceKind,
    ReportedObservation,
    ReportedStudy,
    ReportSection,
    ReportStatus,
    Staging,
    Timestamp,
    Uid,
)
from gateway.domain.codes import ATC, DCM, EDQM, ICD10, LOINC, SCT
from gateway.domain.reports import (
    FINDINGS_SECTION,
    IMPRESSION_SECTION,
    PROCEDURE_SECTION,
    RECOMMENDATION_SECTION,
)

UCUM = "2.16.840.1.113883.6.8"
_PICTURE = 48  # pixels a side
_LEFT = Concept(text="lewa", codes=(Code("7771000", SCT, "Left"),))
_BREAST = Concept(text="sutek", codes=(Code("76752008", SCT, "Breast structure"),))
_LEFT_BREAST = BodySite(location=_BREAST, laterality=_LEFT)
_MAMMOGRAPHY = Code("71651007", SCT, "Mammografia")
_CONTRAST = Concept(text="jopromid", codes=(Code("V08AB05", ATC, "iopromide"),))


def full_report(
    *,
    document: Uid,
    manifest: ImagingManifest,
    patient: PatientIdentity,
    oids: NationalOids,
    created: datetime,
) -> ImagingReport:
    """The report on a study of which the manifest tells, with its PDF.

    `document` is its unique id; `created` is aware. The manifest lists one image or more.
    """
    started = moment(manifest.study_date, manifest.study_time, manifest.offset_minutes)
    begun = started.at if started else created
    signed = radiologist(oids)
    who = Participant(
        name=signed.name,
        id=signed.id,
        authority=signed.authority,
        organisation=signed.organisation,
    )
    orders = _orders(manifest, oids, begun)
    numbers = (reference for order in orders for reference in order.references)
    report = ImagingReport(
        id=DocumentId(document),
        set_id=DocumentId(f"{document}.0"),
        status=ReportStatus.FINAL,
        title="Opis badania: mammografia ze wzmocnieniem kontrastowym i biopsją",
        language=LANGUAGE,
        created=created,
        authored=created - timedelta(minutes=10),
        patient_ids=(patient.id, *patient.other_ids),
        patient_name=patient.names[0],
        birth_date=patient.birth_date,
        gender=patient.gender,
        patient_address=patient.address,
        patient_telecom=patient.telecom or ("tel:+48 22 555 01 02",),
        insurances=(
            Insurance(
                provider=Organisation(
                    name="Fundusz Zdrowia Doliny", id="F-07", authority=str(oids.insurers)
                ),
                policy=next((one.value for one in patient.other_ids), "P-1"),
            ),
        ),
        recipients=(physician(oids),),
        author=signed.name,
        author_id=signed.id,
        author_authority=signed.authority,
        organisation=signed.organisation,
        other_authors=(reader(oids),),
        legal_authenticators=(Attestation(by=who, at=Timestamp(created)),),
        validators=(
            Attestation(by=second_reader(oids), at=Timestamp(created - timedelta(minutes=20))),
        ),
        kind=Concept(
            text="Opis mammografii", codes=(Code("24606-6", LOINC, "MG Breast Screening"),)
        ),
        procedure=_MAMMOGRAPHY,
        custodian=hospital(oids),
        confidentiality=NORMAL,
        references=tuple(dict.fromkeys((ReferenceId.of_study(manifest.study), *numbers))),
        version=1,
        orders=orders,
        problems=(
            Concept(text="Guz piersi w wywiadzie", codes=(Code("N63", ICD10, "Guz sutka"),)),
        ),
        specimens=_specimens(oids, begun),
        studies=(
            ReportedStudy(
                uid=manifest.study,
                modalities=manifest.modalities,
                regions=manifest.regions,
                started=started,
                description=manifest.study_description,
            ),
        ),
        procedures=(_procedure(oids, begun),),
        medications=(_medication(begun),),
        reactions=(_reaction(begun),),
        observations=_observations(begun),
        conclusions=(
            Conclusion(
                finding=Concept(
                    text="Zmiana ogniskowa sutka lewego",
                    codes=(
                        Code("129788004", SCT, "Mammographic breast mass"),
                        Code("N63", ICD10, "Guz sutka"),
                    ),
                ),
                stagings=(
                    Staging(
                        system=Concept(text="BI-RADS"),
                        category=Concept(
                            text="BI-RADS 4",
                            codes=(Code("397144001", SCT, "Mammography assessment (Category 4)"),),
                        ),
                    ),
                ),
            ),
        ),
        care_plans=(
            CarePlan(
                text="Biopsja gruboigłowa, następnie konsultacja w poradni chorób piersi.",
                actions=(
                    PlannedAction(
                        what=Concept(
                            text="Biopsja gruboigłowa sutka",
                            codes=(Code("44578009", SCT, "Core needle biopsy of breast"),),
                        ),
                        when=Period(
                            start=Timestamp(created + timedelta(days=7)),
                            end=Timestamp(created + timedelta(days=14)),
                        ),
                    ),
                ),
            ),
        ),
        key_images=_key_images(manifest, oids, who),
        comparisons=(
            Comparison(
                study=Uid(f"{manifest.study}.1"),
                performed=Timestamp(begun - timedelta(days=730)),
                description="Mammografia sprzed dwóch lat",
            ),
            Comparison(
                report=DocumentId(f"{document}.1"), description="Opis badania sprzed dwóch lat"
            ),
        ),
        sections=_SECTIONS,
    )
    pdf = printed(report)
    summary = "\n".join(f"{one.title}: {one.text}" for one in report.sections)
    return replace(
        report,
        presented=pdf,
        other_forms=(
            PresentedForm(
                media_type="text/plain",
                content=summary.encode("utf-8"),
                language=LANGUAGE,
                title="Opis bez oprawy",
            ),
        ),
    )


_SECTIONS = (
    ReportSection(
        code=PROCEDURE_SECTION,
        title="Przebieg badania",
        text="Projekcje CC i MLO obu sutków, przed podaniem i po podaniu środka kontrastowego.",
    ),
    ReportSection(
        code=FINDINGS_SECTION,
        title="Opis",
        text="Sutki o budowie gruczołowej.\nW sutku lewym owalna zmiana o średnicy 24 mm.",
    ),
    ReportSection(
        code=IMPRESSION_SECTION, title="Wnioski", text="Zmiana podejrzana, BI-RADS 4, strona lewa."
    ),
    ReportSection(
        code=RECOMMENDATION_SECTION, title="Zalecenia", text="Wskazana weryfikacja biopsyjna."
    ),
)


def _orders(
    manifest: ImagingManifest, oids: NationalOids, begun: datetime
) -> tuple[ImagingOrder, ...]:
    """An order of each accession number and order number."""
    return tuple(
        ImagingOrder(
            references=tuple(
                ReferenceId(value, kind, authority)
                for value, kind, authority in (
                    (one.accession, ReferenceKind.ACCESSION, one.accession_authority),
                    (one.placer_order, ReferenceKind.ORDER, one.placer_authority),
                )
                if value
            ),
            placed=Timestamp(begun - timedelta(days=9)),
            placer=physician(oids),
            reasons=(
                Concept(
                    text="Wyczuwalny guzek od trzech tygodni",
                    codes=(Code("89164003", SCT, "Breast lump"),),
                ),
            ),
            questions=(Concept(text="Czy zmiana wymaga biopsji?"),),
        )
        for one in manifest.requests
    )


def _specimens(oids: NationalOids, begun: datetime) -> tuple[ImagedSpecimen, ...]:
    taken = begun + timedelta(minutes=50)
    received = Timestamp(taken + timedelta(minutes=15))
    return (
        ImagedSpecimen(
            ids=(LocalId(value="M-2026-17", authority=str(oids.issued)),),
            material=Concept(
                text="bioptat sutka",
                codes=(
                    Code(
                        "122737001",
                        SCT,
                        "Specimen from breast obtained by core needle biopsy",
                    ),
                ),
            ),
            collected=Period(start=Timestamp(taken), end=Timestamp(taken + timedelta(minutes=10))),
            site=_LEFT_BREAST,
            morphology=Concept(text="guzek", codes=(Code("27925004", SCT, "Nodule"),)),
            method=Concept(
                text="biopsja gruboigłowa",
                codes=(Code("44578009", SCT, "Core needle biopsy of breast"),),
            ),
            received=received,
        ),
        ImagedSpecimen(
            ids=(LocalId(value="M-2026-18", authority=str(oids.issued)),),
            source=Concept(text="cewnik", codes=(Code("19923001", SCT, "Catheter"),)),
            received=received,
        ),
    )


def _procedure(oids: NationalOids, begun: datetime) -> ImagingProcedure:
    return ImagingProcedure(
        what=Concept(text="Mammografia ze wzmocnieniem kontrastowym", codes=(_MAMMOGRAPHY,)),
        performed=Period(start=Timestamp(begun), end=Timestamp(begun + timedelta(minutes=40))),
        text="Badanie w dwóch projekcjach, bez powikłań technicznych.",
        sites=(
            _LEFT_BREAST,
            BodySite(
                location=_BREAST,
                laterality=Concept(text="prawa", codes=(Code("24028007", SCT, "Right"),)),
            ),
        ),
        devices=(mammograph(oids),),
        performers=(
            Participant(
                name=HumanName(family="Lis", given=("Adam",)),
                id="7701",
                authority=str(oids.professionals),
                organisation=hospital(oids),
            ),
        ),
        details=(
            Concept(text="bez kontrastu", codes=(Code("399331006", SCT, "Without contrast"),)),
            Concept(text="po kontraście"),
        ),
    )


def _medication(begun: datetime) -> MedicationGiven:
    return MedicationGiven(
        brand="Ultravist 300",
        codes=(Code("V08AB05", ATC, "iopromide"),),
        ingredients=(
            Ingredient(
                substance=_CONTRAST,
                strength=Quantity(value=Decimal("623.4"), unit="mg", code=Code("mg", UCUM)),
                per=Quantity(value=Decimal(1), unit="ml", code=Code("mL", UCUM)),
            ),
        ),
        form=Concept(
            text="roztwór do wstrzykiwań",
            codes=(Code("11210000", EDQM, "Solution for injection"),),
        ),
        route=Concept(text="dożylnie", codes=(Code("20045000", EDQM, "Intravenous use"),)),
        given=Period(
            start=Timestamp(begun + timedelta(minutes=12)),
            end=Timestamp(begun + timedelta(minutes=12)),
        ),
    )


def _reaction(begun: datetime) -> AdverseReaction:
    return AdverseReaction(
        description="Pokrzywka kwadrans po podaniu kontrastu, ustąpiła samoistnie.",
        agent=_CONTRAST,
        propensity=Propensity.ALLERGY,
        manifestations=(Concept(text="pokrzywka", codes=(Code("126485001", SCT, "Urticaria"),)),),
        severity=ReactionSeverity.MILD,
        criticality=Criticality.LOW,
        onset=Timestamp(begun + timedelta(minutes=27)),
        certainty=Certainty.LIKELY,
    )


def _observations(begun: datetime) -> tuple[ReportedObservation, ...]:
    seen = Period(start=Timestamp(begun), end=Timestamp(begun))
    return (
        ReportedObservation(
            what=Concept(text="średnica zmiany", codes=(Code("81827009", SCT, "Diameter"),)),
            observed=seen,
            method=Concept(
                text="pomiar na obrazie", codes=(Code("122869004", SCT, "Measurement"),)
            ),
            value=Quantity(
                value=Decimal("24.0"),
                unit="mm",
                code=Code("mm", UCUM),
                uncertainty=Decimal("0.5"),
            ),
            interpretation=Concept(
                text="nieprawidłowa",
                codes=(Code("A", "2.16.840.1.113883.5.83", "Abnormal"),),
            ),
            site=Concept(
                text="sutek lewy", codes=(Code("80248007", SCT, "Left breast structure"),)
            ),
            note="Zmiana owalna, o zarysach częściowo nieostrych.",
        ),
        ReportedObservation(
            what=Concept(
                text="budowa sutka",
                codes=(Code("129793001", SCT, "Mammographic breast density"),),
            ),
            observed=seen,
            value=Concept(
                text="typ C",
                codes=(Code("129718006", SCT, "Heterogeneously dense breast composition"),),
            ),
        ),
        ReportedObservation(
            what=Concept(text="węzły chłonne"), value=Concept(text="niepowiększone")
        ),
    )


def _key_images(
    manifest: ImagingManifest, oids: NationalOids, who: Participant
) -> tuple[KeyImage, ...]:
    images = [ref for ref in manifest.instances() if ref not in manifest.notes()]
    first, last = images[0], images[-1]
    modality = manifest.modalities[0] if manifest.modalities else Code("MG", DCM, "Mammography")
    picture = _picture()
    return (
        KeyImage(
            study=first.study,
            series=first.series,
            instance=first.instance,
            view=Concept(text="MLO", codes=(Code("399368009", SCT, "medio-lateral oblique"),)),
            site=_LEFT_BREAST,
            kind=MediaKind.IMAGE,
            modality=modality,
            device=mammograph(oids),
            width=_PICTURE,
            height=_PICTURE,
            frames=1,
            performer=who,
            comment="Zmiana podejrzana w sutku lewym",
            content_type="image/png",
            content=picture,
        ),
        KeyImage(
            study=last.study,
            series=last.series,
            instance=last.instance,
            view=Concept(text="przebieg wzmocnienia"),
            site=BodySite(location=_BREAST),
            kind=MediaKind.VIDEO,
            modality=modality,
            frames=24,
            duration=Decimal("2.4"),
            comment="Wzmocnienie w czasie, sekwencja",
        ),
    )


@cache
def _picture() -> bytes:
    """A disc in the dark: a picture of nothing, as a PNG."""
    across = np.linspace(-1.0, 1.0, _PICTURE)
    distance = np.hypot(*np.meshgrid(across, across))
    pixels = np.clip(220 - 180 * distance, 0, 255).astype(np.uint8)
    return bytes(imagecodecs.png_encode(pixels))
