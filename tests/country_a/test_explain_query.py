"""Why a row is in or out, as a person at the command line asks and is told."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from country_a.explain_query import add_arguments, explained, read_question
from country_a.national.ports import NationalSystems
from country_a.seed.people import Role
from gateway.domain import DocumentQuery
from gateway.domain.codes import DCM, SCT
from gateway.domain.selection import failing


def question(*arguments: str) -> Any:
    """What was typed, read."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return read_question(parser.parse_args(arguments))


async def told(planted: Any, systems: NationalSystems, *arguments: str) -> str:
    """The answer to what was typed."""
    return await explained(systems, planted.oids.community, question(*arguments))


async def _row(planted: Any, systems: NationalSystems, role: Role = Role.MAIN) -> Any:
    patient = planted.patient(role).person.identity.id
    return next(
        entry
        for entry in await systems.registry.find(DocumentQuery(patient=patient))
        if entry.modalities and entry.mime_type == "application/dicom"
    )


async def test_a_row_that_every_filter_lets_through_is_in(
    planted: Any, systems: NationalSystems
) -> None:
    """Known by its entry id, by the bare UUID of FHIR and by the unique id of its document."""
    row = await _row(planted, systems)
    filters = ["--modality", row.modalities[0].value, "--document-class", "manifest"]
    for name in (row.id, row.id.removeprefix("urn:uuid:"), row.ref.document):
        text = await told(planted, systems, "--row", name, *filters)
        assert "IN: every filter lets it through." in text
        assert str(row.ref.document) in text


async def test_the_first_filter_that_keeps_a_row_out_is_named_and_the_others_too(
    planted: Any, systems: NationalSystems
) -> None:
    """With what was asked for and what the row has."""
    row = await _row(planted, systems)

    text = await told(
        planted, systems, "--row", row.id, "--modality", "OPT", "--document-class", "report",
        "--performed-from", "1990-01-01", "--study", row.studies[0],
    )  # fmt: skip

    assert "OUT: document class keeps it out; so would modality." in text
    [line] = [each for each in text.splitlines() if each.startswith("  modality")]
    assert "KEEPS IT OUT" in line
    assert f"asked for: OPT of {DCM}" in line
    assert f"the row has: {row.modalities[0].value} of {DCM}" in line
    [passed] = [each for each in text.splitlines() if each.startswith("  study")]
    assert "lets it through" in passed


async def test_a_row_of_another_patient_and_one_out_of_force_are_out(
    planted: Any, systems: NationalSystems
) -> None:
    """What is not Article 10's keeps rows out as well."""
    main = await _row(planted, systems)
    other = planted.patient(Role.GREEK).person.identity.id
    patient = planted.patient(Role.CORRECTED_REPORT).person.identity.id
    versions = await systems.registry.find(DocumentQuery(patient=patient, statuses=()))
    old = next(entry for entry in versions if entry.status.value == "deprecated")

    of_another = await told(planted, systems, "--row", main.id, "--patient", other.cx)
    replaced = await told(planted, systems, "--row", old.id)
    asked_for = await told(planted, systems, "--row", old.id, "--status", "any")

    assert "OUT: patient keeps it out." in of_another
    assert "OUT: status keeps it out." in replaced
    assert "IN:" in asked_for


async def test_consent_is_told_beside_the_filters(planted: Any, systems: NationalSystems) -> None:
    """A row may be in and no list be given."""
    for role, words in (
        (Role.DENIED, "no list of theirs is given"),
        (Role.EMERGENCY_ONLY, "under EMERGENCY alone"),
    ):
        row = await _row(planted, systems, role)
        text = await told(planted, systems, "--row", row.id)
        assert "IN:" in text
        assert words in text


async def test_a_patient_whom_the_index_lost_is_told(
    planted: Any, systems: NationalSystems
) -> None:
    """A row of theirs cannot be listed either."""
    row = await _row(planted, systems)
    nobody = f"XA-9999^^^&{planted.oids.patients}&ISO"
    assert "not in the index" in await told(planted, systems, "--row", row.id, "--patient", nobody)


async def test_a_row_that_is_not_there_has_no_explanation(
    planted: Any, systems: NationalSystems
) -> None:
    """Nothing is made up."""
    assert await told(planted, systems, "--row", "2.999.404") == ""


def test_codes_and_identifiers_are_typed_as_the_wire_has_them_or_shorter() -> None:
    """Modality and region know their scheme; what is left out elsewhere is any."""
    short = question(
        "--row", "1", "--modality", "CT", "--region", "774007", "--procedure", "X|1",
        "--accession", "A 1", "--performed-to", "2026-03-01",
    ).filters  # fmt: skip
    long = question(
        "--row", "1", "--modality", "CT^^99X", "--procedure", "1^^2.999",
        "--accession", "A^^^&2.999.5&ISO", "--order", "O^^^Ward",
        "--performed-to", "2026-03-01T10:00",
    ).filters  # fmt: skip

    assert (short.modality.scheme, short.region.scheme, short.procedure.scheme) == (DCM, SCT, "")
    assert (short.accession.value, short.accession.authority) == ("A 1", "%")
    assert f"{short.performed.end:%d %H:%M}" == "02 00:00"
    assert (long.modality.scheme, long.procedure.scheme) == ("99X", "2.999")
    assert (long.accession.authority, long.order.authority) == ("2.999.5", "Ward")
    assert f"{long.performed.end:%d %H:%M %Z}" == "01 10:00 UTC"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--patient", "XA-1"],
        ["--modality", "^^DCM"],
        ["--study", "no uid"],
        ["--performed-from", "yesterday"],
        ["--performed-to", "9999-12-31"],
        ["--accession", "a^b"],
        ["--row", "\x00"],
        ["--row", "x" * 250],
    ],
)
def test_what_cannot_be_read_is_refused_by_its_option(arguments: list[str]) -> None:
    """With what was expected, before anything is opened."""
    with pytest.raises(argparse.ArgumentError, match=arguments[0]):
        question("--row", "1", *arguments)


async def test_the_words_agree_with_the_selection(planted: Any, systems: NationalSystems) -> None:
    """For every row of a patient: said to be in exactly when a query finds it."""
    patient = planted.patient(Role.MAIN).person.identity.id
    rows = await systems.registry.find(DocumentQuery(patient=patient))
    query = question("--row", "1", "--modality", "CT").filters.query(
        patient, planted.oids.community, {}
    )
    for row in rows:
        text = await told(planted, systems, "--row", row.id, "--modality", "CT")
        assert ("IN:" in text) is (failing(query, row) == ())
    assert {failing(query, row) for row in rows} == {(), ("event_codes",)}
