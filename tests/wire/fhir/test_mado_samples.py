"""What every file of the MADO samples must be read as, or why it is refused.

Rows are written from the files and their profiles, not from our output. Where a file departs from
its own profile, the row says how and names the warning. Files that are parts of a manifest are
read as such; kinds of resources that nobody here consumes are refused by name.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from gateway.domain import (
    Code,
    HumanName,
    ImagingManifest,
    ManifestEncoding,
    ManifestForm,
    ManifestPatient,
    Organisation,
    ReferenceKind,
)
from gateway.domain.codes import DCM, FORMAT_FHIR_MANIFEST, FORMAT_KOS, SCT
from gateway.domain.people import Gender
from gateway.wire.dicom.kos_read import decode_manifest, decode_note
from gateway.wire.fhir.contained_people import read_organisation
from gateway.wire.fhir.departures import Departures
from gateway.wire.fhir.document_reference_read import read_document_reference
from gateway.wire.fhir.manifest_endpoints import Place, read_place
from gateway.wire.fhir.manifest_people import read_patient
from gateway.wire.fhir.manifest_read import decode_bytes, recognise
from gateway.wire.fhir.resources import expect_type
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A, PATIENT
from tests.shared import shared
from tests.wire.fhir.rows import REPOSITORY

STUDY_A = "1.2.250.1.59.40211.22756022.2.1.101"
STUDY_SM = "1.2.392.200140.2.1.1.1.2.799008771.2076.1519721309.448"
RIS = "http://example.org/fhir/ris-ids"
_R4 = "fhir/mado-r4/"
# Three examples name one object identifier that begins with 213, which none does.
NO_OID = "the location 'oid:213.323245.462.63.56' is not an OID"
URL_DOMAIN = "an identifier of the patient is of a domain without an OID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest: its key facts, and every warning it must be read with."""

    encoding: ManifestEncoding
    form: ManifestForm
    uid: str
    study: str
    instances: tuple[int, ...]
    modalities: tuple[str, ...]
    patient: str
    birth: str
    accession: tuple[str, str]
    started: str
    url: str
    locations: tuple[str | None, ...]
    warnings: tuple[str, ...] = ()
    more: dict[str, object] = field(default_factory=dict)


