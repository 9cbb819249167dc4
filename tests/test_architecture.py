"""The house's rules, read off the syntax trees: who imports whom, who does I/O, who is tested.

Tables first; a change of a wall is a change of a table, with its reason. The checker itself is
tested below on planted violations.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("gateway", "country_a", "country_b", "scenarios")
MAX_LINES = 500
MIN_DOCSTRING = 20  # characters: a full stop is not a docstring
EVERYTHING = frozenset({"*"})

# What waits, opens, asks the time or rolls dice; `uuid` is here for its random makers only.
IO_MODULES = frozenset(
    [
        "asyncio",
        "concurrent",
        "http",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "smtplib",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
    ]
)
DICE_AND_CLOCK = frozenset(
    [
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "time.time",
        "uuid.uuid1",
        "uuid.uuid4",
        "uuid1",
        "uuid4",
        "os.urandom",
    ]
)
DICE_MODULES = frozenset({"random", "secrets"})
CLOCK_ALLOWED = (
    "gateway.transport",
    "gateway.cli",
    "gateway.house",
    "gateway.pki",
    "country_a",
    "country_b",
    "scenarios",
)
FORBIDDEN_NAMES = frozenset(
    ["utils", "util", "helpers", "helper", "common", "manager", "handler", "data", "process"]
)

# Modules of `wire` that every family may use.
SHARED_WIRE = tuple(
    f"gateway.wire.{name}"
    for name in [
        "message",
        "multipart",
        "xml",
        "signatures",
        "trust",
        "saml",
        "saml_check",
        "saml_claims",
        "saml_mint",
        "problems",
    ]
)
NOUNS = ("gateway.domain",)
XML = frozenset({"lxml"})


@dataclass(frozen=True)
class Rule:
    """What a package may import: of ours (prefixes), of others, and of the modules that do I/O."""

    ours: tuple[str, ...]
    others: frozenset[str] = frozenset()
    io: frozenset[str] = frozenset()


# The longest matching prefix decides.
RULES: Mapping[str, Rule] = {
    "gateway.domain": Rule(NOUNS),
    "gateway.wire": Rule((*NOUNS, *SHARED_WIRE), frozenset({"lxml", "signxml", "cryptography"})),
    "gateway.wire.soap": Rule((*NOUNS, *SHARED_WIRE, "gateway.wire.soap"), XML),
    "gateway.wire.soap.contract": Rule(
        (*NOUNS, *SHARED_WIRE, "gateway.wire.soap"), frozenset({"lxml", "zeep"})
    ),
    "gateway.wire.cda": Rule((*NOUNS, *SHARED_WIRE, "gateway.wire.cda"), XML),
    "gateway.wire.audit": Rule((*NOUNS, *SHARED_WIRE, "gateway.wire.audit"), XML),
    "gateway.wire.dicom": Rule(
        (*NOUNS, *SHARED_WIRE, "gateway.wire.dicom"), frozenset({"pydicom", "numpy", "imagecodecs"})
    ),
    # An instance may be given as the path of its file, so that pixel data need not be loaded.
    "gateway.wire.dicom.instances": Rule(
        (*NOUNS, *SHARED_WIRE, "gateway.wire.dicom"), frozenset({"pydicom"}), frozenset({"pathlib"})
    ),
    "gateway.middleware": Rule((*NOUNS, "gateway.middleware"), io=frozenset({"asyncio"})),
    "gateway.transport": Rule(
        ("gateway",), frozenset({"aiohttp", "cryptography", "orjson", "structlog"}), EVERYTHING
    ),
    "gateway": Rule(
        ("gateway",),
        frozenset({"cryptography", "pydantic", "pydantic_settings", "typer", "rich", "structlog"}),
        EVERYTHING,
    ),
    "country_a": Rule(("gateway", "country_a"), frozenset({"orjson", "structlog"}), EVERYTHING),
    "country_a.app": Rule(
        ("gateway", "country_a"),
        frozenset({"aiohttp", "orjson", "structlog", "sqlalchemy"}),
        EVERYTHING,
    ),
    "country_a.national": Rule(
        ("gateway", "country_a.national"),
        frozenset({"sqlalchemy", "obstore", "orjson"}),
        EVERYTHING,
    ),
    # The seed makes images and PDF reports, which nothing else here does.
    "country_a.seed": Rule(
        ("gateway", "country_a"),
        frozenset(
            [
                "sqlalchemy",
                "obstore",
                "orjson",
                "structlog",
                "pydicom",
                "numpy",
                "imagecodecs",
                "reportlab",
                "ttf_opensans",
            ]
        ),
        EVERYTHING,
    ),
    "country_b": Rule(("gateway", "country_b"), frozenset({"orjson", "structlog"}), EVERYTHING),
    **{
        f"country_b.{name}": Rule(
            ("gateway", "country_b"), frozenset({"aiohttp", "orjson", "structlog"}), EVERYTHING
        )
        for name in ("app", "portal_api", "portal_routes", "image_api", "answers")
    },
    **{
        f"country_b.{name}": Rule(
            ("gateway", "country_b"), frozenset({"sqlalchemy", "obstore", "orjson"}), EVERYTHING
        )
        for name in ("database", "session", "kept", "image_jobs")
    },
    "scenarios": Rule(("scenarios",), frozenset({"aiohttp", "rich"}), EVERYTHING),
    "scenarios.report": Rule(("scenarios",), frozenset({"jinja2", "markupsafe"}), EVERYTHING),
    # Shows messages to people: indented, with the subjects of the certificates in them.
    "scenarios.readable": Rule(("scenarios",), frozenset({"lxml", "cryptography"})),
}

# Tables of codes may be longer than 500 lines: module → why.
LONG_TABLES: Mapping[str, str] = {}

# Modules without a test file of their own: module → why none is needed.
UNTESTED: Mapping[str, str] = {
    "gateway.domain.audit": "fields only; what is made of them is tested in wire.audit",
    "gateway.domain.context": "fields only; minted and read in wire.saml",
    "gateway.domain.delivery": "fields only",
    "gateway.domain.people": "fields only; carried by every codec test",
    "gateway.domain.ports": "protocols only; mypy checks who fulfils them",
    "gateway.domain.reports": "fields only; read in wire.cda",
    "gateway.wire.message": "fields and one lookup; used by every tap test",
    "gateway.wire.problems": "two exceptions; raised in every codec test",
    "country_a.national.ports": "protocols only; mypy checks who fulfils them",
    "country_a.oids": "constants only",
    "country_b.__main__": "arguments only; what they start is tested in transport.daemon",
}
# Modules tested by a file that bears another name: module → that file.
TESTED_BY: Mapping[str, str] = {
    "gateway.transport.transcripts": "tests/transport/test_tap.py",
    # Reading a code and writing it are proved against each other.
    "gateway.wire.soap.foreign_codes": "tests/wire/soap/test_refusals.py",
    # Lists and exit codes, as `ncpeh scenario` relays them from a process of its own.
    "scenarios.__main__": "tests/test_cli.py",
}


@dataclass(frozen=True)
class Source:
    """A module: its dotted name, its text, and what it imports."""

    name: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)

    def imports(self, *, top_level: bool = False) -> Iterator[tuple[str, str, int]]:
        """(module, imported name or "", line) of every import."""
        for node in self.tree.body if top_level else _nodes(self.text):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "", node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                prefix = "." * node.level + (node.module or "")
                yield from ((prefix, alias.name, node.lineno) for alias in node.names)


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _nodes(text: str) -> tuple[ast.AST, ...]:
    """What the rules look at: imports, calls and attributes."""
    looked_at = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute)
    return tuple(node for node in ast.walk(_parse(text)) if isinstance(node, looked_at))


def _dotted(node: ast.AST) -> str:
    """The dotted name an expression is; from its last call or subscript on, if it has one."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(names))


