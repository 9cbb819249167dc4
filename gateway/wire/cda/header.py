"""The header of a report as a clinical document, both ways: what it is, on whom, by whom, for whom.

What the header demands and nobody knows is said to be unknown, not invented. Insurances are
holders of a policy (participant HLD), those who have checked results are authenticators. There is
one legal authenticator, and no place for "corrected": a report that replaces another reads as
amended, one that nobody signed as preliminary.
Clause: HL7 CDA Release 2, 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from gateway.domain.codes import CONFIDENTIALITY, TYPE_REPORT, Code
from gateway.domain.ids import DocumentId, InvalidIdentifier, Oid, PatientId, ReferenceId
from gateway.domain.ids import ReferenceKind as Kind
from gateway.domain.people import Gender, HumanName
from gateway.domain.report_parts import (
    Attestation,
    Concept,
    Insurance,
    Participant,
    ParticipantKind,
)
from gateway.domain.reports import ImagingReport, ReportStatus
from gateway.domain.times import InvalidTime, Precision, Timestamp
from gateway.wire.cda.elements import all_of, attribute, element, one_of, worded, words_at
from gateway.wire.cda.people import (
    AUTHOR,
    RECIPIENT,
    read_address,
    read_attestation,
    read_name,
    read_organisation,
    read_participant,
    read_telecom,
    write_address,
    write_attestation,
    write_name,
    write_organisation,
    write_participant,
    write_telecom,
)
from gateway.wire.cda.values import (
    UNKNOWN,
    read_code,
    read_document_id,
    read_id,
    write_code,
    write_document_id,
    write_id,
)
from gateway.wire.problems import DecodeError
from gateway.wire.xml import Element, escape_text, path_of, text_of

GENDER_SYSTEM: Final = "2.16.840.1.113883.5.1"
IDENTIFIER_TYPES: Final = "2.16.840.1.113883.18.108"  # HL7 v2 table 0203, accession or order

_ORDER_TYPES: Final = {Kind.ACCESSION.value: "ACSN", Kind.ORDER.value: "PLAC"}
_KIND_OF_TYPE: Final = {code: kind for kind, code in _ORDER_TYPES.items()}
# A report is normal unless more is said; a code with its name says that somebody chose it.
_NORMAL: Final = Code("N", CONFIDENTIALITY)


# --- writing --------------------------------------------------------------------------------------


def write_header(report: ImagingReport, *, template: str, set_id: DocumentId | None) -> str:
    """Everything before the body, in the order of the schema."""
    version_set = set_id or report.set_id or report.replaces or report.id
    return "".join(
        (
            '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>',
            element("templateId", {"root": template}) if template else "",
            write_document_id("id", report.id),
            _document_type(report.kind),
            element("title", {}, escape_text(report.title)),
            element("effectiveTime", {"value": _moment(report.created)}),
            write_code("confidentialityCode", report.confidentiality or _NORMAL),
            element("languageCode", {"code": report.language}),
            write_document_id("setId", version_set),
            element("versionNumber", {"value": str(report.version)}),
            _record_target(report),
            *_authors(report),
            _custodian(report),
            *map(_recipient, report.recipients),
            _legal_authenticator(report) if report.status.is_exchanged else "",
            *(write_attestation("authenticator", one) for one in report.validators),
            *map(_insurance, report.insurances),
            *(_order(one) for one in report.references if one.kind != Kind.STUDY),
            _service(report),
            _replaced(report.replaces),
        )
    )


def _document_type(kind: Concept | None) -> str:
    if kind is None:
        return write_code("code", TYPE_REPORT)
    return write_code(
        "code",
        TYPE_REPORT,
        worded("originalText", kind.text),
        *(write_code("translation", code) for code in kind.codes),
    )


def _moment(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z").zfill(14)


def _record_target(report: ImagingReport) -> str:
    ids = "".join(write_id(one.value, one.authority) for one in report.patient_ids)
    gender = (
        {"code": report.gender.value, "codeSystem": GENDER_SYSTEM}
        if report.gender
        else {"nullFlavor": "UNK"}
    )
    birth = {"value": f"{report.birth_date:%Y%m%d}"} if report.birth_date else {"nullFlavor": "UNK"}
    patient = element(
        "patient",
        {},
        write_name(report.patient_name),
        element("administrativeGenderCode", gender),
        element("birthTime", birth),
    )
    role = element(
        "patientRole",
        {},
        ids or element("id", UNKNOWN),
        write_address(report.patient_address),
        write_telecom(report.patient_telecom),
        patient,
    )
    return element("recordTarget", {}, role)


def _authors(report: ImagingReport) -> Iterator[str]:
    when = element("time", {"value": _moment(report.authored or report.created)})
    for by in report.authors or (None,):
        yield element("author", {}, when, write_participant(by, AUTHOR))


def _custodian(report: ImagingReport) -> str:
    inner = write_organisation("representedCustodianOrganization", report.custodian)
    return element("custodian", {}, element("assignedCustodian", {}, inner))


def _recipient(to: Participant) -> str:
    return element("informationRecipient", {"typeCode": "PRCP"}, write_participant(to, RECIPIENT))


def _legal_authenticator(report: ImagingReport) -> str:
    """Who answers for the report; that somebody does, where it is not known who."""
    nobody = Attestation(by=Participant())
    return write_attestation("legalAuthenticator", next(iter(report.legal_authenticators), nobody))


def _insurance(insurance: Insurance) -> str:
    provider = insurance.provider
    return element(
        "participant",
        {"typeCode": "HLD"},
        element(
            "associatedEntity",
            {"classCode": "POLHOLD"},
            write_id(insurance.policy),
            write_organisation("scopingOrganization", provider) if provider else "",
        ),
    )


def _order(reference: ReferenceId) -> str:
    known = _ORDER_TYPES.get(reference.kind)
    kind = (
        element("code", {"code": known, "codeSystem": IDENTIFIER_TYPES})
        if known
        else element("code", {"nullFlavor": "OTH"}, worded("originalText", reference.kind))
    )
    where = write_id(reference.value, reference.authority)
    return element("inFulfillmentOf", {}, element("order", {}, where, kind))


def _service(report: ImagingReport) -> str:
    studies = [one.value for one in report.references if one.kind == Kind.STUDY]
    code = write_code("code", report.procedure) if report.procedure else ""
    if not studies and not code:
        return ""
    ids = "".join(element("id", {"root": study}) for study in studies)
    return element("documentationOf", {}, element("serviceEvent", {"classCode": "ACT"}, ids, code))


def _replaced(document: DocumentId | None) -> str:
    if document is None:
        return ""
    parent = element("parentDocument", {}, write_document_id("id", document))
    return element("relatedDocument", {"typeCode": "RPLC"}, parent)


# --- reading --------------------------------------------------------------------------------------


def read_header(root: Element) -> ImagingReport:
    """What the header says, as a report without a body; `DecodeError` without an id or a time."""
    document = read_document_id(one_of(root, "id"))
    if document is None:
        raise DecodeError(path_of(root), "no usable id", "the document's id", "CDA R2 4.2.1.3")
    replaces = next(
        (
            read_document_id(one_of(related, "parentDocument/id"))
            for related in all_of(root, "relatedDocument")
            if related.get("typeCode") == "RPLC"
        ),
        None,
    )
    created = _read_created(root)
    authored = _read_authored(root)
    legal = (read_attestation(one) for one in all_of(root, "legalAuthenticator"))
    checked = (read_attestation(one) for one in all_of(root, "authenticator"))
    set_id = read_document_id(one_of(root, "setId"))
    report = ImagingReport(
        id=document,
        set_id=None if set_id in (document, replaces) else set_id,
        status=_read_status(root, replaces),
        title=words_at(root, "title"),
        language=attribute(one_of(root, "languageCode"), "code"),
        created=created,
        authored=None if authored == created else authored,
        patient_ids=(),
        patient_name=HumanName(family=""),
        recipients=tuple(
            read_participant(one, RECIPIENT) for one in all_of(root, "informationRecipient")
        ),
        legal_authenticators=tuple(one for one in legal if one is not None),
        validators=tuple(one for one in checked if one is not None),
        kind=_read_kind(root),
        confidentiality=_read_confidentiality(root),
        procedure=read_code(one_of(root, "documentationOf/serviceEvent/code")),
        insurances=tuple(_read_insurances(root)),
        references=tuple(dict.fromkeys(_read_references(root))),
        replaces=replaces,
        version=_read_version(root),
    )
    return _with_authors(_with_patient(report, root), root)


def _with_patient(report: ImagingReport, root: Element) -> ImagingReport:
    person = one_of(root, "recordTarget/patientRole")
    patient = one_of(person, "patient")
    return replace(
        report,
        patient_ids=tuple(_read_patient_ids(person)),
        patient_name=read_name(one_of(patient, "name")) or HumanName(family=""),
        birth_date=_read_birth_date(patient),
        gender=_read_gender(patient),
        patient_address=read_address(person),
        patient_telecom=read_telecom(person),
    )


def _with_authors(report: ImagingReport, root: Element) -> ImagingReport:
    """Who wrote it; the custodian stands in for the author's organisation where there is none."""
    custodian = read_organisation(
        one_of(root, "custodian/assignedCustodian/representedCustodianOrganization")
    )
    authors = [read_participant(one, AUTHOR) for one in all_of(root, "author")]
    # The noun has the first author in fields of its own, with no place for a device there.
    people = (one for one in authors if one.kind is not ParticipantKind.DEVICE)
    first = next(people, Participant(organisation=None if authors else custodian))
    return replace(
        report,
        custodian=custodian,
        author=first.name,
        author_id=first.id,
        author_authority=first.authority,
        organisation=first.organisation,
        other_authors=tuple(one for one in authors if one is not first and one != Participant()),
    )


