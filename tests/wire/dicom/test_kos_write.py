"""What our manifests and notes look like, and that they read back as they were."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import Code, HumanName, Oid, Organisation, PatientId, Uid
from gateway.domain.codes import DCM, REGIONS, SCT
from gateway.domain.manifests import (
    ImagingManifest,
    ImagingRequest,
    InstanceRef,
    KeyImageNote,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
)
from gateway.domain.people import Gender
from gateway.wire.dicom.kos_codes import BALLOT, FINAL, TRIAL
from gateway.wire.dicom.kos_read import decode_manifest, decode_note
from gateway.wire.dicom.kos_write import derived_series, encode_manifest, encode_note
from gateway.wire.problems import EncodeError
from tests.builders import CT_IMAGE, NOON, make_manifest


def items_of(ds: pydicom.Dataset) -> list[tuple[str, str, str]]:
    """Relationship, value type and concept of each content item directly below."""
    return [
        (
            item.get("RelationshipType", ""),
            item.ValueType,
            item.ConceptNameCodeSequence[0].CodeValue if "ConceptNameCodeSequence" in item else "",
        )
        for item in ds.ContentSequence
    ]


def test_manifest_has_the_final_codes_and_nested_descriptors() -> None:
    """pydicom sees the tree that MADO prescribes: flat list, library, groups, descriptors."""
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(make_manifest())))

    assert ds.ConceptNameCodeSequence[0].CodeValue == "131560"
    assert ds.ContentTemplateSequence[0].TemplateIdentifier == "2010"
    root = items_of(ds)
    assert root[0] == ("HAS CONCEPT MOD", "CODE", "121023")
    assert [kind for _, kind, _ in root[1:8]] == ["IMAGE"] * 6 + ["COMPOSITE"]
    assert root[8] == ("CONTAINS", "CONTAINER", "111028")
    library = ds.ContentSequence[8]
    assert [name for _, _, name in items_of(library)] == [
        *("121139", "123014", "131565"),
        *("126200", "126200", "126200"),
    ]
    group = library.ContentSequence[3]
    assert items_of(group)[:8] == [
        ("HAS ACQ CONTEXT", "CODE", "121139"),
        ("HAS ACQ CONTEXT", "DATE", "131561"),
        ("HAS ACQ CONTEXT", "TIME", "131562"),
        ("HAS ACQ CONTEXT", "TEXT", "131563"),
        ("HAS ACQ CONTEXT", "TEXT", "113607"),
        ("HAS ACQ CONTEXT", "UIDREF", "112002"),
        ("HAS ACQ CONTEXT", "CODE", "123014"),
        ("HAS ACQ CONTEXT", "NUM", "131564"),
    ]
    count = group.ContentSequence[7].MeasuredValueSequence[0]
    assert count.NumericValue == 3
    assert count.MeasurementUnitsCodeSequence[0].CodeMeaning == "instances"
    note = library.ContentSequence[5].ContentSequence[-1]
    assert [name for _, _, name in items_of(note)] == ["113609", "121144", "113012"]


def test_manifest_repeats_the_primary_identifier_and_names_every_authority() -> None:
    """Patient, accession and placer order carry their issuers as OIDs of type ISO."""
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(make_manifest())))

    assert ds.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "2.999.1.2"
    assert [item.PatientID for item in ds.OtherPatientIDsSequence] == ["A-0001", "NAT-1"]
    assert ds.IssuerOfAccessionNumberSequence[0].UniversalEntityIDType == "ISO"
    request = ds.ReferencedRequestSequence[0]
    assert request.PlacerOrderNumberImagingServiceRequest == "ORD-1"
    assert request.OrderPlacerIdentifierSequence[0].UniversalEntityID == "2.999.1.5"
    study = ds.CurrentRequestedProcedureEvidenceSequence[0]
    assert study[0x0040E012].value == "https://viewer.example/study?id=1"
    assert study.ReferencedSeriesSequence[1].RetrieveLocationUID == "2.999.20.2"
    assert ds.TimezoneOffsetFromUTC == "+0100"
    assert (ds.ContentDate, ds.ContentTime) == ("20261122", "130000")
    assert ds.InstitutionName == "Hospital^^^^^&2.999.1.6&ISO^^^^H1"


def test_same_manifest_gives_the_same_bytes() -> None:
    """Nothing random and no clock is in the document, its series included."""
    assert encode_manifest(make_manifest()) == encode_manifest(make_manifest())
    assert derived_series(Uid("2.999.1")) != derived_series(Uid("2.999.2"))


def test_file_is_what_pydicom_would_write() -> None:
    """Written again by pydicom, the data set has the same bytes."""
    data = encode_manifest(make_manifest())
    ds = pydicom.dcmread(io.BytesIO(data))
    for _ in ds.iterall():
        pass
    out = io.BytesIO()
    ds.save_as(out)

    assert out.getvalue() == data


def test_trial_codes_are_written_on_request() -> None:
    """A partner still on the trial text gets its codes, and reads back as such."""
    (manifest,) = decode_manifest(encode_manifest(make_manifest(), trial_codes=True)).items

    assert manifest.form is ManifestForm.MADO_TRIAL
    assert manifest.title.scheme == "99IHE"
    assert replace(manifest, form=ManifestForm.MADO, title=make_manifest().title) == make_manifest()


@pytest.mark.parametrize("trial", [False, True])
def test_every_code_of_its_own_is_of_one_generation(trial: bool) -> None:
    """Final and trial codes are never mixed, whatever the manifest was read from."""
    manifest = make_manifest(form=ManifestForm.XDSI, title=Code("113030", DCM, "Manifest"))
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(manifest, trial_codes=trial)))

    found = {
        (item.CodeValue, item.CodingSchemeDesignator)
        for element in ds.iterall()
        if element.keyword == "ConceptNameCodeSequence"
        for item in element.value
    }

    trials = {(value, "99IHE") for value in TRIAL.values()}
    finals = {(value, "DCM") for value in FINAL.values()}
    assert found >= (trials if trial else finals)
    assert not found & (finals if trial else trials)


def test_every_generation_of_codes_reads_the_same() -> None:
    """Final, trial and ballot; the last is made by putting its codes in the place of the final."""
    final = encode_manifest(make_manifest())
    ballot = final
    for concept, value in FINAL.items():
        ballot = ballot.replace(value.encode(), BALLOT[concept].encode())

    read = [
        decode_manifest(data)
        for data in (final, encode_manifest(make_manifest(), trial_codes=True), ballot)
    ]

    assert [outcome.items[0].form for outcome in read] == [
        ManifestForm.MADO,
        ManifestForm.MADO_TRIAL,
        ManifestForm.MADO_BALLOT,
    ]
    same = {"form": ManifestForm.MADO, "title": make_manifest().title}
    assert {replace(outcome.items[0], **same) for outcome in read} == {make_manifest()}
    assert not any(outcome.issues for outcome in read)


def test_an_authority_that_is_no_oid_is_left_out() -> None:
    """A FHIR manifest may name one by its URL, for which DICOM's type of an OID has no room."""
    url = "https://a.example/numbers"
    (request,) = make_manifest().requests
    manifest = make_manifest(
        accession_authority=url,
        requests=(replace(request, accession_authority=url, placer_authority=url),),
        institution=Organisation(name="Hospital", id="H1", authority=url),
    )

    data = encode_manifest(manifest)

    (read,) = decode_manifest(data).items
    assert url.encode() not in data
    assert (read.accession, read.accession_authority) == ("ACC-1", "")
    assert read.requests[0].placer_order == "ORD-1"
    assert read.institution == Organisation(name="Hospital", id="H1")


