"""The spelling of a search over DICOMweb."""

from __future__ import annotations

import pytest
from dicomweb_client.uri import build_query_string, parse_query_parameters
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword

from gateway.domain import ExchangeError, Refusal, Uid
from gateway.wire.dicom.qido_attributes import Level
from gateway.wire.dicom.qido_parameters import SearchScope, read_parameters, read_scope
from gateway.wire.dicom.web import MAX_QUERY_PARAMETERS
from gateway.wire.problems import DecodeError

STUDY, SERIES = Uid("1.2.3"), Uid("1.2.3.4")


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/studies", SearchScope(level=Level.STUDY)),
        ("studies/", SearchScope(level=Level.STUDY)),
        ("/series", SearchScope(level=Level.SERIES)),
        ("//instances//", SearchScope(level=Level.INSTANCE)),
        ("/studies/1.2.3/series", SearchScope(level=Level.SERIES, study=STUDY)),
        ("/study/1.2.3/series", SearchScope(level=Level.SERIES, study=STUDY)),
        ("/studies/1.2.3/instances", SearchScope(level=Level.INSTANCE, study=STUDY)),
        (
            "/studies/1.2.3/series/1.2.3.4/instances",
            SearchScope(level=Level.INSTANCE, study=STUDY, series=SERIES),
        ),
    ],
)
def test_six_paths_are_searched(path: str, scope: SearchScope) -> None:
    """Slashes too many do no harm."""
    assert read_scope(path) == scope


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/patients", "/study", "/Studies", "/studies/1.2.3", "/series/1.2/instances"),
        *("/studies/1.2.3/series/1.2", "/studies/1.2.3/metadata", "/studies/1.2/series/1/frames"),
    ],
)
def test_other_paths_are_not(path: str) -> None:
    """Retrieval is read elsewhere."""
    with pytest.raises(ExchangeError) as caught:
        read_scope(path)

    assert caught.value.refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize("path", ["/studies/x/series", "/studies/1/series/2*/instances", "/%zz"])
def test_a_path_with_a_wrong_uid_is_an_error(path: str) -> None:
    """So is one with a broken escape."""
    with pytest.raises(DecodeError):
        read_scope(path)


def test_an_attribute_is_a_keyword_a_tag_or_a_path() -> None:
    """In either spelling, of either case of hexadecimal digits."""
    found = read_parameters(
        "StudyDate=20260301&0020000d=1.2.3&RequestAttributesSequence.00400009=X&00091001=private"
    )

    assert found.keys == {
        (0x00080020,): "20260301",
        (0x0020000D,): "1.2.3",
        (0x00400275, 0x00400009): "X",
        (0x00091001,): "private",
    }


@pytest.mark.parametrize(
    "query",
    [
        *("studydate=1", "Invented=1", "0008002=1", "0008002G=1", "=1", "x", "orderby=StudyDate"),
        *("StudyDate=1&StudyDate=2", "StudyDate=&StudyDate=", "StudyDate=1&00080020=1"),
        *("StudyDate.CodeValue=1", "AnatomicRegionSequence.=1", ".CodeValue=1"),
        *("RequestAttributesSequence." * 9 + "PatientID=1", "includefield=Invented"),
        *("limit=-1", "limit=x", "limit=1&limit=2", "offset=1.5", "limit=1234567890", "limit=٣"),
        *("fuzzymatching=maybe", "StudyDate=%", "StudyDate=%FF", "StudyDate=%00"),
        "&".join(
            f"{tag:08x}=1" for tag in range(0x00090000, 0x00090000 + MAX_QUERY_PARAMETERS + 1)
        ),
        "PatientName=" + "x" * 9_000,
    ],
)
def test_what_is_unknown_or_twice_is_an_error(query: str) -> None:
    """An attribute nobody knows, a key given again in another spelling, a number that is none."""
    with pytest.raises(DecodeError):
        read_parameters(query)


def test_parameters_of_the_answer_are_told_apart() -> None:
    """Repeated and listed fields, flags in any case, and those of the message passed over."""
    found = read_parameters(
        "includefield=StudyDescription,00081032&IncludeField=00082218.00080100&limit=10&offset=5"
        "&fuzzymatching=TRUE&emptyvaluematching=true&multiplevaluematching=false"
        "&accept=application/dicom%2Bjson&charset=utf-8"
    )

    assert found.includes == (0x00081030, 0x00081032, 0x00082218)
    assert (found.limit, found.offset, found.include_all) == (10, 5, False)
    assert (found.fuzzy, found.empty, found.lists) == (True, True, False)
    assert found.keys == {}
    assert read_parameters("includefield=all").include_all
    assert read_parameters("") == read_parameters("?") == read_parameters("&&")


def test_a_query_of_dicomweb_client_is_read() -> None:
    """It writes a space as a plus sign, and a plus sign as an escape."""
    text = build_query_string(
        parse_query_parameters(
            fuzzymatching=False,
            limit=10,
            offset=20,
            fields=["StudyDescription", "00081032"],
            search_filters={"PatientName": "Żak^Anna Maria", "00081030": "Head + neck"},
        )
    )

    found = read_parameters(text)

    assert found.keys == {(0x00100010,): "Żak^Anna Maria", (0x00081030,): "Head + neck"}
    assert set(found.includes) == {tag_for_keyword("StudyDescription"), 0x00081032}
    assert (found.limit, found.offset) == (10, 20)


@given(st.text("=&%.,*Sa0+;\\\x00é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out of it."""
    try:
        found = read_parameters(text)
    except DecodeError:
        return
    assert all(path for path in found.keys)
