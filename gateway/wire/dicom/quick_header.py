"""The header of a file that keeps to the rules, found in a fraction of what reading it all costs.

Most files are in explicit little endian, in order, with a short header: where their elements lie
is found in memory (`header_layout`). Whatever is unusual is left to pydicom (`dataset`), which
bears everything; what is found here is what it would find. Nothing is decided here about damage.
"""

from __future__ import annotations

from collections.abc import Iterator, KeysView, MutableMapping
from typing import Any, BinaryIO, Final, cast

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag

from gateway.domain.ids import Uid
from gateway.wire.dicom.header_layout import META, Element, Layout, element_at, layout_of

# Most headers fit the first; longer ones than the last are those of many frames, or hold a private
# image, and are read the usual way.
QUICK_BYTES: Final = (12 * 1024, 128 * 1024)


class QuickHeader:
    """A header as pydicom reads it, its elements still raw, and where it lies.

    Single values can be read from it as from a data set (`elements`), for a fraction of what one
    costs to make.
    """

    __slots__ = ("_dataset", "_file", "_head", "_layout")

    def __init__(self, file: BinaryIO, head: bytes, layout: Layout) -> None:
        self._file, self._head, self._layout = file, head, layout
        self._dataset: FileDataset | None = None

    @property
    def kept_bytes(self) -> bytes | None:
        """The data set up to its pixel data, as it stands in the file.

        None where it cannot stand so in another file in explicit little endian.
        """
        layout = self._layout
        return self._head[layout.begin : layout.end] if layout.can_stay else None

    @property
    def transfer_syntax(self) -> Uid:
        """The transfer syntax that the file names."""
        return self._layout.transfer_syntax

    @property
    def pixel_module(self) -> bytes:
        """The elements of Samples per Pixel to Pixel Representation, as they stand in the file."""
        begin, end = self._layout.pixel_module
        return self._head[begin:end]

    def get_item(self, tag: BaseTag, *, keep_deferred: bool = False) -> Element | None:
        """An element as it stands in the file, None where there is none; nothing is deferred."""
        del keep_deferred
        at = self._layout.place(int(tag))
        if at is not None:
            return element_at(self._head, at)
        found = self._layout.data.get(tag)
        return None if isinstance(found, int) else found

    def __getitem__(self, tag: BaseTag) -> DataElement:
        """An element with its value converted. Raises what pydicom raises."""
        return self.dataset[tag]

    @property
    def dataset(self) -> FileDataset:
        """The whole of it as pydicom's data set, made when it is first asked for."""
        if self._dataset is None:
            self._dataset = self._made()
        return self._dataset

    def _made(self) -> FileDataset:
        head, layout = self._head, self._layout
        file_meta = FileMetaDataset(dict(_Elements(head, dict(layout.meta))))
        file_meta.set_original_encoding(False, True, default_encoding)
        ds = FileDataset(
            self._file,
            cast(Any, _Elements(head, dict(layout.data))),
            head[: META - 4],
            file_meta,
            is_implicit_VR=False,
            is_little_endian=True,
        )
        told = layout.encoding
        ds.set_original_encoding(False, True, told if isinstance(told, str) else [*told])
        return ds


def read_quick_header(file: BinaryIO) -> QuickHeader | None:
    """The header of a file with pixel data, which is left standing there; None for unusual ones.

    A file for which it is None may stand anywhere. Call it inside `elements.reading`.
    """
    for size in QUICK_BYTES:
        file.seek(0)
        head = file.read(size)
        if head[META - 4 : META] != b"DICM":
            return None
        layout = layout_of(head)
        if layout is not None:
            file.seek(layout.end)
            return QuickHeader(file, head, layout)
        if len(head) < size:
            return None
    return None


class _Elements(MutableMapping[BaseTag, Element]):
    """The elements of a data set, each made when it is looked at: most of them never are."""

    __slots__ = ("_head", "_held")

    def __init__(self, head: bytes, held: dict[BaseTag, int | Element]) -> None:
        self._head = head
        self._held = held  # an element, or where it begins

    def __getitem__(self, tag: BaseTag) -> Element:
        """The element, as pydicom leaves it when it has read it."""
        found = self._held[tag]
        if not isinstance(found, int):
            return found
        made = element_at(self._head, found)
        self._held[tag] = made
        return made

    def __setitem__(self, tag: BaseTag, element: Element) -> None:
        """Put another in its place."""
        self._held[tag] = element

    def __delitem__(self, tag: BaseTag) -> None:
        """Take it out."""
        del self._held[tag]

    def __iter__(self) -> Iterator[BaseTag]:
        """The tags in order."""
        return iter(self._held)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def __contains__(self, tag: object) -> bool:
        """Whether there is one, which makes none."""
        return tag in self._held

    def keys(self) -> KeysView[BaseTag]:
        """The tags, without a look at the elements."""
        return self._held.keys()
