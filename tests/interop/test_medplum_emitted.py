"""@medplum/core on everything we emit over FHIR: by base R4, and by every profile it claims.

Answers and audit events are those of a served Country A; besides, everything that can be written
is written without a network. An R5 report is no resource of R4: fhir.resources judges it, in
`tests.wire.fhir.test_report_write`. That the judge's word can be relied on is in `test_medplum`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from country_a.national.sql import open_systems
from gateway.domain import (
    AssociationKind,
    AuditOutcome,
    DocumentEntry,
    DocumentId,
    EntryStatus,
    Gender,
    HumanName,
    ImagingManifest,
    Issue,
    Organisation,
    Outcome,
    PatientId,
    PatientTraits,
    Refusal,
    Severity,
    Side,
    Transaction,
    read_content,
    refuse,
)
from gateway.pki import TrustDomain
from gateway.wire.audit.fhir import render_audit
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.fhir import document_reference_terms as terms
from gateway.wire.fhir import imaging_study_search, mhd_find, pdqm, pdqm_answers
from gateway.wire.fhir.document_reference_write import Relation
from gateway.wire.fhir.imaging_study_write import write_imaging_study
from gateway.wire.fhir.manifest_write import encode_manifest
from gateway.wire.fhir.mhd_retrieve import wrap_binary
from gateway.wire.fhir.refusals import outcome_of_issues, write_outcome
from gateway.wire.fhir.report_write import write_report
from gateway.wire.fhir.resources import Json, validated
from gateway.wire.fhir.search import parse_query
from tests.builders import COUNTRY_A, NOON, PATIENT, make_entry, make_manifest
from tests.conftest import Seeded
from tests.fhir_requests import ANNA, TWIN
from tests.interop.fhir_journey import Answers, answers_of
from tests.interop.medplum_judge import Judge, claims, within
from tests.manifests import manifests
from tests.wire.audit.events import PEOPLE, event_of
from tests.wire.fhir.report_nouns import PARTS, PERSON, full, least
from tests.wire.fhir.rows import BASE, many_rows, written
from tests.wire.fhir.test_document_reference_round_trip import entries

pytestmark = pytest.mark.interop
IHE = "https://profiles.ihe.net"
FEW = settings(
    max_examples=25,
    suppress_health_check=list(HealthCheck),
    deadline=None,
    derandomize=True,
    # Making a failure smaller asks the validator hundreds of times.
    phases=(Phase.explicit, Phase.generate),
)

# Profiles that are claimed and not kept beside the project, and what they are about. Of those of
# documents, `tests.wire.fhir` holds rules or examples against what we write.
ELSEWHERE = {
    "http://hl7.eu/fhir/imaging/StructureDefinition/": "reports and what is in them",
    "http://myhealth.eu/fhir/ncp-api/StructureDefinition/": "rows and patients of the guideline",
    f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.": "who showed a token",
    f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.SAMLaccessTokenUse.": "who showed a token",
    f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query": "a query about no one patient",
    f"{IHE}/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read": "a retrieval about no one patient",
    f"{IHE}/ITI/MHD/StructureDefinition/IHE.MHD.": "audit of one transaction on one side",
    f"{IHE}/ITI/PDQm/StructureDefinition/IHE.PDQm.": "audit of one transaction on one side",
    f"{IHE}/RAD/MADO/StructureDefinition/Mado": "what is in a manifest beside the study",
}


@pytest.fixture(scope="module")
def answers(
    seeded: Seeded, trust_domain: TrustDomain, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    """What a served Country A answered, judged by every test."""
    return asyncio.run(answers_of(seeded, trust_domain, tmp_path_factory.mktemp("fhir")))


# What is refused although it is right, by words of what is said, and why.
RIGHT = {
    "ImagingStudy.basedOn: Incorrect number of values provided for slice 'order': expected 0..1,": (
        "A study may answer several requests (guideline B.1.3; the KOS lists them all), and each "
        "has its accession number. The profile's slice takes one, told from others by being a "
        "Reference, as they all are. To leave the others out would lose them."
    ),
}


def refused(medplum: Judge, resources: Mapping[str, Json]) -> dict[str, list[str]]:
    """What is wrong, by the resource; R4B's models look at each, too."""
    found = {}
    for name, resource in resources.items():
        validated(resource)
        said = [str(each) for each in medplum.claimed(resource)]
        if wrong := [each for each in said if not any(right in each for right in RIGHT)]:
            found[name] = wrong
    return found


