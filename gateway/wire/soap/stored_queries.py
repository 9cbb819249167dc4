"""The stored queries of ITI-18 and ITI-38: their ids, their parameters, and how values are spelt.

Tables and a small syntax, no nouns: `xca_query` gives the values their meaning. A value is a
number, a quoted text (`'` doubled), or a list of them in parentheses; a list may go on in further
Values, and a slot that comes again means AND where the query allows it (ITI TF-2 3.18.4.1.2.3).
What peers are known to misspell (missing, curly or double quotes) is read as meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from gateway.domain import Refusal, refuse
from gateway.wire.problems import EncodeError
from gateway.wire.soap.ebxml import MAX_VALUE, SLOT, VALUE, read_value
from gateway.wire.xml import Element, quoted

MAX_TEXT = 65_536  # of one Value on reading; the schema says 256, which peers exceed in lists
MAX_ITEMS = 5_000  # values of one query together; each may be compared with every entry

_ENTRY = "$XDSDocumentEntry"


class Parameter(StrEnum):
    """Parameters we apply; the value is the slot name."""

    PATIENT = _ENTRY + "PatientId"
    PATIENT_OF_ALL = "$patientId"
    STATUS = _ENTRY + "Status"
    CLASS = _ENTRY + "ClassCode"
    TYPE = _ENTRY + "TypeCode"
    FORMAT = _ENTRY + "FormatCode"
    PRACTICE = _ENTRY + "PracticeSettingCode"
    FACILITY = _ENTRY + "HealthcareFacilityTypeCode"
    EVENT = _ENTRY + "EventCodeList"
    CONFIDENTIALITY = _ENTRY + "ConfidentialityCode"
    AUTHOR = _ENTRY + "AuthorPerson"
    KIND = _ENTRY + "Type"
    REFERENCE = _ENTRY + "ReferenceIdList"
    CREATED_FROM = _ENTRY + "CreationTimeFrom"
    CREATED_TO = _ENTRY + "CreationTimeTo"
    START_FROM = _ENTRY + "ServiceStartTimeFrom"
    START_TO = _ENTRY + "ServiceStartTimeTo"
    STOP_FROM = _ENTRY + "ServiceStopTimeFrom"
    STOP_TO = _ENTRY + "ServiceStopTimeTo"
    # The filters of MyHealth@EU's original clinical documents; every other responder ignores them.
    MAXIMUM_SIZE = _ENTRY + "FilterMaximumSize"
    CREATED_AFTER = _ENTRY + "FilterCreatedAfter"
    CREATED_BEFORE = _ENTRY + "FilterCreatedBefore"
    ENTRY_UUID = _ENTRY + "EntryUUID"
    UNIQUE_ID = _ENTRY + "UniqueId"
    UUID = "$uuid"


_P = Parameter
_MULTIPLE = frozenset(
    {
        _P.STATUS,
        _P.CLASS,
        _P.TYPE,
        _P.FORMAT,
        _P.PRACTICE,
        _P.FACILITY,
        _P.EVENT,
        _P.CONFIDENTIALITY,
        _P.AUTHOR,
        _P.KIND,
        _P.REFERENCE,
        _P.ENTRY_UUID,
        _P.UNIQUE_ID,
        _P.UUID,
    }
)
# A slot of these that comes again is a further condition (ITI TF-2 3.18.4.1.2.3.5).
_COMBINING = frozenset({_P.EVENT, _P.CONFIDENTIALITY, _P.REFERENCE})
_FIND = frozenset(_P) - {_P.PATIENT_OF_ALL, _P.ENTRY_UUID, _P.UNIQUE_ID, _P.UUID, _P.REFERENCE}


class Family(Enum):
    """What a stored query asks for."""

    FIND = "entries of a patient"
    LOOK_UP = "entries or associations by id"
    NOTHING = "folders or submission sets, which no gateway of this exchange keeps"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuery:
    """A stored query: its name, what it asks for, the parameters we apply and those it must have.

    `carries_patient` False means that only the home attribute says whom the question is for, so
    that it is required (ITI TF-2 3.38.4.1.2). `entries` and `associations` are what a lookup
    brings.
    """

    name: str
    family: Family
    parameters: frozenset[Parameter] = frozenset()
    required: tuple[Parameter, ...] = ()
    carries_patient: bool = False
    entries: bool = True
    associations: bool = False


_IDS = frozenset({_P.ENTRY_UUID, _P.UNIQUE_ID})
FIND_DOCUMENTS = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_BY_REFERENCE = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"
GET_DOCUMENTS = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_ASSOCIATIONS = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"


def _nothing(name: str, *, carries_patient: bool = False) -> StoredQuery:
    return StoredQuery(name=name, family=Family.NOTHING, carries_patient=carries_patient)


QUERIES: dict[str, StoredQuery] = {
    FIND_DOCUMENTS: StoredQuery(
        name="FindDocuments",
        family=Family.FIND,
        parameters=_FIND,
        required=(_P.PATIENT, _P.STATUS),
        carries_patient=True,
    ),
    FIND_BY_REFERENCE: StoredQuery(
        name="FindDocumentsByReferenceId",
        family=Family.FIND,
        parameters=_FIND | {_P.REFERENCE},
        required=(_P.PATIENT, _P.STATUS, _P.REFERENCE),
        carries_patient=True,
    ),
    # Everything of a patient: the entries alone, since there are neither folders nor submissions.
    "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3": StoredQuery(
        name="GetAll",
        family=Family.FIND,
        parameters=frozenset(
            {_P.PATIENT_OF_ALL, _P.STATUS, _P.FORMAT, _P.CONFIDENTIALITY, _P.KIND}
        ),
        required=(_P.PATIENT_OF_ALL, _P.STATUS),
        carries_patient=True,
    ),
    GET_DOCUMENTS: StoredQuery(name="GetDocuments", family=Family.LOOK_UP, parameters=_IDS),
    GET_ASSOCIATIONS: StoredQuery(
        name="GetAssociations",
        family=Family.LOOK_UP,
        parameters=frozenset({_P.UUID}),
        required=(_P.UUID,),
        entries=False,
        associations=True,
    ),
    GET_DOCUMENTS_AND_ASSOCIATIONS: StoredQuery(
        name="GetDocumentsAndAssociations",
        family=Family.LOOK_UP,
        parameters=_IDS,
        associations=True,
    ),
    "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9": _nothing(
        "FindSubmissionSets", carries_patient=True
    ),
    "urn:uuid:958f3006-baad-4929-a4de-ff1114824431": _nothing("FindFolders", carries_patient=True),
    "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4": _nothing("GetFolders"),
    "urn:uuid:51224314-5390-4169-9b91-b1980040715a": _nothing("GetSubmissionSets"),
    "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83": _nothing("GetSubmissionSetAndContents"),
    "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7": _nothing("GetFolderAndContents"),
    "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578": _nothing("GetFoldersForDocument"),
}

# --- spelling -------------------------------------------------------------------------------------

_LOOSE = '‘’‚‛“”„‟`´"'
_ITEM = re.compile(
    r"\s*(?:"
    r"'(?P<exact>(?:[^']|'')*+)'"
    rf"|[{_LOOSE}](?P<loose>[^{_LOOSE}]*)[{_LOOSE}]"
    rf"|(?P<bare>[^\s'(),{_LOOSE}][^,()]*+)"
    r")?\s*(?P<end>,|\Z)"
)


def write_text(text: str) -> str:
    """A text as a quoted value."""
    return "'" + text.replace("'", "''") + "'"


def write_list(texts: Iterable[str], what: str) -> tuple[str, ...]:
    """Texts as one list, in as many Values of at most 256 characters as it takes."""
    values: list[str] = []
    line = ""
    for text in texts:
        item = write_text(text)
        if len(item) + 2 > MAX_VALUE:
            raise EncodeError(f"{what}: a value of {len(text)} characters, too long for a Value")
        if line and len(line) + len(item) + 3 > MAX_VALUE:
            values.append(f"({line})")
            line = ""
        line = f"{line},{item}" if line else item
    return (*values, f"({line})") if line else tuple(values)


def read_items(text: str) -> list[str] | None:
    """The texts of one Value; None when it is spelt in a way nobody can be sure of."""
    text = text.strip()
    if text.startswith("("):
        if not text.endswith(")"):
            return None
        text = text[1:-1]
    elif text[:1] not in {"'", *_LOOSE}:
        # Neither list nor quotes: all of it is one value, commas included.
        return [text] if text else []
    items: list[str] = []
    position = 0
    while position <= len(text):
        match = _ITEM.match(text, position)
        if match is None:
            return None
        exact, loose, bare, end = match.group("exact", "loose", "bare", "end")
        if exact is not None:
            items.append(exact.replace("''", "'").strip())
        elif loose is not None or bare is not None:
            items.append((loose or bare or "").strip())
        if not end:
            break
        position = match.end()
    return [item for item in items if item]


def split_joined_codes(item: str) -> list[str]:
    """One quoted text that holds several codes: what OpenNCP's portals send for several classes."""
    pieces = item.split(",")
    if len(pieces) > 1 and all("^^" in piece for piece in pieces):
        return [piece.strip() for piece in pieces]
    return [item]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a query's slots hold: groups of texts by parameter, and the names nobody applies.

    A group is one slot: its texts are alternatives; several groups of a parameter all apply.
    """

    groups: dict[Parameter, list[list[str]]]
    ignored: tuple[str, ...]

    def all_of(self, parameter: Parameter) -> list[str]:
        """The texts of a parameter that is given by one slot."""
        groups = self.groups.get(parameter)
        return groups[0] if groups else []

    def one_of(self, parameter: Parameter) -> str:
        """The only text of a parameter, "" when it is not given."""
        texts = self.all_of(parameter)
        return texts[0] if texts else ""


def _texts(slot: Element, parameter: Parameter) -> list[str]:
    texts: list[str] = []
    for value in slot.iter(VALUE):
        text = read_value(value)
        items = read_items(text) if len(text) <= MAX_TEXT else None
        if items is None:
            raise refuse(
                Refusal.MALFORMED_REQUEST,
                f"{parameter}: {quoted(text)!r} is neither a quoted value nor a list of them",
                subject=parameter,
            )
        texts += items
    return texts


def read_parameters(query: Element, definition: StoredQuery) -> Parameters:
    """The parameters of a `rim:AdhocQuery`. Slots the query does not define are ignored and named
    (ebRS 3.0 6.3.2.1); raises `ExchangeError` for wrong counts and missing ones."""
    groups: dict[Parameter, list[list[str]]] = {}
    ignored: dict[str, None] = {}
    total = 0
    for slot in query.iterchildren(SLOT):
        name = (slot.get("name") or "").strip()
        try:
            parameter = Parameter(name)
        except ValueError:
            parameter = None
        if parameter is None or parameter not in definition.parameters:
            ignored[name[:MAX_VALUE]] = None
            continue
        texts = _texts(slot, parameter)
        total += len(texts)
        if total > MAX_ITEMS:
            raise refuse(Refusal.MALFORMED_REQUEST, f"more than {MAX_ITEMS} values in one query")
        if parameter in groups and parameter not in _COMBINING:
            raise _wrong_count(parameter, "the slot comes more than once")
        if len(texts) > 1 and parameter not in _MULTIPLE:
            raise _wrong_count(parameter, f"{len(texts)} values, one is allowed")
        if texts:
            groups.setdefault(parameter, []).append(texts)
    _check_required(groups, definition.required)
    return Parameters(groups, tuple(ignored))


def _wrong_count(parameter: Parameter, text: str) -> Exception:
    return refuse(Refusal.WRONG_PARAMETER_COUNT, f"{parameter}: {text}", subject=parameter)


def _check_required(
    groups: dict[Parameter, list[list[str]]], required: Sequence[Parameter]
) -> None:
    for parameter in required:
        if parameter not in groups:
            raise refuse(Refusal.MISSING_PARAMETER, f"{parameter} is required", subject=parameter)
