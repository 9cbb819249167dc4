"""The fidelity certificate on the wire: as it is written, read back, sealed, and tampered with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import FidelityCertificate, InstanceFidelity, PixelError, Uid
from gateway.domain.fidelity import NOT_FITNESS
from gateway.pki import TrustDomain, mint_trust
from gateway.wire.fidelity import (
    NAMESPACE,
    decode_certificate,
    encode_certificate,
    open_certificate,
    seal_certificate,
)
from gateway.wire.problems import DecodeError, EncodeError
from gateway.wire.signatures import SignatureProblem, sign
from gateway.wire.trust import TrustStore
from gateway.wire.xml import parse_xml
from tests.fidelity import (
    HTJ2K,
    ISSUED,
    certificate_of,
    lossless_one,
    lossy_one,
    ref_of,
    stored_one,
)
from tests.golden import check_golden

GOLDEN = Path(__file__).parent / "fidelity" / "certificate.xml"
ID = "_c-1"
OTHER_SERIES = Uid("1.2.3.2")


def _every_kind() -> FidelityCertificate:
    return certificate_of(
        stored_one(1),
        lossless_one(2),
        lossy_one(3, ref=ref_of(3, series=OTHER_SERIES)),
        lossy_one(
            4,
            ref=ref_of(4, series=OTHER_SERIES),
            error=PixelError(max_error=3, rmse=0.5),
        ),
    )


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=ISSUED, countries=("XA", "XB"))


@pytest.fixture(scope="module")
def sealed(domain: TrustDomain) -> bytes:
    return seal_certificate(_every_kind(), domain.signer("xa"), id=ID)


def test_what_is_written_is_what_was_agreed() -> None:
    """Golden: one certificate with an instance of each kind."""
    check_golden(GOLDEN, encode_certificate(_every_kind(), id=ID) + b"\n")


def test_what_was_agreed_is_read() -> None:
    """Reverse: the golden file says what it was made from."""
    assert decode_certificate(parse_xml(GOLDEN.read_bytes())) == _every_kind()


_WHOLE = st.integers(0, 1 << 40)
_FLOAT = st.floats(0, 1e6)
_HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)


@st.composite
def _instances(draw: st.DrawFn) -> list[InstanceFidelity]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([stored_one, lossless_one, lossy_one]))
        changes = {"raw_bytes": draw(_WHOLE), "sent_bytes": draw(_WHOLE), "sha256": draw(_HEX)}
        one = kind(number, ref=ref_of(number, series=Uid(f"1.2.{number % 2}")), **changes)
        if one.error is not None:
            ssim = draw(st.none() | st.floats(-1, 1))
            error = PixelError(max_error=draw(_WHOLE), rmse=draw(_FLOAT), ssim=ssim)
            one = replace(one, error=error)
        found.append(one)
    return found


@given(_instances())
@settings(max_examples=40)
def test_what_is_written_is_read(instances: list[InstanceFidelity]) -> None:
    """Round trip."""
    certificate = certificate_of(*instances)

    assert decode_certificate(parse_xml(encode_certificate(certificate, id=ID))) == certificate


def test_a_seal_holds_and_says_whose_it_is(sealed: bytes, domain: TrustDomain) -> None:
    """The certificate comes back, with the country in the signer's subject."""
    opened = open_certificate(sealed, domain.trust_store, now=ISSUED)

    assert opened.certificate == _every_kind()
    assert opened.country == "XA"
    assert NOT_FITNESS.encode() in sealed


@pytest.mark.parametrize("name", sorted(set(re.findall(r' (\w+)="', GOLDEN.read_text("utf-8")))))
def test_a_value_changed_anywhere_is_refused(name: str, sealed: bytes, domain: TrustDomain) -> None:
    """One character of any attribute: the seal does not hold, or it is no certificate any more."""
    found = re.search(rf' {name}="([^"]+)"'.encode(), sealed)
    assert found is not None
    at = found.end(1) - 1
    other = b"1" if sealed[at : at + 1] != b"1" else b"2"
    with pytest.raises((SignatureProblem, DecodeError)):
        open_certificate(sealed[:at] + other + sealed[at + 1 :], domain.trust_store, now=ISSUED)


_LINE = re.compile(rb"\n<fc:Instance [^>]*/>")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda x: x.replace(NOT_FITNESS.encode(), b"Fit for diagnosis."),
        lambda x: _LINE.sub(b"", x, count=1),
        lambda x: _LINE.sub(lambda found: found[0] * 2, x, count=1),
        lambda x: x.replace(b"<fc:Series", b'<fc:Series note="x"', 1),
        lambda x: re.sub(rb"<ds:Signature.*</ds:Signature>", b"", x, flags=re.DOTALL),
        lambda x: re.sub(rb"(<ds:Signature.*</ds:Signature>)", rb"\1\1", x, flags=re.DOTALL),
    ],
    ids=["statement", "left-out", "twice", "attribute", "unsealed", "sealed-twice"],
)
def test_a_certificate_changed_otherwise_is_refused(
    tamper: Callable[[bytes], bytes], sealed: bytes, domain: TrustDomain
) -> None:
    """Elements left out, put in or reworded."""
    assert tamper(sealed) != sealed
    with pytest.raises((SignatureProblem, DecodeError)):
        open_certificate(tamper(sealed), domain.trust_store, now=ISSUED)


