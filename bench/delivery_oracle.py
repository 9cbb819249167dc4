"""The arithmetic of `bench.delivery`: what a study costs in each coding, and the best there is.

Pure: bytes and CPU seconds come in, measured by others, and times go out. The least time of a
coding is what the slower of link and processors takes, as if nothing ever waited for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from gateway.compression.timeline import Pipeline, Processors, Run
from gateway.domain import LinkProfile


@dataclass(frozen=True, slots=True)
class Cost:
    """A file in a coding: its bytes, and CPU seconds of who sends it and of who reads it.

    `spared_bytes` of it do not go over the line, as its header is packed.
    """

    size_bytes: int
    send_seconds: float
    read_seconds: float
    spared_bytes: int = 0

    @property
    def line_bytes(self) -> int:
        """What goes over the line."""
        return self.size_bytes - self.spared_bytes

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.size_bytes + other.size_bytes,
            self.send_seconds + other.send_seconds,
            self.read_seconds + other.read_seconds,
            self.spared_bytes + other.spared_bytes,
        )


NOTHING = Cost(0, 0.0, 0.0)


def total(costs: Iterable[Cost]) -> Cost:
    """All of them together."""
    return sum(costs, NOTHING)


def least_seconds(cost: Cost, bits_per_second: float, cores: int) -> float:
    """What the slower of the link and the cores takes; both ends share the cores."""
    return max(
        cost.line_bytes * 8 / bits_per_second, (cost.send_seconds + cost.read_seconds) / cores
    )


def floor(costs: Mapping[str, Cost], bits_per_second: float, cores: int) -> tuple[str, float]:
    """The coding whose least time is the least, and that time."""
    name = min(costs, key=lambda one: least_seconds(costs[one], bits_per_second, cores))
    return name, least_seconds(costs[name], bits_per_second, cores)


def seconds_of(
    series: Iterable[Sequence[Cost]],
    link: LinkProfile,
    cores: int,
    *,
    handling_seconds: float = 0.0,
) -> float:
    """When everything is readable: series one after the other, each asked for by one request.

    As in `least_seconds` both ends share the cores, and coding is all they have to do, unless each
    image costs them `handling_seconds` to be sent.
    """
    pipeline = Pipeline(
        link, Processors(cores, cores, shared=True, handling_seconds=handling_seconds)
    )
    end = 0.0
    for costs in series:
        for at, cost in enumerate(costs):
            run = Run(1, cost.line_bytes, cost.send_seconds, cost.read_seconds, at == 0)
            end = pipeline.put(run)
    return end


def best_seconds(
    series: Sequence[Mapping[str, Sequence[Cost]]],
    link: LinkProfile,
    cores: int,
    *,
    handling_seconds: float = 0.0,
) -> tuple[tuple[str, ...], float]:
    """The soonest of all ways to give each series a coding, and the codings: the oracle."""
    found = (
        (
            names,
            seconds_of(
                [one[name] for one, name in zip(series, names, strict=True)],
                link,
                cores,
                handling_seconds=handling_seconds,
            ),
        )
        for names in product(*series)
    )
    return min(found, key=lambda one: one[1])


def off(predicted: float, actual: float) -> float:
    """How far a prediction is off what came: 0.1 is a tenth, above or below."""
    return abs(predicted / actual - 1) if actual else 0.0
