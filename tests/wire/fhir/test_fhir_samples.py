"""What we do not read, and that nothing was forgotten: one row for every FHIR sample.

With `test_fhir_samples_documents` and `test_fhir_samples_patients` every file under the samples of
FHIR has exactly one row, but for the folders of imaging content (`mado-r4`, `hl7eu-imaging-r4`,
`hl7eu-imaging-r5`), which have tables of their own. Handed one of the resources below, each of our
readers says what it found and what it wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from gateway.domain import ExchangeError, Refusal
from gateway.wire.fhir import pdqm
from gateway.wire.fhir.document_reference_read import read_document_reference
from gateway.wire.fhir.foreign_outcomes import read_issues
from gateway.wire.fhir.mhd_find import decode_response
from gateway.wire.fhir.mhd_parameters_read import read_parameters
from gateway.wire.fhir.mhd_retrieve import unwrap_binary
from gateway.wire.fhir.resources import Format, read_resource, validated
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError
from tests.builders import COUNTRY_A
from tests.shared import shared
from tests.wire.fhir import test_fhir_samples_documents as documents
from tests.wire.fhir import test_fhir_samples_patients as patients
from tests.wire.fhir.rows import REPOSITORY

FOLDERS = ("balp", "constructed", "eu-health-data-api", "mhd", "pdqm", "profiles")
LOOSE = ("README.md", "ncpeh-api-queries.md")

READERS: dict[str, Callable[[Any], object]] = {
    "DocumentReference": lambda resource: read_document_reference(
        resource, community=COUNTRY_A, repository=REPOSITORY
    ),
    "Bundle or OperationOutcome": lambda resource: decode_response(
        resource, community=COUNTRY_A, repository=REPOSITORY
    ),
    "Patient": lambda resource: pdqm.read_patient(resource, COUNTRY_A),
    "Parameters or Patient": pdqm.decode_match,
    "OperationOutcome": lambda resource: read_issues(resource, "body"),
    "Binary": unwrap_binary,
}

# Folder, type of resource, and the names of the files: `<type>-<name>.json`.
NOT_READ: tuple[tuple[str, str, str], ...] = (
    (
        "balp",
        "AuditEvent",
        """
        ex-auditAuthZconsent ex-auditAuthZconsent-deny ex-auditBasicCreate1 ex-auditBasicCreate2
        ex-auditBasicCreateClient ex-auditBasicCreateNoPatient ex-auditBasicCreateNoUser
        ex-auditBasicCreateNoUserJob ex-auditBasicCreateNoUserReport ex-auditBasicCreateServer
        ex-auditBasicDelete2 ex-auditBasicDeleteClient ex-auditBasicDeleteInformant
        ex-auditBasicDeleteNoPatient ex-auditBasicDeleteNoUser ex-auditBasicDeleteNoUserJob
        ex-auditBasicDeleteNoUserReport ex-auditBasicDeleteServer ex-auditBasicPatch
        ex-auditBasicQueryGetClient ex-auditBasicQueryGetNoPatient ex-auditBasicQueryGetServer
        ex-auditBasicQueryPost ex-auditBasicReadClient ex-auditBasicReadNoPatient
        ex-auditBasicReadNoUser ex-auditBasicReadOClient ex-auditBasicReadOServer
        ex-auditBasicReadOServerMin ex-auditBasicReadServer ex-auditBasicUpdate1
        ex-auditBasicUpdate2 ex-auditBasicUpdateNoPatient ex-auditBasicUpdateNoUser
        ex-auditBasicUpdateNoUserJob ex-auditBasicUpdateNoUserReport ex-auditPoke-SAML-Comp
        ex-auditPoke-SAML-Min ex-auditPoke-SAML-Min2 ex-auditPoke-SAML-QDI-Comp
        ex-auditPoke-SAML-QDI-Min ex-auditPrivacyDisclosure-measurereport
        ex-auditPrivacyDisclosure-recipient ex-auditPrivacyDisclosure-recipient-minCodes
        ex-auditPrivacyDisclosure-source ex-auditPrivacyDisclosure-source2
        """,
    ),
    (
        "balp",
        "CapabilityStatement",
        "IHE.BALP.ATNA.AuditRecordRepository IHE.BALP.AuditConsumer IHE.BALP.AuditCreator",
    ),
    ("balp", "Consent", "ex-consent"),
    ("balp", "Device", "ex-authz ex-device"),
    ("balp", "List", "ex-list"),
    ("balp", "MeasureReport", "ex-measurereport"),
    ("balp", "Organization", "ex-organization"),
    ("balp", "Practitioner", "ex-practitioner"),
    (
        "eu-health-data-api",
        "CapabilityStatement",
        """
        EEHRxF-DocumentAccessProvider EEHRxF-DocumentAccessProvider-Example
        EEHRxF-DocumentAccessProvider-SubmissionOption EEHRxF-DocumentConsumer
        EEHRxF-DocumentPublisher EEHRxF-DocumentPublisherAccessProvider
        EEHRxF-ResourceAccessProvider EEHRxF-ResourceConsumer
        """,
    ),
    ("eu-health-data-api", "ConceptMap", "EehrxfMhdDocumentReferenceCM"),
    (
        "mhd",
        "AuditEvent",
        """
        ex-auditFindDocumentLists-consumer ex-auditFindDocumentLists-responder
        ex-auditFindDocumentReferences-consumer ex-auditFindDocumentReferences-post-responder
        ex-auditFindDocumentReferences-responder ex-auditGenerateMetadata-recipient
        ex-auditGenerateMetadata-source ex-auditProvideBundle-recipient
        ex-auditProvideBundle-source ex-auditRetrieveDocument-consumer
        ex-auditRetrieveDocument-responder ex-auditSimplifiedPublish-recipient
        ex-auditSimplifiedPublish-source
        """,
    ),
    (
        "mhd",
        "CapabilityStatement",
        """
        IHE.MHD.DocumentConsumer IHE.MHD.DocumentConsumerTarget IHE.MHD.DocumentRecipient
        IHE.MHD.DocumentRecipient.Comprehensive IHE.MHD.DocumentRecipient.Fdoc
        IHE.MHD.DocumentRecipient.Generate IHE.MHD.DocumentRecipient.Simplified
        IHE.MHD.DocumentRecipient.UnContained IHE.MHD.DocumentResponder
        IHE.MHD.DocumentResponderTarget IHE.MHD.DocumentSource
        IHE.MHD.DocumentSource.Comprehensive IHE.MHD.DocumentSource.Fdoc
        IHE.MHD.DocumentSource.Generate IHE.MHD.DocumentSource.Simplifed
        IHE.MHD.DocumentSource.UnContained
        """,
    ),
    ("mhd", "ConceptMap", "AssociationTypeVsRelatesTo FhirStatusVsStatusCode"),
    ("mhd", "Device", "ex-device"),
    ("mhd", "Encounter", "ex-encounter"),
    (
        "mhd",
        "List",
        """
        ex-compEmailPackage ex-compFolder ex-compSubmissionSetFull
        ex-compSubmissionSetFullUnContained ex-compSubmissionSetList ex-list ex-minimalFolder
        ex-minimalSubmissionSet
        """,
    ),
    ("mhd", "OperationDefinition", "generate-metadata"),
    ("mhd", "Organization", "ex-organization"),
    ("mhd", "Practitioner", "ex-practitioner"),
    (
        "mhd",
        "SearchParameter",
        "DocumentReference-Creation IHE-TargetCommunityIdList List-DesignationType List-SourceId",
    ),
    (
        "pdqm",
        "AuditEvent",
        """
        ex-auditPdqmMatch-consumer ex-auditPdqmMatch-supplier ex-auditPdqmQuery-consumer
        ex-auditPdqmQuery-supplier
        """,
    ),
    (
        "pdqm",
        "CapabilityStatement",
        """
        IHE.PDQm.PatientDemographicsConsumerMatch IHE.PDQm.PatientDemographicsConsumerQuery
        IHE.PDQm.PatientDemographicsSupplier IHE.PDQm.PatientDemographicsSupplierMatch
        """,
    ),
    ("pdqm", "Device", "ex-device"),
    ("pdqm", "OperationDefinition", "PDQmMatch"),
    (
        "profiles",
        "StructureDefinition",
        """
        EehrxfMhdDocumentReference IHE.BasicAudit.PatientQuery IHE.BasicAudit.PatientRead
        IHE.MHD.Comprehensive.DocumentReference IHE.MHD.Comprehensive.SubmissionSet
        IHE.MHD.Minimal.DocumentReference IHE.MHD.Minimal.SubmissionSet
        IHE.MHD.SimplifiedPublish.DocumentReference
        IHE.MHD.UnContained.Comprehensive.DocumentReference
        IHE.MHD.UnContained.Comprehensive.SubmissionSet IHE.PDQm.Patient
        MadoDicomKosDocumentReference MadoFhirBundle MadoFhirDocumentReference MadoImagingStudy
        """,
    ),
)
KINDS = {
    f"{folder}/{kind}-{name}.json": kind
    for folder, kind, names in NOT_READ
    for name in names.split()
}

# Bundles that are no answer to a search: publications (ITI-65), their receipts, a FHIR document.
OTHER_BUNDLES: dict[str, str] = {
    **dict.fromkeys(
        (
            "mhd/Bundle-ex-ProvideDocumentBundle-addToFolder.json",
            "mhd/Bundle-ex-comprehensiveProvideDocumentBundleComplete.json",
            "mhd/Bundle-ex-comprehensiveProvideDocumentBundleDocument.json",
            "mhd/Bundle-ex-comprehensiveProvideDocumentBundleMultiple.json",
            "mhd/Bundle-ex-comprehensiveProvideDocumentBundleReplace.json",
            "mhd/Bundle-ex-comprehensiveProvideDocumentBundleSimple.json",
            "mhd/Bundle-ex-dummyBundleDocAndBinary.json",
            "mhd/Bundle-ex-minimalProvideDocumentBundleSimple.json",
            "mhd/Bundle-ex-minimalProvideDocumentBundleSimpleContained.json",
            "mhd/Bundle-ex-unContainedComprehensiveProvideDocumentBundleComplete.json",
        ),
        "transaction",
    ),
    **dict.fromkeys(
        (
            "mhd/Bundle-ex-response-comprehensiveProvideDocumentBundleComplete.json",
            "mhd/Bundle-ex-response-comprehensiveProvideDocumentBundleMultiple.json",
            "mhd/Bundle-ex-response-comprehensiveProvideDocumentBundleSimple.json",
            "mhd/Bundle-ex-response-minimalProvideDocumentBundleSimple.json",
            "mhd/Bundle-ex-response-minimalProvideDocumentBundleSimpleContained.json",
            "mhd/Bundle-ex-response-unContainedComprehensiveProvideDocumentBundleCompt.json",
        ),
        "transaction-response",
    ),
    "mhd/Bundle-ex-fhir-document-bundle.json": "document",
}

# Published without what R4 demands: the first place that is wrong, and what is said of it.
WRONG: dict[str, tuple[str, str]] = {
    **{
        name: ("CapabilityStatement.date", "'date' is required")
        for name, kind in KINDS.items()
        if name.startswith("mhd/") and kind == "CapabilityStatement"
    },
    # Compiled with an element whose `short` is the empty string.
    **dict.fromkeys(
        (
            "profiles/StructureDefinition-MadoDicomKosDocumentReference.json",
            "profiles/StructureDefinition-MadoFhirDocumentReference.json",
        ),
        ("StructureDefinition.", "short"),
    ),
}


def refusal_of(read: Callable[[Any], object], resource: Any) -> DecodeError | None:
    """What a reader says of a resource that it does not take."""
    try:
        read(resource)
    except DecodeError as error:
        return error
    return None


def judge(name: str, resource: Any) -> None:
    """R4B takes it, or says of it what its row says.

    Of a profile what it changes is judged; its snapshot repeats all of R4 and takes a second.
    """
    resource = {key: value for key, value in resource.items() if key != "snapshot"}
    refused = refusal_of(validated, resource)
    if name not in WRONG:
        assert refused is None, (name, refused)
        return
    where, said = WRONG[name]
    assert refused is not None, name
    assert refused.where.startswith(where), name
    assert said in str(refused), name


def test_what_is_not_ours_is_refused_by_every_reader() -> None:
    """With the type that was found and the type that was wanted."""
    for name, kind in KINDS.items():
        resource = documents.sample(name)

        judge(name, resource)
        assert resource["resourceType"] == kind, name
        for wanted, read in READERS.items():
            refused = refusal_of(read, resource)
            assert refused is not None, (name, wanted)
            assert refused.where.endswith("resourceType"), (name, wanted)
            assert (refused.found, refused.expected) == (kind, wanted), name


def test_a_bundle_of_another_type_is_refused_as_an_answer() -> None:
    """With its type, by the readers of documents and of patients."""
    for name, kind in OTHER_BUNDLES.items():
        resource = documents.sample(name)

        judge(name, resource)
        for read in (READERS["Bundle or OperationOutcome"], _answer):
            refused = refusal_of(read, resource)
            assert refused is not None, name
            assert refused.where == "Bundle.type", name
            assert (refused.found, refused.expected) == (kind, "searchset"), name


def _answer(resource: Any) -> object:
    return pdqm.decode_response(resource, COUNTRY_A)


OURS = [
    *documents.REFERENCES,
    *documents.BINARIES,
    *patients.PEOPLE,
    *patients.QUESTIONS,
    *patients.OUTCOMES,
]


def test_what_is_ours_is_refused_by_the_readers_of_something_else() -> None:
    """A DocumentReference is no Patient, a Patient no Binary."""
    for name in OURS:
        resource = documents.sample(name)
        kind = resource["resourceType"]

        for wanted, read in READERS.items():
            if kind not in wanted.split(" or "):
                refused = refusal_of(read, resource)
                assert refused is not None, (name, wanted)
                assert (refused.found, refused.expected) == (kind, wanted), name


def test_the_description_of_the_samples_is_no_resource() -> None:
    """What is not JSON is refused where it begins."""
    with pytest.raises(DecodeError) as caught:
        read_resource(shared("samples/fhir/README.md").read_bytes(), Format.JSON)

    assert caught.value.where == "body"


# Requests of the NCPeH API guide and of OpenNCP: the resource searched, in the order of the file,
# and what is made of the search. Their patients are identified by a URL, for which we have no OID.
ASKED: tuple[tuple[str, Refusal | None], ...] = (
    ("Patient", Refusal.UNKNOWN_PATIENT),
    ("Patient", None),  # `<sys>`, `<val>` and `<text>` are to be filled in; `male` is not
    ("DocumentReference", Refusal.UNKNOWN_PATIENT),
    ("DocumentReference", None),
    ("DocumentReference", None),
    ("ImagingStudy", None),
    ("ImagingStudy", None),
    ("studies", None),
    ("DocumentReference", None),
)


def test_the_requests_of_the_guide_are_understood() -> None:
    """Those that are whole are read up to the patient, whom nobody here can know."""
    text = shared("samples/fhir/ncpeh-api-queries.md").read_text(encoding="utf-8")
    lines = [line.split()[1] for line in text.splitlines() if line.strip().startswith("GET ")]
    asked = [line.partition("?") for line in lines if "?" in line]

    assert [path.rpartition("/")[2] for path, _, _ in asked] == [kind for kind, _ in ASKED]
    for (path, _, raw), (kind, refusal) in zip(asked, ASKED, strict=True):
        parameters = parse_query(raw)
        assert parameters, path
        if refusal is None:
            continue
        with pytest.raises(ExchangeError) as caught:
            if kind == "Patient":
                pdqm.decode_request(parameters)
            else:
                read_parameters(parameters, answering=COUNTRY_A)
        assert caught.value.refusal is refusal, path


def test_every_sample_has_exactly_one_row() -> None:
    """A file that comes needs a row; a file that goes takes its row with it."""
    folder = shared("samples/fhir")
    files = {
        str(path.relative_to(folder))
        for name in FOLDERS
        for path in (folder / name).rglob("*")
        if path.is_file()
    } | {path.name for path in folder.iterdir() if path.is_file()}

    rows = Counter(
        chain(
            KINDS,
            OTHER_BUNDLES,
            documents.REFERENCES,
            documents.ANSWERS,
            documents.BINARIES,
            patients.PEOPLE,
            patients.QUESTIONS,
            patients.OTHER_QUESTIONS,
            patients.ANSWERS,
            patients.OUTCOMES,
            LOOSE,
        )
    )

    assert set(rows) == files
    assert set(rows.values()) == {1}
