"""A sender like PagerDuty, that tries again until it is answered, and a server that is killed."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.server.conftest import pd_event, signed
from tests.server.process import Server

AGAIN_S = 0.3
"""PagerDuty waits longer; what counts is that it comes again."""


@dataclass
class Storm:
    """What was seen of it. `took_s`: from the first byte to the 202, of those answered at once."""

    took_s: list[float] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    sent: dict[str, float] | None = None


async def send(
    server: Server,
    events: Sequence[int],
    per_s: float,
    kills: int,
    *,
    senders: int = 60,
    sent: dict[str, float] | None = None,
) -> Storm:
    """Sends these events, in this order, and kills the server at even distances in between."""
    storm = Storm(sent=sent)
    queue: asyncio.Queue[int] = asyncio.Queue()
    limits = httpx.Limits(max_connections=senders)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=10) as http:
        workers = [asyncio.create_task(_worker(http, queue, storm)) for _ in range(senders)]
        begun_s = time.monotonic()
        every = len(events) // (kills + 1)
        killing: list[asyncio.Task[None]] = []
        one_by_one = asyncio.Lock()
        for number, event in enumerate(events):
            await asyncio.sleep(max(0.0, begun_s + number / per_s - time.monotonic()))
            queue.put_nowait(event)
            if kills and number and number % every == 0 and len(killing) < kills:
                killing.append(asyncio.create_task(_kill(server, one_by_one)))
        await asyncio.gather(*killing)
        await queue.join()
        for worker in workers:
            worker.cancel()
    return storm


async def _kill(server: Server, one_by_one: asyncio.Lock) -> None:
    async with one_by_one:
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)


async def _worker(http: httpx.AsyncClient, queue: asyncio.Queue[int], storm: Storm) -> None:
    while True:
        number = await queue.get()
        await _deliver(http, number, storm)
        queue.task_done()


async def _deliver(http: httpx.AsyncClient, number: int, storm: Storm) -> None:
    body = pd_event(number)
    headers = {"x-pagerduty-signature": signed(body), "x-webhook-id": f"w{number}"}
    for attempt in range(1, 200):
        begun_s = time.perf_counter()
        if storm.sent is not None:
            storm.sent.setdefault(f"/Q{number}", begun_s)
        try:
            answer = await http.post("/webhooks/pagerduty", content=body, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(AGAIN_S)
            continue
        storm.answers[answer.status_code] += 1
        if answer.status_code == 202:
            if attempt == 1:
                storm.took_s.append(time.perf_counter() - begun_s)
            storm.tries[attempt] += 1
            return
        await asyncio.sleep(AGAIN_S)
    raise AssertionError(f"event {number} was never taken")


def shuffled(distinct: int, duplicates: int, seed: int) -> list[int]:
    """So many events, some of them again, not far out of order."""
    drawn = random.Random(seed)
    events = [*range(distinct), *(drawn.randrange(distinct) for _ in range(duplicates))]
    return sorted(events, key=lambda number: number + drawn.uniform(0, 50))


def ledger(server: Server) -> tuple[Counter[str], Counter[str], int]:
    """How often each event is in the ledger, how many runs each delivery started, and how many
    deliveries nobody settled."""
    connection = sqlite3.connect(server.journal)
    events = Counter(
        row[0]
        for row in connection.execute("SELECT json_extract(body, '$.event.id') FROM deliveries")
    )
    started = Counter(
        row[0]
        for row in connection.execute(
            "SELECT json_extract(actor, '$.via') FROM events WHERE type = 'RunStarted'"
        )
    )
    sql = "SELECT count(*) FROM deliveries WHERE settled_us IS NULL"
    unsettled = connection.execute(sql).fetchone()[0]
    connection.close()
    return events, started, unsettled


async def settled(server: Server, within_s: float) -> None:
    """Until the server has looked at everything, and every run is over."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        connection = sqlite3.connect(server.journal)
        waiting = connection.execute(
            "SELECT (SELECT count(*) FROM deliveries WHERE settled_us IS NULL) + "
            "(SELECT count(*) FROM runs WHERE finished_us IS NULL)"
        ).fetchone()[0]
        connection.close()
        if waiting == 0:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{waiting} wait")
