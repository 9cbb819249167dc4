"""Headers as DICOM JSON: as pydicom and DCMTK write them, but for what PS3.18 F has otherwise."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.domain import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, Uid
from gateway.wire.dicom.dataset import read_header
from gateway.wire.dicom.json_write import MAX_DEPTH, MAX_INLINE, write_metadata, write_object
from gateway.wire.dicom.pixel_element import PixelElement
from gateway.wire.problems import DecodeError

BUNDLED = Path(pydicom.__file__).parent / "data"
JPEGLS = Uid("1.2.840.10008.1.2.4.80")
BASE = "https://images.example/bulkdata/"
PIXELS = "7FE00010"
HEADERS = [
    *("CT_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm"),
    *("rtplan.dcm", "reportsi.dcm", "chrH31.dcm", "chrX1.dcm", "liver_expb_1frame.dcm"),
    *("test-SR.dcm", "waveform_ecg.dcm", "examples_overlay.dcm", "chrHbrw.dcm"),
    *("UN_sequence.dcm", "priv_SQ.dcm", "chrSQEncoding.dcm", "image_dfl.dcm"),
]


def bulk_uri(path: str) -> str:
    """Where a value can be had."""
    return BASE + path


def header(name: str) -> Dataset:
    """A header that pydicom brings."""
    return read_header(io.BytesIO(path_of(name).read_bytes()))


def path_of(name: str) -> Path:
    """Where a file is that pydicom brings."""
    return BUNDLED / ("charset_files" if name.startswith("chr") else "test_files") / name


def made(*elements: tuple[int, str, Any]) -> Dataset:
    """A data set of these elements."""
    ds = Dataset()
    for tag, vr, value in elements:
        ds.add_new(tag, vr, value)
    return ds


def written(*elements: tuple[int, str, Any]) -> dict[str, Any]:
    """The elements as JSON, without what is added to every header."""
    found = write_object(made(*elements), bulk_uri)
    return {tag: body for tag, body in found.items() if tag not in ("00080005", "00083002")}


def departures(ours: dict[str, Any], theirs: dict[str, Any], path: str = "") -> list[str]:
    """Where another's object differs, but for pixel data, long values and the character set."""
    found = []
    for tag in sorted(ours.keys() | theirs.keys()):
        if tag in ("00080005", "00083002") or tag >= "7FE0" or tag.endswith("0000"):
            continue
        mine, other = ours.get(tag, {}), theirs.get(tag, {})
        if "BulkDataURI" in mine:
            continue
        pairs = list(zip_longest(mine.get("Value", []), other.get("Value", [])))
        if mine.get("vr") == other.get("vr") == "SQ":
            for index, (one, its) in enumerate(pairs):
                found += departures(one or {}, its or {}, f"{path}{tag}/{index}/")
        elif (
            mine.get("vr") != other.get("vr")
            or mine.get("InlineBinary") != other.get("InlineBinary")
            or not all(is_same(one, its, mine["vr"]) for one, its in pairs)
        ):
            found.append(f"{path}{tag}: {mine} {other}")
    return found


def is_same(one: Any, other: Any, vr: str) -> bool:
    """Whether two values mean the same: numbers may be texts, and what is empty may be a text."""
    if vr in ("DS", "IS", "FL", "FD", "SV", "UV") and one is not None and other is not None:
        return float(one) == pytest.approx(float(other))
    return bool(one == other or (one is None and other == ""))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_those_that_pydicom_writes(name: str) -> None:
    """Every element of every kind, sequences and private ones too."""
    ours = write_object(header(name), bulk_uri)
    theirs = header(name).to_json_dict(
        bulk_data_threshold=2 * MAX_INLINE, bulk_data_element_handler=lambda _: BASE
    )

    assert departures(ours, theirs) == []


def test_tags_are_upper_case_and_in_order() -> None:
    """Eight hexadecimal digits each."""
    found = written((0x0020000D, "UI", "1.2"), (0x00081115, "SQ", []), (0x0008103E, "LO", "x"))

    assert list(found) == ["0008103E", "00081115", "0020000D"]


