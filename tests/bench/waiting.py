"""Many runs that wait in an escalation at once, in one process: what they hold, and what they cost
while nothing happens, with memory searched for garbage as seldom as `runbook serve` does.

The floors are a database alone: the same rows in as few commits, and the leases of all in one
statement as often as they are renewed.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sqlite3
import time
from pathlib import Path
from typing import Any

from engine.journal.schema import connect
from engine.runner.minding import RENEW_S
from engine.server.garbage import collect_seldom
from engine.wiring import Faces
from tests.bench.crowd import BUSY_S, Raw, turns_of
from tests.bench.place import ALICE, Place
from tests.bench.table import Row
from tests.bench.timing import Stopwatch

CONTACTS = """\
people: {ana: {}, bo: {}}
policies:
  default:
    - {who: [ana]}
    - {who: [bo], after: 12h}
"""
CALLS = "  - {escalate: default, wait: acknowledged, message: Redis is full}\n"
PAGE_KIB = resource.getpagesize() // 1024

EACH_KIB, IDLE_PERCENT, TOLD_MS = 40.0, 2.0, 8000.0
"""What five thousand may take: a small machine holds them, does something else, and has told the
first of each level while people still look for their glasses."""


def rss_mib() -> float:
    """What this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB / 1024


async def waiting(place: Place, runs: int = 5000, idle_s: float = 30.0) -> list[Row]:
    name = place.book("calls", CALLS)
    (place.folder / "books" / "p" / "contacts.yaml").write_text(CONTACTS)
    told: list[str] = []
    thresholds = gc.get_threshold()
    collect_seldom()
    try:
        async with place.engine("waiting") as engine:
            await engine.run(place.values(1), environment="bench", inputs={}, actor=ALICE)
            before_mib, begun_s = rss_mib(), time.perf_counter()
            given: dict[str, Any] = {"environment": "bench", "inputs": {}, "actor": ALICE}
            given["faces"] = Faces(console=told.append)
            tasks = [asyncio.create_task(engine.run(name, **given)) for _ in range(runs)]
            while len(told) < runs:  # noqa: ASYNC110 - told by a callback of the console
                await asyncio.sleep(0.05)
            took_s = time.perf_counter() - begun_s
            await asyncio.sleep(1)
            held_mib, cpu_s = max(0.0, rss_mib() - before_mib), time.process_time()
            await asyncio.sleep(idle_s)
            busy = (time.process_time() - cpu_s) / idle_s
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        (place.folder / "books" / "p" / "contacts.yaml").unlink()
        gc.set_threshold(*thresholds)
        gc.unfreeze()
    written_s, renewed_s = floors(place, runs)
    said = f"{runs} runs that wait in an escalation"
    least = renewed_s / RENEW_S * 100
    return [
        Row(f"{said}: first level told", took_s * 1e3, written_s * 1e3, "ms", 1, limit=TOLD_MS),
        Row(f"{said}: memory each", held_mib * 1024 / runs, None, "KiB", 1, limit=EACH_KIB),
        Row(f"{said}: a processor, idle", busy * 100, least, "%", 1, limit=IDLE_PERCENT),
    ]


def floors(place: Place, runs: int) -> tuple[float, float]:
    """Seconds in which their rows are written alone, and of a processor for one renewal of all."""
    path = place.folder / "waiting.db"
    groups = turns_of(path, runs)
    raw = Raw(place.folder / "raw-waiting.db")
    with Stopwatch() as writing:
        raw.write(groups)
    raw.close()
    database = connect(path, BUSY_S)
    with Stopwatch() as renewing:
        renew(database)
    database.close()
    return writing.spent.wall_s, renewing.spent.cpu_s


def renew(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE leases SET renewed_us = renewed_us + 1")
    database.execute("COMMIT")