def judged(medplum: Judge, resources: Mapping[str, Json]) -> set[str]:
    """The names of the profiles that something claimed and was judged by."""
    met = {
        profile
        for resource in resources.values()
        for each in (resource, *within(resource))
        for profile in claims(each)
    }
    strangers = {each for each in met - medplum.profiles if not each.startswith(tuple(ELSEWHERE))}
    assert strangers == set()
    return {each.rpartition("/")[2] for each in met & medplum.profiles}


def test_every_answer_of_a_served_country_is_valid(medplum: Judge, answers: Answers) -> None:
    """Searchsets, rows, patients, documents and their wrappers, refusals, the statement."""
    kinds = {each["resourceType"] for each in answers.resources.values()}
    inside = {each["resourceType"] for one in answers.resources.values() for each in within(one)}

    assert kinds == {
        *("Binary", "Bundle", "CapabilityStatement", "DocumentReference"),
        *("OperationOutcome", "Patient"),
    }
    assert {"Composition", "DiagnosticReport", "ImagingStudy", "OperationOutcome"} <= inside
    assert refused(medplum, answers.resources) == {}
    assert judged(medplum, answers.resources) == {
        "IHE.MHD.Comprehensive.DocumentReference",
        "IHE.PDQm.Patient",
        "MadoDicomKosDocumentReference",
        "MadoFhirBundle",
        "MadoFhirDocumentReference",
        "MadoImagingStudy",
    }


def test_every_event_both_sides_audited_is_valid(medplum: Judge, answers: Answers) -> None:
    """On the same journey, whatever came of what was asked."""
    events = {str(number): event for number, event in enumerate(answers.audits)}

    assert len(events) > 100
    assert refused(medplum, events) == {}
    assert judged(medplum, events) == {
        "IHE.BasicAudit.PatientQuery",
        "IHE.BasicAudit.PatientRead",
    }


def test_every_event_that_can_be_audited_is_valid(medplum: Judge) -> None:
    """Each transaction on each side, however it ended and whoever asked, over SOAP too."""
    events = {
        f"{transaction} {side} {outcome} {who}": orjson.loads(
            orjson.dumps(
                render_audit(
                    event_of(transaction, side, outcome, who), source_id="ncpeh-a", process_id="1"
                )
            )
        )
        for transaction, side, outcome, who in product(Transaction, Side, AuditOutcome, PEOPLE)
    }

    assert len(events) > 200
    assert refused(medplum, events) == {}
    assert "IHE.BasicAudit.PatientQuery" in judged(medplum, events)


def test_every_refusal_is_a_valid_outcome(medplum: Judge) -> None:
    """As the answer to a request, and beside the matches of a search."""
    outcomes: dict[str, Json] = {"nothing": outcome_of_issues(())}
    for refusal in Refusal:
        error = refuse(refusal, f"<{refusal}>\x01 & so on", subject="Patient.id", code="XDSUnknown")
        outcomes[refusal] = write_outcome(error, correlation_id="id-1")
        outcomes[f"{refusal} beside"] = outcome_of_issues(
            [
                Issue(refusal=refusal, severity=severity, text="why", subject="urn:oid:2.999.1")
                for severity in Severity
            ]
        )

    assert refused(medplum, outcomes) == {}


