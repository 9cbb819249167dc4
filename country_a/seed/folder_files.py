"""The files of a folder looked through, and copied for somebody else one by one."""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import TypeAlias

from gateway.domain import Uid
from gateway.wire.dicom.dataset import InstanceHeader, describe, read_header
from gateway.wire.dicom.deidentify import Reassignment, reassign_file
from gateway.wire.problems import DecodeError

MAX_ZIP_BYTES = 8 << 30  # unpacked, per zip file: a large study, not a bomb
MAX_ZIP_MEMBERS = 200_000
_PIECE = 1 << 20
_OWN_UIDS = uuid.UUID("b5f6a4c2-6a52-5a0f-8a3a-0f6f0c1d9e77")  # our own name space

Moment: TypeAlias = tuple[date | None, time | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A DICOM file found: what its header says, and the UIDs it goes by, made where missing."""

    name: str
    path: Path
    header: InstanceHeader
    digest: str
    study: Uid
    series: Uid
    instance: Uid

    @property
    def day(self) -> date | None:
        """The day it was made, from whichever date the header has."""
        header = self.header
        return (
            header.study_date
            or header.series_date
            or header.acquisition_date
            or header.content_date
        )

    @property
    def moment(self) -> Moment:
        """Date and time of the study as the header states them."""
        return self.header.study_date, self.header.study_time

    @property
    def lacks_uid(self) -> bool:
        """Whether one of its UIDs was made here."""
        header = self.header
        return not (header.study and header.series and header.instance)


@dataclass(slots=True)
class Seen:
    """What looking through a folder found."""

    found: list[Found] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


def file_names(folder: Path, scratch: Path) -> list[tuple[str, Path]]:
    """Every file below a folder with the name to call it by, zip files unpacked into `scratch`."""
    names: list[tuple[str, Path]] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = str(path.relative_to(folder))
        if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            names += _unpack(path, name, scratch / f"{len(names):06}")
        else:
            names.append((name, path))
    return names


def _unpack(path: Path, name: str, into: Path) -> list[tuple[str, Path]]:
    """The members of a zip file, written under names of our own: theirs may lead anywhere."""
    into.mkdir(parents=True)
    names, left = [], MAX_ZIP_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_ZIP_MEMBERS:
                raise zipfile.BadZipFile("more members than the limit")
            for index, member in enumerate(members):
                if member.is_dir():
                    continue
                target = into / f"{index:06}"
                with archive.open(member) as source, target.open("wb") as out:
                    while data := source.read(_PIECE):
                        left -= len(data)
                        if left < 0:
                            raise zipfile.BadZipFile("more than the limit")
                        out.write(data)
                names.append((f"{name}/{member.filename}", target))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        # Damaged, encrypted or too large: listed itself, to be left out as no DICOM file.
        return [*names, (name, path)]
    return names


def look_through(
    names: Sequence[tuple[str, Path]], *, place: str = "", taken: dict[Uid, Found] | None = None
) -> Seen:
    """Read every header; tell what is no DICOM instance, what lacks UIDs, and what comes twice.

    `place` tells folders apart in UIDs that are made here. `taken` are instances of folders looked
    through before; those found here are added.
    """
    seen = Seen()
    first = {} if taken is None else taken
    for name, path in names:
        try:
            one = _find(name, path, place)
        except DecodeError as error:
            why = error.found if error.expected == "a DICOM instance" else said_of(error)
            seen.left_out.append((name, f"not a DICOM instance: {why}"))
            continue
        except OSError as error:
            seen.left_out.append((name, said_of(error)))
            continue
        before = first.setdefault(one.instance, one)
        if before is not one:
            same = "the same file" if before.digest == one.digest else "another content"
            seen.left_out.append((name, f"{same} under the SOP Instance UID of {before.name}"))
            continue
        if one.lacks_uid:
            seen.warnings.append((name, f"{_missing(one.header)} made here"))
        if not one.header.modality:
            seen.warnings.append((name, "no modality"))
        seen.found.append(one)
    return seen


def _missing(header: InstanceHeader) -> str:
    uids = {
        "Study Instance UID": header.study,
        "Series Instance UID": header.series,
        "SOP Instance UID": header.instance,
    }
    return ", ".join(name for name, uid in uids.items() if uid is None)


def _find(name: str, path: Path, place: str) -> Found:
    with path.open("rb") as file:
        header = describe(read_header(file))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if header.sop_class is None:
        raise DecodeError("header", "no SOP Class UID", "one", "PS3.3 C.12.1")
    source = header.patient
    who = source.bare_id or "/".join(one.cx for one in source.ids)
    study = header.study or _made_uid(
        "study",
        who,
        header.study_id,
        header.accession,
        str(header.study_date),
        place,
        str(Path(name).parent),
    )
    series = header.series or _made_uid(
        "series", study, header.modality, str(header.series_number), header.series_description
    )
    instance = header.instance or _made_uid("instance", digest)
    return Found(
        name=name,
        path=path,
        header=header,
        digest=digest,
        study=study,
        series=series,
        instance=instance,
    )


def _made_uid(*parts: str) -> Uid:
    # PS3.5 B.2: a UUID as decimal under 2.25; a name gives the same one every time.
    return Uid(f"2.25.{uuid.uuid5(_OWN_UIDS, chr(0).join(parts)).int}")


def group_by_study(found: Sequence[Found]) -> dict[Uid, list[Found]]:
    """The files by study, in the order met."""
    studies: dict[Uid, list[Found]] = {}
    for one in found:
        studies.setdefault(one.study, []).append(one)
    return studies


def patient_of_source(files: Sequence[Found]) -> str:
    """A key of the person the files were made of; a study without patient is a person itself."""
    for one in files:
        source = one.header.patient
        who = [source.bare_id, *(identifier.cx for identifier in source.ids)]
        if source.name and any(who):
            return f"{source.name.full}/{'/'.join(who)}/{source.birth_date}"
    return f"study {files[0].study}"


def moment_of(files: Sequence[Found]) -> Moment:
    """Date and time of a study: what most of its files state, else the first day among them."""
    stated = Counter(one.moment for one in files if one.header.study_date)
    if stated:
        return stated.most_common(1)[0][0]
    return min((one.day for one in files if one.day), default=None), None


def copy_as(one: Found, path: Path, to: Reassignment, *, moment: Moment = (None, None)) -> str:
    """Write a copy that belongs to somebody else; gives a warning, "" when there is none.

    `moment` is that of the study, written where the header states another or none: it is one for
    the whole study. Raises `DecodeError` or `OSError`.
    """
    # The source may have them elsewhere (file meta information) or not at all.
    given = {
        "StudyInstanceUID": one.study,
        "SeriesInstanceUID": one.series,
        "SOPInstanceUID": one.instance,
        "SOPClassUID": one.header.sop_class or "",
    }
    day, clock = moment
    if day is not None and one.moment != moment:
        given["StudyDate"] = f"{day:%Y%m%d}"
        given["StudyTime"] = f"{clock:%H%M%S.%f}" if clock else ""
    with one.path.open("rb") as source, path.open("wb") as destination:
        mended = reassign_file(source, destination, to, given=given)
    return f"{mended}; carried as far as it goes" if mended else ""


def said_of(error: DecodeError | OSError) -> str:
    """Why a file was left out, without the places of this machine that an `OSError` names."""
    if isinstance(error, OSError):
        return f"cannot be read or copied: {error.strerror or type(error).__name__}"
    return str(error)
