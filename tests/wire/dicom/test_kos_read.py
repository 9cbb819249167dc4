"""What is read from key object selections of every generation, and what is refused."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.domain import Code, Uid
from gateway.domain.codes import DCM, SCT
from gateway.domain.manifests import ImagingManifest, ManifestForm
from gateway.domain.outcome import Severity
from gateway.wire.dicom.kos_read import decode_manifest, decode_note
from gateway.wire.dicom.kos_write import encode_manifest
from gateway.wire.problems import DecodeError
from tests.builders import make_manifest
from tests.shared import shared

MUTATIONS = 60


def changed(manifest: ImagingManifest, change: object) -> bytes:
    """A manifest's bytes after pydicom has let `change` at the data set."""
    ds = pydicom.dcmread(io.BytesIO(encode_manifest(manifest)))
    assert callable(change)
    change(ds)
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()


def sample(name: str) -> bytes:
    """A manifest from elsewhere."""
    return shared(f"samples/mado/{name}").read_bytes()


def test_trial_manifest_from_elsewhere_is_read_with_all_its_descriptors() -> None:
    """Descriptors before their item, counts as text and a private viewer address are understood."""
    outcome = decode_manifest(sample("MADO_KOS_A.dcm"))

    (manifest,) = outcome.items
    assert not outcome.issues
    assert manifest.form is ManifestForm.MADO_TRIAL
    assert manifest.uid == "1.2.250.1.59.40211.22756022.2.3.101.259.31"
    assert [len(series.instances) for series in manifest.series] == [50, 36]
    assert [series.declared_instances for series in manifest.series] == [50, 36]
    assert [one.number for one in manifest.series[0].instances] == list(range(1, 51))
    assert manifest.viewer_url.startswith("https://dicomviewer/IHEInvokeImageDisplay?")
    assert manifest.regions == (Code("38266002", SCT),)
    assert manifest.series[1].region == Code("67734004", DCM)
    assert manifest.offset_minutes == 60
    assert manifest.requests[0].placer_authority == "1.3.6.1.4.1.19376.1.1.100.3"


def test_manifest_without_descriptors_is_read_from_its_evidence() -> None:
    """An XDS-I manifest gives series, places and AE titles, and nothing is invented."""
    (manifest,) = decode_manifest(sample("legacy-xdsi-manifest.dcm")).items

    assert manifest.form is ManifestForm.XDSI
    (series,) = manifest.series
    assert series.location == "1.2.40.0.34.3.1.13157"
    assert series.retrieve_ae_title == "STIGLBAUER"
    assert series.modality is None
    assert series.declared_instances is None
    assert len(series.instances) == 2
    assert manifest.patient.ids == ()
    assert manifest.patient.bare_id == "1174149"


def test_key_object_with_a_note_title_is_read_as_manifest_with_a_warning() -> None:
    """Some archives use a note where a manifest belongs."""
    outcome = decode_manifest(sample("legacy-key-object.dcm"))

    assert outcome.items[0].form is ManifestForm.XDSI
    assert [issue.severity for issue in outcome.issues] == [Severity.WARNING]
    assert "113000" in outcome.issues[0].text


def test_note_from_elsewhere_names_its_images() -> None:
    """A real key-image note gives title, words and the images in their series."""
    with zipfile.ZipFile(shared("samples/mado/Study_B.zip")) as archive:
        note = decode_note(archive.read("Study_B/Series_B_2/KIN_B2.dcm"))

    assert note.title == Code("113000", DCM)
    assert note.description == "Significant DICOM Instances"
    assert [image.instance.rsplit(".", 1)[1] for image in note.images] == ["36", "37", "38"]
    assert {image.series for image in note.images} == {"1.2.250.1.59.40211.22756022.2.2.102.201"}


def test_manifest_is_not_taken_for_a_note() -> None:
    """Asked for a note, a manifest is refused."""
    with pytest.raises(DecodeError, match="a key-image note"):
        decode_note(encode_manifest(make_manifest()))


