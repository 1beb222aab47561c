"""Webhooks: how soon they are answered, how soon the target is asked, and that none is lost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil

from tests.bench.place import Place
from tests.bench.table import Row
from tests.server.conftest import pd_event, serving_in, signed
from tests.server.process import Server, server
from tests.server.storm import ledger, send, settled, shuffled
from tests.server.test_hostile import attack

ANSWERED_LIMIT_MS = 100.0
FIRST_LIMIT_MS = 150.0
GOING = 50
"""Runs that go on meanwhile, each asking its target every second."""

EVENTS, AGAIN, PER_S, KILLS = 8_000, 2_000, 300.0, 5
MUTATED = 100_000
GROWTH_LIMIT_MIB = 64.0

LOOKS = """title: Asks the target
triggers:
  - pagerduty: {match: {title: "*disk*"}}
steps:
  - {id: ask, check: http.request, target: there, with: {path: "/{{ event.incident.id }}"}}
  - {end: resolved}
"""
GOES_ON = """title: Goes on
triggers:
  - pagerduty: {match: {title: busy}}
steps:
  - {id: ask, check: http.request, target: there, expect: {status: 200}, hold: 2h, every: 1s}
"""


class Target:
    """When each path was asked for first."""

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}
        self._more = asyncio.Condition()

    async def until(self, *paths: str) -> None:
        """Waits until all of these were asked for."""
        async with self._more:
            await self._more.wait_for(lambda: all(path in self.asked for path in paths))

    async def seen(self, path: str) -> None:
        self.asked.setdefault(path, time.perf_counter())
        async with self._more:
            self._more.notify_all()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self.seen(head.split(b" ", 2)[1].decode())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Server, Target]]:
    target = Target()
    listening = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    place = folder / "books/p/environments"
    place.mkdir(parents=True)
    (place / "test.yaml").write_text(
        f"connections: {{there: {{adapter: http, base_url: {url}}}}}\n"
    )
    (folder / "books/p/main.yaml").write_text(LOOKS)
    (folder / "books/p/busy.yaml").write_text(GOES_ON)
    with server(folder) as serving:
        yield serving, target
    listening.close()


async def deliveries(where: Place, rounds: int) -> list[Row]:
    """Paced as a busy night has it, with 50 runs going; then the storm; then what is malformed."""
    rows = []
    async with world(where.folder / "paced") as (serving, target):
        async with httpx.AsyncClient(base_url=serving.url) as http:
            for number in range(GOING):
                body = pd_event(1_000_000 + number, title="busy")
                headers = {"x-pagerduty-signature": signed(body)}
                (await http.post("/webhooks/pagerduty", content=body, headers=headers))
        sent_s: dict[str, float] = {}
        storm = await send(serving, range(rounds * 200), PER_S, 0, sent=sent_s)
        await target.until(*sent_s)
        first_ms = sorted((target.asked[path] - at) * 1e3 for path, at in sent_s.items())
        took_ms = sorted(took * 1e3 for took in storm.took_s)
        count = len(took_ms)
        said = f"the 202 to one of {PER_S:.0f} deliveries a second, {GOING} runs going: p99"
        rows.append(
            Row(said, percentile(took_ms, 0.99), None, "ms", count, limit=ANSWERED_LIMIT_MS)
        )
        rows.append(Row("the same: p50", percentile(took_ms, 0.5), None, "ms", count))
        said = f"from its POST to the target's first request, at {PER_S:.0f} a second: p50"
        rows.append(Row(said, percentile(first_ms, 0.5), None, "ms", count, limit=FIRST_LIMIT_MS))
        alone = [await _alone(serving, target, 2_000_000 + n) for n in range(60)]
        said = "the same, one at a time: p50"
        rows.append(Row(said, percentile(alone, 0.5), None, "ms", 60, limit=FIRST_LIMIT_MS))
    rows += await _stormy(where.folder / "storm")
    rows += await _malformed(where.folder)
    return rows


async def _alone(serving: Server, target: Target, number: int) -> float:
    body = pd_event(number)
    headers = {"x-pagerduty-signature": signed(body)}
    async with httpx.AsyncClient(base_url=serving.url) as http:
        begun_s = time.perf_counter()
        await http.post("/webhooks/pagerduty", content=body, headers=headers)
        await target.until(f"/Q{number}")
    return (target.asked[f"/Q{number}"] - begun_s) * 1e3


async def _stormy(folder: Path) -> list[Row]:
    async with world(folder) as (serving, _):
        await send(serving, shuffled(EVENTS, AGAIN, 3), PER_S, KILLS)
        await settled(serving, 300)
        events, started, unsettled = ledger(serving)
    wrong = sum(events[f"01EVENT{n}"] != 1 for n in range(EVENTS)) + unsettled
    said = f"events of {EVENTS:,} (and {AGAIN:,} again), {KILLS} kills: not in the ledger once"
    doubled = sum(count > 1 for count in started.values()) + EVENTS - len(started)
    return [
        Row(said, float(wrong), None, "", 1, limit=0.0),
        Row("the same: not started exactly once", float(doubled), None, "", 1, limit=0.0),
    ]


async def _malformed(folder: Path) -> list[Row]:
    books = folder / "malformed"
    (books / "p/environments").mkdir(parents=True)
    (books / "p/environments/test.yaml").write_text("connections: {}\n")
    (books / "p/main.yaml").write_text(
        "title: t\ntriggers: [{alertmanager: {}}]\nsteps: [{end: resolved}]\n"
    )
    async with serving_in(books, folder / "malformed.db") as serving:
        await attack(serving, MUTATED // 10, 1)
        before = psutil.Process().memory_info().rss
        seen = await attack(serving, MUTATED, 2)
        grown = (psutil.Process().memory_info().rss - before) / 1024 / 1024
    bad = sum(status >= 500 for status in seen)
    return [
        Row(f"{MUTATED:,} mutated webhooks: kinds of 5xx", float(bad), None, "", 1, limit=0.0),
        Row("the same: memory more than before", max(grown, 0.0), None, "MiB", 1,
            limit=GROWTH_LIMIT_MIB),
    ]  # fmt: skip


def percentile(found: Sequence[float], share: float) -> float:
    found = sorted(found)
    return found[min(len(found) - 1, math.ceil(share * len(found)))] if found else math.nan
