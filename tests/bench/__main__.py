"""`python -m tests.bench`: measures what we promise, each beside its floor, in the same run.

Nothing is asserted: a machine that is busy says nothing about the engine. Run it by hand, on a
machine that does nothing else, and look at the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tests.bench.ageing import ageing
from tests.bench.appends import appends
from tests.bench.checks import checks, memory
from tests.bench.crowd import crowd
from tests.bench.deciding import deciding
from tests.bench.deliveries import deliveries
from tests.bench.kubectl import kubectl
from tests.bench.lines import lines
from tests.bench.paging import paging
from tests.bench.place import Place, place
from tests.bench.sandboxes import sandboxes
from tests.bench.scenarios import scenarios
from tests.bench.ssh import ssh
from tests.bench.startup import startup
from tests.bench.table import Row, as_json, machine, table
from tests.bench.waiting import waiting

ROUNDS = 11

BENCHMARKS: dict[str, Callable[[Place, int], Awaitable[list[Row]]]] = {
    "startup": lambda where, rounds: startup(where, rounds * 2),
    "checks": checks,
    "memory": lambda where, rounds: memory(where, max(1, rounds // 3)),
    "deciding": lambda _, rounds: deciding(rounds),
    "crowd": lambda where, rounds: crowd(where, max(1, rounds // 3)),
    "ageing": ageing,
    "appends": appends,
    "lines": lambda where, rounds: lines(where, max(1, rounds // 4)),
    "kubectl": lambda where, rounds: kubectl(where, max(1, rounds // 3)),
    "scenarios": lambda where, rounds: scenarios(where, max(1, rounds // 3)),
    "deliveries": deliveries,
    "paging": paging,
    "waiting": lambda where, _: waiting(where),
    "sandboxes": lambda where, rounds: sandboxes(where, max(1, rounds // 2)),
    "ssh": lambda where, rounds: ssh(where, max(1, rounds // 2)),
}


async def measure(names: Sequence[str], rounds: int) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, place(Path(folder)) as where:
            rows += await BENCHMARKS[name](where, rounds)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each, about")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(BENCHMARKS)):
        parser.error(f"there is no {', '.join(unknown)}")
    logging.disable()
    where = machine()
    rows = asyncio.run(measure(given.names or list(BENCHMARKS), given.rounds))
    print(table(rows))
    print(f"\n{', '.join(f'{name} {value}' for name, value in where.items())}")
    if given.json is not None:
        given.json.write_text(as_json(rows, where))


if __name__ == "__main__":
    main()
