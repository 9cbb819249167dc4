"""DICOM bytes written directly: elements, sequences and the file around them.

For objects that we make ourselves, in explicit VR little endian and UTF-8: the same noun gives
the same bytes, and a manifest of thousands of instances costs milliseconds. Reading is pydicom's.
Clauses: DICOM PS3.5 6.2 (value representations), 7.1 (elements), 7.5 (sequences), PS3.10 7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

from gateway.domain.codes import Code, true_scheme
from gateway.domain.ids import Uid
from gateway.domain.manifests import ImagingRequest, ManifestPatient
from gateway.domain.people import Gender, HumanName, Organisation
from gateway.wire.dicom.elements import DESIGNATOR_OF_SCHEME, oid_text
from gateway.wire.problems import EncodeError

EXPLICIT_LITTLE_ENDIAN = Uid("1.2.840.10008.1.2.1")
# Our own class and version, as every writer of DICOM files names itself (PS3.7 annex D.3.3.2).
IMPLEMENTATION_CLASS = "2.25.104273862514933271645320842177951836294"
IMPLEMENTATION_VERSION = "NCPEH_SIM_1"

# Longest value in characters (PS3.5 table 6.2-1); what is not listed is long enough.
LIMITS = {"SH": 16, "LO": 64, "CS": 16, "UI": 64, "PN": 64, "AE": 16, "IS": 12}
_LONG_HEADER = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT"})
_PAD = {"UI": b"\0", "OB": b"\0"}
_ITEM = b"\xfe\xff\x00\xe0"
_FORBIDDEN = str.maketrans({**{chr(n): " " for n in range(0x20)}, "\x7f": " ", "\\": " "})

_SEX = {Gender.MALE: "M", Gender.FEMALE: "F", Gender.UNDIFFERENTIATED: "O", None: ""}


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element with its header, the value padded to an even length."""
    if len(value) & 1:
        value += _PAD.get(vr, b" ")
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    if vr in _LONG_HEADER:
        return head + struct.pack("<HI", 0, len(value)) + value
    if len(value) > 0xFFFF:
        raise EncodeError(f"({tag:08x}) {vr} holds at most 65535 bytes, not {len(value)}")
    return head + struct.pack("<H", len(value)) + value


def item(content: bytes) -> bytes:
    """An item of a sequence, of defined length."""
    return _ITEM + struct.pack("<I", len(content)) + content


def sequence(tag: int, contents: Iterable[bytes]) -> bytes:
    """A sequence of items, of defined length."""
    return element(tag, "SQ", b"".join(map(item, contents)))


def exact(tag: int, vr: str, value: str) -> bytes:
    """A text that means nothing when it is cut: `EncodeError` where it does not fit."""
    clean = value.translate(_FORBIDDEN).strip()
    if clean != value or len(clean) > LIMITS.get(vr, 1 << 30):
        raise EncodeError(
            f"({tag:08x}) {vr} cannot hold {value[:80]!r}: at most "
            f"{LIMITS.get(vr, 'any number of')} characters, no backslash or control characters"
        )
    return element(tag, vr, clean.encode("utf-8"))


def descriptive(tag: int, vr: str, value: str) -> bytes:
    """A text for people, cut to what the representation holds."""
    return element(tag, vr, value.translate(_FORBIDDEN)[: LIMITS.get(vr)].strip().encode("utf-8"))


def prose(tag: int, value: str) -> bytes:
    """Unlimited text with its line breaks (UT)."""
    return element(tag, "UT", value.rstrip(" ").encode("utf-8"))


def day(tag: int, value: date | None) -> bytes:
    """A DA; empty for None."""
    return element(tag, "DA", value.strftime("%Y%m%d").zfill(8).encode() if value else b"")


def clock(tag: int, value: time | None) -> bytes:
    """A TM with the fraction it has; empty for None."""
    text = ""
    if value is not None:
        text = value.strftime("%H%M%S") + (f".{value.microsecond:06}" if value.microsecond else "")
    return element(tag, "TM", text.encode())


def moment(date_tag: int, time_tag: int, value: datetime, offset_minutes: int) -> dict[int, bytes]:
    """A date and a time of day, local to the offset."""
    local = value.astimezone(timezone(timedelta(minutes=offset_minutes)))
    return {date_tag: day(date_tag, local.date()), time_tag: clock(time_tag, local.time())}


def offset(value: int) -> bytes:
    """Timezone Offset From UTC (0008,0201), from minutes."""
    sign = "-" if value < 0 else "+"
    return element(0x00080201, "SH", f"{sign}{abs(value) // 60:02}{abs(value) % 60:02}".encode())


def person_text(name: HumanName) -> str:
    """A name as PN: family, first given name, the other given names, prefix, suffix."""
    components = (
        name.family,
        name.given[0] if name.given else "",
        " ".join(name.given[1:]),
        name.prefix,
        name.suffix,
    )
    clean = (part.translate(_FORBIDDEN).replace("^", " ").replace("=", " ") for part in components)
    return "^".join(clean)[: LIMITS["PN"]].rstrip("^ ")


def person(tag: int, name: HumanName | None) -> bytes:
    """A PN element; empty for None."""
    return element(tag, "PN", person_text(name).encode("utf-8") if name else b"")


