"""Signed assertions from a `CallContext`: identity, treatment relation, plain XUA.

Written as text and signed as a whole: each assertion declares every namespace it uses, so that it
can stand in any header byte for byte. String values are typed `xsd:string` as OpenNCP's are; the
prefix occurs in values only, and is therefore named in the signature's PrefixList.

Not here: which of them a call needs (`soap.security`), what a receiver accepts (`saml_check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gateway.domain.codes import ISCO, Code
from gateway.domain.context import CallContext
from gateway.domain.people import Organisation
from gateway.wire.problems import EncodeError
from gateway.wire.saml import (
    ATTRNAME_URI,
    AUDIENCE,
    BEARER,
    HCP_SECONDS,
    NAMEID_UNSPECIFIED,
    ORGANISATION_URN,
    PERMISSION,
    PREVIOUS_SESSION,
    PURPOSES,
    PURPOSES_NAME,
    QUALIFIERS,
    SENDER_VOUCHES,
    TRC_SECONDS,
    Claim,
    Kind,
    is_ncname,
    rules_for,
)
from gateway.wire.signatures import Signer, sign
from gateway.wire.xml import HL7, SAML, XSI, escape_attr, escape_text

XSD = "http://www.w3.org/2001/XMLSchema"

_QUALIFIER_OF = {kind: qualifier for qualifier, kind in QUALIFIERS.items()}
# How the issuer of each kind is named, with the country's code.
_ISSUERS = {
    Kind.HCP: "urn:idp:{}:countryB",
    Kind.TRC: "urn:initgw:{}:countryB",
    Kind.XUA: "urn:idp:{}:countryB",
}


def mint_hcp(
    context: CallContext,
    signer: Signer,
    *,
    assertion_id: str,
    now: datetime,
    country: str,
    audience: str = AUDIENCE,
    seconds: int = HCP_SECONDS,
) -> bytes:
    """The identity assertion of the professional of a call, signed.

    `assertion_id` is an NCName, `country` the two letters in the issuer's name, `seconds` the
    span of validity from `now`. EncodeError when a value cannot be written.
    """
    return _mint(
        Kind.HCP,
        context,
        signer,
        assertion_id=assertion_id,
        now=now,
        country=country,
        audience=audience,
        seconds=seconds,
        authentication=(context.authentication.at, context.authentication.method),
        values=_identity(context),
    )


def mint_trc(
    context: CallContext,
    signer: Signer,
    *,
    assertion_id: str,
    hcp_id: str,
    now: datetime,
    country: str,
    audience: str = AUDIENCE,
    seconds: int = TRC_SECONDS,
) -> bytes:
    """The treatment relation to the patient of a call, signed and tied to an HCP assertion."""
    if context.patient is None:
        raise EncodeError("a treatment relation needs a patient")
    return _mint(
        Kind.TRC,
        context,
        signer,
        assertion_id=assertion_id,
        now=now,
        country=country,
        audience=audience,
        seconds=seconds,
        authentication=(now, PREVIOUS_SESSION),
        advice=hcp_id,
        values={
            Claim.PATIENT: _strings([context.patient.cx]),
            Claim.PURPOSE: (_purpose(context),),
        },
    )


def mint_xua(
    context: CallContext,
    signer: Signer,
    *,
    assertion_id: str,
    now: datetime,
    country: str,
    audience: str = AUDIENCE,
    seconds: int = HCP_SECONDS,
) -> bytes:
    """A plain IHE XUA assertion, signed; it names the patient where the call has one."""
    values = _identity(context)
    if context.patient is not None:
        values[Claim.PATIENT] = _strings([context.patient.cx])
    return _mint(
        Kind.XUA,
        context,
        signer,
        assertion_id=assertion_id,
        now=now,
        country=country,
        audience=audience,
        seconds=seconds,
        authentication=(context.authentication.at, context.authentication.method),
        values=values,
    )


def _mint(
    kind: Kind,
    context: CallContext,
    signer: Signer,
    *,
    assertion_id: str,
    now: datetime,
    country: str,
    audience: str,
    seconds: int,
    authentication: tuple[datetime, str],
    values: Mapping[Claim, Sequence[str]],
    advice: str = "",
) -> bytes:
    if not is_ncname(assertion_id):
        raise EncodeError(f"{assertion_id!r} cannot be the ID of an assertion: not an NCName")
    qualifier = _QUALIFIER_OF[kind]
    method = BEARER if kind is Kind.XUA else SENDER_VOUCHES
    until = now + timedelta(seconds=seconds)
    at, method_class = authentication
    parts = [
        f'<saml2:Assertion xmlns:saml2="{SAML}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}" '
        f'ID="{assertion_id}" IssueInstant="{_instant(now)}" Version="2.0"><saml2:Issuer',
        f' NameQualifier="{qualifier}"' if qualifier else "",
        f">{escape_text(_ISSUERS[kind].format(country))}</saml2:Issuer>",
        f'<saml2:Subject><saml2:NameID Format="{NAMEID_UNSPECIFIED}">',
        f"{escape_text(context.professional.id)}</saml2:NameID>",
        f'<saml2:SubjectConfirmation Method="{method}"/></saml2:Subject>',
        f'<saml2:Conditions NotBefore="{_instant(now)}" NotOnOrAfter="{_instant(until)}">',
        f"<saml2:AudienceRestriction><saml2:Audience>{escape_text(audience)}</saml2:Audience>",
        "</saml2:AudienceRestriction></saml2:Conditions>",
        _advice(advice) if advice else "",
        f'<saml2:AuthnStatement AuthnInstant="{_instant(at)}"><saml2:AuthnContext>',
        f"<saml2:AuthnContextClassRef>{escape_text(method_class)}</saml2:AuthnContextClassRef>",
        "</saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>",
        *(
            _attribute(rule.friendly, rule.names[0], values.get(rule.claim, ()))
            for rule in rules_for(kind)
        ),
        "</saml2:AttributeStatement></saml2:Assertion>",
    ]
    return sign(
        "".join(parts).encode(), signer, reference_id=assertion_id, inclusive_prefixes=("xsd",)
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _advice(hcp_id: str) -> str:
    return (
        f"<saml2:Advice><saml2:AssertionIDRef>{escape_text(hcp_id)}</saml2:AssertionIDRef>"
        "</saml2:Advice>"
    )


def _attribute(friendly: str, name: str, values: Sequence[str]) -> str:
    if not values:
        return ""
    return (
        f'<saml2:Attribute FriendlyName="{friendly}" Name="{name}" NameFormat="{ATTRNAME_URI}">'
        f"{''.join(values)}</saml2:Attribute>"
    )


def _strings(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f'<saml2:AttributeValue xsi:type="xsd:string">{escape_text(text)}</saml2:AttributeValue>'
        for text in texts
        if text
    )


def _coded(element: str, code: Code, scheme_name: str) -> str:
    return (
        f'<saml2:AttributeValue><{element} xmlns="{HL7}" code="{escape_attr(code.value)}" '
        f'codeSystem="{escape_attr(code.scheme)}" codeSystemName="{escape_attr(scheme_name)}" '
        f'displayName="{escape_attr(code.display or code.value)}"/></saml2:AttributeValue>'
    )


def _purpose(context: CallContext) -> str:
    return _coded("PurposeOfUse", Code(context.purpose.value, PURPOSES), PURPOSES_NAME)


def _organisation_id(organisation: Organisation) -> str:
    if organisation.id and organisation.authority:
        return f"{ORGANISATION_URN}{organisation.authority}:{organisation.id}"
    return organisation.id or (
        f"urn:oid:{organisation.authority}" if organisation.authority else ""
    )


def _identity(context: CallContext) -> dict[Claim, Sequence[str]]:
    who = context.professional
    scheme_name = "ISCO" if who.role.scheme == ISCO else ""
    return {
        Claim.HOME: _strings([context.asking.urn]),
        Claim.NPI: _strings([who.id]),
        Claim.SUBJECT: _strings([who.name.full]),
        Claim.ROLE: (_coded("Role", who.role, scheme_name),),
        Claim.SPECIALITY: _strings([who.speciality]),
        Claim.ORGANISATION: _strings([who.organisation.name]),
        Claim.ORGANISATION_ID: _strings([_organisation_id(who.organisation)]),
        Claim.FACILITY: _strings([who.facility_type]),
        Claim.PURPOSE: (_purpose(context),),
        Claim.LOCALITY: _strings([who.locality]),
        Claim.PERMISSIONS: _strings([PERMISSION + code for code in who.permissions]),
    }
