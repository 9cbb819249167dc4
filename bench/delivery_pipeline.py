"""What a delivery costs beside the codecs: CPU seconds, the event loop, memory, planning.

CPU seconds are those of the thread that works, and of ours against the codec alone in turns, image
by image: a busy machine slows both alike. The delivery itself is Country A's own, in this process
for the event loop, and in one of its own for memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.delivery_codecs import CODINGS, link_at, wish_at
from bench.delivery_link import take, wished
from bench.delivery_studies import FEW_STUDY, MANY, MANY_STUDY, PLACE, SLICES, forget, study_of
from bench.delivery_studies import thin_slices as slices
from bench.places import Memory, country_a, settings_a
from country_a.app import national_systems
from country_a.images import Held, deliver_by_order
from country_a.national.ports import Pacs, StoredInstance
from country_a.planning import Planning
from country_a.rendering import Renderer
from country_a.renditions import RenditionShelf
from gateway.compression.codecs import encode_frame
from gateway.compression.pixel_digest import native_digest
from gateway.compression.transcode import transcode
from gateway.compression.worker import Workers
from gateway.domain import Coding, Oid, SyntaxChoice
from gateway.wire.dicom.dataset import describe
from gateway.wire.dicom.frame_samples import samples_of
from gateway.wire.dicom.frames import FrameFormat, decode_frame
from gateway.wire.dicom.stored_frames import StoredFrames

PROFILE = "ihe"
REPOSITORY = Oid("2.999.1.1.3")
TURNS = {"HTJ2K": 25, "JPEG-LS": 15, "J2K": 3, "JPEG XL e3": 3}
MEASURED_SLICES = 16
PIPELINE_BOUND, LAG_BOUND, GROWTH_BOUND, SAME_BOUND = 0.9, 0.05, 256.0, 1.25
PLANNING_BOUND, PLANNING_ROUNDS = 0.5, 3
TICK = 0.005
MIB = 1024 * 1024


def _cpu(work: Callable[[], Any]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def _alone(data: bytes, coding: Coding) -> Callable[[], Any]:
    """The codec and nothing else: samples to a code stream and back."""
    frames = StoredFrames(data)
    pixels = describe(frames.header).pixels
    if pixels is None:
        raise RuntimeError("an image without pixels")
    samples, _ = samples_of(frames, 1)
    form: FrameFormat = replace(frames.form, transfer_syntax=coding.syntax)
    return lambda: decode_frame(encode_frame(samples, coding, pixels), form)


def _written(data: bytes, coding: Coding, native: str) -> None:
    transcode(BytesIO(data), BytesIO(), coding, native_sha256=native)


def pipeline() -> list[dict[str, Any]]:
    """The codec's CPU seconds over those of writing the whole verified file.

    The archive knows the digest of the pixels, as it does of every file it has taken in.
    """
    found = []
    files = slices().files[:MEASURED_SLICES]
    for name, turns in TURNS.items():
        coding = CODINGS[name]
        alone, whole = [], []
        for data in files:
            codec = _alone(data, coding)
            written = partial(_written, data, coding, native_digest(BytesIO(data)))
            pairs = [(_cpu(codec), _cpu(written)) for _ in range(turns)]
            alone.append(min(one for one, _ in pairs))
            whole.append(min(one for _, one in pairs))
        ratio = median(a / b for a, b in zip(alone, whole, strict=True))
        found.append(
            {
                "name": f"delivery-pipeline-{name.lower().replace(' ', '-')}",
                "what": "slices a CPU second of writing a file, every frame decoded and compared, "
                f"against {name} encoding and decoding the same {len(files)} slices alone",
                "value": round(1 / median(whole), 1),
                "baseline": round(1 / median(alone), 1),
                "ratio": round(ratio, 3),
                "bound": PIPELINE_BOUND,
                "holds": ratio >= PIPELINE_BOUND,
            }
        )
    return found


@asynccontextmanager
async def _pacs() -> AsyncIterator[Pacs]:
    national = await national_systems(settings_a(PLACE, profile=PROFILE))
    try:
        yield national.systems.pacs
    finally:
        await national.close()


def _held(instances: tuple[StoredInstance, ...]) -> Held:
    return Held(tuple((one, REPOSITORY) for one in instances), ())


async def _lags(folder: Path) -> list[float]:
    """How late a timer of the event loop is while a study is encoded and sent away."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - due)

    async with _pacs() as pacs, Workers() as workers:
        renderer = Renderer(RenditionShelf(folder, workers), cores=workers.cores)
        wish = replace(
            wish_at(link_at(50)),
            syntaxes=(CODINGS["HTJ2K"].syntax,),
            choice=SyntaxChoice.ORDER,
        )
        held = _held(tuple(await pacs.instances(study_of(3))))
        ticking = asyncio.create_task(tick())
        async with deliver_by_order(held, wish, renderer) as delivery:
            async for _ in delivery.chunks():
                pass
        ticking.cancel()
    return late


