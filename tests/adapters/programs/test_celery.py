"""The real `celery`, with a worker, on the tests' Redis, as the page of programs says."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

APP = """\
import os
from celery import Celery
app = Celery("shop", broker=os.environ["CELERY_BROKER_URL"])
app.conf.broker_connection_retry_on_startup = True

@app.task
def report(name):
    return name
"""
READY = b" ready."
START_MAX_S = 60.0


class Shop:
    """An application in a folder, its broker, and a worker of its queue `orders`."""

    def __init__(self, folder, redis):
        self.folder, self.redis = folder, redis
        folder.mkdir()
        (folder / "shop.py").write_text(APP)
        self.env = {"CELERY_BROKER_URL": redis.tcp_url(), "PYTHONDONTWRITEBYTECODE": "1"}
        self.worker = None

    def celery(self, *words, check=True, stdin=None):
        return subprocess.run(
            [Path(sys.executable).with_name("celery"), "-A", "shop", *words],
            cwd=self.folder, env=self.env | {"PATH": "/usr/bin:/bin"}, capture_output=True,
            text=True, check=check, stdin=stdin or subprocess.DEVNULL,
        )  # fmt: skip

    def queue(self, count):
        for number in range(count):
            self.celery("call", "shop.report", "--queue", "reports", "--args", f'["{number}"]')

    @property
    def queued(self):
        return int(self.redis.command("LLEN reports").strip(b":\r\n"))

    def start_worker(self):
        log = self.folder / "worker.log"
        self.worker = subprocess.Popen(
            [Path(sys.executable).with_name("celery"), "-A", "shop", "worker", "--pool", "solo",
             "-Q", "orders", "--loglevel", "INFO", "--hostname", "worker@shop", "-f", log],
            cwd=self.folder, env=self.env | {"PATH": "/usr/bin:/bin", "C_FORCE_ROOT": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + START_MAX_S
        while not (log.exists() and READY in log.read_bytes()):
            assert self.worker.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture
def shop(tmp_path, redis, stage):
    shop = Shop(tmp_path / "shop", redis)
    stage.connections(workers={"allowed": ["celery"], "cwd": str(shop.folder), "env": shop.env})
    yield shop
    if shop.worker is not None:
        shop.worker.kill()
        shop.worker.wait()


async def test_the_worked_steps_ask_the_workers_and_drop_a_queue(stage, shop):
    shop.queue(2)
    shop.start_worker()
    result = await stage.page("celery")
    assert (result.status, shop.queued) == ("resolved", 0)
    assert stage.result("workers")["json"] == {"worker@shop": {"ok": "pong"}}


async def test_their_rehearsal_drops_nothing(stage, shop):
    shop.queue(1)
    shop.start_worker()
    await stage.page("celery", rehearse=True)
    assert shop.queued == 1
    assert "exit code 0" in stage.preview("drop_reports")["text"]


async def test_without_a_worker_the_question_fails_and_nothing_is_dropped(stage, shop):
    shop.queue(1)
    result = await stage.page("celery")
    assert (result.status, stage.statuses()) == ("failed", {"workers": "failed"})
    assert shop.queued == 1


async def test_a_broker_that_is_not_there_fails_like_workers_that_do_not_answer_and_says_so(
    stage, shop
):
    env = shop.env | {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    stage.connections(workers={"allowed": ["celery"], "cwd": str(shop.folder), "env": env})
    await stage.page("celery")
    status, why = stage.ends()["workers"]
    assert (status, "Could not connect to the message broker" in why[0]) == ("failed", True)


async def test_purge_without_f_asks_does_nothing_and_is_refused_in_words(stage, shop):
    shop.queue(1)
    done = shop.celery("purge", "-Q", "reports", check=False)
    assert (done.returncode, shop.queued) == (1, 1)
    await stage.run("""
steps:
  - {id: purge, action: command.run, target: workers, idempotent: true,
     with: {argv: [celery, -A, shop, purge, -Q, reports]}}
""")
    assert stage.ends()["purge"] == (
        "errored", ["`celery purge` asks whether it may, and nobody is there to answer"],
    )  # fmt: skip
