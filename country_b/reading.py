"""What Country B reads in what it receives: manifests, key-image notes, reports, image headers.

A seam between the border and the codecs: `DicomReading` is the real one. A manifest is read by its
bytes, in either encoding, whatever it is called. Whatever cannot be read came from the peer, so it
is the peer that misbehaved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gateway.domain import (
    ExchangeError,
    ImagingManifest,
    ImagingReport,
    InstanceRef,
    Issue,
    KeyImageNote,
    ManifestEncoding,
    ManifestPatient,
    Outcome,
    Refusal,
    Severity,
    Uid,
    refuse,
)
from gateway.domain.manifest_checks import web_address
from gateway.wire.dicom.identity import IdentityReader
from gateway.wire.dicom.web import resolve_base
from gateway.wire.fhir.manifest_read import decode_bytes, recognise
from gateway.wire.problems import DecodeError

MAX_SHOWN = 200  # characters of an address in a warning


def _read_kos(data: bytes, base: str) -> Outcome[ImagingManifest]:
    from gateway.wire.dicom.kos_read import decode_manifest

    return _usable_addresses(decode_manifest(data), base)


def _read_fhir(data: bytes, base: str) -> Outcome[ImagingManifest]:
    return decode_bytes(data, base=base)


_DECODERS: Mapping[ManifestEncoding, Callable[[bytes, str], Outcome[ImagingManifest]]] = {
    ManifestEncoding.KOS: _read_kos,
    ManifestEncoding.FHIR: _read_fhir,
}


def _usable_addresses(outcome: Outcome[ImagingManifest], base: str) -> Outcome[ImagingManifest]:
    """A selection whose addresses are put right as those of a FHIR document are, and told."""
    found = {
        series.retrieve_url: web_address(series.retrieve_url, base)
        for manifest in outcome.items
        for series in manifest.series
    }
    told = tuple(
        Issue(
            refusal=Refusal.PEER_MISBEHAVED,
            text=text,
            severity=Severity.WARNING,
            subject=address[:MAX_SHOWN],
        )
        for address, (_, text) in found.items()
        if text
    )
    if not told:
        return outcome
    items = tuple(
        replace(
            manifest,
            series=tuple(
                replace(series, retrieve_url=found[series.retrieve_url][0])
                for series in manifest.series
            ),
        )
        for manifest in outcome.items
    )
    return Outcome(items, (*outcome.issues, *told))


def uncalled_addresses(manifest: ImagingManifest, hosts: Collection[str]) -> Iterator[Issue]:
    """A warning for each address in a manifest that is not called, as `image_hosts` says."""
    for address in dict.fromkeys(series.retrieve_url for series in manifest.series):
        try:
            if address:
                resolve_base(address, hosts)
        except (DecodeError, ExchangeError) as error:
            text = error.text if isinstance(error, ExchangeError) else str(error)
            yield Issue(
                refusal=Refusal.UNKNOWN_REPOSITORY,
                text=f"{text}; the address in the settings is called instead",
                severity=Severity.WARNING,
                subject=address[:MAX_SHOWN],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedInstance:
    """What an image file says it is."""

    ref: InstanceRef
    transfer_syntax: Uid | None
    patient: ManifestPatient


class Reading(Protocol):
    """Reads what was received; every verb raises `PeerMisbehaved` on what cannot be read."""

    def manifest(
        self, data: bytes, *, called: Sequence[str] = (), base: str = ""
    ) -> Outcome[ImagingManifest]:
        """The manifest of a document, with what was odd about it as warnings.

        `called` are the MIME types it was given, in the list and in the answer; `base` is where
        relative addresses in it begin.
        """
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
    """What is on the wire: DICOM (Part 10 files), MADO manifests in both encodings, FHIR, CDA."""

    def __init__(self) -> None:
        self._identity = IdentityReader()

    def manifest(
        self, data: bytes, *, called: Sequence[str] = (), base: str = ""
    ) -> Outcome[ImagingManifest]:
        """See `Reading`."""
        try:
            # Bytes are recognised once for each name: what one calls rightly, another may not.
            came = [recognise(data, mime_type=name) for name in dict.fromkeys(called or ("",))]
            read = _DECODERS[came[0].encoding](came[0].data, base)
            odd = [issue for one in came for issue in one.issues]
            return Outcome(read.items, tuple(dict.fromkeys((*odd, *read.issues))))
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
