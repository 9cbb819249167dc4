"""The fidelity certificate as sealed XML: written, sealed, its seal checked, read.

A format of our own, of no standard, in a namespace that says so:

    <fc:FidelityCertificate ID delivery community study issued>
      <fc:Statement>Measured fidelity, not fitness for diagnosis.</fc:Statement>
      <ds:Signature/>
      <fc:Series uid> <fc:Cap ratio source/>? <fc:Instance uid syntax sha256 rawBytes …/>+

It is sealed as our assertions are, by an enveloped signature behind its first child, and read from
what was signed alone. A study has thousands of instances, more nodes than a signature over an
assertion may cover: so the tree is found to be flat, and to declare no namespaces but its own,
before anything of it is canonicalised. What is redundant must agree with itself.

Not here: whether what it says is true of what came (`country_b/image_fidelity.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509

from gateway.domain import (
    Coding,
    CommunityId,
    FidelityCertificate,
    InstanceFidelity,
    InstanceRef,
    InvalidIdentifier,
    PixelError,
    RatioCap,
    SeriesFidelity,
    Uid,
)
from gateway.domain.fidelity import NOT_FITNESS
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.signatures import Signer, sign, verify
from gateway.wire.trust import TrustStore
from gateway.wire.xml import DS, Element, escape_attr, escape_text, parse_xml, quoted, tag_of

NAMESPACE: Final = "urn:x-ncp-sim:fidelity-certificate:1"

# The largest delivery of one study; an instance is one element of some 600 bytes.
MAX_INSTANCES: Final = 50_000
MAX_BYTES: Final = 40 * 1024 * 1024
# Instances, their series and caps, and the signature, whose own shape is checked by `verify`.
MAX_NODES: Final = 3 * MAX_INSTANCES
# Ours, ds, and what a C14N declares; a stranger's would be repeated on every element.
MAX_DECLARED: Final = 4
MAX_TEXT: Final = 300
MAX_WHOLE: Final = 1 << 53

_WHERE: Final = "fidelity certificate"
_ROOT, _STATEMENT = f"{{{NAMESPACE}}}FidelityCertificate", f"{{{NAMESPACE}}}Statement"
_SERIES, _INSTANCE = f"{{{NAMESPACE}}}Series", f"{{{NAMESPACE}}}Instance"
_CAP, _SIGNATURE = f"{{{NAMESPACE}}}Cap", f"{{{DS}}}Signature"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DELIVERY: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_ID: Final = re.compile(r"_[A-Za-z0-9-]{1,64}")

T = TypeVar("T", Uid, CommunityId)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFidelity:
    """A certificate whose seal holds, and the certificate of who sealed it."""

    certificate: FidelityCertificate
    sealed_by: x509.Certificate

    @property
    def country(self) -> str:
        """The `C=` part of the signer's subject, by which gateways are told apart; or ""."""
        names = self.sealed_by.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)
        return str(names[0].value) if names else ""


def seal_certificate(certificate: FidelityCertificate, signer: Signer, *, id: str) -> bytes:
    """The certificate as XML, sealed. `id` is an XML id that occurs nowhere else.

    Raises `EncodeError` for one that says nothing or says more than the format holds.
    """
    return sign(encode_certificate(certificate, id=id), signer, reference_id=id)


def open_certificate(data: bytes, trust: TrustStore, *, now: datetime) -> SealedFidelity:
    """A certificate from elsewhere, its seal checked against a trust store at a moment.

    Raises `DecodeError` for what is no certificate, and `SignatureProblem` for a seal that does
    not hold or is not trusted. Takes seconds for the largest: to be called in a thread.
    """
    root = parse_xml(data, max_bytes=MAX_BYTES, where=_WHERE)
    _demand_shape(root)
    verified = verify(root, trust, now=now, max_nodes=MAX_NODES)
    return SealedFidelity(
        certificate=decode_certificate(verified.element), sealed_by=verified.certificate
    )


def encode_certificate(certificate: FidelityCertificate, *, id: str) -> bytes:
    """The certificate as XML without a seal. Raises `EncodeError`."""
    if _ID.fullmatch(id) is None or _DELIVERY.fullmatch(certificate.delivery) is None:
        raise EncodeError("fidelity certificate: an id of other characters than letters and digits")
    studies = {one.ref.study for each in certificate.series for one in each.instances}
    count = sum(len(each.instances) for each in certificate.series)
    if len(studies) != 1 or count > MAX_INSTANCES:
        raise EncodeError(
            f"fidelity certificate: found {count} instances of {len(studies)} studies, expected "
            f"at most {MAX_INSTANCES} of one"
        )
    out = [
        f'<fc:FidelityCertificate xmlns:fc="{NAMESPACE}" ID="{id}" '
        f'delivery="{certificate.delivery}" community="{certificate.community}" '
        f'study="{studies.pop()}" issued="{certificate.issued.isoformat()}">'
        f"<fc:Statement>{escape_text(NOT_FITNESS)}</fc:Statement>"
    ]
    for series in certificate.series:
        out.append(f'\n<fc:Series uid="{series.series}">')
        if series.cap is not None:
            source = escape_attr(series.cap.source[:MAX_TEXT])
            out.append(f'\n<fc:Cap ratio="{series.cap.ratio!r}" source="{source}"/>')
        out.extend(map(_instance, series.instances))
        out.append("</fc:Series>")
    out.append("</fc:FidelityCertificate>")
    return "".join(out).encode()


