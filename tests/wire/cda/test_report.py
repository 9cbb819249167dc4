"""The report as a clinical document: what it says, and that it reads back."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import (
    Code,
    DocumentId,
    HumanName,
    Oid,
    Organisation,
    PatientId,
    ReferenceId,
    ReferenceKind,
    Uid,
)
from gateway.domain.codes import LOINC, SCT
from gateway.domain.people import Gender
from gateway.domain.reports import ImagingReport, ReportSection, ReportStatus
from gateway.wire.cda.report import decode_report, encode_report
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import HL7, parse_xml

PDF = b"%PDF-1.7\nnot much of a page\n%%EOF\n"
STUDY = ReferenceId.of_study(Uid("2.999.10.1"))
ACCESSION = ReferenceId(value="ACC-1", kind=ReferenceKind.ACCESSION, authority="2.999.1.4")
ORDER = ReferenceId(value="ORD-1", kind=ReferenceKind.ORDER, authority="2.999.1.5")


def make_report(**changes: object) -> ImagingReport:
    """A signed report on one study, as a PDF."""
    report = ImagingReport(
        id=DocumentId("2.999.30.1"),
        status=ReportStatus.FINAL,
        title="CT of head <urgent> & more",
        language="pl-PL",
        created=datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=1))),
        patient_ids=(PatientId("A-0001", Oid("2.999.1.2")), PatientId("N1", Oid("2.999.1.3"))),
        patient_name=HumanName(family="Żak", given=("Anna", "Maria"), prefix="dr"),
        birth_date=date(1980, 2, 29),
        gender=Gender.FEMALE,
        author=HumanName(family="Writer", given=("Will",)),
        author_id="DOC-7",
        author_authority="2.999.1.7",
        organisation=Organisation(name="Hospital & sons", id="H1", authority="2.999.1.6"),
        procedure=Code("303653007", SCT, "CT of head"),
        references=(ACCESSION, ORDER, STUDY),
        presented=PDF,
    )
    return replace(report, **changes)  # type: ignore[arg-type]


SECTIONS = (
    ReportSection(
        code=Code("59776-5", LOINC, "Findings"), title="Opis", text="Line one\nLine <two> & three"
    ),
    ReportSection(code=Code("19005-8", LOINC, "Impression"), title="Wnioski", text="Normal."),
)


def test_pdf_travels_in_a_level_one_document() -> None:
    """A report with a PDF is its envelope: scanned document template, non-XML body."""
    data = encode_report(make_report(sections=SECTIONS))

    root = parse_xml(data)
    assert root.tag == f"{{{HL7}}}ClinicalDocument"
    assert b'templateId root="1.3.6.1.4.1.19376.1.2.20"' in data
    text = root.find(f"{{{HL7}}}component/{{{HL7}}}nonXMLBody/{{{HL7}}}text")
    assert text is not None
    assert (text.get("mediaType"), text.get("representation")) == ("application/pdf", "B64")
    assert base64.b64decode(text.text or "") == PDF
    assert decode_report(data) == make_report()


def test_header_elements_stand_in_the_order_of_the_schema() -> None:
    """The header's sequence is fixed by CDA Release 2."""
    root = parse_xml(encode_report(make_report(replaces=DocumentId("2.999.30.0"), version=2)))

    names = [str(child.tag).split("}")[1] for child in root]
    assert names == [
        *("typeId", "templateId", "id", "code", "title", "effectiveTime"),
        *("confidentialityCode", "languageCode", "setId", "versionNumber", "recordTarget"),
        *("author", "custodian", "legalAuthenticator", "inFulfillmentOf", "inFulfillmentOf"),
        *("documentationOf", "relatedDocument", "component"),
    ]


@pytest.mark.parametrize("presented", [b"", PDF])
def test_sections_travel_in_a_structured_body(presented: bytes) -> None:
    """Headed sections come back with their line breaks, the PDF beside them."""
    report = make_report(sections=SECTIONS, presented=presented)

    assert decode_report(encode_report(report, structured=True)) == report


def test_report_without_pdf_is_structured_by_itself() -> None:
    """With nothing but sections the body is structured."""
    report = make_report(sections=SECTIONS, presented=b"")

    assert b"<structuredBody>" in encode_report(report)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": ReportStatus.PRELIMINARY},
        {"status": ReportStatus.AMENDED, "replaces": DocumentId("2.999.30.0"), "version": 2},
        {"id": DocumentId("2.999.30.1^ext 1"), "references": ()},
        {"id": DocumentId("urn:uuid:0b0f8a3c-7d0e-4a6e-9d43-0d1f0e2f3a4b")},
        {"author": None, "author_id": "", "author_authority": "", "organisation": None},
        {"birth_date": None, "gender": None, "procedure": None, "patient_ids": ()},
        {"references": (ReferenceId(value="R", kind=ReferenceKind.REFERRAL, authority="NAME"),)},
        {"organisation": Organisation(name="", authority="2.999.9")},
    ],
)
def test_every_kind_of_header_reads_back(changes: dict[str, object]) -> None:
    """Status, versions, odd ids and missing people survive the way there and back."""
    report = make_report(**changes)

    assert decode_report(encode_report(report)) == report


