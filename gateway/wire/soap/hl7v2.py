"""HL7 v2 data types as XDS writes them into ebXML strings: XCN for persons, XON for organisations.

Not a reader of HL7 v2 messages. Rules: ITI TF-3 table 4.2.3.1.7-2. Inside a component the
separators `^` and `&` and the backslash are written as the escapes of HL7 v2 chapter 2.7; a peer
that forgot to escape an ampersand in an organisation's name is still read as it meant it.
"""

from __future__ import annotations

import re

from gateway.domain import HumanName, Organisation

_ESCAPES = (("\\", "\\E\\"), ("^", "\\S\\"), ("&", "\\T\\"))
_UNESCAPED = {"E": "\\", "S": "^", "T": "&", "F": "|", "R": "~"}
_ESCAPED = re.compile(r"\\([ESTFR])\\")
_NEEDS_ESCAPE = re.compile(r"[\\^&]")
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_MAIL = "^^Internet^"
_PHONE = "^^PH^^^^^^^^^"  # XTN.12, the number as people write it


def escape(text: str) -> str:
    """A text as one component: separators become escape sequences."""
    if _NEEDS_ESCAPE.search(text):
        for plain, escaped in _ESCAPES:
            text = text.replace(plain, escaped)
    return text


def unescape(component: str) -> str:
    """The text of a component; sequences that are not escapes stay as they are."""
    if "\\" not in component:
        return component
    return _ESCAPED.sub(lambda match: _UNESCAPED[match[1]], component)


def _authority(component: str) -> str:
    # HD: namespace & universal id & type. A bare OID is a slip seen in the wild.
    parts = component.split("&")
    return parts[1].strip() if len(parts) == 3 else parts[0].strip()


def write_person(name: HumanName | None, local_id: str, authority: str) -> str:
    """An XCN: `id^family^given^further^suffix^prefix^^^&oid&ISO`; "" when nothing is known."""
    given = name.given if name else ()
    components = (
        escape(local_id),
        escape(name.family) if name else "",
        escape(given[0]) if given else "",
        escape(" ".join(given[1:])),
        escape(name.suffix) if name else "",
        escape(name.prefix) if name else "",
        "",
        "",
        f"&{escape(authority)}&ISO" if authority else "",
    )
    return "^".join(components).rstrip("^")


def read_person(text: str) -> tuple[HumanName | None, str, str]:
    """(name, id, authority of the id) of an XCN. Text without separators but with a space,
    which strictly would be an id, is a name: that is what peers mean who write it."""
    components = [part.strip() for part in text.split("^")]
    if len(components) == 1 and " " in components[0]:
        return HumanName(family=unescape(components[0])), "", ""
    components += [""] * (9 - len(components))
    local_id, family, first, further, suffix, prefix = components[:6]
    name = None
    if family or first or further or suffix or prefix:
        given = (first, *further.split()) if first else tuple(further.split())
        name = HumanName(
            family=unescape(family.partition("&")[0]),
            given=tuple(unescape(part) for part in given),
            prefix=unescape(prefix),
            suffix=unescape(suffix),
        )
    return name, unescape(local_id), unescape(_authority(components[8]))


def write_organisation(organisation: Organisation) -> str:
    """An XON: `name^^^^^&authority&ISO^^^^id`; an OID alone is the id and needs no authority."""
    local_id, authority = escape(organisation.id), escape(organisation.authority)
    if authority and not local_id:
        local_id, authority = authority, ""
    elif authority:
        authority = f"&{authority}&ISO"
    name = escape(organisation.name)
    return f"{name}^^^^^{authority}^^^^{local_id}".rstrip("^")


def read_organisation(text: str) -> Organisation:
    """The organisation of an XON."""
    components = [part.strip() for part in text.split("^")]
    components += [""] * (10 - len(components))
    authority, local_id = _authority(components[5]), components[9]
    if local_id and not authority and _OID.fullmatch(local_id):
        local_id, authority = "", local_id
    return Organisation(
        name=unescape(components[0]), id=unescape(local_id), authority=unescape(authority)
    )


def write_telecom(address: str) -> str:
    """An XTN of a `mailto:` or `tel:` address; anything else is taken to be an XTN already."""
    if address.startswith("mailto:"):
        return _MAIL + escape(address.removeprefix("mailto:"))
    if address.startswith("tel:"):
        return _PHONE + escape(address.removeprefix("tel:"))
    return address


def read_telecom(text: str) -> str:
    """The `mailto:` or `tel:` address of a simple XTN, any other XTN as it is."""
    for lead, scheme in ((_PHONE, "tel:"), (_MAIL, "mailto:")):
        rest = text.removeprefix(lead)
        if rest != text and rest and "^" not in rest:
            return scheme + unescape(rest)
    return text
