"""The house's rules, read off the syntax trees: who imports whom, who does I/O, who is tested.

Tables first; a change of a wall is a change of a table, with its reason. That the rules are kept
is asserted in `test_architecture.py`; that they find what is wrong, in
`test_architecture_faults.py`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
    "gateway.cli_files",
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
        "delivery_wish",
        "fidelity",
        "message",
        "multipart",
        "xml",
        "signatures",
        "trust",
        "saml",
        "saml_check",
        "saml_claims",
        "saml_context",
        "saml_mint",
        "problems",
        "ranges",
        "validators",
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
    "gateway.wire.fhir": Rule(
        (*NOUNS, *SHARED_WIRE, "gateway.wire.fhir"),
        frozenset({"lxml", "orjson", "joserfc", "cryptography", "fhir"}),
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
    # Letters need a font, and scaling a library that does it in compiled code.
    "gateway.wire.dicom.picture_canvas": Rule(
        (*NOUNS, *SHARED_WIRE, "gateway.wire.dicom"),
        frozenset({"numpy", "imagecodecs", "PIL", "ttf_opensans"}),
    ),
    # Plans are arithmetic on facts; pixels are touched by the codecs and what drives them.
    "gateway.compression": Rule(
        (*NOUNS, "gateway.compression", "gateway.wire.dicom", "gateway.wire.problems"),
        frozenset({"numpy"}),
    ),
    "gateway.compression.codecs": Rule(
        (*NOUNS, "gateway.compression", "gateway.wire.dicom", "gateway.wire.problems"),
        frozenset({"numpy", "imagecodecs"}),
    ),
    **{
        f"gateway.compression.{name}": Rule(
            (*NOUNS, "gateway.compression", "gateway.wire.dicom", "gateway.wire.problems"),
            frozenset({"numpy", "pydicom"}),
        )
        # What changes headers: the file around the pixels, and what is said of a derived instance.
        for name in ("transcode", "derivation", "pixel_digest")
    },
    "gateway.compression.worker": Rule(
        (*NOUNS, "gateway.compression", "gateway.wire.dicom", "gateway.wire.problems"),
        frozenset({"structlog"}),
        EVERYTHING,
    ),
    "gateway.middleware": Rule((*NOUNS, "gateway.middleware"), io=frozenset({"asyncio"})),
    "gateway.transport": Rule(
        ("gateway",), frozenset({"aiohttp", "cryptography", "orjson", "structlog"}), EVERYTHING
    ),
    # What a line is, and when bytes arrive, is worked out; moving them is for `lines` and `proxy`.
    "gateway.link": Rule(("gateway.link",)),
    **{
        f"gateway.link.{name}": Rule(("gateway.link",), io=EVERYTHING)
        for name in ("lines", "proxy", "accuracy")
    },
    "gateway.link.service": Rule(
        ("gateway.link", "gateway.transport"), frozenset({"aiohttp", "orjson"}), EVERYTHING
    ),
    "gateway.link.__main__": Rule(
        ("gateway.link", "gateway.transport", "gateway.config"),
        frozenset({"structlog"}),
        EVERYTHING,
    ),
    "gateway": Rule(
        ("gateway",),
        frozenset({"cryptography", "pydantic", "pydantic_settings", "typer", "rich", "structlog"}),
        EVERYTHING,
    ),
    # Both countries keep tables; what an older version left is refused in the same words.
    "gateway.stored_tables": Rule(("gateway",), frozenset({"sqlalchemy"}), EVERYTHING),
    "country_a": Rule(("gateway", "country_a"), frozenset({"orjson", "structlog"}), EVERYTHING),
    "country_a.app": Rule(
        ("gateway", "country_a"),
        frozenset({"aiohttp", "orjson", "structlog", "sqlalchemy"}),
        EVERYTHING,
    ),
    # The pages of the viewer: what serves them, and what writes them.
    "country_a.viewer": Rule(
        ("gateway", "country_a"), frozenset({"aiohttp", "orjson", "structlog"}), EVERYTHING
    ),
    "country_a.viewer_page": Rule(("gateway", "country_a"), frozenset({"jinja2"}), EVERYTHING),
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
        for name in (
            "app",
            "portal_api",
            "portal_routes",
            "report_api",
            "image_api",
            "viewer_api",
            "answers",
        )
    },
    **{
        f"country_b.{name}": Rule(
            ("gateway", "country_b"), frozenset({"sqlalchemy", "obstore", "orjson"}), EVERYTHING
        )
        for name in ("database", "session", "kept", "kept_certificates", "image_jobs")
    },
    # Reports as people read them are pages.
    "country_b.report_page": Rule(
        ("gateway", "country_b"), frozenset({"jinja2", "markupsafe"}), EVERYTHING
    ),
    "scenarios": Rule(("scenarios",), frozenset({"aiohttp", "rich"}), EVERYTHING),
    "scenarios.report": Rule(("scenarios",), frozenset({"jinja2", "markupsafe"}), EVERYTHING),
    # Shows messages to people: indented, with the subjects of the certificates in them.
    "scenarios.readable": Rule(("scenarios",), frozenset({"lxml", "cryptography"})),
}

# Tables of codes that we ship may be longer than 500 lines: module → why.
LONG_TABLES: Mapping[str, str] = {}

# Modules without a test file of their own: module → why none is needed.
UNTESTED: Mapping[str, str] = {
    "gateway.domain.audit": "fields only; what is made of them is tested in wire.audit",
    "gateway.domain.context": "fields only; minted and read in wire.saml",
    "gateway.compression.facts": "fields only; used by every test of the planner",
    "gateway.domain.fidelity": "fields only",
    "gateway.domain.people": "fields only; carried by every codec test",
    "gateway.domain.ports": "protocols only; mypy checks who fulfils them",
    "gateway.domain.viewer": "fields only",
    "gateway.wire.fhir.report_terms": "names only; written in wire.fhir.report_write",
    "gateway.wire.message": "fields and one lookup; used by every tap test",
    "gateway.wire.problems": "two exceptions; raised in every codec test",
    "country_a.national.ports": "protocols only; mypy checks who fulfils them",
    "country_a.oids": "constants only",
    "country_b.__main__": "arguments only; what they start is tested in transport.daemon",
}
# Modules tested by a file that bears another name: module → that file.
TESTED_BY: Mapping[str, str] = {
    "country_a.seed.report_people": "tests/country_a/test_full_report.py",
    "gateway.domain.reports": "tests/domain/test_report_parts.py",
    # A clinical document is proved whole: its values, its statements, its body, the report.
    "gateway.wire.cda.elements": "tests/wire/cda/test_values.py",
    "gateway.wire.cda.entries_read": "tests/wire/cda/test_entries.py",
    "gateway.wire.cda.header": "tests/wire/cda/test_report.py",
    "gateway.wire.cda.people": "tests/wire/cda/test_report.py",
    # The head of a report is read with the rest of it.
    "gateway.wire.fhir.report_header_read": "tests/wire/fhir/test_report_read.py",
    # Three modules hold one table, and each of its rules has its document there.
    "gateway.wire.fhir.report_checks": "tests/wire/fhir/test_report_rules.py",
    "gateway.wire.fhir.report_document_rules": "tests/wire/fhir/test_report_rules.py",
    "gateway.wire.fhir.report_part_rules": "tests/wire/fhir/test_report_rules.py",
    "gateway.transport.transcripts": "tests/transport/test_tap.py",
    # Reading a code and writing it are proved against each other.
    "gateway.wire.soap.foreign_codes": "tests/wire/soap/test_refusals.py",
    # Lists and exit codes, as `ncpeh scenario` relays them from a process of its own.
    "scenarios.__main__": "tests/test_cli.py",
    # Options are proved by the commands that take them.
    "gateway.cli_options": "tests/test_cli.py",
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


def _modules(folder: str) -> Iterator[Source]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield Source(name, path.read_text("utf-8"), is_package)


@cache
def sources() -> tuple[Source, ...]:
    """Every module we ship."""
    return tuple(source for package in PACKAGES for source in _modules(package))


@cache
def suite() -> tuple[Source, ...]:
    """Every module of the tests."""
    return tuple(_modules("tests"))


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


def length_problems(source: Source) -> Iterator[str]:
    """More lines than one subject needs."""
    lines = source.text.count("\n")
    if lines > MAX_LINES:
        yield f"{source.name} has {lines} lines, more than {MAX_LINES}"


def form_problems(source: Source, *, long_tables: Mapping[str, str] = LONG_TABLES) -> Iterator[str]:
    """Missing docstrings, long files, forbidden names."""
    if len((ast.get_docstring(source.tree) or "").strip()) < MIN_DOCSTRING:
        yield f"{source.name} has no docstring that says what it is"
    if source.name not in long_tables:
        yield from length_problems(source)
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