def _read_status(root: Element, replaces: DocumentId | None) -> ReportStatus:
    if one_of(root, "legalAuthenticator") is None and one_of(root, "authenticator") is None:
        return ReportStatus.PRELIMINARY
    return ReportStatus.AMENDED if replaces is not None else ReportStatus.FINAL


def _read_created(root: Element) -> datetime:
    found = one_of(root, "effectiveTime")
    value = attribute(found, "value")
    try:
        return Timestamp.parse(value).at
    except InvalidTime as error:
        where = path_of(found if found is not None else root)
        raise DecodeError(where, error.found, error.expected, "CDA R2 4.2.1.7") from error


def _read_authored(root: Element) -> datetime | None:
    try:
        return Timestamp.parse(attribute(one_of(root, "author/time"), "value")).at
    except InvalidTime:
        return None


def _read_kind(root: Element) -> Concept | None:
    """What the type says beyond that this is an imaging report."""
    found = one_of(root, "code")
    code = read_code(found)
    own = () if code is None or code.means(TYPE_REPORT) else (code,)
    more = (read_code(one) for one in all_of(found, "translation"))
    kind = Concept(
        text=words_at(found, "originalText"), codes=(*own, *(one for one in more if one))
    )
    return kind if kind != Concept() else None


def _read_confidentiality(root: Element) -> Code | None:
    code = read_code(one_of(root, "confidentialityCode"))
    return None if code is not None and code == _NORMAL and not code.display else code