def _instance(one: InstanceFidelity) -> str:
    """An instance as its element; what does not apply has no attribute."""
    values = {
        "uid": str(one.ref.instance),
        "syntax": str(one.syntax),
        "sha256": one.sha256,
        "rawBytes": str(one.raw_bytes),
        "sentBytes": str(one.sent_bytes),
        "ratio": _ratio(one),
    }
    if one.coding is not None:
        if one.coding.syntax != one.syntax:
            raise EncodeError(f"instance {one.ref.instance}: coded in a syntax it was not sent in")
        values["effort"] = str(one.coding.effort)
        values["near"] = str(one.coding.near)
        values["step"] = repr(float(one.coding.step))
    if one.pixels_sha256:
        values["pixelsSha256"] = one.pixels_sha256
    if one.error is not None:
        values["maxError"] = str(one.error.max_error)
        values["rmse"] = repr(float(one.error.rmse))
        if one.error.ssim is not None:
            values["ssim"] = repr(float(one.error.ssim))
    if one.derived is not None:
        values["derived"] = str(one.derived)
    return "\n<fc:Instance" + "".join(f' {name}="{text}"' for name, text in values.items()) + "/>"


def _ratio(one: InstanceFidelity) -> str:
    return f"{one.ratio:.4f}"


def _demand_shape(root: Element) -> None:
    """Refuse a tree that is not as flat and as plain as ours; cheap, before the seal is checked."""
    if tag_of(root) != _ROOT:
        raise DecodeError(_WHERE, quoted(tag_of(root)), _ROOT)
    for count, (node, expected) in enumerate(_nodes(root), start=1):
        name = tag_of(node)
        if name not in expected or len(node.nsmap) > MAX_DECLARED:
            raise DecodeError(_WHERE, quoted(name), " or ".join(expected))
        if name != _SERIES and len(node):
            raise DecodeError(_WHERE, f"elements within {quoted(name)}", "none")
        if count > MAX_NODES:
            raise DecodeError(_WHERE, f"more than {MAX_NODES} elements", "fewer")


def _nodes(root: Element) -> Iterator[tuple[Element, tuple[str, ...]]]:
    """Every element but those of the signature, and what it may be where it stands."""
    for child in root:
        if tag_of(child) != _SIGNATURE:
            yield child, (_STATEMENT, _SERIES)
            for inner in child:
                yield inner, (_CAP, _INSTANCE)


class _Reader:
    """The attributes of an element, each judged as it is taken; all of them must be."""

    def __init__(self, element: Element, where: str) -> None:
        self._left = {str(name): str(value) for name, value in element.attrib.items()}
        self._where = where

    def taken(self, name: str) -> str:
        """An attribute that must be there."""
        if name not in self._left:
            raise DecodeError(f"{self._where}, {name}", "nothing", "a value")
        return self._left.pop(name)

    def has(self, name: str) -> bool:
        return name in self._left

    def fit(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        found = self.taken(name)
        if pattern.fullmatch(found) is None:
            raise self._wrong(name, found, expected)
        return found

    def identifier(self, name: str, kind: type[T]) -> T:
        found = self.taken(name)
        try:
            return kind(found)
        except InvalidIdentifier as error:
            raise self._wrong(name, found, error.expected) from error

    def whole(self, name: str) -> int:
        found = self.taken(name)
        if not (found.isascii() and found.isdigit() and len(found) < 17) or int(found) > MAX_WHOLE:
            raise self._wrong(name, found, f"a whole number to {MAX_WHOLE}")
        return int(found)

    def number(self, name: str, least: float = 0.0) -> float:
        found = self.taken(name)
        try:
            value = float(found) if len(found) <= 32 else math.nan
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= MAX_WHOLE):
            raise self._wrong(name, found, f"a number from {least:g}")
        return value

    def at(self, name: str) -> datetime:
        found = self.taken(name)
        try:
            value = datetime.fromisoformat(found)
        except ValueError as error:
            raise self._wrong(name, found, "a moment with its zone") from error
        if value.tzinfo is None:
            raise self._wrong(name, found, "a moment with its zone")
        return value

    def done(self) -> None:
        """Nothing may be left: what is not understood is not vouched for."""
        for name in self._left:
            raise DecodeError(self._where, f"an attribute {quoted(name)}", "none of that name")

    def _wrong(self, name: str, found: str, expected: str) -> DecodeError:
        return DecodeError(f"{self._where}, {name}", quoted(repr(found)), expected)


