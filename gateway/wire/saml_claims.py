"""What a signed assertion says, as plain values: the tree is read once, here, and then left.

Reading is also the structural check: an element in a place where SAML does not allow it, an ID
that is no ID, a time that is no time make the assertion malformed. What is merely absent stays
absent in `Claims` and is judged by `saml_check`. Content of attribute values is not checked
against any schema: `xsi:type="CE"` has a meaning only in a schema that no validator has at hand.

Only ever called with the element that a signature verification returned.

OASIS SAML 2.0 Core sections 2.3 to 2.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from gateway.domain.codes import Code
from gateway.domain.refusals import NotAllowed, Refusal
from gateway.wire.saml import Claim, Kind, coded, is_ncname, rules_for
from gateway.wire.xml import DS, HL7, SAML, Element, quoted, text_of

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?")
# Names of elements that carry a code inside an AttributeValue; NHIN peers write "For".
_CODED = ("Role", "PurposeOfUse", "PurposeForUse")

ONE, MANY = 1, None
# What may stand in each element, in order, and how often; None where order does not matter.
_GRAMMAR: dict[str, tuple[tuple[str, int | None], ...]] = {
    "Assertion": (
        ("Issuer", ONE),
        ("Subject", ONE),
        ("Conditions", ONE),
        ("Advice", ONE),
    ),
    "Subject": (("NameID", ONE), ("SubjectConfirmation", MANY)),
    "SubjectConfirmation": (("NameID", ONE), ("SubjectConfirmationData", ONE)),
}
_STATEMENTS = ("AuthnStatement", "AttributeStatement", "AuthzDecisionStatement")
_KNOWN_CONDITIONS = ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One way the subject is confirmed, and until when."""

    method: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authn:
    """One authentication statement: when, and the classes of all its contexts."""

    at: datetime | None
    contexts: int
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One attribute value: its text, and the code where it holds one."""

    text: str
    code: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Everything an assertion says that we read; "" and None where it says nothing."""

    kind: Kind
    id: str
    version: str
    issued: datetime | None
    issuer: str
    subject: str
    confirmations: tuple[Confirmation, ...]
    has_conditions: bool
    not_before: datetime | None
    not_on_or_after: datetime | None
    audiences: tuple[tuple[str, ...], ...]
    single_use: bool
    unknown_conditions: tuple[str, ...]
    references: tuple[str, ...]
    authentications: tuple[Authn, ...]
    values: dict[Claim, tuple[Value, ...]]

    def first(self, claim: Claim) -> str:
        """The text of the first value of a claim, or ""."""
        values = self.values.get(claim, ())
        return values[0].text if values else ""


def read_claims(signed: Element, kind: Kind) -> Claims:
    """Read a signed assertion; NotAllowed(ASSERTION_MALFORMED) when its structure is broken."""
    if signed.tag != _saml("Assertion"):
        raise _malformed(kind, "an Assertion is expected")
    _check_order(signed, kind)
    subject = signed.find(_saml("Subject"))
    if subject is not None:
        _check_order(subject, kind)
    conditions = signed.find(_saml("Conditions"))
    own_id = signed.get("ID", "")
    if own_id and not is_ncname(own_id):
        raise _malformed(kind, "the ID is not an NCName")
    return Claims(
        kind=kind,
        id=own_id,
        version=signed.get("Version", ""),
        issued=_time(signed, "IssueInstant", kind),
        issuer=text_of(signed.find(_saml("Issuer"))),
        subject=text_of(None if subject is None else subject.find(_saml("NameID"))),
        confirmations=tuple(_confirmations(subject, kind)),
        has_conditions=conditions is not None,
        not_before=_time(conditions, "NotBefore", kind),
        not_on_or_after=_time(conditions, "NotOnOrAfter", kind),
        audiences=tuple(
            tuple(text_of(audience) for audience in restriction.iterfind(_saml("Audience")))
            for restriction in signed.iterfind(
                f"{_saml('Conditions')}/{_saml('AudienceRestriction')}"
            )
        ),
        single_use=conditions is not None and conditions.find(_saml("OneTimeUse")) is not None,
        unknown_conditions=tuple(
            etree.QName(condition).localname
            for condition in (() if conditions is None else conditions)
            if condition.tag not in [_saml(name) for name in _KNOWN_CONDITIONS]
        ),
        references=tuple(
            text_of(reference)
            for reference in signed.iterfind(f"{_saml('Advice')}/{_saml('AssertionIDRef')}")
        ),
        authentications=tuple(_authentications(signed, kind)),
        values=_values(signed, kind),
    )


