"""Whether a manifest is the one that was wanted, and whether its addresses can be used.

Pure judgements for whoever receives a manifest, in either encoding: the patient, the study, the
community it came from, the counts it states. Each gives `Issue`s; an error means that the manifest
must not be used, a warning that something cannot be told or departs from the rules. No issue
quotes an identifier of the patient, for issues are logged. Not a reader, and not the list of hosts
that may be called. Clauses: IHE RAD MADO (consumer), guideline B.1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import urljoin, urlsplit

from gateway.domain.ids import CommunityId
from gateway.domain.manifests import ImagingManifest, ManifestPatient
from gateway.domain.outcome import Issue, Severity
from gateway.domain.people import PatientIdentity
from gateway.domain.refusals import Refusal, refuse

# What stands for "no address" where one is required (IHE MADO, MadoWadoEndpoint and its examples).
PLACEHOLDER_HOSTS = frozenset({"notspecified", "notapplicable"})

_SLASHES = re.compile(r"/{2,}")
_BLANKS = re.compile(r"[\x00-\x20\x7f]")


def check_manifest(
    manifest: ImagingManifest,
    *,
    patient: PatientIdentity | None = None,
    studies: Collection[str] = (),
    home: CommunityId | None = None,
    expected_home: CommunityId | None = None,
) -> tuple[Issue, ...]:
    """Everything that speaks against using a manifest for what was asked for.

    `patient` is whom the documents were asked for, `studies` what the row of the list names,
    `home` the community that the answer names and `expected_home` the one that was asked; what is
    not given is not judged.
    """
    found = [*count_issues(manifest)]
    if patient is not None:
        found += patient_issues(manifest.patient, patient)
    if studies and manifest.study not in studies:
        found.append(_error("the manifest describes another study than asked for", manifest.study))
    if expected_home is not None:
        found += home_issues(home, expected_home)
    return tuple(found)


def refuse_wrong(issues: Iterable[Issue]) -> None:
    """Nothing when no issue is an error; else the first error as a refusal."""
    for issue in issues:
        if issue.severity is Severity.ERROR:
            raise refuse(issue.refusal, issue.text, subject=issue.subject)


def patient_issues(found: ManifestPatient, expected: PatientIdentity) -> Iterator[Issue]:
    """Whether the manifest is of the patient: an identifier both have decides.

    Another value under an authority that gave the patient an identifier is another patient.
    Where no authority is shared, a different date of birth or gender is.
    """
    known = {expected.id, *expected.other_ids}
    authorities = {one.authority for one in known}
    born_differently = bool(
        found.birth_date and expected.birth_date and found.birth_date != expected.birth_date
    )
    unlike = born_differently or bool(
        found.gender and expected.gender and found.gender is not expected.gender
    )
    if known.intersection(found.ids):
        if unlike:
            yield _warning("the manifest gives the patient another birth date or gender", "patient")
    elif any(one.authority in authorities for one in found.ids):
        yield _error("the manifest is of another patient", "patient")
    elif unlike:
        yield _error("the manifest is of a patient born otherwise than the one asked for")
    else:
        yield _warning("the manifest has no identifier of the patient's to compare", "patient")


def home_issues(found: CommunityId | None, expected: CommunityId) -> Iterator[Issue]:
    """Whether the answer came from the community that was asked."""
    if found is None:
        yield _warning("the answer does not say from which community it is", "homeCommunityId")
    elif found != expected:
        yield _error(f"the answer is from community {found}, not {expected}", "homeCommunityId")


def count_issues(manifest: ImagingManifest) -> Iterator[Issue]:
    """Where the counts a manifest states are not those of what it lists: images may be missing."""
    listed = len(manifest.series)
    if manifest.declared_series is not None and manifest.declared_series != listed:
        yield _warning(f"says {manifest.declared_series} series and lists {listed}", manifest.study)
    for series in manifest.series:
        count = len(series.instances)
        if not count:
            yield _warning("the series lists no instance", series.uid)
        elif series.declared_instances is not None and series.declared_instances != count:
            yield _warning(
                f"says {series.declared_instances} instances and lists {count}", series.uid
            )


def web_address(text: str, base: str = "") -> tuple[str, str]:
    """The address of a DICOMweb service as it can be used, and what was wrong with it.

    A relative address is taken from `base` where there is one, slashes that stand doubled in a
    path become one; the address is "" where none can be made of the text, and for the hosts that
    stand for none.
    """
    if not text:
        return "", ""
    try:
        parts = urlsplit(text)
        if not parts.scheme and not parts.netloc and base:
            told = "the address is relative; it is taken from where the manifest came from"
            parts = urlsplit(urljoin(base.rstrip("/") + "/", text))
        else:
            told = ""
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "", "the address is no URL"
    if not parts.scheme and not parts.netloc:
        return "", "the address is relative"
    if parts.scheme not in ("http", "https") or not host or _BLANKS.search(text):
        return "", "the address is none of the web"
    if host in PLACEHOLDER_HOSTS:
        return "", "the address stands for none"
    path = _SLASHES.sub("/", parts.path)
    if path != parts.path:
        told = "the path of the address has doubled slashes"
    return parts._replace(path=path).geturl() if told else text, told


def _error(text: str, subject: str = "") -> Issue:
    return Issue(refusal=Refusal.PEER_MISBEHAVED, text=text, subject=subject)


def _warning(text: str, subject: str = "") -> Issue:
    return Issue(
        refusal=Refusal.PEER_MISBEHAVED, text=text, severity=Severity.WARNING, subject=subject
    )
