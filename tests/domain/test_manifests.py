"""A manifest knows its instances and its key-image notes."""

from __future__ import annotations

from gateway.domain import (
    Code,
    ImagingManifest,
    KeyImageNote,
    ManifestForm,
    ManifestInstance,
    ManifestPatient,
    ManifestSeries,
    Uid,
)
from gateway.domain.manifests import KEY_OBJECT_SOP_CLASS


def test_instances_and_notes_are_told_apart() -> None:
    """A note is an instance of the key object class."""
    manifest = ImagingManifest(
        uid=Uid("1.9"),
        form=ManifestForm.MADO,
        study=Uid("1.1"),
        patient=ManifestPatient(),
        title=Code("131560", "DCM"),
        series=(
            ManifestSeries(
                uid=Uid("1.1.1"),
                instances=(ManifestInstance(uid=Uid("1.1.1.1"), sop_class=Uid("1.2.3")),),
            ),
            ManifestSeries(
                uid=Uid("1.1.2"),
                instances=(ManifestInstance(uid=Uid("1.1.2.1"), sop_class=KEY_OBJECT_SOP_CLASS),),
            ),
        ),
    )
    assert manifest.instance_count == 2
    assert [ref.instance for ref in manifest.instances()] == ["1.1.1.1", "1.1.2.1"]
    assert [(ref.series, ref.instance) for ref in manifest.notes()] == [("1.1.2", "1.1.2.1")]


def test_only_two_titles_reject() -> None:
    """Rejected for quality, rejected for patient safety."""
    notes = {
        title: KeyImageNote(instance=Uid("1.2"), title=Code(title, "DCM")).rejects
        for title in ("113000", "113001", "113002", "113037")
    }
    assert notes == {"113000": False, "113001": True, "113002": False, "113037": True}
