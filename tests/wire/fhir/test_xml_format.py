"""FHIR XML: the same resources as in JSON, proved on samples and by another reader and writer."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.wire.fhir.json_format import MAX_DEPTH, Json, read_json, write_json
from gateway.wire.fhir.models import judge
from gateway.wire.fhir.xml_format import read_xml, write_xml
from gateway.wire.problems import DecodeError, EncodeError
from tests.shared import SHARED, shared

SAMPLES = sorted((SHARED / "samples" / "fhir").rglob("*.json"))
FOLDERS = sorted({path.parent.name for path in SAMPLES})
FOREIGN = (
    "mado-r4/DocumentReference-DocumentReferenceKOSwithTransform.json",
    "pdqm/Patient-ex-patient.json",
    "pdqm/Bundle-ex-match-output-error.json",
    "balp/AuditEvent-ex-auditPoke-SAML-Comp.json",
    "constructed/documentreference_kos_all_dialects.json",
)


def canonical(value: Any, name: str = "") -> Any:
    """A resource to compare: numbers by their text and type, narratives as canonical XML."""
    if isinstance(value, dict):
        return {key: canonical(below, key) for key, below in value.items()}
    if isinstance(value, list):
        return [canonical(below) for below in value]
    if name == "div":
        return etree.tostring(etree.fromstring(value), method="c14n", with_comments=False)
    return type(value).__name__, str(value)


def is_r4(resource: Json) -> bool:
    """Whether the models accept it; some samples are of R5, or lack what is required."""
    try:
        judge(resource)
    except DecodeError:
        return False
    return True


def xml(inner: str, root: str = "Patient") -> bytes:
    return f'<{root} xmlns="http://hl7.org/fhir">{inner}</{root}>'.encode()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_survives_the_way_through_xml(folder: str) -> None:
    """What the guides publish comes back the same: values, order of repetitions, extensions.

    What is not R4 may be refused instead, but never comes back as something else.
    """
    wrong = []
    for path in (path for path in SAMPLES if path.parent.name == folder):
        resource = read_json(path.read_bytes(), path.name)
        try:
            survived = canonical(read_xml(write_xml(resource))) == canonical(resource)
        except (DecodeError, EncodeError) as refused:
            survived = isinstance(refused, EncodeError) and not is_r4(resource)
        if not survived:
            wrong.append(path.name)
    assert wrong == []


@pytest.mark.parametrize("name", FOREIGN)
def test_another_reader_reads_what_is_written(name: str) -> None:
    """fhir.resources reads our XML as the resource it reads from the JSON."""
    data = shared(f"samples/fhir/{name}").read_bytes()
    resource = read_json(data)
    model = get_fhir_model_class(resource["resourceType"])

    found = model.model_validate_xml(write_xml(resource))

    assert json.loads(found.model_dump_json()) == json.loads(
        model.model_validate_json(data).model_dump_json()
    )


@pytest.mark.parametrize("name", FOREIGN)
def test_what_another_writer_writes_is_read(name: str) -> None:
    """Its XML gives the resource that its JSON gives; it writes instants in two ways."""
    data = shared(f"samples/fhir/{name}").read_bytes()
    type_ = get_fhir_model_class(read_json(data)["resourceType"])
    model = type_.model_validate_json(data)
    theirs = model.model_dump_xml()

    found = read_xml(theirs.encode() if isinstance(theirs, str) else theirs)

    assert type_.model_validate(found).model_dump_json() == model.model_dump_json()


def test_elements_are_written_in_the_order_of_the_standard() -> None:
    """Whatever the order of the object, the schema of FHIR XML is kept."""
    patient = {"gender": "female", "active": True, "id": "x", "resourceType": "Patient"}

    root = etree.fromstring(write_xml(patient))

    assert [etree.QName(child).localname for child in root] == ["id", "active", "gender"]
    assert root.tag == "{http://hl7.org/fhir}Patient"


def test_elements_are_read_in_any_order() -> None:
    """Not every writer keeps the order of the schema, and repetitions may be apart."""
    found = read_xml(xml('<gender value="female"/><name id="1"/><id value="x"/><name id="2"/>'))

    assert found == {
        "resourceType": "Patient",
        "gender": "female",
        "name": [{"id": "1"}, {"id": "2"}],
        "id": "x",
    }


def test_values_have_their_types() -> None:
    """Booleans, integers and decimals are such; a decimal keeps its digits."""
    observation = read_xml(
        xml(
            '<status value="final"/><valueQuantity><value value="1.50"/></valueQuantity>'
            '<component><valueInteger value="7"/></component>'
            '<component><valueBoolean value="false"/></component>',
            "Observation",
        )
    )

    assert write_json(observation) == (
        b'{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.50},'
        b'"component":[{"valueInteger":7},{"valueBoolean":false}]}'
    )


def test_extensions_of_primitives_keep_their_places() -> None:
    """`_given` goes beside `given`, with nulls for what has none (FHIR R4 json.html)."""
    patient = {
        "resourceType": "Patient",
        "name": [
            {
                "given": ["Anna", None, "Eva"],
                "_given": [
                    None,
                    {"extension": [{"url": "urn:x:absent", "valueCode": "masked"}]},
                    {"id": "third"},
                ],
            }
        ],
        "_birthDate": {"extension": [{"url": "urn:x:absent", "valueCode": "unknown"}]},
    }

    written = write_xml(patient)

    assert read_xml(written) == patient
    assert b'<given value="Anna"/><given><extension url="urn:x:absent">' in written
    assert b'<given id="third" value="Eva"/>' in written


def test_resources_stand_within_resources() -> None:
    """`contained` and `entry.resource` hold a resource under its own name."""
    device = {"resourceType": "Device", "id": "d"}
    patient = {"resourceType": "Patient", "contained": [device, {"resourceType": "Basic"}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}

    written = write_xml(bundle)

    assert read_xml(written) == bundle
    assert b"<contained><Basic/></contained></Patient></resource>" in written


def test_white_space_of_values_is_kept() -> None:
    """An attribute would lose line breaks and tabs if they were not written as references."""
    patient = {"resourceType": "Patient", "name": [{"text": ' a\n\t"b" <&> \u2028é\U0001f600 '}]}

    assert read_xml(write_xml(patient)) == patient


def test_a_schema_location_is_tolerated() -> None:
    """Editors leave it on the root."""
    data = (
        b'<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi='
        b'"http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir '
        b'../fhir-all.xsd"><f:active value="true"/></f:Patient>'
    )

    assert read_xml(data) == {"resourceType": "Patient", "active": True}


UNKNOWN = [
    ("<colour value='red'/>", "Patient"),
    ("<name><colour value='red'/></name>", "Patient.name[0]"),
    ("<name/><name><given value='a'/></name>", "Patient.name[0]"),
    ("<name><given value='a'/><given/></name>", "Patient.name[0].given[1]"),
    ("<name colour='red'/>", "Patient.name[0]"),
    ("<active value='1'/>", "Patient.active"),
    ("<active value=' true'/>", "Patient.active"),
    ("<active valu='true'/>", "Patient.active"),
    ("<active value='true'>yes</active>", "Patient.active"),
    ("<active value='true'/><active value='true'/>", "Patient.active"),
    ("<multipleBirthInteger value='1.0'/>", "Patient.multipleBirthInteger"),
    ("<multipleBirthInteger value='٣'/>", "Patient.multipleBirthInteger"),
    ("text", "Patient"),
    ("<active value='true'/>text", "Patient"),
    ("<contained/>", "Patient.contained[0]"),
    ("<contained><Basic/><Basic/></contained>", "Patient.contained[0]"),
    ("<contained><Colour/></contained>", "Patient.contained[0]"),
    ("<contained><HumanName/></contained>", "Patient.contained[0]"),
    ("<extension><url value='urn:x'/></extension>", "Patient.extension[0]"),
    ("<extension url='urn:x'><valueDecimal value='NaN'/></extension>", "Patient.extension[0]"),
    ("<id value='x'/><resourceType value='Bundle'/>", "Patient"),
    ("<name xmlns='urn:x'><given value='a'/></name>", "Patient"),
    ("<text><status value='empty'/><div>a</div></text>", "Patient.text"),
    ("<div xmlns='http://www.w3.org/1999/xhtml'>a</div>", "Patient"),
]


def test_what_r4b_does_not_have_is_refused_with_its_place() -> None:
    """Nothing unknown is passed over in silence."""
    wrong = [
        (inner, place)
        for inner, where in UNKNOWN
        if not (place := _refused(xml(inner)) or "nowhere").startswith(where)
    ]

    assert wrong == []


def _refused(data: bytes) -> str | None:
    try:
        read_xml(data)
    except DecodeError as error:
        return error.where
    return None


NO_RESOURCES = [
    b"",
    b"{}",
    b"<Patient/>",
    b'<Patient xmlns="urn:hl7-org:v3"/>',
    xml("", "HumanName"),
    xml("", "ImagingSelection"),
    b'<!DOCTYPE a [<!ENTITY e "x">]>' + xml("<active value='true'/>"),
    xml("&e;"),
    xml("<name>" * 300 + "</name>" * 300),
]


def test_what_is_no_resource_is_refused() -> None:
    """Neither other XML nor anything that the hardened parser refuses."""
    taken = [data for data in NO_RESOURCES if _refused(data) is None]

    assert taken == []


def test_deep_nesting_is_refused_in_both_directions() -> None:
    """As deep as JSON may be, and no deeper."""
    levels = MAX_DEPTH
    inner = "<extension url='urn:x'>" * levels + "</extension>" * levels
    deep: Json = {"url": "urn:x"}
    for _ in range(levels):
        deep = {"url": "urn:x", "extension": [deep]}

    with pytest.raises(DecodeError, match="levels"):
        read_xml(xml(inner))
    with pytest.raises(EncodeError, match="levels"):
        write_xml({"resourceType": "Patient", "extension": [deep]})


UNWRITABLE: list[Json] = [
    {"colour": "red"},
    {"_colour": {"id": "x"}},
    {"active": "true"},
    {"active": 1},
    {"active": None},
    {"active": [True]},
    {"name": {"text": "a"}},
    {"name": []},
    {"name": [{}]},
    {"name": [None]},
    {"name": ["Anna"]},
    {"name": [{"given": "Anna"}]},
    {"name": [{"given": [None]}]},
    {"name": [{"given": ["Anna"], "_given": {"id": "x"}}]},
    {"name": [{"id": 5}]},
    {"name": [{"text": "\x00"}]},
    {"name": [{"text": "\ud800"}]},
    {"_name": [{"id": "x"}]},
    {"_active": {}},
    {"_active": {"value": True}},
    {"_active": {"id": 1}},
    {"multipleBirthInteger": True},
    {"multipleBirthInteger": 1.5},
    {"contained": [{"id": "x"}]},
    {"contained": ["Basic"]},
    {"contained": [{"resourceType": "HumanName"}]},
    {"extension": [{"_url": {"id": "x"}}]},
    {"extension": [{"url": "urn:x", "valueDecimal": float("inf")}]},
    {"extension": [{"url": "urn:x", "valueDecimal": "1.5"}]},
    {"text": {"status": "empty", "div": "no markup"}},
    {"text": {"status": "empty", "div": 5}},
]


def test_what_fhir_xml_cannot_carry_is_not_written() -> None:
    """A resource of ours that R4B does not have is a fault of ours."""
    written = []
    for fields in UNWRITABLE:
        with suppress(EncodeError):
            written.append((fields, write_xml({"resourceType": "Patient"} | fields)))
    assert written == []


@pytest.mark.parametrize("name", ["", "HumanName", "ImagingSelection", None, 5])
def test_what_is_no_resource_of_r4b_is_not_written(name: object) -> None:
    """There is no table to write it from."""
    with pytest.raises(EncodeError):
        write_xml({"resourceType": name})


TAGS = st.sampled_from(
    ["name", "given", "extension", "contained", "Basic", "active", "text", "div", "valueDecimal"]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id", "url", "value", "x"]),
    st.sampled_from(["", "true", "1", "1.50", "1e9", "a b"]),
    max_size=2,
)


def _markup(tag: str, attributes: dict[str, str], inner: list[str]) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<{tag}{written}>{''.join(inner)}</{tag}>"


NODES = st.recursive(
    st.builds(_markup, TAGS, ATTRIBUTES, st.just([])),
    lambda below: st.builds(_markup, TAGS, ATTRIBUTES, st.lists(below, max_size=3)),
    max_leaves=8,
)


@given(st.lists(NODES, max_size=4))
def test_what_is_read_can_be_written_and_is_the_same(nodes: list[str]) -> None:
    """Any tree of known names is refused, or comes back from what is written of it."""
    with suppress(DecodeError):
        found = read_xml(xml("".join(nodes)))

        assert read_xml(write_xml(found)) == found
        assert read_json(write_json(found)) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceType", "id", "text", "name", "_given", "given", "extension"]),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["name", "text", "contained", "_id", "id"]), JSON))
def test_no_object_harms_the_writer(fields: dict[str, Any]) -> None:
    """Whatever it is, it is written or refused."""
    with suppress(EncodeError):
        read_xml(write_xml({"resourceType": "Patient"} | fields))
