"""Finds studies where a peer lists documents only: by the manifests that describe them.

A responding gateway over SOAP has no search for studies. Its list of documents names the study,
the modality and the date of every manifest, so the list is narrowed by what it knows, the
manifests that remain are read, and the filters decide again on what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain import (
    BadRequest,
    CallContext,
    Document,
    DocumentEntry,
    DocumentQuery,
    DocumentSource,
    ImagingManifest,
    Issue,
    Outcome,
    Refusal,
    Severity,
    StudyQuery,
    is_asked_for,
    read_content,
    refuse,
)
from gateway.domain.codes import FORMAT_KOS
from gateway.domain.ids import ReferenceId
from gateway.domain.selection import failing
from gateway.wire.dicom.kos_read import decode_manifest
from gateway.wire.problems import DecodeError

# More studies than that are a search nobody narrowed; every one is a document to be fetched.
MAX_MANIFESTS = 200
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
_LOT = 20


async def find_by_manifest(
    documents: DocumentSource, query: StudyQuery, context: CallContext
) -> Outcome[ImagingManifest]:
    """Studies as `StudySource.find_studies` gives them, from a source of documents.

    A manifest that cannot be fetched or read is an issue. Refuses with `TOO_MANY_RESULTS` where
    the list is too long to be read, and with `MISSING_PARAMETER` where no patient is known.
    """
    asked = _query(query, context)
    listed = await documents.find_documents(asked, context)
    # A peer may ignore the filter; a twin in another format is no manifest to be read here.
    rows = [entry for entry in listed.items if "format_codes" not in failing(asked, entry)]
    if len(rows) > MAX_MANIFESTS:
        text = f"{len(rows)} studies fit, at most {MAX_MANIFESTS} can be told; narrow it"
        raise refuse(Refusal.TOO_MANY_RESULTS, text)
    found: list[ImagingManifest] = []
    # That nothing fits is an answer, even where a peer is used to say so in words.
    issues = [each for each in listed.issues if each.refusal is not Refusal.NO_DOCUMENTS]
    for start in range(0, len(rows), _LOT):
        lot = rows[start : start + _LOT]
        outcome = await documents.retrieve_documents([entry.ref for entry in lot], context)
        issues.extend(outcome.issues)
        for document in _in_order(lot, outcome.items):
            try:
                data = await read_content(document.content, MAX_MANIFEST_BYTES)
                manifest = decode_manifest(data).items[0]
            except (DecodeError, ValueError) as error:
                issues.append(_unreadable(document, error))
                continue
            if is_asked_for(query, manifest):
                found.append(manifest)
            if len(found) == query.limit:
                return Outcome(tuple(found), tuple(issues))
    return Outcome(tuple(found), tuple(issues))


def _query(query: StudyQuery, context: CallContext) -> DocumentQuery:
    patient = query.patient or context.patient
    if patient is None:
        text = "studies are searched for by patient here"
        raise BadRequest(Refusal.MISSING_PARAMETER, text, subject="patient")
    references = (
        tuple(ReferenceId.of_study(uid) for uid in query.studies),
        tuple(replace(one, authority=one.authority or "%") for one in query.accessions),
    )
    return DocumentQuery(
        patient=patient,
        community=query.community,
        format_codes=(FORMAT_KOS,),
        event_codes=tuple(codes for codes in (query.modalities, query.regions) if codes),
        references=tuple(group for group in references if group),
        service_start=query.performed,
    )


def _in_order(entries: Sequence[DocumentEntry], documents: Sequence[Document]) -> list[Document]:
    """The documents in the order they were listed: newest first."""
    came = {document.ref: document for document in documents}
    return [came[entry.ref] for entry in entries if entry.ref in came]


def _unreadable(document: Document, error: Exception) -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED,
        text=f"the manifest {document.ref.document} cannot be read: {error}",
        severity=Severity.WARNING,
        subject=str(document.ref.document),
    )
