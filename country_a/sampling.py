"""What a few instances of a series tell of it: how small they become, how fast, what else it costs.

Each is looked at by itself, on a worker; `together` makes one `SeriesSample` of them. Speeds are
CPU time of one thread, so that a busy machine counts for little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from time import thread_time
from typing import BinaryIO, Final

from gateway.compression.facts import SeriesSample
from gateway.compression.sampling import sample_series
from gateway.compression.speeds import PLAIN
from gateway.compression.transcode import transcode
from gateway.domain import EXPLICIT_LITTLE_ENDIAN, Coding, PixelFacts
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.stored_frames import StoredFrames
from gateway.wire.packing import MAX_HEADER_BYTES, spared_bytes

MANY_SPEEDS: Final = 3  # so many that one of them need not be believed


def sample_instance(
    file: BinaryIO, facts: PixelFacts, codings: Sequence[Coding], *, native_sha256: str = ""
) -> SeriesSample:
    """The middle frame of an instance, and what the instance costs beside its coder.

    `file` is a DICOM file, open and seekable, with pixels of these facts; `native_sha256` is the
    digest of them, if it is known. Holds a few frames. What it costs to write it anew is measured
    where that takes no decoding and it is one frame. Raises `DecodeError` and `EncodeError` for
    what cannot be read.
    """
    begun = thread_time()
    frames = StoredFrames(file)
    opened = thread_time()
    samples = samples_of(frames, frames.count // 2 + 1)[0]
    read = thread_time() - opened
    rewrite = None
    if frames.count == 1 and frames.form.transfer_syntax in PLAIN:
        since = thread_time()
        out, plain = BytesIO(), Coding(syntax=EXPLICIT_LITTLE_ENDIAN)
        transcode(file, out, plain, native_sha256=native_sha256)
        spared = spared_bytes(out.getbuffer()[:MAX_HEADER_BYTES].tobytes())
        rewrite = thread_time() - since
    else:
        file.seek(0)
        spared = spared_bytes(file.read(MAX_HEADER_BYTES))
    return replace(
        sample_series([samples], facts, codings, thread_time),
        spared_bytes=spared,
        read_speed=facts.frame_bytes / read if read > 0 else None,
        open_seconds=opened - begun,
        rewrite_seconds=rewrite,
    )


def together(samples: Sequence[SeriesSample]) -> SeriesSample | None:
    """Samples of single frames as one of all, in codings that every frame has, the first above all.

    A coding with an effort that only some frames have is as much smaller than the first one in all
    of them as it is in those; any other that some lack is left out.
    """
    if not samples:
        return None
    reads = [one.read_speed for one in samples if one.read_speed]
    noises = sorted(one.noise for one in samples if one.noise is not None)
    return SeriesSample(
        frames=sum(one.frames for one in samples),
        raw_bytes=sum(one.raw_bytes for one in samples),
        sizes=dict(_sizes(samples)),
        noise=noises[len(noises) // 2] if noises else None,
        spared_bytes=sum(one.spared_bytes for one in samples) // len(samples),
        speeds={
            coding: _undisturbed([one.speeds[coding] for one in samples if coding in one.speeds])
            for coding in dict.fromkeys(coding for one in samples for coding in one.speeds)
        },
        read_speed=_undisturbed(reads) if reads else None,
        open_seconds=_undisturbed_seconds(one.open_seconds for one in samples),
        rewrite_seconds=_undisturbed_seconds(one.rewrite_seconds for one in samples),
    )


def _undisturbed(speeds: Sequence[float]) -> float:
    """The fastest of a few, for cold caches and other work only slow; of many the fastest but one.

    One of many may be of air, which is coded faster than any other.
    """
    ordered = sorted(speeds, reverse=True)
    return ordered[1] if len(ordered) >= MANY_SPEEDS else ordered[0]


def _undisturbed_seconds(found: Iterable[float | None]) -> float | None:
    speeds = [1 / seconds for seconds in found if seconds]
    return 1 / _undisturbed(speeds) if speeds else None


def _sizes(samples: Sequence[SeriesSample]) -> Iterator[tuple[Coding, int]]:
    codings = dict.fromkeys(coding for one in samples for coding in one.sizes)
    base: Coding | None = None
    for coding in codings:
        having = [one for one in samples if coding in one.sizes]
        size = sum(one.sizes[coding] for one in having)
        if len(having) == len(samples):
            base = base or coding
            yield coding, size
        elif coding.effort and base is not None:
            of_these, of_all = (sum(one.sizes[base] for one in some) for some in (having, samples))
            yield coding, round(size * of_all / of_these)
