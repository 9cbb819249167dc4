"""One query of studies over both wires: what is asked is understood, and finds the same studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    ImagingManifest,
    ImagingRequest,
    ManifestInstance,
    ManifestSeries,
    ReferenceId,
    ReferenceKind,
    StudyQuery,
    TimeRange,
    Uid,
    is_asked_for,
)
from gateway.domain.codes import DCM, SCT
from gateway.wire.dicom import qido_asking, qido_query, qido_search
from gateway.wire.dicom.json_write import write_metadata
from gateway.wire.dicom.qido_answer import encode_response
from gateway.wire.dicom.qido_found import decode_response
from gateway.wire.fhir import imaging_study_search
from gateway.wire.fhir.search import parse_query
from tests.builders import COUNTRY_A, PATIENT, make_manifest

CT, MR, US = (Code(value, DCM) for value in ("CT", "MR", "US"))
HEAD, CHEST, BREAST = (Code(value, SCT) for value in ("774007", "67734004", "76752008"))
CT_CLASS, MR_CLASS = Uid("1.2.840.10008.5.1.4.1.1.2"), Uid("1.2.840.10008.5.1.4.1.1.4")
AUTHORITIES = ("2.999.5", "2.999.6", "HOSPITAL")


def accession(value: str, authority: str = "") -> ReferenceId:
    """An accession number as it is searched for."""
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


def many_studies() -> tuple[ImagingManifest, ...]:
    """Studies that differ in everything one can search by, some of which do not say it all."""
    base = make_manifest()
    kinds = ((CT, HEAD, CT_CLASS), (MR, CHEST, MR_CLASS))
    days = (date(2024, 2, 29), date(2026, 3, 1), None)
    clocks = ((time(0, 30), 120), (time(23, 59, 59, 999999), -300), (None, 60), (time(12), None))
    made = []
    for number, ((modality, region, sop_class), day, (clock, offset)) in enumerate(
        product(kinds, days, clocks), 1
    ):
        study = Uid(f"2.999.20.{number}")
        several = number % 3 == 0
        made.append(
            replace(
                base,
                uid=study,
                study=study,
                study_date=day,
                study_time=clock,
                offset_minutes=offset,
                accession="" if several else f"ACC-{number % 4}",
                accession_authority="" if several else AUTHORITIES[number % 3],
                requests=tuple(
                    ImagingRequest(accession=f"ACC-{other}", accession_authority=AUTHORITIES[0])
                    for other in (number % 4, 7)
                )
                if several
                else (),
                modalities=(modality,),
                regions=(region,) if number % 5 else (),
                series=(
                    ManifestSeries(
                        uid=Uid(f"{study}.1"),
                        modality=modality if number % 2 else US,
                        region=BREAST if number % 7 == 0 else None,
                        instances=(ManifestInstance(uid=Uid(f"{study}.1.1"), sop_class=sop_class),),
                    ),
                ),
            )
        )
    return tuple(made)


STUDIES = many_studies()
FILTERS: dict[str, Any] = {
    "studies": (Uid("2.999.20.3"), Uid("2.999.20.8"), Uid("2.999.20.9")),
    "accessions": (accession("ACC-1"), accession("ACC-7")),
    "modalities": (CT, US),
    "regions": (CHEST, BREAST),
    "sop_classes": (CT_CLASS,),
    "performed": TimeRange(
        start=datetime(2024, 2, 29, tzinfo=UTC), end=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    ),
}
CHOICES = [names for count in (0, 1, 2, 3) for names in combinations(FILTERS, count)]


def query_of(**fields: Any) -> StudyQuery:
    """A query of the patient's studies."""
    return StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})


def directly(query: StudyQuery, studies: Sequence[ImagingManifest] = STUDIES) -> list[Uid]:
    """What the query means."""
    return [one.study for one in studies if is_asked_for(query, one)]


def over_dicomweb(query: StudyQuery, *, plain: bool = False) -> qido_search.DecodedSearch:
    """The query as a DICOMweb server understands it."""
    search = qido_asking.encode_request(query, plain=plain)
    return qido_query.decode_request(search.path, search.query, community=COUNTRY_A)


def over_fhir(query: StudyQuery) -> imaging_study_search.DecodedSearch:
    """The query as a FHIR server understands it."""
    text = imaging_study_search.encode_request(query).text
    return imaging_study_search.decode_request(parse_query(text), answering=COUNTRY_A)


def found_by_dicomweb(search: qido_search.DecodedSearch) -> list[Uid]:
    """What a DICOMweb server finds."""
    return [one.manifest.study for one in qido_search.find(search, STUDIES)]


