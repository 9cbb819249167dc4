"""Coverage of the data sets by files of every form: reports as FHIR, CDA and PDF, and manifests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.coverage import coverage_of
from gateway.domain import (
    MANIFEST_ELEMENTS,
    REPORT_ELEMENTS,
    Carried,
    ManifestInstance,
    Organisation,
    Uid,
)
from gateway.domain.manifest_elements import DOSE_REPORT
from gateway.wire.cda.report import encode_report as encode_cda
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.fhir import manifest_write
from gateway.wire.fhir.models import Release
from gateway.wire.fhir.report_write import encode_report
from gateway.wire.fhir.resources import Format, write_resource
from gateway.wire.problems import DecodeError
from tests.builders import make_manifest
from tests.shared import shared
from tests.wire.fhir.report_nouns import full, least

# What is words by nature; everything else is coded in the report that says everything.
IN_WORDS = {
    "A.1.8.4",
    "A.3.3",
    "A.5.1.3",
    "A.5.1.5",
    "A.5.3.1",
    "A.5.4.2",
    "A.5.4.3.2",
    "A.5.5.1",
    "A.5.6.1",
    "A.6.9",
}


def ways(data: bytes) -> dict[str, Carried]:
    """How each element is carried."""
    return {one.id: one.carried for one in coverage_of(data).elements}


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("format", Format)
def test_the_full_report_carries_every_element(release: Release, format: Format) -> None:
    """Nothing is absent, and in words is only what is words."""
    data = encode_report(full(), release=release, format=format)

    coverage = coverage_of(data)

    assert coverage.form == f"Report: FHIR {release.name}, {format.value.upper()}"
    assert [one.id for one in coverage.elements] == [one.id for one in REPORT_ELEMENTS]
    assert {one.id for one in coverage.elements if one.carried is not Carried.CODED} == IN_WORDS
    assert coverage.count(Carried.TEXT) == len(IN_WORDS)
    assert coverage.count(Carried.ABSENT) == 0


def test_a_short_report_leaves_most_absent() -> None:
    """What it does not say is told so."""
    found = ways(encode_report(least()))

    assert found["A.1.8.10"] is Carried.CODED
    assert found["A.5.4.2"] is Carried.TEXT
    assert {found[number] for number in ("A.2.1", "A.5.4.1", "A.6", "A.8.1")} == {Carried.ABSENT}


def test_a_clinical_document_is_a_report_too() -> None:
    """With its PDF it carries the presented form, with its sections their texts."""
    data = encode_cda(least(presented=b"%PDF-1.7"), structured=True)

    found = ways(data)

    assert coverage_of(data).form == "Report: CDA"
    assert found["A.1.1.1"] is Carried.CODED
    assert found["A.5.4.2"] is Carried.TEXT
    assert found["A.8.1"] is Carried.CODED


def test_a_pdf_carries_its_presented_form_and_nothing_a_machine_can_use() -> None:
    """Whatever its pages say."""
    found = ways(b"%PDF-1.7 ...")

    assert {number for number, way in found.items() if way is not Carried.ABSENT} == {"A.8.1"}


def test_a_manifest_tells_its_gaps_and_what_stands_in() -> None:
    """The custodian is missing for lack of a place, the dose report is looked for."""
    manifest = make_manifest()
    report = ManifestInstance(uid=Uid("2.999.10.1.8.1"), sop_class=DOSE_REPORT, number=1)
    doses = replace(manifest.series[0], uid=Uid("2.999.10.1.8"), instances=(report,))
    with_doses = replace(manifest, series=(*manifest.series, doses))

    plain = coverage_of(encode_manifest(manifest))
    dosed = coverage_of(encode_manifest(with_doses))

    assert plain.form == "Manifest: key object selection, mado"
    assert [one.id for one in plain.elements] == [one.id for one in MANIFEST_ELEMENTS]
    gaps = {one.id: one.note for one in plain.elements if one.carried is Carried.GAP}
    assert set(gaps) == {"B.1.3", "B.1.4.4"}
    assert gaps["B.1.3"].endswith("is there")
    assert gaps["B.1.4.4"].endswith("is not there")
    assert {one.id: one.note for one in dosed.elements}["B.1.4.4"].endswith("is there")
    assert plain.count(Carried.ABSENT) == 0


@pytest.mark.parametrize("format", Format)
def test_a_fhir_manifest_has_a_place_for_the_custodian(format: Format) -> None:
    """Only the dose stays a gap of the standard."""
    custodian = Organisation(name="Hospital", id="H-1", authority="2.999.8")
    bundle = manifest_write.encode_manifest(replace(make_manifest(), custodian=custodian))

    found = coverage_of(write_resource(bundle, format))

    assert found.form == f"Manifest: FHIR document, {format.value.upper()}"
    assert {one.id: one.carried for one in found.elements}["B.1.3"] is Carried.CODED
    assert [one.id for one in found.elements if one.carried is Carried.GAP] == ["B.1.4.4"]


def test_the_table_for_people_has_a_line_an_element_and_a_sum() -> None:
    """The form first, the sum last."""
    lines = list(coverage_of(encode_manifest(make_manifest())).lines())

    assert lines[0] == "Manifest: key object selection, mado"
    assert lines[1] == "B.1.1      coded                Study instance UID"
    assert "institution that made the manifest is there" in lines[3]
    assert lines[-1] == "14 elements: 10 coded, 2 text only, 2 gap of the standard"
    assert len(lines) == 16


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("MADO_KOS_A.dcm", set()),
        # XDS-I lists UIDs and where they lie, and describes no series.
        ("legacy-xdsi-manifest.dcm", {"B.1.4.1", "B.1.4.3", "B.1.4.5", "B.1.4.7.3"}),
    ],
)
def test_manifests_of_others_carry_what_their_generation_has(name: str, absent: set[str]) -> None:
    """IHE's example of today, and one of the rules before it."""
    found = ways(shared(f"samples/mado/{name}").read_bytes())

    assert {number for number, way in found.items() if way is Carried.ABSENT} == absent


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "nothing"),
        (b"GIF89a", "GIF89a"),
        (b"{", "unexpected end"),
        (b'{"resourceType": "Patient"}', "Patient"),
        (b'{"resourceType": "Bundle", "type": "searchset"}', "searchset"),
        (b"<html/>", "html"),
        (b'<Patient xmlns="http://hl7.org/fhir"/>', "Patient"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "no usable id"),
        (bytes(128) + b"DICM", "expected"),
    ],
)
def test_what_is_neither_is_refused_with_what_it_seems_to_be(data: bytes, found: str) -> None:
    """No guess is made."""
    with pytest.raises(DecodeError, match=found):
        coverage_of(data)


def test_a_byte_order_mark_does_not_hide_a_form() -> None:
    """Editors leave one before XML; JSON with one is refused as JSON."""
    data = encode_report(least(), format=Format.XML)

    assert coverage_of(b"\xef\xbb\xbf" + data).form == "Report: FHIR R4, XML"
    with pytest.raises(DecodeError, match="JSON"):
        coverage_of(b"\xef\xbb\xbf{}")
