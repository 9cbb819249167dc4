"""The content tree of a key object selection, read whatever its generation.

Descriptors of an instance stand below its reference, as the text has it, or as siblings before
it, as older writers placed them; relationship types are not looked at, and codes go by their
value. Clauses: DICOM PS3.16 TID 2010, 1600 to 1602 and their extension by IHE RAD MADO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, time
from typing import TypeAlias

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.domain.codes import Code
from gateway.domain.ids import InvalidIdentifier, Uid
from gateway.wire.dicom import elements
from gateway.wire.dicom import kos_codes as codes
from gateway.wire.dicom.elements import CodingSchemes, items, text, uid
from gateway.wire.dicom.kos_codes import CONCEPT_OF_VALUE, Concept
from gateway.wire.problems import DecodeError

# The template needs four levels; a foreign root nested in itself needs five.
MAX_DEPTH = 16
# A study of a hundred thousand instances is twenty times the largest we know.
MAX_INSTANCES = 100_000
# Names of content items kept to be recognised again; a manifest has about a dozen.
_MAX_KEPT_NAMES = 256
_MAX_KEPT_NAME = 512

VALUE_TYPE = Tag(0x0040, 0xA040)
CONCEPT_NAME = Tag(0x0040, 0xA043)
CONTENT = Tag(0x0040, 0xA730)
_CONCEPT_CODE = Tag(0x0040, 0xA168)
_TEXT = Tag(0x0040, 0xA160)
_UIDREF = Tag(0x0040, 0xA124)
_DATE = Tag(0x0040, 0xA121)
_TIME = Tag(0x0040, 0xA122)
_MEASURED = Tag(0x0040, 0xA300)
_NUMERIC = Tag(0x0040, 0xA30A)
REFERENCED_SOP = Tag(0x0008, 0x1199)
REFERENCED_CLASS = Tag(0x0008, 0x1150)
REFERENCED_INSTANCE = Tag(0x0008, 0x1155)

Value: TypeAlias = Code | str | int | date | time | None

_ANY_INTEGER = re.compile(r"-?\d{1,9}")

# An item of Referenced SOP Sequence as nearly everybody writes it: explicit little endian,
# defined length, class then instance. Thousands of them are read without building data sets.
_PLAIN_REFERENCE = re.compile(
    rb"\xfe\xff\x00\xe0.{4}\x08\x00\x50\x11UI..([0-9.]+)\0?\x08\x00\x55\x11UI..([0-9.]+)\0?",
    re.DOTALL,
)


@dataclass(slots=True)
class InstanceFacts:
    """What the tree says of one instance."""

    sop_class: Uid | None = None
    number: int | None = None
    frames: int | None = None
    title: Code | None = None
    description: str = ""


@dataclass(slots=True)
class SeriesFacts:
    """What an image library group says of its series."""

    uid: Uid | None = None
    modality: Code | None = None
    number: int | None = None
    description: str = ""
    started: date | None = None
    started_time: time | None = None
    region: Code | None = None
    region_text: str = ""
    laterality: Code | None = None
    declared: int | None = None
    listed: list[Uid] = field(default_factory=list)


@dataclass(slots=True)
class TreeFacts:
    """What the whole tree says: the flat list, the library, its groups, facts by instance."""

    title: Code | None = None
    description: str = ""
    procedures: list[Code] = field(default_factory=list)
    modalities: list[Code] = field(default_factory=list)
    regions: list[Code] = field(default_factory=list)
    declared_series: int | None = None
    has_library: bool = False
    flat: dict[Uid, None] = field(default_factory=dict)
    groups: list[SeriesFacts] = field(default_factory=list)
    instances: dict[Uid, InstanceFacts] = field(default_factory=dict)


_INSTANCE_CONCEPTS = frozenset(
    {
        codes.INSTANCE_NUMBER.value,
        codes.NUMBER_OF_FRAMES.value,
        codes.DOCUMENT_TITLE.value,
        codes.KEY_OBJECT_DESCRIPTION.value,
    }
)


def read_tree(ds: Dataset, schemes: CodingSchemes) -> TreeFacts:
    """Everything the content tree of a document says. Call it inside `elements.reading`."""
    reader = _Reader(schemes)
    reader.facts.title = elements.first_code(ds, CONCEPT_NAME, schemes)
    reader.walk(items(ds, CONTENT), None, 0)
    return reader.facts


class _Reader:
    def __init__(self, schemes: CodingSchemes) -> None:
        self.facts = TreeFacts()
        self._schemes = schemes
        self._in_library = False
        self._names: dict[bytes, str] = {}

    def _concept(self, item: Dataset) -> str:
        """The code value of an item's name; the same bytes are read once."""
        raw = item.get_item(CONCEPT_NAME)
        key = raw.value if isinstance(raw, RawDataElement) else None
        if not isinstance(key, bytes) or len(key) > _MAX_KEPT_NAME:
            return _concept_of(item)
        known = self._names.get(key)
        if known is None:
            known = _concept_of(item)
            if len(self._names) < _MAX_KEPT_NAMES:
                self._names[key] = known
        return known

    def walk(self, content: Iterable[Dataset], group: SeriesFacts | None, depth: int) -> None:
        """Read sibling items, those below included, inside a group or outside all groups."""
        if depth > MAX_DEPTH:
            raise DecodeError(
                "content tree", f"more than {MAX_DEPTH} levels", "four levels", "TID 2010"
            )
        pending: dict[str, Value] = {}
        for item in content:
            if REFERENCED_SOP in item:
                self._reference(item, group, pending)
                pending = {}
                continue
            name = self._concept(item)
            if text(item, VALUE_TYPE) == "CONTAINER":
                self._container(item, name, group, depth)
            elif name in _INSTANCE_CONCEPTS and (group is not None or self._in_library):
                pending[name] = self._value(item, name)
            elif group is not None:
                self._describe_series(group, name, item)
            else:
                self._describe_study(name, item)

    def _container(self, item: Dataset, name: str, group: SeriesFacts | None, depth: int) -> None:
        was_in_library = self._in_library
        if name == codes.IMAGE_LIBRARY_GROUP.value:
            group = SeriesFacts()
            self.facts.groups.append(group)
        elif name == codes.IMAGE_LIBRARY.value:
            self.facts.has_library = self._in_library = True
        elif name in codes.FORM_OF_TITLE and self.facts.title is None:
            self.facts.title = elements.first_code(item, CONCEPT_NAME, self._schemes)
        self.walk(items(item, CONTENT), group, depth + 1)
        self._in_library = was_in_library

    def _reference(
        self, item: Dataset, group: SeriesFacts | None, pending: dict[str, Value]
    ) -> None:
        told = pending
        if group is not None and CONTENT in item:
            told = dict(pending)
            for below in items(item, CONTENT):
                name = self._concept(below)
                if name in _INSTANCE_CONCEPTS:
                    told[name] = self._value(below, name)
        for sop_class, instance in references(item):
            if instance is None:
                continue
            if group is None:
                self.facts.flat[instance] = None
            else:
                group.listed.append(instance)
            facts = self.facts.instances.get(instance)
            if facts is None:
                if len(self.facts.instances) >= MAX_INSTANCES:
                    raise DecodeError(
                        "content tree",
                        f"more than {MAX_INSTANCES} instances",
                        "the instances of one study",
                    )
                facts = self.facts.instances[instance] = InstanceFacts(sop_class=sop_class)
            if group is not None and told:
                _note_instance(facts, told)

    def _describe_study(self, name: str, item: Dataset) -> None:
        value = self._value(item, name)
        if name == codes.PROCEDURE_CODE.value and isinstance(value, Code):
            self.facts.procedures.append(value)
        elif name == codes.MODALITY.value and isinstance(value, Code):
            self.facts.modalities.append(value)
        elif name == codes.TARGET_REGION.value and isinstance(value, Code):
            self.facts.regions.append(value)
        elif name == codes.KEY_OBJECT_DESCRIPTION.value:
            self.facts.description = self.facts.description or str(value or "")
        elif CONCEPT_OF_VALUE.get(name) is Concept.SERIES_COUNT:
            self.facts.declared_series = _integer(value)

    def _describe_series(self, group: SeriesFacts, name: str, item: Dataset) -> None:
        value = self._value(item, name)
        concept = CONCEPT_OF_VALUE.get(name)
        if name == codes.MODALITY.value and isinstance(value, Code):
            group.modality = value
        elif name == codes.SERIES_UID.value:
            group.uid = uid(item, _UIDREF) or uid(item, _TEXT)
        elif name == codes.SERIES_NUMBER.value:
            group.number = _integer(value)
        elif name == codes.TARGET_REGION.value:
            if isinstance(value, Code):
                group.region = value
            else:
                group.region_text = str(value or "")
        elif name == codes.IMAGE_LATERALITY.value and isinstance(value, Code):
            group.laterality = value
        elif concept is Concept.SERIES_DESCRIPTION:
            group.description = str(value or "")
        elif concept is Concept.SERIES_DATE:
            group.started = elements.day(item, _DATE) or elements.day(item, _TEXT)
        elif concept is Concept.SERIES_TIME:
            group.started_time = elements.clock(item, _TIME) or elements.clock(item, _TEXT)
        elif concept is Concept.INSTANCE_COUNT:
            group.declared = _integer(value)

    def _value(self, item: Dataset, name: str) -> Value:
        """The value of an item: code, number or text, whichever it has."""
        if name == codes.INSTANCE_NUMBER.value and _TEXT in item:
            return text(item, _TEXT)
        if _CONCEPT_CODE in item:
            return elements.first_code(item, _CONCEPT_CODE, self._schemes)
        if _MEASURED in item:
            for measured in items(item, _MEASURED):
                return elements.leading_integer(text(measured, _NUMERIC))
        return text(item, _TEXT)


