"""What is said of key object selections that can be read and are not right."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.domain import Code
from gateway.domain.codes import SCT
from gateway.domain.manifests import ImagingManifest
from gateway.domain.outcome import Outcome, Severity
from gateway.domain.refusals import Refusal
from gateway.wire.dicom.kos_departures import FLAGS, REQUIRED
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.dicom.kos_write import encode_manifest
from tests.builders import make_manifest


def read(change: Callable[[Dataset], None]) -> Outcome[ImagingManifest]:
    """What is read of a manifest after pydicom has let `change` at it."""
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(make_manifest())))
    change(ds)
    out = io.BytesIO()
    ds.save_as(out)
    return decode_manifest(out.getvalue())


def told(outcome: Outcome[ImagingManifest]) -> list[tuple[str, str]]:
    """Texts and subjects of the warnings; there is nothing but warnings of the peer's conduct."""
    assert {issue.severity for issue in outcome.issues} <= {Severity.WARNING}
    assert {issue.refusal for issue in outcome.issues} <= {Refusal.PEER_MISBEHAVED}
    return [(issue.text, issue.subject) for issue in outcome.issues]


def coding(value: str, designator: str) -> Sequence:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, designator, "Thorax"
    return Sequence([item])


def region_of_first_group(ds: Dataset) -> Dataset:
    """The target region of the first series in the image library."""
    library = ds.ContentSequence[-1]
    group = next(
        item
        for item in library.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "126200"
    )
    found: Dataset = next(
        item
        for item in group.ContentSequence
        if "ConceptNameCodeSequence" in item
        and item.ConceptNameCodeSequence[0].CodeValue == "123014"
    )
    return found


def test_flags_of_structured_reports_are_one_warning() -> None:
    """PS3.3 C.17.6.2 has none of them; what they say is not read."""

    def flag(ds: Dataset) -> None:
        ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
        ds.PreliminaryFlag = "FINAL"

    outcome = read(flag)

    assert outcome.items == (make_manifest(),)
    assert told(outcome) == [
        (
            "carries what only structured reports have: "
            "CompletionFlag, VerificationFlag, PreliminaryFlag",
            "document",
        )
    ]


def test_one_flag_is_named_alone() -> None:
    """Only what is there is named."""

    def flag(ds: Dataset) -> None:
        ds.CompletionFlag = "PARTIAL"

    assert told(read(flag)) == [
        ("carries what only structured reports have: CompletionFlag", "document")
    ]


def test_missing_attributes_of_type_2_are_one_warning() -> None:
    """Absent is not empty: every attribute that lacks is named, in one line."""

    def take(ds: Dataset) -> None:
        for tag in REQUIRED:
            del ds[tag]

    assert told(read(take)) == [
        (f"lacks what must be there, if empty: {', '.join(REQUIRED.values())}", "document")
    ]


def test_empty_attributes_of_type_2_are_no_departure() -> None:
    """Nobody knows a referring physician of a study that has none."""

    def empty(ds: Dataset) -> None:
        ds.AccessionNumber = ds.StudyID = ds.ReferringPhysicianName = ""
        ds.ReferencedPerformedProcedureStepSequence = Sequence()

    assert told(read(empty)) == []


@pytest.mark.parametrize("table", [FLAGS, REQUIRED])
def test_attributes_have_the_names_of_the_dictionary(table: dict[int, str]) -> None:
    """What is told is what the dictionary calls the tag."""
    for tag, name in table.items():
        assert pydicom.datadict.keyword_for_tag(tag) == name


def test_an_old_code_becomes_snomed_ct_with_a_warning() -> None:
    """T-D3000 goes to FHIR as 51185008, and who sent it is told of."""

    def age(ds: Dataset) -> None:
        region_of_first_group(ds).ConceptCodeSequence = coding("T-D3000", "SRT")

    outcome = read(age)

    (manifest,) = outcome.items
    assert manifest.series[0].region == Code("51185008", SCT)
    assert told(outcome) == [("the SRT code is read as 51185008 of SNOMED CT", "T-D3000")]


