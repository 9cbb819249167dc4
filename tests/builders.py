"""Nouns for tests: valid by default; a test overrides what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from gateway.domain import (
    Association,
    AssociationKind,
    AuditEvent,
    AuditOutcome,
    Authentication,
    Author,
    CallContext,
    Caller,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentQuery,
    DocumentRef,
    EntryId,
    Gender,
    HealthProfessional,
    HumanName,
    ImagingManifest,
    ImagingRequest,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Oid,
    Organisation,
    PatientId,
    PurposeOfUse,
    ReferenceId,
    ReferenceKind,
    Side,
    Timestamp,
    Transaction,
    Uid,
)
from gateway.domain.codes import (
    CLASS_IMAGES,
    CONFIDENTIALITY,
    DCM,
    FORMAT_KOS,
    ISO_COUNTRY,
    SCT,
    TYPE_STUDY,
)
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS
from gateway.wire.soap.contract import Endpoint, operations

# Those of the SOAP endpoints; others go over FHIR and DICOMweb.
SOAP_TRANSACTIONS = tuple(
    operation.transaction for endpoint in Endpoint for operation in operations(endpoint).values()
)

COUNTRY_A = CommunityId("2.999.1.1")
COUNTRY_B = CommunityId("2.999.2.1")
PATIENT = PatientId("A-0001", Oid("2.999.1.2"))
NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def make_context(**changes: Any) -> CallContext:
    """A call of a physician of Country B about the patient of Country A."""
    context = CallContext(
        correlation_id="corr-1",
        asking=COUNTRY_B,
        answering=COUNTRY_A,
        professional=HealthProfessional(
            id="hcp-77",
            name=HumanName(family="Lindqvist", given=("Maja",)),
            role=Code("221", "2.16.840.1.113883.2.9.6.2.7", "Medical Doctors"),
            organisation=Organisation(name="Teaching Hospital", id="TH", authority="2.999.2.3"),
            facility_type="Hospital",
            locality="Teaching Hospital",
            permissions=("PRD-003", "PRD-005", "PRD-006", "PRD-010", "PRD-016"),
        ),
        purpose=PurposeOfUse.TREATMENT,
        authentication=Authentication(
            at=NOON, method="urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
        ),
        patient=PATIENT,
        issuer="urn:idp:XB:countryB",
    )
    return replace(context, **changes)


def make_audit_event(**changes: Any) -> AuditEvent:
    """A successful query as Country A saw it."""
    event = AuditEvent(
        id="event-1",
        at=NOON,
        transaction=Transaction.FIND,
        side=Side.RESPONDER,
        outcome=AuditOutcome.SUCCESS,
        community=COUNTRY_A,
        message_id="urn:uuid:11111111-2222-4333-8444-555555555555",
        source_endpoint="https://gateway.b.example:8443/reply",
        destination_endpoint="https://gateway.a.example:8443/services",
        caller=Caller(subject="CN=gateway-b,C=XB", fingerprint="ab" * 32, address="192.0.2.7"),
        context=make_context(),
        peer=COUNTRY_B,
        patients=(PATIENT,),
        query=b"<query/>",
        query_id="urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d",
    )
    return replace(event, **changes)


def make_professional(**changes: Any) -> HealthProfessional:
    """A physician of Country B with every right that images need."""
    return replace(make_context().professional, **changes)


def make_entry(**changes: Any) -> DocumentEntry:
    """The manifest of a CT of the chest in Country A, with every field filled."""
    entry = DocumentEntry(
        id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000001"),
        ref=DocumentRef(COUNTRY_A, Oid("2.999.1.3"), DocumentId("2.999.1.4.1")),
        patient=PATIENT,
        logical_id="urn:uuid:6f1d6b1e-0000-4000-8000-000000000001",
        version="1",
        mime_type="application/dicom",
        title="CT Thorax: Übersicht",
        comments="Follow-up",
        class_code=CLASS_IMAGES,
        type_code=TYPE_STUDY,
        format_code=FORMAT_KOS,
        facility_type=Code("XA", ISO_COUNTRY, "Country A"),
        practice_setting=Code("394914008", SCT, "Radiology"),
        confidentiality=(Code("N", CONFIDENTIALITY, "normal"),),
        event_codes=(
            Code("CT", DCM, "Computed Tomography"),
            Code("67734004", SCT, "Upper trunk"),
        ),
        authors=(
            Author(
                name=HumanName(family="Papadaki", given=("Eleni",), prefix="Dr"),
                id="rad-9",
                id_authority="2.999.1.5",
                institutions=(Organisation(name="City Hospital", id="77", authority="2.999.1.6"),),
                roles=("Radiologist",),
                specialities=("Radiology",),
                telecom=("mailto:radiology@a.example",),
            ),
        ),
        legal_authenticator="rad-1^Moreau^Luc^^^Dr^^^&2.999.1.5&ISO",
        created=Timestamp.parse("20261120103000"),
        service_start=Timestamp.parse("202611191015"),
        service_stop=Timestamp.parse("20261119"),
        language="en",
        sha1="a9993e364706816aba3e25717850c26c9cd0d89d",
        size_bytes=35_612,
        references=(
            ReferenceId.of_study(Uid("2.999.1.7.1")),
            ReferenceId(value="ACC-1", kind=ReferenceKind.ACCESSION, authority="2.999.1.8"),
        ),
        source_patient=PatientId("L-55", Oid("2.999.1.9")),
        source_patient_info=("PID-5|Specimen^Anna^^^", "PID-8|F"),
        uri="https://a.example/documents/1",
        availability="urn:ihe:iti:2010:DocumentAvailability:Online",
    )
    return replace(entry, **changes)


def make_query(**changes: Any) -> DocumentQuery:
    """A search for everything in force of the patient of Country A."""
    return replace(DocumentQuery(patient=PATIENT, community=COUNTRY_A), **changes)


def make_association(**changes: Any) -> Association:
    """A report that was added to the manifest of `make_entry`."""
    association = Association(
        id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-00000000000a"),
        kind=AssociationKind.APPENDS,
        source=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000002"),
        target=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000001"),
        community=COUNTRY_A,
    )
    return replace(association, **changes)


def resign(assertion: bytes, signer: Any, edit: Any) -> bytes:
    """The assertion with its signature taken off, changed by `edit(root)`, and signed again."""
    from gateway.wire.signatures import sign
    from gateway.wire.xml import DS, parse_xml

    root = parse_xml(assertion)
    root.remove(root.find(f"{{{DS}}}Signature"))
    edit(root)
    return sign(root, signer, reference_id=root.get("ID", ""), inclusive_prefixes=("xsd",))


CT_IMAGE = Uid("1.2.840.10008.5.1.4.1.1.2")


def make_manifest(**changes: Any) -> ImagingManifest:
    """A final manifest of two CT series and a key-image note, everything in it filled."""
    study = Uid("2.999.10.1")
    series = tuple(
        ManifestSeries(
            uid=Uid(f"{study}.{number}"),
            modality=Code("CT", DCM, "Computed Tomography"),
            number=number,
            description=f"Series {number}, ąę",
            started=date(2026, 3, 1),
            started_time=time(9, 30, number, 250000),
            region=Code("774007", SCT, "Head and neck"),
            location=Oid(f"2.999.20.{number}"),
            retrieve_url="https://images.example/rs",
            declared_instances=3,
            instances=tuple(
                ManifestInstance(
                    uid=Uid(f"{study}.{number}.{image}"), sop_class=CT_IMAGE, number=image
                )
                for image in (1, 2, 3)
            ),
        )
        for number in (1, 2)
    )
    notes = ManifestSeries(
        uid=Uid(f"{study}.9"),
        modality=Code("KO", DCM, "Key Object Selection"),
        number=9,
        location=Oid("2.999.20.1"),
        declared_instances=1,
        instances=(
            ManifestInstance(
                uid=Uid(f"{study}.9.1"),
                sop_class=KEY_OBJECT_SOP_CLASS,
                number=1,
                note_title=Code("113000", DCM, "Of Interest"),
                note_description="Look here",
            ),
        ),
    )
    manifest = ImagingManifest(
        uid=Uid("2.999.10.99"),
        form=ManifestForm.MADO,
        study=study,
        patient=ManifestPatient(
            ids=(PATIENT, PatientId("NAT-1", Oid("2.999.1.3"))),
            name=HumanName(family="Żak", given=("Anna", "Maria", "Ewa"), prefix="dr"),
            birth_date=date(1980, 2, 29),
            gender=Gender.FEMALE,
        ),
        title=Code("131560", DCM, "Manifest with Description"),
        study_date=date(2026, 3, 1),
        study_time=time(9, 0),
        offset_minutes=60,
        study_description="CT of head",
        accession="ACC-1",
        accession_authority="2.999.1.4",
        requests=(
            ImagingRequest(
                accession="ACC-1",
                accession_authority="2.999.1.4",
                placer_order="ORD-1",
                placer_authority="2.999.1.5",
                filler_order="FILL-1",
                procedure_id="PROC-1",
                description="CT of head without contrast",
                code=Code("303653007", SCT, "CT of head"),
            ),
        ),
        modalities=(Code("CT", DCM, "Computed Tomography"),),
        regions=(Code("774007", SCT, "Head and neck"),),
        procedures=(Code("303653007", SCT, "CT of head"),),
        declared_series=3,
        viewer_url="https://viewer.example/study?id=1",
        manufacturer="Made-up manifests",
        institution=Organisation(name="Hospital", id="H1", authority="2.999.1.6"),
        created=NOON,
        series=(*series, notes),
    )
    return replace(manifest, **changes)
