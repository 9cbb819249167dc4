"""The tables derived from the models of R4B, and their judgement."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fhir.models import Kind, elements_of, is_resource_type, judge
from gateway.wire.problems import DecodeError

OUTCOME = {"severity": "error", "code": "invalid"}


def test_elements_stand_in_the_order_of_the_standard() -> None:
    """The first elements of a Patient (FHIR R4 patient.html), inherited ones before its own."""
    names = list(elements_of("Patient"))

    assert names[:10] == [
        "id",
        "meta",
        "implicitRules",
        "language",
        "text",
        "contained",
        "extension",
        "modifierExtension",
        "identifier",
        "active",
    ]


@pytest.mark.parametrize(
    ("type_name", "name", "kind", "held", "many"),
    [
        ("Patient", "active", Kind.BOOLEAN, "", False),
        ("Patient", "multipleBirthInteger", Kind.INTEGER, "", False),
        ("Patient", "contact", Kind.COMPLEX, "PatientContact", True),
        ("Patient", "contained", Kind.RESOURCE, "", True),
        ("HumanName", "given", Kind.TEXT, "", True),
        ("Quantity", "value", Kind.DECIMAL, "", False),
        ("Narrative", "div", Kind.XHTML, "", False),
        ("Attachment", "url", Kind.TEXT, "", False),
        ("Attachment", "data", Kind.TEXT, "", False),
        ("BundleEntry", "resource", Kind.RESOURCE, "", False),
        ("ImagingStudy", "numberOfSeries", Kind.INTEGER, "", False),
        ("DocumentReference", "masterIdentifier", Kind.COMPLEX, "Identifier", False),
    ],
)
def test_an_element_has_its_kind(
    type_name: str, name: str, kind: Kind, held: str, many: bool
) -> None:
    """Kind, type and cardinality are read off the models; masterIdentifier is not in R5."""
    rule = elements_of(type_name)[name]

    assert (rule.kind, rule.type, rule.many) == (kind, held, many)


def test_two_names_are_attributes_in_xml() -> None:
    """`id` of what is no resource, and `url` of an extension (FHIR R4 xml.html)."""
    assert elements_of("Extension")["url"].attribute
    assert elements_of("HumanName")["id"].attribute
    assert not elements_of("Patient")["id"].attribute
    assert not elements_of("Attachment")["url"].attribute


@pytest.mark.parametrize("name", ["Patient", "Bundle", "OperationOutcome", "Binary"])
def test_a_resource_is_known(name: str) -> None:
    """Resources are told from data types."""
    assert is_resource_type(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Resource",
        "DomainResource",
        "HumanName",
        "BundleEntry",
        "Boolean",
        "ImagingSelection",
        "patient",
        "__class__",
        "Patient.name",
        "FHIRPrimitiveExtension",
        "\x00",
    ],
)
def test_what_is_no_resource_of_r4b_is_not_known(name: str) -> None:
    """Neither data types nor abstract ones nor the resources of R5."""
    assert not is_resource_type(name)


def test_a_valid_resource_passes() -> None:
    """No news is good news."""
    judge({"resourceType": "OperationOutcome", "issue": [OUTCOME]})


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ({}, "resourceType"),
        ({"resourceType": 5}, "resourceType"),
        ({"resourceType": "HumanName"}, "resourceType"),
        ({"resourceType": "ImagingSelection"}, "resourceType"),
        ({"resourceType": "Patient", "colour": "red"}, "Patient.colour"),
        ({"resourceType": "Patient", "name": [{"given": [1]}]}, "Patient.name[0].given[0]"),
        ({"resourceType": "Patient", "name": "Anna"}, "Patient.name"),
        ({"resourceType": "OperationOutcome"}, "OperationOutcome.issue"),
        (
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": {"resourceType": "Patient", "birthDate": "soon"}}],
            },
            "Bundle.entry[0].resource.birthDate",
        ),
        (
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": {"resourceType": "ImagingSelection"}}],
            },
            "Bundle",
        ),
    ],
)
def test_a_wrong_resource_is_refused_at_its_first_place(resource: Any, where: str) -> None:
    """The place is a path into the resource."""
    with pytest.raises(DecodeError) as refused:
        judge(resource)

    assert refused.value.where == where


def test_a_type_of_r5_within_a_bundle_is_named() -> None:
    """The library only raises a KeyError there."""
    selection = {"resourceType": "ImagingSelection", "status": "available"}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": selection}]}

    with pytest.raises(DecodeError, match="ImagingSelection"):
        judge(bundle)


@pytest.mark.parametrize("within", [None, 7, ["Patient"], {}])
def test_a_resource_within_whose_type_is_no_name_is_told_where(within: object) -> None:
    """The library takes it for a string and falls."""
    with pytest.raises(DecodeError) as caught:
        judge({"resourceType": "Patient", "contained": [{"resourceType": within}]})

    assert caught.value.where == "Patient.contained[0].resourceType"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "text", "resource", "entry", "_id", "extension"]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["Bundle", "Patient", "DocumentReference"]), JSON, JSON)
def test_no_object_harms_the_judge(name: str, first: object, second: object) -> None:
    """Whatever a peer puts anywhere is accepted or refused."""
    fields = {"Bundle": ("entry", "link"), "Patient": ("name", "contained")}
    one, two = fields.get(name, ("content", "context"))

    with suppress(DecodeError):
        judge({"resourceType": name, one: first, two: second})