def test_an_old_code_nobody_knows_is_given_no_scheme_of_snomed_ct() -> None:
    """Neither the OID in the noun nor the URL in FHIR nor the designator in the next manifest."""

    def age(ds: Dataset) -> None:
        region_of_first_group(ds).ConceptCodeSequence = coding("T-XXXXX", "SRT")

    outcome = read(age)

    (manifest,) = outcome.items
    assert manifest.series[0].region == Code("T-XXXXX", "SRT")
    assert told(outcome) == [
        ("the SRT code has no known code of SNOMED CT and stays as it is", "T-XXXXX")
    ]
    written = pydicom.dcmread(io.BytesIO(encode_manifest(manifest)))
    (again,) = region_of_first_group(written).ConceptCodeSequence
    assert (again.CodeValue, again.CodingSchemeDesignator) == ("T-XXXXX", "SRT")


def test_a_number_under_the_old_designator_is_no_departure_and_is_written_as_sct() -> None:
    """Whether a reader or another wire brought it."""

    def age(ds: Dataset) -> None:
        region_of_first_group(ds).ConceptCodeSequence = coding("774007", "SRT")

    outcome = read(age)

    assert told(outcome) == []
    assert outcome.items[0].series[0].region == Code("774007", SCT)
    came = make_manifest()
    series = (replace(came.series[0], region=Code("774007", "SRT")), *came.series[1:])
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(replace(came, series=series))))
    assert region_of_first_group(ds).ConceptCodeSequence[0].CodingSchemeDesignator == "SCT"


def test_content_tree_and_evidence_that_disagree_are_told_both_ways() -> None:
    """The evidence is right: what the tree adds is not listed, what it lacks is."""
    tree_only, evidence_only = "2.999.10.9.1", "2.999.10.9.2"

    def part(ds: Dataset) -> None:
        item = next(one for one in ds.ContentSequence if "ReferencedSOPSequence" in one)
        extra = Dataset()
        extra.update(item)
        reference = Dataset()
        reference.ReferencedSOPClassUID = item.ReferencedSOPSequence[0].ReferencedSOPClassUID
        reference.ReferencedSOPInstanceUID = tree_only
        extra.ReferencedSOPSequence = Sequence([reference])
        ds.ContentSequence.insert(1, extra)
        other = Dataset()
        other.ReferencedSOPClassUID = reference.ReferencedSOPClassUID
        other.ReferencedSOPInstanceUID = evidence_only
        study = ds.CurrentRequestedProcedureEvidenceSequence[0]
        study.ReferencedSeriesSequence[0].ReferencedSOPSequence.append(other)

    outcome = read(part)

    listed = {one.uid for one in outcome.items[0].series[0].instances}
    assert evidence_only in listed
    assert tree_only not in listed
    assert told(outcome) == [
        ("says 3 instances and lists 4", outcome.items[0].series[0].uid),
        ("1 instances of the content tree are not in the evidence", ""),
        ("1 instances of the evidence are not in the content tree", ""),
    ]


def test_an_instance_in_two_series_counts_in_the_first() -> None:
    """An instance lies in one series; the other says a count it does not reach."""

    def share(ds: Dataset) -> None:
        study = ds.CurrentRequestedProcedureEvidenceSequence[0]
        first, second = study.ReferencedSeriesSequence[:2]
        second.ReferencedSOPSequence.append(first.ReferencedSOPSequence[0])

    outcome = read(share)

    shared_one = make_manifest().series[0].instances[0].uid
    assert outcome.items == (make_manifest(),)
    assert told(outcome) == [("the instance is listed more than once", shared_one)]


def test_a_manifest_of_ours_has_every_attribute_of_type_2_and_no_flag() -> None:
    """Empty where nothing is known, and no flag of structured reports."""
    bare = replace(
        make_manifest(),
        patient=type(make_manifest().patient)(),
        study_date=None,
        study_time=None,
        accession="",
        accession_authority="",
        manufacturer="",
        requests=(),
    )

    ds = pydicom.dcmread(io.BytesIO(encode_manifest(bare)))

    assert [name for tag, name in REQUIRED.items() if tag not in ds] == []
    assert [name for tag, name in REQUIRED.items() if ds[tag].value] == []
    assert [name for tag, name in FLAGS.items() if tag in ds] == []
