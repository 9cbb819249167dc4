"""A manifest from one encoding into the other, with what is lost and why: `ncpeh convert`.

Bytes in, bytes and a report out; no file is read or written here. Codecs: `wire.dicom.kos_read` and
`kos_write`, `wire.fhir.manifest_read` and `manifest_write`; what an encoding cannot hold is told by
`domain.manifest_losses`. Clause: IHE RAD MADO, mapping of the KOS to the FHIR manifest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.domain import ImagingManifest, Issue, ManifestEncoding, Outcome
from gateway.domain.manifest_losses import Loss, losses
from gateway.wire.dicom import kos_read, kos_write
from gateway.wire.fhir import manifest_read, manifest_write
from gateway.wire.fhir.resources import Format, write_resource

_NAMES = {ManifestEncoding.KOS: "key object selection", ManifestEncoding.FHIR: "FHIR document"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A manifest as it was read, as it is now written, and what happened on the way."""

    manifest: ImagingManifest
    came_as: ManifestEncoding
    written_as: ManifestEncoding
    data: bytes
    losses: tuple[Loss, ...]
    issues: tuple[Issue, ...]

    def describe(self) -> str:
        """The report, for people: what it is, what was odd in it, and each element that is lost."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        manifest = self.manifest
        yield (
            f"{_NAMES[self.came_as]} {manifest.uid} of study {manifest.study}: "
            f"{len(manifest.series)} series, {manifest.instance_count} instances"
        )
        yield f"written as {_NAMES[self.written_as]}, {len(self.data)} bytes"
        for issue in self.issues:
            place = f" ({issue.subject})" if issue.subject else ""
            yield f"warning: {issue.text}{place}"
        for loss in self.losses:
            yield f"lost: {loss.element}: {loss.why}"
        if not self.losses:
            yield "nothing is lost"


def convert(
    data: bytes, to: ManifestEncoding, *, at: datetime, trial_codes: bool = False
) -> Conversion:
    """A manifest in the bytes of either encoding, written in the encoding that is wanted.

    `at` is the timestamp of a FHIR document whose manifest does not say when it was made. A
    selection is written with the final codes, or with those of the trial implementation text.
    Raises `DecodeError` for what is no manifest, `EncodeError` for one that the encoding refuses.
    """
    came = manifest_read.recognise(data)
    outcome = _read(came)
    manifest = outcome.items[0]
    if to is ManifestEncoding.KOS:
        written = kos_write.encode_manifest(manifest, trial_codes=trial_codes)
    else:
        bundle = manifest_write.encode_manifest(manifest, at=manifest.created or at)
        written = write_resource(bundle, Format.JSON)
    return Conversion(
        manifest=manifest,
        came_as=came.encoding,
        written_as=to,
        data=written,
        losses=losses(manifest, to),
        issues=tuple(dict.fromkeys((*came.issues, *outcome.issues))),
    )


def _read(came: manifest_read.ManifestBytes) -> Outcome[ImagingManifest]:
    if came.encoding is ManifestEncoding.KOS:
        return kos_read.decode_manifest(came.data)
    return manifest_read.decode_bytes(came.data)
