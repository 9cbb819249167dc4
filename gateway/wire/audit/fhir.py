"""`AuditEvent` to the FHIR R4 resource of that name, after IHE BALP (sent by ITI-20, FHIR feed).

What is told stands in `kinds`; this is how FHIR says it. Transactions over FHIR and DICOMweb
follow the Basic Audit Log Patterns: type `rest`, one code for the interaction and one for the
transaction. Transactions over SOAP are no RESTful operation: they keep the event and the action of
their DICOM message (IHE RESTful ATNA, mapping of ITI-20 messages), everything else being the same.

A profile is claimed where the resource meets it, and not otherwise: BALP's profiles fix outcome 0,
exactly one patient and exactly one document or study; a failure follows the same pattern and
claims none. What the answering side refused because of who asked or what the patient allowed is
a security alert (DCM 110113) that names the transaction as its subtype.

Of a token or an assertion only the id is told, never the token. A resource comes out whatever a
peer sent; nothing is read here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from gateway.domain.audit import AuditedDocument, AuditEvent, AuditOutcome, Side, Transaction
from gateway.domain.context import CallContext, PurposeOfUse
from gateway.domain.ids import CommunityId, InvalidIdentifier, Oid, PatientId
from gateway.domain.people import Organisation
from gateway.domain.refusals import KIND_OF, NotAllowed, Refusal
from gateway.wire.audit.kinds import (
    ALERT,
    IHE_TRANSACTIONS,
    INSTANCE_DETAIL,
    REPOSITORY_DETAIL,
    RESTRICTED,
    SERIES_DETAIL,
    UNKNOWN,
    Gateway,
    Study,
    answering,
    carried,
    documents_of,
    gateways,
    host_of,
    is_address,
    kind_of,
    outcome_description,
    patients_of,
    purpose_of,
    studies_of,
)
from gateway.wire.problems import EncodeError

Json = dict[str, Any]

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
TRANSACTION = "urn:ihe:event-type-code"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
URI = "urn:ietf:rfc:3986"
DICOM_UID = "urn:dicom:uid"
XCA = "urn:ihe:iti:xca:2010"
HOME_DETAIL = f"{XCA}:homeCommunityId"
JTI = "urn:ietf:params:oauth:jti:"

IHE = "https://profiles.ihe.net/ITI"
BALP = f"{IHE}/BALP/StructureDefinition/IHE.BasicAudit"
USER_AGENT = f"{IHE}/BALP/CodeSystem/UserAgentTypes"
BALP_ENTITY = f"{IHE}/BALP/CodeSystem/BasicAuditEntityType"
AUTHORISATION = f"{IHE}/BALP/CodeSystem/AuthZsubType"

_RESOURCE_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Rest:
    """A transaction over HTTP: its FHIR interaction, and each side's profile of it if IHE has one.

    The profiles build on BALP's: `needs_patient` where on those with a patient.
    """

    interaction: str
    consumer: str = ""
    answerer: str = ""
    needs_patient: bool = True


_RESTFUL: dict[Transaction, _Rest] = {
    Transaction.SEARCH_PATIENTS: _Rest(
        "search",
        f"{IHE}/PDQm/StructureDefinition/IHE.PDQm.Query.Audit.Consumer",
        f"{IHE}/PDQm/StructureDefinition/IHE.PDQm.Query.Audit.Supplier",
        needs_patient=False,
    ),
    Transaction.MATCH_PATIENTS: _Rest(
        "search",
        f"{IHE}/PDQm/StructureDefinition/IHE.PDQm.Match.Audit.Consumer",
        f"{IHE}/PDQm/StructureDefinition/IHE.PDQm.Match.Audit.Supplier",
        needs_patient=False,
    ),
    Transaction.SEARCH_DOCUMENTS: _Rest(
        "search",
        f"{IHE}/MHD/StructureDefinition/IHE.MHD.FindDocumentReferences.Audit.Consumer",
        f"{IHE}/MHD/StructureDefinition/IHE.MHD.FindDocumentReferences.Audit.Responder",
    ),
    Transaction.FETCH_DOCUMENT: _Rest(
        "read",
        f"{IHE}/MHD/StructureDefinition/IHE.MHD.RetrieveDocument.Audit.Consumer",
        f"{IHE}/MHD/StructureDefinition/IHE.MHD.RetrieveDocument.Audit.Responder",
    ),
    Transaction.FETCH_IMAGES: _Rest("read"),
    Transaction.SEARCH_STUDIES: _Rest("search"),
    Transaction.SEARCH_IMAGING_STUDIES: _Rest("search"),
    Transaction.VIEW_IMAGES: _Rest("read"),
}
# Where who asks is told by an access token; the one that is asked for is told by its id too.
_BY_TOKEN = frozenset({*_RESTFUL, Transaction.GET_TOKEN})
_PURPOSES = {
    PurposeOfUse.TREATMENT: ("TREAT", "treatment"),
    PurposeOfUse.EMERGENCY: ("ETREAT", "emergency treatment"),
}
# Which kind of decision it was, where a request was refused by one.
_DECISIONS = {
    Refusal.NO_CONSENT: ("AuthZ-Consent", "Authorization Decision using Roles and Consent"),
    **dict.fromkeys(
        (
            Refusal.INSUFFICIENT_RIGHTS,
            Refusal.NO_TREATMENT_RELATION,
            Refusal.TREATMENT_RELATION_MISMATCH,
        ),
        ("AuthZ-Role", "Authorization Decision using only Roles"),
    ),
}


def render_audit(event: AuditEvent, *, source_id: str, process_id: str = "") -> Json:
    """The event as an AuditEvent resource.

    `source_id` names the telling system to people; `process_id` is the alternative id of its own
    agent. Raises `EncodeError` for a time without a zone, which an instant must have.
    """
    if event.at.tzinfo is None:
        raise EncodeError("an audit event needs a time with its zone (FHIR R4 instant)")
    asker, answerer = gateways(event, process_id)
    own = asker if asker.tells else answerer
    resource: Json = {"resourceType": "AuditEvent"}
    if _RESOURCE_ID.fullmatch(event.id):
        resource["id"] = event.id
    resource |= _what_happened(event)
    resource["agent"] = [
        _agent(asker, source_id, requestor=event.context is None),
        *(_people(event, event.context) if event.context else ()),
        _agent(answerer, source_id, requestor=False),
    ]
    resource["source"] = {
        "site": str(event.community),
        "observer": _who(own, source_id),
        "type": [_coding(SOURCE_TYPE, "4", "Application Server")],
    }
    if entities := _entities(event):
        resource["entity"] = entities
    if profiles := _profiles(event, resource):
        resource["meta"] = {"profile": profiles}
    return resource


def _what_happened(event: AuditEvent) -> Json:
    kind = kind_of(event)
    told = kind.told(event.side)
    rest = _RESTFUL.get(event.transaction) if event.transaction else None
    subtypes = []
    if _is_alert(event):
        event_type = _dicom(ALERT)
        if event.refusal in _DECISIONS:
            subtypes.append(_coding(AUTHORISATION, *_DECISIONS[event.refusal]))
    elif rest:
        event_type = _coding(EVENT_TYPE, "rest", "Restful Operation")
    else:
        event_type = _dicom(told.event)
    if event.transaction is None:
        subtypes.append(_dicom(RESTRICTED))
    elif kind.coded_by == IHE_TRANSACTIONS:  # what others name has the interaction alone
        subtypes.append(_coding(TRANSACTION, event.transaction.value, kind.name))
    if rest:
        subtypes.append(_coding(INTERACTION, rest.interaction, rest.interaction))
    found: Json = {
        "type": event_type,
        "subtype": subtypes,
        "action": ("R" if kind.retrieves else "E") if rest else told.action,
        "recorded": event.at.isoformat(timespec="milliseconds"),
        "outcome": str(event.outcome.value),
    }
    if description := _text(outcome_description(event)):
        found["outcomeDesc"] = description
    if purpose := purpose_of(event):
        found["purposeOfEvent"] = [_purpose(purpose)]
    return found


def _is_alert(event: AuditEvent) -> bool:
    """Whether the answering side refused who asked, or was asked what it does not offer."""
    if event.transaction is None:
        return True
    refused = event.refusal is not None and KIND_OF[event.refusal] is NotAllowed
    return refused and event.side is Side.RESPONDER


def _agent(gateway: Gateway, source_id: str, *, requestor: bool) -> Json:
    agent: Json = {"type": _concept(_dicom(gateway.role)), "who": _who(gateway, source_id)}
    if alternative := _text(gateway.alternative):
        agent["altId"] = alternative
    agent["requestor"] = requestor
    agent["network"] = _network(gateway)
    return agent


def _who(gateway: Gateway, source_id: str) -> Json:
    who: Json = {"identifier": {"value": _text(gateway.endpoint) or UNKNOWN}}
    if gateway.tells and (name := _text(source_id)):
        who["display"] = name
    return who


def _network(gateway: Gateway) -> Json:
    host = _text(gateway.host)
    if not host:
        return {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    # The port of a peer that calls says nothing; the address it called by is a whole URL.
    if "//" in gateway.endpoint and host == host_of(gateway.endpoint):
        return {"address": _text(gateway.endpoint), "type": "5"}
    return {"address": host, "type": "2" if is_address(host) else "1"}


def _people(event: AuditEvent, context: CallContext) -> list[Json]:
    """Who asked, of which organisation, for which community."""
    person = context.professional
    issuer = context.issuer or context.asking.urn
    codings = [_coding(PARTICIPATION, "IRCP", "information recipient")]
    user: Json = {"type": {"coding": codings}}
    if role := _text(person.role.value):
        user["role"] = [_concept(_coding(_system(person.role.scheme), role, person.role.display))]
    user["who"] = {"identifier": {"system": _uri(issuer), "value": _text(person.id) or UNKNOWN}}
    if name := _text(person.name.full):
        user["name"] = name
    user["requestor"] = True
    if context.assertion_ids:
        restful = event.transaction in _BY_TOKEN
        codings.append(_coding(USER_AGENT, "UserOauthAgent" if restful else "UserSamlAgent", ""))
        user["policy"] = [_uri(f"{JTI if restful else ''}{id}") for id in context.assertion_ids]
    if purpose := purpose_of(event):
        user["purposeOfUse"] = [_purpose(purpose)]
    agents = [user]
    if organisation := _organisation(person.organisation):
        care = _coding(ROLE_CLASS, "PROV", "healthcare provider")
        agents.append({"type": _concept(care), "who": organisation, "requestor": False})
    home = _coding(XCA, "homeCommunityId", "")
    identifier = {"type": _concept(home), "system": URI, "value": context.asking.urn}
    agents.append({"type": _concept(home), "who": {"identifier": identifier}, "requestor": False})
    return agents


def _organisation(organisation: Organisation) -> Json:
    who: Json = {}
    authority = _system(organisation.authority)
    if id := _text(organisation.id):
        who["identifier"] = {"system": authority, "value": id} if authority else {"value": id}
    elif authority:
        who["identifier"] = {"system": URI, "value": authority}
    if name := _text(organisation.name):
        who["display"] = name
    return who


def _entities(event: AuditEvent) -> list[Json]:
    entities = [_patient(patient) for patient in patients_of(event)]
    if event.transaction and not kind_of(event).retrieves:
        entities.append(_query(event))
    entities += [_document(event, document) for document in documents_of(event)]
    entities += [_study(event, study) for study in studies_of(event)]
    home = answering(event)
    if event.transaction and home is not None:
        entities.append(_community(home))
    if request := _text(event.message_id):
        entities.append(
            {
                "what": {"identifier": {"value": request}},
                "type": _coding(BALP_ENTITY, "XrequestId", ""),
            }
        )
    return entities


def _patient(patient: PatientId) -> Json:
    identifier = {"system": patient.authority.urn, "value": _text(patient.value) or UNKNOWN}
    return _entity("1", "1", what={"type": "Patient", "identifier": identifier})


def _query(event: AuditEvent) -> Json:
    told: Json = {}
    if query_id := _text(event.query_id):
        told["description"] = query_id
    if event.query:
        told["query"] = b64encode(event.query).decode()
    return _entity("2", "24", **told)


def _document(event: AuditEvent, document: AuditedDocument) -> Json:
    try:
        identifier = {"system": URI, "value": Oid(document.document).urn}
    except InvalidIdentifier:
        identifier = {"value": _text(document.document) or UNKNOWN}
    what: Json = {"identifier": identifier}
    if reference := _address_of(event):
        what = {"reference": reference, **what}
    detail = _details((REPOSITORY_DETAIL, document.repository), (HOME_DETAIL, _home(document)))
    return _entity("2", "3", what=what, detail=detail)


def _study(event: AuditEvent, study: Study) -> Json:
    homes = dict.fromkeys(map(_home, study.kept))
    if not homes and (home := answering(event)) is not None:
        homes = {home.urn: None}
    detail = _details(
        *((SERIES_DETAIL, series) for series in study.series),
        *((INSTANCE_DETAIL, image.instance) for image in study.images),
        *((REPOSITORY_DETAIL, each) for each in dict.fromkeys(d.repository for d in study.kept)),
        *((HOME_DETAIL, home) for home in homes),
    )
    identifier = {"system": DICOM_UID, "value": f"urn:oid:{study.uid}"}
    return _entity(
        "2", "3", what={"identifier": identifier}, **({"detail": detail} if detail else {})
    )


def _community(home: CommunityId) -> Json:
    """The community that was asked: BALP allows a query no details, where DICOM tells it."""
    what = {"identifier": {"system": URI, "value": home.urn}}
    return {
        "what": what,
        "type": _coding(ENTITY_TYPE, "3", "Organization"),
        "description": HOME_DETAIL,
    }


def _entity(type_code: str, role: str, **told: Any) -> Json:
    types = {"1": "Person", "2": "System Object"}
    roles = {"1": "Patient", "3": "Report", "24": "Query"}
    found: Json = {"what": told.pop("what")} if "what" in told else {}
    found["type"] = _coding(ENTITY_TYPE, type_code, types[type_code])
    found["role"] = _coding(OBJECT_ROLE, role, roles[role])
    return found | told


def _details(*told: tuple[str, str]) -> list[Json]:
    return [{"type": name, "valueString": _text(value)} for name, value in told]


def _home(document: AuditedDocument) -> str:
    return document.community.urn


def _address_of(event: AuditEvent) -> str:
    """The URL a document was fetched from, out of the request line; "" where there is none."""
    if event.transaction is not Transaction.FETCH_DOCUMENT:
        return ""
    line = event.query.split(b"\n", 1)[0].decode("utf-8", "replace")
    method, _, target = line.partition(" ")
    if method != "GET" or not target:
        return ""
    try:
        return _uri(urljoin(event.destination_endpoint, target))
    except ValueError:  # an endpoint that is no URL
        return ""


def _profiles(event: AuditEvent, resource: Json) -> list[str]:
    """The profiles the resource meets."""
    found = []
    rest = _RESTFUL.get(event.transaction) if event.transaction else None
    if rest and event.outcome is AuditOutcome.SUCCESS and _is_whole(event, resource):
        patients = len(patients_of(event))
        if patients == 1 or not rest.needs_patient:
            own = rest.consumer if event.side is Side.INITIATOR else rest.answerer
            found += [own] if own else []
        pattern = "Read" if kind_of(event).retrieves else "Query"
        found.append(f"{BALP}.{'Patient' if patients == 1 else ''}{pattern}")
    if event.context and len(event.context.assertion_ids) == 1:
        carrier = "OAUTH" if event.transaction in _BY_TOKEN else "SAML"
        found.append(f"{BALP}.{carrier}accessTokenUse.Minimal")
    return found


def _is_whole(event: AuditEvent, resource: Json) -> bool:
    """Whether there is exactly one query, document or study, and what has to be said of it."""
    objects = [each for each in resource.get("entity", ()) if each["type"]["code"] == "2"]
    if len(objects) != 1:
        return False
    if event.transaction is Transaction.FETCH_DOCUMENT:
        return "reference" in objects[0]["what"]
    return kind_of(event).retrieves or "query" in objects[0]


def _purpose(purpose: PurposeOfUse) -> Json:
    return _concept(_coding(REASON, *_PURPOSES[purpose]))


def _dicom(coded: tuple[str, str, str]) -> Json:
    code, _, words = coded
    return _coding(DICOM, code, words)


def _concept(coding: Json) -> Json:
    return {"coding": [coding]}


def _coding(system: str, code: str, display: str) -> Json:
    found = {"system": system} if system else {}
    found["code"] = code
    if shown := _text(display):
        found["display"] = shown
    return found


def _system(scheme: str) -> str:
    """A code system or an assigning authority as a URI; "" where there is none."""
    try:
        return Oid(scheme).urn
    except InvalidIdentifier:
        return _uri(scheme)


def _uri(text: str) -> str:
    """A text where FHIR wants a URI, which has no white space."""
    return _text(text).replace(" ", "%20")


def _text(text: str) -> str:
    """A text as FHIR carries one: on one line, not blank, nothing around it."""
    return carried(text).strip()
