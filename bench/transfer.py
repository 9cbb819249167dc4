"""What moving a study costs beside moving bytes: 1 GiB of CT slices by RAD-75 over mutual TLS.

    python -m bench.transfer [--instances N] [--rounds N]

The baseline is the barest server and client of the same libraries with the same TLS settings,
in the same two processes: 512 KiB chunks from memory, read and thrown away. The ways alternate,
and each round gives a ratio of its own: a busy machine slows all alike. What Country B stores lies
in a file system in memory where there is one, so that no disk is measured. Memory is measured on
fresh processes that have served a few images before.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from bench.places import FOLDER, Client, Memory, country_a, cpu_seconds, fresh_trust
from bench.transfer_files import bytes_of, prepare, store_for

PLACE = FOLDER / "transfer"
PROFILE = "ihe"
WAYS = ("plain", "discard", "intake")
INSTANCES = 2048  # 1 GiB
ROUNDS = 7
WARM_UP = 16
DISCARD_BOUND = 0.7
INTAKE_BOUND = 0.3
GROWTH_BOUND = 64.0
MIB = 1024 * 1024


def measure_throughput(instances: int, rounds: int, store: Path) -> list[dict[str, Any]]:
    """Both ratios, each the median over the rounds.

    Each way is compared with the baselines taken just before it and just after it: the speed of a
    machine that others use changes within seconds.
    """
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    with (
        country_a(PLACE, profile=PROFILE) as server,
        Client(PLACE, server.ports["service"], server.ports["plain"], store) as client,
    ):

        def run(way: str) -> float:
            before = cpu_seconds(server.process) + cpu_seconds(client.process)
            took = float(client.run(way, instances)["seconds"])
            after = cpu_seconds(server.process) + cpu_seconds(client.process)
            seconds[way].append(took)
            spent[way].append((after - before) / (instances * bytes_of()) * 1024 * MIB)
            return took

        for way in WAYS:
            client.run(way, WARM_UP)
        bare = run("plain")
        for _ in range(rounds):
            for way in ("discard", "intake"):
                took, bare_before, bare = run(way), bare, run("plain")
                ratios[way].append((bare_before + bare) / 2 / took)
    rates = {
        way: [instances * bytes_of() / MIB / one for one in took] for way, took in seconds.items()
    }
    total = f"{instances} CT slices ({instances * bytes_of() / MIB:.0f} MiB)"
    report: list[dict[str, Any]] = []
    for way, name, taken, bound in (
        ("discard", "server", "read and thrown away", DISCARD_BOUND),
        (
            "intake",
            "both-gateways",
            f"parsed, hashed, checked, stored in {store.parent} and indexed by Country B",
            INTAKE_BOUND,
        ),
    ):
        ratio = round(median(ratios[way]), 3)
        report += [
            {
                "name": f"transfer-{name}",
                "what": f"MiB/s of {total} by RAD-75 over mutual TLS, {taken}, against the same "
                "bytes from a bare StreamResponse, read and thrown away; median ratio of "
                f"{rounds} rounds",
                "value": round(median(rates[way]), 1),
                "baseline": round(median(rates["plain"]), 1),
                "bound": bound,
                "ratio": ratio,
                "ratios": [round(one, 3) for one in ratios[way]],
                "holds": ratio >= bound,
            },
            {
                "name": f"transfer-{name}-cpu",
                "what": "CPU seconds a GiB of both processes for the same, making and removing the "
                "store included",
                "value": round(median(spent[way]), 2),
                "baseline": round(median(spent["plain"]), 2),
                "bound": None,
                "holds": True,
            },
        ]
    return report


def measure_memory(instances: int, store: Path) -> list[dict[str, Any]]:
    """How much memory each process takes at most, above what it has when idle."""
    with (
        country_a(PLACE, profile=PROFILE) as server,
        Client(PLACE, server.ports["service"], server.ports["plain"], store) as client,
    ):
        client.run("intake", WARM_UP)
        memory = Memory({"server": server.process, "client": client.process})
        with memory.watching():
            client.run("intake", instances)
    return [
        {
            "name": f"transfer-memory-{name}-{instances}",
            "what": f"MiB of resident memory the {who} takes more than idle, at its peak, while "
            f"{instances} slices ({instances * bytes_of() / MIB:.0f} MiB) are transferred and "
            "stored; baseline is what it has when idle",
            "value": round(memory.growth(name) / MIB, 1),
            "baseline": round(memory.idle[name] / MIB, 1),
            "bound": GROWTH_BOUND,
            "holds": memory.growth(name) / MIB <= GROWTH_BOUND,
        }
        for name, who in (("server", "Country A process"), ("client", "Country B process"))
    ]


def rows(instances: int = INSTANCES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound, holds."""
    prepare(PLACE)
    fresh_trust(PLACE)
    with store_for(2 * instances * bytes_of(), PLACE) as store:
        return [
            *measure_throughput(instances, rounds, store),
            *measure_memory(instances, store),
            *measure_memory(2 * instances, store),
        ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--instances", type=int, default=INSTANCES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for row in rows(options.instances, options.rounds):
        print({key: row[key] for key in row if key != "what"})
