"""The answer to a search over DICOMweb: what is told, in which order, and how much."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from requests.adapters import BaseAdapter

from gateway.domain import ImagingManifest, ImagingRequest, Uid
from gateway.wire.dicom.json_write import write_metadata
from gateway.wire.dicom.qido_answer import encode_response, read_remaining, write_warning
from gateway.wire.dicom.qido_attributes import RETURNED, Json, Level
from gateway.wire.dicom.qido_query import decode_request
from tests.builders import COUNTRY_A, PATIENT, make_manifest

BASE = "https://ncp-a.example/dicom"
STUDY = make_manifest()
STUDIES = tuple(
    replace(STUDY, study=Uid(f"2.999.10.{number}"), study_date=day)
    for number, day in (
        (1, date(2024, 5, 1)),
        (2, None),
        (3, date(2026, 3, 1)),
        (4, date(2024, 5, 1)),
    )
)


def answered(
    query: str = "", path: str = "/studies", *manifests: ImagingManifest, base: str = BASE
) -> tuple[list[Json], tuple[str, ...]]:
    """The answer to a client who treats the patient."""
    search = decode_request(path, query, community=COUNTRY_A, patient=PATIENT)
    return encode_response(search, manifests or (STUDY,), base)


def only(query: str = "", path: str = "/studies", *manifests: ImagingManifest) -> Json:
    """The first object of an answer."""
    return answered(query, path, *manifests)[0][0]


def uids(found: list[Json]) -> list[str]:
    """The study of every object."""
    return [one["0020000D"]["Value"][0] for one in found]


@pytest.mark.parametrize(
    ("path", "levels"),
    [
        ("/studies", [Level.STUDY]),
        ("/studies/2.999.10.1/series", [Level.SERIES]),
        ("/series", [Level.SERIES, Level.STUDY]),
        ("/studies/2.999.10.1/series/2.999.10.1.1/instances", [Level.INSTANCE]),
        ("/studies/2.999.10.1/instances", [Level.INSTANCE, Level.SERIES]),
        ("/instances", [Level.INSTANCE, Level.SERIES, Level.STUDY]),
    ],
)
def test_an_object_has_what_its_level_and_the_unnamed_ones_above_have(
    path: str, levels: list[Level]
) -> None:
    """In the order of tags, empty where nobody knows, and read by pydicom."""
    wanted = {f"{tag:08X}" for level in levels for tag in RETURNED[level]}

    for found in answered("", path)[0]:
        assert wanted <= set(found)
        assert list(found) == sorted(found)
        Dataset.from_json(found)


def test_a_study_is_told() -> None:
    """What a manifest says, with the issuer of its patient's number, and nothing more."""
    ds = Dataset.from_json(only())

    assert str(ds.PatientName) == "Żak^Anna^Maria Ewa^dr"
    assert (ds.PatientID, ds.IssuerOfPatientID) == ("A-0001", "2.999.1.2")
    assert (ds.StudyDate, ds.StudyTime, ds.TimezoneOffsetFromUTC) == ("20260301", "090000", "+0100")
    assert list(ds.ModalitiesInStudy) == ["CT", "KO"]
    assert (ds.NumberOfStudyRelatedSeries, ds.NumberOfStudyRelatedInstances) == (3, 7)
    assert ds.RetrieveURL == f"{BASE}/studies/2.999.10.1"
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds["StudyID"].is_empty
    assert "StudyDescription" not in ds


def test_a_series_and_an_instance_say_where_they_belong() -> None:
    """Whatever the path said, because objects travel without it."""
    series = Dataset.from_json(only("SeriesNumber=2", "/studies/2.999.10.1/series"))
    image = Dataset.from_json(only("", "/studies/2.999.10.1/series/2.999.10.1.2/instances"))

    assert (series.StudyInstanceUID, series.SeriesInstanceUID) == ("2.999.10.1", "2.999.10.1.2")
    assert series.RetrieveURL == f"{BASE}/studies/2.999.10.1/series/2.999.10.1.2"
    assert (series.Modality, series.NumberOfSeriesRelatedInstances) == ("CT", 3)
    assert series.RequestAttributesSequence[0].RequestedProcedureID == "PROC-1"
    assert image.SeriesInstanceUID == "2.999.10.1.2"
    assert image.RetrieveURL.endswith("/series/2.999.10.1.2/instances/2.999.10.1.2.1")


def test_what_is_wanted_beside_comes_too() -> None:
    """By name, or all there is; what was matched is told as well."""
    assert "00081030" in only("includefield=StudyDescription")
    assert "00081030" in only("StudyDescription=CT*")
    assert "00082218" in only("includefield=00081030,AnatomicRegionSequence")
    assert set(only("includefield=all")) >= {"00081030", "00081032", "00080062", "0040A370"}
    assert "00401001" not in only("includefield=RequestedProcedureID,00181030")
    assert "0020000E" not in only("includefield=SeriesInstanceUID")


def test_several_accession_numbers_are_told_in_the_requests() -> None:
    """The attribute of the study has room for one."""
    requests_of = tuple(ImagingRequest(accession=number) for number in ("A1", "A2"))
    several = replace(STUDY, accession="", accession_authority="", requests=requests_of)

    ds = Dataset.from_json(only("", "/studies", several))

    assert ds["AccessionNumber"].is_empty
    assert [one.AccessionNumber for one in ds.ReferencedRequestSequence] == ["A1", "A2"]
    assert "0040A370" not in only()