@pytest.mark.parametrize("place", ["evidence", "root", "private"])
def test_viewer_address_is_found_in_every_place(place: str) -> None:
    """In the evidence item, at the root, or in the private block of the trial text."""

    def move(ds: Dataset) -> None:
        study = ds[0x0040A375].value[0]
        url = study[0x0040E012].value
        if place == "evidence":
            return
        del study[0x0040E012]
        if place == "root":
            ds.add_new(0x0040E012, "UR", url)
        else:
            block = study.private_block(0x000D, "IHE_MADO_PRIVATE", create=True)
            block.add_new(0x01, "UR", url)

    (manifest,) = decode_manifest(changed(make_manifest(), move)).items

    assert manifest.viewer_url == "https://viewer.example/study?id=1"


def test_a_manifest_without_its_preamble_is_read() -> None:
    """Without the preamble, and without the file meta information behind it, as some send it."""
    data = encode_manifest(make_manifest())
    meta = 132 + 12 + int.from_bytes(data[140:144], "little")

    for bare in (data[132:], data[meta:]):
        outcome = decode_manifest(bare)

        assert outcome.items == (make_manifest(),)
        assert not outcome.issues


def test_half_a_preamble_is_refused() -> None:
    """The prefix alone is neither a file nor a data set."""
    with pytest.raises(DecodeError, match="expected a DICOM instance"):
        decode_manifest(encode_manifest(make_manifest())[128:])


def test_counts_that_differ_are_warnings() -> None:
    """A study may have grown since: what is listed counts, what is said is kept."""
    series = make_manifest().series
    wrong = make_manifest(
        declared_series=7, series=(replace(series[0], declared_instances=20), *series[1:])
    )

    outcome = decode_manifest(encode_manifest(wrong))

    assert outcome.items == (wrong,)
    assert sorted(issue.text for issue in outcome.issues) == [
        "says 20 instances and lists 3",
        "says 7 series and lists 3",
    ]


def test_count_written_as_text_is_read() -> None:
    """Trial samples write `(20, UCUM, "instances")` as a text."""

    def as_text(ds: Dataset) -> None:
        library = ds[0x0040A730].value[-1]
        for group in library[0x0040A730].value:
            for item in group.get(0x0040A730, ()) and group[0x0040A730].value:
                name = item.get(0x0040A043)
                if name is not None and name.value[0].CodeValue == "131564":
                    del item[0x0040A300]
                    item.ValueType = "TEXT"
                    item.TextValue = '(3, UCUM, "instances")'

    outcome = decode_manifest(changed(make_manifest(), as_text))

    assert [series.declared_instances for series in outcome.items[0].series] == [3, 3, 3]


def test_repeated_uids_count_once() -> None:
    """An instance listed twice is one instance, and a warning."""

    def repeat(ds: Dataset) -> None:
        series = ds[0x0040A375].value[0][0x00081115].value
        series[0][0x00081199].value.append(series[0][0x00081199].value[0])
        series.append(series[1])

    outcome = decode_manifest(changed(make_manifest(), repeat))

    assert outcome.items == (make_manifest(),)
    texts = {issue.text for issue in outcome.issues}
    assert texts == {"the instance is listed more than once", "the series is listed more than once"}


def test_study_mismatch_is_settled_by_the_evidence() -> None:
    """Where the document lies elsewhere than what it describes, the evidence is right."""

    def move(ds: Dataset) -> None:
        ds.StudyInstanceUID = "2.999.77"

    outcome = decode_manifest(changed(make_manifest(), move))

    assert outcome.items[0].study == make_manifest().study
    assert any("2.999.77" in issue.text for issue in outcome.issues)


def test_missing_evidence_is_replaced_by_the_library_or_refused() -> None:
    """Without evidence the library stands in; without both there is nothing to list."""

    def without_evidence(ds: Dataset) -> None:
        del ds[0x0040A375]

    def without_both(ds: Dataset) -> None:
        del ds[0x0040A375]
        del ds[0x0040A730]

    (manifest,) = decode_manifest(changed(make_manifest(), without_evidence)).items
    assert manifest.instances() == make_manifest().instances()
    assert manifest.series[0].location is None

    with pytest.raises(DecodeError, match="evidence"):
        decode_manifest(changed(make_manifest(), without_both))


