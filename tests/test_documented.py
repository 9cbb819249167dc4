"""What a user can type, set, call or run stands in a README; what a README names exists.

Each kind of thing is read from its real source, so that adding one without documenting it fails
here, with the words that are missing.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
# Where documentation may stand; a fact is documented when any of them mentions it.
READMES = (
    "README.md",
    "CONTRIBUTING.md",
    "gateway/README.md",
    "country_a/README.md",
    "country_b/README.md",
    "scenarios/README.md",
    "certs/README.md",
    "docs/*.md",
)
INDEX_README, INDEX_HEADING = "gateway/README.md", "Index by verb"
# What each verb of the port is called in the index, and the codec that must stand beside it.
VERBS: Mapping[str, str] = {
    "identify_patient": "wire/soap/xcpd.py",
    "find_documents": "wire/soap/xca_query.py",
    "retrieve_documents": "wire/soap/xca_retrieve.py",
    "retrieve_images": "wire/soap/xca_images.py",
    "plan_images": "wire/delivery_wish.py",
    "certify_images": "wire/fidelity.py",
    "open_viewer": "wire/viewer_link.py",
}
HTTP_METHODS = ("get", "put", "post", "delete", "patch")

_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w./-]+/[\w./-]*|[\w-]+\.(?:py|toml|md|json|j2|html)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)")


def readmes(root: Path = ROOT) -> list[Path]:
    """The documentation there is."""
    return [path for pattern in READMES for path in sorted(root.glob(pattern))]


@cache
def documentation() -> str:
    """All of it as one text, white space made one blank."""
    return " ".join(" ".join(path.read_text("utf-8").split()) for path in readmes())


def module(name: str) -> Any:
    """A module of ours, or a skip that says it is not there yet."""
    path = ROOT / Path(*name.split("."))
    if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()):
        pytest.skip(f"there is no {name} to document")
    return importlib.import_module(name)


def commands() -> list[str]:
    """Every command of the CLI, as it is typed: `ncpeh scenario run`."""
    import typer

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words)
        else:
            for name, child in inner.items():
                yield from walk(child, (*words, name))

    return list(walk(typer.main.get_command(module("gateway.cli").app), ("ncpeh",)))


def settings() -> list[str]:
    """Every key of the settings file: `section.key`."""

    def walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            section = next((each for each in _types(field.annotation) if _is_model(each)), None)
            if section is None:
                yield f"`{prefix}{name}`"
            else:
                yield from walk(section, f"{prefix}{name}.")

    return list(walk(module("gateway.config").Settings, ""))


def _types(annotation: Any) -> list[Any]:
    inner = [each for part in getattr(annotation, "__args__", ()) for each in _types(part)]
    return [annotation, *inner]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def control_routes() -> list[str]:
    """Every route of the control port: `GET /health`."""
    routes = module("gateway.transport.control").ROUTES
    return [f"`{route.method} {route.path}`" for route in routes]


def link_routes() -> list[str]:
    """Every route of a link's control port: `PUT /link`."""
    return [f"`{route.method} {route.path}`" for route in module("gateway.link.service").ROUTES]


def link_profiles() -> list[str]:
    """Every line that has a name."""
    return [f"`{name}`" for name in module("gateway.link.profiles").PROFILES]


def portal_routes() -> list[str]:
    """Every route of the portal, from its OpenAPI description."""
    path = ROOT / "country_b/openapi.json"
    if not path.is_file():
        pytest.skip("there is no country_b/openapi.json to document")
    return routes_of(json.loads(path.read_text("utf-8")))


def routes_of(openapi: Mapping[str, Any]) -> list[str]:
    """The routes an OpenAPI description names."""
    return [
        f"`{method.upper()} {path}`"
        for path, item in openapi["paths"].items()
        for method in HTTP_METHODS
        if method in item
    ]


def scenarios() -> list[str]:
    """Every story there is."""
    return [f"`{name}`" for name in module("scenarios.catalogue").SCENARIOS]


