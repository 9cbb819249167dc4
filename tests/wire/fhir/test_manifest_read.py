"""What is read of documents that depart from the rules, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.domain import (
    ImagingManifest,
    ManifestEncoding,
    ManifestInstance,
    ManifestSeries,
    Outcome,
    Severity,
    Uid,
)
from gateway.wire.dicom import kos_read, kos_write
from gateway.wire.fhir import manifest_read
from gateway.wire.fhir.manifest_read import decode_bytes, decode_manifest, recognise
from gateway.wire.fhir.manifest_write import encode_manifest
from gateway.wire.fhir.mhd_retrieve import wrap_binary
from gateway.wire.fhir.resources import Format, write_resource
from gateway.wire.problems import DecodeError
from tests.builders import make_manifest
from tests.wire.fhir.spoiling import spoilt

Change = Callable[[dict[str, Any]], None]


def resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first resource of a type."""
    found: dict[str, Any] = next(
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind
    )
    return found


def make_series() -> tuple[ManifestSeries, ...]:
    """One series of one instance, of which nothing else is known."""
    known = make_manifest().series[0].instances[0]
    return (
        ManifestSeries(
            uid=Uid("2.999.10.1.1"),
            instances=(ManifestInstance(uid=known.uid, sop_class=known.sop_class),),
        ),
    )


def study_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """The ImagingStudy of a document."""
    return resource(bundle, "ImagingStudy")


def read(*changes: Change) -> Outcome[ImagingManifest]:
    """What is read of our document after changes."""
    bundle = deepcopy(encode_manifest(make_manifest()))
    for change in changes:
        change(bundle)
    return decode_manifest(bundle)


def texts(outcome: Outcome[ImagingManifest]) -> set[str]:
    """The warnings; none of them is an error."""
    assert {issue.severity for issue in outcome.issues} <= {Severity.WARNING}
    return {issue.text for issue in outcome.issues}


def test_our_document_is_read_as_it_was() -> None:
    """The same manifest, without a word."""
    assert read() == Outcome((make_manifest(),))


# --- which encoding -------------------------------------------------------------------------------


def documents() -> tuple[bytes, bytes, bytes]:
    """A manifest as KOS, as JSON and as XML."""
    bundle = encode_manifest(make_manifest())
    return (
        kos_write.encode_manifest(make_manifest()),
        write_resource(bundle, Format.JSON),
        write_resource(bundle, Format.XML),
    )


@pytest.mark.parametrize("label", ["application/dicom", "application/fhir+json", "", "text/plain"])
def test_the_bytes_tell_the_encoding_whatever_they_are_called(label: str) -> None:
    """A wrong name is a warning, and no reason to read DICOM as JSON."""
    kos, json, xml = (recognise(data, mime_type=label) for data in documents())

    assert (kos.encoding, kos.format) == (ManifestEncoding.KOS, None)
    assert (json.encoding, json.format) == (ManifestEncoding.FHIR, Format.JSON)
    assert (xml.encoding, xml.format) == (ManifestEncoding.FHIR, Format.XML)
    assert bool(kos.issues) == (label not in ("", "application/dicom"))
    assert bool(json.issues) == (label not in ("", "application/fhir+json"))


@pytest.mark.parametrize("format", Format)
def test_a_document_inside_a_binary_is_taken_out(format: Format) -> None:
    """Either encoding, in a Binary of either format, with a warning that names the wrapper."""
    for document in documents():
        wrapped = write_resource(wrap_binary(document, "application/octet-stream"), format)

        came = recognise(wrapped)

        assert came.data == document
        assert [issue.text for issue in came.issues] == ["the document came inside a Binary"]


def test_a_binary_that_calls_its_content_otherwise_is_told() -> None:
    """The bytes decide there too."""
    kos, json, _ = documents()
    named = {"application/dicom": json, "application/fhir+json": kos}

    for label, document in named.items():
        came = recognise(write_resource(wrap_binary(document, label), Format.JSON))

        assert came.data == document
        assert label in came.issues[1].text


