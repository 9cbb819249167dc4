"""Answers to searches over DICOMweb as servers give them, read as what is known of studies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicomweb_client import DICOMfileClient
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.domain import Code, ImagingManifest, ImagingRequest, ManifestSeries, Severity, Uid
from gateway.domain.codes import DCM, SCT
from gateway.wire.dicom.json_write import write_metadata
from gateway.wire.dicom.qido_answer import encode_response
from gateway.wire.dicom.qido_found import decode_response
from gateway.wire.dicom.qido_query import decode_request
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT, make_manifest

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
STUDY = make_manifest()


def told(path: str, query: str = "", *manifests: ImagingManifest) -> bytes:
    """Our own answer to a search."""
    search = decode_request(path, query, community=COUNTRY_A, patient=PATIENT)
    objects, _ = encode_response(search, manifests or (STUDY,), "https://a.example/dicom")
    return write_metadata(objects)


def only(data: bytes, **options: Any) -> ImagingManifest:
    """The one study of an answer that nothing is wrong with."""
    outcome = decode_response(data, **options)
    assert outcome.issues == ()
    (found,) = outcome.items
    return found


def as_json(*objects: dict[str, Any]) -> bytes:
    """An answer of some server."""
    return json.dumps(objects).encode()


def test_a_study_is_read_as_it_was_told() -> None:
    """All that a search for studies can say of one."""
    found = only(told("/studies", "includefield=all"))

    assert found == replace(
        STUDY,
        uid=STUDY.study,
        title=Code("", ""),
        # A study is told the modalities of its series too.
        modalities=(Code("CT", DCM), Code("KO", DCM)),
        viewer_url="",
        manufacturer="",
        institution=None,
        created=None,
        series=(),
    )


def test_series_and_images_are_put_together_by_study() -> None:
    """In the order of the answer, each image in its series."""
    found = only(told("/studies/2.999.10.1/instances"))

    assert found.instances() == STUDY.instances()
    assert [one.sop_class for series in found.series for one in series.instances] == [
        one.sop_class for series in STUDY.series for one in series.instances
    ]
    assert [(one.number, one.description, one.modality) for one in found.series] == [
        (one.number, one.description, one.modality) for one in STUDY.series
    ]
    assert {one.retrieve_url for one in found.series} == {"https://a.example/dicom"}


def test_series_know_what_their_manifest_says() -> None:
    """But for where it lies by OID, its images, and its side."""
    found = only(told("/studies/2.999.10.1/series", "includefield=all"))

    for one, held in zip(found.series, STUDY.series, strict=True):
        assert one == replace(
            held,
            location=None,
            retrieve_url="https://a.example/dicom",
            retrieve_ae_title="",
            laterality=None,
            instances=(),
        )


def test_several_studies_of_one_answer_stay_apart() -> None:
    """With the series of each."""
    other = replace(STUDY, study=Uid("2.999.11"), series=STUDY.series[:1])

    outcome = decode_response(told("/series", "", STUDY, other))

    assert [(one.study, len(one.series)) for one in outcome.items] == [
        ("2.999.10.1", 3),
        ("2.999.11", 1),
    ]


def test_accession_numbers_keep_their_authorities() -> None:
    """An OID, a name, and those of several requests."""
    requests = tuple(
        ImagingRequest(accession=number, accession_authority="2.999.5") for number in ("A", "B")
    )
    several = replace(STUDY, accession="", accession_authority="", requests=requests)
    named = replace(STUDY, accession_authority="HOSP")

    assert only(told("/studies", "", several)).requests == requests
    assert only(told("/studies", "", named)).accession_authority == "HOSP"
    assert only(told("/studies")).accession_authority == STUDY.accession_authority


def test_no_body_is_no_study() -> None:
    """Servers of before 2025 answer 204 when nothing is found, and some 200 without a body."""
    assert decode_response(b"").items == decode_response(b" \r\n").items == ()
    assert decode_response(b"[]").items == ()


def test_an_object_is_placed_by_its_address_or_by_the_path() -> None:
    """Servers leave out what the path said."""
    series = {"0020000E": {"vr": "UI", "Value": ["1.2.3"]}}
    url = {"00081190": {"vr": "UR", "Value": ["http://s/rs/studies/1.2/series/1.2.3"]}}
    image = {"00080018": {"vr": "UI", "Value": ["1.2.3.4"]}}

    asked = only(as_json(series), study=Uid("1.2"))
    addressed = only(as_json(series | url))
    within = only(as_json(image), study=Uid("1.2"), series=Uid("1.2.3"))

    assert (asked.study, asked.series[0].uid) == ("1.2", "1.2.3")
    assert (addressed.study, addressed.series[0].retrieve_url) == ("1.2", "http://s/rs")
    (ref,) = within.instances()
    assert (ref.study, ref.series, ref.instance) == ("1.2", "1.2.3", "1.2.3.4")


@pytest.mark.parametrize(
    "broken",
    [
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe"}]}},
        {"0020000D": {"vr": "UI", "Value": ["x"]}},
        {"0020000D": {"vr": "UI"}, "00081190": {"vr": "UR", "Value": ["http://s/studies/..."]}},
        {
            "0020000D": {"vr": "UI", "Value": ["1.2"]},
            "0020000E": {"vr": "UI", "Value": ["not a uid"]},
        },
        {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00080018": {"vr": "UI", "Value": ["1.3"]}},
    ],
)
def test_what_cannot_be_placed_is_left_out_and_told(broken: dict[str, Any]) -> None:
    """And costs no other."""
    good = {"0020000D": {"vr": "UI", "Value": ["1.2.9"]}}

    outcome = decode_response(as_json(broken, good))

    assert [one.study for one in outcome.items] == ["1.2.9"]
    assert len(outcome.errors) == 1
    assert outcome.errors[0].subject == "body[0]"


def test_codes_of_old_snomed_are_told_once_each() -> None:
    """A server that still has them: read as SNOMED CT where that is known, else as they are."""

    def row(study: str, value: str) -> dict[str, Any]:
        region = {
            "00080100": {"vr": "SH", "Value": [value]},
            "00080102": {"vr": "SH", "Value": ["SRT"]},
        }
        return {
            "0020000D": {"vr": "UI", "Value": [study]},
            "00082218": {"vr": "SQ", "Value": [region]},
        }

    outcome = decode_response(
        as_json(row("1.2.3", "T-D3000"), row("1.2.4", "T-D3000"), row("1.2.5", "T-XXXXX"))
    )

    chest, unknown = Code("51185008", SCT), Code("T-XXXXX", "SRT")
    assert [one.regions for one in outcome.items] == [(chest,), (chest,), (unknown,)]
    assert [(one.severity, one.subject) for one in outcome.issues] == [
        (Severity.WARNING, "T-D3000"),
        (Severity.WARNING, "T-XXXXX"),
    ]


def test_an_image_that_comes_twice_counts_once() -> None:
    """With a word about it."""
    data = json.loads(told("/studies/2.999.10.1/instances", "limit=1"))

    outcome = decode_response(json.dumps(data * 2).encode())

    assert outcome.items[0].instance_count == 1
    assert [one.severity for one in outcome.issues] == [Severity.WARNING]


@pytest.mark.parametrize(
    "data", [b"{", b"1", b"[1]", b"<html>", b'[{"0020000D":[]}]', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_dicom_json_is_an_error(data: bytes) -> None:
    """A page of HTML, a scalar, a nest."""
    with pytest.raises(DecodeError):
        decode_response(data)


def test_orthanc_and_dcm4chee_are_read() -> None:
    """The one writes tags in lower case and plain names, the other a list as a single value."""
    found = only(
        as_json(
            {
                "0020000d": {"vr": "UI", "Value": ["1.2.3"]},
                "00080020": {"vr": "DA", "Value": ["20260301"]},
                "00080030": {"vr": "TM", "Value": ["0930"]},
                "00080061": {"vr": "CS", "Value": ["CT\\PT"]},
                "00080050": {"vr": "SH"},
                "00080090": {"vr": "PN", "Value": []},
                "00100010": {"vr": "PN", "Value": ["DOE^JANE"]},
                "00100020": {"vr": "LO", "Value": ["77"]},
                "00100040": {"vr": "CS", "Value": ["M"]},
                "00201206": {"vr": "IS", "Value": ["2"]},
                "00081190": {"vr": "UR", "Value": ["http://s/dicom-web/studies/1.2.3"]},
                "77770010": {"vr": "LO", "Value": ["DCM4CHEE Archive 5"]},
            }
        )
    )

    assert found.modalities == (Code("CT", DCM), Code("PT", DCM))
    assert found.patient.name is not None
    assert (found.patient.name.family, found.patient.bare_id) == ("DOE", "77")
    assert (found.declared_series, found.accession, found.series) == (2, "", ())
    assert str(found.study_time) == "09:30:00"


@pytest.mark.filterwarnings("ignore")
def test_a_server_of_another_project_is_read(tmp_path: Path) -> None:
    """dicomweb-client answers searches over files; what it says is what the files say."""
    for name in ("CT_small.dcm", "MR_small.dcm"):
        shutil.copy(BUNDLED / name, tmp_path / name)
    files = [pydicom.dcmread(path) for path in sorted(tmp_path.iterdir())]
    server = DICOMfileClient(f"file://{tmp_path}", in_memory=True)

    studies = decode_response(json.dumps(server.search_for_studies()).encode()).items
    images = decode_response(json.dumps(server.search_for_instances()).encode()).items

    assert {one.study for one in studies} == {ds.StudyInstanceUID for ds in files}
    for one in studies:
        (ds,) = (each for each in files if each.StudyInstanceUID == one.study)
        assert one.study_date is not None
        assert one.study_date.strftime("%Y%m%d") == ds.StudyDate
        assert one.modalities == (Code(ds.Modality, DCM),)
        assert one.patient.bare_id == ds.PatientID
    assert {ref.instance for one in images for ref in one.instances()} == {
        ds.SOPInstanceUID for ds in files
    }


def test_a_data_set_that_pydicom_wrote_is_read() -> None:
    """Its DICOM JSON, not ours."""
    ds = Dataset()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2", "1.2.3"
    ds.SeriesNumber, ds.Modality, ds.SeriesDescription = 4, "MR", "Crâne"
    ds.NumberOfSeriesRelatedInstances = 12

    found = only(f"[{ds.to_json()}]".encode())

    assert found.series == (
        ManifestSeries(
            uid=Uid("1.2.3"),
            modality=Code("MR", DCM),
            number=4,
            description="Crâne",
            declared_instances=12,
        ),
    )


leaves: list[Any] = [None, True, 7, 1e9, "", "1.2", "x", [], {}, ["1.2"], [None], [{}], [["1.2"]]]
elements = st.builds(
    lambda vr, value: {**({"vr": vr} if vr else {}), "Value": value},
    st.sampled_from(["", "UI", "LO", "PN", "SQ", "IS", "UR"]),
    st.sampled_from([*leaves, [{"Alphabetic": 1}], ["https://s/studies/1.2"], ["1.2", "1.3"]]),
)
tags = st.sampled_from(["0020000D", "0020000E", "00080018", "00081190", "00100010", "00080051"])


@given(st.lists(st.dictionaries(tags, elements, max_size=4), max_size=3))
def test_any_json_is_read_or_refused(objects: list[dict[str, Any]]) -> None:
    """Nothing else comes out of it."""
    try:
        outcome = decode_response(as_json(*objects))
    except DecodeError:
        return
    assert len(outcome.items) + len(outcome.errors) <= len(objects)
