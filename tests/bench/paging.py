"""Pages: how soon after an alert came in the first message is at its channel's socket."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.bench.deliveries import GOES_ON, GOING, Target, percentile
from tests.bench.place import Place
from tests.bench.table import Row
from tests.server.conftest import pd_event, signed
from tests.server.process import Server, server
from tests.server.storm import send

PER_S = 20.0
"""Alerts of which each calls somebody: more than a bad night has."""

ALONE = 60
"""Alerts one at a time: enough for a median, few for what stands above it."""

CALLS = """title: Calls somebody
triggers:
  - pagerduty: {match: {title: "*disk*"}}
steps:
  - {escalate: default, message: "the disk of {{ event.incident.id }} is full"}
  - {end: unresolved}
"""
CONTACTS = """people: {ana: {channels: {desk: ana}}}
channels: {desk: {connection: desk}}
policies:
  default:
    - {who: [ana], by: [desk]}
"""
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ABOUT = re.compile(rb"the disk of (Q\d+) is full")


class Desk(Target):
    """A receiver of messages: when the first about each incident was there."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if about := _ABOUT.search(body):
                    await self.seen(f"/{about[1].decode()}")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Server, Desk, str]]:
    desk, target = Desk(), Target()
    desks = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
    targets = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    urls = [f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (desks, targets)]
    place = folder / "books/p/environments"
    place.mkdir(parents=True)
    (place / "test.yaml").write_text(
        f"connections:\n  desk: {{adapter: webhook, url: {urls[0]}}}\n"
        f"  there: {{adapter: http, base_url: {urls[1]}}}\n"
    )
    for name, text in {"contacts": CONTACTS, "main": CALLS, "busy": GOES_ON}.items():
        (folder / f"books/p/{name}.yaml").write_text(text)
    with server(folder) as serving:
        yield serving, desk, urls[0]
    desks.close()
    targets.close()


async def paging(where: Place, rounds: int) -> list[Row]:
    """One alert at a time beside a bare POST to the same socket; then many, while 50 runs go on."""
    async with world(where.folder / "paging") as (serving, desk, url):
        alone, bare = [], []
        for number in range(ALONE):
            alone.append(await _paged(serving, desk, 3_000_000 + number))
            bare.append(await _posted(desk, url, 4_000_000 + number))
        async with httpx.AsyncClient(base_url=serving.url) as http:
            for number in range(GOING):
                body = pd_event(1_000_000 + number, title="busy")
                headers = {"x-pagerduty-signature": signed(body)}
                await http.post("/webhooks/pagerduty", content=body, headers=headers)
        sent_s: dict[str, float] = {}
        await send(serving, range(rounds * 20), PER_S, 0, sent=sent_s)
        await desk.until(*sent_s)
    busy = sorted((desk.asked[path] - at) * 1e3 for path, at in sent_s.items())
    said = "from an alert's POST to the first message at its channel"
    loaded = f"the same, {PER_S:.0f} a second, {GOING} runs going"
    return [
        Row(f"{said}: p50", percentile(alone, 0.5), percentile(bare, 0.5), "ms", ALONE),
        Row(f"{loaded}: p50", percentile(busy, 0.5), None, "ms", len(busy)),
        Row(f"{loaded}: p99", percentile(busy, 0.99), None, "ms", len(busy)),
    ]


async def _paged(serving: Server, desk: Desk, number: int) -> float:
    body = pd_event(number)
    headers = {"x-pagerduty-signature": signed(body)}
    async with httpx.AsyncClient(base_url=serving.url) as http:
        begun_s = time.perf_counter()
        await http.post("/webhooks/pagerduty", content=body, headers=headers)
        await desk.until(f"/Q{number}")
    return (desk.asked[f"/Q{number}"] - begun_s) * 1e3


async def _posted(desk: Desk, url: str, number: int) -> float:
    async with httpx.AsyncClient() as http:
        begun_s = time.perf_counter()
        await http.post(url, json={"text": f"the disk of Q{number} is full"})
    return (desk.asked[f"/Q{number}"] - begun_s) * 1e3