def lag() -> list[dict[str, Any]]:
    """The loop while pixels are worked on."""
    with TemporaryDirectory(prefix="lag-", dir=PLACE) as folder:
        late = asyncio.run(_lags(Path(folder)))
    p99 = quantiles(late, n=100)[98]
    return [
        {
            "name": "delivery-loop-lag",
            "what": f"seconds by which a timer of the event loop is late while 150 slices are "
            f"made into HTJ2K and taken, 99th percentile of {len(late)}; baseline is the median",
            "value": round(p99, 4),
            "baseline": round(median(late), 4),
            "bound": LAG_BOUND,
            "holds": p99 < LAG_BOUND,
        }
    ]


def memory() -> list[dict[str, Any]]:
    """Country A's process for a small and for a large study."""
    found: list[dict[str, Any]] = []
    before = 0.0
    for study, count in ((FEW_STUDY, SLICES), (MANY_STUDY, MANY)):
        forget()
        with country_a(PLACE, profile=PROFILE, server="bench.orthanc_server") as server:
            port = server.ports["dicomweb"]
            asyncio.run(take(port, 1000, 0, wished(100)))  # what is loaded once
            watched = Memory({"server": server.process})
            with watched.watching():
                came = asyncio.run(take(port, 1000, study, wished(100)))
        growth = watched.growth("server") / MIB
        if came.count != count:
            raise RuntimeError(f"found {came.count} images, expected {count}")
        bound = GROWTH_BOUND
        found.append(
            {
                "name": f"delivery-memory-{count}",
                "what": f"MiB of resident memory Country A takes more than idle while {count} "
                "slices of 256 x 256 are planned, encoded and sent; baseline is what it has idle",
                "value": round(growth, 1),
                "baseline": round(watched.idle["server"] / MIB, 1),
                "bound": bound,
                "holds": growth <= bound,
            }
        )
        if before:
            found.append(
                {
                    "name": "delivery-memory-same",
                    "what": f"the peak for {count} slices against the peak for {SLICES}, both with "
                    "what is taken when idle",
                    "value": round(watched.peak["server"] / MIB, 1),
                    "baseline": round(before, 1),
                    "ratio": round(watched.peak["server"] / MIB / before, 3),
                    "bound": SAME_BOUND,
                    "holds": watched.peak["server"] / MIB <= SAME_BOUND * before,
                }
            )
        before = watched.peak["server"] / MIB
    return found


async def _planned(folder: Path) -> tuple[list[float], list[float]]:
    wall, cpu = [], []
    async with _pacs() as pacs:
        for _ in range(PLANNING_ROUNDS):
            async with Workers() as workers:  # with nothing sampled
                renderer = Renderer(RenditionShelf(folder, workers), cores=workers.cores)
                planning = Planning(pacs, renderer, workers, new_id=lambda: "bench")
                held = _held(tuple(await pacs.instances(study_of(MANY_STUDY))))
                link = link_at(10)
                begun, spent = time.perf_counter(), time.process_time()
                plan = await planning.plan(held, wish_at(link), link)
                wall.append(time.perf_counter() - begun)
                cpu.append(time.process_time() - spent)
                if len(plan.coming) != MANY:
                    raise RuntimeError(f"found {len(plan.coming)} planned, expected {MANY}")
    return wall, cpu


def planning() -> list[dict[str, Any]]:
    """A plan for many instances, from the index and a few frames."""
    with TemporaryDirectory(prefix="planning-", dir=PLACE) as folder:
        wall, cpu = asyncio.run(_planned(Path(folder)))
    seconds, spent = min(wall), min(cpu)
    return [
        {
            "name": f"delivery-planning-{MANY}",
            "what": f"seconds for a plan of {MANY} instances in 10 series, five frames of each "
            f"sampled anew, the best of {PLANNING_ROUNDS}; baseline is CPU seconds",
            "value": round(seconds, 3),
            "baseline": round(spent, 3),
            "bound": PLANNING_BOUND,
            "holds": seconds <= PLANNING_BOUND,
        }
    ]


def rows() -> list[dict[str, Any]]:
    """Everything beside the codecs."""
    return pipeline() + lag() + planning() + memory()