def references(ds: Dataset) -> Iterator[tuple[Uid | None, Uid | None]]:
    """Class and instance of each item of Referenced SOP Sequence (0008,1199), in order."""
    raw = ds.get_item(REFERENCED_SOP)
    if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes) and _is_plain(raw):
        found = _PLAIN_REFERENCE.findall(raw.value)
        # The parts matched must make up the whole: 24 bytes of headers beside two padded UIDs.
        sizes = sum(24 + len(a) + (len(a) & 1) + len(b) + (len(b) & 1) for a, b in found)
        if sizes == len(raw.value):
            for sop_class, instance in found:
                yield _uid_of(sop_class), _uid_of(instance)
            return
    for item in items(ds, REFERENCED_SOP):
        yield uid(item, REFERENCED_CLASS), uid(item, REFERENCED_INSTANCE)


def _is_plain(raw: RawDataElement) -> bool:
    return raw.is_little_endian and not raw.is_implicit_VR


def _uid_of(value: bytes) -> Uid | None:
    try:
        return Uid(value.decode("ascii"))
    except InvalidIdentifier:
        return None


def _concept_of(item: Dataset) -> str:
    for name in items(item, CONCEPT_NAME):
        return text(name, elements.CODE_VALUE)
    return ""


def _integer(value: Value) -> int | None:
    """A number, or the first integer of a text such as `(20, UCUM, "instances")`."""
    if isinstance(value, int):
        return value
    match = _ANY_INTEGER.search(value) if isinstance(value, str) else None
    return int(match[0]) if match else None


def _note_instance(facts: InstanceFacts, told: dict[str, Value]) -> None:
    for name, value in told.items():
        if name == codes.INSTANCE_NUMBER.value:
            facts.number = _integer(value)
        elif name == codes.NUMBER_OF_FRAMES.value:
            facts.frames = _integer(value)
        elif name == codes.DOCUMENT_TITLE.value and isinstance(value, Code):
            facts.title = value
        elif name == codes.KEY_OBJECT_DESCRIPTION.value:
            facts.description = str(value or "")
