"""What our ebXML costs beside bare lxml: an ITI-38 answer of 500 entries, written and read.

    python bench/ebxml.py

`value` and `baseline` are CPU milliseconds, `ratio` the median over alternating pairs of runs.
Writing is compared with lxml building the very same bytes by `SubElement`; reading (lxml's parse
and our nouns) with lxml's parse and every slot, classification and identifier read into plain
dicts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from lxml import etree

from gateway.domain import (
    Author,
    Code,
    CommunityId,
    DocumentEntry,
    DocumentId,
    DocumentRef,
    EntryId,
    HumanName,
    Oid,
    Organisation,
    Outcome,
    PatientId,
    ReferenceId,
    ReferenceKind,
    ReturnType,
    Timestamp,
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
from gateway.wire.soap import hl7v2, xca_query
from gateway.wire.soap.ebxml import KIND_URNS, STATUS_URNS, Scheme
from gateway.wire.soap.refusals import ErrorStyle
from gateway.wire.xml import QUERY, RIM, RS

ENTRIES = 500
RUNS = 41
# A machine that was idle gives memory to a process slowly, to whoever needs more of it above all.
WARM_UP = 5
BOUND = 1.5
RESPONDER = CommunityId("2.999.1.1")

_TYPES = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def make_entries(count: int = ENTRIES) -> tuple[DocumentEntry, ...]:
    """Entries as full as a real list: 12 slots, 9 classifications, 2 identifiers each."""
    patient = PatientId("A-0001", Oid("2.999.1.2"))
    first = DocumentEntry(
        id=EntryId("urn:uuid:6f1d6b1e-0000-4000-8000-000000000000"),
        ref=DocumentRef(RESPONDER, Oid("2.999.1.3"), DocumentId("2.999.1.4.0")),
        patient=patient,
        version="1",
        mime_type="application/dicom",
        class_code=CLASS_IMAGES,
        type_code=TYPE_STUDY,
        format_code=FORMAT_KOS,
        facility_type=Code("XA", ISO_COUNTRY, "Country A"),
        practice_setting=Code("394914008", SCT, "Radiology"),
        confidentiality=(Code("N", CONFIDENTIALITY, "normal"),),
        event_codes=(Code("CT", DCM, "Computed Tomography"), Code("67734004", SCT, "Thorax")),
        language="en",
        source_patient=PatientId("L-55", Oid("2.999.1.9")),
        source_patient_info=("PID-5|Specimen^Anna^^^", "PID-7|19800102", "PID-8|F"),
        availability="urn:ihe:iti:2010:DocumentAvailability:Online",
    )
    entries = []
    for number in range(count):
        author = Author(
            name=HumanName(family=f"Papadaki-{number}", given=("Eleni",), prefix="Dr"),
            id=f"rad-{number}",
            id_authority="2.999.1.5",
            institutions=(Organisation(name="City & County", id="77", authority="2.999.1.6"),),
        )
        day = f"2026{number % 12 + 1:02}{number % 28 + 1:02}"
        entries.append(
            replace(
                first,
                id=EntryId(f"urn:uuid:6f1d6b1e-0000-4000-8000-{number:012x}"),
                ref=replace(first.ref, document=DocumentId(f"2.999.1.4.{number}")),
                title=f"CT Thorax Übersicht <{number}>",
                authors=(author,),
                created=Timestamp.parse(f"{day}103000"),
                service_start=Timestamp.parse(f"{day}0915"),
                service_stop=Timestamp.parse(f"{day}0930"),
                sha1=f"{number:040x}",
                size_bytes=30_000 + number,
                references=(
                    ReferenceId.of_study(Uid(f"2.999.1.7.{number}")),
                    ReferenceId(
                        value=f"ACC-{number}", kind=ReferenceKind.ACCESSION, authority="2.999.1.8"
                    ),
                ),
            )
        )
    return tuple(entries)


# --- bare lxml ------------------------------------------------------------------------------------


def _slot(parent: Any, name: str, *values: str) -> None:
    slot = etree.SubElement(parent, f"{{{RIM}}}Slot", name=name)
    listed = etree.SubElement(slot, f"{{{RIM}}}ValueList")
    for value in values:
        etree.SubElement(listed, f"{{{RIM}}}Value").text = value


def _name(parent: Any, text: str, language: str = "") -> None:
    name = etree.SubElement(parent, f"{{{RIM}}}Name")
    localized = etree.SubElement(name, f"{{{RIM}}}LocalizedString")
    if language:
        localized.set(_LANG, language)
    localized.set("charset", "UTF-8")
    localized.set("value", text)


def _classification(parent: Any, own_id: str, entry_id: str, scheme: str, node: str) -> Any:
    return etree.SubElement(
        parent,
        f"{{{RIM}}}Classification",
        {
            "id": own_id,
            "classifiedObject": entry_id,
            "classificationScheme": scheme,
            "nodeRepresentation": node,
            "objectType": _TYPES + "Classification",
        },
    )


def _entry(parent: Any, entry: DocumentEntry, inner: list[str]) -> None:
    ids = iter(inner)
    extrinsic = etree.SubElement(
        parent,
        f"{{{RIM}}}ExtrinsicObject",
        {
            "id": entry.id,
            "home": entry.ref.community.urn,
            "mimeType": entry.mime_type,
            "objectType": KIND_URNS[entry.kind],
            "status": STATUS_URNS[entry.status],
            "isOpaque": "false",
        },
    )
    assert entry.created
    assert entry.service_start
    assert entry.service_stop
    assert entry.source_patient
    _slot(extrinsic, "creationTime", entry.created.dtm)
    _slot(extrinsic, "hash", entry.sha1)
    _slot(extrinsic, "languageCode", entry.language)
    _slot(extrinsic, "repositoryUniqueId", entry.ref.repository)
    _slot(extrinsic, "serviceStartTime", entry.service_start.dtm)
    _slot(extrinsic, "serviceStopTime", entry.service_stop.dtm)
    _slot(extrinsic, "size", str(entry.size_bytes))
    _slot(extrinsic, "sourcePatientId", entry.source_patient.cx)
    _slot(extrinsic, "sourcePatientInfo", *entry.source_patient_info)
    _slot(extrinsic, "documentAvailability", entry.availability)
    references = [reference.cxi for reference in entry.references]
    _slot(extrinsic, "urn:ihe:iti:xds:2013:referenceIdList", *references)
    _name(extrinsic, entry.title, entry.language)
    etree.SubElement(extrinsic, f"{{{RIM}}}VersionInfo", versionName=entry.version)
    for author in entry.authors:
        classification = _classification(extrinsic, next(ids), entry.id, Scheme.AUTHOR, "")
        person = hl7v2.write_person(author.name, author.id, author.id_authority)
        _slot(classification, "authorPerson", person)
        organisations = [hl7v2.write_organisation(each) for each in author.institutions]
        _slot(classification, "authorInstitution", *organisations)
    codes = [(Scheme.CLASS, entry.class_code)]
    codes += [(Scheme.CONFIDENTIALITY, code) for code in entry.confidentiality]
    codes += [(Scheme.EVENT, code) for code in entry.event_codes]
    codes += [
        (Scheme.FORMAT, entry.format_code),
        (Scheme.FACILITY, entry.facility_type),
        (Scheme.PRACTICE, entry.practice_setting),
        (Scheme.TYPE, entry.type_code),
    ]
    for scheme, code in codes:
        classification = _classification(extrinsic, next(ids), entry.id, scheme, code.value)
        _slot(classification, "codingScheme", code.scheme)
        _name(classification, code.display)
    for scheme, name, value in (
        (Scheme.PATIENT_ID, "XDSDocumentEntry.patientId", entry.patient.cx),
        (Scheme.UNIQUE_ID, "XDSDocumentEntry.uniqueId", entry.ref.document),
    ):
        identifier = etree.SubElement(
            extrinsic,
            f"{{{RIM}}}ExternalIdentifier",
            {
                "id": next(ids),
                "registryObject": entry.id,
                "identificationScheme": scheme,
                "value": value,
                "objectType": _TYPES + "ExternalIdentifier",
            },
        )
        _name(identifier, name)


def build_with_lxml(entries: tuple[DocumentEntry, ...], inner: list[list[str]]) -> bytes:
    """The answer as an element tree; `inner` are the ids of the inner objects of each entry."""
    root = etree.Element(
        f"{{{QUERY}}}AdhocQueryResponse",
        {"status": "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"},
        nsmap={"query": QUERY, "rim": RIM, "rs": RS},
    )
    listed = etree.SubElement(root, f"{{{RIM}}}RegistryObjectList")
    for entry, ids in zip(entries, inner, strict=True):
        _entry(listed, entry, ids)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=False)


def inner_ids(data: bytes) -> list[list[str]]:
    """The ids of classifications and identifiers of each entry of an answer."""
    tags = (f"{{{RIM}}}Classification", f"{{{RIM}}}ExternalIdentifier")
    return [
        [child.get("id", "") for child in entry.iterchildren(*tags)]
        for entry in etree.fromstring(data).iter(f"{{{RIM}}}ExtrinsicObject")
    ]


def _slots_as_dict(parent: Any) -> dict[str, list[str]]:
    return {
        slot.get("name"): [value.text for value in slot.iter(f"{{{RIM}}}Value")]
        for slot in parent.iterchildren(f"{{{RIM}}}Slot")
    }


def _name_text(parent: Any) -> str:
    localized = parent.find(f"{{{RIM}}}Name/{{{RIM}}}LocalizedString")
    return "" if localized is None else localized.get("value")


def read_with_lxml(root: Any) -> list[dict[str, Any]]:
    """Every slot, classification and identifier as plain values."""
    rows = []
    for entry in root.iter(f"{{{RIM}}}ExtrinsicObject"):
        rows.append(
            {
                "attributes": dict(entry.attrib),
                "slots": _slots_as_dict(entry),
                "title": _name_text(entry),
                "classifications": [
                    {
                        "scheme": each.get("classificationScheme"),
                        "node": each.get("nodeRepresentation"),
                        "slots": _slots_as_dict(each),
                        "name": _name_text(each),
                    }
                    for each in entry.iterchildren(f"{{{RIM}}}Classification")
                ],
                "identifiers": {
                    each.get("identificationScheme"): each.get("value")
                    for each in entry.iterchildren(f"{{{RIM}}}ExternalIdentifier")
                },
            }
        )
    return rows


# --- the comparison -------------------------------------------------------------------------------


def _cpu_ms(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def _compare(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float, float]:
    # (ours, bare, ratio). Alternating, and the ratio taken pair by pair, so that a slow moment of
    # the machine falls on both.
    for _ in range(WARM_UP):
        ours(), bare()
    mine, theirs = [], []
    for _ in range(RUNS):
        mine.append(_cpu_ms(ours))
        theirs.append(_cpu_ms(bare))
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return median(mine), median(theirs), median(ratios)


def rows() -> list[dict[str, Any]]:
    """One row for each claim: what was measured, in CPU milliseconds, and whether it holds."""
    entries = make_entries()
    outcome = Outcome(entries)

    def encode() -> bytes:
        return xca_query.encode_response(
            outcome,
            return_type=ReturnType.LEAF_CLASS,
            responder=RESPONDER,
            style=ErrorStyle.IHE,
        )

    data = encode()
    ids = inner_ids(data)
    if build_with_lxml(entries, ids) != data:
        raise AssertionError("the baseline does not build the same bytes")
    if xca_query.decode_response(etree.fromstring(data)) != outcome:
        raise AssertionError("what was written is not read back")

    found = []
    for name, what, ours, bare in (
        (
            "ebxml-encode",
            f"ITI-38 answer of {ENTRIES} entries written, against lxml building the same bytes",
            encode,
            lambda: build_with_lxml(entries, ids),
        ),
        (
            "ebxml-decode",
            f"ITI-38 answer of {ENTRIES} entries parsed and read into nouns, against lxml's parse"
            " and plain dicts",
            lambda: xca_query.decode_response(etree.fromstring(data)),
            lambda: read_with_lxml(etree.fromstring(data)),
        ),
    ):
        mine, theirs, ratio = _compare(ours, bare)
        found.append(
            {
                "name": name,
                "what": what,
                "value": round(mine, 1),
                "baseline": round(theirs, 1),
                "bound": BOUND,
                "ratio": round(ratio, 2),
                "holds": ratio <= BOUND,
            }
        )
    return found


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row['name']}: {row['value']} ms against {row['baseline']} ms,"
            f" ratio {row['ratio']}, bound {row['bound']},"
            f" {'holds' if row['holds'] else 'BROKEN'}"
        )
