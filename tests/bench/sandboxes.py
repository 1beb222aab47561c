"""How long a person waits for the servers of a sandbox, with what they hold."""

from __future__ import annotations

from pathlib import Path

from engine.config import Books
from engine.registry import Registry
from engine.sandbox import Sandbox
from tests.bench.place import Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns

PACKS = Path(__file__).parents[2] / "runbooks"
PROMISED_MS = {"cache": 1000.0, "database": 3000.0}
"""Redis and PostgreSQL, whose files have to be made first."""


async def sandboxes(_: Place, rounds: int) -> list[Row]:
    place = Books([PACKS]).environment("stratum", "sandbox", Registry())

    def up(connection: str):
        async def timed() -> Spent:
            with Stopwatch() as watch:
                sandbox = Sandbox(place, "", (connection,), with_fault=False)
                await sandbox.__aenter__()
            await sandbox.__aexit__(None, None, None)
            return watch.spent

        return timed

    spent = await in_turns(rounds, *(up(connection) for connection in PROMISED_MS))
    return [
        Row(f"sandbox: {name} is up: wall", took.wall_s * 1e3, None, "ms", rounds, limit=limit_ms)
        for (name, limit_ms), took in zip(PROMISED_MS.items(), spent, strict=True)
    ]