MANIFESTS: dict[str, Manifest] = {
    "mado/MADO_KOS_A.dcm": Manifest(
        encoding=ManifestEncoding.KOS,
        form=ManifestForm.MADO_TRIAL,
        uid="1.2.250.1.59.40211.22756022.2.3.101.259.31",
        study=STUDY_A,
        instances=(50, 36),
        modalities=("CT",),
        patient="UV59569735^^^&1.3.6.1.4.1.19376.1.1.100.1&ISO",
        birth="1977-05-30",
        accession=("1731954284869428", "1.3.6.1.4.1.19376.1.1.100.2"),
        started="2026-02-24 16:23:10 60",
        url="https://dicomserver.com/AET/rs/",
        locations=("1.3.6.1.4.1.19376.1.1.200.1", "1.3.6.1.4.1.19376.1.1.200.2"),
        more={"manufacturer": "IHE", "regions": (Code("38266002", SCT),), "procedures": ()},
    ),
    # From before MADO: places by location and AE title, nothing described, no offset.
    "mado/legacy-xdsi-manifest.dcm": Manifest(
        encoding=ManifestEncoding.KOS,
        form=ManifestForm.XDSI,
        uid="1.2.826.0.1.3680043.2.1043.693076.0.66982.83.3.1.99",
        study="1.2.826.0.1.3680043.2.1043.693076.0.66982.83.3.1",
        instances=(2,),
        modalities=(),
        patient="1174149",
        birth="1943-07-15",
        accession=("12024052208301", ""),
        started="2024-05-22 08:21:00 None",
        url="",
        locations=("1.2.40.0.34.3.1.13157",),
        more={"declared_series": None, "regions": ()},
    ),
    "mado/legacy-key-object.dcm": Manifest(
        encoding=ManifestEncoding.KOS,
        form=ManifestForm.XDSI,
        uid="1.3.6.1.4.1.40771.195243408406719620054624468635736553936",
        study="1.2.840.113674.1115.261.200.20240111.163748.100",
        instances=(1,),
        modalities=(),
        patient="000120170710",
        birth="1943-05-04",
        accession=("123445678", ""),
        started="2024-01-11 16:37:48.100000 None",
        url="",
        locations=("1.2.40.0.10.1.6.1.1.1.382.2.103.5.4",),
        warnings=("the document title '113000' is not that of a manifest",),
    ),
    # Its identifier is no UID, its location no OID, its domains are URLs; the study and its
    # accession number are complete, and the procedure is in words.
    f"mado/mado-{STUDY_A}-bundle.json": Manifest(
        encoding=ManifestEncoding.FHIR,
        form=ManifestForm.MADO,
        uid="2.25.",
        study=STUDY_A,
        instances=(50, 36),
        modalities=("CT",),
        patient="UV59569735",
        birth="1977-05-30",
        accession=("1731954284869428", RIS),
        started="2022-08-22 08:31:17 120",
        url="http://example.com/wado",
        locations=(None, None),
        warnings=(
            "the location 'ACME' is not an OID",
            URL_DOMAIN,
            "the document has no UID of its own; one is derived from the study's",
        ),
        more={
            "procedure_texts": ("Head CT",),
            "regions": (Code("774007", SCT),),
            "manufacturer": "Philips IP&S",
            "institution": Organisation(
                name="Example Hospital",
                id="akdjiefef",
                authority="http://example.org/fhir/organization-ids",
            ),
        },
    ),
    # The Bundle has a UUID, which is a UID (2.25.…); the Composition repeats the study's UID.
    _R4 + "Bundle-mado-bundle-589331894518000.json": Manifest(
        encoding=ManifestEncoding.FHIR,
        form=ManifestForm.MADO,
        uid=f"2.25.{0x4FE96B54_204D_4F98_AE8D_491869A8BA01}",
        study=STUDY_SM,
        instances=(46,),
        modalities=("SM",),
        patient="PID_666",
        birth="None",
        accession=("2017092101", "http://hospital.org/acc"),
        started="2018-02-27 09:48:29 60",
        url="http://example.org:8041/dcm4chee-arc/aets/DCM4CHEE/rs",
        locations=(None,),
        warnings=(NO_OID, URL_DOMAIN),
        more={
            "procedure_texts": ("CT of the head without contrast",),
            "regions": (Code("67734004", SCT),),
            "institution": Organisation(
                name="ACME", id="32478378429", authority="http:/example.org/asask/aa"
            ),
        },
    ),
}


def _accept(name: str) -> tuple[ManifestEncoding, ImagingManifest, tuple[str, ...]]:
    came = recognise(shared(f"samples/{name}").read_bytes())
    if came.encoding is ManifestEncoding.KOS:
        outcome = decode_manifest(came.data)
    else:
        outcome = decode_bytes(came.data)
    return came.encoding, outcome.items[0], tuple(issue.text for issue in outcome.issues)


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_are_read_as_their_row_says(name: str) -> None:
    """In either encoding, each with its own departures and no others."""
    row = MANIFESTS[name]

    encoding, manifest, warnings = _accept(name)

    who = manifest.patient
    assert (encoding, manifest.form) == (row.encoding, row.form)
    assert manifest.uid.startswith(row.uid)
    assert manifest.study == row.study
    assert tuple(len(series.instances) for series in manifest.series) == row.instances
    assert tuple(code.value for code in manifest.modalities) == row.modalities
    assert all(code.scheme == DCM for code in manifest.modalities)
    assert [*(one.cx for one in who.ids), who.bare_id][0] == row.patient
    assert str(who.birth_date) == row.birth
    assert (manifest.accession, manifest.accession_authority) == row.accession
    moment = f"{manifest.study_date} {manifest.study_time} {manifest.offset_minutes}"
    assert moment == row.started
    assert {series.retrieve_url for series in manifest.series} == {row.url}
    assert tuple(series.location for series in manifest.series) == row.locations
    assert warnings == row.warnings
    for element, value in row.more.items():
        assert getattr(manifest, element) == value


