"""Key images as others write them: documents, selections, Basics."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain import KeyImage, MediaKind, Uid
from gateway.wire.fhir.report_images import read_content, read_key_images
from gateway.wire.fhir.report_write import write_report
from gateway.wire.problems import DecodeError
from tests.wire.fhir.report_nouns import least
from tests.wire.fhir.test_report_procedure import held

THUMBNAIL = "http://hl7.org/fhir/StructureDefinition/documentreference-thumbnail"


def read(resource: Any) -> tuple[KeyImage, ...]:
    """The key images of one resource."""
    found, references = held(resource)
    return read_key_images(references, found, "r")


def test_the_image_is_what_is_no_thumbnail() -> None:
    """In whatever order they stand."""
    small = {
        "extension": [{"url": THUMBNAIL, "valueBoolean": True}],
        "attachment": {"url": "http://x.example/small.png"},
    }
    large = {"attachment": {"url": "http://x.example/large.png", "title": "Look"}}

    (image,) = read({"resourceType": "DocumentReference", "content": [small, large]})

    assert image == KeyImage(url="http://x.example/large.png", comment="Look")
    assert read({"resourceType": "DocumentReference", "content": [small]}) == (KeyImage(),)


@pytest.mark.parametrize("kind", [None, MediaKind.VIDEO])
def test_no_kind_is_no_category(kind: MediaKind | None) -> None:
    """FHIR has no empty values, in lists neither."""
    bundle = write_report(
        least(key_images=(KeyImage(content=b"x", content_type="image/png", kind=kind),))
    )

    [row] = [
        entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "DocumentReference"
    ]
    assert len(row["category"]) == (1 if kind is None else 2)
    assert all(row["category"])


def test_an_image_without_content_is_named_by_its_instance() -> None:
    """The profile wants a URL, and a report does not tell where images lie."""
    bundle = write_report(least(key_images=(KeyImage(instance=Uid("2.999.1.2")),)))

    (written,) = (
        one["resource"]
        for one in bundle["entry"]
        if one["resource"]["resourceType"] == "DocumentReference"
    )

    assert written["content"][0]["attachment"]["url"] == "urn:oid:2.999.1.2"


@pytest.mark.parametrize(
    ("elements", "kind"),
    [
        ({"type": "video"}, MediaKind.VIDEO),
        ({"category": "audio"}, MediaKind.AUDIO),
        ({"category": "film"}, None),
    ],
)
def test_the_kind_of_medium_is_a_type_or_a_category(
    elements: dict[str, str], kind: MediaKind | None
) -> None:
    """Of HL7's own list."""
    system = "http://terminology.hl7.org/CodeSystem/media-type"
    concepts = {name: {"coding": [{"system": system, "code": c}]} for name, c in elements.items()}
    resource = {"resourceType": "DocumentReference", **concepts}
    if "category" in resource:
        resource["category"] = [resource["category"]]

    (image,) = read(resource)

    assert image.kind is kind


PLACES = {"study": Uid("2.999.1"), "series": Uid("2.999.2")}
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ImagingSelection"


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "ImagingSelection",
            "studyUid": "2.999.1",
            "seriesUid": "2.999.2",
            "instance": [{"uid": "2.999.3"}, {"uid": "2.999.4"}],
        },
        {
            "resourceType": "Basic",
            "extension": [
                {"url": f"{R5}.studyUid", "valueId": "2.999.1"},
                {"url": f"{R5}.seriesUid", "valueId": "2.999.2"},
                {"url": f"{R5}.instance", "extension": [{"url": "uid", "valueId": "2.999.3"}]},
                {"url": f"{R5}.instance", "extension": [{"url": "uid", "valueId": "2.999.4"}]},
            ],
        },
        {
            "resourceType": "Basic",
            "extension": [
                {
                    "url": "http://hl7.eu/fhir/imaging/StructureDefinition/ImagingSelection",
                    "extension": [
                        {"url": "studyUid", "valueOid": "urn:oid:2.999.1"},
                        {"url": "seriesUid", "valueOid": "urn:oid:2.999.2"},
                        {
                            "url": "instance",
                            "extension": [{"url": "uid", "valueOid": "urn:oid:2.999.3"}],
                        },
                        {
                            "url": "instance",
                            "extension": [{"url": "uid", "valueOid": "urn:oid:2.999.4"}],
                        },
                    ],
                }
            ],
        },
    ],
    ids=["native", "cross-version", "nested"],
)
def test_a_selection_is_read_for_its_uids(resource: Any) -> None:
    """Natively, or as R4 writes it."""
    assert read(resource) == tuple(
        KeyImage(**PLACES, instance=Uid(uid)) for uid in ("2.999.3", "2.999.4")
    )


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "ImagingSelection", "instance": [{"uid": "x"}]},
        {
            "resourceType": "DocumentReference",
            "identifier": [
                {
                    "value": "urn:oid:x",
                    "type": {"coding": [{"code": "112002", "system": "1.2.840.10008.2.16.4"}]},
                }
            ],
        },
    ],
)
def test_a_uid_that_is_none_is_an_error(resource: Any) -> None:
    """An image nobody can find is not one without a name."""
    with pytest.raises(DecodeError, match="DICOM UID"):
        read(resource)


def test_content_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is decoded."""
    monkeypatch.setattr("gateway.wire.fhir.report_images.MAX_CONTENT", 3)
    found, _ = held()

    assert read_content({"data": "AAAA"}, found, "a") == bytes(3)
    with pytest.raises(DecodeError, match="at most 3 bytes"):
        read_content({"data": "AAAAAAAA"}, found, "a")
