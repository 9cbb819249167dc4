"""A manifest of another patient, study or community is noticed, and so are unusable addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.domain import (
    CommunityId,
    Gender,
    HumanName,
    ManifestPatient,
    Oid,
    PatientId,
    PatientIdentity,
    PeerMisbehaved,
    Severity,
    Uid,
)
from gateway.domain.manifest_checks import (
    check_manifest,
    home_issues,
    patient_issues,
    refuse_wrong,
    web_address,
)
from tests.builders import COUNTRY_A, COUNTRY_B, PATIENT, make_manifest

ANNA = PatientIdentity(
    id=PATIENT,
    community=COUNTRY_A,
    names=(HumanName(family="Żak", given=("Anna",)),),
    birth_date=date(1980, 2, 29),
    gender=Gender.FEMALE,
)
OTHER = PatientId("B-0002", PATIENT.authority)
ELSEWHERE = PatientId("X-1", Oid("2.999.7.7"))


def test_a_manifest_of_what_was_asked_for_passes() -> None:
    """Patient, study and community are those expected, the counts are right."""
    manifest = make_manifest()

    issues = check_manifest(
        manifest,
        patient=ANNA,
        studies=(manifest.study,),
        home=COUNTRY_A,
        expected_home=COUNTRY_A,
    )

    assert issues == ()
    refuse_wrong(issues)


@pytest.mark.parametrize(
    ("found", "severity"),
    [
        (ManifestPatient(ids=(OTHER,)), Severity.ERROR),
        (ManifestPatient(ids=(OTHER, ELSEWHERE)), Severity.ERROR),
        (ManifestPatient(ids=(ELSEWHERE, PATIENT)), None),
        (ManifestPatient(ids=(PATIENT,), birth_date=date(1999, 1, 1)), Severity.WARNING),
        (ManifestPatient(ids=(ELSEWHERE,)), Severity.WARNING),
        (ManifestPatient(bare_id=PATIENT.value), Severity.WARNING),
        (ManifestPatient(bare_id="1", birth_date=date(1980, 2, 29)), Severity.WARNING),
        (ManifestPatient(bare_id="1", birth_date=date(1980, 2, 28)), Severity.ERROR),
        (ManifestPatient(ids=(ELSEWHERE,), gender=Gender.MALE), Severity.ERROR),
    ],
)
def test_another_patient_is_an_error_and_an_unknown_one_a_warning(
    found: ManifestPatient, severity: Severity | None
) -> None:
    """A shared authority decides; without one, birth date and gender can only exclude."""
    issues = list(patient_issues(found, ANNA))

    assert [issue.severity for issue in issues] == ([severity] if severity else [])
    assert all(PATIENT.value not in issue.text + issue.subject for issue in issues)


def test_another_study_is_an_error() -> None:
    """The row of the list names the study its manifest is of."""
    (issue,) = check_manifest(make_manifest(), studies=(Uid("2.999.77"),))

    assert issue.severity is Severity.ERROR
    assert issue.subject == "2.999.10.1"


@pytest.mark.parametrize(
    ("found", "severity"),
    [(COUNTRY_A, None), (COUNTRY_B, Severity.ERROR), (None, Severity.WARNING)],
)
def test_an_answer_of_another_community_is_an_error(
    found: CommunityId | None, severity: Severity | None
) -> None:
    """One that does not say whose it is, a warning."""
    issues = list(home_issues(found, COUNTRY_A))

    assert [issue.severity for issue in issues] == ([severity] if severity else [])


def test_missing_instances_are_warnings() -> None:
    """Counts that differ, and a series of which nothing is listed."""
    series = make_manifest().series
    manifest = make_manifest(
        series=(replace(series[0], declared_instances=9), replace(series[1], instances=()))
    )

    issues = check_manifest(manifest)

    assert {issue.severity for issue in issues} == {Severity.WARNING}
    assert [issue.text for issue in issues] == [
        "says 3 series and lists 2",
        "says 9 instances and lists 3",
        "the series lists no instance",
    ]


def test_the_first_error_is_the_refusal() -> None:
    """Warnings refuse nothing."""
    issues = check_manifest(
        make_manifest(declared_series=9),
        patient=replace(ANNA, id=OTHER),
        home=COUNTRY_B,
        expected_home=COUNTRY_A,
    )

    with pytest.raises(PeerMisbehaved, match="another patient"):
        refuse_wrong(issues)
    refuse_wrong(issues[:1])


@pytest.mark.parametrize(
    ("text", "base", "usable", "said"),
    [
        ("https://a.example/rs", "", "https://a.example/rs", ""),
        ("https://a.example:8443/rs/", "", "https://a.example:8443/rs/", ""),
        ("http://a.example", "", "http://a.example", ""),
        ("https://a.example//rs///x", "", "https://a.example/rs/x", "doubled slashes"),
        ("rs", "", "", "relative"),
        ("rs", "https://a.example/fhir", "https://a.example/fhir/rs", "relative"),
        ("//b.example/rs", "https://a.example/fhir", "", "none of the web"),
        ("javascript:alert(1)", "https://a.example", "", "none of the web"),
        ("https:///rs", "", "", "none of the web"),
        ("https://a.example/a b", "", "", "none of the web"),
        ("https://a.example:port/rs", "", "", "no URL"),
        ("http://NotSpecified/", "", "", "stands for none"),
        ("", "https://a.example", "", ""),
    ],
)
def test_addresses_are_usable_or_told(text: str, base: str, usable: str, said: str) -> None:
    """Only absolute addresses of the web come out, one slash between their parts."""
    address, told = web_address(text, base)

    assert address == usable
    assert said in told
    assert bool(told) == bool(said)
