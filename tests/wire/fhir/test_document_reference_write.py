"""DocumentReferences as we send them: one that serves every dialect, and claims only what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.domain import (
    AssociationKind,
    Author,
    Code,
    DocumentId,
    DocumentRef,
    EntryStatus,
    HumanName,
    Oid,
    Organisation,
    Precision,
    ReferenceId,
    ReferenceKind,
    Timestamp,
)
from gateway.domain.codes import (
    CLASS_REPORTS,
    FORMAT_FHIR_MANIFEST,
    FORMAT_KOS,
    FORMAT_PDF,
    TYPE_REPORT,
)
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir.document_reference_write import MAX_UNSIGNED, Relation
from gateway.wire.fhir.resources import validated
from tests.builders import COUNTRY_A, make_entry
from tests.shared import shared
from tests.wire.fhir.rows import BASE, written

HOSPITAL = Organisation(name="City Hospital", id="77", authority="2.999.1.6")
SAMPLE = "samples/fhir/constructed/documentreference_kos_all_dialects.json"


def paths(value: Any, at: str = "") -> set[str]:
    """The paths of all elements, array positions left out."""
    if isinstance(value, list):
        return set().union(*(paths(inner, at) for inner in value)) if value else {at}
    if isinstance(value, dict):
        return set().union({at}, *(paths(inner, f"{at}.{key}") for key, inner in value.items()))
    return {at}


def full() -> dict[str, Any]:
    """An entry with everything a dialect may want, written with a twin and a custodian."""
    order = ReferenceId("ORD-1", ReferenceKind.ORDER, "2.999.1.6")
    entry = make_entry()
    return written(
        make_entry(
            references=(*entry.references, order),
            source_patient_info=("PID-5|Exemple^Anna", "PID-7|19800203", "PID-8|F"),
        ),
        twin=(Relation(kind=AssociationKind.TRANSFORMS, reference_id="ref-2"),),
        custodian=HOSPITAL,
        patient_reference="Patient/p1",
    )


def test_an_entry_is_a_valid_resource() -> None:
    """The models of fhir.resources accept it."""
    validated(full())


def test_it_has_every_element_of_the_sample_for_all_dialects() -> None:
    """But a device as author, which the noun does not tell from a person, and fixed spellings."""
    sample = json.loads(shared(SAMPLE).read_text())

    missing = paths(sample) - paths(full())

    assert missing == {
        ".contained.deviceName",
        ".contained.deviceName.name",
        ".contained.deviceName.type",
    }


def test_it_claims_the_profiles_of_the_sample_when_it_meets_them() -> None:
    """Comprehensive, MADO, EU and NCPeH together."""
    sample = json.loads(shared(SAMPLE).read_text())

    assert full()["meta"]["profile"] == sample["meta"]["profile"]


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"confidentiality": ()}, {terms.COMPREHENSIVE_PROFILE}),
        ({"language": ""}, {terms.COMPREHENSIVE_PROFILE, terms.MADO_KOS_PROFILE}),
        ({"references": ()}, {terms.MADO_KOS_PROFILE}),
        ({"event_codes": ()}, {terms.MADO_KOS_PROFILE}),
        ({"service_start": None}, {terms.MADO_KOS_PROFILE}),
        ({"status": EntryStatus.DEPRECATED}, {terms.NCP_PROFILE}),
        (
            {"created": None},
            {
                terms.COMPREHENSIVE_PROFILE,
                terms.MADO_KOS_PROFILE,
                terms.EU_PROFILE,
                terms.NCP_PROFILE,
            },
        ),
        ({"mime_type": "application/octet-stream"}, {terms.MADO_KOS_PROFILE}),
    ],
)
def test_a_profile_that_is_not_met_is_not_claimed(changes: dict[str, Any], lost: set[str]) -> None:
    """Nothing is made up to meet one."""
    whole = set(written(make_entry(), custodian=HOSPITAL)["meta"]["profile"])

    claimed = set(written(make_entry(**changes), custodian=HOSPITAL)["meta"]["profile"])

    assert whole - claimed == lost
    assert (terms.MINIMAL_PROFILE in claimed) is (terms.COMPREHENSIVE_PROFILE in lost)


def test_a_custodian_is_needed_for_the_profile_of_the_eu() -> None:
    """It is 1..1 there."""
    assert terms.EU_PROFILE not in written(make_entry())["meta"]["profile"]


def test_an_entry_that_knows_next_to_nothing_is_still_valid() -> None:
    """The empty code stands for what was not said; no empty element is written."""
    nothing = Code("", "")
    entry = make_entry(
        ref=DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId("a peer's own")),
        title="",
        comments="",
        class_code=nothing,
        type_code=nothing,
        format_code=nothing,
        facility_type=nothing,
        practice_setting=nothing,
        confidentiality=(),
        event_codes=(),
        authors=(Author(),),
        legal_authenticator="",
        created=None,
        service_start=None,
        service_stop=None,
        language="",
        sha1="",
        size_bytes=None,
        references=(),
        source_patient=None,
        source_patient_info=(),
        version="",
    )

    resource = written(entry)

    validated(resource)
    assert "meta" not in resource
    assert "contained" not in resource
    assert "context" not in resource
    assert "[]" not in json.dumps(resource)
    assert "{}" not in json.dumps(resource)


def test_the_unique_id_stands_twice_and_the_entry_id_beside_it() -> None:
    """MADO wants the master among the identifiers; types tell them apart."""
    resource = full()
    master, own = resource["identifier"]

    assert master == resource["masterIdentifier"]
    assert master["value"] == "urn:oid:2.999.1.4.1"
    assert master["type"]["coding"][0]["code"] == "uniqueId"
    assert own["type"]["coding"][0]["code"] == "entryUUID"
    assert own["value"] == make_entry().id


def test_the_category_is_one_concept_of_several_codings() -> None:
    """MHD allows one category; each dialect finds its own coding in it, the class code first."""
    for entry in (make_entry(), make_entry(class_code=CLASS_REPORTS, type_code=TYPE_REPORT)):
        (category,) = written(entry)["category"]

        codes = [coding["code"] for coding in category["coding"]]

        assert codes == [entry.class_code.value, "Medical-Imaging", "18748-4"]


def test_categories_are_data() -> None:
    """A peer's own table takes the place of ours."""
    (category,) = written(make_entry(), categories={})["category"]

    assert [coding["code"] for coding in category["coding"]] == ["IMAGES"]