def test_a_wrapped_document_is_read() -> None:
    """With the warning of its wrapper before its own."""
    _, json, _ = documents()

    outcome = decode_bytes(write_resource(wrap_binary(json, "application/fhir+json"), Format.JSON))

    assert outcome.items == (make_manifest(),)
    assert texts(outcome) == {"the document came inside a Binary"}


def test_a_key_object_selection_is_refused_by_name() -> None:
    """Even when it is labelled as FHIR; its own reader takes it, without its preamble too."""
    kos, *_ = documents()

    with pytest.raises(DecodeError, match="found a DICOM file, expected a FHIR Bundle"):
        decode_bytes(kos, mime_type="application/fhir+json")
    bare = recognise(kos[132:])
    assert bare.encoding is ManifestEncoding.KOS
    assert "without a preamble" in bare.issues[0].text
    assert kos_read.decode_manifest(bare.data).items == (make_manifest(),)


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7", b"<html></html>", b"<ClinicalDocument/>", b"\x1f\x8b", b"[]"]
)
def test_other_documents_are_no_manifests(data: bytes) -> None:
    """A report, a web page, something compressed, nothing."""
    with pytest.raises(DecodeError):
        decode_bytes(data)


def test_a_document_beyond_the_limit_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size alone is told."""
    monkeypatch.setattr(manifest_read, "MAX_MANIFEST_BYTES", 10)

    with pytest.raises(DecodeError, match="11 bytes, expected at most 10"):
        recognise(b"{" + b" " * 10)


# --- what is no manifest --------------------------------------------------------------------------


def _set(kind: str, **values: Any) -> Change:
    return lambda bundle: resource(bundle, kind).update(values)


def _drop(kind: str) -> Change:
    def change(bundle: dict[str, Any]) -> None:
        bundle["entry"] = [
            entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != kind
        ]

    return change


def _repeat(kind: str) -> Change:
    def change(bundle: dict[str, Any]) -> None:
        bundle["entry"].append({"resource": deepcopy(resource(bundle, kind)), "fullUrl": "urn:x"})

    return change


def _no_details(bundle: dict[str, Any]) -> None:
    del resource(bundle, "Composition")["event"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((_drop("ImagingStudy"),), "0 ImagingStudy resources"),
        ((_repeat("ImagingStudy"), _no_details), "2 ImagingStudy resources"),
        ((_set("ImagingStudy", status="entered-in-error"),), "entered-in-error"),
        ((_set("ImagingStudy", status="cancelled"),), "cancelled"),
        ((_set("ImagingStudy", modifierExtension=[{"url": "urn:x"}]),), "modifierExtension"),
        ((_set("Composition", status="entered-in-error"),), "entered-in-error"),
        ((_set("ImagingStudy", series=[]),), "no instance"),
        ((_set("ImagingStudy", identifier=[]),), "no study instance UID"),
        ((_set("ImagingStudy", series="many"),), "a string, expected an array"),
    ],
)
def test_what_is_no_manifest_of_one_study_is_refused(
    changes: tuple[Change, ...], said: str
) -> None:
    """No study, two, a withdrawn one, one without instances or without its UID."""
    with pytest.raises(DecodeError, match=said):
        read(*changes)


def test_of_two_studies_the_one_the_composition_names_is_read() -> None:
    """A comparison study may lie beside it."""
    assert read(_repeat("ImagingStudy")).items == (make_manifest(),)


def test_another_resource_is_refused_by_its_name() -> None:
    """An OperationOutcome in the place of a document, say."""
    with pytest.raises(DecodeError, match="OperationOutcome"):
        decode_bytes(b'{"resourceType":"OperationOutcome"}')


# --- what departs from the rules ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bundle: bundle.update(type="collection"), "the Bundle is a collection, not"),
        (_drop("Composition"), "no Composition"),
        (lambda bundle: bundle["entry"].reverse(), "does not begin with its Composition"),
        (_set("Composition", status="preliminary"), "preliminary, not final"),
        (_set("ImagingStudy", status="registered"), "registered, not available"),
        (_drop("Patient"), "the patient of the study is not at hand"),
        (_drop("Endpoint"), "an endpoint is not at hand"),
        (_drop("ServiceRequest"), ""),
        (_set("ImagingStudy", started="last week"), "no dateTime"),
        (lambda bundle: bundle.update(timestamp="now"), "no dateTime"),
    ],
)
def test_departures_are_warnings(change: Change, said: str) -> None:
    """The instances of the study are read all the same."""
    outcome = read(change)

    (manifest,) = outcome.items
    assert manifest.instances() == make_manifest().instances()
    assert any(said in text for text in texts(outcome)) or not said


def test_an_order_that_is_missing_is_known_by_its_number() -> None:
    """The study's own accession number is no request."""
    (manifest,) = read(_drop("ServiceRequest")).items

    assert (manifest.accession, manifest.accession_authority) == ("ACC-1", "2.999.1.4")
    assert manifest.requests == ()


