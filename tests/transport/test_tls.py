"""TLS contexts over real sockets: who gets in, who does not, with which protocol."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.context import Caller
from gateway.pki import TrustDomain, init_trust
from gateway.pki_profile import TrustProfile
from gateway.transport.tls import client_context, peer_of, server_context

REFUSED = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)


class House:
    """The files of one trust domain, and contexts made from them."""

    def __init__(self, directory: Path) -> None:
        profile = TrustProfile()
        roles = {name: role for name, role in profile.roles.items() if name != "seal"}
        self.directory = directory
        self.domain: TrustDomain = init_trust(
            directory, now=datetime.now(UTC), profile=replace(profile, roles=roles)
        )

    def pair(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    @property
    def trust(self) -> tuple[Path, Path]:
        return self.directory / "ca/chain.pem", self.directory / "ca/crl.pem"

    def server(self, name: str = "xa/tls-server", *, strict: bool = False) -> ssl.SSLContext:
        return server_context(*self.pair(name), *self.trust, strict=strict)

    def client(self, name: str = "xb/tls-client", *, check_hostname: bool = True) -> ssl.SSLContext:
        return client_context(*self.pair(name), *self.trust, check_hostname=check_hostname)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("certs"))


@asynccontextmanager
async def serving(context: ssl.SSLContext, seen: list[Caller]) -> AsyncIterator[int]:
    """A server that says "hello" once to whom it accepts; yields its port."""

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        seen.append(peer_of(writer.get_extra_info("ssl_object"), address))
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0, ssl=context)
    # A refused handshake is the behaviour under test; asyncio would report it as unhandled.
    asyncio.get_running_loop().set_exception_handler(lambda loop, details: None)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def call(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost"
) -> tuple[bytes, Caller, str]:
    """What the client reads, whom the server saw, and the protocol; raises when refused."""
    seen: list[Caller] = []
    async with serving(server, seen) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=host
        )
        try:
            # In TLS 1.3 a refused client certificate shows only when the client reads.
            data = await reader.readexactly(5)
            version = writer.get_extra_info("ssl_object").version()
        finally:
            writer.transport.abort()
        return data, seen[0], version


def answer_hello(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Hand a client's first flight to a server, whose own error says why it refuses."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client.wrap_bio(back, there, server_hostname="localhost").do_handshake()
    server.wrap_bio(there, back, server_side=True).do_handshake()


async def test_a_trusted_client_is_accepted_and_recognised(house: House) -> None:
    """The server learns the subject, the fingerprint and the address of a good client."""
    data, caller, version = await call(house.server(), house.client())

    leaf = house.domain.leaves["xb", "tls-client"].certificate
    assert data == b"hello"
    assert version == "TLSv1.3"
    assert caller.subject == leaf.subject.rfc4514_string()
    assert "C=XB" in caller.subject
    assert caller.fingerprint == hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()
    assert caller.address == "127.0.0.1"


async def test_tls_1_2_is_spoken_with_a_demanded_suite(house: House) -> None:
    """A peer that knows only TLS 1.2 is served."""
    client = house.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    _, _, version = await call(house.server(), client)

    assert version == "TLSv1.2"


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "revoked", "unknown-ca", "wrong-eku"])
async def test_a_bad_client_certificate_is_refused(
    house: House, kind: str, maximum: ssl.TLSVersion
) -> None:
    """Each flaw of a client's certificate ends the connection, in either protocol."""
    client = house.client(f"broken/{kind}")
    client.maximum_version = maximum

    with pytest.raises(REFUSED):
        await call(house.server(), client)


@pytest.mark.parametrize(
    "kind", ["expired", "not-yet-valid", "revoked", "unknown-ca", "wrong-eku", "wrong-host"]
)
async def test_a_bad_server_certificate_is_refused(house: House, kind: str) -> None:
    """Each flaw of a server's certificate is seen by the client."""
    with pytest.raises(ssl.SSLCertVerificationError):
        await call(house.server(f"broken/{kind}"), house.client())


async def test_the_host_name_check_can_be_left_out_and_nothing_else_with_it(house: House) -> None:
    """Without the host check a certificate for elsewhere passes, an expired one does not."""
    lenient = house.client(check_hostname=False)

    data, _, _ = await call(house.server("broken/wrong-host"), lenient)

    assert data == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError):
        await call(house.server("broken/expired"), lenient)


async def test_a_client_without_a_certificate_is_refused(house: House) -> None:
    """Mutual authentication is not optional."""
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(house.trust[0])

    with pytest.raises(REFUSED):
        await call(house.server(), bare)


async def test_tls_1_1_is_refused(house: House) -> None:
    """A client that offers nothing newer than TLS 1.1 gets no connection."""
    old = house.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(REFUSED):
        await call(house.server(), old)
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported.protocol"):
        answer_hello(house.server(), old)


async def test_a_leaf_without_authority_key_identifier_is_accepted_unless_strict(
    house: House,
) -> None:
    """The rule does not depend on the Python version: lenient by default, strict when asked."""
    data, _, _ = await call(house.server(), house.client("broken/no-aki"))

    assert data == b"hello"
    with pytest.raises(REFUSED):
        await call(house.server(strict=True), house.client("broken/no-aki"))


async def test_strict_checking_accepts_our_own_leaves(house: House) -> None:
    """Everything the trust domain makes on purpose well passes the strict rule."""
    data, _, _ = await call(house.server(strict=True), house.client())

    assert data == b"hello"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_the_server_is_known_by_each_of_its_names(house: House, host: str) -> None:
    """A client may address the server by name or by number."""
    data, _, _ = await call(house.server(), house.client(), host)

    assert data == b"hello"


def test_without_a_revocation_list_revocation_is_not_checked(house: House) -> None:
    """The flag that asks for a list is only set when there is one."""
    with_list, without = (
        house.server(),
        server_context(*house.pair("xa/tls-server"), house.trust[0]),
    )

    assert with_list.verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    assert not without.verify_flags & ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    assert without.verify_mode is ssl.CERT_REQUIRED


def test_only_suites_with_forward_secrecy_and_gcm_are_offered(house: House) -> None:
    """No suite of TLS 1.2 lacks an ephemeral key exchange or authenticated encryption."""
    names = {cipher["name"] for cipher in house.server().get_ciphers()}

    old = {name for name in names if not name.startswith("TLS_")}
    assert {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"} <= old
    assert all("DHE-" in name and "-GCM-" in name for name in old)


def test_a_connection_without_tls_has_only_an_address() -> None:
    """Nothing is made up about a caller that showed no certificate."""
    assert peer_of(None, "192.0.2.7") == Caller(address="192.0.2.7")