def test_root_nested_in_itself_is_understood() -> None:
    """A converter is known to write the titled root as the only item of an untitled one."""

    def nest(ds: Dataset) -> None:
        inner = Dataset()
        inner.ValueType = "CONTAINER"
        inner.ConceptNameCodeSequence = ds[0x0040A043].value
        inner.ContentSequence = ds[0x0040A730].value
        del ds[0x0040A043]
        ds.ContentSequence = Sequence([inner])

    outcome = decode_manifest(changed(make_manifest(), nest))

    assert outcome.items == (make_manifest(),)


def test_absurd_nesting_is_refused() -> None:
    """A tree far deeper than any template is no tree to walk."""

    def nest(ds: Dataset) -> None:
        for _ in range(40):
            inner = Dataset()
            inner.ValueType = "CONTAINER"
            inner.ContentSequence = ds[0x0040A730].value
            ds.ContentSequence = Sequence([inner])

    with pytest.raises(DecodeError, match="levels"):
        decode_manifest(changed(make_manifest(), nest))


def test_nesting_that_exhausts_the_parser_is_refused() -> None:
    """Thousands of sequences of undefined length inside each other end as a decode error."""
    data = encode_manifest(make_manifest())
    opened = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"

    with pytest.raises(DecodeError):
        decode_manifest(data[:1200] + opened * 5000)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"\0" * 128 + b"DICM", b"\0" * 4000])
def test_what_is_no_dicom_is_refused(data: bytes) -> None:
    """Other bytes are a decode error that says so."""
    with pytest.raises(DecodeError):
        decode_manifest(data)


def test_other_objects_are_refused() -> None:
    """An image is not a manifest, and the error names what was found."""

    def as_image(ds: Dataset) -> None:
        ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"

    with pytest.raises(DecodeError, match=r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.2"):
        decode_manifest(changed(make_manifest(), as_image))


def test_truncated_file_is_refused_or_read_in_part_but_never_breaks() -> None:
    """Wherever the file ends, there is a manifest or a decode error."""
    data = encode_manifest(make_manifest())
    for end in range(0, len(data), 463):
        try:
            decode_manifest(data[:end])
        except DecodeError:
            continue


def test_nothing_but_decode_errors_escapes_from_damaged_bytes() -> None:
    """Seeded damage to manifests and notes, ours and foreign, is read or refused."""
    dice = random.Random(20261122)
    sources = [encode_manifest(make_manifest()), encode_manifest(make_manifest(), trial_codes=True)]
    for _ in range(MUTATIONS):
        data = bytearray(dice.choice(sources))
        for _ in range(dice.randint(1, 12)):
            place = dice.randrange(132, len(data))
            action = dice.randrange(4)
            if action == 0:
                data[place] = dice.randrange(256)
            elif action == 1:
                del data[place : place + dice.randint(1, 40)]
            elif action == 2:
                data[place:place] = dice.randbytes(dice.randint(1, 40))
            else:
                data[place : place + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"SQ\0\0"])
            if len(data) < 200:
                break
        for decode in (decode_manifest, decode_note):
            try:
                decode(bytes(data))
            except DecodeError:
                continue


def test_patient_id_without_authority_takes_the_one_it_is_repeated_under() -> None:
    """Other Patient IDs repeats the primary identifier and may say more of it."""

    def strip(ds: Dataset) -> None:
        del ds[0x00100021]
        del ds[0x00100024]

    (manifest,) = decode_manifest(changed(make_manifest(), strip)).items

    assert manifest.patient == make_manifest().patient


def test_location_that_is_no_oid_is_left_out_with_a_warning() -> None:
    """A name where the OID of the repository belongs cannot be asked for images."""

    def name(ds: Dataset) -> None:
        ds[0x0040A375].value[0][0x00081115].value[0][0x0040E011].value = "ACME"

    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        data = changed(make_manifest(), name)
    outcome = decode_manifest(data)

    assert outcome.items[0].series[0].location is None
    assert outcome.issues[0].subject == Uid("2.999.10.1.1")
