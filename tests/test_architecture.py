"""The code and its tests keep the house's rules; the tables of exceptions hold nothing stale."""

from __future__ import annotations

from tests.architecture import (
    LONG_TABLES,
    MAX_LINES,
    ROOT,
    TESTED_BY,
    UNTESTED,
    call_problems,
    cycles,
    form_problems,
    import_problems,
    length_problems,
    mirroring_tests,
    sources,
    suite,
)


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


def test_every_module_of_the_tests_is_short() -> None:
    """At most 500 lines, and no table of exceptions."""
    problems = [problem for source in suite() for problem in length_problems(source)]

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