def test_the_character_set_is_always_utf_8() -> None:
    """Whatever the file had, in sequences too; texts come out as they are read."""
    item = made((0x00080005, "CS", "ISO_IR 100"), (0x00080104, "LO", "x"))
    found = write_object(made((0x00081115, "SQ", [item])), bulk_uri)
    greek = write_object(header("chrGreek.dcm"), bulk_uri)

    utf_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00080005"] == found["00081115"]["Value"][0]["00080005"] == utf_8
    assert greek["00080005"] == utf_8
    assert greek["00100010"]["Value"] == [{"Alphabetic": "Διονυσιος"}]


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        (JPEGLS, JPEGLS),
        (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN),
        (Uid("1.2.840.10008.1.2.2"), EXPLICIT_LITTLE_ENDIAN),
    ],
)
def test_the_available_syntax_is_one_that_is_sent(stored: Uid, named: Uid) -> None:
    """Implicit and big endian never are."""
    found = write_object(made(), bulk_uri, stored=stored)

    assert found["00083002"] == {"vr": "UI", "Value": [named]}


def test_the_syntax_is_that_of_the_file_where_none_is_given() -> None:
    """As its file meta information names it, which itself is left out."""
    found = write_object(header("JPEG2000.dcm"), bulk_uri)

    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.4.91"]
    assert not [tag for tag in found if tag.startswith("0002")]


def test_group_lengths_and_other_groups_of_messages_are_left_out() -> None:
    """They are about an encoding that is gone."""
    ds = made((0x00080000, "UL", 10), (0x00080018, "UI", "1.2"))
    ds.add_new(0x00000002, "UI", "1.2")
    ds.add_new(0x00020010, "UI", "1.2")

    assert set(write_object(ds, bulk_uri)) == {"00080005", "00080018", "00083002"}


IMAGE = [(0x00280010, "US", 2), (0x00280011, "US", 2), (0x00280100, "US", 16)]


def test_pixel_data_is_an_address() -> None:
    """Of words where it is native, of bytes where it is compressed."""
    native = write_object(made(*IMAGE), bulk_uri)
    compressed = write_object(made(*IMAGE), bulk_uri, stored=JPEGLS)
    floats = write_object(made(*IMAGE), bulk_uri, pixels=PixelElement(0x7FE00008, "OF", 4))

    assert native[PIXELS] == {"vr": "OW", "BulkDataURI": BASE + PIXELS}
    assert compressed[PIXELS] == {"vr": "OB", "BulkDataURI": BASE + PIXELS}
    assert floats["7FE00008"] == {"vr": "OF", "BulkDataURI": BASE + "7FE00008"}
    assert PIXELS not in floats
    assert PIXELS not in write_object(made(), bulk_uri)


def test_pixel_data_in_a_data_set_is_an_address_however_short() -> None:
    """At the top and in an icon."""
    icon = made((0x7FE00010, "OB", b"\0\1"))
    found = written((0x00880200, "SQ", [icon]), (0x7FE00010, "OW", b"\0\1"))

    assert found[PIXELS] == {"vr": "OW", "BulkDataURI": BASE + PIXELS}
    assert found["00880200"]["Value"][0][PIXELS]["BulkDataURI"] == BASE + "00880200/0/7FE00010"


