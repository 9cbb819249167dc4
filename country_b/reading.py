"""What Country B reads in what it receives: manifests, key-image notes, reports, image headers.

A seam between the border and the codecs: `DicomReading` is the real one. Whatever cannot be read
came from the peer, so it is the peer that misbehaved.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.domain import (
    ImagingManifest,
    ImagingReport,
    InstanceRef,
    KeyImageNote,
    ManifestPatient,
    Outcome,
    Refusal,
    Uid,
    refuse,
)
from gateway.wire.dicom.identity import IdentityReader
from gateway.wire.problems import DecodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """What an image file says it is."""

    ref: InstanceRef
    transfer_syntax: Uid | None
    patient: ManifestPatient


class Reading(Protocol):
    """Reads what was received; every verb raises `PeerMisbehaved` on what cannot be read."""

    def manifest(self, data: bytes) -> Outcome[ImagingManifest]:
        """The manifest of a document, with what was odd about it as warnings."""
        ...

    def note(self, data: bytes) -> KeyImageNote:
        """The key-image note of an instance."""
        ...

    def report(self, data: bytes) -> ImagingReport | None:
        """The report of a document in FHIR or CDA, None for a PDF.

        Blocks: to be called in a thread.
        """
        ...

    def instance(self, file: str, head: bytes) -> ReceivedInstance:
        """What the header of a DICOM file says; `head` is how it begins.

        The file is opened only where that does not say enough. Blocks: to be called in a thread.
        """
        ...


class DicomReading:
    """What is on the wire: DICOM (MADO key object selections, Part 10 files), FHIR, CDA."""

    def __init__(self) -> None:
        self._identity = IdentityReader()

    def manifest(self, data: bytes) -> Outcome[ImagingManifest]:
        """See `Reading`."""
        from gateway.wire.dicom.kos_read import decode_manifest

        try:
            return decode_manifest(data)
        except DecodeError as error:
            raise refuse(
                Refusal.PEER_MISBEHAVED, f"the manifest cannot be read: {error}"
            ) from error

    def note(self, data: bytes) -> KeyImageNote:
        """See `Reading`."""
        from gateway.wire.dicom.kos_read import decode_note

        try:
            return decode_note(data)
        except DecodeError as error:
            raise refuse(
                Refusal.PEER_MISBEHAVED, f"a key-image note cannot be read: {error}"
            ) from error

    def report(self, data: bytes) -> ImagingReport | None:
        """See `Reading`."""
        from gateway.report_forms import read_report_form

        try:
            return read_report_form(data)
        except DecodeError as error:
            raise refuse(Refusal.PEER_MISBEHAVED, f"the report cannot be read: {error}") from error

    def instance(self, file: str, head: bytes) -> ReceivedInstance:
        """See `Reading`."""
        try:
            header = self._identity.glance(head)
            if header is None:
                with Path(file).open("rb") as opened:
                    header = self._identity.read(opened)
        except DecodeError as error:
            raise refuse(Refusal.INTEGRITY_FAILED, f"an image cannot be read: {error}") from error
        if header.study is None or header.series is None or header.instance is None:
            raise refuse(Refusal.INTEGRITY_FAILED, "an image does not say which one it is")
        return ReceivedInstance(
            ref=InstanceRef(study=header.study, series=header.series, instance=header.instance),
            transfer_syntax=header.transfer_syntax,
            patient=header.patient,
        )
