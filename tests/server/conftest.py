from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

import actions.human
import checks.human
from engine.config import Books
from engine.core.events import Actor
from engine.journal.ledger import Delivery, Verdict
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore
from engine.registry import Registry
from engine.server.app import make_app, make_parts
from engine.server.identity import read_grants
from engine.server.logs import Log
from engine.server.parts import Parts
from engine.server.settings import Alertmanager, PagerDuty, Settings, Webhook
from engine.wiring import Engine
from tests.parts import uses
from tests.runs import lab

if not (uses("prometheus") and uses("prometheus-alertmanager")):
    collect_ignore = ["test_alertmanager.py"]

PD_SECRET = "whsec_test"
AM_TOKEN = "alertmanager-token"
MADE_BY = Actor("root", "os-user")

BOOK = """title: Repairs it
triggers:
  - alertmanager: {match: {alertname: "Disk*"}, inputs: {word: "{{ event.labels.instance }}"}}
  - pagerduty: {match: {title: "*disk*"}, inputs: {word: "{{ event.incident.id }}"}}
  - webhook: {name: deploys, match: {state: failed}, inputs: {word: "{{ event.body.app }}"}}
  - webhook: {name: backups}
inputs:
  word: {type: string, default: x, pattern: "[A-Za-z0-9_-]+"}
steps:
  - {id: look, check: lab.look, target: there, with: {word: "{{ inputs.word }}"}}
  - {id: act, action: lab.act, target: there, with: {word: "{{ inputs.word }}"}}
"""
ASKS = """title: Asks first
steps:
  - {id: act, action: lab.act, target: there, approve: {by: [boss], within: 1h}}
"""
CONTACTS = """people:
  bea: {name: Bea, roles: [boss]}
roles: {boss: who may}
"""


class Brisk:
    """A clock that stands until a test moves it, and whose sleeps take a millisecond."""

    def __init__(self) -> None:
        self.t_us = 1_800_000_000_000_000
        self.slept_s: list[float] = []

    def now_us(self) -> int:
        self.t_us += 1
        return self.t_us

    def monotonic_s(self) -> float:
        return self.t_us / 1e6

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0.001)


@dataclass
class Serving:
    """A server in this process, and somebody who calls it."""

    parts: Parts
    app: Any
    http: httpx.AsyncClient
    clock: Brisk
    log: StringIO
    folder: Path
    settled: asyncio.Queue[tuple[Delivery, list[Verdict]]] = field(default_factory=asyncio.Queue)

    async def token(self, *roles: str, person: str = "ana", scopes: tuple[str, ...] = ()) -> str:
        grants = read_grants(roles)
        return (await self.parts.mint.make(person, grants, scopes, 3600 * 24, MADE_BY))[1]

    async def call(self, method: str, path: str, token: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.http.request(method, f"/api/v1{path}", json=body, headers=headers)

    def write(self, text: str, name: str = "p/main") -> str:
        path = self.folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.clock.t_us += 2_000_000  # files are looked at again after a second
        return name

    async def pagerduty(self, body: bytes, **headers: str) -> httpx.Response:
        given = {"x-pagerduty-signature": signed(body), **headers}
        return await self.http.post("/webhooks/pagerduty", content=body, headers=given)

    async def alerts(self, body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {AM_TOKEN}"}
        return await self.http.post("/webhooks/alertmanager", json=body, headers=headers)

    async def next_settled(self) -> tuple[Delivery, list[Verdict]]:
        async with asyncio.timeout(20):
            return await self.settled.get()

    async def ended(self, run: str) -> Any:
        """The last event of a run, once it is over."""
        seq = 0
        async with asyncio.timeout(20):
            while True:
                events = await self.parts.store.events(run, seq)
                seq = events[-1].seq if events else seq
                for event in events:
                    if event.type in ("RunFinished", "RunRefused"):
                        return event
                await self.parts.store.wait_for_more(run, seq, 10)


def signed(body: bytes, secret: str = PD_SECRET) -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def pd_event(number: int = 1, type_: str = "incident.triggered", **data: Any) -> bytes:
    incident = {
        "id": f"Q{number}",
        "type": "incident",
        "title": "disk is full",
        "status": "triggered",
        "service": {"id": "S1", "summary": "web"},
        "urgency": "high",
        "priority": None,
    }
    event = {
        "id": f"01EVENT{number}",
        "event_type": type_,
        "resource_type": "incident",
        "occurred_at": "2027-01-15T08:00:00Z",
        "agent": None,
        "client": None,
        "data": {**incident, **data},
    }
    return json.dumps({"event": event}).encode()


def alert(instance: str = "a", name: str = "DiskFull", **more: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": name, "instance": instance},
        "annotations": {"summary": "full"},
        "startsAt": "2027-01-15T08:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://p",
        "fingerprint": instance,
        **more,
    }


def group(*alerts: dict[str, Any], status: str = "firing") -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "runbook",
        "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://am",
        "alerts": list(alerts),
    }


def settings_of(**more: Any) -> Settings:
    given: dict[str, Any] = {
        "environment": "test",
        "pagerduty": PagerDuty(secrets=("old_secret", PD_SECRET)),
        "alertmanager": Alertmanager((AM_TOKEN,), "am", "pass-word"),
        "webhooks": {
            "deploys": Webhook("deploys", "signed", ("whsec_c2VjcmV0LW9mLWRlcGxveXM=",)),
            "backups": Webhook("backups", "token", ("backups-token",)),
        },
    }
    return Settings(**(given | more))


@asynccontextmanager
async def serving_in(
    folder: Path, journal: Path, *, beside: bool = True, channels: Any = (), **more: Any
) -> AsyncIterator[Serving]:
    """A server over these runbooks and this journal. `beside`: all that works beside requests does
    so; else only what looks at deliveries. `channels`: by which people can be told.
    """
    clock, log = Brisk(), StringIO()
    make_file(journal)
    store = SqliteStore(journal, clock=clock)
    registry = Registry.of([lab, checks.human, actions.human], [lab.LabAdapter, *channels])
    engine = Engine(books=Books([folder]), registry=registry, store=store, clock=clock)
    parts = make_parts(settings_of(**more), engine, store, Log(clock, lambda text: text, log))
    app = make_app(parts)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        if beside:
            await stack.enter_async_context(app.router.lifespan_context(app))
        else:
            stack.push_async_callback(parts.keeper.close, 5)
            looking = asyncio.create_task(parts.dispatcher.work())
            stack.push_async_callback(_cancelled, looking)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://runbook")
        )
        made = Serving(parts, app, http, clock, log, folder)
        earlier = parts.dispatcher.settled

        async def heard(row: Delivery, verdicts: list[Verdict], event: dict[str, Any]) -> None:
            if earlier is not None:
                await earlier(row, verdicts, event)
            made.settled.put_nowait((row, verdicts))

        parts.dispatcher.settled = heard
        yield made


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    lab.Target.reset()
    folder = tmp_path / "books"
    (folder / "p" / "environments").mkdir(parents=True)
    (folder / "p/environments/test.yaml").write_text("connections: {there: {adapter: lab}}\n")
    (folder / "p/contacts.yaml").write_text(CONTACTS)
    (folder / "p/main.yaml").write_text(BOOK)
    (folder / "p/asks.yaml").write_text(ASKS)
    (folder / "q").mkdir()
    (folder / "q/other.yaml").write_text("title: Of another pack\nsteps: [{end: resolved}]\n")
    return folder


@pytest.fixture
async def serving(books: Path, tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving_in(books, tmp_path / "journal.db") as made:
        yield made