@cache
def sources() -> tuple[Source, ...]:
    """Every module we ship."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found.append(Source(name, path.read_text("utf-8"), is_package))
    return tuple(found)


def within(module: str, prefixes: Iterable[str]) -> bool:
    """Whether a module is one of the prefixes or lies below one."""
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def rule_of(module: str) -> Rule:
    """The rule of the longest prefix."""
    return RULES[max((prefix for prefix in RULES if within(module, [prefix])), key=len)]


def import_problems(source: Source) -> Iterator[str]:
    """Imports the table does not allow."""
    rule = rule_of(source.name)
    for module, name, line in source.imports():
        where = f"{source.name}:{line}"
        top = module.split(".")[0]
        if module.startswith("."):
            yield f"{where} imports relatively: {module}"
        elif top in PACKAGES:
            whole = f"{module}.{name}" if name else module
            if not (within(module, rule.ours) or within(whole, rule.ours)):
                yield f"{where} may not import {whole}"
        elif top in sys.stdlib_module_names:
            if top in IO_MODULES and not {top, "*"} & rule.io:
                yield f"{where} may not wait, open, ask the time or roll dice: {module}"
        elif top not in rule.others:
            yield f"{where} may not import {module}"


def call_problems(source: Source) -> Iterator[str]:
    """Clocks read and dice rolled, and files opened, where that is nobody's business."""
    clock = within(source.name, CLOCK_ALLOWED)
    files = "*" in rule_of(source.name).io
    for node in _nodes(source.text):
        if not isinstance(node, ast.Call | ast.Attribute):
            continue
        called = _dotted(node.func if isinstance(node, ast.Call) else node)
        tail = ".".join(called.split(".")[-2:])
        if not clock and (tail in DICE_AND_CLOCK or called.split(".")[0] in DICE_MODULES):
            yield f"{source.name}:{node.lineno} asks the time or rolls dice: {called}"
        if not files and isinstance(node, ast.Call) and called in {"open", "io.open"}:
            yield f"{source.name}:{node.lineno} opens a file"