# --- rows of a list -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A DocumentReference: its format, where the document is, and what it is related to."""

    format: Code
    mime: str
    url: str
    study: str = STUDY_SM
    accession: tuple[str, str] = ("2017092101", "http://hospital.org/acc")


ROWS: dict[str, Row] = {
    f"mado/mado-fhir-{STUDY_A}-docref.json": Row(
        format=FORMAT_FHIR_MANIFEST,
        mime="application/fhir+json",
        url="Bundle/mado-bundle--2047166866",
        study=STUDY_A,
        accession=("1731954284869428", RIS),
    ),
    f"mado/mado-kos-{STUDY_A}-docref.json": Row(
        format=FORMAT_KOS,
        mime="application/dicom",
        url="Binary/dicom-kos-mado--2047166866",
        study=STUDY_A,
        accession=("1731954284869428", RIS),
    ),
    _R4 + "DocumentReference-DocumentReferenceFHIR.json": Row(
        format=FORMAT_FHIR_MANIFEST,
        mime="application/fhir+json",
        url="Bundle/fhir-manifest-bundle",
    ),
    _R4 + "DocumentReference-DocumentReferenceFHIRwithTransform.json": Row(
        format=FORMAT_FHIR_MANIFEST,
        mime="application/fhir+json",
        url="http://kos2FhirTranformService.example.com/transform"
        "?url=http://mhdserver.example.com/Binary/mado-kos-manifest-binary",
    ),
    # A key object selection by its type and format, behind the address of a Bundle.
    _R4 + "DocumentReference-DocumentReferenceKOS.json": Row(
        format=FORMAT_KOS, mime="application/dicom", url="Bundle/mado-bundle-589331894518000"
    ),
    _R4 + "DocumentReference-DocumentReferenceKOSNoRelated.json": Row(
        format=FORMAT_KOS, mime="application/dicom", url="Binary/mado-kos-manifest-binary"
    ),
    _R4 + "DocumentReference-DocumentReferenceKOSwithTransform.json": Row(
        format=FORMAT_KOS, mime="application/dicom", url="Binary/mado-kos-manifest-binary"
    ),
}


def _resource(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared(f"samples/{name}").read_text())
    return found


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_a_list_are_read_as_their_row_says(name: str) -> None:
    """One document each, of a study and an accession number."""
    row = ROWS[name]

    (found,) = read_document_reference(
        _resource(name), community=COUNTRY_A, repository=REPOSITORY, patient=PATIENT
    ).found

    numbers = [one for one in found.entry.references if one.kind == ReferenceKind.ACCESSION]
    assert found.entry.format_code == row.format
    assert found.entry.mime_type == row.mime
    assert found.url == row.url
    assert found.entry.studies == (row.study,)
    assert [(one.value, one.authority) for one in numbers] == [row.accession]


# --- parts of a manifest --------------------------------------------------------------------------

