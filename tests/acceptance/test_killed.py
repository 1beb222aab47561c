"""For real: a process that drives a run of 30 steps is killed at 500 random moments.

A third of its actions are idempotent by a key that the target honours, a third have a probe, and
of a third nothing can tell, so that a person has to.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine
from tests.acceptance.counting import Counting

ROOT = Path(__file__).parents[2]
PARTS = 5
"""Tests of their own: workers share them, and none comes near the time at which a test hangs."""
KILLS = 500 // PARTS
KILLS_MAX = 5 * KILLS
"""Of a part whose kills hit no action that only a person can settle: one in twenty does."""
BEFORE_IT_BEGINS = 0.1
"""Of those killed: at moments counted from the fork, when most have acknowledged nothing, and all
that is to be seen is that the journal is whole.
"""
GROWS = 1.02
"""The time from which the moments are drawn, with each kill: until one comes too late, which tells
how long a run takes by now. On a busy machine that is another time every minute.
"""
STEPS = 30
ALICE = Actor("alice", "os-user")


OF_RUN = "headers: {X-Run: '{{ run.id }}'}"


def how_settled(number: int) -> str:
    """What settles the doubt about this action."""
    asked = f"check: http.request, target: api, with: {{path: /did/{number}, {OF_RUN}}}"
    return (
        "idempotent: true",
        f"probe: {{{asked}, expect: {{json.done: true}}}}",
        "probe: {check: http.request, target: api, with: {path: /gone}, expect: {status: 200}}",
    )[number % 3]


def runbook() -> str:
    lines = ["title: thirty steps", "steps:"]
    for number in range(1, STEPS // 2 + 1):
        lines.append(
            f"  - {{id: look{number}, check: http.request, target: api, expect: {{status: 200}}}}"
        )
        target = "keyed" if number % 3 == 0 else "api"
        lines.append(
            f"  - {{id: act{number}, action: http.request, target: {target}, {how_settled(number)},"
            f" with: {{method: POST, path: /act/{number}, {OF_RUN}}}}}"
        )
    return "\n".join(lines) + "\n"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it came to its end by itself just now
        os.kill(pid, signal.SIGKILL)


class Zygote:
    """Forks drivers; each is killed after a given time, or let be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at_s: dict[str, float] = {}
        """When the last driver came to something: `begun`, `ended`."""
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.acceptance.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def drive(
        self, run: str | None, kill_after_s: float | None = None, *, since: str = "begun"
    ) -> list[str]:
        """What the driver said before it ended or was killed: `run ID`, `SEQ TYPE`, `status S`.

        since: when the time until the kill begins: with the `fork`, or where its run has `begun`,
          which is at another moment each time on a busy machine
        """
        said = self.folder / "said"
        said.write_text("")
        order = {
            "books": str(self.folder / "books"),
            "store": f"sqlite:///{self.folder}/journal.db",
            "run": run,
            "said": str(said),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        killer = threading.Timer(kill_after_s or 0.0, _kill, (pid,))
        now = "fork"
        while now != "ended":
            if now == since and kill_after_s is not None:
                killer.start()
            now = self.process.stdout.readline().rstrip()
            assert now in ("begun", "ended"), f"the zygote said {now!r}"
            self.at_s[now] = time.monotonic()
        killer.cancel()
        return said.read_text().splitlines()

    @property
    def took_s(self) -> float:
        """From where the last run had begun to the end of its driver."""
        return self.at_s["ended"] - self.at_s["begun"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def zygote(tmp_path: Path) -> Iterator[Zygote]:
    (tmp_path / "books" / "p" / "environments").mkdir(parents=True)
    (tmp_path / "books" / "p" / "main.yaml").write_text(runbook())
    made = Zygote(tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
async def test_five_hundred_kills_lose_no_acknowledged_event_and_double_no_effect(
    zygote: Zygote, tmp_path: Path, part: int
):
    chance = random.Random(part)
    store = open_store(f"sqlite:///{tmp_path}/journal.db")
    engine = Engine(books=Books([tmp_path / "books"]), registry=Registry(), store=store)
    by_person = by_itself = 0
    with Counting() as service:
        where = tmp_path / "books" / "p" / "environments" / "test.yaml"
        url = f"adapter: http, base_url: 'http://127.0.0.1:{service.port}'"
        keyed = f"keyed: {{{url}, idempotency_header: Idempotency-Key}}"
        where.write_text(f"connections: {{api: {{{url}}}, {keyed}}}\n")
        took_s = time_of(zygote)
        killed = 0
        while killed < KILLS or (killed < KILLS_MAX and not (by_person and by_itself)):
            since = "fork" if chance.random() < BEFORE_IT_BEGINS else "begun"
            lines = zygote.drive(None, chance.uniform(0.0, took_s), since=since)
            run = next((line[4:] for line in lines if line.startswith("run ")), None)
            if "status resolved" in lines:  # too late
                took_s = zygote.took_s
                continue
            if run is None:  # killed before it began
                continue
            took_s *= GROWS
            killed += 1
            await held(engine, run, lines)
            while (await engine.state(run)).finished is None:
                lines = zygote.drive(run)
                await held(engine, run, lines)
                assert lines[-1] in ("status resolved", "status in doubt")
                if lines[-1] == "status in doubt":
                    by_person += 1
                    await settle(engine, run, service)
            events = await engine.store.events(run)
            by_itself += sum(
                e.type == "DoubtSettled" and e.actor["name"] != "alice" for e in events
            )
            acted = {key: n for key, n in service.effects.items() if key.startswith(run)}
            assert acted == {f"{run} /act/{n}": 1 for n in range(1, STEPS // 2 + 1)}
    await store.verify()
    await store.close()
    assert set(service.effects.values()) == {1}
    assert min(by_person, by_itself) > 0, "no kill hit an action: badly chosen moments"


def time_of(zygote: Zygote) -> float:
    """How long an undisturbed run takes here: the moments are drawn from it."""
    zygote.drive(None)
    assert zygote.drive(None)[-1] == "status resolved"
    return zygote.took_s


async def held(engine: Engine, run: str, lines: list[str]) -> None:
    """Every event that was acknowledged is in the journal."""
    events = {(e.seq, e.type) for e in await engine.store.events(run)}
    for line in lines:
        seq, _, type_ = line.partition(" ")
        if seq.isdigit():
            assert (int(seq), type_) in events


async def settle(engine: Engine, run: str, service: Counting) -> None:
    """A person looks at the target and says whether it happened."""
    for question in await engine.questions(run):
        assert question.kind == "doubt"
        number = question.id.removeprefix("act")
        happened = service.effects[f"{run} /act/{number}"] > 0
        await engine.settle(run, question.path, happened, "looked at the target", ALICE)
