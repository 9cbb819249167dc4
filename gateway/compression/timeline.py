"""When each instance of a delivery is readable: coding, link and decoding as a pipeline.

Workers code instances in order, several at once; the link carries them in order as they are ready;
the requester decodes them in order as they arrive. So an instance is late by whichever of the
three is slowest so far:

    ready(k)    = all work before k / workers + work of k
    arrived(k)  = max(arrived(k-1), ready(k)) + bytes(k) / rate
    readable(k) = max(readable(k-1), arrived(k)) + decoding(k)

"All work before" is all that takes the same cores (`Processors`): sending, and the decoding of a
requester on the same machine.

Instances that are alike stand together in a `Run`, for which the three have a closed form: `ready`
is linear in k and `arrived` convex, so that their maxima are at the ends. A plan tries hundreds of
ways for thousands of instances; none of it loops over instances. Every line above is monotone in
the rate: the same instances never come later over a faster link.

One request a series; the first costs a round trip, later ones wait behind those under way
(`CONCURRENT_REQUESTS`). Against a real pipeline this is 1-10 % off; see docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.domain.delivery import LinkProfile

CONCURRENT_REQUESTS: Final = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Instances alike, one after the other: bytes, CPU seconds and decoding seconds of each.

    `request` is whether the first of them begins a request of its own.
    """

    count: int
    size_bytes: int
    cpu_seconds: float = 0.0
    decode_seconds: float = 0.0
    request: bool = False


@dataclass(frozen=True, slots=True)
class Processors:
    """What codes: so many instances at once, on so many cores.

    Beside coding, each instance costs `handling_seconds` of a core to be sent. Where the cores are
    `shared` the requester runs on the same machine, and decodes on them.
    """

    workers: int
    cores: int
    shared: bool = False
    handling_seconds: float = 0.0

    def share(self, cpu_seconds: float, decode_seconds: float, count: int = 1) -> float:
        """Seconds that so many instances, which cost as much together, hold up what follows."""
        work = cpu_seconds + count * self.handling_seconds + self.shared * decode_seconds
        return max(cpu_seconds / self.workers, work / self.cores)


class Pipeline:
    """The pipeline after what has been put in; `copy` it to try what might follow."""

    __slots__ = ("arrived", "coded", "latency", "processors", "rate", "readable")

    def __init__(self, link: LinkProfile, processors: Processors) -> None:
        self.rate = link.bits_per_second / 8
        self.processors = processors
        self.latency = link.round_trip_seconds / CONCURRENT_REQUESTS
        # The first request takes a whole round trip, the rest of which is here.
        self.arrived = link.round_trip_seconds - self.latency
        self.coded = 0.0
        self.readable = 0.0

    def copy(self) -> Pipeline:
        """A pipeline in the same state."""
        other = object.__new__(Pipeline)
        for name in Pipeline.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def put(self, run: Run) -> float:
        """Send a run; when its last instance is readable."""
        count, cpu, decode = run.count, run.cpu_seconds, run.decode_seconds
        if run.request:
            self.arrived += self.latency
        moving = run.size_bytes / self.rate
        share = self.processors.share(cpu, decode)  # of each
        if count == 1:  # the same as below, and what stored files, no two alike, are made of
            self.arrived = max(self.arrived, self.coded + cpu) + moving
            self.readable = max(self.readable, self.arrived) + decode
            self.coded += share
            return self.readable
        first_ready = self.coded + cpu
        last_ready = first_ready + (count - 1) * share
        first = max(self.arrived, first_ready) + moving
        last = max(self.arrived + count * moving, first_ready + count * moving, last_ready + moving)
        self.readable = max(self.readable + count * decode, first + count * decode, last + decode)
        self.arrived = last
        self.coded += count * share
        return self.readable


def total_seconds(runs: Iterable[Run], link: LinkProfile, processors: Processors) -> float:
    """When everything is readable, in seconds from the request on; 0 for nothing."""
    pipeline = Pipeline(link, processors)
    end = 0.0
    for run in runs:
        end = pipeline.put(run)
    return end


def readable_seconds(
    runs: Iterable[Run], link: LinkProfile, processors: Processors
) -> Iterator[float]:
    """When each instance is readable, in order; the instances of a run one by one."""
    pipeline = Pipeline(link, processors)
    for run in runs:
        yield pipeline.put(Run(1, run.size_bytes, run.cpu_seconds, run.decode_seconds, run.request))
        rest = Run(1, run.size_bytes, run.cpu_seconds, run.decode_seconds)
        for _ in range(run.count - 1):
            yield pipeline.put(rest)