def form_problems(source: Source, *, long_tables: Mapping[str, str] = LONG_TABLES) -> Iterator[str]:
    """Missing docstrings, long files, forbidden names."""
    if len((ast.get_docstring(source.tree) or "").strip()) < MIN_DOCSTRING:
        yield f"{source.name} has no docstring that says what it is"
    lines = source.text.count("\n")
    if lines > MAX_LINES and source.name not in long_tables:
        yield f"{source.name} has {lines} lines, more than {MAX_LINES}"
    if FORBIDDEN_NAMES & set(source.name.split(".")[-1].strip("_").split("_")):
        yield f"{source.name} has a name that says nothing"


def cycles(modules: Iterable[Source]) -> list[list[str]]:
    """Chains of imports at module level that come back to where they began."""
    known = {source.name: source for source in modules}
    graph = {
        name: sorted(
            {
                target
                for module, imported, _ in source.imports(top_level=True)
                for target in [
                    f"{module}.{imported}" if f"{module}.{imported}" in known else module
                ]
                if target in known and target != name
            }
        )
        for name, source in known.items()
    }
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, chain: list[str]) -> None:
        if name in chain:
            found.append([*chain[chain.index(name) :], name])
        elif name not in done:
            for target in graph[name]:
                visit(target, [*chain, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    return found


def mirroring_tests(module: str, root: Path = ROOT) -> list[Path]:
    """The test files that mirror a module: `tests/<folders>/test_<module>*.py`.

    `gateway` itself is left out of the path; below a country, its inner folders may be.
    """
    *folders, name = module.split(".")
    folders = folders[1:] if folders[:1] == ["gateway"] else folders
    places = {"/".join(folders)}
    if folders and folders[0] != "wire":
        places.add(folders[0])
    name = name.strip("_")
    patterns = (f"test_{name}.py", f"test_{name}_*.py")
    return [
        path
        for place in sorted(places)
        for pattern in patterns
        for path in sorted((root / "tests" / place).glob(pattern))
    ]


def test_imports_follow_the_table() -> None:
    """Every import of every module is one its package may make."""
    problems = [problem for source in sources() for problem in import_problems(source)]

    assert not problems, "\n".join(problems)


def test_clock_and_dice_come_from_the_edges() -> None:
    """Time and randomness are arguments everywhere but at the edges."""
    problems = [problem for source in sources() for problem in call_problems(source)]

    assert not problems, "\n".join(problems)


def test_every_module_is_well_formed() -> None:
    """A docstring, at most 500 lines, a name that says something."""
    problems = [problem for source in sources() for problem in form_problems(source)]

    assert not problems, "\n".join(problems)


def test_there_are_no_import_cycles() -> None:
    """No module comes back to itself."""
    assert cycles(sources()) == []


def test_every_module_has_its_test_file() -> None:
    """A module without one is named in a table, with the reason."""
    missing = [
        source.name
        for source in sources()
        if not source.is_package
        and source.name not in UNTESTED
        and source.name not in TESTED_BY
        and not mirroring_tests(source.name)
    ]

    assert not missing, "\n".join(missing)


def test_the_tables_hold_nothing_stale() -> None:
    """Each exception names a module that exists and still needs it."""
    names = {source.name: source for source in sources()}
    assert set(UNTESTED) | set(TESTED_BY) | set(LONG_TABLES) <= set(names)
    assert [name for name in UNTESTED if mirroring_tests(name)] == []
    assert [path for path in TESTED_BY.values() if not (ROOT / path).is_file()] == []
    assert [n for n in LONG_TABLES if names[n].text.count("\n") <= MAX_LINES] == []
    assert all(UNTESTED.values())
    assert all(LONG_TABLES.values())


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