HOSPITAL = Organisation(name="City Hospital", id="77", authority="2.999.1.6")
RELATED = tuple(Relation(kind=kind, reference_id="ref-2") for kind in AssociationKind)
FHIR_MANIFEST = {
    "format_code": terms.FORMAT_FHIR_MANIFEST,
    "mime_type": "application/fhir+json",
}
# Rows of every kind, and what each claims of the profiles that are kept beside the project.
MHD, EU = "IHE.MHD.{}.DocumentReference", "EehrxfMhdDocumentReference"
ROWS: dict[str, tuple[Json, set[str]]] = {
    "a KOS": (
        written(make_entry(), custodian=HOSPITAL),
        {MHD.format("Comprehensive"), EU, "MadoDicomKosDocumentReference"},
    ),
    "a FHIR manifest": (
        written(make_entry(**FHIR_MANIFEST), custodian=HOSPITAL),
        {MHD.format("Comprehensive"), EU, "MadoFhirDocumentReference"},
    ),
    "with all relations": (
        written(make_entry(), twin=RELATED, patient_reference=f"{BASE}/Patient/1"),
        {MHD.format("Comprehensive"), "MadoDicomKosDocumentReference"},
    ),
    "superseded": (
        written(make_entry(status=EntryStatus.DEPRECATED)),
        {MHD.format("Comprehensive"), "MadoDicomKosDocumentReference"},
    ),
    "with little": (
        written(
            make_entry(
                language="",
                event_codes=(),
                references=(),
                authors=(),
                service_start=None,
                service_stop=None,
                legal_authenticator="",
                size_bytes=None,
                sha1="",
            )
        ),
        {MHD.format("Minimal")},
    ),
    "without an address": (written(make_entry(), attachment_url=""), set()),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_of_every_kind_is_valid(medplum: Judge, kind: str) -> None:
    """By the profiles that it should claim, and so is judged by."""
    row, profiles = ROWS[kind]

    assert refused(medplum, {kind: row}) == {}
    assert judged(medplum, {kind: row}) == profiles


def test_a_list_of_rows_that_differ_in_everything_is_valid(medplum: Judge) -> None:
    """Six dozen of them, with issues and a next page."""
    rows = many_rows()
    names = {row.id: f"ref-{number}" for number, row in enumerate(rows)}
    issue = Issue(refusal=Refusal.BUSY, text="one archive was busy")
    bundle = mhd_find.encode_response(
        Outcome(rows, (issue,)),
        ids=names,
        urls={row: f"{BASE}/Binary/{name}" for row, name in names.items()},
        relations={rows[0].id: RELATED},
        custodian=HOSPITAL,
        next_url=f"{BASE}/DocumentReference?_getpages=t",
        total=99,
        **_searchset("DocumentReference"),
    )

    assert len(bundle["entry"]) == len(rows) + 1
    assert refused(medplum, {"list": bundle}) == {}
    assert EU in judged(medplum, {"list": bundle})


def _searchset(kind: str) -> dict[str, Any]:
    return {"base": BASE, "bundle_id": "b1", "at": NOON, "self_url": f"{BASE}/{kind}?x=y"}


@given(entries)
@FEW
def test_whatever_a_row_says_is_valid(medplum: Judge, entry: DocumentEntry) -> None:
    """Rows at random."""
    assert refused(medplum, {"row": written(entry)}) == {}


def test_patients_and_questions_about_them_are_valid(medplum: Judge) -> None:
    """Lists of them, with degrees and without; and the Parameters that ask for a match."""
    traits = PatientTraits(
        ids=(PATIENT,),
        name=HumanName(family="Żak", given=("Anna", "Ewa")),
        birth_date=date(1971, 5, 4),
        gender=Gender.FEMALE,
        telecom=("tel:+48 1",),
    )
    nameless = replace(
        ANNA, id=PatientId("A-0003", PATIENT.authority), names=(), birth_date=None, gender=None
    )
    somebody = replace(PERSON, id=PatientId("A-0004", PATIENT.authority))
    resources = {
        f"scores={scores}": pdqm_answers.encode_response(
            Outcome((ANNA, TWIN, nameless, somebody)),
            ids=lambda identity: identity.id.value,
            scores=scores,
            **_searchset("Patient"),
        )
        for scores in (False, True)
    } | {
        f"certain={certain}": pdqm.encode_match(traits, only_certain=certain)
        for certain in (False, True)
    }

    assert refused(medplum, resources) == {}
    assert judged(medplum, resources) == {"IHE.PDQm.Patient"}


@pytest.fixture(scope="module")
def held(seeded: Seeded) -> tuple[ImagingManifest, ...]:
    """Every manifest the seed published, read."""

    async def read() -> tuple[ImagingManifest, ...]:
        opened = await open_systems(seeded.folder)
        found = []
        try:
            for role in seeded.story["roles"].values():
                for study in role["studies"]:
                    content = await opened.systems.repository.get(DocumentId(study["manifest"]))
                    assert content is not None
                    found += decode_manifest(await read_content(content, 10**7)).items
        finally:
            await opened.close()
        return tuple(found)

    return asyncio.run(read())


def test_the_seeds_manifests_are_valid_as_fhir(
    medplum: Judge, held: tuple[ImagingManifest, ...]
) -> None:
    """As documents; and one with everything that only FHIR can hold."""
    whole = make_manifest(custodian=HOSPITAL, procedure_texts=("CT of head, by hand",))
    documents = {str(one.uid): encode_manifest(one) for one in (whole, *held)}

    assert len(documents) > 5
    assert refused(medplum, documents) == {}
    said = {str(each) for one in documents.values() for each in medplum.claimed(one)}
    assert all(any(right in each for each in said) for right in RIGHT), "no longer refused"
    assert judged(medplum, documents) == {"MadoFhirBundle", "MadoImagingStudy"}


@given(manifests())
@FEW
def test_whatever_a_manifest_says_is_valid(medplum: Judge, manifest: ImagingManifest) -> None:
    """Manifests at random, as a document and as a study alone."""
    resources = {
        "document": encode_manifest(replace(manifest, created=manifest.created or NOON)),
        "study": write_imaging_study(manifest, resource_id="study-1"),
    }

    assert refused(medplum, resources) == {}


@pytest.mark.parametrize("wish", ["", "_include=ImagingStudy:endpoint", "_elements=identifier"])
def test_a_list_of_studies_is_valid(
    medplum: Judge, held: tuple[ImagingManifest, ...], wish: str
) -> None:
    """Whole, with the endpoints beside them, and with some of their elements."""
    asked = f"patient.identifier=urn:oid:{PATIENT.authority}|{PATIENT.value}&{wish}"
    bundle = imaging_study_search.encode_response(
        imaging_study_search.decode_request(parse_query(asked), answering=COUNTRY_A),
        held,
        write=lambda one: write_imaging_study(one, resource_id=f"study-{one.study}"),
        **_searchset("ImagingStudy"),
    )

    assert len(bundle["entry"]) >= len(held)
    assert refused(medplum, {"studies": bundle}) == {}


def test_the_fullest_report_and_the_least_are_valid(medplum: Judge) -> None:
    """As documents of R4."""
    reports = {"full": write_report(full()), "least": write_report(least())}

    assert refused(medplum, reports) == {}
    assert judged(medplum, reports) == set()


@pytest.mark.parametrize("name", PARTS)
def test_whatever_a_part_of_a_report_says_is_valid(medplum: Judge, name: str) -> None:
    """Parts of a kind, filled at random, in a report that has nothing else."""

    @settings(FEW, max_examples=5)
    @given(st.lists(PARTS[name], min_size=1, max_size=2, unique_by=repr))
    def check(parts: list[Any]) -> None:
        few = parts[:1] if name in ("studies", "sections") else parts
        report = replace(least(), **{name: tuple(few)})
        assert refused(medplum, {name: write_report(report)}) == {}

    check()


def test_a_document_in_a_binary_is_valid(medplum: Judge) -> None:
    """Of any type, with and without an id."""
    binaries = {
        mime: wrap_binary(bytes(range(256)), mime, binary_id=name)
        for mime, name in (("application/dicom", ""), ("application/pdf", "b-1"))
    }

    assert refused(medplum, binaries) == {}
