"""How long an append takes until it is durable: alone, and among others that write at once."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Any

from engine.core.events import Draft
from engine.journal.chain import canonical
from engine.journal.contract import Lease, Store
from engine.journal.open import open_store
from tests.bench.crowd import Raw
from tests.bench.place import ALICE, Place
from tests.bench.table import Row

WRITERS = (1, 10, 200)
PLAN = {
    "type": "http.request",
    "target": "api",
    "fingerprint": "127.0.0.1:8080",
    "params": {"path": "/health", "query": None},
    "effect": "reads",
    "timeout_s": 30.0,
}
FOUND = {"status": 200, "json": {"status": "healthy", "lag": 0.1}, "elapsed_ms": 1.2}


def two_events(number: int) -> list[Draft]:
    """What one step appends: its end and the beginning of the next."""
    finished = {"path": f"s{number}", "attempt": 1, "status": "passed", "why": []}
    more = {"outcome": {"result": FOUND}, "extracted": {}, "warnings": [], "handled": False}
    started = {"path": f"s{number + 1}", "id": f"s{number + 1}", "kind": "check", "plan": PLAN}
    at_us = time.time_ns() // 1000
    return [
        Draft("StepFinished", {**finished, **more}, at_us),
        Draft("StepStarted", {**started, "attempt": 1, "title": None}, at_us),
    ]


async def appends(place: Place, rounds: int, each: int = 20) -> list[Row]:
    """Each round: every writer appends `each` times, one after the other."""
    store = open_store(place.store_url("appends"))
    raw = Raw(place.folder / "raw-appends.db")
    rows = []
    for writers in WRITERS:
        ours_ms: list[float] = []
        floor_ms: list[float] = []
        for number in range(rounds):
            ours_ms.append(median(await _round(store, f"{writers}-{number}", writers, each)))
            floor_ms.append(median(_raw_round(raw, f"{writers}-{number}", writers, each)))
        said = "alone" if writers == 1 else f"with {writers} writers"
        rows.append(
            Row(f"append of two events, {said}", median(ours_ms), median(floor_ms), "ms", rounds)
        )
    await store.close()
    raw.close()
    return rows


async def _round(store: Store, name: str, writers: int, each: int) -> list[float]:
    """How long every single append took."""
    body = {"name": "p/main", "texts": {}, "environment": "bench", "mode": "real"}
    first = Draft("RunStarted", body, time.time_ns() // 1000, ALICE)
    leases = [(await store.create(f"{name}-{n}", [first], "h:1:1"))[0] for n in range(writers)]
    took_ms: list[float] = []

    async def write(lease: Lease) -> None:
        for number in range(each):
            drafts = two_events(number)
            begun_s = time.perf_counter()
            await store.append(lease, 1 + 2 * number, drafts)
            took_ms.append((time.perf_counter() - begun_s) * 1e3)

    await asyncio.gather(*(write(lease) for lease in leases))
    return took_ms


def _raw_round(raw: Raw, name: str, writers: int, each: int) -> list[float]:
    """The same rows, a transaction for all writers at once, from values that are text already."""
    took_ms = []
    for number in range(each):
        rows = [row for n in range(writers) for row in _rows(f"{name}-{n}", number)]
        begun_s = time.perf_counter()
        raw.write([rows])
        took_ms.append((time.perf_counter() - begun_s) * 1e3)
    return took_ms


def _rows(run: str, number: int) -> list[tuple[Any, ...]]:
    return [
        (run, 2 + 2 * number + n, d.at_us, d.type, 1, "{}", canonical(d.body), "0" * 64)
        for n, d in enumerate(two_events(number))
    ]
