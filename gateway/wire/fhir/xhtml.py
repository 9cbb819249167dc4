"""The narrative of a resource, `<div>` of XHTML: a string in JSON, a tree in XML (R4, narrative).

Not a sanitiser: scripts and the like are the business of whoever shows a narrative. Only what
cannot travel is refused: text that is no XML, entities of HTML, and elements of other namespaces.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.xml import XML, Element, escape_attr, escape_text, parse_xml, quoted, tag_of

XHTML: Final = "http://www.w3.org/1999/xhtml"

DIV: Final = f"{{{XHTML}}}div"
_RULE: Final = "FHIR R4 narrative"


def read_div(element: Element, where: str) -> str:
    """The narrative in an XML document as the string of JSON: one namespace, declared on the div.

    `DecodeError` for elements or attributes of another namespace than XHTML and `xml:`.
    """
    if tag_of(element) != DIV:
        raise DecodeError(where, f"<{quoted(tag_of(element))}>", f"a div of {XHTML}", _RULE)
    out: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        name = _name(tag_of(node), where)
        empty = len(node) == 0 and not node.text
        if event == "start":
            declared = f' xmlns="{XHTML}"' if node is element else ""
            out.append(f"<{name}{declared}")
            for attribute, value in node.attrib.items():
                out.append(f' {_attribute(str(attribute), where)}="{escape_attr(str(value))}"')
            out.append("/>" if empty else f">{escape_text(node.text or '')}")
        else:
            if not empty:
                out.append(f"</{name}>")
            if node is not element:
                out.append(escape_text(node.tail or ""))
    return "".join(out)


def write_div(text: str, where: str) -> str:
    """The string of JSON as markup that may stand in an XML document, whatever is around it.

    `EncodeError` when it is not one well-formed `div` of XHTML.
    """
    try:
        return read_div(parse_xml(text.encode(), where=where), where)
    except (DecodeError, UnicodeEncodeError) as error:
        raise EncodeError(f"a narrative that is not XHTML: {error}") from error


def _name(tag: str, where: str) -> str:
    prefix = f"{{{XHTML}}}"
    if not tag.startswith(prefix):
        raise DecodeError(where, f"<{quoted(tag)}>", f"elements of {XHTML}", _RULE)
    return tag.removeprefix(prefix)


def _attribute(name: str, where: str) -> str:
    if not name.startswith("{"):
        return name
    if name.startswith(f"{{{XML}}}"):
        return f"xml:{name.removeprefix(f'{{{XML}}}')}"
    raise DecodeError(where, f"an attribute {quoted(name)}", "attributes of XHTML", _RULE)