def test_several_accessions_stand_in_the_requests_alone() -> None:
    """A study of several orders has an empty accession number at the top."""
    requests = tuple(
        ImagingRequest(accession=f"ACC-{number}", placer_order="ORD") for number in (1, 2)
    )
    manifest = make_manifest(accession="", accession_authority="", requests=requests)

    data = encode_manifest(manifest)

    assert pydicom.dcmread(io.BytesIO(data)).AccessionNumber == ""
    assert decode_manifest(data).items == (manifest,)


def test_code_of_an_unnamed_scheme_is_identified_by_its_oid() -> None:
    """A national catalogue has an OID and no designator; it gets one, with identification."""
    local = Code("CT-0815-with-a-very-long-value", "2.999.55", "CT, local")
    manifest = make_manifest(procedures=(local,))

    data = encode_manifest(manifest)

    assert decode_manifest(data).items[0].procedures == (local,)
    identified = pydicom.dcmread(io.BytesIO(data)).CodingSchemeIdentificationSequence[0]
    assert identified.CodingSchemeUID == "2.999.55"


@pytest.mark.parametrize(
    "changes",
    [
        {"accession": "more than sixteen characters"},
        {"accession": "back\\slash"},
        {"procedures": (Code("1", "a scheme that is far too long", ""),)},
    ],
)
def test_what_dicom_cannot_hold_is_refused(changes: dict[str, object]) -> None:
    """An identifier is never cut to fit."""
    with pytest.raises(EncodeError):
        encode_manifest(make_manifest(**changes))


