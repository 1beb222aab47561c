"""The disk under a real server is full, locked, gone or lies: it says so, does nothing that is not
recorded, and goes on.

The server is a process of its own, with its journal on a file system that a test fills.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from engine.journal.ledger import Arrived
from engine.server.dispatch import HELD_S, WORKERS
from tests.acceptance.service import Reply, Request, Service
from tests.failing_fsync import FAILING_FSYNC
from tests.server.conftest import pd_event, signed
from tests.server.process import Server, server
from tests.server.storm import ledger, send, shuffled

STEPS = 6
HELD = "/act/3"
"""The change that the target is at when something happens to the disk."""

LOG_LINES_PER_S = 10
"""More than this would fill another disk. Deliveries that are refused are not counted. As a rate it
holds on any machine, and so does the share of a processor: a busy one looks less often, not more.
"""

BOOK = f"""title: Several changes
triggers:
  - pagerduty: {{match: {{title: "*disk*"}}}}
steps:
  - each: "range(1, {STEPS + 1}) | list"
    as: number
    steps:
      - id: act
        action: http.request
        target: api
        with: {{method: POST, path: "/act/{{{{ number }}}}"}}
        probe:
          check: http.request
          target: api
          with: {{path: "/acted/{{{{ number }}}}"}}
          expect: {{json.acted: true}}
  - {{end: resolved}}
"""


class Target:
    """What the runs change. The first run's third change is not answered before `go`."""

    def __init__(self) -> None:
        self.service = Service(self._answer)
        self.arrived = threading.Event()
        self.go = threading.Event()

    async def _answer(self, request: Request) -> Reply:
        if request.method == "GET":
            acted = request.target.replace("acted", "act") in self.changes
            return Reply(body=f'{{"acted": {str(acted).lower()}}}')
        if request.target == HELD:
            self.arrived.set()
            while not self.go.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.01)
        return Reply()

    @property
    def changes(self) -> list[str]:
        return self.service.changes


