"""Very many entries for one patient: lists that tell whether two ways of asking agree.

Entries alone: no document and no image is made, and what asks for one is told that there is none.
Every fourth is a report on the study before it, the rest are manifests. They differ in all that
Article 10 filters by, and in how precisely it is known: by arithmetic and not by chance, there are
equal times, times known to the year, unknown times, several modalities and regions, synonyms of
regions, the same value in other schemes and under other authorities, values with the separators of
both wires, versions no longer in force, and documents of other kinds. The same seed number gives
the same entries.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from country_a.entries import HOSPITAL_RADIOLOGY, LANGUAGE, NORMAL, RADIOLOGY, entry_id
from country_a.oids import NationalOids
from gateway.domain import (
    Author,
    Code,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryKind,
    EntryStatus,
    HumanName,
    Organisation,
    PatientId,
    Precision,
    ReferenceId,
    ReferenceKind,
    Timestamp,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CLASS_REPORTS,
    CONFIDENTIALITY,
    DCM,
    FORMAT_KOS,
    FORMAT_PDF,
    FORMAT_PDF_IN_CDA,
    FORMAT_XDSI_PDF,
    IHE_CLASS,
    LOINC,
    REGIONS,
    SCT,
    TYPE_REPORT,
    TYPE_STUDY,
)

_EPOCH = datetime(2008, 3, 1, 7, 0, tzinfo=UTC)
_LOCAL = "2.999.1.1.20"  # a hospital's own codes
_ARC = 77  # of the UIDs made here, which those of the seed's own studies never have
_MODALITIES = tuple(
    Code(value, DCM)
    for value in ["CT", "MR", "US", "DX", "MG", "NM", "XA", "PT", "CR", "RF", "IO", "ES"]
)
_PROCEDURES = (
    Code("77477000", SCT, "Computed tomography"),
    Code("113091000", SCT, "Magnetic resonance imaging"),
    Code("16310003", SCT, "Ultrasonography"),
    Code("363680008", SCT, "Radiographic imaging procedure"),
    Code("71651007", SCT, "Mammography"),
    Code("82918005", SCT, "Positron emission tomography"),
    Code("44491008", SCT, "Fluoroscopy"),
    Code("77343006", SCT, "Angiography"),
    Code("241615005", SCT, "Magnetic resonance imaging of breast"),
    # A value with separators of FHIR; one with the quote of XDS, in a scheme that is a name.
    Code("RTG,2|$", _LOCAL, "Rentgen 2"),
    Code("KL'1", "99SZPITAL", "Klatka 1"),
)
# Another code for the vertebral column, the schemes' old names, and the values in no such scheme.
_SPINE = Code("737561001", SCT, "Spine")
_OLD_NAMES = {DCM: "DCM", SCT: "SNOMED-CT"}
_PRECISIONS = (
    Precision.SECOND,
    Precision.MINUTE,
    Precision.SECOND,
    Precision.HOUR,
    Precision.DAY,
    Precision.SECOND,
    Precision.MONTH,
    Precision.YEAR,
)
_REPORT_FORMATS = (
    (FORMAT_PDF, "application/pdf"),
    (FORMAT_PDF_IN_CDA, "text/xml"),
    (FORMAT_XDSI_PDF, "application/pdf"),
)
_OTHER_CLASS = Code("SUMMARIES", IHE_CLASS, "Summaries")
_OTHER_TYPE = Code("18842-5", LOINC, "Discharge summary")
_RADIOLOGY_TYPE = Code("11528-7", LOINC, "Radiology unspecified")
_AUTHOR = Author(
    name=HumanName(family="Wiśniewska", given=("Maria",)),
    id="4711",
    institutions=(Organisation(name="Szpital Miejski", id="12", authority="2.999.1.1.8"),),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Study:
    """What manifest and report of one study both say."""

    uid: Uid
    event_codes: tuple[Code, ...]
    started: Timestamp | None
    accessions: tuple[ReferenceId, ...]
    orders: tuple[ReferenceId, ...]


def many_entries(
    oids: NationalOids, patient: PatientId, count: int, *, seed_number: int, first: int = 0
) -> tuple[DocumentEntry, ...]:
    """So many entries of a patient, no two of one document.

    `first` numbers their documents. Two patients share studies and whatever names them, so that
    an answer about the one that holds a row of the other is seen.
    """
    rng = random.Random(f"{seed_number}/many")  # noqa: S311 (repeatable is the point)
    studies = [_study(oids, number, rng) for number in range(count)]
    return tuple(_row(oids, patient, studies, number, first) for number in range(count))


def _study(oids: NationalOids, number: int, rng: random.Random) -> _Study:
    accession = f"ACC-{number // 2}"  # of two studies
    if number % 12 == 5:
        accession = f"O'{number}, A|B"
    authority = {4: "2.999.1.1.5.1", 5: "Szpital Miejski", 6: ""}.get(number % 9, oids.accessions)
    orders = (ReferenceId(f"ORD-{number}", ReferenceKind.ORDER, oids.orders),)
    return _Study(
        uid=oids.uid(_ARC, number, 1),
        event_codes=_event_codes(number, rng),
        started=_started(number, rng),
        accessions=(ReferenceId(accession, ReferenceKind.ACCESSION, authority),),
        orders=() if number % 6 == 1 else orders,
    )


def _event_codes(number: int, rng: random.Random) -> tuple[Code, ...]:
    modalities = rng.sample(_MODALITIES, 2 if number % 7 == 3 else 1)
    regions = rng.sample(REGIONS, 2 if number % 9 == 4 else 1)
    if number % 25 == 2:
        regions[0] = _SPINE
    codes = [*modalities, *(() if number % 17 == 8 else regions), rng.choice(_PROCEDURES)]
    if number % 11 == 5:
        codes = [Code(c.value, _OLD_NAMES.get(c.scheme, c.scheme), c.display) for c in codes]
    if number % 13 == 6:
        codes = [Code(c.value, _LOCAL, c.display) for c in codes]
    return tuple(codes)


def _started(number: int, rng: random.Random) -> Timestamp | None:
    if number % 19 == 7:
        return None
    # Three of ten studies begin at a time that a hundred others share, all of them in a month.
    hours = 24 * 30 * (number % 7) if number % 10 < 3 else rng.randrange(24 * 365 * 15)
    at = _EPOCH + timedelta(hours=hours, minutes=0 if number % 10 < 3 else rng.randrange(60))
    return Timestamp.parse(
        at.strftime("%Y%m%d%H%M%S")[: _PRECISIONS[number // 4 % len(_PRECISIONS)]]
    )


def _row(
    oids: NationalOids, patient: PatientId, studies: list[_Study], number: int, first: int
) -> DocumentEntry:
    is_report = number % 4 == 3
    study = studies[number - is_report]
    # A report may be about the study before that as well.
    about = (study, studies[number - 2]) if is_report and number % 16 == 7 else (study,)
    uid = oids.uid(_ARC, first + number, 2)
    document = DocumentId(f"{uid}^{number}" if number % 47 == 22 else uid)
    own_id = entry_id(f"{patient.cx}/{document}")
    published = (study.started.at if study.started else _EPOCH) + timedelta(hours=number % 50)
    format_code, mime_type = (
        _REPORT_FORMATS[number // 4 % 3] if is_report else (FORMAT_KOS, "application/dicom")
    )
    class_code, type_code = _class_and_type(number)
    references = [ReferenceId.of_study(one.uid) for one in about]
    references += [one for each in about for one in each.accessions]
    references += [one for each in about for one in each.orders]
    return DocumentEntry(
        id=own_id,
        ref=DocumentRef(oids.community, oids.repository, document),
        patient=patient,
        status=EntryStatus.DEPRECATED if number % 31 == 12 else EntryStatus.APPROVED,
        kind=EntryKind.ON_DEMAND if number % 37 == 15 else EntryKind.STABLE,
        logical_id=own_id,
        version="1",
        mime_type=mime_type,
        title=f"{'Opis badania' if is_report else 'Badanie obrazowe'} {number}",
        class_code=class_code,
        type_code=type_code,
        format_code=format_code,
        facility_type=HOSPITAL_RADIOLOGY,
        practice_setting=RADIOLOGY,
        confidentiality=(Code("R", CONFIDENTIALITY, "restricted") if number % 43 == 9 else NORMAL,),
        event_codes=tuple(dict.fromkeys(code for one in about for code in one.event_codes)),
        authors=(_AUTHOR,),
        created=Timestamp(published),
        service_start=study.started,
        service_stop=study.started if number % 3 == 0 else None,
        language=LANGUAGE,
        sha1=hashlib.sha1(uid.encode(), usedforsecurity=False).hexdigest(),
        size_bytes=10_000 + number * 37 % 90_000,
        references=tuple(dict.fromkeys(references)),
        source_patient=patient,
    )


def _class_and_type(number: int) -> tuple[Code, Code]:
    if number % 59 == 17:
        return _OTHER_CLASS, _OTHER_TYPE
    if number % 4 != 3:
        return CLASS_IMAGES, TYPE_STUDY
    # The type that alone means either a manifest or a report, and one for either of them.
    types = {4: TYPE_STUDY, 11: _RADIOLOGY_TYPE}
    return CLASS_REPORTS, types.get(number // 4 % 23, TYPE_REPORT)