@pytest.mark.parametrize(
    ("vr", "fits", "too_long"),
    [
        ("OB", b"x" * MAX_INLINE, b"x" * (MAX_INLINE + 2)),
        ("UN", b"x" * MAX_INLINE, b"x" * (MAX_INLINE + 2)),
        ("UT", "x" * MAX_INLINE, "é" * (MAX_INLINE // 2 + 1)),
        ("DS", ["1.5"] * 256, ["1.5"] * 257),
        ("US", [1] * 512, [1] * 513),
        ("FD", [1.5] * 128, [1.5] * 129),
    ],
)
def test_values_over_one_kilobyte_are_addresses(vr: str, fits: Any, too_long: Any) -> None:
    """Of representations that may be bulk data."""
    short, long = written((0x00091001, vr, fits)), written((0x00091001, vr, too_long))

    assert "BulkDataURI" not in short["00091001"]
    assert long["00091001"] == {"vr": vr, "BulkDataURI": BASE + "00091001"}


def test_long_values_that_may_not_be_bulk_data_stay() -> None:
    """Names and identifiers, however many."""
    found = written((0x00091001, "LO", ["x" * 60] * 40))

    assert len(found["00091001"]["Value"]) == 40


def test_the_path_of_a_bulk_value_leads_through_its_items() -> None:
    """Sequence, item from 0, tag."""
    inner = made((0x00091001, "OB", b"x" * 2000))
    outer = made((0x00081115, "SQ", [made(), inner]))
    found = written((0x00400275, "SQ", [outer]))

    body = found["00400275"]["Value"][0]["00081115"]["Value"][1]["00091001"]
    assert body["BulkDataURI"] == BASE + "00400275/0/00081115/1/00091001"


@pytest.mark.parametrize(
    ("vr", "value", "body"),
    [
        ("LO", "", {}),
        ("SQ", [], {}),
        ("OB", b"", {}),
        ("PN", "", {}),
        ("SQ", [Dataset()], {"Value": [{}]}),
        ("CS", ["A", "", "B"], {"Value": ["A", None, "B"]}),
        ("IS", ["", "3"], {"Value": [None, 3]}),
        ("DS", ["1.5", ""], {"Value": [1.5, None]}),
        ("PN", ["A^B", ""], {"Value": [{"Alphabetic": "A^B"}, None]}),
        ("PN", "=山田=やまだ", {"Value": [{"Ideographic": "山田", "Phonetic": "やまだ"}]}),
        ("AT", [0x00181063, 1], {"Value": ["00181063", "00000001"]}),
        ("DS", "0.1", {"Value": [0.1]}),
        ("DS", "9999999999999999", {"Value": ["9999999999999999"]}),
        ("SV", [2**53, -(2**60)], {"Value": [2**53, "-1152921504606846976"]}),
        ("FD", [float("nan"), float("-inf")], {"Value": ["NaN", "-Infinity"]}),
        ("UI", "1.2.3", {"Value": ["1.2.3"]}),
        ("OB", b"\1\2", {"InlineBinary": "AQI="}),
        ("OW", b"\1\2", {"InlineBinary": "AQI="}),
        ("US or SS", 3, {"vr": "US", "Value": [3]}),
        ("US or SS", -3, {"vr": "SS", "Value": [-3]}),
        ("US or SS", b"\1\0", {"vr": "UN", "InlineBinary": "AQA="}),
        ("OB or OW", b"\1\0", {"vr": "OW", "InlineBinary": "AQA="}),
    ],
)
def test_values_have_the_form_of_their_representation(vr: str, value: Any, body: Any) -> None:
    """Empty ones are left out or null, exact ones stay exact, and all of it is JSON."""
    found = written((0x00091001, vr, value))["00091001"]

    assert found == {"vr": vr, **body}
    json.dumps(found, allow_nan=False)


def test_words_of_a_big_endian_file_are_turned() -> None:
    """Inline binary values are little endian."""
    ds = made((0x00091001, "OW", b"\1\2"), (0x00091002, "OB", b"\1\2"))
    ds.set_original_encoding(False, False)

    found = write_object(ds, bulk_uri)

    assert found["00091001"]["InlineBinary"] == "AgE="
    assert found["00091002"]["InlineBinary"] == "AQI="


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_that_cannot_be_read_goes_as_its_bytes() -> None:
    """One damaged value does not hide the header."""
    found = write_object(header("badVR.dcm"), bulk_uri)

    assert found["00280008"] == {"vr": "UN", "InlineBinary": "MUE="}
    assert found["00280010"] == {"vr": "US", "Value": [10]}


def test_sequences_have_a_limit_of_depth() -> None:
    """However a data set came to be so deep."""
    ds = made()
    for _ in range(MAX_DEPTH + 1):
        ds = made((0x00081115, "SQ", Sequence([ds])))

    with pytest.raises(DecodeError, match="levels"):
        write_object(ds, bulk_uri)


def test_the_body_is_an_array_in_utf_8() -> None:
    """Whatever the texts hold; half a character becomes a question mark."""
    body = write_metadata([written((0x00104000, "LT", "é\ud800")), {}])

    assert body == '[{"00104000":{"vr":"LT","Value":["é?"]}},{}]'.encode()
    assert write_metadata([]) == b"[]"


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("dcm2json") is None, reason="DCMTK is not installed")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_implicit.dcm"]
)
def test_headers_are_those_that_dcmtk_writes(name: str) -> None:
    """Element by element, but for pixel data and long values."""
    done = subprocess.run(
        ["dcm2json", str(path_of(name))], capture_output=True, timeout=60, check=True
    )
    theirs = json.loads(done.stdout)
    ours = write_object(header(name), bulk_uri)

    assert departures(ours, theirs) == []
