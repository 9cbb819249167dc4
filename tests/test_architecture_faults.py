"""The checker of the house's rules finds each planted fault, and none where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import (
    Source,
    call_problems,
    cycles,
    form_problems,
    import_problems,
    length_problems,
    mirroring_tests,
    suite,
)

PLANTED = {
    "soap into dicom": ("gateway.wire.soap.x", "from gateway.wire.dicom.kos_read import y"),
    "soap into dicom by name": ("gateway.wire.soap.x", "from gateway.wire import dicom"),
    "audit into soap": ("gateway.wire.audit.x", "import gateway.wire.soap.envelope"),
    "domain into lxml": ("gateway.domain.x", "import lxml.etree"),
    "domain into wire": ("gateway.domain.x", "from gateway.wire.xml import parse_xml"),
    "socket in wire": ("gateway.wire.x", "import socket"),
    "path in wire": ("gateway.wire.soap.x", "from pathlib import Path"),
    "file in wire": ("gateway.wire.soap.x", "def f():\n    return open('x')"),
    "aiohttp in wire": ("gateway.wire.soap.x", "import aiohttp"),
    "zeep outside the contract": ("gateway.wire.soap.xcpd", "import zeep"),
    "transport into middleware": ("gateway.middleware.x", "import gateway.transport.tap"),
    "aiohttp in middleware": ("gateway.middleware.x", "import aiohttp"),
    "country into gateway": ("gateway.transport.x", "import country_a.responder"),
    "A into B": ("country_b.session", "from country_a import responder"),
    "B into A": ("country_a.responder", "from country_b.session import Session"),
    "scenario into gateway": ("scenarios.uc1_x", "from gateway.domain import Uid"),
    "SQL in the responder": ("country_a.responder", "import sqlalchemy"),
    "SQL in the portal": ("country_b.portal_api", "from sqlalchemy import select"),
    "aiohttp in the initiator": ("country_b.initiator", "import aiohttp"),
    "responder in national": ("country_a.national.sql", "from country_a.responder import x"),
    "relative import": ("gateway.domain.x", "from . import ids"),
    "relative import up": ("gateway.domain.x", "from ..wire import xml"),
    "hidden in a function": ("gateway.domain.x", "def f():\n    import asyncio"),
    "clock in wire": ("gateway.wire.saml", "x = datetime.now(UTC)"),
    "clock by its full name": ("gateway.wire.saml", "x = datetime.datetime.utcnow()"),
    "clock handed on": ("gateway.wire.saml", "x = f(datetime.now)"),
    "dice in peers": ("gateway.peers", "x = uuid.uuid4()"),
    "bare dice in peers": ("gateway.peers", "x = uuid4()"),
    "random in config": ("gateway.config", "x = random.choice(y)"),
}
ALLOWED = {
    "shared wire": ("gateway.wire.soap.x", "from gateway.wire.xml import parse_xml"),
    "own family": ("gateway.wire.soap.x", "from gateway.wire.soap import envelope"),
    "nouns": ("gateway.wire.dicom.x", "from gateway.domain import Uid"),
    "made from a name": ("gateway.wire.dicom.x", "from uuid import UUID, uuid5\nx = uuid5(a, b)"),
    "asyncio in middleware": ("gateway.middleware.x", "import asyncio"),
    "clock at the edge": ("country_a.app", "x = datetime.now(UTC)"),
    "SQL in national": ("country_a.national.x", "import sqlalchemy"),
    "zeep in the contract": ("gateway.wire.soap.contract", "import zeep"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_caught(name: str) -> None:
    """The checker finds each kind of wrong import and call."""
    source = Source(*PLANTED[name])

    assert [*import_problems(source), *call_problems(source)] != []


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_passes(name: str) -> None:
    """The checker finds nothing where nothing is wrong."""
    source = Source(*ALLOWED[name])

    assert [*import_problems(source), *call_problems(source)] == []


def test_planted_faults_of_form_are_caught() -> None:
    """No docstring, too long, a name that says nothing; and none of it in a good module."""
    good = '"""What it is and what it is not."""\n'

    assert list(form_problems(Source("gateway.x", good))) == []
    assert len(list(form_problems(Source("gateway.x", '"""."""\n')))) == 1
    assert len(list(form_problems(Source("gateway.x", good + "\n" * 500)))) == 1
    assert list(form_problems(Source("a.x", good + "\n" * 500), long_tables={"a.x": "codes"})) == []
    for name in ("gateway.utils", "gateway.xml_helpers", "country_a.data"):
        assert len(list(form_problems(Source(name, good)))) == 1


def test_a_long_module_of_the_tests_is_caught() -> None:
    """Modules of the tests are found in every folder, and one line too many is one too many."""
    assert {"tests.conftest", "tests.wire.soap.test_xcpd"} <= {source.name for source in suite()}
    assert list(length_problems(Source("tests.x", "\n" * 500))) == []
    assert len(list(length_problems(Source("tests.x", "\n" * 501)))) == 1


def test_a_planted_cycle_is_caught() -> None:
    """Two modules that import each other are found; an import within a function is no cycle."""
    one = Source("gateway.one", "from gateway import two")
    two = Source("gateway.two", "import gateway.one")
    later = Source("gateway.two", "def f():\n    import gateway.one")

    assert cycles([one, two]) == [["gateway.one", "gateway.two", "gateway.one"]]
    assert cycles([one, later]) == []


def test_mirroring_finds_the_test_file(tmp_path: Path) -> None:
    """A test file mirrors its module's path, or is one of several about it."""
    for name in ("wire/soap/test_xcpd.py", "country_a/test_sql.py", "test_pki_leaves.py"):
        path = tmp_path / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    found = {
        module: len(mirroring_tests(module, tmp_path))
        for module in ("gateway.wire.soap.xcpd", "country_a.national.sql", "gateway.pki",
                       "gateway.wire.xcpd", "country_b.sql")
    }  # fmt: skip

    assert list(found.values()) == [1, 1, 1, 0, 0]
