"""Many runs of trivial steps at once, through the group commit, beside the same rows alone."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from engine.journal.schema import connect, make_file, prepare
from tests.bench.place import ALICE, Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

BUSY_S = 5.0
INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
ROWS = "SELECT * FROM events WHERE run IN (SELECT run FROM runs ORDER BY started_us DESC LIMIT ?)"

Groups = list[list[tuple[Any, ...]]]


async def crowd(place: Place, rounds: int, runs: int = 1000, steps: int = 10) -> list[Row]:
    name = place.values(steps)
    raw = Raw(place.folder / "raw-crowd.db")
    async with place.engine("crowd") as engine:

        async def ours() -> Spent:
            with Stopwatch() as watch:
                given: dict[str, Any] = {"environment": "bench", "inputs": {}, "actor": ALICE}
                await asyncio.gather(*(engine.run(name, **given) for _ in range(runs)))
            return watch.spent

        async def floor() -> Spent:
            groups = turns_of(place.folder / "crowd.db", runs)
            raw.empty()
            with Stopwatch() as watch:
                raw.write(groups)
            return watch.spent

        mine, bare = await in_turns(rounds, ours, floor)
    raw.close()
    total, said = runs * steps, f"{runs} runs of {steps} steps at once"
    return [
        Row(f"{said}: total", mine.wall_s * 1e3, bare.wall_s * 1e3, "ms", rounds),
        Row(f"{said}: a step", mine.wall_s / total * 1e6, bare.wall_s / total * 1e6, "us", rounds),
        Row(f"{said}: steps a second", total / mine.wall_s, total / bare.wall_s, "/s", rounds),
    ]


def turns_of(path: Path, runs: int) -> Groups:
    """The rows of the newest runs, as a commit each turn would write them: two of every run."""
    with sqlite3.connect(path) as database:
        rows = database.execute(ROWS, (runs,)).fetchall()
    database.close()
    groups: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(row[1] // 2, []).append(row)
    return [groups[turn] for turn in sorted(groups)]


class Raw:
    """A database with the journal's schema that is written to with nothing in between."""

    def __init__(self, path: Path) -> None:
        make_file(path)
        self._database = connect(path, BUSY_S)
        prepare(self._database, path, BUSY_S)

    def empty(self) -> None:
        self._database.execute("DELETE FROM events")

    def write(self, groups: Groups) -> None:
        for rows in groups:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(INSERT, rows)
            self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()