def _read_version(root: Element) -> int:
    value = attribute(one_of(root, "versionNumber"), "value")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 1


def _read_patient_ids(person: Element | None) -> Iterator[PatientId]:
    for ii in all_of(person, "id"):
        try:
            yield PatientId(attribute(ii, "extension"), Oid.parse(attribute(ii, "root")))
        except InvalidIdentifier:
            continue  # an identifier nobody could search by; the others still name the patient


def _read_birth_date(patient: Element | None) -> date | None:
    try:
        found = Timestamp.parse(attribute(one_of(patient, "birthTime"), "value")[:8])
    except InvalidTime:
        return None
    return found.at.date() if found.precision >= Precision.DAY else None


def _read_gender(patient: Element | None) -> Gender | None:
    value = attribute(one_of(patient, "administrativeGenderCode"), "code")
    return next((gender for gender in Gender if gender.value == value), None)


def _read_insurances(root: Element) -> Iterator[Insurance]:
    for found in all_of(root, "participant"):
        if found.get("typeCode") != "HLD":
            continue
        entity = one_of(found, "associatedEntity")
        policy, _ = read_id(one_of(entity, "id"))
        provider = read_organisation(one_of(entity, "scopingOrganization"))
        if policy or provider:
            yield Insurance(provider=provider, policy=policy)


def _read_references(root: Element) -> Iterator[ReferenceId]:
    """Orders and accession numbers, then studies; an order of no stated kind is an accession."""
    for order in all_of(root, "inFulfillmentOf/order"):
        code = one_of(order, "code")
        kind = _KIND_OF_TYPE.get(attribute(code, "code"))
        kind = kind or text_of(one_of(code, "originalText")) or Kind.ACCESSION.value
        for ii in all_of(order, "id"):
            value, authority = read_id(ii)
            yield from _reference(value, kind, authority)
    for ii in all_of(root, "documentationOf/serviceEvent/id"):
        if not attribute(ii, "extension"):
            yield from _reference(attribute(ii, "root"), Kind.STUDY.value, "")


def _reference(value: str, kind: str, authority: str) -> Iterator[ReferenceId]:
    try:
        yield ReferenceId(value=value, kind=kind, authority=authority)
    except InvalidIdentifier:
        return  # an empty or broken identifier links to nothing
