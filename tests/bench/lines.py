"""What a command says, followed while it runs: memory of the whole program, and how late a line is.

The floors are programs too: asyncio's own subprocess, its lines read one by one and let go.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from engine.core.events import Event
from engine.wiring import Faces
from tests.bench.place import ALICE, Place
from tests.bench.table import Row

MEMORY_MB = 80.0
LATE_MS = 200.0
"""For a line to be told: two of the tenths of a second in which progress is shown."""

FLOOR = """
import asyncio, sys
async def main():
    process = await asyncio.create_subprocess_exec(*sys.argv[1:], stdout=asyncio.subprocess.PIPE)
    async for line in process.stdout:
        pass
    await process.wait()
asyncio.run(main())
"""

SAYING = """
import sys, time
begun = time.monotonic()
for number in range(int(sys.argv[1])):
    time.sleep(max(0.0, begun + number / 1000 - time.monotonic()))
    print(f"{time.time():.6f} line {number} of a build that says much", flush=True)
"""
"""So many lines, a thousand a second, each with the time it was said at."""

FLOODING = """
import sys
for _ in range(int(sys.argv[1])):
    sys.stdout.write("x" * 999 + "\\n")
"""
"""So many kilobytes, as fast as they are taken."""


async def lines(
    place: Place, rounds: int, *, said: int = 3000, kilobytes: int = 100_000
) -> list[Row]:
    """`said` lines at a thousand a second, then `kilobytes` at once."""
    say = [sys.executable, "-c", SAYING, str(said)]
    flood = [sys.executable, "-c", FLOODING, str(kilobytes)]
    _environment(place)
    saying, flooding = _book(place, "saying", say), _book(place, "flooding", flood)
    late_ms, told = await _late(place, saying)
    name = f"{said:,} lines, 1,000 a second"
    return [
        _memory(place, f"{name}: peak memory", (saying, say), rounds),
        Row(f"{name}: told late by (95 %)", late_ms, None, "ms", told, limit=LATE_MS),
        _memory(
            place, f"{kilobytes / 1000:.0f} MB of output: peak memory", (flooding, flood), rounds
        ),
        await _cut(place, flooding, kilobytes),
    ]


def _memory(place: Place, name: str, each: tuple[str, list[str]], rounds: int) -> Row:
    book, bare = each
    mine, floor = [], []
    for _ in range(rounds):
        mine.append(place.runbook(book, "lines").rss_mb)
        floor.append(place.launch([sys.executable, "-c", FLOOR, *bare]).rss_mb)
    return Row(name, median(mine), median(floor), "MB", rounds, limit=MEMORY_MB)


async def _late(place: Place, book: str) -> tuple[float, int]:
    """How late the newest line was told, in 95 of 100 cases; and how many were told."""
    late: list[float] = []

    def look(event: Event) -> None:
        if event.type == "StepProgressed":
            late.append((time.time() - float(event.body["text"].split()[0])) * 1e3)

    async with place.engine("late") as engine:
        result = await engine.run(
            book, environment="bench", inputs={}, actor=ALICE, faces=Faces(observe=look)
        )
    assert result.status == "resolved"
    return sorted(late)[int(len(late) * 0.95)], len(late)


async def _cut(place: Place, book: str, kilobytes: int) -> Row:
    """What is kept of a flood; that it is cut is said, with all that was printed."""
    async with place.engine("cut") as engine:
        result = await engine.run(book, environment="bench", inputs={}, actor=ALICE)
        events = await engine.store.events(result.run)
    (found,) = [e.body["outcome"]["result"] for e in events if e.type == "StepFinished"]
    assert found["cut"]
    assert found["stdout_bytes"] == kilobytes * 1000
    assert "bytes left out" in found["stdout"]
    name = f"{kilobytes / 1000:.0f} MB of output: kept, and said to be cut"
    return Row(name, len(found["stdout"]) / 1024, kilobytes * 1000 / 1024, "KB", 1, limit=129)


def _book(place: Place, name: str, argv: list[str]) -> str:
    params = json.dumps({"argv": argv})
    step = f"  - {{id: it, check: command.run, target: here, timeout: 2m, with: {params}}}\n"
    return place.book(name, step)


def _environment(place: Place) -> None:
    file = place.folder / "books" / "p" / "environments" / "bench.yaml"
    here = f"  here: {{adapter: command, allowed: ['{sys.executable}']}}\n"
    if here not in file.read_text():
        file.write_text(file.read_text() + here)
