"""The imaging report as a clinical document, and the PDF inside it, to and from `ImagingReport`.

Two bodies: level 1, a PDF in a non-XML body (IHE ITI XDS-SD), and a structured body with headed
sections (IHE RAD CDA imaging report), which may hold the PDF as well. Not a renderer and not a
validator of templates: a foreign document is read for what the noun holds and no further.
Clauses: HL7 CDA Release 2 (sections 4.2 header, 4.3 body), IHE ITI TF-3 5.2 (XDS-SD).

The header has no place for "corrected": a report that replaces another reads as amended, one
that nobody signed as preliminary.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import date, datetime

from lxml import etree

from gateway.domain.codes import CONFIDENTIALITY, LOINC, TYPE_REPORT, Code
from gateway.domain.ids import DocumentId, InvalidIdentifier, Oid, PatientId, ReferenceId
from gateway.domain.ids import ReferenceKind as Kind
from gateway.domain.people import Gender, HumanName, Organisation
from gateway.domain.reports import ImagingReport, ReportSection, ReportStatus
from gateway.domain.times import InvalidTime, Precision, Timestamp
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import HL7, Element, escape_attr, escape_text, parse_xml, path_of, text_of

PDF = "application/pdf"
SCANNED_DOCUMENT = "1.3.6.1.4.1.19376.1.2.20"  # template of XDS-SD, ITI TF-3 5.2.3
GENDER_SYSTEM = "2.16.840.1.113883.5.1"
IDENTIFIER_TYPES = "2.16.840.1.113883.18.108"  # HL7 v2 table 0203, tells accession from order
MAX_REPORT_BYTES = 64 * 1024 * 1024  # a report with its PDF; images do not travel in reports
MAX_SECTIONS = 200

_HL7 = f"{{{HL7}}}"
_ORDER_TYPES = {Kind.ACCESSION.value: "ACSN", Kind.ORDER.value: "PLAC"}
_KIND_OF_TYPE = {code: kind for kind, code in _ORDER_TYPES.items()}
_BREAKS = frozenset(_HL7 + name for name in ("br", "paragraph", "item", "tr", "list", "table"))


def encode_report(
    report: ImagingReport, *, structured: bool | None = None, set_id: DocumentId | None = None
) -> bytes:
    """The report as a CDA document.

    `structured` asks for headed sections, with the PDF beside them; False for the PDF alone;
    left open, a report that has a PDF becomes that PDF's envelope. `set_id` is the id shared by
    all versions of the report; without it that of the version replaced, or its own, stands in.
    Raises `EncodeError` when there is nothing to carry in that form.
    """
    if structured is None:
        structured = not report.presented
    if structured and not report.sections:
        raise EncodeError("a structured report needs at least one section")
    if not structured and not report.presented:
        raise EncodeError("a report without sections needs a PDF")
    body = _structured_body(report) if structured else _scanned_body(report)
    template = "" if structured else f'<templateId root="{SCANNED_DOCUMENT}"/>'
    version_set = set_id or report.replaces or report.id
    parts = (
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<ClinicalDocument xmlns="{HL7}">',
        '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>',
        template,
        _document_id("id", report.id),
        _code("code", TYPE_REPORT),
        f"<title>{escape_text(report.title)}</title>",
        f'<effectiveTime value="{_moment(report.created)}"/>',
        f'<confidentialityCode code="N" codeSystem="{CONFIDENTIALITY}"/>',
        f'<languageCode code="{escape_attr(report.language)}"/>',
        _document_id("setId", version_set),
        f'<versionNumber value="{report.version}"/>',
        _record_target(report),
        _author(report),
        _custodian(report.organisation),
        _authenticator(report) if report.status.is_exchanged else "",
        *(_order(one) for one in report.references if one.kind != Kind.STUDY),
        _service(report),
        _replaced(report.replaces),
        f"<component>{body}</component></ClinicalDocument>",
    )
    return "".join(parts).encode("utf-8")


def _ii(tag: str, root: str, extension: str, authority_name: str = "") -> str:
    written = "".join(
        f' {name}="{escape_attr(value)}"'
        for name, value in (
            ("root", root),
            ("extension", extension),
            ("assigningAuthorityName", authority_name),
        )
        if value
    )
    return f"<{tag}{written}/>" if written else f'<{tag} nullFlavor="NI"/>'


def _is_oid(text: str) -> bool:
    try:
        Oid(text)
    except InvalidIdentifier:
        return False
    return True


def _document_id(tag: str, document: DocumentId) -> str:
    root, _, extension = document.partition("^")
    if _is_oid(root):
        return _ii(tag, root, extension)
    return f'<{tag} nullFlavor="OTH" extension="{escape_attr(document)}"/>'


def _code(tag: str, code: Code) -> str:
    system = f'codeSystem="{code.scheme}"' if _is_oid(code.scheme) else ""
    system = system or f'codeSystemName="{escape_attr(code.scheme)}"'
    shown = f' displayName="{escape_attr(code.display)}"' if code.display else ""
    return f'<{tag} code="{escape_attr(code.value)}" {system}{shown}/>'


def _moment(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z").zfill(14)


def _name(name: HumanName | None) -> str:
    if name is None:
        return '<name nullFlavor="UNK"/>'
    fields = (
        ("prefix", name.prefix),
        *(("given", given) for given in name.given),
        ("family", name.family),
        ("suffix", name.suffix),
    )
    inner = "".join(f"<{tag}>{escape_text(text)}</{tag}>" for tag, text in fields if text)
    return f"<name>{inner}</name>"


def _record_target(report: ImagingReport) -> str:
    ids = "".join(_ii("id", one.authority, one.value) for one in report.patient_ids)
    gender = (
        f'<administrativeGenderCode code="{report.gender.value}" codeSystem="{GENDER_SYSTEM}"/>'
        if report.gender
        else '<administrativeGenderCode nullFlavor="UNK"/>'
    )
    birth = (
        f'<birthTime value="{report.birth_date:%Y%m%d}"/>'
        if report.birth_date
        else '<birthTime nullFlavor="UNK"/>'
    )
    return (
        f"<recordTarget><patientRole>{ids or _ii('id', '', '')}"
        f"<patient>{_name(report.patient_name)}{gender}{birth}</patient>"
        "</patientRole></recordTarget>"
    )


def _organisation(tag: str, of: Organisation | None) -> str:
    if of is None:
        return f"<{tag}>{_ii('id', '', '')}</{tag}>"
    return f"<{tag}>{_ii('id', of.authority, of.id)}<name>{escape_text(of.name)}</name></{tag}>"


def _person(report: ImagingReport, tag: str) -> str:
    person = f"<assignedPerson>{_name(report.author)}</assignedPerson>" if report.author else ""
    root = report.author_authority
    return (
        f"<{tag}>{_ii('id', root, report.author_id)}{person}"
        f"{_organisation('representedOrganization', report.organisation)}</{tag}>"
    )


def _author(report: ImagingReport) -> str:
    when = f'<time value="{_moment(report.created)}"/>'
    return f"<author>{when}{_person(report, 'assignedAuthor')}</author>"


def _authenticator(report: ImagingReport) -> str:
    signed = f'<time value="{_moment(report.created)}"/><signatureCode code="S"/>'
    who = _person(report, "assignedEntity")
    return f"<legalAuthenticator>{signed}{who}</legalAuthenticator>"


def _custodian(of: Organisation | None) -> str:
    inner = _organisation("representedCustodianOrganization", of)
    return f"<custodian><assignedCustodian>{inner}</assignedCustodian></custodian>"


def _order(reference: ReferenceId) -> str:
    known = _ORDER_TYPES.get(reference.kind)
    kind = (
        f'<code code="{known}" codeSystem="{IDENTIFIER_TYPES}"/>'
        if known
        else f'<code nullFlavor="OTH"><originalText>{escape_text(reference.kind)}'
        "</originalText></code>"
    )
    is_oid = _is_oid(reference.authority)
    where = _ii(
        "id",
        reference.authority if is_oid else "",
        reference.value,
        "" if is_oid else reference.authority,
    )
    return f"<inFulfillmentOf><order>{where}{kind}</order></inFulfillmentOf>"


def _service(report: ImagingReport) -> str:
    studies = [one.value for one in report.references if one.kind == Kind.STUDY]
    code = _code("code", report.procedure) if report.procedure else ""
    if not studies and not code:
        return ""
    ids = "".join(_ii("id", study, "") for study in studies)
    return (
        f'<documentationOf><serviceEvent classCode="ACT">{ids}{code}</serviceEvent>'
        "</documentationOf>"
    )


def _replaced(document: DocumentId | None) -> str:
    if document is None:
        return ""
    parent = _document_id("id", document)
    return (
        f'<relatedDocument typeCode="RPLC"><parentDocument>{parent}</parentDocument>'
        "</relatedDocument>"
    )


def _embedded(data: bytes) -> str:
    return f'mediaType="{PDF}" representation="B64">{base64.b64encode(data).decode("ascii")}'


def _scanned_body(report: ImagingReport) -> str:
    return f"<nonXMLBody><text {_embedded(report.presented)}</text></nonXMLBody>"


def _structured_body(report: ImagingReport) -> str:
    sections = "".join(map(_section, report.sections))
    if report.presented:
        media = f"<value {_embedded(report.presented)}</value>"
        sections += (
            "<component><section><title>PDF</title><text><renderMultiMedia "
            'referencedObject="PDF"/></text><entry><observationMedia classCode="OBS" '
            f'moodCode="EVN" ID="PDF">{media}</observationMedia></entry></section></component>'
        )
    return f"<structuredBody>{sections}</structuredBody>"


def _section(section: ReportSection) -> str:
    lines = "<br/>".join(escape_text(line) for line in section.text.split("\n"))
    return (
        f"<component><section>{_code('code', section.code)}"
        f"<title>{escape_text(section.title)}</title><text>{lines}</text></section></component>"
    )


def decode_report(data: bytes) -> ImagingReport:
    """The report in a CDA document, ours or a foreign one.

    Raises `DecodeError` for what is no CDA document, has no id, no time or no body, or holds a
    PDF that is not one.
    """
    root = parse_xml(data, max_bytes=MAX_REPORT_BYTES, where="CDA document", large_text=True)
    if root.tag != _HL7 + "ClinicalDocument":
        raise DecodeError(path_of(root), "another document", "ClinicalDocument", "CDA R2 4.2.1")
    document = _read_document_id(_one(root, "id"))
    if document is None:
        raise DecodeError(path_of(root), "no usable id", "the document's id", "CDA R2 4.2.1.3")
    replaces = next(
        (
            _read_document_id(_one(related, "parentDocument/id"))
            for related in _all(root, "relatedDocument")
            if related.get("typeCode") == "RPLC"
        ),
        None,
    )
    person = _one(root, "recordTarget/patientRole")
    patient = _one(person, "patient")
    assigned = _one(root, "author/assignedAuthor")
    author_ii = _one(assigned, "id")
    names = _one(assigned, "assignedPerson/name")
    organisation = _read_organisation(_one(assigned, "representedOrganization"))
    custodian = _one(root, "custodian/assignedCustodian/representedCustodianOrganization")
    presented, sections = _read_body(root)
    return ImagingReport(
        id=document,
        status=_read_status(root, replaces),
        title=text_of(_one(root, "title")),
        language=_attribute(_one(root, "languageCode"), "code"),
        created=_read_created(root),
        patient_ids=tuple(_read_patient_ids(person)),
        patient_name=_read_name(_one(patient, "name")) or HumanName(family=""),
        birth_date=_read_birth_date(patient),
        gender=_read_gender(patient),
        author=_read_name(names),
        author_id=_attribute(author_ii, "extension"),
        author_authority=_attribute(author_ii, "root"),
        organisation=organisation or _read_organisation(custodian),
        procedure=_read_code(_one(root, "documentationOf/serviceEvent/code")),
        references=tuple(dict.fromkeys(_read_references(root))),
        replaces=replaces,
        version=_read_version(root),
        sections=sections,
        presented=presented,
    )


def _all(parent: Element | None, path: str) -> list[Element]:
    if parent is None:
        return []
    return parent.findall("/".join(_HL7 + step for step in path.split("/")))


def _one(parent: Element | None, path: str) -> Element | None:
    return next(iter(_all(parent, path)), None)


def _attribute(element: Element | None, name: str) -> str:
    return "" if element is None else (element.get(name) or "").strip()


def _read_document_id(ii: Element | None) -> DocumentId | None:
    root, extension = _attribute(ii, "root"), _attribute(ii, "extension")
    try:
        return DocumentId("^".join(part for part in (root, extension) if part))
    except InvalidIdentifier:
        return None


def _read_status(root: Element, replaces: DocumentId | None) -> ReportStatus:
    if _one(root, "legalAuthenticator") is None and _one(root, "authenticator") is None:
        return ReportStatus.PRELIMINARY
    return ReportStatus.AMENDED if replaces is not None else ReportStatus.FINAL


def _read_created(root: Element) -> datetime:
    found = _one(root, "effectiveTime")
    value = _attribute(found, "value")
    try:
        return Timestamp.parse(value).at
    except InvalidTime as error:
        where = path_of(found if found is not None else root)
        raise DecodeError(where, error.found, error.expected, "CDA R2 4.2.1.7") from error


def _read_version(root: Element) -> int:
    value = _attribute(_one(root, "versionNumber"), "value")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 1


def _read_patient_ids(person: Element | None) -> Iterator[PatientId]:
    for ii in _all(person, "id"):
        try:
            yield PatientId(_attribute(ii, "extension"), Oid.parse(_attribute(ii, "root")))
        except InvalidIdentifier:
            continue  # an identifier nobody could search by; the others still name the patient


def _read_name(name: Element | None) -> HumanName | None:
    if name is None or name.get("nullFlavor"):
        return None
    family = " ".join(text_of(one) for one in _all(name, "family"))
    given = tuple(text_of(one) for one in _all(name, "given") if text_of(one))
    if not family and not given:
        plain = text_of(name)
        return HumanName(family=plain) if plain else None
    return HumanName(
        family=family,
        given=given,
        prefix=" ".join(text_of(one) for one in _all(name, "prefix")),
        suffix=" ".join(text_of(one) for one in _all(name, "suffix")),
    )


def _read_birth_date(patient: Element | None) -> date | None:
    try:
        found = Timestamp.parse(_attribute(_one(patient, "birthTime"), "value")[:8])
    except InvalidTime:
        return None
    return found.at.date() if found.precision >= Precision.DAY else None


def _read_gender(patient: Element | None) -> Gender | None:
    value = _attribute(_one(patient, "administrativeGenderCode"), "code")
    return next((gender for gender in Gender if gender.value == value), None)


def _read_organisation(element: Element | None) -> Organisation | None:
    name = text_of(_one(element, "name"))
    ii = _one(element, "id")
    found = Organisation(
        name=name, id=_attribute(ii, "extension"), authority=_attribute(ii, "root")
    )
    return found if found.name or found.id or found.authority else None


def _read_code(element: Element | None) -> Code | None:
    value = _attribute(element, "code")
    if not value:
        return None
    scheme = _attribute(element, "codeSystem") or _attribute(element, "codeSystemName")
    return Code(value, scheme, _attribute(element, "displayName"))


def _read_references(root: Element) -> Iterator[ReferenceId]:
    """Orders and accession numbers, then studies; an order of no stated kind is an accession."""
    for order in _all(root, "inFulfillmentOf/order"):
        code = _one(order, "code")
        kind = _KIND_OF_TYPE.get(_attribute(code, "code"))
        kind = kind or text_of(_one(code, "originalText")) or Kind.ACCESSION.value
        for ii in _all(order, "id"):
            value = _attribute(ii, "extension")
            authority = _attribute(ii, "root") or _attribute(ii, "assigningAuthorityName")
            yield from _reference(value, kind, authority)
    for ii in _all(root, "documentationOf/serviceEvent/id"):
        if not _attribute(ii, "extension"):
            yield from _reference(_attribute(ii, "root"), Kind.STUDY.value, "")


def _reference(value: str, kind: str, authority: str) -> Iterator[ReferenceId]:
    try:
        yield ReferenceId(value=value, kind=kind, authority=authority)
    except InvalidIdentifier:
        return  # an empty or broken identifier links to nothing


def _read_body(root: Element) -> tuple[bytes, tuple[ReportSection, ...]]:
    scanned = _one(root, "component/nonXMLBody/text")
    if scanned is not None:
        return _read_embedded(scanned), ()
    body = _one(root, "component/structuredBody")
    if body is None:
        raise DecodeError(path_of(root), "no body", "nonXMLBody or structuredBody", "CDA R2 4.3")
    sections = tuple(_read_sections(body))
    media = next(
        (
            value
            for value in body.iter(_HL7 + "value")
            if value.get("mediaType") == PDF and value.get("representation") == "B64"
        ),
        None,
    )
    return (b"" if media is None else _read_embedded(media)), sections


def _read_embedded(element: Element) -> bytes:
    where = path_of(element)
    if element.get("mediaType") not in (PDF, None) or element.get("representation") != "B64":
        found = f"{element.get('mediaType')} as {element.get('representation') or 'text'}"
        raise DecodeError(where, found[:100], f"{PDF} as B64", "ITI TF-3 5.2.3.9")
    try:
        data = base64.b64decode("".join(text_of(element).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(where, str(error), "base64", "ITI TF-3 5.2.3.9") from error
    if b"%PDF-" not in data[:1024]:
        raise DecodeError(where, "bytes that are no PDF", PDF, "ITI TF-3 5.2.3.9")
    return data


def _read_sections(body: Element) -> Iterator[ReportSection]:
    """Every section with a code, in document order, those inside other sections included."""
    for count, section in enumerate(body.iter(_HL7 + "section")):
        if count >= MAX_SECTIONS:
            raise DecodeError(path_of(body), f"over {MAX_SECTIONS} sections", "a report")
        code = _read_code(_one(section, "code"))
        if code is None:
            continue
        yield ReportSection(
            code=code if code.scheme else Code(code.value, LOINC, code.display),
            title=text_of(_one(section, "title")),
            text=_narrative(_one(section, "text")),
        )


def _narrative(block: Element | None) -> str:
    """The words of a narrative block, a line for each break, paragraph, list item and row."""
    if block is None:
        return ""
    pieces: list[str] = []
    for event, element in etree.iterwalk(block, events=("start", "end")):
        if event == "start":
            pieces.append("\n" if element.tag in _BREAKS else "")
            pieces.append(element.text or "")
        elif element is not block:
            pieces.append(element.tail or "")
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(lines).strip()
