"""Sequential HTTP checks with one expectation each, every step on disk before the next."""

from __future__ import annotations

import sys
from statistics import median

from tests.bench import bare_checks
from tests.bench.place import ALICE, Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

TARGET = 1.5
MEMORY_MB = 60.0


async def checks(place: Place, rounds: int, count: int = 100) -> list[Row]:
    name = place.checks(count)
    database = bare_checks.connect(f"{place.folder}/bare.db")
    async with place.engine("checks") as engine:

        async def ours() -> Spent:
            new = place.new_engine(engine.store)  # as a program that begins: it reads the runbook
            with Stopwatch() as watch:
                result = await new.run(name, environment="bench", inputs={}, actor=ALICE)
            assert result.status == "resolved"
            return watch.spent

        async def floor() -> Spent:
            with Stopwatch() as watch:
                bare_checks.bare_checks(place.url, count, database)
            return watch.spent

        async def floor_async() -> Spent:
            with Stopwatch() as watch:
                await bare_checks.bare_checks_async(place.url, count, database)
            return watch.spent

        mine, bare, among = await in_turns(rounds, ours, floor, floor_async)
    database.close()
    said = f"{count} HTTP checks, one after the other"
    return [
        Row(f"{said}: wall", mine.wall_s * 1e3, bare.wall_s * 1e3, "ms", rounds, TARGET),
        Row(f"{said}: CPU", mine.cpu_s * 1e3, bare.cpu_s * 1e3, "ms", rounds),
        Row(f"{said}: wall, AsyncClient", mine.wall_s * 1e3, among.wall_s * 1e3, "ms", rounds),
    ]


async def memory(place: Place, rounds: int, count: int = 100) -> list[Row]:
    """Peak resident memory of the whole program."""
    name = place.checks(count)
    script = bare_checks.__file__
    bare = [sys.executable, script, place.url, str(count), f"{place.folder}/bare-memory.db"]
    mine_mb, bare_mb = [], []
    for _ in range(rounds):
        mine_mb.append(place.runbook(name, "memory").rss_mb)
        bare_mb.append(place.launch(bare).rss_mb)
    said = f"{count} HTTP checks, `runbook run`: peak memory"
    return [Row(said, median(mine_mb), median(bare_mb), "MB", rounds, limit=MEMORY_MB)]
