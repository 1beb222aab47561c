"""From nothing to the end of one HTTP check: `runbook run` beside a script of five lines."""

from __future__ import annotations

import sys

from tests.bench.place import Place
from tests.bench.table import Row
from tests.bench.timing import Spent, in_turns

BARE = """
import sys, httpx
answer = httpx.get(sys.argv[1] + "/health")
assert answer.status_code == 200
assert answer.json()["status"] == "healthy"
"""

TARGET = 1.6


async def startup(place: Place, rounds: int) -> list[Row]:
    name = place.checks(1)
    script = place.folder / "bare.py"
    script.write_text(BARE)

    async def ours() -> Spent:
        told = place.runbook(name, "startup")
        return Spent(told.wall_s, told.cpu_s)

    async def floor() -> Spent:
        told = place.launch([sys.executable, str(script), place.url])
        return Spent(told.wall_s, told.cpu_s)

    mine, bare = await in_turns(rounds, ours, floor)
    said = "start-up, one HTTP check"
    return [
        Row(f"{said}: wall", mine.wall_s * 1e3, bare.wall_s * 1e3, "ms", rounds, TARGET),
        Row(f"{said}: CPU", mine.cpu_s * 1e3, bare.cpu_s * 1e3, "ms", rounds, TARGET),
    ]