def found_by_fhir(search: imaging_study_search.DecodedSearch) -> list[Uid]:
    """What a FHIR server finds."""
    return [one.study for one in STUDIES if search.keeps(one, "any")]


def test_both_wires_find_what_is_meant() -> None:
    """Every filter alone and with others; and each wire reads back the query it was asked."""
    for names in CHOICES:
        query = query_of(**{name: FILTERS[name] for name in names})

        dicomweb, fhir = over_dicomweb(query), over_fhir(query)

        assert dicomweb.query == fhir.query == query, names
        found = found_by_dicomweb(dicomweb)
        assert found == found_by_fhir(fhir) == directly(query), names


def test_a_plain_search_loses_no_dated_study() -> None:
    """What it does not ask is named; a study without date is in no range of days (PS3.4)."""
    dated = [one for one in STUDIES if one.study_date]
    for names in CHOICES:
        query = query_of(**{name: FILTERS[name] for name in names})

        answered = set(found_by_dicomweb(over_dicomweb(query, plain=True)))

        meant = set(directly(query, dated if "performed" in names else STUDIES))
        unasked = qido_asking.encode_request(query, plain=True).unasked
        assert meant <= answered, names
        assert answered == meant or unasked, names


def test_the_studies_tell_the_filters_apart() -> None:
    """Each filter leaves some and takes some away, or the tests above say nothing."""
    for name, value in FILTERS.items():
        assert 0 < len(directly(query_of(**{name: value}))) < len(STUDIES)


@pytest.mark.parametrize("name", ["studies", "accessions", "modalities", "performed"])
def test_what_a_client_reads_satisfies_what_it_asked(name: str) -> None:
    """The answer about studies says enough to filter it again by what every server matches."""
    query = query_of(**{name: FILTERS[name]})

    objects, _ = encode_response(over_dicomweb(query), STUDIES, "https://a.example/dicom")
    read = decode_response(write_metadata(objects))

    assert read.issues == ()
    assert {one.study for one in read.items if is_asked_for(query, one)} == set(directly(query))


moments = st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
texts = st.text("AC-17 .*\"|,\\^'éZ", min_size=1, max_size=6).filter(lambda text: "^" not in text)
references = st.builds(
    accession,
    st.sampled_from(["ACC-1", "ACC-7", "77"]) | texts,
    st.sampled_from(["", *AUTHORITIES]),
)
schemes = st.sampled_from([DCM, DCM, ""])
queries = st.builds(
    query_of,
    patient=st.sampled_from([PATIENT, replace(PATIENT, value="B-2")]),
    studies=st.lists(st.sampled_from([one.study for one in STUDIES]), unique=True, max_size=3).map(
        tuple
    ),
    accessions=st.lists(references, unique=True, max_size=2).map(tuple),
    modalities=st.lists(
        st.builds(Code, st.sampled_from(["CT", "MR", "US", "X,Y"]), schemes),
        unique=True,
        max_size=3,
    ).map(tuple),
    regions=st.lists(
        st.sampled_from([HEAD, CHEST, BREAST, Code("774007", "")]), unique=True, max_size=2
    ).map(tuple),
    sop_classes=st.lists(st.sampled_from([CT_CLASS, MR_CLASS]), unique=True, max_size=2).map(tuple),
    performed=st.builds(TimeRange, start=moments | st.none(), end=moments | st.none()),
    limit=st.none() | st.integers(0, 900),
)


@given(queries)
def test_every_query_comes_across_as_itself(query: StudyQuery) -> None:
    """Over DICOMweb and over FHIR, but for what was named as not asked."""
    dicomweb = over_dicomweb(query)
    unasked = qido_asking.encode_request(query).unasked
    fhir, unsaid = over_fhir(query), imaging_study_search.encode_request(query).unasked

    limit = None if query.limit is None else dicomweb.limit
    assert without(replace(dicomweb.query, limit=limit), unasked) == without(query, unasked)
    assert without(replace(fhir.query, limit=fhir.count), unsaid) == without(query, unsaid)
    assert fhir.further == () == dicomweb.conditions


@given(queries)
def test_no_query_loses_a_study(query: StudyQuery) -> None:
    """What comes back and is filtered again is what was meant, however little could be asked."""
    meant = directly(query)

    for answered in (found_by_dicomweb(over_dicomweb(query)), found_by_fhir(over_fhir(query))):
        again = [one for one in STUDIES if one.study in answered]
        assert directly(query, again) == meant


def without(query: StudyQuery, fields: Sequence[str]) -> StudyQuery:
    """The query but for some of its filters."""
    plain = StudyQuery(community=COUNTRY_A)
    return replace(query, **{field: getattr(plain, field) for field in fields})  # type: ignore[arg-type]