def test_set_of_versions_has_one_id() -> None:
    """The set is named by the caller, by the version replaced, or by the first version."""
    later = make_report(replaces=DocumentId("2.999.30.0"), version=2)

    assert b'<setId root="2.999.30.1"/>' in encode_report(make_report())
    assert b'<setId root="2.999.30.0"/>' in encode_report(later)
    assert b'<setId root="2.999.7"/>' in encode_report(later, set_id=DocumentId("2.999.7"))


def test_report_with_nothing_to_carry_is_refused() -> None:
    """There must be a PDF or a section, whichever the form needs."""
    with pytest.raises(EncodeError):
        encode_report(make_report(presented=b""))
    with pytest.raises(EncodeError):
        encode_report(make_report(), structured=True)


FOREIGN = """<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:x="urn:x">
  <id root="2.999.5" extension="doc-1" assigningAuthorityName="Somewhere"/>
  <code code="18748-4" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Befund</title><effectiveTime value="20240522"/><languageCode code="de-AT"/>
  <recordTarget><patientRole><id nullFlavor="NI"/><id root="2.999.6" extension="77"/>
    <patient><name><given>Eva</given><family qualifier="BR">Muster</family>
      <family>Mann</family></name><birthTime value="1950"/></patient></patientRole></recordTarget>
  <custodian><assignedCustodian><representedCustodianOrganization><id root="2.999.8"/>
    <name>Spital</name></representedCustodianOrganization></assignedCustodian></custodian>
  <inFulfillmentOf><order><id root="2.999.9" extension="A77"/></order></inFulfillmentOf>
  <component><structuredBody><component><section>
    <code code="18782-3" codeSystem="2.16.840.1.113883.6.1"/><title>Text</title>
    <text>before <paragraph>one <content>two</content> three</paragraph>
      <list><item>four</item><item>five</item></list> after</text>
    <x:extra/></section></component></structuredBody></component>
</ClinicalDocument>"""


def test_foreign_document_is_read_for_what_it_has() -> None:
    """Other templates, partial dates, unnamed orders and nested narrative are understood."""
    report = decode_report(FOREIGN.encode())

    assert report.id == "2.999.5^doc-1"
    assert report.status is ReportStatus.PRELIMINARY
    assert report.created == datetime(2024, 5, 22, tzinfo=UTC)
    assert report.patient_ids == (PatientId("77", Oid("2.999.6")),)
    assert report.patient_name == HumanName(family="Muster Mann", given=("Eva",))
    assert report.birth_date is None
    assert report.organisation == Organisation(name="Spital", authority="2.999.8")
    assert report.references == (
        ReferenceId(value="A77", kind=ReferenceKind.ACCESSION, authority="2.999.9"),
    )
    assert [line for line in report.sections[0].text.split("\n") if line] == [
        *("before", "one two three", "four", "five after")
    ]
    assert report.presented == b""


def spoilt(old: str, new: str) -> bytes:
    """Our document with one thing changed."""
    data = encode_report(make_report()).decode()
    assert old in data
    return data.replace(old, new, 1).encode()


ENCODED = base64.b64encode(PDF).decode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7", "XML"),
        (b"<a/>", "ClinicalDocument"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "no usable id"),
        (spoilt('<effectiveTime value="2026', '<effectiveTime value="MMXX'), "effectiveTime"),
        (spoilt("nonXMLBody>", "otherBody>").replace(b"/nonXML", b"/other"), "no body"),
        (spoilt(ENCODED, "%%%%"), "base64"),
        (spoilt(ENCODED, base64.b64encode(b"GIF89a").decode()), "no PDF"),
        (spoilt('representation="B64"', 'representation="TXT"'), "as B64"),
        (spoilt("<ClinicalDocument", "<!DOCTYPE x []><ClinicalDocument"), "DOCTYPE"),
    ],
)
def test_broken_documents_are_refused_with_the_place(data: bytes, reason: str) -> None:
    """Each error says what was found where."""
    with pytest.raises(DecodeError, match=reason):
        decode_report(data)


def test_nothing_but_decode_errors_escapes_from_damaged_documents() -> None:
    """Seeded damage is read or refused."""
    dice = random.Random(3)
    report = make_report(sections=SECTIONS)
    sources = [encode_report(report), encode_report(report, structured=True), FOREIGN.encode()]
    for _ in range(120):
        data = bytearray(dice.choice(sources))
        for _ in range(dice.randint(1, 5)):
            place = dice.randrange(len(data))
            data[place : place + dice.randint(0, 9)] = dice.randbytes(dice.randint(0, 3))
        try:
            decode_report(bytes(data))
        except DecodeError:
            continue


words = st.text("abc ąЖ<>&\"'\n", min_size=1, max_size=30).map(lambda text: " ".join(text.split()))


@settings(max_examples=40, deadline=None)
@given(
    title=words,
    text=st.lists(words.filter(bool), min_size=1, max_size=3).map("\n".join),
    name=words.filter(bool),
    body=st.binary(max_size=200),
    minutes=st.integers(-720, 840),
    version=st.integers(1, 99),
)
def test_every_report_reads_back_as_it_was(
    title: str, text: str, name: str, body: bytes, minutes: int, version: int
) -> None:
    """Any words, any bytes of the PDF, any offset."""
    report = make_report(
        title=title,
        created=datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=minutes))),
        patient_name=HumanName(family=name, given=(name,)),
        version=version,
        sections=(ReportSection(code=Code("59776-5", LOINC), title=title, text=text),),
        presented=b"%PDF-" + body,
    )

    assert decode_report(encode_report(report, structured=True)) == report
