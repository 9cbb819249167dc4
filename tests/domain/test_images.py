"""What should be seen first stands first in an image request."""

from __future__ import annotations

from gateway.domain import (
    Code,
    CommunityId,
    ImageRequest,
    ImagingManifest,
    InstanceRef,
    KeyImageNote,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Oid,
    Uid,
)

STUDY, SERIES = Uid("1.2.1"), Uid("1.2.1.1")
HERE = CommunityId("2.999.1.1")


def _manifest(count: int) -> ImagingManifest:
    return ImagingManifest(
        uid=Uid("1.2.9"),
        form=ManifestForm.MADO,
        study=STUDY,
        patient=ManifestPatient(),
        title=Code("131560", "DCM"),
        series=(
            ManifestSeries(
                uid=SERIES,
                location=Oid("2.999.3"),
                instances=tuple(
                    ManifestInstance(uid=Uid(f"1.2.1.1.{n}"), sop_class=Uid("1.2.840.1"))
                    for n in range(1, count + 1)
                ),
            ),
        ),
    )


def _note(title: str, *numbers: int) -> KeyImageNote:
    return KeyImageNote(
        instance=Uid("1.2.8"),
        title=Code(title, "DCM"),
        images=tuple(
            InstanceRef(study=STUDY, series=SERIES, instance=Uid(f"1.2.1.1.{n}")) for n in numbers
        ),
    )


def _order(*notes: KeyImageNote) -> list[str]:
    request = ImageRequest.of_manifest(
        _manifest(5), HERE, default_location=Oid("2.999.2"), notes=notes
    )
    return [ref.instance.rpartition(".")[2] for ref, _ in request.instances]


def test_key_images_come_first_and_everything_else_follows() -> None:
    """Nothing is asked twice, nothing is lost."""
    assert _order(_note("113000", 4, 2)) == ["4", "2", "1", "3", "5"]


def test_a_note_that_rejects_gives_no_priority_and_takes_it_away() -> None:
    """An image of interest that was rejected for quality waits its turn."""
    assert _order(_note("113001", 5)) == ["1", "2", "3", "4", "5"]
    assert _order(_note("113000", 5, 3), _note("113037", 5)) == ["3", "1", "2", "4", "5"]


def test_a_note_about_images_not_in_the_study_is_ignored() -> None:
    """A note may outlive what it points to."""
    assert _order(_note("113000", 9)) == ["1", "2", "3", "4", "5"]


def test_each_image_is_asked_where_the_manifest_says_it_lies() -> None:
    """The Retrieve Location of the series, or the default where a manifest has none."""
    request = ImageRequest.of_manifest(_manifest(1), HERE, default_location=Oid("2.999.2"))
    assert request.instances[0][1] == "2.999.3"
