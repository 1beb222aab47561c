"""1,000 scenarios of our own runbooks, beside the time they may take."""

from __future__ import annotations

from pathlib import Path

from engine.config import Books
from engine.registry import Registry
from engine.scenario.batch import Job, try_job
from tests.bench.place import Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

LIMIT_MS = 10_000.0
"""More, and nobody would play them at every change."""

BOOKS = Books([Path(__file__).parents[2] / "runbooks"])


async def scenarios(_place: Place, rounds: int, count: int = 1000) -> list[Row]:
    """Played one after the other in one process."""
    registry = Registry()
    jobs = [Job(BOOKS, name, BOOKS.scenarios(name)) for name in BOOKS.names()]

    async def ours() -> Spent:
        played = 0
        with Stopwatch() as watch:
            while played < count:
                for job in jobs:
                    found = try_job(job, registry, (), False)
                    assert all(one.holds for one in found.results)
                    played += len(found.results)
        return watch.spent

    (mine,) = await in_turns(rounds, ours)
    said = f"{count} scenarios, beside the 10 s they may take: wall"
    return [Row(said, mine.wall_s * 1e3, LIMIT_MS, "ms", rounds, 1.0)]
