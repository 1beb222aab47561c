"""A sandbox ends with the run, however the run ends, and takes nothing else with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from engine.sandbox.process import FOLDER_PREFIX, alive, new_folder, sweep

ROOT = Path(__file__).resolve().parents[2]

HOLDS = """
import asyncio, signal, sys
from engine.config import Books
from engine.registry import Registry
from engine.sandbox import Sandbox

async def main():
    environment = Books([sys.argv[1]]).environment("pack", "sandbox", Registry())
    async with Sandbox(environment, "pack/book", ["cache", "database"]):
        print("up", flush=True)
        await asyncio.sleep(3600)

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run behind a `&`
asyncio.run(main())
"""

SERVICES = """
services:
  cache: {kind: redis}
  database: {kind: postgres, sessions: [{user: app, state: active}]}
connections:
  cache: {adapter: redis, url: "${service:cache.url}"}
  database: {adapter: sql, url: "${service:database.url}"}
"""


@pytest.fixture
def held(environment, tmp_path):
    """A process that holds a sandbox, the servers of that sandbox, and where its folder is."""
    environment(SERVICES)
    temporary = Path(tempfile.mkdtemp(prefix="test-"))
    temporary.chmod(0o755)  # for the account PostgreSQL runs as, when we are root
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "books")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout.readline() == "up\n", process.stderr.read()
    servers = psutil.Process(process.pid).children(recursive=True)
    yield process, servers, temporary
    process.kill()
    process.communicate()
    gone(servers)
    shutil.rmtree(temporary)


def gone(servers):
    """Waits, at most a minute, until they have ended; gives those that have not."""
    left = psutil.wait_procs(servers, timeout=60)[1]
    return [s for s in left if s.is_running() and s.status() != "zombie"]


def names(servers):
    """Of those that live: a server has children that come and go."""
    found = set()
    for server in servers:
        with suppress(psutil.NoSuchProcess):
            found.add(server.name())
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_servers_end_when_the_process_that_started_them_ends(held, how):
    process, servers, temporary = held
    assert {"redis-server", "postgres"} <= names(servers)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert gone(servers) == []
    sweep(temporary)
    assert list(temporary.iterdir()) == []


def test_an_interrupted_sandbox_removes_its_own_folder(held):
    process, _, temporary = held
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert list(temporary.iterdir()) == []


def test_the_servers_are_out_of_reach_of_a_terminals_interrupt(held):
    process, servers, _ = held
    ours = os.getpgid(process.pid)
    assert [s for s in servers if s.is_running() and os.getpgid(s.pid) == ours] == []


def test_the_folder_of_one_that_lives_is_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours = new_folder()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"{FOLDER_PREFIX}{dead.pid}-abc"
    left.mkdir()
    other = tmp_path / f"{FOLDER_PREFIX}notes"
    other.mkdir()
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([ours, other])


def test_a_process_of_somebody_else_is_alive():
    assert (alive(1), alive(os.getpid())) == (True, True)