def test_long_descriptions_are_cut_and_long_institutions_keep_their_name() -> None:
    """Words for people lose their end rather than stop the document."""
    where = Organisation(name="University hospital " * 3, id="H1", authority="2.999." + "1" * 40)
    manifest = make_manifest(study_description="x" * 100, institution=where)

    (read,) = decode_manifest(encode_manifest(manifest)).items

    assert read.study_description == "x" * 64
    assert read.institution == Organisation(name=where.name.strip())


words = st.text("abcXYZ ąéЖΩ-'", min_size=1, max_size=20).map(str.strip)
uids = st.integers(1, 10**12).map(lambda number: Uid(f"2.999.{number}"))
oids = st.integers(1, 10**6).map(lambda number: Oid(f"2.999.{number}"))
texts = st.one_of(st.just(""), words)
numbers = st.none() | st.integers(0, 10**6)
codes = st.builds(
    Code,
    st.text("0123456789ABC", min_size=1, max_size=16),
    st.sampled_from([DCM, SCT, "99LOCAL", "2.999.55"]),
)
instances = st.builds(
    ManifestInstance,
    uid=uids,
    sop_class=st.sampled_from([CT_IMAGE, Uid("1.2.840.10008.5.1.4.1.1.88.59"), Uid("2.999.5")]),
    number=numbers,
    frames=numbers,
    note_title=st.none() | codes,
    note_description=texts,
)
many_series = st.lists(
    st.builds(
        ManifestSeries,
        uid=uids,
        modality=st.none() | codes,
        number=numbers,
        description=texts,
        started=st.none() | st.dates(date(1900, 1, 1)),
        started_time=st.none() | st.times(),
        region=st.none() | st.sampled_from(REGIONS),
        laterality=st.none() | codes,
        location=st.none() | oids,
        retrieve_url=st.sampled_from(["", "https://a.example/rs"]),
        retrieve_ae_title=st.sampled_from(["", "ARCHIVE"]),
        declared_instances=st.integers(0, 99),
        instances=st.lists(instances, min_size=1, max_size=4, unique_by=lambda one: one.uid).map(
            tuple
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda series: series.uid,
).filter(
    lambda found: (
        len({one.uid for series in found for one in series.instances})
        == sum(len(series.instances) for series in found)
    )
)
manifests = st.builds(
    ImagingManifest,
    uid=uids,
    form=st.just(ManifestForm.MADO),
    study=uids,
    patient=st.builds(
        ManifestPatient,
        ids=st.lists(st.builds(PatientId, st.text("AB12", min_size=1), oids), unique=True).map(
            tuple
        ),
        name=st.none() | st.builds(HumanName, family=words.filter(bool)),
        birth_date=st.none() | st.dates(date(1900, 1, 1)),
        gender=st.none() | st.sampled_from(Gender),
    ),
    title=st.just(Code("131560", DCM)),
    study_date=st.none() | st.dates(date(1900, 1, 1)),
    study_time=st.none() | st.times(),
    offset_minutes=st.none() | st.integers(-12 * 60, 14 * 60),
    study_description=texts,
    accession=st.text("A1", max_size=16),
    accession_authority=st.just("") | oids.map(str),
    requests=st.lists(
        st.builds(
            ImagingRequest,
            accession=st.text("A1", max_size=16),
            placer_order=texts,
            placer_authority=st.just("") | oids.map(str),
            code=st.none() | codes,
        ),
        max_size=3,
    ).map(tuple),
    modalities=st.lists(codes, max_size=3).map(tuple),
    regions=st.lists(st.sampled_from(REGIONS), max_size=2).map(tuple),
    procedures=st.lists(codes, max_size=2).map(tuple),
    declared_series=st.integers(0, 9),
    viewer_url=st.sampled_from(["", "https://v.example/?a=b&c=d"]),
    manufacturer=texts,
    institution=st.none() | st.builds(Organisation, name=words.filter(bool)),
    created=st.none() | st.datetimes(datetime(1901, 1, 1), timezones=st.just(UTC)),
    series=many_series.map(tuple),
)


@settings(max_examples=12, deadline=None)
@given(manifests)
def test_every_manifest_reads_back_as_it_was(manifest: ImagingManifest) -> None:
    """Whatever is missing stays missing; whatever is there comes back, in every time zone."""
    assert decode_manifest(encode_manifest(manifest)).items == (manifest,)


def make_note() -> KeyImageNote:
    """A note on two images of the built manifest."""
    manifest = make_manifest()
    return KeyImageNote(
        instance=Uid("2.999.10.1.9.1"),
        title=Code("113000", DCM, "Of Interest"),
        description="Two images\nthat matter",
        images=manifest.instances()[1:3],
    )


def test_note_reads_back_as_it_was() -> None:
    """Title, words and images in order; the images need no library."""
    note = make_note()

    data = encode_note(
        note,
        study=Uid("2.999.10.1"),
        series=Uid("2.999.10.1.9"),
        sop_classes={image.instance: CT_IMAGE for image in note.images},
        patient_of=make_manifest().patient,
        created=NOON,
        offset_minutes=120,
        study_date=date(2026, 3, 1),
        study_time=time(9, 0),
    )

    assert decode_note(data) == note
    ds = pydicom.dcmread(io.BytesIO(data))
    assert ds.SeriesInstanceUID == "2.999.10.1.9"
    assert ds.ContentSequence[1].ValueType == "IMAGE"


def test_note_on_images_of_two_series_names_both() -> None:
    """The evidence groups by series; the order of the note stays."""
    refs = tuple(
        InstanceRef(study=Uid("2.999.1"), series=Uid(f"2.999.1.{s}"), instance=Uid(f"2.999.2.{i}"))
        for i, s in enumerate((1, 2, 1))
    )
    note = replace(make_note(), images=refs)

    data = encode_note(
        note,
        study=Uid("2.999.1"),
        series=Uid("2.999.1.9"),
        sop_classes={},
        patient_of=ManifestPatient(bare_id="X"),
        created=NOON,
    )

    assert decode_note(data).images == refs


@pytest.mark.interop
def test_dcmtk_reads_our_manifest(tmp_path: Path) -> None:
    """An independent reader of structured documents finds the tree readable."""
    dsrdump = shutil.which("dsrdump")
    if dsrdump is None:
        pytest.skip("needs dsrdump of DCMTK, which is not installed")
    path = tmp_path / "manifest.dcm"
    path.write_bytes(encode_manifest(make_manifest()))

    found = subprocess.run([dsrdump, "-Ec", str(path)], capture_output=True, text=True, timeout=30)

    assert found.returncode == 0, found.stderr
    assert "Manifest with Description" in found.stdout