class Schemes:
    """Coding schemes used in one data set; those without a designator get one and are identified.

    PS3.16 8: a private designator begins with 99 and is identified by the scheme's OID.
    """

    def __init__(self) -> None:
        self._own: dict[str, str] = {}

    def designator(self, scheme: str) -> str:
        """The designator of a scheme that is an OID or a designator already."""
        if scheme in DESIGNATOR_OF_SCHEME:
            return DESIGNATOR_OF_SCHEME[scheme]
        if oid_text(scheme):
            return self._own.setdefault(oid_text(scheme), f"99OID{len(self._own) + 1}")
        if not scheme or len(scheme) > LIMITS["SH"]:
            raise EncodeError(f"a coding scheme must be an OID or a short name, not {scheme!r}")
        return scheme

    def identification(self) -> bytes:
        """Coding Scheme Identification Sequence (0008,0110), b"" when there is nothing to say."""
        if not self._own:
            return b""
        return sequence(
            0x00080110,
            (
                exact(0x00080102, "SH", name) + exact(0x0008010C, "UI", oid)
                for oid, name in self._own.items()
            ),
        )

    def code(self, code: Code) -> bytes:
        """The content of a code item; a long value goes to its own attribute (PS3.3 8.8)."""
        long = len(code.value) > LIMITS["SH"]
        value = "" if long else code.value
        meaning = code.display or code.value
        return (
            (b"" if long else exact(0x00080100, "SH", value))
            + exact(0x00080102, "SH", self.designator(true_scheme(code)))
            + descriptive(0x00080104, "LO", meaning)
            + (exact(0x00080119, "UC", code.value) if long else b"")
        )


def issuer(tag: int, oid: str) -> bytes:
    """An issuer as one item of the hierarchic designator macro; b"" for what is no OID."""
    if not oid_text(oid):
        return b""
    content = element(0x00400032, "UT", oid.encode()) + element(0x00400033, "CS", b"ISO")
    return sequence(tag, (content,))


def patient(who: ManifestPatient) -> dict[int, bytes]:
    """The patient module, the primary identifier repeated among the others (MADO 6.X.2)."""
    primary = who.ids[0] if who.ids else None
    found = {
        0x00100010: person(0x00100010, who.name),
        0x00100020: exact(0x00100020, "LO", primary.value if primary else who.bare_id),
        0x00100030: day(0x00100030, who.birth_date),
        0x00100040: element(0x00100040, "CS", _SEX[who.gender].encode()),
    }
    if primary is None:
        return found
    found[0x00100021] = exact(0x00100021, "LO", primary.authority)
    found[0x00100024] = issuer(0x00100024, primary.authority)
    found[0x00101002] = sequence(
        0x00101002,
        (
            exact(0x00100020, "LO", one.value)
            + exact(0x00100021, "LO", one.authority)
            + element(0x00100022, "CS", b"TEXT")
            + issuer(0x00100024, one.authority)
            for one in who.ids
        ),
    )
    return found


def request(asked: ImagingRequest, study: Uid, schemes: Schemes) -> bytes:
    """The content of one item of Referenced Request Sequence (0040,A370)."""
    return (
        exact(0x00080050, "SH", asked.accession)
        + issuer(0x00080051, asked.accession_authority)
        + sequence(0x00081110, ())
        + exact(0x0020000D, "UI", study)
        + descriptive(0x00321060, "LO", asked.description)
        + sequence(0x00321064, (schemes.code(asked.code),) if asked.code else ())
        + issuer(0x00400026, asked.placer_authority)
        + exact(0x00401001, "SH", asked.procedure_id)
        + exact(0x00402016, "LO", asked.placer_order)
        + exact(0x00402017, "LO", asked.filler_order)
    )


def institution(of: Organisation | None) -> bytes:
    """Institution Name as an XON with its identifier; the name alone where that does not fit."""
    if of is None:
        return element(0x00080080, "LO", b"")
    name = of.name.replace("^", " ").replace("&", " ")
    authority = oid_text(of.authority)
    xon = name
    if of.id and authority:
        xon = f"{name}^^^^^&{authority}&ISO^^^^{of.id}"
    elif of.id or authority:
        xon = f"{name}^^^^^^^^^{of.id or authority}"
    return descriptive(0x00080080, "LO", xon if len(xon) <= LIMITS["LO"] else name)


_PREAMBLE = b"\0" * 128 + b"DICM"
_META_VERSION = element(0x00020001, "OB", b"\0\1")
_IMPLEMENTATION = exact(0x00020012, "UI", IMPLEMENTATION_CLASS) + exact(
    0x00020013, "SH", IMPLEMENTATION_VERSION
)


def file_head(*, sop_class: Uid, instance: Uid, syntax: Uid) -> bytes:
    """Preamble, prefix and file meta information of a file (PS3.10 7.1)."""
    before, after = _around_instance(sop_class, syntax)
    meta = before + element(0x00020003, "UI", instance.encode("ascii")) + after
    return _PREAMBLE + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta


@lru_cache(maxsize=256)
def _around_instance(sop_class: Uid, syntax: Uid) -> tuple[bytes, bytes]:
    """What stands before and behind the instance, which is all that differs in a series."""
    return (
        _META_VERSION + exact(0x00020002, "UI", sop_class),
        exact(0x00020010, "UI", syntax) + _IMPLEMENTATION,
    )


def part10(elements: Mapping[int, bytes], *, sop_class: Uid, instance: Uid) -> bytes:
    """A whole file: its head, then the elements in the order of their tags.

    `elements` maps each tag to its encoded element; an empty value leaves the element out.
    """
    head = file_head(sop_class=sop_class, instance=instance, syntax=EXPLICIT_LITTLE_ENDIAN)
    return head + b"".join(elements[tag] for tag in sorted(elements))
