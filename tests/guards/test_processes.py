"""Guards between real processes on one journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.journal.lease import LEASE_S
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def start(script, *words):
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(("when_taken", "times"), [("reject", 2000), ("queue", 200)])
async def test_two_processes_that_ask_for_a_lock_a_thousand_times_are_never_both_inside(
    tmp_path, when_taken, times
):
    journal, mark = tmp_path / "journal.db", tmp_path / "inside"
    make_file(journal)
    SqliteStore(journal)
    half = times // 2
    both = [start("contender.py", journal, mark, name, half, when_taken) for name in "ab"]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    found = [json.loads(one.communicate(timeout=100)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert not mark.exists()
    for counts in found:
        assert counts.get("waited too long", 0) == 0
        assert sum(counts.values()) == half
    # Of the two together: under a loaded disk one of them may find the lock taken every time.
    assert sum(counts.get("admitted", 0) + counts.get("queued", 0) for counts in found) > 0
    store = SqliteStore(journal)
    standing = await store.standing(SystemClock().now_us())
    assert (standing.held, standing.waiting) == ((), ())
    assert (await store.verify()).runs == times
    await store.close()


class Later(SystemClock):
    """The clock of who looks after the lease is over."""

    def now_us(self):
        return super().now_us() + (LEASE_S + 1) * 1_000_000


async def test_a_worker_stopped_for_longer_than_its_lease_appends_nothing_and_does_nothing_more(
    tmp_path,
):
    journal, books, done = tmp_path / "journal.db", tmp_path / "books", tmp_path / "done"
    make_file(journal)
    (books / "p" / "environments").mkdir(parents=True)
    (books / "p/environments/test.yaml").write_text("connections: {there: {adapter: lab}}\n")
    step = "  - {{id: {0}, action: lab.act, target: there, with: {{word: {0}}}}}\n"
    text = "title: Two\nsteps:\n" + step.format("one") + step.format("two")
    (books / "p/main.yaml").write_text(text)
    worker = start("sleeper.py", journal, books, done)
    assert worker.stdout.readline() == "acting\n"
    os.kill(worker.pid, signal.SIGSTOP)
    store = SqliteStore(journal, clock=Later())
    run = await store.find("last")
    before = await store.events(run)
    lease = await store.take(run, "elsewhere:2:2")
    assert lease.epoch == 2
    os.kill(worker.pid, signal.SIGCONT)
    said, _ = worker.communicate("go\n", timeout=60)
    assert said.startswith("Fenced: ")
    assert await store.events(run) == before
    assert done.read_text() == "one\n"
    await store.close()