KINDS: Mapping[str, Callable[[], list[str]]] = {
    "CLI commands": commands,
    "settings": settings,
    "control routes": control_routes,
    "link routes": link_routes,
    "link profiles": link_profiles,
    "portal routes": portal_routes,
    "scenarios": scenarios,
}


def undocumented(wanted: list[str], text: str) -> list[str]:
    """Those of the wanted words the text does not hold; a command must not go on as a word."""
    return [words for words in wanted if not re.search(re.escape(words) + r"(?![\w-])", text)]


def section(text: str, heading: str) -> str:
    """A section of a Markdown text, up to the next heading of its level or above; "" if absent."""
    found = re.search(rf"^(#+)\s+{re.escape(heading)}\s*$", text, re.MULTILINE | re.IGNORECASE)
    if found is None:
        return ""
    rest = text[found.end() :]
    after = re.search(rf"^#{{1,{len(found[1])}}}\s", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def missing_paths(text: str, *, root: Path = ROOT) -> list[str]:
    """Paths in code spans that exist neither below the root nor below the gateway."""
    named = [span for span in _CODE_SPAN.findall(text) if _PATH.fullmatch(span)]
    return [
        path
        for path in named
        if not path.startswith("/")
        and not any((base / path).exists() for base in (root, root / "gateway"))
    ]


def broken_links(path: Path) -> list[str]:
    """Relative links of a README that lead nowhere."""
    return [
        f"{path.name}: {target}"
        for target in _LINK.findall(path.read_text("utf-8"))
        if "://" not in target
        and not target.startswith("mailto:")
        and not (path.parent / target).exists()
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_a_user_can_use_is_documented(kind: str) -> None:
    """Commands, settings, routes and scenarios each stand in a README, in their exact words."""
    missing = undocumented(KINDS[kind](), documentation())

    assert not missing, f"no README mentions these {kind}:\n" + "\n".join(missing)


def test_the_index_by_verb_names_existing_paths() -> None:
    """From each verb the index leads to its codec, and every path in it is there."""
    path = ROOT / INDEX_README
    assert path.is_file(), f"{INDEX_README} is missing"

    index = section(path.read_text("utf-8"), INDEX_HEADING)

    assert index, f"{INDEX_README} has no section {INDEX_HEADING!r}"
    assert [verb for verb in VERBS if f"`{verb}`" not in index] == []
    assert [codec for codec in VERBS.values() if codec not in index] == []
    assert missing_paths(index) == []


def test_links_lead_somewhere() -> None:
    """Relative links of every README point at files that exist."""
    assert [link for path in readmes() for link in broken_links(path)] == []


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    """The checks see missing words, half words, dead paths and dead links."""
    text = "Type `ncpeh certs init`; set `tls.trust`; see `gateway/pki.py` and `no/such.py`."
    readme = tmp_path / "README.md"
    readme.write_text("[a](README.md) [b](gone.md#x) [c](https://x.example/y)", "utf-8")

    assert undocumented(["ncpeh certs", "ncpeh certs init", "`tls.crl`"], text) == ["`tls.crl`"]
    assert undocumented(["ncpeh cert"], text) == ["ncpeh cert"]
    assert missing_paths(text) == ["no/such.py"]
    assert broken_links(readme) == ["README.md: gone.md"]


def test_a_section_ends_where_the_next_begins() -> None:
    """Only the asked section is read, its subsections included."""
    text = "# T\n## Index by verb\na\n### more\nb\n## Next\nc\n"

    assert section(text, INDEX_HEADING).split() == ["a", "###", "more", "b"]
    assert section(text, "Absent") == ""


def test_facts_are_read_from_their_sources() -> None:
    """The readers of settings, routes and OpenAPI find what is known to be there."""
    assert "`gateway.community`" in settings()
    assert "`peers.profile`" in settings()
    assert "`GET /transcripts/{id}`" in control_routes()
    assert routes_of({"paths": {"/x": {"get": {}, "parameters": [], "post": {}}}}) == [
        "`GET /x`",
        "`POST /x`",
    ]
