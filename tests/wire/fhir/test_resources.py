"""Resources as plain objects: both formats, the accessors, and the judgement of the models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fhir import resources as r
from gateway.wire.fhir.resources import Format, read_resource, validated, write_resource
from gateway.wire.problems import DecodeError, EncodeError
from tests.shared import shared

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=10,
)
ACCESSORS: list[Callable[[r.Json, str, str], Any]] = [
    r.text_at,
    r.object_at,
    r.objects_at,
    r.texts_at,
    r.integer_at,
    r.boolean_at,
]


@pytest.mark.parametrize("format", Format)
def test_a_resource_is_the_same_in_both_formats(format: Format) -> None:
    """One dict, two ways to write it down."""
    patient = {"resourceType": "Patient", "active": True, "name": [{"given": ["Anna", "Eva"]}]}

    written = write_resource(patient, format)

    assert read_resource(written, format) == patient


@pytest.mark.parametrize(
    ("format", "media_type"),
    [(Format.JSON, "application/fhir+json"), (Format.XML, "application/fhir+xml")],
)
def test_a_format_has_its_media_type(format: Format, media_type: str) -> None:
    """FHIR R4 http.html#mime-type."""
    assert format.media_type == media_type


@pytest.mark.parametrize("data", [b"{}", b'{"resourceType":null}', b'{"resourceType":["Patient"]}'])
def test_an_object_that_does_not_say_its_type_is_no_resource(data: bytes) -> None:
    """The type is the one thing every resource says."""
    with pytest.raises(DecodeError, match="resourceType"):
        read_resource(data, Format.JSON)


@pytest.mark.parametrize("format", Format)
def test_a_resource_without_type_is_not_written(format: Format) -> None:
    """Nobody could read it."""
    with pytest.raises(EncodeError):
        write_resource({"id": "x"}, format)


@pytest.mark.parametrize("format", Format)
def test_a_bundle_of_too_many_entries_is_refused(
    format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of entries is bounded before anything is made of them."""
    entries = [{"fullUrl": f"urn:x:{i}"} for i in range(r.MAX_ENTRIES + 1)]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    with pytest.raises(DecodeError, match="10001 entries"):
        read_resource(write_resource(bundle, format), format)


def test_the_type_asked_for_is_given_back() -> None:
    """A resource of one of several types passes through."""
    bundle = {"resourceType": "Bundle"}

    assert r.expect_type(bundle, "OperationOutcome", "Bundle", where="body") is bundle


@pytest.mark.parametrize("found", ["Patient", None, ["Bundle"], {"a": 1}, 3])
def test_another_type_is_refused_with_its_place(found: object) -> None:
    """The error says what was found and what would do."""
    with pytest.raises(DecodeError) as refused:
        r.expect_type({"resourceType": found}, "Bundle", "List", where="entry[0].resource")

    assert refused.value.where == "entry[0].resource.resourceType"
    assert refused.value.expected == "Bundle or List"


@pytest.mark.parametrize(
    ("accessor", "nothing"), list(zip(ACCESSORS, ["", {}, (), (), None, None], strict=True))
)
def test_what_is_not_there_is_nothing(accessor: Callable[..., Any], nothing: object) -> None:
    """Each accessor has its own nothing, so that no caller asks twice."""
    assert accessor({}, "a", "X") == nothing


@pytest.mark.parametrize(
    ("accessor", "value", "given"),
    [
        (r.text_at, " a ", " a "),
        (r.object_at, {"b": 1}, {"b": 1}),
        (r.objects_at, [{"b": 1}], ({"b": 1},)),
        (r.texts_at, ["b", ""], ("b", "")),
        (r.integer_at, 0, 0),
        (r.boolean_at, False, False),
    ],
)
def test_what_is_there_is_given(accessor: Callable[..., Any], value: object, given: object) -> None:
    """Values are given as they stand."""
    assert accessor({"a": value}, "a", "X") == given


@pytest.mark.parametrize(
    ("accessor", "value", "where"),
    [
        (r.text_at, 1, "X.a"),
        (r.text_at, None, "X.a"),
        (r.object_at, [], "X.a"),
        (r.object_at, None, "X.a"),
        (r.objects_at, {}, "X.a"),
        (r.objects_at, [{}, "b"], "X.a[1]"),
        (r.objects_at, [None], "X.a[0]"),
        (r.texts_at, "b", "X.a"),
        (r.texts_at, ["b", 1], "X.a[1]"),
        (r.integer_at, True, "X.a"),
        (r.integer_at, 1.5, "X.a"),
        (r.integer_at, "1", "X.a"),
        (r.boolean_at, "true", "X.a"),
        (r.boolean_at, 1, "X.a"),
    ],
)
def test_another_kind_of_value_is_refused_with_its_place(
    accessor: Callable[..., Any], value: object, where: str
) -> None:
    """A peer's null, number or array in the wrong place is an error of a peer."""
    with pytest.raises(DecodeError) as refused:
        accessor({"a": value}, "a", "X")

    assert refused.value.where == where


@given(ANY_JSON, st.sampled_from(ACCESSORS))
def test_no_value_surprises_an_accessor(value: object, accessor: Callable[..., Any]) -> None:
    """Whatever stands under a name is given or refused."""
    with suppress(DecodeError):
        accessor({"a": value}, "a", "X")


def test_a_sample_of_every_guide_passes_the_models() -> None:
    """The judge accepts what the guides publish."""
    folder = shared("samples/fhir/mado-r4")

    for path in sorted(folder.glob("DocumentReference-*.json")):
        validated(read_resource(path.read_bytes(), Format.JSON))
