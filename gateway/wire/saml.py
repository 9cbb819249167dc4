"""The vocabulary of the assertions that say who asks: kinds, attributes, value sets, policy.

Three kinds cross the border: the identity of the health professional (HCP) and the treatment
relation to one patient (TRC), which go together, and the plain IHE XUA assertion, which is both in
one. They are told apart by `Issuer/@NameQualifier`, never by position. A next-of-kin assertion
(NOK) may stand beside them; it is recognised and not read.

`ATTRIBUTES` is the one table of attribute names for writing (`saml_mint`) and reading
(`saml_check`). What a receiver accepts is an `AssertionPolicy`, one for each peer.

IHE ITI TF-2 3.40 (XUA); OASIS SAML 2.0 Core; OASIS XSPA profile of SAML; eHDSI SAML profile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.codes import ISCO, Code, same_scheme
from gateway.domain.context import PurposeOfUse, TreatmentRelation
from gateway.domain.ids import InvalidIdentifier, Oid
from gateway.domain.people import Organisation

AUDIENCE = "urn:ehdsi:assertions.audience:x-border"
ATTRNAME_URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
NAMEID_UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
SENDER_VOUCHES = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
PREVIOUS_SESSION = CLASS + "PreviousSession"
PERMISSION = "urn:oasis:names:tc:xspa:1.0:subject:hl7:permission:"
ORGANISATION_URN = "urn:hl7ii:"
PURPOSES = "3bc18518-d305-46c2-a8d6-94bd59856e9e"
PURPOSES_NAME = "eHDSI XSPA PurposeOfUse"
OLD_PURPOSES = "2.16.840.1.113883.3.18.7.1"  # nhin-purpose, which older peers still write

# The longest an assertion may be valid, and what ours are valid for: spec values of the eHDSI
# profile. Plain XUA sets no limit; a session of a portal is not longer than an identity.
HCP_SECONDS = 4 * 60 * 60
TRC_SECONDS = 2 * 60 * 60
# Clocks of peers are a minute apart at most when they follow ITI-1 (Consistent Time).
SKEW_SECONDS = 60

_NCNAME = re.compile(r"[^\W\d][\w.\-]*")
_UUID_PREFIXES = ("urn:uuid:", "uuid:")


class Kind(StrEnum):
    """What an assertion is; shown in texts of refusals."""

    HCP = "hcp"
    TRC = "trc"
    NOK = "nok"
    XUA = "xua"


QUALIFIERS: dict[str, Kind] = {
    "urn:ehdsi:assertions:hcp": Kind.HCP,
    "urn:ehdsi:assertions:trc": Kind.TRC,
    "urn:ehdsi:assertions:nok": Kind.NOK,
    "": Kind.XUA,
}


class Claim(StrEnum):
    """What an attribute says, by our word for it."""

    HOME = "home-community"
    NPI = "national-provider-id"
    SUBJECT = "subject"
    ROLE = "role"
    ORGANISATION = "organisation"
    ORGANISATION_ID = "organisation-id"
    FACILITY = "facility-type"
    PURPOSE = "purpose-of-use"
    LOCALITY = "locality"
    PERMISSIONS = "permissions"
    SPECIALITY = "speciality"
    PATIENT = "patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRule:
    """How one claim is written and what is demanded of it.

    `names` are all names it is read by, the first the one it is written by; `required` are the
    kinds that must carry it; `many` allows several values.
    """

    claim: Claim
    friendly: str
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    required: tuple[Kind, ...] = ()
    many: bool = False


_WHO = (Kind.HCP, Kind.XUA)
_XSPA = "urn:oasis:names:tc:xspa:1.0:"
ATTRIBUTES: tuple[AttributeRule, ...] = (
    AttributeRule(
        claim=Claim.HOME,
        friendly="HCI Identifier",
        names=("urn:ihe:iti:xca:2010:homeCommunityId",),
        kinds=_WHO,
        required=_WHO,
    ),
    AttributeRule(
        claim=Claim.NPI,
        friendly="NPI Identifier",
        names=(_XSPA + "subject:npi", "urn:oasis:names:tc:xspa:2.0:subject:npi"),
        kinds=_WHO,
    ),
    AttributeRule(
        claim=Claim.SUBJECT,
        friendly="XSPA Subject",
        names=(_XSPA + "subject:subject-id", "urn:oasis:names:tc:xacml:1.0:subject:subject-id"),
        kinds=_WHO,
        required=_WHO,
    ),
    AttributeRule(
        claim=Claim.ROLE,
        friendly="XSPA Role",
        names=("urn:oasis:names:tc:xacml:2.0:subject:role",),
        kinds=_WHO,
        required=_WHO,
    ),
    AttributeRule(
        claim=Claim.SPECIALITY,
        friendly="Clinical Speciality",
        names=(
            "urn:ehdsi:names:subject:clinical-speciality",
            "urn:epsos:names:wp3.4:subject:clinical-speciality",
        ),
        kinds=_WHO,
    ),
    AttributeRule(
        claim=Claim.ORGANISATION,
        friendly="XSPA Organization",
        names=(_XSPA + "subject:organization",),
        kinds=_WHO,
        many=True,
    ),
    AttributeRule(
        claim=Claim.ORGANISATION_ID,
        friendly="XSPA Organization ID",
        names=(_XSPA + "subject:organization-id",),
        kinds=_WHO,
        many=True,
    ),
    AttributeRule(
        claim=Claim.FACILITY,
        friendly="eHealth DSI Healthcare Facility Type",
        names=(
            "urn:ehdsi:names:subject:healthcare-facility-type",
            "urn:epsos:names:wp3.4:subject:healthcare-facility-type",
        ),
        kinds=_WHO,
        required=(Kind.HCP,),
    ),
    # In a TRC the XSPA subject is the patient; older peers use the XACML resource instead.
    AttributeRule(
        claim=Claim.PATIENT,
        friendly="XSPA Subject",
        names=(
            _XSPA + "subject:subject-id",
            "urn:oasis:names:tc:xacml:1.0:resource:resource-id",
            "urn:oasis:names:tc:xacml:2.0:resource:resource-id",
        ),
        kinds=(Kind.TRC,),
        required=(Kind.TRC,),
    ),
    AttributeRule(
        claim=Claim.PURPOSE,
        friendly="XSPA Purpose Of Use",
        names=(_XSPA + "subject:purposeofuse",),
        kinds=(Kind.HCP, Kind.TRC, Kind.XUA),
        required=(Kind.HCP, Kind.TRC, Kind.XUA),
    ),
    AttributeRule(
        claim=Claim.LOCALITY,
        friendly="XSPA Locality",
        names=(_XSPA + "environment:locality",),
        kinds=_WHO,
        required=(Kind.HCP,),
    ),
    AttributeRule(
        claim=Claim.PERMISSIONS,
        friendly="Hl7 Permissions",
        names=(PERMISSION.rstrip(":"),),
        kinds=_WHO,
        required=(Kind.HCP,),
        many=True,
    ),
    AttributeRule(
        claim=Claim.PATIENT,
        friendly="Patient Identifier",
        names=("urn:oasis:names:tc:xacml:2.0:resource:resource-id",),
        kinds=(Kind.XUA, Kind.HCP),
    ),
)

ROLES: tuple[Code, ...] = tuple(
    Code(value, ISCO)
    # ISCO-08: doctors and related, nurses, midwives, dentists and others, technicians, clerks
    for value in (
        *("221", "2221", "2222", "2261", "2262", "2264", "2265", "2266", "2267", "2269"),
        *("3211", "3213", "44"),
    )
)
FACILITY_TYPES = ("Hospital", "Resident Physician", "Pharmacy", "Other")
PURPOSE_CODES: tuple[tuple[Code, PurposeOfUse], ...] = tuple(
    (Code(purpose.value, scheme), purpose)
    for scheme in (PURPOSES, OLD_PURPOSES)
    for purpose in PurposeOfUse
)
# Proof by a device or a key; a plain password is not enough.
AUTHENTICATION_METHODS: tuple[str, ...] = tuple(
    CLASS + name
    for name in (
        "Smartcard",
        "SmartcardPKI",
        "SoftwarePKI",
        "X509",
        "SPKI",
        "TLSClient",
        "MobileTwoFactorContract",
        "MobileTwoFactorUnregistered",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionPolicy:
    """What the assertions of one peer must be like. The defaults are the eHDSI rules.

    `relation` is what must vouch for the treatment of a patient; with RESOURCE_ID and NONE a
    plain XUA assertion is accepted in place of an HCP assertion. `audiences` are the names we
    answer to. An empty `roles` or `facility_types` accepts any value. Holder-of-key is not among
    the confirmation methods because the key it names is not compared with the caller's.
    """

    audiences: tuple[str, ...] = (AUDIENCE,)
    audience_required: bool = False
    relation: TreatmentRelation = TreatmentRelation.TRC
    skew_seconds: int = SKEW_SECONDS
    hcp_max_seconds: int = HCP_SECONDS
    trc_max_seconds: int = TRC_SECONDS
    allow_sha1: bool = False
    roles: tuple[Code, ...] = ROLES
    facility_types: tuple[str, ...] = FACILITY_TYPES
    purposes: tuple[tuple[Code, PurposeOfUse], ...] = PURPOSE_CODES
    authentication_methods: tuple[str, ...] = AUTHENTICATION_METHODS
    confirmation_methods: tuple[str, ...] = (SENDER_VOUCHES, BEARER)

    def max_seconds(self, kind: Kind) -> int:
        """The longest span of validity of an assertion of a kind, in seconds."""
        return self.trc_max_seconds if kind is Kind.TRC else self.hcp_max_seconds


def rules_for(kind: Kind) -> tuple[AttributeRule, ...]:
    """The attributes an assertion of a kind may carry, in the order they are written."""
    return tuple(rule for rule in ATTRIBUTES if kind in rule.kinds)


def is_ncname(text: str) -> bool:
    """Whether a text can be an XML ID: no colon, not starting with a digit."""
    return _NCNAME.fullmatch(text) is not None


def as_assertion_id(unique: str) -> str:
    """An assertion ID from a unique text such as a UUID, with or without `urn:uuid:`."""
    for prefix in _UUID_PREFIXES:
        unique = unique.removeprefix(prefix)
    return unique if is_ncname(unique) else f"_{unique}"


def coded(value: str, scheme: str, display: str = "", scheme_name: str = "") -> Code:
    """A code as assertions carry it; ISCO goes by its name as well as by its OID."""
    scheme = same_scheme(scheme) or scheme_name.strip()
    return Code(value.strip(), ISCO if scheme.upper() in ("ISCO", "ISCO-08") else scheme, display)


def organisation_of(name: str, text: str) -> Organisation:
    """The organisation of a professional, from its name and its id in whatever form it came.

    A URN names authority and id; a bare OID is an authority of its own; other text is an id.
    """
    if text.startswith(ORGANISATION_URN):
        authority, _, extension = text.removeprefix(ORGANISATION_URN).partition(":")
        return Organisation(name=name, id=extension, authority=authority)
    try:
        return Organisation(name=name, authority=Oid.parse(text))
    except InvalidIdentifier:
        return Organisation(name=name, id=text)