def decode_certificate(root: Element) -> FidelityCertificate:
    """The certificate an element says, which is believed to be whole and signed."""
    _demand_shape(root)
    it = _Reader(root, _WHERE)
    it.fit("ID", _ID, "an XML id")
    study = it.identifier("study", Uid)
    children = [child for child in root if tag_of(child) != _SIGNATURE]
    if not children or tag_of(children[0]) != _STATEMENT or children[0].text != NOT_FITNESS:
        raise DecodeError(f"{_WHERE}, Statement", "another or none", repr(NOT_FITNESS))
    series = tuple(_read_series(child, study) for child in children[1:])
    named = [one.ref.instance for each in series for one in each.instances]
    if not named or len(named) > MAX_INSTANCES or len(named) != len(set(named)):
        expected = f"1 to {MAX_INSTANCES}, each once"
        raise DecodeError(_WHERE, f"{len(named)} instances, or one of them twice", expected)
    certificate = FidelityCertificate(
        delivery=it.fit("delivery", _DELIVERY, "letters, digits and hyphens"),
        community=it.identifier("community", CommunityId),
        issued=it.at("issued"),
        series=series,
    )
    it.done()
    return certificate


def _read_series(element: Element, study: Uid) -> SeriesFidelity:
    if tag_of(element) != _SERIES:
        raise DecodeError(_WHERE, quoted(tag_of(element)), _SERIES)
    it = _Reader(element, f"{_WHERE}, Series")
    uid = it.identifier("uid", Uid)
    it.done()
    inner = list(element)
    cap = None
    if inner and tag_of(inner[0]) == _CAP:
        cap = _read_cap(inner.pop(0))
    if not inner:
        raise DecodeError(f"{_WHERE}, Series {uid}", "no instance", "one or more")
    return SeriesFidelity(
        series=uid, instances=tuple(_read_instance(one, study, uid) for one in inner), cap=cap
    )


def _read_cap(element: Element) -> RatioCap:
    it = _Reader(element, f"{_WHERE}, Cap")
    source = it.taken("source")
    if len(source) > MAX_TEXT:
        raise DecodeError(f"{_WHERE}, Cap", f"{len(source)} characters", f"at most {MAX_TEXT}")
    cap = RatioCap(ratio=it.number("ratio", 1.0), source=source)
    it.done()
    return cap


def _read_instance(element: Element, study: Uid, series: Uid) -> InstanceFidelity:
    if tag_of(element) != _INSTANCE:
        raise DecodeError(_WHERE, quoted(tag_of(element)), _INSTANCE)
    it = _Reader(element, f"{_WHERE}, Instance")
    syntax = it.identifier("syntax", Uid)
    coding = error = None
    if it.has("effort"):
        coding = Coding(
            syntax=syntax, effort=it.whole("effort"), near=it.whole("near"), step=it.number("step")
        )
    if it.has("maxError"):
        error = PixelError(
            max_error=it.whole("maxError"),
            rmse=it.number("rmse"),
            ssim=it.number("ssim", -1.0) if it.has("ssim") else None,
        )
    one = InstanceFidelity(
        ref=InstanceRef(study=study, series=series, instance=it.identifier("uid", Uid)),
        syntax=syntax,
        sha256=it.fit("sha256", _SHA256, "64 hexadecimal digits"),
        raw_bytes=it.whole("rawBytes"),
        sent_bytes=it.whole("sentBytes"),
        coding=coding,
        pixels_sha256=(
            it.fit("pixelsSha256", _SHA256, "64 hexadecimal digits")
            if it.has("pixelsSha256")
            else ""
        ),
        error=error,
        derived=it.identifier("derived", Uid) if it.has("derived") else None,
    )
    if it.taken("ratio") != _ratio(one):
        raise DecodeError(f"{_WHERE}, ratio", "another ratio", f"{_ratio(one)}, by its bytes")
    _agree(one)
    it.done()
    return one


def _agree(one: InstanceFidelity) -> None:
    """What lost something has a coding that loses, an error and a UID of its own; else none has."""
    is_lossy = one.coding is not None and one.coding.is_lossy
    if (one.error is not None, one.derived is not None) != (is_lossy, is_lossy):
        raise DecodeError(
            f"{_WHERE}, Instance {one.ref.instance}",
            "a coding, an error and a UID that do not go together",
            "an error and a derived UID of what lost something, and only of that",
        )
    if one.coding is not None and not one.pixels_sha256:
        raise DecodeError(
            f"{_WHERE}, Instance {one.ref.instance}",
            "no digest of its pixels",
            "one, as it was coded",
        )
