"""How steps of the meta family try again where they say nothing, through whole runs."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from engine.clock import SystemClock
from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine
from tests.adapters.meta_target import REGISTRY, TOKEN, stand_in

LIMITED = {"calls": 0, "code": 80004, "block": "20s", "extends": "5m"}
TOKEN_CHECK = "{id: token, check: meta.token, target: meta, with: {scopes: []}}"


class Ahead(SystemClock):
    """The machine's clock, put forward by whatever anybody waits; the stand-in goes with it."""

    def __init__(self, stand):
        self.stand, self.ahead_s = stand, 0.0
        self.slept: list[float] = []

    def now_us(self):
        return super().now_us() + round(self.ahead_s * 1e6)

    async def sleep(self, seconds):
        await asyncio.sleep(0)
        self.ahead_s += seconds
        self.stand.moves(seconds=seconds)
        self.slept.append(seconds)


@contextlib.asynccontextmanager
async def stage(tmp_path, **settings):
    """A run of these steps: its status, the attempts at each step, what Meta was asked."""
    folder = tmp_path / "books" / "p"
    (folder / "environments").mkdir(parents=True)
    async with stand_in(**settings) as stand:
        connection = {
            "adapter": "meta", "version": "v18.0", "access_token": TOKEN, "account": "100",
            "base_url": stand.url,
        }  # fmt: skip
        text = json.dumps({"connections": {"meta": connection}})
        (folder / "environments" / "test.yaml").write_text(text)
        store = open_store("memory:")
        clock = Ahead(stand)
        engine = Engine(
            books=Books([tmp_path / "books"]), registry=Registry(), store=store, clock=clock
        )

        async def run(steps):
            (folder / "book.yaml").write_text(f"title: t\nsteps: {steps}\n")
            result = await engine.run(
                "p/book", environment="test", inputs={}, actor=Actor("a", "os-user")
            )
            return result, await store.events(result.run)

        yield stand, clock, run
        await store.close()


def test_every_step_type_of_the_family_tries_five_times_with_waits_that_double():
    found = {
        (retry.attempts, retry.factor, retry.jitter)
        for name in REGISTRY.types()
        for kind in ("check", "action")
        if (signature := REGISTRY.get(name, kind)) is not None
        and (retry := signature.default_retry) is not None
    }
    assert found == {(5, 2.0, "full")}


async def test_what_is_over_in_a_moment_is_tried_again_without_a_word_in_the_runbook(tmp_path):
    fault = {"on": "GET /act_100", "code": 2, "status": 500, "transient": True, "times": 2}
    async with stage(tmp_path, faults=[fault]) as (stand, _, run):
        result, _ = await run("[{id: account, check: meta.account, target: meta}]")
        assert result.status == "resolved"
        assert len(stand.lines()) == 3


async def test_a_limit_that_lasts_is_not_called_into_and_ends_the_step(tmp_path):
    limited = LIMITED | {"block": "30m"}
    async with stage(tmp_path, rate_limit=limited) as (stand, _, run):
        result, events = await run("[{id: account, check: meta.account, target: meta}]")
        assert result.status == "failed"
        assert len(stand.lines()) == 1
        assert [e.type for e in events].count("StepStarted") == 1


async def test_a_later_step_reads_what_is_left_of_the_limits(tmp_path):
    async with stage(tmp_path) as (_, _, run):
        result, _ = await run(f"""
  - {TOKEN_CHECK}
  - choose: [{{when: token.budget.worst_percent < 80, steps: [{{end: resolved, because: room}}]}}]
  - {{end: unresolved, because: none}}
""")
        assert (result.status, result.because) == ("resolved", "room")


@pytest.mark.parametrize(("days", "warned"), [(30, 0), (3, 1)])
async def test_a_token_that_ends_soon_passes_with_a_warning(tmp_path, days, warned):
    token = {"expires_in": f"{days * 24}h"}
    async with stage(tmp_path, token=token) as (_, _, run):
        _, events = await run(f"[{TOKEN_CHECK}]")
        (end,) = [e for e in events if e.type == "StepFinished"]
        assert (end.body["status"], len(end.body["warnings"])) == ("passed", warned)