def test_the_newest_study_comes_first() -> None:
    """Of one day by UID, those without date last."""
    found, warnings = answered("", "/studies", *STUDIES)

    assert uids(found) == ["2.999.10.3", "2.999.10.1", "2.999.10.4", "2.999.10.2"]
    assert warnings == ()


def test_series_and_images_come_by_number() -> None:
    """Those without one last, in an order that pages keep."""
    first, second, *rest = STUDY.series
    mixed = replace(STUDY, series=(replace(second, number=None), *rest, first))

    found, _ = answered("", "/series", mixed)

    assert [one["0020000E"]["Value"][0][-1] for one in found] == ["1", "9", "2"]


@pytest.mark.parametrize(
    ("query", "shown", "remaining"),
    [
        ("limit=2", ["3", "1"], 2),
        ("limit=2&offset=1", ["1", "4"], 1),
        ("limit=2&offset=2", ["4", "2"], 0),
        ("offset=4", [], 0),
        ("offset=900", [], 0),
        ("limit=0", [], 4),
    ],
)
def test_an_answer_is_a_page_and_says_what_remains(
    query: str, shown: list[str], remaining: int
) -> None:
    """In a warning, as the standard words it."""
    found, warnings = answered(query, "/studies", *STUDIES)

    assert [uid[-1] for uid in uids(found)] == shown
    assert [read_remaining(one) for one in warnings] == ([remaining] if remaining else [])


def test_no_match_is_an_empty_array() -> None:
    """And no refusal (CP-2473)."""
    found, warnings = answered("PatientName=Nobody")

    assert (found, warnings) == ([], ())
    assert write_metadata(found) == b"[]"


def test_warnings_of_the_search_are_told() -> None:
    """Before that of the page."""
    _, warnings = answered("fuzzymatching=true&limit=1&StudyID=", "/studies", *STUDIES)

    assert len(warnings) == 2
    assert "fuzzymatching" in warnings[0]


def test_a_warning_is_one_line_of_ascii() -> None:
    """Whatever the text has: it goes into a header."""
    written = write_warning("https://ncp-a.example/dicom", "There are 7 additional results\r\nX: é")

    assert written == "299 https://ncp-a.example/dicom: There are 7 additional results??X: ?"


@pytest.mark.parametrize(
    ("header", "remaining"),
    [
        ("299 host:8443: There are 12 additional results that can be requested", 12),
        ('299 host:8080 "There are 3 additional results that can be requested"', 3),
        ("299 host: There are additional results that can be requested.", 0),
        ("299 host: The fuzzymatching parameter is not supported.", 0),
        ("", 0),
    ],
)
def test_what_remains_is_read_of_any_server(header: str, remaining: int) -> None:
    """As ours, and as dcm4chee and others write it."""
    assert read_remaining(header) == remaining


class Here(BaseAdapter):
    """A transport of requests that answers from the codec, without any network."""

    def __init__(self, *manifests: ImagingManifest) -> None:
        super().__init__()
        self.manifests = manifests
        self.warnings: list[str] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """See `BaseAdapter`."""
        url = urlsplit(str(request.url))
        path = url.path.removeprefix("/dicom")
        search = decode_request(path, url.query, community=COUNTRY_A, patient=PATIENT)
        found, warnings = encode_response(search, self.manifests, BASE)
        self.warnings += warnings
        answer = requests.Response()
        answer.status_code = 200
        answer.url = str(request.url)
        answer.headers["Content-Type"] = "application/dicom+json"
        for text in warnings:
            answer.headers["Warning"] = write_warning(BASE, text)
        answer._content = write_metadata(found)
        return answer

    def close(self) -> None:
        """See `BaseAdapter`."""


def client_of(here: Here) -> DICOMwebClient:
    """A client of another project that is answered by the codec."""
    session = requests.Session()
    session.mount("https://", here)
    return DICOMwebClient(BASE, session=session)


def test_dicomweb_client_searches_by_every_level() -> None:
    """Its queries are understood, and it has what it looks for."""
    client = client_of(Here(*STUDIES))

    studies = client.search_for_studies(
        search_filters={"PatientName": "Żak^*", "StudyDate": "20240501"},
        fields=["StudyDescription"],
    )
    series = client.search_for_series("2.999.10.3", search_filters={"Modality": "CT"})
    images = client.search_for_instances("2.999.10.3", "2.999.10.1.1")

    assert uids(studies) == ["2.999.10.1", "2.999.10.4"]
    assert Dataset.from_json(studies[0]).StudyDescription == "CT of head"
    assert [Dataset.from_json(one).SeriesNumber for one in series] == [1, 2]
    assert [Dataset.from_json(one).InstanceNumber for one in images] == [1, 2, 3]


def test_dicomweb_client_turns_the_pages() -> None:
    """It goes on by offset until there is nothing."""
    here = Here(*STUDIES)

    found = client_of(here).search_for_studies(limit=3, get_remaining=True)

    assert len(found) == len(STUDIES)
    assert len(here.warnings) == 1
