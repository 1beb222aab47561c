"""What the runbooks of trading-ops leave behind. OPEN is healthy here: orders go through."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
import redis

from engine.core.events import Actor
from engine.sandbox import Sandbox
from engine.wiring import Faces
from tests.runbooks.every import BOOKS, Stage

pytestmark = pytest.mark.asyncio

REASON = "Looked at, and it is what we want"
TOKEN = {"Authorization": "Bearer sandbox-console-token"}


class Desk:
    """A sandbox of this pack, with a runbook before it."""

    def __init__(self, sandbox, stage):
        self.sandbox = sandbox
        self.stage = stage

    async def run(self, **inputs):
        return await self.stage.run(self.sandbox, {**self.sandbox.inputs, **inputs})

    def breaker(self):
        """What Redis says of it: the state, and what its history ends with."""
        url = self.sandbox.services["redis.url"]
        with redis.Redis.from_url(url, decode_responses=True) as client:
            state = json.loads(client.get("circuit_breaker:state"))["state"]
            return state, json.loads(client.zrange("circuit_breaker:history", -1, -1)[0])["event"]

    def setting(self, name):
        with redis.Redis.from_url(self.sandbox.services["redis.url"]) as client:
            return client.get(f"config:{name}").decode()

    async def rows(self, sql):
        async with await psycopg.AsyncConnection.connect(
            self.sandbox.services["database.url"]
        ) as c:
            return await (await c.execute(sql)).fetchall()

    async def audited(self, resource):
        """The reasons or values in the audit log, the oldest first."""
        found = await self.rows(
            f"SELECT action, details FROM audit_log WHERE resource_type = '{resource}' ORDER BY id"
        )
        return [(action, details) for action, details in found]

    async def ask(self, method, path, **more):
        """As the console's page asks."""
        url = self.sandbox.services["console.url"]
        async with httpx.AsyncClient(base_url=f"{url}/api/v1/", headers=TOKEN) as client:
            return await client.request(method, path, **more)

    async def make(self, target):
        """As somebody types it on the trading host; the console is served by this thread."""
        return await asyncio.to_thread(self._make, target)

    def _make(self, target):
        tells = self.sandbox.services
        path = f"{tells['workstation.bin']}:/usr/local/bin:/usr/bin:/bin"
        env = {"PATH": path, "CONSOLE_URL": tells["console.url"], "REASON": REASON}
        return subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=tells["workstation.home"],
            env={**env, "CONSOLE_TOKEN": tells["console.token"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@pytest.fixture
def desk(registry, tmp_path):
    @asynccontextmanager
    async def up(name, *, fault=True):
        place = BOOKS.environment("trading-ops", "sandbox", registry)
        runbook = BOOKS.load(f"trading-ops/{name}", registry)
        async with Sandbox(
            place, runbook.name, list(place.connections), with_fault=fault
        ) as sandbox:
            yield Desk(sandbox, Stage(registry, runbook.name, tmp_path))
            problems = [p for b in sandbox.behaviours.values() for p in b.problems]
            assert problems == []

    return up


async def test_after_a_reset_orders_go_on_and_the_audit_log_has_the_reason(desk):
    async with desk("circuit-breaker-reset") as it:
        assert it.breaker() == ("TRIPPED", "TRIP")
        seen = await it.run(reason=REASON)
        assert seen.status == "resolved", str(seen)
        assert it.breaker() == ("OPEN", "RESET")
        blocked = await it.rows("SELECT count(*) FROM orders WHERE blocked_by IS NOT NULL")
        assert blocked == [(0,)]
        assert (await it.audited("circuit_breaker"))[-1] == (
            "CIRCUIT_BREAKER_RESET",
            {"reason": REASON},
        )


async def test_the_console_takes_one_reset_a_minute_and_a_reason_of_twenty_characters(desk):
    async with desk("circuit-breaker-reset") as it:
        short = await it.ask(
            "POST", "circuit-breaker/reset", json={"reason": "x", "acknowledged": True}
        )
        told = {"reason": REASON, "acknowledged": True}
        answers = [
            (await it.ask("POST", f"circuit-breaker/{what}", json=told)).status_code
            for what in ("reset", "trip", "reset")
        ]
    assert (short.status_code, answers) == (422, [200, 200, 429])


async def test_what_make_trips_by_hand_the_runbook_trips_too(desk):
    found = []
    for by_hand in (True, False):
        async with desk("circuit-breaker-trip", fault=False) as it:
            if by_hand:
                await it.make("circuit-trip")
            else:
                seen = await it.run(reason=REASON)
                assert seen.status == "resolved", str(seen)
            page = (await it.ask("GET", "circuit-breaker")).json()["breaker"]
            found.append((it.breaker(), await it.audited("circuit_breaker"), page | {"at": None}))
            said = it.sandbox.behaviours["chat"].state["said"]
    assert found[0] == found[1]
    assert said == [f"The circuit breaker was tripped, all new orders are blocked: {REASON}"]


async def test_a_make_that_only_says_so_does_not_pass_for_a_trip(desk):
    async with desk("circuit-breaker-trip") as it:
        assert "not yet implemented" in await it.make("circuit-trip")
        assert it.breaker()[0] == "OPEN"
        seen = await it.run()
        assert it.breaker() == ("TRIPPED", "TRIP")
    assert [type_ for _, type_ in seen.began] == ["command.run", "http.request", "http.request"]


async def test_after_the_kill_switch_nothing_is_held_and_nothing_can_be_opened(desk):
    async with desk("kill-switch") as it:
        seen = await it.run(reason=REASON)
        assert seen.status == "resolved", str(seen)
        assert it.breaker() == ("TRIPPED", "TRIP")
        assert "Positions: 0\nOpen orders: 0\n" in await it.make("status")
    assert seen.because.startswith("8 positions closed and 12 orders cancelled")


async def test_dry_run_lasts_while_the_data_is_stale(desk):
    async with desk("data-stale") as it:
        seen = await it.run()
        assert seen.status == "resolved", str(seen)
        assert it.setting("DRY_RUN") == "false"
        assert await it.audited("system_config") == [
            ("CONFIG_CHANGE", {"setting": "DRY_RUN", "value": "true"}),
            ("CONFIG_CHANGE", {"setting": "DRY_RUN", "value": "false"}),
        ]


async def test_a_breach_is_acknowledged_in_pagerduty_and_said_in_slack(desk):
    async with desk("sla-breach-response") as it:
        seen = await it.run()
        assert seen.status == "resolved", str(seen)
        incident = it.sandbox.behaviours["pagerduty"].state
        (said,) = it.sandbox.behaviours["chat"].state["said"]
    assert incident == {"status": "acknowledged"}
    assert said.startswith("On it (run ")
    assert said.endswith("poison queue 12 (more than 10)")


async def test_a_setting_is_put_back_by_undo(desk):
    async with desk("configuration-change") as it, it.stage.stand(it.sandbox) as stand:
        started = []

        async def approve(question):
            await stand._approve(started[0], question.path)

        faces = Faces(ask=approve, console=lambda _text: None, started=started.append)
        result = await stand.engine.run(
            "trading-ops/configuration-change",
            environment="sandbox",
            inputs=it.sandbox.inputs,
            actor=Actor("somebody", "os-user"),
            services=it.sandbox.services,
            faces=faces,
        )
        assert (result.status, it.setting("AUTO_REFRESH_INTERVAL")) == ("resolved", "10")
        undone = await stand.engine.undo(
            result.run,
            REASON,
            actor=Actor("somebody", "os-user"),
            services=it.sandbox.services,
            faces=faces,
        )
        assert (undone.status, it.setting("AUTO_REFRESH_INTERVAL")) == ("undone", "600")


@pytest.mark.parametrize(
    ("asked", "path", "body"),
    [
        (
            {"operation": "create", "name": "reports", "scopes": ["read:positions"]},
            "api-keys",
            {"name": "reports", "scopes": ["read:positions"]},
        ),
        (
            {"operation": "rotate", "name": "research-notebooks"},
            "api-keys/key-7f3a/rotate",
            {},
        ),
    ],
)
async def test_a_new_key_is_made_by_a_person_and_never_asked_of_the_console(
    show, asked, path, body
):
    async with show("trading-ops/api-key") as stage:

        async def person():
            url = stage.services["console.url"]
            async with httpx.AsyncClient(base_url=f"{url}/api/v1/", headers=TOKEN) as client:
                assert (await client.post(path, json=body)).status_code == 201
            return "done"

        result = await stage.run(answer=person, **asked)
        events = await stage.engine.store.events(result.run)
        keys = stage.sandbox.behaviours["console"].state["keys"]
    assert (result.status, len(stage.asked)) == ("resolved", 1), result.because
    assert "key-new" in keys
    started = [e.body for e in events if e.type == "StepStarted" and e.body["kind"] == "action"]
    assert [body["plan"]["type"] for body in started] == ["human.do"]