class Disk:
    """A file system of its own, with little room, that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal.db"

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()


def mounts(folder: Path) -> bool:
    """Mounts a file system there, with room for a server to be ready; whether it may."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "none", str(folder)]
    with suppress(OSError):
        return not subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode
    return False


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@cache
def disks_can_be_made() -> bool:
    """Not in every container."""
    with TemporaryDirectory() as folder:
        if made := mounts(Path(folder)):
            unmount(Path(folder))
        return made


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    """A disk of its own, or where none can be made a folder, which no test fills."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = disks_can_be_made() and mounts(folder)
    yield Disk(folder)
    if made:
        unmount(folder)


@pytest.fixture
def target():
    made = Target()
    with made.service:
        yield made
        made.go.set()


@pytest.fixture
def running(tmp_path, disk, target) -> Iterator[Server]:
    (tmp_path / "books/p/environments").mkdir(parents=True)
    place = f'connections: {{api: {{adapter: http, base_url: "{target.service.url}"}}}}\n'
    (tmp_path / "books/p/environments/test.yaml").write_text(place)
    (tmp_path / "books/p/main.yaml").write_text(BOOK)
    with server(tmp_path, RUNBOOK_STORE=f"sqlite:///{disk.journal}") as made:
        yield made


def deliver(running: Server, number: int) -> httpx.Response:
    body = pd_event(number)
    headers = {"x-pagerduty-signature": signed(body)}
    url = f"{running.url}/webhooks/pagerduty"
    return httpx.post(url, content=body, headers=headers, timeout=60)


def get(running: Server, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{running.url}{path}", headers=headers, timeout=60)


def ask_for_a_run(running: Server, headers: dict[str, str]) -> httpx.Response:
    asked = {"runbook": "p/main", "environment": "test"}
    return httpx.post(f"{running.url}/api/v1/runs", json=asked, headers=headers, timeout=60)


def measured(running: Server) -> dict[str, float]:
    """What Prometheus is told, of series without labels."""
    text = get(running, "/metrics").raise_for_status().text
    samples = [sample for family in families(text) for sample in family.samples]
    return {one.name: one.value for one in samples if not one.labels}


def rows(disk: Disk, sql: str) -> list[tuple]:
    with sqlite3.connect(disk.journal) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def cpu_s(running: Server) -> float:
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def until(holds, within_s=90.0):
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(0.05)


async def at_its_third_change(running: Server, target: Target) -> None:
    assert deliver(running, 1).status_code == 202
    assert await asyncio.to_thread(target.arrived.wait, 90)


def both_to_the_end() -> list[str]:
    """What the target saw when two runs are through, each change once."""
    return sorted(f"/act/{number}" for number in range(1, STEPS + 1) for _ in range(2))


@pytest.mark.slow
async def test_while_another_process_holds_the_journal_for_long_it_says_so_and_then_goes_on(
    running, disk, target
):
    await at_its_third_change(running, target)
    other = sqlite3.connect(disk.journal, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refused, ready, found = await asyncio.gather(
        asyncio.to_thread(deliver, running, 2),
        asyncio.to_thread(get, running, "/health/ready"),
        asyncio.to_thread(measured, running),
    )
    assert get(running, "/health/live").status_code == 200
    other.execute("ROLLBACK")
    other.close()
    target.go.set()
    assert (refused.status_code, ready.status_code) == (503, 503)
    assert "is locked: another process" in refused.json()["detail"]
    assert "is locked: another process" in ready.json()["journal"]
    assert found["runbook_journal_writable"] == 0
    assert deliver(running, 2).json()["new"]
    await until(lambda: running.log().count("run ended") == 2)
    assert sorted(target.changes) == both_to_the_end()


async def test_a_journal_that_was_taken_away_is_not_made_anew_and_goes_on_when_it_is_put_back(
    running, disk, target
):
    await at_its_third_change(running, target)
    away = disk.journal.rename(disk.folder / "away.db")
    refused = deliver(running, 2)
    ready = get(running, "/health/ready")
    assert (refused.status_code, ready.status_code) == (503, 503)
    assert "was removed or replaced" in refused.json()["detail"]
    assert "was removed or replaced" in ready.json()["journal"]
    target.go.set()
    await until(lambda: "driving broke" in running.log())
    assert target.changes == ["/act/1", "/act/2", HELD]
    assert not disk.journal.exists()
    assert get(running, "/health/live").status_code == 200
    await asyncio.to_thread(running.kill, signal.SIGTERM)
    away.rename(disk.journal)
    await asyncio.to_thread(running.start)
    assert deliver(running, 2).json()["new"]
    await until(lambda: running.log().count("run ended") == 2)
    assert sorted(target.changes) == both_to_the_end()


async def test_a_server_whose_disk_lies_ends_and_the_next_one_goes_on(running, disk, target):
    """The kernel answers EIO to every fsync. What it holds by then is not what is on the disk; see
    `engine.journal.faults`.
    """
    assert running.kill(signal.SIGTERM) == 0
    running.program, honest = (sys.executable, "-c", FAILING_FSYNC), running.program
    await asyncio.to_thread(running.start)
    await at_its_third_change(running, target)
    running.process.send_signal(signal.SIGUSR1)
    await until((running.folder / "failing").exists)
    assert deliver(running, 2).status_code == 503
    target.go.set()
    await until(lambda: running.process.poll() is not None)
    assert running.process.returncode == 4, running.log()
    assert "the journal is refused since an earlier error" in running.log()
    assert "start it again" in running.log()
    assert target.changes == ["/act/1", "/act/2", HELD]
    running.program = honest
    await asyncio.to_thread(running.start)
    assert deliver(running, 2).json()["new"]
    await until(lambda: running.log().count("run ended") == 2)
    assert sorted(target.changes) == both_to_the_end()


async def test_many_deliveries_that_wait_for_room_are_looked_at_without_haste(serving):
    """Each look is a few writes that fail, and a line of the log."""
    room = serving.parts.store._writer._connection.execute
    now_us = serving.clock.now_us()
    for number in range(100):
        arrived = Arrived("pagerduty", "t", "a", (f"k{number}",), pd_event(number))
        await serving.parts.ledger.take(f"d{number:03}", arrived, now_us)
    room("PRAGMA max_page_count = 1")
    await until(lambda: serving.log.getvalue().count("a delivery waits") >= 100)
    said = serving.log.getvalue().count("a delivery waits")
    assert said - serving.clock.slept_s.count(HELD_S) <= WORKERS


if disks_can_be_made():

    @pytest.mark.slow
    async def test_on_a_full_disk_nothing_is_taken_and_nothing_begins_until_there_is_room_again(
        running, disk, target
    ):
        token = running.token("ana", "--role", "operator")
        await at_its_third_change(running, target)
        disk.fill()
        refused = [deliver(running, number) for number in range(2, 8)]
        assert {(one.status_code, one.headers["retry-after"]) for one in refused} == {(503, "5")}
        assert "the disk is full" in refused[0].json()["detail"]

        begun_s, lines, used_s = time.monotonic(), running.log().count("\n"), cpu_s(running)
        target.go.set()
        await until(lambda: "driving broke" in running.log())
        ready = get(running, "/health/ready")
        assert (ready.status_code, ready.json()["disk"]) == (503, "0 MiB are free")
        assert "the disk is full" in ready.json()["journal"]
        assert get(running, "/health/live").status_code == 200
        found = measured(running)
        assert found["runbook_journal_writable"] == 0
        assert found["runbook_journal_free_bytes"] < 1 << 20
        assert found["runbook_runs_broken"] == 1
        asked = {"authorization": f"Bearer {token}"}
        assert [one["status"] for one in get(running, "/api/v1/runs", **asked).json()["items"]] == [
            "running"
        ]
        assert ask_for_a_run(running, asked).status_code == 503
        assert target.changes == ["/act/1", "/act/2", HELD]
        assert rows(disk, "SELECT count(*) FROM deliveries") == [(1,)]

        disk.make_room()
        await until(lambda: get(running, "/health/ready").status_code == 200)
        again = [deliver(running, 2).json()["new"] for _ in range(2)]
        await until(lambda: len(target.changes) >= 2 * STEPS)
        await until(lambda: running.log().count("run ended") == 2)
        took_s = time.monotonic() - begun_s
        assert again == [True, False]
        assert sorted(target.changes) == both_to_the_end()
        assert rows(disk, "SELECT status FROM runs") == [("resolved",)] * 2
        assert running.log().count("\n") - lines < LOG_LINES_PER_S * took_s
        assert cpu_s(running) - used_s < took_s / 2
        found = measured(running)
        assert (found["runbook_journal_writable"], found["runbook_runs_broken"]) == (1, 0)
        assert running.process.poll() is None

    async def test_events_sent_while_the_disk_fills_up_are_taken_once_and_start_one_run_each(
        running, disk, target
    ):
        target.go.set()
        distinct = 150
        events = shuffled(distinct, 50, 7)
        sending = asyncio.create_task(send(running, events[:100], 100, kills=0))
        await until(lambda: rows(disk, "SELECT count(*) FROM deliveries")[0][0] > 20)
        await asyncio.to_thread(disk.fill)
        later = asyncio.create_task(send(running, events[100:], 100, kills=0))  # to a full disk
        await until(lambda: "a delivery was not taken" in running.log())
        disk.make_room()
        answers = (await sending).answers + (await later).answers
        open_still = "SELECT count(*) FROM deliveries WHERE settled_us IS NULL"
        await until(lambda: rows(disk, open_still) == [(0,)])
        events, started, unsettled = ledger(running)
        assert set(answers) == {202, 503}
        assert events == {f"01EVENT{number}": 1 for number in range(distinct)}
        assert (sorted(set(started.values())), len(started), unsettled) == ([1], distinct, 0)
