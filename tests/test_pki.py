"""The made-up trust domain: what it holds, how it is written, what it refuses to do."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki import TrustDomain, init_trust, main, mint_trust
from gateway.pki_profile import PkiError, Role, TrustProfile

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SMALL = replace(TrustProfile(), roles={"seal": Role()})


@pytest.fixture(scope="module")
def domain() -> TrustDomain:
    return mint_trust(now=NOW)


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.Extension:
    return certificate.extensions.get_extension_for_class(kind)


def test_each_country_has_each_role(domain: TrustDomain) -> None:
    """Two countries, three leaves each, with the key types of the profile."""
    assert set(domain.leaves) == {
        (country, role) for country in ("xa", "xb") for role in ("tls-server", "tls-client", "seal")
    }
    assert isinstance(domain.leaves["xa", "seal"].key, rsa.RSAPrivateKey)
    assert isinstance(domain.leaves["xa", "tls-server"].key, ec.EllipticCurvePrivateKey)
    assert domain.signer("XA").country == "XA"


def test_leaves_are_marked_for_what_they_are_for(domain: TrustDomain) -> None:
    """Key usage is digitalSignature; servers, clients and seals differ in extended key usage."""
    for leaf in domain.leaves.values():
        usage = extension(leaf.certificate, x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert not usage.value.key_cert_sign
        assert not extension(leaf.certificate, x509.BasicConstraints).value.ca
    server = domain.leaves["xa", "tls-server"].certificate
    client = domain.leaves["xa", "tls-client"].certificate
    seal = domain.leaves["xa", "seal"].certificate
    assert list(extension(server, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(extension(client, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        extension(seal, x509.ExtendedKeyUsage)
    names = extension(server, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_authorities_are_authorities(domain: TrustDomain) -> None:
    """Critical basic constraints, signing of certificates and lists, identifiers that chain."""
    for authority, issuer in ((domain.root, domain.root), (domain.issuing, domain.root)):
        constraints = extension(authority, x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value.ca
        usage = extension(authority, x509.KeyUsage).value
        assert usage.key_cert_sign
        assert usage.crl_sign
        authority.verify_directly_issued_by(issuer)
    leaf = domain.leaves["xa", "seal"].certificate
    leaf.verify_directly_issued_by(domain.issuing)
    assert (
        extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier
        == extension(domain.issuing, x509.SubjectKeyIdentifier).value.digest
    )


def test_each_bad_leaf_has_its_own_flaw(domain: TrustDomain) -> None:
    """Expired, early, revoked, foreign, of the wrong use, for another host, without identifier."""
    broken = {kind: credential.certificate for kind, credential in domain.broken.items()}

    assert broken["expired"].not_valid_after_utc < NOW
    assert broken["not-yet-valid"].not_valid_before_utc > NOW
    issuing_list = domain.crls[0]
    revoked = issuing_list.get_revoked_certificate_by_serial_number(broken["revoked"].serial_number)
    assert revoked is not None
    assert len(issuing_list) == 1
    # The unknown authority even bears the known one's name; only its key differs.
    with pytest.raises(InvalidSignature):
        broken["unknown-ca"].verify_directly_issued_by(domain.issuing)
    assert list(extension(broken["wrong-eku"], x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    hosts = extension(broken["wrong-host"], x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == ["elsewhere.invalid"]
    with pytest.raises(x509.ExtensionNotFound):
        extension(broken["no-aki"], x509.AuthorityKeyIdentifier)
    assert set(broken) == set(TrustProfile().broken)


def test_both_authorities_publish_a_revocation_list(domain: TrustDomain) -> None:
    """Each list is signed by its authority and as long valid as the leaves."""
    issuing, root = domain.crls

    assert issuing.is_signature_valid(domain.issuing.public_key())
    assert root.is_signature_valid(domain.root.public_key())
    assert issuing.next_update_utc == NOW + timedelta(days=TrustProfile().leaf_days)


def test_a_domain_is_written_and_its_keys_are_private(tmp_path: Path) -> None:
    """The layout is the documented one; only the owner may read a key."""
    init_trust(tmp_path, now=NOW, countries=("XC",), profile=SMALL)

    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"ca/root.pem", "ca/issuing.pem", "ca/chain.pem", "ca/crl.pem"} <= written
    assert {"xc/seal.pem", "xc/seal.key", "broken/no-aki.pem", "broken/no-aki.key"} <= written
    assert not any("ca/" in name and name.endswith(".key") for name in written)
    for key in tmp_path.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    chain = x509.load_pem_x509_certificates((tmp_path / "xc/seal.pem").read_bytes())
    assert len(chain) == 2


def test_an_existing_domain_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    """What peers have imported stays, until a new one is asked for."""
    init_trust(tmp_path, now=NOW, profile=SMALL)
    before = (tmp_path / "ca/root.pem").read_bytes()

    with pytest.raises(PkiError, match="already there"):
        init_trust(tmp_path, now=NOW, profile=SMALL)

    assert (tmp_path / "ca/root.pem").read_bytes() == before
    init_trust(tmp_path, now=NOW, profile=SMALL, force=True)
    assert (tmp_path / "ca/root.pem").read_bytes() != before


def test_settings_in_the_folder_decide(tmp_path: Path) -> None:
    """A trust.toml beside the certificates changes what is made."""
    (tmp_path / "trust.toml").write_text(
        'hosts = ["ncp.example"]\n[roles.tls-server]\nkey = "ec-p384"\nhosts = true\n'
        '[broken]\nkey = "ec-p256"\n[broken.kinds.expired]\nvalid_to_days = -1\n'
        "valid_from_days = -2\n"
    )

    domain = init_trust(tmp_path, now=NOW, countries=("XA",))

    server = domain.leaves["xa", "tls-server"]
    assert set(domain.leaves) == {("xa", "tls-server")}
    assert set(domain.broken) == {"expired"}
    assert isinstance(server.key.public_key(), ec.EllipticCurvePublicKey)
    assert server.key.key_size == 384
    names = extension(server.certificate, x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ncp.example"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("authority_key = 'rsa-12'", "rsa-12"),
        ("[roles.seal]\npurposes = ['juggling']", "juggling"),
    ],
)
def test_an_unknown_key_type_or_purpose_is_named(tmp_path: Path, settings: str, named: str) -> None:
    """What cannot be made is refused with its name, and nothing is written."""
    (tmp_path / "trust.toml").write_text(settings)

    with pytest.raises(PkiError, match=named):
        init_trust(tmp_path, now=NOW)
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("country", ["X", "XYZ", "1A", "../x", "ÄÖ"])
def test_a_country_is_two_letters(country: str) -> None:
    """The country becomes part of a name and of a path, so it must be one."""
    with pytest.raises(PkiError, match="two letters"):
        mint_trust(now=NOW, countries=(country,), profile=SMALL)


def test_the_command_line_makes_a_domain_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 0 and a sentence, and a second time with 1 and the reason."""
    (tmp_path / "trust.toml").write_text('[roles.seal]\nkey = "ec-p256"\n')
    arguments = [str(tmp_path), "--country", "XC", "--host", "ncp.example"]

    assert main(arguments) == 0
    assert "valid until" in capsys.readouterr().out
    assert (tmp_path / "xc" / "seal.pem").exists()
    assert main(arguments) == 1
    assert "already there" in capsys.readouterr().err


def test_a_domain_trusts_its_own_seals_and_not_its_bad_leaves(domain: TrustDomain) -> None:
    """The trust store of a domain believes what the domain made well."""
    domain.trust_store.check(domain.leaves["xb", "seal"].certificate, NOW)
    domain.trust_store.check(domain.broken["no-aki"].certificate, NOW)
