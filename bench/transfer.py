"""What moving a study costs beside moving bytes: 1 GiB of CT slices over mutual TLS.

    python -m bench.transfer [--rounds N]

By RAD-75 and by WADO-RS, against the same baseline and the same bounds.

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
from bench.transfer_files import GIBIBYTE, WARM_UP, bytes_of, prepare, store_for

PLACE = FOLDER / "transfer"
PROFILE = "ihe"
WIRES = {"rad75": "RAD-75", "wado": "WADO-RS"}
ROUNDS = 7
DISCARD_BOUND = 0.7
INTAKE_BOUND = 0.3
GROWTH_BOUND = 64.0
MIB = 1024 * 1024


def measure_throughput(wire: str, rounds: int, store: Path) -> list[dict[str, Any]]:
    """Both ratios of a wire, each the median over the rounds.

    Each way is compared with the baselines taken just before it and just after it: the speed of a
    machine that others use changes within seconds.
    """
    instances = GIBIBYTE
    discard, intake = f"{wire}-discard", f"{wire}-intake"
    ways = ("plain", discard, intake)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    ratios: dict[str, list[float]] = {way: [] for way in ways}
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

        for way in ways:
            client.run(way, WARM_UP)
        bare = run("plain")
        for _ in range(rounds):
            for way in (discard, intake):
                took, bare_before, bare = run(way), bare, run("plain")
                ratios[way].append((bare_before + bare) / 2 / took)
    rates = {
        way: [instances * bytes_of() / MIB / one for one in took] for way, took in seconds.items()
    }
    total = f"{instances} CT slices ({instances * bytes_of() / MIB:.0f} MiB)"
    report: list[dict[str, Any]] = []
    for way, name, taken, bound in (
        (discard, "server", "read and thrown away", DISCARD_BOUND),
        (
            intake,
            "both-gateways",
            f"parsed, hashed, checked, stored in {store.parent} and indexed by Country B",
            INTAKE_BOUND,
        ),
    ):
        ratio = round(median(ratios[way]), 3)
        report += [
            {
                "name": f"transfer-{wire}-{name}",
                "what": f"MiB/s of {total} by {WIRES[wire]} over mutual TLS, {taken}, against the "
                "same bytes from a bare StreamResponse, read and thrown away; median ratio of "
                f"{rounds} rounds",
                "value": round(median(rates[way]), 1),
                "baseline": round(median(rates["plain"]), 1),
                "bound": bound,
                "ratio": ratio,
                "ratios": [round(one, 3) for one in ratios[way]],
                "holds": ratio >= bound,
            },
            {
                "name": f"transfer-{wire}-{name}-cpu",
                "what": "CPU seconds a GiB of both processes for the same, making and removing the "
                "store included",
                "value": round(median(spent[way]), 2),
                "baseline": round(median(spent["plain"]), 2),
                "bound": None,
                "holds": True,
            },
        ]
    return report


def measure_memory(wire: str, instances: int, store: Path) -> list[dict[str, Any]]:
    """How much memory each process takes at most, above what it has when idle."""
    with (
        country_a(PLACE, profile=PROFILE) as server,
        Client(PLACE, server.ports["service"], server.ports["plain"], store) as client,
    ):
        client.run(f"{wire}-intake", WARM_UP)
        memory = Memory({"server": server.process, "client": client.process})
        with memory.watching():
            client.run(f"{wire}-intake", instances)
    return [
        {
            "name": f"transfer-{wire}-memory-{name}-{instances}",
            "what": f"MiB of resident memory the {who} takes more than idle, at its peak, while "
            f"{instances} slices ({instances * bytes_of() / MIB:.0f} MiB) are transferred by "
            f"{WIRES[wire]} and stored; baseline is what it has when idle",
            "value": round(memory.growth(name) / MIB, 1),
            "baseline": round(memory.idle[name] / MIB, 1),
            "bound": GROWTH_BOUND,
            "holds": memory.growth(name) / MIB <= GROWTH_BOUND,
        }
        for name, who in (("server", "Country A process"), ("client", "Country B process"))
    ]


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """The measurements: name, what, value, baseline, bound, holds."""
    prepare(PLACE)
    fresh_trust(PLACE)
    report: list[dict[str, Any]] = []
    with store_for(2 * GIBIBYTE * bytes_of(), PLACE) as store:
        for wire in WIRES:
            report += measure_throughput(wire, rounds, store)
            report += measure_memory(wire, GIBIBYTE, store)
            report += measure_memory(wire, 2 * GIBIBYTE, store)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for row in rows(options.rounds):
        print({key: row[key] for key in row if key != "what"})
