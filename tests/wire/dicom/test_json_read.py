"""DICOM JSON as servers send it, read into data sets; nothing hostile gets by."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from gateway.wire.dicom.dataset import describe, read_header
from gateway.wire.dicom.json_read import MAX_DEPTH, MAX_OBJECTS, read_metadata, read_object
from gateway.wire.dicom.json_write import write_metadata, write_object
from gateway.wire.problems import DecodeError

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
BINARY = ("OB", "OW", "UN")
HEADERS = [
    *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm"),
    *("rtplan.dcm", "reportsi.dcm", "liver_expb_1frame.dcm", "test-SR.dcm", "waveform_ecg.dcm"),
    *("examples_overlay.dcm", "UN_sequence.dcm", "priv_SQ.dcm", "image_dfl.dcm"),
]


def header(name: str) -> Dataset:
    """A header that pydicom brings."""
    return read_header(io.BytesIO((BUNDLED / name).read_bytes()))


def value(tag: str, body: object) -> Any:
    """What one element is read as."""
    return read_object({tag: body})[int(tag, 16)].value


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", HEADERS)
def test_objects_are_read_as_pydicom_reads_them(name: str) -> None:
    """Every element of every kind; bulk values are empty in both."""
    written = write_object(header(name), lambda path: "https://images.example/" + path)
    theirs = Dataset.from_json(written, lambda _tag, vr, _uri: None if vr in BINARY else "")

    ours = read_object(written)

    assert [str(one) for one in ours] == [str(one) for one in theirs]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", HEADERS)
def test_what_is_written_and_read_says_the_same(name: str) -> None:
    """As far as we describe an instance, and as it is written again."""
    ds = header(name)
    syntax = describe(ds).transfer_syntax

    (back,) = read_metadata(write_metadata([write_object(ds, str, stored=syntax)]))

    again = write_object(back, str, stored=syntax)
    for tag, body in write_object(ds, str, stored=syntax).items():
        if "BulkDataURI" not in str(body):
            assert again[tag] == body
    assert describe(back).patient == describe(ds).patient


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("dcm2json") is None, reason="DCMTK is not installed")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "test-SR.dcm"])
def test_objects_of_dcmtk_are_read(name: str) -> None:
    """The same description as that of the file."""
    arguments = ["dcm2json", str(BUNDLED / name)]
    done = subprocess.run(arguments, capture_output=True, timeout=60, check=True)

    (found,) = read_metadata(done.stdout)

    ours, its = describe(found), describe(header(name))
    assert (ours.study, ours.instance, ours.patient) == (its.study, its.instance, its.patient)
    assert (ours.rows, ours.series_date, ours.procedures) == (
        its.rows,
        its.series_date,
        its.procedures,
    )


def test_tags_in_lower_case_are_read() -> None:
    """And mean the same."""
    assert value("0020000d", {"vr": "UI", "Value": ["1.2"]}) == "1.2"


UNREPRESENTED: list[tuple[str, Any, str]] = [
    ("0020000D", {"Value": ["1.2"]}, "UI"),
    ("0020000D", {"vr": "??", "Value": ["1.2"]}, "UI"),
    ("0020000D", {"vr": None, "Value": ["1.2"]}, "UI"),
    ("00081115", {"Value": [{}]}, "SQ"),
    ("00280106", {"Value": [1]}, "US"),
    ("00280106", {"Value": [-1]}, "SS"),
    ("00283006", {"Value": [1, 2]}, "US"),
    ("7FE00010", {"BulkDataURI": "https://images.example/"}, "OW"),
    ("00090010", {"Value": ["CREATOR"]}, "LO"),
    ("00091001", {"Value": ["x"]}, "UC"),
    ("00091001", {"Value": [1]}, "SV"),
    ("00091001", {"Value": [1.5]}, "FD"),
    ("00091001", {"Value": [{"00080060": {"vr": "CS"}}]}, "SQ"),
    ("00091001", {"InlineBinary": "AQI="}, "UN"),
    ("00091001", {}, "UN"),
]


def test_a_missing_representation_is_that_of_the_dictionary() -> None:
    """Or one that fits the value where no dictionary knows the tag."""
    wrong = [
        (tag, body, vr, found)
        for tag, body, vr in UNREPRESENTED
        if (found := read_object({tag: body})[int(tag, 16)].VR) != vr
    ]

    assert wrong == []


def test_an_empty_value_may_be_left_out_or_an_empty_list() -> None:
    """Either way the element is there and empty."""
    bodies: list[dict[str, Any]] = [{}, {"Value": []}, {"Value": None}, {"Value": [], "More": 1}]
    vrs = ["LO", "PN", "DS", "US", "SQ", "OB", "AT", "UT"]

    wrong = [
        (vr, body)
        for vr, body in product(vrs, bodies)
        if not read_object({"00091001": {"vr": vr, **body}})[0x00091001].is_empty
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"Alphabetic": "A^B"}, "A^B"),
        ({"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}, "A=B=C"),
        ({"Ideographic": "B"}, "=B"),
        ({"Alphabetic": None}, ""),
        ("A^B", "A^B"),
        ("A=B", "A=B"),
        (None, ""),
        ({}, ""),
    ],
)
def test_a_name_may_be_a_plain_text(name: Any, expected: str) -> None:
    """Or an object of its groups, any of them missing."""
    assert str(value("00100010", {"vr": "PN", "Value": [name]})) == expected


@pytest.mark.parametrize(
    ("vr", "values", "expected"),
    [
        ("IS", ["12"], 12),
        ("IS", ["12", None, 3], [12, None, 3]),
        ("US", ["65535"], 65535),
        ("SV", ["-9223372036854775808"], -(2**63)),
        ("UV", [2**64 - 1], 2**64 - 1),
        ("US", [3.0], 3),
        ("FD", ["1.5", "-Infinity"], [1.5, float("-inf")]),
        ("DS", ["1.50", 2], ["1.50", "2"]),
        ("DS", [0.1234567890123456789], "0.12345678901235"),
        ("LO", [5, 1.5, None], ["5", "1.5", ""]),
        ("AT", ["0010001a"], 0x0010001A),
        ("UT", ["a", "b"], "a\\b"),
    ],
)
def test_numbers_may_be_texts_and_texts_numbers(vr: str, values: Any, expected: Any) -> None:
    """Decimals keep the digits they were sent with."""
    found = value("00091001", {"vr": vr, "Value": values})

    if vr == "DS":
        found = [str(one) for one in found] if isinstance(expected, list) else str(found)
    assert found == expected


def test_inline_binary_may_stand_in_a_list() -> None:
    """As an example of the standard has it, and with line breaks."""
    assert value("00091001", {"vr": "OB", "InlineBinary": ["AQ\nI="]}) == b"\1\2"
    assert value("00091001", {"vr": "OB", "InlineBinary": "AQI="}) == b"\1\2"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_unknown_representation_gives_way_to_the_dictionary_where_it_can() -> None:
    """The bytes of a damaged value stay what they are."""
    readable = read_object({"00280010": {"vr": "UN", "InlineBinary": "EAA="}})
    damaged = read_object({"00280010": {"vr": "UN", "InlineBinary": "EA=="}})

    assert readable.Rows == 16
    assert damaged[0x00280010].VR == "UN"
    assert damaged[0x00280010].value == b"\x10"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_value_is_written_again_as_it_came() -> None:
    """Through a reader and a writer, byte for byte."""
    found = {"vr": "UN", "InlineBinary": "MUE="}

    assert write_object(read_object({"00280008": found}), str)["00280008"] == found


def test_bulk_values_are_asked_for_by_path_and_address() -> None:
    """In sequences too; what comes becomes the value of binary elements, and of no others."""
    asked = []

    def bulk(path: str, uri: str) -> bytes:
        asked.append((path, uri))
        return b"\1\2"

    item = {"00091001": {"vr": "OB", "BulkDataURI": ["u1"]}}
    texts = {"vr": "UT", "BulkDataURI": "u2"}
    found = read_object(
        {"00081115": {"vr": "SQ", "Value": [{}, item]}, "00091002": texts}, bulk=bulk
    )

    assert asked == [("00081115/1/00091001", "u1"), ("00091002", "u2")]
    assert found[0x00081115].value[1][0x00091001].value == b"\1\2"
    assert found[0x00091002].value == ""


def test_items_of_sequences_may_be_empty() -> None:
    """As objects or as null."""
    assert value("00081115", {"vr": "SQ", "Value": [{}, None]}) == [Dataset(), Dataset()]


def test_texts_are_in_utf_8_whatever_the_object_says() -> None:
    """JSON has no other encoding, so that is what the data set is written in."""
    item = {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}
    ds = read_object({**item, "00081115": {"vr": "SQ", "Value": [item]}})

    assert ds.SpecificCharacterSet == ds[0x00081115].value[0].SpecificCharacterSet == "ISO_IR 192"


def test_elements_of_messages_and_files_are_passed_over() -> None:
    """Some servers send file meta information and group lengths."""
    body = {"vr": "UI", "Value": ["1.2"]}
    ds = read_object({"00020010": body, "00000002": body, "00080000": {"vr": "UL"}})

    assert [element.keyword for element in ds] == ["SpecificCharacterSet"]


def test_an_empty_body_has_no_objects() -> None:
    """As an empty array has none; one object may come without its array."""
    assert read_metadata(b" \r\n") == read_metadata(b"[]") == ()
    assert len(read_metadata(b'{"00080060":{"vr":"CS","Value":["CT"]}}')) == 1
    assert len(read_metadata(b"\xef\xbb\xbf[{},{}]")) == 2


LO = {"vr": "LO", "Value": ["x"]}


MEANINGLESS: list[tuple[Any, str]] = [
    ([], "object"),
    (None, "object"),
    ({"0010": LO}, "object"),
    ({"(0008,0060)": LO}, "object"),
    ({"PatientID": LO}, "object"),
    ({"00100020": "x"}, "object.00100020"),
    ({"00100020": None}, "object.00100020"),
    ({"0010001a": LO, "0010001A": LO}, "object.0010001A"),
    ({"00100020": {"vr": 1}}, "object.00100020.vr"),
    ({"00100020": {"vr": "LO", "Value": "x"}}, "object.00100020.Value"),
    ({"00100020": {"vr": "LO", "Value": [{}]}}, "object.00100020.Value[0]"),
    ({"00100020": {"vr": "LO", "Value": ["x", []]}}, "object.00100020.Value[1]"),
    ({"00100020": {"vr": "LO", "Value": [True]}}, "object.00100020.Value[0]"),
    ({"00100020": {"vr": "LO", "Value": ["\ud800"]}}, "object.00100020.Value[0]"),
    ({"00100020": {"vr": "LO", "InlineBinary": "AA=="}}, "object.00100020"),
    ({"00100010": {"vr": "PN", "Value": [1]}}, "object.00100010.Value[0]"),
    ({"00100010": {"vr": "PN", "Value": [{"Alphabetic": 1}]}}, "object.00100010.Value[0]"),
    ({"00280010": {"vr": "US", "Value": [65536]}}, "object.00280010.Value[0]"),
    ({"00280010": {"vr": "US", "Value": [-1]}}, "object.00280010.Value[0]"),
    ({"00280010": {"vr": "US", "Value": [1.5]}}, "object.00280010.Value[0]"),
    ({"00280010": {"vr": "US", "Value": ["x"]}}, "object.00280010.Value[0]"),
    ({"00280010": {"vr": "US", "Value": [1e999]}}, "object.00280010"),
    ({"00280010": {"vr": "US", "Value": ["9" * 5000]}}, "object.00280010.Value[0]"),
    ({"00281050": {"vr": "DS", "Value": ["x"]}}, "object.00281050.Value[0]"),
    ({"00281050": {"vr": "DS", "Value": [1e999]}}, "object.00281050.Value[0]"),
    ({"00091001": {"vr": "FD", "Value": ["1_0"]}}, "object.00091001.Value[0]"),
    ({"00280009": {"vr": "AT", "Value": ["x"]}}, "object.00280009.Value[0]"),
    ({"00280009": {"vr": "AT", "Value": [1]}}, "object.00280009.Value[0]"),
    ({"00091001": {"vr": "OB", "Value": [1]}}, "object.00091001"),
    ({"00091001": {"vr": "OB", "InlineBinary": 1}}, "object.00091001.InlineBinary"),
    ({"00091001": {"vr": "OB", "InlineBinary": "!"}}, "object.00091001.InlineBinary"),
    ({"00091001": {"vr": "OB", "InlineBinary": "A"}}, "object.00091001"),
    ({"00091001": {"vr": "OB", "BulkDataURI": {}}}, "object.00091001.BulkDataURI"),
    ({"00091001": {"vr": "OB", "BulkDataURI": ["a", "b"]}}, "object.00091001.BulkDataURI"),
    (
        {"00091001": {"vr": "OB", "BulkDataURI": "a", "InlineBinary": "AA=="}},
        "object.00091001",
    ),
    ({"00081115": {"vr": "SQ", "Value": ["x"]}}, "object.00081115[0]"),
    (
        {"00081115": {"vr": "SQ", "Value": [{}, {"00100020": 1}]}},
        "object.00081115[1].00100020",
    ),
]


def test_what_cannot_be_meant_is_an_error_with_its_place() -> None:
    """Wrong types everywhere, numbers out of range, and more than one value."""
    wrong = [
        (found, place, where) for found, place in MEANINGLESS if (where := _refused(found)) != place
    ]

    assert wrong == []


def _refused(found: Any) -> str | None:
    try:
        read_object(found)
    except DecodeError as error:
        return error.where
    return None


@pytest.mark.parametrize(
    "data",
    [
        *(b"x", b"1", b'"x"', b"null", b"[1]", b"[[]]", b"[{]", b"\xff\xff", b"[NaN]"),
        *(b'[{"00080060":{},"00080060":{}}]', b'[{"00280010":{"vr":"US","Value":[NaN]}}]'),
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b"[" + b",".join([b"{}"] * (MAX_OBJECTS + 1)) + b"]",
    ],
)
def test_what_is_no_dicom_json_is_an_error(data: bytes) -> None:
    """Broken JSON, other roots, keys twice, and more than the limits."""
    with pytest.raises(DecodeError, match="body"):
        read_metadata(data)


def test_sequences_have_a_limit_of_depth() -> None:
    """Below that of the parser."""
    found: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        found = {"00081115": {"vr": "SQ", "Value": [found]}}

    with pytest.raises(DecodeError, match="levels"):
        read_object(found)


_VRS = st.sampled_from(["LO", "PN", "DS", "IS", "US", "FD", "AT", "SQ", "OB", "UN", "UT", "DA", ""])
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Alphabetic", "00080060", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
_BODIES = st.fixed_dictionaries(
    {"vr": _VRS},
    optional={
        "Value": st.lists(_ANYTHING, max_size=3) | _ANYTHING,
        "InlineBinary": _ANYTHING,
        "BulkDataURI": _ANYTHING,
    },
)
_TAGS = st.sampled_from(["00080060", "00100010", "00280010", "7FE00010", "00091001", "0009xx01"])


@settings(deadline=None)
@given(st.dictionaries(_TAGS, _BODIES | _ANYTHING, max_size=3))
def test_any_object_is_read_or_refused(found: Any) -> None:
    """And what is read can be written again."""
    with suppress(DecodeError):
        json.dumps(write_object(read_object(found), str), allow_nan=False)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}:,"0189vrVale', max_size=40).map(str.encode))
def test_any_body_is_read_or_refused(data: bytes) -> None:
    """Nothing but the error comes out."""
    with suppress(DecodeError):
        read_metadata(data)
