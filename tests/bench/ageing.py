"""Whether a journal grows slow: the first run in a new one beside one behind ten thousand."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.wiring import Engine
from tests.bench.place import ALICE, Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

AT_ONCE = 200
TARGET = 1.1
"""The same, within what two measurements of the same thing differ by."""


async def ageing(place: Place, rounds: int, runs: int = 10_000, steps: int = 10) -> list[Row]:
    name = place.values(steps)
    async with place.engine("old") as old, place.engine("young") as young:
        await fill(old, name, runs)

        async def late() -> Spent:
            return await _one(old, name)

        async def early() -> Spent:
            return await _one(young, name)

        # A round takes a few ms: more of them cost nothing.
        ours, floor = await in_turns(rounds * 10, late, early)
        listed = await _listing(old, young, rounds)
    said = f"a step in run {runs:,} beside the first runs"
    each = [spent.wall_s / steps * 1e6 for spent in (ours, floor)]
    cpu = [spent.cpu_s / steps * 1e6 for spent in (ours, floor)]
    return [
        Row(f"{said}: wall", each[0], each[1], "us", rounds * 10, TARGET),
        Row(f"{said}: CPU", cpu[0], cpu[1], "us", rounds * 10, TARGET),
        Row(f"the list of runs behind {runs:,}", listed[0], listed[1], "us", rounds * 10),
    ]


async def fill(engine: Engine, name: str, runs: int) -> None:
    given: dict[str, Any] = {"environment": "bench", "inputs": {}, "actor": ALICE}
    for begun in range(0, runs, AT_ONCE):
        count = min(AT_ONCE, runs - begun)
        await asyncio.gather(*(engine.run(name, **given) for _ in range(count)))


async def _one(engine: Engine, name: str) -> Spent:
    with Stopwatch() as watch:
        await engine.run(name, environment="bench", inputs={}, actor=ALICE)
    return watch.spent


async def _listing(old: Engine, young: Engine, rounds: int) -> tuple[float, float]:
    async def listing(engine: Engine) -> Spent:
        with Stopwatch() as watch:
            await engine.store.runs(limit=20)
        return watch.spent

    ours, floor = await in_turns(rounds * 10, lambda: listing(old), lambda: listing(young))
    return ours.wall_s * 1e6, floor.wall_s * 1e6
