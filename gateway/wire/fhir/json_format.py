"""FHIR JSON: bytes to plain objects and back, strict where JSON itself is lax.

Not a judge of resources: a name no resource has passes here (`resources.validated` judges).
Refused are a byte order mark, text that is not UTF-8, lone surrogates, NaN and numbers too great
for a double, a name twice in one object, and nesting without end (FHIR R4, json.html).

A decimal stays as it was written: numbers with a point or an exponent become `Decimal`, which
keeps `1.50`, and so do integers of more than 18 digits; everything else is `int`.

The price of strictness: about 30 ms for a Bundle of 165 DocumentReferences (775 kB). Of these, 7
are the first parse (orjson: syntax, UTF-8, surrogates), 5 the count of depth and 17 the second
parse (json, the only parser that shows repeated names). What is written as we write it, without
blanks and decimals, is spared the second. Writing is one pass of orjson.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final, TypeAlias

import orjson

from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import quoted

Json: TypeAlias = dict[str, Any]

# Objects and arrays within one another; a Bundle of imaging studies needs 11.
MAX_DEPTH: Final = 64
MAX_ENTRIES: Final = 10_000
# FHIR asks for 18 digits (R4, datatypes.html#decimal); the rest is room for exponents and zeros.
MAX_NUMBER: Final = 64

_SAFE_INTEGER: Final = 18  # digits that every writer of JSON can write as an integer
_SAFE_LIMIT: Final = 10**_SAFE_INTEGER
_RULE: Final = "FHIR R4 json"
# What the writer must look at again: an empty value, or a null, which orjson makes of NaN too.
_SUSPECT: Final = re.compile(rb"[:,\[](?:\{\}|\[\]|null)")


def read_json(data: bytes, where: str = "body") -> Json:
    """One JSON object of a peer; `DecodeError` for whatever is none or is unsafe to go on with."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(where, quoted(str(error)), "JSON in UTF-8", _RULE) from error
    exact = _survey(found, where)
    if not isinstance(found, dict):
        raise DecodeError(where, kind_of(found), "an object", _RULE)
    # Written again it would be shorter, had it a name twice; so nothing was lost in this parse.
    if exact and orjson.dumps(found) == data:
        return found
    del found  # the second parse need not lie beside the first

    def unique(pairs: list[tuple[str, Any]]) -> Json:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise DecodeError(
                where, f'"{quoted(_twice(pairs))}" twice in one object', "once", _RULE
            )
        return made

    def integer(text: str) -> int | Decimal:
        return int(text) if len(text.lstrip("-")) <= _SAFE_INTEGER else read_number(text, where)

    def decimal(text: str) -> int | Decimal:
        return read_number(text, where)

    strict: Json = json.loads(
        data, object_pairs_hook=unique, parse_float=decimal, parse_int=integer
    )
    return strict


def write_json(resource: Json) -> bytes:
    """The object as JSON without blanks; `EncodeError` for what FHIR JSON cannot carry.

    That is an empty object or array, NaN, and a null other than in an array of values.
    """
    made = unchecked_json(resource)
    if _may_be_empty(made) and _SUSPECT.search(made):
        _refuse_empty(resource)
        # And what was written ahead, where NaN in an array can no longer be told from null.
        _refuse_empty(orjson.loads(made))
    return made


def unchecked_json(resource: Json) -> bytes:
    """As `write_json`, but whether something in it is empty is not looked for."""
    try:
        return orjson.dumps(resource, default=_number)
    except TypeError as error:
        raise EncodeError(f"JSON cannot carry the resource: {error}") from error


def written_ahead(part: Json) -> orjson.Fragment:
    """A part of a resource as JSON already, to be put in its place before `write_json`.

    So that the objects of a long list need not all be there at once.
    """
    return orjson.Fragment(unchecked_json(part))


def read_number(text: str, where: str) -> int | Decimal:
    """A JSON number without loss; `DecodeError` when it is longer than any number has to be."""
    if len(text) > MAX_NUMBER:
        raise DecodeError(where, f"a number of {len(text)} characters", f"at most {MAX_NUMBER}")
    if len(digits := text.lstrip("-")) <= _SAFE_INTEGER and digits.isdigit():
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise DecodeError(where, quoted(text), "a decimal", "FHIR R4 decimal") from None


def check_depth(root: object, where: str) -> None:
    """Refuse what nests objects and arrays more than `MAX_DEPTH` deep; never recurses."""
    _survey(root, where)


def _survey(root: object, where: str) -> bool:
    """As `check_depth`; whether there is no number but integers of up to `_SAFE_INTEGER` digits."""
    level = [root] if isinstance(root, dict | list) else []
    depth = 0
    exact = True
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise DecodeError(where, f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}", _RULE)
        below: list[Any] = []
        for holder in level:
            for value in holder.values() if isinstance(holder, dict) else holder:
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
                elif kind is float or (kind is int and abs(value) >= _SAFE_LIMIT):
                    exact = False
        level = below
    return exact


def kind_of(value: object) -> str:
    """What JSON calls a value, for error texts: "an object", "a number"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list | tuple) else "a number"


def _twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no form in FHIR")


def _may_be_empty(made: bytes) -> bool:
    # Nearly always False, in a tenth of the time of the expression; from the end, for that takes
    # half the time of `in`.
    return made.rfind(b"{}") >= 0 or made.rfind(b"[]") >= 0 or made.rfind(b"null") >= 0


def _refuse_empty(resource: Json) -> None:
    """Look for the value behind a suspicious spot; text may have the same characters."""
    rest: list[tuple[Any, bool]] = [(resource, False)]
    while rest:
        value, in_array = rest.pop()
        if isinstance(value, dict | list | tuple):
            if not value:
                raise EncodeError(f"FHIR JSON has no empty {kind_of(value).split()[-1]}")
            if isinstance(value, dict):
                rest += [(below, False) for below in value.values()]
            else:
                rest += [(below, True) for below in value]
        elif (value is None and not in_array) or _is_no_number(value):
            raise EncodeError("FHIR JSON has neither null nor NaN here")


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not isfinite(value)
