"""A query of studies as the search parameters for ImagingStudy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.domain import Code, ReferenceId, ReferenceKind, StudyQuery, TimeRange, Uid
from gateway.domain.codes import DCM, SCT
from gateway.wire.fhir.imaging_study_parameters_read import read_parameters
from gateway.wire.fhir.imaging_study_parameters_write import EncodedSearch, write_parameters
from gateway.wire.fhir.search import MAX_VALUES, parse_query
from gateway.wire.problems import EncodeError
from tests.builders import COUNTRY_A, PATIENT

WHO = "patient.identifier=urn:oid:2.999.1.2%7CA-0001"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
STUDY = Uid("1.2.3")
BERLIN = timezone(timedelta(hours=1))


def accession(value: str, authority: str = "") -> ReferenceId:
    """An accession number as it is searched for."""
    return ReferenceId(value=value, kind=ReferenceKind.ACCESSION, authority=authority)


def query_of(fields: dict[str, Any]) -> StudyQuery:
    """A query of the patient's studies."""
    return StudyQuery(community=COUNTRY_A, **{"patient": PATIENT, **fields})


def asked(fields: dict[str, Any]) -> EncodedSearch:
    """The search for studies of the patient."""
    return write_parameters(query_of(fields))


@pytest.mark.parametrize(
    ("value", "token"),
    [("774007", "http://snomed.info/sct%7C774007"), ("T-D3000", "SRT%7CT-D3000")],
)
def test_a_region_of_old_snomed_is_asked_for_as_what_it_is(value: str, token: str) -> None:
    """A number is SNOMED CT's under any name; other values are not."""
    search = asked({"regions": (Code(value, "SRT"),)})

    assert search == EncodedSearch(text=f"{WHO}&bodysite={token}")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"studies": (STUDY,)}, "&identifier=urn:dicom:uid%7Curn:oid:1.2.3"),
        (
            {"studies": (STUDY, Uid("1.2.4"))},
            "&identifier=urn:dicom:uid%7Curn:oid:1.2.3,urn:dicom:uid%7Curn:oid:1.2.4",
        ),
        ({"accessions": (accession("A 1"),)}, "&identifier=A%201"),
        ({"accessions": (accession("12345"),)}, "&identifier=12345"),
        ({"accessions": (accession("1.2.3", "2.999.5"),)}, "&identifier=urn:oid:2.999.5%7C1.2.3"),
        ({"accessions": (accession("A", "HOSP"),)}, "&identifier=HOSP%7CA"),
        ({"accessions": (accession("A|B,C$\\"),)}, "&identifier=A%5C%7CB%5C%2CC%5C%24%5C%5C"),
        ({"modalities": (Code("CT", DCM),)}, f"&modality={DICOM}%7CCT"),
        ({"modalities": (Code("CT", ""), Code("MR", ""))}, "&modality=CT,MR"),
        ({"regions": (Code("774007", SCT),)}, "&bodysite=http://snomed.info/sct%7C774007"),
        ({"sop_classes": (STUDY,)}, "&dicom-class=urn:oid:1.2.3"),
        (
            {
                "performed": TimeRange(
                    start=datetime(2026, 1, 1, 1, tzinfo=BERLIN),
                    end=datetime(2027, 1, 1, tzinfo=UTC),
                )
            },
            "&started=ge2026-01-01T00:00:00Z&started=le2026-12-31T23:59:59Z",
        ),
        (
            {"performed": TimeRange(start=datetime(26, 1, 1, 0, 0, 0, 5, UTC))},
            "&started=ge0026-01-01T00:00:00.000005Z",
        ),
        (
            {"performed": TimeRange(end=datetime(2026, 1, 1, 0, 0, 0, 5, UTC))},
            "&started=le2026-01-01T00:00:00.000004Z",
        ),
        (
            {"performed": TimeRange(end=datetime(2026, 1, 1, 0, 0, 0, 1, UTC))},
            "&started=le2026-01-01T00:00:00.000000Z",
        ),
        (
            {"performed": TimeRange(end=datetime.min.replace(tzinfo=UTC))},
            "&started=lt0001-01-01T00:00:00Z",
        ),
        ({"limit": 5}, "&_count=5"),
    ],
)
def test_the_whole_query_is_asked_and_understood(fields: dict[str, Any], text: str) -> None:
    """In the words of FHIR; and our own reading of them is the query again."""
    search = asked(fields)

    read = read_parameters(parse_query(search.text), answering=COUNTRY_A)

    assert search == EncodedSearch(text=WHO + text)
    assert replace(read.query, limit=read.count) == query_of(fields)
    assert (read.further, read.ignored) == ((), ())


@pytest.mark.parametrize(
    ("fields", "unasked"),
    [
        ({"accessions": (accession("1.2.3"),)}, "accessions"),
        ({"accessions": (accession("urn:oid:1.2.3"),)}, "accessions"),
        ({"accessions": (accession('"A"', "2.999.5"),)}, "accessions"),
        ({"accessions": (accession(" A"),)}, "accessions"),
        ({"accessions": (accession("A"), ReferenceId("B", ReferenceKind.ORDER))}, "accessions"),
        ({"accessions": (ReferenceId("B", ReferenceKind.ORDER, "2.999.5"),)}, "accessions"),
        ({"modalities": (Code("", DCM),)}, "modalities"),
        ({"regions": (Code("774007", SCT), Code(" ", SCT))}, "regions"),
    ],
)
def test_what_would_be_read_otherwise_is_not_asked(fields: dict[str, Any], unasked: str) -> None:
    """A number that looks like a UID, orders, codes without a value."""
    assert asked(fields) == EncodedSearch(text=WHO, unasked=(unasked,))


def test_a_search_names_a_patient_or_a_study() -> None:
    """NCPeH API: every responder may refuse another."""
    one = write_parameters(StudyQuery(community=COUNTRY_A, studies=(STUDY,)))

    assert one.text == "identifier=urn:dicom:uid%7Curn:oid:1.2.3"
    with pytest.raises(EncodeError):
        write_parameters(StudyQuery(community=COUNTRY_A))


def test_more_alternatives_than_a_search_may_have_are_refused() -> None:
    """We would not read them ourselves."""
    with pytest.raises(EncodeError):
        asked({"studies": tuple(Uid(f"1.{number}") for number in range(MAX_VALUES + 1))})


def test_endpoints_are_wanted_where_images_are_fetched() -> None:
    """As entries of the answer."""
    text = write_parameters(query_of({}), endpoints=True).text

    assert text == f"{WHO}&_include=ImagingStudy:endpoint"
    assert read_parameters(parse_query(text), answering=COUNTRY_A).endpoints_included
