"""Visits, documents and images as the JSON of the portal API shows them."""

from __future__ import annotations

from typing import Any

from country_b.image_progress import issue_view
from country_b.initiator import RetrievedDocument
from country_b.kept import KeptDocument, KeptInstance
from country_b.presentation import manifest_view
from country_b.session import NEXT_ACTION, STEPS, JournalLine, Session
from country_b.stored import pack
from gateway.domain import PatientIdentity


def session_view(session: Session, journal: tuple[JournalLine, ...]) -> dict[str, Any]:
    """A visit: where it stands, what comes next, and its journal."""
    following = NEXT_ACTION.get(session.state)
    professional, authentication = session.professional, session.authentication
    return {
        "id": session.id,
        "state": session.state.value,
        "next": None
        if following is None
        else {"action": following.value, "step": STEPS[following][0], "name": STEPS[following][1]},
        "opened_at": session.opened_at.isoformat(),
        "professional": None
        if professional is None
        else {
            "name": professional.name.full,
            "role": pack(professional.role),
            "organisation": professional.organisation.name,
            "permissions": list(professional.permissions),
        },
        "authentication": None
        if authentication is None
        else {"method": authentication.method, "at": authentication.at.isoformat()},
        "information": None
        if session.informed_at is None
        else {"text_version": session.information_version, "at": session.informed_at.isoformat()},
        "purpose": None if session.purpose is None else session.purpose.value,
        "community": session.community,
        "way": session.way,
        "patient": None if session.patient is None else identity_view(session.patient),
        "use_note": session.use_note,
        "closed_at": None if session.closed_at is None else session.closed_at.isoformat(),
        "retention_note": session.retention_note,
        "steps": [{**pack(line), "name": STEPS[line.action][1]} for line in journal],
    }


def identity_view(identity: PatientIdentity) -> dict[str, Any]:
    """A patient as the other country knows them."""
    return {
        "patient": _id_view(identity.id),
        "community": str(identity.community),
        "names": [{"family": name.family, "given": list(name.given)} for name in identity.names],
        "birth_date": None if identity.birth_date is None else identity.birth_date.isoformat(),
        "gender": None if identity.gender is None else identity.gender.value,
        "address": pack(identity.address),
        "other_ids": [_id_view(other) for other in identity.other_ids],
        "match_degree": identity.match_degree,
    }


def _id_view(patient: Any) -> dict[str, str]:
    return {"value": patient.value, "authority": str(patient.authority)}


def retrieved_view(item: RetrievedDocument, *, viewer: bool = False) -> dict[str, Any]:
    """A document that came or did not: good, set-aside or missing.

    `viewer` is whether the other country opens viewers on request; a manifest may name one too.
    """
    status = "good" if item.problem is None else "missing" if item.kept is None else "set-aside"
    kept = item.kept
    return {
        "id": str(item.id),
        "status": status,
        "mime_type": "" if kept is None else kept.mime_type,
        "sha256": "" if kept is None else kept.sha256,
        "size_bytes": None if kept is None else kept.size_bytes,
        "problem": None if item.problem is None else issue_view(item.problem),
        "manifest": None if item.manifest is None else manifest_view(item.manifest),
        "studies": list(item.entry.studies),
        "viewer": bool(item.entry.studies)
        and (viewer or (item.manifest is not None and bool(item.manifest.viewer_url))),
        "warnings": [issue_view(issue) for issue in item.warnings],
    }


def kept_document_view(item: KeptDocument) -> dict[str, Any]:
    """A document in the store."""
    return {
        "id": str(item.ref.document),
        "mime_type": item.mime_type,
        "study": item.study,
        "sha256": item.sha256,
        "size_bytes": item.size_bytes,
        "at": item.at.isoformat(),
        "problem": item.problem,
        "retention": item.retention,
    }


def kept_instance_view(item: KeptInstance) -> dict[str, Any]:
    """An image in the store."""
    return {
        "study": str(item.ref.study),
        "series": str(item.ref.series),
        "instance": str(item.ref.instance),
        "transfer_syntax": item.transfer_syntax,
        "derived": item.derived,
        "sha256": item.sha256,
        "size_bytes": item.size_bytes,
        "at": item.at.isoformat(),
        "problem": item.problem,
        "retention": item.retention,
    }