def _saml(name: str) -> str:
    return f"{{{SAML}}}{name}"


def _malformed(kind: Kind, text: str) -> NotAllowed:
    return NotAllowed(
        Refusal.ASSERTION_MALFORMED, f"the {kind} assertion is malformed: {text}", subject=kind
    )


def _check_order(parent: Element, kind: Kind) -> None:
    """Children must come in the order of the grammar, each as often as it says."""
    name = etree.QName(parent).localname
    grammar = _GRAMMAR[name]
    order = [child for child, _ in grammar]
    limits = dict(grammar)
    position = 0
    seen: dict[str, int] = {}
    for child in parent:
        tag = etree.QName(child)
        place = tag.localname
        if tag.namespace == DS:
            raise _malformed(kind, f"an unsigned ds:{place} in {name}")
        if name == "Assertion" and tag.namespace == SAML and place in _STATEMENTS:
            position = len(order)
            continue
        if tag.namespace != SAML or place not in order or order.index(place) < position:
            raise _malformed(kind, f"{quoted(place)} is out of place in {name}")
        position = order.index(place)
        seen[place] = seen.get(place, 0) + 1
        if limits[place] is not None and seen[place] > ONE:
            raise _malformed(kind, f"{name} holds {place} more than once")
        if place in _GRAMMAR and name != "Assertion":
            _check_order(child, kind)


def _time(element: Element | None, name: str, kind: Kind) -> datetime | None:
    text = "" if element is None else element.get(name, "").strip()
    if not text:
        return None
    try:
        if _DATE_TIME.fullmatch(text) is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(text)
        # SAML 2.0 Core 1.3.3: times are UTC; one without a zone is read as such.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise _malformed(kind, f"{name} is not a time: {quoted(text)}") from problem


def _confirmations(subject: Element | None, kind: Kind) -> Iterator[Confirmation]:
    for element in () if subject is None else subject.iterfind(_saml("SubjectConfirmation")):
        data = element.find(_saml("SubjectConfirmationData"))
        yield Confirmation(
            method=element.get("Method", ""), until=_time(data, "NotOnOrAfter", kind)
        )


def _authentications(signed: Element, kind: Kind) -> Iterator[Authn]:
    for statement in signed.iterfind(_saml("AuthnStatement")):
        contexts = statement.findall(_saml("AuthnContext"))
        yield Authn(
            at=_time(statement, "AuthnInstant", kind),
            contexts=len(contexts),
            classes=tuple(
                text_of(reference)
                for context in contexts
                for reference in context.iterfind(_saml("AuthnContextClassRef"))
            ),
        )


def _values(signed: Element, kind: Kind) -> dict[Claim, tuple[Value, ...]]:
    by_name = {name: rule.claim for rule in rules_for(kind) for name in rule.names}
    found: dict[Claim, tuple[Value, ...]] = {}
    for statement in signed.iterfind(_saml("AttributeStatement")):
        for attribute in statement:
            if attribute.tag != _saml("Attribute") or not attribute.get("Name"):
                raise _malformed(kind, "an AttributeStatement holds something unreadable")
            claim = by_name.get(attribute.get("Name", "").strip())
            if claim is not None:
                found[claim] = (*found.get(claim, ()), *_attribute_values(attribute, kind))
    return found


def _attribute_values(attribute: Element, kind: Kind) -> Iterator[Value]:
    for value in attribute:
        if value.tag != _saml("AttributeValue"):
            raise _malformed(kind, "an Attribute holds something else than values")
        codes = [child for child in value if _is_coded(child)]
        if not codes:
            yield Value(text_of(value))
        for child in codes:
            yield Value(text_of(child), _code(child))


def _is_coded(element: Element) -> bool:
    name = etree.QName(element)
    return name.namespace in (HL7, None) and name.localname in _CODED


def _code(element: Element) -> Code:
    return coded(
        element.get("code", ""),
        element.get("codeSystem", ""),
        element.get("displayName", ""),
        element.get("codeSystemName", ""),
    )
