"""Makes broken messages out of good ones, the same ones for the same seed.

Two layers: of the tree, so that a message stays well-formed and reaches the deep parts of a
decoder, and of the bytes, so that nothing about well-formedness is taken for granted.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence

from lxml import etree

MAX_INPUT_BYTES = 256 * 1024  # small inputs, many of them; sizes are the business of unit tests

_NASTY_TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "9" * 400,
    "NaN",
    "true",
    "urn:oid:",
    "urn:oid:1.2.3",
    "urn:uuid:",
    "2.999",
    "1." * 40,
    "()",
    "('",
    "('a','b')",
    "('a^^b'",
    "''",
    "^^^&&",
    "^^^&1.2.3&ISO",
    "x^^^&1.2.3&ISO^urn:x^y",
    "&amp;amp;",
    "%",
    "%41%",
    "cid:%ff",
    "http://127.0.0.1/",
    "19000229",
    "99999999999999",
    "20261122120000.123456789+9999",
    "0000",
    "\u202e",
    "é",
    "\U0001f9e0",
    "a" * 3000,
    "| | |",
    "PID-3|",
    "http://www.w3.org/2003/05/soap-envelope",
)
_NASTY_BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\r\n--b\r\n",
    b"\r\n--b--",
    b"--b",
    b"<!DOCTYPE a>",
    b"<!--",
    b"-->",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"<![CDATA[",
    b"]]>",
    b"&lt;",
    b"&#x10ffff;",
    b"&#0;",
    b"&x;",
    b' xmlns="urn:x"',
    b" xmlns:x=''",
    b"<a/>",
    b"</a>",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-ID: <",
    b"=",
    b"=\r\n",
    b"====",
    b"\xc0\x80",
    b"\xed\xa0\x80",
)


class Mutator:
    """Mutations drawn from one source of chance; equal seeds give equal mutations."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def mutate(self, corpus: Sequence[bytes]) -> bytes:
        """A message of the corpus with a few things wrong with it."""
        good = self._random.choice(corpus)
        data = self._mutate_tree(good, corpus) if self._random.random() < 0.8 else good
        # Most stay well-formed, or little would get past the parser.
        if data == good or self._random.random() < 0.15:
            for _ in range(self._random.choice((1, 1, 2, 4, 16))):
                data = self._random.choice(_BYTE_MUTATIONS)(self._random, data, corpus)
        return data[:MAX_INPUT_BYTES]

    def _mutate_tree(self, data: bytes, corpus: Sequence[bytes]) -> bytes:
        try:
            root = etree.fromstring(data, _parser())
        except (etree.XMLSyntaxError, ValueError):
            return data
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 8))):
            elements = [element for element in root.iter() if isinstance(element.tag, str)]
            mutation = self._random.choice(_TREE_MUTATIONS)
            mutation(self._random, elements, corpus)
        return etree.tostring(root)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


TreeMutation = Callable[[random.Random, list[etree._Element], Sequence[bytes]], None]
ByteMutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def _remove(chance: random.Random, elements: list[etree._Element], _: Sequence[bytes]) -> None:
    element = chance.choice(elements)
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _repeat(chance: random.Random, elements: list[etree._Element], _: Sequence[bytes]) -> None:
    element = chance.choice(elements)
    parent = element.getparent()
    if parent is not None and len(elements) < 3000:
        for _time in range(chance.choice((1, 1, 2, 20))):
            parent.insert(chance.randint(0, len(parent)), copy.deepcopy(element))


def _move(chance: random.Random, elements: list[etree._Element], _: Sequence[bytes]) -> None:
    element, target = chance.choice(elements), chance.choice(elements)
    if len(elements) < 3000:
        target.insert(chance.randint(0, len(target)), copy.deepcopy(element))


def _change_text(
    chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]
) -> None:
    leaves = [element for element in elements if len(element) == 0] or elements
    chance.choice(leaves).text = chance.choice(_NASTY_TEXTS)


def _change_attribute(
    chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]
) -> None:
    with_attributes = [element for element in elements if element.attrib]
    if with_attributes:
        element = chance.choice(with_attributes)
        element.set(chance.choice(sorted(map(str, element.attrib))), chance.choice(_NASTY_TEXTS))


def _drop_attribute(
    chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]
) -> None:
    with_attributes = [element for element in elements if element.attrib]
    if with_attributes:
        element = chance.choice(with_attributes)
        del element.attrib[chance.choice(sorted(map(str, element.attrib)))]


def _swap_names(
    chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]
) -> None:
    one, two = chance.choice(elements), chance.choice(elements)
    one.tag, two.tag = two.tag, one.tag


def _swap_values(
    chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]
) -> None:
    one, two = chance.choice(elements), chance.choice(elements)
    one.text, two.text = two.text, one.text
    for name in sorted(set(map(str, one.attrib)) & set(map(str, two.attrib))):
        first, second = one.get(name) or "", two.get(name) or ""
        one.set(name, second)
        two.set(name, first)


def _rename(chance: random.Random, elements: list[etree._Element], corpus: Sequence[bytes]) -> None:
    element = chance.choice(elements)
    local = str(element.tag).rpartition("}")[2]
    element.tag = chance.choice((local, "{urn:x}" + local, "x"))


_TREE_MUTATIONS: tuple[TreeMutation, ...] = (
    _remove,
    _repeat,
    _move,
    _change_text,
    _change_text,
    _change_attribute,
    _change_attribute,
    _drop_attribute,
    _swap_names,
    _swap_values,
    _rename,
)


def _flip(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << chance.randrange(8)),)) + data[at + 1 :]


def _cut(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.choice((1, 2, 8, 64, 1024)) :]


def _truncate(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: chance.randint(0, len(data))]


def _insert(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(_NASTY_BYTES) + data[at:]


def _double(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = chance.randint(0, len(data))
    piece = data[start : start + chance.choice((1, 8, 64, 1024))]
    return data[:start] + piece * chance.choice((2, 2, 10, 200)) + data[start + len(piece) :]


def _splice(chance: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    other = chance.choice(corpus)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


_BYTE_MUTATIONS: tuple[ByteMutation, ...] = (
    _flip,
    _flip,
    _cut,
    _truncate,
    _insert,
    _insert,
    _double,
    _splice,
)
