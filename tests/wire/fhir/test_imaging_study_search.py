"""The search for ImagingStudy: the Bundle around the studies, ours and those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.domain import ImagingManifest, Issue, Outcome, Refusal, Severity, StudyQuery, Uid
from gateway.wire.fhir.imaging_study_parameters_read import DecodedSearch
from gateway.wire.fhir.imaging_study_search import (
    Resolve,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    found,
)
from gateway.wire.fhir.resources import Format, Json, read_resource, validated, write_resource
from gateway.wire.fhir.search import parse_query
from gateway.wire.problems import DecodeError, EncodeError
from tests.builders import COUNTRY_A, PATIENT, make_manifest
from tests.wire.fhir.spoiling import spoilt

AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
BASE = "https://ncp-a.example/fhir"
SELF = f"{BASE}/ImagingStudy?patient.identifier=x"
STUDY = make_manifest()
STUDIES = tuple(
    replace(STUDY, study=Uid(f"2.999.10.{number}"), study_date=day, study_time=None)
    for number, day in enumerate((date(2024, 5, 1), None, date(2026, 3, 1), date(2024, 5, 1)), 1)
)


def name_of(study: Uid) -> str:
    """The FHIR id of a study."""
    return f"study-{study}"


def write(manifest: ImagingManifest) -> Json:
    """A small ImagingStudy with an endpoint contained, as whoever answers would bring one."""
    return {
        "resourceType": "ImagingStudy",
        "id": name_of(manifest.study),
        "contained": [
            {
                "resourceType": "Endpoint",
                "id": "endpoint-1",
                "status": "active",
                "connectionType": {"code": "dicom-wado-rs"},
                "payloadType": [{"text": "DICOM WADO-RS"}],
                "address": f"https://a.example/dicom/{manifest.study}",
            }
        ],
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{manifest.study}"}],
        "status": "available",
        "subject": {"display": "the patient"},
        "endpoint": [{"reference": "#endpoint-1"}],
        "series": [
            {
                "uid": series.uid,
                "modality": {"code": "CT"},
                "instance": [
                    {"uid": one.uid, "sopClass": {"code": f"urn:oid:{one.sop_class}"}}
                    for one in series.instances
                ],
            }
            for series in manifest.series
        ],
    }


def read(resource: Json, where: str, resolve: Resolve) -> Outcome[ImagingManifest]:
    """The study of a UID, seen at the place its endpoint leads to."""
    identifiers = resource.get("identifier")
    if not isinstance(identifiers, list) or not isinstance(identifiers[0], dict):
        raise DecodeError(where, "no identifier", "a study UID")
    study = Uid.parse(str(identifiers[0].get("value")).removeprefix("urn:oid:"))
    endpoint = resolve(resource["endpoint"][0]["reference"]) if "endpoint" in resource else None
    viewer = str(endpoint["address"]) if endpoint else ""
    return Outcome((replace(STUDY, study=study, viewer_url=viewer),))


def search_of(query: str) -> DecodedSearch:
    """A search for studies of the patient."""
    text = f"patient.identifier=urn:oid:2.999.1.2|A-0001&{query}"
    return decode_request(parse_query(text), answering=COUNTRY_A)


def answer(query: str = "", manifests: Sequence[ImagingManifest] = STUDIES, **options: Any) -> Json:
    """The answer to a search."""
    given = {"bundle_id": "b1", "at": AT, "self_url": SELF, "base": BASE + "/", "write": write}
    return encode_response(search_of(query), manifests, **{**given, **options})


@pytest.mark.parametrize("format", Format)
def test_an_answer_is_a_searchset_and_is_read_back(format: Format) -> None:
    """In both formats: each study with its URL, the issues beside them, and the next page."""
    warning = Issue(refusal=Refusal.UNSUPPORTED, text="Not applied.", severity=Severity.WARNING)

    bundle = answer(issues=[warning], total=9, next_url=f"{BASE}?_getpages=t")

    validated(bundle)
    assert bundle["entry"][0]["fullUrl"] == f"{BASE}/ImagingStudy/study-2.999.10.1"
    again = read_resource(write_resource(bundle, format), format)
    page = decode_response(again, read=read)
    assert [one.study for one in page.outcome.items] == [one.study for one in STUDIES]
    assert [issue.text for issue in page.outcome.issues] == ["Not applied."]
    assert (page.total, page.next_url) == (9, f"{BASE}?_getpages=t")


def test_an_empty_answer_is_a_success() -> None:
    """With a total of none."""
    bundle = answer(manifests=[])

    validated(bundle)
    assert bundle["total"] == 0
    assert decode_response(bundle, read=read).outcome == Outcome()


def test_studies_are_told_newest_first_or_oldest_first() -> None:
    """Of one day by UID either way; one without date counts as the oldest."""
    newest = found(search_of(""), STUDIES, name_of)
    oldest = found(search_of("_sort=started"), reversed(STUDIES), name_of)

    assert [one.study[-1] for one in newest] == ["3", "1", "4", "2"]
    assert [one.study[-1] for one in oldest] == ["2", "1", "4", "3"]


def test_only_what_the_search_asks_for_is_told() -> None:
    """By the query, by the id, by an endpoint."""
    by_day = found(search_of("started=2024-05-01&_id=study-2.999.10.4"), STUDIES, name_of)
    by_endpoint = found(
        search_of("endpoint=Endpoint/e-2.999.10.3"),
        STUDIES,
        name_of,
        lambda manifest: [f"e-{manifest.study}"],
    )

    assert [one.study for one in by_day] == ["2.999.10.4"]
    assert [one.study for one in by_endpoint] == ["2.999.10.3"]
    assert found(search_of("endpoint=e"), STUDIES, name_of) == ()


def test_endpoints_come_along_where_they_are_wanted() -> None:
    """As entries that a reader finds by the reference, and that are not counted."""
    bundle = answer("_include=ImagingStudy:endpoint")

    validated(bundle)
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert modes == ["match"] * 4 + ["include"] * 4
    assert bundle["total"] == 4
    assert "contained" not in bundle["entry"][0]["resource"]
    page = decode_response(bundle, read=read)
    assert page.outcome.items[2].viewer_url == "https://a.example/dicom/2.999.10.3"


def test_endpoints_of_others_are_found_by_type_and_id() -> None:
    """A server has them as resources, under an address of its own."""
    bundle = answer("_include=ImagingStudy:endpoint", STUDIES[:1])
    study, endpoint = bundle["entry"][0]["resource"], bundle["entry"][1]
    endpoint["fullUrl"] = "https://b.example/fhir/Endpoint/e1"
    endpoint["resource"]["id"] = "e1"
    for reference in ("Endpoint/e1", "https://b.example/fhir/Endpoint/e1"):
        study["endpoint"] = [{"reference": reference}]

        (manifest,) = decode_response(bundle, read=read).outcome.items

        assert manifest.viewer_url == "https://a.example/dicom/2.999.10.1"


def test_elements_are_trimmed_of_every_study() -> None:
    """And with them most of the answer."""
    bundle = answer("_elements=identifier,series.uid")

    validated(bundle)
    assert all("instance" not in one for one in bundle["entry"][3]["resource"]["series"])
    assert len(write_resource(bundle, Format.JSON)) * 2 < len(write_resource(answer(), Format.JSON))


def test_a_study_without_id_cannot_be_answered() -> None:
    """Its entry would have no address."""
    with pytest.raises(EncodeError):
        answer(write=lambda manifest: {**write(manifest), "id": ""})


def test_a_study_that_cannot_be_used_costs_no_other() -> None:
    """Nor does one that comes twice, or something else among them."""
    bundle = answer()
    bundle["entry"][0]["resource"]["identifier"] = "1.2.3"
    bundle["entry"] += [bundle["entry"][1], {"resource": {"resourceType": "Patient"}}]

    outcome = decode_response(bundle, read=read).outcome

    assert [one.study[-1] for one in outcome.items] == ["2", "3", "4"]
    assert len(outcome.errors) == 1
    assert len(outcome.issues) == 3


def test_a_bare_outcome_is_an_answer_without_studies() -> None:
    """As some servers answer when nothing fits."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "not-found", "diagnostics": "Nobody."}],
    }

    page = decode_response(outcome, read=read)

    assert page.outcome.items == ()
    assert len(page.outcome.issues) == 1


