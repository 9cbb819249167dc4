"""Nouns for tests: valid by default; a test overrides what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
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
    HealthProfessional,
    HumanName,
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
