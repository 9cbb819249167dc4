"""People as the HL7 v2 strings that document entries keep: XCN, XPN, XAD and the PID fields.

Not a reader of HL7 v2 messages. Only what a DocumentReference can say of an authenticator and of
the patient at the source. Rules: ITI TF-3 table 4.2.3.1.7-2, HL7 v2 chapter 2.7 for the escapes.
"""

from __future__ import annotations

import re

from gateway.domain import HumanName

_ESCAPES = (("\\", "\\E\\"), ("^", "\\S\\"), ("&", "\\T\\"))
_UNESCAPED = {"E": "\\", "S": "^", "T": "&", "F": "|", "R": "~"}
_ESCAPED = re.compile(r"\\([ESTFR])\\")


def escape(text: str) -> str:
    """A text as one component: separators become escape sequences."""
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text


def unescape(component: str) -> str:
    """The text of a component; sequences that are not escapes stay as they are."""
    return _ESCAPED.sub(lambda match: _UNESCAPED[match[1]], component)


def split(text: str, count: int) -> list[str]:
    """The first `count` components of a field, unescaped, empty ones for those left out."""
    parts = [part.strip() for part in text.split("^")[:count]]
    if "\\" in text:
        parts = [unescape(part) for part in parts]
    return parts + [""] * (count - len(parts))


def join(*components: str) -> str:
    """Components as one field, without the empty ones at its end."""
    return "^".join(escape(part) for part in components).rstrip("^")


def _name(family: str, first: str, further: str, suffix: str, prefix: str) -> HumanName | None:
    if not (family or first or further or suffix or prefix):
        return None
    given = (first, *further.split()) if first else tuple(further.split())
    return HumanName(family=family, given=given, prefix=prefix, suffix=suffix)


def _parts(name: HumanName) -> tuple[str, str, str, str, str]:
    first, further = (name.given[0], " ".join(name.given[1:])) if name.given else ("", "")
    return name.family, first, further, name.suffix, name.prefix


def read_xpn(text: str) -> HumanName | None:
    """The name of an XPN, `family^given^further^suffix^prefix`; None when it says nothing."""
    family, first, further, suffix, prefix = split(text, 5)
    return _name(family, first, further, suffix, prefix)


def write_xpn(name: HumanName) -> str:
    """A name as an XPN."""
    return join(*_parts(name))


def read_xcn(text: str) -> tuple[HumanName | None, str, str]:
    """Name, id and the id's authority of an XCN, `id^family^given^further^suffix^prefix^^^hd`."""
    local_id, family, first, further, suffix, prefix = split(text, 6)
    parts = text.split("^")
    hd = parts[8].split("&") if len(parts) > 8 else [""]
    authority = hd[1] if len(hd) == 3 else hd[0]
    return (
        _name(family, first, further, suffix, prefix),
        local_id,
        unescape(authority.strip()),
    )


def write_xcn(name: HumanName | None, local_id: str, authority: str) -> str:
    """A person as an XCN; "" when nothing is known."""
    parts = _parts(name) if name else ("", "", "", "", "")
    person = "^".join(escape(part) for part in (local_id, *parts))
    if authority:
        person += f"^^^&{escape(authority)}&ISO"
    return person.rstrip("^")
