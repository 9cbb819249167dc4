"""The constraints of the European report: our own keeps them all, and each can be broken alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from gateway.domain import Severity
from gateway.wire.fhir.document_reference_terms import MODALITY_EXTENSION
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_document_rules import DOCUMENT_RULES
from gateway.wire.fhir.report_part_rules import PART_RULES
from gateway.wire.fhir.report_releases import to_r5
from gateway.wire.fhir.report_rules import REPORT_RULES, check_report
from gateway.wire.fhir.report_terms import (
    ARTIFACT_VERSION,
    COMPOSITION_VERSION,
    DEVICE_CATEGORY,
    REGION,
    REPORT_COMPOSITION,
)
from gateway.wire.fhir.report_write import encode_report, write_report
from gateway.wire.fhir.resources import Format, read_resource
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import full, least

Change = Callable[["Doc"], Any]


class Doc:
    """A document that is about to be broken: its resources by type, its sections by code."""

    def __init__(self, bundle: Any) -> None:
        self.bundle = bundle

    def all(self, kind: str) -> list[Any]:
        """The resources of a type."""
        resources = [entry["resource"] for entry in self.bundle["entry"]]
        return [one for one in resources if one["resourceType"] == kind]

    def one(self, kind: str) -> Any:
        """The first resource of a type."""
        return self.all(kind)[0]

    def url(self, kind: str) -> str:
        """The URL of the first resource of a type."""
        return f"urn:uuid:{self.one(kind)['id']}"

    def section(self, code: str) -> Any:
        """The section of a code."""
        sections = self.one("Composition")["section"]
        return next(one for one in sections if one["code"]["coding"][0]["code"] == code)

    def add(self, resource: Any) -> None:
        """One more entry."""
        self.bundle["entry"].append(
            {"fullUrl": f"urn:x:{len(self.bundle['entry'])}"} | {"resource": resource}
        )

    def key_image(self) -> Any:
        """The first key image."""
        refs = self.all("DocumentReference")
        return next(one for one in refs if "category" in one)

    def imaging_device(self) -> Any:
        """The equipment."""
        devices = self.all("Device")
        return next(one for one in devices if "extension" in one)


def _without(kind: str, name: str) -> Change:
    return lambda doc: doc.one(kind).pop(name)


def _drop_extension(resource: Any, url: str) -> None:
    resource["extension"] = [one for one in resource["extension"] if one["url"] != url]


def _double_extension(kind: str, url: str) -> Change:
    def change(doc: Doc) -> None:
        extensions = doc.one(kind)["extension"]
        extensions.append(next(one for one in extensions if one["url"] == url))

    return change


def _category(kind: str, code: str) -> Change:
    def change(doc: Doc) -> None:
        resource = doc.one(kind)
        resource["category"] = [
            one for one in resource["category"] if one["coding"][0]["code"] != code
        ]

    return change


def _services(kind: str) -> Change:
    service = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074"}
    return lambda doc: doc.one(kind)["category"].extend(
        {"coding": [service | {"code": code}]} for code in ("RAD", "CUS")
    )


def _study(**changes: Any) -> Change:
    return lambda doc: doc.one("ImagingStudy").update(changes)


def _composition_second(doc: Doc) -> None:
    doc.bundle["entry"].insert(0, doc.bundle["entry"].pop())


def _second(kind: str) -> Change:
    def change(doc: Doc) -> None:
        doc.add({**doc.one(kind), "id": "another"})

    return change


def _no_studies(doc: Doc) -> None:
    """All are told of by their numbers alone, as far as the document itself goes."""
    doc.bundle["entry"] = [
        one for one in doc.bundle["entry"] if one["resource"]["resourceType"] != "ImagingStudy"
    ]
    gone = {"type": "ImagingStudy", "identifier": {"value": "urn:oid:2.999.1"}}
    doc.section("18726-0")["entry"] = [gone]
    doc.one("DiagnosticReport")["imagingStudy"] = [gone]
    entries = doc.section("18834-2")["entry"]
    doc.section("18834-2")["entry"] = [one for one in entries if _leads(doc, one)]
    doc.one("DiagnosticReport")["extension"] = [
        one
        for one in doc.one("DiagnosticReport")["extension"]
        if "valueReference" not in one or _leads(doc, one["valueReference"])
    ]


def _leads(doc: Doc, reference: Any) -> bool:
    return reference["reference"] in {entry["fullUrl"] for entry in doc.bundle["entry"]}


def _attester(mode: str, **changes: Any) -> Change:
    def change(doc: Doc) -> None:
        attesters = doc.one("Composition")["attester"]
        attester = next(one for one in attesters if one["mode"] == mode)
        for name, value in changes.items():
            if value is None:
                del attester[name]
            else:
                attester[name] = value

    return change


def _dose(doc: Doc) -> None:
    doc.add(
        {
            "resourceType": "Observation",
            "id": "dose",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "73569-6"}]},
            "derivedFrom": [{"reference": doc.url("ImagingStudy")}],
        }
    )


def _accession(value: str) -> Any:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
    return {"type": {"coding": [coding]}, "system": "urn:oid:2.999.5", "value": value}


# One change for each rule, each breaking it and no other.
BROKEN: dict[str, Change] = {
    "bundle-type": lambda doc: doc.bundle.update(type="collection"),
    "bundle-identifier": lambda doc: doc.bundle.pop("identifier"),
    "bundle-timestamp": lambda doc: doc.bundle.pop("timestamp"),
    "bundle-no-search": lambda doc: doc.bundle.update(total=1),
    "bundle-full-url": lambda doc: doc.bundle["entry"].append(
        {"resource": {"resourceType": "Basic", "code": {"text": "x"}}}
    ),
    "bundle-composition-first": _composition_second,
    "bundle-composition": _second("Composition"),
    "bundle-diagnostic-report": _second("DiagnosticReport"),
    "bundle-patient": _second("Patient"),
    "bundle-imaging-study": _no_studies,
    "bundle-references": lambda doc: doc.one("Procedure").update(
        encounter={"reference": "Encounter/1"}
    ),
    "report-no-locations": _study(endpoint=[{"display": "https://images.example/rs"}]),
    "dr-comp-author-org": _without("DiagnosticReport", "performer"),
    "composition-required": _without("Composition", "date"),
    "composition-identifier": lambda doc: doc.one("Composition").update(
        identifier={"system": "urn:x", "value": "1"}
    ),
    "composition-status": lambda doc: doc.one("Composition").update(status="preliminary"),
    "composition-subject": lambda doc: doc.one("Composition").update(
        subject={"reference": doc.url("Organization")}
    ),
    "composition-category-report": _category("Composition", "85430-7"),
    "composition-category-imaging": _category("Composition", "Medical-Imaging"),
    "composition-category-service": _services("Composition"),
    "composition-version": _double_extension("Composition", COMPOSITION_VERSION),
    "composition-legal-authenticator": _attester("legal", time=None),
    "composition-result-validator": _attester("professional", time=None),
    "composition-custodian": lambda doc: doc.one("Composition").update(
        custodian={"reference": doc.url("Patient")}
    ),
    "section-code": lambda doc: (
        doc.section("11329-0")["section"].append(
            {"title": "x", "text": {}, "emptyReason": {"text": "x"}}
        )
        if "section" in doc.section("11329-0")
        else doc.section("11329-0").update(
            section=[{"text": {"div": "x"}, "emptyReason": {"text": "x"}}]
        )
    ),
    "section-required": lambda doc: doc.one("Composition")["section"].remove(
        doc.section("11329-0")
    ),
    "section-once": lambda doc: doc.one("Composition")["section"].append(doc.section("59776-5")),
    "section-entries": lambda doc: doc.section("18783-1")["entry"].append(
        {"reference": doc.url("Patient")}
    ),
    "section-studies": lambda doc: (
        doc.section("18726-0").pop("entry")
        and doc.section("18726-0").update(emptyReason={"text": "none"})
    ),
    "eu-imaging-composition-1": lambda doc: doc.one("Composition")["section"].append(
        {"code": {"coding": [{"code": "x"}]}, "text": {"div": "<div/>"}}
    ),
    "eu-imaging-composition-2": lambda doc: doc.one("Composition")["section"].append(
        {"code": {"coding": [{"code": "x"}]}, "emptyReason": {"text": "none"}}
    ),
    "diagnostic-report-composition": lambda doc: _drop_extension(
        doc.one("DiagnosticReport"), REPORT_COMPOSITION
    ),
    "diagnostic-report-required": _without("DiagnosticReport", "code"),
    "diagnostic-report-subject": lambda doc: doc.one("DiagnosticReport").update(
        subject={"reference": doc.url("Organization")}
    ),
    "diagnostic-report-category-report": _category("DiagnosticReport", "85430-7"),
    "diagnostic-report-category-imaging": _category("DiagnosticReport", "Medical-Imaging"),
    "diagnostic-report-category-service": _services("DiagnosticReport"),
    "diagnostic-report-version": _double_extension("DiagnosticReport", ARTIFACT_VERSION),
    "diagnostic-report-based-on": lambda doc: doc.one("DiagnosticReport")["basedOn"][0].pop(
        "identifier"
    ),
    "anatomical-region": lambda doc: doc.one("ImagingStudy")["extension"].append(
        {"url": REGION, "valueCodeableConcept": {"text": "Head"}}
    ),
    "study-uid": _study(identifier=[{"system": "urn:x", "value": "1"}]),
    "study-uid-urn": lambda doc: doc.one("ImagingStudy")["identifier"][0].update(value="2.999.1"),
    "study-subject": _without("ImagingStudy", "subject"),
    "study-accession": _study(
        basedOn=[{"identifier": _accession("1")}, {"identifier": _accession("2")}]
    ),
    "study-series-performer": _study(
        series=[{"uid": "2.999.1", "performer": [{"function": {"coding": [{"code": "X"}]}}]}]
    ),
    "order-category": lambda doc: doc.one("ServiceRequest").pop("category"),
    "order-accession": lambda doc: doc.one("ServiceRequest")["identifier"].append(_accession("2")),
    "procedure-code": _without("Procedure", "code"),
    "procedure-performer": lambda doc: doc.one("Procedure")["performer"][0].pop("function"),
    "device-status": lambda doc: doc.imaging_device().pop("status"),
    "adverse-event-suspect": lambda doc: doc.one("AdverseEvent")["suspectEntity"].append(
        {"instance": {"reference": doc.url("Medication")}}
    ),
    "dose-text": _dose,
    "key-image-modality": lambda doc: _drop_extension(doc.key_image(), MODALITY_EXTENSION),
    "key-image-content": lambda doc: doc.key_image()["content"][0]["attachment"].pop("url"),
    "key-image-identifiers": lambda doc: doc.key_image()["identifier"][0].update(value="2.999.1"),
}


@cache
def _whole() -> Any:
    return read_resource(encode_report(full()), Format.JSON)


@pytest.mark.parametrize("release", Release)
def test_what_is_written_keeps_every_rule(release: Release) -> None:
    """The report that says everything has nothing to be found, in both releases."""
    assert check_report(write_report(full(), release=release)) == []


def test_the_least_report_keeps_every_rule() -> None:
    """Rules are about what is there: a short report breaks none."""
    assert check_report(write_report(least())) == []


def test_every_rule_has_a_document_that_breaks_it() -> None:
    """No rule without its proof, no proof without its rule, no id twice."""
    ids = [rule.id for rule in REPORT_RULES]

    assert ids == list(BROKEN)
    assert len(set(ids)) == len(ids)
    assert {*DOCUMENT_RULES, *PART_RULES} < set(REPORT_RULES)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_found_and_no_other(rule: str) -> None:
    """One change to the whole document, one rule that says where, what and what was expected."""
    bundle = deepcopy(_whole())
    BROKEN[rule](Doc(bundle))

    findings = check_report(bundle)

    assert {finding.rule for finding in findings} == {rule}
    assert all(one.where and one.found and one.expected for one in findings)


@pytest.mark.parametrize("rule", ["study-uid", "composition-category-report", "order-category"])
def test_a_rule_is_the_same_in_r5(rule: str) -> None:
    """Rules are looked at in one shape, whatever the release."""
    bundle = deepcopy(_whole())
    BROKEN[rule](Doc(bundle))

    assert {finding.rule for finding in check_report(to_r5(bundle))} == {rule}


def test_what_the_profiles_only_warn_of_is_a_warning() -> None:
    """A bare UID is understood and should not be."""
    bundle = deepcopy(_whole())
    BROKEN["study-uid-urn"](Doc(bundle))

    (finding,) = check_report(bundle)

    assert finding.severity is Severity.WARNING
    assert finding.where.endswith("ImagingStudy.identifier[0].value")


def test_a_device_of_another_kind_need_not_have_a_status() -> None:
    """The profile is for equipment that makes images."""
    bundle = deepcopy(_whole())
    device = Doc(bundle).imaging_device()
    _drop_extension(device, DEVICE_CATEGORY)
    device.pop("status")

    assert check_report(bundle) == []


def test_values_of_another_kind_are_not_judged() -> None:
    """A document that is no FHIR is refused with its place."""
    bundle = deepcopy(_whole())
    Doc(bundle).one("Composition")["section"] = "none"

    with pytest.raises(DecodeError, match="section"):
        check_report(bundle)


@pytest.mark.parametrize("empty", [{}, {"resourceType": "Bundle", "type": "document"}])
def test_an_empty_document_breaks_rules_and_nothing_else(empty: Any) -> None:
    """What is not there is found missing; nothing falls over."""
    rules = {finding.rule for finding in check_report(empty)}

    assert {"bundle-composition", "bundle-patient", "bundle-imaging-study"} <= rules
