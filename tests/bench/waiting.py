"""Many runs that wait in an escalation at once, in one process: what they hold, and what they cost
while nothing happens.
"""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Any

from engine.wiring import Faces
from tests.bench.place import ALICE, Place
from tests.bench.table import Row

CONTACTS = """\
people: {ana: {}, bo: {}}
policies:
  default:
    - {who: [ana]}
    - {who: [bo], after: 12h}
"""
CALLS = "  - {escalate: default, wait: acknowledged, message: Redis is full}\n"
PAGE_KIB = resource.getpagesize() // 1024


def rss_mib() -> float:
    """What this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB / 1024


async def waiting(place: Place, runs: int = 5000, idle_s: float = 30.0) -> list[Row]:
    name = place.book("calls", CALLS)
    (place.folder / "books" / "p" / "contacts.yaml").write_text(CONTACTS)
    told: list[str] = []
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
            held_mib, cpu_s = rss_mib() - before_mib, time.process_time()
            await asyncio.sleep(idle_s)
            busy = (time.process_time() - cpu_s) / idle_s
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        (place.folder / "books" / "p" / "contacts.yaml").unlink()
    said = f"{runs} runs that wait in an escalation"
    return [
        Row(f"{said}: until the first level was told", took_s * 1e3, None, "ms", 1),
        Row(f"{said}: memory each", held_mib * 1024 / runs, None, "KiB", 1),
        Row(f"{said}: a processor, while nothing happens", busy * 100, None, "%", 1),
    ]