@pytest.mark.parametrize("resource", [{"resourceType": "ImagingStudy"}, {"resourceType": "Bundle"}])
def test_another_resource_is_an_error(resource: Json) -> None:
    """Nobody knows what it would answer."""
    with pytest.raises(DecodeError):
        decode_response(resource, read=read)


def test_hostile_answers_are_refused_with_their_place() -> None:
    """Nothing but `DecodeError` or an issue, whatever stands in whichever place."""

    def shy(resource: Json, where: str, resolve: Resolve) -> Outcome[ImagingManifest]:
        # What a study is made of is for its own reader; here only the Bundle is in question.
        resolve("Endpoint/e1")
        raise DecodeError(where, str(resource.get("id"))[:9], "nothing")

    refused = 0
    for changed in spoilt(answer("_include=ImagingStudy:endpoint", STUDIES[:1])):
        try:
            decode_response(changed, read=shy)
        except DecodeError:
            refused += 1
    assert refused > 20


def test_a_query_is_asked_and_understood() -> None:
    """The whole way of a request."""
    query = StudyQuery(community=COUNTRY_A, patient=PATIENT, studies=(STUDY.study,))

    search = decode_request(
        parse_query(encode_request(query, endpoints=True).text), answering=COUNTRY_A
    )

    assert search.query == query
    assert search.endpoints_included
