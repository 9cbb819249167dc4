"""Identify over FHIR: ITI-78 (search) and ITI-119 ($match), in the dialects of all the guides.

The nouns are those of ITI-55: `PatientTraits` asked, `PatientIdentity` answered. A search is
written without modifiers and read from whatever a guide allows. The rule for reading: a criterion
that is understood and cannot be followed is refused, for one left out would find other patients
than were meant; a parameter nobody knows is ignored, as FHIR has it (the server tells which, from
`TRAIT_PARAMETERS`). The resource is in `patients`, answers are in `pdqm_answers`, and both are
offered from here too.

Not said by a search: prefix and suffix of a name, birth place, the least degree of match.
Clauses: ITI PDQm 2:3.78.4.1 (search), 2:3.119.4.1 ($match); NCPeH API, patient search.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from gateway.domain import (
    Address,
    Gender,
    HumanName,
    PatientId,
    PatientTraits,
    Refusal,
    refuse,
)
from gateway.wire.fhir.elements import (
    read_gender,
    telecom_of,
    write_date,
    write_gender,
    write_telecom,
)
from gateway.wire.fhir.identifiers import Identifier, as_patient_id
from gateway.wire.fhir.patients import (
    read_ids,
    read_patient,
    read_traits,
    write_patient,
    write_traits,
)
from gateway.wire.fhir.pdqm_answers import decode_response, encode_response
from gateway.wire.fhir.resources import (
    Json,
    boolean_at,
    expect_type,
    object_at,
    objects_at,
    text_at,
)
from gateway.wire.fhir.search import (
    Parameter,
    Token,
    escape,
    intersected,
    read_moments,
    read_token,
    unescape,
    write_query,
    write_token,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

__all__ = [
    "TRAIT_PARAMETERS",
    "decode_match",
    "decode_request",
    "decode_response",
    "encode_match",
    "encode_request",
    "encode_response",
    "read_patient",
    "write_patient",
]

MAX_IDENTIFIERS: Final = 50  # one person has a handful; each costs the answering country a look-up
MAX_PARTS: Final = 20  # of a Parameters resource; $match has three

_PLAIN: Final = frozenset({""})
_STRING: Final = frozenset({"", "exact"})
# What is read, and the modifiers it may have; `sex` is a slip of the NCPeH guide for `gender`.
_MODIFIERS: Final[dict[str, frozenset[str]]] = {
    "identifier": _PLAIN,
    "name": _STRING,
    "family": _STRING,
    "given": _STRING,
    "birthdate": _PLAIN,
    "gender": _PLAIN,
    "sex": _PLAIN,
    "telecom": _PLAIN,
    "address": _STRING,
    "address-city": _STRING,
    "address-postalcode": _STRING,
    "address-country": _STRING,
    "mothersMaidenName": _STRING,
    "active": _PLAIN,
}
TRAIT_PARAMETERS: Final = frozenset(_MODIFIERS)
# Defined for Patient, and no trait of ours: a server that offers one deals with it before.
_NOT_OFFERED: Final = frozenset({"_id", "address-state"})


# --- search, asked --------------------------------------------------------------------------------


def encode_request(traits: PatientTraits) -> str:
    """The query string for patients who fit the traits, fit for GET and for POST (ITI-78).

    Every identifier and every given name is a repetition: all of them have to fit. Raises
    `EncodeError` when the traits say nothing that a search can ask.
    """
    address = traits.address or Address()
    name = traits.name or HumanName(family="")
    texts = (
        ("family", name.family),
        *(("given", given) for given in name.given),
        ("birthdate", write_date(traits.birth_date) if traits.birth_date else ""),
        ("gender", write_gender(traits.gender) if traits.gender else ""),
        ("address", address.street),
        ("address-city", address.city),
        ("address-postalcode", address.postal_code),
        ("address-country", address.country),
        ("mothersMaidenName", traits.mothers_maiden_name),
    )
    asked = [
        ("identifier", write_token(Token(patient.authority.urn, patient.value)))
        for patient in traits.ids
    ]
    asked += [(parameter, escape(text)) for parameter, text in texts if text.strip()]
    asked += [("telecom", _telecom_token(telecom)) for telecom in traits.telecom if telecom]
    if not asked:
        raise EncodeError("a patient search needs an identifier or demographics")
    return write_query(Parameter(parameter, "", (value,)) for parameter, value in asked)


def _telecom_token(telecom: str) -> str:
    """Only the value, which is all that R4 compares, where that says what it is."""
    [contact] = write_telecom((telecom,))
    value = contact["value"]
    plain = telecom_of("", value) == telecom
    return write_token(Token(None if plain else contact["system"], value))


# --- search, understood ---------------------------------------------------------------------------


def decode_request(parameters: Iterable[Parameter]) -> PatientTraits:
    """The traits that a search asks for (ITI-78 and the NCPeH patient search).

    Parameters of results, such as `_count` and `_lastUpdated`, are the server's and ignored here.
    Raises `DecodeError` for a value that cannot be read, and `ExchangeError` for what is not
    offered (`UNSUPPORTED`), for identifiers of a domain without an OID (`UNKNOWN_PATIENT`), and
    when nothing is asked by which one could find a person (`MISSING_PARAMETER`).
    """
    asked: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        if parameter.name in _NOT_OFFERED:
            raise _unsupported(parameter.name, "is not offered for patients")
        modifiers = _MODIFIERS.get(parameter.name)
        if modifiers is None:
            continue
        if parameter.modifier not in modifiers:
            raise _unsupported(
                parameter.name, f"is not offered with modifier {quoted(parameter.modifier)}"
            )
        asked.setdefault(parameter.name, []).append(parameter)
    _check_active(asked.get("active", []))
    traits = PatientTraits(
        ids=_read_ids(asked.get("identifier", [])),
        name=_read_name(*(_texts(asked, name) for name in ("family", "given", "name"))),
        birth_date=_read_birth_date(asked.get("birthdate", [])),
        gender=_read_gender([*asked.get("gender", []), *asked.get("sex", [])]),
        address=_read_address(asked),
        telecom=tuple(
            telecom_of(token.system or "", token.code)
            for token in _tokens(asked.get("telecom", []))
            if token.code
        ),
        mothers_maiden_name=" ".join(_texts(asked, "mothersMaidenName")),
    )
    return _enough(traits)


def _enough(traits: PatientTraits) -> PatientTraits:
    """The traits; a refusal when they would fit half a country."""
    if (
        traits.ids
        or (traits.name and traits.name.family)
        or traits.birth_date
        or traits.address
        or traits.telecom
        or traits.mothers_maiden_name
    ):
        return traits
    raise refuse(
        Refusal.MISSING_PARAMETER,
        "The search needs an identifier, or a family name and a date of birth.",
        subject="identifier,family,birthdate",
    )


def _unsupported(name: str, what: str) -> Exception:
    text = f"The search parameter {quoted(name)} {what}."
    return refuse(Refusal.UNSUPPORTED, text, subject=name)


def _one(parameter: Parameter) -> str:
    """The value of a parameter without alternatives, of which a person has none."""
    if len(parameter.values) != 1:
        raise _unsupported(parameter.name, "is not offered with alternatives")
    return parameter.values[0]


def _texts(asked: dict[str, list[Parameter]], name: str) -> list[str]:
    values = (unescape(_one(parameter)) for parameter in asked.get(name, []))
    return [" ".join(value.split()) for value in values]


def _tokens(parameters: Iterable[Parameter]) -> list[Token]:
    return [read_token(_one(each), f"query.{each.name}") for each in parameters]


def _check_active(parameters: list[Parameter]) -> None:
    # Inactive patients are never found here; who asks for active ones gets what he asks for.
    if any(token.code != "true" for token in _tokens(parameters)):
        raise _unsupported("active", "is offered with true only")


def _read_ids(parameters: list[Parameter]) -> tuple[PatientId, ...]:
    """The identifiers, each once; all are of one person.

    One that is malformed is passed over beside another that is not, as a printed example of the
    NCPeH guide needs; the readable one says who is meant.
    """
    if len(parameters) > MAX_IDENTIFIERS:
        raise DecodeError(
            "query.identifier", f"{len(parameters)} identifiers", f"at most {MAX_IDENTIFIERS}"
        )
    found: dict[PatientId, None] = {}
    problems: list[DecodeError] = []
    for parameter in parameters:
        try:
            found[_read_id(parameter)] = None
        except DecodeError as problem:
            problems.append(problem)
    if problems and not found:
        raise problems[0]
    return tuple(found)


def _read_id(parameter: Parameter) -> PatientId:
    where = f"query.{parameter.name}"
    tokens = [read_token(value, where) for value in parameter.values]
    if any(token.system and not token.code for token in tokens):
        raise _unsupported(
            "identifier", "is not offered as a restriction to domains (a system without a value)"
        )
    token = read_token(_one(parameter), where)
    if not token.system:
        raise DecodeError(where, "an identifier without system", "system|value", "ITI PDQm 3.78")
    identifier = as_patient_id(Identifier(value=token.code, system=token.system), where)
    if identifier is None:
        raise _unknown_domain()
    return identifier


def _unknown_domain() -> Exception:
    # The text of ITI-78 and ITI-83 for it, on which tests of other projects look.
    return refuse(Refusal.UNKNOWN_PATIENT, "targetSystem not found", subject="identifier")


def _read_name(family: list[str], given: list[str], free: list[str]) -> HumanName | None:
    """The name; of a free text the last word is the family name, where none is given apart."""
    words = " ".join(free).split()
    if words and not family:
        family = [words.pop()]
    known = " ".join([*family, *given]).casefold().split()
    given = [*given, *(word for word in words if word.casefold() not in known)]
    if not family and not given:
        return None
    return HumanName(family=" ".join(family), given=tuple(given))


def _read_birth_date(parameters: list[Parameter]) -> date | None:
    """The day, however it is put: `eq`, or bounds that leave one day between them."""
    if not parameters:
        return None
    range_ = intersected(map(read_moments, parameters))
    start, end = range_.start, range_.end
    if (
        start is None
        or end is None
        or end - start != timedelta(days=1)
        or start.hour
        or start.minute
    ):
        raise _unsupported("birthdate", "is offered for one day only, as YYYY-MM-DD")
    return start.date()


def _read_gender(parameters: list[Parameter]) -> Gender | None:
    codes = [token.code for token in _tokens(parameters)]
    genders = {read_gender(code, "query.gender") for code in codes}
    if len(genders) > 1:
        raise refuse(
            Refusal.MALFORMED_REQUEST, "The gender is given twice, differently.", subject="gender"
        )
    return genders.pop() if genders else None


def _read_address(asked: dict[str, list[Parameter]]) -> Address | None:
    address = Address(
        street=", ".join(_texts(asked, "address")),
        city=" ".join(_texts(asked, "address-city")),
        postal_code=" ".join(_texts(asked, "address-postalcode")),
        country=" ".join(_texts(asked, "address-country")),
    )
    return None if address == Address() else address


# --- match ----------------------------------------------------------------------------------------


def encode_match(traits: PatientTraits, *, only_certain: bool = False) -> Json:
    """The Parameters of $match (ITI-119); EHDA demands `only_certain`.

    Raises `EncodeError` when the traits say nothing that a Patient can hold.
    """
    patient = write_traits(traits)
    if len(patient) == 1:
        raise EncodeError("a match needs an identifier or demographics")
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": patient},
            {"name": "onlyCertainMatches", "valueBoolean": only_certain},
        ],
    }


def decode_match(resource: Json) -> tuple[PatientTraits, bool]:
    """The traits to match and whether only a certain match is wanted (ITI-119).

    Understands Parameters and a bare Patient. `count` is for whoever writes the answer. Raises as
    `decode_request` does; an identifier of a domain without an OID is no reason to refuse here
    when there are other traits, because a match weighs what it is given.
    """
    expect_type(resource, "Parameters", "Patient", where="body")
    if resource["resourceType"] == "Patient":
        return _match_traits(resource, "Patient"), False
    parts = objects_at(resource, "parameter", "Parameters")
    if len(parts) > MAX_PARTS:
        raise DecodeError("Parameters.parameter", f"{len(parts)} parts", f"at most {MAX_PARTS}")
    traits: PatientTraits | None = None
    only_certain = False
    for i, part in enumerate(parts):
        where = f"Parameters.parameter[{i}]"
        name = text_at(part, "name", where)
        if name == "resource":
            traits = _match_traits(object_at(part, "resource", where), f"{where}.resource")
        elif name == "onlyCertainMatches":
            only_certain = boolean_at(part, "valueBoolean", where) or False
    if traits is None:
        raise DecodeError("Parameters.parameter", "no resource", "a Patient", "ITI PDQm 3.119")
    return traits, only_certain


def _match_traits(patient: Json, where: str) -> PatientTraits:
    traits = read_traits(patient, where)
    _, others = read_ids(patient, where)
    if others and replace(traits, gender=None) == PatientTraits():
        raise _unknown_domain()
    return _enough(traits)
