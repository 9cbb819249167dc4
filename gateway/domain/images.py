"""Images on the move: what is asked for, what is announced, what arrives.

Images stream. Nobody holds a study: a delivery announces its instances, then yields chunks, and
each instance ends with the chunk whose `last` is true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from gateway.domain.ids import CommunityId, Oid, Uid
from gateway.domain.manifests import ImagingManifest, InstanceRef, KeyImageNote
from gateway.domain.outcome import Issue

IMPLICIT_LITTLE_ENDIAN = Uid("1.2.840.10008.1.2")
EXPLICIT_LITTLE_ENDIAN = Uid("1.2.840.10008.1.2.1")


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """What a manifest says of a series beside its instances: how many, and where they are.

    `retrieve_url` is the WADO-RS base, "" where the manifest names none.
    """

    instances: int
    retrieve_url: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of an instance's file that is here already, and the strong tag of the whole.

    `syntax` is the transfer syntax of that file where the rest is to be had in no other, and under
    no plan: that of a first look. None leaves it to the wish.
    """

    size_bytes: int
    etag: str
    syntax: Uid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Instances of one community, each with the repository (Retrieve Location) that has it.

    Instances come in the order asked for: what should be seen first stands first. `series` is
    what is known of the series they belong to, for a wire that can ask for a whole one;
    `key_images` are those that a note points at, wanted before all others. `begun` is what is here
    of some of them, for a wire that can go on from there. `sparing` says that nothing else may
    come with them: bytes are dearer than requests.
    """

    community: CommunityId
    instances: tuple[tuple[InstanceRef, Oid], ...]
    series: Mapping[Uid, ListedSeries] = field(default_factory=dict)
    key_images: frozenset[Uid] = frozenset()
    begun: Mapping[Uid, Begun] = field(default_factory=dict)
    sparing: bool = False

    @classmethod
    def of_manifest(
        cls,
        manifest: ImagingManifest,
        community: CommunityId,
        *,
        default_location: Oid,
        notes: tuple[KeyImageNote, ...] = (),
    ) -> Self:
        """Everything a manifest lists: key images first, then the rest in manifest order.

        A note that rejects its images gives them no priority. `default_location` is the
        document repository, used for a series whose manifest names no location.
        """
        listed = {
            instance.uid: (
                InstanceRef(study=manifest.study, series=series.uid, instance=instance.uid),
                series.location or default_location,
            )
            for series in manifest.series
            for instance in series.instances
        }
        rejected = {image.instance for note in notes if note.rejects for image in note.images}
        first = dict.fromkeys(
            image.instance
            for note in notes
            if not note.rejects
            for image in note.images
            if image.instance in listed and image.instance not in rejected
        )
        order = [*first, *(uid for uid in listed if uid not in first)]
        return cls(
            community=community,
            instances=tuple(listed[uid] for uid in order),
            series={
                series.uid: ListedSeries(len(series.instances), series.retrieve_url)
                for series in manifest.series
            },
            key_images=frozenset(first),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedInstance:
    """An instance about to arrive; syntax and size are None where the sender does not say.

    `sha256` is of its DICOM file, lower-case hex, "" where the sender does not know it yet.
    `derived` is the SOP Instance UID under which a lossy form of it comes, None for the instance
    itself. `etag` is the strong tag by which the rest of its file can be asked for, "" for none.
    `begin_bytes` is how much of the beginning of its file comes where the rest does not, for a
    first look; None where all of it comes.
    """

    ref: InstanceRef
    repository: Oid
    transfer_syntax: Uid | None = None
    size_bytes: int | None = None
    sha256: str = ""
    derived: Uid | None = None
    etag: str = ""
    begin_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """A piece of one instance's DICOM file, in order; `last` ends what comes of the instance.

    `sent` is on its first chunk where the instance comes otherwise than it was announced. `start`
    is where in the file the instance's first chunk begins: behind what the request said is here
    (`ImageRequest.begun`), or 0 where it comes from its beginning.
    """

    instance: Uid
    data: bytes
    last: bool
    sent: AnnouncedInstance | None = None
    start: int = 0


class ImageDelivery(Protocol):
    """Instances on their way. An async context manager: leaving it releases what it holds.

    `announced` and `issues` are known before the first chunk, where the wire tells them that
    early; an instance with an issue is not announced. Over one that does not (WADO-RS), what was
    asked for is announced, and `issues` grows until `chunks` has ended.
    `chunks` may raise `ExchangeError` when the source breaks half-way; instances already ended
    with `last` are whole.
    """

    @property
    def id(self) -> str:
        """By which its certificate is asked for; "" where the sender names none, or not yet."""
        ...

    @property
    def announced(self) -> tuple[AnnouncedInstance, ...]:
        """What will arrive, in the order of sending."""
        ...

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What will not arrive, and why; `subject` is the SOP Instance UID."""
        ...

    async def settle(self) -> None:
        """Make sure that every instance comes as it is announced, for a wire that says so first.

        May take as long as making what comes; `announced` is what it is afterwards.
        """
        ...

    def chunks(self) -> AsyncIterator[ImageChunk]:
        """The bytes. To be called once."""
        ...

    def hashed(self, instance: Uid, sha256: str) -> None:
        """Whoever took an instance in whole tells its SHA-256, in lower-case hex.

        A record of the delivery names it; one that is never told is recorded without.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