def test_what_is_wrapped_around_a_sealed_one_is_not_read(
    sealed: bytes, domain: TrustDomain
) -> None:
    """A seal inside another certificate vouches for nothing of the outer one."""
    outer = encode_certificate(certificate_of(stored_one(9)), id="_other")
    wrapped = outer.replace(b"</fc:Statement>", b"</fc:Statement>" + sealed)
    with pytest.raises((SignatureProblem, DecodeError)):
        open_certificate(wrapped, domain.trust_store, now=ISSUED)


def test_a_stranger_and_a_signer_out_of_time_are_refused(
    sealed: bytes, domain: TrustDomain
) -> None:
    """The trust store decides who is believed, and when."""
    with pytest.raises(SignatureProblem, match=r"."):
        open_certificate(sealed, TrustStore(), now=ISSUED)
    with pytest.raises(SignatureProblem, match=r"."):
        open_certificate(sealed, domain.trust_store, now=ISSUED + timedelta(days=365 * 50))


@pytest.mark.parametrize(
    ("found", "put", "says"),
    [
        ('sha256="', 'sha256="z', "64 hexadecimal"),
        ('rawBytes="1000"', 'rawBytes="-5"', "whole number"),
        ('ratio="0.9091"', 'ratio="9.0"', "by its bytes"),
        ('rmse="1.25"', 'rmse="nan"', "a number"),
        ('rmse="1.25"', 'rmse="inf"', "a number"),
        ('uid="1.2.3.9.1"', 'uid="1.2.x"', "uid"),
        ('issued="2026', 'issued="x', "a moment"),
        ("+00:00", "", "its zone"),
        ('delivery="d-1"', 'delivery="../d"', "letters"),
        (' derived="2.25.4"', "", "go together"),
        (' maxError="7" rmse="1.25" ssim="0.991"', "", "go together"),
        (' source="a policy of this test system"', "", "source"),
        ("<fc:Series uid", '<fc:Series other="1" uid', "attribute"),
        ("fc:Instance ", "fc:Thing ", "Thing"),
        ('uid="1.2.3.9.2"', 'uid="1.2.3.9.1"', "each once"),
        ("urn:x-ncp-sim:fidelity-certificate:1", "urn:other", "FidelityCertificate"),
    ],
)
def test_what_is_no_certificate_is_told(
    found: str, put: str, says: str, domain: TrustDomain
) -> None:
    """Broken input, sealed all the same: a signer that is trusted may still write nonsense."""
    text = encode_certificate(_every_kind(), id=ID).decode()
    assert found in text
    broken = sign(text.replace(found, put).encode(), domain.signer("xa"), reference_id=ID)
    with pytest.raises(DecodeError, match=says):
        open_certificate(broken, domain.trust_store, now=ISSUED)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a/>",
        b"not xml",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        f'<fc:FidelityCertificate xmlns:fc="{NAMESPACE}"/>'.encode(),
    ],
)
def test_what_is_nothing_like_it_is_refused(data: bytes, domain: TrustDomain) -> None:
    """Hostile and broken bytes."""
    with pytest.raises((DecodeError, SignatureProblem)):
        open_certificate(data, domain.trust_store, now=ISSUED)


def test_a_deep_or_foreign_tree_is_refused_before_its_seal_is_looked_at(
    sealed: bytes, domain: TrustDomain
) -> None:
    """What would cost much to canonicalise never is."""
    declared = "".join(f' xmlns:n{n}="urn:n{n}"' for n in range(30)).encode()
    for put in (b"<fc:Series" + declared, b'<fc:Series uid="1"><fc:Series/></fc:Series><fc:Series'):
        with pytest.raises(DecodeError):
            open_certificate(sealed.replace(b"<fc:Series", put, 1), domain.trust_store, now=ISSUED)


def test_more_instances_than_an_assertion_has_nodes_are_sealed_and_read(
    domain: TrustDomain,
) -> None:
    """Six thousand, in less than a test may take."""
    many = certificate_of(*(lossless_one(number) for number in range(6000)))
    data = seal_certificate(many, domain.signer("xa"), id=ID)

    assert open_certificate(data, domain.trust_store, now=ISSUED).certificate == many


def test_what_cannot_be_said_is_not_written() -> None:
    """Nothing at all, two studies, an id of other characters, a syntax it was not sent in."""
    other = stored_one(2, ref=replace(ref_of(2), study=Uid("1.9")))
    wrong = lossless_one(1, syntax=HTJ2K)
    for certificate in (
        certificate_of(),
        certificate_of(stored_one(1), other),
        certificate_of(stored_one(1), delivery="a/b"),
        certificate_of(wrong),
    ):
        with pytest.raises(EncodeError):
            encode_certificate(certificate, id=ID)
    with pytest.raises(EncodeError):
        encode_certificate(certificate_of(stored_one(1)), id='_"')


def test_a_moment_keeps_its_zone() -> None:
    """It is read as the moment it was."""
    certificate = certificate_of(stored_one(1), issued=datetime(2026, 1, 1, tzinfo=UTC))

    assert decode_certificate(parse_xml(encode_certificate(certificate, id=ID))) == certificate
