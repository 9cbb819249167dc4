"""ITI-55 answers as the initiating gateway reads them: patients, nobody, or why not.

What an answer means is decided by what is there, in this order: patients; then the reason given
(`reasonOf`) and the details of the acknowledgement, the more telling code first; then the bare
response codes. It has to be so: live peers mark a success AE, tell "no match" as an error, and
leave codes out. Clauses: ITI TF-2 3.55.4.2.2 (content), 3.55.4.2.3 (the five cases).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.domain import (
    CommunityId,
    Issue,
    Outcome,
    PatientId,
    PatientIdentity,
    Refusal,
    Severity,
    refuse,
)
from gateway.wire.problems import DecodeError
from gateway.wire.soap.foreign_codes import is_specific, refusal_of_code
from gateway.wire.soap.hl7v3 import (
    attribute,
    child,
    children,
    is_null,
    limited,
    need,
    read_address,
    read_date,
    read_gender,
    read_name,
    read_oid,
    read_patient_id,
    read_percent,
    read_telecom,
    tag,
)
from gateway.wire.soap.xcpd_wrapper import ACKNOWLEDGEMENT, RESPONSE, WANTED_TRAITS
from gateway.wire.xml import Element, name_of, path_of, quoted, text_of

MAX_PATIENTS: Final = 500  # nobody chooses among more; a peer that sends them did not filter
MAX_DETAILS: Final = 50
MAX_TEXT: Final = 1000  # peers put stack traces into the text of an error

_TRAIT_OF = {code: trait for trait, code in WANTED_TRAITS.items()} | {
    "LivingSubjectBirthPlaceAddressRequested": "birth_place"
}
_SEVERITIES = {"E": Severity.ERROR}  # W, I and none are not worse than a warning

# What the bare codes mean when nothing else is said, the first that is there decides.
_BARE_CODES: dict[str, Refusal] = {
    "QE": Refusal.MALFORMED_REQUEST,
    "AE": Refusal.BACK_END_DOWN,
    "AR": Refusal.UNSUPPORTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    """One acknowledgementDetail: its code, its text for people, and how grave it is."""

    code: str
    text: str
    severity: Severity


def decode_response(body: Element) -> Outcome[PatientIdentity]:
    """The patients of an answer, each an item; none when nobody matches.

    A patient who cannot be read beside one who can is an issue. Raises `ExchangeError` when the
    peer refused or wants more traits (`subject` names them by the fields of `PatientTraits`),
    and `DecodeError` when the answer cannot be used.
    """
    if body.tag == tag(ACKNOWLEDGEMENT):
        raise _refused_acknowledgement(body)
    if body.tag != tag(RESPONSE):
        raise DecodeError("body", quoted(name_of(body)), f"hl7:{RESPONSE}", "ITI TF-2 3.55.4.2")
    details = _details(body)
    act = child(body, "controlActProcess")
    subjects = limited(children(act, "subject"), body, MAX_PATIENTS)
    if any(child(subject, "registrationEvent") is not None for subject in subjects):
        return _identities(body, subjects, details)
    return _nobody(body, act, details)


def _details(body: Element) -> tuple[_Detail, ...]:
    acknowledgement = child(body, "acknowledgement")
    found = limited(children(acknowledgement, "acknowledgementDetail"), body, MAX_DETAILS)
    return tuple(
        _Detail(
            code=attribute(child(detail, "code"), "code")[:MAX_TEXT],
            text=_text(detail),
            severity=_SEVERITIES.get(attribute(detail, "typeCode"), Severity.WARNING),
        )
        for detail in found
    )


def _text(detail: Element) -> str:
    """The text and the locations of a detail: peers tell the reason in either."""
    parts = (child(detail, "text"), *limited(children(detail, "location"), detail))
    return " ".join(" ".join(text_of(part).split()) for part in parts if text_of(part))[:MAX_TEXT]


# --- nobody ---------------------------------------------------------------------------------------


def _nobody(
    body: Element, act: Element | None, details: tuple[_Detail, ...]
) -> Outcome[PatientIdentity]:
    """No patient: nobody matches, or the reason why not, raised (3.55.4.2.3, cases 3 to 5)."""
    reasons, text = _reasons(act)
    query_ack = child(act, "queryAck")
    bare = [
        attribute(child(query_ack, "queryResponseCode"), "code"),
        attribute(child(body, "acknowledgement", "typeCode"), "code"),
    ]
    errors = tuple(detail for detail in details if detail.severity is Severity.ERROR)
    if not (reasons or errors or any(bare)):
        raise DecodeError(
            path_of(body), "neither a patient nor a code", "a subject or a queryResponseCode"
        )
    failed = next((_BARE_CODES[code] for code in bare if code in _BARE_CODES), None)
    if not reasons and not errors and failed is None:
        return Outcome(issues=_issues(details))
    texts = [detail.text for detail in details if detail.text] + [text] * bool(text)
    said = " ".join(texts)[:MAX_TEXT]
    # A peer that marks its details as warnings and its answer as failed means the details.
    codes = [detail.code for detail in errors or details if detail.code]
    refusal, code = _verdict(codes, reasons, said)
    if refusal is None:
        refusal = failed or Refusal.PEER_MISBEHAVED
    if refusal is Refusal.UNKNOWN_PATIENT:
        said = said or "No patient matches."
        issue = Issue(refusal=refusal, text=said, severity=Severity.WARNING, code=code)
        return Outcome(issues=(issue,))
    traits = dict.fromkeys(_TRAIT_OF[reason] for reason in reasons if reason in _TRAIT_OF)
    raise refuse(
        refusal,
        said or f"The other side refused: {quoted(code or ' '.join(filter(None, bare)))}.",
        subject=",".join(traits),
        code=code or next(filter(None, bare), ""),
    )


def _reasons(act: Element | None) -> tuple[list[str], str]:
    """The reason codes, refusals before requests for more, and what the issue says in words."""
    refusals: list[str] = []
    wishes: list[str] = []
    texts: list[str] = []
    if act is None:
        return [], ""
    for reason in limited(children(act, "reasonOf"), act, MAX_DETAILS):
        for event in limited(children(reason, "detectedIssueEvent"), act, MAX_DETAILS):
            texts.append(text_of(child(event, "text")))
            for found, place, inner in (
                (refusals, "mitigatedBy", "detectedIssueManagement"),
                (wishes, "triggerFor", "actOrderRequired"),
            ):
                for link in limited(children(event, place), act, MAX_DETAILS):
                    found.append(attribute(child(link, inner, "code"), "code")[:MAX_TEXT])
    return [code for code in refusals + wishes if code], " ".join(filter(None, texts))[:MAX_TEXT]


def _verdict(codes: list[str], reasons: list[str], text: str) -> tuple[Refusal | None, str]:
    """Which of several codes tells why, and what it means; None without any code.

    A specific code before an unspecific one, a detail before a reason; of unspecific codes the
    one that says more than "something failed"; unknown codes last, kept as they are.
    """
    all_codes = codes + reasons
    for code in all_codes:
        if is_specific(code):
            return refusal_of_code(code, text), code
    meanings = [(refusal_of_code(code, text), code) for code in all_codes]
    for dull in (
        {Refusal.PEER_MISBEHAVED, Refusal.BACK_END_DOWN},
        {Refusal.PEER_MISBEHAVED},
        set[Refusal](),
    ):
        telling = [meaning for meaning in meanings if meaning[0] not in dull]
        if telling:
            return telling[0]
    return None, ""


def _issues(details: tuple[_Detail, ...]) -> tuple[Issue, ...]:
    """Details beside an answer that stands, as issues."""
    return tuple(
        Issue(
            refusal=refusal_of_code(detail.code, detail.text, detail.severity is Severity.ERROR),
            text=detail.text or detail.code,
            severity=detail.severity,
            code=detail.code,
        )
        for detail in details
    )


def _refused_acknowledgement(body: Element) -> Exception:
    """What a bare acknowledgement means where an answer was due."""
    ack = attribute(child(body, "acknowledgement", "typeCode"), "code")
    details = _details(body)
    if ack in ("AA", "CA", ""):
        return DecodeError(
            "body", f"an acknowledgement {quoted(ack)}", f"hl7:{RESPONSE}", "ITI TF-2 3.55.4.2"
        )
    said = " ".join(detail.text for detail in details if detail.text)[:MAX_TEXT]
    refusal, code = _verdict([detail.code for detail in details if detail.code], [], said)
    return refuse(
        refusal or Refusal.PEER_MISBEHAVED,
        said or "The other side did not take the message.",
        code=code or ack,
    )


# --- patients -------------------------------------------------------------------------------------


def _identities(
    body: Element, subjects: list[Element], details: tuple[_Detail, ...]
) -> Outcome[PatientIdentity]:
    """Every patient who can be read; `DecodeError` when none can."""
    sender = child(body, "sender", "device")
    fallback = read_oid(
        child(sender, "asAgent", "representedOrganization", "id"), CommunityId
    ) or read_oid(child(sender, "id"), CommunityId)
    items: list[PatientIdentity] = []
    problems: list[DecodeError] = []
    for subject in subjects:
        try:
            items.append(_identity(subject, fallback))
        except DecodeError as problem:
            problems.append(problem)
    if not items:
        raise problems[0]
    unread = tuple(
        Issue(refusal=Refusal.PEER_MISBEHAVED, text=str(problem), subject=problem.where)
        for problem in problems
    )
    return Outcome(items=tuple(items), issues=unread + _issues(details))


def _identity(subject: Element, fallback: CommunityId | None) -> PatientIdentity:
    """One patient (ITI TF-2 table 3.55.4.2.2.2-1); `fallback` is the community that answers."""
    event = need(subject, "registrationEvent")
    patient = need(event, "subject1", "patient")
    ids = [i for i in limited(children(patient, "id"), patient) if not is_null(i)]
    if not ids:
        raise DecodeError(path_of(patient), "no id", "an element id")
    home = child(event, "custodian", "assignedEntity", "id")
    community = read_oid(home, CommunityId) or fallback
    if community is None:
        raise DecodeError(path_of(event), "no home community", "custodian/assignedEntity/id")
    person = child(patient, "patientPerson")
    main = read_patient_id(ids[0])
    others = [*ids[1:], *(_other_ids(person) if person is not None else ())]
    degree = child(patient, "subjectOf1", "queryMatchObservation", "value")
    percent = read_percent(degree, demand=False)
    names = limited(children(person, "name"), patient)
    addresses = limited(children(person, "addr"), patient)
    return PatientIdentity(
        id=main,
        community=community,
        names=tuple(name for name in map(read_name, names) if name is not None),
        birth_date=read_date(child(person, "birthTime"), demand=False),
        gender=read_gender(child(person, "administrativeGenderCode"), demand=False),
        address=next((a for a in map(read_address, addresses) if a is not None), None),
        telecom=read_telecom(children(person, "telecom"), patient),
        other_ids=_readable(others, main),
        match_degree=100 if percent is None else percent,
    )


def _other_ids(person: Element) -> list[Element]:
    roles = limited(children(person, "asOtherIDs"), person)
    return limited((i for role in roles for i in children(role, "id")), person)


def _readable(elements: list[Element], main: PatientId) -> tuple[PatientId, ...]:
    """Identifiers beside the main one, each once; one that is none does not cost the patient."""
    found: dict[PatientId, None] = {}
    for element in elements:
        try:
            found[read_patient_id(element)] = None
        except DecodeError:
            continue  # a judgement of `conformance`, not a reason to lose the patient
    found.pop(main, None)
    return tuple(found)