def test_a_document_without_a_uid_gets_one_from_its_study() -> None:
    """Always the same; a UUID is a UID, the study's own UID is none of the manifest."""
    named = read(
        lambda bundle: bundle["identifier"].update(
            value="urn:uuid:00000000-0000-4000-8000-000000000001"
        )
    )
    own = {"system": "urn:dicom:uid", "value": "2.999.10.1"}
    wrong = read(_set("Composition", identifier=own), lambda bundle: bundle.update(identifier=own))

    assert named.items[0].uid == f"2.25.{0x4000_8000_000000000001}"
    assert wrong.items[0].uid.startswith("2.25.")
    assert any("derived from the study's" in text for text in texts(wrong))


def test_references_resolve_by_the_end_of_a_url() -> None:
    """As samples write them: `Patient/1` for `https://a.example/fhir/Patient/1`."""

    def rename(bundle: dict[str, Any]) -> None:
        patient = next(e for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
        patient["fullUrl"] = "https://a.example/fhir/Patient/1"
        study_of(bundle)["subject"] = {"reference": "Patient/1"}

    assert read(rename) == Outcome((make_manifest(),))


def test_times_are_told_at_the_offset_of_the_study() -> None:
    """A series that began in another zone began at the same moment."""

    def move(bundle: dict[str, Any]) -> None:
        study_of(bundle)["series"][0]["started"] = "2026-03-01T00:30:00-02:00"
        resource(bundle, "Composition")["date"] = "2026-11-22T12:00:00Z"

    (manifest,) = read(move).items

    assert manifest.offset_minutes == 60
    assert str(manifest.series[0].started_time) == "03:30:00"
    assert manifest.created == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_document_that_only_dates_its_bundle_was_made_then() -> None:
    """A Composition without a date says nothing; one that says it is unknown says that."""
    undated = read(lambda bundle: resource(bundle, "Composition").pop("date"))
    to_the_day = read(_set("Composition", date="2026-11-22"))

    assert undated.items[0].created == make_manifest().created
    assert str(to_the_day.items[0].created) == "2026-11-22 00:00:00+01:00"


def test_spoilt_documents_are_read_or_refused() -> None:
    """Whatever stands in the place of a value around the study, there is an answer."""
    bundle = encode_manifest(make_manifest(requests=(), viewer_url="", series=make_series()))
    bundle["entry"] = [
        entry
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] in ("Composition", "ImagingStudy", "Organization")
    ]
    small = {"resourceType", "identifier", "status", "series"}
    study = study_of(bundle)
    for name in set(study) - small:
        del study[name]

    for broken in spoilt(bundle):
        with suppress(DecodeError):
            assert decode_manifest(broken).items
