"""Elements of a clinical document: made as text, found in a tree.

Not a schema: who calls says in which order elements stand. Attributes and texts are escaped here
and nowhere else. Clause: HL7 CDA Release 2, XML implementation technology.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.wire.xml import HL7, Element, escape_attr, escape_text, text_of

HL7_TAG: Final = f"{{{HL7}}}"


def element(tag: str, attributes: Mapping[str, str] | None = None, *inside: str) -> str:
    """An element with those attributes that have a value, and what is inside it."""
    written = "".join(
        f' {name}="{escape_attr(value)}"' for name, value in (attributes or {}).items() if value
    )
    content = "".join(inside)
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def worded(tag: str, text: str) -> str:
    """An element of nothing but words; none where there are no words."""
    return f"<{tag}>{escape_text(text)}</{tag}>" if text else ""


def all_of(parent: Element | None, path: str) -> list[Element]:
    """The elements at a path of names, `a/b`, in document order."""
    if parent is None:
        return []
    return parent.findall("/".join(HL7_TAG + step for step in path.split("/")))


def one_of(parent: Element | None, path: str) -> Element | None:
    """The first element at a path of names, if there is any."""
    return next(iter(all_of(parent, path)), None)


def attribute(found: Element | None, name: str) -> str:
    """An attribute without the white space around it, "" where it is not."""
    return "" if found is None else (found.get(name) or "").strip()


def words_at(parent: Element | None, path: str) -> str:
    """The words of the first element at a path, with single spaces between them."""
    return " ".join(text_of(one_of(parent, path)).split())