def test_a_document_that_is_neither_report_nor_manifest_has_its_class_alone() -> None:
    """It is no medical imaging that we know of."""
    other = Code("11369-6", "2.16.840.1.113883.6.1")
    entry = make_entry(
        class_code=other, type_code=other, format_code=FORMAT_PDF, mime_type="application/pdf"
    )

    (category,) = written(entry)["category"]

    assert [coding["code"] for coding in category["coding"]] == ["11369-6"]


def test_modality_and_region_stand_in_both_places() -> None:
    """As extensions for MADO and the EU, among the events for XDS."""
    resource = full()
    urls = [extension["url"] for extension in resource["extension"]]
    events = [event["coding"][0]["code"] for event in resource["context"]["event"]]

    assert urls.count(terms.MODALITY_EXTENSION) == 1
    assert urls.count(terms.BODY_SITE_EXTENSION) == 1
    assert events == ["CT", "67734004"]


def test_a_period_always_has_an_end() -> None:
    """Open, it would fit every later search."""
    context = written(make_entry(service_stop=None))["context"]

    assert context["period"]["end"] == context["period"]["start"] == "2026-11-19T10:15:00Z"


def test_the_hash_is_base64_and_the_size_a_number() -> None:
    """The SHA-1 of XDS is hexadecimal, that of FHIR is not."""
    attachment = full()["content"][0]["attachment"]

    assert attachment["hash"] == "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
    assert attachment["size"] == 35_612


def test_a_size_beyond_unsigned_int_is_left_out() -> None:
    """FHIR R4 cannot say it."""
    attachment = written(make_entry(size_bytes=MAX_UNSIGNED + 1))["content"][0]["attachment"]

    assert "size" not in attachment


def test_the_display_of_a_manifests_format_is_mados() -> None:
    """It is part of a pattern there."""
    entry = make_entry(format_code=Code(FORMAT_KOS.value, FORMAT_KOS.scheme, "KOS"))

    assert written(entry)["content"][0]["format"]["display"] == "Key Object Selection Document"


def test_a_fhir_manifest_names_its_profile() -> None:
    """MADO requires the content profile of it."""
    entry = make_entry(format_code=FORMAT_FHIR_MANIFEST, mime_type="application/fhir+json")

    resource = written(entry)

    validated(resource)
    assert terms.MADO_FHIR_PROFILE in resource["meta"]["profile"]
    assert terms.MADO_BUNDLE in json.dumps(resource["content"])


def test_the_mime_type_is_bare() -> None:
    """MADO compares it exactly."""
    entry = make_entry(mime_type="Application/FHIR+json; fhirVersion=4.0")

    attachment = written(entry)["content"][0]["attachment"]

    assert attachment["contentType"] == "application/fhir+json"


def test_an_instant_has_seconds_even_of_a_day() -> None:
    """`date` is the earliest the creation can have been; `creation` keeps its precision."""
    day = Timestamp(Timestamp.parse("20261120").at, Precision.DAY)

    resource = written(make_entry(created=day))

    validated(resource)
    assert resource["date"] == "2026-11-20T00:00:00Z"
    assert resource["content"][0]["attachment"]["creation"] == "2026-11-20"


@pytest.mark.parametrize("kind", list(AssociationKind))
def test_every_association_has_a_code(kind: AssociationKind) -> None:
    """The target is an address of this gateway."""
    relation = Relation(kind=kind, reference_id="ref-2")

    resource = written(make_entry(), twin=(relation,))

    validated(resource)
    (relates,) = resource["relatesTo"]
    assert relates["target"]["reference"] == f"{BASE}/DocumentReference/ref-2"


def test_the_description_is_never_missing() -> None:
    """NCPeH API requires it: comments, else the title, else the type."""
    assert written(make_entry())["description"] == "Follow-up"
    assert written(make_entry(comments=""))["description"] == "CT Thorax: Übersicht"
    assert written(make_entry(comments="", title=""))["description"] == "Diagnostic imaging study"


def test_no_data_and_no_modifiers_are_written() -> None:
    """MHD forbids docStatus, modifiers, inline data and a second content."""
    resource = full()

    assert not {"docStatus", "modifierExtension", "implicitRules"} & set(resource)
    assert "data" not in resource["content"][0]["attachment"]
    assert len(resource["content"]) == 1


def test_every_contained_resource_is_referred_to() -> None:
    """FHIR R4 dom-3; and each is there once, however often it is named."""
    person = Author(name=HumanName(family="A"), institutions=(HOSPITAL,))
    resource = written(make_entry(authors=(person, person)), custodian=HOSPITAL)
    text = json.dumps(resource)

    ids = [each["id"] for each in resource["contained"]]

    assert len(ids) == len(set(ids))
    assert all(f'"#{each}"' in text for each in ids)
    names = [each.get("name") for each in resource["contained"]]
    assert names.count("City Hospital") == 1