PLACES: dict[str, tuple[Place, tuple[str, ...]]] = {
    _R4 + "Endpoint-EndpointWadoExampleNoAddress.json": (Place(), (NO_OID,)),
    _R4 + "Endpoint-wado-endpoint-with-url.json": (
        Place(url="http://example.org:8041/dcm4chee-arc/aets/DCM4CHEE/rs"),
        (NO_OID,),
    ),
}
PATIENTS: dict[str, ManifestPatient] = {
    _R4 + "Patient-ExamplePatient.json": ManifestPatient(
        bare_id="PID_666",
        name=HumanName(family="Puk", given=("Pietje",)),
        gender=Gender.MALE,
    ),
    "mado/mado-pat-mrn--1097192655-patient.json": ManifestPatient(
        bare_id="UV59569735",
        name=HumanName(family="DOE", given=("John",)),
        birth_date=date(1977, 5, 30),
        gender=Gender.MALE,
    ),
}
ORGANISATIONS: dict[str, Organisation] = {
    _R4 + "Organization-MadoCreatorOrganizationExample.json": Organisation(
        name="ACME", id="32478378429", authority="http:/example.org/asask/aa"
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_endpoints_are_read_as_their_row_says(name: str) -> None:
    """Both locations are no OIDs; the placeholder address is none."""
    departures = Departures()

    place = read_place(_resource(name), "Endpoint", departures)

    assert (place, tuple(issue.text for issue in departures.issues)) == PLACES[name]


@pytest.mark.parametrize("name", PATIENTS)
def test_patients_are_read_as_their_row_says(name: str) -> None:
    """Identifiers of a domain that is a URL are kept without it, and told."""
    departures = Departures()

    assert read_patient(_resource(name), "Patient", departures) == PATIENTS[name]
    assert [issue.text for issue in departures.issues] == [URL_DOMAIN]


@pytest.mark.parametrize("name", ORGANISATIONS)
def test_organisations_are_read_as_their_row_says(name: str) -> None:
    """Its identifier's system is no URL that could be opened; it is kept as a name."""
    assert read_organisation(_resource(name), "Organization") == ORGANISATIONS[name]


def test_the_key_image_note_of_a_study_is_read_and_its_archive_is_none() -> None:
    """The images are DICOM files for the reader of images; the archive around them is nothing."""
    data = shared("samples/mado/Study_B.zip").read_bytes()
    with zipfile.ZipFile(shared("samples/mado/Study_B.zip")) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        note = decode_note(archive.read("Study_B/Series_B_2/KIN_B2.dcm"))

    assert len(names) == 21
    assert note.title == Code("113000", DCM)
    assert {one.study for one in note.images} == {"1.2.250.1.59.40211.22756022.2.1.102"}
    with pytest.raises(DecodeError, match="a DICOM file or a FHIR Bundle"):
        recognise(data)


# --- what nobody consumes -------------------------------------------------------------------------

# File and the reason it is refused for; a device is told only by the document it made.
REFUSED: dict[str, str] = {
    _R4 + "CapabilityStatement-IHE.RAD.MADO.DocumentConsumer.json": "CapabilityStatement",
    _R4 + "CapabilityStatement-IHE.RAD.MADO.DocumentResponder.json": "CapabilityStatement",
    _R4 + "Device-MadoCreatorDeviceExample.json": "Device",
    **{
        f"{_R4}SearchParameter-SearchParameterDocumentReference{name}.json": "SearchParameter"
        for name in ("AccessionNumber", "BodySite", "Modality", "StudyInstanceUid")
    },
    "mado/README.md": "application/octet-stream",
}


@pytest.mark.parametrize("name", [*REFUSED, *ROWS, *PLACES, *PATIENTS, *ORGANISATIONS])
def test_what_is_no_manifest_is_refused_by_its_name(name: str) -> None:
    """Asked for a manifest, a reader says what came in its place."""
    reason = REFUSED.get(name) or _resource(name)["resourceType"]

    with pytest.raises(DecodeError, match=f"found {reason}"):
        decode_bytes(shared(f"samples/{name}").read_bytes())


@pytest.mark.parametrize("name", [name for name in REFUSED if name.endswith(".json")])
def test_kinds_nobody_consumes_fit_no_reader(name: str) -> None:
    """Neither as a row of a list nor as a study."""
    for kind in ("DocumentReference", "ImagingStudy", "Endpoint", "Patient"):
        with pytest.raises(DecodeError, match=REFUSED[name]):
            expect_type(_resource(name), kind, where="sample")


def test_every_sample_has_its_row() -> None:
    """A file that comes needs a row here."""
    files = {
        f"{folder}/{path.name}"
        for folder in ("mado", "fhir/mado-r4")
        for path in shared(f"samples/{folder}").iterdir()
    }

    rows = [*MANIFESTS, *ROWS, *PLACES, *PATIENTS, *ORGANISATIONS, *REFUSED, "mado/Study_B.zip"]
    assert sorted(rows) == sorted(files)
    assert len(rows) == 26
